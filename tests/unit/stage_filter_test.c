/* SPDX-License-Identifier: Apache-2.0 */
/* The filter stage on batches: what becomes of each document, marking, language, and that several threads
 * working on one stage give what one gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "crucible/base/base.h"
#include "crucible/base/parallel.h"
#include "crucible/stage/stage.h"
#include "tests/unit/stage_fixture.h"

static const struct cru_common common = {
    .threads = 1, .tmpdir = "/tmp", .text_field = "text", .output = "-"};

static enum cru_status open_stage(const struct setting *settings, struct cru_stage **out) {
    struct cru_error err;
    *out = new_stage(&cru_filter_stage, &common, settings);
    return cru_filter_stage.open(*out, &err);
}

static void fill(struct cru_batch *batch, const char *const *lines, size_t n) {
    struct cru_json_parser *parser = cru_json_parser_new();
    struct cru_error err;
    assert_non_null(parser);
    cru_batch_init(batch);
    for (size_t i = 0; i < n; i++) {
        struct cru_doc *doc = cru_batch_add(batch);
        assert_non_null(doc);
        if (cru_json_document(parser, cru_span_of(lines[i]), "text", "in", i, batch, doc, &err) != CRU_OK)
            fail_msg("%s", err.message);
    }
    cru_json_parser_free(parser);
}

static void render(const struct cru_batch *batch, struct cru_buffer *out) {
    for (size_t i = 0; i < batch->n; i++) {
        cru_buffer_add_string(out, batch->docs[i].fate == CRU_KEEP ? "" : "-");
        cru_json_render(&batch->docs[i], "text", out);
    }
}

/* Runs the lines as one batch; '-' in front of what was dropped. */
static void expect(const struct setting *settings, const char *line, const char *expected) {
    struct cru_stage *stage;
    struct cru_batch batch;
    struct cru_buffer out;
    struct cru_error err;
    assert_int_equal(open_stage(settings, &stage), CRU_OK);
    fill(&batch, &line, 1);
    assert_int_equal(stage->class->run(stage, &batch, &err), CRU_OK);
    cru_buffer_init(&out);
    render(&batch, &out);
    assert_true(out.n > 0);
    out.p[out.n - 1] = 0;
    assert_string_equal(out.p, expected);
    cru_buffer_release(&out);
    cru_batch_release(&batch);
    free_stage(stage);
}

#define FIVE "It is so. So it is.\\nMenu\\nSo it was then. Is it so? It is so!"
#define CLEAN "It is so. So it is.\\nSo it was then. Is it so? It is so!"

static void test_fates(void **state) {
    (void)state;
    const struct setting c4[] = {{"rules", "c4"}, {NULL, NULL}};
    expect(c4, "{\"id\":\"a\",\"text\":\"" FIVE "\",\"n\":1}", "{\"id\":\"a\",\"text\":\"" CLEAN "\",\"n\":1}");
    expect(c4, "{\"id\":\"a\",\"text\":\"" CLEAN "\"}", "{\"id\":\"a\",\"text\":\"" CLEAN "\"}");
    expect(c4, "{\"id\":\"a\",\"text\":\"It is so.\"}",
           "-{\"id\":\"a\",\"text\":\"It is so.\",\"crucible\":{\"drop\":{\"stage\":\"filter\",\"rule\":"
           "\"c4.sentences\",\"value\":1,\"limit\":5}}}");
    /* Marked: the text stays as it came. */
    const struct setting mark[] = {{"rules", "c4, gopher-quality"}, {"mark", "true"}, {NULL, NULL}};
    expect(mark, "{\"id\":\"a\",\"text\":\"" FIVE "\"}",
           "{\"id\":\"a\",\"text\":\"" FIVE "\",\"crucible\":{\"filter\":{\"rule\":\"gopher-quality.word-count\","
           "\"value\":16,\"limit\":50}}}");
    const struct setting where[] = {{"where", "n > 1"}, {NULL, NULL}};
    expect(where, "{\"id\":\"a\",\"text\":\"t\",\"n\":2}", "{\"id\":\"a\",\"text\":\"t\",\"n\":2}");
    expect(where, "{\"id\":\"a\",\"text\":\"t\",\"n\":1}",
           "-{\"id\":\"a\",\"text\":\"t\",\"n\":1,\"crucible\":{\"drop\":{\"stage\":\"filter\",\"rule\":\"where\"}}}");
}

static void test_pii(void **state) {
    (void)state;
    const struct setting mask[] = {{"pii", "mask"}, {NULL, NULL}}, drop[] = {{"pii", "drop"}, {NULL, NULL}};
    expect(mask, "{\"id\":\"a\",\"text\":\"ask me@x.org\"}", "{\"id\":\"a\",\"text\":\"ask email@example.com\"}");
    expect(drop, "{\"id\":\"a\",\"text\":\"ask at x.org\"}", "{\"id\":\"a\",\"text\":\"ask at x.org\"}");
    expect(drop, "{\"id\":\"a\",\"text\":\"at 8.8.8.8\"}",
           "-{\"id\":\"a\",\"text\":\"at 8.8.8.8\",\"crucible\":{\"drop\":{\"stage\":\"filter\",\"rule\":\"pii.ip\","
           "\"value\":1,\"limit\":0}}}");
}

