/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Things that threads take, use and give back: buffers, encoders. Each thread gets what it had last, if that is there,
 * because it lies in the cache of that thread's core; else what was given back last.
 *
 *     struct tray { struct cru_kept kept; ... };      the first member
 *
 * The caller has a lock, and knows all of them in another way when it frees them.
 */
#ifndef CRU_BASE_KEPT_H
#define CRU_BASE_KEPT_H

#include "crucible/base/parallel.h"

struct cru_kept {
    struct cru_kept *next;
    const void *taker; /* cru_thread_mark() */
};

/* Takes one from the list; NULL when it is empty. */
static inline struct cru_kept *cru_kept_take(struct cru_kept **list) {
    const void *me = cru_thread_mark();
    struct cru_kept **from = list;
    while (*from && (*from)->taker != me) from = &(*from)->next;
    if (!*from) from = list;
    struct cru_kept *kept = *from;
    if (kept) {
        *from = kept->next;
        kept->taker = me;
    }
    return kept;
}

static inline void cru_kept_give(struct cru_kept **list, struct cru_kept *kept) {
    kept->next = *list;
    *list = kept;
}

#endif
