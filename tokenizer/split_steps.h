/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vocabulary's pre-tokeniser as steps, for all that is not one known pattern: each step cuts
 * every piece of the step before, and sees nothing beyond that piece.
 *
 *   text    "See 2024-25!"
 *   Digits  [See ][2][0][2][4][-][2][5][!]
 *   regex   [See][ ][2][0][2][4][-][2][5][!]
 *
 * A step finds matches; what lies between two of them is a gap. Its behaviour says what becomes
 * pieces, with the meanings of the reference's SplitDelimiterBehavior. In a compiled vocabulary the
 * steps are one after the other:
 *
 *   | kind u32 | behavior u32 | digits u32 | bytes u32 | pattern, then zeros up to a multiple of 4
 * |
 *
 * struct cru_split_plan is made at load and then read by any thread; struct cru_splitter is one
 * thread's. Errors: CRU_USAGE for a pattern that is not supported, CRU_BAD for a text beyond the
 * limits of pattern_pcre2.h, CRU_FATAL for memory and for steps that are damaged.
 */
#ifndef CRU_TOKENIZER_SPLIT_STEPS_H
#define CRU_TOKENIZER_SPLIT_STEPS_H

#include "crucible/base/buffer.h"
#include "crucible/base/error.h"
#include "crucible/base/span.h"
#include "tokenizer/pattern_pcre2.h"
#include "tokenizer/unicode_classes.h"
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { CRU_MAX_STEPS = 16 };

/* The first four are the patterns of enum cru_pattern (vocab_image.h). */
enum cru_step_kind {
    CRU_STEP_QWEN2 = 1,
    CRU_STEP_GPT2 = 2,
    CRU_STEP_O200K = 3,
    CRU_STEP_TEKKEN = 4,
    CRU_STEP_REGEX = 16,
    CRU_STEP_DIGITS = 17,
    CRU_STEP_PUNCTUATION = 18,
};

enum cru_step_behavior {
    CRU_SPLIT_ISOLATED,
    CRU_SPLIT_REMOVED,
    CRU_SPLIT_KEPT, /* removed, inverted: the gaps vanish */
    CRU_SPLIT_CONTIGUOUS,
    CRU_SPLIT_WITH_PREVIOUS,
    CRU_SPLIT_WITH_NEXT,
    CRU_SPLIT_BEHAVIORS
};

struct cru_split_step {
    uint32_t kind, behavior, digits, bytes;
};

/* Appends a step in the compiled form. Memory: see out->failed. */
void cru_split_step_add(struct cru_buffer *out, uint32_t kind, uint32_t behavior, uint32_t digits,
                        struct cru_span pattern);

struct cru_split_plan {
    size_t n;
    struct cru_split_step step[CRU_MAX_STEPS];
    struct cru_regex regex[CRU_MAX_STEPS];
};
/* Reads and compiles the steps; aligned to 4. No steps at all leave every text in one piece. */
enum cru_status cru_split_plan_init(struct cru_split_plan *plan, const void *steps, size_t bytes,
                                    struct cru_error *err);
void cru_split_plan_release(struct cru_split_plan *plan);

struct cru_split_entry {
    const unsigned char *begin, *end;
    bool match;
};

/* One step at work on one piece of the step before. */
struct cru_split_level {
    const unsigned char *begin, *at, *end;  /* the piece; what is before `at` is done */
    const unsigned char *match, *match_end; /* the next match, when match >= at; at the end: none */
    struct cru_split_entry ahead;           /* read, but not part of the piece before it */
    bool has_ahead;
};

struct cru_splitter {
    const struct cru_split_plan *plan;
    const struct cru_classes *classes;
    struct cru_regex_scratch scratch;
    struct cru_split_level level[CRU_MAX_STEPS];
    const unsigned char *begin, *end; /* the text, until the first step has taken it */
    bool waiting;
};
enum cru_status cru_splitter_init(struct cru_splitter *s, const struct cru_split_plan *plan,
                                  const struct cru_classes *classes, struct cru_error *err);
void cru_splitter_release(struct cru_splitter *s);
/* Begins a text, which is valid UTF-8. */
void cru_splitter_begin(struct cru_splitter *s, const unsigned char *p, const unsigned char *end);
/* CRU_OK with the next piece, never empty; CRU_END behind the last. */
enum cru_status cru_splitter_next(struct cru_splitter *s, const unsigned char **p,
                                  const unsigned char **end, struct cru_error *err);

#ifdef __cplusplus
}
#endif
#endif
