/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/select/gains_work.h"
#include "crucible/base/base.h"
#include "crucible/base/parallel.h"

enum {
    PAIRS_EACH = 16,       /* pairs a member that a sweep may note to make lists of, */
    PAIRS_LEAST = 1 << 14, /* and how many at least */
    PAIRS_MOST = 1 << 18,  /* and at most */
    LIST_ROWS = 1250,      /* longer lists are not worth their place */
    ALONE_BELOW = 1 << 22, /* multiplications, some 50 us: not worth starting threads for */
};

/* Bytes for lists that are of use: each about n / CRU_REACH_PART entries of 4 bytes and a head. */
static size_t lists_useful(size_t n) {
    size_t each = n / CRU_REACH_PART * 4 + 32;
    return cru_at_most(n, CRU_REACH_MOST / each) * each;
}

enum cru_status cru_gains_open(struct cru_gains *g, const struct cru_eesd_pool *pool,
                               const uint32_t *members, size_t n, enum cru_simd path, int threads,
                               struct cru_error *err) {
    struct cru_gains_work *w;
    size_t tiles;
    bool ok;
    memset(g, 0, sizeof *g);
    g->pool = pool;
    g->members = members;
    g->n = n;
    g->path = cru_simd_resolve(path);
    g->threads = threads < 1 ? 1 : threads;
    if (!(w = g->work = calloc(1, sizeof *w)))
        return cru_fail_memory(err, "selection of a stratum");
    g->cover = calloc(n, sizeof *g->cover);
    g->bound = malloc(n * sizeof *g->bound);
    g->round = calloc(n, sizeof *g->round);
    w->weight = malloc(n * sizeof *w->weight);
    w->changed = malloc(n * sizeof *w->changed);
    w->low = malloc(n * sizeof *w->low);
    w->high = malloc(n * sizeof *w->high);
    w->packed = aligned_alloc(64, CRU_PANELS_MOST * cru_panel_bytes(pool->d));
    tiles = cru_at_most(n / CRU_TILE_ROWS + 1, CRU_TILES_MOST);
    w->partial =
        malloc(tiles * (n < CRU_FORESEE_FROM ? 1 : CRU_LEVELS) * CRU_BATCH * sizeof *w->partial);
    w->pairs = calloc(tiles * CRU_PANELS_MOST, sizeof *w->pairs);
    ok = g->cover && g->bound && g->round && w->weight && w->changed && w->low && w->high &&
         w->packed && w->partial && w->pairs;
    for (int c = 0; ok && c < CRU_COVERS; c++)
        ok = (w->covers[c] = malloc(n * sizeof *w->covers[c])) != NULL;
    if (!ok) return cru_fail_memory(err, "selection of a stratum");
    for (size_t i = 0; i < n; i++) w->weight[i] = pool->weight[members[i]];
    w->alike = w->weight[0];
    for (size_t i = 0; i < n; i++)
        if (w->weight[i] != w->alike) w->alike = 0;
    w->pairs_most = n > PAIRS_MOST / PAIRS_EACH    ? PAIRS_MOST
                    : n < PAIRS_LEAST / PAIRS_EACH ? PAIRS_LEAST
                                                   : n * PAIRS_EACH;
    return cru_reach_open(&w->reach, n,
                          cru_at_most(lists_useful(n), pool->lists ? pool->lists : SIZE_MAX), err);
}

void cru_gains_close(struct cru_gains *g) {
    struct cru_gains_work *w = g->work;
    free(g->cover);
    free(g->bound);
    free(g->round);
    if (w) {
        for (int c = 0; c < CRU_COVERS; c++) free(w->covers[c]);
        free(w->weight);
        free(w->changed);
        free(w->low);
        free(w->high);
        free(w->where);
        free(w->dot);
        free(w->pairs);
        free(w->packed);
        free(w->partial);
        cru_reach_close(&w->reach);
        cru_gains_forget(w);
    }
    free(w);
    memset(g, 0, sizeof *g);
}

/* ---- one sweep: up to CRU_PANELS_MOST panels over some rows ---- */

static void sweep_task(void *context, size_t i, int thread) {
    struct cru_gains_work *w = ((struct cru_gains *)context)->work;
    /* A tile meets all panels before the next does: it stays in the cache. */
    size_t panel = i % w->panels, at = i / w->panels, from = at * w->tile;
    size_t place = panel * w->tiles + at;
    int64_t *sums = w->partial + place * CRU_PANEL;
    struct cru_rows tile = w->rows;
    (void)thread;
    tile.members += from;
    tile.cover += from;
    if (tile.ceiling) tile.ceiling += from;
    tile.n = cru_at_most(w->rows.n - from, w->tile);
    tile.alike = w->tile <= CRU_ALIKE_MOST ? w->alike : 0;
    memset(sums, 0, CRU_PANEL * sizeof *sums);
    cru_panel_gains(&w->panel[panel], &tile, sums, w->listing ? &w->pairs[place] : NULL);
}

