/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "crucible/base/base.h"
#include "crucible/build/report.h"
#include "crucible/build/report_data.h"

enum { STAGE = 34, FUNNEL = 11, COUNT = 12, WIDE = 15, NAME = 20 };

/* A name cannot move the cursor: control characters print as '?'. */
static void add_plain(struct cru_buffer *out, const char *text) {
    for (const char *c = text; *c; c++)
        cru_buffer_add_char(out, (unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c);
}

static void pad(struct cru_buffer *out, size_t used, size_t width) {
    for (; used < width; used++) cru_buffer_add_char(out, ' ');
}

static void add_name(struct cru_buffer *out, const char *text, size_t width) {
    size_t points = 0;
    for (const char *c = text; *c; c++) points += ((unsigned char)*c & 0xc0) != 0x80;
    add_plain(out, text);
    if (points >= width) cru_buffer_add_char(out, ' ');
    pad(out, points, width);
}

static void add_right(struct cru_buffer *out, const char *text, int width) {
    cru_buffer_printf(out, "%*s", width, text);
}

static void add_count(struct cru_buffer *out, uint64_t n, int width) {
    char text[CRU_REPORT_NUMBER];
    add_right(out, cru_report_number(n, text), width);
}

/* A number, or "-" when it is not known. */
static void add_real(struct cru_buffer *out, double x, int width, int digits) {
    if (isfinite(x)) cru_buffer_printf(out, "%*.*f", width, digits, x);
    else add_right(out, "-", width);
}

static void add_count_of(struct cru_buffer *out, const char *label, uint64_t n, const char *behind) {
    cru_buffer_add_string(out, label);
    add_count(out, n, 0);
    cru_buffer_add_string(out, behind);
}

static void title(const struct cru_report *r, struct cru_buffer *out) {
    add_plain(out, r->name[0] ? r->name : "unnamed");
    cru_buffer_add_string(out, ": recipe ");
    add_plain(out, r->recipe[0] ? r->recipe : "unknown");
    cru_buffer_add_string(out, ", crucible ");
    add_plain(out, r->version[0] ? r->version : "unknown");
    cru_buffer_add_char(out, '\n');
    if (r->n_steps == 0) cru_buffer_add_string(out, "No step has finished yet.\n");
    else if (!r->complete && r->n_unfinished == 0)
        cru_buffer_add_string(out, "The build has not come to its end; these steps are finished:\n");
    for (size_t i = 0; i < r->n_steps; i++)
        if (!r->steps[i].finished) {
            cru_buffer_printf(out, "Step %zu of %zu is missing: ", i + 1, r->n_steps);
            add_plain(out, r->steps[i].key);
            cru_buffer_add_char(out, '\n');
        }
    if (r->n_newer)
        cru_buffer_printf(out, "%zu newer step%s left out.\n", r->n_newer, r->n_newer == 1 ? " of another run is" : "s of other runs are");
}

static void stage_row(const struct cru_report_stage *k, struct cru_buffer *out) {
    double speed = cru_report_speed(k);
    const uint64_t counts[] = {k->in, k->added, k->out, k->dropped, k->bad};
    pad(out, 0, 2);
    add_name(out, k->name, STAGE - 2);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) add_count(out, counts[i], FUNNEL);
    add_real(out, (double)k->bytes_in / 1e6, FUNNEL, 2);
    add_real(out, (double)k->bytes_out / 1e6, FUNNEL, 2);
    add_real(out, speed > 0 ? speed : (double)NAN, FUNNEL + 2, 1);
    cru_buffer_add_char(out, '\n');
    for (size_t i = 0; i < k->n_reasons; i++) {
        pad(out, 0, 4);
        add_name(out, k->reasons[i].rule, STAGE + 3 * FUNNEL - 4);
        add_count(out, k->reasons[i].documents, FUNNEL);
        pad(out, 0, FUNNEL);
        add_real(out, (double)k->reasons[i].bytes / 1e6, FUNNEL, 2);
        cru_buffer_add_char(out, '\n');
    }
}

