/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dumps to documents. A reader goes through its paths in the order given (a directory: its regular
 * files in sorted order, recursively; "-": standard input) and gives raw records; parsing them (JSON,
 * HTML main text, man page to text) is the parallel part.
 *
 * fill() is for one thread at a time, parse() for many. What they put into a batch lives in its arena.
 */
#ifndef CRU_READ_READER_H
#define CRU_READ_READER_H

#include "crucible/base/error.h"
#include "crucible/base/options.h"
#include "crucible/doc/document.h"

struct cru_read_options {
    const char *format;     /* "auto", "jsonl", "warc", "html", "archive", "text", "man", "code" */
    const char *extract;    /* "main", "all", "none": what becomes of HTML; default main */
    const char *source;     /* crucible.source of every document, or NULL: not set */
    const char *files_from; /* a list of paths, one a line, or NULL */
    const char *include;    /* only files whose name matches one of these globs, comma-separated, or NULL */
    uint64_t max_bytes;     /* a record larger than this is wrong input; 0 = no limit */
    const char *text_field; /* for JSONL; never NULL */
};

/* Rows for the above, offsets relative to struct cru_read_options; for `crucible read`. */
extern const struct cru_option cru_read_option_table[];

struct cru_reader;

/* paths are borrowed until free. Options too. A missing path is CRU_FATAL, at open; a text field named "id" or
 * "crucible" is CRU_USAGE. */
enum cru_status cru_reader_open(const struct cru_read_options *options, const char *const *paths,
                                size_t n_paths, struct cru_reader **reader, struct cru_error *err);
/* Appends raw records until the batch is full. CRU_END when there are no more (the batch may hold
 * some). A truncated input gives its good records, then is counted (see truncated) and reported in
 * err with CRU_BAD; calling fill again goes on with the next path. */
enum cru_status cru_reader_fill(struct cru_reader *reader, struct cru_batch *batch,
                                struct cru_error *err);
/* Makes documents of the batch's raw records: id, text, fields, meta `source`. Records that cannot be
 * read become cru_doc_wrong, pages without text cru_doc_drop("read", "empty"). */
enum cru_status cru_reader_parse(struct cru_reader *reader, struct cru_batch *batch,
                                 struct cru_error *err);
uint64_t cru_reader_bytes(const struct cru_reader *reader); /* decompressed bytes read */
void cru_reader_free(struct cru_reader *reader);

#endif
