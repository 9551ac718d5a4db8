/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files to read, one after the other: operands in the order given, then the lines of a list. A
 * directory gives its regular files recursively, the entries of each directory in bytewise order of
 * name; symbolic links to files are followed, those to directories are not (so there are no loops), and
 * the directories of version control (.git and the like) are left out. Memory: one operand's open
 * directories at a time. Paths handed out are valid until the next call. One thread.
 */
#ifndef CRU_READ_PATH_WALK_H
#define CRU_READ_PATH_WALK_H

#include "crucible/base/error.h"
#include <stdbool.h>
#include <stddef.h>

struct cru_walk;

/* Everything is borrowed. A missing operand is CRU_FATAL. `include`: comma-separated globs that the
 * names of files found in directories must match, or NULL. */
enum cru_status cru_walk_open(const char *const *paths, size_t n_paths, const char *files_from,
                              const char *include, struct cru_walk **walk, struct cru_error *err);
/* CRU_BAD: a directory or list entry cannot be read; the next call goes on behind it. */
enum cru_status cru_walk_next(struct cru_walk *walk, const char **path, struct cru_error *err);
void cru_walk_free(struct cru_walk *walk);

/* Whether a file's name (behind its last slash) matches one of the comma-separated globs. */
bool cru_walk_matches(const char *globs, const char *path);

#endif
