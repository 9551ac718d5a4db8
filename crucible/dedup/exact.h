/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The set of 128-bit hashes (XXH3) of documents seen so far. Two different texts are taken for one
 * with a probability of about n^2 / 2^129 over n documents: below 10^-18 for ten billion.
 *
 * 32 parts by the top bits of the hash, each an open-addressing table that is kept between 70 % and
 * 85 % full, so 19 to 23 bytes a document; growing rebuilds one part at a time.
 *
 *   hash -> part (top 5 bits) -> slot (next bits, scaled) -> next free slot, linear
 *
 * Parts spill to files past the budget. One thread at a time.
 */
#ifndef CRU_DEDUP_EXACT_H
#define CRU_DEDUP_EXACT_H

#include "crucible/base/hash.h"
#include "crucible/base/spill.h"

enum { CRU_EXACT_PARTS = 32 };

struct cru_exact {
    struct cru_spill_array parts[CRU_EXACT_PARTS]; /* struct cru_hash128; all zero: free */
    uint64_t used[CRU_EXACT_PARTS];
    struct cru_budget *budget;
};

void cru_exact_init(struct cru_exact *e, struct cru_budget *budget);
void cru_exact_release(struct cru_exact *e);
/* Adds a hash; *fresh says whether it was not there yet. CRU_FATAL when memory or disk is short. */
enum cru_status cru_exact_add(struct cru_exact *e, struct cru_hash128 hash, bool *fresh,
                              struct cru_error *err);
uint64_t cru_exact_bytes(const struct cru_exact *e);

#endif
