/* SPDX-License-Identifier: Apache-2.0 */
#include <utf8proc.h>

#include "crucible/base/base.h"
#include "tokenizer/normalise.h"

void cru_normaliser_init(struct cru_normaliser *normaliser) {
    memset(normaliser, 0, sizeof *normaliser);
    normaliser->mark_leads = cru_mask_kernels_best()->mark_leads;
}

void cru_normaliser_release(struct cru_normaliser *normaliser) {
    cru_buffer_release(&normaliser->out);
    free(normaliser->points);
    free(normaliser->sorting);
    cru_normaliser_init(normaliser);
}

enum { MOST_POINTS = 4 }; /* of a canonical decomposition */

static bool make_room(struct cru_normaliser *nz, size_t points) {
    if (points <= nz->capacity) return true;
    size_t capacity = points + points / 2 + 64;
    int32_t *a = realloc(nz->points, capacity * sizeof *a);
    if (a) nz->points = a;
    int32_t *b = realloc(nz->sorting, capacity * sizeof *b);
    if (b) nz->sorting = b;
    if (!a || !b) return false;
    nz->capacity = capacity;
    return true;
}

static unsigned combining(int32_t c) {
    return (unsigned)utf8proc_get_property(c)->combining_class & 255u;
}

/* utf8proc's own sort takes time n^2, and a hostile page can be one run of marks; a counting sort does not
 * mind. */
void cru_order_marks(int32_t *marks, size_t n, int32_t *sorting) {
    if (n < 24) {
        for (size_t i = 1; i < n; i++) {
            int32_t c = marks[i];
            unsigned class = combining(c);
            size_t j = i;
            for (; j > 0 && combining(marks[j - 1]) > class; j--) marks[j] = marks[j - 1];
            marks[j] = c;
        }
        return;
    }
    size_t start[257] = {0};
    for (size_t i = 0; i < n; i++) start[combining(marks[i]) + 1]++;
    for (size_t i = 1; i < 257; i++) start[i] += start[i - 1];
    for (size_t i = 0; i < n; i++) sorting[start[combining(marks[i])]++] = marks[i];
    memcpy(marks, sorting, n * sizeof *marks);
}

/* Appends the NFC of [p, end) to `out`. False when memory is short. */
static bool compose(struct cru_normaliser *nz, const unsigned char *p, const unsigned char *end,
                    struct cru_buffer *out) {
    size_t n = 0;
    while (p < end) {
        unsigned length;
        if (!make_room(nz, n + MOST_POINTS)) return false;
        int32_t c = (int32_t)cru_code_point(p, &length);
        int boundary = 0;
        utf8proc_ssize_t made =
            utf8proc_decompose_char(c, nz->points + n, (utf8proc_ssize_t)(nz->capacity - n),
                                    UTF8PROC_DECOMPOSE | UTF8PROC_STABLE, &boundary);
        if (made > 0) n += (size_t)made;
        p += length;
    }
    for (size_t i = 0; i < n;) {
        size_t j = i;
        while (j < n && combining(nz->points[j])) j++;
        if (j - i > 1) cru_order_marks(nz->points + i, j - i, nz->sorting);
        i = j + 1;
    }
    utf8proc_ssize_t left = utf8proc_normalize_utf32(nz->points, (utf8proc_ssize_t)n,
                                                     UTF8PROC_COMPOSE | UTF8PROC_STABLE);
    for (utf8proc_ssize_t i = 0; i < left; i++) {
        unsigned char utf8[4];
        utf8proc_ssize_t length = utf8proc_encode_char(nz->points[i], utf8);
        cru_buffer_add(out, utf8, (size_t)length);
    }
    return !out->failed;
}

/* The first character from p on that is a mark or not in normal form; `end` when there is none. Only at
 * leads that such characters can have is there anything to look at. */
static const unsigned char *next_suspect(struct cru_normaliser *nz,
                                         const struct cru_classes *classes,
                                         const unsigned char *p, const unsigned char *end) {
    enum { BLOCKS = sizeof nz->leads / sizeof *nz->leads };
    while (p < end) {
        if (p < nz->scanned || p >= nz->scanned_end) {
            size_t blocks = (size_t)(end - p) / 64;
            if (blocks > BLOCKS) blocks = BLOCKS;
            nz->scanned = p;
            nz->scanned_end = p + blocks * 64;
            if (blocks > 0) {
                nz->mark_leads(p, blocks, nz->leads);
            } else {
                unsigned char tail[64] = {0};
                memcpy(tail, p, (size_t)(end - p));
                nz->mark_leads(tail, 1, nz->leads);
                nz->scanned_end = end;
            }
        }
        size_t at = (size_t)(p - nz->scanned), n = (size_t)(nz->scanned_end - nz->scanned);
        for (size_t k = at / 64; k * 64 < n; k++) {
            uint64_t m = nz->leads[k];
            if (k == at / 64) m &= ~(uint64_t)0 << (at % 64);
            for (; m; m &= m - 1) {
                const unsigned char *q = nz->scanned + 64 * k + __builtin_ctzll(m);
                unsigned length;
                if (!(cru_mark_seconds[*q & 63] >> (q[1] & 63) & 1)) continue;
                if (cru_class_of(classes, cru_code_point(q, &length)) & CRU_NFC_BITS) return q;
            }
        }
        p = nz->scanned_end;
    }
    return end;
}

