/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/subword_model.h"
#include "crucible/base/base.h"

enum { KEEP_BYTES = 16 << 20 };

_Static_assert(CRU_TRIE_NONE == CRU_NO_TOKEN, "a token that the trie lacks is no token");

/* What a character without a token costs more than the worst token (sentencepiece's kUnkPenalty). */
static const double unknown_penalty = 10.0;

enum cru_status cru_subword_no_unknown(struct cru_error *err) {
    return cru_fail(
        err, CRU_BAD,
        "cannot encode a text: the vocabulary lacks a character of it and has no unknown token");
}

static void find_bytes(struct cru_subword_model *m) {
    for (unsigned b = 0; b < 256; b++) {
        char name[8];
        int n = snprintf(name, sizeof name, "<0x%02X>", b);
        m->byte_ids[b] = cru_token_trie_find(&m->trie, cru_span_make(name, (size_t)n));
    }
}

enum cru_status cru_subword_model_finish(struct cru_subword_model *m, struct cru_span prefix,
                                         struct cru_error *err) {
    if (m->trie.n_nodes == 0) return cru_fail(err, CRU_USAGE, "model: no vocab");
    if (m->trie.longest > CRU_TOKEN_BYTES_MOST &&
        (m->kind == CRU_MODEL_UNIGRAM || m->kind == CRU_MODEL_WORDPIECE))
        return cru_fail(err, CRU_USAGE, "model: vocab: a token of more than %d bytes",
                        CRU_TOKEN_BYTES_MOST);
    m->inner = cru_token_trie_node(&m->trie, prefix);
    if (m->byte_fallback) find_bytes(m);
    if (m->kind == CRU_MODEL_UNIGRAM) {
        double worst = 0;
        for (uint32_t id = 0; id < m->n_ids; id++)
            if (id == 0 || m->scores[id] < worst) worst = m->scores[id];
        m->unknown_score = worst - unknown_penalty;
    }
    /* A mark without a token could be part of one unknown stretch. */
    if (m->kind == CRU_MODEL_BPE &&
        cru_token_trie_find(&m->trie, CRU_SPAN("\xE2\x96\x81")) == CRU_TRIE_NONE)
        m->marks_begin = false;
    return CRU_OK;
}

static uint32_t hash_pair(uint64_t pair, unsigned bits) {
    return (uint32_t)(pair * 0x9E3779B97F4A7C15u >> (64 - bits));
}

static void put_merge(struct cru_merge_rule *rules, unsigned bits, struct cru_merge_rule rule) {
    uint32_t mask = (1u << bits) - 1, at = hash_pair(rule.pair, bits);
    while (rules[at].made != CRU_NO_TOKEN && rules[at].pair != rule.pair) at = (at + 1) & mask;
    rules[at] = rule;
}

static bool merges_grow(struct cru_subword_model *m) {
    unsigned bits = m->merge_bits ? m->merge_bits + 1 : 8;
    struct cru_merge_rule *rules = bits > 28 ? NULL : malloc(((size_t)1 << bits) * sizeof *rules);
    if (!rules) return false;
    for (size_t i = 0; i < (size_t)1 << bits; i++) rules[i].made = CRU_NO_TOKEN;
    for (size_t i = 0; m->merges && i < (size_t)1 << m->merge_bits; i++)
        if (m->merges[i].made != CRU_NO_TOKEN) put_merge(rules, bits, m->merges[i]);
    free(m->merges);
    m->merges = rules;
    m->merge_bits = bits;
    return true;
}

/* Whether U+2581 stands behind another character. */
static bool has_inner_mark(struct cru_span token) {
    const char *p = token.p, *end = token.p + token.n;
    while (end - p >= 3 && memcmp(p, "\xE2\x96\x81", 3) == 0) p += 3;
    return memmem(p, (size_t)(end - p), "\xE2\x96\x81", 3) != NULL;
}

