/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "crucible/base/base.h"
#include "ddm/analyzer.h"
#include "ddm/cues.h"
#include "ddm/quality.h"

enum { SHORTEST_CONTENT_WORD = 4 }; /* bytes */

const char *cru_factor_name(enum cru_factor factor) {
    static const char *const names[CRU_FACTORS] = {
        [CRU_LEXICAL_DIVERSITY] = "lexical_diversity",
        [CRU_SEMANTIC_DIVERSITY] = "semantic_diversity",
        [CRU_VERB_UNIQUENESS] = "verb_uniqueness",
        [CRU_DISTINCT_NGRAMS] = "distinct_ngrams",
        [CRU_MEAN_SENTENCE_LENGTH] = "mean_sentence_length",
        [CRU_FUNCTION_WORDS] = "function_words",
        [CRU_ALPHABETIC_WORDS] = "alphabetic_words",
        [CRU_BYTE_ENTROPY] = "byte_entropy",
    };
    return (unsigned)factor < CRU_FACTORS ? names[factor] : "unknown";
}

/* Entropy of the bytes of the region that are not white space; four tables, so that a run of one
 * byte does not wait for itself. */
static double byte_entropy(const struct cru_ddm_analyzer *a, struct cru_span text) {
    const struct cru_region *region = &a->region;
    uint32_t lanes[4][256] = {{0}}; /* a text is under 4 GiB */
    for (size_t r = 0; r < region->n; r++) {
        const unsigned char *p = (const unsigned char *)text.p + region->pieces[r].begin;
        size_t n = region->pieces[r].end - region->pieces[r].begin;
        size_t i = 0;
        for (; i + 8 <= n; i += 8) {
            uint64_t x;
            memcpy(&x, p + i, 8);
            lanes[0][x & 0xFF]++, lanes[1][x >> 8 & 0xFF]++;
            lanes[2][x >> 16 & 0xFF]++, lanes[3][x >> 24 & 0xFF]++;
            lanes[0][x >> 32 & 0xFF]++, lanes[1][x >> 40 & 0xFF]++;
            lanes[2][x >> 48 & 0xFF]++, lanes[3][x >> 56]++;
        }
        for (; i < n; i++) lanes[i & 3][p[i]]++;
    }
    double all = 0, sum = 0;
    for (size_t b = 0; b < 256; b++) {
        uint64_t count = (uint64_t)lanes[0][b] + lanes[1][b] + lanes[2][b] + lanes[3][b];
        if (count == 0 || b == ' ' || (b >= '\t' && b <= '\r')) continue;
        all += (double)count;
        sum += count < CRU_DDM_LOGS ? a->logs[count] : (double)count * log2((double)count);
    }
    return all > 0 ? fmax(0, log2(all) - sum / all) : 0;
}

/* ---- verbs ---- */

struct verbs {
    uint32_t *run_of; /* by verb: the run in which it was seen last */
    uint32_t run;     /* of this text; from 1 */
    uint32_t now, distinct;
    uint64_t runs, distinct_in_runs;
    uint64_t function_words;
};

static inline void see_verb(struct verbs *v, uint64_t verb) {
    v->now++;
    if (v->run_of[verb] != v->run) {
        v->run_of[verb] = v->run;
        v->distinct++;
    }
    if (v->now == CRU_VERB_RUN) {
        v->runs++;
        v->distinct_in_runs += v->distinct;
        v->run++;
        v->now = v->distinct = 0;
    }
}

/* Fewer than a run count when there is nothing else. */
static double verb_uniqueness(const struct verbs *v) {
    if (v->runs > 0) return (double)v->distinct_in_runs / (double)(v->runs * CRU_VERB_RUN);
    return v->now > 0 ? (double)v->distinct / v->now : (double)NAN;
}

/* ---- meanings ---- */

struct meanings {
    int32_t segment[CRU_MEANING_BUCKETS + 1]; /* the last: of words without content, never read */
    double all[CRU_MEANING_BUCKETS];          /* sum of the segments' unit vectors */
    double n;
};

static inline bool is_content(const struct cru_word *w, uint32_t entry) {
    return ((w->flags & CRU_WORD_LETTER) != 0) & (w->form != 0) & (entry < CRU_LEXICON_FUNCTION) &
           ((w->length >= SHORTEST_CONTENT_WORD) | ((w->flags & CRU_WORD_CHARACTER) != 0));
}

static inline size_t bucket_of(uint32_t form) {
    return form >> 9 & (CRU_MEANING_BUCKETS - 1);
}
static inline int32_t sign_of(uint32_t form) {
    return form & 0x100 ? 1 : -1;
}

/* Adds the unit vector of the segment, and clears it. `words` are those that `buckets` came from.
 */
static void add_meaning(struct meanings *m, const uint16_t *buckets, size_t n, int64_t square) {
    if (square > 0) {
        double scale = 1 / sqrt((double)square);
        for (size_t i = 0; i < n; i++) {
            m->all[buckets[i]] += m->segment[buckets[i]] * scale;
            m->segment[buckets[i]] = 0;
        }
        m->n++;
    } else {
        for (size_t i = 0; i < n; i++) m->segment[buckets[i]] = 0;
    }
}

