/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of a micro-batch, and scratch memory for layers.
 *
 * A micro-batch is a flat run of n rows cut into segments: stretches of one document inside one
 * sequence. Nothing (convolution, delta-rule state, attention) looks across a segment's start, so
 * packed documents never see each other. In the ordinary phase a row is a token; in the superposed
 * phase (TST) it is a bag of `bag` tokens.
 *
 *     rows      0 1 2 3 4 5 6 7 8 9 ...        n_segments = 3, start = {0, 4, 7, n}
 *     segment   0 0 0 0 1 1 1 2 2 2
 *     position  0 1 2 3 0 1 2 0 1 2
 */
#ifndef CRU_TRAIN_ROWS_H
#define CRU_TRAIN_ROWS_H

#include "cmd/train/real.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cru_rows {
    size_t n, n_segments, bag;
    const uint32_t *start;    /* [n_segments + 1] */
    const uint32_t *position; /* [n] within the segment */
    const int32_t *input;     /* [n][bag] vocabulary rows; -1: no token, counts as zero */
    const int32_t *target;    /* [n][bag] vocabulary rows; -1: no target */
    const float *weight;      /* [n] loss weight of the row's document */
};

/*
 * A region is laid out twice: first with base NULL, which only counts bytes, then for real. So what
 * --memory-plan prints is what is allocated.
 */
struct cru_region {
    char *base;
    size_t used; /* bytes */
};
/* n elements of `size` bytes, aligned to 64; NULL while counting. */
static inline void *cru_region_take(struct cru_region *region, size_t n, size_t size) {
    size_t at = region->used;
    region->used = (at + n * size + 63) & ~(size_t)63;
    return region->base ? region->base + at : NULL;
}
static inline real *cru_region_reals(struct cru_region *region, size_t n) {
    return cru_region_take(region, n, sizeof(real));
}

#endif
