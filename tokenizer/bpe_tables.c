/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/bpe_tables.h"
#include "crucible/base/base.h"

/* ------------------------------------------------------------------------------------ nodes */

static size_t token_bytes(const struct cru_bpe *bpe, uint32_t id) {
    return bpe->offsets[id + 1] - bpe->offsets[id];
}

/* The merges in order of the length of what they make: a token's parts come before it. */
static bool order_by_length(const struct cru_bpe *bpe, const struct cru_merge_row *rows, size_t n,
                            uint32_t **order) {
    size_t *begin = calloc(CRU_MAX_TOKEN + 2, sizeof *begin);
    *order = malloc((n + 1) * sizeof **order);
    if (!begin || !*order) {
        free(begin);
        return false;
    }
    for (size_t i = 0; i < n; i++) begin[token_bytes(bpe, rows[i].made) + 1]++;
    for (size_t length = 0; length <= CRU_MAX_TOKEN; length++) begin[length + 1] += begin[length];
    for (size_t i = 0; i < n; i++) (*order)[begin[token_bytes(bpe, rows[i].made)]++] = (uint32_t)i;
    free(begin);
    return true;
}

/* Tries one merge, whose parts are done: sets the node of what it makes if it is the merge that does.
 * highest[id]: of the ranks + 1 of all merges that lead to a token. */
static bool try_merge(struct cru_bpe *bpe, struct cru_bpe_scratch *scratch,
                      struct cru_bpe_node *nodes, uint32_t *highest, uint32_t rank,
                      const struct cru_merge_row *row) {
    const struct cru_bpe_node *left = &nodes[row->left], *right = &nodes[row->right];
    struct cru_bpe_node *made = &nodes[row->made];
    if (!left->bytes || !right->bytes || made->bytes) return true;
    if (!cru_merge_scratch_room(&scratch->merging, left->bytes + right->bytes)) return false;
    enum cru_border border = cru_bpe_border(bpe, scratch, row->left, row->right, row->made);
    if (border == CRU_BORDER_NO) return true;
    uint32_t key = rank + 1, most = highest[row->left];
    if (highest[row->right] > most) most = highest[row->right];
    if (border == CRU_BORDER_BY_MERGING)
        most = CRU_SPLIT_KEY_MASK; /* the last merge is not known */
    highest[row->made] = key > most ? key : most;
    made->split = key > most ? cru_pair(row->left, row->right) << CRU_RANK_BITS | key : UINT64_MAX;
    made->bytes = left->bytes + right->bytes;
    if (made->bytes > bpe->longest) bpe->longest = made->bytes;
    if (key <= most) bpe->irregular = true;
    return true;
}

enum cru_status cru_bpe_make_nodes(struct cru_bpe *bpe, struct cru_bpe_node *nodes, size_t n_ids,
                                   const struct cru_merge_row *rows, size_t n_rows,
                                   struct cru_error *err) {
    struct cru_bpe_scratch scratch = {0};
    uint32_t *order = NULL, *highest = calloc(n_ids + 1, sizeof *highest);
    for (size_t i = 0; i < n_ids; i++) nodes[i].shorter = CRU_NONE;
    for (uint32_t b = 0; b < 256; b++) {
        nodes[bpe->merges.byte_ids[b]].bytes = 1;
        nodes[bpe->merges.byte_ids[b]].split = cru_pair(b, 0) << CRU_RANK_BITS;
    }
    for (size_t i = 0; i < n_rows; i++) {
        nodes[rows[i].left].as_left |= cru_partner_bit(rows[i].right);
        nodes[rows[i].right].as_right |= cru_partner_bit(rows[i].left);
    }
    bpe->longest = 1;
    bpe->irregular = false;
    bool good = highest && order_by_length(bpe, rows, n_rows, &order);
    for (size_t i = 0; good && i < n_rows; i++)
        good = try_merge(bpe, &scratch, nodes, highest, order[i], &rows[order[i]]);
    free(order);
    free(highest);
    cru_bpe_scratch_release(&scratch);
    return good ? CRU_OK : cru_fail_memory(err, "vocabulary");
}

/* ------------------------------------------------------------------------------------- trie */

struct sorted_token {
    const unsigned char *p;
    uint32_t n, id;
};

static int compare_tokens(const void *a, const void *b) {
    const struct sorted_token *x = a, *y = b;
    int order = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);
    return order ? order : (x->n > y->n) - (x->n < y->n);
}

/* The tokens that the search may give, sorted by bytes, so that a token comes before its longer ones. */
static struct sorted_token *sort_tokens(const struct cru_bpe *bpe, const struct cru_bpe_node *nodes,
                                        size_t n_ids, size_t *n_tokens) {
    struct sorted_token *tokens = malloc((n_ids + 1) * sizeof *tokens);
    size_t n = 0;
    for (size_t id = 0; tokens && id < n_ids; id++)
        if (nodes[id].bytes)
            tokens[n++] = (struct sorted_token){(const unsigned char *)bpe->text + bpe->offsets[id],
                                                nodes[id].bytes, (uint32_t)id};
    if (tokens) qsort(tokens, n, sizeof *tokens, compare_tokens);
    *n_tokens = n;
    return tokens;
}

