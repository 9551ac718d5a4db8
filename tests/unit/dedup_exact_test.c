/* SPDX-License-Identifier: Apache-2.0 */
/* The exact index against a plain sorted list, in memory and spilled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crucible/base/base.h"
#include "crucible/dedup/exact.h"

enum { N = 60000, VALUES = 25000 };

struct pair {
    struct cru_hash128 hash;
    size_t index;
};

static int by_hash(const void *a, const void *b) {
    const struct pair *x = a, *y = b;
    if (x->hash.high != y->hash.high) return x->hash.high < y->hash.high ? -1 : 1;
    if (x->hash.low != y->hash.low) return x->hash.low < y->hash.low ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static void check_against_list(uint64_t limit) {
    struct pair *pairs = malloc(N * sizeof *pairs);
    bool *first = calloc(N, sizeof *first), *fresh = calloc(N, sizeof *fresh);
    assert_true(pairs && first && fresh);
    struct cru_random random = {limit + 1};
    struct cru_budget budget = {.limit = limit, .tmpdir = "/tmp"};
    struct cru_exact exact;
    struct cru_error err = {0};
    cru_exact_init(&exact, &budget);
    for (size_t i = 0; i < N; i++) {
        uint64_t value = cru_random_next(&random) % VALUES;
        pairs[i] = (struct pair){cru_hash128(&value, sizeof value, 0), i};
        /* Hard cases: equal halves, and hashes that crowd at the end of the last part. */
        if (value % 5 == 0) pairs[i].hash.low = 42;
        if (value % 5 == 1) pairs[i].hash.high = ~(uint64_t)0 - value % 2;
        assert_int_equal(cru_exact_add(&exact, pairs[i].hash, &fresh[i], &err), CRU_OK);
    }
    qsort(pairs, N, sizeof *pairs, by_hash);
    for (size_t i = 0; i < N; i++)
        first[pairs[i].index] = i == 0 || pairs[i].hash.high != pairs[i - 1].hash.high ||
                                pairs[i].hash.low != pairs[i - 1].hash.low;
    for (size_t i = 0; i < N; i++) assert_int_equal(first[i], fresh[i]);
    if (limit) assert_true(budget.spilled > 0 && budget.used <= limit);
    cru_exact_release(&exact);
    assert_int_equal(budget.used + budget.spilled, 0);
    free(pairs);
    free(first);
    free(fresh);
}

static void same_as_a_list(void **state) {
    (void)state;
    check_against_list(0);
}

static void same_as_a_list_when_spilled(void **state) {
    (void)state;
    check_against_list(64 << 10);
}

static void zero_hash_is_a_hash(void **state) {
    (void)state;
    struct cru_budget budget = {0};
    struct cru_exact exact;
    struct cru_error err = {0};
    bool fresh = false;
    cru_exact_init(&exact, &budget);
    assert_int_equal(cru_exact_add(&exact, (struct cru_hash128){0, 0}, &fresh, &err), CRU_OK);
    assert_true(fresh);
    assert_int_equal(cru_exact_add(&exact, (struct cru_hash128){0, 0}, &fresh, &err), CRU_OK);
    assert_false(fresh);
    cru_exact_release(&exact);
}

/* What the header promises: 19 to 23 bytes a document. */
static void bytes_a_document(void **state) {
    (void)state;
    struct cru_budget budget = {0};
    struct cru_exact exact;
    struct cru_error err = {0};
    cru_exact_init(&exact, &budget);
    for (uint64_t i = 0; i < 400000; i++) {
        bool fresh;
        assert_int_equal(cru_exact_add(&exact, cru_hash128(&i, sizeof i, 0), &fresh, &err), CRU_OK);
        if (i < 50000 || i % 1000) continue;
        double bytes = (double)cru_exact_bytes(&exact) / (double)(i + 1);
        assert_true(bytes > 18.5 && bytes < 23.5);
    }
    cru_exact_release(&exact);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_as_a_list),
        cmocka_unit_test(same_as_a_list_when_spilled),
        cmocka_unit_test(zero_hash_is_a_hash),
        cmocka_unit_test(bytes_a_document),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
