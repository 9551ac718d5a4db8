/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The merges of many short pieces at once, by the definition: the pair of neighbours with the lowest
 * rank is merged, the leftmost first, until none has a rank.
 *
 *   piece    ids    [ 100 ][ 98 ][ 95 ][ 257 ][ - ] ..     16 or 32 places, in vector registers
 *            ranks  [  7  ][ -  ][  3 ][  -  ][ - ] ..     of the merge with the next
 *   round    least rank and its place in one step -> merged, the rest moves up -> the ranks of its
 *            two new pairs are asked for
 *
 * What a piece that no cache knew needs of the tables is in no cache either, and one piece alone would wait for
 * memory nine tenths of the time (measured). So a round goes over all pieces: each finds what it asked for in
 * the round before, and nothing in it is a branch that could not be predicted. Characters of three bytes
 * begin as tokens where that is exact (bpe_chars.h). Longer pieces are searched (bpe_backtrack.h), one
 * after the other.
 */
#ifndef CRU_TOKENIZER_BPE_BATCH_H
#define CRU_TOKENIZER_BPE_BATCH_H

#include "tokenizer/bpe_backtrack.h"

enum { CRU_BATCH_TASKS = 64 }; /* a machine has some twenty loads under way */

struct cru_bpe_task {
    const unsigned char *p; /* a piece, valid UTF-8 */
    size_t n;               /* its bytes, at least 1 */
    uint32_t *out;          /* room for n ids */
    size_t made;            /* set: how many there are */
};

/* Encodes the pieces of n <= CRU_BATCH_TASKS tasks; all versions give the same ids. */
typedef void (*cru_bpe_batch_fn)(const struct cru_bpe *bpe, struct cru_bpe_scratch *scratch,
                                 struct cru_bpe_task *tasks, size_t n);
void cru_bpe_batch(const struct cru_bpe *bpe, struct cru_bpe_scratch *scratch,
                   struct cru_bpe_task *tasks, size_t n);
#if defined __x86_64__
void cru_bpe_batch_avx2(const struct cru_bpe *bpe, struct cru_bpe_scratch *scratch,
                        struct cru_bpe_task *tasks, size_t n);
#endif
/* The version for a machine with AVX2, BMI and BMI2, or for any. */
cru_bpe_batch_fn cru_bpe_batch_for(bool avx2);

#endif
