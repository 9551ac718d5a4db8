/* SPDX-License-Identifier: Apache-2.0 */
/* Reports of catalogs whose counts are known: whole, partial, broken, empty and hostile ones. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "crucible/base/base.h"
#include "crucible/base/output.h"
#include "crucible/build/catalog.h"
#include "crucible/build/report.h"
#include "crucible/build/report_data.h"
#include "crucible/build/report_svg.h"
#include "crucible/doc/json.h"
#include "tests/unit/scratch_name.h"

#define HOSTILE "</title><script>alert(\"x\")</script>'&\x1b[2J"

struct work {
    char directory[SCRATCH_NAME];
    struct cru_catalog *catalog;
    struct cru_buffer out;
    struct cru_error err;
};

static void work_open(struct work *w) {
    char path[SCRATCH_PATH];
    memset(w, 0, sizeof *w);
    assert_non_null(mkdtemp(scratch_name(w->directory, "crucible-report-XXXXXX")));
    (void)snprintf(path, sizeof path, "%s/catalog.db", w->directory);
    assert_int_equal(cru_catalog_open(path, true, &w->catalog, &w->err), CRU_OK);
}

static void work_seal(struct work *w) {
    cru_catalog_close(w->catalog);
    w->catalog = NULL;
}

static void work_close(struct work *w) {
    char command[SCRATCH_PATH];
    cru_catalog_close(w->catalog);
    cru_buffer_release(&w->out);
    (void)snprintf(command, sizeof command, "rm -rf '%s'", w->directory);
    assert_int_equal(system(command), 0);
}

static void put_info(struct work *w, const char *name) {
    assert_int_equal(cru_catalog_info(w->catalog, "name", name, &w->err), CRU_OK);
    assert_int_equal(cru_catalog_info(w->catalog, "recipe", "recipes/x.yaml", &w->err), CRU_OK);
    assert_int_equal(cru_catalog_info(w->catalog, "version", "9.8.7", &w->err), CRU_OK);
}

static void put_step(struct work *w, const char *key, const char *name, const char *kind, const char *source,
                     const char *output) {
    struct cru_step_record record = {key, name, kind, source, output, 1.5};
    assert_int_equal(cru_catalog_begin(w->catalog, &w->err), CRU_OK);
    assert_int_equal(cru_catalog_step(w->catalog, &record, &w->err), CRU_OK);
    assert_int_equal(cru_catalog_commit(w->catalog, &w->err), CRU_OK);
}

static void put_stage(struct work *w, const char *step, int ordinal, const char *name, struct cru_counts counts,
                      const char *stats) {
    assert_int_equal(cru_catalog_stage(w->catalog, step, ordinal, name, &counts, stats, &w->err), CRU_OK);
}

static void put_document(struct work *w, int64_t position, const char *lang, const char *bin, uint64_t tokens,
                         double score) {
    struct cru_document_record row = {.position = position, .id = CRU_SPAN("d"), .source = CRU_SPAN("web"),
                                      .lang = cru_span_of(lang), .bin = cru_span_of(bin), .bytes = 4 * tokens,
                                      .tokens = tokens, .signal_score = score, .weight = 1, .stratum = 0, .order = 0};
    assert_int_equal(cru_catalog_document(w->catalog, &row, &w->err), CRU_OK);
}

static void put_current(struct work *w, const char *const *keys, size_t n) {
    assert_int_equal(cru_catalog_current(w->catalog, keys, n, &w->err), CRU_OK);
}

static const char select_stats[] =
    "{\"stage\":\"select\",\"selected\":50,\"objective\":12.5,\"guarantee\":\"1-1/e of the best possible\","
    "\"certificate\":0.97,\"evaluations\":321,\"length_in\":\"tokens\",\"strata\":[{\"low\":3,\"high\":70,"
    "\"documents\":85,\"quota\":50,\"selected\":50,\"spent\":50,\"objective\":12.5,\"upper\":12.9}]}";
static const char mix_stats[] =
    "{\"stage\":\"mix\",\"by\":\"tokens\",\"total\":6000,\"sources\":[{\"name\":\"web\",\"documents\":40,"
    "\"available\":9000,\"asked_share\":0.75,\"asked\":4500,\"got\":4400,\"got_share\":0.733333,\"picks\":30,"
    "\"epochs\":0.4889},{\"name\":\"a.b\",\"documents\":10,\"available\":800,\"asked_share\":0.25,"
    "\"asked\":1500,\"got\":1600,\"got_share\":0.266667,\"picks\":20,\"epochs\":2}]}";
static const char score_stats[] =
    "{\"stage\":\"score\",\"profile\":\"web\",\"bins\":{\"core\":{\"documents\":60,\"words\":1000},"
    "\"low\":{\"documents\":25,\"words\":500}},\"mean_signal_score\":0.4321,\"length_correlation\":0.01,"
    "\"strata\":[],\"process\":{\"theta\":0.25,\"mu\":0,\"v\":0.25,\"sigma\":0.15,\"x0\":0,"
    "\"words_per_time\":50,\"upper\":0.35,\"lower\":-0.15},\"paths\":[{\"id\":\"xray <b>&\",\"bin\":\"reject\","
    "\"signal_score\":-0.2,\"low_time\":3.25,\"words\":950,\"segments\":4,\"path\":[[300,0.5,0],[50,0.6,1],"
    "[500,-0.6,0],[100,-0.6,2]]},{\"id\":\"wild\",\"bin\":\"core\",\"path\":[[1e300,\"x\",-7],[null,1e9,99]]}]}";
static const char tokenize_stats[] =
    "{\"stage\":\"tokenize\",\"vocab\":\"qwen3\",\"vocab_hash\":\"00ff\",\"tokens\":6000,\"shards\":1,"
    "\"shard_tokens\":6100,\"padding\":100,\"by_source\":{\"web\":{\"documents\":30,\"tokens\":4400,"
    "\"bytes\":17600,\"bytes_per_token\":4},\"a.b\":{\"documents\":20,\"tokens\":1600,\"bytes\":4800,"
    "\"bytes_per_token\":3}}}";

static void write_log(struct work *w, const char *key, const char *tail) {
    struct cru_buffer log;
    char path[SCRATCH_PATH];
    (void)snprintf(path, sizeof path, "%s/train/%s", w->directory, key);
    assert_int_equal(cru_make_directory(path, &w->err), CRU_OK);
    (void)snprintf(path, sizeof path, "%s/train/%s/log.jsonl", w->directory, key);
    cru_buffer_init(&log);
    for (int i = 1; i <= 8; i++)
        cru_buffer_printf(&log, "{\"step\":%d,\"phase\":\"%s\",\"loss\":%d.5,\"bpb\":%s,\"lr\":0.1,\"tokens\":%d}\n", i,
                          i <= 4 ? "tst" : "ntp", 20 - i, i == 1 ? "null" : "2.25", 100 * i);
    cru_buffer_add_string(&log, "{\"step\":8,\"phase\":\"eval\",\"loss\":11.75,\"bpb\":2.125,\"tokens\":55}\n");
    cru_buffer_add_string(&log, tail);
    assert_int_equal(cru_write_file(path, log.p, log.n, &w->err), CRU_OK);
    cru_buffer_release(&log);
}

static const char *const whole[] = {"r1", "s1", "m1", "t1", "x1"};

/* 100 read, 2 bad, 10 filtered, 3 double; 50 selected; mixed with 5 repeats and 5 left out. */
static void fill(struct work *w) {
    struct cru_reason filtered[] = {{"few", 1, 10}, {"many", 9, 90}}, doubled[] = {{"exact", 3, 30}};
    put_info(w, "small");
    put_step(w, "r1", "read:web", "read", "web", "s");
    put_stage(w, "r1", 0, "read", (struct cru_counts){.in = 100, .out = 98, .wrong = 2, .bytes_in = 5000000, .bytes_out = 4000000, .seconds = 2}, "{}");
    put_stage(w, "r1", 1, "filter", (struct cru_counts){.in = 98, .out = 88, .dropped = 10, .bytes_in = 4000000, .bytes_out = 3000000, .seconds = 0, .reasons = filtered, .n_reasons = 2}, "{\"stage\":\"filter\"}");
    put_step(w, "s1", "dedup+score+select", "stages", NULL, "s");
    put_stage(w, "s1", 0, "dedup", (struct cru_counts){.in = 88, .out = 85, .dropped = 3, .reasons = doubled, .n_reasons = 1}, "{}");
    put_stage(w, "s1", 1, "score", (struct cru_counts){.in = 85, .out = 85}, score_stats);
    put_stage(w, "s1", 2, "select", (struct cru_counts){.in = 85, .out = 50, .dropped = 35}, select_stats);
    put_step(w, "m1", "mix", "stages", NULL, "s");
    put_stage(w, "m1", 0, "mix", (struct cru_counts){.in = 50, .added = 5, .out = 50, .dropped = 5}, mix_stats);
    put_step(w, "t1", "tokenize", "shards", NULL, w->directory);
    put_stage(w, "t1", 0, "tokenize", (struct cru_counts){.in = 50, .out = 50}, tokenize_stats);
    assert_int_equal(cru_catalog_begin(w->catalog, &w->err), CRU_OK);
    for (int i = 0; i < 50; i++)
        put_document(w, i, i < 30 ? "en" : i < 45 ? "de" : NULL, i % 2 ? "core" : "low", (uint64_t)(i < 10 ? 5 : 200 + i),
                     i < 49 ? i / 100.0 : (double)NAN);
    assert_int_equal(cru_catalog_commit(w->catalog, &w->err), CRU_OK);
    put_step(w, "x1", "train", "train", NULL, "/nowhere/log.jsonl");
}

