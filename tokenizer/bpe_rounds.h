/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the versions of cru_bpe_batch have in common: a piece on its way, and how it begins. For them only.
 */
#ifndef CRU_TOKENIZER_BPE_ROUNDS_H
#define CRU_TOKENIZER_BPE_ROUNDS_H

#include "tokenizer/bpe_batch.h"
#include "tokenizer/bpe_chars.h"

enum {
    CRU_ROUNDS_NARROW = 16, /* places of a short piece */
    CRU_ROUNDS_MOST = 32,   /* of a longer one; the last is never taken */
    CRU_ROUNDS_FRONT = 12,
    CRU_NO_ID = CRU_ID_MASK,
    /* A rank as it is kept: shifted, so that the least of rank | place tells both. */
    CRU_RANK_SHIFT = 5,
    CRU_NO_RANK = INT32_MAX & -CRU_ROUNDS_MOST,
};

/* The ids are cells[CRU_ROUNDS_FRONT ..], with CRU_NO_ID in front of them and behind; ranks[i] is that of the
 * merge of ids i and i + 1, or CRU_NO_RANK. */
struct cru_rounds_piece {
    uint32_t n, at;   /* how many ids; the one that the last merge made */
    uint32_t line[2]; /* where the ranks of its two pairs were asked for */
    int32_t cells[CRU_ROUNDS_FRONT + CRU_ROUNDS_MOST], ranks[CRU_ROUNDS_MOST];
} __attribute__((aligned(64)));

/* Pieces of a batch, by number. */
struct cru_rounds_list {
    uint8_t piece[CRU_BATCH_TASKS];
    size_t n;
};

/* A batch, sorted when it begins: short pieces and longer ones; those among them whose first ranks were asked
 * for, because they begin with characters. */
struct cru_rounds {
    struct cru_rounds_piece piece[CRU_BATCH_TASKS];
    struct cru_rounds_list narrow, wide, chars;
};

static inline int32_t *cru_rounds_ids(struct cru_rounds_piece *w) {
    return w->cells + CRU_ROUNDS_FRONT;
}

/* From rank + 1, or 0. */
static inline int32_t cru_kept_rank(uint64_t found) {
    return (int32_t)((uint32_t)(found - 1) << CRU_RANK_SHIFT & INT32_MAX);
}

static inline uint64_t cru_rounds_pair(int32_t left, int32_t right) {
    return cru_pair((uint32_t)left, (uint32_t)right);
}

/* The id that the merge of a rank makes. */
static inline int32_t cru_rounds_made(const struct cru_merges *m, uint32_t rank) {
    return (int32_t)(m->made_from ? rank + m->made_from : m->merged[rank]);
}

/* Asks for the rank of a pair; returns where. */
static inline uint32_t cru_rounds_ask(const struct cru_merges *m, int32_t left, int32_t right) {
    uint32_t line = cru_pair_line(cru_rounds_pair(left, right), m->pair_bits);
    __builtin_prefetch(&m->pairs[line]);
    return line;
}

static inline void cru_rounds_clear(struct cru_rounds_piece *w, uint32_t n) {
    uint32_t places = n < CRU_ROUNDS_NARROW ? CRU_ROUNDS_NARROW : CRU_ROUNDS_MOST;
    w->n = n;
    cru_rounds_ids(w)[-1] = CRU_NO_ID;
    for (uint32_t i = 0; i < places; i++) cru_rounds_ids(w)[i] = CRU_NO_ID;
    for (uint32_t i = 0; i < places; i++) w->ranks[i] = CRU_NO_RANK;
}

/* False when the piece is not one that merges of characters are exact for (bpe_chars.h). */
static inline bool cru_rounds_chars(const struct cru_bpe *bpe, struct cru_rounds_piece *w,
                                    const unsigned char *p, size_t n) {
    uint32_t point = 0, entry = 0;
    if (n % 3 != 0 || !cru_leads_three(p[0]) || n / 3 >= CRU_ROUNDS_MOST) return false;
    cru_rounds_clear(w, (uint32_t)n / 3);
    int32_t *ids = cru_rounds_ids(w);
    for (uint32_t i = 0; i < w->n; i++, p += 3) {
        uint32_t before = point, entry_before = entry;
        if (!cru_leads_three(p[0])) return false;
        point = cru_three_byte_point(p);
        entry = bpe->chars[point];
        ids[i] = (int32_t)cru_char_token(entry);
        if (ids[i] == CRU_NO_ID) return false;
        if (i > 0 && !cru_chars_apart(bpe->halves, before, entry_before, point, entry)) return false;
    }
    for (uint32_t i = 0; i + 1 < w->n; i++) (void)cru_rounds_ask(&bpe->merges, ids[i], ids[i + 1]);
    return true;
}

static inline void cru_rounds_bytes(const struct cru_merges *m, struct cru_rounds_piece *w,
                                    const unsigned char *p, size_t n) {
    cru_rounds_clear(w, (uint32_t)n);
    for (size_t i = 0; i < n; i++) cru_rounds_ids(w)[i] = (int32_t)m->byte_ids[p[i]];
    for (size_t i = 0; i + 1 < n; i++)
        w->ranks[i] = cru_kept_rank((uint64_t)m->byte_pair[p[i] << 8 | p[i + 1]] + 1);
}

/* Of tasks that are too long for rounds, all is done. */
static inline void cru_rounds_begin(const struct cru_bpe *bpe, struct cru_bpe_scratch *scratch,
                                    struct cru_bpe_task *tasks, size_t n, struct cru_rounds *b) {
    b->narrow.n = b->wide.n = b->chars.n = 0;
    for (size_t i = 0; i < n; i++) {
        struct cru_bpe_task *t = &tasks[i];
        struct cru_rounds_piece *w = &b->piece[i];
        if (cru_rounds_chars(bpe, w, t->p, t->n)) {
            b->chars.piece[b->chars.n++] = (uint8_t)i;
        } else if (t->n < CRU_ROUNDS_MOST) {
            cru_rounds_bytes(&bpe->merges, w, t->p, t->n);
        } else {
            t->made = cru_bpe_piece(bpe, scratch, t->p, t->n, t->out);
            continue;
        }
        t->made = 0;
        struct cru_rounds_list *list = w->n < CRU_ROUNDS_NARROW ? &b->narrow : &b->wide;
        list->piece[list->n++] = (uint8_t)i;
    }
}

static inline void cru_rounds_end(struct cru_bpe_task *tasks, size_t n, struct cru_rounds *b) {
    for (size_t i = 0; i < n; i++) {
        if (tasks[i].made) continue;
        tasks[i].made = b->piece[i].n;
        memcpy(tasks[i].out, cru_rounds_ids(&b->piece[i]), b->piece[i].n * sizeof *tasks[i].out);
    }
}

#endif
