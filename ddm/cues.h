/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the cues of a lexicon (ddm/lexicon.h) in a list of words. For a text in a language without
 * a lexicon nothing but "k." matches and every count is 0: the documented fallback.
 *
 * Pure; nothing is allocated. A lexicon may be shared by threads.
 */
#ifndef CRU_DDM_CUES_H
#define CRU_DDM_CUES_H

#include "crucible/base/span.h"
#include "ddm/lexicon.h"
#include "ddm/words.h"

/*
 * The cue that starts at words[at], and in *n_words how many words it takes. Enumeration and
 * conclusion are answered only at the start of a sentence. `lexicon` may be NULL.
 */
enum cru_cue cru_cues_look(const struct cru_lexicon *lexicon, struct cru_span text,
                           const struct cru_words *words, size_t at, size_t *n_words);

/* The same; most words cost a look into a bitmap. */
static inline enum cru_cue cru_cues_match(const struct cru_lexicon *lexicon, struct cru_span text,
                                          const struct cru_words *words, size_t at,
                                          size_t *n_words) {
    const struct cru_word *w = &words->list[at];
    uint32_t second = at + 1 < words->n ? w[1].form : 0;
    if (!(w->flags & CRU_WORD_ORDINAL) &&
        (!lexicon || !cru_lexicon_may_begin(lexicon, w->form, second)))
        return CRU_CUE_NONE;
    return cru_cues_look(lexicon, text, words, at, n_words);
}

/* True when words[at] starts a sentence: first on a line, or behind . ! ? or an ellipsis. */
static inline bool cru_starts_sentence(const struct cru_words *words, size_t at) {
    return at == 0 || (words->list[at].flags & CRU_WORD_LINE) ||
           (words->list[at - 1].flags & CRU_WORD_STOP);
}

#endif
