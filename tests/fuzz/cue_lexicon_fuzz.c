/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a cue lexicon: refused with a line, or phrases that are found in their own text. */
#include "crucible/base/base.h"
#include "ddm/cues.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok) {
    if (!ok) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct cru_lexicon *l;
    struct cru_error err = {0};
    struct cru_words words;
    enum cru_status status =
        cru_lexicon_parse(cru_span_make((const char *)data, size), "fuzz", &l, &err);
    check(status == CRU_OK ? l != NULL : l == NULL && status == CRU_USAGE && err.message[0]);
    if (!l) return 0;
    cru_words_init(&words);
    for (size_t i = 0; i < cru_lexicon_count(l); i++) {
        enum cru_cue cue;
        size_t used;
        struct cru_span phrase = cru_lexicon_phrase(l, i, &cue);
        cru_words_clear(&words);
        check(cru_words_add(&words, phrase, 0, phrase.n, &err) == CRU_OK);
        for (size_t w = 0; w < words.n; w++) (void)cru_cues_match(l, phrase, &words, w, &used);
        check(cue >= CRU_CUE_CORRECTION && cue <= CRU_CUE_ENUMERATION);
    }
    cru_words_release(&words);
    cru_lexicon_free(l);
    return 0;
}
