/* SPDX-License-Identifier: Apache-2.0 */
/* EESD against plain greedy, against all subsets, and against itself on other threads and paths. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "crucible/base/base.h"
#include "crucible/select/eesd.h"
#include "crucible/select/greedy.h"

struct world {
    size_t n, d;
    int8_t *rows;
    uint16_t *weight;
    int64_t *bonus;
    uint64_t *cost;
    uint32_t *members;
    int64_t *table; /* all similarities, which only a test may hold; filled by tabulate() */
    struct cru_eesd_pool pool;
};

/* Unit vectors around `clusters` centres (0: anywhere); every 10th repeats an earlier one. */
static struct world world_make(size_t n, size_t d, size_t clusters, bool bonus, bool cost,
                               uint64_t seed) {
    struct world w = {.n = n, .d = d};
    struct cru_random r = {seed};
    float *centre = calloc(clusters * d + d, sizeof *centre), *x = calloc(d, sizeof *x);
    w.rows = calloc(n, d);
    w.weight = calloc(n, sizeof *w.weight);
    w.bonus = calloc(n, sizeof *w.bonus);
    w.cost = calloc(n, sizeof *w.cost);
    w.members = calloc(n, sizeof *w.members);
    assert_true(centre && x && w.rows && w.weight && w.bonus && w.cost && w.members);
    for (size_t i = 0; i < clusters * d; i++) centre[i] = (float)(cru_random_unit(&r) - .5);
    for (size_t i = 0; i < n; i++) {
        size_t c = clusters ? cru_random_next(&r) % clusters : 0;
        for (size_t k = 0; k < d; k++)
            x[k] = (float)(cru_random_unit(&r) - .5) * (clusters ? .5f : 1) + centre[c * d + k];
        if (i % 10 == 9)
            memcpy(w.rows + i * d, w.rows + cru_random_next(&r) % i * d, d);
        else
            assert_true(cru_row_quantise(x, d, w.rows + i * d, d));
        w.weight[i] = (uint16_t)(cru_random_next(&r) % 65536);
        w.bonus[i] = (int64_t)w.weight[i] * 5000;
        w.cost[i] = 1 + cru_random_next(&r) % 50;
        w.members[i] = (uint32_t)i;
    }
    free(centre);
    free(x);
    w.pool = (struct cru_eesd_pool){
        w.rows, d, w.weight, bonus ? w.bonus : NULL, cost ? w.cost : NULL, 0};
    return w;
}

static void world_release(struct world *w) {
    free(w->rows);
    free(w->weight);
    free(w->bonus);
    free(w->cost);
    free(w->members);
    free(w->table);
}

static void tabulate(struct world *w) {
    w->table = calloc(w->n * w->n, sizeof *w->table);
    assert_non_null(w->table);
    for (size_t i = 0; i < w->n; i++)
        for (size_t j = 0; j < w->n; j++) {
            int64_t sum = 0;
            for (size_t k = 0; k < w->d; k++) sum += w->rows[i * w->d + k] * w->rows[j * w->d + k];
            w->table[i * w->n + j] = sum > 0 ? sum : 0;
        }
}

static int64_t similarity(const struct world *w, size_t i, size_t j) {
    return w->table[i * w->n + j];
}

static int64_t objective(const struct world *w, const uint32_t *set, size_t k) {
    int64_t total = 0;
    for (size_t i = 0; i < w->n; i++) {
        int64_t best = 0;
        for (size_t j = 0; j < k; j++) {
            int64_t s = similarity(w, i, set[j]);
            best = s > best ? s : best;
        }
        total += best * w->weight[i];
    }
    for (size_t j = 0; w->pool.bonus && j < k; j++) total += w->pool.bonus[set[j]];
    return total;
}

