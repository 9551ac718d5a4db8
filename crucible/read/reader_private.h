/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What fill() (reader.c, record_fill.c) and parse() (record_parse.c) share. Inside crucible/read only.
 */
#ifndef CRU_READ_READER_PRIVATE_H
#define CRU_READ_READER_PRIVATE_H

#include <archive.h>
#include <pthread.h>
#include <stdatomic.h>

#include "crucible/base/buffer.h"
#include "crucible/base/input.h"
#include "crucible/read/byte_stream.h"
#include "crucible/read/file_format.h"
#include "crucible/read/path_walk.h"
#include "crucible/read/reader.h"
#include "crucible/read/warc_record.h"

/* A raw record on its way from fill() to parse(): doc->scratch, in the batch's arena. */
struct cru_record {
    uint64_t number;                /* in its file, from 1: a line, a WARC record */
    const char *path;               /* as doc->path, ends in NUL */
    struct cru_span url, content_type; /* of a WARC record; may be empty */
    bool http;                      /* the block is an HTTP response */
    bool last;                      /* a last line without newline */
};

/*
 * Where records come from now:
 *
 *   walk -> file -> input ----------------> stream -> line | WARC record | whole
 *                \-> archive -> member --/
 */
struct cru_reader {
    const struct cru_read_options *options;
    enum cru_format format; /* asked for */
    struct cru_walk *walk;

    struct cru_input *input;
    struct archive *archive;
    struct cru_stream outer;      /* archive bytes when they come from standard input */
    struct cru_stream stream;
    struct cru_buffer unpacked;   /* a compressed member of an archive, */
    size_t unpacked_at;           /* given so far */
    struct cru_buffer file, name; /* path, and path or path!member, ending in NUL */
    enum cru_format now;
    bool in_stream;
    bool full; /* the batch being filled has no room for the next line */
    uint64_t number;

    struct cru_buffer record;
    struct cru_warc warc;
    _Atomic uint64_t bytes;
    uint64_t documents;
    const char *path; /* the copy of `name` in the arena of `path_batch`, or NULL */

    pthread_mutex_t lock; /* workers */
    struct cru_read_worker *workers;
};

/* record_fill.c: the next record of the open stream into the batch. CRU_END: the stream is done. */
enum cru_status cru_record_next(struct cru_reader *r, struct cru_batch *batch, struct cru_error *err);

/* record_parse.c */
void cru_read_workers_free(struct cru_reader *r);

#endif
