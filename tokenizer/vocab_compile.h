/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a vocabulary as it is published to a compiled one (vocab_image.h).
 *
 *   tokenizer.json --\
 *                     draft: tokens by id, merges in order, added tokens, rules  -->  image
 *   rank file -------/
 *
 * A draft owns its memory; one thread at a time. Errors: CRU_USAGE when the vocabulary asks for what
 * this code does not do, or contradicts itself, with what it is; CRU_FATAL for memory and files.
 */
#ifndef CRU_TOKENIZER_VOCAB_COMPILE_H
#define CRU_TOKENIZER_VOCAB_COMPILE_H

#include "crucible/base/buffer.h"
#include "crucible/base/error.h"
#include "crucible/base/span.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A compiled vocabulary in memory, aligned for use; free() p. */
struct cru_vocab_bytes {
    void *p;
    size_t n;
};

/* tokenizer.json with a byte-level BPE, from its text. `name` is recorded in the file. */
enum cru_status cru_vocab_compile_json(struct cru_span json, const char *name,
                                       struct cru_vocab_bytes *out, struct cru_error *err);

/* Lines "BASE64 RANK" in rank order without gaps (tiktoken's format), which is all of a vocabulary
 * whose every token is one merge. `added` names a table of this program: "qwen3". */
enum cru_status cru_vocab_compile_ranks(struct cru_span ranks, const char *added, const char *name,
                                        struct cru_vocab_bytes *out, struct cru_error *err);

/* ------------------------------------------------------------------ the draft, for the readers */

struct cru_vocab_draft;
struct cru_vocab_draft *cru_vocab_draft_new(void); /* NULL when memory is short */
void cru_vocab_draft_free(struct cru_vocab_draft *draft);

/* A token of the model. Bytes are copied; an id or bytes given twice is CRU_USAGE. */
enum cru_status cru_vocab_draft_token(struct cru_vocab_draft *draft, uint32_t id,
                                      struct cru_span bytes, struct cru_error *err);
/* The next merge, by the bytes of its parts; parts and result must be tokens. */
enum cru_status cru_vocab_draft_merge(struct cru_vocab_draft *draft, struct cru_span left,
                                      struct cru_span right, struct cru_error *err);
/* An added token; its id may be that of a token of the model, if its content is the same. flags: CRU_ADDED_*. */
enum cru_status cru_vocab_draft_added(struct cru_vocab_draft *draft, uint32_t id,
                                      struct cru_span content, uint32_t flags,
                                      struct cru_error *err);
/* pattern: enum cru_pattern; digits: most \p{N} in a piece (Qwen2 pattern); flags: CRU_VOCAB_*. */
void cru_vocab_draft_rules(struct cru_vocab_draft *draft, uint32_t pattern, uint32_t digits,
                           uint32_t flags);
/* The pre-tokeniser's steps for CRU_PATTERN_STEPS, as split_steps.h writes them; copied. */
enum cru_status cru_vocab_draft_steps(struct cru_vocab_draft *draft, struct cru_span steps,
                                      struct cru_error *err);
enum cru_status cru_vocab_draft_compile(struct cru_vocab_draft *draft, const char *name,
                                        struct cru_vocab_bytes *out, struct cru_error *err);

/* Fills the draft from a tokenizer.json (hf_json.cc). */
enum cru_status cru_hf_json_read(struct cru_span json, struct cru_vocab_draft *draft,
                                 struct cru_error *err);
/* True when the bytes are valid UTF-8 (hf_json.cc; simdjson). */
bool cru_text_is_utf8(const char *p, size_t n);

#ifdef __cplusplus
}
#endif
#endif
