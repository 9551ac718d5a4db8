/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents, tokens and bytes by name: what `tokenize` tells of its sources and languages. Rows
 * stand in the order in which their names came first. One thread at a time; a zeroed struct is
 * empty; it owns copies of the names.
 */
#ifndef CRU_STAGE_TOKEN_TOTALS_H
#define CRU_STAGE_TOKEN_TOTALS_H

#include "crucible/base/buffer.h"
#include "crucible/base/error.h"

enum { CRU_TOKEN_TOTALS_MAX = 1 << 16 }; /* rows: collections and languages, not URLs */

struct cru_token_row {
    char *name; /* may hold any bytes; "" for documents without */
    size_t name_n;
    uint64_t documents, tokens, bytes;
};

struct cru_token_totals {
    struct cru_token_row *rows;
    size_t n, capacity;
    uint32_t *places; /* open addressing over hashes of names: 1 + index into rows, 0 empty */
    size_t last;      /* row of the last document: the next one is often of the same */
};

/* Counts one document. CRU_FATAL when memory is short or there are too many names; `what` is said
 * then. */
enum cru_status cru_token_totals_add(struct cru_token_totals *totals, const char *what,
                                     struct cru_span name, uint64_t tokens, uint64_t bytes,
                                     struct cru_error *err);
struct cru_token_row cru_token_totals_sum(const struct cru_token_totals *totals);
/* A table of fields between tabs with a line for each row and one for all; "-" for "". */
void cru_token_totals_table(const struct cru_token_totals *totals, struct cru_buffer *out);
/* {"NAME":{"documents":..,"tokens":..,"bytes":..,"bytes_per_token":..},...} */
void cru_token_totals_json(const struct cru_token_totals *totals, struct cru_buffer *json);
/* For people: up to `most` lines, those with most tokens first. Nothing when no document has a
 * name. */
void cru_token_totals_lines(const struct cru_token_totals *totals, const char *what, size_t most,
                            struct cru_buffer *text);
void cru_token_totals_release(struct cru_token_totals *totals);

#endif
