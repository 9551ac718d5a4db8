/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a piece may be cut before merging. Every merge makes a token, so between two characters A|B that
 * no token contains side by side, not even in part, no merge can ever reach across: both sides can be
 * encoded alone, and the result is the same. Of neighbouring Han characters nearly half are such,
 * which makes short, cacheable stretches of long pieces.
 *
 *   token  [..b1 b2|c1 c2 c3|d1..]      A token may begin or end within a character. Only characters
 *                                       of three bytes are asked about (Han, kana, Hangul, Thai, ...):
 *     hashed   A and B whole, or one of them all but a byte, which is every character that fits
 *     grid     one of them a byte only: the last byte of A with the first of B
 *
 * Both may say yes too often, never too seldom. Pure functions.
 */
#ifndef CRU_TOKENIZER_JOIN_RULES_H
#define CRU_TOKENIZER_JOIN_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CRU_JOIN_BITS = 19 };

struct cru_joins {
    uint64_t hashed[1 << (CRU_JOIN_BITS - 6)];
    uint64_t grid[64]; /* by the low 6 bits of B's first byte; bit: those of A's last */
};

/* The bit of two characters of three bytes each. */
static inline uint32_t cru_join_hash(const unsigned char *a, const unsigned char *b) {
    uint64_t key = (uint64_t)a[0] << 40 | (uint64_t)a[1] << 32 | (uint64_t)a[2] << 24 |
                   (uint64_t)b[0] << 16 | (uint64_t)b[1] << 8 | b[2];
    return (uint32_t)(key * 0x9E3779B97F4A7C15u >> (64 - CRU_JOIN_BITS));
}

/* False when a cut between the characters a and b, of three bytes each, is safe. */
static inline bool cru_joins_may(const struct cru_joins *j, const unsigned char *a,
                                 const unsigned char *b) {
    uint32_t i = cru_join_hash(a, b);
    return ((j->hashed[i >> 6] >> (i & 63)) | (j->grid[b[0] & 63] >> (a[2] & 63))) & 1;
}

/* Adds what one token contains. */
void cru_joins_add(struct cru_joins *j, const unsigned char *p, size_t n);

#endif
