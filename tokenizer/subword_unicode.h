/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the normalisers and pre-tokenisers in front of WordPiece and Unigram ask about a character.
 * Constant tables in two steps, as unicode_classes.h draws them, written by subword_unicode.py, which says
 * why they are tables of their own; any thread. What a character decomposes to and its combining class are
 * utf8proc's, which do not change once assigned; which characters do is decided here.
 */
#ifndef CRU_TOKENIZER_SUBWORD_UNICODE_H
#define CRU_TOKENIZER_SUBWORD_UNICODE_H

#include <stddef.h>
#include <stdint.h>

enum {
    CRU_SUB_CONTROL = 1,    /* BertNormalizer's clean_text drops it */
    CRU_SUB_BLANK = 2,      /* White_Space */
    CRU_SUB_NONSPACING = 4, /* BertNormalizer's strip_accents drops it */
    CRU_SUB_COMBINING = 8,  /* StripAccents drops it */
    CRU_SUB_NFD = 16,       /* NFD changes it */
    CRU_SUB_NFKD = 32,      /* NFKD changes it */
    CRU_SUB_REORDERS = 64,  /* its combining class is not 0 */
    CRU_SUB_WORD = 128,     /* \w of Whitespace and of added tokens that are single words */
    CRU_SUB_JOINS = 256,    /* in one grapheme with what is before it */
    CRU_SUB_LEADS = 512,    /* in one grapheme with what is behind it */
    CRU_SUB_ENDS = 1024,    /* a control, which nothing joins */
    CRU_SUB_UPPER = 2048,   /* Lowercase changes it */
};

extern const uint16_t cru_subword_block[0x110000 / 128];
extern const uint16_t cru_subword_bits[][128];

static inline unsigned cru_subword_class(uint32_t c) {
    return cru_subword_bits[cru_subword_block[c >> 7]][c & 127];
}

/* Every step-th of first..last has its lower case delta behind it. Sorted. U+0130 is in no run: it
 * becomes two. */
struct cru_lower_run {
    uint32_t first, last, step;
    int32_t delta;
};
extern const struct cru_lower_run cru_lower_runs[];
extern const size_t cru_lower_n_runs;

#endif
