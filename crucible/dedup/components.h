/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connected components of documents by union-find with path halving. The smaller root wins every
 * union, so a component's root is its smallest member and the result does not depend on the order
 * of the unions. 8 bytes a document, spilled past the budget. One thread at a time.
 */
#ifndef CRU_DEDUP_COMPONENTS_H
#define CRU_DEDUP_COMPONENTS_H

#include "crucible/base/spill.h"

struct cru_components {
    struct cru_spill_array parent; /* uint64_t; parent <= child */
};

/* n documents, each alone. */
enum cru_status cru_components_init(struct cru_components *c, uint64_t n, struct cru_budget *budget,
                                    struct cru_error *err);
void cru_components_release(struct cru_components *c);
uint64_t cru_components_find(struct cru_components *c, uint64_t i);
void cru_components_union(struct cru_components *c, uint64_t i, uint64_t j);
/* Makes every parent a root, after which cru_components_root reads without writing. */
void cru_components_flatten(struct cru_components *c);
static inline uint64_t cru_components_root(const struct cru_components *c, uint64_t i) {
    return ((const uint64_t *)c->parent.p)[i];
}

#endif
