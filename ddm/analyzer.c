/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "crucible/base/base.h"
#include "ddm/analyzer.h"
#include "ddm/drift.h"

struct cru_ddm_analyzer *cru_ddm_analyzer_new(void) {
    struct cru_ddm_analyzer *a = calloc(1, sizeof *a);
    if (!a) return NULL;
    cru_region_init(&a->region);
    cru_words_init(&a->words);
    cru_cues_init(&a->cues);
    cru_novelty_init(&a->grams);
    cru_novelty_init(&a->occurrences);
    a->clock = 1;
    return a;
}

void cru_ddm_analyzer_free(struct cru_ddm_analyzer *a) {
    if (!a) return;
    cru_region_release(&a->region);
    cru_words_release(&a->words);
    cru_novelty_release(&a->grams);
    cru_novelty_release(&a->occurrences);
    free(a->segments);
    free(a->first);
    free(a);
}

const struct cru_ddm_segment *cru_ddm_segments(const struct cru_ddm_analyzer *a, size_t *n) {
    *n = a->n_segments;
    return a->segments;
}

/* ---- segments ---- */

static struct cru_ddm_segment *add_segment(struct cru_ddm_analyzer *a, size_t word,
                                           struct cru_error *err) {
    if (a->n_segments == a->cap_segments) {
        size_t capacity = a->cap_segments ? 2 * a->cap_segments : 64;
        void *p = realloc(a->segments, capacity * sizeof *a->segments);
        if (p) a->segments = p;
        void *q = p ? realloc(a->first, capacity * sizeof *a->first) : NULL;
        if (q) a->first = q;
        if (!q) {
            cru_fail_memory(err, "segments of a text");
            return NULL;
        }
        a->cap_segments = capacity;
    }
    struct cru_ddm_segment *s = &a->segments[a->n_segments];
    memset(s, 0, sizeof *s);
    a->first[a->n_segments++] = (uint32_t)word;
    s->code = (a->words.list[word].flags & CRU_WORD_CODE) != 0;
    return s;
}

/* A cut is forced where a code fence begins or ends and at max_words; a blank line or a cue at the
 * start of a sentence cuts once there are min_words. */
static bool cuts(const struct cru_ddm_segment *s, const struct cru_word *w, bool cue,
                 const struct cru_ddm_config *config) {
    bool code = (w->flags & CRU_WORD_CODE) != 0;
    if (code != s->code || (w->flags & CRU_WORD_FENCE)) return true;
    if (code) return false;
    if (s->words >= config->max_words) return true;
    return s->words >= config->min_words && (cue || (w->flags & CRU_WORD_BLANK));
}

/* Cuts the words into segments and counts the cues of each. */
static enum cru_status cut_segments(struct cru_ddm_analyzer *a, struct cru_span text,
                                    const struct cru_ddm_config *config, struct cru_error *err) {
    struct cru_ddm_segment *s = NULL;
    size_t used_up = 0; /* words before this one belong to a cue already counted */
    a->n_segments = 0;
    for (size_t i = 0; i < a->words.n; i++) {
        const struct cru_word *w = &a->words.list[i];
        enum cru_cue cue = CRU_CUE_NONE;
        if (i >= used_up && !(w->flags & CRU_WORD_CODE)) {
            size_t n;
            cue = cru_cues_match(&a->cues, text, &a->words, i, &n);
            if (cue != CRU_CUE_NONE) used_up = i + n;
        }
        bool turn = cue != CRU_CUE_NONE && cru_starts_sentence(text, &a->words, i);
        if (!s || cuts(s, w, turn, config)) {
            s = add_segment(a, i, err);
            if (!s) return CRU_FATAL;
            s->begin = w->begin;
        }
        s->words++;
        s->end = w->begin + w->length;
        s->corrections += cue == CRU_CUE_CORRECTION;
        s->verifications += cue == CRU_CUE_VERIFICATION;
        s->explorations += cue == CRU_CUE_EXPLORATION;
    }
    return CRU_OK;
}

/* ---- features ---- */

