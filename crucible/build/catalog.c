/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <sqlite3.h>

#include "crucible/base/base.h"
#include "crucible/build/catalog.h"

static const char schema[] =
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
    "CREATE TABLE IF NOT EXISTS info(key TEXT PRIMARY KEY, value TEXT);"
    "CREATE TABLE IF NOT EXISTS run(id INTEGER PRIMARY KEY, recipe TEXT, version TEXT, seed INTEGER,"
    " threads INTEGER, started TEXT, finished TEXT, status TEXT, steps_run INTEGER, steps_kept INTEGER);"
    "CREATE TABLE IF NOT EXISTS step(key TEXT PRIMARY KEY, name TEXT, kind TEXT, source TEXT,"
    " output TEXT, seconds REAL, finished TEXT);"
    "CREATE TABLE IF NOT EXISTS stage(step TEXT, ordinal INTEGER, name TEXT, documents_in INTEGER,"
    " added INTEGER, documents_out INTEGER, dropped INTEGER, bad INTEGER, bytes_in INTEGER,"
    " bytes_out INTEGER, cpu_seconds REAL, stats TEXT, PRIMARY KEY(step, ordinal));"
    "CREATE TABLE IF NOT EXISTS reason(step TEXT, stage INTEGER, rule TEXT, documents INTEGER,"
    " bytes INTEGER, PRIMARY KEY(step, stage, rule));"
    "CREATE TABLE IF NOT EXISTS document(position INTEGER PRIMARY KEY, id TEXT, source TEXT, lang TEXT,"
    " bytes INTEGER, tokens INTEGER, signal_score REAL, bin TEXT, weight REAL, stratum INTEGER, ord INTEGER);"
    "CREATE TABLE IF NOT EXISTS current(ordinal INTEGER PRIMARY KEY, step TEXT);";

struct cru_catalog {
    sqlite3 *db;
    char *path;
    sqlite3_stmt *find, *document;
    bool open;
};

static enum cru_status fail(struct cru_catalog *c, const char *what, struct cru_error *err) {
    return cru_fail(err, CRU_FATAL, "unable to %s catalog: '%s': %s", what, c->path, sqlite3_errmsg(c->db));
}

static enum cru_status run_sql(struct cru_catalog *c, const char *sql, struct cru_error *err) {
    return sqlite3_exec(c->db, sql, NULL, NULL, NULL) == SQLITE_OK ? CRU_OK : fail(c, "change", err);
}

enum cru_status cru_catalog_open(const char *path, bool write, struct cru_catalog **catalog,
                                 struct cru_error *err) {
    *catalog = NULL;
    struct cru_catalog *c = calloc(1, sizeof *c);
    if (!c || !(c->path = strdup(path))) {
        free(c);
        return cru_fail_memory(err, "catalog");
    }
    int flags = write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READWRITE;
    enum cru_status s = CRU_OK;
    if (sqlite3_open_v2(path, &c->db, flags, NULL) != SQLITE_OK) s = fail(c, "open", err);
    if (s == CRU_OK) (void)sqlite3_busy_timeout(c->db, 5000);
    if (s == CRU_OK && write) s = run_sql(c, schema, err);
    if (s == CRU_OK && (sqlite3_prepare_v2(c->db, "SELECT 1 FROM step WHERE key = ?", -1, &c->find, NULL) ||
                        sqlite3_prepare_v2(c->db, "INSERT OR REPLACE INTO document VALUES(?,?,?,?,?,?,?,?,?,?,?)",
                                           -1, &c->document, NULL)))
        s = fail(c, "read", err);
    if (s) {
        cru_catalog_close(c);
        return s;
    }
    *catalog = c;
    return CRU_OK;
}

void cru_catalog_abort(struct cru_catalog *c) {
    if (c->open) (void)sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
    c->open = false;
}

void cru_catalog_close(struct cru_catalog *c) {
    if (!c) return;
    cru_catalog_abort(c);
    (void)sqlite3_finalize(c->find);
    (void)sqlite3_finalize(c->document);
    (void)sqlite3_close(c->db);
    free(c->path);
    free(c);
}

struct sqlite3 *cru_catalog_database(struct cru_catalog *c) { return c->db; }