/* A stretch is a character, the marks behind it, and what may join it: NFC changes nothing beyond.
 *
 *     x  e  U+0301  U+0323  y        [e U+0301 U+0323] is looked at; x and y stay
 *
 * Marks alone, in order, with nothing that composes, are NFC: most of Thai, Arabic and Hebrew. */
static bool stretch_is_nfc(const struct cru_classes *classes, const unsigned char *p,
                           const unsigned char *end) {
    unsigned before = 0;
    while (p < end) {
        unsigned length;
        uint32_t c = cru_code_point(p, &length);
        unsigned class = cru_class_of(classes, c);
        if (class & CRU_COMPOSE) return false;
        if (class & CRU_MARK) {
            unsigned here = combining((int32_t)c);
            if (here < before) return false;
            before = here;
        }
        p += length;
    }
    return true;
}

/* The next stretch that is not NFC, from p on: its begin, or `end`; *behind is its end. */
static inline const unsigned char *next_change(struct cru_normaliser *nz,
                                               const struct cru_classes *classes,
                                               const unsigned char *begin, const unsigned char *p,
                                               const unsigned char *end,
                                               const unsigned char **behind) {
    while ((p = next_suspect(nz, classes, p, end)) < end) {
        const unsigned char *from = p;
        unsigned length;
        if (p > begin) { /* marks may combine with the character before, unless NFC does not know it */
            const unsigned char *start = p - 1;
            while ((*start & 0xC0) == 0x80) start--;
            if (!(cru_class_of(classes, cru_code_point(start, &length)) & CRU_LATER)) from = start;
        }
        while (p < end) {
            unsigned class = cru_class_of(classes, cru_code_point(p, &length));
            if (!(class & CRU_NFC_BITS)) break;
            p += length;
        }
        *behind = p;
        if (!stretch_is_nfc(classes, from, p)) return from;
    }
    return end;
}

bool cru_is_normal(struct cru_normaliser *nz, const struct cru_classes *classes,
                   struct cru_span text) {
    const unsigned char *p = (const unsigned char *)text.p, *behind;
    nz->scanned = nz->scanned_end = NULL;
    return text.n == 0 || next_change(nz, classes, p, p, p + text.n, &behind) == p + text.n;
}

enum cru_status cru_normalise(struct cru_normaliser *nz, const struct cru_classes *classes,
                              struct cru_span text, struct cru_span *result,
                              struct cru_error *err) {
    if (text.n == 0) {
        *result = text;
        return CRU_OK;
    }
    const unsigned char *p = (const unsigned char *)text.p, *end = p + text.n;
    const unsigned char *begin = p, *copied = p, *from, *behind = p;
    bool changed = false;
    nz->scanned = nz->scanned_end = NULL;
    while ((from = next_change(nz, classes, begin, behind, end, &behind)) < end) {
        if (!changed) cru_buffer_clear(&nz->out);
        changed = true;
        cru_buffer_add(&nz->out, copied, (size_t)(from - copied));
        if (!compose(nz, from, behind, &nz->out)) return cru_fail_memory(err, "normal form");
        copied = behind;
    }
    *result = text;
    if (!changed) return CRU_OK;
    cru_buffer_add(&nz->out, copied, (size_t)(end - copied));
    if (nz->out.failed) {
        cru_buffer_release(&nz->out);
        return cru_fail_memory(err, "normal form");
    }
    *result = cru_buffer_span(&nz->out);
    return CRU_OK;
}

/* Whether text may be cut before this character. One that decomposes is judged by what comes first then. */
static bool begins_anew(const struct cru_classes *classes, uint32_t c) {
    unsigned class = cru_class_of(classes, c);
    if (!(class & CRU_NFC_BITS)) return true;
    if (class & CRU_MARK) return false;
    utf8proc_int32_t points[MOST_POINTS];
    int boundary = 0;
    utf8proc_ssize_t made = utf8proc_decompose_char((utf8proc_int32_t)c, points, MOST_POINTS,
                                                    UTF8PROC_DECOMPOSE | UTF8PROC_STABLE, &boundary);
    return made > 0 && (uint32_t)points[0] != c &&
           !(cru_class_of(classes, (uint32_t)points[0]) & CRU_NFC_BITS);
}

size_t cru_normal_first_cut(const struct cru_classes *classes, struct cru_span text) {
    const unsigned char *p = (const unsigned char *)text.p;
    size_t at = 0;
    for (unsigned length; at < text.n; at += length)
        if (begins_anew(classes, cru_code_point(p + at, &length))) break;
    return at;
}

size_t cru_normal_last_cut(const struct cru_classes *classes, struct cru_span text) {
    const unsigned char *p = (const unsigned char *)text.p;
    for (size_t at = text.n; at > 0;) {
        unsigned length;
        do at--;
        while (at > 0 && (p[at] & 0xC0) == 0x80);
        if (begins_anew(classes, cru_code_point(p + at, &length))) return at;
    }
    return text.n;
}
