/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/dedup/components.h"
#include "crucible/base/base.h"

enum cru_status cru_components_init(struct cru_components *c, uint64_t n, struct cru_budget *budget,
                                    struct cru_error *err) {
    cru_spill_init(&c->parent, sizeof(uint64_t), budget);
    enum cru_status s = cru_spill_resize(&c->parent, (size_t)n, err);
    if (s) return s;
    uint64_t *parent = c->parent.p;
    for (uint64_t i = 0; i < n; i++) parent[i] = i;
    return CRU_OK;
}

void cru_components_release(struct cru_components *c) {
    cru_spill_release(&c->parent);
}

uint64_t cru_components_find(struct cru_components *c, uint64_t i) {
    uint64_t *parent = c->parent.p;
    while (parent[i] != i) {
        parent[i] = parent[parent[i]];
        i = parent[i];
    }
    return i;
}

void cru_components_union(struct cru_components *c, uint64_t i, uint64_t j) {
    uint64_t *parent = c->parent.p;
    i = cru_components_find(c, i);
    j = cru_components_find(c, j);
    if (i < j)
        parent[j] = i;
    else
        parent[i] = j;
}

void cru_components_flatten(struct cru_components *c) {
    uint64_t *parent = c->parent.p;
    /* A parent is never larger than its child, so in rising order each parent is a root already. */
    for (size_t i = 0; i < c->parent.n; i++) parent[i] = parent[parent[i]];
}
