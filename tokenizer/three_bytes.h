/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The characters of three bytes in a block of 64 bytes, all at once: Chinese, Japanese and Korean text has up to
 * 22 of them there, and looking at one after the other took a fifth of its encoding. Says which are letters
 * for sure, and between which neighbours a piece may be cut (join_rules.h). For AVX-512;
 * piece_masks.c does the same character by character where there is none, and for all other characters.
 * Pure function.
 */
#ifndef CRU_TOKENIZER_THREE_BYTES_H
#define CRU_TOKENIZER_THREE_BYTES_H

#include "tokenizer/join_rules.h"

/* The ranges whose every code point is a letter (\p{L}) and no more: kana, Han and its extension A,
 * Hangul syllables. First and last. */
enum { CRU_LETTER_RANGES = 5 };
extern const uint16_t cru_letter_ranges[CRU_LETTER_RANGES][2];

struct cru_three_bytes {
    uint64_t leads;   /* where such characters begin */
    uint64_t letters; /* which of them are in cru_letter_ranges */
    uint64_t
        cuts; /* which of them may be cut off from the one before, if that is one and ends there */
    uint32_t last; /* the code point of the last */
};

/* The block at p, of which 66 bytes can be read; `within`: the leads of characters to look at. `joins` may be
 * NULL: no cuts. `before`: the code point of three bytes before p, or 0. */
typedef struct cru_three_bytes (*cru_three_bytes_fn)(const unsigned char *p, uint64_t within,
                                                     const struct cru_joins *joins,
                                                     uint32_t before);

#if defined __x86_64__
/* For AVX-512 F, BW and VBMI2, BMI2 and POPCNT. */
struct cru_three_bytes cru_three_bytes_avx512(const unsigned char *p, uint64_t within,
                                              const struct cru_joins *joins, uint32_t before);
#endif

#endif
