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
    uint32_t count[256];
    for (size_t b = 0; b < 256; b++)
        count[b] = lanes[0][b] + lanes[1][b] + lanes[2][b] + lanes[3][b];
    for (size_t b = '\t'; b <= '\r'; b++) count[b] = 0;
    count[' '] = 0;
    double all = 0, sum = 0;
    for (size_t from = 0; from < 256; from += 64) {
        uint64_t some = 0; /* no branch: which bytes a text has cannot be guessed */
        for (size_t b = 0; b < 64; b++) some |= (uint64_t)(count[from + b] != 0) << b;
        for (; some; some &= some - 1) {
            uint32_t n = count[from + (size_t)__builtin_ctzll(some)];
            all += n;
            sum += n < CRU_DDM_LOGS ? a->logs[n] : n * log2(n);
        }
    }
    return all > 0 ? fmax(0, log2(all) - sum / all) : 0;
}

/* ---- verbs ---- */

/* Of n verbs by their numbers, in their order. run_of: by verb, the run in which it was seen last;
 * *run: a number that no verb has, and the next such on return. */
static double verb_uniqueness(uint32_t *run_of, uint32_t *run, const uint32_t *verbs, size_t n) {
    uint64_t distinct_in_runs = 0, runs = n / CRU_VERB_RUN;
    /* fewer than a run count when there is nothing else */
    size_t each = runs > 0 ? CRU_VERB_RUN : n, used = runs > 0 ? runs * CRU_VERB_RUN : n;
    for (size_t i = 0; i < used; i += each, ++*run) {
        for (size_t k = i; k < i + each; k++) { /* no branch: which are new cannot be guessed */
            distinct_in_runs += run_of[verbs[k]] != *run;
            run_of[verbs[k]] = *run;
        }
    }
    return used > 0 ? (double)distinct_in_runs / (double)used : (double)NAN;
}

/* ---- meanings ---- */

struct meanings {
    int32_t segment[CRU_MEANING_BUCKETS];
    double all[CRU_MEANING_BUCKETS]; /* sum of the segments' unit vectors */
    double n;
};

static inline bool is_content(const struct cru_word *w, uint32_t entry) {
    return ((w->flags & CRU_WORD_LETTER) != 0) & (w->form != 0) & (entry < CRU_LEXICON_FUNCTION) &
           ((w->length >= SHORTEST_CONTENT_WORD) | ((w->flags & CRU_WORD_CHARACTER) != 0));
}

/* A bucket is bits 9 to 16 of a form, its sign bit 8. */
static inline uint16_t bucket_of(uint32_t form) {
    return (uint16_t)(form >> 8 & (2 * CRU_MEANING_BUCKETS - 1));
}

/* Adds the unit vector of a segment with these n content words. */
static void add_meaning(struct meanings *m, const uint16_t *buckets, size_t n) {
    int64_t square = 0;
    for (size_t i = 0; i < n; i++) {
        int32_t *there = &m->segment[buckets[i] >> 1], sign = 2 * (buckets[i] & 1) - 1;
        square += 2 * sign * *there + 1; /* (x + s)^2 - x^2 */
        *there += sign;
    }
    double scale = square > 0 ? 1 / sqrt((double)square) : 0;
    for (size_t i = 0; i < n; i++) {
        size_t b = buckets[i] >> 1;
        m->all[b] += m->segment[b] * scale;
        m->segment[b] = 0;
    }
    m->n += square > 0;
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
    size_t verbs = a->lexicon ? a->lexicon->n_verbs + 1 : 1, words = a->words.n;
    if (verbs > a->cap_verbs) {
        void *p = realloc(a->verb_run, verbs * sizeof *a->verb_run);
        if (!p) return cru_fail_memory(err, "quality of a text");
        a->verb_run = p;
        a->cap_verbs = verbs;
        memset(a->verb_run, 0, verbs * sizeof *a->verb_run);
        a->verb_clock = 1;
    }
    if (words > a->cap_content) {
        size_t capacity = words + words / 2;
        void *p = realloc(a->buckets, capacity * sizeof *a->buckets);
        if (p) a->buckets = p;
        void *q = p ? realloc(a->verbs, capacity * sizeof *a->verbs) : NULL;
        if (q) a->verbs = q;
        if (!q) return cru_fail_memory(err, "quality of a text");
        a->cap_content = capacity;
    }
    if (a->verb_clock > UINT32_MAX / 2) { /* a text has under 2^32 / 25 runs */
        memset(a->verb_run, 0, a->cap_verbs * sizeof *a->verb_run);
        a->verb_clock = 1;
    }
    return CRU_OK;
}

