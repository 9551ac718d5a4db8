/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/base/base.h"
#include "crucible/filter/text_stats.h"

enum cru_status cru_text_stats_init(struct cru_text_stats *stats, struct cru_error *err) {
    memset(stats, 0, sizeof *stats);
    if (!cru_char_map_init(&stats->map))
        return cru_fail_memory(err, "character classes");
    return CRU_OK;
}

void cru_text_stats_release(struct cru_text_stats *stats) {
    cru_char_map_release(&stats->map);
    free(stats->tokens);
    free(stats->lines);
    memset(stats, 0, sizeof *stats);
}

void cru_text_stats_set(struct cru_text_stats *stats, struct cru_span text) {
    stats->text = text;
    stats->chars = cru_char_count(text);
    stats->ascii = stats->chars == text.n;
    stats->have_tokens = stats->have_lines = false;
    stats->n_tokens = stats->n_lines = 0;
}

/* How a punctuation mark between two characters of words behaves, by its class below. */
enum { CUTS = 0, JOINS, POINT, COMMA, HYPHEN, OPERATOR, RELATION };
static const uint8_t infix[128] = {
    ['!'] = JOINS, ['"'] = JOINS, ['#'] = JOINS,    ['$'] = JOINS,    ['%'] = JOINS,    ['&'] = JOINS,
    ['\''] = JOINS, ['('] = JOINS, [')'] = JOINS,   [';'] = JOINS,    ['?'] = JOINS,    ['@'] = JOINS,
    ['['] = JOINS, ['\\'] = JOINS, [']'] = JOINS,   ['`'] = JOINS,    ['{'] = JOINS,    ['|'] = JOINS,
    ['}'] = JOINS, ['.'] = POINT, [','] = COMMA,    ['-'] = HYPHEN,   ['~'] = HYPHEN,   ['+'] = OPERATOR,
    ['*'] = OPERATOR, ['^'] = OPERATOR, [':'] = RELATION, ['<'] = RELATION, ['>'] = RELATION,
    ['='] = RELATION, ['/'] = RELATION,
};

/* True when the character at p, inside [.., end), joins two parts of a token: `before` is the byte in
 * front of it. *n becomes its length. spaCy's English infixes are what cuts. */
static inline bool joins(struct cru_char_map *map, const unsigned char *p,
                         const unsigned char *end, unsigned char before, unsigned *n) {
    unsigned length = 1, unused, kind = JOINS;
    if (*p == 0xE2 && end - p > 3 && p[1] == 0x80 && p[2] == 0x99)
        length = 3;
    else if (*p >= 0x80 || (kind = infix[*p]) == CUTS)
        return false;
    if (p + length >= end)
        return false;
    const unsigned char *next = p + length;
    uint8_t class = cru_char_class_of(map, cru_char_decode(next, &unused));
    /* '_' and stray marks are word characters that nothing joins to. */
    if (before == '_' || !(class & (CRU_CHAR_LETTER | CRU_CHAR_DIGIT)) || (class & CRU_CHAR_UNSPACED))
        return false;
    bool digit_before = before >= '0' && before <= '9', digit = class & CRU_CHAR_DIGIT;
    *n = length;
    switch (kind) {
    case POINT:
        return !(before >= 'a' && before <= 'z' && *next >= 'A' && *next <= 'Z');
    case COMMA:
        return digit_before || digit;
    case HYPHEN:
        return digit_before != digit;
    case OPERATOR:
        return !(digit_before && digit);
    case RELATION:
        return digit;
    default:
        return true;
    }
}

/* Moves *p over marks (accents, joiners, variation selectors); counts them. */
static inline uint32_t take_marks(struct cru_char_map *map, const unsigned char **p,
                                  const unsigned char *end) {
    uint32_t chars = 0;
    unsigned n;
    while (*p < end && **p >= 0x80 &&
           (cru_char_class_of(map, cru_char_decode(*p, &n)) & CRU_CHAR_MARK)) {
        *p += n;
        chars++;
    }
    return chars;
}

