/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words of a text: maximal runs of bytes that are not ASCII white space. Scripts that are written
 * without spaces (Han, kana, Thai, Lao, Khmer, Burmese, Tibetan) would make words of whole phrases,
 * so each of their characters is a word, and their punctuation belongs to none. Measured on the
 * Debian installation guide: runs have 59 bytes on average in Japanese and 42 in Chinese (longest
 * 893 and 642) against 5 in English, 7 in German, 9 in Korean and 13 in Russian (longest 74).
 * Splitting only runs over 64 bytes would leave 30 % (ja) and 41 % (zh_CN) of the bytes in
 * phrase-long words, depending on where the author broke lines, and would touch Korean; so the
 * script decides, not length. Such characters carry less than a word, so their grams are of 8
 * (ddm/analyzer.h).
 *
 *   "I see.\n\n```\nx = 1\n```\n"   ->   I  see.  ```   x     =     1     ```
 *                             flags           BLANK|LINE|CODE .. CODE ..  CODE
 *
 * A code fence (three or more backticks or tildes first on a line, after CommonMark 0.31, 4.5, at
 * any indentation) with its closing fence marks its words CODE; a fence that is never closed is not
 * a fence.
 *
 * The list owns its array and reuses it. CRU_FATAL when memory is short.
 */
#ifndef CRU_DDM_WORDS_H
#define CRU_DDM_WORDS_H

#include "crucible/base/error.h"
#include "crucible/base/span.h"
#include <stdbool.h>
#include <stdint.h>

enum {
    CRU_WORD_LINE = 1,       /* first on its line */
    CRU_WORD_BLANK = 2,      /* behind a blank line, or first of a region's piece */
    CRU_WORD_CODE = 4,       /* in a code fence, the fences included */
    CRU_WORD_FENCE = 8,      /* the fence that opens a block */
    CRU_WORD_CHARACTER = 16, /* one character of a script without spaces */
    CRU_WORD_STOP = 32,      /* ends with . ! ? or an ellipsis: the next one starts a sentence */
    CRU_WORD_PAUSE = 64,     /* a comma or the like of such a script stands behind it */
    CRU_WORD_ORDINAL = 128,  /* "12." "12)" "(3)" "b)" on its own */
    CRU_WORD_LETTER = 256,   /* has an ASCII letter or a byte above ASCII */
};

/* The longest form that a cue can have, in bytes. */
enum { CRU_WORD_FORM = 48 };

struct cru_word {
    uint64_t hash; /* of its bytes */
    uint32_t begin, length;
    uint32_t form; /* hash of its form (below); 0 when it has none */
    uint32_t flags;
};

struct cru_words {
    struct cru_word *list;
    size_t n, capacity;
    bool characters; /* one of them may be a character of a script without spaces */
};

void cru_words_init(struct cru_words *words);
void cru_words_release(struct cru_words *words);
void cru_words_clear(struct cru_words *words);
/*
 * The form of a word: in lower case (Latin, Greek and Cyrillic letters), without ASCII punctuation,
 * guillemets and inverted marks at its ends, a typographic apostrophe as a plain one and other
 * typographic quotes left out. Its length, 0 when nothing is left or it is longer than any cue.
 */
size_t cru_word_form(struct cru_span word, char form[CRU_WORD_FORM]);
/* Hash of such a form, as in struct cru_word; never 0 when n > 0. */
uint32_t cru_word_form_hash(const char *form, size_t n);
/* "12." "12)" "(3)" "b)"; with `bare` also "12" and "b". */
bool cru_word_is_ordinal(struct cru_span word, bool bare);
/* The last character of a word that is not a closing quote, bracket or mark of emphasis; '.' for an
 * ellipsis, '-' for a dash. */
unsigned char cru_word_last_mark(struct cru_span word);

/* Appends the words of text[begin, end). text.n must be below 4 GiB. */
enum cru_status cru_words_add(struct cru_words *words, struct cru_span text, size_t begin,
                              size_t end, struct cru_error *err);
/* The same by one of the ways there are, which agree; cru_words_add takes the last that this
 * processor can go. */
enum cru_words_way { CRU_WORDS_PLAIN, CRU_WORDS_SSE2, CRU_WORDS_AVX512 };
bool cru_words_can(enum cru_words_way way);
enum cru_status cru_words_add_by(enum cru_words_way way, struct cru_words *words,
                                 struct cru_span text, size_t begin, size_t end,
                                 struct cru_error *err);

#endif
