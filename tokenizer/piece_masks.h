/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pre-tokeniser of the Qwen2 family (pretoken.h says the pattern) by arithmetic on bit masks: a window
 * of text becomes a bit a byte, set where a piece begins. What a loop over characters decides with a
 * branch a character, which is mispredicted at the end of nearly every word, is here some fifty
 * operations for 64 characters.
 *
 *   text     I t ' s   f i n e . \n \n   a
 *   bounds   1 0 1 0 1 0 0 0 0 1 0  0  1 0     "It" "'s" " fine" ".\n\n" " a"
 *   cuts     characters between which no merge can reach (join_rules.h); pieces may be cut there too
 *
 * A piece depends on nothing before it, so each window starts at the start of a piece, and the next one
 * at the last start that later text cannot change. pretoken.h's scanner is the reference for tests.
 */
#ifndef CRU_TOKENIZER_PIECE_MASKS_H
#define CRU_TOKENIZER_PIECE_MASKS_H

#include "tokenizer/byte_masks.h"
#include "tokenizer/join_rules.h"
#include "tokenizer/unicode_classes.h"

enum { CRU_WINDOW_BLOCKS = 64, CRU_WINDOW = 64 * CRU_WINDOW_BLOCKS };

/* Scratch memory of one thread, 13 KiB. */
struct cru_piece_masks {
    struct cru_byte_masks masks[CRU_WINDOW_BLOCKS + 1];
    uint64_t bounds[CRU_WINDOW_BLOCKS + 1], cuts[CRU_WINDOW_BLOCKS + 1];
    uint16_t starts[CRU_WINDOW + 1 + CRU_POSITIONS_SLACK]; /* of parts, then the end of the last */
};

/* What decides where pieces begin; borrowed. */
struct cru_piece_rules {
    const struct cru_classes *classes;
    const struct cru_joins *joins; /* NULL: no cuts */
    uint32_t digits;               /* most \p{N} in a piece */
    const struct cru_mask_kernels *kernels;
    bool bmi2; /* this machine has BMI, BMI2 and POPCNT */
};

/*
 * The pieces of the n bytes at p, 1 <= n <= CRU_WINDOW, valid UTF-8 up to a last character that may be
 * cut off when not `last`. p is at the start of a piece and readable, and classed as written, up to
 * the next multiple of 64 bytes and two beyond; when `last`, the text ends at n and the rest of the block is spaces.
 *
 * Returns how many parts there are: part i is [starts[i], starts[i + 1]), all of them whole. When not even the
 * first piece is sure to end in the window they end at a cut between two of its letters, from where one may
 * go on as from the start of a piece; 0 when there is no such cut either.
 */
size_t cru_piece_masks_find(const struct cru_piece_rules *rules, struct cru_piece_masks *window,
                            const unsigned char *p, size_t n, bool last);

#endif
