/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/select/eesd.h"
#include "crucible/base/base.h"
#include "crucible/base/parallel.h"

enum {
    TILE_ROWS = 512,       /* rows a task meets at least: a tile of 256 numbers fits the L2 cache */
    TILES_MOST = 256,      /* bounds the partial sums */
    PANELS_MOST = 8,       /* panels evaluated together in the first pass */
    BATCH_FIRST = 16,      /* stale candidates computed together: one AVX-512 register of dots */
    ALONE_BELOW = 1 << 22, /* multiplications, some 50 us: not worth starting threads for */
};

/*
 * The state of one greedy run. A position is a place in members[].
 *
 *   heap   [ p0 | p1 | p2 | ... ]   positions, the best bound per cost on top
 *   bound  gain when last computed: an upper bound of the gain now
 *   round  number of picks when bound was computed; == picks so far: bound is the gain
 */
struct greedy {
    const struct cru_eesd_pool *pool;
    const uint32_t *members;
    size_t n;
    enum cru_simd path;
    int threads;
    int32_t *cover; /* max similarity to the picks */
    int64_t *bound;
    uint32_t *round, *heap;
    size_t heap_n;
    uint32_t picked;
    uint64_t evaluations;
    /* work area of evaluate() */
    struct cru_panel panel[PANELS_MOST];
    char *packed; /* 64-byte aligned */
    int64_t *partial;
    size_t tile, tiles, panels;
    const uint32_t *candidates;
    uint32_t chosen;
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

static uint64_t cost_of(const struct greedy *g, uint32_t position) {
    return g->pool->cost ? g->pool->cost[g->members[position]] : 1;
}

static int64_t bonus_of(const struct greedy *g, uint32_t position) {
    return g->pool->bonus ? g->pool->bonus[g->members[position]] : 0;
}

/* Whether a goes before b: more gain per cost, else the smaller place. Exact for any gain and cost.
 */
static bool better(const struct greedy *g, uint32_t a, uint32_t b) {
    if (!g->pool->cost) {
        if (g->bound[a] != g->bound[b]) return g->bound[a] > g->bound[b];
    } else {
        __int128 x = (__int128)g->bound[a] * (__int128)cost_of(g, b);
        __int128 y = (__int128)g->bound[b] * (__int128)cost_of(g, a);
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

/* A bound that is as low as the bonus is exact: similarity cannot give less than nothing. */
static bool fresh(const struct greedy *g, uint32_t position) {
    return g->round[position] == g->picked || g->bound[position] == bonus_of(g, position);
}

static void evaluate_task(void *context, size_t i, int thread) {
    struct greedy *g = context;
    size_t panel = i / g->tiles, from = i % g->tiles * g->tile;
    size_t rows = g->n - from < g->tile ? g->n - from : g->tile;
    int64_t *sums = g->partial + i * CRU_PANEL;
    (void)thread;
    memset(sums, 0, CRU_PANEL * sizeof *sums);
    cru_panel_gains(&g->panel[panel], g->pool->rows, g->members + from, rows, g->cover + from,
                    g->pool->weight, sums);
}

static void pack_task(void *context, size_t i, int thread) {
    struct greedy *g = context;
    uint32_t rows[CRU_PANEL];
    (void)thread;
    for (size_t c = 0; c < g->panel[i].m; c++)
        rows[c] = g->members[g->candidates[i * CRU_PANEL + c]];
    cru_panel_pack(&g->panel[i], g->path, g->pool->rows, g->pool->d, rows, g->panel[i].m);
}

static int threads_for(const struct greedy *g, size_t candidates) {
    return (uint64_t)candidates * g->n * g->pool->d < ALONE_BELOW ? 1 : g->threads;
}

/* Computes the gains of m candidates (positions) against the present cover. */
static void evaluate(struct greedy *g, const uint32_t *candidates, size_t m) {
    g->evaluations += m;
    for (size_t done = 0; done < m; done += (size_t)PANELS_MOST * CRU_PANEL) {
        size_t left =
            m - done < (size_t)PANELS_MOST * CRU_PANEL ? m - done : (size_t)PANELS_MOST * CRU_PANEL;
        int threads = threads_for(g, left);
        g->candidates = candidates + done;
        g->panels = (left + CRU_PANEL - 1) / CRU_PANEL;
        for (size_t p = 0; p < g->panels; p++) {
            size_t rest = left - p * CRU_PANEL;
            g->panel[p].m = rest < CRU_PANEL ? rest : CRU_PANEL;
            g->panel[p].packed = g->packed + p * cru_panel_bytes(g->pool->d);
        }
        cru_parallel_for(g->panels, 1, g->panels > 1 ? threads : 1, pack_task, g);
        cru_parallel_for(g->panels * g->tiles, 1, threads, evaluate_task, g);
        for (size_t c = 0; c < left; c++) {
            uint32_t position = g->candidates[c];
            const int64_t *sums = g->partial + c / CRU_PANEL * g->tiles * CRU_PANEL + c % CRU_PANEL;
            int64_t gain = bonus_of(g, position);
            for (size_t t = 0; t < g->tiles; t++) gain += sums[t * CRU_PANEL];
            g->bound[position] = gain;
            g->round[position] = g->picked;
        }
    }
}

static void cover_task(void *context, size_t i, int thread) {
    struct greedy *g = context;
    size_t from = i * g->tile, rows = g->n - from < g->tile ? g->n - from : g->tile;
    (void)thread;
    cru_cover_raise(g->path, g->pool->rows, g->pool->d, g->members + from, rows, g->chosen,
                    g->cover + from);
}

static void take(struct greedy *g, uint32_t position) {
    g->chosen = g->members[position];
    cru_parallel_for(g->tiles, 1, threads_for(g, 1), cover_task, g);
    g->picked++;
}

/*
 * The position with the largest gain per cost, off the heap; false when the heap is empty. The best
 * stale bounds are computed together: one batch of BATCH_FIRST usually settles it, and the batch
 * doubles up to a panel while it does not. Batch sizes depend on nothing but the bounds, so that
 * the number of evaluations is the same everywhere, too.
 */
static bool pop_best(struct greedy *g, uint32_t *position) {
    uint32_t stale[CRU_PANEL];
    for (size_t batch = BATCH_FIRST; g->heap_n > 0;) {
        size_t m = 0;
        if (fresh(g, g->heap[0])) {
            *position = pop(g);
            return true;
        }
        while (m < batch && g->heap_n > 0 && !fresh(g, g->heap[0])) stale[m++] = pop(g);
        evaluate(g, stale, m);
        for (size_t i = 0; i < m; i++) push(g, stale[i]);
        batch = batch * 2 < CRU_PANEL ? batch * 2 : CRU_PANEL;
    }
    return false;
}

static enum cru_status greedy_open(struct greedy *g, struct cru_error *err) {
    size_t area = PANELS_MOST * cru_panel_bytes(g->pool->d);
    g->tile = (g->n + TILES_MOST - 1) / TILES_MOST;
    if (g->tile < TILE_ROWS) g->tile = TILE_ROWS;
    g->tiles = (g->n + g->tile - 1) / g->tile;
    g->cover = calloc(g->n, sizeof *g->cover);
    g->bound = malloc(g->n * sizeof *g->bound);
    g->round = calloc(g->n, sizeof *g->round);
    g->heap = malloc(g->n * sizeof *g->heap);
    g->packed = aligned_alloc(64, area);
    g->partial = malloc(g->tiles * PANELS_MOST * CRU_PANEL * sizeof *g->partial);
    if (!g->cover || !g->bound || !g->round || !g->heap || !g->packed || !g->partial)
        return cru_fail_memory(err, "selection of a stratum");
    return CRU_OK;
}

static void greedy_close(struct greedy *g) {
    free(g->cover);
    free(g->bound);
    free(g->round);
    free(g->heap);
    free(g->packed);
    free(g->partial);
}

/* The best single document that the budget can pay, from the first pass; n when there is none. */
static size_t best_single(const struct greedy *g, uint64_t budget) {
    size_t best = g->n;
    for (size_t i = 0; i < g->n; i++)
        if (cost_of(g, (uint32_t)i) <= budget && (best == g->n || g->bound[i] > g->bound[best]))
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
        uint64_t cost = cost_of(g, position);
        int64_t gain = g->bound[position];
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
    enum cru_status status = CRU_OK;
    size_t single, n_outside = 0;
    int64_t single_gain = 0;
    uint32_t position;
    for (size_t i = 0; i < g->n; i++) g->heap[i] = (uint32_t)i;
    evaluate(g, g->heap, g->n);
    single = g->pool->cost ? best_single(g, budget) : g->n;
    if (single < g->n) single_gain = g->bound[single];
    g->heap_n = g->n;
    heapify(g);
    /* The places behind the heap's end are free: what is passed over is kept there. */
    while (result->spent < budget && pop_best(g, &position)) {
        if (cost_of(g, position) > budget - result->spent) {
            g->heap[g->n - ++n_outside] = position;
            continue;
        }
        result->spent += cost_of(g, position);
        if ((status = result_add(result, g->members[position], g->bound[position], err)))
            return status;
        take(g, position);
    }
    memmove(g->heap + g->heap_n, g->heap + g->n - n_outside, n_outside * sizeof *g->heap);
    g->heap_n += n_outside;
    result->upper = result->objective + headroom(g, budget);
    if (single < g->n && single_gain > result->objective) {
        result->n = 0;
        result->objective = 0;
        result->single = true;
        result->spent = cost_of(g, (uint32_t)single);
        status = result_add(result, g->members[single], single_gain, err);
    }
    return status;
}

enum cru_status cru_eesd_select(const struct cru_eesd_pool *pool, const uint32_t *members, size_t n,
                                uint64_t budget, enum cru_simd path, int threads,
                                struct cru_eesd_result *result, struct cru_error *err) {
    struct greedy g = {
        .pool = pool, .members = members, .n = n, .threads = threads < 1 ? 1 : threads};
    enum cru_status status;
    cru_eesd_result_release(result);
    if (n == 0 || budget == 0) return CRU_OK;
    g.path = cru_simd_resolve(path);
    if (!(status = greedy_open(&g, err))) status = greedy_run(&g, budget, result, err);
    result->evaluations = g.evaluations;
    greedy_close(&g);
    return status;
}