static void conservation(const struct cru_report *r, struct cru_buffer *out) {
    size_t stages = 0, broken = 0;
    for (size_t i = 0; i < r->n_steps; i++)
        for (size_t k = 0; k < r->steps[i].n_stages; k++) {
            const struct cru_report_stage *stage = &r->steps[i].stages[k];
            int64_t lost = cru_report_lost(stage);
            uint64_t before;
            stages++;
            if (lost) {
                cru_buffer_add_string(out, "NOT CONSERVED: ");
                add_plain(out, r->steps[i].name);
                cru_buffer_add_string(out, ", ");
                add_plain(out, stage->name);
                cru_buffer_printf(out, ": in + repeats - (out + dropped + bad) = %lld\n", (long long)lost);
                broken++;
            }
            if (cru_report_before(r, i, k, &before) && before != stage->in) {
                cru_buffer_add_string(out, "NOT CONSERVED: ");
                add_plain(out, r->steps[i].name);
                cru_buffer_add_string(out, ", ");
                add_plain(out, stage->name);
                add_count_of(out, ": ", before, " documents came out before it, ");
                add_count_of(out, "", stage->in, " went in\n");
                broken++;
            }
        }
    if (stages && !broken)
        cru_buffer_printf(out, "Conserved: in + repeats = out + dropped + bad in %s%zu stage%s.\n",
                          stages > 1 ? "all " : "", stages, stages > 1 ? "s" : "");
}

static void funnel(const struct cru_report *r, struct cru_buffer *out) {
    static const char *const columns[] = {"in", "repeats", "out", "dropped", "bad", "MB in", "MB out"};
    cru_buffer_add_string(out, "\nFunnel (documents, megabytes of text)\n");
    add_name(out, "step, stage, reason", STAGE);
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) add_right(out, columns[i], FUNNEL);
    add_right(out, "MB/s a core", FUNNEL + 2);
    cru_buffer_add_char(out, '\n');
    for (size_t i = 0; i < r->n_steps; i++) {
        if (!r->steps[i].finished || r->steps[i].n_stages == 0) continue;
        add_plain(out, r->steps[i].name);
        cru_buffer_printf(out, " (%.1f s)\n", r->steps[i].seconds);
        for (size_t k = 0; k < r->steps[i].n_stages; k++) stage_row(&r->steps[i].stages[k], out);
    }
    conservation(r, out);
}

static void mixing(const struct cru_report_mix *mix, struct cru_buffer *out) {
    cru_buffer_printf(out, "\nMixing (by %s)\n", mix->by);
    add_name(out, "source", NAME);
    add_right(out, "documents", COUNT);
    add_right(out, "available", WIDE);
    add_right(out, "asked share", WIDE);
    add_right(out, "got", WIDE);
    add_right(out, "got share", COUNT);
    add_right(out, "epochs", COUNT);
    cru_buffer_add_char(out, '\n');
    for (size_t i = 0; i < mix->n; i++) {
        const struct cru_report_mixed *m = &mix->sources[i];
        add_name(out, m->name, NAME);
        add_count(out, m->documents, COUNT);
        add_count(out, m->available, WIDE);
        add_real(out, 100 * m->asked_share, WIDE - 2, 2);
        cru_buffer_add_string(out, " %");
        add_count(out, m->got, WIDE);
        add_real(out, 100 * m->got_share, COUNT - 2, 2);
        cru_buffer_add_string(out, " %");
        add_real(out, m->epochs, COUNT, 3);
        cru_buffer_add_char(out, '\n');
    }
    add_name(out, "total", NAME + COUNT + 2 * WIDE);
    add_count(out, mix->total, WIDE);
    cru_buffer_add_char(out, '\n');
}

static void scores(const struct cru_report_score *score, struct cru_buffer *out) {
    uint64_t all = 0;
    for (size_t i = 0; i < score->n; i++) all += score->bins[i].documents;
    cru_buffer_add_string(out, "\nScores (DDM, profile ");
    add_plain(out, score->profile);
    cru_buffer_add_string(out, ", all documents scored)\n");
    add_name(out, "bin", NAME);
    add_right(out, "documents", COUNT);
    add_right(out, "share", COUNT);
    add_right(out, "words", WIDE);
    cru_buffer_add_char(out, '\n');
    for (size_t i = 0; i < score->n; i++) {
        add_name(out, score->bins[i].name, NAME);
        add_count(out, score->bins[i].documents, COUNT);
        add_real(out, all ? 100 * (double)score->bins[i].documents / (double)all : 0, COUNT - 2, 2);
        cru_buffer_add_string(out, " %");
        add_count(out, score->bins[i].words, WIDE);
        cru_buffer_add_char(out, '\n');
    }
    cru_buffer_add_string(out, "mean signal score ");
    add_real(out, score->mean, 0, 4);
    cru_buffer_add_string(out, ", correlation of score and length ");
    add_real(out, score->length_correlation, 0, 4);
    cru_buffer_add_char(out, '\n');
}

