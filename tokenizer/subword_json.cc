/* SPDX-License-Identifier: Apache-2.0 */
/* tokenizer.json of what is no byte-level BPE, through simdjson: normalisers, pre-tokenisers, model and added tokens.
 * Everything in the file that decides ids is either done exactly or refused by name; what only decorates
 * (templates,
 * truncation, padding, decoder) is left. */
#include "tokenizer/hf_json_parts.h"

#include <charconv>
#include <cstdlib>

extern "C" {
#include "tokenizer/subword_parts.h"
}

namespace {

using namespace hf_json;

/* `bit` when the flag is set. */
unsigned bit_if(element e, const char *key, bool fallback, unsigned bit) {
    return flag(e, key, fallback) ? bit : 0;
}

std::string_view text_or(element e, const char *key, std::string_view fallback) {
    std::string_view text;
    return e[key].get(text) == simdjson::SUCCESS ? text : fallback;
}

struct named_chars {
    std::string_view name;
    unsigned flags;
};

const named_chars chars_steps[] = {
    {"NFD", CRU_CHARS_NFD},         {"NFKD", CRU_CHARS_NFKD},
    {"Lowercase", CRU_CHARS_LOWER}, {"StripAccents", CRU_CHARS_DROP_COMBINING},
    {"Nmt", CRU_CHARS_NMT},
};

cru_status add_step(cru_subword *s, cru_norm_kind kind, unsigned flags, std::string_view pattern,
                    std::string_view content, std::string_view type, cru_error *err) {
    cru_error inner;
    cru_status status =
        cru_norm_plan_add(&s->normaliser, kind, flags, span(pattern), span(content), &inner);
    if (!status) return CRU_OK;
    return cru_fail(err, status, "tokenizer.json: normalizer: %.*s: %s",
                    static_cast<int>(type.size()), type.data(), inner.message);
}

cru_status read_bert(element n, cru_subword *s, cru_error *err) {
    bool lower = flag(n, "lowercase", true);
    unsigned flags = bit_if(n, "clean_text", true, CRU_CHARS_CLEAN) |
                     bit_if(n, "handle_chinese_chars", true, CRU_CHARS_HAN) |
                     bit_if(n, "strip_accents", lower, CRU_CHARS_NFD | CRU_CHARS_DROP_NONSPACING) |
                     (lower ? static_cast<unsigned>(CRU_CHARS_LOWER) : 0);
    return add_step(s, CRU_NORM_CHARS, flags, "", "", "BertNormalizer", err);
}

cru_status read_replace(element n, cru_subword *s, cru_error *err) {
    std::string_view text, content;
    element p;
    if (n["pattern"].get(p) != simdjson::SUCCESS || n["content"].get(content) != simdjson::SUCCESS)
        return refuse(err, "normalizer: Replace without pattern or content");
    if (p["String"].get(text) == simdjson::SUCCESS)
        return add_step(s, CRU_NORM_REPLACE, 0, text, content, "Replace", err);
    if (p["Regex"].get(text) == simdjson::SUCCESS)
        return add_step(s, CRU_NORM_REGEX, 0, text, content, "Replace", err);
    return refuse(err, "normalizer: Replace without a Regex or a String");
}

cru_status read_norm(element n, cru_subword *s, cru_error *err) {
    std::string_view type = type_of(n), text;
    cru_status status = CRU_OK;
    if (type == "Sequence") {
        array list;
        if (n["normalizers"].get(list) != simdjson::SUCCESS)
            return refuse(err, "normalizer: Sequence without its normalizers");
        for (element e : list)
            if (!status) status = read_norm(e, s, err);
        return status;
    }
    for (const named_chars &c : chars_steps)
        if (type == c.name) return add_step(s, CRU_NORM_CHARS, c.flags, "", "", type, err);
    if (type == "BertNormalizer") return read_bert(n, s, err);
    if (type == "Replace") return read_replace(n, s, err);
    if (type == "NFC") return add_step(s, CRU_NORM_NFC, 0, "", "", type, err);
    if (type == "NFKC") {
        status = add_step(s, CRU_NORM_CHARS, CRU_CHARS_NFKD, "", "", type, err);
        return status ? status : add_step(s, CRU_NORM_NFC, 0, "", "", type, err);
    }
    if (type == "Strip") {
        unsigned sides = bit_if(n, "strip_left", true, CRU_STRIP_LEFT) |
                         bit_if(n, "strip_right", true, CRU_STRIP_RIGHT);
        return add_step(s, CRU_NORM_STRIP, sides, "", "", type, err);
    }
    if (type == "Prepend") {
        if (n["prepend"].get(text) != simdjson::SUCCESS)
            return refuse(err, "normalizer: Prepend without a text");
        return add_step(s, CRU_NORM_PREPEND, 0, "", text, type, err);
    }
    if (type == "Precompiled") {
        if (n["precompiled_charsmap"].get(text) != simdjson::SUCCESS)
            return refuse(err, "normalizer: Precompiled without its charsmap");
        return add_step(s, CRU_NORM_CHARSMAP, 0, text, "", type, err);
    }
    return refuse_named(err, "normalizer", type);
}

cru_status read_metaspace(element e, cru_subword *s, cru_error *err) {
    std::string_view mark = text_or(e, "replacement", "\xE2\x96\x81");
    std::string_view scheme = text_or(e, "prepend_scheme", "always");
    size_t characters = 0;
    element v;
    for (size_t i = 0; i < s->cuts.n; i++)
        if (s->cuts.cuts[i].kind == CRU_CUT_METASPACE)
            return refuse(err, "pre_tokenizer: Metaspace twice is not supported");
    for (char c : mark) characters += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    if (characters != 1 || mark == " " || mark[0] == '\0')
        return refuse(err, "pre_tokenizer: Metaspace: its replacement is no character");
    if (!flag(e, "add_prefix_space", true)) {
        if (e["prepend_scheme"].get(v) == simdjson::SUCCESS && scheme != "never")
            return refuse(
                err, "pre_tokenizer: Metaspace: add_prefix_space is not what prepend_scheme says");
        scheme = "never";
    }
    cru_cut *cut = cru_cut_plan_add(&s->cuts, CRU_CUT_METASPACE, err);
    if (!cut) return err->status;
    mark.copy(cut->mark, 4);
    cut->split = flag(e, "split", true);
    if (scheme == "always")
        cut->prepend = CRU_PREPEND_ALWAYS;
    else if (scheme == "never")
        cut->prepend = CRU_PREPEND_NEVER;
    else if (scheme == "first" && cru_norm_plan_keeps_first(&s->normaliser))
        cut->prepend = CRU_PREPEND_FIRST;
    else if (scheme == "first")
        return refuse(
            err,
            "pre_tokenizer: Metaspace: prepend_scheme first behind a normalizer that may drop the "
            "beginning of a text is not supported");
    else
        return refuse_named(err, "pre_tokenizer: Metaspace: prepend_scheme", scheme);
    return CRU_OK;
}

/* Digits, Punctuation, Split, CharDelimiterSplit. */
cru_status read_step(element e, std::string_view type, cru_subword *s, cru_error *err) {
    step_list steps;
    uint32_t behavior = 0;
    cru_status status = CRU_OK;
    if (type == "Split") {
        status = read_split(e, steps, err);
    } else if (type == "Digits") {
        bool each = flag(e, "individual_digits", false);
        steps.add(CRU_STEP_DIGITS, each ? CRU_SPLIT_ISOLATED : CRU_SPLIT_CONTIGUOUS, 0);
    } else if (type == "Punctuation") {
        status = read_behavior(e, "Isolated", &behavior, err);
        steps.add(CRU_STEP_PUNCTUATION, behavior, 0);
    } else if (type == "CharDelimiterSplit") {
        std::string_view delimiter = text_or(e, "delimiter", "");
        if (delimiter.empty())
            return refuse(err, "pre_tokenizer: CharDelimiterSplit without a delimiter");
        steps.add(CRU_STEP_REGEX, CRU_SPLIT_REMOVED, 0, escape(delimiter));
    } else {
        return refuse_named(err, "pre_tokenizer", type);
    }
    if (status) return status;
    if (steps.bytes.failed) return cru_fail_memory(err, "tokenizer.json");
    cru_cut *cut = cru_cut_plan_add(&s->cuts, CRU_CUT_STEPS, err);
    if (!cut) return err->status;
    return cru_split_plan_init(&cut->steps, steps.bytes.p, steps.bytes.n, err);
}

cru_status read_cut(element e, cru_subword *s, cru_error *err) {
    std::string_view type = type_of(e);
    cru_status status = CRU_OK;
    if (type == "Sequence") {
        array list;
        if (e["pretokenizers"].get(list) != simdjson::SUCCESS)
            return refuse(err, "pre_tokenizer: Sequence without its pretokenizers");
        for (element inner : list)
            if (!status) status = read_cut(inner, s, err);
        return status;
    }
    if (type == "Metaspace") return read_metaspace(e, s, err);
    cru_cut_kind kind;
    if (type == "BertPreTokenizer")
        kind = CRU_CUT_BERT;
    else if (type == "Whitespace")
        kind = CRU_CUT_WORDS;
    else if (type == "WhitespaceSplit")
        kind = CRU_CUT_BLANKS;
    else
        return read_step(e, type, s, err);
    return cru_cut_plan_add(&s->cuts, kind, err) ? CRU_OK : err->status;
}

/* The messages of the parts below have no "tokenizer.json: " in front. */
cru_status in_file(cru_status status, const cru_error &inner, cru_error *err) {
    return status ? cru_fail(err, status, "tokenizer.json: %s", inner.message) : CRU_OK;
}

cru_status add_token(cru_subword_model *m, std::string_view token, uint64_t id, cru_error *err) {
    cru_error inner;
    if (id >= CRU_EXTRA_IDS_MOST) return refuse(err, "model: vocab: too large an id");
    if (id >= m->n_ids) m->n_ids = static_cast<uint32_t>(id) + 1;
    return in_file(cru_token_trie_add(&m->trie, span(token), static_cast<uint32_t>(id), &inner),
                   inner, err);
}

cru_status read_ids(element model, cru_subword_model *m, uint32_t *entries, cru_error *err) {
    object vocab;
    if (model["vocab"].get(vocab) != simdjson::SUCCESS) return refuse(err, "model: no vocab");
    for (auto field : vocab) {
        uint64_t id;
        if (field.value.get(id) != simdjson::SUCCESS)
            return refuse(err, "model: vocab: an id that is no number");
        cru_status status = add_token(m, field.key, id, err);
        if (status) return status;
        ++*entries;
    }
    return CRU_OK;
}

/* A score as the reference reads its digits: they and their exponent rounded one after the other (serde_json without
 * float_roundtrip), which is up to one unit in the last place beside the number, and decides between paths
 * that would be
 * equal. The digits are the fewest that give the number, which is how these files are written. */
double as_reference_reads(double number) {
    char text[40];
    auto end = std::to_chars(text, text + sizeof text, number, std::chars_format::scientific).ptr;
    uint64_t digits = 0;
    int decimals = 0, power = 0;
    bool behind = false;
    const char *p = text;
    for (; p < end && *p != 'e'; p++) {
        if (*p == '.') behind = true;
        if (*p < '0' || *p > '9') continue;
        digits = digits * 10 + static_cast<unsigned>(*p - '0');
        decimals += behind;
    }
    if (p < end) (void)std::from_chars(p + 1 + (p[1] == '+'), end, power);
    power -= decimals;
    auto read = static_cast<double>(digits);
    for (; power < -308; power += 308) read /= 1e308;
    snprintf(text, sizeof text, "1e%d", power < 0 ? -power : power);
    double scale = strtod(text, nullptr);
    read = power < 0 ? read / scale : read * scale;
    return number < 0 ? -read : read;
}

cru_status read_scores(element model, cru_subword_model *m, uint32_t *entries, cru_error *err) {
    array vocab;
    if (model["vocab"].get(vocab) != simdjson::SUCCESS) return refuse(err, "model: no vocab");
    size_t n = 0, capacity = 0;
    for (element row : vocab) {
        array pair;
        std::string_view token;
        double score;
        if (row.get(pair) != simdjson::SUCCESS || pair.size() != 2 ||
            pair.at(0).get(token) != simdjson::SUCCESS ||
            pair.at(1).get(score) != simdjson::SUCCESS)
            return refuse(err, "model: vocab: an entry that is no token with its score");
        if (n == capacity) {
            capacity = capacity ? capacity * 2 : 1024;
            auto *scores = static_cast<double *>(realloc(m->scores, capacity * sizeof(double)));
            if (!scores) return cru_fail_memory(err, "tokenizer.json");
            m->scores = scores;
        }
        m->scores[n] = as_reference_reads(score);
        cru_status status = add_token(m, token, n++, err);
        if (status) return status;
    }
    *entries = static_cast<uint32_t>(n);
    return CRU_OK;
}

cru_status read_merges(element model, cru_subword_model *m, cru_error *err) {
    array merges;
    if (model["merges"].get(merges) != simdjson::SUCCESS) return refuse(err, "model: no merges");
    uint32_t rank = 0;
    for (element e : merges) {
        std::string_view a, b;
        array pair;
        cru_error inner;
        if (e.get(a) == simdjson::SUCCESS) { /* "a b": the older way to write it */
            size_t space = a.find(' ');
            if (space == a.npos || a.find(' ', space + 1) != a.npos)
                return refuse(err, "model: merges: an entry that is no pair");
            b = a.substr(space + 1);
            a = a.substr(0, space);
        } else if (e.get(pair) != simdjson::SUCCESS || pair.size() != 2 ||
                   pair.at(0).get(a) != simdjson::SUCCESS ||
                   pair.at(1).get(b) != simdjson::SUCCESS) {
            return refuse(err, "model: merges: an entry that is no pair");
        }
        cru_status status =
            in_file(cru_subword_model_merge(m, rank++, span(a), span(b), &inner), inner, err);
        if (status) return status;
    }
    return CRU_OK;
}

/* The id of the token that stands for unknown ones, by its text; absent or null: `fallback`. */
uint32_t unknown_of(element model, const cru_subword_model *m, std::string_view fallback) {
    std::string_view token = fallback;
    if (model["unk_token"].get(token) != simdjson::SUCCESS) token = fallback;
    return token.empty() ? CRU_NO_TOKEN : cru_token_trie_find(&m->trie, span(token));
}

cru_status read_bpe(element model, cru_subword_model *m, uint32_t *entries, cru_error *err) {
    if (!is_blank(model, "continuing_subword_prefix") || !is_blank(model, "end_of_word_suffix"))
        return refuse(err, "model: BPE with subword prefixes or word suffixes is not supported");
    double dropout = 0;
    if (model["dropout"].get(dropout) == simdjson::SUCCESS && dropout != 0)
        return refuse(err, "model: dropout is not supported");
    m->byte_fallback = flag(model, "byte_fallback", false);
    m->fuse_unknown = flag(model, "fuse_unk", false);
    m->ignore_merges = flag(model, "ignore_merges", false);
    m->marks_begin = true;
    cru_status status = read_ids(model, m, entries, err);
    if (!status) status = read_merges(model, m, err);
    m->unknown = unknown_of(model, m, "");
    element unk;
    if (!status && m->unknown == CRU_NO_TOKEN && model["unk_token"].get(unk) == simdjson::SUCCESS &&
        !unk.is_null())
        return refuse(err, "model: unk_token is not in the vocab");
    return status;
}

cru_status read_unigram(element model, cru_subword_model *m, uint32_t *entries, cru_error *err) {
    uint64_t unknown;
    m->byte_fallback = flag(model, "byte_fallback", false);
    cru_status status = read_scores(model, m, entries, err);
    if (status || model["unk_id"].get(unknown) != simdjson::SUCCESS) return status;
    if (unknown >= m->n_ids) return refuse(err, "model: unk_id is beyond the vocab");
    m->unknown = static_cast<uint32_t>(unknown);
    return CRU_OK;
}

cru_status read_model(element model, std::string_view type, cru_subword *s, uint32_t *entries,
                      cru_error *err) {
    cru_subword_model *m = &s->model;
    std::string_view prefix = "";
    cru_status status;
    cru_error inner;
    m->unknown = CRU_NO_TOKEN;
    if (type == "WordPiece") {
        m->kind = CRU_MODEL_WORDPIECE;
        prefix = text_or(model, "continuing_subword_prefix", "##");
        if (model["max_input_chars_per_word"].get(m->longest_word) != simdjson::SUCCESS)
            m->longest_word = 100;
        status = read_ids(model, m, entries, err);
        m->unknown = unknown_of(model, m, "[UNK]");
    } else if (type == "WordLevel") {
        m->kind = CRU_MODEL_WORDLEVEL;
        status = read_ids(model, m, entries, err);
        m->unknown = unknown_of(model, m, "<unk>");
    } else if (type == "Unigram") {
        m->kind = CRU_MODEL_UNIGRAM;
        status = read_unigram(model, m, entries, err);
    } else if (type == "BPE") {
        m->kind = CRU_MODEL_BPE;
        status = read_bpe(model, m, entries, err);
    } else {
        return refuse_named(err, "model", type);
    }
    if (status) return status;
    return in_file(cru_subword_model_finish(m, span(prefix), &inner), inner, err);
}

/* Ids are given as the reference gives them, whatever the entries say: the model's, or the next one. */
cru_status read_added(element root, cru_subword *s, uint32_t next, cru_error *err) {
    array added;
    cru_extra_set seen = {}; /* contents with their ids */
    cru_status status = CRU_OK;
    if (root["added_tokens"].get(added) != simdjson::SUCCESS) return CRU_OK;
    for (element t : added) {
        std::string_view content;
        cru_error inner;
        if (t["content"].get(content) != simdjson::SUCCESS) {
            status = refuse(err, "added_tokens: an entry without content");
            break;
        }
        uint32_t id = cru_token_trie_find(&s->model.trie, span(content));
        if (content.empty()) continue;
        if (id == CRU_NO_TOKEN) id = next++;
        unsigned flags = bit_if(t, "single_word", false, CRU_EXTRA_SINGLE_WORD) |
                         bit_if(t, "lstrip", false, CRU_EXTRA_LSTRIP) |
                         bit_if(t, "rstrip", false, CRU_EXTRA_RSTRIP);
        status = cru_extra_add(&seen, span(content), id, 0, &inner);
        if (!status)
            status = cru_subword_add_extra(s, span(content), id, flags, flag(t, "normalized", true),
                                           &inner);
        if ((status = in_file(status, inner, err))) break;
    }
    cru_extra_release(&seen);
    return status;
}

/* What the model is, in files from before it was written in, too. */
std::string_view model_type(element model) {
    std::string_view type;
    element v;
    array list;
    if (model["type"].get(v) == simdjson::SUCCESS)
        return v.get(type) == simdjson::SUCCESS ? type : std::string_view("(no name)");
    if (model["merges"].get(v) == simdjson::SUCCESS) return "BPE";
    if (model["vocab"].get(list) == simdjson::SUCCESS) return "Unigram";
    if (model["continuing_subword_prefix"].get(v) == simdjson::SUCCESS) return "WordPiece";
    return "(no type)";
}

bool has_byte_level(element pre) {
    array list;
    if (type_of(pre) == "ByteLevel") return true;
    if (pre["pretokenizers"].get(list) != simdjson::SUCCESS) return false;
    for (element e : list)
        if (has_byte_level(e)) return true;
    return false;
}

} // namespace

