/* SPDX-License-Identifier: Apache-2.0 */
/* The select and embed stages, driven as the pipeline drives them: budgets, marks, refusals, and
 * the same answer for any threads, batches and memory. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "crucible/base/base.h"
#include "crucible/stage/stage.h"
#include "tests/unit/scratch_name.h"
#include "tests/unit/stage_fixture.h"

enum { N = 240 };

struct corpus {
    struct cru_buffer line[N];
    size_t n;
};

/* Documents on seven topics, of many lengths, with the numbers that score and tokenize would add.
 */
static void corpus_make(struct corpus *c, size_t n, bool scored) {
    static const char *const topics[7][4] = {
        {"compiler", "register", "graph", "colour"}, {"sheep", "pasture", "valley", "shepherd"},
        {"sonata", "violin", "orchestra", "melody"}, {"glacier", "moraine", "valley", "ice"},
        {"bread", "flour", "yeast", "oven"},         {"harbour", "ship", "cargo", "crane"},
        {"proof", "lemma", "theorem", "graph"},
    };
    struct cru_random r = {n};
    memset(c, 0, sizeof *c);
    c->n = n;
    for (size_t i = 0; i < n; i++) {
        struct cru_buffer *b = &c->line[i];
        size_t words = 10 + cru_random_next(&r) % 150, topic = cru_random_next(&r) % 7;
        cru_buffer_init(b);
        cru_buffer_printf(b, "{\"id\":\"d%zu\",\"worth\":%zu,\"text\":\"", i, i % 4);
        for (size_t w = 0; w < words; w++)
            cru_buffer_printf(b, "%s%s%llu ", topics[topic][cru_random_next(&r) % 4],
                              w % 3 ? "" : " and then ",
                              (unsigned long long)(cru_random_next(&r) % 50));
        cru_buffer_add_char(b, '"');
        if (scored)
            cru_buffer_printf(b,
                              ",\"crucible\":{\"tokens\":%zu,\"ddm\":{\"signal_score\":%.3f,"
                              "\"segments\":%llu,\"explorations\":%llu,\"thinking_words\":%zu},"
                              "\"quality\":{\"lexical_diversity\":%.3f}}",
                              words + words / 2, cru_random_unit(&r),
                              (unsigned long long)(cru_random_next(&r) % 20),
                              (unsigned long long)(cru_random_next(&r) % 3), words,
                              cru_random_unit(&r));
        cru_buffer_add_char(b, '}');
        assert_false(b->failed);
    }
}

static void corpus_release(struct corpus *c) {
    for (size_t i = 0; i < c->n; i++) cru_buffer_release(&c->line[i]);
}

/* What happened to one document. */
struct outcome {
    bool kept;
    uint64_t order, stratum, rank, tokens, bytes;
    double gain, score;
};

static double number(struct cru_json_parser *p, const struct cru_doc *doc, const char *path) {
    double value;
    return cru_doc_number(p, doc, path, &value) ? value : 0;
}

static void look(struct cru_json_parser *p, const struct cru_doc *doc, struct outcome *o) {
    o->kept = doc->fate == CRU_KEEP;
    if (!o->kept) assert_string_equal(doc->drop_rule, "not-selected");
    o->order = (uint64_t)number(p, doc, "crucible.select.order");
    o->stratum = (uint64_t)number(p, doc, "crucible.select.stratum");
    o->gain = number(p, doc, "crucible.select.gain");
    o->rank = (uint64_t)number(p, doc, "crucible.rups.rank");
    o->score = number(p, doc, "crucible.rups.score");
    o->tokens = (uint64_t)number(p, doc, "crucible.tokens");
    o->bytes = doc->text.n;
}

/* Runs the stage over the corpus in batches of `size`. `out` gets every document as JSONL, dropped
 * or not; outcome may be NULL. */