/* Greedy as one would write it down; every gain anew for every pick. */
static size_t naive(const struct world *w, uint64_t budget, uint32_t *picks, int64_t *gains) {
    int64_t *cover = calloc(w->n, sizeof *cover);
    bool *taken = calloc(w->n, sizeof *taken);
    size_t k = 0;
    for (uint64_t left = budget; left > 0;) {
        size_t best = w->n;
        int64_t best_gain = 0;
        for (size_t j = 0; j < w->n; j++) {
            int64_t gain = w->pool.bonus ? w->bonus[j] : 0;
            uint64_t cost = w->pool.cost ? w->cost[j] : 1, best_cost;
            if (taken[j] || cost > left) continue;
            for (size_t i = 0; i < w->n; i++) {
                int64_t over = similarity(w, i, j) - cover[i];
                gain += over > 0 ? over * w->weight[i] : 0;
            }
            best_cost = best < w->n && w->pool.cost ? w->cost[best] : 1;
            if (best == w->n ||
                (__int128)gain * (__int128)best_cost > (__int128)best_gain * (__int128)cost) {
                best = j;
                best_gain = gain;
            }
        }
        if (best == w->n) break;
        taken[best] = true;
        left -= w->pool.cost ? w->cost[best] : 1;
        picks[k] = (uint32_t)best;
        gains[k++] = best_gain;
        for (size_t i = 0; i < w->n; i++) {
            int64_t s = similarity(w, i, best);
            cover[i] = s > cover[i] ? s : cover[i];
        }
    }
    free(cover);
    free(taken);
    return k;
}

static void run(const struct world *w, uint64_t budget, enum cru_simd path, int threads,
                struct cru_eesd_result *result) {
    cru_eesd_result_init(result);
    assert_int_equal(
        cru_eesd_select(&w->pool, w->members, w->n, budget, path, threads, result, NULL), CRU_OK);
}

static void check_naive(size_t n, uint64_t budget, size_t clusters, bool bonus, bool cost,
                        size_t lists) {
    struct world w = world_make(n, 64, clusters, bonus, cost, n + budget);
    struct cru_eesd_result r;
    uint32_t picks[300];
    int64_t gains[300], total = 0;
    size_t k;
    w.pool.lists = lists;
    tabulate(&w);
    k = naive(&w, budget, picks, gains);
    run(&w, budget, CRU_SIMD_AUTO, 2, &r);
    if (!r.single) {
        assert_int_equal(r.n, k);
        for (size_t i = 0; i < k; i++) {
            assert_int_equal(r.picks[i], picks[i]);
            assert_int_equal(r.gains[i], gains[i]);
            total += r.gains[i];
            if (i > 0 && !cost) assert_true(r.gains[i] <= r.gains[i - 1]);
            for (size_t j = 0; j < i; j++) assert_int_not_equal(r.picks[i], r.picks[j]);
        }
        assert_int_equal(total, r.objective);
    }
    assert_int_equal(r.objective, objective(&w, r.picks, r.n));
    assert_true(r.upper >= r.objective);
    assert_true(r.evaluations >= n);
    cru_eesd_result_release(&r);
    world_release(&w);
}

static void test_equals_plain_greedy(void **state) {
    static const size_t sizes[] = {1, 2, 15, 16, 17, 65, 130, 300};
    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int kind = 0; kind < 8; kind++) {
            size_t n = sizes[s];
            check_naive(n, kind & 4 ? n * 3 : 1 + n / 8, kind & 1 ? 5 : 0, kind & 2, kind & 4, 0);
        }
    check_naive(60, 60, 3, true, false, 0); /* everything, still in order */
    check_naive(60, 100, 0, false, false, 0);
    /* No room for lists, or so little that they are packed and refused again and again. */
    for (size_t lists = 1; lists <= 1 << 16; lists *= 16) {
        check_naive(300, 60, 0, true, false, lists);
        check_naive(300, 60, 12, false, false, lists);
        check_naive(300, 900, 12, true, true, lists);
    }
}

/* The best F over all sets of k of 16, and over all sets within a token budget. */
static void test_guarantees_by_enumeration(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        bool cost = seed % 2;
        size_t n = 9 + seed % 8;
        uint64_t budget = cost ? 60 : 1 + seed % 4;
        struct world w = world_make(n, 64, seed % 3 ? 4 : 0, seed % 5 == 0, cost, seed);
        struct cru_eesd_result r;
        int64_t optimum = 0;
        tabulate(&w);
        for (uint32_t bits = 1; bits < 1u << n; bits++) {
            uint32_t set[16];
            uint64_t spent = 0;
            size_t k = 0;
            for (uint32_t j = 0; j < n; j++)
                if (bits >> j & 1) {
                    set[k++] = j;
                    spent += cost ? w.cost[j] : 1;
                }
            if (spent <= budget && (k <= 4 || cost)) {
                int64_t f = objective(&w, set, k);
                optimum = f > optimum ? f : optimum;
            }
        }
        run(&w, budget, CRU_SIMD_AUTO, 1, &r);
        assert_true((double)r.objective >= (cost ? .5 : 1) * (1 - exp(-1)) * (double)optimum);
        assert_true(r.objective <= optimum);
        assert_true(r.upper >= optimum); /* what the certificate stands on */
        assert_true(r.spent <= budget);
        cru_eesd_result_release(&r);
        world_release(&w);
    }
}

