/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A span borrows bytes: it never owns them, need not end in NUL and may contain NUL. Whoever hands
 * out a span says how long its bytes live.
 */
#ifndef CRU_BASE_SPAN_H
#define CRU_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct cru_span {
    const char *p;
    size_t n;
};

#define CRU_SPAN(literal) ((struct cru_span){(literal), sizeof(literal) - 1})

static inline struct cru_span cru_span_of(const char *string) {
    struct cru_span s = {string, string ? strlen(string) : 0};
    return s;
}

static inline struct cru_span cru_span_make(const char *p, size_t n) {
    struct cru_span s = {p, n};
    return s;
}

static inline bool cru_span_eq(struct cru_span a, struct cru_span b) {
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool cru_span_is(struct cru_span a, const char *string) {
    return cru_span_eq(a, cru_span_of(string));
}

/* Without spaces, tabs, CR and LF at either end. */
struct cru_span cru_span_trim(struct cru_span s);

/* Takes the part before the first `separator` off *rest. False when *rest was empty (p == NULL). */
bool cru_span_split(struct cru_span *rest, char separator, struct cru_span *part);

#endif
