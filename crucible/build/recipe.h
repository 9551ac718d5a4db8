/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A recipe: sources, stages with their options, and optionally a training run, in YAML (libcyaml).
 *
 *   name: quickstart
 *   seed: 0
 *   sources:
 *     - name: web                     # becomes crucible.source
 *       paths: [dump1.warc.gz, dir]   # and the options of `crucible read`
 *       extract: main
 *       stages:                       # for this source alone, before the common ones
 *         - filter: {rules: [c4]}
 *   stages:                           # each a stage's name and its options, as on the command line
 *     - dedup: {minhash: true}
 *     - tokenize: {vocab: qwen3}
 *   train: {model: recipes/models/boreal-tiny.yaml, steps: 80}
 *
 * The schema is made from the options tables, so a recipe knows what the command line knows. An unknown
 * key is CRU_USAGE with its line and the nearest key. Paths are relative to the working directory.
 * A recipe owns all its strings. Not for sharing between threads while it is loaded.
 */
#ifndef CRU_BUILD_RECIPE_H
#define CRU_BUILD_RECIPE_H

#include "crucible/read/reader.h"
#include "crucible/stage/stage.h"

struct cru_recipe_option {
    const struct cru_option *row;
    const char *value;
};

struct cru_recipe_stage {
    const struct cru_stage_class *class;
    struct cru_recipe_option *options;
    size_t n_options;
};

struct cru_recipe_source {
    const char *name;
    const char **paths;
    size_t n_paths;
    struct cru_recipe_option *options; /* of cru_read_option_table */
    size_t n_options;
    struct cru_recipe_stage *stages;
    size_t n_stages;
};

struct cru_recipe {
    struct cru_arena arena;
    const char *path, *name;
    int64_t seed;
    struct cru_recipe_source *sources;
    size_t n_sources;
    struct cru_recipe_stage *stages;
    size_t n_stages;
    struct cru_recipe_option *train; /* options of crucible train */
    size_t n_train;
};

/* The keys `train` may have in a recipe, each an option of crucible train. */
extern const struct cru_option cru_recipe_train_options[];

/* Loads and checks: names, at least one source and path each, options within their limits, tokenize
 * at the end and only there. Opens nothing but the recipe. */
enum cru_status cru_recipe_load(const char *path, struct cru_recipe *recipe, struct cru_error *err);

/* What load checks behind the YAML, and set again; recipe_check.c. */
enum cru_status cru_recipe_check(const struct cru_recipe *recipe, struct cru_error *err);

/* Looks further, once all values are set: every stage opens with its options (rule names, conditions).
 * With `inputs` what must be on this machine is looked for too: paths, evaluation sets, vocabulary, model.
 * Costs what opening the stages costs. */
enum cru_status cru_recipe_try(const struct cru_recipe *recipe, bool inputs, struct cru_error *err);

/* Overrides one value: "STAGE.option=V" (every stage of that name), "train.option=V",
 * "SOURCE.option=V", "seed=N", "name=S". */
enum cru_status cru_recipe_set(struct cru_recipe *recipe, const char *assignment,
                               struct cru_error *err);

/* A stage with the recipe's options. NULL on failure. */
struct cru_stage *cru_recipe_stage_new(const struct cru_recipe_stage *entry,
                                       const struct cru_common *common, struct cru_error *err);

void cru_recipe_release(struct cru_recipe *recipe);

#endif