/* Cheap crumbs use up the budget by gain per token, and one long document would have been better.
 */
static void test_best_single(void **state) {
    struct world w = world_make(20, 64, 0, false, true, 3);
    struct cru_eesd_result r;
    (void)state;
    for (size_t i = 0; i < w.n; i++) {
        memset(w.rows + i * w.d, 0, w.d);
        w.rows[i * w.d + (i ? 1 : 0)] = 127;
        w.cost[i] = i ? 100 : 1;
        w.weight[i] = i ? 1000 : 300;
    }
    tabulate(&w);
    run(&w, 100, CRU_SIMD_AUTO, 1, &r);
    assert_true(r.single);
    assert_int_equal(r.n, 1);
    assert_int_equal(r.picks[0], 1);
    assert_int_equal(r.spent, 100);
    assert_int_equal(r.objective, objective(&w, r.picks, 1));
    assert_true(r.upper >= r.objective);
    cru_eesd_result_release(&r);
    world_release(&w);
}

static void test_same_on_threads_and_paths(void **state) {
    static const int threads[] = {1, 2, 8};
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        struct world w = world_make(1200, 64, kind ? 30 : 300, true, kind, 11);
        struct cru_eesd_result first, r;
        uint64_t budget = kind ? 120 : 30;
        run(&w, budget, CRU_SIMD_PLAIN, 1, &first);
        for (int path = CRU_SIMD_PLAIN; path < CRU_SIMD_PATHS; path++)
            for (size_t t = 0; t < 3; t++) {
                if (!cru_simd_supported((enum cru_simd)path)) continue;
                run(&w, budget, (enum cru_simd)path, threads[t], &r);
                assert_int_equal(r.n, first.n);
                assert_memory_equal(r.picks, first.picks, r.n * sizeof *r.picks);
                assert_memory_equal(r.gains, first.gains, r.n * sizeof *r.gains);
                assert_int_equal(r.upper, first.upper);
                assert_int_equal(r.evaluations, first.evaluations);
                cru_eesd_result_release(&r);
            }
        assert_true(first.evaluations < 1200 * first.n / 2); /* lazy, not naive */
        cru_eesd_result_release(&first);
        world_release(&w);
    }
}

/* A stratum is a subset: rows outside it neither count nor can be picked. */
static void test_members_only(void **state) {
    struct world w = world_make(120, 64, 6, true, false, 4),
                 sub = world_make(120, 64, 6, true, false, 4);
    struct cru_eesd_result r, s;
    uint32_t members[40];
    (void)state;
    for (uint32_t i = 0; i < 40; i++) {
        members[i] = 3 * i + 1;
        memcpy(sub.rows + i * 64, w.rows + members[i] * 64, 64);
        sub.weight[i] = w.weight[members[i]];
        sub.bonus[i] = w.bonus[members[i]];
    }
    cru_eesd_result_init(&r);
    cru_eesd_result_init(&s);
    assert_int_equal(cru_eesd_select(&w.pool, members, 40, 9, CRU_SIMD_AUTO, 2, &r, NULL), CRU_OK);
    assert_int_equal(cru_eesd_select(&sub.pool, sub.members, 40, 9, CRU_SIMD_AUTO, 2, &s, NULL),
                     CRU_OK);
    assert_int_equal(r.n, 9);
    for (size_t i = 0; i < 9; i++) assert_int_equal(r.picks[i], members[s.picks[i]]);
    assert_int_equal(r.objective, s.objective);
    cru_eesd_result_release(&r);
    cru_eesd_result_release(&s);
    world_release(&w);
    world_release(&sub);
}