/* Takes word characters and joiners from p on; answers the end. seen/missing collect class bits. */
static inline const unsigned char *take_word(struct cru_char_map *map, const unsigned char *p,
                                             const unsigned char *end, unsigned *seen,
                                             unsigned *missing, uint32_t *wide) {
    const uint8_t *of = map->of;
    for (;;) {
        while (p < end && *p < 0x80) {
            unsigned class = of[*p];
            if (!(class & CRU_CHAR_WORD))
                break;
            *seen |= class;
            *missing |= ~class;
            p++;
        }
        if (p == end)
            return p;
        unsigned n = 1;
        if (*p >= 0x80) {
            unsigned class = cru_char_class_of(map, cru_char_decode(p, &n));
            if (class & CRU_CHAR_WORD) {
                *seen |= class;
                *missing |= ~class;
                *wide += n - 1;
                p += n;
                continue;
            }
        }
        if (!joins(map, p, end, p[-1], &n))
            return p;
        *wide += n - 1;
        p += n;
    }
}

static inline bool token_next(struct cru_char_map *map, struct cru_span text, size_t *at,
                              struct cru_token *token) {
    const unsigned char *base = (const unsigned char *)text.p;
    const unsigned char *p = base + *at, *end = base + text.n;
    unsigned n = 1, class = 0;
    for (; p < end; p += n) {
        class = cru_char_class_of(map, cru_char_decode(p, &n));
        if (!(class & CRU_CHAR_SPACE))
            break;
    }
    if (p == end) {
        *at = text.n;
        return false;
    }
    const unsigned char *start = p;
    unsigned seen = class, missing = ~class;
    uint32_t wide = 0, chars;
    if (class & CRU_CHAR_WORD) {
        p = take_word(map, p, end, &seen, &missing, &wide);
        chars = (uint32_t)(p - start) - wide;
    } else if (*p == '.' || *p == '-') {
        do
            p++;
        while (p < end && *p == *start);
        chars = (uint32_t)(p - start);
    } else {
        p += n;
        chars = 1 + take_marks(map, &p, end);
    }
    token->at = (uint32_t)(start - base);
    token->bytes = (uint32_t)(p - start);
    token->chars = chars;
    token->flags = (seen & CRU_CHAR_LETTER ? CRU_TOKEN_ALPHA : 0u) |
                   (missing & CRU_CHAR_PUNCT ? CRU_TOKEN_WORD : 0u) |
                   (seen & CRU_CHAR_UNSPACED ? CRU_TOKEN_UNSPACED : 0u);
    *at = (size_t)(p - base);
    return true;
}

bool cru_token_next(struct cru_char_map *map, struct cru_span text, size_t *at,
                    struct cru_token *token) {
    return token_next(map, text, at, token);
}

size_t cru_token_count(struct cru_char_map *map, struct cru_span text) {
    struct cru_token token;
    size_t at = 0, n = 0;
    while (token_next(map, text, &at, &token))
        n++;
    return n;
}

enum cru_status cru_text_stats_tokens(struct cru_text_stats *stats, struct cru_error *err) {
    if (stats->have_tokens)
        return CRU_OK;
    size_t at = 0, n = 0;
    for (;;) {
        if (n == stats->cap_tokens) {
            size_t capacity = n ? n * 2 : 4096;
            struct cru_token *grown = realloc(stats->tokens, capacity * sizeof *grown);
            if (!grown)
                return cru_fail_memory(err, "tokens of a document");
            stats->tokens = grown;
            stats->cap_tokens = capacity;
        }
        if (!token_next(&stats->map, stats->text, &at, &stats->tokens[n]))
            break;
        n++;
    }
    stats->n_tokens = n;
    stats->have_tokens = true;
    return CRU_OK;
}

enum cru_status cru_text_stats_lines(struct cru_text_stats *stats, struct cru_error *err) {
    if (stats->have_lines)
        return CRU_OK;
    struct cru_span text = stats->text;
    size_t at = 0, n = 0;
    for (;;) {
        if (n == stats->cap_lines) {
            size_t capacity = n ? n * 2 : 512;
            struct cru_line *grown = realloc(stats->lines, capacity * sizeof *grown);
            if (!grown)
                return cru_fail_memory(err, "lines of a document");
            stats->lines = grown;
            stats->cap_lines = capacity;
        }
        const char *newline = at < text.n ? memchr(text.p + at, '\n', text.n - at) : NULL;
        size_t end = newline ? (size_t)(newline - text.p) : text.n;
        stats->lines[n].at = (uint32_t)at;
        stats->lines[n].bytes = (uint32_t)(end - at);
        stats->lines[n].chars =
            end > at ? cru_text_stats_chars(stats, cru_span_make(text.p + at, end - at)) : 0;
        n++;
        if (!newline)
            break;
        at = end + 1;
    }
    stats->n_lines = n;
    stats->have_lines = true;
    return CRU_OK;
}

