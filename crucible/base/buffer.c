/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdarg.h>

#include "crucible/base/base.h"

void cru_buffer_init(struct cru_buffer *b) { memset(b, 0, sizeof *b); }

void cru_buffer_clear(struct cru_buffer *b) {
    b->n = 0;
    if (b->p) b->p[0] = 0;
}

void cru_buffer_release(struct cru_buffer *b) {
    free(b->p);
    cru_buffer_init(b);
}

char *cru_buffer_room(struct cru_buffer *b, size_t more) {
    if (b->failed) return NULL;
    if (more > SIZE_MAX / 2 - b->n) {
        b->failed = true;
        return NULL;
    }
    size_t need = b->n + more + 1;
    if (need > b->capacity) {
        size_t capacity = b->capacity + b->capacity / 2;
        if (capacity < need) capacity = need;
        if (capacity < 256) capacity = 256;
        char *p = realloc(b->p, capacity);
        if (!p) {
            b->failed = true;
            return NULL;
        }
        b->p = p;
        b->capacity = capacity;
    }
    return b->p + b->n;
}

void cru_buffer_add(struct cru_buffer *b, const void *p, size_t n) {
    char *to = cru_buffer_room(b, n);
    if (!to) return;
    if (n) memcpy(to, p, n);
    b->n += n;
    b->p[b->n] = 0;
}

void cru_buffer_add_span(struct cru_buffer *b, struct cru_span s) { cru_buffer_add(b, s.p, s.n); }
void cru_buffer_add_string(struct cru_buffer *b, const char *s) { cru_buffer_add(b, s, strlen(s)); }
void cru_buffer_add_char(struct cru_buffer *b, char c) { cru_buffer_add(b, &c, 1); }

void cru_buffer_printf(struct cru_buffer *b, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *to = n < 0 ? NULL : cru_buffer_room(b, (size_t)n);
    if (to) {
        (void)vsnprintf(to, (size_t)n + 1, format, again);
        b->n += (size_t)n;
    }
    va_end(again);
}

void cru_buffer_add_json_string(struct cru_buffer *b, struct cru_span s) {
    static const char hex[] = "0123456789abcdef";
    /* Worst case is six bytes for one; ask for that at once only when the text is small. */
    cru_buffer_add_char(b, '"');
    size_t from = 0;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        cru_buffer_add(b, s.p + from, i - from);
        from = i + 1;
        char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
        switch (c) {
        case '"': cru_buffer_add(b, "\\\"", 2); break;
        case '\\': cru_buffer_add(b, "\\\\", 2); break;
        case '\n': cru_buffer_add(b, "\\n", 2); break;
        case '\r': cru_buffer_add(b, "\\r", 2); break;
        case '\t': cru_buffer_add(b, "\\t", 2); break;
        case '\b': cru_buffer_add(b, "\\b", 2); break;
        case '\f': cru_buffer_add(b, "\\f", 2); break;
        default: cru_buffer_add(b, escape, 6);
        }
    }
    cru_buffer_add(b, s.n ? s.p + from : "", s.n - from);
    cru_buffer_add_char(b, '"');
}

void cru_buffer_add_json_number(struct cru_buffer *b, double x) {
    if (!isfinite(x)) {
        cru_buffer_add(b, "null", 4);
        return;
    }
    if (x == 0) x = 0; /* no minus zero */
    if (fabs(x) < 9007199254740992.0 && x == floor(x)) {
        cru_buffer_printf(b, "%.0f", x);
        return;
    }
    char text[40];
    for (int digits = 6; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, x);
        if (strtod(text, NULL) == x) break;
    }
    cru_buffer_add_string(b, text);
}
