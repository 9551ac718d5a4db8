/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "crucible/base/base.h"
#include "crucible/build/report_parts.h"

static enum cru_status load_reasons(struct cru_rows *rows, const char *key, int ordinal,
                                    struct cru_report_stage *stage) {
    sqlite3_stmt *stmt;
    enum cru_status s = cru_rows_query(rows, &stmt,
                                       "SELECT rule, documents, bytes FROM reason WHERE step = ? AND stage = ?"
                                       " ORDER BY documents DESC, rule", "ti", key, (sqlite3_int64)ordinal);
    while (s == CRU_OK && (s = cru_rows_next(rows, &stmt)) == CRU_OK) {
        stage->reasons = cru_rows_grow(rows, stage->reasons, stage->n_reasons, sizeof *stage->reasons);
        if (!stage->reasons) { s = cru_rows_no_memory(rows); break; }
        struct cru_report_reason *reason = &stage->reasons[stage->n_reasons++];
        if (!cru_rows_name(rows, stmt, 0, &reason->rule)) s = cru_rows_no_memory(rows);
        reason->documents = cru_rows_count(stmt, 1);
        reason->bytes = cru_rows_count(stmt, 2);
    }
    (void)sqlite3_finalize(stmt);
    return s == CRU_END ? CRU_OK : s;
}

/* ---- the stages' own statistics ---- */

/* Rows of SQL over one stage's stats; `take` adds one. */
static enum cru_status each(struct cru_rows *rows, const char *sql, const char *key, int ordinal, void *to,
                            bool (*take)(struct cru_rows *, sqlite3_stmt *, void *)) {
    sqlite3_stmt *stmt;
    enum cru_status s = cru_rows_query(rows, &stmt, sql, "ti", key, (sqlite3_int64)ordinal);
    while (s == CRU_OK && (s = cru_rows_next(rows, &stmt)) == CRU_OK)
        if (!take(rows, stmt, to)) s = cru_rows_no_memory(rows);
    if (s != CRU_OK) (void)sqlite3_finalize(stmt);
    return s == CRU_END ? CRU_OK : s;
}

#define OF_STAGE " WHERE stage.step = ? AND stage.ordinal = ?"
#define STAT(name) "json_extract(stage.stats, '$." name "')"
#define ITEM(name) "json_extract(item.value, '$." name "')"

static bool take_mix(struct cru_rows *rows, sqlite3_stmt *stmt, void *to) {
    struct cru_report_mix *mix = to;
    mix->total = cru_rows_count(stmt, 1);
    return cru_rows_name(rows, stmt, 0, &mix->by);
}

static bool take_mixed(struct cru_rows *rows, sqlite3_stmt *stmt, void *to) {
    struct cru_report_mix *mix = to;
    mix->sources = cru_rows_grow(rows, mix->sources, mix->n, sizeof *mix->sources);
    if (!mix->sources) return false;
    struct cru_report_mixed *m = &mix->sources[mix->n++];
    m->documents = cru_rows_count(stmt, 1);
    m->available = cru_rows_count(stmt, 2);
    m->asked_share = sqlite3_column_double(stmt, 3);
    m->asked = cru_rows_count(stmt, 4);
    m->got = cru_rows_count(stmt, 5);
    m->got_share = sqlite3_column_double(stmt, 6);
    m->picks = cru_rows_count(stmt, 7);
    m->epochs = sqlite3_column_double(stmt, 8);
    return cru_rows_name(rows, stmt, 0, &m->name);
}

static bool take_score(struct cru_rows *rows, sqlite3_stmt *stmt, void *to) {
    struct cru_report_score *score = to;
    score->mean = cru_rows_real(stmt, 1);
    score->length_correlation = cru_rows_real(stmt, 2);
    return cru_rows_name(rows, stmt, 0, &score->profile);
}

