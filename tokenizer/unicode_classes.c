/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/unicode_classes.h"
#include "crucible/base/base.h"
#include "tokenizer/unicode_ranges.h"

static void mark_ranges(uint8_t *flat, const uint32_t (*ranges)[2], size_t n, unsigned bit) {
    for (size_t i = 0; i < n; i++)
        for (uint32_t c = ranges[i][0]; c <= ranges[i][1]; c++) flat[c] |= (uint8_t)bit;
}

#define MARK_RANGES(name, bit)                                                                     \
    mark_ranges(flat, cru_unicode_##name, sizeof cru_unicode_##name / sizeof *cru_unicode_##name, bit)

/* Gives every block the number of the first block equal to it, and keeps the distinct ones. */
static bool fold_blocks(struct cru_classes *classes, uint8_t *flat) {
    enum { SLOTS = 4096 };
    uint16_t *slot = calloc(SLOTS, sizeof *slot); /* block number + 1, by hash */
    if (!slot) return false;
    size_t n = 0;
    for (size_t b = 0; b < CRU_CLASS_BLOCKS; b++) {
        const uint8_t *block = flat + b * CRU_CLASS_BLOCK;
        size_t h = cru_hash64(block, CRU_CLASS_BLOCK, 0) % SLOTS;
        while (slot[h] &&
               memcmp(flat + (size_t)(slot[h] - 1) * CRU_CLASS_BLOCK, block, CRU_CLASS_BLOCK) != 0)
            h = (h + 1) % SLOTS;
        if (!slot[h]) { /* n <= b: the kept blocks never overwrite one still to be read */
            memmove(flat + n * CRU_CLASS_BLOCK, block, CRU_CLASS_BLOCK);
            slot[h] = (uint16_t)++n;
        }
        classes->block[b] = (uint16_t)(slot[h] - 1);
    }
    free(slot);
    classes->n_blocks = n;
    uint8_t *bits = realloc(flat, n * CRU_CLASS_BLOCK);
    classes->bits = bits ? bits : flat;
    return true;
}

bool cru_classes_init(struct cru_classes *classes) {
    memset(classes, 0, sizeof *classes);
    uint8_t *flat = calloc(0x110000, 1);
    if (!flat) return false;
    MARK_RANGES(letter, CRU_LETTER);
    MARK_RANGES(number, CRU_NUMBER);
    MARK_RANGES(space, CRU_SPACE);
    MARK_RANGES(mark, CRU_MARK);
    MARK_RANGES(compose, CRU_COMPOSE);
    MARK_RANGES(later, CRU_LATER);
    if (fold_blocks(classes, flat)) return true;
    free(flat);
    return false;
}

void cru_classes_release(struct cru_classes *classes) {
    free(classes->bits);
    memset(classes, 0, sizeof *classes);
}
