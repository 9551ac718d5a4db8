/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Merges by the two tokens that they join: which rank, if any. Eight slots to a cache line, because
 * a line is what a look costs:
 *
 *   slot   left 20 | right 20 | rank + 1, 24; all ones: free
 *   line   [slot slot slot  -  -  -  -  - ]     taken from the front
 *
 * A pair's line is the one that its hash says; if that was full, the next that was not. With two or three slots
 * of eight taken on average, hardly any is, so a look is at one line. Two tokens of all ones are no pair.
 */
#ifndef CRU_TOKENIZER_PAIR_TABLE_H
#define CRU_TOKENIZER_PAIR_TABLE_H

#include "tokenizer/vocab_image.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { CRU_PAIR_LINE = 8, CRU_PAIR_BITS_LEAST = 4 };

static inline uint64_t cru_pair(uint32_t left, uint32_t right) {
    return (uint64_t)left << CRU_ID_BITS | right;
}

/* The least bits of a table of 2^bits slots for n merges. */
static inline uint32_t cru_pair_bits(size_t n) {
    uint32_t bits = CRU_PAIR_BITS_LEAST;
    while (((size_t)1 << bits) < n * 2) bits++;
    return bits;
}

/* The number of the slot where a pair's line begins. */
static inline uint32_t cru_pair_line(uint64_t pair, uint32_t bits) {
    uint64_t mixed = pair * 0x9E3779B97F4A7C15u;
    return (uint32_t)(mixed >> (64 - bits)) & ~(uint32_t)(CRU_PAIR_LINE - 1);
}

/* Empties a table. */
static inline void cru_pairs_clear(uint64_t *pairs, uint32_t bits) {
    memset(pairs, 0xFF, sizeof *pairs << bits);
}

/* Adds a merge, which is not in the table; there is room. */
static inline void cru_pairs_add(uint64_t *pairs, uint32_t bits, uint64_t pair, uint32_t rank) {
    uint32_t i = cru_pair_line(pair, bits);
    while (pairs[i] != UINT64_MAX) i = (i + 1) & ((1u << bits) - 1);
    pairs[i] = pair << CRU_RANK_BITS | (rank + 1);
}

/* The rank of a pair's merge, or CRU_NONE. */
static inline uint32_t cru_pair_rank(const uint64_t *pairs, uint32_t bits, uint64_t pair) {
    for (uint32_t i = cru_pair_line(pair, bits);; i = (i + 1) & ((1u << bits) - 1)) {
        if (pairs[i] >> CRU_RANK_BITS == pair)
            return (uint32_t)(pairs[i] & ((1u << CRU_RANK_BITS) - 1)) - 1;
        if (pairs[i] == UINT64_MAX) return CRU_NONE;
    }
}

static inline uint32_t cru_pair_find(const uint64_t *pairs, uint32_t bits, uint32_t left,
                                     uint32_t right) {
    return cru_pair_rank(pairs, bits, cru_pair(left, right));
}

#endif
