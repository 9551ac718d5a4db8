/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "crucible/base/base.h"
#include "crucible/base/parallel.h"
#include "crucible/select/greedy.h"

static size_t picks_most(const struct cru_greedy *g, uint64_t budget) {
    return budget < g->gains.n ? (size_t)budget : g->gains.n;
}

/* ---- stochastic ---- */

static enum cru_status stochastic(struct cru_greedy *g, const struct cru_eesd_plan *plan,
                                  struct cru_eesd_result *result, struct cru_error *err) {
    struct cru_random random = {plan->seed};
    size_t left = g->gains.n, k = picks_most(g, plan->budget);
    double share = ceil((double)left / (double)k * log(1 / plan->epsilon));
    uint32_t *pool = malloc(left * sizeof *pool);
    enum cru_status status = pool ? CRU_OK : cru_fail_memory(err, "candidates");
    for (size_t i = 0; !status && i < left; i++) pool[i] = (uint32_t)i;
    while (!status && result->n < k) {
        uint32_t best;
        size_t at, sample = share < (double)left ? (size_t)share : left;
        for (size_t i = 0; i < sample; i++) { /* the sample goes to the front */
            size_t j = i + (size_t)(cru_random_next(&random) % (left - i));
            uint32_t p = pool[i];
            pool[i] = pool[j];
            pool[j] = p;
        }
        memcpy(g->heap, pool, sample * sizeof *pool);
        g->heap_n = sample;
        cru_greedy_heapify(g);
        (void)cru_greedy_pop(g, &best);
        for (at = 0; pool[at] != best; at++)
            ;
        pool[at] = pool[--left];
        status = cru_greedy_take(g, best, result, err);
    }
    free(pool);
    return status;
}

/* ---- threshold ---- */

enum { BATCH_FIRST = 16, BATCH_MOST = 512 };

/* The next candidates of the pass that may gain the threshold, and where it goes on. */
static size_t gather(const struct cru_greedy *g, size_t *at, int64_t threshold, uint32_t *batch,
                     size_t most) {
    size_t m = 0;
    for (; *at < g->gains.n && m < most; ++*at)
        if (!g->taken[*at] && g->gains.bound[*at] >= threshold) batch[m++] = (uint32_t)*at;
    return m;
}

/* One pass: candidates in order, each against the set that those before it made. Gains of a batch
 * hold until one is taken; the batch goes on behind that one. */
static enum cru_status threshold_pass(struct cru_greedy *g, int64_t threshold, size_t k,
                                      struct cru_eesd_result *result, struct cru_error *err) {
    uint32_t batch[BATCH_MOST], stale[BATCH_MOST];
    size_t size = BATCH_FIRST;
    enum cru_status status = CRU_OK;
    for (size_t at = 0, m; !status && result->n < k;) {
        size_t n_stale = 0;
        bool taken = false;
        if ((m = gather(g, &at, threshold, batch, size)) == 0) break;
        for (size_t i = 0; i < m; i++)
            if (!cru_gains_fresh(&g->gains, batch[i])) stale[n_stale++] = batch[i];
        if (n_stale) cru_gains_compute(&g->gains, stale, n_stale);
        for (size_t i = 0; i < m && !taken; i++)
            if (g->gains.bound[batch[i]] >= threshold) {
                status = cru_greedy_take(g, batch[i], result, err);
                at = (size_t)batch[i] + 1;
                taken = true;
            }
        size = taken ? BATCH_FIRST : size * 2 < BATCH_MOST ? size * 2 : BATCH_MOST;
    }
    return status;
}

static enum cru_status by_threshold(struct cru_greedy *g, const struct cru_eesd_plan *plan,
                                    struct cru_eesd_result *result, struct cru_error *err) {
    size_t k = picks_most(g, plan->budget);
    double most = 0;
    enum cru_status status = CRU_OK;
    for (size_t i = 0; i < g->gains.n; i++)
        if ((double)g->gains.bound[i] > most) most = (double)g->gains.bound[i];
    for (double t = most;
         !status && result->n < k && t >= 1 && t >= plan->epsilon * most / (double)g->gains.n;
         t *= 1 - plan->epsilon)
        status = threshold_pass(g, (int64_t)ceil(t), k, result, err);
    return status;
}

/* ---- sieve ---- */

/* One guess: it takes what gains `threshold`, a power of 1 + epsilon by multiplication. */
struct sieve {
    double threshold;
    uint16_t *cover;
    uint32_t *picks;
    int64_t *gains, objective, gain;
    size_t n;
};

