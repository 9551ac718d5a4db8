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
#include "crucible/stage/stage.h"
#include "ddm/ddm.h"
#include "ddm/lexicon.h"
#include "ddm/loss_strata.h"
#include "ddm/quality.h"

/* What one thread needs for a batch; kept in a list between batches. */
struct worker {
    struct worker *next;
    struct cru_ddm_analyzer *analyzer;
    struct cru_json_parser *parser;
    struct cru_buffer json;
};

struct score {
    struct cru_stage base;
    const char *profile, *region, *cues;
    bool explain, drop_rejects;

    const struct cru_ddm_config *config;
    enum cru_ddm_region part;
    struct cru_lexicons lexicons;
    uint64_t spoken[CRU_LEXICONS + 1]; /* documents by lexicon; the last: without one */
    atomic_flag lock;                  /* of idle */
    struct worker *idle;
    struct cru_budget budget;
    struct cru_spill_array records; /* struct cru_loss_record a document */
    struct cru_loss_strata strata;
    uint64_t documents[CRU_DDM_BINS], words[CRU_DDM_BINS];
    /* of documents with a word: x = log2 words, y = signal_score */
    double n, x, y, xx, xy, yy;
};

static const struct cru_option options[] = {
    {CRU_OPTION_CHOICE, 0, "profile", offsetof(struct score, profile), "traces|web", "web", NULL, 0,
     0,
     "constants for reasoning traces, or for web pages, books and code; they differ in the bins "
     "and "
     "in what --region auto means"},
    {CRU_OPTION_CHOICE, 0, "region", offsetof(struct score, region), "auto|think|response|text",
     "auto", NULL, 0, 0,
     "what is scored: the inside of think tags, the response behind them, or the whole text; auto "
     "is "
     "text for the profile web, and for traces the first of think, response and text that there "
     "is"},
    {CRU_OPTION_STRING, 0, "cues", offsetof(struct score, cues), "PATH", NULL, NULL, 0, 0,
     "a cue lexicon, or a directory of *.cues, beside the compiled-in ones; a language that is "
     "there already is replaced"},
    {CRU_OPTION_FLAG, 0, "explain", offsetof(struct score, explain), NULL, NULL, NULL, 0, 0,
     "write each segment's words, signal and accumulated mean to crucible.ddm.path"},
    {CRU_OPTION_FLAG, 0, "drop-rejects", offsetof(struct score, drop_rejects), NULL, NULL, NULL, 0,
     0, "drop the documents of bin reject"},
    {.type = CRU_OPTION_END},
};

/* User's fields that hold reasoning or a response where the text does not. */
static const char *const think_fields[] = {"thinking", "reasoning_content", "reasoning", NULL};
static const char *const response_fields[] = {"response", "completion", NULL};

static void worker_free(struct worker *w) {
    if (!w) return;
    cru_ddm_analyzer_free(w->analyzer);
    if (w->parser) cru_json_parser_free(w->parser);
    cru_buffer_release(&w->json);
    free(w);
}

static void take_lock(struct score *s) {
    while (atomic_flag_test_and_set_explicit(&s->lock, memory_order_acquire)) {
    }
}

static struct worker *take_worker(struct score *s) {
    take_lock(s);
    struct worker *w = s->idle;
    if (w) s->idle = w->next;
    atomic_flag_clear_explicit(&s->lock, memory_order_release);
    if (w) return w;
    w = calloc(1, sizeof *w);
    if (!w) return NULL;
    cru_buffer_init(&w->json);
    w->analyzer = cru_ddm_analyzer_new();
    w->parser = cru_json_parser_new();
    if (w->analyzer && w->parser) return w;
    worker_free(w);
    return NULL;
}

static void put_worker(struct score *s, struct worker *w) {
    take_lock(s);
    w->next = s->idle;
    s->idle = w;
    atomic_flag_clear_explicit(&s->lock, memory_order_release);
}

