/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/base/base.h"
#include "crucible/read/warc_record.h"

enum { HEAD_LINE = 1 << 16, HEAD_BYTES = 1 << 20 };

void cru_warc_init(struct cru_warc *w) {
    memset(w, 0, sizeof *w);
    cru_buffer_init(&w->lines);
}

void cru_warc_release(struct cru_warc *w) { cru_buffer_release(&w->lines); }

static bool same_name(struct cru_span a, const char *b) {
    return a.n == strlen(b) && strncasecmp(a.p, b, a.n) == 0;
}

/* Finds the line that begins a record. */
static bool find_head(struct cru_warc *w, struct cru_stream *in) {
    struct cru_span line;
    w->lost = false;
    while (cru_stream_line(in, HEAD_LINE, &line) != CRU_LINE_NONE) {
        if (line.n >= 5 && memcmp(line.p, "WARC/", 5) == 0) return true;
        if (cru_span_trim(line).n) w->lost = true;
    }
    return false;
}

static bool parse_length(struct cru_span value, uint64_t *length) {
    *length = 0;
    if (value.n == 0 || value.n > 18) return false;
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] < '0' || value.p[i] > '9') return false;
        *length = 10 * *length + (uint64_t)(value.p[i] - '0');
    }
    return true;
}

enum cru_status cru_warc_next(struct cru_warc *w, struct cru_stream *in, struct cru_error *err) {
    w->type = w->uri = w->content_type = cru_span_make(NULL, 0);
    w->length = 0;
    cru_buffer_clear(&w->lines);
    if (!find_head(w, in)) return CRU_END;
    struct cru_span line;
    bool ended = false;
    while (!ended && w->lines.n < HEAD_BYTES) {
        enum cru_line kind = cru_stream_line(in, HEAD_LINE, &line);
        if (kind != CRU_LINE_WHOLE && kind != CRU_LINE_LONG) break;
        ended = cru_span_trim(line).n == 0;
        cru_buffer_add_span(&w->lines, line);
        cru_buffer_add_char(&w->lines, '\n');
    }
    if (w->lines.failed) return cru_fail_memory(err, "a WARC header");
    if (!ended) return cru_fail(err, CRU_BAD, "a WARC header is cut");
    bool has_length = false;
    struct cru_span rest = cru_buffer_span(&w->lines);
    while (cru_span_split(&rest, '\n', &line)) {
        const char *colon = line.n ? memchr(line.p, ':', line.n) : NULL;
        if (!colon) continue;
        struct cru_span name = cru_span_make(line.p, (size_t)(colon - line.p));
        struct cru_span value =
            cru_span_trim(cru_span_make(colon + 1, line.n - (size_t)(colon - line.p) - 1));
        if (same_name(name, "WARC-Type"))
            w->type = value;
        else if (same_name(name, "WARC-Target-URI"))
            w->uri = value;
        else if (same_name(name, "Content-Type"))
            w->content_type = value;
        else if (same_name(name, "Content-Length"))
            has_length = parse_length(value, &w->length);
    }
    if (w->uri.n > 2 && w->uri.p[0] == '<') { /* WARC 1.0 writes <uri> in places */
        w->uri.p++;
        w->uri.n -= w->uri.p[w->uri.n - 2] == '>' ? 2 : 1;
    }
    if (!has_length) return cru_fail(err, CRU_BAD, "a WARC header has no Content-Length");
    return CRU_OK;
}

bool cru_warc_is_document(const struct cru_warc *w) {
    /* wget keeps its arguments and log as resources */
    if (w->uri.n > 9 && memcmp(w->uri.p, "metadata:", 9) == 0) return false;
    return same_name(w->type, "response") || same_name(w->type, "resource") ||
           same_name(w->type, "conversion");
}
