/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `score`: the DDM analyzer and the quality factors.
 *
 *   run      scores each document: crucible.ddm (all but the weight), crucible.quality
 *   commit   keeps words and raw weight of each document: 8 bytes
 *   finish   length strata and the factor of each
 *   replay   crucible.ddm.weight and .stratum
 *
 * Nothing is dropped unless --drop-rejects is given: bins are labels for later stages.
 */
#include <math.h>
#include <stdatomic.h>

#include "crucible/base/base.h"
#include "crucible/base/spill.h"
#include "crucible/stage/score_one.h"
#include "crucible/stage/score_options.h"
#include "crucible/stage/stage.h"
#include "ddm/loss_strata.h"

/* Documents whose path the report draws: the first of each bin with so many segments. */
enum { SHOWN_SEGMENTS = 12, MOST_SEGMENTS = 2000 };

struct score {
    struct cru_stage base;
    struct cru_score_options options;

    struct cru_score_setup setup;
    uint64_t spoken[CRU_LEXICONS + 1]; /* documents by lexicon; the last: without one */
    atomic_flag lock;                  /* of idle */
    struct cru_scorer *idle;           /* kept between batches */
    struct cru_budget budget;
    struct cru_spill_array records; /* struct cru_loss_record a document */
    struct cru_loss_strata strata;
    uint64_t documents[CRU_DDM_BINS], words[CRU_DDM_BINS];
    atomic_bool shown[CRU_DDM_BINS]; /* set in commit(): later batches need not look for one */
    struct cru_buffer paths;         /* of those documents, JSON objects joined by commas */
    /* of documents with a word: x = log2 words, y = signal_score */
    double n, x, y, xx, xy, yy;
};

const struct cru_score_options *cru_score_options_of(const struct cru_stage *stage) {
    return &((const struct score *)stage)->options;
}

#define AT(field) offsetof(struct score, options.field)

static const struct cru_option options[] = {
    {CRU_OPTION_STRING, 0, "profile", AT(profile), "traces|web|FILE", "web", NULL, 0, 0,
     "constants for reasoning traces, or for web pages, books and code; they differ in the bins "
     "and in what --region auto means; a FILE is what --calibrate writes"},
    {CRU_OPTION_CHOICE, 0, "region", AT(region), "auto|think|response|text", "auto", NULL, 0, 0,
     "what is scored: the inside of think tags, the response behind them, or the whole text; auto "
     "is text for the profile web, and for traces the first of think, response and text that "
     "there is"},
    {CRU_OPTION_STRING, 0, "cues", AT(cues), "PATH", NULL, NULL, 0, 0,
     "a cue lexicon, or a directory of *.cues, beside the compiled-in ones; a language that is "
     "there already is replaced"},
    {CRU_OPTION_STRING, 0, "calibrate", AT(calibrate), "LABELS", NULL, NULL, 0, 0,
     "instead of scoring, fit the profile to the labelled documents of the file LABELS and write "
     "it to standard output or -o"},
    {CRU_OPTION_STRING, 0, "label-field", AT(label_field), "F", "label", NULL, 0, 0,
     "the field of LABELS that says good (true, 1, good) or bad (false, 0, bad)"},
    {CRU_OPTION_FLAG, 0, "explain", AT(explain), NULL, NULL, NULL, 0, 0,
     "write each segment's place, words, features, signal and accumulated mean to "
     "crucible.ddm.path"},
    {CRU_OPTION_FLAG, 0, "drop-rejects", AT(drop_rejects), NULL, NULL, NULL, 0, 0,
     "drop the documents of bin reject"},
    {.type = CRU_OPTION_END},
};

static void take_lock(struct score *s) {
    while (atomic_flag_test_and_set_explicit(&s->lock, memory_order_acquire)) {
    }
}

static struct cru_scorer *take_worker(struct score *s) {
    take_lock(s);
    struct cru_scorer *w = s->idle;
    if (w) s->idle = w->next;
    atomic_flag_clear_explicit(&s->lock, memory_order_release);
    return w ? w : cru_scorer_new();
}