static enum cru_status drive(struct cru_stage *stage, const struct corpus *c, size_t size,
                             struct cru_buffer *out, struct outcome *outcome,
                             struct cru_error *err) {
    struct cru_json_parser *parser = cru_json_parser_new();
    struct cru_batch *batches = calloc(c->n, sizeof *batches);
    enum cru_status status = stage->class->open(stage, err);
    size_t n_batches = (c->n + size - 1) / size;
    assert_true(parser && batches);
    for (size_t i = 0; i < c->n; i++) {
        struct cru_batch *batch = &batches[i / size];
        struct cru_doc *doc;
        if (i % size == 0) cru_batch_init(batch);
        doc = cru_batch_add(batch);
        assert_non_null(doc);
        assert_int_equal(cru_json_document(parser, cru_buffer_span(&c->line[i]), "text", "in", i,
                                           batch, doc, err),
                         CRU_OK);
        doc->index = i;
    }
    for (size_t b = 0; !status && b < n_batches; b++)
        if (!(status = stage->class->run(stage, &batches[b], err)))
            status = stage->class->commit(stage, &batches[b], err);
    if (!status && stage->class->finish) status = stage->class->finish(stage, err);
    for (size_t b = 0; !status && stage->class->replay && b < n_batches; b++) {
        status = stage->class->replay(stage, &batches[b], err);
        for (size_t i = 0; i < batches[b].n; i++) {
            cru_json_render(&batches[b].docs[i], "text", out);
            if (outcome) look(parser, &batches[b].docs[i], &outcome[batches[b].docs[i].index]);
        }
    }
    if (!status && stage->class->close) status = stage->class->close(stage, err);
    if (!status) stage->class->stats(stage, out);
    for (size_t b = 0; b < n_batches; b++) cru_batch_release(&batches[b]);
    free(batches);
    cru_json_parser_free(parser);
    return status;
}

static struct cru_common common_make(int64_t threads, uint64_t memory, const char *output) {
    return (struct cru_common){.threads = threads,
                               .memory = memory,
                               .tmpdir = "/tmp",
                               .text_field = "text",
                               .output = output};
}

static void run(const struct corpus *c, const struct setting *settings, int64_t threads,
                uint64_t memory, size_t size, struct cru_buffer *out, struct outcome *outcome) {
    struct cru_common common = common_make(threads, memory, "-");
    struct cru_stage *stage = new_stage(&cru_select_stage, &common, settings);
    struct cru_error err = {0};
    cru_buffer_init(out);
    if (drive(stage, c, size, out, outcome, &err)) fail_msg("%s", err.message);
    assert_false(out->failed);
    free_stage(stage);
}

static void test_budget_order_and_quotas(void **state) {
    struct corpus c;
    struct cru_buffer out;
    struct outcome o[N];
    double gain_at[N + 1] = {0};
    size_t kept = 0, in[8] = {0}, chosen[8] = {0};
    (void)state;
    corpus_make(&c, N, true);
    run(&c, (struct setting[]){{"budget", "40"}, {NULL, NULL}}, 2, 0, 50, &out, o);
    for (size_t i = 0; i < N; i++) {
        assert_true(o[i].stratum < 8 && o[i].rank >= 1 && o[i].score > 0 && o[i].score <= 1);
        assert_int_equal(o[i].kept, o[i].order > 0);
        in[o[i].stratum]++;
        chosen[o[i].stratum] += o[i].kept;
        kept += o[i].kept;
        if (o[i].kept) {
            assert_true(o[i].order <= 40 && gain_at[o[i].order] == 0);
            gain_at[o[i].order] = o[i].gain;
        }
    }
    assert_int_equal(kept, 40);
    for (size_t k = 1; k <= 40; k++) /* an order over all strata, and every place taken once */
        assert_true(gain_at[k] > 0 && (k == 1 || gain_at[k] <= gain_at[k - 1]));
    for (size_t b = 0; b < 8; b++)
        assert_true(fabs((double)chosen[b] - 40.0 * (double)in[b] / N) < 1);
    assert_non_null(strstr(out.p, "\"guarantee\":\"1-1/e of the sum over length strata\""));
    assert_non_null(strstr(out.p, ",\"certificate\":0."));
    cru_buffer_release(&out);
    corpus_release(&c);
}

static void test_same_for_threads_batches_and_memory(void **state) {
    struct corpus c;
    struct cru_buffer first, out;
    struct setting settings[] = {{"budget", "50"}, {"quota", "0.5"}, {NULL, NULL}};
    (void)state;
    corpus_make(&c, N, true);
    run(&c, settings, 1, 0, N, &first, NULL);
    for (int64_t threads = 1; threads <= 8; threads *= 2)
        for (size_t size = 1; size <= N; size *= 15) {
            run(&c, settings, threads, threads == 2 ? 4096 : 0, size, &out,
                NULL); /* 4 KiB: all spills */
            assert_int_equal(out.n, first.n);
            assert_memory_equal(out.p, first.p, first.n);
            cru_buffer_release(&out);
        }
    cru_buffer_release(&first);
    corpus_release(&c);
}