/* Binds text, integers ('i') and reals ('r') by a format, steps once and finalises. */
struct value {
    char type; /* 't' text, 'i' integer, 'r' real */
    const char *text;
    sqlite3_int64 integer;
    double real;
};

static enum cru_status insert(struct cru_catalog *c, const char *sql, const struct value *values, int n,
                              struct cru_error *err) {
    sqlite3_stmt *stmt;
    if (sqlite3_prepare_v2(c->db, sql, -1, &stmt, NULL) != SQLITE_OK) return fail(c, "change", err);
    for (int i = 0; i < n; i++) {
        if (values[i].type == 't') (void)sqlite3_bind_text(stmt, i + 1, values[i].text, -1, SQLITE_STATIC);
        else if (values[i].type == 'i') (void)sqlite3_bind_int64(stmt, i + 1, values[i].integer);
        else (void)sqlite3_bind_double(stmt, i + 1, values[i].real);
    }
    int code = sqlite3_step(stmt);
    (void)sqlite3_finalize(stmt);
    return code == SQLITE_DONE ? CRU_OK : fail(c, "change", err);
}

#define TEXT(x) {.type = 't', .text = (x)}
#define INTEGER(x) {.type = 'i', .integer = (sqlite3_int64)(x)}
#define REAL(x) {.type = 'r', .real = (x)}

enum cru_status cru_catalog_info(struct cru_catalog *c, const char *key, const char *value,
                                 struct cru_error *err) {
    const struct value v[] = {TEXT(key), TEXT(value)};
    return insert(c, "INSERT OR REPLACE INTO info VALUES(?,?)", v, 2, err);
}

enum cru_status cru_catalog_run_begin(struct cru_catalog *c, const char *recipe, int64_t seed, int64_t threads,
                                      int64_t *id, struct cru_error *err) {
    const struct value v[] = {TEXT(recipe), TEXT(CRU_VERSION), INTEGER(seed), INTEGER(threads)};
    enum cru_status s = insert(c, "INSERT INTO run(recipe, version, seed, threads, started, status)"
                                  " VALUES(?,?,?,?,datetime('now'),'unfinished')", v, 4, err);
    *id = sqlite3_last_insert_rowid(c->db);
    return s;
}

enum cru_status cru_catalog_run_end(struct cru_catalog *c, int64_t id, const char *status, size_t steps_run,
                                    size_t steps_kept, struct cru_error *err) {
    const struct value v[] = {TEXT(status), INTEGER(steps_run), INTEGER(steps_kept), INTEGER(id)};
    return insert(c, "UPDATE run SET finished = datetime('now'), status = ?, steps_run = ?, steps_kept = ?"
                     " WHERE id = ?", v, 4, err);
}

bool cru_catalog_finished(struct cru_catalog *c, const char *key) {
    (void)sqlite3_reset(c->find);
    (void)sqlite3_bind_text(c->find, 1, key, -1, SQLITE_TRANSIENT);
    bool found = sqlite3_step(c->find) == SQLITE_ROW;
    (void)sqlite3_reset(c->find); /* an open read would hold a snapshot */
    return found;
}

enum cru_status cru_catalog_forget(struct cru_catalog *c, const char *kind, struct cru_error *err) {
    const struct value v[] = {TEXT(kind)};
    enum cru_status s = cru_catalog_begin(c, err);
    if (s == CRU_OK)
        s = insert(c, "DELETE FROM reason WHERE step IN (SELECT key FROM step WHERE kind = ?)", v, 1, err);
    if (s == CRU_OK)
        s = insert(c, "DELETE FROM stage WHERE step IN (SELECT key FROM step WHERE kind = ?)", v, 1, err);
    if (s == CRU_OK) s = insert(c, "DELETE FROM step WHERE kind = ?", v, 1, err);
    return s == CRU_OK ? cru_catalog_commit(c, err) : s;
}

enum cru_status cru_catalog_begin(struct cru_catalog *c, struct cru_error *err) {
    enum cru_status s = run_sql(c, "BEGIN IMMEDIATE", err);
    c->open = s == CRU_OK;
    return s;
}

enum cru_status cru_catalog_commit(struct cru_catalog *c, struct cru_error *err) {
    enum cru_status s = run_sql(c, "COMMIT", err);
    if (s == CRU_OK) c->open = false;
    return s;
}

