/* SPDX-License-Identifier: Apache-2.0 */
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "crucible/base/base.h"
#include "crucible/doc/json_check.h"

enum { DEPTH = 256 };

const char *cru_json_space_end(const char *p, const char *end) {
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')) p++;
    return p;
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* Past the bytes that mean themselves in a string: the loop at the end says it all, and on x86-64
 * does what is left of a block of 16. */
static const char *plain_end(const char *p, const char *end) {
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'),
                  control = _mm_set1_epi8(0x1F);
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i stops = _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash));
        stops = _mm_or_si128(stops, _mm_cmpeq_epi8(_mm_min_epu8(v, control), v));
        int mask = _mm_movemask_epi8(stops);
        if (mask) return p + __builtin_ctz((unsigned)mask);
    }
#endif
    while (p < end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20) p++;
    return p;
}

/* Each *_end function answers where the value that starts at p ends, or NULL. */
static const char *string_end(const char *p, const char *end) {
    if (p >= end || *p != '"') return NULL;
    for (p = plain_end(p + 1, end); p < end; p = plain_end(p + 1, end)) {
        if (*p == '"') return p + 1;
        if ((unsigned char)*p < 0x20) return NULL;
        if (*p != '\\') continue;
        if (++p >= end) return NULL;
        if (*p == 'u') {
            if (end - p < 5) return NULL;
            for (int i = 1; i <= 4; i++)
                if (hex_value(p[i]) < 0) return NULL;
            p += 4;
        } else if (!strchr("\"\\/bfnrt", *p) || *p == 0) {
            return NULL;
        }
    }
    return NULL;
}

static const char *digits_end(const char *p, const char *end) {
    const char *from = p;
    while (p < end && *p >= '0' && *p <= '9') p++;
    return p > from ? p : NULL;
}

static const char *number_end(const char *p, const char *end) {
    if (p < end && *p == '-') p++;
    if (p < end && *p == '0')
        p++;
    else if (!(p = digits_end(p, end)))
        return NULL;
    if (p < end && *p == '.' && !(p = digits_end(p + 1, end))) return NULL;
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-')) p++;
        p = digits_end(p, end);
    }
    return p;
}

static const char *word_end(const char *p, const char *end, const char *word) {
    size_t n = strlen(word);
    return (size_t)(end - p) >= n && memcmp(p, word, n) == 0 ? p + n : NULL;
}

static const char *scalar_end(const char *p, const char *end) {
    switch (*p) {
    case '"':
        return string_end(p, end);
    case 't':
        return word_end(p, end, "true");
    case 'f':
        return word_end(p, end, "false");
    case 'n':
        return word_end(p, end, "null");
    default:
        return number_end(p, end);
    }
}

/* Iterative, with one bit of state a level: is it an object? */
const char *cru_json_value_end(const char *p, const char *end) {
    bool object[DEPTH];
    int depth = 0;
    for (;;) {
        p = cru_json_space_end(p, end); /* a value, or the end of an empty container, stands here */
        if (p >= end) return NULL;
        if (*p == '{' || *p == '[') {
            if (depth == DEPTH) return NULL;
            object[depth] = *p == '{';
            p = cru_json_space_end(p + 1, end);
            if (p >= end) return NULL;
            if (*p == (object[depth] ? '}' : ']')) {
                p++;
            } else {
                depth++;
                if (!object[depth - 1]) continue;
                goto key;
            }
        } else if (!(p = scalar_end(p, end))) {
            return NULL;
        }
        for (;;) { /* a value has ended: close containers or go to the next value */
            if (depth == 0) return p;
            p = cru_json_space_end(p, end);
            if (p >= end) return NULL;
            if (*p == ',') {
                p++;
                break;
            }
            if (*p != (object[depth - 1] ? '}' : ']')) return NULL;
            depth--;
            p++;
        }
        if (!object[depth - 1]) continue;
    key:
        p = cru_json_space_end(p, end);
        if (!(p = string_end(p, end))) return NULL;
        p = cru_json_space_end(p, end);
        if (p >= end || *p != ':') return NULL;
        p++;
    }
}

bool cru_json_valid(struct cru_span json) {
    return json.n > 0 && cru_json_value_end(json.p, json.p + json.n) == json.p + json.n;
}

int cru_json_next_member(struct cru_span object, const char **at, struct cru_span *key,
                         struct cru_span *value) {
    const char *end = object.p + object.n, *p = *at;
    if (!p) {
        p = cru_json_space_end(object.p, end);
        if (p >= end || *p != '{') return -1;
        p = cru_json_space_end(p + 1, end);
        if (p < end && *p == '}') return 0;
    } else {
        p = cru_json_space_end(p, end);
        if (p < end && *p == '}') return 0;
        if (p >= end || *p != ',') return -1;
        p = cru_json_space_end(p + 1, end);
    }
    const char *q = string_end(p, end);
    if (!q) return -1;
    *key = cru_span_make(p + 1, (size_t)(q - p) - 2);
    p = cru_json_space_end(q, end);
    if (p >= end || *p != ':') return -1;
    p = cru_json_space_end(p + 1, end);
    q = cru_json_value_end(p, end);
    if (!q) return -1;
    *value = cru_span_make(p, (size_t)(q - p));
    *at = q;
    return 1;
}

