/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gopher's quality rules with the reading datatrove gives them (huggingface/datatrove
 * src/datatrove/pipeline/filters/gopher_quality_filter.py), on the tokens of text_stats.h:
 *
 *   words          tokens with a character outside the punctuation set; 50 to 100000
 *   word length    mean code points of words, 3 to 10
 *   symbols        '#', and "..." plus U+2026, each at most 0.1 a token
 *   bullets        at most 0.9 of the lines begin with U+2022 or '-'
 *   ellipses       at most 0.3 of the lines end with "..." or U+2026
 *   letters        at least 0.8 of the tokens, punctuation included, have a letter
 *   stop words     at least 2 different of: the be to of and that have with
 *
 * Other languages. The letters of scripts without spaces are words of one character: they count as words and
 * tokens, but not in the mean word length, and when they are more than half of the words that rule does
 * not apply. The stop words are English: the rule applies to documents whose language is en or not known.
 */
#include "crucible/base/base.h"
#include "crucible/filter/rule_sets.h"

#define GOPHER "Rae et al. 2021, arXiv 2112.11446, A.1.1"

enum {
    MIN_WORDS,
    MAX_WORDS,
    MIN_LENGTH,
    MAX_LENGTH,
    HASHES,
    ELLIPSES,
    BULLETS,
    ELLIPSIS_LINES,
    ALPHA,
    STOP_WORDS
};

static const struct cru_rule rules[] = {
    [MIN_WORDS] = {"gopher-quality.word-count", CRU_AT_LEAST, 50, GOPHER},
    [MAX_WORDS] = {"gopher-quality.word-count", CRU_AT_MOST, 100000, GOPHER},
    [MIN_LENGTH] = {"gopher-quality.word-length", CRU_AT_LEAST, 3, GOPHER},
    [MAX_LENGTH] = {"gopher-quality.word-length", CRU_AT_MOST, 10, GOPHER},
    [HASHES] = {"gopher-quality.hash-ratio", CRU_AT_MOST, 0.1, GOPHER},
    [ELLIPSES] = {"gopher-quality.ellipsis-ratio", CRU_AT_MOST, 0.1, GOPHER},
    [BULLETS] = {"gopher-quality.bullet-lines", CRU_AT_MOST, 0.9, GOPHER},
    [ELLIPSIS_LINES] = {"gopher-quality.ellipsis-lines", CRU_AT_MOST, 0.3, GOPHER},
    [ALPHA] = {"gopher-quality.alpha-words", CRU_AT_LEAST, 0.8, GOPHER},
    [STOP_WORDS] = {"gopher-quality.stop-words", CRU_AT_LEAST, 2, GOPHER},
};

/* A word of two to four ASCII letters as one number, so that a token is looked up by one comparison a row. */
#define SHORT_WORD(a, b, c, d)                                                                     \
    ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)

/* Gopher's list; case matters, as in datatrove. */
static const uint32_t stop_words[] = {
    SHORT_WORD('t', 'h', 'e', 0),   SHORT_WORD('b', 'e', 0, 0),     SHORT_WORD('t', 'o', 0, 0),
    SHORT_WORD('o', 'f', 0, 0),     SHORT_WORD('a', 'n', 'd', 0),   SHORT_WORD('t', 'h', 'a', 't'),
    SHORT_WORD('h', 'a', 'v', 'e'), SHORT_WORD('w', 'i', 't', 'h'),
};
enum { N_STOP_WORDS = sizeof stop_words / sizeof stop_words[0] };

struct token_counts {
    uint64_t words, spaced_words, spaced_chars, alpha;
    unsigned stop_words; /* one bit a word of the list */
};

/* The bit of a stop word, of n = 2 to 4 bytes. */
static unsigned stop_word_bit(const char *p, size_t n) {
    const unsigned char *c = (const unsigned char *)p;
    uint32_t word = SHORT_WORD(c[0], c[1], n > 2 ? c[2] : 0, n > 3 ? c[3] : 0);
    unsigned bits = 0;
    for (unsigned k = 0; k < N_STOP_WORDS; k++)
        bits |= (unsigned)(word == stop_words[k]) << k;
    return bits;
}

