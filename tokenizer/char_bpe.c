/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/base/base.h"
#include "tokenizer/subword_model.h"
#include "tokenizer/unicode_classes.h"

#define NOWHERE UINT32_MAX

static bool make_room(struct cru_model_scratch *s, size_t n) {
    if (n <= s->symbols_capacity) return true;
    size_t capacity = n + n / 2;
    free(s->symbols);
    free(s->heap);
    s->symbols = malloc(capacity * sizeof *s->symbols);
    /* n - 1 pairs at first; each merge takes one out, and puts at most two in. */
    s->heap = malloc(capacity * 3 * sizeof *s->heap);
    s->symbols_capacity = s->symbols && s->heap ? capacity : 0;
    return s->symbols_capacity > 0;
}

static const struct cru_merge_rule *find_merge(const struct cru_subword_model *m, uint32_t a,
                                               uint32_t b) {
    if (!m->merges) return NULL;
    uint64_t pair = (uint64_t)a << 32 | b;
    uint32_t mask = (1u << m->merge_bits) - 1;
    uint32_t at = (uint32_t)(pair * 0x9E3779B97F4A7C15u >> (64 - m->merge_bits));
    for (; m->merges[at].made != CRU_NO_TOKEN; at = (at + 1) & mask)
        if (m->merges[at].pair == pair) return &m->merges[at];
    return NULL;
}

/* ---- symbols: one a character, or one a byte of it ---- */

/* Unknown characters wait, so that neighbours can be one symbol. As in the reference, bytes do not end
 * the wait. */
static size_t make_symbols(const struct cru_subword_model *m, struct cru_symbol *symbols,
                           const unsigned char *p, size_t n) {
    bool waiting = false;
    unsigned length;
    size_t k = 0;
    for (size_t at = 0; at < n; at += length) {
        (void)cru_code_point(p + at, &length);
        uint32_t id = cru_token_trie_find(&m->trie, cru_span_make((const char *)p + at, length));
        if (id != CRU_TRIE_NONE) {
            if (waiting) symbols[k++].id = m->unknown;
            waiting = false;
            symbols[k++].id = id;
            continue;
        }
        bool bytes = m->byte_fallback;
        for (unsigned i = 0; i < length && bytes; i++)
            bytes = m->byte_ids[p[at + i]] != CRU_NO_TOKEN;
        if (bytes) {
            for (unsigned i = 0; i < length; i++) symbols[k++].id = m->byte_ids[p[at + i]];
            continue;
        }
        if (m->unknown == CRU_NO_TOKEN) continue; /* it vanishes */
        if (waiting && !m->fuse_unknown) symbols[k++].id = m->unknown;
        waiting = true;
    }
    if (waiting) symbols[k++].id = m->unknown;
    return k;
}

/* ---- merging ---- */

static bool before(const struct cru_queued *a, const struct cru_queued *b) {
    return a->key < b->key;
}

static void push(struct cru_queued *heap, size_t *n, struct cru_queued v) {
    size_t i = (*n)++;
    while (i > 0 && before(&v, &heap[(i - 1) / 2])) {
        heap[i] = heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    heap[i] = v;
}

static struct cru_queued pop(struct cru_queued *heap, size_t *n) {
    struct cru_queued top = heap[0], v = heap[--*n];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= *n) break;
        if (child + 1 < *n && before(&heap[child + 1], &heap[child])) child++;
        if (!before(&heap[child], &v)) break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = v;
    return top;
}

static void queue(const struct cru_subword_model *m, struct cru_model_scratch *s, size_t *heaped,
                  uint32_t at, uint32_t next) {
    const struct cru_merge_rule *rule = find_merge(m, s->symbols[at].id, s->symbols[next].id);
    if (rule)
        push(s->heap, heaped, (struct cru_queued){(uint64_t)rule->rank << 32 | at, rule->made});
}

/* The pair of the lowest rank first, the leftmost among equals. What was queued is stale unless the
 * pair there still makes the same token: the reference's test, with its meaning where two pairs make
 * one. */
static void merge(const struct cru_subword_model *m, struct cru_model_scratch *s, size_t n) {
    struct cru_symbol *symbols = s->symbols;
    size_t heaped = 0;
    for (uint32_t i = 0; i < n; i++) {
        symbols[i].prev = i ? i - 1 : NOWHERE;
        symbols[i].next = i + 1 < n ? i + 1 : NOWHERE;
        if (i + 1 < n) queue(m, s, &heaped, i, i + 1);
    }
    while (heaped > 0) {
        struct cru_queued top = pop(s->heap, &heaped);
        uint32_t at = (uint32_t)top.key, next = symbols[at].next;
        if (symbols[at].id == CRU_NO_TOKEN || next == NOWHERE) continue;
        const struct cru_merge_rule *rule = find_merge(m, symbols[at].id, symbols[next].id);
        if (!rule || rule->made != top.made) continue;
        symbols[at].id = top.made;
        symbols[at].next = symbols[next].next;
        symbols[next].id = CRU_NO_TOKEN;
        if (symbols[at].next != NOWHERE) symbols[symbols[at].next].prev = at;
        if (symbols[at].prev != NOWHERE) queue(m, s, &heaped, symbols[at].prev, at);
        if (symbols[at].next != NOWHERE) queue(m, s, &heaped, at, symbols[at].next);
    }
}

static enum cru_status encode_part(const struct cru_subword_model *m, struct cru_model_scratch *s,
                                   const unsigned char *p, size_t n, struct cru_ids *ids,
                                   struct cru_error *err) {
    if (!make_room(s, n)) return cru_fail_memory(err, "merging of a text");
    size_t made = make_symbols(m, s->symbols, p, n);
    if (!cru_ids_room(ids, made)) return cru_fail_memory(err, "token ids");
    if (made > 1) merge(m, s, made);
    for (size_t i = 0; i < made; i++)
        if (s->symbols[i].id != CRU_NO_TOKEN) ids->p[ids->n++] = s->symbols[i].id;
    return CRU_OK;
}

enum cru_status cru_char_bpe_encode(const struct cru_subword_model *m, struct cru_model_scratch *s,
                                    struct cru_span piece, struct cru_ids *ids,
                                    struct cru_error *err) {
    const unsigned char *p = (const unsigned char *)piece.p;
    enum cru_status status = CRU_OK;
    if (m->ignore_merges) {
        uint32_t id = cru_token_trie_find(&m->trie, piece);
        if (id != CRU_TRIE_NONE) {
            if (!cru_ids_room(ids, 1)) return cru_fail_memory(err, "token ids");
            ids->p[ids->n++] = id;
            return CRU_OK;
        }
    }
    /* Where no merge goes across, each part alone: short heaps instead of one over all of a text. */
    for (size_t at = 0, end; at < piece.n && !status; at = end) {
        end = piece.n;
        size_t from = at;
        while (m->marks_begin && piece.n - from >= 3 && memcmp(p + from, "\xE2\x96\x81", 3) == 0)
            from += 3;
        const unsigned char *next =
            m->marks_begin ? memmem(p + from, piece.n - from, "\xE2\x96\x81", 3) : NULL;
        if (next) end = (size_t)(next - p);
        status = encode_part(m, s, p + at, end - at, ids, err);
    }
    return status;
}