static void put_worker(struct score *s, struct cru_scorer *w) {
    take_lock(s);
    w->next = s->idle;
    s->idle = w;
    atomic_flag_clear_explicit(&s->lock, memory_order_release);
}

static enum cru_status score_open(struct cru_stage *stage, struct cru_error *err) {
    struct score *s = (struct score *)stage;
    const struct cru_score_options *o = &s->options;
    atomic_flag_clear(&s->lock);
    for (int b = 0; b < CRU_DDM_BINS; b++) atomic_init(&s->shown[b], false);
    s->budget =
        (struct cru_budget){.limit = stage->common->memory, .tmpdir = stage->common->tmpdir};
    cru_spill_init(&s->records, sizeof(struct cru_loss_record), &s->budget);
    cru_buffer_init(&s->paths);
    if (o->calibrate)
        return cru_fail(err, CRU_USAGE,
                        "calibrate is for the command line: name the profile that it wrote");
    return cru_score_setup_open(&s->setup, o->profile, o->region, o->cues, err);
}

/* ---- one document ---- */

/* Six decimals: enough to tell documents apart, and the same digits everywhere. */
static void add_real(struct cru_buffer *json, const char *key, double value) {
    cru_buffer_printf(json, "\"%s\":", key);
    cru_buffer_add_json_number(json, round(value * 1e6) / 1e6 + 0.0);
    cru_buffer_add_char(json, ',');
}

static void add_count(struct cru_buffer *json, const char *key, uint64_t value) {
    cru_buffer_printf(json, "\"%s\":%llu,", key, (unsigned long long)value);
}

/* Makes the comma behind the last member a brace. */
static void close_object(struct cru_buffer *json) {
    if (!json->failed && json->n > 0) json->p[json->n - 1] = '}';
}

static void add_path(struct cru_buffer *json, const struct cru_ddm_analyzer *analyzer) {
    size_t n;
    const struct cru_ddm_segment *g = cru_ddm_segments(analyzer, &n);
    cru_buffer_add_string(json, "\"path\":[");
    for (size_t i = 0; i < n; i++) {
        cru_buffer_printf(json, "%s{\"begin\":%u,\"end\":%u,\"words\":%u,", i ? "," : "",
                          (unsigned)g[i].begin, (unsigned)g[i].end, (unsigned)g[i].words);
        add_real(json, "signal", g[i].signal);
        add_real(json, "mean", g[i].mean);
        add_real(json, "sd", g[i].sd);
        add_real(json, "novelty", g[i].novelty);
        add_real(json, "repetition", g[i].repetition);
        add_real(json, "lexical", g[i].lexical);
        add_count(json, "corrections", g[i].corrections);
        add_count(json, "verifications", g[i].verifications);
        add_count(json, "explorations", g[i].explorations);
        cru_buffer_printf(json, "\"code\":%s}", g[i].code ? "true" : "false");
    }
    cru_buffer_add_string(json, "],");
}

/* What the report needs to draw a path: [words, signal] a segment, and the result. The rest of the
 * path follows from the process, whose constants stand in the statistics. */
static void render_shown(struct cru_buffer *json, const struct cru_doc *doc,
                         const struct cru_ddm_result *r, const struct cru_ddm_analyzer *analyzer) {
    size_t n;
    const struct cru_ddm_segment *g = cru_ddm_segments(analyzer, &n);
    cru_buffer_add_string(json, "{\"id\":");
    cru_buffer_add_json_string(json, doc->id);
    cru_buffer_printf(json, ",\"bin\":\"%s\",", cru_ddm_bin_name(r->bin));
    add_real(json, "signal_score", r->signal_score);
    add_real(json, "low_time", r->low_time);
    add_count(json, "words", r->thinking_words);
    add_count(json, "segments", r->segments);
    cru_buffer_add_string(json, "\"path\":[");
    for (size_t i = 0; i < n && i < MOST_SEGMENTS; i++) {
        cru_buffer_printf(json, "%s[%u,", i ? "," : "", (unsigned)g[i].words);
        cru_buffer_add_json_number(json, round(g[i].signal * 1e6) / 1e6 + 0.0);
        cru_buffer_printf(
            json, ",%d]",
            g[i].code ? 2 : g[i].corrections + g[i].verifications + g[i].explorations > 0);
    }
    cru_buffer_add_string(json, "]}");
}

