/* SPDX-License-Identifier: Apache-2.0 */
#include <cyaml/cyaml.h>
#include <stdarg.h>

#include "crucible/base/base.h"
#include "crucible/build/recipe.h"

/*
 * What libcyaml fills in. A table of n options becomes a mapping of n slots; a slot is a string, or for
 * a LIST option a sequence of strings.
 *
 *   top --> sources[] --> { name, paths, slots of read options, stages[] }
 *       --> stages[]  --> one pointer a stage class, the used one not NULL --> slots
 */
struct slot {
    void *p;
    uint64_t n;
};

enum { CLASSES_MAX = 16, TRAIN_ROWS = 40 };

struct yaml_stage {
    struct slot *classes[CLASSES_MAX];
};

struct yaml_source {
    char *name;
    char **paths;
    uint64_t n_paths;
    struct yaml_stage *stages;
    uint64_t n_stages;
    struct slot options[16];
};

struct yaml_top {
    char *name;
    char *seed;
    struct yaml_source *sources;
    uint64_t n_sources;
    struct yaml_stage *stages;
    uint64_t n_stages;
    struct slot *train;
};

#define ROW(name_, help_)                                                                          \
    {CRU_OPTION_STRING, 0, name_, 0, "V", NULL, NULL, 0, 0, help_}

const struct cru_option cru_recipe_train_options[] = {
    ROW("model", "model description"),
    ROW("steps", "optimizer steps"),
    ROW("seq-len", "positions a sequence"),
    ROW("micro-batch", "sequences at once"),
    ROW("batch-tokens", "tokens a step"),
    ROW("tst-bag", "tokens a bag in the superposition phase"),
    ROW("tst-fraction", "share of the steps in that phase"),
    ROW("lr", "peak learning rate"),
    ROW("warmup", "warm-up steps"),
    ROW("eval-data", "shards to evaluate on"),
    ROW("device", "auto or cpu"),
    {CRU_OPTION_END, 0, NULL, 0, NULL, NULL, NULL, 0, 0, NULL}};

static const cyaml_schema_value_t string_value = {
    .type = CYAML_STRING, .flags = CYAML_FLAG_POINTER, .data_size = sizeof(char), .string = {0, CYAML_UNLIMITED}};

/* Schemas made at run time live here; freed with the arena. */
struct schema {
    struct cru_arena *arena;
    bool failed;
};

static cyaml_schema_field_t string_field(const char *key, size_t offset, bool optional) {
    cyaml_schema_field_t f = {.key = key, .data_offset = (uint32_t)offset, .value = string_value};
    if (optional) f.value.flags |= CYAML_FLAG_OPTIONAL;
    return f;
}

static cyaml_schema_field_t sequence_field(const char *key, size_t offset, size_t count_offset,
                                           const cyaml_schema_value_t *entry, bool optional) {
    cyaml_schema_field_t f = {.key = key, .data_offset = (uint32_t)offset,
                              .count_offset = (uint32_t)count_offset, .count_size = sizeof(uint64_t)};
    f.value.type = CYAML_SEQUENCE;
    f.value.flags = CYAML_FLAG_POINTER;
    if (optional) f.value.flags |= CYAML_FLAG_OPTIONAL;
    f.value.data_size = entry->flags & CYAML_FLAG_POINTER ? (uint32_t)sizeof(char *) : entry->data_size;
    f.value.sequence.entry = entry;
    f.value.sequence.min = 0;
    f.value.sequence.max = CYAML_UNLIMITED;
    return f;
}

static void option_field(const struct cru_option *o, size_t offset, cyaml_schema_field_t *f) {
    if (o->type == CRU_OPTION_LIST)
        *f = sequence_field(o->name, offset, offset + offsetof(struct slot, n), &string_value, true);
    else
        *f = string_field(o->name, offset, true);
}

static size_t table_rows(const struct cru_option *table) {
    size_t n = 0;
    while (table[n].type) n++;
    return n;
}

/* Fields for a table, slots from `offset` on; `extra` more fields are left free in front. */
static cyaml_schema_field_t *table_fields(struct schema *schema, const struct cru_option *table,
                                          size_t offset, size_t extra) {
    size_t n = table_rows(table);
    cyaml_schema_field_t *fields = cru_arena_calloc(schema->arena, n + extra + 1, sizeof *fields);
    if (!fields) {
        schema->failed = true;
        return NULL;
    }
    for (size_t i = 0; i < n; i++)
        option_field(&table[i], offset + i * sizeof(struct slot), &fields[extra + i]);
    return fields;
}

