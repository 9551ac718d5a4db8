/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The definition of merging, and its measure: the pair of neighbours with the lowest rank is merged, the leftmost first
 * among equals, until no pair of neighbours has a rank. (Sennrich, Haddow, Birch 2016, with the tie
 * rule of the reference implementation.) Short pieces by scanning an array, long ones with a heap over
 * a linked list. The encoder does not merge (bpe_backtrack.h); this is for rank files, for
 * irregular tokens, and for tests.
 */
#ifndef CRU_TOKENIZER_BPE_MERGE_H
#define CRU_TOKENIZER_BPE_MERGE_H

#include "tokenizer/pair_table.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What merging reads; borrowed. */
struct cru_merges {
    const uint32_t *byte_ids, *byte_pair, *merged;
    const uint64_t *pairs;
    uint32_t pair_bits;
    uint32_t made_from; /* merged[rank] is rank + this for all ranks; 0: not so */
};

enum { CRU_SHORT_PIECE = 48 }; /* bytes; where the two ways cross is flat between 32 and 96 */

/* n in [1, CRU_SHORT_PIECE]; writes at most n ids to out and returns how many. */
size_t cru_merge_short(const struct cru_merges *m, const unsigned char *p, size_t n, uint32_t *out);

/*
 *   nodes   id    [ a ][ b ][ c ][ d ]      by byte position; a merged-away node has rank NONE
 *           rank  [ab ][bc ][cd ][ - ]      of the pair that begins here, or NONE
 *           next, prev                      the living neighbours
 *   heap    (rank << 32 | position), stale entries are known by rank[position] != rank
 */
struct cru_merge_node {
    uint32_t id, rank, next, prev;
};
struct cru_merge_scratch {
    struct cru_merge_node *nodes;
    uint64_t *heap;
    size_t capacity; /* bytes of piece there is room for */
};
void cru_merge_scratch_release(struct cru_merge_scratch *scratch);
/* Makes room for a piece of n bytes; false when memory is short. */
bool cru_merge_scratch_room(struct cru_merge_scratch *scratch, size_t n);

/* Any n below 2^32 - 1; memory 32 bytes a byte of the piece. False when memory is short. */
bool cru_merge_long(const struct cru_merges *m, struct cru_merge_scratch *scratch,
                    const unsigned char *p, size_t n, uint32_t *out, size_t *n_out);

#endif