/* All of crucible.ddm but weight and stratum, which replay adds. */
static void render_ddm(struct cru_buffer *json, const struct cru_ddm_result *r,
                       const struct cru_ddm_analyzer *explained) {
    cru_buffer_add_char(json, '{');
    add_real(json, "signal_score", r->signal_score);
    cru_buffer_printf(json, "\"bin\":\"%s\",\"degenerate\":%s,", cru_ddm_bin_name(r->bin),
                      r->degenerate ? "true" : "false");
    add_count(json, "self_corrections", r->self_corrections);
    add_count(json, "verifications", r->verifications);
    add_count(json, "explorations", r->explorations);
    add_real(json, "coherence", r->coherence);
    add_count(json, "thinking_words", r->thinking_words);
    add_count(json, "segments", r->segments);
    add_real(json, "engaged", r->engaged);
    add_real(json, "low_time", r->low_time);
    add_real(json, "p_low", r->p_low);
    if (r->first_low >= 0) add_real(json, "first_low", r->first_low);
    add_real(json, "novelty", r->novelty);
    add_real(json, "repetition", r->repetition);
    if (explained) add_path(json, explained);
    close_object(json);
}

/* What could not be measured is left out. */
static void render_quality(struct cru_buffer *json, const struct cru_scored *d) {
    cru_buffer_add_char(json, '{');
    for (int f = 0; f < CRU_FACTORS; f++)
        if (isfinite(d->quality.factor[f]))
            add_real(json, cru_factor_name((enum cru_factor)f), d->quality.factor[f]);
    if (isfinite(d->quality_score)) add_real(json, "score", d->quality_score);
    close_object(json);
}

/* What run() leaves for commit(). */
struct left {
    struct cru_loss_record record;
    enum cru_ddm_bin bin;
    uint32_t lexicon;
    double signal_score;
    struct cru_span shown; /* .p is NULL for most */
};

static enum cru_status set_meta(struct cru_scorer *w, struct cru_batch *batch, struct cru_doc *doc,
                                const char *key, struct cru_error *err) {
    if (w->json.failed) return cru_fail_memory(err, "scores");
    struct cru_span copy = cru_arena_copy(&batch->arena, cru_buffer_span(&w->json));
    if (!copy.p || cru_doc_set_meta(batch, doc, key, copy) != CRU_OK)
        return cru_fail_memory(err, "scores");
    return CRU_OK;
}

static enum cru_status score_document(struct score *s, struct cru_scorer *w,
                                      struct cru_batch *batch, struct cru_doc *doc,
                                      struct left *left, bool looked[CRU_DDM_BINS],
                                      struct cru_error *err) {
    struct cru_scored d;
    enum cru_status status = cru_score_one(&s->setup, w, batch, doc, &d, err);
    if (status == CRU_BAD)
        return cru_doc_wrong(batch, doc, "score", "too-long", "4 GiB is the limit of a text");
    if (status != CRU_OK) return status;

    cru_buffer_clear(&w->json);
    render_quality(&w->json, &d);
    status = set_meta(w, batch, doc, "quality", err);
    if (status != CRU_OK) return status;
    cru_buffer_clear(&w->json);
    render_ddm(&w->json, &d.ddm, s->options.explain ? w->analyzer : NULL);
    status = set_meta(w, batch, doc, "ddm", err);
    if (status != CRU_OK) return status;

    uint64_t words = d.ddm.thinking_words;
    *left = (struct left){
        .record = {.words = words < UINT32_MAX ? (uint32_t)words : UINT32_MAX,
                   .weight = (uint32_t)llround(d.ddm.weight * CRU_LOSS_ONE)},
        .bin = d.ddm.bin,
        .lexicon = (uint32_t)(d.lexicon < s->setup.lexicons.n ? d.lexicon : CRU_LEXICONS),
        .signal_score = d.ddm.signal_score,
    };
    doc->scratch = left;
    if (s->options.drop_rejects && d.ddm.bin == CRU_DDM_REJECT)
        return cru_doc_drop(batch, doc, "score", words > 0 ? "degenerate" : "empty",
                            words > 0 ? d.ddm.low_time : 0, NAN);
    if (d.ddm.segments < SHOWN_SEGMENTS || looked[d.ddm.bin]) return CRU_OK;
    looked[d.ddm.bin] = true;
    cru_buffer_clear(&w->json);
    render_shown(&w->json, doc, &d.ddm, w->analyzer);
    if (w->json.failed) return cru_fail_memory(err, "scores");
    left->shown = cru_arena_copy(&batch->arena, cru_buffer_span(&w->json));
    return left->shown.p ? CRU_OK : cru_fail_memory(err, "scores");
}