static bool take_scored_bin(struct cru_rows *rows, sqlite3_stmt *stmt, void *to) {
    struct cru_report_score *score = to;
    score->bins = cru_rows_grow(rows, score->bins, score->n, sizeof *score->bins);
    if (!score->bins) return false;
    struct cru_report_scored_bin *bin = &score->bins[score->n++];
    bin->documents = cru_rows_count(stmt, 1);
    bin->words = cru_rows_count(stmt, 2);
    return cru_rows_name(rows, stmt, 0, &bin->name);
}

static double within(double x, double low, double high) { return x > low ? x < high ? x : high : low; }

static bool take_process(struct cru_rows *rows, sqlite3_stmt *stmt, void *to) {
    struct cru_report_process *p = to;
    (void)rows;
    *p = (struct cru_report_process){
        .theta = within(sqlite3_column_double(stmt, 0), 0, 1e3), .mu = within(sqlite3_column_double(stmt, 1), -1, 1),
        .v = within(sqlite3_column_double(stmt, 2), 0, 1e3), .sigma = within(sqlite3_column_double(stmt, 3), 0, 1e3),
        .x0 = within(sqlite3_column_double(stmt, 4), -1, 1),
        .words_per_time = within(sqlite3_column_double(stmt, 5), 0, 1e9),
        .upper = within(sqlite3_column_double(stmt, 6), -1, 1), .lower = within(sqlite3_column_double(stmt, 7), -1, 1)};
    return true;
}

