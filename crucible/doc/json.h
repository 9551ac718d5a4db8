/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON in (simdjson, behind this C header) and documents to and from JSONL.
 *
 * A cru_json_parser owns its buffers and is for one thread at a time. What parsing puts into a
 * document lives in the batch's arena.
 */
#ifndef CRU_DOC_JSON_H
#define CRU_DOC_JSON_H

#include "crucible/base/buffer.h"
#include "crucible/doc/document.h"

struct cru_json_parser;
struct cru_json_parser *cru_json_parser_new(void); /* NULL when memory is short */
void cru_json_parser_free(struct cru_json_parser *parser);
/* From here on simdjson reads every line, also those that need less; for tests, which compare. */
void cru_json_parser_library_only(struct cru_json_parser *parser);

/*
 * Parses one line into `doc`. `text_field` names the field that is the text. A document without an
 * id gets "NAME#NUMBER". On bad JSON, a missing text or invalid UTF-8: CRU_BAD, message in err,
 * and the document is left empty. `line` may be anywhere; it is copied into the batch's arena.
 */
enum cru_status cru_json_document(struct cru_json_parser *parser, struct cru_span line,
                                  const char *text_field, const char *name, uint64_t number,
                                  struct cru_batch *batch, struct cru_doc *doc,
                                  struct cru_error *err);

/* The same for a line that stands in the batch's arena with CRU_JSON_PADDING readable bytes behind it: not
 * copied, and read in place for as long as the batch lives. */
enum { CRU_JSON_PADDING = 64 };
enum cru_status cru_json_document_in_place(struct cru_json_parser *parser, struct cru_span line,
                                           const char *text_field, const char *name,
                                           uint64_t number, struct cru_batch *batch,
                                           struct cru_doc *doc, struct cru_error *err);

/* Appends the document as one JSON object and a newline. */
void cru_json_render(const struct cru_doc *doc, const char *text_field, struct cru_buffer *out);

/*
 * Looks into a piece of JSON by a path of keys ("ddm.signal_score"; a number steps into an array).
 * False when absent or of another type. Strings are decoded into `arena`.
 */
bool cru_json_number(struct cru_json_parser *parser, struct cru_span json, const char *path,
                     double *value);
bool cru_json_string(struct cru_json_parser *parser, struct cru_span json, const char *path,
                     struct cru_arena *arena, struct cru_span *value);
bool cru_json_bool(struct cru_json_parser *parser, struct cru_span json, const char *path,
                   bool *value);

/* A number of a document: `path` is "crucible.ddm.signal_score" or a user's field "score". */
bool cru_doc_number(struct cru_json_parser *parser, const struct cru_doc *doc, const char *path,
                    double *value);

#endif
