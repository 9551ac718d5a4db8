/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Growable arrays for indexes that grow with the corpus. Up to the budget's limit they are ordinary
 * memory; past it, each is moved to an unlinked file in the temporary directory and mapped from
 * there, so that the kernel can write its pages back and resident memory stays bounded.
 * A budget is shared by the arrays of one stage; one thread at a time.
 */
#ifndef CRU_BASE_SPILL_H
#define CRU_BASE_SPILL_H

#include "crucible/base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cru_budget {
    uint64_t limit;  /* bytes of ordinary memory; 0 = no limit */
    uint64_t used;   /* bytes of ordinary memory in use */
    uint64_t spilled; /* bytes that live in files */
    const char *tmpdir; /* borrowed */
};

struct cru_spill_array {
    void *p; /* n elements, zeroed when grown */
    size_t n, capacity, element;
    int file; /* -1 while in memory */
    struct cru_budget *budget;
};

void cru_spill_init(struct cru_spill_array *a, size_t element, struct cru_budget *budget);
/* Makes n elements; new ones are zero. Pointers into p are no longer valid. */
enum cru_status cru_spill_resize(struct cru_spill_array *a, size_t n, struct cru_error *err);
void cru_spill_release(struct cru_spill_array *a);

#endif
