/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads shards: one .crs file, or a set (the directory that shards/writer.h makes). Files are
 * mapped read-only; opening checks the manifest, each header and the sizes, and costs a page a
 * shard. FORMAT.md has the layout to the byte.
 *
 * Structs are open for reading; only these functions fill them. What they point to lives until
 * close. After open any number of threads may call every reading function at once.
 *
 * Errors: CRU_FATAL with the file's name and what is wrong with it: "cut short", "not finished",
 * "checksum of block 3 does not match". Opening does not read the tokens: cru_shard_verify does.
 *
 *     set     | 00000.crs           | 00001.crs      |          positions count through all shards;
 *     tokens  | docA..P docB... docC.P| docD...... docE |         P: padding, up to a multiple of
 * bag 0                    first_token[1]   first_token[2] = n_tokens
 */
#ifndef CRU_SHARDS_SHARD_FILE_H
#define CRU_SHARDS_SHARD_FILE_H

#include "crucible/base/arena.h"
#include "crucible/base/error.h"
#include "crucible/base/hash.h"
#include "crucible/base/span.h"
#include <stdbool.h>
#include <stdint.h>

struct cru_shard_file {
    char *path;
    uint64_t tokenizer_hash;
    char tokenizer_name[64];
    uint32_t vocab_size, bag;
    uint32_t pad_id, end_id; /* CRU_SHARD_NO_ID (UINT32_MAX) when there is none */
    uint32_t token_width;    /* bytes a token: 2 or 4 */
    uint32_t n_sources;
    uint64_t n_tokens;  /* positions, padding included; a multiple of bag */
    uint64_t n_padding; /* of which padding */
    uint64_t n_docs;
    uint64_t text_bytes; /* sum over its documents */
    const void *tokens; /* uint16_t or uint32_t [n_tokens], little endian, aligned to 4,096 bytes */
    uint64_t checksum;  /* of the header, which holds those of all else: names the whole content */
    uint64_t file_bytes;
    /* Private: */
    const unsigned char *map;
    bool borrowed; /* the bytes belong to someone else */
    uint64_t index_offset, source_offset, source_bytes, sums_offset, n_blocks;
};

/* One document of a shard. */
struct cru_shard_entry {
    uint64_t offset; /* its first token's position in the shard; a multiple of bag */
    uint64_t length; /* tokens, its end id included, padding not */
    uint64_t text_bytes;
    struct cru_hash128 id_hash; /* cru_hash128 of its id, seed 0 */
    struct cru_span source;     /* valid UTF-8, in the map */
    float weight;               /* loss weight */
    uint8_t bin;                /* curriculum bin, CRU_SHARD_NO_BIN (255) when none */
};

enum cru_status cru_shard_file_open(const char *path, struct cru_shard_file *file,
                                    struct cru_error *err);
/* The same over n bytes in memory that outlive `file`; aligned to 8 bytes. `name` is for messages.
 */
enum cru_status cru_shard_file_borrow(const void *bytes, size_t n, const char *name,
                                      struct cru_shard_file *file, struct cru_error *err);
void cru_shard_file_close(struct cru_shard_file *file); /* zeroed is fine */

/* Reads all: every checksum, then that documents lie in order on multiples of the bag, that what is
 * between them is pad_id, that ids are below vocab_size and the counts are right. CRU_FATAL names
 * the file and the first block that is damaged. */
enum cru_status cru_shard_verify(const struct cru_shard_file *file, struct cru_error *err);

/* Document i in [0, n_docs). CRU_FATAL when its index entry is damaged. */
enum cru_status cru_shard_document(const struct cru_shard_file *file, uint64_t i,
                                   struct cru_shard_entry *entry, struct cru_error *err);

/* The document that position `at` belongs to (or whose padding it is): the last one that starts at
 * or before `at`. at < n_tokens. */
uint64_t cru_shard_document_at(const struct cru_shard_file *file, uint64_t at);

/* The token at a position of the shard; at < n_tokens is the caller's duty. */
static inline uint32_t cru_shard_token(const struct cru_shard_file *file, uint64_t at) {
    return file->token_width == 2 ? ((const uint16_t *)file->tokens)[at]
                                  : ((const uint32_t *)file->tokens)[at];
}

/* What a source contributed to a set. */
struct cru_shard_source {
    struct cru_span name;
    uint64_t documents;
    uint64_t tokens; /* ends included, padding not */
    uint64_t text_bytes;
};

struct cru_shard_set {
    char *dir;
    uint64_t tokenizer_hash;
    char tokenizer_name[64];
    uint32_t vocab_size, bag, pad_id, end_id, token_width;
    size_t n_shards;
    struct cru_shard_file *shards; /* [n_shards] */
    uint64_t *first_token; /* [n_shards + 1]: position in the set of each shard's first token */
    uint64_t *first_doc;   /* [n_shards + 1] */
    uint64_t n_tokens, n_padding, n_docs, text_bytes;
    uint64_t vocab_used_checksum; /* the vocabulary slice's name (vocab_used.h) */
    size_t n_sources;
    struct cru_shard_source *sources; /* [n_sources], in the order in which they first came */
    uint64_t checksum;                /* of the manifest: names the content of the whole set */
    struct cru_arena arena;           /* private */
};

/* Opens every shard of a finished set. CRU_FATAL when the manifest is missing ("not finished"), or
 * a shard is not the one that the manifest names. `dir` may also be one .crs file: a set of one
 * shard, with no sources listed and no vocabulary slice. */
enum cru_status cru_shard_set_open(const char *dir, struct cru_shard_set *set,
                                   struct cru_error *err);
void cru_shard_set_close(struct cru_shard_set *set); /* zeroed is fine */

/* cru_shard_verify over all shards, and the vocab.used file. Stops at the first damage. */
enum cru_status cru_shard_set_verify(const struct cru_shard_set *set, struct cru_error *err);

/* The part of it that is not in the shards: vocab.used is there and is the one that the manifest
 * names. */
enum cru_status cru_shard_set_verify_vocab(const struct cru_shard_set *set, struct cru_error *err);

/* Copies n tokens from position `at` of the set, across shards, widened to 32 bits. CRU_FATAL
 * unless at + n <= n_tokens. */
enum cru_status cru_shard_set_read(const struct cru_shard_set *set, uint64_t at, size_t n,
                                   uint32_t *ids, struct cru_error *err);

/* The same positions' loss weights: the document's weight, 0 on padding. */
enum cru_status cru_shard_set_weights(const struct cru_shard_set *set, uint64_t at, size_t n,
                                      float *weights, struct cru_error *err);

/* Document i of the set, in [0, n_docs); entry->offset counts from the set's start. */
enum cru_status cru_shard_set_document(const struct cru_shard_set *set, uint64_t i,
                                       struct cru_shard_entry *entry, struct cru_error *err);

/* Which document of the set a position belongs to; at < n_tokens. */
uint64_t cru_shard_set_document_at(const struct cru_shard_set *set, uint64_t at);

#endif
