/* SPDX-License-Identifier: Apache-2.0 */
#include <archive.h>
#include <archive_entry.h>

#include "crucible/base/base.h"
#include "crucible/read/http_message.h"

static bool same_name(struct cru_span a, const char *b) {
    return a.n == strlen(b) && strncasecmp(a.p, b, a.n) == 0;
}

/* The next line without CR and LF; false at the end. */
static bool next_line(struct cru_span *rest, struct cru_span *line) {
    if (rest->n == 0) return false;
    const char *newline = memchr(rest->p, '\n', rest->n);
    size_t n = newline ? (size_t)(newline - rest->p) : rest->n;
    *line = cru_span_make(rest->p, n);
    if (line->n && line->p[line->n - 1] == '\r') line->n--;
    size_t step = newline ? n + 1 : n;
    rest->p += step;
    rest->n -= step;
    return true;
}

void cru_http_content_type(struct cru_span value, struct cru_span *type, struct cru_span *charset) {
    *charset = cru_span_make(NULL, 0);
    struct cru_span rest = value, part;
    *type = cru_span_make(NULL, 0);
    bool first = true;
    while (rest.n && cru_span_split(&rest, ';', &part)) {
        part = cru_span_trim(part);
        if (first) *type = part;
        first = false;
        if (part.n > 8 && strncasecmp(part.p, "charset=", 8) == 0) {
            struct cru_span name = cru_span_trim(cru_span_make(part.p + 8, part.n - 8));
            while (name.n && (*name.p == '"' || *name.p == '\'')) name.p++, name.n--;
            while (name.n && (name.p[name.n - 1] == '"' || name.p[name.n - 1] == '\'')) name.n--;
            *charset = name;
        }
    }
}

enum cru_status cru_http_parse(struct cru_span message, struct cru_http *http,
                               struct cru_error *err) {
    memset(http, 0, sizeof *http);
    struct cru_span rest = message, line;
    if (!next_line(&rest, &line) || line.n < 9 || strncasecmp(line.p, "HTTP/", 5) != 0)
        return cru_fail(err, CRU_BAD, "the record holds no HTTP response");
    const char *space = memchr(line.p, ' ', line.n);
    size_t at = space ? (size_t)(space - line.p) : line.n;
    while (at < line.n && line.p[at] == ' ') at++;
    for (size_t i = 0; i < 3 && at < line.n && line.p[at] >= '0' && line.p[at] <= '9'; i++, at++)
        http->status = 10 * http->status + (line.p[at] - '0');
    if (http->status < 100) return cru_fail(err, CRU_BAD, "an HTTP response has no status");
    while (next_line(&rest, &line) && line.n) {
        const char *colon = memchr(line.p, ':', line.n);
        if (!colon) continue;
        struct cru_span name = cru_span_trim(cru_span_make(line.p, (size_t)(colon - line.p)));
        struct cru_span value =
            cru_span_trim(cru_span_make(colon + 1, line.n - (size_t)(colon - line.p) - 1));
        if (same_name(name, "Content-Type"))
            cru_http_content_type(value, &http->content_type, &http->charset);
        else if (same_name(name, "Transfer-Encoding"))
            http->transfer_encoding = value;
        else if (same_name(name, "Content-Encoding"))
            http->content_encoding = value;
    }
    http->body = rest;
    return CRU_OK;
}

/* Chunked coding (RFC 9112, 7.1). False when the body is not in chunks: it had been decoded. */
static bool dechunk(struct cru_span body, struct cru_buffer *out) {
    cru_buffer_clear(out);
    bool first = true;
    while (body.n) {
        uint64_t size = 0;
        size_t i = 0;
        for (; i < body.n && i < 8; i++) {
            char c = body.p[i];
            unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                             : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                             : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10
                                                    : 16;
            if (digit == 16) break;
            size = 16 * size + digit;
        }
        struct cru_span line;
        struct cru_span rest = body;
        bool proper = i > 0 && next_line(&rest, &line) && rest.n + line.n < body.n &&
                      (line.n == i || line.p[i] == ';' || line.p[i] == ' ');
        if (!proper) return !first; /* a tail that is no chunk: what was read stays */
        first = false;
        if (size == 0) break;
        if (size > rest.n) size = rest.n; /* the crawler cut it */
        cru_buffer_add(out, rest.p, (size_t)size);
        rest.p += size;
        rest.n -= (size_t)size;
        if (rest.n && *rest.p == '\r') rest.p++, rest.n--;
        if (rest.n && *rest.p == '\n') rest.p++, rest.n--;
        body = rest;
    }
    return !first;
}

bool cru_is_packed(struct cru_span s) {
    const unsigned char *p = (const unsigned char *)s.p;
    return (s.n > 2 && p[0] == 0x1f && p[1] == 0x8b) ||                       /* gzip, RFC 1952 */
           (s.n > 4 && memcmp(p, "\x28\xb5\x2f\xfd", 4) == 0) ||              /* zstd, RFC 8878 */
           (s.n > 6 && memcmp(p, "\xfd" "7zXZ", 6) == 0) ||                   /* xz */
           (s.n > 10 && memcmp(p, "BZh", 3) == 0 && p[4] == 0x31) ||          /* bzip2 */
           (s.n > 4 && memcmp(p, "\x04\x22\x4d\x18", 4) == 0);                /* lz4 frame */
}

