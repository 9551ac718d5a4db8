/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/bpe_backtrack.h"
#include "crucible/base/base.h"

bool cru_bpe_scratch_init(struct cru_bpe_scratch *scratch, const struct cru_bpe *bpe) {
    memset(scratch, 0, sizeof *scratch);
    size_t memo = sizeof *scratch->memo << CRU_BPE_MEMO_BITS;
    scratch->memo = malloc(memo);
    scratch->dead = malloc(CRU_BPE_DEAD / 8);
    if (scratch->memo && scratch->dead &&
        (!bpe->irregular || cru_merge_scratch_room(&scratch->merging, 2 * (size_t)bpe->longest))) {
        memset(scratch->memo, 0xFF, memo);
        return true;
    }
    cru_bpe_scratch_release(scratch);
    return false;
}

void cru_bpe_scratch_release(struct cru_bpe_scratch *scratch) {
    free(scratch->memo);
    free(scratch->dead);
    cru_merge_scratch_release(&scratch->merging);
    memset(scratch, 0, sizeof *scratch);
}

/* ------------------------------------------------------------------------------- neighbours */

/* enc(ab) by the definition, compared with [a, b] or with [made]. Room for both was made at init. */
static enum cru_border compare_by_merging(const struct cru_bpe *bpe,
                                          struct cru_bpe_scratch *scratch, uint32_t a, uint32_t b,
                                          uint32_t whole) {
    unsigned char bytes[2 * CRU_MAX_TOKEN];
    uint32_t ids[2 * CRU_MAX_TOKEN];
    size_t na = bpe->nodes[a].bytes, nb = bpe->nodes[b].bytes, made;
    memcpy(bytes, bpe->text + bpe->offsets[a], na);
    memcpy(bytes + na, bpe->text + bpe->offsets[b], nb);
    if (na + nb <= CRU_SHORT_PIECE)
        made = cru_merge_short(&bpe->merges, bytes, na + nb, ids);
    else if (!cru_merge_long(&bpe->merges, &scratch->merging, bytes, na + nb, ids, &made))
        return CRU_BORDER_NO;
    bool yes =
        whole == CRU_NONE ? made == 2 && ids[0] == a && ids[1] == b : made == 1 && ids[0] == whole;
    return yes ? CRU_BORDER_BY_MERGING : CRU_BORDER_NO;
}

/* The byte of a token that is one; any byte in a damaged image. */
static inline uint32_t node_byte(const struct cru_bpe_node *node) {
    return node->split >> (CRU_RANK_BITS + CRU_ID_BITS) & 255;
}

/* A damaged image may have a token that is a part of itself; no real one has this many steps. */
enum { MOST_STEPS = 2 * CRU_MAX_TOKEN };

enum cru_border cru_bpe_border(const struct cru_bpe *bpe, struct cru_bpe_scratch *scratch,
                               uint32_t a, uint32_t b, uint32_t whole) {
    uint32_t x = a, y = b, takes_x = UINT32_MAX, takes_y = UINT32_MAX; /* rank + 1 of the merges */
    for (unsigned step = 0; step < MOST_STEPS; step++) {
        const struct cru_bpe_node *nx = &bpe->nodes[x], *ny = &bpe->nodes[y];
        uint32_t made_x = nx->split & CRU_SPLIT_KEY_MASK, made_y = ny->split & CRU_SPLIT_KEY_MASK;
        if ((made_x | made_y) == 0) { /* two bytes: the end of most ways, so it has a table */
            uint32_t rank = bpe->merges.byte_pair[node_byte(nx) << 8 | node_byte(ny)];
            bool crosses = rank < takes_x - 1 && rank < takes_y && (step > 0 || whole == CRU_NONE);
            return crosses ? CRU_BORDER_NO : CRU_BORDER_BY_RANKS;
        }
        if ((nx->as_left & cru_partner_bit(y)) && (ny->as_right & cru_partner_bit(x)) &&
            (step > 0 || whole == CRU_NONE)) {
            uint32_t rank = cru_pair_find(bpe->merges.pairs, bpe->merges.pair_bits, x, y);
            if (rank < takes_x - 1 && rank < takes_y) return CRU_BORDER_NO;
        }
        /* Of equal ranks the left one came first, so the right one is undone first. Irregular tokens
         * have the highest number: all others that were undone before them came later than both. */
        bool undo_y = made_y >= made_x;
        uint64_t split = undo_y ? ny->split : nx->split;
        uint32_t part =
            split >> (undo_y ? CRU_RANK_BITS + CRU_ID_BITS : CRU_RANK_BITS) & CRU_ID_MASK;
        if (part == CRU_ID_MASK) break;
        takes_y = undo_y ? made_y : takes_y;
        takes_x = undo_y ? takes_x : made_x;
        y = undo_y ? part : y;
        x = undo_y ? x : part;
    }
    return compare_by_merging(bpe, scratch, a, b, whole);
}

/* ---------------------------------------------------------------------------------- search */

/*
 *   before | out[0] out[1] .. out[k-1] | at ..      the path: neighbourly tokens up to `at`
 *                  anchor                           a place on the path some tokens back, to find
 *                                                   that the text repeats
 *   dead: places that no path goes on from, as bits of a ring; those up to `cleared` are known,
 *   but only the last CRU_BPE_DEAD of them: to forget one costs time, not truth.
 */
