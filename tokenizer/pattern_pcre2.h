/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Patterns without a scanner of their own, run by PCRE2 and its JIT.
 *
 * A struct cru_regex is compiled once and then read by any thread. A struct cru_regex_scratch is
 * one thread's: match data, limits and the JIT's stack; its memory is bounded whatever the text. A
 * text on which the pattern needs more than the limits is an error, never a wrong answer.
 *
 * Errors: CRU_USAGE for a pattern that is not supported, CRU_BAD for a text beyond the limits,
 * CRU_FATAL for memory.
 */
#ifndef CRU_TOKENIZER_PATTERN_PCRE2_H
#define CRU_TOKENIZER_PATTERN_PCRE2_H

#include "crucible/base/error.h"
#include "crucible/base/span.h"

#ifdef __cplusplus
extern "C" {
#endif

struct cru_regex {
    void *code; /* NULL: none */
};
/* `source`: valid UTF-8, in the syntax that pattern_translate.h reads; it must not match nothing.
 */
enum cru_status cru_regex_init(struct cru_regex *regex, struct cru_span source,
                               struct cru_error *err);
void cru_regex_release(struct cru_regex *regex);

struct cru_regex_scratch {
    void *match, *context, *stack;
};
enum cru_status cru_regex_scratch_init(struct cru_regex_scratch *scratch, struct cru_error *err);
void cru_regex_scratch_release(struct cru_regex_scratch *scratch);

/* The first match in [text, text + n) that begins at or behind `from`: CRU_OK with its begin and
 * end in bytes, or CRU_END when there is none. What is outside the n bytes is not looked at; `text`
 * is valid UTF-8. */
enum cru_status cru_regex_find(const struct cru_regex *regex, struct cru_regex_scratch *scratch,
                               const unsigned char *text, size_t n, size_t from, size_t *begin,
                               size_t *end, struct cru_error *err);

#ifdef __cplusplus
}
#endif
#endif
