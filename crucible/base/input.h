/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes in: a file or standard input, with gzip, zstd, xz, bzip2 and lz4 seen through (zlib and
 * libarchive), whatever the name says. Owns its buffers; one thread at a time.
 *
 * A compressed stream that stops in the middle is an error (CRU_FATAL) whose message says how many
 * bytes were good; the good bytes are delivered first. So is one that is damaged, or that has anything
 * but zeros behind it.
 */
#ifndef CRU_BASE_INPUT_H
#define CRU_BASE_INPUT_H

#include "crucible/base/error.h"
#include "crucible/base/span.h"
#include <stdint.h>

struct cru_input;

/* Opens `path`, or standard input when path is "-". *input is NULL on failure. */
enum cru_status cru_input_open(const char *path, struct cru_input **input, struct cru_error *err);

/* Up to `capacity` bytes into `buffer`; CRU_END at the end with *got == 0. */
enum cru_status cru_input_read(struct cru_input *input, char *buffer, size_t capacity, size_t *got,
                               struct cru_error *err);

/* The next line without its newline, valid until the next call. *ended_by_newline is false only for
 * a last line that lacks one. CRU_END after the last line. Lines have no length limit. */
enum cru_status cru_input_line(struct cru_input *input, struct cru_span *line,
                               bool *ended_by_newline, struct cru_error *err);

/* Whether it is being decompressed. */
bool cru_input_packed(const struct cru_input *input);
/* Decompressed bytes delivered so far, and the name it was opened by ("stdin" for "-"). */
uint64_t cru_input_bytes(const struct cru_input *input);
const char *cru_input_name(const struct cru_input *input);
void cru_input_close(struct cru_input *input); /* NULL is fine */

#endif