static void mapping_field(cyaml_schema_field_t *f, const char *key, size_t offset,
                          const cyaml_schema_field_t *fields, size_t bytes) {
    memset(f, 0, sizeof *f);
    f->key = key;
    f->data_offset = (uint32_t)offset;
    f->value.type = CYAML_MAPPING;
    f->value.flags = CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL;
    f->value.data_size = (uint32_t)bytes;
    f->value.mapping.fields = fields;
}

static const cyaml_schema_value_t *stage_schema(struct schema *schema) {
    cyaml_schema_value_t *value = cru_arena_calloc(schema->arena, 1, sizeof *value);
    cyaml_schema_field_t *fields = cru_arena_calloc(schema->arena, CLASSES_MAX + 1, sizeof *fields);
    if (!value || !fields) {
        schema->failed = true;
        return value;
    }
    for (size_t k = 0; k < CLASSES_MAX && cru_stage_classes[k]; k++) {
        const struct cru_stage_class *class = cru_stage_classes[k];
        mapping_field(&fields[k], class->name, k * sizeof(struct slot *),
                      table_fields(schema, class->options, 0, 0),
                      (table_rows(class->options) + 1) * sizeof(struct slot));
    }
    value->type = CYAML_MAPPING;
    value->data_size = sizeof(struct yaml_stage);
    value->mapping.fields = fields;
    return value;
}

static const cyaml_schema_value_t *top_schema(struct schema *schema) {
    const cyaml_schema_value_t *stage = stage_schema(schema);
    cyaml_schema_value_t *source = cru_arena_calloc(schema->arena, 2, sizeof *source);
    cyaml_schema_field_t *fields =
        table_fields(schema, cru_read_option_table, offsetof(struct yaml_source, options), 3);
    cyaml_schema_field_t *top = cru_arena_calloc(schema->arena, 6, sizeof *top);
    if (schema->failed || !stage || !source || !fields || !top) return NULL;
    fields[0] = string_field("name", offsetof(struct yaml_source, name), false);
    fields[1] = sequence_field("paths", offsetof(struct yaml_source, paths),
                               offsetof(struct yaml_source, n_paths), &string_value, false);
    fields[2] = sequence_field("stages", offsetof(struct yaml_source, stages),
                               offsetof(struct yaml_source, n_stages), stage, true);
    source[0].type = CYAML_MAPPING;
    source[0].data_size = sizeof(struct yaml_source);
    source[0].mapping.fields = fields;
    top[0] = string_field("name", offsetof(struct yaml_top, name), false);
    top[1] = string_field("seed", offsetof(struct yaml_top, seed), true);
    top[2] = sequence_field("sources", offsetof(struct yaml_top, sources),
                            offsetof(struct yaml_top, n_sources), &source[0], false);
    top[3] = sequence_field("stages", offsetof(struct yaml_top, stages),
                            offsetof(struct yaml_top, n_stages), stage, false);
    const cyaml_schema_field_t *train = table_fields(schema, cru_recipe_train_options, 0, 0);
    mapping_field(&top[4], "train", offsetof(struct yaml_top, train), train,
                  (table_rows(cru_recipe_train_options) + 1) * sizeof(struct slot));
    source[1].type = CYAML_MAPPING;
    source[1].flags = CYAML_FLAG_POINTER;
    source[1].data_size = sizeof(struct yaml_top);
    source[1].mapping.fields = top;
    return &source[1];
}

/* libcyaml tells what is wrong, and where, through its log. */
struct complaint {
    char first[200], where[200];
    int line;
};

static void take_log(cyaml_log_t level, void *context, const char *format, va_list args) {
    (void)level;
    struct complaint *c = context;
    char line[300];
    (void)vsnprintf(line, sizeof line, format, args);
    size_t n = strlen(line);
    if (n && line[n - 1] == '\n') line[n - 1] = 0;
    const char *at = strstr(line, "line: ");
    if (at && !c->line) {
        c->line = (int)strtol(at + 6, NULL, 10);
        (void)snprintf(c->where, sizeof c->where, "%.190s", line);
    } else if (!c->first[0] && !strstr(line, "Backtrace")) {
        const char *text = strncmp(line, "Load: ", 6) == 0 ? line + 6 : line;
        (void)snprintf(c->first, sizeof c->first, "%.190s", text);
    }
}

