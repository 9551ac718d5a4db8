/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>

#include "crucible/base/base.h"

enum { CHUNK = 1 << 18, ALIGN = 16 };

struct cru_arena_chunk {
    struct cru_arena_chunk *older;
    size_t used, capacity;
    _Alignas(16) char bytes[];
};

void cru_arena_init(struct cru_arena *arena) {
    arena->head = NULL;
    arena->total = 0;
}

static struct cru_arena_chunk *chunk_new(struct cru_arena *arena, size_t capacity) {
    if (capacity > SIZE_MAX - sizeof(struct cru_arena_chunk)) return NULL;
    struct cru_arena_chunk *chunk = malloc(sizeof *chunk + capacity);
    if (!chunk) return NULL;
    chunk->used = 0;
    chunk->capacity = capacity;
    arena->total += capacity;
    return chunk;
}

void *cru_arena_alloc(struct cru_arena *arena, size_t bytes) {
    if (bytes > SIZE_MAX - 2 * ALIGN) return NULL;
    size_t need = (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    struct cru_arena_chunk *head = arena->head;
    if (!head || head->capacity - head->used < need) {
        /* A large allocation gets a chunk of its own behind the head, whose free part stays in use. */
        bool large = need > CHUNK / 4;
        struct cru_arena_chunk *chunk = chunk_new(arena, large ? need : CHUNK);
        if (!chunk) return NULL;
        if (large && head) {
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
        free(chunk);
        chunk = older;
    }
}

void cru_arena_clear(struct cru_arena *arena) {
    struct cru_arena_chunk *head = arena->head;
    if (!head) return;
    if (head->capacity != CHUNK) { /* an oversized chunk is not worth keeping */
        cru_arena_release(arena);
        return;
    }
    chunks_free(head->older);
    head->older = NULL;
    head->used = 0;
    arena->total = head->capacity;
}

void cru_arena_release(struct cru_arena *arena) {
    chunks_free(arena->head);
    cru_arena_init(arena);
}
