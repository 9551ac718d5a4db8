/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/join_rules.h"

static void join_set(uint64_t *bits, uint32_t i) { bits[i >> 6] |= (uint64_t)1 << (i & 63); }

static bool continues(unsigned char c) { return (c & 0xC0) == 0x80; }

/* Bytes that a character with this lead byte has; 1 for bytes that lead none. */
static size_t character_length(unsigned char lead) {
    return lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

static uint32_t as_number(const unsigned char *p, size_t n) {
    uint32_t v = 0;
    for (size_t i = 0; i < n && i < 4; i++) v = v << 8 | p[i];
    return v;
}

void cru_joins_add(struct cru_joins *j, const unsigned char *p, size_t n) {
    for (size_t at = 1; at < n; at++) {
        if (continues(p[at])) continue; /* a character begins at `at`, and something is before it */
        size_t start = at - 1;
        while (start > 0 && continues(p[start])) start--;
        bool a_whole = !continues(p[start]) && at - start == character_length(p[start]);
        size_t length = character_length(p[at]);
        bool b_whole = length <= n - at;
        uint32_t a = as_number(p + start, at - start), b = as_number(p + at, b_whole ? length : 0);
        if (a_whole && b_whole)
            join_set(j->hashed, cru_join_hash(a, b));
        else if (b_whole)
            join_set(j->hashed, cru_join_hash(0, b));
        else if (a_whole)
            join_set(j->hashed, cru_join_hash(a, 0));
        else
            join_set(j->grid, (uint32_t)p[at - 1] << 8 | p[at]);
    }
}