static void pack_task(void *context, size_t i, int thread) {
    struct cru_gains *g = context;
    struct cru_panel *panel = &g->work->panel[i];
    uint32_t rows[CRU_PANEL];
    (void)thread;
    for (size_t c = 0; c < panel->m; c++)
        rows[c] = g->members[g->work->candidates[i * CRU_PANEL + c]];
    cru_panel_pack(panel, g->path, g->pool->rows, g->pool->d, rows, panel->m);
}

static int threads_for(const struct cru_gains *g, size_t candidates, size_t rows) {
    return (uint64_t)candidates * rows * g->pool->d < ALONE_BELOW ? 1 : g->threads;
}

void cru_gains_set(struct cru_gains *g, size_t m, size_t n, size_t levels) {
    struct cru_gains_work *w = g->work;
    w->panels = (m + CRU_PANEL - 1) / CRU_PANEL;
    w->tile = (n + CRU_TILES_MOST - 1) / CRU_TILES_MOST;
    if (w->tile < CRU_TILE_ROWS) w->tile = CRU_TILE_ROWS;
    w->tiles = (n + w->tile - 1) / w->tile;
    w->levels = levels;
    for (size_t p = 0; p < w->panels; p++) {
        w->panel[p].m = cru_at_most(m - p * CRU_PANEL, CRU_PANEL);
        w->panel[p].packed = w->packed + p * cru_panel_bytes(g->pool->d);
    }
}

int64_t cru_gains_sum(const struct cru_gains_work *w, size_t c, size_t level) {
    size_t each = w->levels * CRU_PANEL; /* of a tile */
    const int64_t *part =
        w->partial + c / CRU_PANEL * w->tiles * each + level * CRU_PANEL + c % CRU_PANEL;
    int64_t sum = 0;
    for (size_t t = 0; t < w->tiles; t++) sum += part[t * each];
    return sum;
}

void cru_gains_pack(struct cru_gains *g, int threads) {
    size_t panels = g->work->panels;
    cru_parallel_for(panels, 1, panels > 1 ? threads : 1, pack_task, g);
}

void cru_gains_sweep(struct cru_gains *g, const uint32_t *candidates, size_t m, int64_t *sums) {
    struct cru_gains_work *w = g->work;
    int threads = threads_for(g, m, w->rows.n);
    w->candidates = candidates;
    cru_gains_set(g, m, w->rows.n, 1);
    for (size_t i = 0, each; w->listing && i < w->panels * w->tiles; i++) {
        each = w->pairs_most / (w->panels * w->tiles);
        w->pairs[i] = (struct cru_pairs){.where = w->where + i * each,
                                         .dot = w->dot + i * each,
                                         .capacity = each - CRU_PAIRS_SLACK};
    }
    cru_gains_pack(g, threads);
    cru_parallel_for(w->panels * w->tiles, 1, threads, sweep_task, g);
    for (size_t c = 0; c < m; c++) sums[c] = cru_gains_sum(w, c, 0);
}

static void rows_all(struct cru_gains *g) {
    g->work->rows = (struct cru_rows){.rows = g->pool->rows,
                                      .members = g->members,
                                      .n = g->n,
                                      .cover = g->cover,
                                      .weight = g->pool->weight};
}

/* The rows whose cover rose since round r, from what it was then to what it is. */
static void rows_changed(struct cru_gains *g, uint32_t r) {
    struct cru_gains_work *w = g->work;
    const uint16_t *then = w->covers[r % CRU_COVERS];
    size_t m = 0;
    for (size_t i = 0; i < g->n; i++) {
        w->changed[m] = g->members[i];
        w->low[m] = then[i];
        w->high[m] = g->cover[i];
        m += then[i] < g->cover[i];
    }
    w->rows = (struct cru_rows){.rows = g->pool->rows,
                                .members = w->changed,
                                .n = m,
                                .cover = w->low,
                                .ceiling = w->high,
                                .weight = g->pool->weight};
}

static void settle(struct cru_gains *g, uint32_t position, int64_t gain) {
    g->bound[position] = gain;
    g->round[position] = g->picked;
}

void cru_gains_anew(struct cru_gains *g, const uint32_t *candidates, size_t m) {
    struct cru_gains_work *w = g->work;
    int64_t sums[CRU_BATCH];
    rows_all(g);
    if (w->listing && !w->where) {
        w->where = malloc(w->pairs_most * sizeof *w->where);
        w->dot = malloc(w->pairs_most * sizeof *w->dot);
        if (!w->where || !w->dot) w->listing = false; /* it can be done without */
    }
    cru_gains_sweep(g, candidates, m, sums);
    for (size_t c = 0; c < m; c++)
        settle(g, candidates[c], cru_gains_bonus(g, candidates[c]) + sums[c]);
    for (size_t p = 0; w->listing && p < w->panels; p++)
        cru_reach_add(&w->reach, candidates + p * CRU_PANEL, w->panel[p].m, w->pairs + p * w->tiles,
                      w->tiles, w->tile, g->cover, g->picked);
}

