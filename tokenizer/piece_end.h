/* SPDX-License-Identifier: Apache-2.0 */
/* The hand-written scanners under one name: where the piece at p ends by a pattern of enum
 * cru_pattern that has one. p < end, valid UTF-8; any thread. */
#ifndef CRU_TOKENIZER_PIECE_END_H
#define CRU_TOKENIZER_PIECE_END_H

#include "tokenizer/pretoken.h"
#include "tokenizer/pretoken_o200k.h"
#include "tokenizer/vocab_image.h"

static inline const unsigned char *cru_piece_end(const struct cru_classes *classes,
                                                 uint32_t pattern, uint32_t digits,
                                                 const unsigned char *p, const unsigned char *end) {
    switch (pattern) {
    case CRU_PATTERN_QWEN2:
        return cru_piece_end_qwen2(classes, p, end, digits);
    case CRU_PATTERN_O200K:
        return cru_piece_end_o200k(p, end, digits, true);
    case CRU_PATTERN_TEKKEN:
        return cru_piece_end_o200k(p, end, digits, false);
    default:
        return cru_piece_end_gpt2(classes, p, end);
    }
}

#endif
