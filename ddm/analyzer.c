/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "crucible/base/base.h"
#include "ddm/analyzer.h"
#include "ddm/cues.h"

struct cru_ddm_analyzer *cru_ddm_analyzer_new(void) {
    struct cru_ddm_analyzer *a = calloc(1, sizeof *a);
    if (!a) return NULL;
    cru_region_init(&a->region);
    cru_words_init(&a->words);
    cru_novelty_init(&a->grams);
    cru_novelty_init(&a->occurrences);
    a->clock = 1;
    for (int i = 2; i < CRU_DDM_LOGS; i++) a->logs[i] = i * log2(i);
    if (cru_lexicon_builtin("en", &a->english, NULL) != CRU_OK) {
        cru_ddm_analyzer_free(a);
        return NULL;
    }
    a->lexicon = a->english;
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
    free(a->keys);
    free(a->verb_run);
    free(a->verbs);
    free(a->buckets);
    cru_lexicon_free(a->english);
    free(a);
}

void cru_ddm_analyzer_speak(struct cru_ddm_analyzer *a, const struct cru_lexicon *lexicon) {
    a->lexicon = lexicon;
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

/* How many words from word i on, most of them all in all, can neither end the segment, which may
 * take `room` more, nor be a cue. */
static inline uint32_t words_that_go_on(const struct cru_ddm_analyzer *a, size_t i, uint32_t room) {
    const uint32_t turn = CRU_WORD_CODE | CRU_WORD_FENCE | CRU_WORD_BLANK | CRU_WORD_ORDINAL;
    const struct cru_lexicon *lexicon = a->lexicon;
    const struct cru_word *w = a->words.list + i;
    size_t left = a->words.n - i - 1; /* the last word has no next one to look at */
    uint32_t n = 0, most = room < left ? room : (uint32_t)left;
    while (n < most && !(w[n].flags & turn) &&
           !(lexicon && cru_lexicon_may_begin(lexicon, w[n].form, w[n + 1].form)))
        n++;
    return n;
}

/* Cuts the words into segments and counts the cues of each. */
static enum cru_status cut_segments(struct cru_ddm_analyzer *a, struct cru_span text,
                                    const struct cru_ddm_config *config, struct cru_error *err) {
    struct cru_ddm_segment *s = NULL;
    const struct cru_word *w = a->words.list;
    size_t used_up = 0; /* words before this one belong to a cue already counted */
    a->n_segments = 0;
    for (size_t i = 0; i < a->words.n; i++) {
        if (s && !s->code && s->words < config->max_words) {
            uint32_t on = words_that_go_on(a, i, config->max_words - s->words);
            s->words += on;
            i += on;
        }
        enum cru_cue cue = CRU_CUE_NONE;
        if (i >= used_up && !(w[i].flags & CRU_WORD_CODE)) {
            size_t n;
            cue = cru_cues_match(a->lexicon, text, &a->words, i, &n);
            if (cue != CRU_CUE_NONE) used_up = i + n;
        }
        bool turn = cue != CRU_CUE_NONE && cru_starts_sentence(&a->words, i);
        if (!s || cuts(s, &w[i], turn, config)) {
            if (s) s->end = w[i - 1].begin + w[i - 1].length;
            s = add_segment(a, i, err);
            if (!s) return CRU_FATAL;
            s->begin = w[i].begin;
        }
        s->words++;
        s->corrections += cue == CRU_CUE_CORRECTION;
        s->verifications += cue == CRU_CUE_VERIFICATION;
        s->explorations += cue == CRU_CUE_EXPLORATION;
    }
    if (s) s->end = w[a->words.n - 1].begin + w[a->words.n - 1].length;
    return CRU_OK;
}

/* ---- features ---- */

static inline uint64_t turned(uint64_t x, unsigned n) {
    return x << n | x >> (64 - n);
}

static inline uint64_t gram_mix(uint64_t sum) {
    sum *= 0x9E3779B97F4A7C15u;
    return (sum ^ sum >> 32) * 0xBF58476D1CE4E5B9u;
}

/* The key of n words in their order: hashes turned by their place, put together, then mixed. */
static uint64_t gram_key(const struct cru_word *w, size_t n) {
    uint64_t sum = n;
    for (size_t i = 0; i < n; i++) sum ^= turned(w[i].hash, (13 * (unsigned)i + 7) & 63);
    return gram_mix(sum);
}

/* The keys of the grams of n words that are no characters: each turns the one before back by a
 * place, without its first word and with one more. */
static size_t gram_keys_of_words(const struct cru_word *w, size_t n, uint64_t *keys) {
    uint64_t sum = turned(w[0].hash, 7) ^ turned(w[1].hash, 20) ^ turned(w[2].hash, 33);
    size_t total = n - (CRU_DDM_WORDS - 1);
    for (size_t j = 0; j < total; j++) {
        sum ^= turned(w[j + 3].hash, 46);
        keys[j] = gram_mix(sum ^ CRU_DDM_WORDS);
        sum = turned(sum ^ turned(w[j].hash, 7), 64 - 13);
    }
    return total;
}

/* How many grams of the segment's n words there are, their keys in keys[]. Fewer words than a gram
 * are one. */
static size_t gram_keys(const struct cru_words *words, size_t first, size_t n, uint64_t *keys) {
    const struct cru_word *w = words->list + first;
    size_t total = 0;
    if (!words->characters && n >= CRU_DDM_WORDS) return gram_keys_of_words(w, n, keys);
    for (size_t j = 0; j + CRU_DDM_WORDS <= n; j++) {
        if (!(w[j].flags & CRU_WORD_CHARACTER))
            keys[total++] = gram_key(w + j, CRU_DDM_WORDS);
        else if (j + CRU_DDM_CHARACTERS <= n)
            keys[total++] = gram_key(w + j, CRU_DDM_CHARACTERS);
    }
    if (total == 0) keys[total++] = gram_key(w, n);
    return total;
}

/* How many windows of `width` words in a run of n hold word j as the first of its type, when its
 * type was last seen just before `after` (all counted from the run's start). Summed over j this is
 * the sum over all windows of the number of types in them. */
static inline uint64_t windows_led(int64_t j, int64_t after, int64_t n, int64_t width) {
    int64_t low = j + 1 - width > after ? j + 1 - width : after;
    int64_t high = j < n - width ? j : n - width;
    int64_t led = high - low + 1;
    return led > 0 ? (uint64_t)led : 0;
}

static double type_token_ratio(uint64_t led, uint64_t n, uint64_t width) {
    return (double)led / ((double)(n - width + 1) * (double)width);
}

static double density(uint32_t hits, uint32_t words, double scale) {
    return hits == 0 ? 0 : -expm1(-100.0 * hits / words / scale);
}

/* Lexical diversity of segment i, and its share in that of the text. Stamps are base + word. */
static void measure_types(struct cru_ddm_analyzer *a, size_t i, uint32_t base) {
    struct cru_ddm_segment *s = &a->segments[i];
    const struct cru_word *w = a->words.list + a->first[i];
    int64_t here = a->first[i], n = s->words, all = (int64_t)a->words.n;
    int64_t width = n < CRU_DDM_TTR_WINDOW ? n : CRU_DDM_TTR_WINDOW;
    int64_t all_width = all < CRU_DDM_TTR_WINDOW ? all : CRU_DDM_TTR_WINDOW;
    int64_t ahead = all - here - CRU_DDM_AHEAD; /* words that have one so far ahead */
    int64_t whole = all - all_width - here;     /* words behind which a whole window fits */
    uint64_t led = 0, all_led = 0;
    struct cru_novelty seen = a->occurrences; /* in registers; its slots are shared */
    for (int64_t j = 0; j < n; j++) {
        if (j < ahead) cru_novelty_expect(&seen, w[j + CRU_DDM_AHEAD].hash);
        uint32_t now = base + (uint32_t)(here + j);
        uint32_t before = cru_novelty_mark(&seen, w[j].hash, now);
        /* free of the type from here; base is at least 1 and stamps are at least base */
        int64_t after = (int64_t)(before > base - 1 ? before - (base - 1) : 0);
        if (n == width)
            led += after <= here; /* one window: the first of its type */
        else
            led += windows_led(j, after > here ? after - here : 0, n, width);
        if (j <= whole) {
            int64_t since = here + j + 1 - after; /* windows_led() where no window is cut short */
            all_led += (uint64_t)(since < all_width ? since : all_width);
        } else {
            all_led += windows_led(here + j, after, all, all_width);
        }
    }
    a->windows_types += all_led;
    s->lexical = type_token_ratio(led, (uint64_t)n, (uint64_t)width);
}

/* The keys of segment i's grams, their slots asked for; how many. */
static size_t expect_grams(const struct cru_ddm_analyzer *a, size_t i, uint64_t *keys) {
    if (i >= a->n_segments) return 0;
    size_t total = gram_keys(&a->words, a->first[i], a->segments[i].words, keys);
    for (size_t j = 0; j < total; j++) cru_novelty_expect(&a->grams, keys[j]);
    return total;
}

/* Novelty and repetition of segment i. Stamps are base + segment. */
static void measure_grams(struct cru_ddm_analyzer *a, size_t i, const uint64_t *keys, size_t total,
                          uint32_t base) {
    struct cru_ddm_segment *s = &a->segments[i];
    uint64_t distinct = 0, fresh = 0;
    uint32_t stamp = base + (uint32_t)i;
    struct cru_novelty seen = a->grams; /* in registers; its slots are shared */
    for (size_t j = 0; j < total; j++) {
        uint32_t before = cru_novelty_mark(&seen, keys[j], stamp);
        distinct += before != stamp;
        fresh += before == 0;
    }
    a->grams_total += total;
    a->grams_distinct += fresh;
    s->novelty = (double)fresh / (double)distinct;
    s->repetition = 1 - (double)distinct / (double)total;
}

static void measure_signal(struct cru_ddm_segment *s, const struct cru_ddm_config *config) {
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

/* Room for the keys of the two longest segments. */
static enum cru_status reserve_keys(struct cru_ddm_analyzer *a, struct cru_error *err) {
    size_t most = 0;
    for (size_t i = 0; i < a->n_segments; i++)
        if (a->segments[i].words > most) most = a->segments[i].words;
    if (most <= a->cap_keys) return CRU_OK;
    void *p = realloc(a->keys, 2 * most * sizeof *a->keys);
    if (!p) return cru_fail_memory(err, "grams of a text");
    a->keys = p;
    a->cap_keys = most;
    return CRU_OK;
}

/* All segments in their order; the slots of the next one's grams travel while this one is counted.
 */
static enum cru_status measure(struct cru_ddm_analyzer *a, uint32_t base,
                               const struct cru_ddm_config *config, struct cru_error *err) {
    enum cru_status status = reserve_keys(a, err);
    if (status != CRU_OK) return status;
    uint64_t *keys = a->keys, *next = a->keys + a->cap_keys;
    size_t total = expect_grams(a, 0, keys);
    for (size_t i = 0; i < a->n_segments; i++) {
        size_t next_total = expect_grams(a, i + 1, next);
        measure_types(a, i, base);
        measure_grams(a, i, keys, total, base);
        measure_signal(&a->segments[i], config);
        uint64_t *other = keys;
        keys = next;
        next = other;
        total = next_total;
    }
    return CRU_OK;
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
    cru_drift_times_begin(&a->times, &d, config->words_per_time);
    for (size_t i = 0; i < a->n_segments; i++) {
        struct cru_ddm_segment *s = &a->segments[i];
        cru_drift_step_words(&d, &a->times, s->signal, s->words);
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
    r->p_low = cru_drift_p_low(&d);
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
    if ((status = measure(a, base, config, err)) != CRU_OK) return status;
    follow(a, config, result);
    decide(config, result);
    return CRU_OK;
}
