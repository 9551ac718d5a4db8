/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tied head and its cross-entropy, a few rows of logits at a time, so that memory stays bounded
 * whatever the vocabulary. A row with m targets y_1..y_m costs
 *
 *     nll = sum over i of (logsumexp(z) - z[y_i])        dz = weight (m softmax(z) - counts) /
 * total
 *
 * which for a full bag is s times the superposed loss of arXiv 2605.06546. Targets of -1 do not
 * count. Pure; nothing can fail.
 */
#ifndef CRU_TRAIN_LOSS_H
#define CRU_TRAIN_LOSS_H

#include "cmd/train/rows.h"

struct cru_loss {
    size_t d, vocabulary;
};

/* Rows of logits that are made at a time (32 MiB of floats, at least 16 rows). */
size_t cru_loss_chunk_rows(struct cru_loss loss);

/*
 * nll[n] is set to each row's sum over its targets, unweighted. With `dhidden` not NULL,
 * dhidden[n][d] is set and dtable[vocabulary][d] is added to, for the loss sum_r weight_r nll_r *
 * inverse_total. logits: chunk_rows * vocabulary elements.
 */
void cru_loss_run(struct cru_loss loss, const struct cru_rows *rows, const real *hidden,
                  const real *table, double inverse_total, real *logits, double *nll, real *dhidden,
                  real *dtable, int threads);

/*
 * z[n] <- e^(z - max z); *most and *sum are the maximum and the sum of the result. The float
 * build's exponential is Cody and Waite's reduction with the Taylor series to r^7: its relative
 * error is below 1.5e-7, and it is the same to the bit on every machine. Sums have a fixed order.
 */
void cru_softmax_row(size_t n, real *z, real *most, real *sum);

#endif
