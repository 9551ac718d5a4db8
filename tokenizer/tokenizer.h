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
 * well-formed sequence (Unicode 15, section 3.9, "best practice"; what most decoders do), and counted.
 *
 * Memory of an encoder, beside the ids, is under 64 MiB and does not grow with the text; nor with a piece.
 * (A vocabulary whose pre-tokeniser is not one of the known patterns is an exception: its texts are
 * encoded as a whole.) Four things cannot be decided until they are over; when one is longer than 2 MiB
 * the text is CRU_BAD. None is found in text that was not made for it:
 *   - combining marks in a row, which NFC puts in order: bytes
 *   - white space, with added tokens that take it along when it is before them (lstrip): bytes
 *   - white space behind a newline, if no newline comes: characters, but up to 2048 that are equal
 *     and follow each other count as one
 *   - upper case behind a letter without case, with the o200k patterns: the same
 *
 * Errors: CRU_BAD for such a text, and for one beyond the limits of a pattern that PCRE2 runs; CRU_FATAL
 * with a message for memory and files, and for a vocabulary made so that the beginning of a piece hangs on
 * what is a MiB behind it; CRU_USAGE for a tokenizer.json that asks for something this code does not
 * do, with what it is.
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
struct cru_encode_stream;

/* A growing run of ids. Open: the caller reads p and n. Zeroed is empty. */
struct cru_ids {
    uint32_t *p;
    size_t n, capacity;
};
void cru_ids_clear(struct cru_ids *ids);   /* n = 0, memory kept */
void cru_ids_release(struct cru_ids *ids); /* frees */
/* Makes room for `more` ids behind n; false when memory is short. */
bool cru_ids_room(struct cru_ids *ids, size_t more);

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

/* Appends the ids of the text (no end-of-document id, no template), or none on an error. Time is linear;
 * texts of more than 2 MiB that are not NFC, and all of more than 64 MiB, go through a stream of its own. */
enum cru_status cru_encode(struct cru_encoder *encoder, struct cru_span text,
                           enum cru_special special, struct cru_ids *ids, struct cru_error *err);
/* How many they would be. */
enum cru_status cru_encode_count(struct cru_encoder *encoder, struct cru_span text,
                                 enum cru_special special, uint64_t *count, struct cru_error *err);
/* How many U+FFFD were put in place of bytes that are no UTF-8, in all that it has encoded. */
uint64_t cru_encoder_repairs(const struct cru_encoder *encoder);

/*
 * A text that comes in chunks, cut anywhere, within a character too. All ids given out are those that
 * cru_encode gives for the whole; feed appends those that nothing behind can change. What is held back is
 * a few characters for most text, some 100 KiB for the longest words; the exceptions are above.
 *
 *   begin, feed, feed, .., end; begin, ..     after an error only begin, or free, is allowed
 *
 * A stream borrows the encoder, which must outlive it and may be used for other texts, and by other streams,
 * between two calls; all by one thread. A stream can be used for any number of texts, and
 * allocates nothing but the caller's ids once its buffers have grown (at most a few MiB).
 */
struct cru_encode_stream *cru_encode_stream_new(struct cru_encoder *encoder); /* NULL: memory */
void cru_encode_stream_free(struct cru_encode_stream *stream);                /* NULL is fine */
/* CRU_USAGE when this vocabulary's texts can only be encoded as a whole. */
enum cru_status cru_encode_stream_begin(struct cru_encode_stream *stream, enum cru_special special,
                                        struct cru_error *err);
enum cru_status cru_encode_stream_feed(struct cru_encode_stream *stream, struct cru_span chunk,
                                       struct cru_ids *ids, struct cru_error *err);
enum cru_status cru_encode_stream_end(struct cru_encode_stream *stream, struct cru_ids *ids,
                                      struct cru_error *err);

#endif
