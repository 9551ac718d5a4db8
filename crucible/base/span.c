/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/base/base.h"

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

struct cru_span cru_span_trim(struct cru_span s) {
    while (s.n > 0 && is_blank(s.p[0])) s.p++, s.n--;
    while (s.n > 0 && is_blank(s.p[s.n - 1])) s.n--;
    return s;
}

bool cru_span_split(struct cru_span *rest, char separator, struct cru_span *part) {
    if (!rest->p) return false;
    const char *cut = rest->n ? memchr(rest->p, separator, rest->n) : NULL;
    if (!cut) {
        *part = *rest;
        rest->p = NULL;
        rest->n = 0;
        return true;
    }
    *part = cru_span_make(rest->p, (size_t)(cut - rest->p));
    rest->n -= part->n + 1;
    rest->p = cut + 1;
    return true;
}
