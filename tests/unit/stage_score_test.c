/* SPDX-License-Identifier: Apache-2.0 */
/* The score stage, driven as the pipeline drives it: what it writes, and that batches do not
 * matter. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crucible/base/base.h"
#include "crucible/stage/stage.h"

enum { DOCUMENTS = 60 };

static const struct cru_common common = {
    .threads = 1, .tmpdir = "/tmp", .text_field = "text", .output = "-"};

struct run {
    struct cru_stage *stage;
    struct cru_batch batches[DOCUMENTS];
    size_t n_batches;
    uint64_t committed;
    struct cru_json_parser *parser;
};

static void run_begin(struct run *r, const char *profile, const char *option, const char *value) {
    struct cru_error err = {0};
    memset(r, 0, sizeof *r);
    r->stage = cru_stage_new(&cru_score_stage, &common);
    r->parser = cru_json_parser_new();
    assert_true(r->stage && r->parser);
    const char *set[2][2] = {{"profile", profile}, {option, value}};
    for (int i = 0; i < 2; i++)
        if (set[i][0])
            assert_int_equal(cru_options_set(r->stage->class->options, r->stage, &r->stage->store,
                                             set[i][0], set[i][1], &err),
                             CRU_OK);
    r->stage->opened = true;
    assert_int_equal(r->stage->class->open(r->stage, &err), CRU_OK);
}

/* One batch of lines through run() and, less what was dropped, commit(). */
static void run_batch(struct run *r, const char *const *lines, size_t n) {
    struct cru_batch *batch = &r->batches[r->n_batches++];
    struct cru_error err = {0};
    cru_batch_init(batch);
    for (size_t i = 0; i < n; i++) {
        struct cru_doc *doc = cru_batch_add(batch);
        assert_non_null(doc);
        assert_int_equal(cru_json_document(r->parser, cru_span_of(lines[i]), "text", "test",
                                           r->committed + i, batch, doc, &err),
                         CRU_OK);
    }
    assert_int_equal(r->stage->class->run(r->stage, batch, &err), CRU_OK);
    size_t kept = 0;
    for (size_t i = 0; i < batch->n; i++)
        if (batch->docs[i].fate == CRU_KEEP) batch->docs[kept++] = batch->docs[i];
    batch->n = kept;
    assert_int_equal(r->stage->class->commit(r->stage, batch, &err), CRU_OK);
    for (size_t i = 0; i < batch->n; i++) batch->docs[i].index = r->committed++;
}

static void run_finish(struct run *r) {
    struct cru_error err = {0};
    assert_int_equal(r->stage->class->finish(r->stage, &err), CRU_OK);
    for (size_t i = 0; i < r->n_batches; i++)
        assert_int_equal(r->stage->class->replay(r->stage, &r->batches[i], &err), CRU_OK);
}

static void run_end(struct run *r) {
    for (size_t i = 0; i < r->n_batches; i++) cru_batch_release(&r->batches[i]);
    cru_json_parser_free(r->parser);
    cru_stage_free(r->stage);
}

static double number(struct run *r, const struct cru_doc *doc, const char *path) {
    double x = NAN;
    if (!cru_doc_number(r->parser, doc, path, &x)) fail_msg("no number at %s", path);
    return x;
}

static struct cru_span bin_of(struct run *r, struct cru_batch *batch, const struct cru_doc *doc) {
    struct cru_span bin = {NULL, 0};
    assert_true(cru_json_string(r->parser, cru_doc_meta(doc, "ddm"), "bin", &batch->arena, &bin));
    return bin;
}

/* Documents of 5 to 300 words, some of them loops. */
static void make_lines(struct cru_buffer *store, const char **lines) {
    size_t at[DOCUMENTS];
    struct cru_random g = {5};
    for (size_t d = 0; d < DOCUMENTS; d++) {
        uint64_t words = 5 + cru_random_next(&g) % 300, repeat = d % 6 == 0 ? 40 : 1;
        at[d] = store->n;
        cru_buffer_add_string(store, "{\"text\":\"");
        for (uint64_t k = 0; k < repeat; k++)
            for (uint64_t w = 0; w < words / (repeat > 1 ? 4 : 1); w++)
                cru_buffer_printf(store, "w%zux%llu%s", d, (unsigned long long)(w * w % (d + 61)),
                                  w % 20 == 19 ? "\\n\\n" : " ");
        cru_buffer_add_string(store, "\",\"n\":1}");
        cru_buffer_add(store, "", 1);
    }
    assert_false(store->failed);
    for (size_t d = 0; d < DOCUMENTS; d++) lines[d] = store->p + at[d];
}

