/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of cru_words_add, for words.c and word_windows.c alone: what both the plain walk over a
 * text and those by windows of 64 bytes do with a run of bytes between white space.
 *
 * Errors: CRU_FATAL when memory is short.
 */
#ifndef CRU_DDM_WORD_WALK_H
#define CRU_DDM_WORD_WALK_H

#include "ddm/words.h"

/* What a look at the bytes of a word tells. */
struct cru_word_look {
    uint32_t core, core_end; /* without ASCII punctuation at the ends; equal when nothing is left */
    bool high, letter;
};

struct cru_word_fence {
    unsigned char mark; /* 0 outside */
    size_t length;
    size_t word; /* of the opening fence */
};

/* Where a text stands between two words. */
struct cru_word_walk {
    struct cru_word_fence fence;
    size_t at, end;    /* what is left of the piece */
    unsigned newlines; /* behind the last run; the start of a piece counts as two */
};

static inline bool cru_is_space(unsigned char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Doubles the room in the list. */
enum cru_status cru_words_grow(struct cru_words *words, struct cru_error *err);
struct cru_word_look cru_word_look(const char *p, size_t n);
/* The flags of the first run behind newlines, which is to become words->list[word]. */
uint32_t cru_word_begin_line(struct cru_word_walk *walk, struct cru_span text, size_t start,
                             size_t end, size_t word);
/* The run text[start, end): a word, or several in a script without spaces. */
enum cru_status cru_words_add_run(struct cru_words *words, struct cru_span text, size_t start,
                                  size_t end, struct cru_word_look look, uint32_t flags,
                                  struct cru_error *err);

typedef enum cru_status cru_words_walker(struct cru_words *words, struct cru_span text,
                                         struct cru_word_walk *walk, struct cru_error *err);
cru_words_walker cru_words_walk_sse2, cru_words_walk_avx512;

#endif
