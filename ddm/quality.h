/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The eight quality factors: plain measures of the text that an analyzer scored last, each with its
 * source. They are numbers for filters, RUPS axes, reports and a calibrated quality score
 * (ddm/profile.h), and decide nothing by themselves.
 *
 * Three that the card of BOREAL-250M names without a definition:
 *   lexical_diversity     moving-average type-token ratio, window 50 words (plain ratio if shorter)
 *                         Covington, McFall 2010, "Cutting the Gordian knot" (MATTR)
 *   semantic_diversity    1 less the mean cosine of all pairs of segments, each a bag of its
 * content words, hashed with signs into 256 buckets: the mean distance between contexts of Hoffman,
 * Lambon Ralph, Rogers 2013, on hashed features (Weinberger et al. 2009). Content words are those
 * of 4 bytes and more that are no function words, and characters of scripts without spaces. It sees
 *                         words, not meanings: synonyms are different.
 *   verb_uniqueness       distinct verbs / verbs (Harley, King 1989, "Verb lexis in the written
 *                         compositions of young L2 learners"), over runs of 25 verbs, averaged
 *                         (Johnson 1944, mean segmental type-token ratio), since the plain ratio
 *                         falls with length. Verbs are the forms of the lexicon, one per line
 * there. Five more, each against another way of being bad: distinct_ngrams       distinct word
 * 4-grams / all, grams within segments; 1 less the share of repeated n-grams of Rae et al. 2021
 * (Gopher), A.1.1: repetition mean_sentence_length  words a sentence, the length term of Flesch
 * 1948; a sentence ends at . ! ? or a line end, so that menus, lists and verse read short
 *   function_words        share of words on the language's list of frequent ones; for English the
 *                         eight of the stop word rule of Rae et al. 2021: lists of keywords
 *   alphabetic_words      share of words with a letter; Rae et al. 2021 keep 0.8 and more: tables
 *   byte_entropy          Shannon 1948, order 0, bits a byte: 4 to 5 for prose, 6 for base64
 *
 * How each tells good from bad pages on human labels: tests/bench/RESULTS.md. For scripts without
 * spaces a word is a character (ddm/words.h) and the word measures say little.
 */
#ifndef CRU_DDM_QUALITY_H
#define CRU_DDM_QUALITY_H

#include "ddm/ddm.h"

enum cru_factor {
    CRU_LEXICAL_DIVERSITY,
    CRU_SEMANTIC_DIVERSITY,
    CRU_VERB_UNIQUENESS,
    CRU_DISTINCT_NGRAMS,
    CRU_MEAN_SENTENCE_LENGTH,
    CRU_FUNCTION_WORDS,
    CRU_ALPHABETIC_WORDS,
    CRU_BYTE_ENTROPY,
};
enum { CRU_FACTORS = 8, CRU_VERB_RUN = 25, CRU_MEANING_BUCKETS = 256 };

/* NaN for what cannot be measured: semantic_diversity of fewer than two segments with content
 * words, verb_uniqueness without a verb or a list of verbs, function_words without a list of them.
 */
struct cru_quality {
    double factor[CRU_FACTORS];
};

/* "lexical_diversity", ... */
const char *cru_factor_name(enum cru_factor factor);

/* Of the region that `analyzer` scored last; `text` must be the same. All 0 when it has no word.
 * CRU_FATAL when memory is short. */
enum cru_status cru_quality_measure(struct cru_ddm_analyzer *analyzer, struct cru_span text,
                                    struct cru_quality *quality, struct cru_error *err);

#endif
