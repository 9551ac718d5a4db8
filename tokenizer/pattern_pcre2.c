/* SPDX-License-Identifier: Apache-2.0 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "crucible/base/base.h"
#include "tokenizer/pattern_pcre2.h"
#include "tokenizer/pattern_translate.h"

/* What a match may cost. Backtracking points: PCRE2's own default, which is also about what the
 * reference's engine allows (it fails there too). Memory: small beside the 64 MiB that a thread may
 * hold. */
enum {
    MATCH_LIMIT = 10 * 1000 * 1000,
    HEAP_LIMIT_KIB = 8192, /* the interpreter's, where there is no JIT */
    STACK_FIRST = 32 << 10,
    STACK_MOST = 8 << 20,
};

static enum cru_status compile(struct cru_regex *regex, struct cru_span pattern,
                               pcre2_compile_context *context, struct cru_error *err) {
    int error;
    PCRE2_SIZE where;
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    pcre2_code *code =
        pcre2_compile((PCRE2_SPTR)pattern.p, pattern.n,
                      PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &where, context);
    if (!code) {
        PCRE2_UCHAR why[160];
        if (error == PCRE2_ERROR_HEAP_FAILED) return cru_fail_memory(err, "pattern");
        pcre2_get_error_message(error, why, sizeof why);
        return cru_fail(err, CRU_USAGE, "pattern: %s", (const char *)why);
    }
    regex->code = code;
    uint32_t empty = 1;
    (void)pcre2_pattern_info(code, PCRE2_INFO_MATCHEMPTY, &empty);
    if (empty) {
        cru_regex_release(regex);
        return cru_fail(err, CRU_USAGE, "pattern: it can match nothing, which is not supported");
    }
    (void)pcre2_jit_compile(code,
                            PCRE2_JIT_COMPLETE); /* without it, the interpreter answers the same */
    return CRU_OK;
}

enum cru_status cru_regex_init(struct cru_regex *regex, struct cru_span source,
                               struct cru_error *err) {
    struct cru_buffer pattern;
    regex->code = NULL;
    cru_buffer_init(&pattern);
    enum cru_status status = cru_pattern_translate(source, &pattern, err);
    pcre2_compile_context *context = status ? NULL : pcre2_compile_context_create(NULL);
    if (!status)
        status = context ? compile(regex, cru_buffer_span(&pattern), context, err)
                         : cru_fail_memory(err, "pattern");
    pcre2_compile_context_free(context);
    cru_buffer_release(&pattern);
    return status;
}

void cru_regex_release(struct cru_regex *regex) {
    pcre2_code_free(regex->code);
    regex->code = NULL;
}

enum cru_status cru_regex_scratch_init(struct cru_regex_scratch *s, struct cru_error *err) {
    s->match = pcre2_match_data_create(1, NULL);
    s->context = pcre2_match_context_create(NULL);
    s->stack =
        pcre2_jit_stack_create(STACK_FIRST, STACK_MOST, NULL); /* NULL where there is no JIT */
    if (!s->match || !s->context) {
        cru_regex_scratch_release(s);
        return cru_fail_memory(err, "pattern");
    }
    pcre2_set_match_limit(s->context, MATCH_LIMIT);
    pcre2_set_heap_limit(s->context, HEAP_LIMIT_KIB);
    if (s->stack) pcre2_jit_stack_assign(s->context, NULL, s->stack);
    return CRU_OK;
}

void cru_regex_scratch_release(struct cru_regex_scratch *s) {
    pcre2_match_data_free(s->match);
    pcre2_match_context_free(s->context);
    pcre2_jit_stack_free(s->stack);
    *s = (struct cru_regex_scratch){NULL, NULL, NULL};
}

enum cru_status cru_regex_find(const struct cru_regex *regex, struct cru_regex_scratch *s,
                               const unsigned char *text, size_t n, size_t from, size_t *begin,
                               size_t *end, struct cru_error *err) {
    int found = pcre2_match(regex->code, text, n, from, PCRE2_NO_UTF_CHECK, s->match, s->context);
    if (found == PCRE2_ERROR_NOMATCH) return CRU_END;
    if (found >= 0) {
        const PCRE2_SIZE *at = pcre2_get_ovector_pointer(s->match);
        *begin = at[0];
        *end = at[1];
        if (*begin >= from && *end > *begin && *end <= n) return CRU_OK;
        return cru_fail(err, CRU_BAD, "cannot split text: a match of nothing at byte %zu", from);
    }
    if (found == PCRE2_ERROR_NOMEMORY) return cru_fail_memory(err, "splitting text");
    PCRE2_UCHAR why[160];
    pcre2_get_error_message(found, why, sizeof why);
    return cru_fail(err, CRU_BAD, "cannot split text: at byte %zu: %s", from, (const char *)why);
}
