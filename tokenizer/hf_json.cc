/* SPDX-License-Identifier: Apache-2.0 */
/* tokenizer.json to a draft, through simdjson. Everything in the file that decides ids is either done
 * exactly or refused by name; what only decorates (templates, truncation, padding, decoder) is left. */
#include <simdjson.h>

#include <cstdio>
#include <string>
#include <string_view>

extern "C" {
#include "crucible/base/buffer.h"
#include "crucible/base/error.h"
#include "crucible/base/span.h"
}
#include "tokenizer/vocab_compile.h"

namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

/* As enum cru_pattern and CRU_VOCAB_* of vocab_image.h, which is C. */
enum { PATTERN_QWEN2 = 1, PATTERN_GPT2 = 2, FLAG_NFC = 1, FLAG_IGNORE_MERGES = 2 };

struct known_pattern {
    std::string_view regex;
    uint32_t pattern, digits;
};

/* The patterns as their vocabularies' tokenizer.json spell them. */
#define TAIL R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"
#define HEAD R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|)"
const known_pattern patterns[] = {
    {HEAD R"(\p{N})" TAIL, PATTERN_QWEN2, 1},
    {HEAD R"(\p{N}{1,3})" TAIL, PATTERN_QWEN2, 3},
    {R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", PATTERN_GPT2,
     0},
};

cru_status refuse(cru_error *err, const char *what) {
    return cru_fail(err, CRU_USAGE, "tokenizer.json: %s", what);
}

bool is_string(element e, const char *key, std::string_view want) {
    std::string_view got;
    return e[key].get(got) == simdjson::SUCCESS && got == want;
}

/* A boolean, or `fallback` when it is absent or null. */
bool flag(element e, const char *key, bool fallback) {
    bool b;
    return e[key].get(b) == simdjson::SUCCESS ? b : fallback;
}

/* True when the key is absent, null, or the empty string. */
bool is_blank(element e, const char *key) {
    element v;
    if (e[key].get(v) != simdjson::SUCCESS || v.is_null()) return true;
    std::string_view s;
    return v.get(s) == simdjson::SUCCESS && s.empty();
}

/* The bytes that a token's characters stand for: GPT-2's map, in which printable Latin-1 stands for
 * itself and the other bytes, in order, for U+0100 and up. */
struct byte_map {
    int byte[0x180];
    byte_map() {
        int next = 0x100;
        for (int &b : byte) b = -1;
        for (int b = 0; b < 256; b++) {
            bool self = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
            byte[self ? b : next++] = b;
        }
    }
    bool decode(std::string_view s, std::string &out) const {
        out.clear();
        for (size_t i = 0; i < s.size(); i++) {
            unsigned c = static_cast<unsigned char>(s[i]);
            if (c >= 0xE0 || (c >= 0x80 && i + 1 == s.size())) return false;
            if (c >= 0x80) c = (c & 31) << 6 | (static_cast<unsigned char>(s[++i]) & 63);
            if (c >= 0x180 || byte[c] < 0) return false;
            out.push_back(static_cast<char>(byte[c]));
        }
        return true;
    }
};

cru_span span(std::string_view s) { return cru_span{s.data(), s.size()}; }

cru_status read_normalizer(element root, uint32_t *flags, cru_error *err) {
    element n;
    if (root["normalizer"].get(n) != simdjson::SUCCESS || n.is_null()) return CRU_OK;
    array list;
    if (is_string(n, "type", "Sequence") && n["normalizers"].get(list) == simdjson::SUCCESS) {
        if (list.size() == 0) return CRU_OK;
        if (list.size() == 1) n = list.at(0).value_unsafe();
    }
    if (!is_string(n, "type", "NFC"))
        return refuse(err, "normalizer: only none and NFC are supported");
    *flags |= FLAG_NFC;
    return CRU_OK;
}

