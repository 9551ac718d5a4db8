/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Byte-level BPE: text to ids and back, equal to Hugging Face tokenizers 0.23.3 id for id.
 *
 *   text -> [added tokens cut out] -> NFC of each stretch between them -> pieces -> merges -> ids
 *
 * A struct cru_tokenizer is a vocabulary. It does not change once loaded: any number of threads may
 * use one. A struct cru_encoder is one thread's word cache and scratch memory for one tokenizer; after
 * its buffers have grown to the largest text seen, encoding allocates nothing but the caller's ids.
 * What an encoder has seen never changes what it answers.
 *
 * Text should be UTF-8. Bytes that are not are read as U+FFFD, one for each maximal part of a
 * well-formed sequence (Unicode 15, section 3.9, "best practice"; what most decoders do).
 *
 * Errors: CRU_FATAL with a message for memory and files; CRU_USAGE for a tokenizer.json that asks for
 * something this code does not do, with what it is.
 */
#ifndef CRU_TOKENIZER_TOKENIZER_H
#define CRU_TOKENIZER_TOKENIZER_H

#include "crucible/base/buffer.h"
#include "crucible/base/error.h"
#include "crucible/base/span.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CRU_NO_TOKEN UINT32_MAX

struct cru_tokenizer;
struct cru_encoder;

/* A growing run of ids. Open: the caller reads p and n. Zeroed is empty. */
struct cru_ids {
    uint32_t *p;
    size_t n, capacity;
};
void cru_ids_clear(struct cru_ids *ids);   /* n = 0, memory kept */
void cru_ids_release(struct cru_ids *ids); /* frees */

/* What becomes of the text of an added token ("<|im_end|>") in the text. */
enum cru_special {
    CRU_SPECIAL_TEXT,      /* nothing: it is text as any other; for documents */
    CRU_SPECIAL_RECOGNISE, /* it becomes its one id */
};

/*
 * Opens a vocabulary. With a slash or a dot in it `name` is a path, of a compiled vocabulary (mapped;
 * a few milliseconds) or of a tokenizer.json (parsed; a fraction of a second). Otherwise it is
 * looked for as NAME.vocab in $CRUCIBLE_VOCAB_DIR, then in ../share/crucible/ beside the program's
 * directory; else as a path.
 */
enum cru_status cru_tokenizer_open(const char *name, struct cru_tokenizer **tokenizer,
                                   struct cru_error *err);
/* The same for a path only. */
enum cru_status cru_tokenizer_load(const char *path, struct cru_tokenizer **tokenizer,
                                   struct cru_error *err);
/* From the bytes of a compiled vocabulary, which must be aligned to 8, and stay until free. */
enum cru_status cru_tokenizer_from_image(const void *image, size_t bytes,
                                         struct cru_tokenizer **tokenizer, struct cru_error *err);
void cru_tokenizer_free(struct cru_tokenizer *tokenizer); /* NULL is fine */

/* Ids are 0 .. size-1; some may stand for nothing (an empty span). */
uint32_t cru_tokenizer_size(const struct cru_tokenizer *tokenizer);
/* XXH3-64 of what decides ids: tokens, merges, added tokens, rules. Not of how the file is laid out. */
uint64_t cru_tokenizer_hash(const struct cru_tokenizer *tokenizer);
/* "qwen3", or what the file was compiled as; never NULL. */
const char *cru_tokenizer_name(const struct cru_tokenizer *tokenizer);
/* The bytes an id stands for; empty when there is no such id. Lives as long as the tokenizer. */
struct cru_span cru_tokenizer_token(const struct cru_tokenizer *tokenizer, uint32_t id);
bool cru_tokenizer_is_added(const struct cru_tokenizer *tokenizer, uint32_t id);
/* The added tokens one by one: i from 0; CRU_NO_TOKEN behind the last. */
uint32_t cru_tokenizer_nth_added(const struct cru_tokenizer *tokenizer, uint32_t i);
/* The added token with this content, or CRU_NO_TOKEN. */
uint32_t cru_tokenizer_added(const struct cru_tokenizer *tokenizer, struct cru_span content);
/* The added token that ends a document, found by the names usual for it; or CRU_NO_TOKEN. */
uint32_t cru_tokenizer_end_id(const struct cru_tokenizer *tokenizer);

/* Appends what the ids stand for, added tokens by their content; ids out of range add nothing. Ids cut out
 * of a longer run may begin or end within a character. Memory: see out->failed. */
void cru_tokenizer_decode(const struct cru_tokenizer *tokenizer, const uint32_t *ids, size_t n,
                          struct cru_buffer *out);

/* A few MiB; NULL when memory is short. The tokenizer must outlive it. */
struct cru_encoder *cru_encoder_new(const struct cru_tokenizer *tokenizer);
void cru_encoder_free(struct cru_encoder *encoder); /* NULL is fine */

/* Appends the ids of the text (no end-of-document id, no template). Texts up to 2 GiB; time is linear. */
enum cru_status cru_encode(struct cru_encoder *encoder, struct cru_span text,
                           enum cru_special special, struct cru_ids *ids, struct cru_error *err);
/* How many they would be. */
enum cru_status cru_encode_count(struct cru_encoder *encoder, struct cru_span text,
                                 enum cru_special special, uint64_t *count, struct cru_error *err);

#endif
