/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shim over simdjson On-Demand. simdjson finds the structure and checks UTF-8 for a whole line
 * at once, and that strings end and hold no control characters; escapes and all other values that
 * pass through are checked by cru_json_valid (json_check.c), since On-Demand skips what nobody asks
 * for, and a broken value must not be passed on.
 *
 * In front of it stands a quick way for lines that are plain to see through, which decodes the text in
 * the one pass that finds its end. It takes a line only if it is valid in every respect; all others,
 * and what is wrong with them, are for simdjson.
 */
#include <simdjson.h>

#include <cstdlib>
#include <cstring>
#include <new>

extern "C" {
#include "crucible/doc/json.h"
#include "crucible/doc/json_check.h"
}

namespace ondemand = simdjson::ondemand;

struct cru_json_parser {
    ondemand::parser parser;
    bool library_only = false;
    char *padded = nullptr; /* for lookups */
    size_t padded_capacity = 0;
    ~cru_json_parser() { std::free(padded); }
};

extern "C" struct cru_json_parser *cru_json_parser_new(void) {
    return new (std::nothrow) cru_json_parser;
}

extern "C" void cru_json_parser_free(struct cru_json_parser *parser) {
    delete parser;
}

extern "C" void cru_json_parser_library_only(struct cru_json_parser *parser) {
    parser->library_only = true;
}

extern "C" bool cru_utf8_valid(struct cru_span s) {
    return s.n == 0 || simdjson::validate_utf8(s.p, s.n);
}

static cru_span trimmed(std::string_view v) {
    while (!v.empty() && std::strchr(" \t\r\n", v.back())) v.remove_suffix(1);
    return cru_span{v.data(), v.size()};
}

/* The raw JSON of any value; it is skipped. */
static simdjson::error_code raw_value(ondemand::value value, cru_span *raw) {
    ondemand::json_type type;
    simdjson::error_code e = value.type().get(type);
    if (e) return e;
    std::string_view v;
    if (type == ondemand::json_type::object) {
        ondemand::object object;
        if ((e = value.get_object().get(object))) return e;
        if ((e = object.raw_json().get(v))) return e;
    } else if (type == ondemand::json_type::array) {
        ondemand::array array;
        if ((e = value.get_array().get(array))) return e;
        if ((e = array.raw_json().get(v))) return e;
    } else {
        v = value.raw_json_token();
    }
    *raw = trimmed(v);
    return simdjson::SUCCESS;
}

static cru_span raw_key(ondemand::field &field) {
    const char *p = field.key().raw(), *q = p;
    while (*q != '"') q += *q == '\\' ? 2 : 1;
    return cru_span{p, static_cast<size_t>(q - p)};
}

struct reading {
    cru_batch *batch;
    cru_doc *doc;
    const char *text_field;
    cru_error *err;
    bool has_id, has_text;
};

static cru_status bad(cru_error *err, const char *why) {
    return cru_fail(err, CRU_BAD, "%s", why);
}

static cru_status take_meta(reading *r, cru_span json) {
    if (json.n < 2 || json.p[0] != '{') return bad(r->err, "field 'crucible' is not an object");
    cru_span key, value;
    const char *at = nullptr;
    for (;;) {
        int more = cru_json_next_member(json, &at, &key, &value);
        if (more < 0) return bad(r->err, "field 'crucible' is not valid JSON");
        if (more == 0) return CRU_OK;
        cru_span kept = cru_arena_copy(&r->batch->arena, key);
        if (!kept.p || cru_doc_set_meta(r->batch, r->doc, kept.p, value))
            return cru_fail_memory(r->err, "document");
    }
}

