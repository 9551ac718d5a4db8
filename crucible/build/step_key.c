/* SPDX-License-Identifier: Apache-2.0 */
#include <fts.h>
#include <sys/stat.h>

#include "crucible/base/base.h"
#include "crucible/build/step_key.h"

void cru_step_key_number(struct cru_step_key *key, uint64_t number) {
    uint64_t pair[2] = {key->value, number};
    key->value = cru_hash64(pair, sizeof pair, 1);
}

void cru_step_key_text(struct cru_step_key *key, const char *text) {
    cru_step_key_number(key, cru_hash64(text, strlen(text), 0));
}

void cru_step_key_init(struct cru_step_key *key) {
    key->value = 0;
    cru_step_key_text(key, CRU_VERSION);
}

static int by_name(const FTSENT **a, const FTSENT **b) { return strcmp((*a)->fts_name, (*b)->fts_name); }

static void add_file(struct cru_step_key *key, const char *path, const struct stat *info) {
    cru_step_key_text(key, path);
    cru_step_key_number(key, (uint64_t)info->st_size);
    cru_step_key_number(key, (uint64_t)info->st_mtim.tv_sec);
    cru_step_key_number(key, (uint64_t)info->st_mtim.tv_nsec);
}

void cru_step_key_path(struct cru_step_key *key, const char *path) {
    struct stat info;
    if (stat(path, &info)) {
        cru_step_key_text(key, path);
        return;
    }
    if (!S_ISDIR(info.st_mode)) {
        add_file(key, path, &info);
        return;
    }
    char *copy = strdup(path);
    char *const paths[] = {copy, NULL};
    FTS *walk = copy ? fts_open(paths, FTS_LOGICAL | FTS_NOCHDIR, by_name) : NULL;
    for (FTSENT *e; walk && (e = fts_read(walk));)
        if (e->fts_info == FTS_F) add_file(key, e->fts_path, e->fts_statp);
    if (walk) (void)fts_close(walk);
    free(copy);
}

/* Whether an option's value names a file or directory: by what the options table calls it, since
 * `rules: [code]` must not depend on a directory called code. */
static bool names_a_path(const struct cru_recipe_option *option) {
    static const char *const words[] = {"FILE", "DIR", "PATH", "MODEL", "LIST"};
    const char *argument = option->row->argument;
    if (option->row->type != CRU_OPTION_STRING && option->row->type != CRU_OPTION_LIST) return false;
    for (size_t i = 0; argument && i < sizeof words / sizeof words[0]; i++)
        if (strstr(argument, words[i])) return true;
    return strchr(option->value, '/') != NULL;
}

/* The files that a list of paths names (read's files-from). */
static void add_listed(struct cru_step_key *key, const char *list) {
    FILE *file = fopen(list, "r");
    char *line = NULL;
    size_t capacity = 0;
    for (ssize_t n; file && (n = getline(&line, &capacity, file)) > 0;) {
        while (n && (line[n - 1] == '\n' || line[n - 1] == '\r')) line[--n] = 0;
        if (n) cru_step_key_path(key, line);
    }
    free(line);
    if (file) (void)fclose(file);
}

void cru_step_key_options(struct cru_step_key *key, const struct cru_recipe_option *options, size_t n) {
    struct stat info;
    for (size_t i = 0; i < n; i++) {
        cru_step_key_text(key, options[i].row->name);
        cru_step_key_text(key, options[i].value);
        if (!names_a_path(&options[i]) || stat(options[i].value, &info)) continue;
        cru_step_key_path(key, options[i].value);
        if (strcmp(options[i].row->argument, "LIST") == 0) add_listed(key, options[i].value);
    }
    cru_step_key_number(key, n);
}

void cru_step_key_stages(struct cru_step_key *key, const struct cru_recipe_stage *stages, size_t n) {
    for (size_t i = 0; i < n; i++) {
        cru_step_key_text(key, stages[i].class->name);
        cru_step_key_options(key, stages[i].options, stages[i].n_options);
    }
    cru_step_key_number(key, n);
}
