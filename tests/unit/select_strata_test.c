/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crucible/base/base.h"
#include "crucible/select/strata.h"

static void test_bins(void **state) {
    uint64_t length[1000];
    uint16_t stratum[1000];
    struct cru_strata s;
    (void)state;
    for (size_t i = 0; i < 1000; i++) length[i] = (i * 7919) % 1000;
    assert_int_equal(cru_strata_cut(length, 1000, 8, stratum, &s, NULL), CRU_OK);
    assert_int_equal(s.n, 8);
    for (size_t b = 0; b < 8; b++) {
        assert_int_equal(s.documents[b], 125);
        assert_int_equal(s.low[b], 125 * b);
        assert_int_equal(s.high[b], 125 * b + 124);
    }
    for (size_t i = 0; i < 1000; i++) assert_int_equal(stratum[i], length[i] / 125);
}

static void test_ties_go_down_and_empty_bins_merge(void **state) {
    /* sorted: 1 1 1 1 1 1 2 9; bins of 2: all ones in bin 0, so bins 1 and 2 are empty */
    uint64_t length[] = {1, 9, 1, 1, 2, 1, 1, 1};
    uint16_t stratum[8], expected[] = {0, 1, 0, 0, 1, 0, 0, 0};
    struct cru_strata s;
    (void)state;
    assert_int_equal(cru_strata_cut(length, 8, 4, stratum, &s, NULL), CRU_OK);
    assert_int_equal(s.n, 2);
    assert_memory_equal(stratum, expected, sizeof expected);
    assert_int_equal(s.documents[0], 6);
    assert_int_equal(s.low[1], 2);
    assert_int_equal(s.high[1], 9);
    assert_int_equal(cru_strata_cut(length, 0, 4, stratum, &s, NULL), CRU_OK);
    assert_int_equal(s.n, 0);
    assert_int_equal(cru_strata_cut(length, 1, 8, stratum, &s, NULL), CRU_OK);
    assert_int_equal(s.n, 1);
}

static uint64_t sum(const uint64_t *x, size_t n) {
    uint64_t total = 0;
    for (size_t i = 0; i < n; i++) total += x[i];
    return total;
}

static void test_quotas(void **state) {
    struct cru_random r = {1};
    (void)state;
    for (int trial = 0; trial < 2000; trial++) {
        uint64_t size[12], quota[12], total, budget;
        size_t m = 1 + cru_random_next(&r) % 12;
        double rho = (double)(cru_random_next(&r) % 5) / 4;
        for (size_t b = 0; b < m; b++) size[b] = cru_random_next(&r) % (trial % 3 == 0 ? 5 : 1000);
        total = sum(size, m);
        budget = cru_random_next(&r) % (total + 20);
        cru_strata_quotas(size, m, budget, rho, quota);
        assert_int_equal(sum(quota, m), budget < total ? budget : total);
        for (size_t b = 0; b < m; b++) {
            assert_true(quota[b] <= size[b]);
            /* proportional: the selected histogram is the pool's within one document a bin */
            if (rho == 0 && budget <= total && total)
                assert_true(
                    fabs((double)quota[b] - (double)budget * (double)size[b] / (double)total) < 1);
        }
    }
}

static void test_equal_quotas(void **state) {
    uint64_t size[] = {1000, 10, 500}, quota[3];
    (void)state;
    cru_strata_quotas(size, 3, 90, 1, quota);
    /* 30 each, but the second holds 10: its 20 go to the others */
    assert_int_equal(quota[0], 40);
    assert_int_equal(quota[1], 10);
    assert_int_equal(quota[2], 40);
    cru_strata_quotas(size, 3, 30, .5, quota); /* roots: 31.6 : 3.16 : 22.4 -> 16.60, 1.66, 11.74 */
    assert_int_equal(quota[0], 16);
    assert_int_equal(quota[1], 2);
    assert_int_equal(quota[2], 12);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bins),
        cmocka_unit_test(test_ties_go_down_and_empty_bins_merge),
        cmocka_unit_test(test_quotas),
        cmocka_unit_test(test_equal_quotas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
