/* SPDX-License-Identifier: Apache-2.0 */
/* One thread's scratch memory for one tokenizer, as encode.c and encode_stream.c see it. */
#ifndef CRU_TOKENIZER_ENCODER_H
#define CRU_TOKENIZER_ENCODER_H

#include "crucible/base/buffer.h"
#include "tokenizer/normalise.h"
#include "tokenizer/piece_encoder.h"
#include "tokenizer/tokenizer.h"

struct cru_encoder {
    const struct cru_tokenizer *tokenizer;
    struct cru_piece_encoder pieces;
    struct cru_normaliser normaliser;
    struct cru_splitter splitter; /* for CRU_PATTERN_STEPS */
    bool clean; /* the text at hand is UTF-8 and NFC, and so is every part of it: not asked again */
    struct cru_buffer repaired;
    struct cru_ids counted;
    uint64_t repairs;
    struct cru_encode_stream *slices; /* for large texts; NULL until one comes */
};

enum {
    /* A text up to this is encoded as a whole; of a larger one, or one that is streamed, this is the
     * most that can have to be held, so that what the first can do, the second can. */
    CRU_ENCODE_WHOLE = 2 << 20,
    CRU_ENCODE_CLEAN = 64 << 20, /* the same of a text that need not be copied: UTF-8 and NFC already */
};

/* False when texts of this vocabulary can only be encoded as a whole. */
bool cru_encoder_streams(const struct cru_encoder *encoder);

#endif
