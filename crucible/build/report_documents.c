/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "crucible/base/base.h"
#include "crucible/build/report_parts.h"

static enum cru_status load_groups(struct cru_rows *rows, const char *sql, struct cru_report_group **groups,
                                   size_t *n) {
    sqlite3_stmt *stmt;
    enum cru_status s = cru_rows_query(rows, &stmt, sql, "");
    while (s == CRU_OK && (s = cru_rows_next(rows, &stmt)) == CRU_OK) {
        *groups = cru_rows_grow(rows, *groups, *n, sizeof **groups);
        if (!*groups) { s = cru_rows_no_memory(rows); break; }
        struct cru_report_group *g = &(*groups)[(*n)++];
        if (!cru_rows_name(rows, stmt, 0, &g->name)) s = cru_rows_no_memory(rows);
        g->documents = cru_rows_count(stmt, 1);
        g->tokens = cru_rows_count(stmt, 2);
        g->signal = cru_rows_real(stmt, 3);
        g->weight = cru_rows_real(stmt, 4);
    }
    (void)sqlite3_finalize(stmt);
    return s == CRU_END ? CRU_OK : s;
}

static enum cru_status load_signals(struct cru_rows *rows, struct cru_report_histogram *h) {
    sqlite3_stmt *stmt;
    uint64_t n = 0;
    enum cru_status s = cru_rows_query(rows, &stmt,
                                       "SELECT COUNT(*), MIN(signal_score), MAX(signal_score) FROM document"
                                       " WHERE signal_score IS NOT NULL", "");
    if (s == CRU_OK) s = cru_rows_next(rows, &stmt);
    if (s == CRU_OK) {
        n = cru_rows_count(stmt, 0);
        h->least = sqlite3_column_double(stmt, 1);
        h->most = sqlite3_column_double(stmt, 2);
        (void)sqlite3_finalize(stmt);
    }
    /* A score lies about 0 to 1; far outside of that there is no sensible scale. */
    if (s || n == 0 || !(h->least > -1e6) || !(h->most < 1e6)) return s == CRU_END ? CRU_OK : s;
    s = cru_rows_query(rows, &stmt, "SELECT signal_score FROM document WHERE signal_score IS NOT NULL"
                       " ORDER BY signal_score LIMIT 1 OFFSET ?", "i", (sqlite3_int64)(n / 2));
    if (s == CRU_OK) s = cru_rows_next(rows, &stmt);
    if (s == CRU_OK) h->median = sqlite3_column_double(stmt, 0), (void)sqlite3_finalize(stmt);
    if (s) return s == CRU_END ? CRU_OK : s;
    double span = h->most - h->least;
    h->width = span > 1e-6 ? cru_report_round_up(span / 38) : 1;
    h->low = floor(h->least / h->width) * h->width;
    h->n = (size_t)((h->most - h->low) / h->width) + 1;
    if (h->n > CRU_REPORT_BUCKETS) h->n = CRU_REPORT_BUCKETS;
    s = cru_rows_query(rows, &stmt, "SELECT CAST((signal_score - ?1) / ?2 AS INTEGER) AS bucket, COUNT(*) FROM document"
                       " WHERE signal_score IS NOT NULL GROUP BY bucket", "rr", h->low, h->width);
    while (s == CRU_OK && (s = cru_rows_next(rows, &stmt)) == CRU_OK) {
        uint64_t bucket = cru_rows_count(stmt, 0);
        h->counts[bucket < h->n ? bucket : h->n - 1] += cru_rows_count(stmt, 1);
    }
    return s == CRU_END ? CRU_OK : s;
}

/* Counts by powers of two: bucket i holds 2^(low+i) <= tokens < 2^(low+i+1). */
static enum cru_status load_lengths(struct cru_rows *rows, struct cru_report_histogram *h) {
    sqlite3_stmt *stmt;
    uint64_t counts[64] = {0}, n = 0;
    size_t first = 64, last = 0;
    enum cru_status s = cru_rows_query(rows, &stmt,
                                       "SELECT tokens, COUNT(*) FROM document WHERE tokens > 0 GROUP BY tokens"
                                       " ORDER BY tokens", "");
    while (s == CRU_OK && (s = cru_rows_next(rows, &stmt)) == CRU_OK) {
        uint64_t tokens = cru_rows_count(stmt, 0);
        size_t bits = 63 - (size_t)__builtin_clzll(tokens);
        counts[bits] += cru_rows_count(stmt, 1);
        n += cru_rows_count(stmt, 1);
        if (first == 64) first = bits, h->least = (double)tokens;
        last = bits;
        h->most = (double)tokens;
    }
    if (s != CRU_END || n == 0) return s == CRU_END ? CRU_OK : s;
    s = cru_rows_query(rows, &stmt, "SELECT tokens FROM document WHERE tokens > 0 ORDER BY tokens LIMIT 1 OFFSET ?",
                       "i", (sqlite3_int64)(n / 2));
    if (s == CRU_OK) s = cru_rows_next(rows, &stmt);
    if (s == CRU_OK) h->median = sqlite3_column_double(stmt, 0), (void)sqlite3_finalize(stmt);
    if (s) return s == CRU_END ? CRU_OK : s;
    h->low = (double)first;
    h->width = 1;
    h->n = last - first + 1 < CRU_REPORT_BUCKETS ? last - first + 1 : CRU_REPORT_BUCKETS;
    for (size_t i = first; i <= last; i++)
        h->counts[i - first < h->n ? i - first : h->n - 1] += counts[i];
    return CRU_OK;
}

enum cru_status cru_report_load_documents(struct cru_rows *rows, struct cru_report *report) {
    struct cru_report_documents *d = &report->documents;
    d->signal = (double)NAN;
    if (report->other_documents) return CRU_OK;
    sqlite3_stmt *stmt;
    enum cru_status s = cru_rows_query(rows, &stmt,
                                       "SELECT COUNT(*), SUM(tokens), SUM(bytes), AVG(signal_score) FROM document", "");
    if (s == CRU_OK) s = cru_rows_next(rows, &stmt);
    if (s) return s == CRU_END ? CRU_OK : s;
    d->documents = cru_rows_count(stmt, 0);
    d->tokens = cru_rows_count(stmt, 1);
    d->bytes = cru_rows_count(stmt, 2);
    d->signal = cru_rows_real(stmt, 3);
    (void)sqlite3_finalize(stmt);
#define GROUPS(column) \
    "SELECT " column ", COUNT(*) AS n, SUM(tokens), AVG(signal_score), AVG(weight) FROM document" \
    " GROUP BY coalesce(" column ", '') ORDER BY n DESC, " column
    s = load_groups(rows, GROUPS("bin"), &d->bins, &d->n_bins);
    if (s == CRU_OK) s = load_groups(rows, GROUPS("lang"), &d->languages, &d->n_languages);
    if (s == CRU_OK) s = load_signals(rows, &d->signals);
    return s == CRU_OK ? load_lengths(rows, &d->lengths) : s;
}
