/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/base/base.h"
#include "crucible/filter/repeated_lines.h"

void cru_repeated_lines_init(struct cru_repeated_lines *r) {
    memset(r, 0, sizeof *r);
}

void cru_repeated_lines_release(struct cru_repeated_lines *r) {
    free(r->slots);
    memset(r, 0, sizeof *r);
}

enum cru_status cru_repeated_lines_begin(struct cru_repeated_lines *r, struct cru_span text,
                                         size_t most, struct cru_error *err) {
    size_t slots = 64;
    while (slots < most * 2)
        slots *= 2;
    if (slots > r->capacity) {
        free(r->slots);
        r->slots = malloc(slots * sizeof *r->slots);
        r->capacity = r->slots ? slots : 0;
        if (!r->slots)
            return cru_fail_memory(err, "repeated lines of a document");
    }
    memset(r->slots, 0, slots * sizeof *r->slots);
    r->mask = slots - 1;
    r->text = text;
    r->pieces = r->repeats = 0;
    r->repeat_chars = 0;
    return CRU_OK;
}

void cru_repeated_lines_add(struct cru_repeated_lines *r, struct cru_line piece) {
    const char *p = r->text.p + piece.at;
    uint64_t hash = cru_hash64(p, piece.bytes, 0);
    r->pieces++;
    for (size_t s = (size_t)hash & r->mask;; s = (s + 1) & r->mask) {
        struct cru_line_slot *slot = &r->slots[s];
        if (!slot->used) {
            *slot = (struct cru_line_slot){hash, piece.at, piece.bytes, 1};
            return;
        }
        if (slot->hash == hash && slot->bytes == piece.bytes &&
            memcmp(r->text.p + slot->at, p, piece.bytes) == 0) {
            r->repeats++;
            r->repeat_chars += piece.chars;
            return;
        }
    }
}
