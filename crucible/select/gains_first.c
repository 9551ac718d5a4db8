/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first pass. A pair of rows gives both its gains, so each pair is multiplied once:
 *
 *   panel      rows behind it
 *   [P0] diag | -------- mirrored -------->      gains of P0 grow, and so do those of the rows
 *        [P1]   diag | --- mirrored ------>
 *
 * It is all that is known of gains over nothing; but the first few picks raise most rows, after
 * each of them all gains are out of date, and to bring them up to date again costs about n / t rows
 * after the t-th: more than all that follows. So the first picks are guessed before the pass, which
 * then, having each dot at hand, sums gains over the cover behind each guess, too. When a guess
 * turns out right, all gains are known at once; when not, the rest is forgotten, and nothing but
 * time is lost. What is picked never depends on a guess.
 *
 * The guess is greedy, too: a sample of the rows says which candidates are worth a look, and these
 * are computed on all rows.
 */
#include <math.h>

#include "crucible/base/base.h"
#include "crucible/base/parallel.h"
#include "crucible/select/gains_work.h"

enum {
    SAMPLE = 2048,  /* rows that candidates are judged by */
    LOOKED_AT = 20, /* a 20th of the candidates are worth a look */
    CUT_STEPS = 24, /* halvings to find that 20th */
};
_Static_assert((int)CRU_LEVELS <= (int)CRU_COVERS, "the covers behind all guesses are kept");

void cru_gains_forget(struct cru_gains_work *w) {
    for (size_t k = 1; k <= w->n_foreseen; k++) {
        free(w->ahead[k]);
        w->ahead[k] = NULL;
    }
    w->n_foreseen = 0;
}

/* ---- the pass ---- */

static void first_task(void *context, size_t at, int thread) {
    struct cru_gains *g = context;
    struct cru_gains_work *w = g->work;
    size_t from = w->first + at * w->tile, to = cru_at_most(from + w->tile, g->n);
    struct cru_rows rows = {.rows = g->pool->rows,
                            .weight = g->pool->weight,
                            .alike = w->tile <= CRU_ALIKE_MOST ? w->alike : 0};
    (void)thread;
    for (size_t p = 0; p < w->panels; p++) {
        size_t own = w->first + p * CRU_PANEL, m = w->panel[p].m, start = from;
        int64_t *sums = w->partial + (p * w->tiles + at) * w->levels * CRU_PANEL;
        int64_t *mirror[CRU_LEVELS];
        struct cru_levels levels = {.n = w->levels, .lanes = w->lanes[p]};
        memset(sums, 0, w->levels * CRU_PANEL * sizeof *sums);
        if (at == 0) { /* a tile has room for all panels */
            rows.members = g->members + own;
            rows.n = m;
            for (size_t k = 0; k < w->levels; k++) {
                rows.cover = w->lanes[p][k];
                cru_panel_gains(&w->panel[p], &rows, sums + k * CRU_PANEL, NULL);
            }
            start = own + m;
        }
        rows.members = g->members + start;
        rows.n = to - start;
        for (size_t k = 0; k < w->levels; k++) {
            levels.cover[k] = w->level[k] + start;
            mirror[k] = w->to[k] + start;
        }
        cru_panel_mirror(&w->panel[p], &rows, w->weights[p], &levels, sums, mirror);
    }
}

/* Gains to w->to[k] over the covers w->level[k]. */
static void first_pass(struct cru_gains *g, size_t levels) {
    struct cru_gains_work *w = g->work;
    uint32_t all[CRU_BATCH];
    w->candidates = all;
    for (size_t k = 0; k < levels; k++)
        for (size_t i = 0; i < g->n; i++) w->to[k][i] = cru_gains_bonus(g, (uint32_t)i);
    w->first = 0;
    for (size_t many; w->first < g->n; w->first += many) {
        many = cru_at_most(g->n - w->first, CRU_BATCH);
        for (size_t c = 0; c < many; c++) all[c] = (uint32_t)(w->first + c);
        cru_gains_set(g, many, g->n - w->first, levels);
        for (size_t c = 0; c < w->panels * CRU_PANEL; c++) {
            w->weights[c / CRU_PANEL][c % CRU_PANEL] = c < many ? w->weight[w->first + c] : 0;
            for (size_t k = 0; k < levels; k++)
                w->lanes[c / CRU_PANEL][k][c % CRU_PANEL] =
                    c < many ? w->level[k][w->first + c] : 0;
        }
        cru_gains_pack(g, g->threads);
        cru_parallel_for(w->tiles, 1, g->threads, first_task, g);
        for (size_t k = 0; k < levels; k++)
            for (size_t c = 0; c < many; c++) w->to[k][w->first + c] += cru_gains_sum(w, c, k);
    }
}

/* ---- the guess ---- */

