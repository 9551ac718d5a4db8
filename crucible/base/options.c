/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <math.h>

#include "crucible/base/base.h"

void cru_option_store_init(struct cru_option_store *store) { cru_arena_init(&store->arena); }
void cru_option_store_release(struct cru_option_store *store) { cru_arena_release(&store->arena); }

bool cru_parse_size(const char *text, uint64_t *bytes) {
    char *end;
    if (!isdigit((unsigned char)text[0])) return false;
    errno = 0;
    double value = strtod(text, &end);
    if (errno || end == text) return false;
    unsigned shift = 0;
    switch (*end) {
    case 0: break;
    case 'k': case 'K': shift = 10, end++; break;
    case 'm': case 'M': shift = 20, end++; break;
    case 'g': case 'G': shift = 30, end++; break;
    case 't': case 'T': shift = 40, end++; break;
    default: return false;
    }
    if (shift && *end == 'i') end++;
    if (*end == 'B') end++;
    value *= (double)(1ull << shift);
    if (*end || value >= 0x1p63) return false;
    *bytes = (uint64_t)value;
    return true;
}

static bool in_choices(const char *choices, const char *value) {
    struct cru_span rest = cru_span_of(choices), part;
    while (cru_span_split(&rest, '|', &part))
        if (cru_span_is(part, value)) return true;
    return false;
}

static bool limited(const struct cru_option *o) { return o->min < o->max || o->min > o->max; }

static enum cru_status set_list(struct cru_string_list *list, struct cru_option_store *store,
                                const char *value, struct cru_error *err) {
    const char **items = cru_arena_alloc(&store->arena, (list->n + 1) * sizeof *items);
    if (!items) return cru_fail_memory(err, "options");
    if (list->n) memcpy(items, list->items, list->n * sizeof *items);
    items[list->n] = value;
    list->items = items;
    list->n++;
    return CRU_OK;
}

static enum cru_status set_number(const struct cru_option *o, void *field, const char *value,
                                  struct cru_error *err) {
    char *end;
    errno = 0;
    double x;
    if (o->type == CRU_OPTION_INT) {
        long long i = strtoll(value, &end, 10);
        x = (double)i;
        *(int64_t *)field = i;
    } else {
        x = strtod(value, &end);
        *(double *)field = x;
    }
    if (errno || end == value || *end || isnan(x))
        return cru_fail(err, CRU_USAGE, "option '--%s': '%s' is not %s", o->name, value,
                        o->type == CRU_OPTION_INT ? "a whole number" : "a number");
    if (limited(o) && (x < o->min || x > o->max))
        return cru_fail(err, CRU_USAGE, "option '--%s': '%s' is not within %g to %g", o->name, value,
                        o->min, o->max);
    return CRU_OK;
}

static enum cru_status set_row(const struct cru_option *o, void *target,
                               struct cru_option_store *store, const char *value,
                               struct cru_error *err) {
    void *field = (char *)target + o->offset;
    const char *kept = NULL;
    if (o->type == CRU_OPTION_STRING || o->type == CRU_OPTION_CHOICE || o->type == CRU_OPTION_LIST) {
        kept = cru_arena_copy(&store->arena, cru_span_of(value)).p;
        if (!kept) return cru_fail_memory(err, "options");
    }
    switch (o->type) {
    case CRU_OPTION_END: break;
    case CRU_OPTION_FLAG:
        if (strcmp(value, "true") && strcmp(value, "false"))
            return cru_fail(err, CRU_USAGE, "option '--%s': '%s' is neither true nor false", o->name,
                            value);
        *(bool *)field = value[0] == 't';
        break;
    case CRU_OPTION_INT:
    case CRU_OPTION_REAL: return set_number(o, field, value, err);
    case CRU_OPTION_SIZE:
        if (!cru_parse_size(value, field))
            return cru_fail(err, CRU_USAGE, "option '--%s': '%s' is not a size (try 64M or 2G)",
                            o->name, value);
        break;
    case CRU_OPTION_CHOICE:
        if (!in_choices(o->argument, value))
            return cru_fail(err, CRU_USAGE, "option '--%s': '%s' is not one of %s", o->name, value,
                            o->argument);
        *(const char **)field = kept;
        break;
    case CRU_OPTION_STRING: *(const char **)field = kept; break;
    case CRU_OPTION_LIST: return set_list(field, store, kept, err);
    }
    return CRU_OK;
}

