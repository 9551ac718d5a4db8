/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes out. A file is written as PATH.tmp-PID and renamed to PATH by cru_output_commit, after an fsync,
 * so that PATH is whole or absent; "-" is standard output. Devices, pipes and
 * names of descriptors (/dev/stdout, /dev/fd/3) are written as they are. One thread at a time.
 *
 * A closed reader (EPIPE) is not an error: writes answer CRU_END and the stage stops quietly.
 */
#ifndef CRU_BASE_OUTPUT_H
#define CRU_BASE_OUTPUT_H

#include "crucible/base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cru_output;

enum cru_status cru_output_open(const char *path, struct cru_output **output,
                                struct cru_error *err);
enum cru_status cru_output_write(struct cru_output *output, const void *p, size_t n,
                                 struct cru_error *err);
/* The same for a large block that nobody reads back soon, and which may still be on its way when this returns: it
 * has to stay as it is until the next call for this output, which answers for its failure, too. A block that is
 * aligned to CRU_OUTPUT_ALIGNMENT in memory, in length and in the file goes to the device at once (O_DIRECT)
 * where the file system can: no copy in the page cache, a fifth of the CPU time, and nothing left for
 * the commit to wait for. */
enum { CRU_OUTPUT_ALIGNMENT = 4096 };
enum cru_status cru_output_send_block(struct cru_output *output, void *p, size_t n,
                                      struct cru_error *err);
/* Overwrites bytes already written at `offset` (a header patched at the end). Not for "-". */
enum cru_status cru_output_patch(struct cru_output *output, uint64_t offset, const void *p,
                                 size_t n, struct cru_error *err);
uint64_t cru_output_bytes(const struct cru_output *output);
/* Flushes, syncs and renames. The output is freed whatever the answer. */
enum cru_status cru_output_commit(struct cru_output *output, struct cru_error *err);
/* Removes the unfinished file and frees. NULL is fine. */
void cru_output_abandon(struct cru_output *output);

/* From here on SIGINT, SIGTERM and SIGHUP remove unfinished files before they end the process; for
 * main(), before threads start. Signals that are ignored stay so. */
void cru_output_catch_signals(void);
/* True when two paths name one file, which two outputs must not write. Devices and pipes may be shared. */
bool cru_output_same_file(const char *a, const char *b);

/* Writes a whole small file the same way. */
enum cru_status cru_write_file(const char *path, const void *p, size_t n, struct cru_error *err);
/* mkdir -p. */
enum cru_status cru_make_directory(const char *path, struct cru_error *err);

#endif