static void test_edges(void **state) {
    struct world w = world_make(30, 64, 0, false, false, 5);
    struct cru_eesd_result r;
    (void)state;
    run(&w, 0, CRU_SIMD_AUTO, 1, &r);
    assert_int_equal(r.n, 0);
    cru_eesd_result_release(&r);
    memset(w.rows, 0, w.n * w.d); /* nothing is like anything: picks go by place, gains are 0 */
    run(&w, 5, CRU_SIMD_AUTO, 1, &r);
    assert_int_equal(r.n, 5);
    for (uint32_t i = 0; i < 5; i++) assert_int_equal(r.picks[i], i);
    assert_int_equal(r.objective, 0);
    assert_int_equal(r.upper, 0);
    cru_eesd_result_release(&r);
    world_release(&w);
}

/* 58 bytes a member, lists and a work area; the matrix of all pairs would be 36 MB even at a byte
 * each. */
static void test_memory_is_linear(void **state) {
    struct world w;
    struct cru_eesd_result r;
    struct rusage before, after;
    (void)state;
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    skip(); /* their shadow memory is counted, too */
#endif
    w = world_make(6000, 64, 40, true, false, 6);
    w.pool.lists = 1 << 20;
    assert_int_equal(getrusage(RUSAGE_SELF, &before), 0);
    run(&w, 20, CRU_SIMD_AUTO, 2, &r);
    assert_int_equal(getrusage(RUSAGE_SELF, &after), 0);
    assert_true(after.ru_maxrss - before.ru_maxrss < 8 << 10); /* KiB */
    assert_int_equal(r.n, 20);
    cru_eesd_result_release(&r);
    world_release(&w);
}

static void run_plan(const struct world *w, const struct cru_eesd_plan *plan, enum cru_simd path,
                     int threads, struct cru_eesd_result *result) {
    cru_eesd_result_init(result);
    assert_int_equal(cru_eesd_run(&w->pool, w->members, w->n, plan, path, threads, result, NULL),
                     CRU_OK);
}

/* The best F over all sets of k. */
static int64_t optimum_of(const struct world *w, size_t most) {
    int64_t optimum = 0;
    for (uint32_t bits = 1; bits < 1u << w->n; bits++) {
        uint32_t set[16];
        size_t k = 0;
        if ((size_t)__builtin_popcount(bits) > most) continue;
        for (uint32_t j = 0; j < w->n; j++)
            if (bits >> j & 1) set[k++] = j;
        int64_t f = objective(w, set, k);
        optimum = f > optimum ? f : optimum;
    }
    return optimum;
}

/* Each method's own bound, by enumeration; those in expectation over many seeds. */
static void test_methods_keep_their_guarantees(void **state) {
    static const double bound[CRU_METHODS] = {.632, .532, .532, .4, .316};
    (void)state;
    for (uint64_t world_seed = 0; world_seed < 12; world_seed++) {
        size_t n = 10 + world_seed % 5, k = 1 + world_seed % 4;
        struct world w =
            world_make(n, 64, world_seed % 2 ? 4 : 0, world_seed % 3 == 0, false, 100 + world_seed);
        int64_t optimum;
        tabulate(&w);
        optimum = optimum_of(&w, k);
        for (int method = 0; method < CRU_METHODS; method++) {
            double sum = 0;
            for (uint64_t seed = 0; seed < 20; seed++) {
                struct cru_eesd_plan plan = {.method = (enum cru_method)method,
                                             .budget = k,
                                             .epsilon = .1,
                                             .seed = seed,
                                             .parts = 3};
                struct cru_eesd_result r;
                run_plan(&w, &plan, CRU_SIMD_AUTO, 1, &r);
                assert_int_equal(r.n, k);
                assert_int_equal(r.objective, objective(&w, r.picks, r.n));
                assert_true(r.upper >= optimum && r.objective <= optimum);
                for (size_t i = 0; i < r.n; i++)
                    for (size_t j = 0; j < i; j++) assert_int_not_equal(r.picks[i], r.picks[j]);
                if (method == CRU_METHOD_THRESHOLD || method == CRU_METHOD_SIEVE)
                    assert_true((double)r.objective >= bound[method] * (double)optimum);
                sum += (double)r.objective / 20;
                cru_eesd_result_release(&r);
            }
            assert_true(sum >= bound[method] * (double)optimum);
        }
        world_release(&w);
    }
}

