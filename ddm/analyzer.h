/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a cru_ddm_analyzer, for this room alone. */
#ifndef CRU_DDM_ANALYZER_H
#define CRU_DDM_ANALYZER_H

#include "ddm/ddm.h"
#include "ddm/drift.h"
#include "ddm/lexicon.h"
#include "ddm/novelty.h"
#include "ddm/region.h"
#include "ddm/words.h"

/*
 * Sizes. Four characters of Han or kana make a gram that repeats by chance where four words do not:
 * with 4, 6 and 8 characters the median page of the Debian installation guide has .45, .474, .477
 * (Chinese) and .33, .40, .44 (Japanese) as its signal_score, against .487 in English.
 */
enum {
    CRU_DDM_WORDS = 4,      /* words a gram */
    CRU_DDM_CHARACTERS = 8, /* the same, when the first is such a character */
    CRU_DDM_LOGS = 512,
    CRU_DDM_AHEAD = 12,      /* words between asking for a slot and using it */
    CRU_DDM_TTR_WINDOW = 50, /* words; Covington, McFall 2010 use 50 to 500 */
};

struct cru_ddm_analyzer {
    struct cru_region region;
    struct cru_words words;
    struct cru_ddm_segment *segments;
    uint32_t *first; /* word index of each segment's first word */
    size_t n_segments, cap_segments;
    uint64_t *keys; /* of the grams of two segments, room for cap_keys each */
    size_t cap_keys;
    struct cru_drift_times times;
    /* of the quality factors: by verb, the run that saw it; the text's verbs in their order, and
     * the buckets of a segment's content words, room for cap_content of both */
    uint32_t *verb_run, verb_clock;
    size_t cap_verbs;
    uint32_t *verbs;
    double logs[CRU_DDM_LOGS]; /* n log2 n */
    uint16_t *buckets;
    size_t cap_content;
    struct cru_lexicon *english;       /* compiled in; NULL when there is none */
    const struct cru_lexicon *lexicon; /* of the texts to come; NULL: no cues */
    struct cru_novelty grams;          /* stamp: segment */
    struct cru_novelty occurrences;    /* stamp: position of the word's latest occurrence */
    uint32_t clock;                    /* above all stamps so far */
    /* of the last text */
    uint64_t grams_total, grams_distinct;
    uint64_t windows_types; /* sum over all windows of the document of the types in them */
};

#endif
