/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/select/eesd.h"
#include "crucible/base/base.h"
#include "crucible/select/greedy.h"

enum {
    BATCH_FIRST = 16, /* stale candidates computed together: one AVX-512 register of dots */
    BATCH_MOST = 512, /* and all that one sweep takes */
    LOOK = 512,       /* places of the heap that are looked at for more */
};

const char *cru_method_name(enum cru_method method) {
    static const char *const names[CRU_METHODS] = {"lazy", "stochastic", "threshold", "sieve",
                                                   "randgreedi"};
    return method < CRU_METHODS ? names[method] : "?";
}

void cru_eesd_result_init(struct cru_eesd_result *result) {
    memset(result, 0, sizeof *result);
}

void cru_eesd_result_release(struct cru_eesd_result *result) {
    free(result->picks);
    free(result->gains);
    cru_eesd_result_init(result);
}

static enum cru_status result_add(struct cru_eesd_result *r, uint32_t row, int64_t gain,
                                  struct cru_error *err) {
    if (r->n == r->capacity) {
        size_t capacity = r->capacity ? r->capacity * 2 : 64;
        uint32_t *picks = realloc(r->picks, capacity * sizeof *picks);
        int64_t *gains;
        if (picks) r->picks = picks;
        gains = picks ? realloc(r->gains, capacity * sizeof *gains) : NULL;
        if (!gains) return cru_fail_memory(err, "picks");
        r->gains = gains;
        r->capacity = capacity;
    }
    r->picks[r->n] = row;
    r->gains[r->n++] = gain;
    r->objective += gain;
    return CRU_OK;
}

static bool better(const struct cru_greedy *g, uint32_t a, uint32_t b) {
    return cru_gains_better(&g->gains, a, b);
}

static void sift_down(struct cru_greedy *g, size_t at) {
    uint32_t moving = g->heap[at];
    for (size_t child; (child = 2 * at + 1) < g->heap_n; at = child) {
        if (child + 1 < g->heap_n && better(g, g->heap[child + 1], g->heap[child])) child++;
        if (!better(g, g->heap[child], moving)) break;
        g->heap[at] = g->heap[child];
    }
    g->heap[at] = moving;
}

static void push(struct cru_greedy *g, uint32_t position) {
    size_t at = g->heap_n++;
    for (size_t parent; at > 0; at = parent) {
        parent = (at - 1) / 2;
        if (!better(g, position, g->heap[parent])) break;
        g->heap[at] = g->heap[parent];
    }
    g->heap[at] = position;
}

static uint32_t pop(struct cru_greedy *g) {
    uint32_t top = g->heap[0];
    g->heap[0] = g->heap[--g->heap_n];
    if (g->heap_n) sift_down(g, 0);
    return top;
}

void cru_greedy_heapify(struct cru_greedy *g) {
    for (size_t at = g->heap_n / 2; at-- > 0;) sift_down(g, at);
}

/* A panel costs the same for one candidate as for BATCH_FIRST: others from near the top of the
 * heap, which stay in it, may come along. Their places rise, so that sifting them down last to
 * first mends the heap. */
static size_t along(const struct cru_greedy *g, uint32_t *stale, size_t want, size_t *place) {
    size_t m = 0;
    for (size_t at = 0; at < g->heap_n && at < LOOK && m < want; at++)
        if (!cru_gains_fresh(&g->gains, g->heap[at]) && !cru_gains_cheap(&g->gains, g->heap[at])) {
            place[m] = at;
            stale[m++] = g->heap[at];
        }
    return m;
}

/*
 * The position with the largest gain per cost, off the heap; false when the heap is empty. A top
 * that is cheap to compute is computed by itself; the others together, the best stale bounds first:
 * one batch of BATCH_FIRST usually settles it, and the batch doubles while it does not. What is
 * computed depends on nothing but the bounds, so that the number of evaluations is the same
 * everywhere, too.
 */
