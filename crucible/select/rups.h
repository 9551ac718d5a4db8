/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RUPS: several scores of a document fused into one weight that never contradicts dominance.
 *
 *   axes --percentile inside the length stratum--> p_k --non-dominated rank--> f --+--> R, weight
 *                                                   \----geometric mean-----------/
 *
 * A document dominates another when it is at least as good on all axes and better on one. If i
 * dominates j, R(i) > R(j), strictly. All that orders documents is computed in integers, so that
 * the result is the same on every machine. Pure functions; the caller owns all memory; CRU_FATAL
 * only when memory is short.
 */
#ifndef CRU_SELECT_RUPS_H
#define CRU_SELECT_RUPS_H

#include "crucible/base/error.h"
#include <stddef.h>
#include <stdint.h>

enum { CRU_RUPS_AXES = 3, CRU_RUPS_ONE = 65536 }; /* most axes; the percentile 1.0 */

/*
 * p = (midrank - 1/2) / n_b inside each stratum, in units of 1/65536, rounded to nearest. Higher
 * value, higher p; equal values share their mean rank; NaN ranks below everything and gets 0.
 * stratum[i] < n_strata for i < n; q has n elements.
 */
enum cru_status cru_rups_percentiles(const double *value, const uint16_t *stratum, size_t n,
                                     size_t n_strata, uint32_t *q, struct cru_error *err);

/*
 * rank[i] = 1 for the documents that none dominates, 2 for those that only rank 1 dominates, and so
 * on (non-dominated sorting, Deb et al. 2002). Equal documents share a rank. *fronts = highest
 * rank. One axis: sorting. Two: patience piles, O(n log n). Three: a binary search over the
 * fronts (ENS-BS, Zhang et al. 2015), each a staircase that is searched the same way: O(n log^2 n)
 * comparisons. q[k] are the axes, 1 <= axes
 * <= 3.
 */
enum cru_status cru_rups_ranks(const uint32_t *const *q, size_t axes, size_t n, uint32_t *rank,
                               uint32_t *fronts, struct cru_error *err);

/*
 * R = 1/2 (fronts - rank + 1)/fronts + 1/2 (prod_k max(p_k, 2^-16))^(1/axes), in (0, 1]. `q` are
 * the document's percentiles.
 */
double cru_rups_score(const uint32_t *q, size_t axes, uint32_t rank, uint32_t fronts);

/* A weight in [0, 1] as 16-bit fixed point; at least 1 when w > 0, 0 for NaN. */
uint16_t cru_rups_weight(double w);

/* Pearson correlation of two axes' percentiles, which is Spearman's within strata. 0 when constant.
 */
double cru_rups_correlation(const uint32_t *a, const uint32_t *b, size_t n);

#endif
