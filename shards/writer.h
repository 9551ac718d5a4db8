/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes a shard set: a directory of NNNNN.crs files, vocab.used and, last of all, manifest.json.
 *
 * Each file is written under a temporary name and renamed when whole. A directory without a
 * manifest is unfinished: it does not open, and the next writer clears it. The bytes depend on the
 * parameters and the documents only (no time, host or thread count), so equal input gives equal
 * files.
 *
 *     open -> add, add, add ... -> close      (or abandon, at any point)
 *
 * A document never crosses shards. Its ids are followed by `end_id` (when there is one), then by
 * `pad_id` up to a multiple of `bag`, so every document starts at a multiple of the bag in its
 * shard and in the set. Padding is counted, belongs to no document and carries no loss.
 *
 * Whole blocks go past the page cache where the file system lets them (cru_output_send_block).
 *
 * The writer owns all its memory and borrows nothing after a call returns. Memory: 8 MiB + 8 bytes
 * an id of the vocabulary (12 with lengths) + 64 bytes a document of the shard being written (at
 * most 2^20 documents a shard) + the distinct source names. One thread at a time; one writer a
 * directory.
 *
 * Errors: CRU_USAGE for parameters or a directory that cannot be used, CRU_BAD for a document that
 * was refused (the writer is as before and can go on), CRU_FATAL for I/O and memory (only abandon
 * is left).
 */
#ifndef CRU_SHARDS_WRITER_H
#define CRU_SHARDS_WRITER_H

#include "crucible/base/error.h"
#include "crucible/base/hash.h"
#include "crucible/base/span.h"
#include <stdbool.h>
#include <stdint.h>

#define CRU_SHARD_NO_ID UINT32_MAX          /* "there is no such id" */
#define CRU_SHARD_NO_BIN 255                /* a document that no curriculum bin was given */
#define CRU_SHARD_DEFAULT_TOKENS (1u << 26) /* tokens a shard when shard_tokens is 0 */
#define CRU_SHARD_MAX_DOCUMENTS (1u << 20)  /* documents a shard, so that its index stays small */
#define CRU_SHARD_MAX_VOCABULARY (1u << 24)
#define CRU_SHARD_MAX_BAG 4096
#define CRU_SHARD_MAX_SOURCES (1u << 16) /* distinct source names a set: collections, not URLs */
#define CRU_SHARD_MAX_NAME 4096          /* bytes of a source or tokenizer name */

struct cru_shard_params {
    uint64_t tokenizer_hash;    /* which vocabulary the ids are of */
    const char *tokenizer_name; /* "qwen3"; UTF-8; up to 63 bytes */
    uint32_t vocab_size;        /* every id is below it; up to 65,536: u16 tokens, else u32 */
    uint32_t bag;               /* documents start at multiples of it; 0 means 1 */
    uint32_t pad_id;       /* below vocab_size; needed when bag > 1, else CRU_SHARD_NO_ID is fine */
    uint32_t end_id;       /* put behind every document; CRU_SHARD_NO_ID: nothing is */
    uint64_t shard_tokens; /* a shard is closed before it would hold more; 0: the default. A
                            * longer document gets a shard of its own. */
    bool replace;          /* a finished set in the directory is removed first */
};

struct cru_shard_doc {
    struct cru_span source;     /* UTF-8; up to CRU_SHARD_MAX_NAME bytes; may be empty */
    uint8_t bin;                /* curriculum bin, or CRU_SHARD_NO_BIN */
    float weight;               /* loss weight: finite, not negative; 1 is ordinary */
    struct cru_hash128 id_hash; /* cru_hash128 of the document's id, seed 0 */
    uint64_t text_bytes;        /* bytes of its UTF-8 text */
};

struct cru_shard_totals {
    uint64_t shards, documents;
    uint64_t tokens;     /* positions in the token arrays: documents, ends and padding */
    uint64_t padding;    /* those that are padding */
    uint64_t text_bytes; /* sum over documents */
};

struct cru_shard_writer;

/* Makes `dir` (and its parents) when missing, and clears what an unfinished run left there.
 * CRU_USAGE when it holds a finished set (unless params->replace) or files that are no part of one.
 * CRU_FATAL while another writer, of whatever process, is at work in it. Names starting with a dot
 * are left alone. *writer is NULL on failure. */
enum cru_status cru_shard_writer_open(const char *dir, const struct cru_shard_params *params,
                                      struct cru_shard_writer **writer, struct cru_error *err);

/* Adds a document of n ids (without its end id). CRU_BAD, and nothing is written, when an id is not
 * below vocab_size, the weight is negative or not finite, or the source is too long or not UTF-8.
 */
enum cru_status cru_shard_writer_add(struct cru_shard_writer *writer, const uint32_t *ids, size_t n,
                                     const struct cru_shard_doc *doc, struct cru_error *err);

/* The same for tokens that stand as they will in the shard: cru_shard_lay's positions, cru_shard_narrow's
 * width (shards/laid_tokens.h). `length` counts the document's ids and its end id. Every token must be below
 * vocab_size, which cru_id_tally_add has seen to; the tally that counted them is to be added before close,
 * and a document refused here (CRU_BAD) is taken off again by the writer. */
enum cru_status cru_shard_writer_add_laid(struct cru_shard_writer *writer, const void *tokens,
                                          size_t length, const struct cru_shard_doc *doc,
                                          struct cru_error *err);
struct cru_id_tally;
/* A tally of the same vocab_size. */
void cru_shard_writer_add_tally(struct cru_shard_writer *writer, const struct cru_id_tally *tally);

/* lengths[id] = bytes of text that the id stands for (0 for a special id), for all vocab_size ids;
 * goes into vocab.used, so that a loss becomes exact bits a byte. Copied. Call it before close;
 * optional. */
enum cru_status cru_shard_writer_token_bytes(struct cru_shard_writer *writer,
                                             const uint32_t *lengths, struct cru_error *err);

/* What was added so far. */
struct cru_shard_totals cru_shard_writer_totals(const struct cru_shard_writer *writer);

/* Finishes the last shard, writes vocab.used, then manifest.json. The writer is freed whatever the
 * answer; after a failure the directory holds nothing of this set. A set without documents is fine:
 * no shards. */
enum cru_status cru_shard_writer_close(struct cru_shard_writer *writer, struct cru_error *err);

/* Removes what this writer wrote and frees it. NULL is fine. */
void cru_shard_writer_abandon(struct cru_shard_writer *writer);

#endif