bool cru_greedy_pop(struct cru_greedy *g, uint32_t *position) {
    struct cru_gains *gains = &g->gains;
    uint32_t stale[BATCH_MOST];
    size_t place[BATCH_FIRST];
    for (size_t batch = BATCH_FIRST; g->heap_n > 0;) {
        size_t m = 0, more;
        if (cru_gains_fresh(gains, g->heap[0])) {
            *position = pop(g);
            return true;
        }
        while (m < batch && g->heap_n > 0 && !cru_gains_fresh(gains, g->heap[0])) {
            if (cru_gains_cheap(gains, g->heap[0])) {
                cru_gains_compute(gains, g->heap, 1);
                sift_down(g, 0);
            } else
                stale[m++] = pop(g);
        }
        if (m == 0) continue;
        more = along(g, stale + m, BATCH_FIRST > m ? BATCH_FIRST - m : 0, place);
        cru_gains_compute(gains, stale, m + more);
        while (more > 0) sift_down(g, place[--more]);
        for (size_t i = 0; i < m; i++) push(g, stale[i]);
        batch = batch * 2 < BATCH_MOST ? batch * 2 : BATCH_MOST;
    }
    return false;
}

/* The best single document that the budget can pay, from the first pass; n when there is none. */
static size_t best_single(const struct cru_greedy *g, uint64_t budget) {
    const struct cru_gains *gains = &g->gains;
    size_t best = gains->n;
    for (size_t i = 0; i < gains->n; i++)
        if (!g->taken[i] && cru_gains_cost(gains, (uint32_t)i) <= budget &&
            (best == gains->n || gains->bound[i] > gains->bound[best]))
            best = i;
    return best;
}

/*
 * What a set within the budget can have beyond S at most. Documents dearer than the whole budget
 * are in no such set.
 */
int64_t cru_greedy_headroom(struct cru_greedy *g, uint64_t budget) {
    int64_t room = 0;
    uint64_t left = budget;
    uint32_t position;
    while (left > 0 && cru_greedy_pop(g, &position)) {
        uint64_t cost = cru_gains_cost(&g->gains, position);
        int64_t gain = g->gains.bound[position];
        if (cost > budget) continue;
        if (gain == 0) /* and so are all that follow */
            break;
        if (cost <= left) {
            room += gain;
            left -= cost;
        } else {
            room +=
                (int64_t)(((__int128)gain * (__int128)left + (__int128)cost - 1) / (__int128)cost);
            left = 0;
        }
    }
    return room;
}

enum cru_status cru_greedy_take(struct cru_greedy *g, uint32_t position,
                                struct cru_eesd_result *result, struct cru_error *err) {
    struct cru_gains *gains = &g->gains;
    enum cru_status status =
        result_add(result, gains->members[position], gains->bound[position], err);
    if (status) return status;
    result->spent += cru_gains_cost(gains, position);
    g->taken[position] = true;
    if (cru_gains_take(gains, position)) cru_greedy_heapify(g);
    return CRU_OK;
}

void cru_greedy_fill(struct cru_greedy *g) {
    g->heap_n = 0;
    for (size_t i = 0; i < g->gains.n; i++)
        if (!g->taken[i]) g->heap[g->heap_n++] = (uint32_t)i;
    cru_greedy_heapify(g);
}

enum cru_status cru_greedy_until(struct cru_greedy *g, uint64_t picks,
                                 struct cru_eesd_result *result, struct cru_error *err) {
    enum cru_status status = CRU_OK;
    uint32_t position;
    while (!status && result->n < picks && cru_greedy_pop(g, &position))
        status = cru_greedy_take(g, position, result, err);
    return status;
}

/* Puts the given rows into S. */
static void take_given(struct cru_greedy *g, const struct cru_eesd_plan *plan,
                       struct cru_eesd_result *result) {
    struct cru_gains *gains = &g->gains;
    for (size_t k = 0; k < plan->n_given; k++) {
        size_t at = cru_gains_find(gains, plan->given[k]);
        if (at == gains->n || g->taken[at]) continue;
        result->objective += cru_gains_bonus(gains, (uint32_t)at);
        g->taken[at] = true;
        (void)cru_gains_take(gains, (uint32_t)at);
    }
    for (size_t i = 0; i < gains->n; i++)
        result->objective += (int64_t)gains->cover[i] * gains->pool->weight[gains->members[i]];
}

