/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vocabularies that static word vectors come with and that tokenizer.h does not read: WordPiece,
 * WordLevel, Unigram, and BPE over characters (with byte_fallback: Llama 2, Gemma). Text to ids, equal to
 * Hugging Face tokenizers 0.23.3.
 *
 *   text -> [added tokens cut out] -> normalisers -> [normalized added tokens] -> pieces -> model -> ids
 *   (subword_added.h, subword_normalise.h, subword_split.h, subword_model.h)
 *
 * A type of its own beside struct cru_tokenizer, because that one is byte-level BPE to the core: ids that
 * are bytes and can be decoded, a compiled image, streams. Here nothing is compiled, and nothing is
 * decoded.
 *
 * A struct cru_subword does not change once loaded: any number of threads may use one. A struct
 * cru_subword_encoder is one thread's scratch memory. It grows with the text: by some 10 bytes a byte, and
 * 25 (Unigram) or 90 (BPE) for a piece that the model sees as a whole; buffers of more than 16 MiB are freed
 * behind the text that needed them. Time: linear, or n log n for BPE.
 *
 * Errors: CRU_USAGE for a tokenizer.json that asks for something this code does not do, with what it is;
 * CRU_BAD for a text that cannot be encoded (subword_model.h; a text over 1 GiB); CRU_FATAL for memory and
 * files.
 */
#ifndef CRU_TOKENIZER_SUBWORD_H
#define CRU_TOKENIZER_SUBWORD_H

#include "crucible/base/error.h"
#include "crucible/base/span.h"
#include "tokenizer/tokenizer.h"

struct cru_subword;
struct cru_subword_encoder;

/* A tokenizer.json. When it is a byte-level BPE, or a compiled vocabulary, which are tokenizer.h's:
 * CRU_OK, and *subword is NULL. */
enum cru_status cru_subword_load(const char *path, struct cru_subword **subword,
                                 struct cru_error *err);
/* The same from the text of one, which is only read. */
enum cru_status cru_subword_from_json(struct cru_span json, struct cru_subword **subword,
                                      struct cru_error *err);
void cru_subword_free(struct cru_subword *subword); /* NULL is fine */

/* The id for what no token stands for, or CRU_NO_TOKEN. */
uint32_t cru_subword_unknown(const struct cru_subword *subword);

/* The vocabulary must outlive it. NULL when memory is short. */
struct cru_subword_encoder *cru_subword_encoder_new(const struct cru_subword *subword);
void cru_subword_encoder_free(struct cru_subword_encoder *encoder); /* NULL is fine */

/* Appends the ids of the text (no template: what the reference gives without special tokens), or none
 * on an error. Bytes that are no UTF-8 are read as U+FFFD. */
enum cru_status cru_subword_encode(struct cru_subword_encoder *encoder, struct cru_span text,
                                   enum cru_special special, struct cru_ids *ids,
                                   struct cru_error *err);

#endif
