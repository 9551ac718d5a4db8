/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MinHash signatures of documents (Broder 1997), cut into bands for LSH (Indyk, Motwani 1998).
 *
 * A document's shingles are its n-grams of normalised words (crucible/dedup/fold.h). Permutation i
 * keeps the least shingle in its order; two documents agree on one with probability J, their
 * Jaccard similarity. `rows` minima make a band's key; two documents share at least one of `bands`
 * keys with probability 1 - (1 - J^rows)^bands.
 *
 *   words    w0 w1 w2 w3 w4 w5 ...
 *   shingles [w0 .. w4] [w1 .. w5] ...       -> x0 x1 ...
 *   minima   min a0 x + b0 | min a1 x + b1 | ...        bands x rows of them
 *   keys     XXH3 of rows 0..7 | of rows 8..15 | ...    one 64-bit word a band, never 0
 *
 * Memory while signing: the minima and a chunk of words, whatever the document's length. A document
 * with fewer words than a shingle has no signature: it is kept and matches nothing (as datatrove
 * does). A cru_minhash is immutable after init and shared by threads; each has its own work space.
 */
#ifndef CRU_DEDUP_MINHASH_H
#define CRU_DEDUP_MINHASH_H

#include "crucible/base/arena.h"
#include "crucible/base/error.h"
#include "crucible/dedup/fold.h"
#include "crucible/dedup/minima.h"

enum { CRU_MINHASH_BANDS_MAX = 1024, CRU_MINHASH_ROWS_MAX = 256, CRU_MINHASH_NGRAM_MAX = 64 };
enum { CRU_MINHASH_CHUNK = 512 }; /* words signed at a time */

struct cru_minhash_profile {
    const char *name;
    int64_t bands, rows, ngram;
    const char *source;
};
extern const struct cru_minhash_profile cru_minhash_profiles[]; /* ends with a NULL name */
const struct cru_minhash_profile *cru_minhash_profile_find(const char *name);

struct cru_minhash {
    size_t bands, rows, ngram;
    uint64_t power; /* CRU_GRAM_BASE to the ngram-th */
    const struct cru_fold *fold;
    struct cru_minima minima;
};

/* `fold` is borrowed. CRU_FATAL only when memory is short. */
enum cru_status cru_minhash_init(struct cru_minhash *m, const struct cru_fold *fold, size_t bands,
                                 size_t rows, size_t ngram, uint64_t seed, struct cru_error *err);
void cru_minhash_release(struct cru_minhash *m);

struct cru_minhash_work {
    uint64_t words[CRU_MINHASH_CHUNK], shingles[CRU_MINHASH_CHUNK];
    uint64_t prefix[CRU_MINHASH_CHUNK + CRU_MINHASH_NGRAM_MAX];
    uint64_t *minima; /* m->minima.padded; bands x rows of them are the signature */
};

/* A work space in the arena; NULL when memory is short. */
struct cru_minhash_work *cru_minhash_work_new(const struct cru_minhash *m, struct cru_arena *arena);
/* Signs a text into work->minima; the number of its shingles, 0: no signature. */
uint64_t cru_minhash_sign(const struct cru_minhash *m, struct cru_minhash_work *work,
                          struct cru_span text);
/* The keys of a signature; keys[bands]. */
void cru_minhash_keys(const struct cru_minhash *m, const uint64_t *minima, uint64_t *keys);

#endif
