/* SPDX-License-Identifier: Apache-2.0 */
/* The tokenize stage and the token counter, with a vocabulary of bytes made here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "crucible/base/base.h"
#include "crucible/base/input.h"
#include "crucible/base/output.h"
#include "crucible/stage/stage.h"
#include "crucible/stage/token_count.h"
#include "tokenizer/vocab_compile.h"
#include "tokenizer/vocab_image.h"
#include "tests/unit/scratch_name.h"

static char dir[SCRATCH_NAME], vocab[SCRATCH_PATH], output[SCRATCH_PATH];

/* 256 bytes, "aa", and an end-of-document token. */
static int begin(void **state) {
    (void)state;
    struct cru_vocab_draft *d = cru_vocab_draft_new();
    struct cru_vocab_bytes image;
    struct cru_error err;
    bool good = d && mkdtemp(scratch_name(dir, "crucible-tokenize-XXXXXX"));
    for (uint32_t b = 0; good && b < 256; b++)
        good = !cru_vocab_draft_token(d, b, cru_span_make(&(char){(char)b}, 1), &err);
    good = good && !cru_vocab_draft_token(d, 256, CRU_SPAN("aa"), &err) &&
           !cru_vocab_draft_merge(d, CRU_SPAN("a"), CRU_SPAN("a"), &err) &&
           !cru_vocab_draft_added(d, 257, CRU_SPAN("<|endoftext|>"), CRU_ADDED_SPECIAL, &err);
    if (!good) return -1;
    cru_vocab_draft_rules(d, CRU_PATTERN_QWEN2, 1, CRU_VOCAB_NFC);
    snprintf(vocab, sizeof vocab, "%s/toy.vocab", dir);
    snprintf(output, sizeof output, "%s/out", dir);
    good = !cru_vocab_draft_compile(d, "toy", &image, &err) &&
           !cru_write_file(vocab, image.p, image.n, &err);
    free(image.p);
    cru_vocab_draft_free(d);
    return good ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    (void)unlink(output);
    return unlink(vocab) || rmdir(dir) ? -1 : 0;
}

static struct cru_doc *add_doc(struct cru_batch *batch, const char *id, const char *text,
                               const char *source) {
    struct cru_doc *doc = cru_batch_add(batch);
    assert_non_null(doc);
    doc->id = cru_span_of(id);
    doc->text = cru_span_of(text);
    if (source)
        assert_int_equal(cru_doc_set_meta_string(batch, doc, "source", cru_span_of(source)), 0);
    return doc;
}

/* Runs the stage over two documents and compares what it wrote to `output`. */
static void expect_output(const char *flag, const char *special, const char *want) {
    struct cru_common common = {.threads = 1, .tmpdir = "/tmp", .text_field = "text", .output = output};
    struct cru_error err;
    struct cru_batch batch;
    struct cru_stage *stage = cru_stage_new(&cru_tokenize_stage, &common);
    const struct cru_option *table = cru_tokenize_stage.options;
    assert_non_null(stage);
    assert_int_equal(cru_options_set(table, stage, &stage->store, "vocab", vocab, &err), CRU_OK);
    assert_int_equal(cru_options_set(table, stage, &stage->store, flag, "true", &err), CRU_OK);
    assert_int_equal(cru_options_set(table, stage, &stage->store, "special", special, &err), CRU_OK);
    assert_int_equal(cru_tokenize_stage.open(stage, &err), CRU_OK);
    stage->opened = true;
    cru_batch_init(&batch);
    add_doc(&batch, "x", "aaa", "web");
    add_doc(&batch, "y \"q\"", "b<|endoftext|>", NULL);
    assert_int_equal(cru_tokenize_stage.run(stage, &batch, &err), CRU_OK);
    assert_int_equal(cru_tokenize_stage.commit(stage, &batch, &err), CRU_OK);
    assert_int_equal(cru_tokenize_stage.close(stage, &err), CRU_OK);
    cru_batch_release(&batch);
    cru_stage_free(stage);
    struct cru_input *input;
    char got[1000];
    size_t n, all = 0;
    assert_int_equal(cru_input_open(output, &input, &err), CRU_OK);
    while (cru_input_read(input, got + all, sizeof got - 1 - all, &n, &err) == CRU_OK) all += n;
    got[all] = 0;
    cru_input_close(input);
    assert_string_equal(got, want);
}

static void ids_and_counts(void **state) {
    (void)state;
    expect_output("ids", "recognise",
                  "{\"id\":\"x\",\"ids\":[256,97]}\n{\"id\":\"y \\\"q\\\"\",\"ids\":[98,257]}\n");
    expect_output("ids", "text",
                  "{\"id\":\"x\",\"ids\":[256,97]}\n{\"id\":\"y \\\"q\\\"\",\"ids\":[98,60,124,101,110,"
                  "100,111,102,116,101,120,116,124,62]}\n");
    expect_output("count", "recognise",
                  "source\tdocuments\ttokens\tbytes\tbytes_per_token\nweb\t1\t2\t3\t1.500\n"
                  "-\t1\t2\t14\t7.000\ntotal\t2\t4\t17\t4.250\n");
}

static void counts_are_kept_in_the_document(void **state) {
    (void)state;
    struct cru_token_counter *counter;
    struct cru_error err;
    struct cru_batch batch;
    uint64_t n;
    assert_int_equal(cru_token_counter_open(vocab, &counter, &err), CRU_OK);
    cru_batch_init(&batch);
    struct cru_doc *doc = add_doc(&batch, "x", "aaaaa", NULL);
    assert_int_equal(cru_doc_tokens(counter, &batch, doc, &n, &err), CRU_OK);
    assert_int_equal(n, 3);
    assert_true(cru_span_is(cru_doc_meta(doc, "tokens"), "3"));
    assert_int_equal(cru_doc_set_meta_number(&batch, doc, "tokens", 8), CRU_OK); /* is believed */
    assert_int_equal(cru_doc_tokens(counter, &batch, doc, &n, &err), CRU_OK);
    assert_int_equal(n, 8);
    cru_batch_release(&batch);
    cru_token_counter_free(counter);
    assert_int_equal(cru_token_counter_open("/no/such.vocab", &counter, &err), CRU_FATAL);
    assert_null(counter);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_and_counts),
        cmocka_unit_test(counts_are_kept_in_the_document),
    };
    return cmocka_run_group_tests_name("stage tokenize", tests, begin, end);
}
