/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the part of a text that is scored: a list of pieces, in order, none empty.
 *
 * Think tags are <think> and <thinking>, in lower case, without attributes. An opening tag without
 * a closing one reaches to the end (a trace cut short); a closing tag without an opening one
 * reaches back to the start (chat templates put the opening tag into the prompt). Tags do not nest.
 *
 * The list owns its array and reuses it. CRU_FATAL when memory is short.
 */
#ifndef CRU_DDM_REGION_H
#define CRU_DDM_REGION_H

#include "crucible/base/error.h"
#include "ddm/ddm.h"

struct cru_region_piece {
    size_t begin, end;
};

struct cru_region {
    struct cru_region_piece *pieces;
    size_t n, capacity;
    bool tagged; /* the text has think tags */
};

void cru_region_init(struct cru_region *region);
void cru_region_release(struct cru_region *region);
enum cru_status cru_region_find(struct cru_region *region, struct cru_span text,
                                enum cru_ddm_region which, struct cru_error *err);

#endif
