/* SPDX-License-Identifier: Apache-2.0 */
/* What goes into a set comes out of it, at every width, bag and shard size, against an oracle in
 * memory. */
#include "tests/unit/shards_fixture.h"

#include "crucible/base/parallel.h"

/* Every token, weight and document of the set, against the model laid out by hand. */
static void expect_model(const struct model *m, const struct cru_shard_set *set) {
    struct cru_error err;
    uint32_t *ids = calloc((size_t)set->n_tokens + 1, sizeof *ids);
    float *weights = calloc((size_t)set->n_tokens + 1, sizeof *weights);
    assert_non_null(ids);
    assert_non_null(weights);
    expect_ok(cru_shard_set_read(set, 0, (size_t)set->n_tokens, ids, &err), &err);
    expect_ok(cru_shard_set_weights(set, 0, (size_t)set->n_tokens, weights, &err), &err);
    uint64_t at = 0, padding = 0, text = 0;
    uint32_t bag = m->params.bag ? m->params.bag : 1;
    assert_int_equal(set->n_docs, m->n_docs);
    for (size_t i = 0; i < m->n_docs; i++) {
        const struct model_doc *d = &m->docs[i];
        struct cru_shard_entry e;
        expect_ok(cru_shard_set_document(set, i, &e, &err), &err);
        assert_int_equal(e.offset, at);
        assert_int_equal(e.offset % bag, 0);
        assert_int_equal(e.length, d->length);
        assert_int_equal(e.text_bytes, d->about.text_bytes);
        assert_int_equal(e.id_hash.low, d->about.id_hash.low);
        assert_int_equal(e.id_hash.high, d->about.id_hash.high);
        assert_int_equal(e.bin, d->about.bin);
        assert_true(e.weight <= d->about.weight && e.weight >= d->about.weight);
        assert_true(cru_span_eq(e.source, d->about.source));
        for (size_t k = 0; k < d->length; k++, at++) {
            assert_int_equal(ids[at], d->ids[k]);
            assert_true(weights[at] <= e.weight && weights[at] >= e.weight);
            assert_int_equal(cru_shard_set_document_at(set, at), i);
        }
        for (; at % bag; at++, padding++) {
            assert_int_equal(ids[at], m->params.pad_id);
            assert_true(weights[at] <= 0);
            assert_int_equal(cru_shard_set_document_at(set, at), i);
        }
        text += d->about.text_bytes;
    }
    assert_int_equal(set->n_tokens, at);
    assert_int_equal(set->n_padding, padding);
    assert_int_equal(set->text_bytes, text);
    free(ids);
    free(weights);
}

static void expect_sources(const struct model *m, const struct cru_shard_set *set) {
    uint64_t documents = 0;
    for (size_t k = 0; k < set->n_sources; k++) {
        struct cru_shard_source expected = {.name = set->sources[k].name};
        for (size_t i = 0; i < m->n_docs; i++) {
            if (!cru_span_eq(m->docs[i].about.source, expected.name)) continue;
            expected.documents++;
            expected.tokens += m->docs[i].length;
            expected.text_bytes += m->docs[i].about.text_bytes;
        }
        assert_true(expected.documents > 0);
        assert_int_equal(set->sources[k].documents, expected.documents);
        assert_int_equal(set->sources[k].tokens, expected.tokens);
        assert_int_equal(set->sources[k].text_bytes, expected.text_bytes);
        documents += expected.documents;
    }
    assert_int_equal(documents, m->n_docs);
}

static void round_trip(struct cru_shard_params params, size_t n_docs, uint64_t seed) {
    struct cru_error err;
    struct cru_shard_set set;
    params.replace = true;
    struct model *m = model_new(params, n_docs, seed);
    const char *dir = in_scratch("round");
    model_write(m, dir);
    expect_ok(cru_shard_set_open(dir, &set, &err), &err);
    expect_ok(cru_shard_set_verify(&set, &err), &err);
    assert_int_equal(set.token_width, params.vocab_size <= 65536 ? 2 : 4);
    assert_int_equal(set.tokenizer_hash, params.tokenizer_hash);
    assert_string_equal(set.tokenizer_name, params.tokenizer_name);
    expect_model(m, &set);
    expect_sources(m, &set);
    for (size_t k = 0; k < set.n_shards; k++) {
        const struct cru_shard_file *f = &set.shards[k];
        assert_int_equal((uintptr_t)f->tokens % 4096, 0);
        assert_int_equal(f->n_tokens % set.bag, 0);
        if (f->n_docs > 1) assert_true(f->n_tokens <= params.shard_tokens);
    }
    cru_shard_set_close(&set);
    free(m);
}

