/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What kind of character a code point is, for segmentation and for the punctuation rules.
 *
 * The map is one byte a code point, filled from utf8proc when a code point is first met: zeroed
 * pages cost nothing until a script occurs, so a map is 1.1 MB of address space and some KB of
 * memory. A map belongs to one thread. Text handed to these functions must be valid UTF-8.
 */
#ifndef CRU_FILTER_CHAR_CLASS_H
#define CRU_FILTER_CHAR_CLASS_H

#include "crucible/base/span.h"
#include <stdint.h>

enum cru_char_class {
    CRU_CHAR_SPACE = 1,     /* Python's str.isspace, which is also what its split() cuts at */
    CRU_CHAR_LETTER = 2,    /* general category L*: Python's str.isalpha */
    CRU_CHAR_DIGIT = 4,     /* general category N* */
    CRU_CHAR_UNSPACED = 8,  /* letter of a script written without spaces: a word by itself */
    CRU_CHAR_MARK = 16,     /* combining marks and format characters: they extend what is before */
    CRU_CHAR_PUNCT = 32,    /* in the punctuation set of datatrove's utils/text.py */
    CRU_CHAR_WORD = 64,     /* letters (not unspaced), digits, marks and '_' */
    CRU_CHAR_KNOWN = 128,   /* this entry of the map is filled */
};

struct cru_char_map {
    uint8_t *of; /* one byte for each of the 0x110000 code points */
};

/* False when memory is short. */
bool cru_char_map_init(struct cru_char_map *map);
void cru_char_map_release(struct cru_char_map *map);
/* The class of a code point, worked out and remembered. */
uint8_t cru_char_map_fill(struct cru_char_map *map, uint32_t c);

static inline uint8_t cru_char_class_of(struct cru_char_map *map, uint32_t c) {
    uint8_t class = map->of[c];
    return class ? class : cru_char_map_fill(map, c);
}

/* Decodes the character at p (valid UTF-8); *n becomes its length in bytes. */
static inline uint32_t cru_char_decode(const unsigned char *p, unsigned *n) {
    if (p[0] < 0x80) {
        *n = 1;
        return p[0];
    }
    if (p[0] < 0xE0) {
        *n = 2;
        return (p[0] & 0x1Fu) << 6 | (p[1] & 0x3Fu);
    }
    if (p[0] < 0xF0) {
        *n = 3;
        return (p[0] & 0x0Fu) << 12 | (p[1] & 0x3Fu) << 6 | (p[2] & 0x3Fu);
    }
    *n = 4;
    return (p[0] & 0x07u) << 18 | (p[1] & 0x3Fu) << 12 | (p[2] & 0x3Fu) << 6 | (p[3] & 0x3Fu);
}

/* The character that ends at `end` (exclusive), in text that begins at `begin` < end. */
static inline uint32_t cru_char_decode_back(const unsigned char *begin, const unsigned char *end,
                                            unsigned *n) {
    const unsigned char *p = end - 1;
    while (p > begin && (*p & 0xC0) == 0x80)
        p--;
    return cru_char_decode(p, n);
}

/* Ends a sentence in some script (159 code points, datatrove's TERMINAL_PUNCTUATION). */
bool cru_char_is_terminal(uint32_t c);

/* Code points in valid UTF-8. */
size_t cru_char_count(struct cru_span s);

/* Without white space (any script's) at either end: Python's str.strip(). */
struct cru_span cru_char_strip(struct cru_char_map *map, struct cru_span s);

#endif
