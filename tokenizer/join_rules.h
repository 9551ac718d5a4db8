/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a long piece may be cut before merging. Every merge makes a token, so between two characters
 * A|B that no token contains side by side, not even in part, no merge can ever reach across: both sides
 * can be encoded alone, and the result is the same. Of neighbouring Han characters nearly half are
 * such, which makes short, cacheable stretches of long pieces.
 *
 *   token  [..b1 b2|c1 c2 c3|d1..]      A token may begin or end within a character, so four things
 *                                       are kept, each a set that may say yes too often, never too seldom:
 *     pair   (A, B)      both whole           hashed into bits
 *     left   (B)         A only in part       hashed into bits
 *     right  (A)         B only in part       hashed into bits
 *     both   (last byte of A, first of B)     a grid
 *
 * Neighbours in ASCII are never asked about: nearly all occur in tokens. Pure functions.
 */
#ifndef CRU_TOKENIZER_JOIN_RULES_H
#define CRU_TOKENIZER_JOIN_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CRU_JOIN_BITS = 19, CRU_JOIN_GRID = 65536 / 64 };

struct cru_joins {
    uint64_t hashed[1 << (CRU_JOIN_BITS - 6)];
    uint64_t grid[CRU_JOIN_GRID];
};

/* A character is its bytes as a number, first byte highest; 0 stands for "in part". */
static inline uint32_t cru_join_hash(uint32_t a, uint32_t b) {
    uint64_t key = (uint64_t)a << 32 | b;
    return (uint32_t)((key * 0x9E3779B97F4A7C15u ^ key >> 29) * 0xD1B54A32D192ED03u >>
                      (64 - CRU_JOIN_BITS));
}

static inline bool cru_join_has(const uint64_t *bits, uint32_t i) {
    return bits[i >> 6] >> (i & 63) & 1;
}

/* False when a cut between the characters is safe. */
static inline bool cru_joins_may(const struct cru_joins *j, uint32_t a, uint32_t b, uint8_t last_a,
                                 uint8_t first_b) {
    return cru_join_has(j->hashed, cru_join_hash(a, b)) ||
           cru_join_has(j->hashed, cru_join_hash(0, b)) ||
           cru_join_has(j->hashed, cru_join_hash(a, 0)) ||
           cru_join_has(j->grid, (uint32_t)last_a << 8 | first_b);
}

/* Adds what one token contains. */
void cru_joins_add(struct cru_joins *j, const unsigned char *p, size_t n);

#endif
