/* SPDX-License-Identifier: Apache-2.0 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>

#include "crucible/base/base.h"
#include "crucible/doc/json.h"
#include "crucible/read/http_message.h"
#include "crucible/read/reader_private.h"

/* First bytes looked at to tell a file's format. */
enum { HEAD = 4096, ARCHIVE_BLOCK = 1 << 17 };

/* libarchive forgets what one call has delivered when the stream breaks within it: short calls, so that
 * little that was good is lost. */
enum { PULL = 1 << 14 };

/* Of a batch of lines: the one that fills it mostly ends there, too. */
enum { ROOM = CRU_BATCH_BYTES + CRU_BATCH_BYTES / 2 };

const struct cru_option cru_read_option_table[] = {
    {CRU_OPTION_CHOICE, 0, "format", offsetof(struct cru_read_options, format),
     "auto|warc|html|archive|jsonl|text|man|code", "auto", NULL, 0, 0,
     "what the files are; auto tells by name, then by content"},
    {CRU_OPTION_CHOICE, 0, "extract", offsetof(struct cru_read_options, extract), "main|all|none",
     "main", NULL, 0, 0, "what becomes of HTML: its main text, all its text, or the page as it is"},
    {CRU_OPTION_STRING, 0, "source", offsetof(struct cru_read_options, source), "NAME", NULL, NULL,
     0, 0, "sets crucible.source of every document"},
    {CRU_OPTION_STRING, 0, "files-from", offsetof(struct cru_read_options, files_from), "LIST", NULL,
     NULL, 0, 0, "reads paths from a file, one a line, after the operands"},
    {CRU_OPTION_STRING, 0, "include", offsetof(struct cru_read_options, include), "GLOBS", NULL,
     NULL, 0, 0, "of files found in directories, reads only those with such names: '*.html,*.gz'"},
    {CRU_OPTION_SIZE, 0, "max-bytes", offsetof(struct cru_read_options, max_bytes), "SIZE", "256M",
     NULL, 0, 0, "refuses records larger than this, decompressed; 0: no limit"},
    {CRU_OPTION_END, 0, NULL, 0, NULL, NULL, NULL, 0, 0, NULL},
};

enum cru_status cru_reader_open(const struct cru_read_options *options, const char *const *paths,
                                size_t n_paths, struct cru_reader **reader, struct cru_error *err) {
    *reader = NULL;
    if (strcmp(options->text_field, "id") == 0 || strcmp(options->text_field, "crucible") == 0)
        return cru_fail(err, CRU_USAGE, "text field: '%s': a document's own field of that name", options->text_field);
    struct cru_reader *r = calloc(1, sizeof *r);
    if (!r) return cru_fail_memory(err, "reader");
    r->options = options;
    r->format = cru_format_by_name(options->format ? options->format : "auto");
    cru_warc_init(&r->warc);
    (void)pthread_mutex_init(&r->lock, NULL);
    enum cru_status s = cru_walk_open(paths, n_paths, options->files_from, options->include,
                                      &r->walk, err);
    if (s) {
        cru_reader_free(r);
        return s;
    }
    *reader = r;
    return CRU_OK;
}

static void close_file(struct cru_reader *r) {
    if (r->archive) (void)archive_read_free(r->archive);
    r->archive = NULL;
    cru_input_close(r->input);
    r->input = NULL;
    r->in_stream = false;
}

void cru_reader_free(struct cru_reader *r) {
    if (!r) return;
    close_file(r);
    cru_walk_free(r->walk);
    cru_stream_release(&r->outer);
    cru_stream_release(&r->stream);
    cru_buffer_release(&r->unpacked);
    cru_buffer_release(&r->file);
    cru_buffer_release(&r->name);
    cru_buffer_release(&r->record);
    cru_warc_release(&r->warc);
    cru_read_workers_free(r);
    (void)pthread_mutex_destroy(&r->lock);
    free(r);
}

uint64_t cru_reader_bytes(const struct cru_reader *r) { return r->bytes; }

static enum cru_status pull_input(void *context, char *p, size_t capacity, size_t *got,
                                  struct cru_error *err) {
    if (capacity > PULL && cru_input_packed(context)) capacity = PULL;
    return cru_input_read(context, p, capacity, got, err);
}

static enum cru_status pull_member(void *context, char *p, size_t capacity, size_t *got,
                                   struct cru_error *err) {
    struct cru_reader *r = context;
    *got = 0;
    la_ssize_t n = archive_read_data(r->archive, p, capacity < PULL ? capacity : PULL);
    if (n < 0)
        return cru_fail(err, CRU_FATAL, "unable to read archive member '%s': %s", r->name.p,
                        archive_error_string(r->archive) ? archive_error_string(r->archive)
                                                         : "damaged");
    *got = (size_t)n;
    return n ? CRU_OK : CRU_END;
}

