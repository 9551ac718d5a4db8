/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An arena owns everything allocated from it and frees it all at once. A batch of documents has
 * one; stages add to it and never free. One thread at a time.
 *
 *      head -> [ chunk | used .... | free ] -> [ chunk | used ......... ] -> NULL
 *
 * Allocation is aligned to 16 bytes. Every function that returns a pointer returns NULL when memory
 * is short, and the caller must check.
 */
#ifndef CRU_BASE_ARENA_H
#define CRU_BASE_ARENA_H

#include "crucible/base/span.h"

struct cru_arena_chunk;

struct cru_arena {
    struct cru_arena_chunk *head; /* the chunk being filled; older ones behind it */
    struct cru_arena_chunk *kept; /* empty ones from before the last clear */
    size_t total;                 /* bytes asked of malloc */
};

void cru_arena_init(struct cru_arena *arena);
void *cru_arena_alloc(struct cru_arena *arena, size_t bytes); /* not zeroed */
void *cru_arena_calloc(struct cru_arena *arena, size_t n,
                       size_t size); /* zeroed; checks overflow */
/* Copies a span; the copy has a NUL behind it. .p is NULL on failure. */
struct cru_span cru_arena_copy(struct cru_arena *arena, struct cru_span s);
/* A printf into the arena; .p is NULL on failure. */
struct cru_span cru_arena_printf(struct cru_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* From here on the arena owns p, which came from malloc. False (and p is still the caller's) when
 * memory is short. */
bool cru_arena_adopt(struct cru_arena *arena, void *p);
void cru_arena_clear(struct cru_arena *arena);   /* forgets all, keeps up to 4 MiB for reuse */
void cru_arena_release(struct cru_arena *arena); /* frees all */

#endif
