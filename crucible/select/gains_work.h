/* SPDX-License-Identifier: Apache-2.0 */
/* What gains.c and gains_first.c share; for them alone. */
#ifndef CRU_SELECT_GAINS_WORK_H
#define CRU_SELECT_GAINS_WORK_H

#include "crucible/select/gains.h"

enum {
    CRU_TILE_ROWS = 512,  /* rows a task meets at least: a tile of 256 numbers fits the L2 cache */
    CRU_TILES_MOST = 256, /* bounds the partial sums */
    CRU_PANELS_MOST = 8,  /* panels evaluated together */
    CRU_BATCH = CRU_PANELS_MOST * CRU_PANEL,
    CRU_FORESEE_FROM = 16384, /* members; with fewer it does not pay (gains_first.c) */
};

struct cru_gains_work {
    uint16_t *weight;             /* by position */
    uint32_t alike;               /* the weight of all of them; 0: they differ */
    uint16_t *covers[CRU_COVERS]; /* [r % CRU_COVERS]: the cover of round r; a dot has 16 bits */
    uint32_t *changed;            /* rows whose cover rose since a round, and both covers */
    int32_t *low, *high;
    struct cru_reach reach;
    size_t pairs_most;     /* of all tasks of a sweep that makes lists */
    uint32_t *where, *dot; /* of all these pairs; NULL until a list is made */
    struct cru_pairs *pairs;
    /* one sweep */
    struct cru_rows rows;
    struct cru_panel panel[CRU_PANELS_MOST];
    char *packed;     /* 64-byte aligned */
    int64_t *partial; /* [panel][tile][level][candidate] */
    size_t tile, tiles, panels, levels;
    const uint32_t *candidates;
    bool listing;
    /* the first pass */
    size_t first;
    uint32_t weights[CRU_PANELS_MOST][CRU_PANEL];
    int32_t lanes[CRU_PANELS_MOST][CRU_LEVELS][CRU_PANEL];
    const uint16_t *level[CRU_LEVELS];
    int64_t *to[CRU_LEVELS];
    /* what it foresaw (gains_first.c): picks, and after the k-th of them the gains ahead[k] */
    uint32_t foreseen[CRU_LEVELS], taken[CRU_LEVELS];
    int64_t *ahead[CRU_LEVELS];
    size_t n_foreseen;
    /* a pick */
    uint32_t chosen;
};

/* Cuts m candidates into panels and n rows into tiles, for sums over so many levels. */
void cru_gains_set(struct cru_gains *g, size_t m, size_t n, size_t levels);
/* Packs w->candidates into the panels. */
void cru_gains_pack(struct cru_gains *g, int threads);
/* Of candidate c on a level, over the tiles. */
int64_t cru_gains_sum(const struct cru_gains_work *w, size_t c, size_t level);
/* Sums of m candidates over w->rows. */
void cru_gains_sweep(struct cru_gains *g, const uint32_t *candidates, size_t m, int64_t *sums);
/* Gains of m candidates over all rows. */
void cru_gains_anew(struct cru_gains *g, const uint32_t *candidates, size_t m);
/* What w->n_foreseen and ahead hold is forgotten. */
void cru_gains_forget(struct cru_gains_work *w);

static inline size_t cru_at_most(size_t n, size_t most) {
    return n < most ? n : most;
}

#endif
