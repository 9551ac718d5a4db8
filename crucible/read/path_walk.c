/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fnmatch.h>
#include <fts.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crucible/base/base.h"
#include "crucible/base/input.h"
#include "crucible/read/path_walk.h"

struct cru_walk {
    const char *const *paths;
    size_t n_paths, at;
    struct cru_input *list;
    const char *include;
    FTS *tree;
    char *operand; /* the directory being walked, or the last line of the list */
};

static int by_name(const FTSENT **a, const FTSENT **b) {
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

bool cru_walk_matches(const char *globs, const char *path) {
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    struct cru_span rest = cru_span_of(globs), part;
    while (cru_span_split(&rest, ',', &part)) {
        char glob[256];
        if (part.n == 0 || part.n >= sizeof glob) continue;
        memcpy(glob, part.p, part.n);
        glob[part.n] = '\0';
        if (fnmatch(glob, name, 0) == 0) return true;
    }
    return false;
}

static bool is_version_control(const char *name) {
    static const char *const names[] = {".git", ".hg", ".svn", ".bzr", "CVS", "_darcs", ".jj"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

enum cru_status cru_walk_open(const char *const *paths, size_t n_paths, const char *files_from,
                              const char *include, struct cru_walk **walk, struct cru_error *err) {
    *walk = NULL;
    for (size_t i = 0; i < n_paths; i++) {
        struct stat st;
        if (strcmp(paths[i], "-") == 0) continue;
        if (stat(paths[i], &st) != 0 || access(paths[i], R_OK) != 0)
            return cru_fail_errno(err, "unable to open", paths[i]);
    }
    struct cru_walk *w = calloc(1, sizeof *w);
    if (!w) return cru_fail_memory(err, "the list of files");
    *w = (struct cru_walk){.paths = paths, .n_paths = n_paths, .include = include};
    if (files_from) {
        enum cru_status s = cru_input_open(files_from, &w->list, err);
        if (s) {
            cru_walk_free(w);
            return s;
        }
    }
    *walk = w;
    return CRU_OK;
}

/* The next file of the directory being walked; CRU_END when it is done. */
static enum cru_status next_in_tree(struct cru_walk *w, const char **path, struct cru_error *err) {
    for (;;) {
        errno = 0;
        FTSENT *entry = fts_read(w->tree);
        if (!entry) {
            int why = errno;
            (void)fts_close(w->tree);
            w->tree = NULL;
            errno = why;
            return why ? cru_fail_errno(err, "unable to walk", w->operand) : CRU_END;
        }
        struct stat st;
        switch (entry->fts_info) {
        case FTS_D:
            if (entry->fts_level > 0 && is_version_control(entry->fts_name))
                (void)fts_set(w->tree, entry, FTS_SKIP);
            break;
        case FTS_DNR:
        case FTS_ERR:
        case FTS_NS:
            errno = entry->fts_errno;
            (void)cru_fail_errno(err, "unable to read", entry->fts_path);
            return CRU_BAD;
        case FTS_SL:
            if (stat(entry->fts_accpath, &st) != 0 || !S_ISREG(st.st_mode)) break;
            /* fallthrough */
        case FTS_F:
            if (w->include && !cru_walk_matches(w->include, entry->fts_path)) break;
            *path = entry->fts_path;
            return CRU_OK;
        default: break; /* a directory left, a dangling link, a device */
        }
    }
}

/* The next operand, or line of the list, into w->operand. */
static enum cru_status next_operand(struct cru_walk *w, struct cru_error *err) {
    free(w->operand);
    w->operand = NULL;
    if (w->at < w->n_paths) {
        w->operand = strdup(w->paths[w->at++]);
        return w->operand ? CRU_OK : cru_fail_memory(err, "the list of files");
    }
    while (w->list) {
        struct cru_span line;
        bool whole;
        enum cru_status s = cru_input_line(w->list, &line, &whole, err);
        if (s != CRU_OK) {
            cru_input_close(w->list);
            w->list = NULL;
            return s;
        }
        if (line.n && line.p[line.n - 1] == '\r') line.n--;
        if (line.n == 0) continue; /* blanks belong to a name */
        w->operand = strndup(line.p, line.n);
        return w->operand ? CRU_OK : cru_fail_memory(err, "the list of files");
    }
    return CRU_END;
}

enum cru_status cru_walk_next(struct cru_walk *w, const char **path, struct cru_error *err) {
    for (;;) {
        if (w->tree) {
            enum cru_status s = next_in_tree(w, path, err);
            if (s != CRU_END) return s;
        }
        enum cru_status s = next_operand(w, err);
        if (s != CRU_OK) return s;
        struct stat st;
        if (strcmp(w->operand, "-") == 0) {
            *path = w->operand;
            return CRU_OK;
        }
        if (stat(w->operand, &st) != 0) {
            (void)cru_fail_errno(err, "unable to open", w->operand);
            return CRU_BAD;
        }
        if (!S_ISDIR(st.st_mode)) {
            *path = w->operand;
            return CRU_OK;
        }
        size_t n = strlen(w->operand);
        while (n > 1 && w->operand[n - 1] == '/') w->operand[--n] = '\0'; /* "dir/" gives dir/file */
        char *const one[] = {w->operand, NULL};
        w->tree = fts_open(one, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, by_name);
        if (!w->tree) return cru_fail_errno(err, "unable to walk", w->operand);
    }
}

void cru_walk_free(struct cru_walk *w) {
    if (!w) return;
    if (w->tree) (void)fts_close(w->tree);
    cru_input_close(w->list);
    free(w->operand);
    free(w);
}
