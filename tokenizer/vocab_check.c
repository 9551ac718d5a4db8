/* SPDX-License-Identifier: Apache-2.0 */
/* Whether every number in an image that the encoder follows without looking leads somewhere. A
 * million and a half of them are looked at whenever a vocabulary is loaded, so the loops have no
 * branches, and are compiled twice: with AVX2 they take half the time of SSE2, which cannot compare
 * 64 bits. */
#include "crucible/base/base.h"
#include "tokenizer/vocab.h"

#define EACH static inline __attribute__((always_inline)) bool

EACH ids_below(const uint32_t *ids, size_t n, uint32_t limit) {
    uint32_t bad = 0;
    for (size_t i = 0; i < n; i++) bad |= ids[i] >= limit;
    return !bad;
}

EACH ids_below_or_none(const uint32_t *ids, size_t n, uint32_t limit) {
    uint32_t bad = 0;
    for (size_t i = 0; i < n; i++) bad |= (ids[i] >= limit) & (ids[i] != CRU_NONE);
    return !bad;
}

EACH offsets_rise(const uint32_t *offsets, size_t n, uint64_t bytes) {
    uint32_t bad = offsets[0] != 0 || offsets[n] != bytes;
    for (size_t i = 0; i < n; i++) bad |= offsets[i] > offsets[i + 1];
    return !bad;
}

/* The rank of every used slot is one, and a line at least is not full: else a search would never end. */
EACH pairs_agree(const uint64_t *pairs, size_t slots, uint32_t n_merges) {
    uint32_t bad = 0;
    size_t full = 0;
    for (size_t i = 0; i < slots; i++) {
        uint32_t taken = pairs[i] != UINT64_MAX;
        bad |= taken & ((pairs[i] & CRU_SPLIT_KEY_MASK) - 1 >= n_merges);
    }
    for (size_t i = CRU_PAIR_LINE - 1; i < slots; i += CRU_PAIR_LINE) full += pairs[i] != UINT64_MAX;
    return !bad && full < slots / CRU_PAIR_LINE;
}

EACH is_rank_and_constant(const uint32_t *merged, size_t n) {
    uint32_t other = 0;
    for (size_t i = 0; i < n; i++) other |= merged[i] ^ (merged[0] + (uint32_t)i);
    return !other;
}

EACH words_agree(const uint32_t *words, size_t slots, uint32_t n_ids) {
    uint32_t bad = 0;
    size_t used = 0;
    for (size_t i = 0; i < slots; i++) {
        uint32_t taken = words[i] != CRU_NONE;
        used += taken;
        bad |= taken & ((words[i] & CRU_ID_MASK) >= n_ids);
    }
    return !bad && used < slots;
}

EACH units_agree(const uint64_t *units, size_t n, uint32_t n_units, uint32_t n_ids) {
    uint32_t bad = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t token = cru_unit_token(units[i]);
        bad |= (token >= n_ids) & (token != CRU_UNIT_NO_TOKEN);
        bad |=
            cru_unit_base(units[i]) >= n_units; /* and so is any base ^ byte: 256 divides n_units */
    }
    return !bad;
}

EACH chars_agree(const uint32_t *chars, uint32_t n_ids) {
    uint32_t bad = 0;
    for (size_t i = 0; i < 65536; i++) {
        uint32_t token = chars[i] & CRU_ID_MASK;
        bad |= (token >= n_ids) & (token != CRU_ID_MASK);
    }
    return !bad;
}

/* The nodes and the trie; sets t->bpe.longest and made_from. That ways of making a token lead downwards is for
 * those who follow them to see (bpe_backtrack.c). */
EACH bpe_agrees(struct cru_tokenizer *t) {
    const struct cru_vocab_header *h = t->header;
    const struct cru_bpe_node *nodes = t->bpe.nodes;
    uint32_t bad = 0, longest = 1;
    for (uint32_t i = 0; i < h->n_ids; i++) {
        uint64_t split = nodes[i].split;
        uint32_t left = (uint32_t)(split >> (CRU_RANK_BITS + CRU_ID_BITS)) & CRU_ID_MASK;
        uint32_t right = (uint32_t)(split >> CRU_RANK_BITS) & CRU_ID_MASK, bytes = nodes[i].bytes;
        bad |= (left >= h->n_ids) & (left != CRU_ID_MASK);
        bad |= (right >= h->n_ids) & (right != CRU_ID_MASK);
        bad |= ((left == CRU_ID_MASK) | (right == CRU_ID_MASK)) & !h->irregular;
        bad |= (nodes[i].shorter >= h->n_ids) & (nodes[i].shorter != CRU_NONE);
        bad |= (bytes != 0) & (bytes != t->offsets[i + 1] - t->offsets[i]);
        longest = bytes > longest ? bytes : longest;
    }
    for (size_t b = 0; b < 256; b++) bad |= nodes[t->merges.byte_ids[b]].bytes != 1;
    t->bpe.longest = longest;
    if (h->n_merges && is_rank_and_constant(t->merges.merged, h->n_merges))
        t->bpe.merges.made_from = t->merges.made_from = t->merges.merged[0];
    return !bad && longest <= CRU_MAX_TOKEN && chars_agree(t->bpe.chars, h->n_ids) &&
           units_agree(t->bpe.roots, 65536, h->n_units, h->n_ids) &&
           units_agree(t->bpe.units, h->n_units, h->n_units, h->n_ids);
}

EACH image_agrees(struct cru_tokenizer *t) {
    const struct cru_vocab_header *h = t->header;
    if (!offsets_rise(t->offsets, h->n_ids, h->section[CRU_SECTION_TEXT].bytes) ||
        !ids_below(t->merges.byte_ids, 256, h->n_ids) ||
        !ids_below(t->merges.merged, h->n_merges, h->n_ids) ||
        !ids_below_or_none(t->merges.byte_pair, 65536, h->n_merges) ||
        !pairs_agree(t->merges.pairs, (size_t)1 << h->pair_bits, h->n_merges) ||
        ((h->flags & CRU_VOCAB_IGNORE_MERGES) &&
         !words_agree(t->words, (size_t)1 << h->word_bits, h->n_ids)))
        return false;
    for (uint32_t i = 0; i < h->n_added; i++)
        if (t->added[i].id >= h->n_ids || cru_vocab_token(t, t->added[i].id).n == 0) return false;
    return bpe_agrees(t);
}

static bool image_agrees_plain(struct cru_tokenizer *t) {
    return image_agrees(t);
}

#if defined __x86_64__
__attribute__((target("avx2"))) static bool image_agrees_avx2(struct cru_tokenizer *t) {
    return image_agrees(t);
}

bool cru_vocab_agrees(struct cru_tokenizer *t) {
    const char *forced = getenv("CRUCIBLE_SIMD");
    bool narrow = forced && (strcmp(forced, "plain") == 0 || strcmp(forced, "sse2") == 0);
    return __builtin_cpu_supports("avx2") && !narrow ? image_agrees_avx2(t) : image_agrees_plain(t);
}
#else
bool cru_vocab_agrees(struct cru_tokenizer *t) {
    return image_agrees_plain(t);
}
#endif
