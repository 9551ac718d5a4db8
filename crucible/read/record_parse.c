/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Raw records to documents; many threads, each with a worker of its own from the reader's pool.
 * Every record ends as a living, dropped or wrong document.
 */
#include <math.h>

#include "crucible/base/base.h"
#include "crucible/doc/json.h"
#include "crucible/read/charset.h"
#include "crucible/read/html_text.h"
#include "crucible/read/http_message.h"
#include "crucible/read/man_text.h"
#include "crucible/read/reader_private.h"

struct cru_read_worker {
    struct cru_read_worker *next;
    struct cru_json_parser *json;
    struct cru_html *html;
    struct cru_man *man;
    struct cru_charset charset;
    struct cru_buffer text, dechunked, unpacked, value;
};

/* One record being parsed. */
struct parsing {
    struct cru_reader *reader;
    struct cru_read_worker *worker;
    struct cru_batch *batch;
    struct cru_doc *doc;
    struct cru_record *record;
    struct cru_error *err;
};

static void worker_free(struct cru_read_worker *w) {
    cru_json_parser_free(w->json);
    cru_html_free(w->html);
    cru_man_free(w->man);
    cru_charset_release(&w->charset);
    cru_buffer_release(&w->text);
    cru_buffer_release(&w->dechunked);
    cru_buffer_release(&w->unpacked);
    cru_buffer_release(&w->value);
    free(w);
}

void cru_read_workers_free(struct cru_reader *r) {
    while (r->workers) {
        struct cru_read_worker *w = r->workers;
        r->workers = w->next;
        worker_free(w);
    }
}

static struct cru_read_worker *worker_take(struct cru_reader *r) {
    (void)pthread_mutex_lock(&r->lock);
    struct cru_read_worker *w = r->workers;
    if (w) r->workers = w->next;
    (void)pthread_mutex_unlock(&r->lock);
    if (w) return w;
    w = calloc(1, sizeof *w);
    if (!w) return NULL;
    cru_charset_init(&w->charset);
    w->json = cru_json_parser_new();
    w->html = cru_html_new();
    w->man = cru_man_new();
    if (w->json && w->html && w->man) return w;
    worker_free(w);
    return NULL;
}

static void worker_give(struct cru_reader *r, struct cru_read_worker *w) {
    enum { KEPT = 16 << 20 }; /* a huge record's buffers are not kept */
    if (w->text.capacity > KEPT) cru_buffer_release(&w->text);
    if (w->dechunked.capacity > KEPT) cru_buffer_release(&w->dechunked);
    if (w->unpacked.capacity > KEPT) cru_buffer_release(&w->unpacked);
    if (w->charset.out.capacity > KEPT) cru_buffer_release(&w->charset.out);
    (void)pthread_mutex_lock(&r->lock);
    w->next = r->workers;
    r->workers = w;
    (void)pthread_mutex_unlock(&r->lock);
}

static enum cru_status memory(const struct parsing *p) {
    return cru_fail_memory(p->err, "a document");
}

static enum cru_status wrong(const struct parsing *p, const char *rule, const char *why) {
    return cru_doc_wrong(p->batch, p->doc, "read", rule, why) ? memory(p) : CRU_OK;
}

static enum cru_status drop(const struct parsing *p, const char *rule, double value, double limit) {
    return cru_doc_drop(p->batch, p->doc, "read", rule, value, limit) ? memory(p) : CRU_OK;
}

/* A user's field with a string value; what is not UTF-8 has no place in JSON and is left out. */
static enum cru_status add_field(const struct parsing *p, struct cru_span key,
                                 struct cru_span value) {
    if (value.n == 0 || !cru_utf8_valid(value)) return CRU_OK;
    struct cru_buffer *b = &p->worker->value;
    cru_buffer_clear(b);
    cru_buffer_add_json_string(b, value);
    struct cru_span json = {NULL, 0};
    if (!b->failed) json = cru_arena_copy(&p->batch->arena, cru_buffer_span(b));
    return cru_doc_add_field(p->batch, p->doc, key, json) ? memory(p) : CRU_OK;
}