static enum cru_status score_open(struct cru_stage *stage, struct cru_error *err) {
    struct score *s = (struct score *)stage;
    static const char *const names[] = {"auto", "think", "response", "text"};
    static const enum cru_ddm_region parts[] = {CRU_DDM_AUTO, CRU_DDM_THINK, CRU_DDM_RESPONSE,
                                                CRU_DDM_TEXT};
    atomic_flag_clear(&s->lock);
    s->budget =
        (struct cru_budget){.limit = stage->common->memory, .tmpdir = stage->common->tmpdir};
    cru_spill_init(&s->records, sizeof(struct cru_loss_record), &s->budget);
    s->config = cru_ddm_profile(s->profile);
    if (!s->config)
        return cru_fail(err, CRU_USAGE, "no such profile: '%s': traces or web", s->profile);
    enum cru_status status = cru_lexicons_builtin(&s->lexicons, err);
    if (status == CRU_OK && s->cues) status = cru_lexicons_load(&s->lexicons, s->cues, err);
    if (status != CRU_OK) return status;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], s->region) == 0) s->part = parts[i];
    return CRU_OK;
}

/* ---- one document ---- */

static bool find_string(struct worker *w, struct cru_batch *batch, const struct cru_doc *doc,
                        const char *const *names, struct cru_span *text) {
    for (; *names; names++) {
        struct cru_span field = cru_doc_field(doc, *names);
        if (field.p && cru_json_string(w->parser, field, "", &batch->arena, text) && text->n > 0)
            return true;
    }
    return false;
}

/* The place of the lexicon for crucible.lang in the set; `n` of the set when it has none. A
 * document of unknown language is taken for English. */
static size_t lexicon_of(const struct score *s, const struct cru_doc *doc) {
    struct cru_span lang = cru_doc_meta(doc, "lang");
    if (lang.n >= 2 && lang.p[0] == '"') lang = cru_span_make(lang.p + 1, lang.n - 2);
    if (!lang.p || lang.n == 0 || cru_span_is(lang, "und") || cru_span_is(lang, "null"))
        lang = CRU_SPAN("en");
    const struct cru_lexicon *lexicon = cru_lexicons_find(&s->lexicons, lang);
    size_t i = 0;
    while (i < s->lexicons.n && s->lexicons.list[i] != lexicon) i++;
    return i;
}

/* Scores the part that --region and the profile ask for; *text is what it was found in. */
static enum cru_status score_part(struct score *s, struct worker *w, struct cru_batch *batch,
                                  const struct cru_doc *doc, struct cru_span *text,
                                  struct cru_ddm_result *r, struct cru_error *err) {
    struct cru_span field;
    enum cru_ddm_region part = s->part;
    *text = doc->text;
    if (part == CRU_DDM_RESPONSE && find_string(w, batch, doc, response_fields, &field))
        *text = field;
    enum cru_status status = cru_ddm_score(w->analyzer, *text, part, s->config, r, err);
    bool look = part == CRU_DDM_THINK || (part == CRU_DDM_AUTO && s->config->seeks_reasoning);
    if (status != CRU_OK || r->tagged || !look) return status;
    if (find_string(w, batch, doc, think_fields, &field))
        part = CRU_DDM_TEXT;
    else if (part != CRU_DDM_AUTO || !find_string(w, batch, doc, response_fields, &field))
        return CRU_OK;
    *text = field;
    return cru_ddm_score(w->analyzer, field, part, s->config, r, err);
}

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
        cru_buffer_printf(json, "%s{\"words\":%u,", i ? "," : "", (unsigned)g[i].words);
        add_real(json, "signal", g[i].signal);
        add_real(json, "mean", g[i].mean);
        add_real(json, "novelty", g[i].novelty);
        add_real(json, "repetition", g[i].repetition);
        close_object(json);
    }
    cru_buffer_add_string(json, "],");
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
static void render_quality(struct cru_buffer *json, const struct cru_quality *q) {
    cru_buffer_add_char(json, '{');
    for (int f = 0; f < CRU_FACTORS; f++)
        if (isfinite(q->factor[f]))
            add_real(json, cru_factor_name((enum cru_factor)f), q->factor[f]);
    close_object(json);
}

/* What run() leaves for commit(). */
struct scored {
    struct cru_loss_record record;
    enum cru_ddm_bin bin;
    uint32_t lexicon;
    double signal_score;
};

static enum cru_status set_meta(struct worker *w, struct cru_batch *batch, struct cru_doc *doc,
                                const char *key, struct cru_error *err) {
    if (w->json.failed) return cru_fail_memory(err, "scores");
    struct cru_span copy = cru_arena_copy(&batch->arena, cru_buffer_span(&w->json));
    if (!copy.p || cru_doc_set_meta(batch, doc, key, copy) != CRU_OK)
        return cru_fail_memory(err, "scores");
    return CRU_OK;
}

