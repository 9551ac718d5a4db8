/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A condition on a document's fields, for --where:
 *
 *   condition := both { "or" both }          both := plain { "and" plain }
 *   plain     := "not" plain | "(" condition ")" | path | path operator literal
 *   operator  := == = != < <= > >=           literal := number | 'text' | "text" | true | false
 *   path      := name { "." name }           e.g. score, meta.words, crucible.lang, id
 *
 * A path is looked up as cru_doc_number and its sisters do: "crucible." leads into what Crucible added,
 * anything else into the user's own fields; `id` and `text` are the document's. A comparison is false when the
 * field is absent or of another type than the literal, but for !=, which then is true. A path alone is true
 * when the field is there and not false, null, 0 or "". Text compares byte by byte.
 *
 * The condition is parsed once and read-only afterwards, so any number of threads may evaluate it, each
 * with a parser and an arena of its own.
 */
#ifndef CRU_FILTER_WHERE_H
#define CRU_FILTER_WHERE_H

#include "crucible/doc/document.h"
#include "crucible/doc/json.h"

struct cru_where;

/* CRU_USAGE with what was expected and where. *where is NULL on failure. */
enum cru_status cru_where_parse(const char *source, struct cru_where **where, struct cru_error *err);
void cru_where_free(struct cru_where *where); /* NULL is fine */

/* Strings that need decoding go into `arena`. */
bool cru_where_holds(const struct cru_where *where, struct cru_json_parser *parser,
                     const struct cru_doc *doc, struct cru_arena *arena);

#endif
