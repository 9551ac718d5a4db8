/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growable run of bytes. Open on purpose: readers may use p and n. Appending after an allocation
 * failure does nothing; `failed` stays set, so that a writer checks once at the end.
 */
#ifndef CRU_BASE_BUFFER_H
#define CRU_BASE_BUFFER_H

#include "crucible/base/span.h"
#include <stdint.h>

struct cru_buffer {
    char *p; /* NUL-terminated when not NULL */
    size_t n, capacity;
    bool failed;
};

void cru_buffer_init(struct cru_buffer *b);
void cru_buffer_clear(struct cru_buffer *b);   /* n = 0, memory kept */
void cru_buffer_release(struct cru_buffer *b); /* frees */
/* Makes room for `more` bytes behind n and returns where they go; NULL when memory is short. */
char *cru_buffer_room(struct cru_buffer *b, size_t more);
void cru_buffer_add(struct cru_buffer *b, const void *p, size_t n);
void cru_buffer_add_span(struct cru_buffer *b, struct cru_span s);
void cru_buffer_add_string(struct cru_buffer *b, const char *s);
void cru_buffer_add_char(struct cru_buffer *b, char c);
void cru_buffer_printf(struct cru_buffer *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Appends a JSON string, quotes included. Input must be valid UTF-8; only what JSON requires is
 * escaped (", \ and control characters), so UTF-8 passes as it is. */
void cru_buffer_add_json_string(struct cru_buffer *b, struct cru_span s);
/* Appends a number in the shortest form that reads back as the same double; NaN and infinities
 * become null. Integers up to 2^53 print without a point. */
void cru_buffer_add_json_number(struct cru_buffer *b, double x);

static inline struct cru_span cru_buffer_span(const struct cru_buffer *b) {
    return cru_span_make(b->p, b->n);
}

#endif
