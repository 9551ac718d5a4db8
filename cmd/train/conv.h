/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Depthwise causal convolution over 4 rows, then SiLU; history is zero where a segment starts.
 *
 *     pre[r][c] = sum over j in 0..3 of w[c][j] x[r - 3 + j][c];   act = silu(pre)
 *
 * Pure; nothing can fail.
 */
#ifndef CRU_TRAIN_CONV_H
#define CRU_TRAIN_CONV_H

#include "cmd/train/rows.h"

enum { CRU_CONV_WIDTH = 4 };

/* x[n][ldx], of which the first `channels` are read; w[channels][4]; pre, act: [n][channels]. */
void cru_conv_forward(const struct cru_rows *rows, size_t channels, const real *x, size_t ldx,
                      const real *w, real *pre, real *act, int threads);
/* dact[n][channels] is overwritten; dx[n][lddx] is set; dw is added to. */
void cru_conv_backward(const struct cru_rows *rows, size_t channels, const real *x, size_t ldx,
                       const real *w, const real *pre, real *dact, real *dx, size_t lddx, real *dw,
                       int threads);

#endif
