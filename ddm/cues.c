/* SPDX-License-Identifier: Apache-2.0 */
#include "ddm/cues.h"
#include "crucible/base/base.h"

/* A longer run of bytes is no word that somebody wrote as a cue. */
enum { LONGEST_RUN = 56 };

static struct cru_span bytes_of(struct cru_span text, const struct cru_word *w) {
    return cru_span_make(text.p + w->begin, w->length);
}

static bool starts_clause(struct cru_span text, const struct cru_words *words, size_t at) {
    if (cru_starts_sentence(words, at)) return true;
    if (words->list[at - 1].flags & CRU_WORD_PAUSE) return true;
    unsigned char c = cru_word_last_mark(bytes_of(text, &words->list[at - 1]));
    return c == ',' || c == ';' || c == ':' || c == '-' || c == '(';
}

static bool place_allows(enum cru_cue_place place, struct cru_span text,
                         const struct cru_words *words, size_t at) {
    if (place == CRU_PLACE_ANYWHERE) return true;
    if (place == CRU_PLACE_SENTENCE) return cru_starts_sentence(words, at);
    return starts_clause(text, words, at);
}

/* Whether a number or a letter stands at words[at]: "12:" "b)" "3". */
static bool is_number(struct cru_span text, const struct cru_words *words, size_t at) {
    char form[CRU_WORD_FORM];
    if (at >= words->n) return false;
    size_t n = cru_word_form(bytes_of(text, &words->list[at]), form);
    return cru_word_is_ordinal(cru_span_make(form, n), true);
}

/* Whether the words from `at` spell the phrase: hashes first, then the bytes. */
static bool spells(const struct cru_lexicon *l, const struct cru_cue_entry *e, struct cru_span text,
                   const struct cru_words *words, size_t at) {
    if (e->words > words->n - at) return false;
    for (size_t i = 0; i < e->words; i++) {
        const struct cru_word *w = &words->list[at + i];
        if (w->form != l->forms[e->first + i]) return false;
        if (i > 0 && (w->flags & (CRU_WORD_BLANK | CRU_WORD_CODE))) return false;
    }
    const char *phrase = l->bytes + e->phrase, *end = phrase + e->length;
    for (size_t i = 0; i < e->words; i++) {
        char form[CRU_WORD_FORM];
        size_t n = cru_word_form(bytes_of(text, &words->list[at + i]), form);
        if (i > 0) phrase++; /* the space */
        if ((size_t)(end - phrase) < n || memcmp(phrase, form, n) != 0) return false;
        phrase += n;
    }
    return phrase == end && (!e->number || is_number(text, words, at + e->words));
}

enum cru_cue cru_cues_look(const struct cru_lexicon *l, struct cru_span text,
                           const struct cru_words *words, size_t at, size_t *n_words) {
    const struct cru_word *w = &words->list[at];
    *n_words = 1;
    if ((w->flags & CRU_WORD_ORDINAL) && cru_starts_sentence(words, at)) return CRU_CUE_ENUMERATION;
    if (!l || w->form == 0 || w->length > LONGEST_RUN) return CRU_CUE_NONE;
    size_t slot = w->form >> 8 & l->slot_mask;
    while (l->slots[slot] >= 0 && l->entries[l->slots[slot]].form != w->form)
        slot = (slot + 1) & l->slot_mask;
    if (l->slots[slot] < 0) return CRU_CUE_NONE;
    uint32_t second = at + 1 < words->n ? words->list[at + 1].form : 0;
    for (size_t i = (size_t)l->slots[slot]; i < l->n_entries && l->entries[i].form == w->form;
         i++) {
        const struct cru_cue_entry *e = &l->entries[i];
        if (e->second != 0 && e->second != second) continue;
        if (!place_allows(e->place, text, words, at) || !spells(l, e, text, words, at)) continue;
        *n_words = e->words + e->number;
        return e->cue;
    }
    return CRU_CUE_NONE;
}
