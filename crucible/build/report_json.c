/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "crucible/base/base.h"
#include "crucible/build/report.h"
#include "crucible/build/report_data.h"

/* One member: a comma unless an object or array has just begun, then the key. */
static void key(struct cru_buffer *out, const char *name) {
    if (out->n && out->p[out->n - 1] != '{' && out->p[out->n - 1] != '[') cru_buffer_add_char(out, ',');
    cru_buffer_add_json_string(out, cru_span_of(name));
    cru_buffer_add_char(out, ':');
}

static void text(struct cru_buffer *out, const char *name, const char *value) {
    key(out, name);
    if (value) cru_buffer_add_json_string(out, cru_span_of(value));
    else cru_buffer_add_string(out, "null");
}

static void count(struct cru_buffer *out, const char *name, uint64_t n) {
    key(out, name);
    cru_buffer_printf(out, "%llu", (unsigned long long)n);
}

static void real(struct cru_buffer *out, const char *name, double x) {
    key(out, name);
    cru_buffer_add_json_number(out, x);
}

static void truth(struct cru_buffer *out, const char *name, bool value) {
    key(out, name);
    cru_buffer_add_string(out, value ? "true" : "false");
}

static void open_with(struct cru_buffer *out, const char *name, char c) {
    key(out, name);
    cru_buffer_add_char(out, c);
}

/* An object in an array. */
static void open_item(struct cru_buffer *out, size_t i) { cru_buffer_add_string(out, i ? ",{" : "{"); }
static void close_with(struct cru_buffer *out, char c) { cru_buffer_add_char(out, c); }

static void mix_json(const struct cru_report_mix *mix, struct cru_buffer *out) {
    open_with(out, "mix", '{');
    text(out, "by", mix->by);
    count(out, "total", mix->total);
    open_with(out, "sources", '[');
    for (size_t i = 0; i < mix->n; i++) {
        const struct cru_report_mixed *m = &mix->sources[i];
        open_item(out, i);
        text(out, "name", m->name);
        count(out, "documents", m->documents);
        count(out, "available", m->available);
        real(out, "asked_share", m->asked_share);
        count(out, "asked", m->asked);
        count(out, "got", m->got);
        real(out, "got_share", m->got_share);
        count(out, "picks", m->picks);
        real(out, "epochs", m->epochs);
        close_with(out, '}');
    }
    cru_buffer_add_string(out, "]}");
}

static void score_json(const struct cru_report_score *score, struct cru_buffer *out) {
    open_with(out, "score", '{');
    text(out, "profile", score->profile);
    real(out, "mean_signal_score", score->mean);
    real(out, "length_correlation", score->length_correlation);
    open_with(out, "bins", '[');
    for (size_t i = 0; i < score->n; i++) {
        open_item(out, i);
        text(out, "name", score->bins[i].name);
        count(out, "documents", score->bins[i].documents);
        count(out, "words", score->bins[i].words);
        close_with(out, '}');
    }
    cru_buffer_add_string(out, "]}");
}

static void select_json(const struct cru_report_select *select, struct cru_buffer *out) {
    open_with(out, "select", '{');
    count(out, "selected", select->selected);
    real(out, "objective", select->objective);
    text(out, "guarantee", select->guarantee);
    real(out, "certificate", select->certificate);
    count(out, "evaluations", select->evaluations);
    text(out, "length_in", select->length_in);
    open_with(out, "strata", '[');
    for (size_t i = 0; i < select->n; i++) {
        const struct cru_report_stratum *t = &select->strata[i];
        open_item(out, i);
        count(out, "low", t->low);
        count(out, "high", t->high);
        count(out, "documents", t->documents);
        count(out, "quota", t->quota);
        count(out, "selected", t->selected);
        count(out, "spent", t->spent);
        real(out, "objective", t->objective);
        real(out, "upper", t->upper);
        close_with(out, '}');
    }
    cru_buffer_add_string(out, "]}");
}

static void shards_json(const struct cru_report_shards *s, struct cru_buffer *out) {
    open_with(out, "shards", '{');
    text(out, "vocab", s->vocab);
    text(out, "vocab_hash", s->vocab_hash);
    count(out, "documents", s->documents);
    count(out, "tokens", s->tokens);
    count(out, "bytes", s->bytes);
    count(out, "shards", s->shards);
    count(out, "shard_tokens", s->shard_tokens);
    count(out, "padding", s->padding);
    open_with(out, "sources", '[');
    for (size_t i = 0; i < s->n; i++) {
        open_item(out, i);
        text(out, "name", s->sources[i].name);
        count(out, "documents", s->sources[i].documents);
        count(out, "tokens", s->sources[i].tokens);
        count(out, "bytes", s->sources[i].bytes);
        real(out, "bytes_per_token", round(s->sources[i].bytes_per_token * 1e4) / 1e4);
        close_with(out, '}');
    }
    cru_buffer_add_string(out, "]}");
}

static void stage_json(const struct cru_report_stage *k, struct cru_buffer *out) {
    text(out, "stage", k->name);
    count(out, "in", k->in);
    count(out, "added", k->added);
    count(out, "out", k->out);
    count(out, "dropped", k->dropped);
    count(out, "bad", k->bad);
    key(out, "lost");
    cru_buffer_printf(out, "%lld", (long long)cru_report_lost(k));
    count(out, "bytes_in", k->bytes_in);
    count(out, "bytes_out", k->bytes_out);
    real(out, "cpu_seconds", round(k->seconds * 1e3) / 1e3);
    real(out, "mb_per_s", round(cru_report_speed(k) * 10) / 10);
    open_with(out, "reasons", '{');
    for (size_t i = 0; i < k->n_reasons; i++) {
        open_with(out, k->reasons[i].rule, '{');
        count(out, "documents", k->reasons[i].documents);
        count(out, "bytes", k->reasons[i].bytes);
        close_with(out, '}');
    }
    close_with(out, '}');
    if (k->score) score_json(k->score, out);
    if (k->select) select_json(k->select, out);
    if (k->mix) mix_json(k->mix, out);
    if (k->shards) shards_json(k->shards, out);
}