static cru_status take_id(reading *r, cru_span raw) {
    if (raw.p[0] == '"') {
        if (!cru_json_unescape(raw, &r->batch->arena, &r->doc->id))
            return bad(r->err, "field 'id' holds a bad escape");
    } else if (raw.p[0] == '{' || raw.p[0] == '[' || raw.p[0] == 'n' ||
               raw.p[0] == 't' || raw.p[0] == 'f') {
        return bad(r->err, "field 'id' is neither a string nor a number");
    } else {
        r->doc->id = raw; /* a number stands for itself */
    }
    r->has_id = true;
    return CRU_OK;
}

/* Whether a value that passes through is valid JSON, given what simdjson has seen to. */
static bool sound(cru_span raw) {
    bool string = raw.n > 1 && raw.p[0] == '"' && raw.p[raw.n - 1] == '"';
    return (string && !std::memchr(raw.p, '\\', raw.n)) || cru_json_valid(raw);
}

/* `decoded`: what stands in it, when that is known. */
static cru_status take_text(reading *r, cru_span raw, const cru_span *decoded) {
    if (r->has_text) return bad(r->err, "the text field stands twice");
    if (raw.p[0] != '"') return bad(r->err, "the text field is not a string");
    if (raw.n < 2 || raw.p[raw.n - 1] != '"') return bad(r->err, "not valid JSON");
    if (decoded)
        r->doc->text = *decoded;
    else if (!cru_json_unescape(raw, &r->batch->arena, &r->doc->text))
        return bad(r->err,
                   cru_json_valid(raw) ? "the text field holds a bad escape" : "not valid JSON");
    r->has_text = true;
    return CRU_OK;
}

static cru_status take_field(reading *r, cru_span raw_name, cru_span raw,
                             const cru_span *decoded) {
    cru_doc *doc = r->doc;
    cru_span name = raw_name; /* what the key says; written again as it came */
    if (std::memchr(raw_name.p, '\\', raw_name.n)) {
        cru_span quoted = {raw_name.p - 1, raw_name.n + 2};
        if (!cru_json_valid(quoted)) return bad(r->err, "a key holds a bad escape");
        if (!cru_json_unescape(quoted, &r->batch->arena, &name))
            name = raw_name; /* half a surrogate */
    }
    bool crucible = cru_span_is(name, "crucible"),
         text = !crucible && cru_span_is(name, r->text_field);
    if (!text && !sound(raw)) return bad(r->err, "not valid JSON, or nested more than 256 deep");
    if (crucible) return take_meta(r, raw);
    cru_field_kind kind = CRU_FIELD_USER;
    if (text) {
        cru_status s = take_text(r, raw, decoded);
        if (s) return s;
        kind = CRU_FIELD_TEXT;
    } else if (cru_span_is(name, "id")) {
        if (r->has_id) return bad(r->err, "field 'id' stands twice");
        cru_status s = take_id(r, raw);
        if (s) return s;
        kind = CRU_FIELD_ID;
    }
    if (cru_doc_add_field(r->batch, doc, raw_name, raw)) return cru_fail_memory(r->err, "document");
    doc->fields[doc->n_fields - 1].kind = kind;
    return CRU_OK;
}

static cru_status walk(reading *r, ondemand::parser *parser, const char *p, size_t n) {
    ondemand::document document;
    simdjson::error_code e = parser->iterate(p, n, n + simdjson::SIMDJSON_PADDING).get(document);
    if (e) return bad(r->err, simdjson::error_message(e));
    ondemand::object object;
    if ((e = document.get_object().get(object))) return bad(r->err, simdjson::error_message(e));
    for (auto result : object) {
        ondemand::field field;
        if ((e = std::move(result).get(field))) return bad(r->err, simdjson::error_message(e));
        cru_span key = raw_key(field), raw;
        if ((e = raw_value(field.value(), &raw))) return bad(r->err, simdjson::error_message(e));
        cru_status s = take_field(r, key, raw, nullptr);
        if (s) return s;
    }
    const char *rest;
    if (!document.current_location().get(rest))
        return bad(r->err, "bytes after the end of the object");
    return CRU_OK;
}

