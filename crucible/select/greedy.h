/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of greedy selection that its variants share: a heap of candidates by upper bounds of
 * their gains (gains.h), and the headroom that the certificate is made of. Internal to EESD; rules
 * as in gains.h.
 *
 *   heap   [ p0 | p1 | p2 | ... ]   positions, the best bound per cost on top
 */
#ifndef CRU_SELECT_GREEDY_H
#define CRU_SELECT_GREEDY_H

#include "crucible/select/gains.h"

struct cru_greedy {
    struct cru_gains gains;
    uint32_t *heap; /* room for n positions */
    size_t heap_n;
    bool *taken; /* of each position */
};

enum cru_status cru_greedy_open(struct cru_greedy *g, const struct cru_eesd_pool *pool,
                                const uint32_t *members, size_t n, enum cru_simd path, int threads,
                                struct cru_error *err);
void cru_greedy_close(struct cru_greedy *g);

/* Makes the first heap_n positions of the heap array a heap. */
void cru_greedy_heapify(struct cru_greedy *g);
/* The heap becomes all positions that are not taken. */
void cru_greedy_fill(struct cru_greedy *g);
/* The position with the largest gain per cost, off the heap; false when the heap is empty. */
bool cru_greedy_pop(struct cru_greedy *g, uint32_t *position);
/* Takes a position whose gain is known, and notes it in the result. */
enum cru_status cru_greedy_take(struct cru_greedy *g, uint32_t position,
                                struct cru_eesd_result *result, struct cru_error *err);
/* Picks by lazy greedy off the heap until `picks` are in the result or the heap is empty. No
 * costs. */
enum cru_status cru_greedy_until(struct cru_greedy *g, uint64_t picks,
                                 struct cru_eesd_result *result, struct cru_error *err);
/* What a set within the budget can have beyond S at most; uses up the heap, which must hold all
 * that are not in S. */
int64_t cru_greedy_headroom(struct cru_greedy *g, uint64_t budget);

/* The methods but lazy greedy (eesd_methods.c), for pools without costs. */
enum cru_status cru_greedy_by_method(struct cru_greedy *g, const struct cru_eesd_plan *plan,
                                     struct cru_eesd_result *result, struct cru_error *err);

#endif