static enum cru_status score_document(struct score *s, struct worker *w, struct cru_batch *batch,
                                      struct cru_doc *doc, struct scored *scored,
                                      struct cru_error *err) {
    struct cru_ddm_result r;
    struct cru_quality q;
    struct cru_span text;
    size_t lexicon = lexicon_of(s, doc);
    cru_ddm_analyzer_speak(w->analyzer, lexicon < s->lexicons.n ? s->lexicons.list[lexicon] : NULL);
    enum cru_status status = score_part(s, w, batch, doc, &text, &r, err);
    if (status == CRU_BAD)
        return cru_doc_wrong(batch, doc, "score", "too-long", "4 GiB is the limit of a text");
    if (status != CRU_OK) return status;
    status = cru_quality_measure(w->analyzer, text, &q, err);
    if (status != CRU_OK) return status;

    cru_buffer_clear(&w->json);
    render_quality(&w->json, &q);
    status = set_meta(w, batch, doc, "quality", err);
    if (status != CRU_OK) return status;
    cru_buffer_clear(&w->json);
    render_ddm(&w->json, &r, s->explain ? w->analyzer : NULL);
    status = set_meta(w, batch, doc, "ddm", err);
    if (status != CRU_OK) return status;

    uint64_t words = r.thinking_words;
    *scored = (struct scored){
        .record = {.words = words < UINT32_MAX ? (uint32_t)words : UINT32_MAX,
                   .weight = (uint32_t)llround(r.weight * CRU_LOSS_ONE)},
        .bin = r.bin,
        .lexicon = (uint32_t)(lexicon < s->lexicons.n ? lexicon : CRU_LEXICONS),
        .signal_score = r.signal_score,
    };
    doc->scratch = scored;
    if (s->drop_rejects && r.bin == CRU_DDM_REJECT)
        return cru_doc_drop(batch, doc, "score", words > 0 ? "degenerate" : "empty",
                            words > 0 ? r.low_time : 0, NAN);
    return CRU_OK;
}

static enum cru_status score_run(struct cru_stage *stage, struct cru_batch *batch,
                                 struct cru_error *err) {
    struct score *s = (struct score *)stage;
    struct scored *scored = cru_arena_calloc(&batch->arena, batch->n + 1, sizeof *scored);
    struct worker *w = take_worker(s);
    enum cru_status status = CRU_OK;
    if (!scored || !w) status = cru_fail_memory(err, "scores");
    for (size_t i = 0; status == CRU_OK && i < batch->n; i++)
        status = score_document(s, w, batch, &batch->docs[i], &scored[i], err);
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
        const struct scored *d = batch->docs[i].scratch;
        records[n + i] = d->record;
        s->documents[d->bin]++;
        s->spoken[d->lexicon]++;
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
    cru_loss_strata_fit(&s->strata, s->records.p, s->records.n, s->config->weight_cap);
    return CRU_OK;
}

static enum cru_status score_replay(struct cru_stage *stage, struct cru_batch *batch,
                                    struct cru_error *err) {
    struct score *s = (struct score *)stage;
    const struct cru_loss_record *records = s->records.p;
    struct worker *w = take_worker(s);
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
    cru_buffer_printf(json, ",\"profile\":\"%s\",\"bins\":{", s->config ? s->config->name : "");
    for (int b = 0; b < CRU_DDM_BINS; b++)
        cru_buffer_printf(json, "%s\"%s\":{\"documents\":%llu,\"words\":%llu}", b ? "," : "",
                          cru_ddm_bin_name((enum cru_ddm_bin)b),
                          (unsigned long long)s->documents[b], (unsigned long long)s->words[b]);
    cru_buffer_add_string(json, "},\"cues\":{");
    for (size_t i = 0; i < s->lexicons.n; i++)
        if (s->spoken[i] > 0) add_count(json, s->lexicons.list[i]->language, s->spoken[i]);
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
    cru_buffer_add_char(json, ']');
}

static void score_release(struct cru_stage *stage) {
    struct score *s = (struct score *)stage;
    while (s->idle) {
        struct worker *w = s->idle;
        s->idle = w->next;
        worker_free(w);
    }
    cru_lexicons_release(&s->lexicons);
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
