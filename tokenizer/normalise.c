/* SPDX-License-Identifier: Apache-2.0 */
#include <utf8proc.h>

#include "crucible/base/base.h"
#include "tokenizer/normalise.h"

void cru_normaliser_init(struct cru_normaliser *normaliser) {
    memset(normaliser, 0, sizeof *normaliser);
}

void cru_normaliser_release(struct cru_normaliser *normaliser) {
    cru_buffer_release(&normaliser->out);
    free(normaliser->points);
    free(normaliser->sorting);
    cru_normaliser_init(normaliser);
}

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

/* Sorts a run of marks by combining class, equal ones as they were. utf8proc's own sort takes time
 * n^2, and a hostile page can be one run of marks; a counting sort does not mind. */
static void order_marks(int32_t *marks, size_t n, int32_t *sorting) {
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
    /* The longest canonical decomposition is 4 code points, of one of 2 bytes or more. */
    if (!make_room(nz, (size_t)(end - p) * 4)) return false;
    size_t n = 0;
    while (p < end) {
        unsigned length;
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
        if (j - i > 1) order_marks(nz->points + i, j - i, nz->sorting);
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

/* The end of the leading part that needs no look: below U+0300 nothing composes or is reordered, and
 * all bytes of such text are below 0xCC. Eight bytes at a time: 0x4C + 0x34 reaches the top bit. */
static const unsigned char *skip_plain(const unsigned char *p, const unsigned char *end) {
    const uint64_t low = 0x7F7F7F7F7F7F7F7Fu, add = 0x3434343434343434u;
    for (; end - p >= 16; p += 16) {
        uint64_t a, b;
        memcpy(&a, p, 8);
        memcpy(&b, p + 8, 8);
        if (((((a & low) + add) & a) | (((b & low) + add) & b)) & ~low) break;
    }
    while (p < end && *p < 0xCC) p++;
    return p;
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

enum cru_status cru_normalise(struct cru_normaliser *nz, const struct cru_classes *classes,
                              struct cru_span text, struct cru_span *result,
                              struct cru_error *err) {
    if (text.n == 0) {
        *result = text;
        return CRU_OK;
    }
    const unsigned char *p = (const unsigned char *)text.p, *end = p + text.n;
    const unsigned char *copied = p, *start = p; /* start: of the last character seen */
    bool changed = false, joins = false;         /* joins: marks may combine with that character */
    while (p < end) {
        const unsigned char *plain = skip_plain(p, end);
        if (plain > p) { /* the last plain character, whose lead byte is at most 3 back */
            start = plain - 1;
            while (start > p && (*start & 0xC0) == 0x80) start--;
            joins = true;
            p = plain;
            continue;
        }
        unsigned length;
        unsigned class = cru_class_of(classes, cru_code_point(p, &length));
        if (!(class & CRU_NFC_BITS)) {
            start = p;
            joins = !(class & CRU_LATER);
            p += length;
            continue;
        }
        const unsigned char *from = joins ? start : p;
        while (p < end) {
            class = cru_class_of(classes, cru_code_point(p, &length));
            if (!(class & CRU_NFC_BITS)) break;
            p += length;
        }
        joins = false; /* what follows is no mark, or the text ends */
        if (stretch_is_nfc(classes, from, p)) continue;
        if (!changed) cru_buffer_clear(&nz->out);
        changed = true;
        cru_buffer_add(&nz->out, copied, (size_t)(from - copied));
        if (!compose(nz, from, p, &nz->out)) return cru_fail_memory(err, "normal form");
        copied = p;
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