cru_status read_split(element split, uint32_t *pattern, uint32_t *digits, cru_error *err) {
    std::string_view regex;
    if (!is_string(split, "type", "Split") || !is_string(split, "behavior", "Isolated") ||
        flag(split, "invert", false))
        return refuse(err, "pre_tokenizer: only an isolating Split before ByteLevel is supported");
    element p;
    if (split["pattern"].get(p) != simdjson::SUCCESS || p["Regex"].get(regex) != simdjson::SUCCESS)
        return refuse(err, "pre_tokenizer: Split without a Regex is not supported");
    for (const known_pattern &k : patterns)
        if (k.regex == regex) {
            *pattern = k.pattern;
            *digits = k.digits;
            return CRU_OK;
        }
    return cru_fail(err, CRU_USAGE, "tokenizer.json: pre_tokenizer: unknown pattern '%.*s'",
                    static_cast<int>(regex.size() > 200 ? 200 : regex.size()), regex.data());
}

cru_status read_pretokenizer(element root, uint32_t *pattern, uint32_t *digits, cru_error *err) {
    element p;
    if (root["pre_tokenizer"].get(p) != simdjson::SUCCESS || p.is_null())
        return refuse(err, "pre_tokenizer: none is not supported");
    element level = p;
    array list;
    if (is_string(p, "type", "Sequence")) {
        if (p["pretokenizers"].get(list) != simdjson::SUCCESS || list.size() != 2)
            return refuse(err, "pre_tokenizer: only Split and ByteLevel in sequence is supported");
        cru_status status = read_split(list.at(0).value_unsafe(), pattern, digits, err);
        if (status) return status;
        level = list.at(1).value_unsafe();
        if (flag(level, "use_regex", true))
            return refuse(err, "pre_tokenizer: a second pattern in ByteLevel is not supported");
    } else {
        *pattern = PATTERN_GPT2;
        if (!flag(p, "use_regex", true))
            return refuse(err, "pre_tokenizer: ByteLevel without a pattern is not supported");
    }
    if (!is_string(level, "type", "ByteLevel"))
        return refuse(err, "pre_tokenizer: only byte-level BPE is supported");
    if (flag(level, "add_prefix_space", true))
        return refuse(err, "pre_tokenizer: add_prefix_space is not supported");
    return CRU_OK;
}

cru_status read_model_options(element model, uint32_t *flags, cru_error *err) {
    element v;
    std::string_view type = "BPE";
    if (model["type"].get(v) == simdjson::SUCCESS && v.get(type) != simdjson::SUCCESS) type = "";
    if (type != "BPE") return refuse(err, "model: only BPE is supported");
    if (!is_blank(model, "continuing_subword_prefix") || !is_blank(model, "end_of_word_suffix"))
        return refuse(err, "model: subword prefixes and word suffixes are not supported");
    double dropout = 0;
    if (model["dropout"].get(dropout) == simdjson::SUCCESS && dropout != 0)
        return refuse(err, "model: dropout is not supported");
    if (flag(model, "byte_fallback", false))
        return refuse(err, "model: byte_fallback is not supported");
    if (flag(model, "ignore_merges", false)) *flags |= FLAG_IGNORE_MERGES;
    return CRU_OK;
}

cru_status read_added(element root, bool nfc, cru_vocab_draft *draft, cru_error *err) {
    array added;
    if (root["added_tokens"].get(added) != simdjson::SUCCESS) return CRU_OK;
    int normalized = 0, raw = 0;
    for (element t : added) {
        std::string_view content;
        uint64_t id;
        if (t["content"].get(content) != simdjson::SUCCESS || t["id"].get(id) != simdjson::SUCCESS ||
            id > UINT32_MAX)
            return refuse(err, "added_tokens: an entry without content or id");
        if (flag(t, "lstrip", false) || flag(t, "rstrip", false) || flag(t, "single_word", false))
            return refuse(err, "added_tokens: lstrip, rstrip and single_word are not supported");
        /* The reference then takes the model's id, whatever the entry says (0.23.3). */
        uint64_t other;
        if (root["model"]["vocab"].at_key(content).get(other) == simdjson::SUCCESS && other != id)
            return refuse(err, "added_tokens: an entry is in the model's vocab with another id");
        flag(t, "normalized", true) ? normalized++ : raw++;
        cru_status status = cru_vocab_draft_added(draft, static_cast<uint32_t>(id), span(content),
                                                  flag(t, "special", false), err);
        if (status) return status;
    }
    /* Without a normaliser both kinds are looked for in the same text, but the raw ones first. */
    if (normalized && (nfc || raw))
        return refuse(err, "added_tokens: normalized ones are supported only without a normalizer "
                           "and without others");
    return CRU_OK;
}