/* The beginnings of tokens[i] that are tokens are on the way from it over `shorter`. */
static void link_shorter(const struct sorted_token *tokens, size_t n, struct cru_bpe_node *nodes,
                         const unsigned char *text, const uint32_t *offsets) {
    for (size_t i = 1; i < n; i++) {
        uint32_t id = tokens[i - 1].id;
        while (id != CRU_NONE && (nodes[id].bytes >= tokens[i].n ||
                                  memcmp(text + offsets[id], tokens[i].p, nodes[id].bytes) != 0))
            id = nodes[id].shorter;
        nodes[tokens[i].id].shorter = id;
    }
}

/* 256 places; which are unused, and which numbers are no node's base yet. */
struct block {
    uint64_t unused[4], no_base[4];
};

/* Tokens [from, to) share their first `depth` bytes; the node of those is at `unit`. `lowest` is the least of
 * their ids: the most frequent of them, as ids are given in order of frequency. */
struct branch {
    uint32_t lowest, from, to, depth, unit;
};
#define IN_ROOTS 0x80000000u /* in branch.unit: a place in roots */

struct trie {
    const struct sorted_token *tokens;
    uint64_t *roots, *units;
    struct block *blocks;
    size_t n_blocks, cap_blocks;
    struct branch *heap; /* of branches without children yet; the lowest id first */
    size_t n_heap, cap_heap;
};

enum { OPEN_BLOCKS = 16 }; /* the last blocks, in which room is looked for */

static bool add_block(struct trie *t) {
    if (t->n_blocks >= ((size_t)1 << CRU_UNIT_BITS) / 256) return false;
    if (t->n_blocks == t->cap_blocks) {
        size_t capacity = t->cap_blocks ? t->cap_blocks * 2 : 64;
        void *blocks = realloc(t->blocks, capacity * sizeof *t->blocks);
        if (blocks) t->blocks = blocks;
        void *units = realloc(t->units, capacity * 256 * sizeof *t->units);
        if (units) t->units = units;
        if (!blocks || !units) return false;
        t->cap_blocks = capacity;
    }
    memset(&t->blocks[t->n_blocks], 0xFF, sizeof *t->blocks);
    for (size_t i = 0; i < 256; i++)
        t->units[t->n_blocks * 256 + i] = cru_unit(CRU_UNIT_UNUSED, 0, CRU_UNIT_NO_TOKEN);
    t->n_blocks++;
    return true;
}

/* Bit b of the result is bit b ^ by of x. */
static uint64_t exchange_bits(uint64_t x, unsigned by) {
    static const uint64_t low[6] = {0x5555555555555555u, 0x3333333333333333u, 0x0F0F0F0F0F0F0F0Fu,
                                    0x00FF00FF00FF00FFu, 0x0000FFFF0000FFFFu, 0x00000000FFFFFFFFu};
    for (unsigned k = 0; k < 6; k++)
        if (by >> k & 1) x = (x & low[k]) << (1u << k) | (x >> (1u << k) & low[k]);
    return x;
}

/* A base in the block under which all the labels fall on unused places; 256 when there is none. */
static unsigned base_in(const struct block *block, const unsigned char *labels, size_t n) {
    for (unsigned w = 0; w < 4; w++) {
        uint64_t fit = block->no_base[w];
        for (size_t i = 0; i < n && fit; i++)
            fit &= exchange_bits(block->unused[w ^ (labels[i] >> 6)], labels[i] & 63);
        if (fit) return w * 64 + (unsigned)__builtin_ctzll(fit);
    }
    return 256;
}

/* A base for children with these labels; their places are taken. False when memory is short. */
static bool place(struct trie *t, const unsigned char *labels, size_t n, uint32_t *base) {
    size_t b = t->n_blocks > OPEN_BLOCKS ? t->n_blocks - OPEN_BLOCKS : 1;
    unsigned found = 256;
    for (; b < t->n_blocks && found == 256; b++) found = base_in(&t->blocks[b], labels, n);
    if (found == 256) {
        if (!add_block(t)) return false;
        found = 0;
        b = t->n_blocks;
    }
    struct block *block = &t->blocks[--b];
    block->no_base[found / 64] &= ~((uint64_t)1 << (found % 64));
    for (size_t i = 0; i < n; i++) {
        unsigned at = found ^ labels[i];
        block->unused[at / 64] &= ~((uint64_t)1 << (at % 64));
    }
    *base = (uint32_t)(b * 256 + found);
    return true;
}

