/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The main of every stage that takes documents: a chain of one. Reads JSONL from files or standard
 * input, drives the stage, writes JSONL (or what a sink writes), prints one summary.
 */
#ifndef CRU_CMD_STAGE_MAIN_H
#define CRU_CMD_STAGE_MAIN_H

#include "crucible/stage/pipeline.h"

int cru_stage_main(int argc, char **argv, const struct cru_stage_class *class);

/* What `crucible read` shares with it. */
struct cru_stage_run {
    struct cru_common common;
    const char *stats, *rejects, *progress;
};
extern const struct cru_option cru_stage_run_options[];

/* Fills in what the defaults cannot say: threads, temporary directory. */
void cru_stage_run_complete(struct cru_stage_run *run);

/* Runs a pipeline whose source and stages are set, writes --rejects and --stats, prints the summary,
 * and answers the exit status. `name` is the command's. */
int cru_stage_run_pipeline(const char *name, struct cru_stage_run *run,
                           struct cru_pipeline *pipeline);

#endif
