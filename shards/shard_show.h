/* SPDX-License-Identifier: Apache-2.0 */
/* A set and its documents as text and JSON, for `crucible shard info` and `cat`, and for reports.
 * Each appends to a buffer, whose `failed` the caller checks. Any thread. */
#ifndef CRU_SHARDS_SHARD_SHOW_H
#define CRU_SHARDS_SHARD_SHOW_H

#include "crucible/base/buffer.h"
#include "crucible/base/error.h"
#include "shards/shard_file.h"

/* A few lines for people. */
void cru_shard_show_text(const struct cru_shard_set *set, struct cru_buffer *out);

/* One JSON object and a newline: path, tokenizer {name, hash}, vocab_size, token_width, bag,
 * pad_id, end_id, documents, tokens, padding, text_bytes, checksum, sources [], shards []. */
void cru_shard_show_json(const struct cru_shard_set *set, struct cru_buffer *out);

/* Document i of the set as one JSON object and a newline: id (32 hexadecimal digits: its 128-bit
 * hash), source, bin (null when none), weight, offset and length in the set, text_bytes and, when
 * asked for, ids. CRU_FATAL when its index entry is damaged; nothing is appended then. */
enum cru_status cru_shard_show_document(const struct cru_shard_set *set, uint64_t i, bool ids,
                                        struct cru_buffer *out, struct cru_error *err);

#endif
