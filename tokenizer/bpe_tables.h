/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What bpe_backtrack.h reads, made from a vocabulary's tokens and merges: which tokens are what their
 * own bytes encode to and how each is made, and a trie of them. Used when a vocabulary is compiled.
 */
#ifndef CRU_TOKENIZER_BPE_TABLES_H
#define CRU_TOKENIZER_BPE_TABLES_H

#include "crucible/base/error.h"
#include "tokenizer/bpe_backtrack.h"

/* A merge of the list, by ids; the place in the list is its rank. */
struct cru_merge_row {
    uint32_t left, right, made;
};

/*
 * Fills nodes[n_ids] but for `shorter`, and bpe->longest and ->irregular. bpe->nodes must point to
 * `nodes`, zeroed; its merges, offsets and text must be filled; roots and units are not read.
 *
 * A token is what its bytes encode to when for one of the merges that make it, left and right are such,
 * and no merge crosses the border between them earlier. At most one of the merges can be the one.
 */
enum cru_status cru_bpe_make_nodes(struct cru_bpe *bpe, struct cru_bpe_node *nodes, size_t n_ids,
                                   const struct cru_merge_row *rows, size_t n_rows,
                                   struct cru_error *err);

/* Fills nodes[].shorter and roots[65536], and makes the units; free() *units. */
enum cru_status cru_bpe_make_trie(const struct cru_bpe *bpe, struct cru_bpe_node *nodes,
                                  size_t n_ids, uint64_t *roots, uint64_t **units, size_t *n_units,
                                  struct cru_error *err);

#endif
