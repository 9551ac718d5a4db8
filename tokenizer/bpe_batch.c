/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/bpe_batch.h"
#include "crucible/base/base.h"
#include "tokenizer/bpe_rounds.h"

static int32_t rank_of(const struct cru_merges *m, int32_t left, int32_t right) {
    return cru_kept_rank((uint64_t)cru_pair_rank(m->pairs, m->pair_bits, cru_rounds_pair(left, right)) + 1);
}

/* Makes the next merge and asks for the ranks of its pairs; false when there is none. */
static bool merge_least(const struct cru_merges *m, struct cru_rounds_piece *w) {
    int32_t *ids = cru_rounds_ids(w), least = CRU_NO_RANK;
    uint32_t at = 0;
    for (uint32_t i = 0; i + 1 < w->n; i++) {
        at = w->ranks[i] < least ? i : at;
        least = w->ranks[i] < least ? w->ranks[i] : least;
    }
    if (least == CRU_NO_RANK) return false;
    w->n--;
    for (uint32_t i = at; i < w->n; i++) {
        ids[i] = ids[i + 1];
        w->ranks[i] = w->ranks[i + 1];
    }
    ids[w->n] = CRU_NO_ID;
    ids[at] = cru_rounds_made(m, (uint32_t)least >> CRU_RANK_SHIFT);
    w->at = at;
    (void)cru_rounds_ask(m, ids[(int)at - 1], ids[at]);
    (void)cru_rounds_ask(m, ids[at], ids[at + 1]);
    return true;
}

/* Fills in the ranks that were asked for, and goes on. */
static bool go_on(const struct cru_merges *m, struct cru_rounds_piece *w) {
    const int32_t *here = cru_rounds_ids(w) + w->at;
    if (w->at > 0) w->ranks[w->at - 1] = rank_of(m, here[-1], here[0]);
    w->ranks[w->at] = rank_of(m, here[0], here[1]);
    return merge_least(m, w);
}

void cru_bpe_batch(const struct cru_bpe *bpe, struct cru_bpe_scratch *scratch,
                   struct cru_bpe_task *tasks, size_t n) {
    const struct cru_merges *m = &bpe->merges;
    struct cru_rounds b;
    cru_rounds_begin(bpe, scratch, tasks, n, &b);
    for (size_t i = 0; i < b.chars.n; i++) {
        struct cru_rounds_piece *w = &b.piece[b.chars.piece[i]];
        const int32_t *ids = cru_rounds_ids(w);
        for (uint32_t k = 0; k + 1 < w->n; k++) w->ranks[k] = rank_of(m, ids[k], ids[k + 1]);
    }
    struct cru_rounds_list *lists[2] = {&b.narrow, &b.wide};
    for (bool first = true; b.narrow.n | b.wide.n; first = false)
        for (size_t k = 0; k < 2; k++) {
            size_t kept = 0;
            for (size_t i = 0; i < lists[k]->n; i++) {
                uint8_t number = lists[k]->piece[i];
                struct cru_rounds_piece *w = &b.piece[number];
                lists[k]->piece[kept] = number;
                kept += first ? merge_least(m, w) : go_on(m, w);
            }
            lists[k]->n = kept;
        }
    cru_rounds_end(tasks, n, &b);
}

cru_bpe_batch_fn cru_bpe_batch_for(bool avx2) {
#if defined __x86_64__
    if (avx2) return cru_bpe_batch_avx2;
#else
    (void)avx2;
#endif
    return cru_bpe_batch;
}
