/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream of bytes with a view ahead: a file (through cru_input, so decompressed), an archive's
 * member, or memory. What was read before a failure is delivered first; the failure is sticky. One
 * thread.
 *
 *   source -> [ .... | unread ........ | free ]
 *                    at                n
 *
 * Lines that will live in an arena anyway need not be copied there: a lodged stream reads into room of the
 * arena, where lines stay (cru_stream_lodge).
 */
#ifndef CRU_READ_BYTE_STREAM_H
#define CRU_READ_BYTE_STREAM_H

#include "crucible/base/arena.h"
#include "crucible/base/buffer.h"
#include "crucible/base/error.h"
#include <stdint.h>

/* Gives up to `capacity` bytes; CRU_END with *got == 0 at the end. */
typedef enum cru_status (*cru_pull)(void *context, char *p, size_t capacity, size_t *got,
                                    struct cru_error *err);

struct cru_stream {
    cru_pull pull;
    void *context;
    char *p;
    size_t at, n, capacity;
    bool lodged;            /* p is room of an arena; the stream's own buffer waits in */
    char *own;
    size_t own_capacity;
    uint64_t offset;        /* bytes given away so far */
    enum cru_status status; /* CRU_OK, CRU_END, or the failure */
    struct cru_error error;
};

void cru_stream_open(struct cru_stream *s, cru_pull pull, void *context);
void cru_stream_release(struct cru_stream *s);

/* What comes next, at least `want` bytes unless the stream ends or fails before. */
struct cru_span cru_stream_peek(struct cru_stream *s, size_t want);

enum cru_line {
    CRU_LINE_WHOLE,
    CRU_LINE_LAST, /* no newline, and the stream ended as it should */
    CRU_LINE_CUT,  /* no newline, and the stream failed */
    CRU_LINE_LONG, /* longer than the limit: the span is its beginning, the rest was skipped */
    CRU_LINE_NONE, /* nothing left: see status */
    CRU_LINE_ROOM, /* only when lodged: the line goes on, but not the room */
};
/* The next line without its newline, valid until the next call. limit 0: none. */
enum cru_line cru_stream_line(struct cru_stream *s, uint64_t limit, struct cru_span *line);

/* From here on bytes are read into `room` bytes taken from `arena`, with `padding` more behind them, until
 * cru_stream_unlodge. What was read ahead moves there; when that alone would fill the room, nothing
 * happens. False when memory is short. */
bool cru_stream_lodge(struct cru_stream *s, struct cru_arena *arena, size_t room, size_t padding);
/* Back to the stream's own buffer, with what is unread. The lines in the room stay the arena's. */
void cru_stream_unlodge(struct cru_stream *s);

/* Makes the line that cru_stream_line has just given live in `arena`, with `padding` readable bytes
 * behind it (the first of them 0): where it stands, when lodged; else a copy, or for a long line the
 * stream's own buffer, so that it is not held twice. False when memory is short. */
bool cru_stream_keep_line(struct cru_stream *s, struct cru_arena *arena, size_t padding,
                          struct cru_span *line);

/* Appends up to n bytes to `out` (NULL: skips them); returns how many there were. */
uint64_t cru_stream_take(struct cru_stream *s, uint64_t n, struct cru_buffer *out);

#endif