enum cru_status cru_catalog_step(struct cru_catalog *c, const struct cru_step_record *r, struct cru_error *err) {
    const struct value key[] = {TEXT(r->key)};
    enum cru_status s = insert(c, "DELETE FROM stage WHERE step = ?", key, 1, err);
    if (s == CRU_OK) s = insert(c, "DELETE FROM reason WHERE step = ?", key, 1, err);
    const struct value v[] = {TEXT(r->key), TEXT(r->name), TEXT(r->kind), TEXT(r->source), TEXT(r->output), REAL(r->seconds)};
    if (s == CRU_OK) s = insert(c, "INSERT OR REPLACE INTO step VALUES(?,?,?,?,?,?,datetime('now'))", v, 6, err);
    return s;
}

enum cru_status cru_catalog_stage(struct cru_catalog *c, const char *step, int ordinal, const char *name,
                                  const struct cru_counts *k, const char *stats, struct cru_error *err) {
    const struct value v[] = {TEXT(step), INTEGER(ordinal), TEXT(name), INTEGER(k->in), INTEGER(k->added),
                              INTEGER(k->out), INTEGER(k->dropped), INTEGER(k->wrong), INTEGER(k->bytes_in),
                              INTEGER(k->bytes_out), REAL(k->seconds), TEXT(stats)};
    enum cru_status s = insert(c, "INSERT OR REPLACE INTO stage VALUES(?,?,?,?,?,?,?,?,?,?,?,?)", v, 12, err);
    for (size_t i = 0; s == CRU_OK && i < k->n_reasons; i++) {
        const struct value r[] = {TEXT(step), INTEGER(ordinal), TEXT(k->reasons[i].rule),
                                  INTEGER(k->reasons[i].documents), INTEGER(k->reasons[i].bytes)};
        s = insert(c, "INSERT OR REPLACE INTO reason VALUES(?,?,?,?,?)", r, 5, err);
    }
    return s;
}

enum cru_status cru_catalog_current(struct cru_catalog *c, const char *const *keys, size_t n,
                                    struct cru_error *err) {
    enum cru_status s = cru_catalog_begin(c, err);
    if (s == CRU_OK) s = run_sql(c, "DELETE FROM current", err);
    for (size_t i = 0; s == CRU_OK && i < n; i++) {
        const struct value v[] = {INTEGER(i), TEXT(keys[i])};
        s = insert(c, "INSERT INTO current VALUES(?,?)", v, 2, err);
    }
    return s == CRU_OK ? cru_catalog_commit(c, err) : s;
}

enum cru_status cru_catalog_clear_documents(struct cru_catalog *c, struct cru_error *err) {
    return run_sql(c, "DELETE FROM document", err);
}

static void bind_span(sqlite3_stmt *stmt, int i, struct cru_span s) {
    if (s.p) (void)sqlite3_bind_text64(stmt, i, s.p, s.n, SQLITE_STATIC, SQLITE_UTF8);
    else (void)sqlite3_bind_null(stmt, i);
}

static void bind_number(sqlite3_stmt *stmt, int i, double x) {
    if (isnan(x)) (void)sqlite3_bind_null(stmt, i);
    else (void)sqlite3_bind_double(stmt, i, x);
}

enum cru_status cru_catalog_document(struct cru_catalog *c, const struct cru_document_record *r,
                                     struct cru_error *err) {
    sqlite3_stmt *stmt = c->document;
    (void)sqlite3_reset(stmt);
    (void)sqlite3_bind_int64(stmt, 1, r->position);
    bind_span(stmt, 2, r->id);
    bind_span(stmt, 3, r->source);
    bind_span(stmt, 4, r->lang);
    (void)sqlite3_bind_int64(stmt, 5, (sqlite3_int64)r->bytes);
    (void)sqlite3_bind_int64(stmt, 6, (sqlite3_int64)r->tokens);
    bind_number(stmt, 7, r->signal_score);
    bind_span(stmt, 8, r->bin);
    bind_number(stmt, 9, r->weight);
    bind_number(stmt, 10, r->stratum);
    bind_number(stmt, 11, r->order);
    return sqlite3_step(stmt) == SQLITE_DONE ? CRU_OK : fail(c, "change", err);
}
