/* SPDX-License-Identifier: Apache-2.0 */
/* RUPS against an O(n^2) oracle and the properties that define it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crucible/base/base.h"
#include "crucible/select/rups.h"

enum { MOST = 2000 };

struct table {
    double value[CRU_RUPS_AXES][MOST];
    uint32_t q[CRU_RUPS_AXES][MOST], rank[MOST], fronts;
    uint16_t stratum[MOST];
    size_t n, axes, strata;
};

/* `levels` small: many ties and twins. kind 0: independent, 1: correlated, 2: opposed. */
static struct table *make(size_t n, size_t axes, size_t levels, int kind, size_t strata,
                          uint64_t seed) {
    struct table *t = calloc(1, sizeof *t);
    struct cru_random r = {seed};
    assert_non_null(t);
    t->n = n;
    t->axes = axes;
    t->strata = strata;
    for (size_t i = 0; i < n; i++) {
        double base = cru_random_unit(&r);
        t->stratum[i] = (uint16_t)(cru_random_next(&r) % strata);
        for (size_t k = 0; k < axes; k++) {
            double noise = cru_random_unit(&r);
            double x = kind == 0   ? noise
                       : kind == 1 ? base + .1 * noise
                                   : (k ? 1 - base : base) + .05 * noise;
            t->value[k][i] = floor(x * (double)levels);
        }
    }
    return t;
}

static void rank_all(struct table *t) {
    const uint32_t *q[CRU_RUPS_AXES];
    for (size_t k = 0; k < t->axes; k++) {
        q[k] = t->q[k];
        assert_int_equal(
            cru_rups_percentiles(t->value[k], t->stratum, t->n, t->strata, t->q[k], NULL), CRU_OK);
    }
    assert_int_equal(cru_rups_ranks(q, t->axes, t->n, t->rank, &t->fronts, NULL), CRU_OK);
}

static bool dominates(const struct table *t, size_t i, size_t j) {
    bool strict = false;
    for (size_t k = 0; k < t->axes; k++) {
        if (t->q[k][i] < t->q[k][j]) return false;
        strict = strict || t->q[k][i] > t->q[k][j];
    }
    return strict;
}

/* Peels fronts: rank = 1 + the longest chain above, by relaxing until nothing changes. */
static void oracle(const struct table *t, uint32_t *rank) {
    bool changed = true;
    for (size_t i = 0; i < t->n; i++) rank[i] = 1;
    while (changed) {
        changed = false;
        for (size_t i = 0; i < t->n; i++)
            for (size_t j = 0; j < t->n; j++)
                if (rank[j] <= rank[i] && dominates(t, i, j)) {
                    rank[j] = rank[i] + 1;
                    changed = true;
                }
    }
}

static double score(const struct table *t, size_t i) {
    uint32_t q[CRU_RUPS_AXES];
    for (size_t k = 0; k < t->axes; k++) q[k] = t->q[k][i];
    return cru_rups_score(q, t->axes, t->rank[i], t->fronts);
}

static void test_ranks_match_oracle(void **state) {
    static uint32_t expected[MOST];
    (void)state;
    for (size_t axes = 1; axes <= 3; axes++)
        for (int kind = 0; kind < 3; kind++)
            for (size_t levels = 3; levels <= 3000; levels *= 10) {
                size_t sizes[] = {1, 2, 17, 400};
                for (size_t s = 0; s < 4; s++) {
                    struct table *t = make(sizes[s], axes, levels, kind, 1 + s, axes + levels + s);
                    uint32_t most = 0;
                    rank_all(t);
                    oracle(t, expected);
                    for (size_t i = 0; i < t->n; i++) {
                        assert_int_equal(t->rank[i], expected[i]);
                        most = expected[i] > most ? expected[i] : most;
                    }
                    assert_int_equal(t->fronts, most);
                    free(t);
                }
            }
    for (size_t axes = 2; axes <= 3; axes++) { /* the full size once each */
        struct table *t = make(MOST, axes, 100000, 0, 1, axes);
        rank_all(t);
        oracle(t, expected);
        for (size_t i = 0; i < t->n; i++) assert_int_equal(t->rank[i], expected[i]);
        free(t);
    }
}

static void test_dominance_means_higher_score(void **state) {
    (void)state;
    for (size_t axes = 1; axes <= 3; axes++)
        for (int kind = 0; kind < 3; kind++) {
            struct table *t = make(500, axes, kind == 0 ? 9 : 500, kind, 3, 77 + axes);
            rank_all(t);
            for (size_t i = 0; i < t->n; i++) {
                double mine = score(t, i);
                assert_true(mine > 0 && mine <= 1);
                for (size_t j = 0; j < t->n; j++)
                    if (dominates(t, i, j)) assert_true(mine > score(t, j));
            }
            free(t);
        }
}