enum cru_status cru_options_defaults(const struct cru_option *table, void *target,
                                     struct cru_option_store *store, struct cru_error *err) {
    for (const struct cru_option *o = table; o->type; o++) {
        void *field = (char *)target + o->offset;
        switch (o->type) {
        case CRU_OPTION_END: break;
        case CRU_OPTION_FLAG: *(bool *)field = false; break;
        case CRU_OPTION_INT: *(int64_t *)field = 0; break;
        case CRU_OPTION_SIZE: *(uint64_t *)field = 0; break;
        case CRU_OPTION_REAL: *(double *)field = 0; break;
        case CRU_OPTION_STRING:
        case CRU_OPTION_CHOICE: *(const char **)field = NULL; break;
        case CRU_OPTION_LIST: *(struct cru_string_list *)field = (struct cru_string_list){NULL, 0};
        }
        if (!o->fallback) continue;
        enum cru_status s = set_row(o, target, store, o->fallback, err);
        if (s) return s;
    }
    return CRU_OK;
}

const struct cru_option *cru_options_find(const struct cru_option *table, const char *name) {
    for (const struct cru_option *o = table; o->type; o++)
        if (strcmp(o->name, name) == 0) return o;
    return NULL;
}

/* Levenshtein distance of two names of at most 63 bytes; longer ones count as far. */
static size_t edit_distance(const char *a, const char *b) {
    size_t n = strlen(a), m = strlen(b), row[64];
    if (n > 63 || m > 63) return 64;
    for (size_t j = 0; j <= m; j++) row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t up = row[j], best = diagonal + (a[i - 1] != b[j - 1]);
            if (up + 1 < best) best = up + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            row[j] = best;
            diagonal = up;
        }
    }
    return row[m];
}

const char *cru_options_nearest(const struct cru_option *table, const char *name) {
    const char *best = NULL;
    size_t least = strlen(name) / 2 + 1;
    if (least > 4) least = 4;
    for (const struct cru_option *o = table; o->type; o++) {
        size_t d = edit_distance(name, o->name);
        if (d < least) {
            least = d;
            best = o->name;
        }
    }
    return best;
}

static enum cru_status unknown(const struct cru_option *const *tables, size_t n, const char *name,
                               struct cru_error *err) {
    for (size_t t = 0; t < n; t++) {
        const char *near = cru_options_nearest(tables[t], name);
        if (near)
            return cru_fail(err, CRU_USAGE, "unknown option '%s'; did you mean '%s'?", name, near);
    }
    return cru_fail(err, CRU_USAGE, "unknown option '%s'", name);
}

enum cru_status cru_options_set(const struct cru_option *table, void *target,
                                struct cru_option_store *store, const char *name, const char *value,
                                struct cru_error *err) {
    const struct cru_option *o = cru_options_find(table, name);
    if (!o) return unknown(&table, 1, name, err);
    if (o->implied && strcmp(value, "true") == 0) value = o->implied;
    return set_row(o, target, store, value, err);
}

struct parse {
    const struct cru_option *const *tables;
    void *const *targets;
    size_t n_tables;
    struct cru_option_store *store;
    int argc, at;
    char **argv;
};

static const struct cru_option *find_anywhere(const struct parse *p, const char *name, char letter,
                                              void **target) {
    for (size_t t = 0; t < p->n_tables; t++)
        for (const struct cru_option *o = p->tables[t]; o->type; o++)
            if (name ? strcmp(o->name, name) == 0 : (o->letter && o->letter == letter)) {
                *target = p->targets[t];
                return o;
            }
    return NULL;
}

/* Takes the next argument as a value, or fails. */
static const char *next_value(struct parse *p, const char *shown, struct cru_error *err) {
    if (p->at >= p->argc) {
        (void)cru_fail(err, CRU_USAGE, "option '%s' needs a value", shown);
        return NULL;
    }
    return p->argv[p->at++];
}

static enum cru_status parse_long(struct parse *p, const char *argument, struct cru_error *err) {
    char name[64];
    const char *equals = strchr(argument, '=');
    size_t n = equals ? (size_t)(equals - argument) : strlen(argument);
    if (n >= sizeof name) return cru_fail(err, CRU_USAGE, "unknown option '--%s'", argument);
    memcpy(name, argument, n);
    name[n] = 0;
    void *target;
    const struct cru_option *o = find_anywhere(p, name, 0, &target);
    if (!o) return unknown(p->tables, p->n_tables, name, err);
    const char *value = equals ? equals + 1 : NULL;
    if (!value && o->type == CRU_OPTION_FLAG) value = "true";
    if (!value && o->implied) value = o->implied;
    if (!value) value = next_value(p, name, err);
    if (!value) return CRU_USAGE;
    return set_row(o, target, p->store, value, err);
}

static enum cru_status parse_letters(struct parse *p, const char *letters, struct cru_error *err) {
    for (const char *c = letters; *c; c++) {
        void *target;
        char shown[3] = {'-', *c, 0};
        const struct cru_option *o = find_anywhere(p, NULL, *c, &target);
        if (!o) return cru_fail(err, CRU_USAGE, "unknown option '%s'", shown);
        if (o->type == CRU_OPTION_FLAG) {
            *(bool *)((char *)target + o->offset) = true;
            continue;
        }
        const char *value = c[1] ? c + 1 : next_value(p, shown, err);
        if (!value) return CRU_USAGE;
        return set_row(o, target, p->store, value, err);
    }
    return CRU_OK;
}

