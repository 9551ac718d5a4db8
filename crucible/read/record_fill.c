/* SPDX-License-Identifier: Apache-2.0 */
/* Cuts an open stream into raw records. What is cut or too large becomes a wrong document here. */
#include "crucible/base/base.h"
#include "crucible/doc/json.h"
#include "crucible/read/reader_private.h"

/* The name of the current file or member, in the batch's arena. */
static const char *path_in(struct cru_reader *r, struct cru_batch *batch) {
    if (!r->path) r->path = cru_arena_copy(&batch->arena, cru_buffer_span(&r->name)).p;
    return r->path;
}

/* A document with its raw record, which lives in the batch's arena; *made is NULL when memory is
 * short. */
static enum cru_status add_kept(struct cru_reader *r, struct cru_batch *batch, struct cru_span raw,
                                struct cru_doc **made, struct cru_error *err) {
    *made = NULL;
    struct cru_record *record = cru_arena_calloc(&batch->arena, 1, sizeof *record);
    const char *path = path_in(r, batch);
    struct cru_doc *doc = record && path ? cru_batch_add(batch) : NULL;
    if (!doc) return cru_fail_memory(err, "a record");
    record->number = r->number;
    record->path = path;
    doc->number = r->documents++;
    doc->raw = raw;
    doc->raw_kind = (uint32_t)r->now;
    doc->path = cru_span_make(path, r->name.n);
    doc->scratch = record;
    batch->bytes += raw.n;
    r->bytes += raw.n;
    *made = doc;
    return CRU_OK;
}

/* The same with a copy of the record. */
static enum cru_status add_record(struct cru_reader *r, struct cru_batch *batch,
                                  struct cru_span raw, struct cru_doc **made,
                                  struct cru_error *err) {
    *made = NULL;
    struct cru_span copy = cru_arena_copy(&batch->arena, raw);
    return copy.p ? add_kept(r, batch, copy, made, err) : cru_fail_memory(err, "a record");
}

/* A record that cannot be used; its id is FILE#N, or FILE when it is the whole file. */
static enum cru_status add_wrong(struct cru_reader *r, struct cru_batch *batch, struct cru_span raw,
                                 bool numbered, const char *rule, const char *why,
                                 struct cru_error *err) {
    enum { SHOWN = 1000 }; /* of a cut or huge record, for the rejects */
    if (raw.n > SHOWN) raw.n = SHOWN;
    struct cru_doc *doc;
    enum cru_status s = add_record(r, batch, raw, &doc, err);
    if (s) return s;
    doc->id = numbered ? cru_arena_printf(&batch->arena, "%s#%llu", r->path,
                                          (unsigned long long)r->number)
                       : doc->path;
    if (!doc->id.p || cru_doc_wrong(batch, doc, "read", rule, why))
        return cru_fail_memory(err, "a record");
    return CRU_OK;
}

/* The stream's failure as CRU_BAD; the run goes on with the next file. */
static enum cru_status stream_failed(struct cru_reader *r, struct cru_error *err) {
    if (strncmp(r->stream.error.message, "out of memory", 13) == 0)
        return cru_fail_memory(err, "a record");
    return cru_fail(err, CRU_BAD, "%s", r->stream.error.message);
}

static enum cru_status next_line(struct cru_reader *r, struct cru_batch *batch,
                                 struct cru_error *err) {
    struct cru_span line;
    for (;;) {
        enum cru_line kind = cru_stream_line(&r->stream, r->options->max_bytes, &line);
        if (kind == CRU_LINE_ROOM) {
            r->full = batch->n > 0;
            if (r->full) return CRU_OK;
            cru_stream_unlodge(&r->stream); /* a line longer than a batch */
            continue;
        }
        if (kind == CRU_LINE_NONE)
            return r->stream.status == CRU_END ? CRU_END : stream_failed(r, err);
        r->number++;
        if (kind == CRU_LINE_CUT) {
            enum cru_status s =
                add_wrong(r, batch, line, true, "truncated", "the input ends inside a line", err);
            return s ? s : stream_failed(r, err);
        }
        if (kind == CRU_LINE_LONG)
            return add_wrong(r, batch, line, true, "too-large", "longer than --max-bytes", err);
        if (r->number == 1 && line.n >= 3 && memcmp(line.p, "\xEF\xBB\xBF", 3) == 0) {
            line.p += 3;
            line.n -= 3;
        }
        if (cru_span_trim(line).n == 0) continue; /* an empty line is no record */
        struct cru_doc *doc;
        if (!cru_stream_keep_line(&r->stream, &batch->arena, CRU_JSON_PADDING, &line))
            return cru_fail_memory(err, "a record");
        enum cru_status s = add_kept(r, batch, line, &doc, err);
        /* whether this whole line is JSON or the rest of a dead pipe is for parse() to see */
        if (s == CRU_OK && kind == CRU_LINE_LAST) ((struct cru_record *)doc->scratch)->last = true;
        return s;
    }
}