struct sieves {
    struct cru_greedy *g;
    struct sieve *sieve; /* thresholds rise */
    size_t n, capacity, k;
    int32_t *dot;
    uint16_t *weight;
    uint32_t position;
    int64_t single; /* gain of the position over nothing */
};

static void sieve_release(struct sieve *s) {
    free(s->cover);
    free(s->picks);
    free(s->gains);
}

static enum cru_status sieve_add(struct sieves *all, double threshold, struct cru_error *err) {
    size_t n = all->g->gains.n;
    struct sieve *s;
    if (all->n == all->capacity) {
        size_t capacity = all->capacity ? all->capacity * 2 : 64;
        struct sieve *more = realloc(all->sieve, capacity * sizeof *more);
        if (!more) return cru_fail_memory(err, "sieves");
        all->sieve = more;
        all->capacity = capacity;
    }
    s = &all->sieve[all->n++];
    memset(s, 0, sizeof *s);
    s->threshold = threshold;
    s->cover = calloc(n, sizeof *s->cover);
    s->picks = malloc(all->k * sizeof *s->picks);
    s->gains = malloc(all->k * sizeof *s->gains);
    return s->cover && s->picks && s->gains ? CRU_OK : cru_fail_memory(err, "sieves");
}

/* Guesses below the least that can still win go; those up to the largest gain seen come. */
static enum cru_status sieves_move(struct sieves *all, double epsilon, double least, double most,
                                   struct cru_error *err) {
    size_t gone = 0;
    double t;
    enum cru_status status = CRU_OK;
    while (gone < all->n && all->sieve[gone].threshold * (1 + epsilon) <= least)
        sieve_release(&all->sieve[gone++]);
    if (gone > 0) memmove(all->sieve, all->sieve + gone, (all->n - gone) * sizeof *all->sieve);
    all->n -= gone;
    if (all->n) {
        t = all->sieve[all->n - 1].threshold * (1 + epsilon);
    } else {
        for (t = 1; t * (1 + epsilon) <= least;) t *= 1 + epsilon;
    }
    for (; !status && t <= most; t *= 1 + epsilon) status = sieve_add(all, t, err);
    return status;
}

static void sieve_task(void *context, size_t i, int thread) {
    struct sieves *all = context;
    const struct cru_gains *gains = &all->g->gains;
    struct sieve *s = &all->sieve[i];
    (void)thread;
    s->gain = -1;
    if (s->n == all->k || (double)all->single < s->threshold) return;
    s->gain = cru_gains_bonus(gains, all->position) +
              cru_surplus_sum(gains->path, all->dot, s->cover, all->weight, gains->n);
    if ((double)s->gain < s->threshold) return;
    for (size_t j = 0; j < gains->n; j++)
        if (all->dot[j] > s->cover[j]) s->cover[j] = (uint16_t)all->dot[j];
    s->picks[s->n] = all->position;
    s->gains[s->n++] = s->gain;
    s->objective += s->gain;
}

static enum cru_status sieve_pass(struct sieves *all, double epsilon, struct cru_error *err) {
    struct cru_gains *gains = &all->g->gains;
    int64_t most = 0, floor_of = 0;
    enum cru_status status = CRU_OK;
    for (size_t i = 0; !status && i < gains->n; i++) {
        all->position = (uint32_t)i;
        all->single = gains->bound[i];
        if (all->single <= 0) continue;
        if (all->single > most) most = all->single;
        for (size_t s = 0; s < all->n; s++)
            if (all->sieve[s].objective > floor_of) floor_of = all->sieve[s].objective;
        if (most > floor_of) floor_of = most;
        status =
            sieves_move(all, epsilon, (double)floor_of / (2 * (double)all->k), (double)most, err);
        if (status) break;
        memset(all->dot, 0, gains->n * sizeof *all->dot);
        cru_cover_raise(gains->path, gains->pool->rows, gains->pool->d, gains->members, gains->n,
                        gains->members[i], all->dot);
        cru_parallel_for(all->n, 1, all->n * gains->n > 1 << 16 ? gains->threads : 1, sieve_task,
                         all);
        for (size_t s = 0; s < all->n; s++) gains->evaluations += all->sieve[s].gain >= 0;
    }
    return status;
}

