/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rule sets: published heuristics that drop or clean a document, by name.
 *
 * A rule set is one file with one table, a row a rule: name, direction, limit, source. Its apply()
 * measures the text and answers with the first row, in the table's order, whose limit the text breaks;
 * so which rule is reported never depends on anything but the text. A rule set may also clean the text
 * (c4 takes lines out); later sets see the cleaned text.
 *
 * Who owns what: tables are static. struct cru_filter_scratch holds all working memory, for one thread at a
 * time, reused from document to document; the text it hands out lives until its next use. No function
 * here prints or keeps state elsewhere, so any number of threads may each use a scratch of their own.
 */
#ifndef CRU_FILTER_RULE_SETS_H
#define CRU_FILTER_RULE_SETS_H

#include "crucible/base/buffer.h"
#include "crucible/filter/ngram_repeats.h"
#include "crucible/filter/repeated_lines.h"
#include "crucible/filter/text_stats.h"

enum cru_direction {
    CRU_AT_LEAST, /* a smaller value breaks the rule */
    CRU_AT_MOST,  /* a greater value breaks the rule */
    CRU_REMOVES,  /* takes a line out of the text, drops nothing; the limit is the line's */
};

struct cru_rule {
    const char *name; /* "gopher-quality.word-count": stable, it is what crucible.drop.rule says */
    enum cru_direction direction;
    double limit;
    const char *source;
};

/* value and rule when broken; rule == NULL: the text passed. */
struct cru_verdict {
    const struct cru_rule *rule;
    double value;
};

struct cru_filter_scratch {
    struct cru_text_stats stats;
    struct cru_ngram_repeats repeats;
    struct cru_repeated_lines lines;
    struct cru_buffer cleaned[2]; /* cleaned texts take turns */
    unsigned turn;
};

enum cru_status cru_filter_scratch_init(struct cru_filter_scratch *scratch, struct cru_error *err);
void cru_filter_scratch_release(struct cru_filter_scratch *scratch);

/* What is known of a document beside its text. Spans are borrowed and may be empty. */
struct cru_filter_facts {
    struct cru_span lang; /* ISO 639 code, empty when unknown */
    struct cru_span path; /* file name or path, for rules that depend on the kind of source file */
};

struct cru_rule_set {
    const char *name, *summary;
    const struct cru_rule *rules;
    size_t n_rules;
    /* Reads scratch->stats (already set to the text). A set that cleans the text sets the stats to the
     * cleaned one. */
    enum cru_status (*apply)(struct cru_filter_scratch *scratch, const struct cru_filter_facts *facts,
                             struct cru_verdict *verdict, struct cru_error *err);
};

extern const struct cru_rule_set cru_gopher_quality, cru_gopher_repetition, cru_c4, cru_c4_noterm,
    cru_fineweb, cru_code_rules;
/* All rule sets; ends with NULL. */
extern const struct cru_rule_set *const cru_rule_sets[];
const struct cru_rule_set *cru_rule_set_find(struct cru_span name); /* NULL when unknown */

/*
 * Applies sets in order to a text (valid UTF-8, less than CRU_TEXT_MAX bytes) until one is broken. *out is
 * the text as the sets left it: the same bytes when nothing was cleaned, else memory of the scratch.
 */
enum cru_status cru_rule_sets_apply(const struct cru_rule_set *const *sets, size_t n,
                                    struct cru_filter_scratch *scratch, struct cru_span text,
                                    const struct cru_filter_facts *facts, struct cru_span *out,
                                    struct cru_verdict *verdict, struct cru_error *err);

/* Appends a table of all rule sets and rules, with limits and sources. */
void cru_rule_sets_list(struct cru_buffer *out);

/* Checks one row: true, and the verdict filled, when value breaks it. */
static inline bool cru_rule_breaks(const struct cru_rule *rule, double value,
                                   struct cru_verdict *verdict) {
    if (rule->direction == CRU_AT_LEAST ? value >= rule->limit : value <= rule->limit)
        return false;
    verdict->rule = rule;
    verdict->value = value;
    return true;
}

/* a / b, and 0 when there is nothing to divide by: an empty text breaks no share. */
static inline double cru_share(double a, double b) {
    return b > 0 ? a / b : 0;
}

#endif
