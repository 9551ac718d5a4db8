/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of reach against the pairs they were made of, past 65,536 rows and past their memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crucible/base/base.h"
#include "crucible/select/reach.h"

enum { ROWS = 200000, TILE = 4096, TILES = (ROWS + TILE - 1) / TILE, EACH = 40, SHARED = 8 };

static uint32_t where[TILES][EACH], dots[TILES][EACH];
static int32_t cover[ROWS];
static uint16_t weight[ROWS];

/* EACH pairs a tile, for SHARED candidates in turn, rows rising. */
static void make_pairs(struct cru_pairs *pairs, uint64_t seed) {
    struct cru_random r = {seed};
    for (size_t t = 0; t < TILES; t++) {
        size_t rows = t + 1 < TILES ? TILE : ROWS - t * TILE;
        for (size_t k = 0; k < EACH; k++) {
            where[t][k] = (uint32_t)(k * rows / EACH * CRU_PANEL + cru_random_next(&r) % SHARED);
            dots[t][k] = (uint32_t)(1 + cru_random_next(&r) % 36000);
        }
        pairs[t] = (struct cru_pairs){where[t], dots[t], EACH, EACH, false};
    }
}

static int64_t expected_gain(size_t c) {
    int64_t gain = 0;
    for (size_t t = 0; t < TILES; t++)
        for (size_t k = 0; k < EACH; k++) {
            size_t i = t * TILE + where[t][k] / CRU_PANEL;
            if (where[t][k] % CRU_PANEL == c && (int32_t)dots[t][k] > cover[i])
                gain += (int64_t)((int32_t)dots[t][k] - cover[i]) * weight[i];
        }
    return gain;
}

static void check(size_t bytes, bool fits) {
    struct cru_pairs pairs[TILES];
    struct cru_reach reach;
    struct cru_random r = {7};
    uint32_t candidates[SHARED];
    size_t listed = 0;
    memset(cover, 0, sizeof cover);
    for (size_t i = 0; i < ROWS; i++) weight[i] = (uint16_t)cru_random_next(&r);
    assert_int_equal(cru_reach_open(&reach, ROWS, bytes, NULL), CRU_OK);
    /* Round after round over the same candidates' places: old lists die, and are packed away. */
    for (uint32_t picked = 1; picked < 60; picked++) {
        for (uint32_t c = 0; c < SHARED; c++) candidates[c] = (c * 20011 + picked * 977) % ROWS;
        make_pairs(pairs, picked);
        cru_reach_add(&reach, candidates, SHARED, pairs, TILES, TILE, cover, picked);
        for (int again = 0; again < 3; again++) {
            for (size_t c = 0; c < SHARED; c++)
                if (cru_reach_has(&reach, candidates[c])) {
                    listed++;
                    assert_int_equal(cru_reach_gain(&reach, candidates[c], cover, weight),
                                     expected_gain(c));
                }
            for (size_t i = 0; i < ROWS; i++) cover[i] += (int32_t)(cru_random_next(&r) % 64);
        }
        for (uint32_t c = 1; c < SHARED; c++)
            if (cru_reach_has(&reach, candidates[c])) {
                cru_reach_raise(&reach, candidates[c], cover);
                assert_false(cru_reach_has(&reach, candidates[c]));
                assert_int_equal(expected_gain(c), 0);
            }
    }
    assert_true(fits ? listed == 59 * 3 * SHARED : listed < 59 * 3 * SHARED);
    cru_reach_close(&reach);
}

static void test_lists_match_pairs(void **state) {
    (void)state;
    check(8 << 20, true);
}

static void test_packing(void **state) {
    (void)state;
    check(160 << 10, true); /* room for the living, not for the dead */
}

static void test_no_room(void **state) {
    (void)state;
    check(1, false);
    check(4096, false);
}

static void test_overflow_makes_no_list(void **state) {
    struct cru_pairs pairs[TILES];
    struct cru_reach reach;
    uint32_t candidate = 5;
    (void)state;
    make_pairs(pairs, 1);
    pairs[3].overflow = true;
    assert_int_equal(cru_reach_open(&reach, ROWS, 1 << 20, NULL), CRU_OK);
    cru_reach_add(&reach, &candidate, 1, pairs, TILES, TILE, cover, 1);
    assert_false(cru_reach_has(&reach, candidate));
    cru_reach_close(&reach);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists_match_pairs),
        cmocka_unit_test(test_packing),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_overflow_makes_no_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
