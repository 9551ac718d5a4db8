/* SPDX-License-Identifier: Apache-2.0 */
#include <utf8proc.h>

#include "crucible/base/base.h"
#include "crucible/dedup/fold.h"

enum { FOLD_SEPARATOR = 0, FOLD_NOTHING = 1, ASCII_OTHER = 0xFF, BMP = 0x10000 };

/* An odd constant with well-mixed bits; a word's hash is (h ^ c) K over its characters. */
#define WORD_FACTOR 0xD6E8FEB86659FD93u
#define WORD_START 0x243F6A8885A308D3u /* first bits of pi */

struct cru_fold {
    uint32_t bmp[BMP];        /* as cru_fold_code_point */
    unsigned char ascii[256]; /* the same for ASCII; ASCII_OTHER for bytes above */
};

/* Scripts without spaces between words; Unicode 14 Scripts.txt, rounded to blocks. */
static const struct {
    int32_t first, last;
} alone[] = {
    {0x0E00, 0x0EFF},   /* Thai, Lao */
    {0x1000, 0x109F},   /* Myanmar */
    {0x1780, 0x17FF},   /* Khmer */
    {0x1950, 0x19DF},   /* Tai Le, New Tai Lue */
    {0x1A20, 0x1AAF},   /* Tai Tham */
    {0x3005, 0x3007},   /* iteration and closing marks, ideographic zero */
    {0x3021, 0x3029},   /* Hangzhou numerals */
    {0x3041, 0x30FF},   /* Hiragana, Katakana */
    {0x31F0, 0x31FF},   /* Katakana phonetic extensions */
    {0x3400, 0x4DBF},   /* Han extension A */
    {0x4E00, 0x9FFF},   /* Han */
    {0xA9E0, 0xA9FF},   /* Myanmar extended B */
    {0xAA60, 0xAADF},   /* Myanmar extended A, Tai Viet */
    {0xF900, 0xFAFF},   /* Han compatibility */
    {0xFF66, 0xFF9F},   /* half-width Katakana */
    {0x1B000, 0x1B16F}, /* kana supplements */
    {0x20000, 0x323AF}, /* Han extensions B to H */
};

static bool stands_alone(int32_t c) {
    for (size_t i = 0; i < sizeof alone / sizeof *alone; i++)
        if (c >= alone[i].first && c <= alone[i].last) return true;
    return false;
}

static bool is_dropped(utf8proc_category_t category) {
    return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_ME ||
           category == UTF8PROC_CATEGORY_CF;
}

uint32_t cru_fold_code_point(int32_t c) {
    utf8proc_category_t category = utf8proc_category(c);
    if (category == UTF8PROC_CATEGORY_ND) return '0';
    if (is_dropped(category)) return FOLD_NOTHING;
    switch (category) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        break;
    default:
        return FOLD_SEPARATOR;
    }
    int32_t lower = utf8proc_tolower(c), parts[16], base = lower;
    int boundary = 0;
    utf8proc_ssize_t n = utf8proc_decompose_char(lower, parts, 16, UTF8PROC_DECOMPOSE, &boundary);
    int bases = 0;
    for (utf8proc_ssize_t i = 0; i < n && i < 16; i++)
        if (!is_dropped(utf8proc_category(parts[i]))) {
            base = parts[i];
            bases++;
        }
    if (bases != 1) base = lower;
    return (uint32_t)base | (stands_alone(c) ? CRU_FOLD_ALONE : 0);
}

struct cru_fold *cru_fold_new(void) {
    struct cru_fold *fold = malloc(sizeof *fold);
    if (!fold) return NULL;
    for (int32_t c = 0; c < BMP; c++)
        fold->bmp[c] = c >= 0xD800 && c < 0xE000 ? FOLD_SEPARATOR : cru_fold_code_point(c);
    for (int c = 0; c < 256; c++)
        fold->ascii[c] = c < 0x80 ? (unsigned char)fold->bmp[c] : ASCII_OTHER;
    return fold;
}