static struct token_counts count_tokens(const struct cru_text_stats *stats) {
    struct token_counts c = {0, 0, 0, 0, 0};
    for (size_t i = 0; i < stats->n_tokens; i++) {
        const struct cru_token *t = &stats->tokens[i];
        unsigned word = t->flags & CRU_TOKEN_WORD;
        unsigned spaced = word && !(t->flags & CRU_TOKEN_UNSPACED);
        c.words += word != 0;
        c.spaced_words += spaced;
        c.spaced_chars += spaced ? t->chars : 0;
        c.alpha += t->flags & CRU_TOKEN_ALPHA;
        if (t->bytes >= 2 && t->bytes <= 4)
            c.stop_words |= stop_word_bit(stats->text.p + t->at, t->bytes);
    }
    return c;
}

struct symbol_counts {
    uint64_t hashes, ellipses; /* "..." does not overlap itself */
    uint64_t lines, bullet_lines, ellipsis_lines;
};

static bool starts(struct cru_span s, const char *p, size_t n) {
    return s.n >= n && memcmp(s.p, p, n) == 0;
}
static bool ends(struct cru_span s, const char *p, size_t n) {
    return s.n >= n && memcmp(s.p + s.n - n, p, n) == 0;
}

static struct symbol_counts count_symbols(struct cru_text_stats *stats) {
    struct symbol_counts c = {0, 0, 0, 0, 0};
    struct cru_span text = stats->text, line;
    for (const char *p = text.p; (p = memchr(p, '#', (size_t)(text.p + text.n - p))) != NULL; p++)
        c.hashes++;
    /* Ellipses are tokens that are no words: only those need a look at their bytes. */
    for (size_t i = 0; i < stats->n_tokens; i++) {
        const struct cru_token *t = &stats->tokens[i];
        if (t->flags & CRU_TOKEN_WORD)
            continue;
        const char *p = text.p + t->at;
        if (*p == '.')
            c.ellipses += t->bytes / 3;
        else if (starts(cru_span_make(p, t->bytes), "\xE2\x80\xA6", 3))
            c.ellipses++;
    }
    size_t at = 0;
    while (cru_text_next_line(text, &at, &line)) {
        c.lines++;
        line = cru_char_strip(&stats->map, line);
        c.bullet_lines += starts(line, "-", 1) || starts(line, "\xE2\x80\xA2", 3);
        c.ellipsis_lines += ends(line, "...", 3) || ends(line, "\xE2\x80\xA6", 3);
    }
    return c;
}

static bool is_english(struct cru_span lang) {
    return lang.n == 0 || cru_span_is(lang, "en");
}

static enum cru_status apply(struct cru_filter_scratch *scratch, const struct cru_filter_facts *facts,
                             struct cru_verdict *v, struct cru_error *err) {
    struct cru_text_stats *stats = &scratch->stats;
    enum cru_status status = cru_text_stats_tokens(stats, err);
    if (status != CRU_OK)
        return status;
    struct token_counts t = count_tokens(stats);
    double words = (double)t.words, tokens = (double)stats->n_tokens;
    if (cru_rule_breaks(&rules[MIN_WORDS], words, v) || cru_rule_breaks(&rules[MAX_WORDS], words, v))
        return CRU_OK;
    if (t.spaced_words * 2 >= t.words) {
        double length = cru_share((double)t.spaced_chars, (double)t.spaced_words);
        if (cru_rule_breaks(&rules[MIN_LENGTH], length, v) ||
            cru_rule_breaks(&rules[MAX_LENGTH], length, v))
            return CRU_OK;
    }
    struct symbol_counts s = count_symbols(stats);
    double lines = (double)s.lines;
    if (cru_rule_breaks(&rules[HASHES], cru_share((double)s.hashes, tokens), v) ||
        cru_rule_breaks(&rules[ELLIPSES], cru_share((double)s.ellipses, tokens), v) ||
        cru_rule_breaks(&rules[BULLETS], cru_share((double)s.bullet_lines, lines), v) ||
        cru_rule_breaks(&rules[ELLIPSIS_LINES], cru_share((double)s.ellipsis_lines, lines), v) ||
        cru_rule_breaks(&rules[ALPHA], cru_share((double)t.alpha, tokens), v))
        return CRU_OK;
    if (is_english(facts->lang))
        cru_rule_breaks(&rules[STOP_WORDS], __builtin_popcount(t.stop_words), v);
    return CRU_OK;
}

const struct cru_rule_set cru_gopher_quality = {
    .name = "gopher-quality",
    .summary = "length, symbols, bullets, letters and English stop words",
    .rules = rules,
    .n_rules = sizeof rules / sizeof rules[0],
    .apply = apply,
};
