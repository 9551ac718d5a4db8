/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "crucible/base/base.h"
#include "crucible/build/recipe.h"
#include "tokenizer/tokenizer.h"

/*
 * The recipe's view of cmd/train/train_options.c, which lies above this room: the same names, kinds and
 * limits, so that a wrong value is found before hours of reading and not behind them. The values land
 * in `scratch` and are only checked. tests/cli/recipes.sh holds the two tables together.
 */
struct train_scratch {
    const char *text;
    int64_t whole;
    uint64_t size;
    double real;
};
#define TEXT(name_, argument_, help_)                                                              \
    {CRU_OPTION_STRING, 0, name_, offsetof(struct train_scratch, text), argument_, NULL, NULL, 0, 0, help_}
#define CHOICE(name_, argument_, help_)                                                            \
    {CRU_OPTION_CHOICE, 0, name_, offsetof(struct train_scratch, text), argument_, NULL, NULL, 0, 0, help_}
#define WHOLE(name_, low_, high_, help_)                                                           \
    {CRU_OPTION_INT, 0, name_, offsetof(struct train_scratch, whole), "N", NULL, NULL, low_, high_, help_}
#define SIZE(name_, help_)                                                                         \
    {CRU_OPTION_SIZE, 0, name_, offsetof(struct train_scratch, size), "N", NULL, NULL, 0, 0, help_}
#define REAL(name_, high_, help_)                                                                  \
    {CRU_OPTION_REAL, 0, name_, offsetof(struct train_scratch, real), "X", NULL, NULL, 0, high_, help_}

const struct cru_option cru_recipe_train_options[] = {
    TEXT("model", "FILE.yaml", "model description"),
    WHOLE("steps", 1, 1e12, "optimizer steps"),
    WHOLE("seq-len", 2, 1 << 20, "positions a sequence"),
    WHOLE("micro-batch", 1, 1 << 16, "sequences at once"),
    SIZE("batch-tokens", "positions a step"),
    WHOLE("tst-bag", 1, 4096, "tokens a bag in the superposition phase"),
    REAL("tst-fraction", 1, "share of the steps in that phase"),
    REAL("lr", 10, "peak learning rate"),
    CHOICE("optimizer", "model|adamw|muon", "optimizer"),
    TEXT("eval-data", "DIR", "shards to evaluate on"),
    WHOLE("eval-every", 0, 1e12, "steps between evaluations"),
    SIZE("eval-tokens", "tokens of an evaluation"),
    WHOLE("save-every", 0, 1e12, "steps between checkpoints"),
    CHOICE("device", "auto|cpu", "where to compute"),
    {CRU_OPTION_END, 0, NULL, 0, NULL, NULL, NULL, 0, 0, NULL}};

/* The same error, told of the recipe and the place in it. */
static enum cru_status blame(const struct cru_recipe *recipe, const char *what, const char *name,
                             const struct cru_error *why, struct cru_error *err) {
    struct cru_error copy = *why;
    return cru_fail(err, copy.status, "recipe '%s', %s '%s': %s", recipe->path, what, name, copy.message);
}

static const struct cru_common no_common = {.threads = 1, .tmpdir = "/tmp", .text_field = "text", .output = "-"};

/* Tries every option on a stage, so that a wrong value is found before anything runs. */
static enum cru_status check_stages(const struct cru_recipe *recipe, const struct cru_recipe_stage *stages,
                                    size_t n, bool common, struct cru_error *err) {
    struct cru_error why;
    for (size_t i = 0; i < n; i++) {
        const char *name = stages[i].class->name;
        if (stages[i].class->sink && !(common && i + 1 == n))
            return cru_fail(err, CRU_USAGE, "recipe '%s': '%s' can only be the last stage", recipe->path, name);
        struct cru_stage *stage = cru_recipe_stage_new(&stages[i], &no_common, &why);
        if (!stage) return blame(recipe, "stage", name, &why, err);
        cru_stage_free(stage);
    }
    return CRU_OK;
}

static enum cru_status check_source(const struct cru_recipe *recipe, const struct cru_recipe_source *source,
                                    struct cru_error *err) {
    struct cru_read_options read;
    struct cru_option_store store;
    struct cru_error why;
    cru_option_store_init(&store);
    enum cru_status s = cru_options_defaults(cru_read_option_table, &read, &store, &why);
    for (size_t i = 0; s == CRU_OK && i < source->n_options; i++)
        s = cru_options_set(cru_read_option_table, &read, &store, source->options[i].row->name,
                            source->options[i].value, &why);
    cru_option_store_release(&store);
    return s ? blame(recipe, "source", source->name, &why, err)
             : check_stages(recipe, source->stages, source->n_stages, false, err);
}

