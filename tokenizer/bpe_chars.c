/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/bpe_chars.h"
#include "crucible/base/base.h"
#include "tokenizer/bpe_tables.h"

/* Of a border in a token, at p[at], where a character of three bytes ends and another begins: notes it with
 * the characters, of[65536] by code point, if one of them is not whole. */
static void note_border(struct cru_char_halves *of, const unsigned char *p, size_t n, size_t at) {
    size_t b_bytes = n - at < 3 ? n - at : 3, a_bytes = at < 3 ? at : 3;
    uint64_t a_last = (uint64_t)1 << (p[at - 1] & 63);
    if (a_bytes == 3 && cru_leads_three(p[at - 3])) {
        uint32_t a = cru_three_byte_point(p + at - 3);
        if (b_bytes < 3) of[a].after |= b_bytes == 2 ? (uint64_t)1 << (p[at + 1] & 63) : UINT64_MAX;
        return;
    }
    if (a_bytes > 1 && (!cru_continues(p[at - 2]) || a_bytes > 2)) return; /* not of three bytes */
    /* All characters that begin with what there is of b. */
    uint32_t from = (uint32_t)(p[at] & 15) << 12, some = 1 << 12;
    if (b_bytes > 1) from |= (uint32_t)(p[at + 1] & 63) << 6, some = 1 << 6;
    if (b_bytes > 2) from |= p[at + 2] & 63, some = 1;
    for (uint32_t b = from; b < from + some; b++) of[b].before |= a_last;
}

static struct cru_span token(const struct cru_bpe *bpe, uint32_t id) {
    return cru_span_make(bpe->text + bpe->offsets[id], bpe->offsets[id + 1] - bpe->offsets[id]);
}

/* The character of three bytes that a token is; 0 when it is none, or not what its bytes encode to. */
static uint32_t char_of(const struct cru_bpe *bpe, uint32_t id) {
    struct cru_span s = token(bpe, id);
    const unsigned char *p = (const unsigned char *)s.p;
    bool whole = s.n == 3 && cru_leads_three(p[0]) && cru_continues(p[1]) && cru_continues(p[2]);
    const struct cru_bpe_node *node = &bpe->nodes[id];
    return whole && node->bytes == 3 ? cru_three_byte_point(p) : 0;
}

/* Takes a token's character out of the table if a merge of the token has a lower rank than one that makes it
 * (or might have: of irregular ones that is not known). */
static void check_part(const struct cru_bpe *bpe, uint32_t *chars, uint32_t part, uint32_t rank) {
    uint32_t c = char_of(bpe, part);
    if (c && rank + 1 <= (bpe->nodes[part].split & CRU_SPLIT_KEY_MASK)) chars[c] = CRU_NONE;
}

/* The number of a row of halves, which is made if there is room; or CRU_CHAR_HALVES. */
static uint32_t row_of(struct cru_char_halves *halves, uint32_t *n, struct cru_char_halves row) {
    for (uint32_t i = 0; i < *n; i++)
        if (halves[i].before == row.before && halves[i].after == row.after) return i;
    if (*n == CRU_CHAR_HALVES) return CRU_CHAR_HALVES;
    halves[*n] = row;
    return (*n)++;
}

enum cru_status cru_bpe_make_chars(const struct cru_bpe *bpe, const struct cru_merge_row *rows,
                                   size_t n_rows, uint32_t *chars, struct cru_char_halves *halves,
                                   struct cru_error *err) {
    struct cru_char_halves *of = calloc(65536, sizeof *of);
    if (!of) return cru_fail_memory(err, "vocabulary");
    memset(chars, 0xFF, 65536 * sizeof *chars);
    for (size_t i = 0; i < n_rows; i++) {
        struct cru_span s = token(bpe, rows[i].made);
        const unsigned char *p = (const unsigned char *)s.p;
        for (size_t at = 1; at < s.n; at++)
            if (cru_leads_three(p[at]) && cru_continues(p[at - 1])) note_border(of, p, s.n, at);
        uint32_t c = char_of(bpe, rows[i].made);
        if (c) chars[c] = rows[i].made;
    }
    for (size_t i = 0; i < n_rows; i++) {
        check_part(bpe, chars, rows[i].left, (uint32_t)i);
        check_part(bpe, chars, rows[i].right, (uint32_t)i);
    }
    uint32_t n_halves = 1;
    for (uint32_t c = 0; c < 65536; c++) {
        if (chars[c] == CRU_NONE) continue;
        uint32_t row = row_of(halves, &n_halves, of[c]);
        chars[c] = row == CRU_CHAR_HALVES ? CRU_NONE : row << CRU_ID_BITS | chars[c];
    }
    free(of);
    return CRU_OK;
}
