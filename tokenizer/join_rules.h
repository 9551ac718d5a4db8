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

static inline bool cru_leads_three(unsigned char c) {
    return (c & 0xF0) == 0xE0;
}

static inline bool cru_continues(unsigned char c) {
    return (c & 0xC0) == 0x80;
}

/* The code point of the character of three bytes at p: 16 bits. */
static inline uint32_t cru_three_byte_point(const unsigned char *p) {
    return (uint32_t)(p[0] & 15) << 12 | (uint32_t)(p[1] & 63) << 6 | (p[2] & 63);
}

/* The bit of two characters, by their code points, which fit 16 bits. */
static inline uint32_t cru_join_hash(uint32_t a, uint32_t b) {
    return (a << 16 | b) * 0x9E3779B1u >> (32 - CRU_JOIN_BITS);
}

/* False when a cut between the characters of three bytes with code points a and b is safe; b begins with
 * the byte first_b. */
static inline bool cru_joins_may(const struct cru_joins *j, uint32_t a, uint32_t b,
                                 unsigned char first_b) {
    uint32_t i = cru_join_hash(a, b);
    return ((j->hashed[i >> 6] >> (i & 63)) | (j->grid[first_b & 63] >> (a & 63))) & 1;
}

/* Adds what one token contains. */
void cru_joins_add(struct cru_joins *j, const unsigned char *p, size_t n);

#endif
