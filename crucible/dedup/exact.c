/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/dedup/exact.h"
#include "crucible/base/base.h"

/* A part grows to 120 % when 85 % full, so it is then 71 % full: 16 / .85 to 16 / .71 bytes a hash.
 */
enum { FIRST_SLOTS = 64, FULL_PERCENT = 85, PART_BITS = 5 };

void cru_exact_init(struct cru_exact *e, struct cru_budget *budget) {
    memset(e, 0, sizeof *e);
    e->budget = budget;
    for (size_t i = 0; i < CRU_EXACT_PARTS; i++)
        cru_spill_init(&e->parts[i], sizeof(struct cru_hash128), budget);
}

void cru_exact_release(struct cru_exact *e) {
    for (size_t i = 0; i < CRU_EXACT_PARTS; i++) cru_spill_release(&e->parts[i]);
}

/* The slot that holds the hash, or the free one where it belongs. There is always a free one. */
static size_t slot_of(const struct cru_hash128 *slots, size_t n, struct cru_hash128 hash) {
    __extension__ typedef unsigned __int128 wide;
    size_t i = (size_t)(((wide)(hash.high << PART_BITS) * n) >> 64);
    while ((slots[i].low | slots[i].high) &&
           (slots[i].low != hash.low || slots[i].high != hash.high))
        i = i + 1 < n ? i + 1 : 0;
    return i;
}

static enum cru_status grow(struct cru_spill_array *part, struct cru_error *err) {
    struct cru_spill_array larger;
    cru_spill_init(&larger, sizeof(struct cru_hash128), part->budget);
    enum cru_status s =
        cru_spill_resize(&larger, part->n ? part->n + part->n / 5 : FIRST_SLOTS, err);
    if (s) {
        cru_spill_release(&larger);
        return s;
    }
    const struct cru_hash128 *from = part->p;
    struct cru_hash128 *to = larger.p;
    for (size_t i = 0; i < part->n; i++)
        if (from[i].low | from[i].high) to[slot_of(to, larger.n, from[i])] = from[i];
    cru_spill_release(part);
    *part = larger;
    return CRU_OK;
}

enum cru_status cru_exact_add(struct cru_exact *e, struct cru_hash128 hash, bool *fresh,
                              struct cru_error *err) {
    if (!(hash.low | hash.high)) hash.low = 1; /* all zero means free */
    size_t p = (size_t)(hash.high >> (64 - PART_BITS));
    struct cru_spill_array *part = &e->parts[p];
    if (e->used[p] * 100 >= part->n * FULL_PERCENT) {
        enum cru_status s = grow(part, err);
        if (s) return s;
    }
    struct cru_hash128 *slots = part->p;
    struct cru_hash128 *slot = &slots[slot_of(slots, part->n, hash)];
    *fresh = !(slot->low | slot->high);
    if (*fresh) {
        *slot = hash;
        e->used[p]++;
    }
    return CRU_OK;
}

uint64_t cru_exact_bytes(const struct cru_exact *e) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < CRU_EXACT_PARTS; i++)
        bytes += e->parts[i].n * sizeof(struct cru_hash128);
    return bytes;
}
