/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The static view of embed and select: word vectors and the tokenizer that they are for. A model is
 * a directory with model.safetensors (or embeddings.npy) and tokenizer.json, in itself or in its
 * 0_StaticEmbedding, or one such file with tokenizer.json beside it. Lives here because word vectors
 * know no tokenizer and a tokenizer no documents. A byte-level BPE is read by tokenizer/tokenizer.h, all else by tokenizer/subword.h.
 *
 * A view is shared by all threads of a stage; opening and freeing are for one.
 */
#ifndef CRU_STAGE_STATIC_VIEW_H
#define CRU_STAGE_STATIC_VIEW_H

#include "crucible/base/error.h"
#include "crucible/base/span.h"
#include "crucible/select/word_vectors.h"
#include "tokenizer/tokenizer.h"

struct cru_static_view;

/* CRU_FATAL when a file is missing or not usable; CRU_USAGE when the tokenizer is of a kind that is
 * not read. */
enum cru_status cru_static_view_open(const char *model, struct cru_static_view **view,
                                     struct cru_error *err);
void cru_static_view_free(struct cru_static_view *view); /* NULL is fine */

const struct cru_word_vectors *cru_static_view_vectors(const struct cru_static_view *view);

/* The ids whose vectors make the mean of a text, or of its first CRU_EMBED_TEXT bytes, into `ids`, which is cleared
 * first. As in the packages that these models are for, an added token written in a text is that token, and
 * the
 * unknown token is left out where word_vectors.h says so. CRU_BAD for a text that cannot be encoded. */
enum cru_status cru_static_view_ids(struct cru_static_view *view, struct cru_span text,
                                    struct cru_ids *ids, struct cru_error *err);

#endif