typedef enum cru_status (*report)(const char *work, struct cru_buffer *out, struct cru_error *err);

static const char *made(struct work *w, report make) {
    cru_buffer_clear(&w->out);
    if (make(w->directory, &w->out, &w->err) != CRU_OK) fail_msg("%s", w->err.message);
    assert_non_null(w->out.p);
    return w->out.p;
}

static void has(const char *text, const char *wanted) {
    if (!strstr(text, wanted)) fail_msg("'%s' is not in:\n%s", wanted, text);
}
static void lacks(const char *text, const char *unwanted) {
    if (strstr(text, unwanted)) fail_msg("'%s' is in:\n%s", unwanted, text);
}

static void number_is(struct work *w, const char *path, double wanted) {
    struct cru_json_parser *parser = cru_json_parser_new();
    double value;
    assert_non_null(parser);
    if (!cru_json_number(parser, cru_buffer_span(&w->out), path, &value)) fail_msg("no number at %s in %s", path, w->out.p);
    if (fabs(value - wanted) > 1e-9) fail_msg("%s is %g, not %g", path, value, wanted);
    cru_json_parser_free(parser);
}

static void truth_is(struct work *w, const char *path, bool wanted) {
    struct cru_json_parser *parser = cru_json_parser_new();
    bool value;
    if (!cru_json_bool(parser, cru_buffer_span(&w->out), path, &value)) fail_msg("no truth at %s", path);
    assert_int_equal(value, wanted);
    cru_json_parser_free(parser);
}

