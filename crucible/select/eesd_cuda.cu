/* SPDX-License-Identifier: Apache-2.0 */
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "crucible/select/eesd_cards.cuh"

extern "C" {
#include "crucible/select/eesd_cuda.h"
#include "crucible/select/greedy.h"
}

enum { QUEUED = 64 }; /* picks queued at once; two such batches are under way */

static double now(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- the loop ---- */

/* Queues picks until the budget is spent, looking back one batch behind. */
static enum cru_status pick_all(const struct run *r) {
    const struct share *main = &r->share[0];
    cudaEvent_t seen[2] = {r->staged[0], r->staged[1]};
    enum cru_status status = CRU_OK;
    for (size_t pick = 0, batch = 0; pick < r->most; batch++) {
        for (size_t i = 0; !status && i < QUEUED && pick < r->most; i++)
            status = cru_cards_pick(r, pick++);
        if (status) return status;
        TRY(cudaSetDevice(main->card), "card");
        TRY(cudaMemcpyAsync(&r->seen[batch % 2], main->state, sizeof *r->seen,
                            cudaMemcpyDeviceToHost, main->stream),
            "state");
        TRY(cudaEventRecord(seen[batch % 2], main->stream), "state");
        if (batch == 0) continue;
        TRY(cudaEventSynchronize(seen[(batch - 1) % 2]), "picks");
        if (r->seen[(batch - 1) % 2].done) break;
    }
    for (int g = r->n_shares - 1; g >= 0; g--) {
        TRY(cudaSetDevice(r->share[g].card), "card");
        if (g == 0) TRY(cudaEventRecord(main->finished, main->stream), "event");
        TRY(cudaStreamSynchronize(r->share[g].stream), "picks");
    }
    return CRU_OK;
}

static enum cru_status fetch_gains(const struct run *r, int64_t *gain) {
    for (int g = 0; g < r->n_shares; g++) {
        const struct share *s = &r->share[g];
        size_t from = (size_t)s->first * r->block, to = from + (size_t)s->blocks * r->block;
        to = to < r->n ? to : r->n;
        TRY(cudaSetDevice(s->card), "card");
        TRY(cudaStreamSynchronize(s->stream), "gains");
        if (from < to)
            TRY(cudaMemcpy(gain + from, s->gain + from, (to - from) * sizeof *gain,
                           cudaMemcpyDeviceToHost),
                "gains");
    }
    return CRU_OK;
}

/* ---- the answer, on the host ---- */

static uint64_t cost_of(const struct run *r, uint32_t place) {
    return r->pool->cost ? r->pool->cost[r->members[place]] : 1;
}

/* What a set within the budget can have beyond S at most: all gains are known. */
static int64_t headroom(const struct run *r) {
    struct cru_greedy greedy = {};
    greedy.gains.pool = r->pool;
    greedy.gains.members = r->members;
    greedy.gains.n = r->n;
    greedy.gains.bound = r->gain;
    greedy.gains.round = r->round;
    greedy.heap = r->heap;
    greedy.taken = r->taken;
    cru_greedy_fill(&greedy);
    return cru_greedy_headroom(&greedy, r->plan->budget);
}

static enum cru_status fetch(const struct run *r, struct cru_eesd_result *result) {
    const struct share *main = &r->share[0];
    struct state state;
    enum cru_status status = fetch_gains(r, r->gain);
    if (status) return status;
    TRY(cudaSetDevice(main->card), "card");
    TRY(cudaMemcpy(&state, main->state, sizeof state, cudaMemcpyDeviceToHost), "picks");
    result->picks = (uint32_t *)malloc((state.picked + 1) * sizeof *result->picks);
    result->gains = (int64_t *)malloc((state.picked + 1) * sizeof *result->gains);
    if (!result->picks || !result->gains) return cru_fail_memory(r->err, "picks");
    result->n = state.picked;
    result->capacity = state.picked + 1;
    TRY(cudaMemcpy(result->picks, main->picks, result->n * sizeof *result->picks,
                   cudaMemcpyDeviceToHost),
        "picks");
    TRY(cudaMemcpy(result->gains, main->gains, result->n * sizeof *result->gains,
                   cudaMemcpyDeviceToHost),
        "picks");
    result->spent = r->plan->budget - state.left;
    /* the gains of all pairs once, and of the raised rows with all candidates */
    result->evaluations = r->n + state.raised;
    result->objective = r->objective;
    for (size_t i = 0; i < result->n; i++) {
        result->objective += result->gains[i];
        r->taken[result->picks[i]] = true;
        result->picks[i] = r->members[result->picks[i]];
    }
    result->upper = result->objective + headroom(r);
    return CRU_OK;
}

/* The best single document that the budget can pay, by the first pass; n when there is none. */
static uint32_t best_single(const struct run *r) {
    uint32_t best = r->n;
    for (uint32_t i = 0; i < r->n; i++)
        if (!r->taken[i] && cost_of(r, i) <= r->plan->budget &&
            (best == r->n || r->gain[i] > r->gain[best]))
            best = i;
    return best;
}

static enum cru_status run_greedy(const struct run *r, struct cru_eesd_result *result) {
    uint32_t single = r->n;
    int64_t single_gain = 0;
    enum cru_status status;
    for (int g = 0; g < r->n_shares; g++)
        if ((status = cru_cards_first(r, &r->share[g]))) return status;
    if (r->pool->cost) {
        if ((status = fetch_gains(r, r->gain))) return status;
        single = best_single(r);
        if (single < r->n) single_gain = r->gain[single];
    }
    if ((status = pick_all(r)) || (status = fetch(r, result))) return status;
    if (single < r->n && single_gain + r->objective > result->objective) {
        result->n = 1;
        result->picks[0] = r->members[single];
        result->gains[0] = single_gain;
        result->objective = r->objective + single_gain;
        result->spent = cost_of(r, single);
        result->single = true;
    }
    return CRU_OK;
}

static void read_times(const struct run *r, struct cru_eesd_cuda_times *times) {
    const struct share *s = &r->share[0];
    struct cudaDeviceProp card;
    float ms = 0;
    if (cudaEventElapsedTime(&ms, s->start, s->passed) == cudaSuccess) times->first_pass = ms / 1e3;
    if (cudaEventElapsedTime(&ms, s->passed, s->finished) == cudaSuccess) times->picks = ms / 1e3;
    if (cudaGetDeviceProperties(&card, s->card) == cudaSuccess) {
        (void)snprintf(times->card, sizeof times->card, "%s", card.name);
    }
}

static enum cru_status run_take_memory(struct run *r) {
    r->gain = (int64_t *)malloc(r->n * sizeof *r->gain);
    r->heap = (uint32_t *)malloc(r->n * sizeof *r->heap);
    r->round = (uint32_t *)calloc(r->n, sizeof *r->round);
    r->taken = (bool *)calloc(r->n, sizeof *r->taken);
    r->cover = r->plan->n_given ? (int32_t *)malloc(r->n * sizeof *r->cover) : NULL;
    if (!r->gain || !r->heap || !r->round || !r->taken || (r->plan->n_given && !r->cover))
        return cru_fail_memory(r->err, "selection of a stratum");
    return CRU_OK;
}

extern "C" enum cru_status
cru_eesd_run_cuda(const struct cru_eesd_pool *pool, const uint32_t *members, size_t n,
                  const struct cru_eesd_plan *plan, int shares, struct cru_eesd_result *result,
                  struct cru_eesd_cuda_times *times, struct cru_error *err) {
    const double began = now();
    struct run run = {}, *r = &run;
    enum cru_status status;
    int before = 0;
    cru_eesd_result_release(result);
    if (times) *times = {};
    if (plan->method != CRU_METHOD_LAZY)
        return cru_fail(err, CRU_USAGE, "device: 'cuda': computes the method lazy, not %s",
                        cru_method_name(plan->method));
    if (n == 0 || (plan->budget == 0 && plan->n_given == 0)) return CRU_OK;
    if (n > INT32_MAX - 4 * TILE)
        return cru_fail(err, CRU_FATAL, "CUDA: '%zu documents': too many for a card", n);
    r->pool = pool;
    r->plan = plan;
    r->members = members;
    r->err = err;
    r->n = (uint32_t)n;
    r->most = plan->budget < n ? (size_t)plan->budget : n;
    (void)cudaGetDevice(&before);
    if (!(status = run_take_memory(r)) && !(status = cru_cards_open(r, shares)) &&
        !(status = cru_cards_send(r))) {
        if (times) times->setup = now() - began;
        status = run_greedy(r, result);
    }
    if (!status && times) read_times(r, times);
    cru_cards_close(r);
    (void)cudaSetDevice(before);
    (void)cudaGetLastError(); /* a failure is told by status alone */
    for (void *p :
         {(void *)r->gain, (void *)r->heap, (void *)r->round, (void *)r->taken, (void *)r->cover})
        free(p);
    if (status) cru_eesd_result_release(result);
    if (times) times->total = now() - began;
    return status;
}
