/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/bpe_batch.h"

#if defined __x86_64__
#include "crucible/base/base.h"
#include "tokenizer/bpe_rounds.h"

/* All that take vectors are inlined; so their being passed is of no interest. */
#pragma GCC diagnostic ignored "-Wpsabi"
#define AVX2 __attribute__((target("avx2,bmi,bmi2")))
#define INLINE AVX2 static inline __attribute__((always_inline))

enum { LANES = 8, NARROW = CRU_ROUNDS_NARROW / LANES, WIDE = CRU_ROUNDS_MOST / LANES };

typedef int32_t lanes __attribute__((vector_size(LANES * 4)));
typedef uint64_t slots __attribute__((vector_size(32)));

static const lanes places[WIDE] = {{0, 1, 2, 3, 4, 5, 6, 7},
                                   {8, 9, 10, 11, 12, 13, 14, 15},
                                   {16, 17, 18, 19, 20, 21, 22, 23},
                                   {24, 25, 26, 27, 28, 29, 30, 31}};

INLINE lanes all(int32_t x) {
    return (lanes){x, x, x, x, x, x, x, x};
}

INLINE lanes load(const int32_t *p, unsigned i) {
    lanes x;
    memcpy(&x, p + i * LANES, sizeof x);
    return x;
}

INLINE void store(int32_t *p, unsigned i, lanes x) {
    memcpy(p + i * LANES, &x, sizeof x);
}

/* a where the mask is all ones, b where it is zero */
INLINE lanes choose(lanes mask, lanes a, lanes b) {
    return (a & mask) | (b & ~mask);
}

INLINE lanes least_of(lanes a, lanes b) {
    return choose(a < b, a, b);
}

/* Lanes 1 to 8 of a and b. */
INLINE lanes next_lanes(lanes a, lanes b) {
    return __builtin_shufflevector(a, b, 1, 2, 3, 4, 5, 6, 7, 8);
}

/* The rank of a pair whose line this is: cru_pair_rank, eight slots at a time and without a branch. */
INLINE int32_t rank_of(const struct cru_merges *m, uint32_t line, int32_t left, int32_t right) {
    const uint64_t pair = cru_rounds_pair(left, right);
    for (;; line = (line + CRU_PAIR_LINE) & ((1u << m->pair_bits) - 1)) {
        const uint64_t *at = &m->pairs[line];
        slots a, b;
        memcpy(&a, at, sizeof a);
        memcpy(&b, at + 4, sizeof b);
        slots found = (a & (slots)(a >> CRU_RANK_BITS == pair)) | (b & (slots)(b >> CRU_RANK_BITS == pair));
        uint64_t slot = found[0] | found[1] | found[2] | found[3];
        bool full = at[CRU_PAIR_LINE - 1] != UINT64_MAX;
        if (__builtin_expect(!full || slot != 0, 1))
            return cru_kept_rank(slot & ((1u << CRU_RANK_BITS) - 1));
    }
}

/* Makes the next merge and asks for the ranks of its pairs; false when there is none. ranks: those of w, in
 * `registers` of them, and room for one more. */
INLINE bool merge_least(const struct cru_merges *m, struct cru_rounds_piece *w, lanes *ranks,
                        unsigned registers) {
    int32_t *ids = cru_rounds_ids(w);
    lanes least = ranks[0] | places[0], now[WIDE + 1];
    for (unsigned r = 1; r < registers; r++) least = least_of(least, ranks[r] | places[r]);
    least = least_of(least, __builtin_shufflevector(least, least, 4, 5, 6, 7, 0, 1, 2, 3));
    least = least_of(least, __builtin_shufflevector(least, least, 2, 3, 0, 1, 6, 7, 4, 5));
    least = least_of(least, __builtin_shufflevector(least, least, 1, 0, 3, 2, 5, 4, 7, 6));
    int32_t found = least[0], at = found & (CRU_ROUNDS_MOST - 1);
    if (found >= CRU_NO_RANK) return false;
    int32_t made = cru_rounds_made(m, (uint32_t)found >> CRU_RANK_SHIFT);

    for (unsigned r = 0; r < registers; r++) now[r] = load(ids, r);
    now[registers] = all(CRU_NO_ID);
    ranks[registers] = all(CRU_NO_RANK);
    for (unsigned r = 0; r < registers; r++) { /* what is behind moves up */
        lanes behind = places[r] > all(at), here = places[r] == all(at);
        lanes moved = choose(behind, next_lanes(now[r], now[r + 1]), now[r]);
        store(ids, r, choose(here, all(made), moved));
        store(w->ranks, r, choose(behind, next_lanes(ranks[r], ranks[r + 1]), ranks[r]));
    }
    w->n--;
    w->at = (uint32_t)at;
    w->line[0] = cru_rounds_ask(m, ids[at - 1], made);
    w->line[1] = cru_rounds_ask(m, made, ids[at + 1]);
    return true;
}

INLINE bool first_merge(const struct cru_merges *m, struct cru_rounds_piece *w, unsigned registers) {
    lanes ranks[WIDE + 1];
    for (unsigned r = 0; r < registers; r++) ranks[r] = load(w->ranks, r);
    return merge_least(m, w, ranks, registers);
}

/* Fills in the ranks that were asked for, and goes on. */
INLINE bool next_merge(const struct cru_merges *m, struct cru_rounds_piece *w, unsigned registers) {
    const int32_t *here = cru_rounds_ids(w) + w->at;
    lanes ranks[WIDE + 1], at = all((int32_t)w->at);
    lanes left = all(rank_of(m, w->line[0], here[-1], here[0]));
    lanes right = all(rank_of(m, w->line[1], here[0], here[1]));
    for (unsigned r = 0; r < registers; r++)
        ranks[r] = choose(places[r] == at, right, choose(places[r] + 1 == at, left, load(w->ranks, r)));
    return merge_least(m, w, ranks, registers);
}

INLINE void go_round(const struct cru_merges *m, struct cru_rounds *b, struct cru_rounds_list *list,
                     unsigned registers, bool first) {
    size_t kept = 0;
    for (size_t i = 0; i < list->n; i++) {
        uint8_t number = list->piece[i];
        struct cru_rounds_piece *w = &b->piece[number];
        list->piece[kept] = number;
        kept += first ? first_merge(m, w, registers) : next_merge(m, w, registers);
    }
    list->n = kept;
}

AVX2 void cru_bpe_batch_avx2(const struct cru_bpe *bpe, struct cru_bpe_scratch *scratch,
                             struct cru_bpe_task *tasks, size_t n) {
    const struct cru_merges *m = &bpe->merges;
    struct cru_rounds b;
    cru_rounds_begin(bpe, scratch, tasks, n, &b);
    for (size_t i = 0; i < b.chars.n; i++) {
        struct cru_rounds_piece *w = &b.piece[b.chars.piece[i]];
        const int32_t *ids = cru_rounds_ids(w);
        for (uint32_t k = 0; k + 1 < w->n; k++) {
            uint32_t line = cru_pair_line(cru_rounds_pair(ids[k], ids[k + 1]), m->pair_bits);
            w->ranks[k] = rank_of(m, line, ids[k], ids[k + 1]);
        }
    }
    go_round(m, &b, &b.narrow, NARROW, true);
    go_round(m, &b, &b.wide, WIDE, true);
    while (b.narrow.n | b.wide.n) {
        go_round(m, &b, &b.narrow, NARROW, false);
        go_round(m, &b, &b.wide, WIDE, false);
    }
    cru_rounds_end(tasks, n, &b);
}
#endif
