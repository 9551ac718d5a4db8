/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The batch loop. A chain of stages is cut into segments behind every stage that has finish():
 *
 *   reader -> [run commit][run commit] -> spool | finish | spool -> [replay][run commit] -> output
 *             \_______ segment 1 ______/                  \________ segment 2 _________/
 *
 * In a segment each thread takes a batch from the source, carries it through all stages, and hands it
 * on; commits and writes wait for their batch's turn. So reading, work and writing overlap, at most
 * one batch a thread is in memory, and what comes out does not depend on the number of threads.
 */
#ifndef CRU_STAGE_PIPELINE_H
#define CRU_STAGE_PIPELINE_H

#include "crucible/read/reader.h"
#include "crucible/stage/spool.h"
#include "crucible/stage/stage.h"

struct cru_output;

/* Where a segment's documents come from: a reader's input or a spool. fill() is called by one thread
 * at a time in batch order, parse() by many. */
struct cru_source {
    void *context;
    enum cru_status (*fill)(void *context, struct cru_batch *, struct cru_error *);
    enum cru_status (*parse)(void *context, struct cru_batch *, struct cru_error *);
};

struct cru_source cru_source_reader(struct cru_reader *reader);

/* Where they go; write() is called in batch order with the living documents, reject() with the
 * dropped ones. Either may be NULL. */
struct cru_target {
    void *context;
    enum cru_status (*write)(void *context, struct cru_batch *, const struct cru_buffer *rendered,
                             struct cru_error *);
    bool render; /* write() wants the batch as JSONL, rendered in parallel */
};

struct cru_segment {
    struct cru_source source;
    const char *source_name;          /* stage name for counts of the source: "read" */
    struct cru_counts *source_counts; /* may be NULL */
    struct cru_stage **stages;        /* replay_first: stages[0] is replayed, not run */
    size_t n_stages;
    bool replay_first;
    struct cru_target target;
    struct cru_output *rejects; /* JSONL of dropped and wrong documents, or NULL */
    const struct cru_common *common;
    void (*progress)(void *context, uint64_t documents, uint64_t bytes); /* or NULL */
    void *progress_context;
};

/*
 * Runs one segment to its end. CRU_OK; CRU_END when the output's reader went away (EPIPE); CRU_BAD
 * with --strict at the first wrong document; CRU_FATAL.
 */
enum cru_status cru_segment_run(struct cru_segment *segment, struct cru_error *err);

struct cru_pipeline {
    struct cru_source source;
    struct cru_counts source_counts;
    struct cru_stage **stages;
    size_t n_stages;
    struct cru_output *output;  /* JSONL of what is left; NULL when the last stage is a sink */
    struct cru_output *rejects; /* may be NULL */
    const struct cru_common *common;
    void (*progress)(void *context, uint64_t documents, uint64_t bytes);
    void *progress_context;
};

/* Opens the stages, runs the whole chain with spools in common->tmpdir, closes the stages. */
enum cru_status cru_pipeline_run(struct cru_pipeline *pipeline, struct cru_error *err);

/* Adds one document to counts by its fate. */
enum cru_status cru_counts_add(struct cru_counts *counts, const struct cru_doc *doc,
                               struct cru_error *err);
/* Adds all of b to a. */
enum cru_status cru_counts_merge(struct cru_counts *a, const struct cru_counts *b,
                                 struct cru_error *err);
void cru_counts_release(struct cru_counts *counts);
/* Appends {"in":..,"out":..,"dropped":..,"bad":..,"reasons":{..},...} without the closing brace. */
void cru_counts_json(const struct cru_counts *counts, struct cru_buffer *json);

#endif
