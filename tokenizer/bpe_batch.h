/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The merges of many short pieces at once: bpe_backtrack.h's search, by turns.
 *
 * A piece that no cache knew needs parts of the tables which are in no cache either. One search alone waits
 * for memory nine tenths of its time (2,000 of 2,250 cycles a piece of English, measured), a
 * wait after the other, as each place depends on the one before. Waits of different pieces do not depend
 * on each other: so every search goes on until it would have to wait, asks for what it needs, and
 * the next one has its turn.
 *
 *   WALK    a node of the trie was asked for          -> the next node; or the longest token is known
 *   TRY     a token's node and its place in the memo  -> taken, or a shorter one is tried
 *   PAIRS   merges that may join it to the one before -> taken, or a shorter one is tried
 *
 * The ids are those of cru_bpe_piece. One thread; a task is the caller's.
 */
#ifndef CRU_TOKENIZER_BPE_BATCH_H
#define CRU_TOKENIZER_BPE_BATCH_H

#include "tokenizer/bpe_backtrack.h"

enum {
    CRU_BATCH_TASKS = 64, /* a machine has some twenty loads under way */
    CRU_BATCH_BYTES = 64, /* of a piece: its dead places are the bits of one word */
};

struct cru_bpe_task {
    const unsigned char *p; /* the caller's: a piece, */
    uint32_t n;             /* its bytes, 1 to CRU_BATCH_BYTES, */
    uint32_t *out;          /* and room for n ids */
    uint32_t made;          /* how many ids there are in the end; until then, those of the path */
    uint32_t at;            /* where the path ends */
    uint64_t dead;          /* places that no path goes on from */
    uint32_t token, bound;  /* what is tried there, and what its bytes are fewer than */
    uint32_t unit, depth;   /* the node asked for, and the bytes that lead to it but for the last */
    uint32_t stage;
    struct cru_bpe_pairs pairs;
};

/* Encodes the pieces of n <= CRU_BATCH_TASKS tasks. */
void cru_bpe_batch(const struct cru_bpe *bpe, struct cru_bpe_scratch *scratch,
                   struct cru_bpe_task *tasks, size_t n);

#endif