struct search {
    const struct cru_bpe *bpe;
    struct cru_bpe_scratch *scratch;
    const unsigned char *p;
    size_t n, at, k, cleared;
    size_t seen; /* all choices so far depend on p[0 .. seen) only */
    uint32_t *out, before;
    size_t anchor_at, anchor_k, patience, since;
    uint32_t anchor_token;
};

static inline bool is_dead(const struct search *s, size_t at) {
    if (at >= s->cleared || at + CRU_BPE_DEAD < s->cleared) return false;
    return s->scratch->dead[at / 64 % (CRU_BPE_DEAD / 64)] >> (at % 64) & 1;
}

static void set_dead(struct search *s, size_t at) {
    if (at + CRU_BPE_DEAD < s->cleared) return;
    if (at >= s->cleared + CRU_BPE_DEAD) s->cleared = (at - CRU_BPE_DEAD) / 64 * 64 + 64;
    for (; s->cleared <= at; s->cleared += 64)
        s->scratch->dead[s->cleared / 64 % (CRU_BPE_DEAD / 64)] = 0;
    s->scratch->dead[at / 64 % (CRU_BPE_DEAD / 64)] |= (uint64_t)1 << (at % 64);
}

static inline uint32_t last_token(const struct search *s) {
    return s->k ? s->out[s->k - 1] : s->before;
}

static void set_anchor(struct search *s, size_t patience) {
    s->anchor_at = s->at;
    s->anchor_k = s->k;
    s->anchor_token = last_token(s);
    s->patience = patience;
    s->since = 0;
}

/* How many bytes of p + at equal those `period` before. */
static size_t repeated_bytes(const struct search *s, size_t period) {
    const unsigned char *a = s->p + s->at - period, *b = s->p + s->at;
    size_t n = s->n - s->at, i = 0;
    for (; i + 32 <= n && memcmp(a + i, b + i, 32) == 0; i += 32) {
    }
    while (i < n && a[i] == b[i]) i++;
    return i;
}

/*
 * The path came from the anchor to here, where it has the same last token, by what it saw of p[anchor
 * .. seen). While the text repeats, it would make the same choices again: once more if the text up to
 * seen + period does, and so on.
 */
static void skip_periods(struct search *s) {
    size_t period = s->at - s->anchor_at, tokens = s->k - s->anchor_k;
    if (s->seen < s->at) s->seen = s->at;   /* only where the image is damaged */
    size_t beyond = s->seen - s->anchor_at; /* what one time depends on */
    size_t equal = repeated_bytes(s, period);
    if (equal < beyond) return;
    size_t times = (equal - beyond) / period + 1;
    for (size_t i = 0; i < times * tokens; i++) s->out[s->k + i] = s->out[s->k + i - tokens];
    s->k += times * tokens;
    s->at += times * period;
    s->seen += times * period;
    set_anchor(s, 1);
}

enum { MOST_PATIENCE = 64 };

static inline void push(struct search *s, uint32_t token, size_t length) {
    s->out[s->k++] = token;
    s->at += length;
    if (token == s->anchor_token && s->at > s->anchor_at)
        skip_periods(s);
    else if (++s->since > s->patience)
        set_anchor(s, s->patience < MOST_PATIENCE ? s->patience * 2 : MOST_PATIENCE);
}

/* Leaves the place `at` for good. Returns the token to try at the one before, or CRU_NONE there, too. */
static uint32_t step_back(struct search *s) {
    set_dead(s, s->at);
    uint32_t token = s->out[--s->k];
    s->at -= s->bpe->nodes[token].bytes;
    if (s->k < s->anchor_k) set_anchor(s, 1);
    return cru_bpe_shorter(s->bpe, token);
}

size_t cru_bpe_search(const struct cru_bpe *bpe, struct cru_bpe_scratch *scratch, uint32_t before,
                      const unsigned char *p, size_t n, bool last, uint32_t *out, size_t *stopped) {
    struct search s = {
        .bpe = bpe, .scratch = scratch, .p = p, .n = n, .out = out, .before = before};
    size_t stop = last ? n : n < bpe->longest ? 0 : n - bpe->longest + 1;
    set_anchor(&s, 1);
    while (s.at < stop) {
        struct cru_bpe_match match = cru_bpe_longest(bpe, p + s.at, n - s.at);
        uint32_t token = match.token;
        if (s.at + match.seen > s.seen) s.seen = s.at + match.seen;
        for (size_t length = match.length;; length = bpe->nodes[token].bytes) {
            uint32_t previous = last_token(&s);
            if (length - 1 < n - s.at && (s.at + length == n || !is_dead(&s, s.at + length)) &&
                (previous == CRU_NONE || cru_bpe_neighbourly(bpe, scratch, previous, token)) &&
                length == bpe->nodes[token].bytes) {
                push(&s, token, length);
                break;
            }
            token = cru_bpe_shorter(bpe, token);
            while (token == CRU_NONE && s.k > 0) token = step_back(&s);
            if (token != CRU_NONE) continue;
            for (; s.at < n; s.at++) s.out[s.k++] = bpe->merges.byte_ids[p[s.at]];
            break; /* only where the image is damaged */
        }
    }
    *stopped = s.at;
    return s.k;
}

size_t cru_bpe_piece(const struct cru_bpe *bpe, struct cru_bpe_scratch *scratch,
                     const unsigned char *p, size_t n, uint32_t *out) {
    size_t stopped;
    return cru_bpe_search(bpe, scratch, CRU_NONE, p, n, true, out, &stopped);
}