void cru_fold_free(struct cru_fold *fold) {
    free(fold);
}

void cru_word_scan_init(struct cru_word_scan *scan, const struct cru_fold *fold,
                        struct cru_span text) {
    scan->fold = fold;
    scan->start = scan->p = (const unsigned char *)text.p;
    scan->end = text.n ? scan->start + text.n : scan->start;
}

/* Decodes the character at p (lead byte >= 0x80) and folds it; its length in *n. */
static uint32_t fold_wide(const struct cru_fold *fold, const unsigned char *p,
                          const unsigned char *end, size_t *n) {
    size_t left = (size_t)(end - p);
    unsigned lead = p[0];
    *n = 1;
    if (lead >= 0xC2 && lead < 0xE0 && left >= 2 && (p[1] & 0xC0) == 0x80) {
        *n = 2;
        return fold->bmp[(lead & 0x1Fu) << 6 | (p[1] & 0x3Fu)];
    }
    if (lead >= 0xE0 && lead < 0xF0 && left >= 3 && (p[1] & 0xC0) == 0x80 &&
        (p[2] & 0xC0) == 0x80) {
        *n = 3;
        return fold->bmp[(lead & 0x0Fu) << 12 | (p[1] & 0x3Fu) << 6 | (p[2] & 0x3Fu)];
    }
    if (lead >= 0xF0 && lead < 0xF5 && left >= 4 && (p[1] & 0xC0) == 0x80 &&
        (p[2] & 0xC0) == 0x80 && (p[3] & 0xC0) == 0x80) {
        uint32_t c =
            (lead & 0x07u) << 18 | (p[1] & 0x3Fu) << 12 | (p[2] & 0x3Fu) << 6 | (p[3] & 0x3Fu);
        *n = 4;
        return c < 0x110000 ? cru_fold_code_point((int32_t)c) : FOLD_SEPARATOR;
    }
    return FOLD_SEPARATOR;
}

static inline uint64_t word_add(uint64_t h, uint32_t c) {
    return (h ^ c) * WORD_FACTOR;
}

/* Reads one word from p on; false when there is none. The ASCII path is the loop's first branch. */
static inline bool next_word(const struct cru_fold *fold, const unsigned char **at,
                             const unsigned char *end, uint64_t *hash,
                             const unsigned char **begin) {
    const unsigned char *p = *at;
    while (p < end && fold->ascii[*p] == FOLD_SEPARATOR) p++;
    uint64_t h = WORD_START;
    uint32_t last = 0; /* last folded character; 0: the word is empty */
    *begin = p;
    while (p < end) {
        uint32_t f = fold->ascii[*p];
        if (f >= 'a' && f <= 'z') {
            h = word_add(h, last = f);
            p++;
            continue;
        }
        size_t n = 1;
        if (f == ASCII_OTHER) f = fold_wide(fold, p, end, &n);
        if (f == FOLD_SEPARATOR) {
            bool joins = last == '0' && (*p == '.' || *p == ',') && end - p > 1 && p[1] >= '0' &&
                         p[1] <= '9';
            if (last && !joins) break;
        } else if (f & CRU_FOLD_ALONE) {
            if (last) break;
            *begin = p;
            h = word_add(h, f);
            last = f;
            p += n;
            break;
        } else if (f != FOLD_NOTHING && !(f == '0' && last == '0')) {
            if (!last) *begin = p;
            h = word_add(h, last = f);
        }
        p += n;
    }
    *at = p;
    *hash = cru_mix64(h);
    return last != 0;
}

size_t cru_word_scan_next(struct cru_word_scan *scan, uint64_t *hashes,
                          struct cru_word_place *places, size_t capacity) {
    const unsigned char *p = scan->p, *begin = p;
    size_t n = 0;
    while (n < capacity && next_word(scan->fold, &p, scan->end, &hashes[n], &begin)) {
        if (places) {
            places[n].begin = (size_t)(begin - scan->start);
            places[n].end = (size_t)(p - scan->start);
        }
        n++;
    }
    scan->p = p;
    return n;
}
