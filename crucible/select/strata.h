/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Length strata and their quotas: selecting inside strata of equal length keeps a selection from
 * drifting towards long (or short) documents. Pure; the caller owns all memory. CRU_FATAL only when
 * memory is short.
 */
#ifndef CRU_SELECT_STRATA_H
#define CRU_SELECT_STRATA_H

#include "crucible/base/error.h"
#include <stddef.h>
#include <stdint.h>

enum { CRU_STRATA_MAX = 256 };

struct cru_strata {
    size_t n;                                           /* strata, none of them empty */
    uint64_t documents[CRU_STRATA_MAX];                 /* in each */
    uint64_t low[CRU_STRATA_MAX], high[CRU_STRATA_MAX]; /* shortest and longest length in it */
};

/*
 * Cuts n lengths into at most `bins` quantile bins: the document at place r of the sorted lengths
 * falls into bin floor(r * bins / n), equal lengths all into the bin of the first of them, and bins
 * that stay empty are left out. stratum[i] is the answer for length[i]; strata rise with length.
 */
enum cru_status cru_strata_cut(const uint64_t *length, size_t n, size_t bins, uint16_t *stratum,
                               struct cru_strata *strata, struct cru_error *err);

/*
 * Shares `budget` out over m strata of the given sizes in proportion to size^(1 - rho) (rho = 0:
 * proportional, 1: equal) by largest remainders (Hamilton; ties to the lower stratum), never more
 * than a stratum's size; what a full stratum cannot take goes to the others by the same rule.
 * The quotas sum to min(budget, sum of sizes). m is at most CRU_STRATA_MAX.
 */
void cru_strata_quotas(const uint64_t *size, size_t m, uint64_t budget, double rho,
                       uint64_t *quota);

#endif
