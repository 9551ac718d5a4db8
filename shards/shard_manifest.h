/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manifest.json: what a set holds, as a struct, to JSON and back; private to this room. Strings and
 * arrays of a parsed manifest live in the arena that was passed in; a rendered one borrows them.
 */
#ifndef CRU_SHARDS_SHARD_MANIFEST_H
#define CRU_SHARDS_SHARD_MANIFEST_H

#include "crucible/base/arena.h"
#include "crucible/base/buffer.h"
#include "crucible/base/error.h"
#include "shards/shard_file.h"
#include <stdint.h>

#define CRU_MANIFEST_NAME "manifest.json"
#define CRU_MANIFEST_FORMAT "crucible-shards"
#define CRU_VOCAB_USED_NAME "vocab.used"

struct cru_manifest_shard {
    const char *file;
    uint64_t bytes, documents, tokens, padding, checksum;
};

struct cru_manifest {
    struct cru_span tokenizer_name;
    uint64_t tokenizer_hash;
    uint32_t vocab_size, token_width, bag, pad_id, end_id;
    uint64_t documents, tokens, padding, text_bytes;
    uint64_t vocab_used_checksum;
    uint32_t vocab_used_ids;
    size_t n_sources, n_shards;
    struct cru_shard_source *sources;
    struct cru_manifest_shard *shards;
    uint64_t checksum; /* of the text before the line that holds it; set by both functions */
};

/* Appends the JSON text; check out->failed. */
void cru_manifest_render(struct cru_manifest *manifest, struct cru_buffer *out);

/* Reads the text of the file called `name`. CRU_FATAL for anything that render would not have
 * written, a changed byte included. */
enum cru_status cru_manifest_parse(const char *text, size_t n, const char *name,
                                   struct cru_arena *arena, struct cru_manifest *manifest,
                                   struct cru_error *err);

/* The JSON itself, without the checksum line (shard_manifest_json.cc, over simdjson). */
enum cru_status cru_manifest_parse_json(const char *text, size_t n, const char *name,
                                        struct cru_arena *arena, struct cru_manifest *manifest,
                                        struct cru_error *err);

#endif
