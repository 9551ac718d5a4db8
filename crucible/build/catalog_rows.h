/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of the catalog as plain values: a query, its rows one by one, and their columns, with texts copied
 * into an arena as valid UTF-8. Errors are CRU_FATAL and name the catalog. One thread.
 *
 *   s = cru_rows_query(rows, &stmt, "SELECT ...", "t", key);
 *   while (s == CRU_OK && (s = cru_rows_next(rows, &stmt)) == CRU_OK) ...
 *   sqlite3_finalize(stmt);          behind the last row the statement is NULL, which is fine
 */
#ifndef CRU_BUILD_CATALOG_ROWS_H
#define CRU_BUILD_CATALOG_ROWS_H

#include "crucible/base/arena.h"
#include "crucible/base/error.h"
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cru_rows {
    struct cru_arena *arena;
    sqlite3 *db;
    const char *path; /* of the catalog, for messages */
    struct cru_error *err;
};

enum cru_status cru_rows_failed(struct cru_rows *rows); /* with SQLite's message */
enum cru_status cru_rows_no_memory(struct cru_rows *rows);

/* A query whose parameters are texts, integers (sqlite3_int64) and reals: 't', 'i' and 'r' in `types`. */
enum cru_status cru_rows_query(struct cru_rows *rows, sqlite3_stmt **stmt, const char *sql, const char *types, ...);
/* CRU_OK a row, CRU_END none left; a statement at its end is finalised. */
enum cru_status cru_rows_next(struct cru_rows *rows, sqlite3_stmt **stmt);

/* Copies a text; a byte that is not part of UTF-8 becomes '?'. NULL: no memory. */
const char *cru_rows_copy(struct cru_rows *rows, const char *text);
/* *text stays NULL for SQL's NULL; false when memory is short. */
bool cru_rows_text(struct cru_rows *rows, sqlite3_stmt *stmt, int i, const char **text);
/* The same, with "" for NULL. */
bool cru_rows_name(struct cru_rows *rows, sqlite3_stmt *stmt, int i, const char **text);
uint64_t cru_rows_count(sqlite3_stmt *stmt, int i); /* 0 for what is negative */
double cru_rows_real(sqlite3_stmt *stmt, int i);    /* NaN for NULL */

/* Room for one element more in an array of n that grows by doubling in the arena; NULL: no memory. */
void *cru_rows_grow(struct cru_rows *rows, void *array, size_t n, size_t size);

#endif