/* A row is a segment; the columns of its document are the same in all rows of it. */
static bool take_segment(struct cru_rows *rows, sqlite3_stmt *stmt, void *to) {
    struct cru_report_score *score = to;
    int64_t place = sqlite3_column_int64(stmt, 0);
    if (score->n_paths == 0 || score->paths[score->n_paths - 1].place != place) {
        score->paths = cru_rows_grow(rows, score->paths, score->n_paths, sizeof *score->paths);
        if (!score->paths) return false;
        struct cru_report_path *path = &score->paths[score->n_paths++];
        *path = (struct cru_report_path){.place = place, .signal = cru_rows_real(stmt, 3),
                                         .low_time = cru_rows_real(stmt, 4), .words = cru_rows_count(stmt, 5),
                                         .all_segments = cru_rows_count(stmt, 6)};
        if (!cru_rows_name(rows, stmt, 1, &path->id) || !cru_rows_name(rows, stmt, 2, &path->bin)) return false;
    }
    struct cru_report_path *path = &score->paths[score->n_paths - 1];
    path->segments = cru_rows_grow(rows, path->segments, path->n, sizeof *path->segments);
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

static bool take_select(struct cru_rows *rows, sqlite3_stmt *stmt, void *to) {
    struct cru_report_select *select = to;
    select->selected = cru_rows_count(stmt, 2);
    select->evaluations = cru_rows_count(stmt, 3);
    select->objective = cru_rows_real(stmt, 4);
    select->certificate = cru_rows_real(stmt, 5);
    return cru_rows_name(rows, stmt, 0, &select->guarantee) && cru_rows_name(rows, stmt, 1, &select->length_in);
}

static bool take_stratum(struct cru_rows *rows, sqlite3_stmt *stmt, void *to) {
    struct cru_report_select *select = to;
    select->strata = cru_rows_grow(rows, select->strata, select->n, sizeof *select->strata);
    if (!select->strata) return false;
    select->strata[select->n++] = (struct cru_report_stratum){
        .low = cru_rows_count(stmt, 0), .high = cru_rows_count(stmt, 1), .documents = cru_rows_count(stmt, 2),
        .quota = cru_rows_count(stmt, 3), .selected = cru_rows_count(stmt, 4), .spent = cru_rows_count(stmt, 5),
        .objective = cru_rows_real(stmt, 6), .upper = cru_rows_real(stmt, 7)};
    return true;
}

static bool take_shards(struct cru_rows *rows, sqlite3_stmt *stmt, void *to) {
    struct cru_report_shards *shards = to;
    shards->tokens = cru_rows_count(stmt, 2);
    shards->shards = cru_rows_count(stmt, 3);
    shards->shard_tokens = cru_rows_count(stmt, 4);
    shards->padding = cru_rows_count(stmt, 5);
    return cru_rows_name(rows, stmt, 0, &shards->vocab) && cru_rows_name(rows, stmt, 1, &shards->vocab_hash);
}

static bool take_tokenized(struct cru_rows *rows, sqlite3_stmt *stmt, void *to) {
    struct cru_report_shards *shards = to;
    shards->sources = cru_rows_grow(rows, shards->sources, shards->n, sizeof *shards->sources);
    if (!shards->sources) return false;
    struct cru_report_tokenized *t = &shards->sources[shards->n++];
    t->documents = cru_rows_count(stmt, 1);
    t->tokens = cru_rows_count(stmt, 2);
    t->bytes = cru_rows_count(stmt, 3);
    t->bytes_per_token = t->tokens ? (double)t->bytes / (double)t->tokens : 0;
    shards->documents += t->documents;
    shards->bytes += t->bytes;
    return cru_rows_name(rows, stmt, 0, &t->name);
}

/* One row a stage whose statistics the report shows: the totals, then the rows of one list. */
enum section { MIX, SCORE, SELECT, SHARDS, SECTIONS };
static const struct {
    const char *stage, *totals, *rows;
    bool (*take_totals)(struct cru_rows *, sqlite3_stmt *, void *);
    bool (*take_row)(struct cru_rows *, sqlite3_stmt *, void *);
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

static enum cru_status load_section(struct cru_rows *rows, const char *key, int ordinal,
                                    struct cru_report_stage *stage) {
    for (int k = 0; k < SECTIONS; k++) {
        if (strcmp(stage->name, sections[k].stage) != 0) continue;
        void *section = cru_arena_calloc(rows->arena, 1, sections[k].size);
        if (!section) return cru_rows_no_memory(rows);
        enum cru_status s = each(rows, sections[k].totals, key, ordinal, section, sections[k].take_totals);
        if (s == CRU_OK) s = each(rows, sections[k].rows, key, ordinal, section, sections[k].take_row);
        if (k == SCORE) {
            struct cru_report_score *score = section;
            if (s == CRU_OK) s = each(rows, process_query, key, ordinal, &score->process, take_process);
            if (s == CRU_OK) s = each(rows, path_query, key, ordinal, score, take_segment);
        }
        if (k == MIX) stage->mix = section;
        else if (k == SCORE) stage->score = section;
        else if (k == SELECT) stage->select = section;
        else stage->shards = section;
        return s;
    }
    return CRU_OK;
}

enum cru_status cru_report_load_stages(struct cru_rows *rows, struct cru_report_step *step) {
    sqlite3_stmt *stmt;
    enum cru_status s = cru_rows_query(rows, &stmt,
                                       "SELECT name, documents_in, added, documents_out, dropped, bad, bytes_in, bytes_out,"
                                       " cpu_seconds, ordinal, json_valid(stats) FROM stage WHERE step = ? ORDER BY ordinal",
                                       "t", step->key);
    while (s == CRU_OK && (s = cru_rows_next(rows, &stmt)) == CRU_OK) {
        step->stages = cru_rows_grow(rows, step->stages, step->n_stages, sizeof *step->stages);
        if (!step->stages) { s = cru_rows_no_memory(rows); break; }
        struct cru_report_stage *stage = &step->stages[step->n_stages++];
        uint64_t *const counts[] = {&stage->in, &stage->added, &stage->out, &stage->dropped,
                                    &stage->bad, &stage->bytes_in, &stage->bytes_out};
        if (!cru_rows_name(rows, stmt, 0, &stage->name)) s = cru_rows_no_memory(rows);
        for (int i = 0; i < 7; i++) *counts[i] = cru_rows_count(stmt, i + 1);
        stage->seconds = sqlite3_column_double(stmt, 8);
        int ordinal = sqlite3_column_int(stmt, 9);
        if (s == CRU_OK) s = load_reasons(rows, step->key, ordinal, stage);
        if (s == CRU_OK && sqlite3_column_int(stmt, 10)) s = load_section(rows, step->key, ordinal, stage);
    }
    (void)sqlite3_finalize(stmt);
    return s == CRU_END ? CRU_OK : s;
}
