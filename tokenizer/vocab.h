/* SPDX-License-Identifier: Apache-2.0 */
/* A loaded vocabulary, as the files of this room see it: pointers into the image (vocab_image.h) and
 * what is quick to make at load time. Read-only once loaded. */
#ifndef CRU_TOKENIZER_VOCAB_H
#define CRU_TOKENIZER_VOCAB_H

#include "crucible/base/span.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/bpe_backtrack.h"
#include "tokenizer/join_rules.h"
#include "tokenizer/split_steps.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/unicode_classes.h"
#include "tokenizer/vocab_image.h"

struct cru_tokenizer {
    const struct cru_vocab_header *header;
    const uint32_t *offsets;
    const char *text;
    const uint32_t *words; /* only with CRU_VOCAB_IGNORE_MERGES */
    const struct cru_vocab_added *added;
    const struct cru_joins *joins; /* NULL: a part of a piece may not be looked up as a word */
    struct cru_merges merges;
    struct cru_bpe bpe;
    struct cru_classes classes;
    struct cru_split_plan plan;                     /* for CRU_PATTERN_STEPS */
    struct cru_added_index added_raw, added_normal; /* the second: found after normalisation */
    void *mapped, *owned; /* the image: one of a map, our own memory, or the caller's */
    size_t mapped_bytes;
};

static inline struct cru_span cru_vocab_token(const struct cru_tokenizer *t, uint32_t id) {
    return cru_span_make(t->text + t->offsets[id], t->offsets[id + 1] - t->offsets[id]);
}

/* The token with these bytes, or CRU_NO_TOKEN; `hash` is cru_piece_hash. Only with CRU_VOCAB_IGNORE_MERGES. */
static inline uint32_t cru_vocab_word(const struct cru_tokenizer *t, const unsigned char *p,
                                      size_t n, uint64_t hash) {
    uint32_t mask = (1u << t->header->word_bits) - 1;
    for (uint32_t i = (uint32_t)hash & mask;; i = (i + 1) & mask) {
        uint32_t slot = t->words[i];
        if (slot == CRU_NONE) return CRU_NO_TOKEN;
        if (slot >> CRU_ID_BITS != hash >> 52) continue;
        uint32_t id = slot & ((1u << CRU_ID_BITS) - 1);
        struct cru_span s = cru_vocab_token(t, id);
        if (s.n == n && memcmp(s.p, p, n) == 0) return id;
    }
}

/* True when every number of the image that is followed without looking stays in it; sets t->bpe.longest and the
 * merges' made_from. A new
 * section must be looked at there (vocab_check.c). */
bool cru_vocab_agrees(struct cru_tokenizer *t);

#endif