enum cru_status cru_subword_model_merge(struct cru_subword_model *m, uint32_t rank,
                                        struct cru_span left, struct cru_span right,
                                        struct cru_error *err) {
    uint32_t a = cru_token_trie_find(&m->trie, left), b = cru_token_trie_find(&m->trie, right);
    uint32_t node = cru_token_trie_node(&m->trie, left), made = CRU_NO_TOKEN;
    struct cru_buffer whole;
    for (size_t i = 0; node != CRU_TRIE_NONE && i < right.n; i++) {
        node = cru_token_trie_step(&m->trie, node, (unsigned char)right.p[i]);
        if (!node) node = CRU_TRIE_NONE;
    }
    if (node != CRU_TRIE_NONE) made = m->trie.value[node];
    if (a == CRU_TRIE_NONE || b == CRU_TRIE_NONE || made == CRU_TRIE_NONE)
        return cru_fail(err, CRU_USAGE, "model: merges: '%.*s %.*s' is not of tokens of the vocab",
                        (int)(left.n > 60 ? 60 : left.n), left.p,
                        (int)(right.n > 60 ? 60 : right.n), right.p);
    if (m->n_merges * 2 >= (m->merges ? (size_t)1 << m->merge_bits : 0) && !merges_grow(m))
        return cru_fail_memory(err, "merges");
    put_merge(m->merges, m->merge_bits, (struct cru_merge_rule){(uint64_t)a << 32 | b, rank, made});
    m->n_merges++; /* (or a pair given twice, which has the later rank) */
    cru_buffer_init(&whole);
    cru_buffer_add_span(&whole, left);
    cru_buffer_add_span(&whole, right);
    if (whole.failed || has_inner_mark(cru_buffer_span(&whole))) m->marks_begin = false;
    cru_buffer_release(&whole);
    return CRU_OK;
}

void cru_subword_model_release(struct cru_subword_model *m) {
    cru_token_trie_release(&m->trie);
    free(m->scores);
    free(m->merges);
    m->scores = NULL;
    m->merges = NULL;
}

void cru_model_scratch_release(struct cru_model_scratch *s) {
    free(s->best);
    free(s->symbols);
    free(s->heap);
    memset(s, 0, sizeof *s);
}

void cru_model_scratch_trim(struct cru_model_scratch *s) {
    if (s->best_capacity > KEEP_BYTES / sizeof *s->best ||
        s->symbols_capacity > KEEP_BYTES / (sizeof *s->symbols + 3 * sizeof *s->heap))
        cru_model_scratch_release(s);
}

static bool add_id(struct cru_ids *ids, uint32_t id) {
    if (!cru_ids_room(ids, 1)) return false;
    ids->p[ids->n++] = id;
    return true;
}

static enum cru_status add_unknown(const struct cru_subword_model *m, struct cru_ids *ids,
                                   struct cru_error *err) {
    if (m->unknown == CRU_NO_TOKEN) return cru_subword_no_unknown(err);
    return add_id(ids, m->unknown) ? CRU_OK : cru_fail_memory(err, "token ids");
}

static bool too_long(struct cru_span piece, uint64_t most) {
    uint64_t characters = 0;
    if (piece.n <= most) return false;
    for (size_t i = 0; i < piece.n; i++) characters += ((unsigned char)piece.p[i] & 0xC0) != 0x80;
    return characters > most;
}

static enum cru_status wordpiece_encode(const struct cru_subword_model *m, struct cru_span piece,
                                        struct cru_ids *ids, struct cru_error *err) {
    const unsigned char *p = (const unsigned char *)piece.p;
    size_t before = ids->n, at = 0;
    bool known = !too_long(piece, m->longest_word);
    while (known && at < piece.n) {
        uint32_t node = at ? m->inner : CRU_TRIE_ROOT, id = CRU_TRIE_NONE;
        size_t end = at;
        for (size_t i = at; node != CRU_TRIE_NONE && i < piece.n; i++) {
            if (!(node = cru_token_trie_step(&m->trie, node, p[i]))) break;
            if (m->trie.value[node] == CRU_TRIE_NONE) continue;
            id = m->trie.value[node];
            end = i + 1;
        }
        known = id != CRU_TRIE_NONE;
        if (known && !add_id(ids, id)) return cru_fail_memory(err, "token ids");
        at = end;
    }
    if (known) return CRU_OK;
    ids->n = before;
    return add_unknown(m, ids, err);
}

enum cru_status cru_subword_model_encode(const struct cru_subword_model *m,
                                         struct cru_model_scratch *scratch, struct cru_span piece,
                                         struct cru_ids *ids, struct cru_error *err) {
    uint32_t id;
    switch (m->kind) {
    case CRU_MODEL_WORDPIECE:
        return wordpiece_encode(m, piece, ids, err);
    case CRU_MODEL_UNIGRAM:
        return cru_unigram_encode(m, scratch, piece, ids, err);
    case CRU_MODEL_BPE:
        return cru_char_bpe_encode(m, scratch, piece, ids, err);
    default:
        id = cru_token_trie_find(&m->trie, piece);
        if (id == CRU_TRIE_NONE) return add_unknown(m, ids, err);
        return add_id(ids, id) ? CRU_OK : cru_fail_memory(err, "token ids");
    }
}
