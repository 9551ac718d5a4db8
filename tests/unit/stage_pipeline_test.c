/* SPDX-License-Identifier: Apache-2.0 */
/* The batch loop and the spool: order, conservation, picks and repetitions, errors, damage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "crucible/base/base.h"
#include "crucible/stage/pipeline.h"
#include "tests/unit/scratch_name.h"

enum { BATCHES = 60, PER_BATCH = 50, DOCUMENTS = BATCHES * PER_BATCH };

/* A source of numbered documents; one in a hundred is wrong. */
struct numbers {
    uint64_t next;
    int cut_after; /* batches; then one CRU_BAD */
};

static enum cru_status numbers_fill(void *context, struct cru_batch *batch, struct cru_error *err) {
    struct numbers *n = context;
    if (n->cut_after > 0 && --n->cut_after == 0) return cru_fail(err, CRU_BAD, "input 'x' is cut: 17 bytes were good");
    if (n->next == DOCUMENTS) return CRU_END;
    for (int i = 0; i < PER_BATCH; i++) {
        struct cru_doc *doc = cru_batch_add(batch);
        assert_non_null(doc);
        doc->number = n->next++;
    }
    return CRU_OK;
}

static enum cru_status numbers_parse(void *context, struct cru_batch *batch, struct cru_error *err) {
    (void)context;
    (void)err;
    for (size_t i = 0; i < batch->n; i++) {
        struct cru_doc *doc = &batch->docs[i];
        doc->id = cru_arena_printf(&batch->arena, "%llu", (unsigned long long)doc->number);
        doc->text = cru_arena_printf(&batch->arena, "text %llu", (unsigned long long)doc->number);
        if (doc->number % 100 == 99) assert_int_equal(cru_doc_wrong(batch, doc, "read", "bad-json", "why"), CRU_OK);
    }
    return CRU_OK;
}

/* Drops multiples of 7 in run and of 11 in commit; waits differently a batch, so that threads overtake. */
struct sieve {
    struct cru_stage base;
    atomic_int runs;
    uint64_t last, committed;
    int commits; /* batches */
    int fail_at;
};

static enum cru_status sieve_run(struct cru_stage *stage, struct cru_batch *batch, struct cru_error *err) {
    struct sieve *s = (struct sieve *)stage;
    int run = atomic_fetch_add(&s->runs, 1);
    if (s->fail_at && run == s->fail_at) return cru_fail(err, CRU_FATAL, "no more");
    (void)usleep((unsigned)(batch->number * 7919 % 5) * 200);
    for (size_t i = 0; i < batch->n; i++)
        if (batch->docs[i].number % 7 == 0) assert_int_equal(cru_doc_drop(batch, &batch->docs[i], "sieve", "seven", 7, 0), CRU_OK);
    return CRU_OK;
}

static enum cru_status sieve_commit(struct cru_stage *stage, struct cru_batch *batch, struct cru_error *err) {
    struct sieve *s = (struct sieve *)stage;
    (void)err;
    /* a batch that must wait is laid aside for another, but memory holds few a thread */
    assert_true(atomic_load(&s->runs) - s->commits++ <=
                (stage->common->threads > 1 ? CRU_BATCHES_A_THREAD * stage->common->threads : 1));
    for (size_t i = 0; i < batch->n; i++) {
        assert_true(s->committed == 0 || batch->docs[i].number > s->last);
        s->last = batch->docs[i].number;
        s->committed++;
        if (s->last % 11 == 0) assert_int_equal(cru_doc_drop(batch, &batch->docs[i], "sieve", "eleven", NAN, NAN), CRU_OK);
    }
    return CRU_OK;
}

static const struct cru_option none[] = {{.type = CRU_OPTION_END}};
static const struct cru_stage_class sieve_class = {.name = "sieve", .options = none, .size = sizeof(struct sieve),
                                                   .run = sieve_run, .commit = sieve_commit};

/* Sees everything, then gives it back from the end, every document of even place twice; drops multiples of 5. */
struct turner {
    struct cru_stage base;
    uint64_t seen, given;
};

static enum cru_status turner_commit(struct cru_stage *stage, struct cru_batch *batch, struct cru_error *err) {
    (void)err;
    ((struct turner *)stage)->seen += batch->n;
    return CRU_OK;
}

static enum cru_status turner_finish(struct cru_stage *stage, struct cru_error *err) {
    (void)stage;
    (void)err;
    return CRU_OK;
}

static enum cru_status turner_next(struct cru_stage *stage, struct cru_pick *pick) {
    struct turner *t = (struct turner *)stage;
    uint64_t twice = t->given++, all = t->seen;
    if (twice < all) *pick = (struct cru_pick){all - 1 - twice, 0};
    else if (twice < all + (all + 1) / 2) *pick = (struct cru_pick){2 * (twice - all), 1};
    else return CRU_END;
    return CRU_OK;
}

