/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The classes of 64 bytes at a time, a bit a byte: what the mask pre-tokeniser (piece_masks.h) computes
 * with. One kernel an instruction set and a plain one; all give the same bits.
 *
 *   text     I t ' s   1 2 \n        letter  1 1 0 1 0 0 0 0
 *                                    digit   0 0 0 0 0 1 1 0
 *                                    space   0 0 0 0 1 0 0 0    ... bit i is byte i
 *
 * Only ASCII has a class here; of other bytes only `lead` and `follow` are told. Pure functions.
 */
#ifndef CRU_TOKENIZER_BYTE_MASKS_H
#define CRU_TOKENIZER_BYTE_MASKS_H

#include "tokenizer/three_bytes.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One cache line. */
struct cru_byte_masks {
    uint64_t letter, digit;
    uint64_t space;   /* U+0020 */
    uint64_t blank;   /* tab, vertical tab, form feed */
    uint64_t newline; /* \r \n */
    uint64_t quote;   /* ' */
    uint64_t lead;    /* first byte of a character of several: 0xC0..0xFF */
    uint64_t follow;  /* its later bytes: 0x80..0xBF */
};

/* Reads 64 * blocks bytes at p; writes masks[blocks]. */
typedef void (*cru_byte_masks_fn)(const unsigned char *p, size_t blocks,
                                  struct cru_byte_masks *masks);

/* Sets bit i of masks[blocks] where byte i leads characters of which some are combining marks or not in
 * normal form (NFC): a look at each such place is all the check for NFC there is. */
typedef void (*cru_mark_leads_fn)(const unsigned char *p, size_t blocks, uint64_t *masks);

/* Writes the places of the n words' set bits in ascending order, which fit 16 bits, and up
 * to CRU_POSITIONS_SLACK more entries of no meaning; returns how many there are. */
enum { CRU_POSITIONS_SLACK = 64 };
typedef size_t (*cru_positions_fn)(const uint64_t *words, size_t n, uint16_t *places);

enum cru_masks_path {
    CRU_MASKS_PLAIN,
    CRU_MASKS_SSE2, /* every x86-64 */
    CRU_MASKS_AVX2,
    CRU_MASKS_AVX512,
    CRU_MASKS_NEON,
    CRU_MASKS_PATHS
};

struct cru_mask_kernels {
    const char *name; /* "plain", "sse2", "avx2", "avx512", "neon" */
    cru_byte_masks_fn byte_masks;
    cru_mark_leads_fn mark_leads;
    cru_positions_fn positions;
    cru_three_bytes_fn three_bytes; /* or NULL */
    bool avx2; /* whether what goes with it may use AVX2, BMI, BMI2 and POPCNT */
};

/* The kernels of a path, or NULL when this machine or build has none such. */
const struct cru_mask_kernels *cru_mask_kernels_of(enum cru_masks_path path);
/* The fastest here; or those that the environment variable CRUCIBLE_SIMD names, if they can run. */
const struct cru_mask_kernels *cru_mask_kernels_best(void);

/* For mark_leads: row lead - 0xC0, bit second - 0x80: whether a character that begins with these two bytes
 * may be a mark or not in normal form. Lists of Unicode 16; tests compare it with unicode_ranges.h. */
extern const uint64_t cru_mark_seconds[64];

#endif
