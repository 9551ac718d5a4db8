/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Token embeddings, one a row, or in the superposed phase the mean of a bag's (Token Superposition
 * Training, arXiv 2605.06546). A bag's empty places (-1) count as zero vectors. Pure; nothing can
 * fail.
 */
#ifndef CRU_TRAIN_EMBEDDING_H
#define CRU_TRAIN_EMBEDDING_H

#include "cmd/train/rows.h"

/* x[n][d] from table[vocabulary][d]. */
void cru_embedding_forward(const struct cru_rows *rows, size_t d, const real *table, real *x,
                           int threads);
/* dtable += what dx says, in row order. */
void cru_embedding_backward(const struct cru_rows *rows, size_t d, const real *dx, real *dtable);

#endif
