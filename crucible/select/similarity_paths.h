/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the SIMD paths of similarity.h share, and their entries: each does what the function of the
 * same name there does, for panels packed by its own pack. For similarity*.c alone.
 */
#ifndef CRU_SELECT_SIMILARITY_PATHS_H
#define CRU_SELECT_SIMILARITY_PATHS_H

#include "crucible/base/base.h"
#include "crucible/select/similarity.h"

static inline void cru_pair_note(struct cru_pairs *pairs, size_t i, size_t c, int32_t dot) {
    if (pairs->n >= pairs->capacity) {
        pairs->overflow = true;
        return;
    }
    pairs->where[pairs->n] = (uint32_t)(i * CRU_PANEL + c);
    pairs->dot[pairs->n++] = (uint32_t)dot;
}

#if defined(__x86_64__)

enum {
    CRU_BLOCK_SPAN = 256, /* numbers of a row widened at a time */
    CRU_BLOCK_MOST = 8    /* rows worked on together */
};

/* Rows of one block: missing ones at the end repeat the first with weight 0, which adds nothing,
 * and a cover above any dot, so that they make no pair. */
struct cru_block {
    const int8_t *row[CRU_BLOCK_MOST];
    const int8_t
        *next[CRU_BLOCK_MOST]; /* the rows of the block behind it, to be fetched meanwhile */
    int32_t cover[CRU_BLOCK_MOST], ceiling[CRU_BLOCK_MOST];
    uint32_t weight[CRU_BLOCK_MOST];
    size_t at; /* of the first */
};

static inline void cru_block_fill(struct cru_block *b, size_t want, const struct cru_rows *over,
                                  size_t d, size_t at) {
    b->at = at;
    for (size_t r = 0; r < want; r++) {
        bool there = at + r < over->n;
        size_t i = there ? at + r : at;
        size_t after = at + want + r < over->n ? at + want + r : at;
        b->row[r] = over->rows + (size_t)over->members[i] * d;
        b->next[r] = over->rows + (size_t)over->members[after] * d;
        b->cover[r] = !there ? INT32_MAX : over->cover ? over->cover[i] : 0;
        b->ceiling[r] = over->ceiling ? over->ceiling[i] : INT32_MAX;
        b->weight[r] = there ? over->weight[over->members[i]] : 0;
    }
}

void cru_avx2_pack(struct cru_panel *panel, const int8_t *row, size_t c);
void cru_avx2_gains(const struct cru_panel *panel, const struct cru_rows *rows, int64_t *gains,
                    struct cru_pairs *pairs);
void cru_avx2_mirror(const struct cru_panel *panel, const struct cru_rows *rows,
                     const uint32_t *weights, const struct cru_levels *levels, int64_t *gains,
                     int64_t *const *mirror);
void cru_avx2_raise(const int8_t *rows, size_t d, const uint32_t *members, size_t n,
                    const int8_t *candidate, int32_t *cover);

void cru_vnni_pack(struct cru_panel *panel, const int8_t *row, size_t c);
void cru_vnni_gains(const struct cru_panel *panel, const struct cru_rows *rows, int64_t *gains,
                    struct cru_pairs *pairs);
void cru_vnni_mirror(const struct cru_panel *panel, const struct cru_rows *rows,
                     const uint32_t *weights, const struct cru_levels *levels, int64_t *gains,
                     int64_t *const *mirror);
void cru_vnni_raise(const int8_t *rows, size_t d, const uint32_t *members, size_t n,
                    const int8_t *candidate, int32_t *cover);

#endif
#endif
