/* SPDX-License-Identifier: Apache-2.0 */
#include <cyaml/cyaml.h>
#include <errno.h>
#include <stdarg.h>

#include "crucible/base/base.h"
#include "crucible/build/recipe.h"
#include "crucible/build/yaml_place.h"

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

enum { CLASSES_MAX = 16, RECIPE_MAX = 1 << 20 };

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
    char first[200];
    char inside[64]; /* the mapping field that holds the place: "dedup", "sources", or "" at the top */
    int line, column, fields; /* of the value before the trouble */
    bool more; /* a second document follows, which libcyaml would pass over with a warning */
};

static void take_log(cyaml_log_t level, void *context, const char *format, va_list args) {
    struct complaint *c = context;
    if (level < CYAML_LOG_ERROR) {
        c->more = c->more || strstr(format, "Ignoring documents") != NULL;
        return;
    }
    char line[300];
    (void)vsnprintf(line, sizeof line, format, args);
    size_t n = strlen(line);
    if (n && line[n - 1] == '\n') line[n - 1] = 0;
    const char *at = strstr(line, "line: "), *field = strstr(line, "in mapping field '");
    /* The backtrace runs from the inside out. A key that is unknown is not a field yet, so the first
     * field is what it stands in. */
    if (field && !c->fields++) {
        const char *name = field + strlen("in mapping field '"), *end = strchr(name, '\'');
        if (end) (void)snprintf(c->inside, sizeof c->inside, "%.*s", (int)(end - name), name);
    }
    if (at && !c->line) {
        const char *column = strstr(at, "column: ");
        c->line = (int)strtol(at + 6, NULL, 10);
        if (column) c->column = (int)strtol(column + 8, NULL, 10);
    } else if (!c->first[0] && !at && !strstr(line, "Backtrace")) {
        const char *text = strncmp(line, "Load: ", 6) == 0 ? line + 6 : line;
        (void)snprintf(c->first, sizeof c->first, "%.190s", text);
    }
}

static const char *nearest_of(const char *const *names, const char *key) {
    struct cru_option rows[CLASSES_MAX + 8];
    size_t n = 0;
    for (; n < CLASSES_MAX + 7 && names[n]; n++)
        rows[n] = (struct cru_option){.type = CRU_OPTION_FLAG, .name = names[n]};
    rows[n] = (struct cru_option){.type = CRU_OPTION_END};
    return cru_options_nearest(rows, key);
}

/* Of the keys that could stand there. */
static const char *nearest_key(const char *inside, const char *key) {
    static const char *const top[] = {"name", "seed", "sources", "stages", "train", NULL};
    static const char *const source[] = {"name", "paths", "stages", NULL};
    const struct cru_stage_class *class = cru_stage_class_find(inside);
    if (class) return cru_options_nearest(class->options, key);
    if (strcmp(inside, "train") == 0) return cru_options_nearest(cru_recipe_train_options, key);
    if (strcmp(inside, "stages") == 0) {
        const char *names[CLASSES_MAX + 1] = {NULL};
        for (size_t k = 0; k < CLASSES_MAX && cru_stage_classes[k]; k++) names[k] = cru_stage_classes[k]->name;
        return nearest_of(names, key);
    }
    if (strcmp(inside, "sources") != 0) return nearest_of(top, key);
    const char *near = nearest_of(source, key);
    return near ? near : cru_options_nearest(cru_read_option_table, key);
}

