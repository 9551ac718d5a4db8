/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/select/eesd.h"
#include "crucible/base/base.h"
#include "crucible/select/gains.h"

enum {
    BATCH_FIRST = 16, /* stale candidates computed together: one AVX-512 register of dots */
    BATCH_MOST = 512, /* and all that one sweep takes */
    LOOK = 512,       /* places of the heap that are looked at for more */
};

/*
 * The state of one greedy run. A position is a place in members[].
 *
 *   heap   [ p0 | p1 | p2 | ... ]   positions, the best bound per cost on top
 */
struct greedy {
    struct cru_gains gains;
    uint32_t *heap;
    size_t heap_n;
};

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

/* Whether a goes before b: more gain per cost, else the smaller place. Exact for any gain and cost.
 */
static bool better(const struct greedy *g, uint32_t a, uint32_t b) {
    int64_t of_a = g->gains.bound[a], of_b = g->gains.bound[b];
    if (!g->gains.pool->cost) {
        if (of_a != of_b) return of_a > of_b;
    } else {
        __int128 x = (__int128)of_a * (__int128)cru_gains_cost(&g->gains, b);
        __int128 y = (__int128)of_b * (__int128)cru_gains_cost(&g->gains, a);
        if (x != y) return x > y;
    }
    return a < b;
}

static void sift_down(struct greedy *g, size_t at) {
    uint32_t moving = g->heap[at];
    for (size_t child; (child = 2 * at + 1) < g->heap_n; at = child) {
        if (child + 1 < g->heap_n && better(g, g->heap[child + 1], g->heap[child])) child++;
        if (!better(g, g->heap[child], moving)) break;
        g->heap[at] = g->heap[child];
    }
    g->heap[at] = moving;
}

static void push(struct greedy *g, uint32_t position) {
    size_t at = g->heap_n++;
    for (size_t parent; at > 0; at = parent) {
        parent = (at - 1) / 2;
        if (!better(g, position, g->heap[parent])) break;
        g->heap[at] = g->heap[parent];
    }
    g->heap[at] = position;
}

static uint32_t pop(struct greedy *g) {
    uint32_t top = g->heap[0];
    g->heap[0] = g->heap[--g->heap_n];
    if (g->heap_n) sift_down(g, 0);
    return top;
}

static void heapify(struct greedy *g) {
    for (size_t at = g->heap_n / 2; at-- > 0;) sift_down(g, at);
}

/* A panel costs the same for one candidate as for BATCH_FIRST: others from near the top of the
 * heap, which stay in it, may come along. Their places rise, so that sifting them down last to
 * first mends the heap. */
static size_t along(const struct greedy *g, uint32_t *stale, size_t want, size_t *place) {
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
static bool pop_best(struct greedy *g, uint32_t *position) {
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
static size_t best_single(const struct cru_gains *g, uint64_t budget) {
    size_t best = g->n;
    for (size_t i = 0; i < g->n; i++)
        if (cru_gains_cost(g, (uint32_t)i) <= budget &&
            (best == g->n || g->bound[i] > g->bound[best]))
            best = i;
    return best;
}

/*
 * What a set within the budget can have beyond S at most. `outside` holds the positions not in S in
 * any order; they become the heap. Documents dearer than the whole budget are in no such set.
 */
static int64_t headroom(struct greedy *g, uint64_t budget) {
    int64_t room = 0;
    uint64_t left = budget;
    uint32_t position;
    heapify(g);
    while (left > 0 && pop_best(g, &position)) {
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

static enum cru_status greedy_run(struct greedy *g, uint64_t budget, struct cru_eesd_result *result,
                                  struct cru_error *err) {
    struct cru_gains *gains = &g->gains;
    enum cru_status status = CRU_OK;
    size_t n = gains->n, single = n, n_outside = 0;
    int64_t single_gain = 0;
    uint32_t position;
    for (size_t i = 0; i < n; i++) g->heap[i] = (uint32_t)i;
    cru_gains_first(gains);
    if (gains->pool->cost) single = best_single(gains, budget);
    if (single < n) single_gain = gains->bound[single];
    g->heap_n = n;
    heapify(g);
    /* The places behind the heap's end are free: what is passed over is kept there. */
    while (result->spent < budget && pop_best(g, &position)) {
        if (cru_gains_cost(gains, position) > budget - result->spent) {
            g->heap[n - ++n_outside] = position;
            continue;
        }
        result->spent += cru_gains_cost(gains, position);
        status = result_add(result, gains->members[position], gains->bound[position], err);
        if (status) return status;
        cru_gains_take(gains, position);
    }
    memmove(g->heap + g->heap_n, g->heap + n - n_outside, n_outside * sizeof *g->heap);
    g->heap_n += n_outside;
    result->upper = result->objective + headroom(g, budget);
    if (single < n && single_gain > result->objective) {
        result->n = 0;
        result->objective = 0;
        result->single = true;
        result->spent = cru_gains_cost(gains, (uint32_t)single);
        status = result_add(result, gains->members[single], single_gain, err);
    }
    return status;
}

enum cru_status cru_eesd_select(const struct cru_eesd_pool *pool, const uint32_t *members, size_t n,
                                uint64_t budget, enum cru_simd path, int threads,
                                struct cru_eesd_result *result, struct cru_error *err) {
    struct greedy g = {.heap_n = 0};
    enum cru_status status;
    cru_eesd_result_release(result);
    if (n == 0 || budget == 0) return CRU_OK;
    status = cru_gains_open(&g.gains, pool, members, n, path, threads, err);
    if (!status && !(g.heap = malloc(n * sizeof *g.heap)))
        status = cru_fail_memory(err, "selection of a stratum");
    if (!status) status = greedy_run(&g, budget, result, err);
    result->evaluations = g.gains.evaluations;
    cru_gains_close(&g.gains);
    free(g.heap);
    return status;
}
