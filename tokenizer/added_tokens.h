/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a text has added tokens, as the reference finds them: the first place where one matches,
 * the longest there; then onward from its end. A token may take the white space around it along.
 * Tokens that are "normalized" are looked for after the others, in what is between those, in its
 * normal form.
 *
 * An index is made at load and then read by any thread; it is the tokenizer's.
 */
#ifndef CRU_TOKENIZER_ADDED_TOKENS_H
#define CRU_TOKENIZER_ADDED_TOKENS_H

#include "crucible/base/span.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cru_tokenizer;

struct cru_added_index {
    uint32_t *search; /* numbers of added tokens: by first byte, then longest first */
    uint32_t n;
    uint32_t begins[257]; /* search[begins[b]] .. search[begins[b + 1]] begin with byte b */
    int only_byte;        /* the first byte that all of them share, or -1 */
    uint8_t later[256];   /* bit 0: a byte that one of them has second, bit 1: third; all, if one is shorter */
};
/* Of those that are normalized, or of those that are not; false when memory is short. */
bool cru_added_index_init(struct cru_added_index *index, const struct cru_tokenizer *t,
                          bool normalized);
void cru_added_index_release(struct cru_added_index *index);

struct cru_added_scan {
    size_t from; /* what is before it has been taken; zero to begin with */
    size_t at;   /* where the search goes on */
};
struct cru_added_match {
    size_t begin, end; /* with the white space that the token takes along */
    uint32_t id, flags; /* CRU_ADDED_* */
};
/* The next added token of `text`, which is valid UTF-8; false when there is none. What lies between
 * the scan's `from` before the call and the match's begin is text; `from` is then the match's end.
 */
bool cru_added_next(const struct cru_tokenizer *t, const struct cru_added_index *index,
                    struct cru_span text, struct cru_added_scan *scan,
                    struct cru_added_match *match);
/* The same of those that begin before `limit`. */
bool cru_added_find(const struct cru_tokenizer *t, const struct cru_added_index *index,
                    struct cru_span text, size_t limit, struct cru_added_scan *scan,
                    struct cru_added_match *match);

/* Where the white space that ends at `at` begins, not before `from`; and where that at `at` ends. */
size_t cru_added_spaces_begin(struct cru_span text, size_t from, size_t at);
size_t cru_added_spaces_end(struct cru_span text, size_t at);

#endif
