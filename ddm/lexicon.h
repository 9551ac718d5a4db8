/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cue lexicons: the words by which a writer marks a turn of thought, a file a language, and the
 * verbs and frequent words of that language. recipes/cues/LANGUAGE.cues are the files; they are
 * compiled in, so that a program needs no installed data, and a directory of others can take their
 * place at run time.
 *
 *   # all behind a # that begins a line
 *   language en
 *   correction   clause    hold on         CLASS PLACE PHRASE
 *   enumeration  sentence  step #          # alone: a number of up to 3 digits, or one letter
 *   verb         find finds found finding  one verb and its forms
 *   function     the of and                frequent words that say little, any number a line
 *
 *   CLASS  correction verification exploration   counted
 *          conclusion enumeration                only begin a segment
 *   PLACE  anywhere                              wherever the phrase stands
 *          clause                                behind punctuation or a line break
 *          sentence                              at the start of a sentence
 *
 * Phrases are compared word by word in their forms (ddm/words.h), so case and punctuation at the
 * ends of words do not matter. Of phrases that start at a word the longest counts, and uses its
 * words up.
 *
 *   form hash ──> filters (may it be a phrase, a pair begin one, a form be a verb's)  most stop
 * here ──> slots: open addressing, hash of the first word -> its entries, longest first ──> entry:
 * hashes of all its words, then the bytes themselves
 *
 * A lexicon is read-only once made and may be shared by threads. Errors: CRU_USAGE for a file that
 * is not a lexicon, with its line; CRU_FATAL for files that cannot be read and when memory is
 * short.
 */
#ifndef CRU_DDM_LEXICON_H
#define CRU_DDM_LEXICON_H

#include "crucible/base/error.h"
#include "crucible/base/span.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cru_cue {
    CRU_CUE_NONE = 0,
    CRU_CUE_CORRECTION,
    CRU_CUE_VERIFICATION,
    CRU_CUE_EXPLORATION,
    CRU_CUE_CONCLUSION,  /* ends a segment; not counted */
    CRU_CUE_ENUMERATION, /* step k, case k; "k." needs no lexicon */
};

enum cru_cue_place { CRU_PLACE_ANYWHERE, CRU_PLACE_CLAUSE, CRU_PLACE_SENTENCE };

struct cru_cue_entry {
    uint32_t form, second;   /* of the first two words; second is 0 when there is one */
    uint32_t first;          /* index of it in forms[] */
    uint32_t words;          /* `number` not counted */
    uint32_t phrase, length; /* its words' forms, joined by spaces, in bytes[] */
    uint32_t line;
    enum cru_cue cue;
    enum cru_cue_place place;
    bool number; /* a number must follow */
};

struct cru_word_entry {
    uint32_t form, what; /* what: number of the verb, from 1, and CRU_LEXICON_FUNCTION */
};
#define CRU_LEXICON_FUNCTION 0x80000000u

enum { CRU_LEXICON_FILTER = 1 << 14 }; /* bits */

struct cru_lexicon {
    char language[16];
    struct cru_cue_entry *entries; /* by hash of the first word, then longest first */
    size_t n_entries, cap_entries;
    uint32_t *forms;
    size_t n_forms, cap_forms;
    char *bytes;
    size_t n_bytes, cap_bytes;
    struct cru_word_entry *words; /* open addressing by form, form 0: empty; size word_mask + 1 */
    size_t n_word_forms, word_mask, n_verbs, n_function_words;
    int32_t *slots; /* index of the first entry with such a first word, -1: none */
    size_t slot_mask;
    /* bits, by the top of: the form of a phrase of one word, the pair of the first two of a longer
     * one, the form of a verb or a
     * function word */
    uint64_t filter[CRU_LEXICON_FILTER / 64], pair_filter[CRU_LEXICON_FILTER / 64],
        word_filter[CRU_LEXICON_FILTER / 64];
};

/* Reads a lexicon from the bytes of a file; `name` is for messages. *lexicon is NULL on failure. */
enum cru_status cru_lexicon_parse(struct cru_span file, const char *name,
                                  struct cru_lexicon **lexicon, struct cru_error *err);
void cru_lexicon_free(struct cru_lexicon *lexicon); /* NULL is fine */

/* How many phrases it holds, and each of them as its forms joined by spaces, with its class. */
size_t cru_lexicon_count(const struct cru_lexicon *lexicon);
struct cru_span cru_lexicon_phrase(const struct cru_lexicon *lexicon, size_t i, enum cru_cue *cue);

static inline bool cru_lexicon_bit(const uint64_t *filter, uint32_t x) {
    return filter[x >> 24] >> (x >> 18 & 63) & 1;
}

static inline uint32_t cru_lexicon_pair(uint32_t form, uint32_t second) {
    return form ^ (second << 9 | second >> 23);
}

/* False for most words: no phrase begins with this form and the next word's. */
static inline bool cru_lexicon_may_begin(const struct cru_lexicon *l, uint32_t form,
                                         uint32_t second) {
    return cru_lexicon_bit(l->filter, form) |
           cru_lexicon_bit(l->pair_filter, cru_lexicon_pair(form, second));
}

/* Which verb a form belongs to, and whether it is a function word; 0: neither. Which words are in
 * the list cannot be guessed, so the first slot answers for them all without a branch, but for the
 * few whose slot another form has taken. */
static inline uint32_t cru_lexicon_word(const struct cru_lexicon *l, uint32_t form) {
    size_t i = form >> 8 & l->word_mask;
    uint32_t there = l->words[i].form;
    if (cru_lexicon_bit(l->word_filter, form) & (there != form) & (there != 0)) {
        do i = (i + 1) & l->word_mask;
        while (l->words[i].form != form && l->words[i].form != 0);
        there = l->words[i].form;
    }
    return l->words[i].what & -(uint32_t)(there == form);
}

/* ---- a set of them, by language ---- */

enum { CRU_LEXICONS = 64 };

struct cru_lexicons {
    struct cru_lexicon *list[CRU_LEXICONS];
    size_t n;
};

/* The compiled-in ones. */
enum cru_status cru_lexicons_builtin(struct cru_lexicons *set, struct cru_error *err);
/* One compiled-in lexicon, to be freed; NULL in *lexicon when there is none. */
enum cru_status cru_lexicon_builtin(const char *language, struct cru_lexicon **lexicon,
                                    struct cru_error *err);
/* Adds one file, or the files *.cues of a directory in the order of their names; a language that is
 * there already is replaced. */
enum cru_status cru_lexicons_load(struct cru_lexicons *set, const char *path,
                                  struct cru_error *err);
/* For a code such as "de" or "zh-Hant" (what is before the first - or _ counts); NULL: none. */
const struct cru_lexicon *cru_lexicons_find(const struct cru_lexicons *set, struct cru_span code);
void cru_lexicons_release(struct cru_lexicons *set);

#endif
