/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The batch loop. A chain of stages is cut into segments behind every stage that has finish():
 *
 *   reader -> [run commit][run commit] -> spool | finish | spool -> [replay][run commit] -> output
 *             \_______ segment 1 ______/                  \________ segment 2 _________/
 *
 * (a stage that set `streaming` in open() does not end a segment). In a segment each thread takes a
 * batch from the source, carries it through all stages and hands it on. Commits and writes are done in
 * the order of batches: one that comes too early is laid aside, and the thread goes on with another
 * whose turn has come or with a new one. So reading, work and writing overlap, at most
 * CRU_BATCHES_A_THREAD are in memory (one a thread, when they are larger than usual), and what comes out
 * does not depend on the number of threads.
 */
#ifndef CRU_STAGE_PIPELINE_H
#define CRU_STAGE_PIPELINE_H

#include "crucible/read/reader.h"
#include "crucible/stage/spool.h"
#include "crucible/stage/stage.h"

struct cru_output;

enum { CRU_BATCHES_A_THREAD = 8 }; /* with more threads than one; a lone one has one batch */

/* Where a segment's documents come from: a reader's input or a spool. fill() is called by one thread
 * at a time in batch order, parse() by many. */
struct cru_source {
    void *context;
    enum cru_status (*fill)(void *context, struct cru_batch *, struct cru_error *);
    enum cru_status (*parse)(void *context, struct cru_batch *, struct cru_error *);
};

struct cru_source cru_source_reader(struct cru_reader *reader);
struct cru_source cru_source_spool(struct cru_spool_reader *reader);

/* Where living documents go, in batch order: JSONL, a spool, or nowhere (a sink stage ate them). */
struct cru_target {
    struct cru_output *output;
    struct cru_spool *spool;
};

/* What a run tells beside its counts. Filled in input order, so it does not depend on threads. */
struct cru_run_notes {
    struct cru_buffer input_errors; /* a line for every input that was cut or damaged */
    uint64_t bad_inputs;
    char first_wrong[400]; /* "ID: why" of the first wrong document, or "" */
};

void cru_run_notes_release(struct cru_run_notes *notes);

struct cru_pipeline {
    struct cru_source source;
    struct cru_counts source_counts; /* documents the source gave, and those it could not */
    struct cru_stage **stages;
    size_t n_stages;
    struct cru_target target;
    struct cru_output *rejects; /* JSONL of dropped and wrong documents; may be NULL */
    const struct cru_common *common;
    struct cru_run_notes notes;
    void (*progress)(void *context, uint64_t documents, uint64_t bytes); /* may be NULL */
    void *progress_context;
};

/*
 * Opens the stages, runs the chain with temporary spools in common->tmpdir, closes the stages. CRU_OK;
 * CRU_END when the output's reader went away (EPIPE); CRU_BAD with common->strict at the first wrong
 * document or damaged input; CRU_FATAL or CRU_USAGE. Counts are in the stages and in source_counts.
 */
enum cru_status cru_pipeline_run(struct cru_pipeline *pipeline, struct cru_error *err);

/* Adds one document to counts by its fate. */
enum cru_status cru_counts_add(struct cru_counts *counts, const struct cru_doc *doc,
                               struct cru_error *err);
/* Adds all of b to a. */
enum cru_status cru_counts_merge(struct cru_counts *a, const struct cru_counts *b,
                                 struct cru_error *err);
void cru_counts_release(struct cru_counts *counts);
/* Appends "in":..,"out":..,"dropped":..,"bad":..,"reasons":{..} and so on, without braces around. */
void cru_counts_json(const struct cru_counts *counts, struct cru_buffer *json);

#endif
