/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The added tokens of a vocabulary that is no byte-level BPE: found as added_tokens.h says, by a trie,
 * since these lists may be as long as a vocabulary; and single words, too. Built by one thread, read by
 * any.
 */
#ifndef CRU_TOKENIZER_SUBWORD_ADDED_H
#define CRU_TOKENIZER_SUBWORD_ADDED_H

#include "tokenizer/token_trie.h"
#include <stdbool.h>
#include <stdint.h>

enum {
    CRU_EXTRA_SINGLE_WORD = 1, /* not within a word */
    CRU_EXTRA_LSTRIP = 2,      /* takes the white space before it along */
    CRU_EXTRA_RSTRIP = 4,
};
struct cru_extra_set {          /* zeroed: empty */
    struct cru_token_trie trie; /* value: id << 3 | flags */
    bool begins[256];
};
enum { CRU_EXTRA_IDS_MOST = 1 << 28 };

enum cru_status cru_extra_add(struct cru_extra_set *set, struct cru_span content, uint32_t id,
                              unsigned flags, struct cru_error *err);
void cru_extra_release(struct cru_extra_set *set);

struct cru_extra_match {
    size_t begin, end; /* with the white space that it takes along */
    uint32_t id;
};
/* The next one of `text` (valid UTF-8) from *at on, the longest where it begins. What is before `from`
 * has been taken. *at goes behind it; false when there is none. */
bool cru_extra_next(const struct cru_extra_set *set, struct cru_span text, size_t from, size_t *at,
                    struct cru_extra_match *match);

#endif
