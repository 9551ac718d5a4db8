/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pre-tokeniser: where the next piece ends. Written by hand for two patterns, and equal to what the
 * reference's regex engine answers on every text:
 *
 *   QWEN2  (?i:'s|'t|'re|'ve|'m|'ll|'d) | [^\r\n\p{L}\p{N}]?\p{L}+ | \p{N}{1,digits}
 *          | ?[^\s\p{L}\p{N}]+[\r\n]* | \s*[\r\n]+ | \s+(?!\S) | \s+
 *   GPT2   's|'t|'re|'ve|'m|'ll|'d | ?\p{L}+ | ?\p{N}+ | ?[^\s\p{L}\p{N}]+ | \s+(?!\S) | \s+
 *
 * The alternatives are tried in this order and the first that matches wins, which is what the order
 * of the tests below says. Each takes time in the length of the piece it returns, save one that looks
 * a character ahead. Inline, because a piece is 4 to 6 bytes long. Input must be valid UTF-8.
 */
#ifndef CRU_TOKENIZER_PRETOKEN_H
#define CRU_TOKENIZER_PRETOKEN_H

#include <string.h>

#include "tokenizer/unicode_classes.h"

enum { CRU_WORD_BITS = CRU_LETTER | CRU_NUMBER | CRU_SPACE };

/* The same bits for ASCII: 0 for punctuation and controls. */
extern const uint8_t cru_ascii_class[128];

static inline unsigned cru_class_at(const struct cru_classes *classes, const unsigned char *p,
                                    unsigned *length) {
    if (*p < 0x80) return *length = 1, cru_ascii_class[*p];
    return cru_class_of(classes, cru_code_point(p, length)) & CRU_WORD_BITS;
}

/* How many of the next 8 bytes are ASCII letters before the first that is not; 0 when fewer than 8 are left.
 * One step without a branch, where a loop's end is mispredicted at nearly every word. Adding 0x3F to a byte
 * of 7 bits sets its top bit from 'A' up, and 0x25 from '[' up; case is folded away first, and a
 * byte with a top bit of its own is no letter. */
static inline size_t cru_leading_letters(const unsigned char *p, const unsigned char *end) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (end - p < 8) return 0;
    const uint64_t ones = 0x0101010101010101u;
    uint64_t x;
    memcpy(&x, p, 8);
    uint64_t upper = x & (0x5F * ones);
    uint64_t letter = (upper + 0x3F * ones) & ~(upper + 0x25 * ones) & ~x;
    uint64_t other = ~letter & (0x80 * ones);
    return other ? (size_t)__builtin_ctzll(other) / 8 : 8;
#else
    (void)p;
    (void)end;
    return 0;
#endif
}

/* Behind the leading characters of class `want` (CRU_LETTER, CRU_NUMBER, or 0: none of the three). */
static inline const unsigned char *cru_skip_class(const struct cru_classes *classes,
                                                  const unsigned char *p, const unsigned char *end,
                                                  unsigned want) {
    for (;;) {
        if (want == CRU_LETTER) p += cru_leading_letters(p, end);
        while (p < end && *p < 0x80 && cru_ascii_class[*p] == want) p++;
        if (p == end || *p < 0x80) return p;
        unsigned length;
        if (cru_class_at(classes, p, &length) != want) return p;
        p += length;
    }
}

/* Behind the contraction that begins at p ('), or NULL. `fold`: in any case, U+017F counting as s. */
static inline const unsigned char *cru_contraction(const unsigned char *p,
                                                   const unsigned char *end, bool fold) {
    unsigned bit = fold ? 0x20 : 0; /* ASCII letters differ from their capitals in this bit */
    if (end - p < 2) return NULL;
    unsigned a = p[1] | bit;
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return p + 2;
    if (end - p < 3) return NULL;
    unsigned b = p[2] | bit;
    if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l')) return p + 3;
    if (fold && p[1] == 0xC5 && p[2] == 0xBF) return p + 3;
    return NULL;
}

static inline bool cru_is_newline(unsigned char c) { return c == '\n' || c == '\r'; }

/* p is at white space that nothing before has claimed. */
static inline const unsigned char *cru_space_end(const struct cru_classes *classes,
                                                 const unsigned char *p, const unsigned char *end,
                                                 bool newlines) {
    const unsigned char *q = p, *last = p, *behind_newline = NULL;
    while (q < end) {
        unsigned length;
        if (cru_class_at(classes, q, &length) != CRU_SPACE) break;
        last = q;
        q += length;
        if (newlines && cru_is_newline(*last)) behind_newline = q;
    }
    if (behind_newline) return behind_newline; /* \s*[\r\n]+ */
    if (q == end || last == p) return q;       /* \s+(?!\S) at the end; \s+ of one */
    return last;                               /* \s+(?!\S) gives the last one back */
}

static inline const unsigned char *cru_piece_end_qwen2(const struct cru_classes *classes,
                                                       const unsigned char *p,
                                                       const unsigned char *end,
                                                       uint32_t digits) {
    unsigned length, next;
    unsigned class = cru_class_at(classes, p, &length);
    if (class == CRU_LETTER) return cru_skip_class(classes, p + length, end, CRU_LETTER);
    if (*p == '\'') {
        const unsigned char *q = cru_contraction(p, end, true);
        if (q) return q;
    }
    const unsigned char *q = p + length;
    if (class == CRU_NUMBER) {
        for (uint32_t n = 1; n < digits && q < end; n++, q += length)
            if (cru_class_at(classes, q, &length) != CRU_NUMBER) break;
        return q;
    }
    unsigned ahead = q < end ? cru_class_at(classes, q, &next) : CRU_SPACE;
    if (ahead == CRU_LETTER && !cru_is_newline(*p))
        return cru_skip_class(classes, q + next, end, CRU_LETTER);
    if (class == 0 || (*p == ' ' && ahead == 0)) {
        q = cru_skip_class(classes, q, end, 0);
        while (q < end && cru_is_newline(*q)) q++;
        return q;
    }
    return cru_space_end(classes, p, end, true);
}

static inline const unsigned char *cru_piece_end_gpt2(const struct cru_classes *classes,
                                                      const unsigned char *p,
                                                      const unsigned char *end) {
    unsigned length;
    if (*p == '\'') {
        const unsigned char *q = cru_contraction(p, end, false);
        if (q) return q;
    }
    const unsigned char *q = *p == ' ' && p + 1 < end ? p + 1 : p;
    unsigned class = cru_class_at(classes, q, &length);
    if (class != CRU_SPACE) return cru_skip_class(classes, q + length, end, class);
    return cru_space_end(classes, p, end, false);
}

#endif