static enum cru_status pull_unpacked(void *context, char *p, size_t capacity, size_t *got,
                                     struct cru_error *err) {
    (void)err;
    struct cru_reader *r = context;
    size_t n = r->unpacked.n - r->unpacked_at;
    if (n > capacity) n = capacity;
    if (n) memcpy(p, r->unpacked.p + r->unpacked_at, n);
    r->unpacked_at += n;
    *got = n;
    return n ? CRU_OK : CRU_END;
}

/* Names go into ids, which are UTF-8: a name that is not has its other bytes written as %XX. */
static void add_name(struct cru_buffer *b, const char *name) {
    struct cru_span s = cru_span_of(name);
    if (cru_utf8_valid(s)) {
        cru_buffer_add_span(b, s);
        return;
    }
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 0x80)
            cru_buffer_add_char(b, s.p[i]);
        else
            cru_buffer_printf(b, "%%%02X", c);
    }
}

static void begin_stream(struct cru_reader *r, enum cru_format format) {
    r->now = format;
    r->in_stream = true;
    r->number = 0;
    r->path = NULL;
}

/* libarchive's view of a tar, or of an archive from standard input. */
static la_ssize_t archive_pull(struct archive *a, void *context, const void **block) {
    struct cru_stream *outer = context;
    struct cru_span next = cru_stream_peek(outer, 1);
    if (next.n == 0 && outer->status != CRU_END) {
        archive_set_error(a, EIO, "%s", outer->error.message);
        return ARCHIVE_FATAL;
    }
    *block = next.p;
    outer->at += next.n;
    return (la_ssize_t)next.n;
}

static enum cru_status open_archive(struct cru_reader *r, const char *path, struct cru_error *err) {
    struct archive *a = r->archive = archive_read_new();
    if (!a) return cru_fail_memory(err, path);
    bool ready = archive_read_support_filter_gzip(a) >= ARCHIVE_WARN &&
                 archive_read_support_filter_zstd(a) >= ARCHIVE_WARN &&
                 archive_read_support_filter_xz(a) >= ARCHIVE_WARN &&
                 archive_read_support_filter_bzip2(a) >= ARCHIVE_WARN &&
                 archive_read_support_filter_lz4(a) >= ARCHIVE_WARN &&
                 archive_read_support_format_tar(a) >= ARCHIVE_WARN &&
                 archive_read_support_format_zip(a) >= ARCHIVE_WARN;
    int answer = ARCHIVE_FATAL;
    struct cru_span head = cru_stream_peek(&r->stream, 2);
    bool zip = head.n >= 2 && memcmp(head.p, "PK", 2) == 0; /* read through its directory, at the end */
    if (ready && (!zip || strcmp(path, "-") == 0)) {
        struct cru_stream swap = r->outer; /* what was peeked at is still to be read */
        r->outer = r->stream;
        r->stream = swap;
        answer = archive_read_open(a, &r->outer, NULL, archive_pull, NULL);
    } else if (ready) {
        cru_input_close(r->input);
        r->input = NULL;
        answer = archive_read_open_filename(a, path, ARCHIVE_BLOCK);
    }
    if (answer == ARCHIVE_OK) return CRU_OK;
    (void)cru_fail(err, CRU_BAD, "unable to open archive '%s': %s", r->file.p,
                   archive_error_string(a) ? archive_error_string(a) : "unknown");
    close_file(r);
    return CRU_BAD;
}

/* Opens the next file of the walk: r->archive or r->in_stream is set. */
static enum cru_status next_file(struct cru_reader *r, struct cru_error *err) {
    const char *path;
    enum cru_status s = cru_walk_next(r->walk, &path, err);
    if (s != CRU_OK) return s;
    cru_buffer_clear(&r->file);
    add_name(&r->file, strcmp(path, "-") == 0 ? "stdin" : path);
    cru_buffer_clear(&r->name);
    cru_buffer_add_span(&r->name, cru_buffer_span(&r->file));
    if (r->file.failed || r->name.failed) return cru_fail_memory(err, "a path");
    if (cru_input_open(path, &r->input, err)) return CRU_BAD;
    cru_stream_open(&r->stream, pull_input, r->input);
    enum cru_format format = r->format;
    if (format == CRU_FORMAT_AUTO) format = cru_format_detect(path, cru_stream_peek(&r->stream, HEAD));
    if (format == CRU_FORMAT_ARCHIVE) return open_archive(r, path, err);
    begin_stream(r, format);
    return CRU_OK;
}

