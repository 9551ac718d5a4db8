/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/base/utf8_repair.h"

#include "crucible/base/base.h"

/* Bytes of the sequence that begins at p, or of the part of one that is to be replaced (*good is
 * false). */
static size_t sequence(const unsigned char *p, size_t n, bool *good) {
    unsigned char c = p[0];
    *good = c < 0x80;
    if (c < 0xC2 || c > 0xF4) return 1;
    size_t whole = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2, i = 1;
    /* The second byte's range shuts out overlong forms, surrogates and what lies past U+10FFFF. */
    unsigned char low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
    unsigned char high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
    for (; i < whole && i < n && p[i] >= low && p[i] <= high; i++) {
        low = 0x80;
        high = 0xBF;
    }
    *good = i == whole;
    return i;
}

uint64_t cru_utf8_repair(struct cru_span s, struct cru_buffer *out) {
    const unsigned char *p = (const unsigned char *)s.p;
    uint64_t replaced = 0;
    size_t from = 0, at = 0;
    while (at < s.n) {
        bool good;
        size_t n = sequence(p + at, s.n - at, &good);
        if (!good) {
            cru_buffer_add(out, s.p + from, at - from);
            cru_buffer_add(out, "\xEF\xBF\xBD", 3);
            replaced++;
            from = at + n;
        }
        at += n;
    }
    if (at > from) cru_buffer_add(out, s.p + from, at - from);
    return replaced;
}
