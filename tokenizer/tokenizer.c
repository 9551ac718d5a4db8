/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/tokenizer.h"
#include "crucible/base/base.h"
#include "tokenizer/vocab.h"

void cru_ids_clear(struct cru_ids *ids) { ids->n = 0; }

void cru_ids_release(struct cru_ids *ids) {
    free(ids->p);
    memset(ids, 0, sizeof *ids);
}

bool cru_ids_room(struct cru_ids *ids, size_t more) {
    if (more <= ids->capacity - ids->n) return true;
    size_t capacity = ids->capacity + ids->capacity / 2;
    if (capacity < ids->n + more) capacity = ids->n + more;
    if (capacity > SIZE_MAX / sizeof *ids->p) return false;
    uint32_t *p = realloc(ids->p, capacity * sizeof *p);
    if (!p) return false;
    ids->p = p;
    ids->capacity = capacity;
    return true;
}

uint32_t cru_tokenizer_size(const struct cru_tokenizer *t) { return t->header->n_ids; }

uint64_t cru_tokenizer_hash(const struct cru_tokenizer *t) { return t->header->content_hash; }

const char *cru_tokenizer_name(const struct cru_tokenizer *t) { return t->header->name; }

struct cru_span cru_tokenizer_token(const struct cru_tokenizer *t, uint32_t id) {
    return id < t->header->n_ids ? cru_vocab_token(t, id) : cru_span_make(NULL, 0);
}

bool cru_tokenizer_is_added(const struct cru_tokenizer *t, uint32_t id) {
    for (uint32_t i = 0; i < t->header->n_added; i++)
        if (t->added[i].id == id) return true;
    return false;
}

uint32_t cru_tokenizer_nth_added(const struct cru_tokenizer *t, uint32_t i) {
    return i < t->header->n_added ? t->added[i].id : CRU_NO_TOKEN;
}

uint32_t cru_tokenizer_added(const struct cru_tokenizer *t, struct cru_span content) {
    for (uint32_t i = 0; i < t->header->n_added; i++)
        if (cru_span_eq(cru_vocab_token(t, t->added[i].id), content)) return t->added[i].id;
    return CRU_NO_TOKEN;
}

uint32_t cru_tokenizer_end_id(const struct cru_tokenizer *t) {
    /* What the base models' own configurations name as the end of a document. */
    static const char *const names[] = {
        "<|endoftext|>",   /* Qwen2 and Qwen3 (base models), GPT-2, GPT-NeoX */
        "<|end_of_text|>", /* Llama 3 */
        "</s>",            /* Llama 2's name, kept by many byte-level vocabularies */
        "<eos>",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        uint32_t id = cru_tokenizer_added(t, cru_span_of(names[i]));
        if (id != CRU_NO_TOKEN) return id;
    }
    return CRU_NO_TOKEN;
}

void cru_tokenizer_decode(const struct cru_tokenizer *t, const uint32_t *ids, size_t n,
                          struct cru_buffer *out) {
    for (size_t i = 0; i < n; i++) {
        struct cru_span s = cru_tokenizer_token(t, ids[i]);
        if (s.n) cru_buffer_add_span(out, s);
    }
}