static void test_every_shape(void **state) {
    (void)state;
    static const uint32_t vocabularies[] = {300, 65536, 65537, 151669};
    static const uint32_t bags[] = {0, 1, 3, 4, 16};
    static const uint64_t sizes[] = {1, 100, 4096, 1 << 20};
    uint64_t seed = 1;
    for (size_t v = 0; v < 4; v++)
        for (size_t b = 0; b < 5; b++)
            for (size_t s = 0; s < 4; s++)
                for (int end = 0; end < 2; end++) {
                    struct cru_shard_params p = small_params();
                    p.vocab_size = vocabularies[v];
                    p.bag = bags[b];
                    p.shard_tokens = sizes[s];
                    p.pad_id = bags[b] > 1 ? p.vocab_size - 1 : CRU_SHARD_NO_ID;
                    p.end_id = end ? p.vocab_size - 2 : CRU_SHARD_NO_ID;
                    round_trip(p, sizes[s] == 1 ? 20 : 120, seed++);
                }
}

static void test_no_documents(void **state) {
    (void)state;
    round_trip(small_params(), 0, 1);
    /* Its slice still has the named ids, so that every model has rows for them. */
    struct cru_error err;
    struct cru_vocab_used used;
    expect_ok(cru_vocab_used_open(in_scratch("round/vocab.used"), &used, &err), &err);
    const struct cru_used_token expected[] = {{298, 0, 0}, {299, 0, 0}};
    assert_int_equal(used.n, 2);
    assert_memory_equal(used.tokens, expected, sizeof expected);
    assert_false(used.bytes_known);
    cru_vocab_used_close(&used);
}

/* Documents over several MiB blocks, and reads that cross shards at odd places. */
static void test_many_blocks(void **state) {
    (void)state;
    enum { N = 1300001 };
    struct cru_error err;
    struct cru_shard_params p = small_params();
    p.vocab_size = 60000;
    p.shard_tokens = 1000;
    p.replace = true;
    uint32_t *ids = calloc(N, sizeof *ids), *back = calloc(N, sizeof *back);
    assert_non_null(ids);
    assert_non_null(back);
    for (uint32_t i = 0; i < N; i++) ids[i] = (uint32_t)(cru_mix64(i) % p.vocab_size);
    struct cru_shard_writer *w;
    struct cru_shard_doc doc = {.weight = 1, .source = CRU_SPAN("big")};
    const char *dir = in_scratch("blocks");
    expect_ok(cru_shard_writer_open(dir, &p, &w, &err), &err);
    for (int i = 0; i < 2; i++) expect_ok(cru_shard_writer_add(w, ids, N, &doc, &err), &err);
    assert_int_equal(cru_shard_writer_totals(w).shards, 2);
    expect_ok(cru_shard_writer_close(w, &err), &err);
    struct cru_shard_set set;
    expect_ok(cru_shard_set_open(dir, &set, &err), &err);
    expect_ok(cru_shard_set_verify(&set, &err), &err);
    assert_int_equal(set.n_shards, 2);
    assert_int_equal(set.shards[0].n_blocks, 3);
    for (size_t k = 0; k < 2; k++) {
        struct cru_shard_entry e;
        expect_ok(cru_shard_set_document(&set, k, &e, &err), &err);
        expect_ok(cru_shard_set_read(&set, e.offset, N, back, &err), &err);
        assert_memory_equal(ids, back, N * sizeof *ids);
    }
    expect_ok(cru_shard_set_read(&set, set.first_token[1] - 3, 5, back, &err), &err);
    const uint32_t seam[] = {p.end_id, p.pad_id, p.pad_id, ids[0], ids[1]};
    assert_memory_equal(back, seam, sizeof seam);
    float weights[5];
    expect_ok(cru_shard_set_weights(&set, set.first_token[1] - 3, 5, weights, &err), &err);
    const float expected[] = {1, 0, 0, 1, 1};
    assert_memory_equal(weights, expected, sizeof expected);
    expect_error(cru_shard_set_read(&set, set.n_tokens - 1, 2, back, &err), &err, CRU_FATAL,
                 "no such tokens");
    expect_error(cru_shard_set_read(&set, UINT64_MAX, 2, back, &err), &err, CRU_FATAL,
                 "no such tokens");
    expect_ok(cru_shard_set_read(&set, set.n_tokens, 0, back, &err), &err);
    struct cru_shard_entry e;
    expect_error(cru_shard_set_document(&set, 2, &e, &err), &err, CRU_FATAL, "no such document");
    cru_shard_set_close(&set);
    free(ids);
    free(back);
}