/* Every element that opens closes again, in order, and no attribute is broken by a quote. */
static void page_is_whole(const char *p) {
    static const char *const empty[] = {"meta", "rect", "path", "circle", "!DOCTYPE"};
    struct { char name[16]; } stack[64];
    size_t depth = 0;
    while ((p = strchr(p, '<'))) {
        bool closes = p[1] == '/', alone = false, quoted = false;
        size_t n = strcspn(p + 1 + closes, " >/");
        char name[16];
        assert_true(n > 0 && n < sizeof name);
        memcpy(name, p + 1 + closes, n);
        name[n] = 0;
        for (p += 1 + (size_t)closes + n; *p && (quoted || *p != '>'); p++) {
            if (*p == '"') quoted = !quoted;
            assert_true(*p != '<');
            alone = *p == '/' && !quoted;
        }
        assert_int_equal(*p, '>');
        for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++) alone = alone || strcmp(name, empty[i]) == 0;
        if (alone) continue;
        if (!closes) {
            assert_true(depth < 64);
            memcpy(stack[depth++].name, name, sizeof name);
        } else {
            assert_true(depth > 0);
            assert_string_equal(stack[--depth].name, name);
        }
    }
    assert_int_equal(depth, 0);
}

static void test_whole(void **state) {
    struct work w;
    (void)state;
    work_open(&w);
    fill(&w);
    put_current(&w, whole, 5);
    write_log(&w, "x1", "");
    work_seal(&w);
    const char *text = made(&w, cru_report_text);
    has(text, "small: recipe recipes/x.yaml, crucible 9.8.7\n");
    has(text, "read:web (1.5 s)\n");
    has(text, "  read                                    100          0         98          0          2       5.00       4.00          2.5\n");
    has(text, "Conserved: in + repeats = out + dropped + bad in all 7 stages.\n");
    assert_true(strstr(text, "    many") < strstr(text, "    few")); /* most documents first */
    has(text, "web                           40          9,000        75.00 %          4,400     73.33 %       0.489\n");
    has(text, "a.b                           20          1,600          4,800          3.000\n");
    has(text, "1 shard, 6,100 tokens in them, 100 of padding (1.64 %)\n");
    has(text, "guarantee 1-1/e of the best possible, certificate 0.9700");
    has(text, "mean signal score 0.4321");
    has(text, "superposed (TST)    steps 1 to 4: loss 19.5000 -> 16.5000, bits a byte - -> 2.2500\n");
    has(text, "ordinary            steps 5 to 8: loss 15.5000 -> 12.5000, bits a byte 2.2500 -> 2.2500\n");
    has(text, "evaluation          step 8: loss 11.7500, bits a byte 2.1250\n");
    has(text, "/train/x1/log.jsonl\n");
    has(text, "en                            30     60.00 %");
    lacks(text, "NOT CONSERVED");
    lacks(text, "missing");
    (void)made(&w, cru_report_json);
    truth_is(&w, "complete", true);
    truth_is(&w, "conserved", true);
    number_is(&w, "steps.0.stages.0.bad", 2);
    number_is(&w, "steps.0.stages.0.mb_per_s", 2.5);
    number_is(&w, "steps.0.stages.1.reasons.many.documents", 9);
    number_is(&w, "steps.1.stages.2.select.certificate", 0.97);
    number_is(&w, "steps.1.stages.2.select.strata.0.high", 70);
    number_is(&w, "steps.1.stages.1.score.bins.1.documents", 25);
    number_is(&w, "steps.2.stages.0.added", 5);
    number_is(&w, "steps.2.stages.0.lost", 0);
    number_is(&w, "steps.2.stages.0.mix.sources.1.epochs", 2);
    number_is(&w, "steps.3.stages.0.shards.bytes", 22400);
    number_is(&w, "documents.documents", 50);
    number_is(&w, "documents.languages.1.documents", 15);
    number_is(&w, "documents.mean_signal_score", 0.24);
    number_is(&w, "documents.tokens_a_document.least", 5);
    number_is(&w, "documents.tokens_a_document.buckets.0.low", 4);
    number_is(&w, "documents.tokens_a_document.buckets.0.documents", 10);
    number_is(&w, "training.phases.tst.last_loss", 16.5);
    number_is(&w, "training.phases.ntp.first_step", 5);
    const char *page = made(&w, cru_report_html);
    page_is_whole(page);
    has(page, "TST \xe2\x86\x92 ordinary");
    has(page, "Share asked and got by source");
    has(page, "Documents by signal score");
    /* one path: engaged after words 241, then down through both boundaries; low from there to the end */
    has(page, "xray &lt;b&gt;&amp; <span class=\"dim\">950 words, 4 segments, signal score -0.200, longest low time 3.25");
    has(page, "<title>word 241</title>");
    has(page, "<title>50 words, signal 0.600</title>");
    has(page, "class=\"low\"");
    has(page, "<rect class=\"s2\"");
    lacks(page, "inf");
    lacks(page, "<script");
    lacks(page, "http");
    lacks(page, "nan");
    work_close(&w);
}

