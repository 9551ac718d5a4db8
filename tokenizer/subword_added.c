/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/subword_added.h"
#include "crucible/base/base.h"
#include "tokenizer/subword_unicode.h"
#include "tokenizer/unicode_classes.h"

enum cru_status cru_extra_add(struct cru_extra_set *set, struct cru_span content, uint32_t id,
                              unsigned flags, struct cru_error *err) {
    if (content.n == 0) return CRU_OK;
    if (id >= CRU_EXTRA_IDS_MOST) return cru_fail(err, CRU_USAGE, "added_tokens: too large an id");
    if (cru_token_trie_find(&set->trie, content) != CRU_TRIE_NONE)
        return cru_fail(err, CRU_USAGE, "added_tokens: '%.*s' is there twice",
                        (int)(content.n > 80 ? 80 : content.n), content.p);
    set->begins[(unsigned char)content.p[0]] = true;
    return cru_token_trie_add(&set->trie, content, id << 3 | flags, err);
}

void cru_extra_release(struct cru_extra_set *set) {
    cru_token_trie_release(&set->trie);
    memset(set, 0, sizeof *set);
}

/* The bits of the character that ends before `at`, which is not 0; *begin is where it begins. */
static unsigned class_before(struct cru_span text, size_t at, size_t *begin) {
    unsigned length;
    do at--;
    while (((unsigned char)text.p[at] & 0xC0) == 0x80);
    *begin = at;
    return cru_subword_class(cru_code_point((const unsigned char *)text.p + at, &length));
}

static unsigned class_at(struct cru_span text, size_t at, unsigned *length) {
    return cru_subword_class(cru_code_point((const unsigned char *)text.p + at, length));
}

static bool in_word(struct cru_span text, size_t begin, size_t end) {
    size_t before;
    unsigned length;
    return (begin > 0 && (class_before(text, begin, &before) & CRU_SUB_WORD)) ||
           (end < text.n && (class_at(text, end, &length) & CRU_SUB_WORD));
}

/* The longest token at `at`: its end, or `at`. */
static size_t longest_at(const struct cru_extra_set *set, struct cru_span text, size_t at,
                         uint32_t *value) {
    uint32_t node = CRU_TRIE_ROOT;
    size_t end = at;
    for (size_t i = at; i < text.n; i++) {
        if (!(node = cru_token_trie_step(&set->trie, node, (unsigned char)text.p[i]))) break;
        if (set->trie.value[node] == CRU_TRIE_NONE) continue;
        *value = set->trie.value[node];
        end = i + 1;
    }
    return end;
}

bool cru_extra_next(const struct cru_extra_set *set, struct cru_span text, size_t from, size_t *at,
                    struct cru_extra_match *match) {
    if (set->trie.n_nodes == 0) return false;
    while (*at < text.n) {
        uint32_t value = 0;
        size_t begin = *at, before;
        unsigned length;
        *at = set->begins[(unsigned char)text.p[begin]] ? longest_at(set, text, begin, &value)
                                                        : begin;
        if (*at == begin) {
            ++*at;
            continue;
        }
        if ((value & CRU_EXTRA_SINGLE_WORD) && in_word(text, begin, *at)) continue;
        match->id = value >> 3;
        match->begin = begin;
        match->end = *at;
        while ((value & CRU_EXTRA_LSTRIP) && match->begin > from &&
               (class_before(text, match->begin, &before) & CRU_SUB_BLANK))
            match->begin = before;
        while ((value & CRU_EXTRA_RSTRIP) && match->end < text.n &&
               (class_at(text, match->end, &length) & CRU_SUB_BLANK))
            match->end += length;
        return true;
    }
    return false;
}
