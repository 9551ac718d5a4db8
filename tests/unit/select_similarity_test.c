/* SPDX-License-Identifier: Apache-2.0 */
/* Every SIMD path against a loop that anyone can check, at the widths and counts where tiles end.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crucible/base/base.h"
#include "crucible/select/similarity.h"

static int8_t *random_rows(size_t n, size_t d, bool extreme, uint64_t seed) {
    struct cru_random random = {seed};
    int8_t *rows = aligned_alloc(64, n * d);
    assert_non_null(rows);
    for (size_t i = 0; i < n * d; i++) {
        uint64_t x = cru_random_next(&random);
        rows[i] = extreme ? (x & 1 ? 127 : -127) : (int8_t)((int)(x % 255) - 127);
    }
    return rows;
}

static int32_t dot(const int8_t *a, const int8_t *b, size_t d) {
    int32_t sum = 0;
    for (size_t k = 0; k < d; k++) sum += a[k] * b[k];
    return sum;
}

static int32_t dot_of(const struct cru_panel *panel, const struct cru_rows *over, size_t i,
                      uint32_t candidate) {
    return dot(over->rows + over->members[i] * panel->d, over->rows + candidate * panel->d,
               panel->d);
}

static void check_pairs(const struct cru_panel *panel, const struct cru_rows *over,
                        const uint32_t *candidates, const int64_t *expected) {
    uint32_t where[100 * CRU_PANEL + CRU_PAIRS_SLACK], dots[100 * CRU_PANEL + CRU_PAIRS_SLACK];
    struct cru_pairs pairs = {where, dots, 0, 100 * CRU_PANEL, false};
    int64_t gains[CRU_PANEL] = {0};
    size_t there = 0, before = 0;
    cru_panel_gains(panel, over, gains, &pairs);
    for (size_t c = 0; c < panel->m; c++) assert_int_equal(gains[c], expected[c]);
    for (size_t i = 0; i < over->n; i++)
        for (size_t c = 0; c < panel->m; c++)
            there += dot_of(panel, over, i, candidates[c]) > over->cover[i];
    assert_false(pairs.overflow);
    assert_int_equal(pairs.n, there);
    for (size_t k = 0; k < pairs.n; k++) {
        size_t i = where[k] / CRU_PANEL, c = where[k] % CRU_PANEL;
        assert_true(i >= before && i < over->n && c < panel->m);
        assert_int_equal((int32_t)dots[k], dot_of(panel, over, i, candidates[c]));
        assert_true((int32_t)dots[k] > over->cover[i]);
        before = i;
    }
    if (there > 0) {
        pairs = (struct cru_pairs){where, dots, 0, there - 1, false};
        cru_panel_gains(panel, over, gains, &pairs);
        assert_true(pairs.overflow && pairs.n < there);
    }
}

static void check_losses(const struct cru_panel *panel, const struct cru_rows *over,
                         const uint32_t *candidates) {
    int64_t gains[CRU_PANEL] = {0};
    cru_panel_gains(panel, over, gains, NULL);
    for (size_t c = 0; c < panel->m; c++) {
        int64_t expected = 0;
        for (size_t i = 0; i < over->n; i++) {
            int32_t most = dot_of(panel, over, i, candidates[c]);
            most = most < over->ceiling[i] ? most : over->ceiling[i];
            if (most > over->cover[i])
                expected += (int64_t)(most - over->cover[i]) * over->weight[over->members[i]];
        }
        assert_int_equal(gains[c], expected);
    }
}

/* Three levels: no cover, some, and one that little is above. `alike`: the weight of all; 0: each
 * its own. Products stay below 2^32, as those of unit rows do: smaller weights here. */