static void test_histograms_count_all(void **state) {
    struct work w;
    struct cru_report r;
    (void)state;
    work_open(&w);
    fill(&w);
    put_current(&w, whole, 5);
    work_seal(&w);
    assert_int_equal(cru_report_load(w.directory, &r, &w.err), CRU_OK);
    const struct cru_report_histogram *h = &r.documents.signals;
    uint64_t wanted[CRU_REPORT_BUCKETS] = {0}, lengths = 0;
    assert_true(h->n > 1 && h->n <= CRU_REPORT_BUCKETS);
    for (int i = 0; i < 49; i++) wanted[(size_t)((i / 100.0 - h->low) / h->width)]++;
    assert_memory_equal(wanted, h->counts, sizeof wanted);
    assert_true(h->median == 0.24);
    for (size_t i = 0; i < r.documents.lengths.n; i++) lengths += r.documents.lengths.counts[i];
    assert_int_equal(lengths, 50);
    assert_true(isnan(r.documents.languages[2].signal) == false);
    cru_report_release(&r);
    work_close(&w);
}

static void test_not_conserved(void **state) {
    struct work w;
    (void)state;
    work_open(&w);
    fill(&w);
    put_stage(&w, "s1", 0, "dedup", (struct cru_counts){.in = 87, .out = 85, .dropped = 1}, "{}");
    put_current(&w, whole, 5);
    work_seal(&w);
    const char *text = made(&w, cru_report_text);
    has(text, "NOT CONSERVED: dedup+score+select, dedup: in + repeats - (out + dropped + bad) = 1\n");
    has(text, "NOT CONSERVED: dedup+score+select, dedup: 88 documents came out before it, 87 went in\n");
    lacks(text, "Conserved:");
    (void)made(&w, cru_report_json);
    truth_is(&w, "conserved", false);
    number_is(&w, "steps.1.stages.0.lost", 1);
    has(made(&w, cru_report_html), "Not conserved");
    work_close(&w);
}

