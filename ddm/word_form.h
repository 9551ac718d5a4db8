/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a word's hashes, for words.c and word_form.c alone: a word of at most 16 bytes is
 * two registers, so hashing and lower case need neither a loop nor a copy.
 *
 *   "Wait,"   ->   low = 'W' 'a' 'i' 't' ',' 0 0 0   high = 0        zeros behind its last byte
 *
 * Words in registers are put together as little-endian ones everywhere, so hashes do not depend on
 * the machine. Pure; no errors.
 */
#ifndef CRU_DDM_WORD_FORM_H
#define CRU_DDM_WORD_FORM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { CRU_WORD_SHORT = 16 };

struct cru_word_bytes {
    uint64_t low, high;
};

static inline uint64_t cru_word_load8(const char *p) {
    uint64_t x;
    memcpy(&x, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    x = __builtin_bswap64(x);
#endif
    return x;
}

static inline void cru_word_store8(char *p, uint64_t x) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    x = __builtin_bswap64(x);
#endif
    memcpy(p, &x, 8);
}

/* The 0 to 16 bytes at p; 16 can be read. */
static inline struct cru_word_bytes cru_word_load_near(const char *p, size_t n) {
    static const uint64_t masks[CRU_WORD_SHORT + 1][2] = {
#define MASK(n) UINT64_MAX >> (64 - 8 * (n))
        {0, 0},
        {MASK(1), 0},
        {MASK(2), 0},
        {MASK(3), 0},
        {MASK(4), 0},
        {MASK(5), 0},
        {MASK(6), 0},
        {MASK(7), 0},
        {MASK(8), 0},
        {MASK(8), MASK(1)},
        {MASK(8), MASK(2)},
        {MASK(8), MASK(3)},
        {MASK(8), MASK(4)},
        {MASK(8), MASK(5)},
        {MASK(8), MASK(6)},
        {MASK(8), MASK(7)},
        {MASK(8), MASK(8)},
#undef MASK
    };
    return (struct cru_word_bytes){cru_word_load8(p) & masks[n][0],
                                   cru_word_load8(p + 8) & masks[n][1]};
}

/* The 0 to 16 bytes at p. Bytes before `limit` may be read, and none behind it is. */
static inline struct cru_word_bytes cru_word_load(const char *p, size_t n, const char *limit) {
    char copy[CRU_WORD_SHORT] = {0};
    if ((size_t)(limit - p) >= CRU_WORD_SHORT) return cru_word_load_near(p, n);
    memcpy(copy, p, n);
    return cru_word_load_near(copy, n);
}

/* A-Z to a-z in eight ASCII bytes at once: adding 0x3F carries into the top bit from 'A' on, adding
 * 0x25 from behind 'Z' on, and that bit, shifted, is the bit that parts the cases. */
static inline uint64_t cru_word_lower8(uint64_t x) {
    uint64_t upper = (x + 0x3F3F3F3F3F3F3F3Fu) & ~(x + 0x2525252525252525u) & 0x8080808080808080u;
    return x | upper >> 2;
}

static inline struct cru_word_bytes cru_word_lower(struct cru_word_bytes x) {
    return (struct cru_word_bytes){cru_word_lower8(x.low), cru_word_lower8(x.high)};
}

/* One 128-bit product, its halves folded, as in wyhash (Wang Yi 2019); the two odd constants are
 * the golden ratio's and SplitMix64's. */
static inline uint64_t cru_word_mix(struct cru_word_bytes x, size_t n) {
    unsigned __int128 p = (unsigned __int128)(x.low ^ 0x9E3779B97F4A7C15u) *
                          (x.high ^ 0xBF58476D1CE4E5B9u ^ (uint64_t)n << 56);
    return (uint64_t)p ^ (uint64_t)(p >> 64);
}

static inline uint32_t cru_word_short_hash(struct cru_word_bytes x, size_t n) {
    return (uint32_t)(cru_word_mix(x, n) >> 32) | 1;
}

#endif