/* A member from its key's quote on; answers what follows it, NULL: not for the quick way. `text` is set to
 * the bytes of a text field whose UTF-8 is plain ASCII. */
static const char *quick_member(reading *r, const char *p, const char *end, cru_span *text) {
    if (p == end || *p != '"') return nullptr;
    bool high = false;
    const char *from = ++p;
    p = cru_text_plain_end(p, end, &high);
    if (p >= end || *p != '"') return nullptr;
    cru_span key = {from, static_cast<size_t>(p - from)}, decoded;
    p = cru_json_space_end(p + 1, end);
    if (p == end || *p != ':') return nullptr;
    p = cru_json_space_end(p + 1, end);
    bool is_text = cru_span_is(key, r->text_field) && !cru_span_is(key, "crucible");
    high = false;
    const char *q = is_text ? cru_json_string_take(p, end, &r->batch->arena, &decoded, &high)
                            : cru_json_value_end(p, end);
    if (!q) return nullptr;
    cru_span raw = {p, static_cast<size_t>(q - p)};
    if (is_text && !high) *text = raw;
    if (take_field(r, key, raw, is_text ? &decoded : nullptr)) return nullptr;
    return cru_json_space_end(q, end);
}

/* The whole line, or false; then the document may hold some of it. */
static bool quick(reading *r, cru_span line) {
    enum { MOST = 4 << 20 }; /* of a line that must be read again, not much memory is lost */
    if (line.n > MOST || !cru_text_blocks_here()) return false;
    const char *end = line.p + line.n, *p = cru_json_space_end(line.p, end);
    cru_span ascii = {line.p, 0};
    if (p == end || *p != '{') return false;
    p = cru_json_space_end(p + 1, end);
    for (;;) {
        p = quick_member(r, p, end, &ascii);
        if (!p || p == end) return false;
        if (*p == '}') break;
        if (*p != ',') return false;
        p = cru_json_space_end(p + 1, end);
    }
    if (cru_json_space_end(p + 1, end) != end) return false;
    const char *rest = ascii.p + ascii.n; /* its UTF-8 need not be looked at again */
    return cru_utf8_valid(cru_span{line.p, static_cast<size_t>(ascii.p - line.p)}) &&
           cru_utf8_valid(cru_span{rest, static_cast<size_t>(end - rest)});
}

static void empty(cru_doc *doc) {
    doc->n_fields = doc->n_meta = 0;
    doc->text = doc->id = cru_span{nullptr, 0};
}

extern "C" cru_status cru_json_document(cru_json_parser *parser, cru_span line,
                                        const char *text_field, const char *name, uint64_t number,
                                        cru_batch *batch, cru_doc *doc, cru_error *err) {
    char *p = static_cast<char *>(cru_arena_alloc(&batch->arena, line.n + CRU_JSON_PADDING));
    if (!p) return cru_fail_memory(err, "document");
    if (line.n) std::memcpy(p, line.p, line.n);
    std::memset(p + line.n, 0, CRU_JSON_PADDING);
    return cru_json_document_in_place(parser, cru_span{p, line.n}, text_field, name, number, batch,
                                      doc, err);
}

static_assert(simdjson::SIMDJSON_PADDING <= CRU_JSON_PADDING,
              "simdjson reads further than we allow");

extern "C" cru_status cru_json_document_in_place(cru_json_parser *parser, cru_span line,
                                                 const char *text_field, const char *name,
                                                 uint64_t number, cru_batch *batch, cru_doc *doc,
                                                 cru_error *err) {
    reading r = {batch, doc, text_field, err, false, false};
    cru_status s = CRU_OK;
    if (parser->library_only || !quick(&r, line)) {
        empty(doc);
        r.has_id = r.has_text = false;
        s = walk(&r, &parser->parser, line.p, line.n);
    }
    if (s == CRU_OK && !r.has_text) s = cru_fail(err, CRU_BAD, "no field '%s'", text_field);
    if (s == CRU_OK && !r.has_id) {
        doc->id = cru_arena_printf(&batch->arena, "%s#%llu", name,
                                   static_cast<unsigned long long>(number));
        if (!doc->id.p) s = cru_fail_memory(err, "document");
    }
    if (s != CRU_OK) empty(doc);
    return s;
}