static double semantic_diversity(const struct meanings *m) {
    double square = 0;
    if (m->n < 2) return (double)NAN;
    for (size_t b = 0; b < CRU_MEANING_BUCKETS; b++) square += m->all[b] * m->all[b];
    double cosine = (square - m->n) / (m->n * (m->n - 1));
    return 1 - fmin(1, fmax(0, cosine));
}

/* ---- all ---- */

static enum cru_status reserve(struct cru_ddm_analyzer *a, struct cru_error *err) {
    size_t verbs = a->lexicon ? a->lexicon->n_verbs + 1 : 1, most = 0;
    for (size_t i = 0; i < a->n_segments; i++)
        if (a->segments[i].words > most) most = a->segments[i].words;
    if (verbs > a->cap_verbs) {
        void *p = realloc(a->verb_run, verbs * sizeof *a->verb_run);
        if (!p) return cru_fail_memory(err, "quality of a text");
        a->verb_run = p;
        a->cap_verbs = verbs;
        memset(a->verb_run, 0, verbs * sizeof *a->verb_run);
        a->verb_clock = 1;
    }
    if (most > a->cap_buckets) {
        void *p = realloc(a->buckets, most * sizeof *a->buckets);
        if (!p) return cru_fail_memory(err, "quality of a text");
        a->buckets = p;
        a->cap_buckets = most;
    }
    if (a->verb_clock > UINT32_MAX / 2) { /* a text has under 2^32 / 25 runs */
        memset(a->verb_run, 0, a->cap_verbs * sizeof *a->verb_run);
        a->verb_clock = 1;
    }
    return CRU_OK;
}

enum cru_status cru_quality_measure(struct cru_ddm_analyzer *a, struct cru_span text,
                                    struct cru_quality *q, struct cru_error *err) {
    const struct cru_words *words = &a->words;
    const struct cru_lexicon *lexicon = a->lexicon;
    uint64_t alphabetic = 0, sentences = 0;
    memset(q, 0, sizeof *q);
    if (words->n == 0) return CRU_OK;
    enum cru_status status = reserve(a, err);
    if (status != CRU_OK) return status;

    struct verbs verbs = {.run_of = a->verb_run, .run = a->verb_clock};
    struct meanings meanings;
    memset(&meanings, 0, sizeof meanings);
    bool known = lexicon && lexicon->n_word_forms > 0;
    uint32_t starts = CRU_WORD_STOP; /* whether the next word starts a sentence */
    for (size_t i = 0; i < a->n_segments; i++) {
        const struct cru_word *w = words->list + a->first[i], *end = w + a->segments[i].words;
        size_t n = 0, n_verbs = 0;
        uint64_t *in_segment = a->keys; /* its verbs; the keys of its grams have been counted */
        int64_t square = 0;
        for (; w < end; w++) {
            uint32_t entry = known ? cru_lexicon_word(lexicon, w->form) : 0;
            /* bytes above ASCII count as letters: the rule must not punish other alphabets */
            alphabetic += (w->flags & CRU_WORD_LETTER) != 0;
            sentences += (starts & CRU_WORD_STOP) || (w->flags & CRU_WORD_LINE);
            starts = w->flags;
            verbs.function_words += entry >> 31;
            /* no branch: which words are verbs and which have content cannot be guessed */
            in_segment[n_verbs] = entry & ~CRU_LEXICON_FUNCTION;
            n_verbs += in_segment[n_verbs] != 0;
            bool content = is_content(w, entry);
            size_t b = content ? bucket_of(w->form) : CRU_MEANING_BUCKETS;
            int32_t sign = sign_of(w->form), before = meanings.segment[b];
            square += content ? 2 * sign * before + 1 : 0; /* (x + s)^2 - x^2 */
            meanings.segment[b] = before + sign;
            a->buckets[n] = (uint16_t)b;
            n += content;
        }
        for (size_t k = 0; k < n_verbs; k++) see_verb(&verbs, in_segment[k]);
        add_meaning(&meanings, a->buckets, n, a->segments[i].code ? 0 : square);
    }
    a->verb_clock = verbs.run + 1;

    double n = (double)words->n;
    uint64_t width = words->n < CRU_DDM_TTR_WINDOW ? words->n : CRU_DDM_TTR_WINDOW;
    q->factor[CRU_LEXICAL_DIVERSITY] =
        (double)a->windows_types / ((double)(words->n - width + 1) * (double)width);
    q->factor[CRU_SEMANTIC_DIVERSITY] = semantic_diversity(&meanings);
    q->factor[CRU_VERB_UNIQUENESS] = verb_uniqueness(&verbs);
    q->factor[CRU_DISTINCT_NGRAMS] = (double)a->grams_distinct / (double)a->grams_total;
    q->factor[CRU_MEAN_SENTENCE_LENGTH] = n / (double)sentences;
    q->factor[CRU_FUNCTION_WORDS] =
        lexicon && lexicon->n_function_words > 0 ? (double)verbs.function_words / n : (double)NAN;
    q->factor[CRU_ALPHABETIC_WORDS] = (double)alphabetic / n;
    q->factor[CRU_BYTE_ENTROPY] = byte_entropy(a, text);
    return CRU_OK;
}