static void test_methods_same_on_threads_and_paths(void **state) {
    struct world w = world_make(900, 64, 60, true, false, 21);
    struct cru_eesd_result lazy, first, r;
    (void)state;
    run(&w, 40, CRU_SIMD_AUTO, 1, &lazy);
    for (int method = 1; method < CRU_METHODS; method++) {
        struct cru_eesd_plan plan = {
            .method = (enum cru_method)method, .budget = 40, .epsilon = .1, .seed = 3, .parts = 4};
        run_plan(&w, &plan, CRU_SIMD_PLAIN, 1, &first);
        assert_int_equal(first.n, 40);
        assert_true((double)first.objective > .8 * (double)lazy.objective);
        for (int path = CRU_SIMD_PLAIN; path < CRU_SIMD_PATHS; path++) {
            if (!cru_simd_supported((enum cru_simd)path)) continue;
            run_plan(&w, &plan, (enum cru_simd)path, path, &r);
            assert_int_equal(r.n, first.n);
            assert_memory_equal(r.picks, first.picks, r.n * sizeof *r.picks);
            assert_memory_equal(r.gains, first.gains, r.n * sizeof *r.gains);
            assert_int_equal(r.upper, first.upper);
            assert_int_equal(r.evaluations, first.evaluations);
            cru_eesd_result_release(&r);
        }
        cru_eesd_result_release(&first);
    }
    cru_eesd_result_release(&lazy);
    world_release(&w);
}

/* With a threshold for every gain (a tiny epsilon) the passes are plain greedy. */
static void test_threshold_nears_greedy(void **state) {
    struct world w = world_make(120, 64, 7, true, false, 31);
    struct cru_eesd_plan plan = {.method = CRU_METHOD_THRESHOLD, .budget = 12, .epsilon = 1e-3};
    struct cru_eesd_result r, lazy;
    (void)state;
    run(&w, 12, CRU_SIMD_AUTO, 1, &lazy);
    run_plan(&w, &plan, CRU_SIMD_AUTO, 1, &r);
    assert_true((double)r.objective > .99 * (double)lazy.objective);
    cru_eesd_result_release(&r);
    plan.method = CRU_METHOD_STOCHASTIC; /* samples of everything are plain greedy, too */
    plan.epsilon = 1e-9;
    run_plan(&w, &plan, CRU_SIMD_AUTO, 1, &r);
    assert_int_equal(r.n, lazy.n);
    assert_memory_equal(r.picks, lazy.picks, r.n * sizeof *r.picks);
    cru_eesd_result_release(&r);
    cru_eesd_result_release(&lazy);
    world_release(&w);
}

/* Picks in two goes are the picks in one. */
static void test_given(void **state) {
    struct world w = world_make(500, 64, 20, true, false, 41);
    struct cru_eesd_result all, r;
    struct cru_eesd_plan plan = {.method = CRU_METHOD_LAZY, .budget = 18};
    (void)state;
    tabulate(&w);
    run(&w, 30, CRU_SIMD_AUTO, 1, &all);
    plan.given = all.picks;
    plan.n_given = 12;
    for (int path = CRU_SIMD_PLAIN; path < CRU_SIMD_PATHS; path++) {
        if (!cru_simd_supported((enum cru_simd)path)) continue;
        run_plan(&w, &plan, (enum cru_simd)path, 2, &r);
        assert_int_equal(r.n, 18);
        assert_memory_equal(r.picks, all.picks + 12, 18 * sizeof *r.picks);
        assert_memory_equal(r.gains, all.gains + 12, 18 * sizeof *r.gains);
        assert_int_equal(r.objective, all.objective);
        assert_true(r.upper >= r.objective);
        cru_eesd_result_release(&r);
    }
    plan.budget = 0; /* what is given alone */
    run_plan(&w, &plan, CRU_SIMD_AUTO, 1, &r);
    assert_int_equal(r.n, 0);
    assert_int_equal(r.objective, objective(&w, all.picks, 12));
    cru_eesd_result_release(&r);
    cru_eesd_result_release(&all);
    world_release(&w);
}

struct told {
    uint32_t rows[256];
    size_t n;
};

static void tell(void *context, uint32_t row, int64_t gain) {
    struct told *told = context;
    assert_true(gain >= 0 && told->n < 256);
    told->rows[told->n++] = row;
}

