/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/base/base.h"
#include "tokenizer/subword_model.h"
#include "tokenizer/unicode_classes.h"

static bool make_room(struct cru_model_scratch *s, size_t n) {
    if (n <= s->best_capacity) return true;
    size_t capacity = n + n / 2;
    free(s->best);
    s->best = malloc(capacity * sizeof *s->best);
    s->best_capacity = s->best ? capacity : 0;
    return s->best != NULL;
}

static void offer(struct cru_best_path *to, double score, uint32_t from, uint32_t id) {
    if (to->from == UINT32_MAX || score > to->score) *to = (struct cru_best_path){score, from, id};
}

/* The best path to each position. Every position between two characters is reached, by a token or as
 * unknown. */
static bool find_paths(const struct cru_subword_model *m, struct cru_best_path *best,
                       const unsigned char *p, size_t n) {
    unsigned length;
    for (size_t i = 0; i <= n; i++) best[i] = (struct cru_best_path){0, UINT32_MAX, 0};
    for (size_t at = 0; at < n; at += length) {
        double before = best[at].score;
        uint32_t node = CRU_TRIE_ROOT;
        bool alone = false; /* the character is a token by itself */
        (void)cru_code_point(p + at, &length);
        for (size_t i = at; i < n && (node = cru_token_trie_step(&m->trie, node, p[i])); i++) {
            uint32_t id = m->trie.value[node];
            if (id == CRU_TRIE_NONE) continue;
            offer(&best[i + 1], m->scores[id] + before, (uint32_t)at, id);
            alone = alone || i + 1 == at + length;
        }
        if (alone) continue;
        if (m->unknown == CRU_NO_TOKEN) return false;
        offer(&best[at + length], m->unknown_score + before, (uint32_t)at, m->unknown);
    }
    return true;
}

/* Appends the ids of a stretch of the path, last byte first. */
static bool add_backwards(const struct cru_subword_model *m, const unsigned char *p, size_t from,
                          size_t to, struct cru_ids *ids) {
    uint32_t id = cru_token_trie_find(&m->trie, cru_span_make((const char *)p + from, to - from));
    bool bytes = id == CRU_TRIE_NONE && m->byte_fallback;
    for (size_t i = from; i < to && bytes; i++) bytes = m->byte_ids[p[i]] != CRU_NO_TOKEN;
    if (!cru_ids_room(ids, bytes ? to - from : 1)) return false;
    if (bytes)
        for (size_t i = to; i > from; i--) ids->p[ids->n++] = m->byte_ids[p[i - 1]];
    else
        ids->p[ids->n++] = id == CRU_TRIE_NONE ? m->unknown : id;
    return true;
}

enum cru_status cru_unigram_encode(const struct cru_subword_model *m,
                                   struct cru_model_scratch *scratch, struct cru_span piece,
                                   struct cru_ids *ids, struct cru_error *err) {
    const unsigned char *p = (const unsigned char *)piece.p;
    size_t first = ids->n, end = piece.n;
    if (!make_room(scratch, piece.n + 1)) return cru_fail_memory(err, "paths of a text");
    if (!find_paths(m, scratch->best, p, piece.n)) return cru_subword_no_unknown(err);
    while (end > 0) {
        const struct cru_best_path *b = &scratch->best[end];
        size_t from = b->from;
        /* Neighbours that are unknown are one. */
        if (b->id == m->unknown)
            while (from > 0 && scratch->best[from].id == m->unknown)
                from = scratch->best[from].from;
        if (!add_backwards(m, p, from, end, ids)) return cru_fail_memory(err, "token ids");
        end = from;
    }
    for (size_t i = first, j = ids->n; i + 1 < j; i++) {
        uint32_t id = ids->p[i];
        ids->p[i] = ids->p[--j];
        ids->p[j] = id;
    }
    return CRU_OK;
}