static void test_same_bytes_twice(void **state) {
    (void)state;
    static const char *const names[] = {"00000.crs", "00001.crs", "manifest.json", "vocab.used"};
    struct model *m = model_new(small_params(), 150, 9);
    model_write(m, in_scratch("one"));
    model_write(m, in_scratch("two"));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[64];
        size_t n, k;
        (void)snprintf(path, sizeof path, "one/%s", names[i]);
        unsigned char *a = slurp(in_scratch(path), &n);
        (void)snprintf(path, sizeof path, "two/%s", names[i]);
        unsigned char *b = slurp(in_scratch(path), &k);
        assert_int_equal(n, k);
        assert_memory_equal(a, b, n);
        free(a);
        free(b);
    }
    free(m);
}

static void test_vocabulary_slice(void **state) {
    (void)state;
    struct cru_error err;
    struct cru_shard_params p = small_params();
    struct cru_shard_writer *w;
    struct cru_shard_doc doc = {.weight = 1};
    const char *dir = in_scratch("slice");
    uint32_t lengths[300];
    for (uint32_t i = 0; i < 300; i++) lengths[i] = i < 298 ? 1 + i % 9 : 0;
    const uint32_t ids[] = {7, 3, 7, 250, 7};
    expect_ok(cru_shard_writer_open(dir, &p, &w, &err), &err);
    expect_ok(cru_shard_writer_add(w, ids, 5, &doc, &err), &err);
    expect_ok(cru_shard_writer_token_bytes(w, lengths, &err), &err);
    expect_ok(cru_shard_writer_close(w, &err), &err);
    struct cru_shard_set set;
    struct cru_vocab_used used;
    expect_ok(cru_shard_set_open(dir, &set, &err), &err);
    expect_ok(cru_shard_set_vocab(&set, &used, &err), &err);
    const struct cru_used_token expected[] = {
        {3, 4, 1}, {7, 8, 3}, {250, 8, 1}, {298, 0, 1}, {299, 0, 2}};
    assert_int_equal(used.n, 5);
    assert_memory_equal(used.tokens, expected, sizeof expected);
    assert_true(used.bytes_known);
    assert_int_equal(used.total, 8);
    assert_int_equal(used.vocab_size, 300);
    assert_int_equal(used.tokenizer_hash, p.tokenizer_hash);
    uint32_t rows[300];
    cru_vocab_used_rows(&used, rows);
    for (uint32_t id = 0, row = 0; id < 300; id++) {
        uint32_t want = row < 5 && expected[row].id == id ? row++ : UINT32_MAX;
        assert_int_equal(rows[id], want);
        assert_int_equal(cru_vocab_used_row(&used, id), want);
    }
    assert_int_equal(cru_vocab_used_row(&used, 5000), UINT32_MAX);
    cru_vocab_used_close(&used);
    /* One file is a set too, but has no slice. */
    struct cru_shard_set one;
    expect_ok(cru_shard_set_open(in_scratch("slice/00000.crs"), &one, &err), &err);
    assert_int_equal(one.n_tokens, set.n_tokens);
    expect_ok(cru_shard_set_verify(&one, &err), &err);
    expect_error(cru_shard_set_vocab(&one, &used, &err), &err, CRU_FATAL, "single shard");
    cru_shard_set_close(&one);
    cru_shard_set_close(&set);
}

struct reading {
    const struct cru_shard_set *set;
    uint64_t *sums;
};

static void read_one(void *context, size_t i, int thread) {
    (void)thread;
    struct reading *r = context;
    struct cru_shard_entry e;
    uint32_t ids[MODEL_IDS];
    r->sums[i] = UINT64_MAX;
    if (cru_shard_set_document(r->set, i, &e, NULL) ||
        cru_shard_set_read(r->set, e.offset, (size_t)e.length, ids, NULL))
        return;
    r->sums[i] = cru_hash64(ids, (size_t)e.length * sizeof ids[0], i);
}

static void test_many_readers(void **state) {
    (void)state;
    struct cru_error err;
    struct model *m = model_new(small_params(), MODEL_DOCS, 5);
    struct cru_shard_set set;
    uint64_t sums[MODEL_DOCS];
    model_write(m, in_scratch("readers"));
    expect_ok(cru_shard_set_open(in_scratch("readers"), &set, &err), &err);
    struct reading r = {&set, sums};
    cru_parallel_for(MODEL_DOCS, 3, 4, read_one, &r);
    for (size_t i = 0; i < MODEL_DOCS; i++)
        assert_int_equal(sums[i], cru_hash64(m->docs[i].ids, m->docs[i].length * 4, i));
    cru_shard_set_close(&set);
    free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_shape),      cmocka_unit_test(test_no_documents),
        cmocka_unit_test(test_many_blocks),      cmocka_unit_test(test_same_bytes_twice),
        cmocka_unit_test(test_vocabulary_slice), cmocka_unit_test(test_many_readers),
    };
    return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
