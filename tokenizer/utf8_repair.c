/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/base/base.h"
#include "tokenizer/normalise.h"

/* Well-formed sequences (Unicode 15, table 3-7): by lead byte, how many bytes follow it, and the range of
 * the first of them; the others are 80..BF. */
static const struct lead_row {
    unsigned char first, last, follow, low, high;
} leads[] = {
    {0x00, 0x7F, 0, 0, 0},       {0xC2, 0xDF, 1, 0x80, 0xBF}, {0xE0, 0xE0, 2, 0xA0, 0xBF},
    {0xE1, 0xEC, 2, 0x80, 0xBF}, {0xED, 0xED, 2, 0x80, 0x9F}, {0xEE, 0xEF, 2, 0x80, 0xBF},
    {0xF0, 0xF0, 3, 0x90, 0xBF}, {0xF1, 0xF3, 3, 0x80, 0xBF}, {0xF4, 0xF4, 3, 0x80, 0x8F},
};

static const struct lead_row *lead_of(unsigned char c) {
    for (size_t i = 0; i < sizeof leads / sizeof *leads; i++)
        if (c >= leads[i].first && c <= leads[i].last) return &leads[i];
    return NULL;
}

/* Bytes of the sequence at p, as far as it is well formed; *whole when that is all of it. */
static size_t sequence(const unsigned char *p, size_t n, bool *whole) {
    const struct lead_row *lead = lead_of(*p);
    *whole = false;
    if (!lead) return 1;
    size_t length = 1;
    unsigned char low = lead->low, high = lead->high;
    while (length <= lead->follow && length < n && p[length] >= low && p[length] <= high) {
        low = 0x80, high = 0xBF;
        length++;
    }
    *whole = length == (size_t)lead->follow + 1;
    return length;
}

void cru_utf8_repair(struct cru_span bytes, struct cru_buffer *out) {
    const unsigned char *p = (const unsigned char *)bytes.p;
    size_t good = 0, i = 0; /* bytes from `good` to i are to be copied */
    while (i < bytes.n) {
        bool whole;
        size_t length = sequence(p + i, bytes.n - i, &whole);
        if (!whole) {
            cru_buffer_add(out, p + good, i - good);
            cru_buffer_add(out, "\xEF\xBF\xBD", 3);
            good = i + length;
        }
        i += length;
    }
    if (bytes.n > good) cru_buffer_add(out, p + good, bytes.n - good);
}