/* The key of n words in their order. */
static uint64_t gram_key(const struct cru_word *w, size_t n) {
    uint64_t key = n;
    for (size_t i = 0; i < n; i++) key = (key << 31 | key >> 33) * 0x9E3779B97F4A7C15u + w[i].hash;
    return cru_mix64(key);
}

/* How many windows of `width` words in a run of n hold word j as the first of its type, when its
 * type was last seen just before `after` (all counted from the run's start). Summed over j this is
 * the sum over all windows of the number of types in them. */
static uint64_t windows_led(uint64_t j, uint64_t after, uint64_t n, uint64_t width) {
    uint64_t low = j + 1 > width ? j + 1 - width : 0;
    uint64_t high = j < n - width ? j : n - width;
    if (low < after) low = after;
    return low <= high ? high - low + 1 : 0;
}

static double type_token_ratio(uint64_t led, uint64_t n, uint64_t width) {
    return (double)led / ((double)(n - width + 1) * (double)width);
}

static double density(uint32_t hits, uint32_t words, double scale) {
    return -expm1(-100.0 * hits / words / scale);
}

/* Features and signal of segment i. Stamps are base + segment and base + word. */
static void measure(struct cru_ddm_analyzer *a, size_t i, uint32_t base,
                    const struct cru_ddm_config *config) {
    struct cru_ddm_segment *s = &a->segments[i];
    const struct cru_word *w = a->words.list + a->first[i];
    uint64_t here = a->first[i], n = s->words, all = a->words.n;
    uint64_t width = n < CRU_DDM_TTR_WINDOW ? n : CRU_DDM_TTR_WINDOW;
    uint64_t all_width = all < CRU_DDM_TTR_WINDOW ? all : CRU_DDM_TTR_WINDOW;
    uint64_t led = 0;
    for (uint64_t j = 0; j < n; j++) {
        uint32_t now = base + (uint32_t)(here + j);
        uint32_t before = cru_novelty_mark(&a->occurrences, w[j].hash, now);
        uint64_t after = before ? before - base + 1 : 0; /* first position free of the type */
        led += windows_led(j, after > here ? after - here : 0, n, width);
        a->windows_types += windows_led(here + j, after, all, all_width);
    }
    s->lexical = type_token_ratio(led, n, width);

    uint64_t total = 0, distinct = 0, fresh = 0;
    uint32_t stamp = base + (uint32_t)i;
    for (uint64_t j = 0; j < n; j++) {
        uint64_t size = w[j].flags & CRU_WORD_CHARACTER ? CRU_DDM_CHARACTERS : CRU_DDM_WORDS;
        bool last = j + 1 == n && total == 0;
        uint64_t from = last ? 0 : j;
        if (last)
            size = n; /* too short for a gram: all of it is one */
        else if (size > n - j)
            continue;
        uint32_t before = cru_novelty_mark(&a->grams, gram_key(w + from, size), stamp);
        total++;
        distinct += before != stamp;
        fresh += before == 0;
    }
    a->grams_total += total;
    a->grams_distinct += fresh;
    s->novelty = (double)fresh / (double)distinct;
    s->repetition = 1 - (double)distinct / (double)total;

    double signal = config->w_novelty * (2 * s->novelty - 1) - config->w_repetition * s->repetition;
    if (!s->code) {
        double c = density(s->corrections, s->words, config->cue_scale);
        double e = density(s->verifications, s->words, config->cue_scale);
        double x = density(s->explorations, s->words, config->cue_scale);
        signal += config->w_lexical * (2 * s->lexical - 1) +
                  s->novelty * (config->w_correction * c + config->w_verification * e +
                                config->w_exploration * x);
    }
    s->signal = signal < -1 ? -1 : signal > 1 ? 1 : signal;
}

/* ---- the path ---- */