static enum cru_status set_text(const struct parsing *p, struct cru_span text) {
    if (cru_span_trim(text).n == 0) return drop(p, "empty", NAN, NAN);
    /* the record as it was read stands in the arena: text that is part of it needs no copy */
    if (text.p >= p->doc->raw.p && text.p + text.n <= p->doc->raw.p + p->doc->raw.n) {
        cru_doc_set_text(p->doc, text);
        return CRU_OK;
    }
    /* a reader that cut a character in two must not spread it */
    if (!cru_utf8_valid(text)) return wrong(p, "bad-encoding", "what was extracted is not UTF-8");
    struct cru_span copy = cru_arena_copy(&p->batch->arena, text);
    if (!copy.p) return memory(p);
    cru_doc_set_text(p->doc, copy);
    return CRU_OK;
}

static enum cru_status parse_json(const struct parsing *p) {
    struct cru_doc *doc = p->doc;
    struct cru_error why = {CRU_OK, ""};
    enum cru_status s =
        cru_json_document_in_place(p->worker->json, doc->raw, p->reader->options->text_field,
                                   p->record->path, p->record->number, p->batch, doc, &why);
    if (s != CRU_BAD) {
        if (s != CRU_OK && p->err) *p->err = why;
        return s;
    }
    doc->id = cru_arena_printf(&p->batch->arena, "%s#%llu", p->record->path,
                               (unsigned long long)p->record->number);
    if (!doc->id.p) return memory(p);
    if (!cru_utf8_valid(doc->raw)) return wrong(p, "bad-encoding", why.message);
    if (p->record->last && doc->raw.p[doc->raw.n - 1] != '}') {
        char message[100];
        (void)snprintf(message, sizeof message,
                       "the input ends inside a line, without newline; %llu lines before it are whole",
                       (unsigned long long)p->record->number - 1);
        return wrong(p, "truncated", message);
    }
    return wrong(p, "bad-json", why.message);
}

/* A page's text by --extract, from its bytes. */
static enum cru_status parse_html(const struct parsing *p, struct cru_span bytes,
                                  struct cru_span charset) {
    struct cru_read_worker *w = p->worker;
    struct cru_error why = {CRU_OK, ""};
    struct cru_span page;
    enum cru_status s = cru_charset_decode(&w->charset, bytes, charset, true, &page, &why);
    if (s == CRU_BAD) return wrong(p, "bad-encoding", why.message);
    if (s) return memory(p);
    const char *extract = p->reader->options->extract;
    if (extract && strcmp(extract, "none") == 0) return set_text(p, page);
    cru_buffer_clear(&w->text);
    const char *rule = NULL;
    s = cru_html_text(w->html, page,
                      extract && strcmp(extract, "all") == 0 ? CRU_EXTRACT_ALL : CRU_EXTRACT_MAIN,
                      &w->text, &rule, &why);
    if (s == CRU_BAD) return wrong(p, rule, why.message);
    if (s) return memory(p);
    return set_text(p, cru_buffer_span(&w->text));
}

/* Text, code and manual pages: UTF-8, or UTF-16 with a byte order mark. */
static enum cru_status decode_file(const struct parsing *p, struct cru_span bytes,
                                   struct cru_span charset, struct cru_span *text) {
    *text = cru_span_make(NULL, 0);
    if (cru_looks_binary(bytes)) return drop(p, "binary", NAN, NAN);
    struct cru_error why = {CRU_OK, ""};
    enum cru_status s =
        cru_charset_decode(&p->worker->charset, bytes, charset, false, text, &why);
    if (s == CRU_OK) return CRU_OK;
    *text = cru_span_make(NULL, 0);
    if (s == CRU_FATAL) return memory(p);
    if (p->doc->raw_kind == CRU_FORMAT_CODE) return drop(p, "not-utf8", NAN, NAN);
    return wrong(p, "bad-encoding", why.message);
}

static enum cru_status parse_text(const struct parsing *p) {
    struct cru_span text;
    enum cru_status s = decode_file(p, p->doc->raw, cru_span_make(NULL, 0), &text);
    if (s || p->doc->fate != CRU_KEEP) return s;
    if (p->doc->raw_kind == CRU_FORMAT_CODE) {
        const char *language = cru_code_language(p->record->path, text);
        s = add_field(p, CRU_SPAN("language"), cru_span_of(language));
        if (s) return s;
    }
    return set_text(p, text);
}