static enum cru_status complain(const char *path, struct cru_span text, const struct complaint *c, cyaml_err_t e,
                                struct cru_error *err) {
    char where[32] = "";
    const char *key = strstr(c->first, "Unexpected key: "), *twice = strstr(c->first, "already seen: ");
    int line = c->line;
    if (key || twice) line = cru_yaml_key_line(text, line, c->column, key ? key + 16 : twice + 14);
    if (line) (void)snprintf(where, sizeof where, ", line %d", line);
    if (key) {
        const char *near = nearest_key(c->inside, key + 16);
        return cru_fail(err, CRU_USAGE, "recipe '%s'%s: unknown key '%s'%s%s%s", path, where, key + 16,
                        near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    return cru_fail(err, CRU_USAGE, "recipe '%s'%s: %s", path, where,
                    c->first[0] ? c->first : cyaml_strerror(e));
}

/* The whole file: libcyaml's own reading cannot tell a directory from wrong YAML. */
static enum cru_status read_text(const char *path, struct cru_buffer *text, struct cru_error *err) {
    FILE *file = fopen(path, "rb");
    if (!file) return cru_fail_errno(err, "unable to open recipe", path);
    enum cru_status s = CRU_OK;
    for (char *to; text->n <= RECIPE_MAX && (to = cru_buffer_room(text, 4096));) {
        size_t got = fread(to, 1, 4096, file);
        if (got == 0) break;
        text->n += got;
    }
    if (ferror(file)) s = cru_fail_errno(err, "unable to read recipe", path);
    else if (text->failed) s = cru_fail_memory(err, "recipe");
    else if (text->n > RECIPE_MAX)
        s = cru_fail(err, CRU_USAGE, "recipe '%s': longer than %d bytes", path, RECIPE_MAX);
    (void)fclose(file);
    return s;
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

/* YAML writes true in more than one way. Where a bare option means true and a value means a field (exact),
 * `exact: yes` would silently be a field called yes. */
static const char *as_boolean(const struct cru_option *row, const char *value) {
    static const char *const words[2][6] = {{"False", "FALSE", "no", "No", "off", NULL},
                                            {"True", "TRUE", "yes", "Yes", "on", NULL}};
    if (row->type != CRU_OPTION_FLAG && !row->implied) return value;
    for (int truth = 0; truth < 2; truth++)
        for (size_t i = 0; words[truth][i]; i++)
            if (strcmp(value, words[truth][i]) == 0) return truth ? "true" : "false";
    return value;
}

static enum cru_status take_slots(struct cru_recipe *recipe, const struct slot *slots,
                                  const struct cru_option *table, struct cru_recipe_option **options,
                                  size_t *n, struct cru_error *err) {
    enum cru_status s = CRU_OK;
    for (size_t i = 0; s == CRU_OK && table[i].type; i++) {
        if (!slots[i].p) continue;
        if (table[i].type != CRU_OPTION_LIST) {
            s = add_option(recipe, options, n, &table[i], as_boolean(&table[i], slots[i].p), err);
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
    if (!to->name[0]) return cru_fail(err, CRU_USAGE, "recipe '%s': a source has an empty name", recipe->path);
    for (const char *c = to->name; *c; c++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", *c))
            return cru_fail(err, CRU_USAGE, "recipe '%s': source name '%s' may only hold letters, digits, '-' and '_'",
                            recipe->path, to->name);
    for (uint64_t i = 0; i < from->n_paths; i++)
        if (!(to->paths[to->n_paths++] = keep(recipe, from->paths[i])))
            return cru_fail_memory(err, "recipe");
        else if (!from->paths[i][0])
            return cru_fail(err, CRU_USAGE, "recipe '%s': source '%s' has an empty path", recipe->path, to->name);
    enum cru_status s = take_slots(recipe, from->options, cru_read_option_table, &to->options,
                                   &to->n_options, err);
    if (s == CRU_OK)
        s = take_stages(recipe, from->stages, from->n_stages, &to->stages, &to->n_stages, err);
    return s;
}

static enum cru_status set_seed(struct cru_recipe *recipe, const char *value, struct cru_error *err) {
    char *end;
    errno = 0;
    recipe->seed = strtoll(value, &end, 10);
    if (*end || end == value || errno)
        return cru_fail(err, CRU_USAGE, "recipe '%s': seed '%s' is not a whole number", recipe->path, value);
    return CRU_OK;
}

enum cru_status cru_recipe_load(const char *path, struct cru_recipe *recipe, struct cru_error *err) {
    memset(recipe, 0, sizeof *recipe);
    cru_arena_init(&recipe->arena);
    struct cru_arena schema_arena;
    cru_arena_init(&schema_arena);
    struct schema schema = {&schema_arena, false};
    const cyaml_schema_value_t *top = top_schema(&schema);
    struct complaint complaint = {.line = 0};
    cyaml_config_t config = {.log_fn = take_log, .log_ctx = &complaint, .log_level = CYAML_LOG_WARNING,
                             .mem_fn = cyaml_mem};
    struct yaml_top *yaml = NULL;
    struct cru_buffer text;
    enum cru_status s = CRU_OK;
    cru_buffer_init(&text);
    recipe->path = keep(recipe, path);
    if (!top || !recipe->path) s = cru_fail_memory(err, "recipe");
    cyaml_err_t e = CYAML_OK;
    if (s == CRU_OK) s = read_text(path, &text, err);
    if (s == CRU_OK)
        e = cyaml_load_data((const uint8_t *)text.p, text.n, &config, top, (cyaml_data_t **)&yaml, NULL);
    if (s == CRU_OK && e) s = complain(path, cru_buffer_span(&text), &complaint, e, err);
    cru_buffer_release(&text);
    if (s == CRU_OK && !yaml) /* nothing but comments is a document to libcyaml */
        s = cru_fail(err, CRU_USAGE, "recipe '%s': it is empty", path);
    if (s == CRU_OK && complaint.more)
        s = cru_fail(err, CRU_USAGE, "recipe '%s': more than one YAML document ('---') in it", path);
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
    if (s == CRU_OK) s = cru_recipe_check(recipe, err);
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
    return add_option(recipe, options, n, row, as_boolean(row, value), err);
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
        return recipe->name ? cru_recipe_check(recipe, err) : cru_fail_memory(err, "recipe");
    }
    char *dot = strchr(key, '.');
    if (!dot) return cru_fail(err, CRU_USAGE, "option '--set': '%s' is neither seed, name nor STAGE.option", key);
    *dot = 0;
    enum cru_status s = CRU_OK;
    bool found = false;
    if (strcmp(key, "train") == 0) {
        s = replace_option(recipe, &recipe->train, &recipe->n_train, cru_recipe_train_options, dot + 1, value, err);
        return s == CRU_OK ? cru_recipe_check(recipe, err) : s;
    }
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
    return s == CRU_OK ? cru_recipe_check(recipe, err) : s;
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
