/* SPDX-License-Identifier: Apache-2.0 */
/* Length strata and loss weights against sorting and against their definition. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crucible/base/base.h"
#include "ddm/ddm.h"
#include "ddm/loss_strata.h"

enum { N = 1000 };

static int by_words(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Stratum floor(8 r / n) of the first document with the same length, renumbered without gaps. */
static void naive_strata(const struct cru_loss_record *r, size_t n, size_t *stratum) {
    uint32_t sorted[N];
    bool used[CRU_LOSS_STRATA] = {false};
    for (size_t i = 0; i < n; i++) sorted[i] = r[i].words;
    qsort(sorted, n, sizeof *sorted, by_words);
    for (size_t i = 0; i < n; i++) {
        size_t place = 0;
        while (sorted[place] != r[i].words) place++;
        stratum[i] = place * CRU_LOSS_STRATA / n;
        used[stratum[i]] = true;
    }
    for (size_t i = 0; i < n; i++) {
        size_t number = 0;
        for (size_t k = 0; k < stratum[i]; k++) number += used[k];
        stratum[i] = number;
    }
}

static void make_records(struct cru_loss_record *r, size_t n, uint64_t seed) {
    struct cru_random g = {seed};
    uint64_t kind = cru_random_next(&g) % 4;
    for (size_t i = 0; i < n; i++) {
        uint64_t x = cru_random_next(&g);
        r[i].words = kind == 0   ? (uint32_t)(x % 5)
                     : kind == 1 ? (uint32_t)(x % 3000)
                     : kind == 2 ? (uint32_t)(x >> 32)
                                 : (uint32_t)exp2(32 * cru_random_unit(&g));
        x = cru_random_next(&g);
        r[i].weight = x % 10 == 0 ? 0 : 250000 + (uint32_t)(x >> 20) % 1750000;
        if (seed % 3 == 0 && (x >> 8) % 50 != 0) r[i].weight /= 7; /* few heavy: the cap bites */
    }
}

static void strata_equal_sorting(void **state) {
    (void)state;
    struct cru_loss_record r[N];
    size_t stratum[N];
    for (uint64_t seed = 1; seed <= 60; seed++) {
        size_t n = 1 + (size_t)(seed * 37 % 400);
        struct cru_loss_strata s;
        make_records(r, n, seed);
        cru_loss_strata_fit(&s, r, n, 4);
        naive_strata(r, n, stratum);
        uint64_t documents = 0;
        for (size_t i = 0; i < n; i++)
            assert_int_equal(cru_loss_stratum(&s, r[i].words), stratum[i]);
        for (size_t k = 0; k < s.n; k++) {
            assert_true(s.documents[k] > 0);
            documents += s.documents[k];
        }
        assert_int_equal(documents, n);
    }
}

static void means_are_one_under_the_cap(void **state) {
    (void)state;
    struct cru_loss_record r[N];
    size_t capped = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        long double words[CRU_LOSS_STRATA] = {0}, sum[CRU_LOSS_STRATA] = {0};
        struct cru_loss_strata s;
        make_records(r, N, seed);
        cru_loss_strata_fit(&s, r, N, 4);
        for (size_t i = 0; i < N; i++) {
            double w = cru_loss_weight(&s, r[i]);
            size_t k = cru_loss_stratum(&s, r[i].words);
            assert_true(w >= 0 && w <= 4);
            assert_true((w == 0) == (r[i].weight == 0));
            if (r[i].weight == 0) continue;
            capped += w == 4;
            words[k] += r[i].words;
            sum[k] += (long double)w * r[i].words;
        }
        for (size_t k = 0; k < s.n; k++)
            if (words[k] > 0) assert_true(fabsl(sum[k] / words[k] - 1) < 1e-9L);
    }
    assert_true(capped > 0);
}

/* Whether rejects are dropped or kept, the others weigh the same (when the edges stay). */
static void rejects_do_not_lift_their_neighbours(void **state) {
    (void)state;
    struct cru_loss_record r[6] = {{100, 500000}, {100, 1000000}, {100, 1500000},
                                   {100, 0},      {100, 0},       {100, 0}};
    struct cru_loss_strata with, without;
    cru_loss_strata_fit(&with, r, 6, 4);
    cru_loss_strata_fit(&without, r, 3, 4);
    for (int i = 0; i < 3; i++)
        assert_true(cru_loss_weight(&with, r[i]) == cru_loss_weight(&without, r[i]));
    assert_true(fabs(cru_loss_weight(&with, r[0]) - 0.5) < 1e-12);
}

static void degenerate_inputs(void **state) {
    (void)state;
    struct cru_loss_strata s;
    struct cru_loss_record zero[3] = {{0, 0}, {0, 0}, {0, 0}};
    cru_loss_strata_fit(&s, NULL, 0, 4);
    assert_int_equal(s.n, 0);
    cru_loss_strata_fit(&s, zero, 3, 4);
    assert_int_equal(s.n, 1);
    assert_true(cru_loss_weight(&s, zero[0]) == 0);
    struct cru_loss_record one = {UINT32_MAX, 250000};
    cru_loss_strata_fit(&s, &one, 1, 4);
    assert_true(fabs(cru_loss_weight(&s, one) - 1) < 1e-12);
}

static void profiles_are_consistent(void **state) {
    (void)state;
    assert_null(cru_ddm_profile("none"));
    assert_null(cru_ddm_profile(NULL));
    for (int i = 0; i < 2; i++) {
        const struct cru_ddm_config *c = cru_ddm_profile(i ? "web" : "traces");
        assert_true(c->v == c->theta && c->q_core < c->q_anneal && c->lower < c->mu &&
                    c->mu < c->upper && c->min_words <= c->max_words && c->weight_cap > 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strata_equal_sorting),
        cmocka_unit_test(means_are_one_under_the_cap),
        cmocka_unit_test(rejects_do_not_lift_their_neighbours),
        cmocka_unit_test(degenerate_inputs),
        cmocka_unit_test(profiles_are_consistent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