/* Finds the value at `path` and leaves it in *value. */
static bool lookup(cru_json_parser *parser, cru_span json, const char *path,
                   ondemand::document *document, ondemand::value *value) {
    if (!json.p || json.n == 0) return false;
    size_t need = json.n + simdjson::SIMDJSON_PADDING;
    if (need > parser->padded_capacity) {
        char *p = static_cast<char *>(std::realloc(parser->padded, need));
        if (!p) return false;
        parser->padded = p;
        parser->padded_capacity = need;
    }
    std::memcpy(parser->padded, json.p, json.n);
    std::memset(parser->padded + json.n, 0, simdjson::SIMDJSON_PADDING);
    if (parser->parser.iterate(parser->padded, json.n, need).get(*document)) return false;
    if (!path || !*path) return false; /* a bare scalar is handled by the caller */
    bool first = true;
    while (*path) {
        const char *dot = std::strchr(path, '.');
        std::string_view key(path, dot ? static_cast<size_t>(dot - path) : std::strlen(path));
        char *end;
        unsigned long index = std::strtoul(path, &end, 10);
        bool number = end == path + key.size() && !key.empty();
        simdjson::error_code e;
        if (first) {
            e = number ? document->at(index).get(*value)
                       : document->find_field_unordered(key).get(*value);
        } else {
            e = number ? value->at(index).get(*value)
                       : value->find_field_unordered(key).get(*value);
        }
        if (e) return false;
        first = false;
        path += key.size() + (dot ? 1 : 0);
    }
    return true;
}

extern "C" bool cru_json_number(cru_json_parser *parser, cru_span json, const char *path,
                                double *value) {
    ondemand::document document;
    ondemand::value v;
    if (path && *path) {
        return lookup(parser, json, path, &document, &v) &&
               v.get_double().get(*value) == simdjson::SUCCESS;
    }
    (void)lookup(parser, json, "", &document, &v);
    return json.n > 0 && document.get_double().get(*value) == simdjson::SUCCESS;
}

extern "C" bool cru_json_bool(cru_json_parser *parser, cru_span json, const char *path,
                              bool *value) {
    ondemand::document document;
    ondemand::value v;
    return lookup(parser, json, path, &document, &v) &&
           v.get_bool().get(*value) == simdjson::SUCCESS;
}

extern "C" bool cru_json_string(cru_json_parser *parser, cru_span json, const char *path,
                                cru_arena *arena, cru_span *value) {
    if (!path || !*path)
        return json.n > 1 && json.p[0] == '"' && cru_json_unescape(json, arena, value);
    ondemand::document document;
    ondemand::value v;
    std::string_view text;
    if (!lookup(parser, json, path, &document, &v) || v.get_string().get(text)) return false;
    *value = cru_arena_copy(arena, cru_span{text.data(), text.size()});
    return value->p != nullptr;
}

extern "C" bool cru_doc_number(cru_json_parser *parser, const cru_doc *doc, const char *path,
                               double *value) {
    char key[128];
    bool meta = std::strncmp(path, "crucible.", 9) == 0;
    if (meta) path += 9;
    const char *dot = std::strchr(path, '.');
    size_t n = dot ? static_cast<size_t>(dot - path) : std::strlen(path);
    if (n >= sizeof key) return false;
    std::memcpy(key, path, n);
    key[n] = 0;
    cru_span json = meta ? cru_doc_meta(doc, key) : cru_doc_field(doc, key);
    return json.p && cru_json_number(parser, json, dot ? dot + 1 : "", value);
}