struct guess {
    double *worth; /* of each position, by the sample */
    double *tilt;  /* and by how much all rows together are nearer to it than the sample is */
    double *look;  /* both in one */
    enum { UNKNOWN, KNOWN, TAKEN } * state;
    uint32_t *sample, *some; /* positions */
    uint32_t *members;       /* rows of the sample that a sum goes over, and their covers */
    int32_t *low, *high;
    size_t m;
};

/* Adds `sign` times what the rows of the sample in q->members add up to. */
static void judge(struct cru_gains *g, struct guess *q, size_t m, bool losses) {
    struct cru_gains_work *w = g->work;
    uint32_t all[CRU_BATCH];
    int64_t sums[CRU_BATCH];
    double scale = (double)g->n / (double)q->m * (losses ? -1 : 1);
    w->rows = (struct cru_rows){.rows = g->pool->rows,
                                .members = q->members,
                                .n = m,
                                .cover = q->low,
                                .ceiling = losses ? q->high : NULL,
                                .weight = g->pool->weight};
    for (size_t done = 0, many; m > 0 && done < g->n; done += many) {
        many = cru_at_most(g->n - done, CRU_BATCH);
        for (size_t c = 0; c < many; c++) all[c] = (uint32_t)(done + c);
        cru_gains_sweep(g, all, many, sums);
        for (size_t c = 0; c < many; c++)
            q->worth[done + c] +=
                scale * (double)sums[c] / (double)cru_gains_cost(g, (uint32_t)(done + c));
    }
}

/* The sum of a candidate's dots over all rows is that with the sum of all rows, and so comes cheap;
 * what the sample says of it is known to be wrong by so much. */
static void find_tilt(const struct cru_gains *g, struct guess *q) {
    const struct cru_eesd_pool *pool = g->pool;
    double *sum = q->look, scale = (double)g->n / (double)q->m; /* not in use yet */
    for (size_t k = 0; k < pool->d; k++) sum[k] = 0;
    for (size_t i = 0; i < g->n; i++) {
        const int8_t *row = pool->rows + (size_t)g->members[i] * pool->d;
        for (size_t k = 0; k < pool->d; k++) sum[k] += (double)(row[k] * g->work->weight[i]);
    }
    for (size_t s = 0; s < q->m; s++) {
        const int8_t *row = pool->rows + (size_t)q->members[s] * pool->d;
        double weight = scale * g->work->weight[q->sample[s]];
        for (size_t k = 0; k < pool->d; k++) sum[k] -= weight * row[k];
    }
    for (size_t i = 0; i < g->n; i++) {
        const int8_t *row = pool->rows + (size_t)g->members[i] * pool->d;
        double dot = 0;
        for (size_t k = 0; k < pool->d; k++) dot += sum[k] * row[k];
        q->tilt[i] = dot / (double)cru_gains_cost(g, (uint32_t)i);
    }
}

static void judge_first(struct cru_gains *g, struct guess *q) {
    struct cru_random random = {1};
    for (size_t s = 0; s < q->m; s++) { /* one of each stretch of rows */
        size_t from = s * g->n / q->m, to = (s + 1) * g->n / q->m;
        q->sample[s] = (uint32_t)(from + cru_random_next(&random) % (to - from));
        q->members[s] = g->members[q->sample[s]];
        q->low[s] = 0;
    }
    for (size_t i = 0; i < g->n; i++)
        q->worth[i] =
            (double)cru_gains_bonus(g, (uint32_t)i) / (double)cru_gains_cost(g, (uint32_t)i);
    judge(g, q, q->m, false);
    find_tilt(g, q);
}

/* What the last pick took from them. */
static void judge_again(struct cru_gains *g, struct guess *q) {
    const uint16_t *then = g->work->covers[(g->picked - 1) % CRU_COVERS];
    size_t m = 0;
    for (size_t s = 0; s < q->m; s++) {
        uint32_t i = q->sample[s];
        if (then[i] >= g->cover[i]) continue;
        q->members[m] = g->members[i];
        q->low[m] = then[i];
        q->high[m++] = g->cover[i];
    }
    judge(g, q, m, true);
}

/* What about one in LOOKED_AT looks worth at least. Of a candidate's dots one in picks + 2 or so
 * counts: the others are below a cover. */