/* A member that is itself compressed is unpacked in memory, within the limit. */
static enum cru_status unpack_member(struct cru_reader *r, struct cru_error *err) {
    uint64_t limit = r->options->max_bytes ? r->options->max_bytes : UINT64_MAX;
    cru_buffer_clear(&r->record);
    uint64_t n = cru_stream_take(&r->stream, limit, &r->record);
    if (r->record.failed) return cru_fail_memory(err, "an archive member");
    enum cru_status s;
    if (n == limit && cru_stream_peek(&r->stream, 1).n)
        s = cru_fail(err, CRU_BAD, "larger than %llu bytes", (unsigned long long)limit);
    else
        s = cru_unpack(cru_buffer_span(&r->record), r->options->max_bytes, &r->unpacked, err);
    if (s == CRU_BAD) {
        char why[200];
        (void)snprintf(why, sizeof why, "%.199s", err->message);
        return cru_fail(err, CRU_BAD, "archive member '%s': %s", r->name.p, why);
    }
    r->unpacked_at = 0;
    cru_stream_open(&r->stream, pull_unpacked, r);
    return s;
}

/* Behind a tar's end come padding and the checksum of its compression. */
static enum cru_status drain_archive(struct cru_reader *r, struct cru_error *err) {
    while (r->input && cru_stream_peek(&r->outer, 1).n) r->outer.at = r->outer.n;
    if (!r->input || r->outer.status == CRU_END) return CRU_END;
    return cru_fail(err, CRU_BAD, "%s", r->outer.error.message);
}

/* Opens the next regular file of the archive. CRU_END: no more. */
static enum cru_status next_member(struct cru_reader *r, struct cru_error *err) {
    struct archive_entry *entry;
    for (;;) {
        int answer = archive_read_next_header(r->archive, &entry);
        if (answer == ARCHIVE_EOF) {
            enum cru_status s = drain_archive(r, err);
            close_file(r);
            return s;
        }
        if (answer < ARCHIVE_WARN) {
            (void)cru_fail(err, CRU_BAD, "unable to read archive '%s' to its end: %s; %llu documents were good",
                           r->file.p,
                           archive_error_string(r->archive) ? archive_error_string(r->archive)
                                                            : "damaged",
                           (unsigned long long)r->documents);
            close_file(r);
            return CRU_BAD;
        }
        if (archive_entry_filetype(entry) == AE_IFREG) break;
    }
    const char *name = archive_entry_pathname_utf8(entry);
    if (!name) name = archive_entry_pathname(entry);
    cru_buffer_clear(&r->name);
    cru_buffer_add_span(&r->name, cru_buffer_span(&r->file));
    cru_buffer_add_char(&r->name, '!');
    add_name(&r->name, name ? name : "");
    if (r->name.failed) return cru_fail_memory(err, "a path");
    cru_stream_open(&r->stream, pull_member, r);
    if (cru_is_packed(cru_stream_peek(&r->stream, 16))) {
        enum cru_status s = unpack_member(r, err);
        if (s) return s;
    }
    enum cru_format format =
        cru_format_detect(r->name.p, cru_stream_peek(&r->stream, HEAD));
    /* an archive in an archive is not opened: it is met as the binary file it is */
    begin_stream(r, format == CRU_FORMAT_ARCHIVE ? CRU_FORMAT_TEXT : format);
    return CRU_OK;
}

static enum cru_status fill(struct cru_reader *r, struct cru_batch *batch, struct cru_error *err) {
    r->path = NULL; /* lives in a batch's arena, and this may be another batch */
    r->full = false;
    while (!r->full && batch->n < CRU_BATCH_DOCS && batch->bytes < CRU_BATCH_BYTES) {
        enum cru_status s;
        if (r->in_stream) {
            /* once a batch: a thousand small files must not take a thousand rooms */
            if (batch->n == 0 && r->now == CRU_FORMAT_JSONL &&
                !cru_stream_lodge(&r->stream, &batch->arena, ROOM, CRU_JSON_PADDING))
                return cru_fail_memory(err, "a batch");
            s = cru_record_next(r, batch, err);
            if (s == CRU_OK) continue;
            r->in_stream = false;
            if (!r->archive) close_file(r);
            if (s != CRU_END) return s;
        } else if (r->archive) {
            s = next_member(r, err);
            if (s != CRU_OK && s != CRU_END) return s;
        } else {
            s = next_file(r, err);
            if (s != CRU_OK) return s;
        }
    }
    return CRU_OK;
}

enum cru_status cru_reader_fill(struct cru_reader *r, struct cru_batch *batch,
                                struct cru_error *err) {
    enum cru_status s = fill(r, batch, err);
    cru_stream_unlodge(&r->stream);
    return s;
}
