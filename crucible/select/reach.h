/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What candidates can still reach: for some of them, the list of rows that they would raise above
 * the present cover, with the dots. A cover only rises, so that a list only shrinks: once made it
 * gives the exact gain for good, by reading a few hundred entries instead of multiplying n rows.
 *
 *   arena  [ . | p n used e e e e . . | p n used e e . | ............ ]   in words of 32 bits
 *   at[p] -------^ the list of position p; 0: none
 *   e      dot << 16 | low half of the row's position; dot 0: the entry sets the high half
 *
 * The memory is fixed when opened. Where it is full a candidate simply has no list: lists make
 * gains cheaper, never different. One thread at a time; the caller owns cover and weight, which are
 * indexed by position. CRU_FATAL only when memory is short.
 */
#ifndef CRU_SELECT_REACH_H
#define CRU_SELECT_REACH_H

#include "crucible/base/error.h"
#include "crucible/select/similarity.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cru_reach {
    uint32_t *arena, *at;
    size_t n, capacity, used;
    uint32_t packed_at; /* picks when the arena was last packed and still short of room */
};

enum cru_status cru_reach_open(struct cru_reach *reach, size_t n, size_t bytes,
                               struct cru_error *err);
void cru_reach_close(struct cru_reach *reach);
void cru_reach_clear(struct cru_reach *reach); /* forgets all lists */

static inline bool cru_reach_has(const struct cru_reach *reach, uint32_t position) {
    return reach->at[position] != 0;
}

/* Whether there may be room for lists after `picked` picks. */
bool cru_reach_open_for(const struct cru_reach *reach, uint32_t picked);

/* Makes lists for candidates[0..m) from the pairs of `tasks` tiles of `tile` rows each, in order.
 * `picked` as above. Without room for one it packs the arena, and then leaves it out. */
void cru_reach_add(struct cru_reach *reach, const uint32_t *candidates, size_t m,
                   const struct cru_pairs *pairs, size_t tasks, size_t tile, const int32_t *cover,
                   uint32_t picked);

/* Sum of weight * max(0, dot - cover) over the list of a candidate that has one; rows that the
 * cover has passed leave it. */
int64_t cru_reach_gain(struct cru_reach *reach, uint32_t position, const int32_t *cover,
                       const uint16_t *weight);

/* cover = max(cover, dot), over the list of a candidate that has one, which is then dropped. */
void cru_reach_raise(struct cru_reach *reach, uint32_t position, int32_t *cover);

#endif
