/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Root-mean-square norm (Zhang, Sennrich 2019): y = x / sqrt(mean(x^2) + eps) * w, or * (1 + w)
 * when zero-centred (w starts at 0). Rows may hold `groups` vectors of d behind one another
 * (heads), all normed with the same w[d]; `ldx` and `ldy` are the elements between rows. Pure;
 * nothing can fail.
 */
#ifndef CRU_TRAIN_RMSNORM_H
#define CRU_TRAIN_RMSNORM_H

#include "cmd/train/real.h"
#include <stdbool.h>

#define CRU_NORM_EPSILON 1e-6 /* Qwen3-Next */

struct cru_rmsnorm {
    size_t groups, d;
    bool zero_centred;
};

/* rstd[n][groups] is kept for the way back. */
void cru_rmsnorm_forward(struct cru_rmsnorm norm, size_t n, const real *x, size_t ldx,
                         const real *w, real *y, size_t ldy, real *rstd, int threads);

/* dx is added to when `add`, else set; dw is added to. dx may be dy. */
void cru_rmsnorm_backward(struct cru_rmsnorm norm, size_t n, const real *x, size_t ldx,
                          const real *w, const real *rstd, const real *dy, size_t lddy, bool add,
                          real *dx, size_t lddx, real *dw, int threads);

#endif
