/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an encoder remembers: the ids of pieces seen before. Nearly every piece is short and was seen
 * before, so this is where encoding spends its time, and what it looks like is what makes it fast.
 *
 *   set, one cache line:   [ low high | id id id id ][ low high | id id id id ]
 *                            bytes of the piece,             the last id's top 4 bits
 *                            zeros, number of bytes          are the number of ids
 *
 * A piece of more than 4 ids keeps them in `pool`; when that is full, all is forgotten. Pieces of 16 to
 * 46 bytes have a table of two lines an entry. Some 22 MiB, whatever the text: large, because a
 * corpus has half a million different words; sets are asked for well before they are read. One thread.
 */
#ifndef CRU_TOKENIZER_WORD_CACHE_H
#define CRU_TOKENIZER_WORD_CACHE_H

#include "tokenizer/vocab_image.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    CRU_CACHED_BYTES = 15,
    CRU_INLINE_IDS = 4,
    CRU_IN_POOL = 15, /* in place of a count: ids[0] is a place in the pool, ids[1] the count */
    CRU_COUNT_SHIFT = 28,
    CRU_SET_BITS = 18,
    CRU_LONG_BITS = 15,
    CRU_LONG_BYTES = 46,
    CRU_LONG_IDS = 20,
    CRU_POOL_IDS = 1 << 17,
};

struct cru_word_entry {
    uint64_t low, high;
    uint32_t ids[CRU_INLINE_IDS];
};

struct cru_word_set {
    struct cru_word_entry way[2];
};

/* Two cache lines: a piece of up to CRU_LONG_BYTES bytes and CRU_LONG_IDS ids. */
struct cru_long_entry {
    unsigned char n, count, bytes[CRU_LONG_BYTES];
    uint32_t ids[CRU_LONG_IDS];
};

struct cru_word_cache {
    struct cru_word_set *sets;    /* [2^CRU_SET_BITS] */
    struct cru_long_entry *longs; /* [2^CRU_LONG_BITS] */
    uint32_t *pool;               /* [CRU_POOL_IDS] */
    size_t pooled;
};

bool cru_word_cache_init(struct cru_word_cache *cache); /* false when memory is short */
void cru_word_cache_release(struct cru_word_cache *cache);

/* Keeps the ids of a piece of 1 to CRU_CACHED_BYTES bytes, in place of the older of its set. */
void cru_word_cache_put(struct cru_word_cache *cache, struct cru_piece_key key, uint64_t hash,
                        const uint32_t *ids, size_t n);

static inline const struct cru_word_set *cru_word_cache_set(const struct cru_word_cache *cache,
                                                            uint64_t hash) {
    return &cache->sets[hash >> (64 - CRU_SET_BITS)];
}

/* The ids of the piece, written to out, which has room for CRU_INLINE_IDS and for all of them: behind
 * the last; or NULL when the piece is not known. */
static inline uint32_t *cru_word_cache_get(const struct cru_word_cache *cache,
                                           const struct cru_word_set *set, struct cru_piece_key key,
                                           uint32_t *out) {
    uint64_t first = (set->way[0].low ^ key.low) | (set->way[0].high ^ key.high);
    uint64_t second = (set->way[1].low ^ key.low) | (set->way[1].high ^ key.high);
    if (__builtin_expect(first && second, 0)) return NULL;
    const struct cru_word_entry *way = &set->way[first != 0]; /* no branch: it is a coin toss */
    uint32_t fourth = way->ids[3], count = fourth >> CRU_COUNT_SHIFT;
    if (__builtin_expect(count == CRU_IN_POOL, 0)) {
        memcpy(out, cache->pool + way->ids[0], way->ids[1] * sizeof *out);
        return out + way->ids[1];
    }
    memcpy(out, way->ids, 3 * sizeof *out);
    out[3] = fourth & ((1u << CRU_COUNT_SHIFT) - 1);
    return out + count;
}

#endif
