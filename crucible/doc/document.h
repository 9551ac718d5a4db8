/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A document and a batch of them.
 *
 * A batch owns the memory of its documents (one arena): spans in a document live as long as the
 * batch. Stages add to the arena and never free. A batch is worked on by one thread at a time;
 * different batches by different threads.
 *
 *   line read:   {"url":"u","text":"a\u0062","crucible":{"lang":"en"},"n":1}
 *   fields:      [USER url "u"] [TEXT raw "a\u0062"] [USER n 1]      raw JSON, in the user's order
 *   text:        ab                                                  decoded UTF-8
 *   meta:        [lang "en"]                                         what Crucible added, raw JSON
 *
 * Written again, the user's fields keep their bytes and order, and `crucible` comes last. What a
 * stage adds is kept as the JSON it will be written as, so a document that went through a pipe and
 * one that did not are the same by construction.
 */
#ifndef CRU_DOC_DOCUMENT_H
#define CRU_DOC_DOCUMENT_H

#include "crucible/base/arena.h"
#include "crucible/base/error.h"
#include <stdint.h>

enum cru_field_kind { CRU_FIELD_USER, CRU_FIELD_ID, CRU_FIELD_TEXT };

struct cru_field {
    enum cru_field_kind kind;
    struct cru_span key;   /* raw bytes between the quotes, as in the input */
    struct cru_span value; /* raw JSON; for TEXT .p is NULL when the text was made or changed here */
};

/* One entry of the `crucible` object. */
struct cru_meta {
    struct cru_span key;   /* plain ASCII name, needs no escaping */
    struct cru_span value; /* raw JSON, compact */
};

enum cru_fate {
    CRU_KEEP = 0,
    CRU_DROP, /* a rule dropped it */
    CRU_WRONG /* bad input: could not be parsed or decoded */
};

struct cru_doc {
    uint64_t number;      /* its place among the documents that entered this run of stages, from 0 */
    struct cru_span id;   /* decoded */
    struct cru_span text; /* decoded UTF-8, always valid UTF-8 while fate == CRU_KEEP */
    struct cru_field *fields;
    size_t n_fields, cap_fields;
    struct cru_meta *meta;
    size_t n_meta, cap_meta;
    enum cru_fate fate;
    const char *drop_stage, *drop_rule; /* static or arena strings; set when fate != KEEP */
    uint32_t copy; /* 0, or n for the n-th repetition that `mix` made */
    uint64_t index; /* after a spool: its place among the spooled documents */
    void *scratch;        /* a stage's own, from its run() to its commit() of the same batch */
    struct cru_span raw;  /* a reader's own between fill() and parse() */
    struct cru_span path; /* the file (and member) it came from; may be empty after a pipe */
    uint32_t raw_kind;    /* a reader's own */
};

struct cru_batch {
    uint64_t number; /* batches are numbered from 0 when read and written in that order */
    struct cru_arena arena;
    struct cru_doc *docs;
    size_t n, capacity;
    uint64_t bytes; /* bytes of raw input in it; the reader ends a batch on this */
};

enum { CRU_BATCH_BYTES = 1 << 18, CRU_BATCH_DOCS = 512 }; /* a batch is full at either: what a stage reads
    and makes of it then stays in the second cache from one end of the chain to the other */

void cru_batch_init(struct cru_batch *batch);
void cru_batch_clear(struct cru_batch *batch);
void cru_batch_release(struct cru_batch *batch);
/* A zeroed document at the end; NULL when memory is short. Pointers to other documents move. */
struct cru_doc *cru_batch_add(struct cru_batch *batch);

/* The document's text becomes `text` (which must live in the batch's arena and be valid UTF-8); the entry
 * `tokens` of the crucible object, which counted the old one, goes. */
void cru_doc_set_text(struct cru_doc *doc, struct cru_span text);
/* Adds or replaces one entry of the crucible object. `json` is raw JSON in the arena or static;
 * `key` is static. CRU_FATAL only when memory is short. */
enum cru_status cru_doc_set_meta(struct cru_batch *batch, struct cru_doc *doc, const char *key,
                                 struct cru_span json);
enum cru_status cru_doc_set_meta_number(struct cru_batch *batch, struct cru_doc *doc,
                                        const char *key, double value);
enum cru_status cru_doc_set_meta_string(struct cru_batch *batch, struct cru_doc *doc,
                                        const char *key, struct cru_span value);
/* The raw JSON of an entry of the crucible object; .p is NULL when absent. */
struct cru_span cru_doc_meta(const struct cru_doc *doc, const char *key);
/* The raw JSON of a user's top-level field; .p is NULL when absent. */
struct cru_span cru_doc_field(const struct cru_doc *doc, const char *key);
/* Adds a user's field (raw JSON value) when a reader makes one. */
enum cru_status cru_doc_add_field(struct cru_batch *batch, struct cru_doc *doc,
                                  struct cru_span raw_key, struct cru_span raw_value);

/* Drops it: fate, and crucible.drop = {"stage","rule","value","limit"}. NaN value or limit: left out. */
enum cru_status cru_doc_drop(struct cru_batch *batch, struct cru_doc *doc, const char *stage,
                             const char *rule, double value, double limit);
/* Marks it bad input, with a message in crucible.drop.why. */
enum cru_status cru_doc_wrong(struct cru_batch *batch, struct cru_doc *doc, const char *stage,
                              const char *rule, const char *why);
/* True when the bytes are valid UTF-8 (simdutf in simdjson). */
bool cru_utf8_valid(struct cru_span s);

#endif
