/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FineWeb's own quality rules (huggingface/datatrove
 * src/datatrove/pipeline/filters/fineweb_quality_filter.py). Lines are what lies between newlines, blank
 * ones left out; lengths are in code points; "line-punctuation" looks at a line's last character as it is,
 * trailing spaces included; "list-ratio" divides newlines by tokens, punctuation included.
 */
#include "crucible/base/base.h"
#include "crucible/filter/rule_sets.h"

#define FINEWEB "Penedo et al. 2024, arXiv 2406.17557, section 3.6"

enum { SHORT_LINE = 30 }; /* code points, the same source */
enum { EMPTY, PUNCTUATION, SHORT_LINES, DUPLICATES, LISTS };

static const struct cru_rule rules[] = {
    [EMPTY] = {"fineweb.lines", CRU_AT_LEAST, 1, FINEWEB},
    [PUNCTUATION] = {"fineweb.line-punctuation", CRU_AT_LEAST, 0.12, FINEWEB},
    [SHORT_LINES] = {"fineweb.short-lines", CRU_AT_MOST, 0.67, FINEWEB},
    [DUPLICATES] = {"fineweb.duplicate-line-chars", CRU_AT_MOST, 0.01, FINEWEB},
    [LISTS] = {"fineweb.list-ratio", CRU_AT_MOST, 0.3, FINEWEB},
};

static bool is_blank(struct cru_text_stats *stats, const struct cru_line *line) {
    const char *p = stats->text.p + line->at;
    /* Nearly every line that is not empty begins with a character that is no space. */
    if (line->bytes == 0)
        return true;
    if ((unsigned char)*p > ' ' && (unsigned char)*p < 0x80)
        return false;
    return cru_char_strip(&stats->map, cru_span_make(p, line->bytes)).n == 0;
}

static bool ends_in_terminal(const char *text, const struct cru_line *line) {
    const unsigned char *p = (const unsigned char *)text + line->at;
    unsigned n;
    return cru_char_is_terminal(cru_char_decode_back(p, p + line->bytes, &n));
}

static enum cru_status apply(struct cru_filter_scratch *scratch, const struct cru_filter_facts *facts,
                             struct cru_verdict *v, struct cru_error *err) {
    (void)facts;
    struct cru_text_stats *stats = &scratch->stats;
    enum cru_status status = cru_text_stats_lines(stats, err);
    if (status == CRU_OK)
        status = cru_repeated_lines_begin(&scratch->lines, stats->text, stats->n_lines, err);
    if (status != CRU_OK)
        return status;
    uint64_t lines = 0, terminal = 0, short_lines = 0;
    for (size_t i = 0; i < stats->n_lines; i++) {
        const struct cru_line *line = &stats->lines[i];
        if (is_blank(stats, line))
            continue;
        lines++;
        terminal += ends_in_terminal(stats->text.p, line);
        short_lines += line->chars <= SHORT_LINE;
        cru_repeated_lines_add(&scratch->lines, *line);
    }
    uint64_t newlines = stats->n_lines - 1;
    if (cru_rule_breaks(&rules[EMPTY], (double)lines, v) ||
        cru_rule_breaks(&rules[PUNCTUATION], cru_share((double)terminal, (double)lines), v) ||
        cru_rule_breaks(&rules[SHORT_LINES], cru_share((double)short_lines, (double)lines), v) ||
        cru_rule_breaks(&rules[DUPLICATES],
                        cru_share((double)scratch->lines.repeat_chars,
                                  (double)(stats->chars - newlines)),
                        v))
        return CRU_OK;
    size_t tokens = stats->have_tokens ? stats->n_tokens : cru_token_count(&stats->map, stats->text);
    cru_rule_breaks(&rules[LISTS], cru_share((double)newlines, (double)tokens), v);
    return CRU_OK;
}

const struct cru_rule_set cru_fineweb = {
    .name = "fineweb",
    .summary = "line ends, short lines, repeated lines, lists",
    .rules = rules,
    .n_rules = sizeof rules / sizeof rules[0],
    .apply = apply,
};
