/* SPDX-License-Identifier: Apache-2.0 */
/* The dedup and decontaminate stages, driven as the pipeline drives them, without its threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "crucible/base/base.h"
#include "crucible/base/output.h"
#include "crucible/stage/stage.h"
#include "tests/unit/scratch_name.h"
#include "tests/unit/stage_fixture.h"

static const struct cru_common common = {
    .threads = 1, .tmpdir = "/tmp", .text_field = "text", .output = "-"};

/* Parses the lines, runs them through the stage in batches of `size`, and replays if it has to;
 * the result is the rendered documents, dropped ones with a '-' in front. */
static void drive(struct cru_stage *stage, const char *const *lines, size_t n, size_t size,
                  struct cru_buffer *out) {
    struct cru_json_parser *parser = cru_json_parser_new();
    struct cru_batch *batches = calloc(n, sizeof *batches);
    struct cru_error err = {0};
    assert_true(parser && batches);
    if (stage->class->open(stage, &err) != CRU_OK) fail_msg("%s", err.message);
    uint64_t spooled = 0;
    for (size_t i = 0; i < n; i++) {
        struct cru_batch *batch = &batches[i / size];
        if (i % size == 0) cru_batch_init(batch);
        struct cru_doc *doc = cru_batch_add(batch);
        assert_non_null(doc);
        assert_int_equal(
            cru_json_document(parser, cru_span_of(lines[i]), "text", "in", i, batch, doc, &err),
            CRU_OK);
        doc->number = i;
    }
    size_t n_batches = (n + size - 1) / size;
    for (size_t b = 0; b < n_batches; b++) {
        assert_int_equal(stage->class->run(stage, &batches[b], &err), CRU_OK);
        if (stage->class->commit)
            assert_int_equal(stage->class->commit(stage, &batches[b], &err), CRU_OK);
    }
    if (stage->class->finish) assert_int_equal(stage->class->finish(stage, &err), CRU_OK);
    for (size_t b = 0; b < n_batches; b++) {
        struct cru_batch living = {.arena = batches[b].arena}; /* what the spool would give back */
        for (size_t i = 0; i < batches[b].n; i++) {
            struct cru_doc *doc = &batches[b].docs[i];
            if (doc->fate != CRU_KEEP) continue;
            doc->index = spooled++;
            struct cru_doc *copy = cru_batch_add(&living);
            assert_non_null(copy);
            *copy = *doc;
        }
        if (stage->class->finish && !stage->streaming)
            assert_int_equal(stage->class->replay(stage, &living, &err), CRU_OK);
        for (size_t i = 0, k = 0; i < batches[b].n; i++) {
            struct cru_doc *doc = &batches[b].docs[i];
            if (doc->fate == CRU_KEEP) *doc = living.docs[k++];
            if (doc->fate != CRU_KEEP) cru_buffer_add_char(out, '-');
            cru_json_render(doc, "text", out);
        }
        batches[b].arena = living.arena;
        free(living.docs);
        cru_batch_release(&batches[b]);
    }
    free(batches);
    cru_json_parser_free(parser);
}

static void expect(const struct cru_stage_class *class, const struct setting *settings,
                   const char *const *lines, size_t n, const char *expected) {
    for (size_t size = 1; size <= n; size += n - 1) {
        struct cru_buffer out;
        cru_buffer_init(&out);
        struct cru_stage *stage = new_stage(class, &common, settings);
        drive(stage, lines, n, size, &out);
        assert_string_equal(out.p, expected);
        cru_buffer_release(&out);
        free_stage(stage);
    }
}

#define WORDS "there are enough words in this sentence for a shingle or ten of five words each"
static const char *const documents[] = {
    "{\"id\":\"a\",\"u\":\"x\",\"s\":1,\"text\":\"" WORDS "\"}",
    "{\"id\":\"b\",\"u\":\"y\",\"s\":5,\"text\":\"short\"}",
    "{\"id\":\"c\",\"u\":\"x\",\"s\":7,\"text\":\"" WORDS "\"}",
    "{\"id\":\"d\",\"s\":9,\"text\":\"" WORDS "!!!\"}",
    "{\"id\":\"e\",\"text\":\"short\"}",
};