static void selection(const struct cru_report_select *select, struct cru_buffer *out) {
    static const char *const columns[] = {"low", "high", "documents", "quota", "selected", "spent"};
    cru_buffer_add_string(out, "\nSelection (length strata");
    if (select->length_in[0]) cru_buffer_add_string(out, " in "), add_plain(out, select->length_in);
    cru_buffer_add_string(out, ")\n");
    add_name(out, "stratum", 8);
    for (size_t i = 0; i < 6; i++) add_right(out, columns[i], i < 2 ? COUNT : WIDE);
    cru_buffer_add_char(out, '\n');
    for (size_t i = 0; i < select->n; i++) {
        const struct cru_report_stratum *t = &select->strata[i];
        cru_buffer_printf(out, "%-8zu", i);
        add_count(out, t->low, COUNT);
        add_count(out, t->high, COUNT);
        add_count(out, t->documents, WIDE);
        add_count(out, t->quota, WIDE);
        add_count(out, t->selected, WIDE);
        add_count(out, t->spent, WIDE);
        cru_buffer_add_char(out, '\n');
    }
    add_count_of(out, "selected ", select->selected, ", objective ");
    add_real(out, select->objective, 0, 4);
    cru_buffer_add_string(out, "\nguarantee ");
    add_plain(out, select->guarantee[0] ? select->guarantee : "unknown");
    cru_buffer_add_string(out, ", certificate ");
    add_real(out, select->certificate, 0, 4);
    cru_buffer_add_string(out, " (objective over an upper bound of the best)\n");
}

static void shards(const struct cru_report_shards *s, struct cru_buffer *out) {
    cru_buffer_add_string(out, "\nShards (vocabulary ");
    add_plain(out, s->vocab);
    cru_buffer_add_string(out, ")\n");
    add_name(out, "source", NAME);
    add_right(out, "documents", COUNT);
    add_right(out, "tokens", WIDE);
    add_right(out, "bytes", WIDE);
    add_right(out, "bytes a token", WIDE);
    cru_buffer_add_char(out, '\n');
    for (size_t i = 0; i <= s->n; i++) {
        struct cru_report_tokenized all = {"total", s->documents, s->tokens, s->bytes,
                                           s->tokens ? (double)s->bytes / (double)s->tokens : (double)NAN};
        const struct cru_report_tokenized *t = i < s->n ? &s->sources[i] : &all;
        add_name(out, t->name[0] ? t->name : "(none)", NAME);
        add_count(out, t->documents, COUNT);
        add_count(out, t->tokens, WIDE);
        add_count(out, t->bytes, WIDE);
        add_real(out, t->bytes_per_token, WIDE, 3);
        cru_buffer_add_char(out, '\n');
    }
    add_count_of(out, "", s->shards, s->shards == 1 ? " shard, " : " shards, ");
    add_count_of(out, "", s->shard_tokens, " tokens in them, ");
    add_count_of(out, "", s->padding, " of padding");
    if (s->shard_tokens)
        cru_buffer_printf(out, " (%.2f %%)", 100 * (double)s->padding / (double)s->shard_tokens);
    cru_buffer_add_char(out, '\n');
}

static void groups(const char *what, const struct cru_report_group *g, size_t n, uint64_t all, struct cru_buffer *out) {
    enum { SHOWN = 12 };
    add_name(out, what, NAME);
    add_right(out, "documents", COUNT);
    add_right(out, "share", COUNT);
    add_right(out, "tokens", WIDE);
    add_right(out, "mean signal", WIDE);
    add_right(out, "mean weight", WIDE);
    cru_buffer_add_char(out, '\n');
    for (size_t i = 0; i < n && i < SHOWN; i++) {
        add_name(out, g[i].name[0] ? g[i].name : "(none)", NAME);
        add_count(out, g[i].documents, COUNT);
        add_real(out, all ? 100 * (double)g[i].documents / (double)all : 0, COUNT - 2, 2);
        cru_buffer_add_string(out, " %");
        add_count(out, g[i].tokens, WIDE);
        add_real(out, g[i].signal, WIDE, 4);
        add_real(out, g[i].weight, WIDE, 4);
        cru_buffer_add_char(out, '\n');
    }
    if (n > SHOWN) cru_buffer_printf(out, "and %zu more\n", n - SHOWN);
}