static void compute_losses(struct cru_gains *g, const uint32_t *candidates, size_t m) {
    int64_t sums[CRU_BATCH];
    g->work->listing = false;
    cru_gains_sweep(g, candidates, m, sums);
    for (size_t c = 0; c < m; c++) settle(g, candidates[c], g->bound[candidates[c]] - sums[c]);
}

/* How many candidates one sweep may make lists for: none when lists are not due. */
static size_t listing_most(const struct cru_gains *g) {
    size_t length = g->n / (g->picked + 1), panels;
    if (length > LIST_ROWS || !cru_reach_open_for(&g->work->reach, g->picked)) return 0;
    /* Room for four times the pairs to be expected, since they are not spread evenly. */
    panels = g->work->pairs_most /
             (4 * CRU_PANEL * (length + 1) + (g->n / CRU_TILE_ROWS + 1) * CRU_PAIRS_SLACK);
    return cru_at_most(panels, CRU_PANELS_MOST) * CRU_PANEL;
}

bool cru_gains_cheap(const struct cru_gains *g, uint32_t position) {
    return cru_reach_has(&g->work->reach, position);
}

void cru_gains_compute(struct cru_gains *g, const uint32_t *positions, size_t m) {
    struct cru_gains_work *w = g->work;
    uint32_t group[CRU_COVERS + 1][CRU_BATCH];
    size_t most = listing_most(g);
    g->evaluations += m;
    for (size_t done = 0, many; done < m; done += many) {
        size_t in[CRU_COVERS + 1] = {0};
        many = cru_at_most(m - done, most ? most : CRU_BATCH);
        for (size_t c = 0; c < many; c++) {
            uint32_t p = positions[done + c], behind = g->picked - g->round[p];
            size_t to = most || behind > CRU_COVERS || behind == 0 ? CRU_COVERS : behind - 1;
            if (cru_reach_has(&w->reach, p))
                settle(g, p,
                       cru_gains_bonus(g, p) + cru_reach_gain(&w->reach, p, g->cover, w->weight));
            else
                group[to][in[to]++] = p;
        }
        for (uint32_t r = 0; r < CRU_COVERS; r++) {
            if (in[r] == 0) continue;
            rows_changed(g, g->picked - r - 1);
            compute_losses(g, group[r], in[r]);
        }
        w->listing = most > 0;
        if (in[CRU_COVERS]) cru_gains_anew(g, group[CRU_COVERS], in[CRU_COVERS]);
    }
}

void cru_gains_reset(struct cru_gains *g, const int64_t *first) {
    g->picked = 0;
    memset(g->cover, 0, g->n * sizeof *g->cover);
    memset(g->round, 0, g->n * sizeof *g->round);
    memcpy(g->bound, first, g->n * sizeof *first);
    cru_reach_clear(&g->work->reach);
}

static void cover_task(void *context, size_t i, int thread) {
    struct cru_gains *g = context;
    size_t from = i * g->work->tile;
    (void)thread;
    cru_cover_raise(g->path, g->pool->rows, g->pool->d, g->members + from,
                    cru_at_most(g->n - from, g->work->tile), g->work->chosen, g->cover + from);
}

/* Where the first pass foresaw these picks, in whatever order, it knows all gains behind them. */
static bool recall(struct cru_gains *g, uint32_t position) {
    struct cru_gains_work *w = g->work;
    bool all = true;
    w->taken[g->picked - 1] = position;
    for (size_t k = 0, j; all && k < g->picked; k++) {
        for (j = 0; j < g->picked && w->taken[j] != w->foreseen[k]; j++)
            ;
        all = j < g->picked;
    }
    for (size_t i = 0; all && i < g->n; i++) {
        g->bound[i] = w->ahead[g->picked][i];
        g->round[i] = g->picked;
    }
    if (g->picked == w->n_foreseen) cru_gains_forget(w);
    return all;
}

bool cru_gains_take(struct cru_gains *g, uint32_t position) {
    struct cru_gains_work *w = g->work;
    uint16_t *then = w->covers[g->picked % CRU_COVERS];
    for (size_t i = 0; i < g->n; i++) then[i] = (uint16_t)g->cover[i];
    if (cru_reach_has(&w->reach, position))
        cru_reach_raise(&w->reach, position, g->cover);
    else {
        w->chosen = g->members[position];
        w->tile = CRU_TILE_ROWS;
        cru_parallel_for((g->n + w->tile - 1) / w->tile, 1, threads_for(g, 1, g->n), cover_task, g);
    }
    g->picked++;
    return w->n_foreseen > 0 && recall(g, position);
}

size_t cru_gains_find(const struct cru_gains *g, uint32_t row) {
    size_t low = 0, high = g->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (g->members[middle] < row)
            low = middle + 1;
        else
            high = middle;
    }
    return low < g->n && g->members[low] == row ? low : g->n;
}