static enum cru_status turner_replay(struct cru_stage *stage, struct cru_batch *batch, struct cru_error *err) {
    (void)stage;
    (void)err;
    for (size_t i = 0; i < batch->n; i++) {
        struct cru_doc *doc = &batch->docs[i];
        assert_true(doc->text.n > 5);
        if (doc->copy) assert_int_equal(doc->index % 2, 0);
        if (doc->copy == 0 && doc->number % 5 == 0) assert_int_equal(cru_doc_drop(batch, doc, "turner", "five", 5, 0), CRU_OK);
    }
    return CRU_OK;
}

static const struct cru_stage_class turner_class = {.name = "turner", .options = none, .size = sizeof(struct turner),
                                                    .commit = turner_commit, .finish = turner_finish,
                                                    .next = turner_next, .replay = turner_replay};

/* Collects ids in order. */
struct collector {
    struct cru_stage base;
    struct cru_buffer ids;
};

static enum cru_status collector_commit(struct cru_stage *stage, struct cru_batch *batch, struct cru_error *err) {
    struct collector *c = (struct collector *)stage;
    (void)err;
    for (size_t i = 0; i < batch->n; i++) {
        cru_buffer_add_span(&c->ids, batch->docs[i].id);
        cru_buffer_add_char(&c->ids, batch->docs[i].copy ? '+' : ' ');
    }
    return CRU_OK;
}

static void collector_release(struct cru_stage *stage) { cru_buffer_release(&((struct collector *)stage)->ids); }

static const struct cru_stage_class collector_class = {.name = "collector", .options = none, .sink = true,
                                                       .size = sizeof(struct collector), .commit = collector_commit,
                                                       .release = collector_release};

struct chain {
    struct cru_common common;
    struct numbers numbers;
    struct cru_stage *stages[3];
    struct cru_pipeline pipeline;
    struct cru_error err;
};

static enum cru_status run(struct chain *c, int threads, int cut_after, int fail_at, bool strict) {
    memset(c, 0, sizeof *c);
    c->common = (struct cru_common){.threads = threads, .tmpdir = "/tmp", .text_field = "text", .output = "-", .strict = strict};
    c->numbers.cut_after = cut_after;
    c->stages[0] = cru_stage_new(&sieve_class, &c->common);
    c->stages[1] = cru_stage_new(&turner_class, &c->common);
    c->stages[2] = cru_stage_new(&collector_class, &c->common);
    ((struct sieve *)c->stages[0])->fail_at = fail_at;
    c->pipeline = (struct cru_pipeline){.source = {&c->numbers, numbers_fill, numbers_parse},
                                        .stages = c->stages, .n_stages = 3, .common = &c->common};
    return cru_pipeline_run(&c->pipeline, &c->err);
}

static void end(struct chain *c) {
    for (int i = 0; i < 3; i++) cru_stage_free(c->stages[i]);
    cru_counts_release(&c->pipeline.source_counts);
    cru_run_notes_release(&c->pipeline.notes);
}

static void nothing_vanishes_and_order_is_kept(void **state) {
    (void)state;
    char *first = NULL;
    for (int threads = 1; threads <= 4; threads++) {
        struct chain c;
        assert_int_equal(run(&c, threads, 0, 0, false), CRU_OK);
        const struct cru_counts *read = &c.pipeline.source_counts, *sieve = &c.stages[0]->counts, *turner = &c.stages[1]->counts;
        assert_int_equal(read->in, DOCUMENTS);
        assert_int_equal(read->wrong, DOCUMENTS / 100);
        assert_int_equal(read->in, read->out + read->dropped + read->wrong);
        assert_int_equal(sieve->in, read->out);
        assert_int_equal(sieve->in, sieve->out + sieve->dropped);
        assert_int_equal(sieve->n_reasons, 2);
        assert_string_equal(sieve->reasons[0].rule, "eleven");
        assert_int_equal(turner->in, sieve->out);
        assert_int_equal(turner->added, (turner->in + 1) / 2);
        assert_int_equal(turner->in + turner->added, turner->out + turner->dropped);
        assert_int_equal(c.stages[2]->counts.out, turner->out);
        assert_string_equal(c.pipeline.notes.first_wrong, "'99': {\"stage\":\"read\",\"rule\":\"bad-json\",\"why\":\"why\"}");
        const char *ids = ((struct collector *)c.stages[2])->ids.p;
        if (!first) first = strdup(ids);
        assert_string_equal(ids, first);
        end(&c);
    }
    assert_true(strncmp(first, "2998 2997 2994 ", 15) == 0);
    free(first);
}