/* From any of its picks on a selection is what it was, with costs and after given rows as well. */
static void test_resumed(void **state) {
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        struct world w = world_make(500, 64, 25, true, kind == 1, 22);
        struct cru_eesd_plan plan = {.method = CRU_METHOD_LAZY, .budget = kind == 1 ? 900 : 60};
        const uint32_t given[] = {7, 80, 81, 490};
        struct cru_eesd_result all, r;
        plan.given = given;
        plan.n_given = kind == 2 ? 4 : 0;
        run_plan(&w, &plan, CRU_SIMD_AUTO, 1, &all);
        for (size_t cut = 0; cut <= all.n; cut += cut < 3 ? 1 : (all.n - 3) / 4 + 1) {
            struct told told = {.n = 0};
            plan.resumed = all.picks;
            plan.resumed_gains = all.gains;
            plan.n_resumed = cut;
            plan.picked = tell;
            plan.context = &told;
            run_plan(&w, &plan, CRU_SIMD_AUTO, 2, &r);
            assert_int_equal(r.n, all.n);
            assert_memory_equal(r.picks, all.picks, r.n * sizeof *r.picks);
            assert_memory_equal(r.gains, all.gains, r.n * sizeof *r.gains);
            assert_int_equal(r.objective, all.objective);
            assert_int_equal(r.upper, all.upper);
            assert_int_equal(r.spent, all.spent);
            assert_int_equal(told.n, all.n - cut);
            assert_memory_equal(told.rows, all.picks + cut, told.n * sizeof *told.rows);
            cru_eesd_result_release(&r);
        }
        cru_eesd_result_release(&all);
        world_release(&w);
    }
}

/* The first picks with what the first pass foresees and without, and after another pick. */
static void check_foresight(const struct world *w, enum cru_simd path, int threads, bool stray) {
    enum { PICKS = 12 };
    struct cru_eesd_result r[2];
    for (int with = 0; with < 2; with++) {
        struct cru_greedy g;
        cru_eesd_result_init(&r[with]);
        assert_int_equal(cru_greedy_open(&g, &w->pool, w->members, w->n, path, threads, NULL),
                         CRU_OK);
        cru_gains_first(&g.gains, with ? PICKS : 0);
        if (stray) assert_int_equal(cru_greedy_take(&g, 77, &r[with], NULL), CRU_OK);
        cru_greedy_fill(&g);
        assert_int_equal(cru_greedy_until(&g, PICKS, &r[with], NULL), CRU_OK);
        cru_greedy_close(&g);
    }
    assert_int_equal(r[0].n, PICKS);
    assert_int_equal(r[1].n, PICKS);
    assert_memory_equal(r[0].picks, r[1].picks, PICKS * sizeof *r[0].picks);
    assert_memory_equal(r[0].gains, r[1].gains, PICKS * sizeof *r[0].gains);
    cru_eesd_result_release(&r[0]);
    cru_eesd_result_release(&r[1]);
}

static void test_foresight_changes_nothing(void **state) {
    (void)state;
    for (int way = 0; way < 3; way++) {
        struct world w = world_make(16500, 64, way == 1 ? 0 : 40, way == 1, way == 2, 11);
        for (size_t i = 0; way == 0 && i < w.n; i++) w.weight[i] = 65535;
        check_foresight(&w, CRU_SIMD_AUTO, 2, false);
        if (way == 0) check_foresight(&w, CRU_SIMD_AVX2, 1, false);
        if (way == 0) check_foresight(&w, CRU_SIMD_AUTO, 1, true);
        world_release(&w);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_is_linear), /* first: the peak of others would hide its own */
        cmocka_unit_test(test_equals_plain_greedy),
        cmocka_unit_test(test_guarantees_by_enumeration),
        cmocka_unit_test(test_best_single),
        cmocka_unit_test(test_same_on_threads_and_paths),
        cmocka_unit_test(test_members_only),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_methods_keep_their_guarantees),
        cmocka_unit_test(test_methods_same_on_threads_and_paths),
        cmocka_unit_test(test_threshold_nears_greedy),
        cmocka_unit_test(test_given),
        cmocka_unit_test(test_resumed),
        cmocka_unit_test(test_foresight_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