static void check_mirror(const struct cru_panel *panel, const struct cru_rows *over,
                         const uint32_t *candidates, const uint32_t *weights, uint32_t alike) {
    enum { LEVELS = 3 };
    int64_t gains[LEVELS * CRU_PANEL] = {0}, mirror[LEVELS][100] = {{0}};
    int64_t expected[LEVELS * CRU_PANEL] = {0};
    int32_t lanes[LEVELS][CRU_PANEL] = {{0}};
    uint16_t cover[LEVELS][100], weight[100];
    uint32_t light[CRU_PANEL];
    int64_t *to[LEVELS] = {mirror[0], mirror[1], mirror[2]};
    struct cru_levels levels = {LEVELS, {cover[0], cover[1], cover[2]}, lanes};
    struct cru_rows rows = *over;
    for (size_t c = 0; c < CRU_PANEL; c++) {
        light[c] = c >= panel->m ? 0 : alike ? alike : weights[c] / 256;
        for (size_t k = 0; k < LEVELS && c < panel->m; k++)
            lanes[k][c] = (int32_t)(k * (3000 + c * 31));
    }
    for (size_t i = 0; i < over->n; i++) {
        weight[over->members[i]] = alike ? (uint16_t)alike : over->weight[over->members[i]] / 256;
        for (size_t k = 0; k < LEVELS; k++) cover[k][i] = (uint16_t)(k * (2000 + i * 97));
    }
    rows.weight = weight;
    rows.alike = alike;
    cru_panel_mirror(panel, &rows, light, &levels, gains, to);
    for (size_t k = 0; k < LEVELS; k++)
        for (size_t i = 0; i < over->n; i++) {
            int64_t back = 0;
            for (size_t c = 0; c < panel->m; c++) {
                int64_t x = dot_of(panel, over, i, candidates[c]);
                int64_t there = x - cover[k][i], here = x - lanes[k][c];
                expected[k * CRU_PANEL + c] += there > 0 ? there * weight[over->members[i]] : 0;
                back += here > 0 ? here * light[c] : 0;
            }
            assert_int_equal(mirror[k][i], back);
        }
    for (size_t k = 0; k < LEVELS; k++)
        for (size_t c = 0; c < panel->m; c++)
            assert_int_equal(gains[k * CRU_PANEL + c], expected[k * CRU_PANEL + c]);
}

/* Rows of one weight, said to be so and not, with a ceiling and without. */
static void check_alike(const struct cru_panel *panel, const struct cru_rows *over) {
    uint16_t weight[100];
    struct cru_rows rows = *over;
    for (size_t i = 0; i < over->n; i++) weight[over->members[i]] = 40000;
    rows.weight = weight;
    for (int with = 0; with < 2; with++) {
        int64_t one[CRU_PANEL] = {0}, other[CRU_PANEL] = {0};
        rows.ceiling = with ? over->ceiling : NULL;
        rows.alike = 0;
        cru_panel_gains(panel, &rows, one, NULL);
        rows.alike = 40000;
        cru_panel_gains(panel, &rows, other, NULL);
        for (size_t c = 0; c < panel->m; c++) assert_int_equal(one[c], other[c]);
    }
}

