/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EESD on the card against the processor: the same picks, order, gains, objective and upper bound.
 * Needs a card; `make test-gpu`. Ends with "N passed, N failed".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crucible/base/hash.h"
#include "crucible/base/parallel.h"
#include "crucible/select/eesd_cuda.h"

struct world {
    size_t n, d, clusters;
    uint64_t seed;
    int8_t *rows;
    float *centre;
    uint16_t *weight;
    int64_t *bonus;
    uint64_t *cost;
    uint32_t *members;
    struct cru_eesd_pool pool;
};

static int passed, failed;

static void *must(void *p) {
    if (!p) {
        (void)fprintf(stderr, "out of memory\n");
        exit(2);
    }
    return p;
}

static void fill_row(void *context, size_t i, int thread) {
    struct world *w = context;
    struct cru_random r = {w->seed * 1000003 + i};
    size_t c = w->clusters ? cru_random_next(&r) % w->clusters : 0;
    float *x = must(malloc(w->d * sizeof *x));
    (void)thread;
    for (size_t k = 0; k < w->d; k++)
        x[k] =
            (float)(cru_random_unit(&r) - .5) * (w->clusters ? .8f : 1) + w->centre[c * w->d + k];
    if (i % 97 == 5) memset(x, 0, w->d * sizeof *x);
    (void)cru_row_quantise(x, w->d, w->rows + i * w->d, w->d);
    w->weight[i] = (uint16_t)(cru_random_next(&r) % 65536);
    w->bonus[i] = (int64_t)w->weight[i] * 5000;
    w->cost[i] = 1 + cru_random_next(&r) % 50;
    w->members[i] = (uint32_t)i;
    free(x);
}

/* Unit vectors around `clusters` centres (0: anywhere); every 10th repeats an earlier one, so that
 * there are ties. */
static struct world world_make(size_t n, size_t d, size_t clusters, bool bonus, bool cost,
                               uint64_t seed) {
    struct world w = {.n = n, .d = d, .clusters = clusters, .seed = seed};
    struct cru_random r = {seed};
    w.rows = must(calloc(n, d));
    w.centre = must(calloc(clusters * d + d, sizeof *w.centre));
    w.weight = must(calloc(n, sizeof *w.weight));
    w.bonus = must(calloc(n, sizeof *w.bonus));
    w.cost = must(calloc(n, sizeof *w.cost));
    w.members = must(calloc(n, sizeof *w.members));
    for (size_t i = 0; i < clusters * d; i++) w.centre[i] = (float)(cru_random_unit(&r) - .5);
    cru_parallel_for(n, 64, cru_threads_available(), fill_row, &w);
    for (size_t i = 9; i < n; i += 10) {
        size_t from = cru_random_next(&r) % i;
        memcpy(w.rows + i * d, w.rows + from * d, d);
        w.weight[i] = w.weight[from];
        w.bonus[i] = w.bonus[from];
    }
    w.pool = (struct cru_eesd_pool){.rows = w.rows,
                                    .d = d,
                                    .weight = w.weight,
                                    .bonus = bonus ? w.bonus : NULL,
                                    .cost = cost ? w.cost : NULL};
    return w;
}

static void world_release(struct world *w) {
    free(w->rows);
    free(w->centre);
    free(w->weight);
    free(w->bonus);
    free(w->cost);
    free(w->members);
}

