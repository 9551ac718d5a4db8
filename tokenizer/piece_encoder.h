/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From text in normal form and without added tokens to ids: where nearly all of encoding's time goes.
 *
 *   text -> window of masks (piece_masks.h) -> parts -> word cache (word_cache.h)
 *                                                          | a part that is new
 *                                                          v
 *                                              search (bpe_backtrack.h), kept in the cache
 *
 * Patterns that have no masks give their pieces one at a time (piece_end.h). A cru_piece_encoder is one
 * thread's, some 30 MiB whatever the text; nothing here fails once it is made.
 */
#ifndef CRU_TOKENIZER_PIECE_ENCODER_H
#define CRU_TOKENIZER_PIECE_ENCODER_H

#include "tokenizer/piece_masks.h"
#include "tokenizer/vocab.h"
#include "tokenizer/word_cache.h"

struct cru_piece_encoder {
    const struct cru_tokenizer *tokenizer;
    struct cru_word_cache words;
    struct cru_piece_rules rules;
    struct cru_piece_masks window;
    unsigned char tail[CRU_WINDOW + 64]; /* the last window of a text, spaces behind it */
    struct cru_bpe_scratch merging;
};

enum { CRU_IDS_SLACK = CRU_INLINE_IDS + 1 }; /* ids that may be written behind the last */

bool cru_piece_encoder_init(struct cru_piece_encoder *e, const struct cru_tokenizer *tokenizer);
void cru_piece_encoder_release(struct cru_piece_encoder *e);

/* Writes the ids of a text, at most one a byte, to out, which has room for CRU_IDS_SLACK more; returns where
 * they end. The pattern is not CRU_PATTERN_STEPS. */
uint32_t *cru_encode_pieces(struct cru_piece_encoder *e, struct cru_span text, uint32_t *out);

/* The same of one piece, of any pattern. */
uint32_t *cru_encode_piece(struct cru_piece_encoder *e, const unsigned char *p, size_t n,
                           uint32_t *out);

#endif