static void steps_json(const struct cru_report *r, struct cru_buffer *out) {
    open_with(out, "steps", '[');
    for (size_t i = 0; i < r->n_steps; i++) {
        const struct cru_report_step *step = &r->steps[i];
        open_item(out, i);
        text(out, "key", step->key);
        truth(out, "finished", step->finished);
        text(out, "name", step->name);
        text(out, "kind", step->kind);
        text(out, "source", step->source);
        text(out, "output", step->output);
        real(out, "seconds", round(step->seconds * 1e3) / 1e3);
        open_with(out, "stages", '[');
        for (size_t k = 0; k < step->n_stages; k++) {
            open_item(out, k);
            stage_json(&step->stages[k], out);
            close_with(out, '}');
        }
        cru_buffer_add_string(out, "]}");
    }
    close_with(out, ']');
}

static void groups_json(const char *name, const struct cru_report_group *g, size_t n, struct cru_buffer *out) {
    open_with(out, name, '[');
    for (size_t i = 0; i < n; i++) {
        open_item(out, i);
        text(out, "name", g[i].name);
        count(out, "documents", g[i].documents);
        count(out, "tokens", g[i].tokens);
        real(out, "mean_signal_score", g[i].signal);
        real(out, "mean_weight", g[i].weight);
        close_with(out, '}');
    }
    close_with(out, ']');
}

static void histogram_json(const char *name, const struct cru_report_histogram *h, bool powers,
                           struct cru_buffer *out) {
    open_with(out, name, '{');
    real(out, "least", h->n ? h->least : (double)NAN);
    real(out, "median", h->n ? h->median : (double)NAN);
    real(out, "most", h->n ? h->most : (double)NAN);
    open_with(out, "buckets", '[');
    for (size_t i = 0; i < h->n; i++) {
        double low = h->low + (double)i * h->width, high = h->low + (double)(i + 1) * h->width;
        open_item(out, i);
        real(out, "low", powers ? exp2(low) : round(low * 1e9) / 1e9);
        real(out, "high", powers ? exp2(high) : round(high * 1e9) / 1e9);
        count(out, "documents", h->counts[i]);
        close_with(out, '}');
    }
    cru_buffer_add_string(out, "]}");
}

static void documents_json(const struct cru_report *r, struct cru_buffer *out) {
    const struct cru_report_documents *d = &r->documents;
    key(out, "documents");
    if (r->other_documents) {
        cru_buffer_add_string(out, "null");
        return;
    }
    cru_buffer_add_char(out, '{');
    count(out, "documents", d->documents);
    count(out, "tokens", d->tokens);
    count(out, "bytes", d->bytes);
    real(out, "mean_signal_score", d->signal);
    groups_json("bins", d->bins, d->n_bins, out);
    groups_json("languages", d->languages, d->n_languages, out);
    histogram_json("signal_score", &d->signals, false, out);
    histogram_json("tokens_a_document", &d->lengths, true, out);
    close_with(out, '}');
}

static void training_json(const struct cru_report_training *t, struct cru_buffer *out) {
    static const char *const phases[] = {"tst", "ntp", "eval"};
    key(out, "training");
    if (!t->log) {
        cru_buffer_add_string(out, "null");
        return;
    }
    cru_buffer_add_char(out, '{');
    text(out, "log", t->log);
    text(out, "trouble", t->trouble);
    real(out, "seconds", round(t->seconds * 1e3) / 1e3);
    count(out, "lines", t->n);
    count(out, "unreadable_lines", t->unreadable);
    open_with(out, "phases", '{');
    for (int i = 0; i < 3; i++) {
        if (t->phase[i].points == 0) continue;
        open_with(out, phases[i], '{');
        count(out, "first_step", t->phase[i].first_step);
        count(out, "last_step", t->phase[i].last_step);
        real(out, "first_loss", t->phase[i].first_loss);
        real(out, "last_loss", t->phase[i].last_loss);
        real(out, "first_bpb", t->phase[i].first_bpb);
        real(out, "last_bpb", t->phase[i].last_bpb);
        close_with(out, '}');
    }
    cru_buffer_add_string(out, "}}");
}

enum cru_status cru_report_json(const char *work, struct cru_buffer *out, struct cru_error *err) {
    struct cru_report r;
    enum cru_status s = cru_report_load(work, &r, err);
    if (s == CRU_OK) {
        cru_buffer_add_char(out, '{');
        text(out, "name", r.name);
        text(out, "recipe", r.recipe);
        text(out, "version", r.version);
        text(out, "work", r.work);
        truth(out, "complete", r.complete);
        count(out, "unfinished_steps", r.n_unfinished);
        count(out, "newer_steps", r.n_newer);
        truth(out, "conserved", cru_report_conserved(&r));
        steps_json(&r, out);
        documents_json(&r, out);
        training_json(&r.training, out);
        cru_buffer_add_string(out, "}\n");
        if (out->failed) s = cru_fail_memory(err, "report");
    }
    cru_report_release(&r);
    return s;
}
