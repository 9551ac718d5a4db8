/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of JSON that need no library: a checker for values that pass through unread (RFC 8259
 * grammar, depth at most 256), a walk over the members of an object, and unescaping. Pure functions on
 * spans; the spans must be valid UTF-8, which is not checked again.
 */
#ifndef CRU_DOC_JSON_CHECK_H
#define CRU_DOC_JSON_CHECK_H

#include "crucible/base/arena.h"
#include "crucible/base/span.h"
#include "crucible/doc/escape_blocks.h"

/* One whole JSON value, nothing before or behind it. */
bool cru_json_valid(struct cru_span json);

/*
 * The members of an object in order: start with *at == NULL. 1: key (raw, without quotes) and value
 * (raw) are set; 0: no more; -1: not an object.
 */
int cru_json_next_member(struct cru_span object, const char **at, struct cru_span *key,
                         struct cru_span *value);

/* Where white space, or the value that begins at p, ends; NULL: it is no whole value. */
const char *cru_json_space_end(const char *p, const char *end);
const char *cru_json_value_end(const char *p, const char *end);

/* Decodes the JSON string that begins at p (its quote) in one pass, as cru_json_unescape does when its end is
 * known; answers what follows its end quote. NULL, and nothing is decided, when it has no end, is not
 * valid, or memory is short. *high is set when there is a byte beyond ASCII in it. 64 bytes behind `end`
 * must be readable. Only where cru_text_blocks_here has something. */
const char *cru_json_string_take(const char *p, const char *end, struct cru_arena *arena,
                                 struct cru_span *text, bool *high);

/* Decodes a raw JSON string (with its quotes) into UTF-8: a borrowed span when nothing is escaped, else
 * a copy in the arena. False on a bad escape, a lone surrogate, or when memory is short. */
bool cru_json_unescape(struct cru_span raw, struct cru_arena *arena, struct cru_span *text);
/* The same with the given way through blocks, NULL for none. */
bool cru_json_unescape_by(cru_escape_blocks *blocks, struct cru_span raw, struct cru_arena *arena,
                          struct cru_span *text);

#endif