static void test_mark_and_large_budget(void **state) {
    struct corpus c;
    struct cru_buffer out;
    struct outcome dropped[N], marked[N], all[N];
    bool seen[N + 1] = {false};
    (void)state;
    corpus_make(&c, N, true);
    run(&c, (struct setting[]){{"budget", "30"}, {NULL, NULL}}, 1, 0, 100, &out, dropped);
    cru_buffer_release(&out);
    run(&c, (struct setting[]){{"budget", "30"}, {"mark", "true"}, {NULL, NULL}}, 1, 0, 100, &out,
        marked);
    assert_non_null(strstr(out.p, "\"select\":{\"selected\":false,\"stratum\":"));
    cru_buffer_release(&out);
    run(&c, (struct setting[]){{"budget", "1000"}, {NULL, NULL}}, 1, 0, 100, &out, all);
    assert_non_null(strstr(out.p, "\"certificate\":1,"));
    cru_buffer_release(&out);
    for (size_t i = 0; i < N; i++) {
        assert_true(marked[i].kept);
        assert_int_equal(marked[i].order, dropped[i].order);
        assert_true(all[i].kept && all[i].order >= 1 && all[i].order <= N && !seen[all[i].order]);
        seen[all[i].order] = true;
    }
    corpus_release(&c);
}

/* Long strata cannot buy a document with their share; shorter ones spend it. */
static void test_tokens_are_spent(void **state) {
    struct corpus c;
    struct cru_buffer out;
    struct outcome o[N];
    (void)state;
    corpus_make(&c, N, true);
    for (int budget = 200; budget <= 25600; budget *= 2) {
        uint64_t spent = 0, cheapest = UINT64_MAX;
        char number_of[32];
        snprintf(number_of, sizeof number_of, "%d", budget);
        run(&c, (struct setting[]){{"budget-tokens", number_of}, {NULL, NULL}}, 2, 0, 64, &out, o);
        for (size_t i = 0; i < N; i++) {
            spent += o[i].kept ? o[i].tokens : 0;
            if (!o[i].kept && o[i].tokens < cheapest) cheapest = o[i].tokens;
        }
        assert_true(spent <= (uint64_t)budget);
        /* Nothing that is left could have been paid with what is left. */
        assert_true((uint64_t)budget - spent < cheapest);
        cru_buffer_release(&out);
    }
    corpus_release(&c);
}

static void test_methods(void **state) {
    static const char *const method[] = {"lazy", "stochastic", "threshold", "sieve", "randgreedi"};
    static const char *const says[] = {"\"1-1/e of the", "\"1-1/e-0.2 of the", "\"1-1/e-0.2 of the",
                                       "\"1/2-0.2 of the", "\"(1-1/e)/2 of the"};
    struct corpus c;
    struct cru_buffer out, again;
    struct outcome o[N];
    (void)state;
    corpus_make(&c, N, true);
    for (size_t m = 0; m < 5; m++) {
        struct setting settings[] = {
            {"budget", "40"}, {"method", method[m]}, {"epsilon", "0.2"}, {NULL, NULL}};
        size_t kept = 0;
        run(&c, settings, 1, 0, 100, &out, o);
        run(&c, settings, 4, 0, 7, &again, NULL);
        assert_int_equal(out.n, again.n);
        assert_memory_equal(out.p, again.p, out.n);
        for (size_t i = 0; i < N; i++) kept += o[i].kept;
        assert_int_equal(kept, 40);
        assert_non_null(strstr(out.p, says[m]));
        assert_non_null(strstr(out.p, ",\"certificate\":0."));
        assert_int_equal(strstr(out.p, ", in expectation") != NULL, m == 1 || m == 4);
        cru_buffer_release(&out);
        cru_buffer_release(&again);
    }
    corpus_release(&c);
}

