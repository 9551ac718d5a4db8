/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gopher's repetition rules with the reading datatrove gives them (huggingface/datatrove
 * src/datatrove/pipeline/filters/gopher_repetition_filter.py), in its order:
 *
 *   paragraphs   the stripped text cut at two or more newlines
 *   lines        the text cut at one or more newlines (so an empty first and last piece can occur)
 *   a repeat     counts from the second occurrence on
 *   shares       of pieces, or of code points of the whole text, white space included
 *   n-grams      of tokens (text_stats.h); see ngram_repeats.h for top and duplicate n-grams
 */
#include "crucible/base/base.h"
#include "crucible/filter/rule_sets.h"

#define GOPHER "Rae et al. 2021, arXiv 2112.11446, table A1"

enum { PARAGRAPHS, PARAGRAPH_CHARS, LINES, LINE_CHARS, TOP_2, TOP_4 = TOP_2 + 2, DUPLICATE_5,
       DUPLICATE_10 = DUPLICATE_5 + 5 };

static const struct cru_rule rules[] = {
    [PARAGRAPHS] = {"gopher-repetition.duplicate-paragraphs", CRU_AT_MOST, 0.30, GOPHER},
    [PARAGRAPH_CHARS] = {"gopher-repetition.duplicate-paragraph-chars", CRU_AT_MOST, 0.20, GOPHER},
    [LINES] = {"gopher-repetition.duplicate-lines", CRU_AT_MOST, 0.30, GOPHER},
    [LINE_CHARS] = {"gopher-repetition.duplicate-line-chars", CRU_AT_MOST, 0.20, GOPHER},
    [TOP_2] = {"gopher-repetition.top-2-gram", CRU_AT_MOST, 0.20, GOPHER},
    [TOP_2 + 1] = {"gopher-repetition.top-3-gram", CRU_AT_MOST, 0.18, GOPHER},
    [TOP_4] = {"gopher-repetition.top-4-gram", CRU_AT_MOST, 0.16, GOPHER},
    [DUPLICATE_5] = {"gopher-repetition.duplicate-5-grams", CRU_AT_MOST, 0.15, GOPHER},
    [DUPLICATE_5 + 1] = {"gopher-repetition.duplicate-6-grams", CRU_AT_MOST, 0.14, GOPHER},
    [DUPLICATE_5 + 2] = {"gopher-repetition.duplicate-7-grams", CRU_AT_MOST, 0.13, GOPHER},
    [DUPLICATE_5 + 3] = {"gopher-repetition.duplicate-8-grams", CRU_AT_MOST, 0.12, GOPHER},
    [DUPLICATE_5 + 4] = {"gopher-repetition.duplicate-9-grams", CRU_AT_MOST, 0.11, GOPHER},
    [DUPLICATE_10] = {"gopher-repetition.duplicate-10-grams", CRU_AT_MOST, 0.10, GOPHER},
};

static void add_piece(struct cru_filter_scratch *scratch, size_t from, size_t to) {
    struct cru_text_stats *stats = &scratch->stats;
    struct cru_span s = cru_span_make(stats->text.p + from, to - from);
    cru_repeated_lines_add(&scratch->lines, (struct cru_line){(uint32_t)from, (uint32_t)s.n,
                                                              cru_text_stats_chars(stats, s)});
}

/* Pieces of the stripped text between runs of two or more newlines. */
static void add_paragraphs(struct cru_filter_scratch *scratch) {
    struct cru_span text = scratch->stats.text;
    struct cru_span inner = cru_char_strip(&scratch->stats.map, text);
    size_t at = (size_t)(inner.p - text.p), end = at + inner.n, from = at;
    while (at < end) {
        const char *newline = memchr(text.p + at, '\n', end - at);
        if (!newline)
            break;
        size_t cut = (size_t)(newline - text.p);
        at = cut;
        while (at < end && text.p[at] == '\n')
            at++;
        if (at - cut >= 2) {
            add_piece(scratch, from, cut);
            from = at;
        }
    }
    add_piece(scratch, from, end);
}

/* Pieces of the text between runs of newlines: the lines that are not empty, and an empty piece at
 * either end where the text begins or ends with a newline. */
static void add_lines(struct cru_filter_scratch *scratch) {
    const struct cru_text_stats *stats = &scratch->stats;
    for (size_t i = 0; i < stats->n_lines; i++)
        if (stats->lines[i].bytes > 0 || i == 0 || i + 1 == stats->n_lines)
            cru_repeated_lines_add(&scratch->lines, stats->lines[i]);
}

/* Checks the two shares of what was added. */
static bool breaks(const struct cru_filter_scratch *scratch, int pieces, int chars,
                   struct cru_verdict *v) {
    const struct cru_repeated_lines *lines = &scratch->lines;
    return cru_rule_breaks(&rules[pieces], cru_share((double)lines->repeats, (double)lines->pieces),
                           v) ||
           cru_rule_breaks(&rules[chars],
                           cru_share((double)lines->repeat_chars, (double)scratch->stats.chars), v);
}

static enum cru_status apply(struct cru_filter_scratch *scratch, const struct cru_filter_facts *facts,
                             struct cru_verdict *v, struct cru_error *err) {
    (void)facts;
    struct cru_text_stats *stats = &scratch->stats;
    struct cru_repeated_lines *lines = &scratch->lines;
    enum cru_status status = cru_text_stats_lines(stats, err);
    if (status == CRU_OK)
        status = cru_repeated_lines_begin(lines, stats->text, stats->n_lines, err);
    if (status != CRU_OK)
        return status;
    add_paragraphs(scratch);
    if (breaks(scratch, PARAGRAPHS, PARAGRAPH_CHARS, v))
        return CRU_OK;
    status = cru_repeated_lines_begin(lines, stats->text, stats->n_lines, err);
    if (status != CRU_OK)
        return status;
    add_lines(scratch);
    if (breaks(scratch, LINES, LINE_CHARS, v))
        return CRU_OK;

    struct cru_ngram_repeats *repeats = &scratch->repeats;
    status = cru_text_stats_tokens(stats, err);
    if (status == CRU_OK)
        status = cru_ngram_repeats_begin(repeats, stats->text, stats->tokens, stats->n_tokens, err);
    if (status != CRU_OK)
        return status;
    double chars = (double)stats->chars;
    for (int row = TOP_2; row <= DUPLICATE_10; row++) {
        cru_ngram_repeats_next(repeats);
        uint64_t gram_chars = row <= TOP_4 ? cru_ngram_repeats_top_chars(repeats)
                                           : cru_ngram_repeats_duplicate_chars(repeats);
        if (cru_rule_breaks(&rules[row], cru_share((double)gram_chars, chars), v))
            return CRU_OK;
    }
    return CRU_OK;
}

const struct cru_rule_set cru_gopher_repetition = {
    .name = "gopher-repetition",
    .summary = "repeated lines, paragraphs and n-grams",
    .rules = rules,
    .n_rules = sizeof rules / sizeof rules[0],
    .apply = apply,
};
