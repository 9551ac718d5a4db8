/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many of a list of pieces (lines, paragraphs) are repeats of an earlier one, counted from the second
 * occurrence, and how many code points the repeats have. Pieces are compared byte for byte.
 * Owns its hash table, reuses it; one thread at a time.
 */
#ifndef CRU_FILTER_REPEATED_LINES_H
#define CRU_FILTER_REPEATED_LINES_H

#include "crucible/filter/text_stats.h"

struct cru_line_slot {
    uint64_t hash;
    uint32_t at, bytes;
    uint32_t used;
};

struct cru_repeated_lines {
    struct cru_line_slot *slots;
    size_t mask, capacity;
    struct cru_span text;
    size_t pieces, repeats; /* results: pieces added, and those that repeat */
    uint64_t repeat_chars;
};

void cru_repeated_lines_init(struct cru_repeated_lines *r); /* zeroes */
void cru_repeated_lines_release(struct cru_repeated_lines *r);
/* Begins a list of at most `most` pieces of `text`. CRU_FATAL when memory is short. */
enum cru_status cru_repeated_lines_begin(struct cru_repeated_lines *r, struct cru_span text,
                                         size_t most, struct cru_error *err);
void cru_repeated_lines_add(struct cru_repeated_lines *r, struct cru_line piece);

#endif
