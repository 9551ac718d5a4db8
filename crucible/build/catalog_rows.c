/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <utf8proc.h>

#include "crucible/base/base.h"
#include "crucible/build/catalog_rows.h"

enum cru_status cru_rows_failed(struct cru_rows *rows) {
    return cru_fail(rows->err, CRU_FATAL, "unable to read catalog: '%s': %s", rows->path, sqlite3_errmsg(rows->db));
}

enum cru_status cru_rows_no_memory(struct cru_rows *rows) { return cru_fail_memory(rows->err, "report"); }

enum cru_status cru_rows_query(struct cru_rows *rows, sqlite3_stmt **stmt, const char *sql, const char *types, ...) {
    if (sqlite3_prepare_v2(rows->db, sql, -1, stmt, NULL) != SQLITE_OK) return cru_rows_failed(rows);
    va_list args;
    va_start(args, types);
    for (int i = 0; types[i]; i++) {
        if (types[i] == 't') (void)sqlite3_bind_text(*stmt, i + 1, va_arg(args, const char *), -1, SQLITE_STATIC);
        else if (types[i] == 'r') (void)sqlite3_bind_double(*stmt, i + 1, va_arg(args, double));
        else (void)sqlite3_bind_int64(*stmt, i + 1, va_arg(args, sqlite3_int64));
    }
    va_end(args);
    return CRU_OK;
}

enum cru_status cru_rows_next(struct cru_rows *rows, sqlite3_stmt **stmt) {
    int code = sqlite3_step(*stmt);
    if (code == SQLITE_ROW) return CRU_OK;
    enum cru_status s = code == SQLITE_DONE ? CRU_END : cru_rows_failed(rows);
    (void)sqlite3_finalize(*stmt);
    *stmt = NULL;
    return s;
}

const char *cru_rows_copy(struct cru_rows *rows, const char *text) {
    struct cru_span copy = cru_arena_copy(rows->arena, cru_span_of(text));
    if (!copy.p) return NULL;
    char *p = (char *)(uintptr_t)copy.p;
    for (size_t i = 0; i < copy.n;) {
        utf8proc_int32_t point;
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)p + i, (utf8proc_ssize_t)(copy.n - i), &point);
        if (n > 0) i += (size_t)n;
        else p[i++] = '?';
    }
    return p;
}

bool cru_rows_text(struct cru_rows *rows, sqlite3_stmt *stmt, int i, const char **text) {
    const unsigned char *found = sqlite3_column_text(stmt, i);
    *text = NULL;
    if (!found) return sqlite3_errcode(rows->db) != SQLITE_NOMEM;
    *text = cru_rows_copy(rows, (const char *)found);
    return *text != NULL;
}

bool cru_rows_name(struct cru_rows *rows, sqlite3_stmt *stmt, int i, const char **text) {
    bool fine = cru_rows_text(rows, stmt, i, text);
    if (!*text) *text = "";
    return fine;
}

uint64_t cru_rows_count(sqlite3_stmt *stmt, int i) {
    sqlite3_int64 n = sqlite3_column_int64(stmt, i);
    return n > 0 ? (uint64_t)n : 0;
}

double cru_rows_real(sqlite3_stmt *stmt, int i) {
    return sqlite3_column_type(stmt, i) == SQLITE_NULL ? (double)NAN : sqlite3_column_double(stmt, i);
}

void *cru_rows_grow(struct cru_rows *rows, void *array, size_t n, size_t size) {
    if (n & (n - 1)) return array;
    char *more = cru_arena_calloc(rows->arena, n ? 2 * n : 1, size);
    if (more && n) memcpy(more, array, n * size);
    return more;
}
