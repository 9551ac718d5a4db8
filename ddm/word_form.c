/* SPDX-License-Identifier: Apache-2.0 */
#include "ddm/word_form.h"
#include "crucible/base/base.h"
#include "ddm/words.h"

static bool is_letter(unsigned char c) {
    return (unsigned char)((c | 32) - 'a') < 26;
}
static bool is_digit(unsigned char c) {
    return (unsigned char)(c - '0') < 10;
}
static bool is_alnum(unsigned char c) {
    return is_letter(c) || is_digit(c);
}

/* Lower case of the letter of two bytes at p, by block of Unicode 15: Latin-1 and Greek and
 * Cyrillic without their historic letters. */
static void lower_pair(const unsigned char *p, char out[2]) {
    unsigned c = (unsigned)(p[0] & 0x1F) << 6 | (p[1] & 0x3F);
    if ((c >= 0xC0 && c <= 0xDE && c != 0xD7) || (c >= 0x391 && c <= 0x3A9) ||
        (c >= 0x410 && c <= 0x42F))
        c += 0x20;
    else if (c >= 0x400 && c <= 0x40F)
        c += 0x50;
    else if (c >= 0x100 && c <= 0x137 && c != 0x130 && c != 0x131)
        c |= 1;
    else if (c == 0x152) /* OE */
        c = 0x153;
    out[0] = (char)(0xC0 | c >> 6);
    out[1] = (char)(0x80 | (c & 0x3F));
}

/* Guillemets and the inverted marks of Spanish. */
static bool is_mark(const unsigned char *p) {
    return p[0] == 0xC2 && (p[1] == 0xA1 || p[1] == 0xAB || p[1] == 0xBB || p[1] == 0xBF);
}

size_t cru_word_form(struct cru_span w, char out[CRU_WORD_FORM]) {
    const unsigned char *p = (const unsigned char *)w.p, *end = p + w.n;
    size_t n = 0;
    for (bool more = true; more;) {
        more = false;
        while (p < end && !is_alnum(*p) && *p < 0x80) p++;
        while (end > p && !is_alnum(end[-1]) && end[-1] < 0x80) end--;
        if (end - p >= 2 && is_mark(p)) p += 2, more = true;
        if (end - p >= 2 && is_mark(end - 2)) end -= 2, more = true;
    }
    while (p < end) {
        if (n == CRU_WORD_FORM) return 0;
        if (*p == 0xE2 && end - p >= 3 && p[1] == 0x80) { /* U+2018..U+201D, U+2026 */
            if (p[2] == 0x98 || p[2] == 0x99) out[n++] = '\'';
            p += 3;
        } else if ((*p & 0xE0) == 0xC0 && end - p >= 2 && n + 2 <= CRU_WORD_FORM) {
            lower_pair(p, out + n);
            n += 2;
            p += 2;
        } else {
            out[n++] = (char)(is_letter(*p) ? *p | 32 : *p);
            p++;
        }
    }
    while (n > 0 && out[n - 1] == '\'') n--;
    return n;
}

uint32_t cru_word_form_hash(const char *form, size_t n) {
    if (n > CRU_WORD_SHORT) return (uint32_t)(cru_hash64(form, n, 0) >> 32) | 1;
    return cru_word_short_hash(cru_word_load(form, n, form + n), n);
}

bool cru_word_is_ordinal(struct cru_span w, bool bare) {
    if (w.n > 0 && w.p[0] == '(') w = cru_span_make(w.p + 1, w.n - 1);
    if (w.n == 0 || w.n > 4) return false;
    char last = w.p[w.n - 1];
    bool closed = last == '.' || last == ')' || last == ':';
    if (closed) w.n--;
    if (w.n == 0 || (!closed && !bare)) return false;
    if (w.n == 1 && is_letter((unsigned char)w.p[0])) return bare || last == ')';
    for (size_t i = 0; i < w.n; i++)
        if (!is_digit((unsigned char)w.p[i])) return false;
    return true;
}

static bool closes(char c) {
    return c == '"' || c == '\'' || c == ')' || c == ']' || c == '}' || c == '*' || c == '_' ||
           c == '`';
}

unsigned char cru_word_last_mark(struct cru_span w) {
    while (w.n > 1 && closes(w.p[w.n - 1])) w.n--;
    if ((unsigned char)w.p[w.n - 1] < 0x80) return (unsigned char)w.p[w.n - 1];
    if (w.n > 3 && memcmp(w.p + w.n - 3, "\xE2\x80\x9D", 3) == 0) w.n -= 3;
    if (w.n >= 3 && memcmp(w.p + w.n - 3, "\xE2\x80\xA6", 3) == 0) return '.'; /* ellipsis */
    if (w.n >= 3 && memcmp(w.p + w.n - 3, "\xE2\x80\x94", 3) == 0) return '-'; /* dash */
    return (unsigned char)w.p[w.n - 1];
}