/* Two sources meet in the first common step; a later one takes the step before it. */
static void test_sources_add_up(void **state) {
    static const char *const keys[] = {"a", "b", "c", "d"};
    struct work w;
    struct cru_report r;
    uint64_t before;
    (void)state;
    work_open(&w);
    put_step(&w, "a", "read:a", "read", "a", "s");
    put_stage(&w, "a", 0, "read", (struct cru_counts){.in = 10, .out = 10}, "{}");
    put_step(&w, "b", "read:b", "read", "b", "s");
    put_stage(&w, "b", 0, "read", (struct cru_counts){.in = 5, .out = 5}, "{}");
    put_step(&w, "c", "dedup", "stages", NULL, "s");
    put_stage(&w, "c", 0, "dedup", (struct cru_counts){.in = 15, .out = 12, .dropped = 3}, "{}");
    put_step(&w, "d", "tokenize", "shards", NULL, "s");
    put_stage(&w, "d", 0, "tokenize", (struct cru_counts){.in = 12, .out = 12}, "{}");
    put_current(&w, keys, 4);
    work_seal(&w);
    assert_int_equal(cru_report_load(w.directory, &r, &w.err), CRU_OK);
    assert_false(cru_report_before(&r, 1, 0, &before));
    assert_true(cru_report_before(&r, 2, 0, &before));
    assert_int_equal(before, 15);
    assert_true(cru_report_before(&r, 3, 0, &before));
    assert_int_equal(before, 12);
    assert_true(cru_report_conserved(&r));
    cru_report_release(&r);
    const char *text = made(&w, cru_report_text);
    lacks(text, "Mixing");
    lacks(text, "Training");
    lacks(text, "Selection");
    (void)made(&w, cru_report_json);
    has(w.out.p, "\"training\":null");
    lacks(w.out.p, "\"mix\"");
    page_is_whole(made(&w, cru_report_html));
    work_close(&w);
}