#define ENGLISH "The committee will meet again next week to discuss the results of the survey."

static void test_language(void **state) {
    (void)state;
    const struct setting detect[] = {{"detect-lang", "true"}, {NULL, NULL}};
    const struct setting french[] = {{"lang", "fr,de"}, {NULL, NULL}};
    const struct setting score[] = {{"lang", "en"}, {"min-lang-score", "0.95"}, {NULL, NULL}};
    expect(detect, "{\"id\":\"a\",\"text\":\"" ENGLISH "\"}",
           "{\"id\":\"a\",\"text\":\"" ENGLISH "\",\"crucible\":{\"lang\":\"en\",\"lang_score\":0.98}}");
    expect(french, "{\"id\":\"a\",\"text\":\"" ENGLISH "\"}",
           "-{\"id\":\"a\",\"text\":\"" ENGLISH "\",\"crucible\":{\"lang\":\"en\",\"lang_score\":0.98,\"drop\":"
           "{\"stage\":\"filter\",\"rule\":\"language\"}}}");
    /* What is known is not looked for again, and without a score it is certain. */
    expect(french, "{\"id\":\"a\",\"text\":\"" ENGLISH "\",\"crucible\":{\"lang\":\"fr\"}}",
           "{\"id\":\"a\",\"text\":\"" ENGLISH "\",\"crucible\":{\"lang\":\"fr\"}}");
    expect(score, "{\"id\":\"a\",\"text\":\"t\",\"crucible\":{\"lang\":\"en\",\"lang_score\":0.95}}",
           "{\"id\":\"a\",\"text\":\"t\",\"crucible\":{\"lang\":\"en\",\"lang_score\":0.95}}");
    expect(score, "{\"id\":\"a\",\"text\":\"t\",\"crucible\":{\"lang\":\"en\",\"lang_score\":0.94}}",
           "-{\"id\":\"a\",\"text\":\"t\",\"crucible\":{\"lang\":\"en\",\"lang_score\":0.94,\"drop\":{\"stage\":"
           "\"filter\",\"rule\":\"language-score\",\"value\":0.94,\"limit\":0.95}}}");
}

static void test_usage(void **state) {
    (void)state;
    static const struct setting wrong[][2] = {{{NULL, NULL}},
                                              {{"rules", "gopher"}},
                                              {{"rules", "c4,,fineweb"}},
                                              {{"lang", "english"}},
                                              {{"where", "n >"}}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct cru_stage *stage;
        assert_int_equal(open_stage(wrong[i], &stage), CRU_USAGE);
        free_stage(stage);
    }
}

enum { BATCHES = 60 };
struct work {
    struct cru_stage *stage;
    struct cru_batch batches[BATCHES];
};

static void run_batch(void *context, size_t i, int thread) {
    struct work *work = context;
    struct cru_error err;
    (void)thread;
    /* cmocka's asserts belong to the main thread. */
    if (work->stage->class->run(work->stage, &work->batches[i], &err) != CRU_OK)
        abort();
}

static void test_threads(void **state) {
    (void)state;
    static const struct setting settings[] = {
        {"detect-lang", "true"}, {"rules", "c4-noterm,gopher-repetition"}, {"pii", "mask"}, {NULL, NULL}};
    static const char *const lines[] = {
        "{\"id\":\"a\",\"text\":\"" FIVE "\"}",
        "{\"id\":\"b\",\"text\":\"" ENGLISH " " ENGLISH " " ENGLISH "\"}",
        "{\"id\":\"c\",\"text\":\"He who wants an answer should ask me@x.org today. Nobody else replies quickly. "
        "Machines at 8.8.8.8 might. Others certainly never will. Perhaps that changes one of these days.\"}",
        "{\"id\":\"d\",\"text\":\"Less.\"}"};
    static struct work work;
    struct cru_buffer outs[2];
    for (int t = 0; t < 2; t++) {
        assert_int_equal(open_stage(settings, &work.stage), CRU_OK);
        for (size_t i = 0; i < BATCHES; i++)
            fill(&work.batches[i], lines + i % 3, 2);
        cru_parallel_for(BATCHES, 1, t ? 4 : 1, run_batch, &work);
        cru_buffer_init(&outs[t]);
        for (size_t i = 0; i < BATCHES; i++) {
            render(&work.batches[i], &outs[t]);
            cru_batch_release(&work.batches[i]);
        }
        free_stage(work.stage);
    }
    assert_true(cru_span_eq(cru_buffer_span(&outs[0]), cru_buffer_span(&outs[1])));
    assert_non_null(strstr(outs[0].p, "gopher-repetition.top-"));
    assert_non_null(strstr(outs[0].p, "at 22.214.171.124"));
    cru_buffer_release(&outs[0]);
    cru_buffer_release(&outs[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fates), cmocka_unit_test(test_pii),     cmocka_unit_test(test_language),
        cmocka_unit_test(test_usage), cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
