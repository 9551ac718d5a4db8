/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "crucible/base/base.h"
#include "crucible/base/input.h"
#include "crucible/stage/score_calibrate.h"
#include "crucible/stage/score_one.h"
#include "crucible/stage/score_options.h"
#include "ddm/calibrate.h"

void cru_score_fit_release(struct cru_score_fit *fit) {
    cru_buffer_release(&fit->profile);
    cru_buffer_release(&fit->text);
    cru_buffer_release(&fit->json);
}

struct labels {
    struct cru_labelled *list;
    size_t n, capacity;
};

static bool label_of(struct cru_json_parser *parser, struct cru_batch *batch,
                     const struct cru_doc *doc, const char *name, bool *good) {
    struct cru_span field = cru_doc_field(doc, name), text;
    double x;
    if (!field.p) return false;
    if (cru_span_is(field, "true") || cru_span_is(field, "false")) {
        *good = field.n == 4;
        return true;
    }
    if (cru_json_string(parser, field, "", &batch->arena, &text)) {
        *good = cru_span_is(text, "1") || cru_span_is(text, "good");
        return *good || cru_span_is(text, "0") || cru_span_is(text, "bad");
    }
    if (!cru_json_number(parser, field, "", &x) || (x != 0 && x != 1)) return false;
    *good = x == 1;
    return true;
}

static void note_bad(struct cru_score_fit *fit, const char *path, size_t line, const char *why) {
    if (fit->bad++ == 0)
        (void)snprintf(fit->first_bad, sizeof fit->first_bad, "'%.100s': line %zu: %.150s", path,
                       line, why);
}

static enum cru_status add_label(struct labels *l, struct cru_labelled d, struct cru_error *err) {
    if (l->n == l->capacity) {
        size_t capacity = l->capacity ? 2 * l->capacity : 1024;
        void *p = realloc(l->list, capacity * sizeof *l->list);
        if (!p) return cru_fail_memory(err, "labelled documents");
        l->list = p;
        l->capacity = capacity;
    }
    l->list[l->n++] = d;
    return CRU_OK;
}

/* One line: a labelled document, or a bad one. CRU_OK either way. */
static enum cru_status read_line(struct cru_stage *stage, const struct cru_score_setup *setup,
                                 struct cru_scorer *scorer, struct cru_span line, size_t number,
                                 struct labels *labels, struct cru_score_fit *fit,
                                 struct cru_error *err) {
    const struct cru_score_options *o = cru_score_options_of(stage);
    struct cru_batch batch;
    struct cru_scored scored;
    struct cru_labelled d;
    cru_batch_init(&batch);
    struct cru_doc *doc = cru_batch_add(&batch);
    enum cru_status status =
        doc ? cru_json_document(scorer->parser, line, stage->common->text_field, o->calibrate,
                                number, &batch, doc, err)
            : cru_fail_memory(err, "labelled documents");
    if (status == CRU_OK && !label_of(scorer->parser, &batch, doc, o->label_field, &d.good)) {
        note_bad(fit, o->calibrate, number, "its label is not true, false, 1, 0, good or bad");
        goto done;
    }
    if (status == CRU_OK) status = cru_score_one(setup, scorer, &batch, doc, &scored, err);
    if (status == CRU_BAD) {
        note_bad(fit, o->calibrate, number, err->message);
        status = stage->common->strict
                     ? cru_fail(err, CRU_FATAL, "stopped at a bad label: %s", fit->first_bad)
                     : CRU_OK;
        goto done;
    }
    if (status == CRU_OK) {
        d.signal_score = scored.ddm.signal_score;
        d.words = scored.ddm.thinking_words;
        d.quality = scored.quality;
        status = add_label(labels, d, err);
    }
done:
    cru_batch_release(&batch);
    return status;
}

static enum cru_status read_labels(struct cru_stage *stage, const struct cru_score_setup *setup,
                                   struct labels *labels, struct cru_score_fit *fit,
                                   struct cru_error *err) {
    const char *path = cru_score_options_of(stage)->calibrate;
    struct cru_input *input = NULL;
    struct cru_scorer *scorer = cru_scorer_new();
    enum cru_status status =
        scorer ? cru_input_open(path, &input, err) : cru_fail_memory(err, "scores");
    struct cru_span line;
    bool whole;
    for (size_t number = 1; status == CRU_OK; number++) {
        status = cru_input_line(input, &line, &whole, err);
        if (status != CRU_OK || cru_span_trim(line).n == 0) continue;
        status = read_line(stage, setup, scorer, line, number, labels, fit, err);
        fit->documents++;
    }
    cru_input_close(input);
    cru_scorer_free(scorer);
    return status == CRU_END ? CRU_OK : status;
}

/* ---- reports ---- */

static void tell_area(struct cru_buffer *text, const char *what, struct cru_area a) {
    cru_buffer_printf(text, "%-22s AUC %.3f +- %.3f\n", what, a.auc, a.error);
}