/* Without a bonus that depends on the budget, a choice in two goes is the choice in one. */
static void test_add(void **state) {
    struct setting common[] = {
        {"strata", "1"}, {"lambda", "0"}, {NULL, NULL}, {NULL, NULL}, {NULL, NULL}};
    struct corpus c, marked;
    struct cru_buffer out;
    struct outcome first[N], all[N], added[N];
    const char *line;
    (void)state;
    corpus_make(&c, N, true);
    common[2] = (struct setting){"budget", "50"};
    run(&c, common, 1, 0, 100, &out, all);
    cru_buffer_release(&out);
    common[2] = (struct setting){"budget", "20"};
    common[3] = (struct setting){"mark", "true"};
    run(&c, common, 1, 0, 100, &out, first);
    marked.n = N;
    line = out.p;
    for (size_t i = 0; i < N; i++) {
        const char *end = strchr(line, '\n');
        cru_buffer_init(&marked.line[i]);
        cru_buffer_add(&marked.line[i], line, (size_t)(end - line));
        line = end + 1;
    }
    cru_buffer_release(&out);
    common[2] = (struct setting){"add", "30"};
    common[3] = (struct setting){NULL, NULL};
    run(&marked, common, 2, 0, 33, &out, added);
    assert_non_null(strstr(out.p, "\"selected_before\":20"));
    assert_non_null(strstr(out.p, "\"guarantee\":\"1-1/e of the best addition\""));
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(added[i].kept, all[i].kept);
        assert_int_equal(added[i].order, all[i].order);
        if (first[i].order) assert_int_equal(added[i].order, first[i].order);
    }
    cru_buffer_release(&out);
    common[0].value = "8"; /* strata: what was chosen stays, and 30 come */
    run(&marked, common, 2, 0, 33, &out, added);
    for (size_t i = 0, kept = 0; i < N; i++) {
        kept += added[i].kept;
        if (first[i].order) assert_true(added[i].kept);
        if (i + 1 == N) assert_int_equal(kept, 50);
    }
    cru_buffer_release(&out);
    corpus_release(&c);
    corpus_release(&marked);
}

static void test_tokens(void **state) {
    struct corpus c;
    struct cru_buffer out;
    struct outcome o[N];
    uint64_t spent = 0, total = 0;
    (void)state;
    corpus_make(&c, N, true);
    run(&c, (struct setting[]){{"budget-tokens", "5000"}, {NULL, NULL}}, 2, 0, 64, &out, o);
    for (size_t i = 0; i < N; i++) {
        total += o[i].tokens;
        spent += o[i].kept ? o[i].tokens : 0;
    }
    assert_true(spent <= 5000 && spent > 4000 && total > 5000);
    assert_non_null(strstr(out.p, "(1-1/e)/2"));
    assert_non_null(strstr(out.p, "\"length_in\":\"tokens\""));
    cru_buffer_release(&out);
    corpus_release(&c);
}

static void test_weights(void **state) {
    struct corpus c;
    struct cru_buffer out;
    struct outcome o[N];
    size_t worthless = 0;
    (void)state;
    /* Without scores the choice rests on likeness alone. */
    corpus_make(&c, N, false);
    run(&c, (struct setting[]){{"budget", "7"}, {"strata", "1"}, {NULL, NULL}}, 1, 0, 64, &out, o);
    assert_null(strstr(out.p, "\"rups\":"));
    assert_non_null(strstr(out.p, "\"length_in\":\"bytes\""));
    assert_non_null(strstr(out.p, "{\"name\":\"complexity\",\"missing\":240}"));
    cru_buffer_release(&out);
    run(&c,
        (struct setting[]){{"budget", "60"}, {"weights", "worth"}, {"lambda", "10"}, {NULL, NULL}},
        1, 0, 64, &out, o);
    for (size_t i = 0; i < N; i++) worthless += o[i].kept && i % 4 == 0;
    assert_true(worthless == 0); /* nothing wants to be kept that is worth 0 */
    cru_buffer_release(&out);
    run(&c, (struct setting[]){{"budget", "60"}, {"axes", "worth"}, {NULL, NULL}}, 1, 0, 64, &out,
        o);
    for (size_t i = 0; i < N;
         i++) /* inside strata, so that ranks need not follow worth across them */
        for (size_t j = 0; j < N; j++)
            if (o[i].stratum == o[j].stratum && i % 4 > j % 4)
                assert_true(o[i].rank < o[j].rank && o[i].score > o[j].score);
    cru_buffer_release(&out);
    corpus_release(&c);
}

