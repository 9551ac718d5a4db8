/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quality factors: a handful of plain measures of the text an analyzer scored last, each with its
 * source. They are numbers for filters, RUPS axes and reports, and decide nothing here.
 *
 *   lexical_diversity     moving-average type-token ratio, window 50 words (plain ratio if shorter)
 *                         Covington, McFall 2010, "Cutting the Gordian knot" (MATTR)
 *   distinct_ngrams       distinct word 4-grams / all, grams within segments; 1 less the share of
 *                         repeated n-grams of Rae et al. 2021 (Gopher), A.1.1
 *   mean_word_length      characters that are not white space, a word; Rae et al. 2021 keep 3 to 10
 *   mean_sentence_length  words a sentence, the length term of Flesch 1948; a sentence ends at
 *                         . ! ? or a line end, so that verse and lists read short
 *   alphabetic_words      share of words with a letter; Rae et al. 2021 keep 0.8 and more
 *   digit_share           digits among characters that are not white space
 *   byte_entropy          Shannon 1948, order 0, bits a byte: 4 to 5 for prose, 6 for base64
 *
 * Not here: semantic diversity (needs embeddings: see select) and verb uniqueness (needs a tagger).
 * For scripts without spaces a word is a character (ddm/words.h) and the word measures say little.
 */
#ifndef CRU_DDM_QUALITY_H
#define CRU_DDM_QUALITY_H

#include "ddm/ddm.h"

struct cru_quality {
    double lexical_diversity, distinct_ngrams, mean_word_length, mean_sentence_length,
        alphabetic_words, digit_share, byte_entropy;
};

/* Of the region that `analyzer` scored last; `text` must be the same. All 0 when it has no word. */
void cru_quality_measure(const struct cru_ddm_analyzer *analyzer, struct cru_span text,
                         struct cru_quality *quality);

#endif
