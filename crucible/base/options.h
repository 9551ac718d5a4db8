/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options: one table a stage, from which come the command-line parser, -h, the OPTIONS part of the
 * man page, bash completion, and the keys a recipe may use. A table row says where in the stage's
 * struct the value lives (offset), so parsing fills the struct and nothing else.
 *
 * Values of type STRING, CHOICE and LIST point into memory owned by the cru_option_store that was
 * passed in; it lives as long as the struct.
 */
#ifndef CRU_BASE_OPTIONS_H
#define CRU_BASE_OPTIONS_H

#include "crucible/base/arena.h"
#include "crucible/base/buffer.h"
#include "crucible/base/error.h"
#include <stdint.h>

enum cru_option_type {
    CRU_OPTION_END = 0, /* the row that ends a table */
    CRU_OPTION_FLAG,    /* bool; a recipe writes true or false */
    CRU_OPTION_INT,     /* int64_t, within [min, max] */
    CRU_OPTION_SIZE,    /* uint64_t with K, M, G, T (powers of 1024) or a plain number */
    CRU_OPTION_REAL,    /* double, within [min, max] */
    CRU_OPTION_STRING,  /* const char * */
    CRU_OPTION_CHOICE,  /* const char *, one of `choices` */
    CRU_OPTION_LIST,    /* struct cru_string_list, repeatable */
};

struct cru_string_list {
    const char **items;
    size_t n;
};

struct cru_option {
    enum cru_option_type type;
    char letter;          /* 'j' for -j, 0 for none */
    const char *name;     /* "min-lang-score", without the dashes */
    size_t offset;        /* offsetof(struct the_stage, field) */
    const char *argument; /* "X" in the help; "A|B" with choices; NULL for FLAG */
    const char *fallback; /* the default, as text; NULL: zero, false, NULL */
    const char *implied;  /* value of a bare --name when the argument may be left out; else NULL */
    double min, max;      /* for INT and REAL; both 0: no limit */
    const char *help;     /* one sentence, lower case, no full stop */
};

struct cru_option_store {
    struct cru_arena arena;
};

void cru_option_store_init(struct cru_option_store *store);
void cru_option_store_release(struct cru_option_store *store);

/* Fills every field of the table with its default. */
enum cru_status cru_options_defaults(const struct cru_option *table, void *target,
                                     struct cru_option_store *store, struct cru_error *err);

/* Sets one option by long name, as a recipe does. CRU_USAGE with the nearest name when unknown. */
enum cru_status cru_options_set(const struct cru_option *table, void *target,
                                struct cru_option_store *store, const char *name,
                                const char *value, struct cru_error *err);

/*
 * Parses argv[1..]: --name VALUE, --name=VALUE, -l VALUE, -lVALUE, grouped flags, "--" and operands
 * in any place. `tables` and `targets` are parallel arrays of `n_tables`; operands are moved to the
 * front of argv (argv[0] first operand) and counted in *n_operands. CRU_USAGE on any error.
 */
enum cru_status cru_options_parse(const struct cru_option *const *tables, void *const *targets,
                                  size_t n_tables, struct cru_option_store *store, int argc,
                                  char **argv, int *n_operands, struct cru_error *err);

/* The row called `name`, or NULL. */
const struct cru_option *cru_options_find(const struct cru_option *table, const char *name);
/* The name in the table nearest to `name` by edit distance, or NULL when none is near. */
const char *cru_options_nearest(const struct cru_option *table, const char *name);

/* Appends help lines (for -h), man source (.TP items), or bash words ("--a --b=" ...). */
void cru_options_help(const struct cru_option *table, struct cru_buffer *out);
void cru_options_man(const struct cru_option *table, struct cru_buffer *out);
void cru_options_words(const struct cru_option *table, struct cru_buffer *out);

/* "64K" -> 65536. False when not a size. */
bool cru_parse_size(const char *text, uint64_t *bytes);

#endif