static void test_embeddings_are_those_of_embed(void **state) {
    char path[SCRATCH_NAME], name[SCRATCH_PATH];
    struct corpus c;
    struct cru_buffer built_in, out;
    struct cru_common common;
    struct cru_stage *stage;
    struct cru_error err = {0};
    (void)state;
    int file = mkstemps(scratch_name(path, "crucible-embed-XXXXXX.npy"), 4);
    assert_true(file >= 0);
    (void)close(file);
    (void)snprintf(name, sizeof name, "'%s'", path);
    common = common_make(2, 0, path);
    corpus_make(&c, N, true);
    stage = new_stage(&cru_embed_stage, &common, (struct setting[]){{"dim", "128"}, {NULL, NULL}});
    cru_buffer_init(&out);
    if (drive(stage, &c, 77, &out, NULL, &err)) fail_msg("%s", err.message);
    assert_string_equal(out.p, ",\"rows\":240,\"dim\":128");
    cru_buffer_release(&out);
    free_stage(stage);
    run(&c, (struct setting[]){{"budget", "33"}, {"dim", "128"}, {NULL, NULL}}, 1, 0, 50, &built_in,
        NULL);
    run(&c, (struct setting[]){{"budget", "33"}, {"embeddings", path}, {NULL, NULL}}, 1, 0, 50,
        &out, NULL);
    assert_string_equal(out.p, built_in.p);
    cru_buffer_release(&out);
    cru_buffer_release(&built_in);
    c.n--; /* now a row too many */
    common = common_make(1, 0, "-");
    stage = new_stage(&cru_select_stage, &common,
                      (struct setting[]){{"budget", "3"}, {"embeddings", path}, {NULL, NULL}});
    cru_buffer_init(&out);
    assert_int_equal(drive(stage, &c, 50, &out, NULL, &err), CRU_FATAL);
    assert_non_null(strstr(err.message, name));
    assert_non_null(strstr(err.message, "240 rows for 239 documents"));
    cru_buffer_release(&out);
    free_stage(stage);
    c.n++;
    corpus_release(&c);
    (void)unlink(path);
}

static void refuse(const struct cru_stage_class *class, const char *output, const struct corpus *c,
                   const struct setting *settings, enum cru_status expected) {
    struct cru_common common = common_make(1, 0, output);
    struct cru_stage *stage = new_stage(class, &common, settings);
    struct cru_error err = {0};
    struct cru_buffer out;
    cru_buffer_init(&out);
    assert_int_equal(drive(stage, c, 10, &out, NULL, &err), expected);
    assert_true(err.message[0] != 0);
    cru_buffer_release(&out);
    free_stage(stage);
}

static void test_refusals(void **state) {
    static const struct {
        struct setting settings[3];
        enum cru_status status;
    } rows[] = {
        {{{NULL, NULL}}, CRU_USAGE},
        {{{"budget", "5"}, {"budget-tokens", "5"}}, CRU_USAGE},
        {{{"budget", "5"}, {"axes", "a,b,c,d"}}, CRU_USAGE},
        {{{"budget", "5"}, {"axes", ""}}, CRU_USAGE},
        {{{"budget", "5"}, {"dim", "100"}}, CRU_USAGE},
        {{{"budget", "5"}, {"views", "sound"}}, CRU_USAGE},
        {{{"budget", "5"}, {"axes", "absent"}}, CRU_FATAL},
        {{{"budget", "5"}, {"weights", "absent"}}, CRU_FATAL},
        {{{"budget", "5"}, {"embeddings", "/nowhere/x.npy"}}, CRU_FATAL},
        {{{"budget-tokens", "50"}, {"vocab", "/nowhere/tokenizer.json"}}, CRU_FATAL},
    };
    struct corpus c;
    (void)state;
    corpus_make(&c, 20, false);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        refuse(&cru_select_stage, "-", &c, rows[i].settings, rows[i].status);
    refuse(&cru_embed_stage, "-", &c, rows[0].settings, CRU_USAGE);
    refuse(&cru_embed_stage, "/nowhere/x.npy", &c, rows[0].settings, CRU_FATAL);
    corpus_release(&c);
}

static void test_nothing_in(void **state) {
    struct corpus c = {.n = 0};
    struct cru_buffer out;
    (void)state;
    run(&c, (struct setting[]){{"budget", "3"}, {NULL, NULL}}, 1, 0, 10, &out, NULL);
    assert_non_null(strstr(out.p, ",\"selected\":0,\"objective\":0,"));
    cru_buffer_release(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_budget_order_and_quotas),
        cmocka_unit_test(test_same_for_threads_batches_and_memory),
        cmocka_unit_test(test_mark_and_large_budget),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_tokens_are_spent),
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_add),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_embeddings_are_those_of_embed),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_nothing_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
