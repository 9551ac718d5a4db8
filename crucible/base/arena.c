/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>

#include "crucible/base/base.h"

/* A chunk is as large as all before it, from CHUNK to LARGEST; what needs more gets one of its own.
 * Chunks up to LARGEST are worth keeping: given back, their pages would be faulted in again for the
 * next batch. */
enum { CHUNK = 1 << 18, LARGEST = 1 << 20, KEPT = 1 << 22, ALIGN = 16 };

struct cru_arena_chunk {
    struct cru_arena_chunk *older;
    size_t used, capacity;
    void *adopted; /* freed with the chunk */
    _Alignas(16) char bytes[];
};

void cru_arena_init(struct cru_arena *arena) {
    arena->head = arena->kept = NULL;
    arena->total = 0;
}

/* An empty chunk of at least `need` bytes: a kept one, or a new one. */
static struct cru_arena_chunk *chunk_take(struct cru_arena *arena, size_t need) {
    for (struct cru_arena_chunk **at = &arena->kept; *at; at = &(*at)->older)
        if ((*at)->capacity >= need) {
            struct cru_arena_chunk *chunk = *at;
            *at = chunk->older;
            return chunk;
        }
    size_t capacity = arena->total < CHUNK     ? CHUNK
                      : arena->total < LARGEST ? arena->total
                                               : LARGEST;
    if (need > capacity / 4) capacity = need > CHUNK / 4 ? need : CHUNK;
    if (capacity > SIZE_MAX - sizeof(struct cru_arena_chunk)) return NULL;
    struct cru_arena_chunk *chunk = malloc(sizeof *chunk + capacity);
    if (!chunk) return NULL;
    chunk->used = 0;
    chunk->capacity = capacity;
    chunk->adopted = NULL;
    arena->total += capacity;
    return chunk;
}

void *cru_arena_alloc(struct cru_arena *arena, size_t bytes) {
    if (bytes > SIZE_MAX - 2 * ALIGN) return NULL;
    size_t need = (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    struct cru_arena_chunk *head = arena->head;
    if (!head || head->capacity - head->used < need) {
        struct cru_arena_chunk *chunk = chunk_take(arena, need);
        if (!chunk) return NULL;
        /* The one with more room left becomes the head. */
        if (head && head->capacity - head->used > chunk->capacity - need) {
            chunk->older = head->older;
            head->older = chunk;
        } else {
            chunk->older = head;
            arena->head = chunk;
        }
        head = chunk;
    }
    void *p = head->bytes + head->used;
    head->used += need;
    return p;
}

bool cru_arena_adopt(struct cru_arena *arena, void *p) {
    struct cru_arena_chunk *chunk = malloc(sizeof *chunk);
    if (!chunk) return false;
    *chunk = (struct cru_arena_chunk){.adopted = p};
    if (arena->head) { /* behind the head, which stays in use */
        chunk->older = arena->head->older;
        arena->head->older = chunk;
    } else {
        arena->head = chunk;
    }
    return true;
}

void *cru_arena_calloc(struct cru_arena *arena, size_t n, size_t size) {
    if (size && n > SIZE_MAX / size) return NULL;
    void *p = cru_arena_alloc(arena, n * size);
    if (p) memset(p, 0, n * size);
    return p;
}

struct cru_span cru_arena_copy(struct cru_arena *arena, struct cru_span s) {
    char *p = s.n == SIZE_MAX ? NULL : cru_arena_alloc(arena, s.n + 1);
    if (!p) return cru_span_make(NULL, 0);
    if (s.n) memcpy(p, s.p, s.n);
    p[s.n] = 0;
    return cru_span_make(p, s.n);
}

struct cru_span cru_arena_printf(struct cru_arena *arena, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *p = n < 0 ? NULL : cru_arena_alloc(arena, (size_t)n + 1);
    if (p) (void)vsnprintf(p, (size_t)n + 1, format, again);
    va_end(again);
    return cru_span_make(p, p ? (size_t)n : 0);
}

static void chunks_free(struct cru_arena_chunk *chunk) {
    while (chunk) {
        struct cru_arena_chunk *older = chunk->older;
        free(chunk->adopted);
        free(chunk);
        chunk = older;
    }
}

void cru_arena_clear(struct cru_arena *arena) {
    struct cru_arena_chunk *chunk = arena->head, *spare = arena->kept;
    arena->head = arena->kept = NULL;
    arena->total = 0;
    for (;;) {
        if (!chunk) { /* what was not needed this time comes last */
            chunk = spare;
            spare = NULL;
            if (!chunk) return;
        }
        struct cru_arena_chunk *older = chunk->older;
        if (chunk->adopted || chunk->capacity > LARGEST || arena->total + chunk->capacity > KEPT) {
            chunk->older = NULL;
            chunks_free(chunk);
        } else {
            arena->total += chunk->capacity;
            chunk->used = 0;
            chunk->older = arena->kept;
            arena->kept = chunk;
        }
        chunk = older;
    }
}

void cru_arena_release(struct cru_arena *arena) {
    chunks_free(arena->head);
    chunks_free(arena->kept);
    cru_arena_init(arena);
}
