/* SPDX-License-Identifier: Apache-2.0 */
/* tokenizer.json to a draft, through simdjson. Everything in the file that decides ids is either
 * done exactly or refused by name; what only decorates (templates, truncation, padding, decoder) is
 * left. */
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
#include "tokenizer/vocab_compile.h"

namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

/* As CRU_VOCAB_* of vocab_image.h, which is C. */
enum { FLAG_NFC = 1, FLAG_IGNORE_MERGES = 2, PATTERN_STEPS = 5 };

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
const known_pattern patterns[] = {
    {HEAD R"(\p{N})" TAIL, CRU_STEP_QWEN2, 1},
    {HEAD R"(\p{N}{1,3})" TAIL, CRU_STEP_QWEN2, 3},
    {R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", CRU_STEP_GPT2,
     0},
    {FRONT UPPER "*" LOWER "+" SUFFIX "|" FRONT UPPER "+" LOWER "*" SUFFIX
                 R"(|\p{N}{1,3})" TAIL_SLASH,
     CRU_STEP_O200K, 3},
    {FRONT UPPER "*" LOWER "+|" FRONT UPPER "+" LOWER R"(*|\p{N})" TAIL_SLASH, CRU_STEP_TEKKEN, 1},
};

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

cru_span span(std::string_view s) {
    return cru_span{s.data(), s.size()};
}

/* "PART: 'NAME' is not supported", with the name as the file has it. */
cru_status refuse_named(cru_error *err, const char *part, std::string_view name) {
    return cru_fail(err, CRU_USAGE, "tokenizer.json: %s: '%.*s' is not supported", part,
                    static_cast<int>(name.size() > 100 ? 100 : name.size()), name.data());
}

std::string_view type_of(element e) {
    std::string_view type;
    return e["type"].get(type) == simdjson::SUCCESS ? type : std::string_view("(no type)");
}

/* NFC any number of times is NFC. */
cru_status read_normalizer(element n, uint32_t *flags, cru_error *err) {
    std::string_view type = type_of(n);
    if (type == "Sequence") {
        array list;
        if (n["normalizers"].get(list) != simdjson::SUCCESS)
            return refuse(err, "normalizer: Sequence without its normalizers");
        for (element e : list) {
            cru_status status = read_normalizer(e, flags, err);
            if (status) return status;
        }
        return CRU_OK;
    }
    if (type != "NFC") return refuse_named(err, "normalizer", type);
    *flags |= FLAG_NFC;
    return CRU_OK;
}

