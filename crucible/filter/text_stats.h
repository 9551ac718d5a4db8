/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One segmentation of a text that all rules read: code points, lines and tokens, each worked out
 * when first asked for and kept until the text changes.
 *
 * Tokens. Text falls into tokens at white space; inside a run without white space
 *   - letters, digits, combining marks and '_' join into one token, and so does a single ASCII punctuation
 *     mark or U+2019 between two letters or digits (It's 3.5 10:43 a@b.org UTF-8), except where spaCy's
 *     English rules for the middle of a word cut:
 *         - ~         between two letters or two digits     well-known, 1990-95
 *         ,           between two letters                   a,b
 *         + * ^       between two digits                    2*3
 *         : < > = /   in front of a letter                  and/or
 *         .           between a small and a capital letter  end.Next
 *   - a letter of a script written without spaces (Han, Hiragana, Thai, Lao, Khmer, Myanmar, ...) is a
 *     token by itself, with its marks;
 *   - a run of '.' or of '-' is one token;
 *   - any other character is a token by itself, with the marks behind it.
 * So every character but white space is in exactly one token. A *word* is a token with a character
 * outside datatrove's punctuation set; "tokens" below means words and punctuation together, which is
 * what datatrove calls words (its spaCy tokens).
 *
 *   text     It's 3.5 km — really...
 *   tokens   [It's] [3.5] [km] [—] [really] [...]      words: It's 3.5 km really
 *
 * Memory belongs to the struct, is reused from text to text and freed by release; text is borrowed.
 * One thread at a time. Functions that allocate answer CRU_FATAL when memory is short.
 */
#ifndef CRU_FILTER_TEXT_STATS_H
#define CRU_FILTER_TEXT_STATS_H

#include "crucible/base/error.h"
#include "crucible/filter/char_class.h"

enum { CRU_TOKEN_ALPHA = 1, CRU_TOKEN_WORD = 2, CRU_TOKEN_UNSPACED = 4 };

struct cru_token {
    uint32_t at, bytes; /* in the text */
    uint32_t chars;     /* code points */
    uint32_t flags;     /* CRU_TOKEN_* */
};

struct cru_line { /* between newlines; may be empty */
    uint32_t at, bytes, chars;
};

struct cru_text_stats {
    struct cru_char_map map;
    struct cru_span text;
    size_t chars; /* code points in the text */
    bool ascii;   /* chars == bytes */
    struct cru_token *tokens;
    size_t n_tokens, cap_tokens;
    bool have_tokens;
    struct cru_line *lines; /* text cut at '\n', as Python's split("\n") */
    size_t n_lines, cap_lines;
    bool have_lines;
};

/* Texts at or over this many bytes are not segmented (32-bit offsets). */
#define CRU_TEXT_MAX ((size_t)1 << 31)

enum cru_status cru_text_stats_init(struct cru_text_stats *stats, struct cru_error *err);
void cru_text_stats_release(struct cru_text_stats *stats);
/* Takes up a text of less than CRU_TEXT_MAX bytes of valid UTF-8. */
void cru_text_stats_set(struct cru_text_stats *stats, struct cru_span text);

/* Fill tokens or lines if that was not done for this text. */
enum cru_status cru_text_stats_tokens(struct cru_text_stats *stats, struct cru_error *err);
enum cru_status cru_text_stats_lines(struct cru_text_stats *stats, struct cru_error *err);

/* The next token at or behind *at in text; false at the end. Needs no memory. */
bool cru_token_next(struct cru_char_map *map, struct cru_span text, size_t *at,
                    struct cru_token *token);
/* How many tokens the text has, without storing them. */
size_t cru_token_count(struct cru_char_map *map, struct cru_span text);

/* The next line at *at as Python's splitlines() cuts: at \n \r \r\n \v \f \x1c-\x1e U+0085 U+2028
 * U+2029, without the line end. False at the end; a line end at the very end starts no line. */
bool cru_text_next_line(struct cru_span text, size_t *at, struct cru_span *line);

/* Code points of part of the text. */
static inline uint32_t cru_text_stats_chars(const struct cru_text_stats *stats, struct cru_span s) {
    return (uint32_t)(stats->ascii ? s.n : cru_char_count(s));
}

/*
 * Sentences in a line, or `enough` when there are that many: a terminal mark as a token of its own
 * ends a sentence and the next token that is not punctuation begins one (the rule of spaCy's
 * sentencizer). A '.' behind an initial, a dotted abbreviation or one of a short list of English ones
 * ends none. A line with any token has at least one.
 */
size_t cru_text_sentences(struct cru_char_map *map, struct cru_span line, size_t enough);

#endif
