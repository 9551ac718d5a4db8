/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From text in normal form and without added tokens to ids: where nearly all of encoding's time goes.
 *
 *   text -> window of masks (piece_masks.h) -> parts -> word cache (word_cache.h) -> ids
 *                                                          | a part that is new: a gap in the ids
 *                                                          v
 *                                     CRU_BATCH_TASKS new ones, or the text's last:
 *                                     merged together (bpe_batch.h; long ones: bpe_stitch.h),
 *                                     kept in the cache, gaps closed
 *
 * Patterns that have no masks give their pieces one at a time (piece_end.h). A cru_piece_encoder is one
 * thread's, some 30 MiB whatever the text; nothing here fails once it is made.
 */
#ifndef CRU_TOKENIZER_PIECE_ENCODER_H
#define CRU_TOKENIZER_PIECE_ENCODER_H

#include "tokenizer/bpe_batch.h"
#include "tokenizer/piece_masks.h"
#include "tokenizer/vocab.h"
#include "tokenizer/word_cache.h"

/* A piece that was in no cache, until it is encoded together with others (bpe_batch.h). */
struct cru_new_piece {
    const unsigned char *p;
    size_t n, ids;
    uint64_t hash;
    uint32_t *out; /* where its ids belong: a gap of n places until they are known */
    uint32_t twin; /* the first of the others with the same bytes, or itself */
    bool is_task;
};

struct cru_piece_encoder {
    const struct cru_tokenizer *tokenizer;
    struct cru_word_cache words;
    struct cru_piece_rules rules;
    struct cru_piece_masks window;
    unsigned char tail[CRU_WINDOW + 64]; /* the last window of a text, spaces behind it */
    cru_bpe_batch_fn batch;
    struct cru_bpe_scratch merging;
    struct cru_new_piece fresh[CRU_BATCH_TASKS];
    size_t n_fresh;
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