/* Bytes that are, or may begin, a line end of splitlines(). */
static const uint8_t line_end[256] = {
    ['\n'] = 1, ['\v'] = 1, ['\f'] = 1, ['\r'] = 1, [0x1C] = 1,
    [0x1D] = 1, [0x1E] = 1, [0xC2] = 1, [0xE2] = 1,
};

/* Length of the line end at p, 0 when there is none. */
static size_t line_end_length(const unsigned char *p, const unsigned char *end) {
    if (*p == '\r')
        return p + 1 < end && p[1] == '\n' ? 2 : 1;
    if (*p < 0x80)
        return 1;
    if (*p == 0xC2)
        return end - p >= 2 && p[1] == 0x85 ? 2 : 0;
    return end - p >= 3 && p[1] == 0x80 && (p[2] == 0xA8 || p[2] == 0xA9) ? 3 : 0;
}

bool cru_text_next_line(struct cru_span text, size_t *at, struct cru_span *line) {
    if (*at >= text.n)
        return false;
    const unsigned char *base = (const unsigned char *)text.p, *end = base + text.n;
    const unsigned char *start = base + *at, *p = start;
    size_t length = 0;
    while (p < end && !(line_end[*p] && (length = line_end_length(p, end)) != 0))
        p++;
    *line = cru_span_make((const char *)start, (size_t)(p - start));
    *at = (size_t)(p - base) + length;
    return true;
}

/* English abbreviations whose '.' ends no sentence, beside those that carry a '.' inside (e.g., i.e.,
 * a.m.) and initials. Common titles, months, forms of companies; sorted, in small letters. */
static const char *const abbreviations[] = {
    "apr",  "aug", "ave", "co",  "corp", "dec", "dept", "dr",  "est", "feb",  "fig", "gen", "gov",
    "inc",  "jan", "jr",  "jul", "jun",  "lt",  "ltd",  "mar", "mr",  "mrs",  "ms",  "mt",  "nov",
    "oct",  "prof", "rep", "rev", "sen",  "sep", "sept", "sr",  "st",  "vs",   "no",
};

static bool is_abbreviation(struct cru_span word) {
    char small[8];
    if (word.n < 2 || word.n >= sizeof small)
        return false;
    for (size_t i = 0; i < word.n; i++)
        small[i] = (char)(word.p[i] | 0x20);
    for (size_t i = 0; i < sizeof abbreviations / sizeof abbreviations[0]; i++)
        if (cru_span_is(cru_span_make(small, word.n), abbreviations[i]))
            return true;
    return false;
}

/* Whether the '.' behind `word` (no space between) ends a sentence. */
static bool ends_sentence(struct cru_span word) {
    unsigned char last = (unsigned char)word.p[word.n - 1];
    if (word.n == 1)
        return !((last >= 'A' && last <= 'Z') || (last >= 'a' && last <= 'z'));
    if (word.p[word.n - 2] == '.' && !(last >= '0' && last <= '9'))
        return false;
    return !is_abbreviation(word);
}

size_t cru_text_sentences(struct cru_char_map *map, struct cru_span line, size_t enough) {
    struct cru_token token, before = {0, 0, 0, 0};
    size_t at = 0, n = 0;
    bool ended = true; /* the first token begins the first sentence, whatever it is */
    while (n < enough && token_next(map, line, &at, &token)) {
        unsigned length;
        const unsigned char *p = (const unsigned char *)line.p + token.at;
        uint32_t c = cru_char_decode(p, &length);
        bool terminal = token.chars == 1 && cru_char_is_terminal(c);
        /* Symbols that are in the punctuation set but are no punctuation in Unicode. */
        bool symbol = token.chars == 1 && c < 0x80 && strchr("$+<=>^`|~", (int)c);
        bool punctuation = terminal || (!(token.flags & CRU_TOKEN_WORD) && !symbol);
        if (ended && (n == 0 || !punctuation)) {
            n++;
            ended = false;
        }
        if (terminal && c == '.' && (before.flags & CRU_TOKEN_WORD) &&
            before.at + before.bytes == token.at)
            terminal = ends_sentence(cru_span_make(line.p + before.at, before.bytes));
        if (terminal)
            ended = true;
        before = token;
    }
    return n;
}
