/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "crucible/base/base.h"
#include "ddm/analyzer.h"
#include "ddm/cues.h"
#include "ddm/quality.h"

/* Counts the bytes of the region that are not white space; four tables, so that a run of one byte
 * does not wait for itself. */
static void count_bytes(const struct cru_region *region, struct cru_span text,
                        uint64_t count[256]) {
    uint32_t lanes[4][256] = {{0}}; /* a text is under 4 GiB */
    for (size_t r = 0; r < region->n; r++) {
        const unsigned char *p = (const unsigned char *)text.p + region->pieces[r].begin;
        size_t n = region->pieces[r].end - region->pieces[r].begin;
        for (size_t i = 0; i < n; i++) lanes[i & 3][p[i]]++;
    }
    for (size_t b = 0; b < 256; b++)
        count[b] = (uint64_t)lanes[0][b] + lanes[1][b] + lanes[2][b] + lanes[3][b];
    for (size_t b = '\t'; b <= '\r'; b++) count[b] = 0;
    count[' '] = 0;
}

void cru_quality_measure(const struct cru_ddm_analyzer *a, struct cru_span text,
                         struct cru_quality *q) {
    const struct cru_words *words = &a->words;
    uint64_t count[256], bytes = 0, characters = 0, digits = 0, alphabetic = 0, sentences = 0;
    memset(q, 0, sizeof *q);
    if (words->n == 0) return;

    count_bytes(&a->region, text, count);
    for (size_t b = 0; b < 256; b++) {
        bytes += count[b];
        if (b < 0x80 || b >= 0xC0) characters += count[b]; /* not a continuation byte */
        if (b >= '0' && b <= '9') digits += count[b];
    }
    for (size_t w = 0; w < words->n; w++) {
        const struct cru_word *word = &words->list[w];
        /* bytes above ASCII count: the rule must not punish other alphabets */
        alphabetic += (word->flags & CRU_WORD_LETTER) != 0;
        sentences += cru_starts_sentence(words, w);
    }
    if (characters == 0) characters = bytes; /* stray continuation bytes only */
    for (size_t b = 0; b < 256; b++)
        if (count[b] > 0) {
            double p = (double)count[b] / (double)bytes;
            q->byte_entropy -= p * log2(p);
        }

    uint64_t n = words->n, width = n < CRU_DDM_TTR_WINDOW ? n : CRU_DDM_TTR_WINDOW;
    q->lexical_diversity = (double)a->windows_types / ((double)(n - width + 1) * (double)width);
    q->distinct_ngrams = (double)a->grams_distinct / (double)a->grams_total;
    q->mean_word_length = (double)characters / (double)n;
    q->mean_sentence_length = (double)n / (double)sentences;
    q->alphabetic_words = (double)alphabetic / (double)n;
    q->digit_share = (double)digits / (double)characters;
}