cru_status read_vocab(element model, element root, const byte_map &map, cru_vocab_draft *draft,
                      cru_error *err) {
    object vocab;
    if (model["vocab"].get(vocab) != simdjson::SUCCESS) return refuse(err, "model: no vocab");
    std::string bytes;
    for (auto field : vocab) {
        uint64_t id;
        if (field.value.get(id) != simdjson::SUCCESS || id > UINT32_MAX)
            return refuse(err, "model: vocab: an id that is no number");
        if (!map.decode(field.key, bytes)) {
            /* Some files list their added tokens here too; the model can never make those. */
            array added;
            bool listed = false;
            if (root["added_tokens"].get(added) == simdjson::SUCCESS)
                for (element t : added) listed = listed || is_string(t, "content", field.key);
            if (listed) continue;
            return cru_fail(err, CRU_USAGE,
                            "tokenizer.json: model: vocab: '%.*s' is not in byte-level characters",
                            static_cast<int>(field.key.size()), field.key.data());
        }
        cru_status status =
            cru_vocab_draft_token(draft, static_cast<uint32_t>(id), span(bytes), err);
        if (status) return status;
    }
    return CRU_OK;
}

cru_status read_merges(element model, const byte_map &map, cru_vocab_draft *draft, cru_error *err) {
    array merges;
    if (model["merges"].get(merges) != simdjson::SUCCESS) return refuse(err, "model: no merges");
    std::string left, right;
    for (element m : merges) {
        std::string_view a, b;
        array pair;
        if (m.get(a) == simdjson::SUCCESS) { /* "a b": the older way to write it */
            size_t space = a.find(' ');
            if (space == std::string_view::npos || a.find(' ', space + 1) != a.npos)
                return refuse(err, "model: merges: an entry that is no pair");
            b = a.substr(space + 1);
            a = a.substr(0, space);
        } else if (m.get(pair) != simdjson::SUCCESS || pair.size() != 2 ||
                   pair.at(0).get(a) != simdjson::SUCCESS ||
                   pair.at(1).get(b) != simdjson::SUCCESS) {
            return refuse(err, "model: merges: an entry that is no pair");
        }
        if (!map.decode(a, left) || !map.decode(b, right))
            return refuse(err, "model: merges: an entry that is not in byte-level characters");
        cru_status status = cru_vocab_draft_merge(draft, span(left), span(right), err);
        if (status) return status;
    }
    return CRU_OK;
}

} // namespace

extern "C" cru_status cru_hf_json_read(cru_span json, cru_vocab_draft *draft, cru_error *err) {
    try {
        simdjson::dom::parser parser;
        element root, model;
        auto error = parser.parse(json.p, json.n, true).get(root);
        if (error)
            return cru_fail(err, CRU_USAGE, "tokenizer.json: %s", simdjson::error_message(error));
        if (root["model"].get(model) != simdjson::SUCCESS) return refuse(err, "no model");
        uint32_t pattern = 0, digits = 0, flags = 0;
        cru_status status = read_model_options(model, &flags, err);
        if (!status) status = read_normalizer(root, &flags, err);
        if (!status) status = read_pretokenizer(root, &pattern, &digits, err);
        cru_vocab_draft_rules(draft, pattern, digits, flags);
        byte_map map;
        if (!status) status = read_vocab(model, root, map, draft, err);
        if (!status) status = read_merges(model, map, draft, err);
        if (!status) status = read_added(root, (flags & FLAG_NFC) != 0, draft, err);
        return status;
    } catch (const std::bad_alloc &) {
        return cru_fail_memory(err, "tokenizer.json");
    }
}

extern "C" bool cru_text_is_utf8(const char *p, size_t n) { return simdjson::validate_utf8(p, n); }
