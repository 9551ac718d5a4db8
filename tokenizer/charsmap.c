/* SPDX-License-Identifier: Apache-2.0 */
#include <utf8proc.h>

#include "crucible/base/base.h"
#include "tokenizer/charsmap.h"
#include "tokenizer/subword_unicode.h"
#include "tokenizer/unicode_classes.h"
#include "tokenizer/vocab_compile.h"

enum {
    SHORT_GRAPHEME = 6,
    VALUE_MOST =
        256, /* bytes; sentencepiece's longest has 33, and a text must not grow without bound */
};

/* -1 for what is no digit. */
static int digit_of(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Appends the bytes; false when it is no base64. */
static bool decode(struct cru_span s, struct cru_buffer *out) {
    uint32_t bits = 0;
    if (s.n % 4 || !cru_buffer_room(out, s.n / 4 * 3 + 1)) return false;
    for (size_t pad = 0; s.n && s.p[s.n - 1] == '=' && pad < 2; pad++) s.n--;
    for (size_t i = 0; i < s.n; i++) {
        int digit = digit_of(s.p[i]);
        if (digit < 0) return false;
        bits = bits << 6 | (uint32_t)digit;
        if (i % 4) cru_buffer_add_char(out, (char)(bits >> (6 - i % 4 * 2) & 255));
    }
    return true;
}

static uint32_t little(const char *p) {
    const unsigned char *u = (const unsigned char *)p;
    return u[0] | (uint32_t)u[1] << 8 | (uint32_t)u[2] << 16 | (uint32_t)u[3] << 24;
}

static enum cru_status fill(struct cru_charsmap *map, struct cru_span bytes,
                            struct cru_error *err) {
    uint32_t trie = bytes.n >= 4 ? little(bytes.p) : 0;
    if (trie < 4 || trie % 4 || trie > bytes.n - 4 ||
        !cru_text_is_utf8(bytes.p + 4 + trie, bytes.n - 4 - trie))
        return cru_fail(err, CRU_USAGE, "not a table of sentencepiece");
    map->n_units = trie / 4;
    map->text_bytes = bytes.n - 4 - trie;
    map->units = malloc(map->n_units * sizeof *map->units);
    map->text = malloc(map->text_bytes + 1);
    if (!map->units || !map->text) return cru_fail_memory(err, "charsmap");
    for (size_t i = 0; i < map->n_units; i++) map->units[i] = little(bytes.p + 4 + 4 * i);
    memcpy(map->text, bytes.p + 4 + trie, map->text_bytes);
    map->text[map->text_bytes] = 0;
    for (size_t at = 0; at < map->text_bytes; at += strlen(map->text + at) + 1)
        if (strlen(map->text + at) > VALUE_MOST)
            return cru_fail(err, CRU_USAGE, "it makes more than %d bytes of a character",
                            VALUE_MOST);
    return CRU_OK;
}

enum cru_status cru_charsmap_init(struct cru_charsmap *map, struct cru_span base64,
                                  struct cru_error *err) {
    struct cru_buffer bytes;
    enum cru_status status;
    memset(map, 0, sizeof *map);
    cru_buffer_init(&bytes);
    if (decode(base64, &bytes))
        status = fill(map, cru_buffer_span(&bytes), err);
    else
        status = bytes.failed ? cru_fail_memory(err, "charsmap")
                              : cru_fail(err, CRU_USAGE, "not in base64");
    cru_buffer_release(&bytes);
    if (status) cru_charsmap_release(map);
    return status;
}

void cru_charsmap_release(struct cru_charsmap *map) {
    free(map->units);
    free(map->text);
    memset(map, 0, sizeof *map);
}

static size_t offset_of(uint32_t unit) {
    return (size_t)(unit >> 10) << ((unit & (1u << 9)) >> 6);
}

/* What the shortest key that s begins with becomes; NULL when there is none. */
static const char *find(const struct cru_charsmap *map, const unsigned char *s, size_t n) {
    size_t at = offset_of(map->units[0]);
    for (size_t i = 0; i < n && s[i]; i++) {
        at ^= s[i];
        if (at >= map->n_units) return NULL;
        uint32_t unit = map->units[at];
        if ((unit & (1u << 31 | 255)) != s[i]) return NULL;
        at ^= offset_of(unit);
        if (!(unit >> 8 & 1)) continue;
        size_t value = at < map->n_units ? map->units[at] & ~(1u << 31) : SIZE_MAX;
        /* (A damaged table could point into a character.) */
        return value <= map->text_bytes && (map->text[value] & 0xC0) != 0x80 ? map->text + value
                                                                             : NULL;
    }
    return NULL;
}

enum hangul { NO_JAMO, LEADING, VOWEL, TRAILING, SYLLABLE_LV, SYLLABLE_LVT };

static enum hangul hangul_of(uint32_t c) {
    if (c >= 0xAC00 && c <= 0xD7A3) return (c - 0xAC00) % 28 ? SYLLABLE_LVT : SYLLABLE_LV;
    if ((c >= 0x1100 && c <= 0x115F) || (c >= 0xA960 && c <= 0xA97C)) return LEADING;
    if ((c >= 0x1160 && c <= 0x11A7) || (c >= 0xD7B0 && c <= 0xD7C6)) return VOWEL;
    if ((c >= 0x11A8 && c <= 0x11FF) || (c >= 0xD7CB && c <= 0xD7FB)) return TRAILING;
    return NO_JAMO;
}

static bool hangul_joins(enum hangul a, enum hangul b) {
    if (a == NO_JAMO || b == NO_JAMO) return false;
    if (a == LEADING) return b != TRAILING;
    if (a == VOWEL || a == SYLLABLE_LV) return b == VOWEL || b == TRAILING;
    return b == TRAILING;
}

static bool is_picture(uint32_t c) {
    return utf8proc_get_property((utf8proc_int32_t)c)->boundclass ==
           UTF8PROC_BOUNDCLASS_EXTENDED_PICTOGRAPHIC;
}

/* The end of the grapheme at p (Unicode Standard Annex 29, without the rules that only make long ones
 * longer). */
static const unsigned char *grapheme_end(const unsigned char *p, const unsigned char *end) {
    unsigned length;
    uint32_t a = cru_code_point(p, &length), b;
    bool picture = is_picture(a);
    if (p + length < end && a == '\r' && p[length] == '\n') return p + 2;
    for (p += length; p < end; p += length, a = b) {
        b = cru_code_point(p, &length);
        unsigned before = cru_subword_class(a), behind = cru_subword_class(b);
        if ((before | behind) & CRU_SUB_ENDS) break;
        if (behind & CRU_SUB_JOINS) continue;
        if (before & CRU_SUB_LEADS) {
            picture = is_picture(b);
            continue;
        }
        if (picture && a == 0x200D && is_picture(b)) continue;
        if (!hangul_joins(hangul_of(a), hangul_of(b))) break;
    }
    return p;
}

static void apply(const struct cru_charsmap *map, const unsigned char *p, const unsigned char *end,
                  struct cru_buffer *out) {
    const char *new = end - p < SHORT_GRAPHEME ? find(map, p, (size_t)(end - p)) : NULL;
    unsigned length;
    if (new) {
        cru_buffer_add_string(out, new);
        return;
    }
    for (; p < end; p += length) {
        (void)cru_code_point(p, &length);
        new = find(map, p, length);
        if (new)
            cru_buffer_add_string(out, new);
        else
            cru_buffer_add(out, p, length);
    }
}

void cru_charsmap_apply(const struct cru_charsmap *map, struct cru_span text,
                        struct cru_buffer *out) {
    const unsigned char *p = (const unsigned char *)text.p, *end = p + text.n, *next;
    for (; p < end; p = next) {
        /* ASCII before ASCII is a grapheme by itself, but for CR before LF. */
        next = p[0] < 0x80 && (p + 1 == end || (p[1] < 0x80 && p[0] != '\r'))
                   ? p + 1
                   : grapheme_end(p, end);
        apply(map, p, next, out);
    }
}
