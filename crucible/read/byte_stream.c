/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/base/base.h"
#include "crucible/read/byte_stream.h"

enum { STREAM_BLOCK = 1 << 17 };
/* What a lodged stream reads at a time: what a batch does not take of it is moved to the next one. */
enum { LODGED_BLOCK = 1 << 15 };

void cru_stream_open(struct cru_stream *s, cru_pull pull, void *context) {
    cru_stream_unlodge(s);
    char *kept = s->p; /* the buffer serves the next stream */
    size_t capacity = s->capacity;
    if (capacity > 16 * STREAM_BLOCK) {
        free(kept);
        kept = NULL;
        capacity = 0;
    }
    memset(s, 0, sizeof *s);
    s->p = kept;
    s->capacity = capacity;
    s->pull = pull;
    s->context = context;
}

void cru_stream_release(struct cru_stream *s) {
    cru_stream_unlodge(s);
    free(s->p);
    memset(s, 0, sizeof *s);
    s->status = CRU_END;
}

bool cru_stream_lodge(struct cru_stream *s, struct cru_arena *arena, size_t room, size_t padding) {
    size_t rest = s->n - s->at;
    if (s->lodged || rest >= room || s->status != CRU_OK) return true;
    char *p = cru_arena_alloc(arena, room + padding);
    if (!p) return false;
    if (s->capacity < room) { /* for what will be left of it */
        char *own = realloc(s->p, room);
        if (!own) return false;
        s->p = own;
        s->capacity = room;
    }
    if (rest) memcpy(p, s->p + s->at, rest);
    s->own = s->p;
    s->own_capacity = s->capacity;
    s->lodged = true;
    s->p = p;
    s->at = 0;
    s->n = rest;
    s->capacity = room;
    return true;
}

void cru_stream_unlodge(struct cru_stream *s) {
    if (!s->lodged) return;
    s->n -= s->at;
    if (s->n) memcpy(s->own, s->p + s->at, s->n);
    s->at = 0;
    s->p = s->own;
    s->capacity = s->own_capacity;
    s->own = NULL;
    s->lodged = false;
}

/* Reads into what is free behind n, at most `most`. */
static void pull(struct cru_stream *s, size_t most) {
    size_t got = 0, room = s->capacity - s->n;
    enum cru_status status =
        s->pull(s->context, s->p + s->n, room < most ? room : most, &got, &s->error);
    s->n += got;
    if (status != CRU_OK) s->status = status;
}

/* Reads one more block behind n. */
static void more(struct cru_stream *s) {
    if (s->status != CRU_OK) return;
    if (s->lodged && s->n == s->capacity) cru_stream_unlodge(s);
    if (s->lodged) {
        pull(s, LODGED_BLOCK);
        return;
    }
    if (s->at == s->n) {
        s->at = s->n = 0;
    } else if (s->at > 0 && s->capacity - s->n < STREAM_BLOCK && s->at >= s->n - s->at) {
        memmove(s->p, s->p + s->at, s->n - s->at);
        s->n -= s->at;
        s->at = 0;
    }
    if (s->capacity - s->n < STREAM_BLOCK) {
        size_t capacity = s->capacity + s->capacity / 2 + STREAM_BLOCK;
        char *p = realloc(s->p, capacity);
        if (!p) {
            s->status = cru_fail_memory(&s->error, "a record");
            return;
        }
        s->p = p;
        s->capacity = capacity;
    }
    pull(s, SIZE_MAX);
}

struct cru_span cru_stream_peek(struct cru_stream *s, size_t want) {
    while (s->n - s->at < want && s->status == CRU_OK) more(s);
    return cru_span_make(s->p ? s->p + s->at : NULL, s->n - s->at);
}

static void give(struct cru_stream *s, size_t n) {
    s->at += n;
    s->offset += n;
}

/* Past the newline, keeping nothing. */
static void skip_line(struct cru_stream *s) {
    for (;;) {
        char *newline = s->n > s->at ? memchr(s->p + s->at, '\n', s->n - s->at) : NULL;
        if (newline) {
            give(s, (size_t)(newline - s->p) + 1 - s->at);
            return;
        }
        give(s, s->n - s->at);
        if (s->status != CRU_OK) return;
        more(s);
    }
}

enum cru_line cru_stream_line(struct cru_stream *s, uint64_t limit, struct cru_span *line) {
    size_t searched = 0;
    for (;;) {
        size_t have = s->n - s->at;
        char *from = have ? s->p + s->at : NULL;
        char *newline = have > searched ? memchr(from + searched, '\n', have - searched) : NULL;
        size_t length = newline ? (size_t)(newline - from) : have;
        if (limit && length > limit) {
            /* the beginning is enough to show; it must outlive the skipping, which reuses the
             * buffer */
            enum { SHOWN = 200 };
            static _Thread_local char beginning[SHOWN];
            size_t shown = length < SHOWN ? length : SHOWN;
            memcpy(beginning, from, shown);
            *line = cru_span_make(beginning, shown);
            skip_line(s);
            return CRU_LINE_LONG;
        }
        if (newline) {
            *line = cru_span_make(from, length);
            give(s, length + 1);
            return CRU_LINE_WHOLE;
        }
        searched = have;
        if (s->status != CRU_OK) {
            if (have == 0) return CRU_LINE_NONE;
            *line = cru_span_make(from, have);
            give(s, have);
            return s->status == CRU_END ? CRU_LINE_LAST : CRU_LINE_CUT;
        }
        if (s->lodged && s->n == s->capacity) return CRU_LINE_ROOM;
        more(s);
    }
}

/* Gives the buffer with the line to the arena; what follows the line goes on in a new one. */
static bool hand_over(struct cru_stream *s, struct cru_arena *arena, size_t padding,
                      struct cru_span *line) {
    size_t from = (size_t)(line->p - s->p), rest = s->n - s->at;
    char *fresh = malloc(rest + STREAM_BLOCK);
    char *p = fresh ? realloc(s->p, s->n + padding) : NULL; /* without the room that nothing uses */
    if (!p) {
        free(fresh);
        return false;
    }
    memcpy(fresh, p + s->at, rest);
    s->p = fresh;
    s->at = 0;
    s->n = rest;
    s->capacity = rest + STREAM_BLOCK;
    *line = cru_span_make(p + from, line->n);
    if (cru_arena_adopt(arena, p)) return true;
    free(p);
    return false;
}

bool cru_stream_keep_line(struct cru_stream *s, struct cru_arena *arena, size_t padding,
                          struct cru_span *line) {
    enum { LONG = 16 * STREAM_BLOCK };
    if (s->lodged) { /* there is a newline behind it, or the padding */
        s->p[(size_t)(line->p - s->p) + line->n] = 0;
        return true;
    }
    if (line->n >= LONG) return hand_over(s, arena, padding, line);
    char *p = cru_arena_alloc(arena, line->n + padding);
    if (!p) return false;
    memcpy(p, line->p, line->n);
    memset(p + line->n, 0, padding);
    *line = cru_span_make(p, line->n);
    return true;
}

uint64_t cru_stream_take(struct cru_stream *s, uint64_t n, struct cru_buffer *out) {
    uint64_t left = n;
    while (left) {
        if (s->at == s->n) {
            more(s);
            if (s->at == s->n) break;
        }
        size_t piece = s->n - s->at;
        if (piece > left) piece = (size_t)left;
        if (out) cru_buffer_add(out, s->p + s->at, piece);
        give(s, piece);
        left -= piece;
    }
    return n - left;
}