static const char *nearest_key(const char *key) {
    static const char *const plain[] = {"name", "seed", "sources", "stages", "train", "paths", NULL};
    struct cru_option rows[CLASSES_MAX + 8] = {{CRU_OPTION_END, 0, NULL, 0, NULL, NULL, NULL, 0, 0, NULL}};
    size_t n = 0;
    for (size_t i = 0; plain[i]; i++) rows[n].type = CRU_OPTION_FLAG, rows[n++].name = plain[i];
    for (size_t k = 0; cru_stage_classes[k] && n < CLASSES_MAX + 7; k++)
        rows[n].type = CRU_OPTION_FLAG, rows[n++].name = cru_stage_classes[k]->name;
    rows[n].type = CRU_OPTION_END;
    const char *near = cru_options_nearest(rows, key);
    if (!near) near = cru_options_nearest(cru_read_option_table, key);
    for (size_t k = 0; !near && cru_stage_classes[k]; k++)
        near = cru_options_nearest(cru_stage_classes[k]->options, key);
    if (!near) near = cru_options_nearest(cru_recipe_train_options, key);
    return near;
}

static enum cru_status complain(const char *path, const struct complaint *c, cyaml_err_t e,
                                struct cru_error *err) {
    if (e == CYAML_ERR_FILE_OPEN) return cru_fail_errno(err, "unable to open recipe", path);
    const char *key = strstr(c->first, "Unexpected key: ");
    if (key) {
        const char *near = nearest_key(key + 16);
        return cru_fail(err, CRU_USAGE, "recipe '%s', line %d: unknown key '%s'%s%s%s", path, c->line,
                        key + 16, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    return cru_fail(err, CRU_USAGE, "recipe '%s', line %d: %s", path, c->line,
                    c->first[0] ? c->first : cyaml_strerror(e));
}

static const char *keep(struct cru_recipe *recipe, const char *text) {
    return cru_arena_copy(&recipe->arena, cru_span_of(text)).p;
}

static enum cru_status add_option(struct cru_recipe *recipe, struct cru_recipe_option **options,
                                  size_t *n, const struct cru_option *row, const char *value,
                                  struct cru_error *err) {
    struct cru_recipe_option *more = cru_arena_alloc(&recipe->arena, (*n + 1) * sizeof *more);
    const char *kept = keep(recipe, value);
    if (!more || !kept) return cru_fail_memory(err, "recipe");
    if (*n) memcpy(more, *options, *n * sizeof *more);
    more[*n] = (struct cru_recipe_option){row, kept};
    *options = more;
    ++*n;
    return CRU_OK;
}

static enum cru_status take_slots(struct cru_recipe *recipe, const struct slot *slots,
                                  const struct cru_option *table, struct cru_recipe_option **options,
                                  size_t *n, struct cru_error *err) {
    enum cru_status s = CRU_OK;
    for (size_t i = 0; s == CRU_OK && table[i].type; i++) {
        if (!slots[i].p) continue;
        if (table[i].type != CRU_OPTION_LIST) {
            s = add_option(recipe, options, n, &table[i], slots[i].p, err);
            continue;
        }
        char **items = slots[i].p;
        for (uint64_t k = 0; s == CRU_OK && k < slots[i].n; k++)
            s = add_option(recipe, options, n, &table[i], items[k], err);
    }
    return s;
}

static enum cru_status take_stages(struct cru_recipe *recipe, const struct yaml_stage *from, uint64_t n,
                                   struct cru_recipe_stage **stages, size_t *n_stages,
                                   struct cru_error *err) {
    *n_stages = 0;
    *stages = cru_arena_calloc(&recipe->arena, n + 1, sizeof **stages);
    if (!*stages) return cru_fail_memory(err, "recipe");
    for (uint64_t i = 0; i < n; i++) {
        for (size_t k = 0; cru_stage_classes[k]; k++) {
            if (!from[i].classes[k]) continue;
            struct cru_recipe_stage *to = &(*stages)[*n_stages];
            if (to->class)
                return cru_fail(err, CRU_USAGE, "recipe '%s': '%s' and '%s' stand in one entry of stages",
                                recipe->path, to->class->name, cru_stage_classes[k]->name);
            to->class = cru_stage_classes[k];
            enum cru_status s = take_slots(recipe, from[i].classes[k], to->class->options, &to->options,
                                           &to->n_options, err);
            if (s) return s;
        }
        if (!(*stages)[*n_stages].class)
            return cru_fail(err, CRU_USAGE, "recipe '%s': an entry of stages is empty", recipe->path);
        ++*n_stages;
    }
    return CRU_OK;
}

static enum cru_status take_source(struct cru_recipe *recipe, const struct yaml_source *from,
                                   struct cru_recipe_source *to, struct cru_error *err) {
    to->name = keep(recipe, from->name);
    to->paths = cru_arena_calloc(&recipe->arena, from->n_paths + 1, sizeof *to->paths);
    if (!to->name || !to->paths) return cru_fail_memory(err, "recipe");
    if (from->n_paths == 0)
        return cru_fail(err, CRU_USAGE, "recipe '%s': source '%s' has no paths", recipe->path, to->name);
    for (const char *c = to->name; *c; c++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", *c))
            return cru_fail(err, CRU_USAGE, "recipe '%s': source name '%s' may only hold letters, digits, '-' and '_'",
                            recipe->path, to->name);
    for (uint64_t i = 0; i < from->n_paths; i++)
        if (!(to->paths[to->n_paths++] = keep(recipe, from->paths[i])))
            return cru_fail_memory(err, "recipe");
    enum cru_status s = take_slots(recipe, from->options, cru_read_option_table, &to->options,
                                   &to->n_options, err);
    if (s == CRU_OK)
        s = take_stages(recipe, from->stages, from->n_stages, &to->stages, &to->n_stages, err);
    return s;
}

static enum cru_status set_seed(struct cru_recipe *recipe, const char *value, struct cru_error *err) {
    char *end;
    recipe->seed = strtoll(value, &end, 10);
    if (*end || end == value)
        return cru_fail(err, CRU_USAGE, "recipe '%s': seed '%s' is not a whole number", recipe->path, value);
    return CRU_OK;
}

/* Tries every option on a stage, so that a wrong value is found before anything runs. */
static enum cru_status check_stages(const struct cru_recipe *recipe, const struct cru_recipe_stage *stages,
                                    size_t n, bool common, struct cru_error *err) {
    static const struct cru_common nothing = {.threads = 1, .tmpdir = "/tmp", .text_field = "text"};
    for (size_t i = 0; i < n; i++) {
        if (stages[i].class->sink && !(common && i + 1 == n))
            return cru_fail(err, CRU_USAGE, "recipe '%s': '%s' can only be the last stage", recipe->path,
                            stages[i].class->name);
        struct cru_stage *stage = cru_recipe_stage_new(&stages[i], &nothing, err);
        if (!stage) return err->status;
        cru_stage_free(stage);
    }
    return CRU_OK;
}

static enum cru_status check(const struct cru_recipe *recipe, struct cru_error *err) {
    if (recipe->n_sources == 0) return cru_fail(err, CRU_USAGE, "recipe '%s': no sources", recipe->path);
    for (size_t i = 0; i < recipe->n_sources; i++) {
        enum cru_status s = check_stages(recipe, recipe->sources[i].stages, recipe->sources[i].n_stages, false, err);
        if (s) return s;
        for (size_t j = 0; j < i; j++)
            if (strcmp(recipe->sources[i].name, recipe->sources[j].name) == 0)
                return cru_fail(err, CRU_USAGE, "recipe '%s': two sources are called '%s'", recipe->path,
                                recipe->sources[i].name);
    }
    bool tokens = recipe->n_stages && strcmp(recipe->stages[recipe->n_stages - 1].class->name, "tokenize") == 0;
    if (!tokens)
        return cru_fail(err, CRU_USAGE, "recipe '%s': the last stage must be tokenize", recipe->path);
    return check_stages(recipe, recipe->stages, recipe->n_stages, true, err);
}

enum cru_status cru_recipe_load(const char *path, struct cru_recipe *recipe, struct cru_error *err) {
    memset(recipe, 0, sizeof *recipe);
    cru_arena_init(&recipe->arena);
    struct cru_arena schema_arena;
    cru_arena_init(&schema_arena);
    struct schema schema = {&schema_arena, false};
    const cyaml_schema_value_t *top = top_schema(&schema);
    struct complaint complaint = {.line = 0};
    cyaml_config_t config = {.log_fn = take_log, .log_ctx = &complaint, .log_level = CYAML_LOG_ERROR,
                             .mem_fn = cyaml_mem};
    struct yaml_top *yaml = NULL;
    enum cru_status s = CRU_OK;
    recipe->path = keep(recipe, path);
    if (!top || !recipe->path) s = cru_fail_memory(err, "recipe");
    cyaml_err_t e = CYAML_OK;
    if (s == CRU_OK) e = cyaml_load_file(path, &config, top, (cyaml_data_t **)&yaml, NULL);
    if (s == CRU_OK && e) s = complain(path, &complaint, e, err);
    if (s == CRU_OK) {
        recipe->name = keep(recipe, yaml->name);
        recipe->sources = cru_arena_calloc(&recipe->arena, yaml->n_sources + 1, sizeof *recipe->sources);
        if (!recipe->name || !recipe->sources) s = cru_fail_memory(err, "recipe");
    }
    if (s == CRU_OK && yaml->seed) s = set_seed(recipe, yaml->seed, err);
    for (uint64_t i = 0; s == CRU_OK && i < yaml->n_sources; i++)
        s = take_source(recipe, &yaml->sources[i], &recipe->sources[recipe->n_sources++], err);
    if (s == CRU_OK)
        s = take_stages(recipe, yaml->stages, yaml->n_stages, &recipe->stages, &recipe->n_stages, err);
    if (s == CRU_OK && yaml->train)
        s = take_slots(recipe, yaml->train, cru_recipe_train_options, &recipe->train, &recipe->n_train, err);
    if (s == CRU_OK) s = check(recipe, err);
    if (yaml) (void)cyaml_free(&config, top, yaml, 0);
    cru_arena_release(&schema_arena);
    if (s) cru_recipe_release(recipe);
    return s;
}

static enum cru_status replace_option(struct cru_recipe *recipe, struct cru_recipe_option **options, size_t *n,
                                      const struct cru_option *table, const char *key, const char *value,
                                      struct cru_error *err) {
    const struct cru_option *row = cru_options_find(table, key);
    if (!row) {
        const char *near = cru_options_nearest(table, key);
        return cru_fail(err, CRU_USAGE, "option '--set': unknown key '%s'%s%s%s", key,
                        near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    size_t kept = 0;
    for (size_t i = 0; i < *n; i++)
        if ((*options)[i].row != row) (*options)[kept++] = (*options)[i];
    *n = kept;
    return add_option(recipe, options, n, row, value, err);
}

enum cru_status cru_recipe_set(struct cru_recipe *recipe, const char *assignment, struct cru_error *err) {
    char key[128];
    const char *equals = strchr(assignment, '=');
    if (!equals || (size_t)(equals - assignment) >= sizeof key)
        return cru_fail(err, CRU_USAGE, "option '--set': '%s' is not KEY=VALUE", assignment);
    memcpy(key, assignment, (size_t)(equals - assignment));
    key[equals - assignment] = 0;
    const char *value = equals + 1;
    if (strcmp(key, "seed") == 0) return set_seed(recipe, value, err);
    if (strcmp(key, "name") == 0) {
        recipe->name = keep(recipe, value);
        return recipe->name ? CRU_OK : cru_fail_memory(err, "recipe");
    }
    char *dot = strchr(key, '.');
    if (!dot) return cru_fail(err, CRU_USAGE, "option '--set': '%s' is neither seed, name nor STAGE.option", key);
    *dot = 0;
    enum cru_status s = CRU_OK;
    bool found = false;
    if (strcmp(key, "train") == 0)
        return replace_option(recipe, &recipe->train, &recipe->n_train, cru_recipe_train_options, dot + 1, value, err);
    for (size_t i = 0; s == CRU_OK && i < recipe->n_stages; i++) {
        struct cru_recipe_stage *stage = &recipe->stages[i];
        if (strcmp(stage->class->name, key) != 0) continue;
        found = true;
        s = replace_option(recipe, &stage->options, &stage->n_options, stage->class->options, dot + 1, value, err);
    }
    for (size_t i = 0; s == CRU_OK && i < recipe->n_sources; i++) {
        struct cru_recipe_source *source = &recipe->sources[i];
        if (strcmp(source->name, key) != 0) continue;
        found = true;
        s = replace_option(recipe, &source->options, &source->n_options, cru_read_option_table, dot + 1, value, err);
    }
    if (s == CRU_OK && !found)
        return cru_fail(err, CRU_USAGE, "option '--set': the recipe has no stage or source '%s'", key);
    return s == CRU_OK ? check(recipe, err) : s;
}

struct cru_stage *cru_recipe_stage_new(const struct cru_recipe_stage *entry, const struct cru_common *common,
                                       struct cru_error *err) {
    struct cru_stage *stage = cru_stage_new(entry->class, common);
    if (!stage) {
        (void)cru_fail_memory(err, "stage");
        return NULL;
    }
    for (size_t i = 0; i < entry->n_options; i++) {
        const struct cru_recipe_option *o = &entry->options[i];
        /* `exact: false` turns an option off whose bare form has a value. */
        if (o->row->implied && strcmp(o->value, "false") == 0) continue;
        if (cru_options_set(entry->class->options, stage, &stage->store, o->row->name, o->value, err)) {
            cru_stage_free(stage);
            return NULL;
        }
    }
    return stage;
}

void cru_recipe_release(struct cru_recipe *recipe) { cru_arena_release(&recipe->arena); }