static double cut(const struct cru_gains *g, const struct guess *q) {
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < g->n; i++) {
        q->look[i] = q->worth[i] + q->tilt[i] / (double)(g->picked + 2);
        low = q->look[i] < low ? q->look[i] : low;
        high = q->look[i] > high ? q->look[i] : high;
    }
    for (int step = 0; step < CUT_STEPS; step++) {
        double middle = low + (high - low) / 2;
        size_t above = 0;
        for (size_t i = 0; i < g->n; i++) above += q->look[i] >= middle;
        if (above > g->n / LOOKED_AT)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Computes those positions of q->some[0..m) that are out of date and better than the best. */
static uint32_t best_of(struct cru_gains *g, struct guess *q) {
    uint32_t best = UINT32_MAX;
    size_t m = 0;
    for (uint32_t i = 0; i < g->n; i++) /* the best bound of all, to begin with */
        if (q->state[i] == KNOWN && (best == UINT32_MAX || cru_gains_better(g, i, best))) best = i;
    if (best == UINT32_MAX) return best;
    if (!cru_gains_fresh(g, best)) cru_gains_compute(g, &best, 1);
    for (uint32_t i = 0; i < g->n; i++)
        if (q->state[i] == KNOWN && cru_gains_fresh(g, i) && cru_gains_better(g, i, best)) best = i;
    for (uint32_t i = 0; i < g->n; i++)
        if (q->state[i] == KNOWN && !cru_gains_fresh(g, i) && cru_gains_better(g, i, best))
            q->some[m++] = i;
    cru_gains_compute(g, q->some, m);
    for (size_t k = 0; k < m; k++)
        if (cru_gains_better(g, q->some[k], best)) best = q->some[k];
    return best;
}

/* The number of picks guessed, which are in w->foreseen then. */
static size_t guess_all(struct cru_gains *g, struct guess *q, size_t picks) {
    size_t n = 0;
    judge_first(g, q);
    for (uint32_t best; n < picks; n++) {
        double least;
        size_t m = 0;
        if (n > 0) judge_again(g, q);
        least = cut(g, q);
        for (uint32_t i = 0; i < g->n; i++)
            if (q->state[i] == UNKNOWN && q->look[i] >= least) {
                q->state[i] = KNOWN;
                g->round[i] = g->picked; /* that is, there is no earlier gain */
                q->some[m++] = i;
            }
        cru_gains_compute(g, q->some, m);
        if ((best = best_of(g, q)) == UINT32_MAX) break;
        q->state[best] = TAKEN;
        g->work->foreseen[n] = best;
        (void)cru_gains_take(g, best);
    }
    return n;
}

/* Guesses up to `picks` picks, and leaves g as it was; none when memory is short. */
static void foresee(struct cru_gains *g, size_t picks) {
    struct cru_gains_work *w = g->work;
    struct guess q = {.m = SAMPLE};
    size_t n = 0;
    q.worth = malloc(g->n * sizeof *q.worth);
    q.tilt = malloc(g->n * sizeof *q.tilt);
    q.look = malloc((g->n + g->pool->d) * sizeof *q.look);
    q.state = calloc(g->n, sizeof *q.state);
    q.some = malloc(g->n * sizeof *q.some);
    q.sample = malloc(q.m * sizeof *q.sample);
    q.members = malloc(q.m * sizeof *q.members);
    q.low = malloc(q.m * sizeof *q.low);
    q.high = malloc(q.m * sizeof *q.high);
    if (q.worth && q.tilt && q.look && q.state && q.some && q.sample && q.members && q.low &&
        q.high)
        n = guess_all(g, &q, picks);
    free(q.worth);
    free(q.tilt);
    free(q.look);
    free(q.state);
    free(q.some);
    free(q.sample);
    free(q.members);
    free(q.low);
    free(q.high);
    for (size_t i = 0; n > 0 && i < g->n; i++) w->covers[n][i] = (uint16_t)g->cover[i];
    g->picked = 0;
    memset(g->cover, 0, g->n * sizeof *g->cover);
    memset(g->round, 0, g->n * sizeof *g->round);
    w->n_foreseen = n;
    for (size_t k = 1; k <= n; k++)
        if (!(w->ahead[k] = malloc(g->n * sizeof *w->ahead[k]))) n = 0;
    if (n == 0) cru_gains_forget(w);
}

void cru_gains_first(struct cru_gains *g, size_t picks) {
    struct cru_gains_work *w = g->work;
    uint32_t all[CRU_BATCH];
    w->listing = false;
    g->evaluations += g->n;
    if (g->picked == 0) {
        if (g->n >= CRU_FORESEE_FROM && picks > 0) foresee(g, cru_at_most(picks, CRU_LEVELS - 1));
        if (w->n_foreseen == 0) memset(w->covers[0], 0, g->n * sizeof *w->covers[0]);
        w->to[0] = g->bound;
        for (size_t k = 0; k <= w->n_foreseen; k++) {
            if (k > 0) w->to[k] = w->ahead[k];
            w->level[k] = w->covers[k];
        }
        first_pass(g, w->n_foreseen + 1);
        return;
    }
    for (size_t done = 0, many; done < g->n; done += many) {
        many = cru_at_most(g->n - done, CRU_BATCH);
        for (size_t c = 0; c < many; c++) all[c] = (uint32_t)(done + c);
        cru_gains_anew(g, all, many);
    }
}
