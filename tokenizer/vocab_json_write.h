/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A trained vocabulary as a tokenizer.json: what Hugging Face tokenizers 0.23 and
 * cru_tokenizer_load read. Normaliser NFC, the pre-tokeniser of Qwen2 and Qwen3, added tokens
 * (special, not normalised) behind the model's own ids. Equal vocabularies give equal bytes. Pure;
 * memory: see out->failed.
 */
#ifndef CRU_TOKENIZER_VOCAB_JSON_WRITE_H
#define CRU_TOKENIZER_VOCAB_JSON_WRITE_H

#include "crucible/base/buffer.h"
#include "tokenizer/bpe_train.h"

/* added: [n_added] valid UTF-8; ids 256 + n_merges and up, in this order. */
void cru_vocab_json_write(const struct cru_bpe_vocab *vocab, const struct cru_span *added,
                          size_t n_added, struct cru_buffer *out);

#endif
