/* SPDX-License-Identifier: Apache-2.0 */
/* Where tests put files: below $TMPDIR, which tests/run.sh points at a directory that it removes; or /tmp. */
#ifndef CRU_TESTS_SCRATCH_NAME_H
#define CRU_TESTS_SCRATCH_NAME_H

#include <stdio.h>
#include <stdlib.h>

enum { SCRATCH_NAME = 256, SCRATCH_PATH = SCRATCH_NAME + 64 }; /* bytes of a name, and of one below it */

/* A template for mkdtemp and mkstemp; without effect on what `name` ends in. A name too long is cut, and then
 * they fail. */
static inline char *scratch_name(char path[SCRATCH_NAME], const char *name) {
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(path, SCRATCH_NAME, "%s/%s", tmp && *tmp ? tmp : "/tmp", name);
    return path;
}

#endif