static enum cru_status by_sieve(struct cru_greedy *g, const struct cru_eesd_plan *plan,
                                struct cru_eesd_result *result, struct cru_error *err) {
    struct sieves all = {.g = g, .k = picks_most(g, plan->budget)};
    const struct sieve *best = NULL;
    enum cru_status status = CRU_OK;
    all.dot = malloc(g->gains.n * sizeof *all.dot);
    all.weight = malloc(g->gains.n * sizeof *all.weight);
    if (!all.dot || !all.weight) status = cru_fail_memory(err, "sieves");
    for (size_t i = 0; !status && i < g->gains.n; i++)
        all.weight[i] = g->gains.pool->weight[g->gains.members[i]];
    if (!status) status = sieve_pass(&all, plan->epsilon, err);
    for (size_t s = 0; s < all.n; s++)
        if (!best || all.sieve[s].objective > best->objective) best = &all.sieve[s];
    for (size_t i = 0; !status && best && i < best->n; i++) {
        g->gains.bound[best->picks[i]] = best->gains[i];
        status = cru_greedy_take(g, best->picks[i], result, err);
    }
    for (size_t s = 0; s < all.n; s++) sieve_release(&all.sieve[s]);
    free(all.sieve);
    free(all.dot);
    free(all.weight);
    return status;
}

/* ---- RandGreeDi ---- */

/* Greedy from nothing over the candidates in the heap. */
static enum cru_status greedy_anew(struct cru_greedy *g, const int64_t *first, size_t k,
                                   struct cru_eesd_result *result, struct cru_error *err) {
    cru_gains_reset(&g->gains, first);
    memset(g->taken, 0, g->gains.n * sizeof *g->taken);
    cru_eesd_result_release(result);
    cru_greedy_heapify(g);
    return cru_greedy_until(g, k, result, err);
}

static enum cru_status by_parts(struct cru_greedy *g, const struct cru_eesd_plan *plan,
                                struct cru_eesd_result *result, struct cru_error *err) {
    struct cru_random random = {plan->seed};
    struct cru_eesd_result best, one;
    size_t n = g->gains.n, k = picks_most(g, plan->budget), n_chosen = 0;
    uint32_t *part = malloc(n * sizeof *part), *chosen = malloc(n * sizeof *chosen);
    int64_t *first = malloc(n * sizeof *first);
    enum cru_status status = part && chosen && first ? CRU_OK : cru_fail_memory(err, "parts");
    cru_eesd_result_init(&best);
    cru_eesd_result_init(&one);
    for (size_t i = 0; !status && i < n; i++)
        part[i] = (uint32_t)(cru_random_next(&random) % plan->parts);
    if (!status) memcpy(first, g->gains.bound, n * sizeof *first);
    for (uint32_t p = 0; !status && p < plan->parts; p++) {
        g->heap_n = 0;
        for (size_t i = 0; i < n; i++)
            if (part[i] == p) g->heap[g->heap_n++] = (uint32_t)i;
        status = greedy_anew(g, first, k, &one, err);
        for (size_t i = 0; i < one.n; i++)
            chosen[n_chosen++] = (uint32_t)cru_gains_find(&g->gains, one.picks[i]);
        if (one.objective > best.objective || p == 0) {
            struct cru_eesd_result swap = best;
            best = one;
            one = swap;
        }
    }
    if (!status) {
        memcpy(g->heap, chosen, n_chosen * sizeof *chosen);
        g->heap_n = n_chosen;
        status = greedy_anew(g, first, k, result, err);
    }
    if (!status && best.objective > result->objective) {
        g->heap_n = 0;
        for (size_t i = 0; i < best.n; i++)
            g->heap[g->heap_n++] = (uint32_t)cru_gains_find(&g->gains, best.picks[i]);
        status = greedy_anew(g, first, k, result, err);
    }
    cru_eesd_result_release(&best);
    cru_eesd_result_release(&one);
    free(part);
    free(chosen);
    free(first);
    return status;
}

enum cru_status cru_greedy_by_method(struct cru_greedy *g, const struct cru_eesd_plan *plan,
                                     struct cru_eesd_result *result, struct cru_error *err) {
    enum cru_status status = CRU_OK;
    if (plan->budget == 0) return CRU_OK;
    switch (plan->method) {
    case CRU_METHOD_STOCHASTIC:
        status = stochastic(g, plan, result, err);
        break;
    case CRU_METHOD_THRESHOLD:
        status = by_threshold(g, plan, result, err);
        break;
    case CRU_METHOD_SIEVE:
        status = by_sieve(g, plan, result, err);
        break;
    case CRU_METHOD_RANDGREEDI:
        status = by_parts(g, plan, result, err);
        break;
    case CRU_METHOD_LAZY:
    case CRU_METHODS:
        break;
    }
    if (status) return status;
    cru_greedy_fill(g);
    if ((status = cru_greedy_until(g, picks_most(g, plan->budget), result, err))) return status;
    cru_greedy_fill(g);
    result->upper = result->objective + cru_greedy_headroom(g, plan->budget);
    return CRU_OK;
}
