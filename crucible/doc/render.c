/* SPDX-License-Identifier: Apache-2.0 */
/* Documents to JSONL: the user's fields as they came, then what Crucible added. */
#include "crucible/base/base.h"
#include "crucible/doc/json.h"

static void comma(struct cru_buffer *out, bool *first) {
    if (!*first) cru_buffer_add_char(out, ',');
    *first = false;
}

static void render_field(const struct cru_doc *doc, const struct cru_field *field,
                         struct cru_buffer *out, bool *first) {
    comma(out, first);
    cru_buffer_add_char(out, '"');
    cru_buffer_add_span(out, field->key);
    cru_buffer_add(out, "\":", 2);
    if (field->kind == CRU_FIELD_TEXT && !field->value.p)
        cru_buffer_add_json_string(out, doc->text);
    else
        cru_buffer_add_span(out, field->value);
}

static void add_base64(struct cru_buffer *out, struct cru_span s) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < s.n; i += 3) {
        size_t left = s.n - i;
        uint32_t v = (uint32_t)(unsigned char)s.p[i] << 16;
        if (left > 1) v |= (uint32_t)(unsigned char)s.p[i + 1] << 8;
        if (left > 2) v |= (uint32_t)(unsigned char)s.p[i + 2];
        char four[4] = {digits[v >> 18], digits[v >> 12 & 63], left > 1 ? digits[v >> 6 & 63] : '=',
                        left > 2 ? digits[v & 63] : '='};
        cru_buffer_add(out, four, 4);
    }
}

/* What was read of a wrong record, so that nothing is lost: as text when it is UTF-8, else as base64. */
static void render_raw(const struct cru_doc *doc, struct cru_buffer *out) {
    bool text = cru_utf8_valid(doc->raw);
    cru_buffer_add_string(out, text ? ",\"raw\":" : ",\"raw_base64\":");
    if (text) {
        cru_buffer_add_json_string(out, doc->raw);
        return;
    }
    cru_buffer_add_char(out, '"');
    add_base64(out, doc->raw);
    cru_buffer_add_char(out, '"');
}

void cru_json_render(const struct cru_doc *doc, const char *text_field, struct cru_buffer *out) {
    bool first = true, id = false, text = false;
    for (size_t i = 0; i < doc->n_fields; i++) {
        id |= doc->fields[i].kind == CRU_FIELD_ID;
        text |= doc->fields[i].kind == CRU_FIELD_TEXT;
    }
    cru_buffer_add_char(out, '{');
    if (!id) {
        cru_buffer_add_string(out, "\"id\":");
        cru_buffer_add_json_string(out, doc->id);
        first = false;
    }
    if (!text && doc->fate != CRU_WRONG) {
        comma(out, &first);
        cru_buffer_add_json_string(out, cru_span_of(text_field));
        cru_buffer_add_char(out, ':');
        cru_buffer_add_json_string(out, doc->text);
    }
    for (size_t i = 0; i < doc->n_fields; i++) render_field(doc, &doc->fields[i], out, &first);
    if (doc->n_meta > 0) {
        comma(out, &first);
        cru_buffer_add_string(out, "\"crucible\":{");
        for (size_t i = 0; i < doc->n_meta; i++) {
            if (i) cru_buffer_add_char(out, ',');
            cru_buffer_add_char(out, '"');
            cru_buffer_add_span(out, doc->meta[i].key);
            cru_buffer_add(out, "\":", 2);
            cru_buffer_add_span(out, doc->meta[i].value);
        }
        if (doc->fate == CRU_WRONG && doc->raw.n) render_raw(doc, out);
        cru_buffer_add_char(out, '}');
    }
    cru_buffer_add(out, "}\n", 2);
}