static void test_unfinished(void **state) {
    static const char *const keys[] = {"r1", "gone", "t1"};
    struct work w;
    (void)state;
    work_open(&w);
    fill(&w);
    has(made(&w, cru_report_text), "The build has not come to its end; these steps are finished:\n");
    put_current(&w, keys, 3);
    put_step(&w, "y1", "dedup", "stages", NULL, "s");
    const char *text = made(&w, cru_report_text);
    has(text, "Step 2 of 3 is missing: gone\n");
    has(text, "2 newer steps of other runs are left out.\n");
    lacks(text, "Mixing");
    (void)made(&w, cru_report_json);
    truth_is(&w, "complete", false);
    number_is(&w, "unfinished_steps", 1);
    number_is(&w, "newer_steps", 2);
    page_is_whole(made(&w, cru_report_html));
    /* Shards made since by another run: its documents are not this build's. */
    put_step(&w, "z1", "tokenize", "shards", NULL, "s");
    has(made(&w, cru_report_text), "The document rows are those of a newer run and are left out.\n");
    (void)made(&w, cru_report_json);
    has(w.out.p, "\"documents\":null");
    page_is_whole(made(&w, cru_report_html));
    work_close(&w);
}

static void test_empty(void **state) {
    struct work w;
    (void)state;
    work_open(&w);
    has(made(&w, cru_report_text), "unnamed: recipe unknown, crucible unknown\nNo step has finished yet.\n");
    (void)made(&w, cru_report_json);
    has(w.out.p, "\"steps\":[],");
    number_is(&w, "documents.documents", 0);
    page_is_whole(made(&w, cru_report_html));
    assert_int_equal(cru_report_text("/nonexistent/place", &w.out, &w.err), CRU_FATAL);
    has(w.err.message, "'/nonexistent/place/catalog.db'");
    work_close(&w);
}

static void test_not_a_catalog(void **state) {
    struct work w;
    char path[SCRATCH_PATH];
    (void)state;
    work_open(&w);
    work_seal(&w);
    (void)snprintf(path, sizeof path, "%s/catalog.db", w.directory);
    assert_int_equal(cru_write_file(path, "not a database at all, but long enough to be read as a header", 61, &w.err), CRU_OK);
    assert_int_equal(cru_report_html(w.directory, &w.out, &w.err), CRU_FATAL);
    has(w.err.message, path);
    work_close(&w);
}