extern "C" cru_status cru_subword_json_read(cru_span json, cru_subword *s, bool *byte_level,
                                            cru_error *err) {
    cru_error unwanted;
    if (!err) err = &unwanted;
    *byte_level = false;
    s->unknown = CRU_NO_TOKEN;
    try {
        simdjson::dom::parser parser;
        element root, model, part;
        auto error = parser.parse(json.p, json.n, true).get(root);
        if (error)
            return cru_fail(err, CRU_USAGE, "tokenizer.json: %s", simdjson::error_message(error));
        if (root["model"].get(model) != simdjson::SUCCESS) return refuse(err, "no model");
        std::string_view type = model_type(model);
        bool cuts = root["pre_tokenizer"].get(part) == simdjson::SUCCESS && !part.is_null();
        if (type == "BPE" && cuts && has_byte_level(part)) {
            *byte_level = true;
            return CRU_OK;
        }
        uint32_t entries = 0;
        cru_status status = CRU_OK;
        if (root["normalizer"].get(part) == simdjson::SUCCESS && !part.is_null())
            status = read_norm(part, s, err);
        if (!status && cuts) status = read_cut(root["pre_tokenizer"], s, err);
        if (!status) status = read_model(model, type, s, &entries, err);
        if (!status) status = read_added(root, s, entries, err);
        s->unknown = s->model.unknown;
        return status;
    } catch (const std::bad_alloc &) {
        return cru_fail_memory(err, "tokenizer.json");
    }
}