cru_status read_behavior(element step, const char *fallback, uint32_t *behavior, cru_error *err) {
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

cru_status read_split(element split, step_list &steps, cru_error *err) {
    std::string_view regex, text;
    uint32_t behavior = 0;
    element p;
    cru_status status = read_behavior(split, "", &behavior, err);
    if (status) return status;
    if (split["pattern"].get(p) != simdjson::SUCCESS)
        return refuse(err, "pre_tokenizer: Split without a pattern");
    if (p["String"].get(text) == simdjson::SUCCESS) {
        std::string escaped;
        for (char c : text) {
            bool plain = (c | 32) >= 'a' && (c | 32) <= 'z';
            if (static_cast<unsigned char>(c) < 0x80 && !plain && (c < '0' || c > '9'))
                escaped += '\\';
            escaped += c;
        }
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

/* *level: a ByteLevel has been read, behind which characters are no longer those of the text. */
cru_status read_step(element e, step_list &steps, bool *level, cru_error *err) {
    std::string_view type = type_of(e);
    uint32_t behavior = 0;
    array list;
    cru_status status = CRU_OK;
    if (type == "Sequence") {
        if (e["pretokenizers"].get(list) != simdjson::SUCCESS)
            return refuse(err, "pre_tokenizer: Sequence without its pretokenizers");
        for (element inner : list) {
            status = read_step(inner, steps, level, err);
            if (status) return status;
        }
        return CRU_OK;
    }
    if (*level) return refuse(err, "pre_tokenizer: a step behind ByteLevel is not supported");
    if (steps.n == CRU_MAX_STEPS) return refuse(err, "pre_tokenizer: too many steps");
    if (type == "Split") return read_split(e, steps, err);
    if (type == "Digits") {
        bool each = flag(e, "individual_digits", false);
        steps.add(CRU_STEP_DIGITS, each ? CRU_SPLIT_ISOLATED : CRU_SPLIT_CONTIGUOUS, 0);
    } else if (type == "Punctuation") {
        status = read_behavior(e, "Isolated", &behavior, err);
        if (!status) steps.add(CRU_STEP_PUNCTUATION, behavior, 0);
    } else if (type == "ByteLevel") {
        if (flag(e, "add_prefix_space", true))
            return refuse(err, "pre_tokenizer: add_prefix_space is not supported");
        if (flag(e, "use_regex", true)) steps.add(CRU_STEP_GPT2, CRU_SPLIT_ISOLATED, 0);
        *level = true;
    } else {
        status = refuse_named(err, "pre_tokenizer", type);
    }
    return status;
}

cru_status read_pretokenizer(element root, uint32_t *pattern, uint32_t *digits,
                             cru_vocab_draft *draft, cru_error *err) {
    element p;
    step_list steps;
    bool level = false;
    if (root["pre_tokenizer"].get(p) != simdjson::SUCCESS || p.is_null())
        return refuse(err, "pre_tokenizer: none; only byte-level BPE is supported");
    cru_status status = read_step(p, steps, &level, err);
    if (status) return status;
    if (!level) return refuse(err, "pre_tokenizer: no ByteLevel; only byte-level BPE is supported");
    if (steps.n == 1 && steps.kind < CRU_STEP_REGEX && steps.behavior == CRU_SPLIT_ISOLATED) {
        *pattern = steps.kind;
        *digits = steps.digits;
        return CRU_OK;
    }
    *pattern = PATTERN_STEPS;
    if (steps.bytes.failed) return cru_fail_memory(err, "tokenizer.json");
    return cru_vocab_draft_steps(draft, cru_buffer_span(&steps.bytes), err);
}

cru_status read_model_options(element model, uint32_t *flags, cru_error *err) {
    element v;
    std::string_view type = "BPE";
    if (model["type"].get(v) == simdjson::SUCCESS && v.get(type) != simdjson::SUCCESS) type = "";
    if (type != "BPE") return refuse_named(err, "model", type);
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

/* True when NFC leaves the text alone, whatever stands around it: all of it is below U+0300. */
bool is_plain_nfc(std::string_view s) {
    for (char c : s)
        if (static_cast<unsigned char>(c) >= 0xCC) return false;
    return true;
}

cru_status read_added(element root, bool nfc, cru_vocab_draft *draft, cru_error *err) {
    array added;
    if (root["added_tokens"].get(added) != simdjson::SUCCESS) return CRU_OK;
    bool both = nfc; /* else the normalized are looked for in the same text as the others, if there
                        are any */
    for (element t : added) both = both || !flag(t, "normalized", true);
    for (element t : added) {
        std::string_view content;
        uint64_t id;
        if (t["content"].get(content) != simdjson::SUCCESS ||
            t["id"].get(id) != simdjson::SUCCESS || id > UINT32_MAX)
            return refuse(err, "added_tokens: an entry without content or id");
        if (flag(t, "single_word", false))
            return refuse(err, "added_tokens: single_word is not supported");
        /* The reference then takes the model's id, whatever the entry says (0.23.3). */
        uint64_t other;
        if (root["model"]["vocab"].at_key(content).get(other) == simdjson::SUCCESS && other != id)
            return refuse(err, "added_tokens: an entry is in the model's vocab with another id");
        bool normalized = flag(t, "normalized", true);
        if (normalized && nfc && !is_plain_nfc(content))
            return refuse(err,
                          "added_tokens: a normalized one with characters from U+0300 up is not "
                          "supported");
        uint32_t flags = (flag(t, "special", false) ? 1u : 0u) | (normalized && both ? 2u : 0u) |
                         (flag(t, "lstrip", false) ? 4u : 0u) |
                         (flag(t, "rstrip", false) ? 8u : 0u);
        cru_status status =
            cru_vocab_draft_added(draft, static_cast<uint32_t>(id), span(content), flags, err);
        if (status) return status;
    }
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
        element normalizer;
        if (!status && root["normalizer"].get(normalizer) == simdjson::SUCCESS &&
            !normalizer.is_null())
            status = read_normalizer(normalizer, &flags, err);
        if (!status) status = read_pretokenizer(root, &pattern, &digits, draft, err);
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

extern "C" bool cru_text_is_utf8(const char *p, size_t n) {
    return simdjson::validate_utf8(p, n);
}
