/* SPDX-License-Identifier: Apache-2.0 */
/* tokenizer.json to a draft, through simdjson. Everything in the file that decides ids is either
 * done exactly or refused by name; what only decorates (templates, truncation, padding, decoder) is
 * left. */
#include "tokenizer/hf_json_parts.h"
#include "tokenizer/vocab_compile.h"

namespace {

using namespace hf_json;

/* As CRU_VOCAB_* of vocab_image.h, which is C. */
enum { FLAG_NFC = 1, FLAG_IGNORE_MERGES = 2, PATTERN_STEPS = 5 };

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
