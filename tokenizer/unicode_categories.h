/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the patterns beyond Qwen2's and GPT-2's ask about a code point: case, marks, and what the
 * pre-tokenisers Digits and Punctuation take. Constant tables in two steps, as unicode_classes.h
 * draws them, written by unicode_categories.py; any thread.
 */
#ifndef CRU_TOKENIZER_UNICODE_CATEGORIES_H
#define CRU_TOKENIZER_UNICODE_CATEGORIES_H

#include <stddef.h>
#include <stdint.h>

#include "tokenizer/unicode_classes.h"

enum {
    CRU_CAT_UPPER = 1,    /* \p{Lu} \p{Lt} \p{Lm} \p{Lo} \p{M} */
    CRU_CAT_LOWER = 2,    /* \p{Ll} \p{Lm} \p{Lo} \p{M} */
    CRU_CAT_LETTER = 4,   /* \p{L} */
    CRU_CAT_NUMBER = 8,   /* \p{N} */
    CRU_CAT_SPACE = 16,   /* \s */
    CRU_CAT_NUMERIC = 32, /* alone under Digits: \p{N} of a later Unicode */
    CRU_CAT_PUNCT = 64,   /* alone under Punctuation: ASCII's, and \p{P} of an earlier Unicode */
    CRU_CAT_WORD_BITS = CRU_CAT_LETTER | CRU_CAT_NUMBER | CRU_CAT_SPACE,
};

extern const uint16_t cru_category_block[0x110000 / 128];
extern const uint8_t cru_category_bits[][128];

static inline unsigned cru_category_of(uint32_t c) {
    return cru_category_bits[cru_category_block[c >> 7]][c & 127];
}

/* The bits of the code point at p, which is valid UTF-8, and its length in bytes. */
static inline unsigned cru_category_at(const unsigned char *p, unsigned *length) {
    if (*p < 0x80) return *length = 1, cru_category_bits[cru_category_block[0]][*p];
    return cru_category_of(cru_code_point(p, length));
}

struct cru_category_range {
    uint32_t first, last;
    char name[12];
};
/* Assigned, or put into another category, after Unicode 14; sorted by code point. */
extern const struct cru_category_range cru_category_later[];
extern const size_t cru_category_n_later;
/* Sets that patterns may name as a whole. */
extern const struct cru_category_range cru_category_named[];
extern const size_t cru_category_n_named;

#endif
