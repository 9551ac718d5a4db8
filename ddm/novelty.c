/* SPDX-License-Identifier: Apache-2.0 */
#include "ddm/novelty.h"
#include "crucible/base/base.h"

enum { SMALLEST = 256 };

void cru_novelty_init(struct cru_novelty *set) {
    memset(set, 0, sizeof *set);
}

void cru_novelty_release(struct cru_novelty *set) {
    free(set->slots);
    cru_novelty_init(set);
}

enum cru_status cru_novelty_begin(struct cru_novelty *set, size_t n, uint32_t base,
                                  struct cru_error *err) {
    size_t need = SMALLEST;
    while (need < 2 * n) need *= 2;
    if (need > set->capacity) {
        /* old entries may go: they belong to older documents */
        free(set->slots);
        set->slots = calloc(need, sizeof *set->slots);
        set->capacity = set->slots ? need : 0;
        if (!set->slots) return cru_fail_memory(err, "what a text has said so far");
    }
    set->mask = need - 1;
    set->base = base;
    return CRU_OK;
}

void cru_novelty_clear(struct cru_novelty *set) {
    if (set->capacity > 0) memset(set->slots, 0, set->capacity * sizeof *set->slots);
}