/* What one look at each word counts. */
struct counts {
    uint64_t alphabetic, sentences, function_words;
    size_t verbs; /* in a->verbs */
};

/* The words of a segment; how many of them have content, in a->buckets. No branch: which words are
 * verbs and which have content cannot be guessed. */
static inline __attribute__((always_inline)) size_t
count_words(struct cru_ddm_analyzer *a, const struct cru_lexicon *lexicon, const struct cru_word *w,
            size_t n_words, uint32_t *before, struct counts *counts) {
    uint64_t alphabetic = 0, sentences = 0, function_words = 0;
    uint32_t *verb = a->verbs + counts->verbs, last = *before;
    uint16_t *bucket = a->buckets;
    for (size_t i = 0; i < n_words; i++, w++) {
        uint32_t entry = lexicon ? cru_lexicon_word(lexicon, w->form) : 0;
        /* bytes above ASCII count as letters: the rule must not punish other alphabets */
        alphabetic += (w->flags & CRU_WORD_LETTER) != 0;
        sentences += ((last & CRU_WORD_STOP) != 0) | ((w->flags & CRU_WORD_LINE) != 0);
        last = w->flags;
        function_words += entry >> 31;
        *verb = entry & ~CRU_LEXICON_FUNCTION;
        verb += (entry & ~CRU_LEXICON_FUNCTION) != 0;
        *bucket = bucket_of(w->form);
        bucket += is_content(w, entry);
    }
    counts->alphabetic += alphabetic;
    counts->sentences += sentences;
    counts->function_words += function_words;
    counts->verbs = (size_t)(verb - a->verbs);
    *before = last;
    return (size_t)(bucket - a->buckets);
}

enum cru_status cru_quality_measure(struct cru_ddm_analyzer *a, struct cru_span text,
                                    struct cru_quality *q, struct cru_error *err) {
    const struct cru_words *words = &a->words;
    const struct cru_lexicon *lexicon = a->lexicon;
    memset(q, 0, sizeof *q);
    if (words->n == 0) return CRU_OK;
    enum cru_status status = reserve(a, err);
    if (status != CRU_OK) return status;

    struct counts counts = {0};
    struct meanings meanings;
    memset(&meanings, 0, sizeof meanings);
    bool known = lexicon && lexicon->n_word_forms > 0;
    uint32_t before = CRU_WORD_STOP; /* flags of the word before: the first starts a sentence */
    for (size_t i = 0; i < a->n_segments; i++) {
        const struct cru_ddm_segment *s = &a->segments[i];
        const struct cru_word *w = words->list + a->first[i];
        size_t n = known ? count_words(a, lexicon, w, s->words, &before, &counts)
                         : count_words(a, NULL, w, s->words, &before, &counts);
        if (!s->code) add_meaning(&meanings, a->buckets, n);
    }

    double n = (double)words->n;
    uint64_t width = words->n < CRU_DDM_TTR_WINDOW ? words->n : CRU_DDM_TTR_WINDOW;
    q->factor[CRU_LEXICAL_DIVERSITY] =
        (double)a->windows_types / ((double)(words->n - width + 1) * (double)width);
    q->factor[CRU_SEMANTIC_DIVERSITY] = semantic_diversity(&meanings);
    q->factor[CRU_VERB_UNIQUENESS] =
        verb_uniqueness(a->verb_run, &a->verb_clock, a->verbs, counts.verbs);
    q->factor[CRU_DISTINCT_NGRAMS] = (double)a->grams_distinct / (double)a->grams_total;
    q->factor[CRU_MEAN_SENTENCE_LENGTH] = n / (double)counts.sentences;
    q->factor[CRU_FUNCTION_WORDS] =
        lexicon && lexicon->n_function_words > 0 ? (double)counts.function_words / n : (double)NAN;
    q->factor[CRU_ALPHABETIC_WORDS] = (double)counts.alphabetic / n;
    q->factor[CRU_BYTE_ENTROPY] = byte_entropy(a, text);
    return CRU_OK;
}
