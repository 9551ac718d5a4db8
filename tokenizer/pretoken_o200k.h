/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pre-tokeniser of o200k (GPT-4o, gpt-oss, Llama 4) and of Tekken (Mistral), by hand: where the
 * next piece ends, equal to what the reference's regex engine answers on every text.
 *
 *   word  [^\r\n\p{L}\p{N}]? U* W+ C?   |   [^\r\n\p{L}\p{N}]? U+ W* C?
 *         U = [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]   W = [\p{Ll}\p{Lm}\p{Lo}\p{M}]
 *         C = (?i:'s|'t|'re|'ve|'m|'ll|'d), in o200k only
 *   then  \p{N}{1,digits} | ?[^\s\p{L}\p{N}]+[\r\n/]* | \s*[\r\n]+ | \s+(?!\S) | \s+
 *
 * U and W share \p{Lm}, \p{Lo} and \p{M}. So U* takes a whole run; when what follows is no \p{Ll},
 * it gives back as far as the last shared character of the run, which W+ then takes, and the piece
 * ends there:
 *
 *   H e l l o W o r l d     Hello | World       run "H", then \p{Ll}
 *   H E L L O 3             HELLO               nothing shared in the run: the second form
 *   H E ... x' A B          HE ... x' | AB      x' shared (a mark, a Han character): the first form
 * wins
 *
 * A mark may also be the optional character in front. Text is valid UTF-8; a piece takes time in
 * the length of the run at its start, and no run is looked at more than three times.
 */
#ifndef CRU_TOKENIZER_PRETOKEN_O200K_H
#define CRU_TOKENIZER_PRETOKEN_O200K_H

#include "tokenizer/pretoken.h"
#include "tokenizer/unicode_categories.h"

/* The end of U*W+ at p; NULL when it does not match. *run is where U* ended. */
static inline const unsigned char *
cru_cased_word_end(const unsigned char *p, const unsigned char *end, const unsigned char **run) {
    const unsigned char *shared = NULL;
    unsigned length = 0, category = 0;
    while (p < end) {
        category = cru_category_at(p, &length);
        if (!(category & CRU_CAT_UPPER)) break;
        p += length;
        if (category & CRU_CAT_LOWER) shared = p;
    }
    *run = p;
    if (p == end || !(category & CRU_CAT_LOWER)) return shared;
    do {
        p += length;
    } while (p < end && (cru_category_at(p, &length) & CRU_CAT_LOWER));
    return p;
}

/* White space at p, as cru_space_end with newlines. */
static inline const unsigned char *cru_cased_space_end(const unsigned char *p,
                                                       const unsigned char *end) {
    const unsigned char *q = p, *last = p, *behind_newline = NULL;
    for (unsigned length; q < end && (cru_category_at(q, &length) & CRU_CAT_SPACE); q += length) {
        last = q;
        if (cru_is_newline(*q)) behind_newline = q + 1;
    }
    if (behind_newline) return behind_newline;
    return q == end || last == p ? q : last;
}

static inline const unsigned char *cru_piece_end_o200k(const unsigned char *p,
                                                       const unsigned char *end, uint32_t digits,
                                                       bool contractions) {
    unsigned length, next;
    unsigned category = cru_category_at(p, &length);
    const unsigned char *q = p + length, *run, *word = NULL;
    if (category & CRU_CAT_LETTER) {
        word = cru_cased_word_end(p, end, &run);
        if (!word) word = run;
    } else if (!(category & CRU_CAT_NUMBER) && !cru_is_newline(*p)) {
        word = cru_cased_word_end(q, end, &run);
        if (!word && (category & CRU_CAT_UPPER)) word = cru_cased_word_end(p, end, &run);
        if (!word && run > q) word = run;
    }
    if (word) {
        const unsigned char *with =
            contractions && word < end && *word == '\'' ? cru_contraction(word, end, true) : NULL;
        return with ? with : word;
    }
    if (category & CRU_CAT_NUMBER) {
        for (uint32_t n = 1; n < digits && q < end; n++, q += length)
            if (!(cru_category_at(q, &length) & CRU_CAT_NUMBER)) break;
        return q;
    }
    if (*p == ' ' && q < end && !(cru_category_at(q, &next) & CRU_CAT_WORD_BITS)) {
        q += next;
        category = 0;
    }
    if (category & CRU_CAT_SPACE) return cru_cased_space_end(p, end);
    while (q < end && !(cru_category_at(q, &length) & CRU_CAT_WORD_BITS)) q += length;
    while (q < end && (cru_is_newline(*q) || *q == '/')) q++;
    return q;
}

#endif
