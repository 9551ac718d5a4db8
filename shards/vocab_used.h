/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vocabulary slice of a shard set: which ids occur, how often, and how many bytes of text each
 * stands for. A tiny model keeps embedding rows for these ids only (row k for tokens[k].id); the
 * bytes make a loss in nats into exact bits a byte. pad_id and end_id are always in it.
 *
 * The file is mapped read-only and its checksum is checked on opening. Structs are open for
 * reading; any number of threads may read. Errors: CRU_FATAL.
 */
#ifndef CRU_SHARDS_VOCAB_USED_H
#define CRU_SHARDS_VOCAB_USED_H

#include "crucible/base/error.h"
#include <stdbool.h>
#include <stdint.h>

struct cru_used_token {
    uint32_t id;
    uint32_t bytes; /* of text; 0 for a special id, or when lengths are not known */
    uint64_t count; /* times it stands in the token arrays, padding included */
};

struct cru_vocab_used {
    const struct cru_used_token *tokens; /* [n], ascending by id */
    uint32_t n;
    uint32_t vocab_size, pad_id, end_id; /* as in the shards */
    bool bytes_known;
    uint64_t tokenizer_hash;
    uint64_t total;    /* sum of counts = the set's n_tokens */
    uint64_t checksum; /* names this slice; the manifest and a checkpoint hold it */
    /* Private: */
    const unsigned char *map;
    uint64_t map_bytes;
};

/* `path` is the file, DIR/vocab.used. */
enum cru_status cru_vocab_used_open(const char *path, struct cru_vocab_used *used,
                                    struct cru_error *err);
/* The one of a set: as above, and refused unless it is the one that the manifest names. */
struct cru_shard_set;
enum cru_status cru_shard_set_vocab(const struct cru_shard_set *set, struct cru_vocab_used *used,
                                    struct cru_error *err);
void cru_vocab_used_close(struct cru_vocab_used *used); /* zeroed is fine */

/* The row of an id in [0, n), or UINT32_MAX when it does not occur. O(log n). */
uint32_t cru_vocab_used_row(const struct cru_vocab_used *used, uint32_t id);

/* Fills rows[0 .. vocab_size) with each id's row, UINT32_MAX where it does not occur. */
void cru_vocab_used_rows(const struct cru_vocab_used *used, uint32_t *rows);

/* Writes such a file; counts[vocab_size]; bytes[vocab_size] or NULL when not known. *checksum is
 * set. */
enum cru_status cru_vocab_used_write(const char *path, uint64_t tokenizer_hash, uint32_t vocab_size,
                                     uint32_t pad_id, uint32_t end_id, const uint64_t *counts,
                                     const uint32_t *bytes, uint64_t *checksum, uint32_t *n_used,
                                     struct cru_error *err);

#endif