static void check(size_t n, size_t d, size_t m, bool extreme) {
    int8_t *rows = random_rows(n, d, extreme, n * 31 + d + m);
    uint32_t *members = malloc(n * sizeof *members), candidates[CRU_PANEL];
    uint16_t *weight = malloc(n * sizeof *weight);
    uint32_t weights[CRU_PANEL];
    int32_t *ceiling = malloc(n * sizeof *ceiling);
    int32_t *cover = malloc(n * sizeof *cover), *raised = malloc(n * sizeof *raised);
    int64_t expected[CRU_PANEL] = {0};
    void *packed = aligned_alloc(64, cru_panel_bytes(d));
    struct cru_random random = {d};
    for (size_t i = 0; i < n; i++) {
        members[i] = (uint32_t)(n - 1 - i);
        weight[i] = i % 7 == 0 ? UINT16_MAX : (uint16_t)cru_random_next(&random);
        cover[i] = i % 5 == 0 ? 0 : (int32_t)(cru_random_next(&random) % 9000);
    }
    for (size_t c = 0; c < m; c++) candidates[c] = (uint32_t)(cru_random_next(&random) % n);
    /* The kernels promise products below 2^32; unit rows keep to that, these are held to it. */
    for (size_t c = 0; c < m; c++)
        for (size_t i = 0; i < n; i++) {
            int32_t least = dot(rows + members[i] * d, rows + candidates[c] * d, d) - 36482;
            cover[i] = least > cover[i] ? least : cover[i];
        }
    for (size_t c = 0; c < m; c++)
        for (size_t i = 0; i < n; i++) {
            int32_t over = dot(rows + members[i] * d, rows + candidates[c] * d, d) - cover[i];
            expected[c] += over > 0 ? (int64_t)over * weight[members[i]] : 0;
        }
    for (size_t i = 0; i < n; i++)
        ceiling[i] = cover[i] + (int32_t)(cru_random_next(&random) % 9000);
    for (size_t c = 0; c < CRU_PANEL; c++) weights[c] = c < m ? weight[candidates[c]] : 0;
    for (int path = CRU_SIMD_PLAIN; path < CRU_SIMD_PATHS; path++) {
        struct cru_panel panel = {.packed = packed};
        struct cru_rows over = {rows, members, n, cover, NULL, weight, 0};
        int64_t gains[CRU_PANEL] = {0};
        if (!cru_simd_supported((enum cru_simd)path)) continue;
        cru_panel_pack(&panel, (enum cru_simd)path, rows, d, candidates, m);
        cru_panel_gains(&panel, &over, gains, NULL);
        for (size_t c = 0; c < m; c++) assert_int_equal(gains[c], expected[c]);
        check_pairs(&panel, &over, candidates, expected);
        over.ceiling = ceiling;
        check_losses(&panel, &over, candidates);
        check_alike(&panel, &over);
        if (!extreme) check_mirror(&panel, &over, candidates, weights, 0);
        if (!extreme) check_mirror(&panel, &over, candidates, weights, 200);
        memcpy(raised, cover, n * sizeof *cover);
        cru_cover_raise((enum cru_simd)path, rows, d, members, n, candidates[0], raised);
        for (size_t i = 0; i < n; i++) {
            int32_t with = dot(rows + members[i] * d, rows + candidates[0] * d, d);
            assert_int_equal(raised[i], with > cover[i] ? with : cover[i]);
        }
    }
    free(rows);
    free(members);
    free(weight);
    free(cover);
    free(ceiling);
    free(raised);
    free(packed);
}

static void test_paths_agree(void **state) {
    static const size_t widths[] = {64, 128, 192, 256, 320, 512, 832},
                        counts[] = {1, 2, 3, 7, 8, 9, 33, 100},
                        panels[] = {1, 8, 15, 16, 17, 32, 33, 48, 63, 64};
    (void)state;
    for (size_t a = 0; a < sizeof widths / sizeof *widths; a++)
        for (size_t b = 0; b < sizeof counts / sizeof *counts; b++)
            for (size_t c = 0; c < sizeof panels / sizeof *panels; c++)
                check(counts[b], widths[a], panels[c], (a + b + c) % 4 == 0);
}

static void test_resolve(void **state) {
    (void)state;
    assert_int_equal(cru_simd_resolve(CRU_SIMD_PLAIN), CRU_SIMD_PLAIN);
    assert_true(cru_simd_supported(cru_simd_resolve(CRU_SIMD_AUTO)));
    assert_int_not_equal(cru_simd_resolve(CRU_SIMD_AUTO), CRU_SIMD_AUTO);
}

static void test_quantise(void **state) {
    float x[5] = {3, 0, -4, 0, 0};
    int8_t row[64];
    (void)state;
    memset(row, 1, sizeof row);
    assert_true(cru_row_quantise(x, 5, row, 64));
    assert_int_equal(row[0], 76); /* .6 * 127 = 76.2 */
    assert_int_equal(row[2], -102);
    for (int k = 5; k < 64; k++) assert_int_equal(row[k], 0);
    memset(x, 0, sizeof x);
    assert_true(cru_row_quantise(x, 5, row, 64));
    assert_int_equal(row[0], 0);
    x[1] = NAN;
    assert_false(cru_row_quantise(x, 5, row, 64));
    x[1] = INFINITY;
    assert_false(cru_row_quantise(x, 5, row, 64));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths_agree),
        cmocka_unit_test(test_resolve),
        cmocka_unit_test(test_quantise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
