/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loss weights that do not depend on length: raw weights are scaled so that, inside each length
 * stratum, their mean over words is 1, and none passes the cap.
 *
 * Strata are quantiles of the number of words. The document at place r of the sorted lengths
 * belongs to stratum floor(r * 8 / n), equal lengths to the stratum of the first of them, and empty
 * strata are left out: the rule of crucible/select/strata.h, here without sorting (counting finds
 * the edges, three passes each), so that the records themselves are all the memory there is.
 *
 * A document of weight 0 (bin reject) carries no loss: it counts for the edges but not for the
 * mean, so that dropping it or keeping it leaves the weights of its neighbours alike. Weights over
 * the cap are set to it and the rest is scaled again, until nothing changes. All sums are integers:
 * weights count millionths.
 *
 * Pure: the caller owns the records; no memory, no errors.
 */
#ifndef CRU_DDM_LOSS_STRATA_H
#define CRU_DDM_LOSS_STRATA_H

#include <stddef.h>
#include <stdint.h>

enum { CRU_LOSS_STRATA = 8, CRU_LOSS_ONE = 1000000 };

struct cru_loss_record {
    uint32_t words;
    uint32_t weight; /* raw, in millionths; 0 carries no loss */
};

struct cru_loss_strata {
    size_t n;
    uint32_t edge[CRU_LOSS_STRATA]; /* most words of stratum k; of the last, of all */
    double factor[CRU_LOSS_STRATA];
    uint64_t documents[CRU_LOSS_STRATA],
        words[CRU_LOSS_STRATA]; /* all, those of weight 0 included */
    double cap;
};

void cru_loss_strata_fit(struct cru_loss_strata *strata, const struct cru_loss_record *records,
                         size_t n, double cap);
/* The stratum of a length, and the final weight of a record. */
size_t cru_loss_stratum(const struct cru_loss_strata *strata, uint32_t words);
double cru_loss_weight(const struct cru_loss_strata *strata, struct cru_loss_record record);

#endif