static enum cru_status score_run(struct cru_stage *stage, struct cru_batch *batch,
                                 struct cru_error *err) {
    struct score *s = (struct score *)stage;
    struct left *left = cru_arena_calloc(&batch->arena, batch->n + 1, sizeof *left);
    struct cru_scorer *w = take_worker(s);
    enum cru_status status = CRU_OK;
    bool looked[CRU_DDM_BINS];
    for (int b = 0; b < CRU_DDM_BINS; b++) looked[b] = atomic_load(&s->shown[b]);
    if (!left || !w) status = cru_fail_memory(err, "scores");
    for (size_t i = 0; status == CRU_OK && i < batch->n; i++)
        status = score_document(s, w, batch, &batch->docs[i], &left[i], looked, err);
    if (w) put_worker(s, w);
    return status;
}

/* ---- all documents ---- */

static enum cru_status score_commit(struct cru_stage *stage, struct cru_batch *batch,
                                    struct cru_error *err) {
    struct score *s = (struct score *)stage;
    size_t n = s->records.n;
    enum cru_status status = cru_spill_resize(&s->records, n + batch->n, err);
    if (status != CRU_OK) return status;
    struct cru_loss_record *records = s->records.p;
    for (size_t i = 0; i < batch->n; i++) {
        const struct left *d = batch->docs[i].scratch;
        records[n + i] = d->record;
        s->documents[d->bin]++;
        s->spoken[d->lexicon]++;
        if (d->shown.p && !atomic_load(&s->shown[d->bin])) {
            if (s->paths.n > 0) cru_buffer_add_char(&s->paths, ',');
            cru_buffer_add_span(&s->paths, d->shown);
            atomic_store(&s->shown[d->bin], true);
        }
        s->words[d->bin] += d->record.words;
        if (d->record.words == 0) continue;
        double x = log2((double)d->record.words), y = d->signal_score;
        s->n += 1;
        s->x += x;
        s->y += y;
        s->xx += x * x;
        s->xy += x * y;
        s->yy += y * y;
    }
    return CRU_OK;
}

static enum cru_status score_finish(struct cru_stage *stage, struct cru_error *err) {
    struct score *s = (struct score *)stage;
    (void)err;
    cru_loss_strata_fit(&s->strata, s->records.p, s->records.n, s->setup.profile.config.weight_cap);
    return CRU_OK;
}

static enum cru_status score_replay(struct cru_stage *stage, struct cru_batch *batch,
                                    struct cru_error *err) {
    struct score *s = (struct score *)stage;
    const struct cru_loss_record *records = s->records.p;
    struct cru_scorer *w = take_worker(s);
    enum cru_status status = w ? CRU_OK : cru_fail_memory(err, "scores");
    for (size_t i = 0; status == CRU_OK && i < batch->n; i++) {
        struct cru_doc *doc = &batch->docs[i];
        struct cru_span ddm = cru_doc_meta(doc, "ddm");
        if (doc->index >= s->records.n || !ddm.p || ddm.n < 2) {
            status = cru_fail(err, CRU_FATAL, "unable to weight document: '%.*s': not scored",
                              (int)(doc->id.n < 200 ? doc->id.n : 200), doc->id.p);
            break;
        }
        struct cru_loss_record record = records[doc->index];
        cru_buffer_clear(&w->json);
        cru_buffer_add(&w->json, ddm.p, ddm.n - 1);
        cru_buffer_add_char(&w->json, ',');
        add_real(&w->json, "weight", cru_loss_weight(&s->strata, record));
        cru_buffer_printf(&w->json, "\"stratum\":%zu}", cru_loss_stratum(&s->strata, record.words));
        status = set_meta(w, batch, doc, "ddm", err);
    }
    if (w) put_worker(s, w);
    return status;
}