static void failures_stop_the_run(void **state) {
    (void)state;
    for (int threads = 1; threads <= 4; threads++) {
        struct chain c;
        assert_int_equal(run(&c, threads, 0, 20, false), CRU_FATAL);
        assert_string_equal(c.err.message, "no more");
        end(&c);
        assert_int_equal(run(&c, threads, 0, 0, true), CRU_BAD);
        assert_non_null(strstr(c.err.message, "'99'"));
        end(&c);
        assert_int_equal(run(&c, threads, 10, 0, false), CRU_OK);
        assert_int_equal(c.pipeline.notes.bad_inputs, 1);
        assert_string_equal(c.pipeline.notes.input_errors.p, "input 'x' is cut: 17 bytes were good\n");
        assert_int_equal(c.pipeline.source_counts.in, DOCUMENTS);
        end(&c);
    }
}

static const struct cru_common spool_common = {.threads = 1, .tmpdir = "/tmp", .text_field = "text", .output = "-"};

static void make_spool(const char *path) {
    struct cru_error err;
    struct cru_spool *spool;
    struct numbers numbers = {0, 0};
    struct cru_batch batch;
    cru_batch_init(&batch);
    assert_int_equal(cru_spool_create(path, &spool_common, &spool, &err), CRU_OK);
    for (int k = 0; k < 3; k++) {
        cru_batch_clear(&batch);
        assert_int_equal(numbers_fill(&numbers, &batch, &err), CRU_OK);
        assert_int_equal(numbers_parse(&numbers, &batch, &err), CRU_OK);
        assert_int_equal(cru_doc_set_meta_number(&batch, &batch.docs[0], "x", k), CRU_OK);
        assert_int_equal(cru_doc_add_field(&batch, &batch.docs[0], CRU_SPAN("k"), CRU_SPAN("[1]")), CRU_OK);
        assert_int_equal(cru_spool_write(spool, &batch, &err), CRU_OK);
    }
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(cru_spool_seal(spool, &err), CRU_OK);
    assert_int_equal(access(path, F_OK), 0);
    cru_spool_free(spool);
    cru_batch_release(&batch);
}

/* All documents, or the first status that is not CRU_OK. */
static enum cru_status read_spool(const char *path, uint64_t *documents) {
    struct cru_error err;
    struct cru_spool *spool;
    struct cru_spool_reader *reader = NULL;
    struct cru_batch batch;
    *documents = 0;
    enum cru_status s = cru_spool_open(path, &spool_common, &spool, &err);
    if (s) return s;
    cru_batch_init(&batch);
    s = cru_spool_reader_new(spool, NULL, &reader, &err);
    for (bool more = true; s == CRU_OK && more;) {
        cru_batch_clear(&batch);
        s = cru_spool_fill(reader, &batch, &err);
        if (s == CRU_END) more = false, s = CRU_OK;
        if (s == CRU_OK) s = cru_spool_parse(reader, &batch, &err);
        for (size_t i = 0; s == CRU_OK && i < batch.n; i++) {
            char want[40];
            (void)snprintf(want, sizeof want, "text %llu", (unsigned long long)batch.docs[i].number);
            assert_true(cru_span_is(batch.docs[i].text, want));
            if (*documents == 0) {
                assert_true(cru_span_is(cru_doc_meta(&batch.docs[i], "x"), "0"));
                assert_true(cru_span_is(cru_doc_field(&batch.docs[i], "k"), "[1]"));
            }
            ++*documents;
        }
    }
    cru_batch_release(&batch);
    cru_spool_reader_free(reader);
    cru_spool_free(spool);
    return s;
}

static void damaged_spools_are_refused(void **state) {
    (void)state;
    char directory[SCRATCH_NAME], path[SCRATCH_PATH], copy[SCRATCH_PATH];
    uint64_t documents;
    assert_non_null(mkdtemp(scratch_name(directory, "crucible-test-XXXXXX")));
    (void)snprintf(path, sizeof path, "%s/a", directory);
    (void)snprintf(copy, sizeof copy, "%s/b", directory);
    make_spool(path);
    assert_int_equal(read_spool(path, &documents), CRU_OK);
    assert_int_equal(documents, 3 * PER_BATCH - 1); /* one was wrong */
    FILE *f = fopen(path, "rb");
    char bytes[65536];
    size_t n = fread(bytes, 1, sizeof bytes, f);
    assert_true(n > 1000 && n < sizeof bytes);
    (void)fclose(f);
    for (size_t at = 0; at < n; at += 13) { /* a flipped bit, then a cut */
        for (int cut = 0; cut < 2; cut++) {
            f = fopen(copy, "wb");
            bytes[at] ^= cut ? 0 : 4;
            assert_int_equal(fwrite(bytes, 1, cut ? at : n, f), cut ? at : n);
            bytes[at] ^= cut ? 0 : 4;
            (void)fclose(f);
            if (read_spool(copy, &documents) == CRU_OK) fail_msg("%s at %zu went unnoticed", cut ? "a cut" : "damage", at);
        }
    }
    (void)unlink(path);
    (void)unlink(copy);
    (void)rmdir(directory);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_vanishes_and_order_is_kept),
                                       cmocka_unit_test(failures_stop_the_run),
                                       cmocka_unit_test(damaged_spools_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