/* Picks again what an earlier run picked first, without looking for it. */
static enum cru_status take_resumed(struct cru_greedy *g, const struct cru_eesd_plan *plan,
                                    struct cru_eesd_result *result, struct cru_error *err) {
    enum cru_status status = CRU_OK;
    for (size_t k = 0; !status && k < plan->n_resumed; k++) {
        size_t at = cru_gains_find(&g->gains, plan->resumed[k]);
        if (at == g->gains.n || g->taken[at]) continue;
        g->gains.bound[at] = plan->resumed_gains[k];
        status = cru_greedy_take(g, (uint32_t)at, result, err);
    }
    return status;
}

static enum cru_status greedy_lazy(struct cru_greedy *g, const struct cru_eesd_plan *plan,
                                   struct cru_eesd_result *result, struct cru_error *err) {
    struct cru_gains *gains = &g->gains;
    enum cru_status status;
    uint64_t budget = plan->budget;
    size_t n = gains->n, single = n;
    int64_t single_gain = 0, given = result->objective;
    uint32_t position;
    if (gains->pool->cost) single = best_single(g, budget);
    if (single < n) single_gain = gains->bound[single];
    if ((status = take_resumed(g, plan, result, err))) return status;
    cru_greedy_fill(g);
    while (result->spent < budget && cru_greedy_pop(g, &position)) {
        if (cru_gains_cost(gains, position) > budget - result->spent) continue;
        if ((status = cru_greedy_take(g, position, result, err))) return status;
        if (plan->picked)
            plan->picked(plan->context, gains->members[position], result->gains[result->n - 1]);
    }
    cru_greedy_fill(g);
    result->upper = result->objective + cru_greedy_headroom(g, budget);
    if (single < n && single_gain + given > result->objective) {
        result->n = 0;
        result->objective = given;
        result->single = true;
        result->spent = cru_gains_cost(gains, (uint32_t)single);
        status = result_add(result, gains->members[single], single_gain, err);
    }
    return status;
}

enum cru_status cru_greedy_open(struct cru_greedy *g, const struct cru_eesd_pool *pool,
                                const uint32_t *members, size_t n, enum cru_simd path, int threads,
                                struct cru_error *err) {
    enum cru_status status = cru_gains_open(&g->gains, pool, members, n, path, threads, err);
    g->heap_n = 0;
    g->heap = malloc(n * sizeof *g->heap);
    g->taken = calloc(n, sizeof *g->taken);
    if (!status && (!g->heap || !g->taken)) status = cru_fail_memory(err, "selection of a stratum");
    return status;
}

void cru_greedy_close(struct cru_greedy *g) {
    cru_gains_close(&g->gains);
    free(g->heap);
    free(g->taken);
}

enum cru_status cru_eesd_run(const struct cru_eesd_pool *pool, const uint32_t *members, size_t n,
                             const struct cru_eesd_plan *plan, enum cru_simd path, int threads,
                             struct cru_eesd_result *result, struct cru_error *err) {
    struct cru_greedy g;
    enum cru_status status;
    cru_eesd_result_release(result);
    if (n == 0 || (plan->budget == 0 && plan->n_given == 0)) return CRU_OK;
    status = cru_greedy_open(&g, pool, members, n, path, threads, err);
    if (!status && plan->n_given) take_given(&g, plan, result);
    if (!status) {
        cru_gains_first(&g.gains, plan->method == CRU_METHOD_LAZY ? plan->budget : 0);
        status = plan->method == CRU_METHOD_LAZY ? greedy_lazy(&g, plan, result, err)
                                                 : cru_greedy_by_method(&g, plan, result, err);
    }
    result->evaluations = g.gains.evaluations;
    cru_greedy_close(&g);
    return status;
}

enum cru_status cru_eesd_select(const struct cru_eesd_pool *pool, const uint32_t *members, size_t n,
                                uint64_t budget, enum cru_simd path, int threads,
                                struct cru_eesd_result *result, struct cru_error *err) {
    struct cru_eesd_plan plan = {.method = CRU_METHOD_LAZY, .budget = budget};
    return cru_eesd_run(pool, members, n, &plan, path, threads, result, err);
}