/* Pearson's correlation of log2 words and signal_score: what length alone explains. */
static double length_correlation(const struct score *s) {
    double xx = s->n * s->xx - s->x * s->x, yy = s->n * s->yy - s->y * s->y;
    return xx > 0 && yy > 0 ? (s->n * s->xy - s->x * s->y) / sqrt(xx * yy) : 0;
}

static void score_stats(struct cru_stage *stage, struct cru_buffer *json) {
    const struct score *s = (const struct score *)stage;
    cru_buffer_printf(json, ",\"profile\":\"%s\",\"bins\":{",
                      s->setup.profile.config.name ? s->setup.profile.config.name : "");
    for (int b = 0; b < CRU_DDM_BINS; b++)
        cru_buffer_printf(json, "%s\"%s\":{\"documents\":%llu,\"words\":%llu}", b ? "," : "",
                          cru_ddm_bin_name((enum cru_ddm_bin)b),
                          (unsigned long long)s->documents[b], (unsigned long long)s->words[b]);
    cru_buffer_add_string(json, "},\"cues\":{");
    for (size_t i = 0; i < s->setup.lexicons.n; i++)
        if (s->spoken[i] > 0) add_count(json, s->setup.lexicons.list[i]->language, s->spoken[i]);
    cru_buffer_printf(json, "\"none\":%llu},", (unsigned long long)s->spoken[CRU_LEXICONS]);
    add_real(json, "mean_signal_score", s->n > 0 ? s->y / s->n : 0);
    add_real(json, "length_correlation", length_correlation(s));
    cru_buffer_add_string(json, "\"strata\":[");
    for (size_t k = 0; k < s->strata.n; k++) {
        cru_buffer_printf(json, "%s{\"max_words\":%u,", k ? "," : "", (unsigned)s->strata.edge[k]);
        add_count(json, "documents", s->strata.documents[k]);
        add_count(json, "words", s->strata.words[k]);
        cru_buffer_add_string(json, "\"factor\":");
        cru_buffer_add_json_number(json, round(s->strata.factor[k] * 1e6) / 1e6);
        cru_buffer_add_char(json, '}');
    }
    cru_buffer_add_string(json, "],\"process\":{");
    const struct cru_ddm_config *c = &s->setup.profile.config;
    add_real(json, "theta", c->theta);
    add_real(json, "mu", c->mu);
    add_real(json, "v", c->v);
    add_real(json, "sigma", c->sigma);
    add_real(json, "x0", c->x0);
    add_real(json, "words_per_time", c->words_per_time);
    add_real(json, "upper", c->upper);
    add_real(json, "lower", c->lower);
    close_object(json);
    cru_buffer_add_string(json, ",\"paths\":[");
    cru_buffer_add_span(json, cru_buffer_span(&s->paths));
    cru_buffer_add_char(json, ']');
}

static void score_release(struct cru_stage *stage) {
    struct score *s = (struct score *)stage;
    while (s->idle) {
        struct cru_scorer *w = s->idle;
        s->idle = w->next;
        cru_scorer_free(w);
    }
    cru_score_setup_release(&s->setup);
    cru_buffer_release(&s->paths);
    cru_spill_release(&s->records);
}

const struct cru_stage_class cru_score_stage = {
    .name = "score",
    .summary = "Scores documents with the DDM analyzer and the quality factors.",
    .synopsis = "[options] [FILE...]",
    .options = options,
    .size = sizeof(struct score),
    .open = score_open,
    .run = score_run,
    .commit = score_commit,
    .finish = score_finish,
    .replay = score_replay,
    .stats = score_stats,
    .release = score_release,
};
