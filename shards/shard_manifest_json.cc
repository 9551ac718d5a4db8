/* SPDX-License-Identifier: Apache-2.0 */
/* The C++ part of shard_manifest.h: simdjson's DOM, error codes only. */
#include <cstring>
#include <new>
#include <simdjson.h>
#include <string_view>

extern "C" {
/* C lets a struct and a function share a name (cru_hash128); C++ remarks on it. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#include "shards/shard_manifest.h"
#pragma GCC diagnostic pop
}

namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

constexpr uint32_t kNoId = UINT32_MAX;

/* A missing or mistyped key is remembered; the caller looks once at the end. */
struct fields {
    const char *missing = nullptr;

    uint64_t number(object o, const char *key, uint64_t limit = UINT64_MAX) {
        uint64_t value = 0;
        if (o.at_key(key).get(value) || value > limit) missing = key;
        return value;
    }
    uint32_t small(object o, const char *key) {
        return static_cast<uint32_t>(number(o, key, UINT32_MAX));
    }
    uint32_t id(object o, const char *key) {
        element e;
        if (o.at_key(key).get(e)) {
            missing = key;
            return kNoId;
        }
        return e.is_null() ? kNoId : static_cast<uint32_t>(number(o, key, kNoId - 1));
    }
    std::string_view text(object o, const char *key) {
        std::string_view value;
        if (o.at_key(key).get(value)) missing = key;
        return value;
    }
    uint64_t hash(object o, const char *key) {
        std::string_view value = text(o, key);
        uint64_t hash = 0;
        if (value.size() != 16) missing = key;
        for (char c : value) {
            int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
            if (digit < 0) missing = key;
            hash = hash << 4 | static_cast<uint64_t>(digit & 15);
        }
        return hash;
    }
    object inner(object o, const char *key) {
        object value;
        if (o.at_key(key).get(value)) missing = key;
        return value;
    }
    array list(object o, const char *key) {
        array value;
        if (o.at_key(key).get(value)) missing = key;
        return value;
    }
};

cru_span keep(cru_arena *arena, std::string_view s) {
    return cru_arena_copy(arena, cru_span_make(s.data(), s.size()));
}

/* simdjson's array iterates; its size() saturates, so it is counted. */
size_t count(array a) {
    size_t n = 0;
    for (element e : a) {
        (void)e;
        n++;
    }
    return n;
}

bool read_sources(fields &f, array list, cru_arena *arena, cru_manifest *m) {
    size_t n = count(list), i = 0;
    m->sources =
        static_cast<cru_shard_source *>(cru_arena_calloc(arena, n + 1, sizeof *m->sources));
    if (!m->sources) return false;
    for (element e : list) {
        object o;
        if (e.get(o)) {
            f.missing = "sources";
            return true;
        }
        cru_shard_source *s = &m->sources[i++];
        s->name = keep(arena, f.text(o, "name"));
        if (!s->name.p) return false;
        s->documents = f.number(o, "documents");
        s->tokens = f.number(o, "tokens");
        s->text_bytes = f.number(o, "text_bytes");
        if (f.missing) return true;
    }
    m->n_sources = n;
    return true;
}

bool read_shards(fields &f, array list, cru_arena *arena, cru_manifest *m) {
    size_t n = count(list), i = 0;
    m->shards =
        static_cast<cru_manifest_shard *>(cru_arena_calloc(arena, n + 1, sizeof *m->shards));
    if (!m->shards) return false;
    for (element e : list) {
        object o;
        if (e.get(o)) {
            f.missing = "shards";
            return true;
        }
        cru_manifest_shard *s = &m->shards[i++];
        s->file = keep(arena, f.text(o, "file")).p;
        if (!s->file) return false;
        s->bytes = f.number(o, "bytes");
        s->documents = f.number(o, "documents");
        s->tokens = f.number(o, "tokens");
        s->padding = f.number(o, "padding");
        s->checksum = f.hash(o, "checksum");
        if (f.missing) return true;
    }
    m->n_shards = n;
    return true;
}

enum cru_status parse(const char *text, size_t n, const char *name, cru_arena *arena,
                      cru_manifest *m, cru_error *err) {
    simdjson::dom::parser parser;
    element root;
    object o;
    simdjson::error_code code = parser.parse(text, n, true).get(root);
    if (!code) code = root.get(o);
    if (code)
        return cru_fail(err, CRU_FATAL, "unable to read manifest: '%s': not JSON: %s", name,
                        simdjson::error_message(code));
    fields f;
    if (f.text(o, "format") != CRU_MANIFEST_FORMAT || f.number(o, "version") != 1)
        return cru_fail(err, CRU_FATAL,
                        "unable to read manifest: '%s': not a shard manifest of version 1", name);
    object tokenizer = f.inner(o, "tokenizer"), used = f.inner(o, "vocab_used");
    array sources = f.list(o, "sources"), shards = f.list(o, "shards");
    if (!f.missing) {
        m->tokenizer_name = keep(arena, f.text(tokenizer, "name"));
        m->tokenizer_hash = f.hash(tokenizer, "hash");
        m->vocab_size = f.small(o, "vocab_size");
        m->token_width = f.small(o, "token_width");
        m->bag = f.small(o, "bag");
        m->pad_id = f.id(o, "pad_id");
        m->end_id = f.id(o, "end_id");
        m->documents = f.number(o, "documents");
        m->tokens = f.number(o, "tokens");
        m->padding = f.number(o, "padding");
        m->text_bytes = f.number(o, "text_bytes");
        m->vocab_used_ids = f.small(used, "ids");
        m->vocab_used_checksum = f.hash(used, "checksum");
        if (!m->tokenizer_name.p || !read_sources(f, sources, arena, m) ||
            !read_shards(f, shards, arena, m))
            return cru_fail_memory(err, name);
    }
    if (f.missing)
        return cru_fail(err, CRU_FATAL, "unable to read manifest: '%s': no good \"%s\"", name,
                        f.missing);
    return CRU_OK;
}

} /* namespace */

extern "C" enum cru_status cru_manifest_parse_json(const char *text, size_t n, const char *name,
                                                   struct cru_arena *arena,
                                                   struct cru_manifest *manifest,
                                                   struct cru_error *err) {
    try {
        return parse(text, n, name, arena, manifest, err);
    } catch (...) {
        return cru_fail_memory(err, name);
    }
}
