/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash set of what a document has said so far: 64-bit keys, each with the stamp of its latest
 * occurrence. Open addressing, linear probing, at most half full. A slot is the high half of its
 * key and the stamp; the low half is where it stands.
 *
 *   stamps:   ... base-1 | base ........ now        an entry whose stamp is below base belongs to
 *             older docs | this document            an older document and counts as empty,
 *
 * so a new document starts by raising base, without clearing, and small documents use only the
 * first slots of the table (the mask follows the document's size). Keys that meet in one run of
 * slots and agree in their high 32 bits are taken for one: about once in 2^32 look-ups. CRU_FATAL
 * when memory is short.
 */
#ifndef CRU_DDM_NOVELTY_H
#define CRU_DDM_NOVELTY_H

#include "crucible/base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cru_novelty {
    uint64_t *slots; /* stamp << 32 | tag: one load and one store a look-up */
    size_t capacity, mask;
    uint32_t base;
};

void cru_novelty_init(struct cru_novelty *set);
void cru_novelty_release(struct cru_novelty *set);
/* Starts a document of at most n keys. Its stamps must be `base` (at least 1) or more, and above
 * all older ones. */
enum cru_status cru_novelty_begin(struct cru_novelty *set, size_t n, uint32_t base,
                                  struct cru_error *err);

/* Forgets all stamps, so that they may begin at 1 again. */
void cru_novelty_clear(struct cru_novelty *set);

/* Brings the key's slot near, for a mark that comes soon. */
static inline void cru_novelty_expect(const struct cru_novelty *set, uint64_t key) {
    __builtin_prefetch(&set->slots[(size_t)key & set->mask], 1);
}

/* The stamp the key had in this document (0: none); it has `stamp` from now on. An empty slot and
 * the key's own are taken by one path, since which of the two it is cannot be guessed. */
static inline uint32_t cru_novelty_mark(struct cru_novelty *set, uint64_t key, uint32_t stamp) {
    uint32_t tag = (uint32_t)(key >> 32);
    size_t i = (size_t)key & set->mask;
    for (;; i = (i + 1) & set->mask) {
        uint64_t slot = set->slots[i];
        uint32_t before = (uint32_t)(slot >> 32);
        bool empty = before < set->base;
        if (!(empty | ((uint32_t)slot == tag))) continue;
        set->slots[i] = (uint64_t)stamp << 32 | tag;
        return before & -(uint32_t)!empty;
    }
}

#endif