static enum cru_status check_train(const struct cru_recipe *recipe, struct cru_error *err) {
    struct train_scratch scratch;
    struct cru_option_store store;
    struct cru_error why;
    enum cru_status s = CRU_OK;
    bool model = false;
    cru_option_store_init(&store);
    for (size_t i = 0; s == CRU_OK && i < recipe->n_train; i++) {
        const char *name = recipe->train[i].row->name;
        model = model || strcmp(name, "model") == 0;
        s = cru_options_set(cru_recipe_train_options, &scratch, &store, name, recipe->train[i].value, &why);
    }
    cru_option_store_release(&store);
    if (s) return blame(recipe, "section", "train", &why, err);
    return recipe->n_train == 0 || model
               ? CRU_OK
               : cru_fail(err, CRU_USAGE, "recipe '%s', section 'train': no model", recipe->path);
}

enum cru_status cru_recipe_check(const struct cru_recipe *recipe, struct cru_error *err) {
    if (recipe->n_sources == 0) return cru_fail(err, CRU_USAGE, "recipe '%s': no sources", recipe->path);
    if (!recipe->name[0] || strchr(recipe->name, '/'))
        return cru_fail(err, CRU_USAGE, "recipe '%s': name '%s' is empty or holds a slash", recipe->path, recipe->name);
    for (size_t i = 0; i < recipe->n_sources; i++) {
        enum cru_status s = check_source(recipe, &recipe->sources[i], err);
        if (s) return s;
        for (size_t j = 0; j < i; j++)
            if (strcmp(recipe->sources[i].name, recipe->sources[j].name) == 0)
                return cru_fail(err, CRU_USAGE, "recipe '%s': two sources are called '%s'", recipe->path,
                                recipe->sources[i].name);
    }
    const struct cru_recipe_stage *last = recipe->n_stages ? &recipe->stages[recipe->n_stages - 1] : NULL;
    if (!last || strcmp(last->class->name, "tokenize") != 0)
        return cru_fail(err, CRU_USAGE, "recipe '%s': the last stage must be tokenize", recipe->path);
    for (size_t i = 0; i < last->n_options; i++) {
        const char *name = last->options[i].row->name;
        bool on = strcmp(last->options[i].value, "true") == 0;
        if (((strcmp(name, "ids") == 0 || strcmp(name, "count") == 0) && on) || strcmp(name, "train-vocab") == 0)
            return cru_fail(err, CRU_USAGE, "recipe '%s': tokenize writes shards here: '%s' is for the command line",
                            recipe->path, name);
    }
    enum cru_status s = check_stages(recipe, recipe->stages, recipe->n_stages, true, err);
    return s == CRU_OK ? check_train(recipe, err) : s;
}

/* All but the sink, whose opening would begin to write; of that one the vocabulary. */
static enum cru_status try_stages(const struct cru_recipe *recipe, const struct cru_recipe_stage *stages,
                                  size_t n, bool inputs, struct cru_error *err) {
    enum cru_status s = CRU_OK;
    struct cru_error why;
    for (size_t i = 0; s == CRU_OK && i < n; i++) {
        const struct cru_stage_class *class = stages[i].class;
        if (class->sink) {
            const char *vocab = "qwen3";
            for (size_t k = 0; k < stages[i].n_options; k++)
                if (strcmp(stages[i].options[k].row->name, "vocab") == 0) vocab = stages[i].options[k].value;
            struct cru_tokenizer *tokenizer = NULL;
            s = cru_tokenizer_open(vocab, &tokenizer, &why);
            cru_tokenizer_free(tokenizer);
        } else {
            struct cru_stage *stage = cru_recipe_stage_new(&stages[i], &no_common, &why);
            if (!stage) return blame(recipe, "stage", class->name, &why, err);
            stage->opened = true;
            if (class->open) s = class->open(stage, &why);
            cru_stage_free(stage);
        }
        if (s == CRU_USAGE || (s && inputs)) return blame(recipe, "stage", class->name, &why, err);
        s = CRU_OK;
    }
    return s;
}

enum cru_status cru_recipe_try(const struct cru_recipe *recipe, bool inputs, struct cru_error *err) {
    enum cru_status s = CRU_OK;
    for (size_t i = 0; s == CRU_OK && i < recipe->n_sources; i++) {
        const struct cru_recipe_source *source = &recipe->sources[i];
        for (size_t k = 0; inputs && s == CRU_OK && k < source->n_paths; k++)
            if (strcmp(source->paths[k], "-") != 0 && access(source->paths[k], R_OK))
                s = cru_fail_errno(err, "unable to open", source->paths[k]);
        if (s == CRU_OK) s = try_stages(recipe, source->stages, source->n_stages, inputs, err);
    }
    if (s == CRU_OK) s = try_stages(recipe, recipe->stages, recipe->n_stages, inputs, err);
    for (size_t i = 0; inputs && s == CRU_OK && i < recipe->n_train; i++) {
        const char *name = recipe->train[i].row->name, *path = recipe->train[i].value;
        if ((strcmp(name, "model") == 0 || strcmp(name, "eval-data") == 0) && access(path, R_OK))
            s = cru_fail_errno(err, "unable to open", path);
    }
    return s;
}