static enum cru_status parse_man(const struct parsing *p) {
    struct cru_span page;
    enum cru_status s = decode_file(p, p->doc->raw, cru_span_make(NULL, 0), &page);
    if (s || p->doc->fate != CRU_KEEP) return s;
    cru_buffer_clear(&p->worker->text);
    const char *rule = NULL;
    struct cru_error why = {CRU_OK, ""};
    s = cru_man_text(p->worker->man, page, &p->worker->text, &rule, &why);
    if (s == CRU_BAD) return drop(p, rule, NAN, NAN);
    if (s) return memory(p);
    return set_text(p, cru_buffer_span(&p->worker->text));
}

static bool is_type(struct cru_span type, const char *name) {
    return type.n == strlen(name) && strncasecmp(type.p, name, type.n) == 0;
}

static enum cru_status parse_body(const struct parsing *p, struct cru_span type,
                                  struct cru_span charset, struct cru_span body) {
    struct cru_span start = cru_span_trim(body.n > 256 ? cru_span_make(body.p, 256) : body);
    bool unnamed = type.n == 0 && start.n && *start.p == '<';
    enum cru_status s = add_field(p, CRU_SPAN("content_type"), type);
    if (s) return s;
    if (unnamed || is_type(type, "text/html") || is_type(type, "application/xhtml+xml"))
        return parse_html(p, body, charset);
    if (!is_type(type, "text/plain")) return drop(p, "content-type", NAN, NAN);
    struct cru_span text;
    s = decode_file(p, body, charset, &text);
    if (s || p->doc->fate != CRU_KEEP) return s;
    return set_text(p, text);
}

static enum cru_status parse_warc(const struct parsing *p) {
    struct cru_read_worker *w = p->worker;
    struct cru_doc *doc = p->doc;
    doc->id = cru_arena_printf(&p->batch->arena, "%s#%llu", p->record->path,
                               (unsigned long long)p->record->number);
    if (!doc->id.p) return memory(p);
    enum cru_status s = add_field(p, CRU_SPAN("url"), p->record->url);
    if (s) return s;
    struct cru_error why = {CRU_OK, ""};
    if (!p->record->http) { /* WET and resources: the block is the body */
        struct cru_span type, charset;
        cru_http_content_type(p->record->content_type, &type, &charset);
        return parse_body(p, type, charset, doc->raw);
    }
    struct cru_http http;
    if (cru_http_parse(doc->raw, &http, &why)) return wrong(p, "bad-http", why.message);
    if (http.status < 200 || http.status > 299) return drop(p, "http-status", http.status, 299);
    struct cru_span body;
    cru_buffer_clear(&w->dechunked);
    cru_buffer_clear(&w->unpacked);
    s = cru_http_body(&http, p->reader->options->max_bytes, &w->dechunked, &w->unpacked, &body, &why);
    if (s == CRU_BAD) return wrong(p, "content-encoding", why.message);
    if (s) return memory(p);
    return parse_body(p, http.content_type, http.charset, body);
}

static enum cru_status parse_one(const struct parsing *p) {
    struct cru_doc *doc = p->doc;
    if (doc->fate != CRU_KEEP) return CRU_OK; /* fill() saw what was wrong */
    switch ((enum cru_format)doc->raw_kind) {
    case CRU_FORMAT_JSONL: return parse_json(p);
    case CRU_FORMAT_WARC: return parse_warc(p);
    default: break;
    }
    doc->id = doc->path;
    enum cru_status s = add_field(p, CRU_SPAN("path"), doc->path);
    if (s) return s;
    switch ((enum cru_format)doc->raw_kind) {
    case CRU_FORMAT_HTML: return parse_html(p, doc->raw, cru_span_make(NULL, 0));
    case CRU_FORMAT_MAN: return parse_man(p);
    default: return parse_text(p);
    }
}

enum cru_status cru_reader_parse(struct cru_reader *r, struct cru_batch *batch,
                                 struct cru_error *err) {
    struct cru_read_worker *worker = worker_take(r);
    if (!worker) return cru_fail_memory(err, "a reader's worker");
    enum cru_status s = CRU_OK;
    for (size_t i = 0; s == CRU_OK && i < batch->n; i++) {
        struct cru_doc *doc = &batch->docs[i];
        struct parsing p = {r, worker, batch, doc, doc->scratch, err};
        s = parse_one(&p);
        doc->scratch = NULL;
        if (s == CRU_OK && r->options->source &&
            cru_doc_set_meta_string(batch, doc, "source", cru_span_of(r->options->source)))
            s = cru_fail_memory(err, "a document");
    }
    worker_give(r, worker);
    return s;
}
