/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalog: one SQLite file a build (WORK/catalog.db, WAL), which says what was run, from what, with
 * which counts, and which document went where. A step is recorded in the same transaction as the rows that
 * belong to it, after its output stands under its final name: what is recorded is whole.
 *
 *   run(id, recipe, version, seed, threads, started, finished, status, steps_run, steps_kept)
 *                                                                 one a call of build; a killed one stays 'unfinished'
 *   step(key, name, kind, source, output, seconds, finished)      one for each finished step
 *   stage(step, ordinal, name, counts..., stats)                  stats: the stage's own JSON members
 *   reason(step, stage, rule, documents, bytes)
 *   document(position, id, source, lang, bytes, tokens, signal_score, bin, weight, stratum, ord)
 *                                                                 of the shards, in their order
 *   current(ordinal, step)                                        the steps of the recipe as last built
 *   info(key, value)                                              recipe, name, version, schema
 *
 * One thread at a time; one process a work directory (the runner holds a lock).
 */
#ifndef CRU_BUILD_CATALOG_H
#define CRU_BUILD_CATALOG_H

#include "crucible/base/error.h"
#include "crucible/stage/stage.h"

struct cru_catalog;

/* `write` false: read-only, and the file must exist. */
enum cru_status cru_catalog_open(const char *path, bool write, struct cru_catalog **catalog,
                                 struct cru_error *err);
void cru_catalog_close(struct cru_catalog *catalog); /* rolls back what is open; NULL is fine */
struct sqlite3 *cru_catalog_database(struct cru_catalog *catalog); /* for the report's queries */

enum cru_status cru_catalog_info(struct cru_catalog *catalog, const char *key, const char *value,
                                 struct cru_error *err);

/* A row of `run`; `status` at the end is "done" or what failed. */
enum cru_status cru_catalog_run_begin(struct cru_catalog *catalog, const char *recipe, int64_t seed,
                                      int64_t threads, int64_t *id, struct cru_error *err);
enum cru_status cru_catalog_run_end(struct cru_catalog *catalog, int64_t id, const char *status,
                                    size_t steps_run, size_t steps_kept, struct cru_error *err);

/* Was the step finished? */
bool cru_catalog_finished(struct cru_catalog *catalog, const char *key);
/* Forgets all steps of a kind, durably, before their output is removed. Not within a transaction. */
enum cru_status cru_catalog_forget(struct cru_catalog *catalog, const char *kind, struct cru_error *err);

/* A step's transaction. `output` may be NULL. */
enum cru_status cru_catalog_begin(struct cru_catalog *catalog, struct cru_error *err);
struct cru_step_record {
    const char *key, *name, *kind, *source, *output;
    double seconds;
};
enum cru_status cru_catalog_step(struct cru_catalog *catalog, const struct cru_step_record *record,
                                 struct cru_error *err);
enum cru_status cru_catalog_stage(struct cru_catalog *catalog, const char *step, int ordinal,
                                  const char *name, const struct cru_counts *counts,
                                  const char *stats, struct cru_error *err);
void cru_catalog_abort(struct cru_catalog *catalog); /* rolls back what is open, if anything is */
enum cru_status cru_catalog_commit(struct cru_catalog *catalog, struct cru_error *err);

/* Replaces the list of current steps. */
enum cru_status cru_catalog_current(struct cru_catalog *catalog, const char *const *keys, size_t n,
                                    struct cru_error *err);

/* Document rows: clear, then one call a document in the order of the shards. */
enum cru_status cru_catalog_clear_documents(struct cru_catalog *catalog, struct cru_error *err);
struct cru_document_record {
    int64_t position;
    struct cru_span id, source, lang, bin;
    uint64_t bytes, tokens;
    double signal_score, weight, stratum, order; /* NaN: not known */
};
enum cru_status cru_catalog_document(struct cru_catalog *catalog,
                                     const struct cru_document_record *record, struct cru_error *err);

#endif