static void exact_text(void **state) {
    (void)state;
    struct setting settings[] = {{"exact", "text"}, {NULL, NULL}};
    expect(&cru_dedup_stage, settings, documents, 5,
           "{\"id\":\"a\",\"u\":\"x\",\"s\":1,\"text\":\"" WORDS "\"}\n"
           "{\"id\":\"b\",\"u\":\"y\",\"s\":5,\"text\":\"short\"}\n"
           "-{\"id\":\"c\",\"u\":\"x\",\"s\":7,\"text\":\"" WORDS "\",\"crucible\":{\"drop\":"
           "{\"stage\":\"dedup\",\"rule\":\"exact-duplicate\"}}}\n"
           "{\"id\":\"d\",\"s\":9,\"text\":\"" WORDS "!!!\"}\n"
           "-{\"id\":\"e\",\"text\":\"short\",\"crucible\":{\"drop\":"
           "{\"stage\":\"dedup\",\"rule\":\"exact-duplicate\"}}}\n");
}

static void exact_field(void **state) {
    (void)state;
    struct setting settings[] = {{"exact", "u"}, {"mark", "true"}, {NULL, NULL}};
    expect(&cru_dedup_stage, settings, documents, 5,
           "{\"id\":\"a\",\"u\":\"x\",\"s\":1,\"text\":\"" WORDS "\"}\n"
           "{\"id\":\"b\",\"u\":\"y\",\"s\":5,\"text\":\"short\"}\n"
           "{\"id\":\"c\",\"u\":\"x\",\"s\":7,\"text\":\"" WORDS "\",\"crucible\":{\"dedup\":"
           "{\"exact\":true,\"keep\":false}}}\n"
           "{\"id\":\"d\",\"s\":9,\"text\":\"" WORDS "!!!\"}\n"
           "{\"id\":\"e\",\"text\":\"short\"}\n");
}

static void minhash_keeps_as_told(void **state) {
    (void)state;
    static const struct {
        const char *keep;
        char kept;
    } cases[] = {{"first", 'a'}, {"longest", 'd'}, {"s", 'd'}, {"absent", 'a'}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct setting settings[] = {{"minhash", "fineweb"}, {"keep", cases[i].keep}, {NULL, NULL}};
        struct cru_buffer out;
        cru_buffer_init(&out);
        struct cru_stage *stage = new_stage(&cru_dedup_stage, &common, settings);
        drive(stage, documents, 5, 2, &out);
        assert_false(stage->streaming);
        for (const char *id = "acd"; *id; id++) {
            char kept[16], dropped[16];
            (void)snprintf(kept, sizeof kept, "\n{\"id\":\"%c\"", *id);
            (void)snprintf(dropped, sizeof dropped, "-{\"id\":\"%c\"", *id);
            bool is_kept = strstr(out.p, kept) || strncmp(out.p, kept + 1, 9) == 0;
            assert_int_equal(is_kept, *id == cases[i].kept);
            assert_int_equal(strstr(out.p, dropped) != NULL, *id != cases[i].kept);
        }
        /* Too short for a shingle: both stay. */
        assert_non_null(strstr(out.p, "\n{\"id\":\"b\""));
        assert_non_null(strstr(out.p, "\n{\"id\":\"e\""));
        cru_buffer_release(&out);
        free_stage(stage);
    }
}

static void both_and_verified(void **state) {
    (void)state;
    struct setting settings[] = {
        {"exact", "text"}, {"minhash", "fineweb"}, {"verify", "0.7"}, {NULL, NULL}};
    expect(&cru_dedup_stage, settings, documents, 5,
           "{\"id\":\"a\",\"u\":\"x\",\"s\":1,\"text\":\"" WORDS "\"}\n"
           "{\"id\":\"b\",\"u\":\"y\",\"s\":5,\"text\":\"short\"}\n"
           "-{\"id\":\"c\",\"u\":\"x\",\"s\":7,\"text\":\"" WORDS "\",\"crucible\":{\"drop\":"
           "{\"stage\":\"dedup\",\"rule\":\"exact-duplicate\"}}}\n"
           "-{\"id\":\"d\",\"s\":9,\"text\":\"" WORDS
           "!!!\",\"crucible\":{\"dedup\":{\"cluster\":0,"
           "\"size\":2,\"keep\":false},\"drop\":"
           "{\"stage\":\"dedup\",\"rule\":\"near-duplicate\",\"value\":0}}}\n"
           "-{\"id\":\"e\",\"text\":\"short\",\"crucible\":{\"drop\":"
           "{\"stage\":\"dedup\",\"rule\":\"exact-duplicate\"}}}\n");
}

