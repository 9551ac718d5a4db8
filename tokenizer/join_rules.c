/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/join_rules.h"

static void add_pair(struct cru_joins *j, const unsigned char *a, const unsigned char *b) {
    uint32_t i = cru_join_hash(cru_three_byte_point(a), cru_three_byte_point(b));
    j->hashed[i >> 6] |= (uint64_t)1 << (i & 63);
}

void cru_joins_add(struct cru_joins *j, const unsigned char *p, size_t n) {
    for (size_t at = 1; at < n; at++) {
        if (!cru_leads_three(p[at]) || !cru_continues(p[at - 1])) continue;
        /* b begins here; a ends here, or what is left of it. */
        size_t b_bytes = n - at < 3 ? n - at : 3, a_bytes = at < 3 ? at : 3;
        if (a_bytes > 1 && !cru_continues(p[at - 2])) continue; /* a has two bytes: never asked about */
        if (a_bytes > 2 && !cru_leads_three(p[at - 3])) continue; /* nor with four */
        bool a_whole = a_bytes == 3;
        if (b_bytes == 1 || a_bytes == 1) {
            j->grid[p[at] & 63] |= (uint64_t)1 << (p[at - 1] & 63);
            continue;
        }
        /* Both whole, or one or both without one byte: all characters that fit. */
        unsigned char a[3] = {0, p[at - 2], p[at - 1]}, b[3] = {p[at], p[at + 1], 0};
        for (unsigned lead = 0xE0; lead < 0xF0; lead++) {
            if (a_whole && lead != p[at - 3]) continue;
            a[0] = (unsigned char)lead;
            for (unsigned tail = 0x80; tail < 0xC0; tail++) {
                if (b_bytes == 3 && tail != p[at + 2]) continue;
                b[2] = (unsigned char)tail;
                add_pair(j, a, b);
            }
        }
    }
}
