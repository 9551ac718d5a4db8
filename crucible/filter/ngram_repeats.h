/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Repeated n-grams of a token sequence, for n = 1, 2, 3, ... in turn, in time linear in the tokens.
 *
 * An n-gram can only occur twice if the (n-1)-grams at both of its ends do. So each level looks only at
 * positions that survived the one before, and gives equal n-grams equal names from a hash table whose
 * key is the exact pair of names below it: no collision can make two n-grams equal.
 *
 *   tokens    to be or not to be or so
 *   level 1   1  2  3  4   1  2  3  5     repeated at 0 1 2 . 4 5 6 .
 *   level 2   1  2  .  .   1  2  .  .     pairs whose two ends survived: (to be) (be or)
 *   level 3   1  .  .  .   1  .  .  .     (to be or)
 *
 * In ordinary text few positions are left after level 4, so the six levels of the duplicate rules cost
 * less than the first two. Equal means equal token sequences (datatrove joins the tokens of long n-grams
 * without a space, so for it `1 23` equals `12 3`; here they differ).
 *
 * The struct owns its memory and reuses it; tokens are borrowed. One thread at a time.
 */
#ifndef CRU_FILTER_NGRAM_REPEATS_H
#define CRU_FILTER_NGRAM_REPEATS_H

#include "crucible/filter/text_stats.h"

struct cru_name_slot {
    uint64_t key;   /* level 1: token bytes or their hash; above: two names */
    uint32_t name;  /* 0: empty */
    uint32_t bytes; /* level 1: length of the token */
};

struct cru_ngram_repeats {
    const struct cru_token *tokens;
    struct cru_span text;
    size_t n_tokens;
    unsigned n;            /* the level that is ready: 1, 2, ... */
    uint32_t *name;        /* by position; valid at survivors */
    uint32_t *survivor;    /* positions whose n-gram occurs at least twice, ascending */
    size_t n_survivors;
    uint32_t *count;       /* by name, from 1 */
    uint32_t *first;       /* by name: its first position */
    uint32_t n_names;
    uint64_t *chars_before; /* by position: code points of all tokens in front of it */
    uint8_t *seen;         /* by name */
    size_t capacity;
    struct cru_name_slot *slots;
    size_t cap_slots;
};

void cru_ngram_repeats_init(struct cru_ngram_repeats *r); /* zeroes */
void cru_ngram_repeats_release(struct cru_ngram_repeats *r);

/* Begins at level 1. CRU_FATAL when memory is short. */
enum cru_status cru_ngram_repeats_begin(struct cru_ngram_repeats *r, struct cru_span text,
                                        const struct cru_token *tokens, size_t n_tokens,
                                        struct cru_error *err);
/* From level n to n + 1. */
void cru_ngram_repeats_next(struct cru_ngram_repeats *r);

/* Gopher's top n-gram: the most frequent n-gram, ties to the first seen; its length in code points
 * with one space between tokens, times its count. Counts that are 1 count too, as published. 0 when
 * there are fewer than n tokens. */
uint64_t cru_ngram_repeats_top_chars(const struct cru_ngram_repeats *r);

/* Gopher's duplicate n-grams: scanning from the left, an n-gram seen before adds its code points
 * (without spaces) and is jumped over; any other is remembered and the scan moves on one token. */
uint64_t cru_ngram_repeats_duplicate_chars(struct cru_ngram_repeats *r);

#endif
