/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "crucible/base/base.h"
#include "crucible/build/report.h"
#include "crucible/build/report_data.h"
#include "crucible/build/report_path.h"
#include "crucible/build/report_svg.h"

/* Colours are named once and swapped as a whole for dark; SVG takes them through its classes. */
static const char page_head[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
    "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>";
static const char page_style[] =
    " - build report</title><style>\n"
    ":root{color-scheme:light dark;--bg:#fff;--fg:#1c2128;--dim:#5c6672;--line:#dde2e8;--card:#f4f6f8;"
    "--s0:#2f6fab;--s1:#e0962b;--s2:#c3ccd6;--s3:#c0392b;--good:#2e7d4f}\n"
    "@media(prefers-color-scheme:dark){:root{--bg:#15181c;--fg:#e3e7eb;--dim:#98a2ae;--line:#2e353d;--card:#1e2328;"
    "--s0:#5b9fdc;--s1:#e7ab52;--s2:#4a545f;--s3:#e0665a;--good:#6cc08f}}\n"
    "*{box-sizing:border-box}body{margin:0 auto;max-width:960px;padding:28px 20px 60px;background:var(--bg);"
    "color:var(--fg);font:15px/1.5 system-ui,-apple-system,\"Segoe UI\",\"Liberation Sans\",Arial,sans-serif}\n"
    "h1{font-size:26px;margin:0 0 4px;overflow-wrap:anywhere}h2{font-size:19px;margin:38px 0 8px;padding-top:14px;"
    "border-top:1px solid var(--line)}h3{font-size:15px;margin:22px 0 6px}p{margin:6px 0;overflow-wrap:anywhere}"
    ".dim{color:var(--dim)}.good{color:var(--good)}.alert{color:var(--s3);font-weight:600}\n"
    ".cards{display:flex;flex-wrap:wrap;gap:10px;margin:18px 0 0}.card{flex:1 1 128px;background:var(--card);"
    "border:1px solid var(--line);border-radius:8px;padding:10px 14px}.card b{display:block;font-size:21px;"
    "font-weight:600;line-height:1.3}.card span{color:var(--dim);font-size:13px}\n"
    "svg{display:block;width:100%;height:auto;margin:8px 0;font:13px system-ui,-apple-system,\"Segoe UI\","
    "\"Liberation Sans\",Arial,sans-serif}svg text{fill:var(--fg)}svg text.v{fill:var(--dim);font-size:12px}\n"
    ".s0{fill:var(--s0)}.s1{fill:var(--s1)}.s2{fill:var(--s2)}.s3{fill:var(--s3)}"
    ".grid{stroke:var(--line);stroke-width:1;fill:none}.mark{stroke:var(--dim);stroke-dasharray:4 3;fill:none}"
    ".line{fill:none;stroke-width:2;stroke-linejoin:round}.l0{stroke:var(--s0)}.l1{stroke:var(--s1)}"
    ".band{fill:var(--s0);opacity:.16}.low{fill:var(--s3);opacity:.14}.dot{stroke-width:2;fill:var(--bg)}.l3{stroke:var(--s3)}\n"
    ".key{display:flex;flex-wrap:wrap;gap:4px 18px;color:var(--dim);font-size:13px;margin:6px 0}"
    ".key i{display:inline-block;width:11px;height:11px;border-radius:2px;margin-right:6px;vertical-align:-1px}"
    ".k0{background:var(--s0)}.k1{background:var(--s1)}.k2{background:var(--s2)}.k3{background:var(--s3)}\n"
    ".wide{overflow-x:auto}table{border-collapse:collapse;font-size:13.5px;margin:8px 0;width:100%;"
    "font-variant-numeric:tabular-nums}th,td{padding:3px 8px;text-align:right;border-bottom:1px solid var(--line);"
    "white-space:nowrap}th{color:var(--dim);font-weight:500}th.t,td.t{text-align:left}"
    "td.t{max-width:260px;overflow:hidden;text-overflow:ellipsis}tr.sum td{font-weight:600}"
    "details{margin:8px 0}summary{cursor:pointer;color:var(--dim)}\n"
    "@media print{details{display:block}}\n"
    "</style></head><body>\n";

static const char *const split_classes[CRU_SVG_PARTS] = {"s0", "s2", "s3"}; /* kept, dropped, bad */
static const char *const pair_classes[CRU_SVG_PARTS] = {"s0", "s1", "s2"};

/* ---- small parts ---- */

static void add(struct cru_buffer *out, const char *html) { cru_buffer_add_string(out, html); }

static void text_cell(struct cru_buffer *out, const char *text) {
    add(out, "<td class=\"t\" title=\"");
    cru_report_escape(out, text);
    add(out, "\">");
    cru_report_escape(out, text);
    add(out, "</td>");
}

static void count_cell(struct cru_buffer *out, uint64_t n) {
    char text[CRU_REPORT_NUMBER];
    cru_buffer_printf(out, "<td>%s</td>", cru_report_number(n, text));
}

/* `unit` stands behind the number; "-" alone when it is not known. */
static void real_cell(struct cru_buffer *out, double x, int digits, const char *unit) {
    if (isfinite(x)) cru_buffer_printf(out, "<td>%.*f%s</td>", digits, x, unit);
    else add(out, "<td>\xe2\x80\x93</td>");
}

/* Headings parted by '|'; the first `texts` stand left. */
static void table_begin(struct cru_buffer *out, const char *headings, size_t texts) {
    struct cru_span rest = cru_span_of(headings), heading;
    add(out, "<div class=\"wide\"><table><thead><tr>");
    for (size_t i = 0; cru_span_split(&rest, '|', &heading); i++) {
        add(out, i < texts ? "<th class=\"t\">" : "<th>");
        cru_buffer_add_span(out, heading);
        add(out, "</th>");
    }
    add(out, "</tr></thead><tbody>\n");
}

static void table_end(struct cru_buffer *out) { add(out, "</tbody></table></div>\n"); }

static void legend(struct cru_buffer *out, const char *a, const char *b, const char *c, const char *const classes[3]) {
    const char *const words[] = {a, b, c};
    add(out, "<div class=\"key\">");
    for (int i = 0; i < 3 && words[i]; i++)
        cru_buffer_printf(out, "<span><i class=\"k%c\"></i>%s</span>", classes[i][1], words[i]);
    add(out, "</div>\n");
}

static void card(struct cru_buffer *out, const char *value, const char *what) {
    cru_buffer_printf(out, "<div class=\"card\"><b>%s</b><span>%s</span></div>", value, what);
}

static struct cru_svg_bar *new_bars(struct cru_report *r, size_t n) {
    return cru_arena_calloc(&r->arena, n ? n : 1, sizeof(struct cru_svg_bar));
}

/* ---- head ---- */

static void cards(const struct cru_report *r, struct cru_buffer *out) {
    uint64_t documents = 0, bytes = 0;
    double seconds = 0;
    char text[64], number[CRU_REPORT_NUMBER];
    const struct cru_report_shards *shards = NULL;
    for (size_t i = 0; i < r->n_steps; i++) {
        const struct cru_report_step *step = &r->steps[i];
        seconds += step->seconds;
        if (step->n_stages && step->kind && strcmp(step->kind, "read") == 0) {
            documents += step->stages[0].in;
            bytes += step->stages[0].bytes_in;
        }
        for (size_t k = 0; k < step->n_stages; k++)
            if (step->stages[k].shards) shards = step->stages[k].shards;
    }
    add(out, "<div class=\"cards\">");
    card(out, cru_report_number(documents, number), "documents in");
    (void)snprintf(text, sizeof text, "%.*f MB", bytes < 100000000 ? 1 : 0, (double)bytes / 1e6);
    card(out, text, "of input");
    if (shards) {
        card(out, cru_report_number(shards->documents, number), "documents out");
        card(out, cru_report_short_number((double)shards->tokens, number), "tokens out");
    }
    const struct cru_report_training *t = &r->training;
    if (t->phase[CRU_REPORT_ORDINARY].points && isfinite(t->phase[CRU_REPORT_ORDINARY].last_bpb)) {
        (void)snprintf(text, sizeof text, "%.3f", t->phase[CRU_REPORT_ORDINARY].last_bpb);
        card(out, text, "bits a byte, last");
    }
    (void)snprintf(text, sizeof text, seconds < 120 ? "%.1f s" : "%.0f s", seconds);
    card(out, text, "wall time");
    add(out, "</div>\n");
}

static void head(const struct cru_report *r, struct cru_buffer *out) {
    add(out, page_head);
    cru_report_escape(out, r->name[0] ? r->name : "unnamed");
    add(out, page_style);
    add(out, "<h1>");
    cru_report_escape(out, r->name[0] ? r->name : "unnamed");
    add(out, "</h1>\n<p class=\"dim\">recipe ");
    cru_report_escape(out, r->recipe[0] ? r->recipe : "unknown");
    add(out, " \xc2\xb7 crucible ");
    cru_report_escape(out, r->version[0] ? r->version : "unknown");
    add(out, " \xc2\xb7 work directory ");
    cru_report_escape(out, r->work);
    add(out, "</p>\n");
    if (r->n_steps == 0) add(out, "<p class=\"alert\">No step has finished yet.</p>\n");
    else if (!r->complete && r->n_unfinished == 0)
        add(out, "<p class=\"alert\">The build has not come to its end; below is what is finished.</p>\n");
    for (size_t i = 0; i < r->n_steps; i++)
        if (!r->steps[i].finished) {
            cru_buffer_printf(out, "<p class=\"alert\">Step %zu of %zu is missing: ", i + 1, r->n_steps);
            cru_report_escape(out, r->steps[i].key);
            add(out, "</p>\n");
        }
    if (r->n_newer)
        cru_buffer_printf(out, "<p class=\"dim\">%zu newer step%s left out.</p>\n", r->n_newer,
                          r->n_newer == 1 ? " of another run is" : "s of other runs are");
}

/* ---- funnel ---- */

static size_t count_stages(const struct cru_report *r) {
    size_t n = 0;
    for (size_t i = 0; i < r->n_steps; i++) n += r->steps[i].n_stages;
    return n;
}

/* The step's name stands once, above its stages: "read:man", then "filter". */
static enum cru_status funnel_bars(struct cru_report *r, struct cru_buffer *out, struct cru_error *err) {
    struct cru_svg_bar *bars = new_bars(r, count_stages(r));
    double most = 0;
    size_t n = 0;
    if (!bars) return cru_fail_memory(err, "report");
    for (size_t i = 0; i < r->n_steps; i++)
        for (size_t k = 0; k < r->steps[i].n_stages; k++) {
            const struct cru_report_stage *stage = &r->steps[i].stages[k];
            struct cru_svg_bar *bar = &bars[n++];
            char a[CRU_REPORT_NUMBER], b[CRU_REPORT_NUMBER];
            struct cru_span label = cru_span_of(stage->name);
            if (r->steps[i].source) label = cru_arena_printf(&r->arena, "%s \xc2\xb7 %s", r->steps[i].source, stage->name);
            if (!label.p) return cru_fail_memory(err, "report");
            bar->label = label.p;
            bar->parts[0] = (double)stage->out;
            bar->parts[1] = (double)stage->dropped;
            bar->parts[2] = (double)stage->bad;
            double all = bar->parts[0] + bar->parts[1] + bar->parts[2];
            (void)snprintf(bar->text, sizeof bar->text, "%s \xe2\x86\x92 %s", cru_report_number(stage->in, a),
                           cru_report_number(stage->out, b));
            most = all > most ? all : most;
        }
    cru_svg_bars(out, "Documents kept, dropped and bad by stage", bars, n, most, split_classes);
    legend(out, "went on", "dropped", "bad", split_classes);
    return CRU_OK;
}

static void funnel_table(const struct cru_report *r, struct cru_buffer *out) {
    table_begin(out, "step|stage|in|repeats|out|dropped|bad|MB in|MB out|MB/s a core", 2);
    for (size_t i = 0; i < r->n_steps; i++)
        for (size_t k = 0; k < r->steps[i].n_stages; k++) {
            const struct cru_report_stage *stage = &r->steps[i].stages[k];
            const uint64_t counts[] = {stage->in, stage->added, stage->out, stage->dropped, stage->bad};
            double speed = cru_report_speed(stage);
            add(out, "<tr>");
            text_cell(out, k == 0 ? r->steps[i].name : "");
            text_cell(out, stage->name);
            for (int c = 0; c < 5; c++) count_cell(out, counts[c]);
            real_cell(out, (double)stage->bytes_in / 1e6, 2, "");
            real_cell(out, (double)stage->bytes_out / 1e6, 2, "");
            real_cell(out, speed > 0 ? speed : (double)NAN, 1, "");
            add(out, "</tr>\n");
        }
    table_end(out);
}

static void reasons(const struct cru_report *r, struct cru_buffer *out) {
    size_t n = 0;
    for (size_t i = 0; i < r->n_steps; i++)
        for (size_t k = 0; k < r->steps[i].n_stages; k++) n += r->steps[i].stages[k].n_reasons;
    if (n == 0) return;
    cru_buffer_printf(out, "<details><summary>Why documents were dropped: %zu reason%s</summary>\n", n, n == 1 ? "" : "s");
    table_begin(out, "step|stage|reason|documents|share of its input|MB", 3);
    for (size_t i = 0; i < r->n_steps; i++)
        for (size_t k = 0; k < r->steps[i].n_stages; k++) {
            const struct cru_report_stage *stage = &r->steps[i].stages[k];
            for (size_t j = 0; j < stage->n_reasons; j++) {
                add(out, "<tr>");
                text_cell(out, j == 0 ? r->steps[i].name : "");
                text_cell(out, j == 0 ? stage->name : "");
                text_cell(out, stage->reasons[j].rule);
                count_cell(out, stage->reasons[j].documents);
                real_cell(out, stage->in ? 100 * (double)stage->reasons[j].documents / (double)stage->in : (double)NAN,
                          2, " %");
                real_cell(out, (double)stage->reasons[j].bytes / 1e6, 2, "");
                add(out, "</tr>\n");
            }
        }
    table_end(out);
    add(out, "</details>\n");
}

static enum cru_status funnel(struct cru_report *r, struct cru_buffer *out, struct cru_error *err) {
    if (count_stages(r) == 0) return CRU_OK;
    add(out, "<h2>Funnel</h2>\n");
    enum cru_status s = funnel_bars(r, out, err);
    if (cru_report_conserved(r))
        add(out, "<p class=\"good\">Conserved: in + repeats = out + dropped + bad in every stage.</p>\n");
    else
        add(out, "<p class=\"alert\">Not conserved: in + repeats is not out + dropped + bad in every stage, or a stage"
                 " did not take what came out before it.</p>\n");
    funnel_table(r, out);
    reasons(r, out);
    return s;
}

/* ---- sections of single stages ---- */

static enum cru_status mixing(struct cru_report *r, const struct cru_report_mix *mix, struct cru_buffer *out,
                              struct cru_error *err) {
    struct cru_svg_bar *bars = new_bars(r, 2 * mix->n);
    double most = 0;
    if (!bars) return cru_fail_memory(err, "report");
    for (size_t i = 0; i < mix->n; i++) {
        const struct cru_report_mixed *m = &mix->sources[i];
        bars[2 * i].label = bars[2 * i + 1].label = m->name;
        bars[2 * i].parts[1] = m->asked_share;
        bars[2 * i + 1].parts[0] = m->got_share;
        bars[2 * i + 1].joined = true;
        (void)snprintf(bars[2 * i].text, sizeof bars->text, "asked %.1f %%", 100 * m->asked_share);
        (void)snprintf(bars[2 * i + 1].text, sizeof bars->text, "got %.1f %% \xc2\xb7 %.2f epochs", 100 * m->got_share,
                       m->epochs);
        most = fmax(most, fmax(m->asked_share, m->got_share));
    }
    add(out, "<h2>Mixing</h2>\n<p class=\"dim\">Shares by ");
    cru_report_escape(out, mix->by);
    add(out, ".</p>\n");
    cru_svg_bars(out, "Share asked and got by source", bars, 2 * mix->n, most, pair_classes);
    legend(out, "asked", "got", NULL, (const char *const[]){"s1", "s0", ""});
    table_begin(out, "source|documents|available|asked share|asked|got|got share|epochs", 1);
    for (size_t i = 0; i < mix->n; i++) {
        const struct cru_report_mixed *m = &mix->sources[i];
        add(out, "<tr>");
        text_cell(out, m->name);
        count_cell(out, m->documents);
        count_cell(out, m->available);
        real_cell(out, 100 * m->asked_share, 2, " %");
        count_cell(out, m->asked);
        count_cell(out, m->got);
        real_cell(out, 100 * m->got_share, 2, " %");
        real_cell(out, m->epochs, 3, "");
        add(out, "</tr>\n");
    }
    table_end(out);
    return CRU_OK;
}

static enum cru_status selection(struct cru_report *r, const struct cru_report_select *select, struct cru_buffer *out,
                                 struct cru_error *err) {
    struct cru_svg_bar *bars = new_bars(r, select->n);
    double most = 0;
    if (!bars) return cru_fail_memory(err, "report");
    add(out, "<h2>Selection</h2>\n<p>Guarantee: ");
    cru_report_escape(out, select->guarantee[0] ? select->guarantee : "unknown");
    add(out, ".");
    if (isfinite(select->certificate))
        cru_buffer_printf(out, " Certificate: %.4f of an upper bound of the best.", select->certificate);
    if (isfinite(select->objective)) cru_buffer_printf(out, " Objective: %.6g.", select->objective);
    add(out, "</p>\n");
    for (size_t i = 0; i < select->n; i++) {
        const struct cru_report_stratum *t = &select->strata[i];
        char low[CRU_REPORT_NUMBER], high[CRU_REPORT_NUMBER], a[CRU_REPORT_NUMBER], b[CRU_REPORT_NUMBER];
        struct cru_span label = cru_arena_printf(&r->arena, "%s\xe2\x80\x93%s", cru_report_short_number((double)t->low, low),
                                                 cru_report_short_number((double)t->high, high));
        if (!label.p) return cru_fail_memory(err, "report");
        bars[i].label = label.p;
        bars[i].parts[0] = (double)t->selected;
        bars[i].parts[1] = t->documents > t->selected ? (double)(t->documents - t->selected) : 0;
        (void)snprintf(bars[i].text, sizeof bars->text, "%s of %s", cru_report_number(t->selected, a),
                       cru_report_number(t->documents, b));
        most = fmax(most, bars[i].parts[0] + bars[i].parts[1]);
    }
    if (select->n == 0) return CRU_OK;
    add(out, "<h3>Length strata");
    if (select->length_in[0]) add(out, " in "), cru_report_escape(out, select->length_in);
    add(out, "</h3>\n");
    cru_svg_bars(out, "Documents selected by length stratum", bars, select->n, most, split_classes);
    legend(out, "selected", "not selected", NULL, split_classes);
    table_begin(out, "stratum|low|high|documents|quota|selected|spent|objective|upper bound", 1);
    for (size_t i = 0; i < select->n; i++) {
        const struct cru_report_stratum *t = &select->strata[i];
        const uint64_t counts[] = {t->low, t->high, t->documents, t->quota, t->selected, t->spent};
        cru_buffer_printf(out, "<tr><td class=\"t\">%zu</td>", i);
        for (int c = 0; c < 6; c++) count_cell(out, counts[c]);
        real_cell(out, t->objective, 3, "");
        real_cell(out, t->upper, 3, "");
        add(out, "</tr>\n");
    }
    table_end(out);
    return CRU_OK;
}

static void shards(const struct cru_report_shards *s, struct cru_buffer *out) {
    char a[CRU_REPORT_NUMBER], b[CRU_REPORT_NUMBER], c[CRU_REPORT_NUMBER];
    add(out, "<h2>Shards</h2>\n<p>");
    cru_buffer_printf(out, "%s shard%s, %s tokens in them, %s of padding", cru_report_number(s->shards, a),
                      s->shards == 1 ? "" : "s", cru_report_number(s->shard_tokens, b), cru_report_number(s->padding, c));
    if (s->shard_tokens) cru_buffer_printf(out, " (%.2f %%)", 100 * (double)s->padding / (double)s->shard_tokens);
    add(out, ". Vocabulary ");
    cru_report_escape(out, s->vocab);
    add(out, ".</p>\n");
    table_begin(out, "source|documents|tokens|bytes|bytes a token", 1);
    for (size_t i = 0; i <= s->n; i++) {
        struct cru_report_tokenized all = {"total", s->documents, s->tokens, s->bytes,
                                           s->tokens ? (double)s->bytes / (double)s->tokens : (double)NAN};
        const struct cru_report_tokenized *t = i < s->n ? &s->sources[i] : &all;
        add(out, i < s->n ? "<tr>" : "<tr class=\"sum\">");
        text_cell(out, t->name[0] ? t->name : "(none)");
        count_cell(out, t->documents);
        count_cell(out, t->tokens);
        count_cell(out, t->bytes);
        real_cell(out, t->bytes_per_token, 3, "");
        add(out, "</tr>\n");
    }
    table_end(out);
}

/* ---- documents ---- */

static void signal_tick(const void *context, size_t edge, char *text, size_t size) {
    const struct cru_report_histogram *h = context;
    size_t every = h->n > 12 ? 5 : h->n > 6 ? 2 : 1;
    long long place = llround(h->low / h->width) + (long long)edge; /* edges stand on multiples of the width */
    if (place % (long long)every != 0) return;
    (void)snprintf(text, size, "%.*f", h->width >= 1 ? 0 : (int)ceil(-log10(h->width) - 1e-9),
                   (double)place * h->width);
}

static void power_tick(const void *context, size_t edge, char *text, size_t size) {
    const struct cru_report_histogram *h = context;
    char number[CRU_REPORT_NUMBER];
    double tokens = exp2(h->low + (double)edge);
    if (h->n > 10 && edge % (h->n / 10 + 1)) return;
    (void)snprintf(text, size, "%s", tokens < 0x1p24 ? cru_report_number((uint64_t)tokens, number)
                                                     : cru_report_short_number(tokens, number));
}

/* Groups by documents; the smallest are taken together. */
static enum cru_status group_bars(struct cru_report *r, const char *what, const struct cru_report_group *g, size_t n,
                                  struct cru_buffer *out, struct cru_error *err) {
    enum { SHOWN = 15 };
    size_t shown = n > SHOWN ? SHOWN : n;
    struct cru_svg_bar *bars = new_bars(r, shown + 1);
    double most = 0, all = (double)r->documents.documents;
    uint64_t others = 0;
    if (!bars) return cru_fail_memory(err, "report");
    for (size_t i = shown; i < n; i++) others += g[i].documents;
    for (size_t i = 0; i < shown + (n > shown); i++) {
        char a[CRU_REPORT_NUMBER];
        uint64_t documents = i < shown ? g[i].documents : others;
        bars[i].label = i == shown ? "all others" : g[i].name[0] ? g[i].name : "(none)";
        bars[i].parts[0] = (double)documents;
        int length = snprintf(bars[i].text, sizeof bars->text, "%s \xc2\xb7 %.1f %%", cru_report_number(documents, a),
                              100 * (double)documents / all);
        if (i < shown && isfinite(g[i].signal) && length > 0 && (size_t)length < sizeof bars->text)
            (void)snprintf(bars[i].text + length, sizeof bars->text - (size_t)length, " \xc2\xb7 score %.3f", g[i].signal);
        most = fmax(most, (double)documents);
    }
    cru_svg_bars(out, what, bars, shown + (n > shown), most, pair_classes);
    return CRU_OK;
}

static bool is_named(const struct cru_report_group *g, size_t n) { return n > 1 || (n == 1 && g[0].name[0]); }

static enum cru_status documents(struct cru_report *r, struct cru_buffer *out, struct cru_error *err) {
    const struct cru_report_documents *d = &r->documents;
    enum cru_status s = CRU_OK;
    if (r->other_documents)
        add(out, "<p class=\"dim\">The document rows are those of a newer run and are left out.</p>\n");
    if (d->documents == 0) return CRU_OK;
    add(out, "<h2>Documents of the shards</h2>\n");
    if (d->signals.n) {
        add(out, "<h3>Signal score</h3>\n");
        cru_svg_columns(out, "Documents by signal score", d->signals.counts, d->signals.n, signal_tick, &d->signals,
                        "signal score (columns: documents)");
        cru_buffer_printf(out, "<p class=\"dim\">Least %.4f, median %.4f, mean %.4f, most %.4f.</p>\n", d->signals.least,
                          d->signals.median, d->signal, d->signals.most);
    }
    if (is_named(d->bins, d->n_bins)) {
        add(out, "<h3>DDM bins</h3>\n");
        s = group_bars(r, "Documents by DDM bin", d->bins, d->n_bins, out, err);
    }
    if (s == CRU_OK && is_named(d->languages, d->n_languages)) {
        add(out, "<h3>Languages</h3>\n");
        s = group_bars(r, "Documents by language", d->languages, d->n_languages, out, err);
    }
    if (s == CRU_OK && d->lengths.n) {
        add(out, "<h3>Tokens a document</h3>\n");
        cru_svg_columns(out, "Documents by tokens, by powers of two", d->lengths.counts, d->lengths.n, power_tick,
                        &d->lengths, "tokens, by powers of two (columns: documents)");
        char number[3][CRU_REPORT_NUMBER];
        cru_buffer_printf(out, "<p class=\"dim\">Least %s, median %s, most %s tokens.</p>\n",
                          cru_report_number((uint64_t)d->lengths.least, number[0]),
                          cru_report_number((uint64_t)d->lengths.median, number[1]),
                          cru_report_number((uint64_t)d->lengths.most, number[2]));
    }
    return s;
}

static void paths(const struct cru_report_score *score, struct cru_buffer *out) {
    if (score->n_paths == 0) return;
    add(out, "<h3>How a score comes about</h3>\n<p class=\"dim\">The first document of each bin with at least a dozen"
             " segments. Each segment pushes the accumulator by its signal; the line is its mean, the band one standard"
             " deviation; A: engaged above, B: degenerate when it stays at or below for long (shaded); circles are"
             " crossings.</p>\n");
    legend(out, "segment", "with a cue", "code", pair_classes);
    for (size_t i = 0; i < score->n_paths; i++) {
        const struct cru_report_path *path = &score->paths[i];
        add(out, "<p><b>");
        cru_report_escape(out, path->bin);
        add(out, "</b> \xc2\xb7 ");
        cru_report_escape(out, path->id);
        cru_buffer_printf(out, " <span class=\"dim\">%llu words, %llu segments, signal score %.3f",
                          (unsigned long long)path->words, (unsigned long long)path->all_segments,
                          isfinite(path->signal) ? path->signal : 0);
        if (path->low_time > 0) cru_buffer_printf(out, ", longest low time %.2f", path->low_time);
        if (path->n < path->all_segments) cru_buffer_printf(out, "; the first %zu segments", path->n);
        add(out, "</span></p>\n");
        cru_report_draw_path(out, &score->process, path);
    }
}

/* The scored bins are of all documents the stage saw, before selection. */
static enum cru_status scores(struct cru_report *r, const struct cru_report_score *score, struct cru_buffer *out,
                              struct cru_error *err) {
    struct cru_svg_bar *bars = new_bars(r, score->n);
    uint64_t all = 0;
    double most = 0;
    if (!bars) return cru_fail_memory(err, "report");
    for (size_t i = 0; i < score->n; i++) all += score->bins[i].documents;
    for (size_t i = 0; i < score->n; i++) {
        char a[CRU_REPORT_NUMBER];
        bars[i].label = score->bins[i].name;
        bars[i].parts[0] = (double)score->bins[i].documents;
        (void)snprintf(bars[i].text, sizeof bars->text, "%s \xc2\xb7 %.1f %%",
                       cru_report_number(score->bins[i].documents, a), all ? 100 * bars[i].parts[0] / (double)all : 0);
        most = fmax(most, bars[i].parts[0]);
    }
    add(out, "<h2>Scores</h2>\n<p class=\"dim\">All documents that were scored, profile ");
    cru_report_escape(out, score->profile);
    if (isfinite(score->mean)) cru_buffer_printf(out, "; mean signal score %.4f", score->mean);
    if (isfinite(score->length_correlation))
        cru_buffer_printf(out, ", correlation with length %.4f", score->length_correlation);
    add(out, ".</p>\n");
    if (score->n) cru_svg_bars(out, "Scored documents by DDM bin", bars, score->n, most, pair_classes);
    paths(score, out);
    return CRU_OK;
}

/* ---- training ---- */

/* The points of one phase, at most about `most`: neighbours are averaged. */
static bool phase_line(struct cru_report *r, enum cru_report_phase phase, struct cru_svg_line *line) {
    enum { MOST = 400 };
    const struct cru_report_training *t = &r->training;
    uint64_t group = (t->phase[phase].points + MOST - 1) / MOST, held = 0;
    double *x = cru_arena_calloc(&r->arena, MOST + 1, sizeof *x), *y = cru_arena_calloc(&r->arena, MOST + 1, sizeof *y);
    if (!x || !y) return false;
    double steps = 0, loss = 0;
    uint64_t left = t->phase[phase].points;
    for (size_t i = 0; i < t->n; i++) {
        if (t->points[i].phase != phase) continue;
        steps += (double)t->points[i].step;
        loss += t->points[i].loss;
        held++, left--;
        if (held < group && left) continue;
        x[line->n] = steps / (double)held;
        y[line->n++] = loss / (double)held;
        steps = loss = 0;
        held = 0;
    }
    line->x = x;
    line->y = y;
    return true;
}

static enum cru_status training(struct cru_report *r, struct cru_buffer *out, struct cru_error *err) {
    static const char *const phases[] = {"superposed (TST)", "ordinary", "evaluation"};
    const struct cru_report_training *t = &r->training;
    struct cru_svg_line lines[3] = {{.class = "l1"}, {.class = "l0"}, {.class = "l3", .dots = true}};
    if (!t->log) return CRU_OK;
    add(out, "<h2>Training</h2>\n");
    if (t->n) {
        for (int i = 0; i < 3; i++)
            if (!phase_line(r, (enum cru_report_phase)i, &lines[i])) return cru_fail_memory(err, "report");
        bool both = t->phase[CRU_REPORT_TST].points && t->phase[CRU_REPORT_ORDINARY].points;
        double mark = both ? (double)t->phase[CRU_REPORT_TST].last_step + 0.5 : (double)NAN;
        cru_svg_lines(out, "Loss by step", lines, 3, mark, "TST \xe2\x86\x92 ordinary", "step", "loss (nats a target)");
        legend(out, "superposed (TST)", "ordinary", t->phase[CRU_REPORT_EVAL].points ? "evaluation" : NULL,
               (const char *const[]){"s1", "s0", "s3"});
        table_begin(out, "phase|steps|first loss|last loss|first bits a byte|last bits a byte", 1);
        for (int i = 0; i < 3; i++) {
            if (t->phase[i].points == 0) continue;
            cru_buffer_printf(out, "<tr><td class=\"t\">%s</td><td>%llu\xe2\x80\x93%llu</td>", phases[i],
                              (unsigned long long)t->phase[i].first_step, (unsigned long long)t->phase[i].last_step);
            real_cell(out, t->phase[i].first_loss, 4, "");
            real_cell(out, t->phase[i].last_loss, 4, "");
            real_cell(out, t->phase[i].first_bpb, 4, "");
            real_cell(out, t->phase[i].last_bpb, 4, "");
            add(out, "</tr>\n");
        }
        table_end(out);
    }
    if (t->unreadable)
        cru_buffer_printf(out, "<p class=\"alert\">%llu lines of the log are not readable.</p>\n",
                          (unsigned long long)t->unreadable);
    if (t->trouble) add(out, "<p class=\"alert\">"), cru_report_escape(out, t->trouble), add(out, "</p>\n");
    add(out, "<p class=\"dim\">Log: ");
    cru_report_escape(out, t->log);
    cru_buffer_printf(out, " \xc2\xb7 %.1f s</p>\n", t->seconds);
    return CRU_OK;
}

enum cru_status cru_report_html(const char *work, struct cru_buffer *out, struct cru_error *err) {
    struct cru_report r;
    enum cru_status s = cru_report_load(work, &r, err);
    if (s == CRU_OK) {
        head(&r, out);
        if (r.n_steps) cards(&r, out);
        s = funnel(&r, out, err);
    }
    for (size_t i = 0; s == CRU_OK && i < r.n_steps; i++)
        for (size_t k = 0; s == CRU_OK && k < r.steps[i].n_stages; k++) {
            const struct cru_report_stage *stage = &r.steps[i].stages[k];
            if (stage->score) s = scores(&r, stage->score, out, err);
            if (s == CRU_OK && stage->select) s = selection(&r, stage->select, out, err);
            if (s == CRU_OK && stage->mix) s = mixing(&r, stage->mix, out, err);
            if (stage->shards) shards(stage->shards, out);
        }
    if (s == CRU_OK) s = documents(&r, out, err);
    if (s == CRU_OK) s = training(&r, out, err);
    add(out, "</body></html>\n");
    if (s == CRU_OK && out->failed) s = cru_fail_memory(err, "report");
    cru_report_release(&r);
    return s;
}