static enum cru_status next_whole(struct cru_reader *r, struct cru_batch *batch,
                                  struct cru_error *err) {
    if (r->number) return CRU_END;
    r->number = 1;
    uint64_t limit = r->options->max_bytes ? r->options->max_bytes : UINT64_MAX;
    cru_buffer_clear(&r->record);
    (void)cru_stream_take(&r->stream, limit, &r->record);
    bool large = r->options->max_bytes && cru_stream_peek(&r->stream, 1).n;
    if (r->record.failed) return cru_fail_memory(err, "a record");
    struct cru_span raw = cru_span_make(r->record.p ? r->record.p : "", r->record.n);
    enum cru_status s;
    struct cru_doc *doc;
    if (large)
        s = add_wrong(r, batch, raw, false, "too-large", "larger than --max-bytes", err);
    else if (r->stream.status != CRU_OK && r->stream.status != CRU_END)
        s = add_wrong(r, batch, raw, false, "truncated", "the file cannot be read to its end", err);
    else
        s = add_record(r, batch, raw, &doc, err);
    if (s) return s;
    return r->stream.status == CRU_OK || r->stream.status == CRU_END ? CRU_OK
                                                                     : stream_failed(r, err);
}

static enum cru_status cut_warc(struct cru_reader *r, struct cru_batch *batch, uint64_t at,
                                struct cru_error *err) {
    enum cru_status s = add_wrong(r, batch, cru_buffer_span(&r->record), true, "truncated",
                                  "the input ends inside a WARC record", err);
    if (s) return s;
    if (r->stream.status != CRU_END) return stream_failed(r, err);
    return cru_fail(err, CRU_BAD,
                    "unable to read '%s' to its end: cut in record %llu; %llu bytes were good",
                    r->name.p, (unsigned long long)r->number, (unsigned long long)at);
}

/* The block of a record that is a document. */
static enum cru_status take_block(struct cru_reader *r, struct cru_batch *batch,
                                  struct cru_error *err) {
    uint64_t limit = r->options->max_bytes, at = r->stream.offset, length = r->warc.length;
    cru_buffer_clear(&r->record);
    bool large = limit && length > limit;
    uint64_t got = cru_stream_take(&r->stream, length, large ? NULL : &r->record);
    if (r->record.failed) return cru_fail_memory(err, "a WARC record");
    if (got < length) return cut_warc(r, batch, at, err);
    struct cru_span raw = cru_span_make(r->record.p ? r->record.p : "", r->record.n);
    if (large) return add_wrong(r, batch, raw, true, "too-large", "larger than --max-bytes", err);
    struct cru_doc *doc;
    enum cru_status s = add_record(r, batch, raw, &doc, err);
    if (s) return s;
    struct cru_record *record = doc->scratch;
    record->url = cru_arena_copy(&batch->arena, r->warc.uri);
    record->content_type = cru_arena_copy(&batch->arena, r->warc.content_type);
    record->http = r->warc.content_type.n >= 16 &&
                   strncasecmp(r->warc.content_type.p, "application/http", 16) == 0;
    if (!record->url.p || !record->content_type.p) return cru_fail_memory(err, "a WARC record");
    return CRU_OK;
}

static enum cru_status next_warc(struct cru_reader *r, struct cru_batch *batch,
                                 struct cru_error *err) {
    uint64_t at = r->stream.offset;
    enum cru_status s = cru_warc_next(&r->warc, &r->stream, err);
    if (s == CRU_FATAL) return s;
    if (r->warc.lost) {
        r->number++;
        enum cru_status wrong = add_wrong(r, batch, cru_span_make("", 0), true, "bad-warc",
                                          "bytes between records are no record", err);
        if (wrong) return wrong;
    }
    if (s == CRU_END) return r->stream.status == CRU_END ? CRU_END : stream_failed(r, err);
    r->number++;
    if (s == CRU_BAD) {
        cru_buffer_clear(&r->record);
        if (cru_stream_peek(&r->stream, 1).n == 0) return cut_warc(r, batch, at, err);
        return add_wrong(r, batch, cru_buffer_span(&r->warc.lines), true, "bad-warc",
                         "a header without Content-Length", err);
    }
    if (cru_warc_is_document(&r->warc)) return take_block(r, batch, err);
    cru_buffer_clear(&r->record);
    if (cru_stream_take(&r->stream, r->warc.length, NULL) < r->warc.length)
        return cut_warc(r, batch, at, err);
    return CRU_OK;
}

enum cru_status cru_record_next(struct cru_reader *r, struct cru_batch *batch,
                                struct cru_error *err) {
    switch (r->now) {
    case CRU_FORMAT_JSONL:
        return next_line(r, batch, err);
    case CRU_FORMAT_WARC:
        return next_warc(r, batch, err);
    default:
        return next_whole(r, batch, err);
    }
}