static char *put_utf8(char *to, uint32_t c) {
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xC0 | c >> 6);
        *to++ = (char)(0x80 | (c & 63));
    } else if (c < 0x10000) {
        *to++ = (char)(0xE0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 63));
        *to++ = (char)(0x80 | (c & 63));
    } else {
        *to++ = (char)(0xF0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 63));
        *to++ = (char)(0x80 | (c >> 6 & 63));
        *to++ = (char)(0x80 | (c & 63));
    }
    return to;
}

/* Values of hexadecimal digits, plus 1; 0 for other bytes. */
static const unsigned char hex_plus_1[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

/* What stands behind a backslash for one byte; 0 for what does not. */
static const char short_escape[256] = {
    ['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
    ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t',
};

static bool hex4(const char *p, const char *end, uint32_t *value) {
    if (end - p < 4) return false;
    const unsigned char *u = (const unsigned char *)p;
    uint32_t a = hex_plus_1[u[0]], b = hex_plus_1[u[1]], c = hex_plus_1[u[2]], d = hex_plus_1[u[3]];
    *value = (a - 1) << 12 | (b - 1) << 8 | (c - 1) << 4 | (d - 1);
    return a && b && c && d;
}

/* One escape behind its backslash; answers what follows it, or NULL. */
static const char *unescape_one(const char *p, const char *end, char **to) {
    if (p >= end) return NULL;
    char byte = short_escape[(unsigned char)*p];
    if (byte) {
        *(*to)++ = byte;
        return p + 1;
    }
    uint32_t c, low;
    if (*p != 'u' || !hex4(p + 1, end, &c)) return NULL;
    p += 5;
    if (c >= 0xDC00 && c < 0xE000) return NULL;
    if (c >= 0xD800 && c < 0xDC00) {
        if (end - p < 6 || p[0] != '\\' || p[1] != 'u' || !hex4(p + 2, end, &low)) return NULL;
        if (low < 0xDC00 || low > 0xDFFF) return NULL;
        c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
        p += 6;
    }
    *to = put_utf8(*to, c);
    return p;
}

/* Copies up to the next backslash; answers where that stands, or `end`. The room at *to is as long
 * as what is left of the string and its end quote, so whole blocks may be stored. */
static const char *copy_plain(const char *p, const char *end, char **to) {
    char *out = *to;
#if defined(__SSE2__)
    const __m128i slash = _mm_set1_epi8('\\');
    for (; end - p >= 16; p += 16, out += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        _mm_storeu_si128((__m128i *)(void *)out, v);
        int mask = _mm_movemask_epi8(_mm_cmpeq_epi8(v, slash));
        if (!mask) continue;
        int n = __builtin_ctz((unsigned)mask);
        *to = out + n;
        return p + n;
    }
#endif
    while (p < end && *p != '\\') *out++ = *p++;
    *to = out;
    return p;
}

const char *cru_json_string_take(const char *p, const char *end, struct cru_arena *arena,
                                 struct cru_span *text, bool *high) {
    enum { AHEAD = 128 };
    cru_text_blocks *blocks = cru_text_blocks_here();
    if (!blocks || p >= end || *p != '"') return NULL;
    const char *from = ++p;
    p = cru_text_plain_end(p, end, high);
    if (p >= end) return NULL;
    *text = cru_span_make(from, (size_t)(p - from));
    if (*p == '"') return p + 1;
    char *start = cru_arena_alloc(arena, (size_t)(end - from) + AHEAD), *to = start;
    if (!start) return NULL;
    memcpy(start, from, (size_t)(p - from));
    to += p - from;
    for (;;) {
        p = blocks(p, end, &to, high);
        if (p >= end) return NULL;
        if (*p == '"') break;
        while (*p == '\\') /* others of one letter may stand between those that stopped the blocks */
            if (!(p = unescape_one(p + 1, end, &to)) || p >= end) return NULL;
        if ((unsigned char)*p < 0x20) return NULL;
    }
    *text = cru_span_make(start, (size_t)(to - start));
    return p + 1;
}

bool cru_json_unescape_by(cru_escape_blocks *blocks, struct cru_span raw, struct cru_arena *arena,
                          struct cru_span *text) {
    if (raw.n < 2) return false;
    const char *p = raw.p + 1, *end = raw.p + raw.n - 1;
    if (!memchr(p, '\\', (size_t)(end - p))) {
        *text = cru_span_make(p, (size_t)(end - p));
        return true;
    }
    char *start = cru_arena_alloc(arena, raw.n), *to = start;
    if (!start) return false;
    for (;;) {
        if (blocks) p = blocks(p, end, &to);
        p = copy_plain(p, end, &to);
        if (p == end) break;
        if (!(p = unescape_one(p + 1, end, &to))) return false;
    }
    *text = cru_span_make(start, (size_t)(to - start));
    return true;
}

bool cru_json_unescape(struct cru_span raw, struct cru_arena *arena, struct cru_span *text) {
    return cru_json_unescape_by(cru_escape_blocks_here(), raw, arena, text);
}
