/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an encoder remembers: the ids of pieces seen before. Nearly every piece is short and was seen
 * before, so this is where encoding spends its time, and what it looks like is what makes it fast.
 *
 *   entry, half a cache line:   [ low high | id id id | count ]
 *                                 bytes of the piece, zeros, number of bytes
 *
 *   words    [ e e ][ e e ][ e e ] ...    two to a cache line; a piece has a place of its own, where it
 *                                         is looked for first, and the one beside it, where it stands
 *                                         when another piece with the same place came later
 *
 * A piece of more than 3 ids keeps them in `pool`; when that is full, all is forgotten. Longer pieces, to
 * CRU_LONG_BYTES, have a table that says where in `store` their ids and bytes are.
 *
 * `words` begins with 256 KiB, because a short text should not pay for clearing more, and when that is half
 * full, becomes 16 MiB: a corpus has half a million different words, and entries are asked for well before
 * they are read. Some 30 MiB in the end, whatever the text. One thread.
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
    CRU_INLINE_IDS = 3,
    CRU_PLACE_BITS_FIRST = 13, /* log2 of the places in words, */
    CRU_PLACE_BITS = 19,       /* and later */
    CRU_LONG_BITS = 17,
    CRU_LONG_BYTES = 1024,
    CRU_STORE_WORDS = 1 << 21, /* of 4 bytes */
    CRU_POOL_IDS = 1 << 20,
};

struct cru_word_entry {
    uint64_t low, high; /* struct cru_piece_key; zeros: free */
    uint32_t ids[CRU_INLINE_IDS], count; /* count > CRU_INLINE_IDS: they are at pool[ids[0]] */
};

/* A longer piece: its ids are at store[at], its bytes behind them. */
struct cru_long_entry {
    uint32_t tag, at; /* tag: of its hash */
    uint16_t bytes, ids; /* bytes 0: free */
};

struct cru_word_cache {
    struct cru_word_entry *words; /* [2^place_bits], at a multiple of 64 bytes */
    struct cru_long_entry *longs; /* [2^CRU_LONG_BITS] */
    uint32_t *pool;               /* [CRU_POOL_IDS] */
    uint32_t *store;              /* [CRU_STORE_WORDS] */
    uint32_t place_bits;
    size_t kept; /* words put in so far, in the first table */
    size_t pooled, stored;
};

bool cru_word_cache_init(struct cru_word_cache *cache); /* false when memory is short */
void cru_word_cache_release(struct cru_word_cache *cache);

/* Keeps the ids of a piece of 1 to CRU_CACHED_BYTES bytes that is not in `words`. */
void cru_word_cache_put(struct cru_word_cache *cache, struct cru_piece_key key,
                        const uint32_t *ids, size_t n);

/* The ids of a piece of 16 to CRU_LONG_BYTES bytes with this hash, copied to out: behind the last; or NULL. */
uint32_t *cru_word_cache_get_long(const struct cru_word_cache *cache, const unsigned char *p,
                                  size_t n, uint64_t hash, uint32_t *out);
void cru_word_cache_put_long(struct cru_word_cache *cache, const unsigned char *p, size_t n,
                             uint64_t hash, const uint32_t *ids, size_t n_ids);

/* Moves the entries to the larger table, if there is memory for it. */
void cru_word_cache_grow(struct cru_word_cache *cache);

/* To be called now and then, where no place is held: they may change. */
static inline void cru_word_cache_tend(struct cru_word_cache *cache) {
    if (__builtin_expect(cache->kept > (size_t)1 << (CRU_PLACE_BITS_FIRST - 1), 0)) cru_word_cache_grow(cache);
}

/* Exchanges the piece's place with the one beside it, if the piece stands there. */
bool cru_word_cache_fetch(struct cru_word_cache *cache, struct cru_piece_key key);

/* The number of the place that is the piece's own. */
static inline size_t cru_word_place(const struct cru_word_cache *cache, struct cru_piece_key key) {
    uint64_t mixed = (key.low ^ key.high * 0xD1B54A32D192ED03u) * 0x9E3779B97F4A7C15u;
    return mixed >> (64 - cache->place_bits);
}

static inline const struct cru_word_entry *cru_word_cache_place(const struct cru_word_cache *cache,
                                                                struct cru_piece_key key) {
    return &cache->words[cru_word_place(cache, key)];
}

/* The ids at the piece's place, written to out, which has room for all of them and for INLINE_IDS + 1:
 * behind the last; or NULL when another piece is there. */
static inline uint32_t *cru_word_cache_get(const struct cru_word_cache *cache,
                                           const struct cru_word_entry *e,
                                           struct cru_piece_key key, uint32_t *out) {
    if (__builtin_expect(e->low != key.low, 0) || __builtin_expect(e->high != key.high, 0))
        return NULL;
    uint32_t count = e->count;
    if (__builtin_expect(count > CRU_INLINE_IDS, 0)) {
        memcpy(out, cache->pool + e->ids[0], count * sizeof *out);
        return out + count;
    }
    memcpy(out, (const char *)e + 16, 16); /* one step; the last is no id */
    return out + count;
}

#endif
