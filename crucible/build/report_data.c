/* SPDX-License-Identifier: Apache-2.0 */
#include <sqlite3.h>
#include <unistd.h>

#include "crucible/base/base.h"
#include "crucible/build/catalog.h"
#include "crucible/build/report_parts.h"

static enum cru_status load_info(struct cru_rows *rows, struct cru_report *r) {
    const struct { const char *key; const char **value; } wanted[] = {
        {"name", &r->name}, {"recipe", &r->recipe}, {"version", &r->version}};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        sqlite3_stmt *stmt;
        *wanted[i].value = "";
        enum cru_status s = cru_rows_query(rows, &stmt, "SELECT value FROM info WHERE key = ?", "t", wanted[i].key);
        if (s) return s;
        s = cru_rows_next(rows, &stmt);
        if (s == CRU_OK && !cru_rows_name(rows, stmt, 0, wanted[i].value)) s = cru_rows_no_memory(rows);
        (void)sqlite3_finalize(stmt);
        if (s != CRU_OK && s != CRU_END) return s;
    }
    return CRU_OK;
}

/* The steps as last built, or, where no build came to its end, what is finished, in that order. */
static enum cru_status load_steps(struct cru_rows *rows, struct cru_report *r) {
    static const char planned[] =
        "SELECT current.step, step.name, step.kind, step.source, step.output, step.seconds, step.key"
        " FROM current LEFT JOIN step ON step.key = current.step ORDER BY current.ordinal";
    static const char finished[] =
        "SELECT key, name, kind, source, output, seconds, key FROM step ORDER BY rowid";
    enum cru_status s = CRU_OK;
    for (int pass = 0; s == CRU_OK && pass < 2 && r->n_steps == 0; pass++) {
        sqlite3_stmt *stmt;
        s = cru_rows_query(rows, &stmt, pass ? finished : planned, "");
        while (s == CRU_OK && (s = cru_rows_next(rows, &stmt)) == CRU_OK) {
            r->steps = cru_rows_grow(rows, r->steps, r->n_steps, sizeof *r->steps);
            if (!r->steps) { s = cru_rows_no_memory(rows); break; }
            struct cru_report_step *step = &r->steps[r->n_steps++];
            step->seconds = sqlite3_column_double(stmt, 5);
            step->finished = sqlite3_column_type(stmt, 6) != SQLITE_NULL;
            if (!cru_rows_name(rows, stmt, 0, &step->key) || !cru_rows_text(rows, stmt, 1, &step->name) ||
                !cru_rows_text(rows, stmt, 2, &step->kind) || !cru_rows_text(rows, stmt, 3, &step->source) ||
                !cru_rows_text(rows, stmt, 4, &step->output))
                s = cru_rows_no_memory(rows);
            r->n_unfinished += !step->finished;
        }
        (void)sqlite3_finalize(stmt);
        if (s == CRU_END) s = CRU_OK;
        if (r->n_steps) r->complete = pass == 0 && r->n_unfinished == 0;
    }
    for (size_t i = 0; s == CRU_OK && i < r->n_steps; i++) s = cru_report_load_stages(rows, &r->steps[i]);
    return s;
}

static enum cru_status one_count(struct cru_rows *rows, const char *sql, uint64_t *count) {
    sqlite3_stmt *stmt;
    enum cru_status s = cru_rows_query(rows, &stmt, sql, "");
    if (s == CRU_OK) s = cru_rows_next(rows, &stmt);
    if (s == CRU_OK) *count = cru_rows_count(stmt, 0);
    (void)sqlite3_finalize(stmt);
    return s == CRU_END ? CRU_OK : s;
}

/* Steps of a run that was given up, or of other options, and whose documents the rows are. */
static enum cru_status load_others(struct cru_rows *rows, struct cru_report *r) {
    uint64_t newer = 0, others = 0;
    if (r->n_steps == 0) return CRU_OK;
    enum cru_status s = one_count(rows,
        "SELECT COUNT(*) FROM step WHERE EXISTS (SELECT 1 FROM current) AND rowid >"
        " (SELECT MAX(step.rowid) FROM step JOIN current ON step.key = current.step)", &newer);
    if (s == CRU_OK)
        s = one_count(rows,
            "SELECT COUNT(*) FROM step WHERE EXISTS (SELECT 1 FROM current) AND kind = 'shards' AND rowid ="
            " (SELECT MAX(rowid) FROM step WHERE kind = 'shards') AND key NOT IN (SELECT step FROM current)", &others);
    r->n_newer = (size_t)newer;
    r->other_documents = others > 0;
    return s;
}

enum cru_status cru_report_load(const char *work, struct cru_report *r, struct cru_error *err) {
    memset(r, 0, sizeof *r);
    cru_arena_init(&r->arena);
    struct cru_rows rows = {.arena = &r->arena, .err = err};
    struct cru_catalog *catalog;
    struct cru_span path = cru_arena_printf(&r->arena, "%s/catalog.db", work);
    if (!path.p || !(r->work = cru_rows_copy(&rows, work))) return cru_rows_no_memory(&rows);
    if (access(path.p, F_OK) != 0) return cru_fail_errno(err, "no build there: unable to open", path.p);
    enum cru_status s = cru_catalog_open(path.p, false, &catalog, err);
    if (s) return s;
    rows.path = path.p;
    rows.db = cru_catalog_database(catalog);
    s = sqlite3_exec(rows.db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK ? CRU_OK : cru_rows_failed(&rows);
    if (s == CRU_OK) s = load_info(&rows, r);
    if (s == CRU_OK) s = load_steps(&rows, r);
    if (s == CRU_OK) s = load_others(&rows, r);
    if (s == CRU_OK) s = cru_report_load_documents(&rows, r);
    (void)sqlite3_exec(rows.db, "ROLLBACK", NULL, NULL, NULL);
    cru_catalog_close(catalog);
    return s == CRU_OK ? cru_report_load_training(&rows, r) : s;
}

void cru_report_release(struct cru_report *r) { cru_arena_release(&r->arena); }