static void tell_cut(struct cru_buffer *text, const char *what, const struct cru_cut *c, bool kept,
                     double stands) {
    if (kept)
        cru_buffer_printf(text, "%s stays %.6g: the best cut has J = %.3f, under %.2g\n", what,
                          stands, c->j, CRU_LEAST_J);
    else
        cru_buffer_printf(text,
                          "%s %.6g: J = %.3f, %.1f %% of the good and %.1f %% of the bad at "
                          "or above\n",
                          what, stands, c->j, 100 * c->good_above, 100 * c->bad_above);
}

static void tell(struct cru_buffer *text, const struct cru_calibration *r,
                 const struct cru_profile *p) {
    cru_buffer_printf(text, "%llu good and %llu bad documents; AUC with its standard error\n",
                      (unsigned long long)r->good, (unsigned long long)r->bad);
    tell_area(text, "quality, held out", r->quality);
    tell_area(text, "quality, as fitted", r->quality_seen);
    tell_area(text, "signal_score", r->signal);
    tell_area(text, "words", r->length);
    for (int f = 0; f < CRU_FACTORS; f++)
        tell_area(text, cru_factor_name((enum cru_factor)f), r->factor[f]);
    tell_cut(text, "quality_cut", &r->quality_cut, false, p->model.cut);
    tell_cut(text, "q_core", &r->core, r->core_kept, p->config.q_core);
    tell_cut(text, "q_anneal", &r->anneal, r->anneal_kept, p->config.q_anneal);
}

static void add_number(struct cru_buffer *json, const char *key, double x) {
    cru_buffer_printf(json, ",\"%s\":", key);
    if (isfinite(x))
        cru_buffer_add_json_number(json, round(x * 1e6) / 1e6 + 0.0);
    else
        cru_buffer_add_string(json, "null");
}

static void count(struct cru_buffer *json, const struct cru_calibration *r,
                  const struct cru_profile *p) {
    cru_buffer_printf(json, ",\"good\":%llu,\"bad_label\":%llu,\"folds\":%d",
                      (unsigned long long)r->good, (unsigned long long)r->bad, CRU_FOLDS);
    add_number(json, "auc_quality", r->quality.auc);
    add_number(json, "auc_quality_error", r->quality.error);
    add_number(json, "auc_quality_fitted", r->quality_seen.auc);
    add_number(json, "auc_signal_score", r->signal.auc);
    add_number(json, "auc_words", r->length.auc);
    for (int f = 0; f < CRU_FACTORS; f++) {
        char key[64];
        (void)snprintf(key, sizeof key, "auc_%s", cru_factor_name((enum cru_factor)f));
        add_number(json, key, r->factor[f].auc);
    }
    add_number(json, "quality_cut", p->model.cut);
    add_number(json, "quality_j", r->quality_cut.j);
    add_number(json, "q_core", p->config.q_core);
    add_number(json, "q_core_j", r->core.j);
    add_number(json, "q_anneal", p->config.q_anneal);
    add_number(json, "q_anneal_j", r->anneal.j);
}

enum cru_status cru_score_calibrate(struct cru_stage *stage, struct cru_score_fit *fit,
                                    struct cru_error *err) {
    const struct cru_score_options *o = cru_score_options_of(stage);
    struct cru_score_setup setup;
    struct cru_calibration report;
    struct labels labels = {NULL, 0, 0};
    const char *base = NULL;
    memset(fit, 0, sizeof *fit);
    cru_buffer_init(&fit->profile);
    cru_buffer_init(&fit->text);
    cru_buffer_init(&fit->json);
    enum cru_status status = cru_score_setup_open(&setup, o->profile, o->region, o->cues, err);
    if (status == CRU_OK) {
        base = setup.profile.config.seeks_reasoning ? "traces" : "web";
        if (o->cues) (void)snprintf(setup.profile.cues, sizeof setup.profile.cues, "%s", o->cues);
        status = read_labels(stage, &setup, &labels, fit, err);
    }
    if (status == CRU_OK && labels.n == 0 && fit->bad > 0)
        status = cru_fail(err, CRU_USAGE, "unable to calibrate: no line is a labelled document: %s",
                          fit->first_bad);
    if (status == CRU_OK)
        status = cru_calibrate(labels.list, labels.n, (uint64_t)stage->common->seed, &setup.profile,
                               &report, err);
    if (status == CRU_OK) {
        tell(&fit->text, &report, &setup.profile);
        count(&fit->json, &report, &setup.profile);
        struct cru_span rest = cru_buffer_span(&fit->text), line;
        cru_buffer_add_string(&fit->profile,
                              "# Score profile, made by crucible score --calibrate\n");
        while (cru_span_split(&rest, '\n', &line))
            if (line.n > 0) cru_buffer_printf(&fit->profile, "# %.*s\n", (int)line.n, line.p);
        cru_profile_render(&setup.profile, base, &fit->profile);
        if (fit->profile.failed || fit->json.failed) status = cru_fail_memory(err, "profile");
    }
    free(labels.list);
    cru_score_setup_release(&setup);
    return status;
}