enum cru_status cru_options_parse(const struct cru_option *const *tables, void *const *targets,
                                  size_t n_tables, struct cru_option_store *store, int argc,
                                  char **argv, int *n_operands, struct cru_error *err) {
    struct parse p = {tables, targets, n_tables, store, argc, 1, argv};
    int operands = 0;
    bool only_operands = false;
    while (p.at < argc) {
        char *argument = argv[p.at++];
        enum cru_status s = CRU_OK;
        if (only_operands || argument[0] != '-' || argument[1] == 0)
            argv[1 + operands++] = argument;
        else if (strcmp(argument, "--") == 0)
            only_operands = true;
        else if (argument[1] == '-')
            s = parse_long(&p, argument + 2, err);
        else
            s = parse_letters(&p, argument + 1, err);
        if (s) return s;
    }
    *n_operands = operands;
    return CRU_OK;
}

/* "-j, --threads N" or "    --lang CODES"; optional arguments as --exact[=FIELD]. */
static void option_head(const struct cru_option *o, struct cru_buffer *out, bool man) {
    const char *dash = man ? "\\-" : "-";
    if (o->letter) cru_buffer_printf(out, "%s%c, ", dash, o->letter);
    else if (!man) cru_buffer_add_string(out, "    ");
    cru_buffer_printf(out, "%s%s", dash, dash);
    for (const char *c = o->name; *c; c++)
        if (*c == '-') cru_buffer_add_string(out, dash);
        else cru_buffer_add_char(out, *c);
    if (o->type == CRU_OPTION_FLAG || !o->argument) return;
    if (o->implied) cru_buffer_printf(out, "[=%s]", o->argument);
    else cru_buffer_printf(out, " %s", o->argument);
}

static void option_tail(const struct cru_option *o, struct cru_buffer *out) {
    cru_buffer_add_string(out, o->help);
    if (o->type == CRU_OPTION_LIST) cru_buffer_add_string(out, " (repeatable)");
    if (o->fallback && o->type != CRU_OPTION_FLAG)
        cru_buffer_printf(out, " [%s]", o->fallback);
}

void cru_options_help(const struct cru_option *table, struct cru_buffer *out) {
    enum { COLUMN = 34, WIDTH = 100 };
    for (const struct cru_option *o = table; o->type; o++) {
        struct cru_buffer tail;
        cru_buffer_init(&tail);
        option_tail(o, &tail);
        size_t start = out->n;
        cru_buffer_add_string(out, "  ");
        option_head(o, out, false);
        if (out->n - start >= COLUMN - 1) {
            cru_buffer_add_char(out, '\n');
            start = out->n;
        }
        while (!out->failed && out->n - start < COLUMN) cru_buffer_add_char(out, ' ');
        size_t column = COLUMN;
        struct cru_span rest = cru_buffer_span(&tail), word;
        bool first = true;
        while (cru_span_split(&rest, ' ', &word)) {
            if (!first && column + 1 + word.n > WIDTH) {
                cru_buffer_printf(out, "\n%*s", COLUMN, "");
                column = COLUMN;
                first = true;
            }
            if (!first) cru_buffer_add_char(out, ' '), column++;
            cru_buffer_add_span(out, word);
            column += word.n;
            first = false;
        }
        cru_buffer_add_char(out, '\n');
        cru_buffer_release(&tail);
    }
}

void cru_options_man(const struct cru_option *table, struct cru_buffer *out) {
    for (const struct cru_option *o = table; o->type; o++) {
        cru_buffer_add_string(out, ".TP\n.B ");
        option_head(o, out, true);
        cru_buffer_add_char(out, '\n');
        struct cru_buffer tail;
        cru_buffer_init(&tail);
        option_tail(o, &tail);
        for (size_t i = 0; i < tail.n; i++) {
            if (tail.p[i] == '\\') cru_buffer_add_string(out, "\\e");
            else if (i == 0 && (tail.p[i] == '.' || tail.p[i] == '\'')) cru_buffer_printf(out, "\\&%c", tail.p[i]);
            else cru_buffer_add_char(out, tail.p[i]);
        }
        cru_buffer_add_string(out, ".\n");
        cru_buffer_release(&tail);
    }
}

void cru_options_words(const struct cru_option *table, struct cru_buffer *out) {
    for (const struct cru_option *o = table; o->type; o++) {
        if (o->letter) cru_buffer_printf(out, "-%c ", o->letter);
        cru_buffer_printf(out, "--%s%s ", o->name,
                          o->type == CRU_OPTION_FLAG || o->implied ? "" : "=");
    }
}