enum cru_status cru_unpack(struct cru_span packed, uint64_t limit, struct cru_buffer *out,
                           struct cru_error *err) {
    enum { BLOCK = 1 << 16 };
    cru_buffer_clear(out);
    struct archive *a = archive_read_new();
    if (!a) return cru_fail_memory(err, "decompression");
    struct archive_entry *entry;
    enum cru_status s = CRU_OK;
    if (archive_read_support_filter_gzip(a) < ARCHIVE_WARN ||
        archive_read_support_filter_zstd(a) < ARCHIVE_WARN ||
        archive_read_support_filter_xz(a) < ARCHIVE_WARN ||
        archive_read_support_filter_bzip2(a) < ARCHIVE_WARN ||
        archive_read_support_filter_lz4(a) < ARCHIVE_WARN ||
        archive_read_support_format_raw(a) < ARCHIVE_WARN ||
        archive_read_open_memory(a, packed.p, packed.n) != ARCHIVE_OK ||
        archive_read_next_header(a, &entry) != ARCHIVE_OK) {
        s = cru_fail(err, CRU_BAD, "unable to decompress: %s",
                     archive_error_string(a) ? archive_error_string(a) : "damaged");
    } else {
        la_ssize_t n = 0;
        for (;;) {
            char *room = cru_buffer_room(out, BLOCK);
            if (!room) {
                s = cru_fail_memory(err, "decompression");
                break;
            }
            n = archive_read_data(a, room, BLOCK);
            if (n <= 0) break;
            out->n += (size_t)n;
            if (limit && out->n > limit) {
                s = cru_fail(err, CRU_BAD, "larger than %llu bytes when decompressed",
                             (unsigned long long)limit);
                break;
            }
        }
        if (s == CRU_OK && n < 0)
            s = cru_fail(err, CRU_BAD, "unable to decompress: %s; %zu bytes were good",
                         archive_error_string(a) ? archive_error_string(a) : "cut", out->n);
    }
    (void)archive_read_free(a);
    return s;
}

/*
 * Content-Encoding "deflate" is a zlib stream (RFC 1950) or, from some servers, a bare deflate one.
 * Put into a gzip frame it is libarchive's; the frame's checksum is not looked at there.
 */
static enum cru_status inflate_body(struct cru_span body, uint64_t limit, struct cru_buffer *out,
                                    struct cru_error *err) {
    static const char head[10] = {0x1f, (char)0x8b, 8, 0, 0, 0, 0, 0, 0, 3};
    static const char tail[8] = {0};
    const unsigned char *p = (const unsigned char *)body.p;
    bool zlib = body.n > 6 && (p[0] & 15) == 8 && (p[0] * 256 + p[1]) % 31 == 0;
    struct cru_buffer frame;
    cru_buffer_init(&frame);
    cru_buffer_add(&frame, head, sizeof head);
    cru_buffer_add(&frame, body.p + (zlib ? 2 : 0), body.n - (zlib ? 6 : 0));
    cru_buffer_add(&frame, tail, sizeof tail);
    enum cru_status s = frame.failed ? cru_fail_memory(err, "an HTTP body")
                                     : cru_unpack(cru_buffer_span(&frame), limit, out, err);
    cru_buffer_release(&frame);
    return s;
}

enum cru_status cru_http_body(const struct cru_http *http, uint64_t limit, struct cru_buffer *a,
                              struct cru_buffer *b, struct cru_span *body, struct cru_error *err) {
    *body = http->body;
    struct cru_buffer *spare = a;
    if (same_name(http->transfer_encoding, "chunked") && dechunk(*body, a)) {
        if (a->failed) return cru_fail_memory(err, "an HTTP body");
        *body = cru_buffer_span(a);
        spare = b;
    }
    struct cru_span coding = http->content_encoding;
    if (coding.n == 0 || body->n == 0 || same_name(coding, "identity")) return CRU_OK;
    enum cru_status s = CRU_OK;
    /* text does not begin with these magics: without them the crawler had decoded it */
    bool text = *body->p == '<' || *body->p == ' ' || *body->p == '\n' || *body->p == '\r' ||
                *body->p == '{';
    if (cru_is_packed(*body)) {
        s = cru_unpack(*body, limit, spare, err);
        if (s == CRU_OK) *body = cru_buffer_span(spare);
    } else if (same_name(coding, "deflate") && !text) {
        s = inflate_body(*body, limit, spare, err);
        if (s == CRU_OK) *body = cru_buffer_span(spare);
    } else if (same_name(coding, "br") && !text) {
        s = cru_fail(err, CRU_BAD, "the body is Brotli-coded, which is not known here");
    }
    return s;
}