static void documents(const struct cru_report *r, struct cru_buffer *out) {
    const struct cru_report_documents *d = &r->documents;
    if (r->other_documents)
        cru_buffer_add_string(out, "\nThe document rows are those of a newer run and are left out.\n");
    if (d->documents == 0) return;
    cru_buffer_add_string(out, "\nDocuments of the shards\n");
    add_count_of(out, "", d->documents, " documents, ");
    add_count_of(out, "", d->tokens, " tokens, mean signal score ");
    add_real(out, d->signal, 0, 4);
    cru_buffer_add_char(out, '\n');
    if (d->lengths.n)
        cru_buffer_printf(out, "tokens a document: least %.0f, median %.0f, most %.0f\n", d->lengths.least,
                          d->lengths.median, d->lengths.most);
    if (d->n_bins > 1 || (d->n_bins == 1 && d->bins[0].name[0]))
        groups("bin", d->bins, d->n_bins, d->documents, out);
    if (d->n_languages > 1 || (d->n_languages == 1 && d->languages[0].name[0]))
        groups("language", d->languages, d->n_languages, d->documents, out);
}

static void training(const struct cru_report_training *t, struct cru_buffer *out) {
    static const char *const phases[] = {"superposed (TST)", "ordinary", "evaluation"};
    if (!t->log) return;
    cru_buffer_printf(out, "\nTraining (%.1f s)\n", t->seconds);
    for (int i = 0; i < 3 && t->n; i++) {
        if (t->phase[i].points == 0) continue;
        add_name(out, phases[i], NAME);
        if (t->phase[i].first_step == t->phase[i].last_step)
            cru_buffer_printf(out, "step %llu: loss ", (unsigned long long)t->phase[i].first_step);
        else
            cru_buffer_printf(out, "steps %llu to %llu: loss ", (unsigned long long)t->phase[i].first_step,
                              (unsigned long long)t->phase[i].last_step);
        bool one = t->phase[i].points == 1;
        add_real(out, t->phase[i].first_loss, 0, 4);
        if (!one) cru_buffer_add_string(out, " -> "), add_real(out, t->phase[i].last_loss, 0, 4);
        cru_buffer_add_string(out, ", bits a byte ");
        add_real(out, t->phase[i].first_bpb, 0, 4);
        if (!one) cru_buffer_add_string(out, " -> "), add_real(out, t->phase[i].last_bpb, 0, 4);
        cru_buffer_add_char(out, '\n');
    }
    if (t->unreadable) add_count_of(out, "", t->unreadable, " lines of the log are not readable\n");
    if (t->trouble) add_plain(out, t->trouble), cru_buffer_add_char(out, '\n');
    cru_buffer_add_string(out, "log: ");
    add_plain(out, t->log);
    cru_buffer_add_char(out, '\n');
}

enum cru_status cru_report_text(const char *work, struct cru_buffer *out, struct cru_error *err) {
    struct cru_report r;
    enum cru_status s = cru_report_load(work, &r, err);
    if (s == CRU_OK) {
        title(&r, out);
        if (r.n_steps) funnel(&r, out);
        for (size_t i = 0; i < r.n_steps; i++)
            for (size_t k = 0; k < r.steps[i].n_stages; k++) {
                const struct cru_report_stage *stage = &r.steps[i].stages[k];
                if (stage->score) scores(stage->score, out);
                if (stage->select) selection(stage->select, out);
                if (stage->mix) mixing(stage->mix, out);
                if (stage->shards) shards(stage->shards, out);
            }
        documents(&r, out);
        training(&r.training, out);
        if (out->failed) s = cru_fail_memory(err, "report");
    }
    cru_report_release(&r);
    return s;
}
