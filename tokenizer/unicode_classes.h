/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the pre-tokeniser and the normaliser ask about a code point: one byte of class bits, looked up
 * in two steps. A constant table, written by unicode_blocks.py from unicode_ranges.h; any thread.
 *
 *   code point  0x4E2D = [ block 0x9C | 0x2D ]
 *                            |
 *   block[8704]  .. [ 57 ] ..            equal blocks of 128 are stored once, so that all of
 *                     |                  Han is two cache lines
 *   bits[57 * 128 + 0x2D] -> CRU_LETTER
 *
 * Code points added to these classes after the reference's Unicode: see UNICODE.md.
 */
#ifndef CRU_TOKENIZER_UNICODE_CLASSES_H
#define CRU_TOKENIZER_UNICODE_CLASSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CRU_LETTER = 1,   /* \p{L} */
    CRU_NUMBER = 2,   /* \p{N} */
    CRU_SPACE = 4,    /* \s */
    CRU_MARK = 8,     /* combining class is not 0, composes with nothing */
    CRU_COMPOSE = 16, /* NFC quick check No or Maybe */
    CRU_LATER = 32,   /* the reference's NFC does not know it */
    CRU_NFC_BITS = CRU_MARK | CRU_COMPOSE,
};

enum { CRU_CLASS_BLOCK = 128, CRU_CLASS_BLOCKS = 0x110000 / 128 };

extern const uint8_t cru_class_block[CRU_CLASS_BLOCKS];
extern const uint8_t cru_class_bits[]; /* [number of blocks * CRU_CLASS_BLOCK] */

/* The table to ask; all are the same one. */
struct cru_classes {
    const uint8_t *block, *bits;
};

bool cru_classes_init(struct cru_classes *classes); /* never fails */
void cru_classes_release(struct cru_classes *classes);

static inline unsigned cru_class_of(const struct cru_classes *classes, uint32_t c) {
    return classes->bits[(size_t)classes->block[c >> 7] * CRU_CLASS_BLOCK + (c & 127)];
}

/* The code point at p, which is valid UTF-8, and its length in bytes. */
static inline uint32_t cru_code_point(const unsigned char *p, unsigned *length) {
    uint32_t a = p[0];
    if (a < 0x80) return *length = 1, a;
    if (a < 0xE0) return *length = 2, (a & 31) << 6 | (p[1] & 63u);
    if (a < 0xF0) return *length = 3, (a & 15) << 12 | (p[1] & 63u) << 6 | (p[2] & 63u);
    return *length = 4, (a & 7) << 18 | (p[1] & 63u) << 12 | (p[2] & 63u) << 6 | (p[3] & 63u);
}

/* Writes a code point as UTF-8, 1 to 4 bytes; returns how many. */
static inline size_t cru_put_code_point(unsigned char *p, uint32_t c) {
    if (c < 0x80) return *p = (unsigned char)c, 1;
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6) p[i] = (unsigned char)(0x80 | (c & 63));
    p[0] = (unsigned char)((0xF00u >> n) | c);
    return n;
}

#endif
