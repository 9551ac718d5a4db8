/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/token_trie.h"
#include "crucible/base/base.h"

static void insert(struct cru_trie_edge *slots, unsigned bits, struct cru_trie_edge e) {
    uint32_t mask = (1u << bits) - 1, at = e.key * 0x9E3779B1u >> (32 - bits);
    while (slots[at].child) at = (at + 1) & mask;
    slots[at] = e;
}

/* Twice the slots, at least; they are never more than half full. */
static bool grow(struct cru_token_trie *t) {
    unsigned bits = t->bits ? t->bits + 1 : 8;
    struct cru_trie_edge *slots = calloc((size_t)1 << bits, sizeof *slots);
    if (!slots) return false;
    for (size_t i = 0; t->bits && i < (size_t)1 << t->bits; i++)
        if (t->slots[i].child) insert(slots, bits, t->slots[i]);
    free(t->slots);
    t->slots = slots;
    t->bits = bits;
    return true;
}

static bool new_node(struct cru_token_trie *t) {
    if (t->n_nodes == t->nodes_capacity) {
        uint32_t capacity = t->nodes_capacity ? t->nodes_capacity * 2 : 128;
        uint32_t *value = realloc(t->value, capacity * sizeof *value);
        if (!value) return false;
        t->value = value;
        t->nodes_capacity = capacity;
    }
    t->value[t->n_nodes++] = CRU_TRIE_NONE;
    return true;
}

enum cru_status cru_token_trie_add(struct cru_token_trie *t, struct cru_span token, uint32_t value,
                                   struct cru_error *err) {
    uint32_t node = CRU_TRIE_ROOT;
    if (t->n_nodes == 0 && (!grow(t) || !new_node(t))) return cru_fail_memory(err, "vocabulary");
    for (size_t i = 0; i < token.n; i++) {
        unsigned char byte = (unsigned char)token.p[i];
        uint32_t child = cru_token_trie_step(t, node, byte);
        if (!child) {
            child = t->n_nodes;
            if (child == CRU_TRIE_NODES_MOST)
                return cru_fail(err, CRU_USAGE, "vocabulary: more than %d MiB of tokens",
                                CRU_TRIE_NODES_MOST >> 20);
            if ((child >= 1u << (t->bits - 1) && !grow(t)) || !new_node(t))
                return cru_fail_memory(err, "vocabulary");
            insert(t->slots, t->bits, (struct cru_trie_edge){node << 8 | byte, child});
        }
        node = child;
    }
    t->value[node] = value;
    if (token.n > t->longest) t->longest = token.n;
    return CRU_OK;
}

void cru_token_trie_release(struct cru_token_trie *t) {
    free(t->slots);
    free(t->value);
    memset(t, 0, sizeof *t);
}

uint32_t cru_token_trie_node(const struct cru_token_trie *t, struct cru_span bytes) {
    uint32_t node = CRU_TRIE_ROOT;
    if (t->n_nodes == 0) return CRU_TRIE_NONE;
    for (size_t i = 0; i < bytes.n; i++)
        if (!(node = cru_token_trie_step(t, node, (unsigned char)bytes.p[i]))) return CRU_TRIE_NONE;
    return node;
}

uint32_t cru_token_trie_find(const struct cru_token_trie *t, struct cru_span token) {
    uint32_t node = cru_token_trie_node(t, token);
    return node == CRU_TRIE_NONE ? CRU_TRIE_NONE : t->value[node];
}
