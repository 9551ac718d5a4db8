/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/bpe_merge.h"
#include "crucible/base/base.h"

size_t cru_merge_short(const struct cru_merges *m, const unsigned char *p, size_t n,
                       uint32_t *out) {
    uint32_t id[CRU_SHORT_PIECE], rank[CRU_SHORT_PIECE];
    for (size_t i = 0; i < n; i++) id[i] = m->byte_ids[p[i]];
    for (size_t i = 0; i + 1 < n; i++) rank[i] = m->byte_pair[p[i] << 8 | p[i + 1]];
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            if (rank[i] < rank[best]) best = i;
        if (rank[best] == CRU_NONE) break;
        id[best] = m->merged[rank[best]];
        n--;
        memmove(id + best + 1, id + best + 2, (n - best - 1) * sizeof *id);
        if (best + 1 < n) {
            memmove(rank + best + 1, rank + best + 2, (n - best - 2) * sizeof *rank);
            rank[best] = cru_pair_find(m->pairs, m->pair_bits, id[best], id[best + 1]);
        }
        if (best > 0)
            rank[best - 1] = cru_pair_find(m->pairs, m->pair_bits, id[best - 1], id[best]);
    }
    memcpy(out, id, n * sizeof *id);
    return n;
}

void cru_merge_scratch_release(struct cru_merge_scratch *scratch) {
    free(scratch->nodes);
    free(scratch->heap);
    memset(scratch, 0, sizeof *scratch);
}

bool cru_merge_scratch_room(struct cru_merge_scratch *scratch, size_t n) {
    if (n <= scratch->capacity) return true;
    size_t capacity = n + n / 4;
    cru_merge_scratch_release(scratch);
    scratch->nodes = malloc(capacity * sizeof *scratch->nodes);
    /* n - 1 pairs at first; each merge takes one out and puts at most two in. */
    scratch->heap = malloc(capacity * 2 * sizeof *scratch->heap);
    if (!scratch->nodes || !scratch->heap) {
        cru_merge_scratch_release(scratch);
        return false;
    }
    scratch->capacity = capacity;
    return true;
}

static void sift_down(uint64_t *heap, size_t n, size_t i) {
    uint64_t v = heap[i];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= n) break;
        if (child + 1 < n && heap[child + 1] < heap[child]) child++;
        if (heap[child] >= v) break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = v;
}

static void push(uint64_t *heap, size_t *n, uint64_t v) {
    size_t i = (*n)++;
    while (i > 0 && heap[(i - 1) / 2] > v) {
        heap[i] = heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    heap[i] = v;
}

bool cru_merge_long(const struct cru_merges *m, struct cru_merge_scratch *scratch,
                    const unsigned char *p, size_t n, uint32_t *out, size_t *n_out) {
    if (!cru_merge_scratch_room(scratch, n)) return false;
    struct cru_merge_node *node = scratch->nodes;
    uint64_t *heap = scratch->heap;
    size_t heaped = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t at = (uint32_t)i;
        uint32_t rank = i + 1 < n ? m->byte_pair[p[i] << 8 | p[i + 1]] : CRU_NONE;
        node[i] = (struct cru_merge_node){m->byte_ids[p[i]], rank, at + 1, at - 1};
        if (rank != CRU_NONE) heap[heaped++] = (uint64_t)rank << 32 | at;
    }
    for (size_t i = heaped / 2; i-- > 0;) sift_down(heap, heaped, i);
    while (heaped > 0) {
        uint64_t top = heap[0];
        heap[0] = heap[--heaped];
        if (heaped > 1) sift_down(heap, heaped, 0);
        uint32_t at = (uint32_t)top, rank = (uint32_t)(top >> 32);
        if (node[at].rank != rank) continue;
        uint32_t gone = node[at].next, after = node[gone].next;
        node[at].id = m->merged[rank];
        node[at].next = after;
        node[at].rank = CRU_NONE;
        node[gone].rank = CRU_NONE;
        if (after < n) {
            node[after].prev = at;
            rank = cru_pair_find(m->pairs, m->pair_bits, node[at].id, node[after].id);
            node[at].rank = rank;
            if (rank != CRU_NONE) push(heap, &heaped, (uint64_t)rank << 32 | at);
        }
        if (at > 0) { /* node 0 has no neighbour before it */
            uint32_t before = node[at].prev;
            rank = cru_pair_find(m->pairs, m->pair_bits, node[before].id, node[at].id);
            node[before].rank = rank;
            if (rank != CRU_NONE) push(heap, &heaped, (uint64_t)rank << 32 | before);
        }
    }
    size_t made = 0;
    for (size_t i = 0; i < n; i = node[i].next) out[made++] = node[i].id;
    *n_out = made;
    return true;
}
