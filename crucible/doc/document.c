/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "crucible/base/base.h"
#include "crucible/doc/document.h"

void cru_batch_init(struct cru_batch *batch) {
    memset(batch, 0, sizeof *batch);
    cru_arena_init(&batch->arena);
}

void cru_batch_clear(struct cru_batch *batch) {
    cru_arena_clear(&batch->arena);
    batch->n = 0;
    batch->bytes = 0;
}

void cru_batch_release(struct cru_batch *batch) {
    cru_arena_release(&batch->arena);
    free(batch->docs);
    cru_batch_init(batch);
}

struct cru_doc *cru_batch_add(struct cru_batch *batch) {
    if (batch->n == batch->capacity) {
        size_t capacity = batch->capacity ? 2 * batch->capacity : 64;
        struct cru_doc *docs = realloc(batch->docs, capacity * sizeof *docs);
        if (!docs) return NULL;
        batch->docs = docs;
        batch->capacity = capacity;
    }
    struct cru_doc *doc = &batch->docs[batch->n++];
    memset(doc, 0, sizeof *doc);
    return doc;
}

void cru_doc_set_text(struct cru_doc *doc, struct cru_span text) {
    doc->text = text;
    for (size_t i = 0; i < doc->n_fields; i++)
        if (doc->fields[i].kind == CRU_FIELD_TEXT) doc->fields[i].value = cru_span_make(NULL, 0);
    /* A count of the old text would be believed by whoever budgets in tokens. */
    for (size_t i = 0; i < doc->n_meta; i++)
        if (cru_span_is(doc->meta[i].key, "tokens")) {
            doc->n_meta--;
            memmove(&doc->meta[i], &doc->meta[i + 1], (doc->n_meta - i) * sizeof *doc->meta);
            break;
        }
}

/* Room for one more element in an arena array; the old array stays behind in the arena. */
static void *arena_grow(struct cru_arena *arena, void *old, size_t n, size_t *capacity,
                        size_t size) {
    if (n < *capacity) return old;
    size_t more = *capacity ? 2 * *capacity : 8;
    void *p = cru_arena_alloc(arena, more * size);
    if (!p) return NULL;
    if (n) memcpy(p, old, n * size);
    *capacity = more;
    return p;
}

enum cru_status cru_doc_set_meta(struct cru_batch *batch, struct cru_doc *doc, const char *key,
                                 struct cru_span json) {
    if (!json.p) return CRU_FATAL; /* an arena that could not give */
    for (size_t i = 0; i < doc->n_meta; i++)
        if (cru_span_is(doc->meta[i].key, key)) {
            doc->meta[i].value = json;
            return CRU_OK;
        }
    void *p = arena_grow(&batch->arena, doc->meta, doc->n_meta, &doc->cap_meta, sizeof *doc->meta);
    if (!p) return CRU_FATAL;
    doc->meta = p;
    doc->meta[doc->n_meta++] = (struct cru_meta){cru_span_of(key), json};
    return CRU_OK;
}

static enum cru_status set_meta_buffer(struct cru_batch *batch, struct cru_doc *doc,
                                       const char *key, struct cru_buffer *b) {
    struct cru_span json = {NULL, 0};
    if (!b->failed) json = cru_arena_copy(&batch->arena, cru_buffer_span(b));
    cru_buffer_release(b);
    return cru_doc_set_meta(batch, doc, key, json);
}

enum cru_status cru_doc_set_meta_number(struct cru_batch *batch, struct cru_doc *doc,
                                        const char *key, double value) {
    struct cru_buffer b;
    cru_buffer_init(&b);
    cru_buffer_add_json_number(&b, value);
    return set_meta_buffer(batch, doc, key, &b);
}

enum cru_status cru_doc_set_meta_string(struct cru_batch *batch, struct cru_doc *doc,
                                        const char *key, struct cru_span value) {
    struct cru_buffer b;
    cru_buffer_init(&b);
    cru_buffer_add_json_string(&b, value);
    return set_meta_buffer(batch, doc, key, &b);
}

struct cru_span cru_doc_meta(const struct cru_doc *doc, const char *key) {
    for (size_t i = 0; i < doc->n_meta; i++)
        if (cru_span_is(doc->meta[i].key, key)) return doc->meta[i].value;
    return cru_span_make(NULL, 0);
}

struct cru_span cru_doc_field(const struct cru_doc *doc, const char *key) {
    for (size_t i = 0; i < doc->n_fields; i++)
        if (doc->fields[i].kind == CRU_FIELD_USER && cru_span_is(doc->fields[i].key, key))
            return doc->fields[i].value;
    return cru_span_make(NULL, 0);
}

enum cru_status cru_doc_add_field(struct cru_batch *batch, struct cru_doc *doc,
                                  struct cru_span raw_key, struct cru_span raw_value) {
    if (!raw_key.p || !raw_value.p) return CRU_FATAL;
    void *p = arena_grow(&batch->arena, doc->fields, doc->n_fields, &doc->cap_fields,
                         sizeof *doc->fields);
    if (!p) return CRU_FATAL;
    doc->fields = p;
    doc->fields[doc->n_fields++] = (struct cru_field){CRU_FIELD_USER, raw_key, raw_value};
    return CRU_OK;
}

static enum cru_status set_fate(struct cru_batch *batch, struct cru_doc *doc, enum cru_fate fate,
                                const char *stage, const char *rule, struct cru_buffer *b) {
    cru_buffer_add_char(b, '}');
    doc->fate = fate;
    doc->drop_stage = stage;
    doc->drop_rule = rule;
    return set_meta_buffer(batch, doc, "drop", b);
}

static void begin_drop(struct cru_buffer *b, const char *stage, const char *rule) {
    cru_buffer_init(b);
    cru_buffer_add_string(b, "{\"stage\":");
    cru_buffer_add_json_string(b, cru_span_of(stage));
    cru_buffer_add_string(b, ",\"rule\":");
    cru_buffer_add_json_string(b, cru_span_of(rule));
}

enum cru_status cru_doc_drop(struct cru_batch *batch, struct cru_doc *doc, const char *stage,
                             const char *rule, double value, double limit) {
    struct cru_buffer b;
    begin_drop(&b, stage, rule);
    if (!isnan(value)) {
        cru_buffer_add_string(&b, ",\"value\":");
        cru_buffer_add_json_number(&b, value);
    }
    if (!isnan(limit)) {
        cru_buffer_add_string(&b, ",\"limit\":");
        cru_buffer_add_json_number(&b, limit);
    }
    return set_fate(batch, doc, CRU_DROP, stage, rule, &b);
}

enum cru_status cru_doc_wrong(struct cru_batch *batch, struct cru_doc *doc, const char *stage,
                              const char *rule, const char *why) {
    struct cru_buffer b;
    begin_drop(&b, stage, rule);
    cru_buffer_add_string(&b, ",\"why\":");
    cru_buffer_add_json_string(&b, cru_span_of(why));
    return set_fate(batch, doc, CRU_WRONG, stage, rule, &b);
}
