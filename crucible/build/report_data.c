/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <unistd.h>
#include <utf8proc.h>

#include "crucible/base/base.h"
#include "crucible/base/input.h"
#include "crucible/build/catalog.h"
#include "crucible/build/report_data.h"
#include "crucible/doc/json.h"

struct load {
    struct cru_report *report;
    struct cru_arena *arena;
    sqlite3 *db;
    const char *path;
    struct cru_error *err;
};

static enum cru_status fail(struct load *l) {
    return cru_fail(l->err, CRU_FATAL, "unable to read catalog: '%s': %s", l->path, sqlite3_errmsg(l->db));
}

static enum cru_status no_memory(struct load *l) { return cru_fail_memory(l->err, "report"); }

/* A query whose parameters are texts and integers: 't' and 'i' in `types`. */
static enum cru_status query(struct load *l, sqlite3_stmt **stmt, const char *sql, const char *types, ...) {
    if (sqlite3_prepare_v2(l->db, sql, -1, stmt, NULL) != SQLITE_OK) return fail(l);
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

/* CRU_OK a row, CRU_END none left; a statement at its end is finalised. */
static enum cru_status next_row(struct load *l, sqlite3_stmt **stmt) {
    int code = sqlite3_step(*stmt);
    if (code == SQLITE_ROW) return CRU_OK;
    enum cru_status s = code == SQLITE_DONE ? CRU_END : fail(l);
    (void)sqlite3_finalize(*stmt);
    *stmt = NULL;
    return s;
}

/* Copies a text; a byte that is not part of UTF-8 becomes '?'. */
static const char *copy_text(struct load *l, const char *text) {
    struct cru_span copy = cru_arena_copy(l->arena, cru_span_of(text));
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

/* *text stays NULL for SQL's NULL; false when memory is short. */
static bool column_text(struct load *l, sqlite3_stmt *stmt, int i, const char **text) {
    const unsigned char *found = sqlite3_column_text(stmt, i);
    *text = NULL;
    if (!found) return sqlite3_errcode(l->db) != SQLITE_NOMEM;
    *text = copy_text(l, (const char *)found);
    return *text != NULL;
}

/* As column_text, with "" for NULL. */
static bool column_name(struct load *l, sqlite3_stmt *stmt, int i, const char **text) {
    bool fine = column_text(l, stmt, i, text);
    if (!*text) *text = "";
    return fine;
}

static uint64_t column_count(sqlite3_stmt *stmt, int i) {
    sqlite3_int64 n = sqlite3_column_int64(stmt, i);
    return n > 0 ? (uint64_t)n : 0;
}

static double column_real(sqlite3_stmt *stmt, int i) {
    return sqlite3_column_type(stmt, i) == SQLITE_NULL ? (double)NAN : sqlite3_column_double(stmt, i);
}

/* Room for one element more in an array of n that grows by doubling in the arena; NULL: no memory. */
static void *grow(struct load *l, void *array, size_t n, size_t size) {
    if (n & (n - 1)) return array;
    char *more = cru_arena_calloc(l->arena, n ? 2 * n : 1, size);
    if (more && n) memcpy(more, array, n * size);
    return more;
}

/* ---- steps, stages, reasons ---- */

static enum cru_status load_info(struct load *l) {
    struct cru_report *r = l->report;
    const struct { const char *key; const char **value; } wanted[] = {
        {"name", &r->name}, {"recipe", &r->recipe}, {"version", &r->version}};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        sqlite3_stmt *stmt;
        *wanted[i].value = "";
        enum cru_status s = query(l, &stmt, "SELECT value FROM info WHERE key = ?", "t", wanted[i].key);
        if (s) return s;
        s = next_row(l, &stmt);
        if (s == CRU_OK && !column_name(l, stmt, 0, wanted[i].value)) s = no_memory(l);
        (void)sqlite3_finalize(stmt);
        if (s != CRU_OK && s != CRU_END) return s;
    }
    return CRU_OK;
}

static enum cru_status load_reasons(struct load *l, const char *key, int ordinal, struct cru_report_stage *stage) {
    sqlite3_stmt *stmt;
    enum cru_status s = query(l, &stmt,
                              "SELECT rule, documents, bytes FROM reason WHERE step = ? AND stage = ?"
                              " ORDER BY documents DESC, rule", "ti", key, (sqlite3_int64)ordinal);
    while (s == CRU_OK && (s = next_row(l, &stmt)) == CRU_OK) {
        stage->reasons = grow(l, stage->reasons, stage->n_reasons, sizeof *stage->reasons);
        if (!stage->reasons) { s = no_memory(l); break; }
        struct cru_report_reason *reason = &stage->reasons[stage->n_reasons++];
        if (!column_name(l, stmt, 0, &reason->rule)) s = no_memory(l);
        reason->documents = column_count(stmt, 1);
        reason->bytes = column_count(stmt, 2);
    }
    (void)sqlite3_finalize(stmt);
    return s == CRU_END ? CRU_OK : s;
}

/* ---- the stages' own statistics ---- */

/* Rows of SQL over one stage's stats; `take` adds one. */
static enum cru_status each(struct load *l, const char *sql, const char *key, int ordinal, void *to,
                            bool (*take)(struct load *, sqlite3_stmt *, void *)) {
    sqlite3_stmt *stmt;
    enum cru_status s = query(l, &stmt, sql, "ti", key, (sqlite3_int64)ordinal);
    while (s == CRU_OK && (s = next_row(l, &stmt)) == CRU_OK)
        if (!take(l, stmt, to)) s = no_memory(l);
    if (s != CRU_OK) (void)sqlite3_finalize(stmt);
    return s == CRU_END ? CRU_OK : s;
}

#define OF_STAGE " WHERE stage.step = ? AND stage.ordinal = ?"
#define STAT(name) "json_extract(stage.stats, '$." name "')"
#define ITEM(name) "json_extract(item.value, '$." name "')"

static bool take_mix(struct load *l, sqlite3_stmt *stmt, void *to) {
    struct cru_report_mix *mix = to;
    mix->total = column_count(stmt, 1);
    return column_name(l, stmt, 0, &mix->by);
}

static bool take_mixed(struct load *l, sqlite3_stmt *stmt, void *to) {
    struct cru_report_mix *mix = to;
    mix->sources = grow(l, mix->sources, mix->n, sizeof *mix->sources);
    if (!mix->sources) return false;
    struct cru_report_mixed *m = &mix->sources[mix->n++];
    m->documents = column_count(stmt, 1);
    m->available = column_count(stmt, 2);
    m->asked_share = sqlite3_column_double(stmt, 3);
    m->asked = column_count(stmt, 4);
    m->got = column_count(stmt, 5);
    m->got_share = sqlite3_column_double(stmt, 6);
    m->picks = column_count(stmt, 7);
    m->epochs = sqlite3_column_double(stmt, 8);
    return column_name(l, stmt, 0, &m->name);
}

static bool take_score(struct load *l, sqlite3_stmt *stmt, void *to) {
    struct cru_report_score *score = to;
    score->mean = column_real(stmt, 1);
    score->length_correlation = column_real(stmt, 2);
    return column_name(l, stmt, 0, &score->profile);
}

static bool take_scored_bin(struct load *l, sqlite3_stmt *stmt, void *to) {
    struct cru_report_score *score = to;
    score->bins = grow(l, score->bins, score->n, sizeof *score->bins);
    if (!score->bins) return false;
    struct cru_report_scored_bin *bin = &score->bins[score->n++];
    bin->documents = column_count(stmt, 1);
    bin->words = column_count(stmt, 2);
    return column_name(l, stmt, 0, &bin->name);
}

static double within(double x, double low, double high) { return x > low ? x < high ? x : high : low; }

static bool take_process(struct load *l, sqlite3_stmt *stmt, void *to) {
    struct cru_report_process *p = to;
    (void)l;
    *p = (struct cru_report_process){
        .theta = within(sqlite3_column_double(stmt, 0), 0, 1e3), .mu = within(sqlite3_column_double(stmt, 1), -1, 1),
        .v = within(sqlite3_column_double(stmt, 2), 0, 1e3), .sigma = within(sqlite3_column_double(stmt, 3), 0, 1e3),
        .x0 = within(sqlite3_column_double(stmt, 4), -1, 1),
        .words_per_time = within(sqlite3_column_double(stmt, 5), 0, 1e9),
        .upper = within(sqlite3_column_double(stmt, 6), -1, 1), .lower = within(sqlite3_column_double(stmt, 7), -1, 1)};
    return true;
}

/* A row is a segment; the columns of its document are the same in all rows of it. */
static bool take_segment(struct load *l, sqlite3_stmt *stmt, void *to) {
    struct cru_report_score *score = to;
    int64_t place = sqlite3_column_int64(stmt, 0);
    if (score->n_paths == 0 || score->paths[score->n_paths - 1].place != place) {
        score->paths = grow(l, score->paths, score->n_paths, sizeof *score->paths);
        if (!score->paths) return false;
        struct cru_report_path *path = &score->paths[score->n_paths++];
        *path = (struct cru_report_path){.place = place, .signal = column_real(stmt, 3),
                                         .low_time = column_real(stmt, 4), .words = column_count(stmt, 5),
                                         .all_segments = column_count(stmt, 6)};
        if (!column_name(l, stmt, 1, &path->id) || !column_name(l, stmt, 2, &path->bin)) return false;
    }
    struct cru_report_path *path = &score->paths[score->n_paths - 1];
    path->segments = grow(l, path->segments, path->n, sizeof *path->segments);
    if (!path->segments) return false;
    path->segments[path->n++] = (struct cru_report_segment){
        .words = (unsigned)within(sqlite3_column_double(stmt, 7), 0, 1e9),
        .signal = within(sqlite3_column_double(stmt, 8), -1, 1),
        .kind = (unsigned)within(sqlite3_column_double(stmt, 9), 0, 2)};
    return true;
}

static const char process_query[] =
    "SELECT " STAT("process.theta") "," STAT("process.mu") "," STAT("process.v") "," STAT("process.sigma") ","
    STAT("process.x0") "," STAT("process.words_per_time") "," STAT("process.upper") "," STAT("process.lower")
    " FROM stage" OF_STAGE;
static const char path_query[] =
    "SELECT item.id," ITEM("id") "," ITEM("bin") "," ITEM("signal_score") "," ITEM("low_time") "," ITEM("words") ","
    ITEM("segments") ",json_extract(part.value,'$[0]'),json_extract(part.value,'$[1]'),json_extract(part.value,'$[2]')"
    " FROM stage, json_each(stage.stats,'$.paths') AS item, json_each(item.value,'$.path') AS part" OF_STAGE
    " ORDER BY item.id, part.id";

static bool take_select(struct load *l, sqlite3_stmt *stmt, void *to) {
    struct cru_report_select *select = to;
    select->selected = column_count(stmt, 2);
    select->evaluations = column_count(stmt, 3);
    select->objective = column_real(stmt, 4);
    select->certificate = column_real(stmt, 5);
    return column_name(l, stmt, 0, &select->guarantee) && column_name(l, stmt, 1, &select->length_in);
}

static bool take_stratum(struct load *l, sqlite3_stmt *stmt, void *to) {
    struct cru_report_select *select = to;
    select->strata = grow(l, select->strata, select->n, sizeof *select->strata);
    if (!select->strata) return false;
    select->strata[select->n++] = (struct cru_report_stratum){
        .low = column_count(stmt, 0), .high = column_count(stmt, 1), .documents = column_count(stmt, 2),
        .quota = column_count(stmt, 3), .selected = column_count(stmt, 4), .spent = column_count(stmt, 5),
        .objective = column_real(stmt, 6), .upper = column_real(stmt, 7)};
    return true;
}

static bool take_shards(struct load *l, sqlite3_stmt *stmt, void *to) {
    struct cru_report_shards *shards = to;
    shards->tokens = column_count(stmt, 2);
    shards->shards = column_count(stmt, 3);
    shards->shard_tokens = column_count(stmt, 4);
    shards->padding = column_count(stmt, 5);
    return column_name(l, stmt, 0, &shards->vocab) && column_name(l, stmt, 1, &shards->vocab_hash);
}

static bool take_tokenized(struct load *l, sqlite3_stmt *stmt, void *to) {
    struct cru_report_shards *shards = to;
    shards->sources = grow(l, shards->sources, shards->n, sizeof *shards->sources);
    if (!shards->sources) return false;
    struct cru_report_tokenized *t = &shards->sources[shards->n++];
    t->documents = column_count(stmt, 1);
    t->tokens = column_count(stmt, 2);
    t->bytes = column_count(stmt, 3);
    t->bytes_per_token = t->tokens ? (double)t->bytes / (double)t->tokens : 0;
    shards->documents += t->documents;
    shards->bytes += t->bytes;
    return column_name(l, stmt, 0, &t->name);
}

/* One row a stage whose statistics the report shows: the totals, then the rows of one list. */
enum section { MIX, SCORE, SELECT, SHARDS, SECTIONS };
static const struct {
    const char *stage, *totals, *rows;
    bool (*take_totals)(struct load *, sqlite3_stmt *, void *);
    bool (*take_row)(struct load *, sqlite3_stmt *, void *);
    size_t size;
} sections[SECTIONS] = {
    [MIX] = {"mix", "SELECT " STAT("by") "," STAT("total") " FROM stage" OF_STAGE,
             "SELECT " ITEM("name") "," ITEM("documents") "," ITEM("available") "," ITEM("asked_share") ","
             ITEM("asked") "," ITEM("got") "," ITEM("got_share") "," ITEM("picks") "," ITEM("epochs")
             " FROM stage, json_each(stage.stats, '$.sources') AS item" OF_STAGE " ORDER BY item.id",
             take_mix, take_mixed, sizeof(struct cru_report_mix)},
    [SCORE] = {"score", "SELECT " STAT("profile") "," STAT("mean_signal_score") "," STAT("length_correlation")
               " FROM stage" OF_STAGE,
               "SELECT item.key," ITEM("documents") "," ITEM("words")
               " FROM stage, json_each(stage.stats, '$.bins') AS item" OF_STAGE " ORDER BY item.id",
               take_score, take_scored_bin, sizeof(struct cru_report_score)},
    [SELECT] = {"select", "SELECT " STAT("guarantee") "," STAT("length_in") "," STAT("selected") ","
                STAT("evaluations") "," STAT("objective") "," STAT("certificate") " FROM stage" OF_STAGE,
                "SELECT " ITEM("low") "," ITEM("high") "," ITEM("documents") "," ITEM("quota") ","
                ITEM("selected") "," ITEM("spent") "," ITEM("objective") "," ITEM("upper")
                " FROM stage, json_each(stage.stats, '$.strata') AS item" OF_STAGE " ORDER BY item.id",
                take_select, take_stratum, sizeof(struct cru_report_select)},
    [SHARDS] = {"tokenize", "SELECT " STAT("vocab") "," STAT("vocab_hash") "," STAT("tokens") "," STAT("shards")
                "," STAT("shard_tokens") "," STAT("padding") " FROM stage" OF_STAGE,
                "SELECT item.key," ITEM("documents") "," ITEM("tokens") "," ITEM("bytes")
                " FROM stage, json_each(stage.stats, '$.by_source') AS item" OF_STAGE " ORDER BY item.id",
                take_shards, take_tokenized, sizeof(struct cru_report_shards)},
};

static enum cru_status load_section(struct load *l, const char *key, int ordinal, struct cru_report_stage *stage) {
    for (int k = 0; k < SECTIONS; k++) {
        if (strcmp(stage->name, sections[k].stage) != 0) continue;
        void *section = cru_arena_calloc(l->arena, 1, sections[k].size);
        if (!section) return no_memory(l);
        enum cru_status s = each(l, sections[k].totals, key, ordinal, section, sections[k].take_totals);
        if (s == CRU_OK) s = each(l, sections[k].rows, key, ordinal, section, sections[k].take_row);
        if (k == SCORE) {
            struct cru_report_score *score = section;
            if (s == CRU_OK) s = each(l, process_query, key, ordinal, &score->process, take_process);
            if (s == CRU_OK) s = each(l, path_query, key, ordinal, score, take_segment);
        }
        if (k == MIX) stage->mix = section;
        else if (k == SCORE) stage->score = section;
        else if (k == SELECT) stage->select = section;
        else stage->shards = section;
        return s;
    }
    return CRU_OK;
}

static enum cru_status load_stages(struct load *l, struct cru_report_step *step) {
    sqlite3_stmt *stmt;
    enum cru_status s = query(l, &stmt,
                              "SELECT name, documents_in, added, documents_out, dropped, bad, bytes_in, bytes_out,"
                              " cpu_seconds, ordinal, json_valid(stats) FROM stage WHERE step = ? ORDER BY ordinal",
                              "t", step->key);
    while (s == CRU_OK && (s = next_row(l, &stmt)) == CRU_OK) {
        step->stages = grow(l, step->stages, step->n_stages, sizeof *step->stages);
        if (!step->stages) { s = no_memory(l); break; }
        struct cru_report_stage *stage = &step->stages[step->n_stages++];
        uint64_t *const counts[] = {&stage->in, &stage->added, &stage->out, &stage->dropped,
                                    &stage->bad, &stage->bytes_in, &stage->bytes_out};
        if (!column_name(l, stmt, 0, &stage->name)) s = no_memory(l);
        for (int i = 0; i < 7; i++) *counts[i] = column_count(stmt, i + 1);
        stage->seconds = sqlite3_column_double(stmt, 8);
        int ordinal = sqlite3_column_int(stmt, 9);
        if (s == CRU_OK) s = load_reasons(l, step->key, ordinal, stage);
        if (s == CRU_OK && sqlite3_column_int(stmt, 10)) s = load_section(l, step->key, ordinal, stage);
    }
    (void)sqlite3_finalize(stmt);
    return s == CRU_END ? CRU_OK : s;
}

/* The steps as last built, or, where no build came to its end, what is finished, in that order. */
static enum cru_status load_steps(struct load *l) {
    static const char planned[] =
        "SELECT current.step, step.name, step.kind, step.source, step.output, step.seconds, step.key"
        " FROM current LEFT JOIN step ON step.key = current.step ORDER BY current.ordinal";
    static const char finished[] =
        "SELECT key, name, kind, source, output, seconds, key FROM step ORDER BY rowid";
    struct cru_report *r = l->report;
    enum cru_status s = CRU_OK;
    for (int pass = 0; s == CRU_OK && pass < 2 && r->n_steps == 0; pass++) {
        sqlite3_stmt *stmt;
        s = query(l, &stmt, pass ? finished : planned, "");
        while (s == CRU_OK && (s = next_row(l, &stmt)) == CRU_OK) {
            r->steps = grow(l, r->steps, r->n_steps, sizeof *r->steps);
            if (!r->steps) { s = no_memory(l); break; }
            struct cru_report_step *step = &r->steps[r->n_steps++];
            step->seconds = sqlite3_column_double(stmt, 5);
            step->finished = sqlite3_column_type(stmt, 6) != SQLITE_NULL;
            if (!column_name(l, stmt, 0, &step->key) || !column_text(l, stmt, 1, &step->name) ||
                !column_text(l, stmt, 2, &step->kind) || !column_text(l, stmt, 3, &step->source) ||
                !column_text(l, stmt, 4, &step->output))
                s = no_memory(l);
            r->n_unfinished += !step->finished;
        }
        (void)sqlite3_finalize(stmt);
        if (s == CRU_END) s = CRU_OK;
        if (r->n_steps) r->complete = pass == 0 && r->n_unfinished == 0;
    }
    for (size_t i = 0; s == CRU_OK && i < r->n_steps; i++) s = load_stages(l, &r->steps[i]);
    return s;
}

static enum cru_status one_count(struct load *l, const char *sql, uint64_t *count) {
    sqlite3_stmt *stmt;
    enum cru_status s = query(l, &stmt, sql, "");
    if (s == CRU_OK) s = next_row(l, &stmt);
    if (s == CRU_OK) *count = column_count(stmt, 0);
    (void)sqlite3_finalize(stmt);
    return s == CRU_END ? CRU_OK : s;
}

/* Steps of a run that was given up, or of other options, and whose documents the rows are. */
static enum cru_status load_others(struct load *l) {
    uint64_t newer = 0, others = 0;
    if (l->report->n_steps == 0) return CRU_OK;
    enum cru_status s = one_count(l,
        "SELECT COUNT(*) FROM step WHERE EXISTS (SELECT 1 FROM current) AND rowid >"
        " (SELECT MAX(step.rowid) FROM step JOIN current ON step.key = current.step)", &newer);
    if (s == CRU_OK)
        s = one_count(l,
            "SELECT COUNT(*) FROM step WHERE EXISTS (SELECT 1 FROM current) AND kind = 'shards' AND rowid ="
            " (SELECT MAX(rowid) FROM step WHERE kind = 'shards') AND key NOT IN (SELECT step FROM current)", &others);
    l->report->n_newer = (size_t)newer;
    l->report->other_documents = others > 0;
    return s;
}

/* ---- the rows of the shards' documents ---- */

static enum cru_status load_groups(struct load *l, const char *sql, struct cru_report_group **groups, size_t *n) {
    sqlite3_stmt *stmt;
    enum cru_status s = query(l, &stmt, sql, "");
    while (s == CRU_OK && (s = next_row(l, &stmt)) == CRU_OK) {
        *groups = grow(l, *groups, *n, sizeof **groups);
        if (!*groups) { s = no_memory(l); break; }
        struct cru_report_group *g = &(*groups)[(*n)++];
        if (!column_name(l, stmt, 0, &g->name)) s = no_memory(l);
        g->documents = column_count(stmt, 1);
        g->tokens = column_count(stmt, 2);
        g->signal = column_real(stmt, 3);
        g->weight = column_real(stmt, 4);
    }
    (void)sqlite3_finalize(stmt);
    return s == CRU_END ? CRU_OK : s;
}

static enum cru_status load_signals(struct load *l, struct cru_report_histogram *h) {
    sqlite3_stmt *stmt;
    uint64_t n = 0;
    enum cru_status s = query(l, &stmt, "SELECT COUNT(*), MIN(signal_score), MAX(signal_score) FROM document"
                                        " WHERE signal_score IS NOT NULL", "");
    if (s == CRU_OK) s = next_row(l, &stmt);
    if (s == CRU_OK) {
        n = column_count(stmt, 0);
        h->least = sqlite3_column_double(stmt, 1);
        h->most = sqlite3_column_double(stmt, 2);
        (void)sqlite3_finalize(stmt);
    }
    /* A score lies about 0 to 1; far outside of that there is no sensible scale. */
    if (s || n == 0 || !(h->least > -1e6) || !(h->most < 1e6)) return s == CRU_END ? CRU_OK : s;
    s = query(l, &stmt, "SELECT signal_score FROM document WHERE signal_score IS NOT NULL"
                        " ORDER BY signal_score LIMIT 1 OFFSET ?", "i", (sqlite3_int64)(n / 2));
    if (s == CRU_OK) s = next_row(l, &stmt);
    if (s == CRU_OK) h->median = sqlite3_column_double(stmt, 0), (void)sqlite3_finalize(stmt);
    if (s) return s == CRU_END ? CRU_OK : s;
    double span = h->most - h->least;
    h->width = span > 1e-6 ? cru_report_round_up(span / 38) : 1;
    h->low = floor(h->least / h->width) * h->width;
    h->n = (size_t)((h->most - h->low) / h->width) + 1;
    if (h->n > CRU_REPORT_BUCKETS) h->n = CRU_REPORT_BUCKETS;
    s = query(l, &stmt, "SELECT CAST((signal_score - ?1) / ?2 AS INTEGER) AS bucket, COUNT(*) FROM document"
                        " WHERE signal_score IS NOT NULL GROUP BY bucket", "rr", h->low, h->width);
    while (s == CRU_OK && (s = next_row(l, &stmt)) == CRU_OK) {
        uint64_t bucket = column_count(stmt, 0);
        h->counts[bucket < h->n ? bucket : h->n - 1] += column_count(stmt, 1);
    }
    return s == CRU_END ? CRU_OK : s;
}

/* Counts by powers of two: bucket i holds 2^(low+i) <= tokens < 2^(low+i+1). */
static enum cru_status load_lengths(struct load *l, struct cru_report_histogram *h) {
    sqlite3_stmt *stmt;
    uint64_t counts[64] = {0}, n = 0;
    size_t first = 64, last = 0;
    enum cru_status s = query(l, &stmt, "SELECT tokens, COUNT(*) FROM document WHERE tokens > 0 GROUP BY tokens"
                                        " ORDER BY tokens", "");
    while (s == CRU_OK && (s = next_row(l, &stmt)) == CRU_OK) {
        uint64_t tokens = column_count(stmt, 0);
        size_t bits = 63 - (size_t)__builtin_clzll(tokens);
        counts[bits] += column_count(stmt, 1);
        n += column_count(stmt, 1);
        if (first == 64) first = bits, h->least = (double)tokens;
        last = bits;
        h->most = (double)tokens;
    }
    if (s != CRU_END || n == 0) return s == CRU_END ? CRU_OK : s;
    s = query(l, &stmt, "SELECT tokens FROM document WHERE tokens > 0 ORDER BY tokens LIMIT 1 OFFSET ?", "i",
              (sqlite3_int64)(n / 2));
    if (s == CRU_OK) s = next_row(l, &stmt);
    if (s == CRU_OK) h->median = sqlite3_column_double(stmt, 0), (void)sqlite3_finalize(stmt);
    if (s) return s == CRU_END ? CRU_OK : s;
    h->low = (double)first;
    h->width = 1;
    h->n = last - first + 1 < CRU_REPORT_BUCKETS ? last - first + 1 : CRU_REPORT_BUCKETS;
    for (size_t i = first; i <= last; i++)
        h->counts[i - first < h->n ? i - first : h->n - 1] += counts[i];
    return CRU_OK;
}

static enum cru_status load_documents(struct load *l) {
    struct cru_report_documents *d = &l->report->documents;
    d->signal = (double)NAN;
    if (l->report->other_documents) return CRU_OK;
    sqlite3_stmt *stmt;
    enum cru_status s = query(l, &stmt, "SELECT COUNT(*), SUM(tokens), SUM(bytes), AVG(signal_score) FROM document", "");
    if (s == CRU_OK) s = next_row(l, &stmt);
    if (s) return s == CRU_END ? CRU_OK : s;
    d->documents = column_count(stmt, 0);
    d->tokens = column_count(stmt, 1);
    d->bytes = column_count(stmt, 2);
    d->signal = column_real(stmt, 3);
    (void)sqlite3_finalize(stmt);
#define GROUPS(column) \
    "SELECT " column ", COUNT(*) AS n, SUM(tokens), AVG(signal_score), AVG(weight) FROM document" \
    " GROUP BY coalesce(" column ", '') ORDER BY n DESC, " column
    s = load_groups(l, GROUPS("bin"), &d->bins, &d->n_bins);
    if (s == CRU_OK) s = load_groups(l, GROUPS("lang"), &d->languages, &d->n_languages);
    if (s == CRU_OK) s = load_signals(l, &d->signals);
    return s == CRU_OK ? load_lengths(l, &d->lengths) : s;
}

/* ---- the training log ---- */

static void note_phase(struct cru_report_training *t, const struct cru_report_point *p) {
    if (t->phase[p->phase].points++ == 0) {
        t->phase[p->phase].first_step = p->step;
        t->phase[p->phase].first_loss = p->loss;
        t->phase[p->phase].first_bpb = p->bpb;
    }
    t->phase[p->phase].last_step = p->step;
    t->phase[p->phase].last_loss = p->loss;
    t->phase[p->phase].last_bpb = p->bpb;
}

static enum cru_status read_log(struct load *l, struct cru_input *input, struct cru_json_parser *parser) {
    struct cru_report_training *t = &l->report->training;
    struct cru_arena scratch;
    struct cru_span line, phase;
    struct cru_error trouble;
    bool whole;
    enum cru_status s;
    cru_arena_init(&scratch);
    while ((s = cru_input_line(input, &line, &whole, &trouble)) == CRU_OK) {
        struct cru_report_point point = {.phase = CRU_REPORT_ORDINARY};
        double step, tokens = 0;
        cru_arena_clear(&scratch);
        if (!cru_json_number(parser, line, "step", &step) || !(step >= 0 && step < 0x1p53) ||
            !cru_json_number(parser, line, "loss", &point.loss)) {
            t->unreadable++;
            continue;
        }
        point.step = (uint64_t)step;
        if (!cru_json_number(parser, line, "bpb", &point.bpb)) point.bpb = (double)NAN;
        if (cru_json_number(parser, line, "tokens", &tokens) && tokens >= 0 && tokens < 0x1p53)
            point.tokens = (uint64_t)tokens;
        if (cru_json_string(parser, line, "phase", &scratch, &phase)) {
            if (cru_span_is(phase, "tst")) point.phase = CRU_REPORT_TST;
            else if (cru_span_is(phase, "eval")) point.phase = CRU_REPORT_EVAL;
        }
        t->points = grow(l, t->points, t->n, sizeof *t->points);
        if (!t->points) break;
        t->points[t->n++] = point;
        note_phase(t, &point);
    }
    cru_arena_release(&scratch);
    if (s == CRU_OK) return no_memory(l);
    if (s != CRU_END && !(t->trouble = copy_text(l, trouble.message))) return no_memory(l);
    return CRU_OK;
}

/* The log lies in the work directory, which may have moved since; else where the catalog says. */
static enum cru_status load_training(struct load *l) {
    struct cru_report *r = l->report;
    const struct cru_report_step *step = NULL;
    for (size_t i = 0; i < r->n_steps; i++)
        if (r->steps[i].kind && strcmp(r->steps[i].kind, "train") == 0) step = &r->steps[i];
    if (!step || !step->output) return CRU_OK;
    struct cru_span here = cru_arena_printf(l->arena, "%s/train/%s/log.jsonl", r->work, step->key);
    if (!here.p) return no_memory(l);
    r->training.log = access(here.p, R_OK) == 0 ? copy_text(l, here.p) : step->output;
    r->training.seconds = step->seconds;
    struct cru_error trouble;
    struct cru_input *input;
    struct cru_json_parser *parser = cru_json_parser_new();
    if (!parser || !r->training.log) {
        cru_json_parser_free(parser);
        return no_memory(l);
    }
    enum cru_status s = CRU_OK;
    if (cru_input_open(access(here.p, R_OK) == 0 ? here.p : step->output, &input, &trouble) == CRU_OK) {
        s = read_log(l, input, parser);
        cru_input_close(input);
    } else if (!(r->training.trouble = copy_text(l, trouble.message))) s = no_memory(l);
    cru_json_parser_free(parser);
    return s;
}

/* ---- all of it ---- */

enum cru_status cru_report_load(const char *work, struct cru_report *r, struct cru_error *err) {
    memset(r, 0, sizeof *r);
    cru_arena_init(&r->arena);
    struct load l = {.report = r, .arena = &r->arena, .err = err};
    struct cru_catalog *catalog;
    struct cru_span path = cru_arena_printf(&r->arena, "%s/catalog.db", work);
    if (!path.p || !(r->work = copy_text(&l, work))) return no_memory(&l);
    if (access(path.p, F_OK) != 0) return cru_fail_errno(err, "no build there: unable to open", path.p);
    enum cru_status s = cru_catalog_open(path.p, false, &catalog, err);
    if (s) return s;
    l.path = path.p;
    l.db = cru_catalog_database(catalog);
    s = sqlite3_exec(l.db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK ? CRU_OK : fail(&l);
    if (s == CRU_OK) s = load_info(&l);
    if (s == CRU_OK) s = load_steps(&l);
    if (s == CRU_OK) s = load_others(&l);
    if (s == CRU_OK) s = load_documents(&l);
    (void)sqlite3_exec(l.db, "ROLLBACK", NULL, NULL, NULL);
    cru_catalog_close(catalog);
    return s == CRU_OK ? load_training(&l) : s;
}

void cru_report_release(struct cru_report *r) { cru_arena_release(&r->arena); }
