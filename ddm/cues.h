/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words by which a writer marks a turn of thought, in English. One table in cues.c holds them;
 * for a text in another language nothing matches and every count is 0: the documented fallback.
 *
 * Words are compared in lower case, without punctuation at either end, a typographic apostrophe
 * taken for a plain one. Of phrases that start at a word the longest counts and uses its words up.
 *
 *   buckets[hash of the first word] -> entry -> entry ...      longest phrase first
 *   lengths[first two letters]: bit n set when some first word begins with these and has n letters
 *                               (most words of a text stop here)
 *
 * A cru_cues is read-only after cru_cues_init and may be shared by threads. No allocation.
 */
#ifndef CRU_DDM_CUES_H
#define CRU_DDM_CUES_H

#include "crucible/base/span.h"
#include "ddm/words.h"

enum cru_cue {
    CRU_CUE_NONE = 0,
    CRU_CUE_CORRECTION,
    CRU_CUE_VERIFICATION,
    CRU_CUE_EXPLORATION,
    CRU_CUE_CONCLUSION,  /* ends a segment; not counted */
    CRU_CUE_ENUMERATION, /* step k, case k, k. */
};

enum { CRU_CUE_LIMIT = 192, CRU_CUE_BUCKETS = 256 };

struct cru_cues {
    uint32_t lengths[26][27]; /* 26: the second is not a letter, or there is none */
    int16_t buckets[CRU_CUE_BUCKETS]; /* first entry, -1: none */
    int16_t next[CRU_CUE_LIMIT];
};

void cru_cues_init(struct cru_cues *cues);

/*
 * The cue that starts at words[at], and in *n_words how many words it takes. Enumeration and
 * conclusion are answered only at the start of a sentence.
 */
enum cru_cue cru_cues_match(const struct cru_cues *cues, struct cru_span text,
                            const struct cru_words *words, size_t at, size_t *n_words);

/* True when words[at] starts a sentence: first on a line, or behind . ! ? or an ellipsis. */
bool cru_starts_sentence(struct cru_span text, const struct cru_words *words, size_t at);

/* How many phrases the table holds, and each of them (for tests and documentation). */
size_t cru_cues_count(void);
const char *cru_cues_phrase(size_t i, enum cru_cue *cue);

#endif
