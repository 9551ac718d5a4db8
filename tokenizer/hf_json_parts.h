/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading tokenizer.json: what its two readers share (hf_json.cc for byte-level BPE, subword_json.cc for
 * the other kinds), which are the only ones to include this. C++, for simdjson. Errors: CRU_USAGE, with
 * what the file asks for.
 */
#ifndef CRU_TOKENIZER_HF_JSON_PARTS_H
#define CRU_TOKENIZER_HF_JSON_PARTS_H

#include <simdjson.h>

#include <cstdio>
#include <string>
#include <string_view>

extern "C" {
#include "crucible/base/buffer.h"
#include "crucible/base/error.h"
#include "crucible/base/span.h"
}
#include "tokenizer/split_steps.h"

namespace hf_json {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

struct known_pattern {
    std::string_view regex;
    uint32_t kind, digits;
};

/* The patterns as their vocabularies' tokenizer.json spell them. Each matches every character. */
#define TAIL R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"
#define TAIL_SLASH R"(| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"
#define HEAD R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|)"
#define UPPER R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])"
#define LOWER R"([\p{Ll}\p{Lm}\p{Lo}\p{M}])"
#define FRONT R"([^\r\n\p{L}\p{N}]?)"
#define SUFFIX R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
inline const known_pattern patterns[] = {
    {HEAD R"(\p{N})" TAIL, CRU_STEP_QWEN2, 1},
    {HEAD R"(\p{N}{1,3})" TAIL, CRU_STEP_QWEN2, 3},
    {R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", CRU_STEP_GPT2,
     0},
    {FRONT UPPER "*" LOWER "+" SUFFIX "|" FRONT UPPER "+" LOWER "*" SUFFIX
                 R"(|\p{N}{1,3})" TAIL_SLASH,
     CRU_STEP_O200K, 3},
    {FRONT UPPER "*" LOWER "+|" FRONT UPPER "+" LOWER R"(*|\p{N})" TAIL_SLASH, CRU_STEP_TEKKEN, 1},
};
#undef TAIL
#undef TAIL_SLASH
#undef HEAD
#undef UPPER
#undef LOWER
#undef FRONT
#undef SUFFIX

/* The pre-tokeniser's steps as they are read: in the compiled form, and the last one. */
struct step_list {
    cru_buffer bytes;
    size_t n = 0;
    uint32_t kind = 0, behavior = 0, digits = 0;
    step_list() { cru_buffer_init(&bytes); }
    ~step_list() { cru_buffer_release(&bytes); }
    step_list(const step_list &) = delete;
    step_list &operator=(const step_list &) = delete;
    void add(uint32_t k, uint32_t b, uint32_t d, std::string_view pattern = {}) {
        cru_split_step_add(&bytes, k, b, d, cru_span{pattern.data(), pattern.size()});
        kind = k;
        behavior = b;
        digits = d;
        n++;
    }
};

inline cru_status refuse(cru_error *err, const char *what) {
    return cru_fail(err, CRU_USAGE, "tokenizer.json: %s", what);
}

inline bool is_string(element e, const char *key, std::string_view want) {
    std::string_view got;
    return e[key].get(got) == simdjson::SUCCESS && got == want;
}

/* A boolean, or `fallback` when it is absent or null. */
inline bool flag(element e, const char *key, bool fallback) {
    bool b;
    return e[key].get(b) == simdjson::SUCCESS ? b : fallback;
}

/* True when the key is absent, null, or the empty string. */
inline bool is_blank(element e, const char *key) {
    element v;
    if (e[key].get(v) != simdjson::SUCCESS || v.is_null()) return true;
    std::string_view s;
    return v.get(s) == simdjson::SUCCESS && s.empty();
}

inline cru_span span(std::string_view s) {
    return cru_span{s.data(), s.size()};
}

/* "PART: 'NAME' is not supported", with the name as the file has it. */
inline cru_status refuse_named(cru_error *err, const char *part, std::string_view name) {
    return cru_fail(err, CRU_USAGE, "tokenizer.json: %s: '%.*s' is not supported", part,
                    static_cast<int>(name.size() > 100 ? 100 : name.size()), name.data());
}

inline std::string_view type_of(element e) {
    std::string_view type;
    return e["type"].get(type) == simdjson::SUCCESS ? type : std::string_view("(no type)");
}

inline cru_status read_behavior(element step, const char *fallback, uint32_t *behavior,
                                cru_error *err) {
    static const char *const names[CRU_SPLIT_BEHAVIORS] = {
        "Isolated", "Removed", nullptr, "Contiguous", "MergedWithPrevious", "MergedWithNext"};
    std::string_view name = fallback;
    if (step["behavior"].get(name) != simdjson::SUCCESS) name = fallback;
    bool invert = flag(step, "invert", false);
    for (uint32_t b = 0; b < CRU_SPLIT_BEHAVIORS; b++) {
        if (!names[b] || name != names[b]) continue;
        if (invert && b >= CRU_SPLIT_WITH_PREVIOUS)
            return refuse(err, "pre_tokenizer: a merging Split that is inverted is not supported");
        *behavior = invert && b == CRU_SPLIT_REMOVED ? static_cast<uint32_t>(CRU_SPLIT_KEPT) : b;
        return CRU_OK;
    }
    return refuse_named(err, "pre_tokenizer: behavior", name);
}

/* A pattern that matches just this text. */
inline std::string escape(std::string_view text) {
    std::string escaped;
    for (char c : text) {
        bool plain = (c | 32) >= 'a' && (c | 32) <= 'z';
        if (static_cast<unsigned char>(c) < 0x80 && !plain && (c < '0' || c > '9')) escaped += '\\';
        escaped += c;
    }
    return escaped;
}

inline cru_status read_split(element split, step_list &steps, cru_error *err) {
    std::string_view regex, text;
    uint32_t behavior = 0;
    element p;
    cru_status status = read_behavior(split, "", &behavior, err);
    if (status) return status;
    if (split["pattern"].get(p) != simdjson::SUCCESS)
        return refuse(err, "pre_tokenizer: Split without a pattern");
    if (p["String"].get(text) == simdjson::SUCCESS) {
        std::string escaped = escape(text);
        steps.add(CRU_STEP_REGEX, behavior, 0, escaped);
        return escaped.empty() ? refuse(err, "pre_tokenizer: Split by an empty String") : CRU_OK;
    }
    if (p["Regex"].get(regex) != simdjson::SUCCESS || regex.empty())
        return refuse(err, "pre_tokenizer: Split without a Regex or a String");
    for (const known_pattern &k : patterns)
        if (k.regex == regex) {
            if (behavior == CRU_SPLIT_KEPT) behavior = CRU_SPLIT_ISOLATED;
            steps.add(k.kind, behavior, k.digits);
            return CRU_OK;
        }
    /* Compiled here only so that a pattern that is not supported is refused with its text. */
    struct cru_regex tried;
    struct cru_error inner;
    status = cru_regex_init(&tried, span(regex), &inner);
    cru_regex_release(&tried);
    if (status)
        return cru_fail(err, status, "tokenizer.json: pre_tokenizer: Split '%.*s': %s",
                        static_cast<int>(regex.size() > 200 ? 200 : regex.size()), regex.data(),
                        inner.message);
    steps.add(CRU_STEP_REGEX, behavior, 0, regex);
    return CRU_OK;
}

} // namespace hf_json

#endif
