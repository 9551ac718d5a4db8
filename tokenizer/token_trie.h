/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens by their bytes, for those who ask "which of them begin here". A trie whose edges are one hash
 * table:
 *
 *   "do" "dog"   (0)-d->(1)-o->(2)-g->(3)   slots  [ (1,'o') -> 2 ][ - ][ (0,'d') -> 1 ][ (2,'g') -> 3 ]
 *                                             value  [ - ][ - ][ 17 ][ 4 ]   by node
 *
 * A step is one look-up, whatever the vocabulary. Built by one thread, then read by any. Errors: CRU_FATAL
 * for memory, CRU_USAGE when the tokens are too many.
 */
#ifndef CRU_TOKENIZER_TOKEN_TRIE_H
#define CRU_TOKENIZER_TOKEN_TRIE_H

#include "crucible/base/error.h"
#include "crucible/base/span.h"
#include <stdint.h>

#define CRU_TRIE_NONE UINT32_MAX

enum { CRU_TRIE_ROOT = 0, CRU_TRIE_NODES_MOST = 1 << 24 };

struct cru_trie_edge {
    uint32_t key, child; /* parent << 8 | byte; child 0: an empty slot */
};
struct cru_token_trie { /* zeroed: empty */
    struct cru_trie_edge *slots;
    uint32_t *value;
    uint32_t n_nodes, nodes_capacity;
    unsigned bits;  /* 2^bits slots */
    size_t longest; /* bytes */
};

/* A token given twice has the later value. */
enum cru_status cru_token_trie_add(struct cru_token_trie *trie, struct cru_span token,
                                   uint32_t value, struct cru_error *err);
void cru_token_trie_release(struct cru_token_trie *trie);

/* The node behind `node` by one byte; 0 when there is none. */
static inline uint32_t cru_token_trie_step(const struct cru_token_trie *trie, uint32_t node,
                                           unsigned char byte) {
    uint32_t key = node << 8 | byte, mask = (1u << trie->bits) - 1;
    uint32_t at = key * 0x9E3779B1u >> (32 - trie->bits);
    for (;; at = (at + 1) & mask) {
        const struct cru_trie_edge *e = &trie->slots[at];
        if (e->child == 0 || e->key == key) return e->child;
    }
}

/* The value of all these bytes, or CRU_TRIE_NONE. */
uint32_t cru_token_trie_find(const struct cru_token_trie *trie, struct cru_span token);
/* The node they lead to from the root, the root for none; CRU_TRIE_NONE when nothing begins with them. */
uint32_t cru_token_trie_node(const struct cru_token_trie *trie, struct cru_span bytes);

#endif
