/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/added_tokens.h"
#include "crucible/base/base.h"
#include "tokenizer/unicode_categories.h"
#include "tokenizer/vocab.h"

/* Orders the added tokens by first byte, then longest first: insertion into the sorted part. */
bool cru_added_index_init(struct cru_added_index *index, const struct cru_tokenizer *t,
                          bool normalized) {
    memset(index, 0, sizeof *index);
    index->only_byte = -1;
    index->search = malloc((t->header->n_added + 1) * sizeof *index->search);
    if (!index->search) return false;
    size_t counts[256] = {0}, distinct = 0;
    for (uint32_t i = 0; i < t->header->n_added; i++) {
        if (((t->added[i].flags & CRU_ADDED_NORMALIZED) != 0) != normalized) continue;
        struct cru_span s = cru_vocab_token(t, t->added[i].id);
        unsigned char first = (unsigned char)s.p[0];
        if (counts[first]++ == 0) distinct++;
        for (size_t place = 1; place <= 2; place++)
            for (size_t b = 0; b < 256; b++)
                if (s.n <= place || (unsigned char)s.p[place] == b) index->later[b] |= 1 << (place - 1);
        index->only_byte = first;
        uint32_t j = index->n++;
        for (; j > 0; j--) {
            struct cru_span o = cru_vocab_token(t, t->added[index->search[j - 1]].id);
            unsigned char other = (unsigned char)o.p[0];
            if (other < first || (other == first && o.n >= s.n)) break;
            index->search[j] = index->search[j - 1];
        }
        index->search[j] = i;
    }
    if (distinct != 1) index->only_byte = -1;
    for (int b = 0; b < 256; b++) index->begins[b + 1] = index->begins[b] + (uint32_t)counts[b];
    return true;
}

void cru_added_index_release(struct cru_added_index *index) {
    free(index->search);
    memset(index, 0, sizeof *index);
}

/* False when no added token is there. Code is full of what they begin with, and of little that goes on so. */
static inline bool may_begin(const struct cru_added_index *index, struct cru_span text, size_t at) {
    const unsigned char *p = (const unsigned char *)text.p + at;
    return text.n - at < 3 || ((index->later[p[1]] & 1) && (index->later[p[2]] & 2));
}

/* The number of the added token at text.p + at, or CRU_NONE. */
static uint32_t added_at(const struct cru_tokenizer *t, const struct cru_added_index *index,
                         struct cru_span text, size_t at) {
    unsigned char first = (unsigned char)text.p[at];
    for (uint32_t i = index->begins[first]; i < index->begins[first + 1]; i++) {
        struct cru_span s = cru_vocab_token(t, t->added[index->search[i]].id);
        if (s.n <= text.n - at && memcmp(text.p + at, s.p, s.n) == 0) return index->search[i];
    }
    return CRU_NONE;
}

size_t cru_added_spaces_begin(struct cru_span text, size_t from, size_t at) {
    while (at > from) {
        size_t before = at - 1;
        unsigned length;
        while (before > from && ((unsigned char)text.p[before] & 0xC0) == 0x80) before--;
        if (((unsigned char)text.p[before] & 0xC0) == 0x80 ||
            !(cru_category_at((const unsigned char *)text.p + before, &length) & CRU_CAT_SPACE))
            break;
        at = before;
    }
    return at;
}

size_t cru_added_spaces_end(struct cru_span text, size_t at) {
    unsigned length;
    while (at < text.n &&
           (cru_category_at((const unsigned char *)text.p + at, &length) & CRU_CAT_SPACE))
        at += length;
    return at;
}

bool cru_added_find(const struct cru_tokenizer *t, const struct cru_added_index *index,
                    struct cru_span text, size_t limit, struct cru_added_scan *scan,
                    struct cru_added_match *match) {
    if (index->n == 0) return false;
    for (size_t i = scan->at; i < limit; i++) {
        if (index->only_byte >= 0) {
            const char *p = memchr(text.p + i, index->only_byte, limit - i);
            if (!p) return false;
            i = (size_t)(p - text.p);
        }
        uint32_t found = may_begin(index, text, i) ? added_at(t, index, text, i) : CRU_NONE;
        if (found == CRU_NONE) continue;
        const struct cru_vocab_added *added = &t->added[found];
        scan->at = i + cru_vocab_token(t, added->id).n;
        match->id = added->id;
        match->flags = added->flags;
        match->begin = added->flags & CRU_ADDED_LSTRIP ? cru_added_spaces_begin(text, scan->from, i) : i;
        match->end = added->flags & CRU_ADDED_RSTRIP ? cru_added_spaces_end(text, scan->at) : scan->at;
        scan->from = match->end;
        return true;
    }
    return false;
}

bool cru_added_next(const struct cru_tokenizer *t, const struct cru_added_index *index,
                    struct cru_span text, struct cru_added_scan *scan,
                    struct cru_added_match *match) {
    return cru_added_find(t, index, text, text.n, scan, match);
}
