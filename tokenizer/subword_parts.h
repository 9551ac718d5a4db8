/* SPDX-License-Identifier: Apache-2.0 */
/* What a struct cru_subword is made of, for its reader (subword_json.cc) and its encoder (subword.c). */
#ifndef CRU_TOKENIZER_SUBWORD_PARTS_H
#define CRU_TOKENIZER_SUBWORD_PARTS_H

#include "tokenizer/subword.h"
#include "tokenizer/subword_added.h"
#include "tokenizer/subword_model.h"
#include "tokenizer/subword_normalise.h"
#include "tokenizer/subword_split.h"

struct cru_subword {
    struct cru_norm_plan normaliser;
    struct cru_cut_plan cuts;
    struct cru_subword_model model;
    struct cru_extra_set raw, normalized; /* looked for before, and behind, the normaliser */
    uint32_t unknown;
};

#ifdef __cplusplus
extern "C" {
#endif

/* Fills a zeroed one; on an error it is partly filled. *byte_level: it is tokenizer.h's, and was not
 * read. */
enum cru_status cru_subword_json_read(struct cru_span json, struct cru_subword *subword,
                                      bool *byte_level, struct cru_error *err);

/* An added token under the rules of the plan that is already there. */
enum cru_status cru_subword_add_extra(struct cru_subword *subword, struct cru_span content,
                                      uint32_t id, unsigned flags, bool normalized,
                                      struct cru_error *err);

#ifdef __cplusplus
}
#endif
#endif