static void weights_average_one_in_each_stratum(void **state) {
    (void)state;
    struct cru_buffer store;
    const char *lines[DOCUMENTS];
    struct run r;
    cru_buffer_init(&store);
    make_lines(&store, lines);
    run_begin(&r, "web", NULL, NULL);
    run_batch(&r, lines, DOCUMENTS);
    run_finish(&r);
    double words[8] = {0}, sum[8] = {0};
    size_t rejects = 0;
    for (size_t i = 0; i < DOCUMENTS; i++) {
        struct cru_doc *doc = &r.batches[0].docs[i];
        double w = number(&r, doc, "crucible.ddm.weight"),
               n = number(&r, doc, "crucible.ddm.thinking_words");
        int stratum = (int)number(&r, doc, "crucible.ddm.stratum");
        bool reject = cru_span_is(bin_of(&r, &r.batches[0], doc), "reject");
        assert_true(stratum >= 0 && stratum < 8 && w >= 0 && w <= 4);
        assert_true(reject == (w == 0));
        rejects += reject;
        if (reject) continue;
        words[stratum] += n;
        sum[stratum] += w * n;
        assert_true(number(&r, doc, "crucible.quality.lexical_diversity") > 0);
    }
    assert_true(rejects > 0 && rejects < DOCUMENTS / 2);
    for (int k = 0; k < 8; k++)
        if (words[k] > 0) assert_true(fabs(sum[k] / words[k] - 1) < 1e-5); /* six decimals each */
    run_end(&r);
    cru_buffer_release(&store);
}

static void batches_do_not_matter(void **state) {
    (void)state;
    struct cru_buffer store;
    const char *lines[DOCUMENTS];
    struct run whole, split;
    cru_buffer_init(&store);
    make_lines(&store, lines);
    run_begin(&whole, "traces", NULL, NULL);
    run_begin(&split, "traces", NULL, NULL);
    run_batch(&whole, lines, DOCUMENTS);
    for (size_t i = 0; i < DOCUMENTS; i += 3) run_batch(&split, lines + i, 3);
    run_finish(&whole);
    run_finish(&split);
    for (size_t i = 0; i < DOCUMENTS; i++)
        for (int k = 0; k < 2; k++) {
            const char *key = k ? "ddm" : "quality";
            struct cru_span a = cru_doc_meta(&whole.batches[0].docs[i], key);
            struct cru_span b = cru_doc_meta(&split.batches[i / 3].docs[i % 3], key);
            assert_true(a.n > 2 && cru_span_eq(a, b));
        }
    struct cru_buffer stats[2];
    cru_buffer_init(&stats[0]);
    cru_buffer_init(&stats[1]);
    cru_score_stage.stats(whole.stage, &stats[0]);
    cru_score_stage.stats(split.stage, &stats[1]);
    assert_true(stats[0].n > 0 &&
                cru_span_eq(cru_buffer_span(&stats[0]), cru_buffer_span(&stats[1])));
    cru_buffer_release(&stats[0]);
    cru_buffer_release(&stats[1]);
    run_end(&whole);
    run_end(&split);
    cru_buffer_release(&store);
}

static void regions_come_from_tags_or_fields(void **state) {
    (void)state;
    static const char *const lines[] = {
        "{\"text\":\"<think>a b c</think>d e\"}",
        "{\"text\":\"a\",\"thinking\":\"x y\",\"response\":\"u v w z\"}",
        "{\"text\":\"a\",\"response\":\"<think>u v w</think> z\"}",
        "{\"text\":\"a b\",\"response\":200}",
    };
    static const struct {
        const char *profile, *region;
        double words[4];
    } cases[] = {
        {"traces", "auto", {3, 2, 3, 2}},     {"traces", "think", {3, 2, 0, 0}},
        {"traces", "response", {2, 4, 1, 2}}, {"traces", "text", {4, 1, 1, 2}},
        {"web", "auto", {4, 1, 1, 2}},
    };
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        struct run r;
        run_begin(&r, cases[c].profile, "region", cases[c].region);
        run_batch(&r, lines, 4);
        run_finish(&r);
        for (int i = 0; i < 4; i++)
            assert_true(number(&r, &r.batches[0].docs[i], "crucible.ddm.thinking_words") ==
                        cases[c].words[i]);
        run_end(&r);
    }
}