static double seconds(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool same(const struct cru_eesd_result *a, const struct cru_eesd_result *b) {
    return a->n == b->n && a->spent == b->spent && a->objective == b->objective &&
           a->upper == b->upper && a->single == b->single &&
           (a->n == 0 || (memcmp(a->picks, b->picks, a->n * sizeof *a->picks) == 0 &&
                          memcmp(a->gains, b->gains, a->n * sizeof *a->gains) == 0));
}

static void judge(bool good, const char *what, const struct cru_eesd_result *a,
                  const struct cru_eesd_result *b) {
    passed += good;
    failed += !good;
    if (good) return;
    (void)printf("FAILED: %s: %zu and %zu picks, objective %lld and %lld, upper %lld and %lld\n",
                 what, a->n, b->n, (long long)a->objective, (long long)b->objective,
                 (long long)a->upper, (long long)b->upper);
    for (size_t i = 0; i < a->n && i < b->n; i++)
        if (a->picks[i] != b->picks[i] || a->gains[i] != b->gains[i]) {
            (void)printf("  pick %zu: row %u gain %lld, and row %u gain %lld\n", i, a->picks[i],
                         (long long)a->gains[i], b->picks[i], (long long)b->gains[i]);
            break;
        }
}

static void on_card(const struct world *w, size_t n, const struct cru_eesd_plan *plan, int shares,
                    struct cru_eesd_result *r) {
    struct cru_error err = {CRU_OK, ""};
    if (cru_eesd_run_cuda(&w->pool, w->members, n, plan, shares, r, NULL, &err)) {
        (void)printf("FAILED: %s\n", err.message);
        failed++;
    }
}

static void on_processor(const struct world *w, size_t n, const struct cru_eesd_plan *plan,
                         enum cru_simd path, int threads, struct cru_eesd_result *r) {
    struct cru_error err = {CRU_OK, ""};
    if (cru_eesd_run(&w->pool, w->members, n, plan, path, threads, r, &err)) {
        (void)printf("FAILED: %s\n", err.message);
        failed++;
    }
}

static struct cru_eesd_plan plan_of(uint64_t budget) {
    return (struct cru_eesd_plan){.method = CRU_METHOD_LAZY, .budget = budget};
}

/* Card, with the candidates in so many shares, against the processor. */
static void compare_plan(const struct world *w, size_t n, const struct cru_eesd_plan *plan,
                         int shares) {
    struct cru_eesd_result cpu, gpu;
    char what[160];
    cru_eesd_result_init(&cpu);
    cru_eesd_result_init(&gpu);
    on_processor(w, n, plan, CRU_SIMD_AUTO, cru_threads_available(), &cpu);
    on_card(w, n, plan, shares, &gpu);
    (void)snprintf(what, sizeof what,
                   "n %zu, d %zu, budget %llu, given %zu, clusters %zu, %s%s%d shares", n, w->d,
                   (unsigned long long)plan->budget, plan->n_given, w->clusters,
                   w->pool.bonus ? "bonus, " : "", w->pool.cost ? "cost, " : "", shares);
    judge(same(&cpu, &gpu), what, &cpu, &gpu);
    cru_eesd_result_release(&cpu);
    cru_eesd_result_release(&gpu);
}

static void compare(const struct world *w, size_t n, uint64_t budget, int shares) {
    const struct cru_eesd_plan plan = plan_of(budget);
    compare_plan(w, n, &plan, shares);
}

/* Every shape of the kernel (256 candidates that stay, 128, and 256 that stream), both sides of
 * every boundary, all four kinds of pool, one share and several. */
static void test_sizes(void) {
    static const size_t sizes[] = {1, 2, 17, 127, 128, 129, 255, 256, 257, 513, 1500};
    static const size_t widths[] = {64, 128, 192, 256, 512, 640, 1024, 1216, 2048};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (size_t v = 0; v < sizeof widths / sizeof *widths; v++) {
            size_t n = sizes[s], kind = (s + v) % 4;
            struct world w =
                world_make(n, widths[v], v % 2 ? 5 : 0, kind & 1, kind & 2, s * 31 + v);
            compare(&w, n, kind & 2 ? 1 + n * 3 : 1 + n / 8, 1 + (int)(s + v) % 3);
            world_release(&w);
        }
}

static void test_extremes(void) {
    struct world w = world_make(700, 256, 3, true, false, 5);
    compare(&w, 700, 700, 1);  /* everything, still in order */
    compare(&w, 700, 9999, 2); /* more than there is */
    compare(&w, 700, 0, 1);
    for (size_t i = 0; i < w.n; i++) memcpy(w.rows + i * w.d, w.rows, w.d); /* all the same */
    compare(&w, 700, 20, 1);
    memset(w.rows, 0, w.n * w.d);
    compare(&w, 700, 20, 1);
    w.pool.bonus = NULL;
    compare(&w, 700, 20, 3); /* every gain is nothing */
    world_release(&w);
    w = world_make(300, 16384, 0, false, false, 6);
    for (size_t i = 0; i < w.n; i++) {
        /* dots up to 36,468: as large as rows of that width can make them (similarity.h) */
        for (size_t k = 0; k < w.d; k++) {
            int sign = w.rows[i * w.d + k] < -1 && k % 8 == i % 8 ? -1 : 1;
            w.rows[i * w.d + k] = (int8_t)(k < 8192 ? 2 * sign : k < 8192 + 3700 ? sign : 0);
        }
        w.weight[i] = (uint16_t)(65535 - i % 3);
    }
    compare(&w, 300, 40, 1);
    world_release(&w);
}

/* Rows scattered over the pool, and a single document better than all that greedy can pay. */
static void test_members(void) {
    struct world w = world_make(4000, 192, 20, true, true, 9);
    size_t n = 0;
    struct cru_random r = {77};
    for (uint32_t i = 0; i < w.n; i++)
        if (cru_random_next(&r) % 3) w.members[n++] = i;
    compare(&w, n, 500, 1);
    compare(&w, n, 2000, 2);
    w.pool.cost = NULL;
    compare(&w, n, 300, 1);
    world_release(&w);
    w = world_make(20, 64, 0, false, true, 3);
    for (size_t i = 0; i < w.n; i++) {
        memset(w.rows + i * w.d, 0, w.d);
        w.rows[i * w.d + (i ? 1 : 0)] = 127;
        w.cost[i] = i ? 100 : 1;
        w.weight[i] = i ? 1000 : 300;
    }
    compare(&w, w.n, 100, 1);
    world_release(&w);
}

/* Some rows are selected already: none, some, with repeats and strangers, nearly all. */
static void test_given(void) {
    for (int kind = 0; kind < 4; kind++) {
        struct world w =
            world_make(1300, 256, kind % 2 ? 9 : 0, kind & 1, kind & 2, 40 + (uint64_t)kind);
        uint32_t given[1300];
        struct cru_random r = {5};
        struct cru_eesd_plan plan = plan_of(200);
        plan.given = given;
        for (size_t i = 0; i < 1300; i++) given[i] = (uint32_t)(cru_random_next(&r) % 1300);
        for (plan.n_given = 1; plan.n_given < 1300; plan.n_given *= 6)
            compare_plan(&w, 1200, &plan, 1 + kind % 3);
        plan.n_given = 1300;
        compare_plan(&w, 1200, &plan, 1);
        plan.n_given = 20;
        plan.budget = 0;
        compare_plan(&w, 1200, &plan, 1);
        world_release(&w);
    }
}

/* A race would show as different answers. */
static void test_again(void) {
    struct world w = world_make(20000, 256, 200, true, false, 13);
    const struct cru_eesd_plan plan = plan_of(2000);
    struct cru_eesd_result first, again;
    cru_eesd_result_init(&first);
    cru_eesd_result_init(&again);
    compare(&w, w.n, 200, 1);
    on_card(&w, w.n, &plan, 1, &first);
    for (int i = 0; i < 5; i++) {
        on_card(&w, w.n, &plan, 1 + i % 3, &again);
        judge(same(&first, &again), "again", &first, &again);
    }
    cru_eesd_result_release(&first);
    cru_eesd_result_release(&again);
    world_release(&w);
}

/* 50,000 x 256: every way of computing; the slowest only when `all`. */
static void test_every_way(size_t clusters, uint64_t budget, bool all) {
    static const struct {
        enum cru_simd path;
        int threads; /* 0: all there are */
        bool slow;
    } ways[] = {{CRU_SIMD_AVX512, 1, true},
                {CRU_SIMD_AVX512, 2, true},
                {CRU_SIMD_AVX512, 0, false},
                {CRU_SIMD_AVX2, 0, false},
                {CRU_SIMD_PLAIN, 0, true}};
    struct world w = world_make(50000, 256, clusters, true, false, 17);
    const struct cru_eesd_plan plan = plan_of(budget);
    struct cru_eesd_result gpu, cpu;
    double from = seconds();
    cru_eesd_result_init(&gpu);
    cru_eesd_result_init(&cpu);
    on_card(&w, w.n, &plan, 1, &gpu);
    (void)printf("50,000 x 256, %zu clusters, k = %llu: card %.2f s", clusters,
                 (unsigned long long)budget, seconds() - from);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        int threads = ways[i].threads ? ways[i].threads : cru_threads_available();
        char what[80];
        if (ways[i].slow && !all) continue;
        if (!cru_simd_supported(ways[i].path)) {
            (void)printf("; %s: not on this machine", cru_simd_name(ways[i].path));
            continue;
        }
        from = seconds();
        on_processor(&w, w.n, &plan, ways[i].path, threads, &cpu);
        (void)snprintf(what, sizeof what, "%s -j%d", cru_simd_name(ways[i].path), threads);
        (void)printf("; %s %.2f s", what, seconds() - from);
        (void)fflush(stdout);
        judge(same(&gpu, &cpu), what, &gpu, &cpu);
    }
    (void)printf("\n");
    cru_eesd_result_release(&gpu);
    cru_eesd_result_release(&cpu);
    world_release(&w);
}

/* With any argument only what is small, for checkers of memory. */
int main(int argc, char **argv) {
    struct cru_error err = {CRU_OK, ""};
    int cards = cru_cuda_cards(&err);
    (void)argv;
    if (cards == 0) {
        (void)fprintf(stderr, "%s\n", err.message);
        return 2;
    }
    (void)printf("%d cards, %d threads\n", cards, cru_threads_available());
    test_sizes();
    test_extremes();
    test_members();
    test_given();
    if (argc == 1) {
        test_again();
        test_every_way(500, 1000, true);
        test_every_way(0, 50, false);
    }
    (void)printf("%d passed, %d failed\n", passed, failed);
    return failed > 0;
}