static void marks(void **state) {
    (void)state;
    struct setting settings[] = {
        {"exact", "text"}, {"minhash", "fineweb"}, {"mark", "true"}, {NULL, NULL}};
    expect(&cru_dedup_stage, settings, documents + 1, 4,
           "{\"id\":\"b\",\"u\":\"y\",\"s\":5,\"text\":\"short\",\"crucible\":{\"dedup\":"
           "{\"cluster\":0,\"size\":1,\"keep\":true}}}\n"
           "{\"id\":\"c\",\"u\":\"x\",\"s\":7,\"text\":\"" WORDS "\",\"crucible\":{\"dedup\":"
           "{\"cluster\":1,\"size\":2,\"keep\":true}}}\n"
           "{\"id\":\"d\",\"s\":9,\"text\":\"" WORDS "!!!\",\"crucible\":{\"dedup\":"
           "{\"cluster\":1,\"size\":2,\"keep\":false}}}\n"
           "{\"id\":\"e\",\"text\":\"short\",\"crucible\":{\"dedup\":"
           "{\"exact\":true,\"keep\":false}}}\n");
}

static void wrong_options(void **state) {
    (void)state;
    static const struct {
        struct setting settings[3];
        const char *message;
    } cases[] = {
        {{{NULL, NULL}}, "--exact, --minhash"},
        {{{"minhash", "finweb"}, {NULL, NULL}}, "'finweb'"},
        {{{"exact", "text"}, {"rows", "8"}, {NULL, NULL}}, "--rows is for --minhash"},
        {{{"exact", "text"}, {"keep", "longest"}, {NULL, NULL}}, "--keep is for --minhash"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cru_stage *stage = new_stage(&cru_dedup_stage, &common, cases[i].settings);
        struct cru_error err = {0};
        assert_int_equal(cru_dedup_stage.open(stage, &err), CRU_USAGE);
        if (!strstr(err.message, cases[i].message)) fail_msg("%s", err.message);
        free_stage(stage);
    }
    struct setting none[] = {{NULL, NULL}};
    struct cru_stage *stage = new_stage(&cru_decontaminate_stage, &common, none);
    assert_int_equal(cru_decontaminate_stage.open(stage, NULL), CRU_USAGE);
    free_stage(stage);
}

static void decontaminate_actions(void **state) {
    (void)state;
    char path[SCRATCH_NAME], found[SCRATCH_PATH];
    int file = mkstemps(scratch_name(path, "crucible-eval-XXXXXX.jsonl"), 6);
    assert_true(file >= 0);
    (void)close(file);
    (void)snprintf(found, sizeof found, ",\"file\":\"%s\"", path);
    static const char set[] =
        "{\"q\":\"What is the name of the river that flows through Prague?\"}\n";
    assert_int_equal(cru_write_file(path, set, sizeof set - 1, NULL), CRU_OK);
    static const char *const lines[] = {
        "{\"id\":\"a\",\"text\":\"clean\"}",
        "{\"id\":\"b\",\"text\":\"one two\\nWHAT IS the name: of the river that flows through "
        "Prague\\nend\"}",
        "{\"id\":\"c\",\"text\":\"what is the name of the river that flows through prague\"}",
    };
    static const struct {
        const char *action, *b, *c;
    } cases[] = {
        {"mark", "{\"id\":\"b\",\"text\":\"one two\\nWHAT", "{\"id\":\"c\""},
        {"drop", "-{\"id\":\"b\",\"text\":\"one two\\nWHAT", "-{\"id\":\"c\""},
        {"cut", "{\"id\":\"b\",\"text\":\"one two\\nend\"", "-{\"id\":\"c\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct setting settings[] = {{"against", path}, {"action", cases[i].action}, {NULL, NULL}};
        struct cru_buffer out;
        cru_buffer_init(&out);
        struct cru_stage *stage = new_stage(&cru_decontaminate_stage, &common, settings);
        drive(stage, lines, 3, 3, &out);
        const char *clean = "{\"id\":\"a\",\"text\":\"clean\"}\n";
        assert_memory_equal(out.p, clean, strlen(clean));
        const char *b = out.p + strlen(clean), *c = strchr(b, '\n') + 1;
        assert_memory_equal(b, cases[i].b, strlen(cases[i].b));
        assert_memory_equal(c, cases[i].c, strlen(cases[i].c));
        assert_non_null(strstr(b, "\"decontaminate\":{\"hits\":1,\"share\":0.7857142857142857"));
        assert_non_null(strstr(c, "\"decontaminate\":{\"hits\":1,\"share\":1"));
        assert_non_null(strstr(c, found));
        assert_non_null(strstr(c, ",\"record\":1}"));
        cru_buffer_release(&out);
        free_stage(stage);
    }
    assert_int_equal(unlink(path), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_text),
        cmocka_unit_test(exact_field),
        cmocka_unit_test(minhash_keeps_as_told),
        cmocka_unit_test(both_and_verified),
        cmocka_unit_test(marks),
        cmocka_unit_test(wrong_options),
        cmocka_unit_test(decontaminate_actions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