/* crucible.lang picks the lexicon; without one for it nothing is counted. */
static void cues_follow_the_language(void **state) {
    (void)state;
    static const char *const lines[] = {
        "{\"text\":\"Wait, no. Moment mal, nein.\"}",
        "{\"text\":\"Wait, no. Moment mal, nein.\",\"crucible\":{\"lang\":\"de\"}}",
        "{\"text\":\"Wait, no. Moment mal, nein.\",\"crucible\":{\"lang\":\"xx\"}}",
        "{\"text\":\"Wait, no. Wait, yes.\",\"crucible\":{\"lang\":\"en-GB\"}}",
        "{\"text\":\"Wait, no. Wait, yes.\",\"crucible\":{\"lang\":\"und\"}}",
    };
    static const double counts[] = {1, 1, 0, 2, 2};
    struct cru_buffer stats;
    struct run r;
    run_begin(&r, "traces", NULL, NULL);
    run_batch(&r, lines, 5);
    run_finish(&r);
    for (int i = 0; i < 5; i++)
        assert_true(number(&r, &r.batches[0].docs[i], "crucible.ddm.self_corrections") ==
                    counts[i]);
    cru_buffer_init(&stats);
    cru_score_stage.stats(r.stage, &stats);
    cru_buffer_add(&stats, "", 1);
    assert_non_null(strstr(stats.p, "\"cues\":{\"de\":1,\"en\":3,\"none\":1}"));
    cru_buffer_release(&stats);
    run_end(&r);
}

static void rejects_are_dropped_when_asked(void **state) {
    (void)state;
    struct cru_buffer loop;
    struct run r;
    cru_buffer_init(&loop);
    cru_buffer_add_string(&loop, "{\"text\":\"");
    for (int i = 0; i < 60; i++)
        cru_buffer_add_string(&loop, "the same nine words come round once more, again.\\n\\n");
    cru_buffer_add_string(&loop, "\"}");
    const char *lines[] = {"{\"text\":\"a few words that stand alone\"}", loop.p,
                           "{\"text\":\"  \"}"};
    run_begin(&r, "web", "drop-rejects", "true");
    run_batch(&r, lines, 3);
    run_finish(&r);
    assert_int_equal(r.batches[0].n, 1);
    assert_true(fabs(number(&r, &r.batches[0].docs[0], "crucible.ddm.weight") - 1) < 1e-6);
    run_end(&r);
    run_begin(&r, "web", NULL, NULL);
    run_batch(&r, lines, 3);
    run_finish(&r);
    assert_int_equal(r.batches[0].n, 3);
    assert_true(cru_span_is(bin_of(&r, &r.batches[0], &r.batches[0].docs[1]), "reject"));
    assert_true(number(&r, &r.batches[0].docs[2], "crucible.ddm.signal_score") == 0);
    run_end(&r);
    cru_buffer_release(&loop);
}

static void explain_shows_the_path(void **state) {
    (void)state;
    const char *line = "{\"text\":\"one two three four five six seven eight\\n\\n"
                       "one two three four five six seven eight\"}";
    struct run r;
    run_begin(&r, "web", "explain", "true");
    run_batch(&r, &line, 1);
    run_finish(&r);
    const struct cru_doc *doc = &r.batches[0].docs[0];
    assert_true(number(&r, doc, "crucible.ddm.path.0.words") == 8);
    assert_true(fabs(number(&r, doc, "crucible.ddm.path.0.signal") - 0.55) < 1e-9);
    assert_true(fabs(number(&r, doc, "crucible.ddm.path.1.signal") + 0.25) < 1e-9);
    assert_true(number(&r, doc, "crucible.ddm.path.1.novelty") == 0);
    run_end(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_average_one_in_each_stratum),
        cmocka_unit_test(batches_do_not_matter),
        cmocka_unit_test(regions_come_from_tags_or_fields),
        cmocka_unit_test(cues_follow_the_language),
        cmocka_unit_test(rejects_are_dropped_when_asked),
        cmocka_unit_test(explain_shows_the_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
