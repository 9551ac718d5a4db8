/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The normalisers of a tokenizer.json that is no byte-level BPE, as steps, each from one text to the next:
 *
 *   "Café"  --CHARS: NFD, drop nonspacing, lower-->  "cafe"  --PREPEND "▁"-->  "▁cafe"
 *
 * A step of CHARS does what concerns single characters, always in the order of the flags below, which is
 * that of BertNormalizer. All agree with Hugging Face tokenizers 0.23.3.
 *
 * A plan owns its memory, is made by one thread and read by any; a struct cru_norm_scratch is one thread's.
 * Time is linear in the text, memory a few times it. Errors: CRU_USAGE for a step that is not supported,
 * CRU_BAD for a text beyond the limits of a pattern, CRU_FATAL for memory.
 */
#ifndef CRU_TOKENIZER_SUBWORD_NORMALISE_H
#define CRU_TOKENIZER_SUBWORD_NORMALISE_H

#include "crucible/base/buffer.h"
#include "crucible/base/error.h"
#include "tokenizer/charsmap.h"
#include "tokenizer/normalise.h"
#include "tokenizer/pattern_pcre2.h"
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum cru_norm_kind {
    CRU_NORM_CHARS,
    CRU_NORM_NFC,
    CRU_NORM_REPLACE, /* of a string */
    CRU_NORM_REGEX,   /* replaced */
    CRU_NORM_PREPEND, /* to a text that is not empty */
    CRU_NORM_STRIP,
    CRU_NORM_CHARSMAP,
};

enum {
    CRU_CHARS_CLEAN = 1, /* controls go, white space becomes a space */
    CRU_CHARS_NMT = 2,   /* the same by the rules of NMT */
    CRU_CHARS_HAN = 4,   /* spaces around Chinese characters */
    CRU_CHARS_NFD = 8,
    CRU_CHARS_NFKD = 16,
    CRU_CHARS_DROP_NONSPACING = 32,
    CRU_CHARS_DROP_COMBINING = 64,
    CRU_CHARS_LOWER = 128,
};
enum { CRU_STRIP_LEFT = 1, CRU_STRIP_RIGHT = 2 };

enum { CRU_NORM_STEPS_MOST = 32, CRU_NORM_TEXT_MOST = 256 };

struct cru_norm_step {
    enum cru_norm_kind kind;
    unsigned flags;           /* CRU_CHARS_* or CRU_STRIP_* */
    unsigned char ascii[128]; /* CHARS: what becomes of it; 255: it goes */
    struct cru_buffer pattern, content;
    struct cru_regex regex;
    struct cru_charsmap map;
};
struct cru_norm_plan { /* zeroed: no steps */
    struct cru_norm_step *steps;
    size_t n;
    struct cru_classes classes;
};

/* Appends a step. Patterns and contents are copied: `pattern` is the string or regular expression
 * replaced, the base64 of a charsmap; `content` what is put there or in front. An empty pattern is
 * refused. */
enum cru_status cru_norm_plan_add(struct cru_norm_plan *plan, enum cru_norm_kind kind,
                                  unsigned flags, struct cru_span pattern, struct cru_span content,
                                  struct cru_error *err);
void cru_norm_plan_release(struct cru_norm_plan *plan);
/* Whether the first character always stands for the first of the text, so that "the first piece" of a
 * text is the one that begins it. */
bool cru_norm_plan_keeps_first(const struct cru_norm_plan *plan);

struct cru_norm_scratch {
    struct cru_buffer out[2];
    struct cru_normaliser nfc;
    struct cru_regex_scratch regex;
    int32_t *marks, *sorting; /* of one run; both of this capacity */
    size_t n_marks, capacity;
};
enum cru_status cru_norm_scratch_init(struct cru_norm_scratch *scratch, struct cru_error *err);
void cru_norm_scratch_release(struct cru_norm_scratch *scratch);
/* Frees what a large text needed. */
void cru_norm_scratch_trim(struct cru_norm_scratch *scratch);

/* The normal form of valid UTF-8; it lives until the next call, or is `text`. */
enum cru_status cru_norm_run(const struct cru_norm_plan *plan, struct cru_norm_scratch *scratch,
                             struct cru_span text, struct cru_span *result, struct cru_error *err);

#ifdef __cplusplus
}
#endif
#endif