/* Branches get their children, and these their places, in the order of `lowest`: what is frequent is
 * together, in a part of the trie that stays in the cache. */
static bool push_branch(struct trie *t, struct branch branch) {
    if (t->n_heap == t->cap_heap) {
        size_t capacity = t->cap_heap ? t->cap_heap * 2 : 4096;
        void *heap = realloc(t->heap, capacity * sizeof *t->heap);
        if (!heap) return false;
        t->heap = heap;
        t->cap_heap = capacity;
    }
    branch.lowest = UINT32_MAX;
    for (uint32_t i = branch.from; i < branch.to; i++)
        if (t->tokens[i].id < branch.lowest) branch.lowest = t->tokens[i].id;
    size_t i = t->n_heap++;
    for (; i > 0 && t->heap[(i - 1) / 2].lowest > branch.lowest; i = (i - 1) / 2)
        t->heap[i] = t->heap[(i - 1) / 2];
    t->heap[i] = branch;
    return true;
}

static struct branch pop_branch(struct trie *t) {
    struct branch top = t->heap[0], moved = t->heap[--t->n_heap];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= t->n_heap) break;
        if (child + 1 < t->n_heap && t->heap[child + 1].lowest < t->heap[child].lowest) child++;
        if (t->heap[child].lowest >= moved.lowest) break;
        t->heap[i] = t->heap[child];
        i = child;
    }
    t->heap[i] = moved;
    return top;
}

/* The token that ends at this depth: the first of the range, if any. */
static uint32_t ends_here(const struct trie *t, uint32_t from, uint32_t depth) {
    return t->tokens[from].n == depth ? t->tokens[from].id : CRU_UNIT_NO_TOKEN;
}

/* Gives the branch's node its children. */
static bool grow(struct trie *t, struct branch branch) {
    uint32_t from = branch.from, begin[257];
    unsigned char labels[256];
    size_t n = 0;
    if (t->tokens[from].n == branch.depth) from++;
    if (from == branch.to) return true;
    for (uint32_t i = from; i < branch.to; i++) {
        unsigned char label = t->tokens[i].p[branch.depth];
        if (n > 0 && labels[n - 1] == label) continue;
        begin[n] = i;
        labels[n++] = label;
    }
    begin[n] = branch.to;
    uint32_t base;
    if (!place(t, labels, n, &base)) return false;
    uint64_t children = cru_unit(0, base, 0);
    for (size_t i = 0; i < n; i++) children |= cru_unit_child(labels[i]);
    if (branch.unit & IN_ROOTS)
        t->roots[branch.unit & ~IN_ROOTS] |= children;
    else
        t->units[branch.unit] |= children;
    for (size_t i = 0; i < n; i++) {
        uint32_t unit = base ^ labels[i], depth = branch.depth + 1;
        t->units[unit] = cru_unit(labels[i], 0, ends_here(t, begin[i], depth));
        if (!push_branch(t, (struct branch){0, begin[i], begin[i + 1], depth, unit})) return false;
    }
    return true;
}

static bool make_trie(struct trie *t, size_t n) {
    for (size_t i = 0; i < 65536; i++) t->roots[i] = cru_unit(0, 0, CRU_UNIT_NO_TOKEN);
    if (!add_block(t)) return false;
    for (uint32_t i = 0; i < n;) {
        const struct sorted_token *first = &t->tokens[i];
        if (first->n < 2) {
            i++;
            continue;
        }
        uint32_t end = i, root = (uint32_t)first->p[0] << 8 | first->p[1];
        while (end < n && t->tokens[end].n >= 2 && memcmp(t->tokens[end].p, first->p, 2) == 0)
            end++;
        t->roots[root] = cru_unit(0, 0, ends_here(t, i, 2));
        if (!push_branch(t, (struct branch){0, i, end, 2, root | IN_ROOTS})) return false;
        i = end;
    }
    while (t->n_heap > 0)
        if (!grow(t, pop_branch(t))) return false;
    return true;
}

enum cru_status cru_bpe_make_trie(const struct cru_bpe *bpe, struct cru_bpe_node *nodes,
                                  size_t n_ids, uint64_t *roots, uint64_t **units, size_t *n_units,
                                  struct cru_error *err) {
    *units = NULL;
    size_t n;
    struct sorted_token *tokens = sort_tokens(bpe, nodes, n_ids, &n);
    struct trie t = {.tokens = tokens, .roots = roots};
    bool good = tokens != NULL;
    if (good) {
        link_shorter(tokens, n, nodes, (const unsigned char *)bpe->text, bpe->offsets);
        good = make_trie(&t, n);
    }
    free(tokens);
    free(t.blocks);
    free(t.heap);
    if (!good) {
        free(t.units);
        return cru_fail_memory(err, "vocabulary");
    }
    *units = t.units;
    *n_units = t.n_blocks * 256;
    return CRU_OK;
}
