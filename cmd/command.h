/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every program in cmd/ shares: parsing by its options table, -h, --version, exit codes and the
 * form of error messages. Uses crucible/base only, so that the trainer can link it.
 *
 * Exit status: 0 done; 1 done, but some input was bad; 2 could not be done; 64 wrong usage.
 */
#ifndef CRU_CMD_COMMAND_H
#define CRU_CMD_COMMAND_H

#include "crucible/base/error.h"
#include "crucible/base/options.h"

enum { CRU_EXIT_OK = 0, CRU_EXIT_BAD = 1, CRU_EXIT_FATAL = 2, CRU_EXIT_USAGE = 64 };

struct cru_command {
    const char *name;     /* "shard" */
    const char *summary;  /* one line */
    const char *synopsis; /* "info|verify|cat [options] DIR..." */
    const struct cru_option *tables[4];
    void *targets[4];
    size_t n_tables;
};

/* Fills defaults and parses. Answers -1 to go on, or the exit status (after -h, --version,
 * --man-options, --words, or a usage error). Operands are argv[1..*n_operands]. */
int cru_command_begin(const struct cru_command *command, struct cru_option_store *store, int argc,
                      char **argv, int *n_operands);
/* Prints "crucible NAME: MESSAGE" to standard error; the exit status for err->status. */
int cru_command_fail(const char *name, const struct cru_error *err);
/* Closes standard output and reports a late write error; EPIPE is quiet. */
int cru_command_end(const char *name, int status);

#endif
