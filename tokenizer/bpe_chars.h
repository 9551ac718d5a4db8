/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Merges that begin with characters instead of bytes, for pieces of nothing but characters of three bytes
 * (Han, kana, Hangul, Thai, ...): a word of four of them needs three pairs looked up at once, where
 * the search goes through the trie a byte after the other.
 *
 *   bytes    e4 bd a0 | e5 a5 bd | e5 90 97        12 or so merges from here,
 *   chars    [  你   ] [  好   ] [  吗   ]         2 or 3 from here
 *
 * Why it is exact, for a piece whose characters all have a token in `chars` and whose neighbours all are
 * cru_chars_apart:
 *   (1) A merge across the border of two characters would make a token that contains both of them
 *       whole: none that begins or ends within one of them exists. So its parts consist of whole
 *       characters, and merges within a character go as they would if it stood alone: it becomes
 *       its token t, which by definition is what its bytes encode to.
 *   (2) t's merges all have lower ranks than any merge that t is a part of. So whenever a merge of t
 *       with a neighbour would be the next, by rank, t has been made: to begin with all characters
 *       as tokens leaves the merges across their borders, and their order, as they are.
 * (1) is looked at for each two neighbours, (2) for each token when `chars` is made.
 */
#ifndef CRU_TOKENIZER_BPE_CHARS_H
#define CRU_TOKENIZER_BPE_CHARS_H

#include "crucible/base/error.h"
#include "tokenizer/join_rules.h"
#include "tokenizer/vocab_image.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline uint32_t cru_char_token(uint32_t entry) {
    return entry & CRU_ID_MASK;
}

/* False when a token might begin or end within one of two neighbours, by their code points and entries, and
 * reach over the border between them. */
static inline bool cru_chars_apart(const struct cru_char_halves *halves, uint32_t a, uint32_t a_entry,
                                   uint32_t b, uint32_t b_entry) {
    uint64_t from = halves[b_entry >> CRU_ID_BITS].before >> (a & 63);
    uint64_t to = halves[a_entry >> CRU_ID_BITS].after >> (b >> 6 & 63);
    return !((from | to) & 1);
}

struct cru_bpe;
struct cru_merge_row;

/* Fills chars[65536] and halves[CRU_CHAR_HALVES], which is zeroed. bpe: as cru_bpe_make_nodes left it. */
enum cru_status cru_bpe_make_chars(const struct cru_bpe *bpe, const struct cru_merge_row *rows,
                                   size_t n_rows, uint32_t *chars, struct cru_char_halves *halves,
                                   struct cru_error *err);

#endif