static void follow(struct cru_ddm_analyzer *a, const struct cru_ddm_config *config,
                   struct cru_ddm_result *r) {
    struct cru_drift d = {.theta = config->theta,
                          .mu = config->mu,
                          .v = config->v,
                          .sigma = config->sigma,
                          .upper = config->upper,
                          .lower = config->lower,
                          .x0 = config->x0};
    double novelty = 0, repetition = 0;
    cru_drift_begin(&d);
    for (size_t i = 0; i < a->n_segments; i++) {
        struct cru_ddm_segment *s = &a->segments[i];
        cru_drift_step(&d, s->signal, s->words / config->words_per_time);
        s->mean = d.mean;
        s->sd = sqrt(d.variance);
        r->self_corrections += s->corrections;
        r->verifications += s->verifications;
        r->explorations += s->explorations;
        novelty += s->novelty * s->words;
        repetition += s->repetition * s->words;
    }
    r->segments = a->n_segments;
    r->thinking_words = a->words.n;
    r->novelty = novelty / (double)a->words.n;
    r->repetition = repetition / (double)a->words.n;
    r->signal_score = cru_drift_score(&d);
    r->coherence = 1 - d.below_mu / d.t;
    r->time = d.t;
    r->engaged = d.above / d.t;
    r->low_time = d.low_longest;
    r->p_low = d.p_low;
    r->first_low = d.first_low < 0 ? -1 : d.first_low * config->words_per_time;
}

static void decide(const struct cru_ddm_config *config, struct cru_ddm_result *r) {
    double q = r->signal_score, sustained = config->sustained_share * r->time;
    if (sustained < config->sustained_time) sustained = config->sustained_time;
    r->degenerate = r->low_time >= sustained;
    if (r->degenerate)
        r->bin = CRU_DDM_REJECT;
    else if (q < config->q_core)
        r->bin = CRU_DDM_WARMUP;
    else if (q >= config->q_anneal && r->engaged >= config->engaged_anneal &&
             r->self_corrections + r->verifications >= config->cues_anneal)
        r->bin = CRU_DDM_ANNEAL;
    else
        r->bin = CRU_DDM_CORE;
    if (r->bin != CRU_DDM_REJECT)
        r->weight =
            config->weight_floor +
            config->weight_range / (1 + exp(-(q - config->weight_middle) / config->weight_slope));
}

enum cru_status cru_ddm_score(struct cru_ddm_analyzer *a, struct cru_span text,
                              enum cru_ddm_region region, const struct cru_ddm_config *config,
                              struct cru_ddm_result *result, struct cru_error *err) {
    enum cru_status status;
    memset(result, 0, sizeof *result);
    result->first_low = -1;
    a->n_segments = 0;
    a->grams_total = a->grams_distinct = a->windows_types = 0;
    a->region.n = 0;
    cru_words_clear(&a->words);
    if (text.n > UINT32_MAX)
        return cru_fail(err, CRU_BAD, "unable to score a text: %zu bytes: 4 GiB is the limit",
                        text.n);

    if (region == CRU_DDM_AUTO && !config->seeks_reasoning) region = CRU_DDM_TEXT;
    status = cru_region_find(&a->region, text, region, err);
    result->tagged = a->region.tagged;
    for (size_t i = 0; status == CRU_OK && i < a->region.n; i++)
        status =
            cru_words_add(&a->words, text, a->region.pieces[i].begin, a->region.pieces[i].end, err);
    if (status != CRU_OK || a->words.n == 0) return status;

    if (a->words.n >= UINT32_MAX - a->clock) { /* after some 4 billion words */
        cru_novelty_clear(&a->grams);
        cru_novelty_clear(&a->occurrences);
        a->clock = 1;
    }
    uint32_t base = a->clock;
    a->clock += (uint32_t)a->words.n;
    if ((status = cut_segments(a, text, config, err)) != CRU_OK) return status;
    if ((status = cru_novelty_begin(&a->grams, a->words.n, base, err)) != CRU_OK) return status;
    if ((status = cru_novelty_begin(&a->occurrences, a->words.n, base, err)) != CRU_OK)
        return status;
    for (size_t i = 0; i < a->n_segments; i++) measure(a, i, base, config);
    follow(a, config, result);
    decide(config, result);
    return CRU_OK;
}
