/* SPDX-License-Identifier: Apache-2.0 */
/* Documents laid out and counted by other threads make the same bytes as documents added one by
 * one. */
#include "shards_fixture.h"

#include "shards/laid_tokens.h"

static void test_narrow(void **state) {
    (void)state;
    for (size_t n = 0; n < 300; n++) {
        uint32_t *wide = malloc((n + 1) * sizeof *wide);
        uint16_t *want = malloc((n + 1) * sizeof *want);
        assert_non_null(wide);
        assert_non_null(want);
        for (size_t i = 0; i < n; i++) wide[i] = want[i] = (uint16_t)(i * 40503 + n * 977);
        cru_shard_narrow(wide, n);
        assert_memory_equal(wide, want, n * sizeof *want);
        free(wide);
        free(want);
    }
}

static void test_lay(void **state) {
    (void)state;
    struct cru_shard_params p = {.vocab_size = 100, .bag = 4, .pad_id = 7, .end_id = 9};
    uint32_t ids[16] = {1, 2, 3, 4, 5};
    assert_int_equal(cru_shard_lay(&p, ids, 3), 4);
    assert_int_equal(ids[3], 9);
    assert_int_equal(cru_shard_lay(&p, ids, 4), 8);
    assert_int_equal(ids[4], 9);
    for (int i = 5; i < 8; i++) assert_int_equal(ids[i], 7);
    assert_int_equal(cru_shard_lay(&p, ids, 0), 4);
    p.end_id = CRU_SHARD_NO_ID;
    assert_int_equal(cru_shard_lay(&p, ids, 0), 0);
    assert_int_equal(cru_shard_lay(&p, ids, 8), 8);
    p.bag = 0;
    assert_int_equal(cru_shard_lay(&p, ids, 5), 5);
}

static void test_tally(void **state) {
    (void)state;
    struct cru_id_tally *t = cru_id_tally_new(10);
    assert_non_null(t);
    uint32_t ids[1000];
    for (int i = 0; i < 1000; i++) ids[i] = i % 3 ? 4 : 9;
    for (int i = 0; i < 300; i++) assert_true(cru_id_tally_add(t, ids, 1000));
    static const uint32_t wrong[] = {10, 11, 1u << 31, UINT32_MAX};
    for (size_t n = 1; n < 20; n++)
        for (size_t at = 0; at < n; at++) { /* counts nothing */
            uint32_t few[20] = {0};
            few[at] = wrong[(n + at) % 4];
            assert_false(cru_id_tally_add(t, few, n));
        }
    static uint32_t many[5000]; /* refused at the end, behind several pieces that were counted */
    for (int i = 0; i < 5000; i++) many[i] = i % 2 ? 4 : 9;
    many[4999] = 10;
    assert_false(cru_id_tally_add(t, many, 5000));
    assert_true(cru_id_tally_add(t, NULL, 0));
    assert_int_equal(cru_id_tally_of(t, 4), 300 * 666);
    assert_int_equal(cru_id_tally_of(t, 9), 300 * 334);
    assert_int_equal(cru_id_tally_of(t, 0), 0);
    cru_id_tally_free(t);
    cru_id_tally_free(NULL);
}

enum { DOCS = 3000 };

/* The same documents, some of them to be refused, both ways. */
static void both_ways(uint32_t vocab_size, uint32_t bag, const char *one, const char *other) {
    struct cru_error err;
    struct cru_shard_params p = {.tokenizer_name = "t",
                                 .vocab_size = vocab_size,
                                 .bag = bag,
                                 .pad_id = 1,
                                 .end_id = 2,
                                 .shard_tokens = 700000};
    struct cru_shard_writer *a, *b;
    struct cru_id_tally *tallies[2] = {cru_id_tally_new(vocab_size), cru_id_tally_new(vocab_size)};
    expect_ok(cru_shard_writer_open(one, &p, &a, &err), &err);
    expect_ok(cru_shard_writer_open(other, &p, &b, &err), &err);
    struct cru_random random = {5};
    uint32_t *ids = malloc(200000 * sizeof *ids);
    assert_non_null(ids);
    for (int i = 0; i < DOCS; i++) {
        size_t n = (size_t)(cru_random_next(&random) % (i % 500 == 3 ? 150000 : 400));
        for (size_t k = 0; k < n; k++) ids[k] = (uint32_t)(cru_random_next(&random) % vocab_size);
        struct cru_shard_doc doc = {.source = i % 3 ? CRU_SPAN("x") : CRU_SPAN("y"),
                                    .weight = 1,
                                    .bin = (uint8_t)(i % 5),
                                    .text_bytes = n};
        if (i % 97 == 5) doc.weight = -1;
        enum cru_status s = cru_shard_writer_add(a, ids, n, &doc, &err);
        assert_int_equal(s, i % 97 == 5 ? CRU_BAD : CRU_OK);
        size_t positions = cru_shard_lay(&p, ids, n);
        assert_true(cru_id_tally_add(tallies[i % 2], ids, positions));
        if (cru_shard_is_narrow(&p)) cru_shard_narrow(ids, positions);
        assert_int_equal(cru_shard_writer_add_laid(b, ids, n + 1, &doc, &err), s);
    }
    free(ids);
    for (int i = 0; i < 2; i++) {
        cru_shard_writer_add_tally(b, tallies[i]);
        cru_id_tally_free(tallies[i]);
    }
    expect_ok(cru_shard_writer_close(a, &err), &err);
    expect_ok(cru_shard_writer_close(b, &err), &err);
    struct cru_shard_set x, y;
    expect_ok(cru_shard_set_open(one, &x, &err), &err);
    expect_ok(cru_shard_set_open(other, &y, &err), &err);
    expect_ok(cru_shard_set_verify(&x, &err), &err);
    expect_ok(cru_shard_set_verify(&y, &err), &err);
    assert_int_equal(x.n_docs, DOCS - DOCS / 97 - 1);
    assert_true(x.n_shards > 1);
    assert_int_equal(x.checksum, y.checksum); /* of the manifest, which holds those of all files */
    assert_int_equal(x.vocab_used_checksum, y.vocab_used_checksum);
    cru_shard_set_close(&x);
    cru_shard_set_close(&y);
}

static void test_both_ways(void **state) {
    (void)state;
    both_ways(65536, 4, in_scratch("a"), in_scratch("b"));
    both_ways(65537, 6, in_scratch("c"), in_scratch("d"));
    both_ways(300, 1, in_scratch("e"), in_scratch("f"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_narrow), cmocka_unit_test(test_lay),
                                       cmocka_unit_test(test_tally),
                                       cmocka_unit_test(test_both_ways)};
    return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
