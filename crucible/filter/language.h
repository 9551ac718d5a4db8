/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which language a text is in: CLD2 behind a C header. Its tables are part of the library and read-only; the
 * functions here keep no state and may be called from any number of threads at once.
 */
#ifndef CRU_FILTER_LANGUAGE_H
#define CRU_FILTER_LANGUAGE_H

#include "crucible/base/span.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Only this much of a text is looked at, cut at a character. */
enum { CRU_LANGUAGE_BYTES = 1 << 16 };

struct cru_language {
    const char *code; /* static: ISO 639-1 where there is one, else 639-3; "und" when not known */
    double score;     /* 0..1: share of the text's letters in that language, halved when CLD2 calls
                         its answer unreliable */
};

/* `text` is valid UTF-8 plain text. */
struct cru_language cru_language_detect(struct cru_span text);

/* The code in use today for an old or regional one: "iw" is "he", "zh-Hant" is "zh". */
const char *cru_language_code(const char *code);

#ifdef __cplusplus
}
#endif
#endif
