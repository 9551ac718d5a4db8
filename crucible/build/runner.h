/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a recipe in one process. The chain is cut into steps: one a source (read and its own stages), then
 * one behind each stage that must see everything, the last of them ending in shards, then training.
 *
 *   WORK/catalog.db        what was done, with counts
 *   WORK/steps/KEY.spool   documents behind a finished step
 *   WORK/rejects/STEP.jsonl what each step dropped, when asked for
 *   WORK/shards/           the result
 *   WORK/train/            checkpoints and log.jsonl
 *
 * A step's KEY is the hash of Crucible's version, its options, the size and time of every file it reads,
 * and the keys of the steps before it. A finished step is not run again; a killed one is run from its
 * beginning, and since every stage is deterministic the shards come out the same to the byte.
 */
#ifndef CRU_BUILD_RUNNER_H
#define CRU_BUILD_RUNNER_H

#include "crucible/build/recipe.h"

struct cru_build {
    const struct cru_recipe *recipe;
    const char *work;           /* the work directory */
    struct cru_common common;   /* threads, memory, tmpdir, text_field, strict */
    bool rejects;               /* write WORK/rejects */
    bool dry_run;               /* only say what would be run */
    bool skip_training;
    const char *trainer;        /* path of crucible-train */
    void (*say)(void *context, const char *line); /* a line of progress; may be NULL */
    void *say_context;
    /* filled in */
    uint64_t wrong, bad_inputs; /* over the steps that were run now */
    size_t steps_run, steps_kept;
};

enum cru_status cru_build_run(struct cru_build *build, struct cru_error *err);

#endif
