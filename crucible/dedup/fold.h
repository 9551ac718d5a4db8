/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Normalised words: what near-duplicate and contamination search compare instead of bytes.
 *
 * Normalisation, character by character (Unicode data: utf8proc):
 *   letters          lower case, then the canonical decomposition's base if there is exactly one
 *                    ("É" -> "e"; a Hangul syllable stays itself)
 *   digits (Nd)      "0"; a run of digits is one "0", also across one '.' or ',' ("1,024.5" -> "0")
 *   Mn, Me, Cf       dropped (combining marks, soft hyphen, joiners)
 *   all else         a space (punctuation, symbols, controls, unassigned)
 * A word is a run of what is left. In scripts written without spaces (Han, kana, Thai, Lao, Khmer,
 * Myanmar, Tai) each character is a word: UAX #29's default rule, without dictionaries.
 * Follows datatrove's simplify_text (lower case, digits to 0, punctuation to space, NFD without
 * Mn); its word segmentation is a language model's, this one is the same for all languages.
 *
 *   "Él dijo: 3.141 veces"  ->  el | dijo | 0 | veces
 *   "東京 Tower"            ->  東 | 京 | tower
 *
 * A word is known by a 64-bit hash. A cru_fold is immutable after cru_fold_new and may be shared by
 * threads; a cru_word_scan is on the stack of one. Invalid UTF-8 is read as separators.
 */
#ifndef CRU_DEDUP_FOLD_H
#define CRU_DEDUP_FOLD_H

#include "crucible/base/span.h"
#include <stddef.h>
#include <stdint.h>

struct cru_fold;
struct cru_fold *cru_fold_new(void); /* 257 KiB; NULL when memory is short */
void cru_fold_free(struct cru_fold *fold);

/* What becomes of one code point: 0 a separator, 1 nothing, else the folded code point, with
 * CRU_FOLD_ALONE set when it is a word of its own. */
#define CRU_FOLD_ALONE 0x80000000u
uint32_t cru_fold_code_point(int32_t code_point);

struct cru_word_scan {
    const struct cru_fold *fold;
    const unsigned char *start, *p, *end;
};

struct cru_word_place {
    size_t begin, end; /* byte offsets into the text */
};

void cru_word_scan_init(struct cru_word_scan *scan, const struct cru_fold *fold,
                        struct cru_span text);
/* The hashes of the next words, at most `capacity`; the number found, 0 at the end. `places` may be
 * NULL. */
size_t cru_word_scan_next(struct cru_word_scan *scan, uint64_t *hashes,
                          struct cru_word_place *places, size_t capacity);

/*
 * Hashes of n-grams by prefix sums: with P[e] = P[e-1] K + word[e], the n-gram that ends at e is
 * P[e] - P[e-n] K^n, all modulo 2^64. One multiplication a gram for any n, none of it serial.
 */
#define CRU_GRAM_BASE 0x9FB21C651E98DF25u
static inline uint64_t cru_gram_power(size_t n) {
    uint64_t power = 1;
    while (n--) power *= CRU_GRAM_BASE;
    return power;
}

#endif