static void test_hostile_names(void **state) {
    static const char *const keys[] = {"h1", HOSTILE};
    static const char stats[] =
        "{\"by\":\"tokens\",\"total\":1,\"sources\":[{\"name\":\"<script>\\\"'&\\u001b\",\"documents\":1,\"available\":1,"
        "\"asked_share\":1,\"asked\":1,\"got\":1,\"got_share\":1,\"picks\":1,\"epochs\":1}]}";
    struct cru_reason reason[] = {{HOSTILE, 1, 1}};
    struct work w;
    (void)state;
    work_open(&w);
    put_info(&w, HOSTILE);
    put_step(&w, "h1", HOSTILE, "read", "\xff\xfe<script>", "s");
    put_stage(&w, "h1", 0, HOSTILE, (struct cru_counts){.in = 2, .out = 1, .dropped = 1, .reasons = reason, .n_reasons = 1}, "[not json");
    put_stage(&w, "h1", 1, "mix", (struct cru_counts){.in = 1, .out = 1}, stats);
    put_stage(&w, "h1", 2, "select", (struct cru_counts){.in = 1, .out = 1}, "{\"strata\":7,\"objective\":\"x\"}");
    put_stage(&w, "h1", 3, "tokenize", (struct cru_counts){.in = 1, .out = 1}, "[]");
    put_document(&w, 0, HOSTILE, "<b>", 0, 1e300);
    put_document(&w, 1, "\xf0\x9f", "<b>", UINT64_C(1) << 62, -1e300);
    put_current(&w, keys, 2);
    work_seal(&w);
    lacks(made(&w, cru_report_text), "\x1b");
    const char *page = made(&w, cru_report_html);
    page_is_whole(page);
    lacks(page, "<script");
    lacks(page, "\x1b");
    lacks(page, "\xff");
    has(page, "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&#39;&amp;");
    (void)made(&w, cru_report_json);
    number_is(&w, "steps.0.stages.0.dropped", 1);
    struct cru_json_parser *parser = cru_json_parser_new();
    struct cru_arena arena;
    struct cru_span name;
    cru_arena_init(&arena);
    assert_true(cru_json_string(parser, cru_buffer_span(&w.out), "name", &arena, &name));
    assert_true(cru_span_is(name, HOSTILE));
    assert_true(cru_json_string(parser, cru_buffer_span(&w.out), "steps.0.source", &arena, &name));
    assert_true(cru_span_is(name, "?" "?<script>"));
    cru_arena_release(&arena);
    cru_json_parser_free(parser);
    work_close(&w);
}

static void test_logs(void **state) {
    struct work w;
    (void)state;
    work_open(&w);
    fill(&w);
    put_current(&w, whole, 5);
    has(made(&w, cru_report_text), "log: /nowhere/log.jsonl\n"); /* not there: said, not fatal */
    has(w.out.p, "No such file");
    page_is_whole(made(&w, cru_report_html));
    write_log(&w, "x1", "{\"step\":9,\"lo");
    has(made(&w, cru_report_text), "1 lines of the log are not readable\n");
    has(w.out.p, "steps 5 to 8: loss 15.5000 -> 12.5000");
    page_is_whole(made(&w, cru_report_html));
    work_close(&w);
}

static void test_numbers(void **state) {
    char text[CRU_REPORT_NUMBER];
    (void)state;
    assert_string_equal(cru_report_number(0, text), "0");
    assert_string_equal(cru_report_number(999, text), "999");
    assert_string_equal(cru_report_number(1000, text), "1,000");
    assert_string_equal(cru_report_number(UINT64_MAX, text), "18,446,744,073,709,551,615");
    assert_string_equal(cru_report_short_number(9999, text), "9999");
    assert_string_equal(cru_report_short_number(12345, text), "12.3 k");
    assert_string_equal(cru_report_short_number(999600, text), "1.00 M");
    assert_string_equal(cru_report_short_number(5.2e6, text), "5.20 M");
    assert_true(fabs(cru_report_round_up(0.03) - 0.05) < 1e-12);
    assert_true(cru_report_round_up(6) == 10);
    assert_true(cru_report_round_up(200) == 200);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),         cmocka_unit_test(test_histograms_count_all),
        cmocka_unit_test(test_not_conserved), cmocka_unit_test(test_sources_add_up),
        cmocka_unit_test(test_unfinished),    cmocka_unit_test(test_empty),
        cmocka_unit_test(test_not_a_catalog), cmocka_unit_test(test_hostile_names),
        cmocka_unit_test(test_logs),          cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
