/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C4's rules with the reading datatrove gives them (huggingface/datatrove
 * src/datatrove/pipeline/filters/c4_filters.py): they take lines out, clean the rest, and drop the document
 * on a brace, on "lorem ipsum" or when fewer than 5 sentences are left.
 *
 * A line (as Python's splitlines() cuts, stripped) goes through the rows of the table in order; the first
 * that it breaks takes it out. Citation marks `[12]`, `[]`, `[edit]`, `[citation needed]` are cut from the
 * line before its end is looked at. The braces and "lorem ipsum" of lines already out do not count.
 * Phrases match whatever the case of ASCII letters. What is left is joined with newlines and stripped.
 *
 *   c4          as published
 *   c4-noterm   without the rule that a line must end in terminal punctuation: FineWeb's setting
 */
#include "crucible/base/base.h"
#include "crucible/filter/rule_sets.h"

#define C4 "Raffel et al. 2020, JMLR 21(140), section 2.2"
#define C4_CODE "tensorflow/datasets text/c4_utils.py"

enum { WORD, TERMINAL, WORDS, LOREM, SCRIPT, BRACE, POLICY, SENTENCES };

#define ROWS(set)                                                                                  \
    [WORD] = {set ".line-word-length", CRU_REMOVES, 1000, C4_CODE},                                \
    [WORDS] = {set ".line-words", CRU_REMOVES, 3, C4},                                             \
    [LOREM] = {set ".lorem-ipsum", CRU_AT_MOST, 0, C4},                                            \
    [SCRIPT] = {set ".line-javascript", CRU_REMOVES, 0, C4},                                       \
    [BRACE] = {set ".curly-bracket", CRU_AT_MOST, 0, C4},                                          \
    [POLICY] = {set ".line-policy", CRU_REMOVES, 0, C4_CODE},                                      \
    [SENTENCES] = {set ".sentences", CRU_AT_LEAST, 5, C4}

static const struct cru_rule rules[] = {
    ROWS("c4"),
    [TERMINAL] = {"c4.line-end", CRU_REMOVES, 1, C4},
};
/* The row TERMINAL is left empty: the set has no such rule. */
static const struct cru_rule rules_noterm[] = {ROWS("c4-noterm")};
enum { N_RULES = sizeof rules / sizeof rules[0] };

/* Whether p[0..n) equals a phrase of small ASCII letters, case of p ignored. */
static bool same_small(const char *p, const char *phrase, size_t n) {
    for (size_t i = 0; i < n; i++) {
        char c = p[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c + 32);
        if (c != phrase[i])
            return false;
    }
    return true;
}

/* Whether `phrase` lies in s such that its byte `anchor` is at s.p + i. */
static bool around(struct cru_span s, size_t i, const char *phrase, size_t anchor) {
    size_t n = strlen(phrase);
    return i >= anchor && s.n - (i - anchor) >= n && same_small(s.p + i - anchor, phrase, n);
}

/* Bytes at which a phrase may be recognised: rare letters of each, so that few are looked at twice. */
static const uint8_t anchors[256] = {['{'] = 1, ['j'] = 1, ['J'] = 1, ['k'] = 1, ['K'] = 1,
                                     ['v'] = 1, ['V'] = 1, ['f'] = 1, ['F'] = 1, ['p'] = 1,
                                     ['P'] = 1};

/* One bit a row: which of LOREM, SCRIPT, BRACE and POLICY the line has. */
static unsigned find_phrases(struct cru_span line) {
    unsigned found = 0;
    for (size_t i = 0; i < line.n; i++) {
        if (!anchors[(unsigned char)line.p[i]])
            continue;
        switch (line.p[i]) {
        case '{':
            found |= 1u << BRACE;
            break;
        case 'j':
        case 'J':
            found |= around(line, i, "javascript", 0) ? 1u << SCRIPT : 0;
            break;
        case 'v':
        case 'V':
            found |= around(line, i, "privacy policy", 3) ? 1u << POLICY : 0;
            break;
        case 'f':
        case 'F':
            found |= around(line, i, "terms of use", 7) ? 1u << POLICY : 0;
            break;
        case 'p':
        case 'P':
            found |= around(line, i, "lorem ipsum", 7) ? 1u << LOREM : 0;
            break;
        default: /* k */
            if (around(line, i, "cookie policy", 3) || around(line, i, "uses cookies", 8) ||
                around(line, i, "use of cookies", 10) || around(line, i, "use cookies", 7))
                found |= 1u << POLICY;
        }
    }
    return found;
}

/* Words as Python's split() counts them, up to `enough`; false when one is longer than `longest`. */
static bool count_words(struct cru_text_stats *stats, struct cru_span line, size_t enough,
                        size_t longest, size_t *words) {
    const unsigned char *p = (const unsigned char *)line.p, *end = p + line.n;
    bool all = line.n > longest; /* a shorter line has no word that is too long */
    size_t length = 0, n = 0;
    for (unsigned bytes; p < end; p += bytes) {
        if (cru_char_class_of(&stats->map, cru_char_decode(p, &bytes)) & CRU_CHAR_SPACE) {
            length = 0;
            continue;
        }
        n += length == 0;
        if (++length > longest)
            return false;
        if (n >= enough && !all)
            break;
    }
    *words = n;
    return true;
}

/* Length of the citation mark at p, 0 when there is none: \[\d*] \[edit] \[citation needed]. Digits are
 * Unicode decimal digits in datatrove and ASCII ones here. */
static size_t citation_length(const char *p, size_t n) {
    size_t i = 1;
    while (i < n && p[i] >= '0' && p[i] <= '9')
        i++;
    if (i < n && p[i] == ']')
        return i + 1;
    if (n >= 6 && memcmp(p, "[edit]", 6) == 0)
        return 6;
    return n >= 17 && memcmp(p, "[citation needed]", 17) == 0 ? 17 : 0;
}

/* Appends the line without citation marks. */
static void add_without_citations(struct cru_buffer *out, struct cru_span line) {
    size_t from = 0;
    while (from < line.n) {
        const char *bracket = memchr(line.p + from, '[', line.n - from);
        size_t at = bracket ? (size_t)(bracket - line.p) : line.n;
        size_t cut = bracket ? citation_length(bracket, line.n - at) : 0;
        size_t to = bracket && cut == 0 ? at + 1 : at;
        cru_buffer_add(out, line.p + from, to - from);
        from = to + cut;
    }
}

static bool ends_in_terminal(struct cru_span line) {
    if (line.n == 0 || !memchr(".?!\"'", line.p[line.n - 1], 5))
        return false;
    return !(line.n >= 3 && memcmp(line.p + line.n - 3, "...", 3) == 0);
}

/* A document's way through the lines. */
struct cleaning {
    const struct cru_rule *rules;
    bool terminal; /* the line-end rule is on */
    size_t sentences;
};

/* One line: appended to `out` when it stays. */
static void clean_line(struct cru_filter_scratch *scratch, struct cleaning *c, struct cru_span line,
                       struct cru_buffer *out, struct cru_verdict *v) {
    struct cru_text_stats *stats = &scratch->stats;
    size_t words, start = out->n;
    line = cru_char_strip(&stats->map, line);
    if (line.n == 0 || !count_words(stats, line, (size_t)c->rules[WORDS].limit,
                                    (size_t)c->rules[WORD].limit, &words))
        return;
    if (memchr(line.p, '[', line.n)) {
        add_without_citations(out, line);
        if (out->failed)
            return;
        line = cru_span_make(out->p + start, out->n - start);
    }
    bool stays = !(c->terminal && !ends_in_terminal(line)) &&
                 words >= (size_t)c->rules[WORDS].limit;
    if (stays) {
        unsigned found = find_phrases(line);
        if ((found & 1u << LOREM) && cru_rule_breaks(&c->rules[LOREM], 1, v))
            return;
        stays = !(found & 1u << SCRIPT);
        if (stays && (found & 1u << BRACE) && cru_rule_breaks(&c->rules[BRACE], 1, v))
            return;
        stays = stays && !(found & 1u << POLICY);
    }
    if (!stays) {
        out->n = start;
        return;
    }
    size_t enough = (size_t)c->rules[SENTENCES].limit;
    if (c->sentences < enough)
        c->sentences += cru_text_sentences(&stats->map, line, enough - c->sentences);
    if (out->n == start)
        cru_buffer_add(out, line.p, line.n);
    cru_buffer_add_char(out, '\n');
}

static enum cru_status apply_rows(const struct cru_rule *rows, bool terminal,
                                  struct cru_filter_scratch *scratch, struct cru_verdict *v,
                                  struct cru_error *err) {
    struct cru_text_stats *stats = &scratch->stats;
    struct cru_buffer *out = &scratch->cleaned[scratch->turn ^= 1];
    struct cleaning c = {rows, terminal, 0};
    struct cru_span text = stats->text, line;
    cru_buffer_clear(out);
    if (!cru_buffer_room(out, text.n + 1))
        return cru_fail_memory(err, "cleaned text");
    size_t at = 0;
    while (!v->rule && cru_text_next_line(text, &at, &line))
        clean_line(scratch, &c, line, out, v);
    if (out->failed)
        return cru_fail_memory(err, "cleaned text");
    if (v->rule || cru_rule_breaks(&rows[SENTENCES], (double)c.sentences, v))
        return CRU_OK;
    struct cru_span cleaned = cru_char_strip(&stats->map, cru_buffer_span(out));
    if (!cru_span_eq(cleaned, text))
        cru_text_stats_set(stats, cleaned);
    return CRU_OK;
}

static enum cru_status apply(struct cru_filter_scratch *scratch, const struct cru_filter_facts *facts,
                             struct cru_verdict *v, struct cru_error *err) {
    (void)facts;
    return apply_rows(rules, true, scratch, v, err);
}

static enum cru_status apply_noterm(struct cru_filter_scratch *scratch,
                                    const struct cru_filter_facts *facts, struct cru_verdict *v,
                                    struct cru_error *err) {
    (void)facts;
    return apply_rows(rules_noterm, false, scratch, v, err);
}

const struct cru_rule_set cru_c4 = {
    .name = "c4",
    .summary = "takes out lines that are no sentences; drops on braces and few sentences",
    .rules = rules,
    .n_rules = N_RULES,
    .apply = apply,
};

const struct cru_rule_set cru_c4_noterm = {
    .name = "c4-noterm",
    .summary = "c4 without the rule on line ends (FineWeb's setting)",
    .rules = rules_noterm,
    .n_rules = N_RULES,
    .apply = apply_noterm,
};