static void test_permutation(void **state) {
    struct table *t = make(1000, 3, 30, 0, 4, 5), *u = make(1000, 3, 30, 0, 4, 5);
    struct cru_random r = {9};
    size_t place[MOST];
    (void)state;
    for (size_t i = 0; i < t->n; i++) place[i] = i;
    for (size_t i = t->n; i-- > 1;) {
        size_t j = cru_random_next(&r) % (i + 1), other = place[i];
        place[i] = place[j];
        place[j] = other;
    }
    for (size_t i = 0; i < t->n; i++) {
        u->stratum[place[i]] = t->stratum[i];
        for (size_t k = 0; k < 3; k++) u->value[k][place[i]] = t->value[k][i];
    }
    rank_all(t);
    rank_all(u);
    for (size_t i = 0; i < t->n; i++) {
        assert_int_equal(t->rank[i], u->rank[place[i]]);
        assert_true(score(t, i) == score(u, place[i]));
    }
    free(t);
    free(u);
}

static void test_increasing_transform(void **state) {
    struct table *t = make(800, 2, 100, 2, 3, 6), *u = make(800, 2, 100, 2, 3, 6);
    (void)state;
    for (size_t i = 0; i < u->n; i++) {
        u->value[0][i] = exp(u->value[0][i] / 10) - 1e6;
        u->value[1][i] = u->value[1][i] * u->value[1][i] * u->value[1][i] + 7;
    }
    rank_all(t);
    rank_all(u);
    assert_memory_equal(t->q, u->q, sizeof t->q);
    assert_memory_equal(t->rank, u->rank, sizeof t->rank);
    free(t);
    free(u);
}

/* On given percentiles: a new point moves down only what it dominates. */
static void test_adding_a_point(void **state) {
    (void)state;
    for (size_t axes = 2; axes <= 3; axes++)
        for (uint64_t seed = 0; seed < 20; seed++) {
            struct table *t = make(300, axes, 40, (int)(seed % 3), 1, 100 + seed);
            uint32_t before[MOST], fronts;
            const uint32_t *q[CRU_RUPS_AXES] = {t->q[0], t->q[1], t->q[2]};
            rank_all(t);
            memcpy(before, t->rank, sizeof before);
            assert_int_equal(cru_rups_ranks(q, axes, t->n - 1, before, &fronts, NULL), CRU_OK);
            for (size_t i = 0; i + 1 < t->n; i++) {
                assert_true(t->rank[i] >= before[i]);
                if (t->rank[i] != before[i]) assert_true(dominates(t, t->n - 1, i));
            }
            free(t);
        }
}

static void test_percentiles(void **state) {
    double value[] = {5, 1, NAN, 5, -INFINITY, 2, 9};
    uint16_t stratum[] = {0, 0, 0, 0, 0, 0, 1};
    uint32_t q[7];
    (void)state;
    assert_int_equal(cru_rups_percentiles(value, stratum, 7, 2, q, NULL), CRU_OK);
    /* stratum 0 sorted: NaN -inf 1 2 5 5; p = (midrank - .5) / 6 */
    assert_int_equal(q[2], 0);
    assert_int_equal(q[4], lround(65536 * 1.5 / 6));
    assert_int_equal(q[1], lround(65536 * 2.5 / 6));
    assert_int_equal(q[5], lround(65536 * 3.5 / 6));
    assert_int_equal(q[0], lround(65536 * 5.0 / 6));
    assert_int_equal(q[0], q[3]);
    assert_int_equal(q[6], 32768); /* alone in its stratum */
}

static void test_score_values(void **state) {
    uint32_t half[3] = {32768, 32768, 32768}, none[3] = {0, 0, 0}, mixed[2] = {65536 / 4, 65536};
    (void)state;
    for (size_t axes = 1; axes <= 3; axes++) {
        assert_true(fabs(cru_rups_score(half, axes, 1, 1) - .75) < 1e-9);
        assert_true(fabs(cru_rups_score(half, axes, 4, 4) - .375) < 1e-9);
        assert_true(cru_rups_score(none, axes, 2, 2) > .25);
    }
    assert_true(fabs(cru_rups_score(mixed, 2, 2, 4) - (.375 + .25)) < 1e-9);
    assert_int_equal(cru_rups_weight(1), 65535);
    assert_int_equal(cru_rups_weight(7), 65535);
    assert_int_equal(cru_rups_weight(1e-9), 1);
    assert_int_equal(cru_rups_weight(0), 0);
    assert_int_equal(cru_rups_weight(-1), 0);
    assert_int_equal(cru_rups_weight(NAN), 0);
}

static void test_correlation(void **state) {
    struct table *t = make(1000, 3, 1000000, 1, 1, 8);
    (void)state;
    rank_all(t);
    assert_true(cru_rups_correlation(t->q[0], t->q[0], t->n) > .999999);
    assert_true(cru_rups_correlation(t->q[0], t->q[1], t->n) > .9);
    for (size_t i = 0; i < t->n; i++) t->q[2][i] = CRU_RUPS_ONE - t->q[0][i];
    assert_true(cru_rups_correlation(t->q[0], t->q[2], t->n) < -.999999);
    memset(t->q[2], 0, sizeof t->q[2]);
    assert_true(cru_rups_correlation(t->q[0], t->q[2], t->n) == 0);
    free(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranks_match_oracle),
        cmocka_unit_test(test_dominance_means_higher_score),
        cmocka_unit_test(test_permutation),
        cmocka_unit_test(test_increasing_transform),
        cmocka_unit_test(test_adding_a_point),
        cmocka_unit_test(test_percentiles),
        cmocka_unit_test(test_score_values),
        cmocka_unit_test(test_correlation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
