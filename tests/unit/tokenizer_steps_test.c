/* SPDX-License-Identifier: Apache-2.0 */
/* Pre-tokenisers in steps: hostile texts, damaged steps, and how patterns are rewritten. That
 * pieces are the reference's is tokenizer_patterns_test.c's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crucible/base/base.h"
#include "tokenizer/pattern_translate.h"
#include "tokenizer/split_steps.h"

static enum cru_status plan_of(struct cru_split_plan *plan, const char *regex, uint32_t behavior,
                               struct cru_error *err) {
    struct cru_buffer steps;
    cru_buffer_init(&steps);
    cru_split_step_add(&steps, CRU_STEP_REGEX, behavior, 0, cru_span_of(regex));
    enum cru_status status = cru_split_plan_init(plan, steps.p, steps.n, err);
    cru_buffer_release(&steps);
    return status;
}

/* The pieces of a text, joined by |; or the error. */
static enum cru_status split(struct cru_splitter *s, struct cru_span text, struct cru_buffer *out,
                             struct cru_error *err) {
    const unsigned char *p = (const unsigned char *)text.p, *end;
    enum cru_status status;
    cru_buffer_clear(out);
    cru_splitter_begin(s, p, p + text.n);
    while ((status = cru_splitter_next(s, &p, &end, err)) == CRU_OK) {
        assert_true(p < end);
        if (out->n) cru_buffer_add_char(out, '|');
        cru_buffer_add(out, p, (size_t)(end - p));
    }
    return status == CRU_END ? CRU_OK : status;
}

static void a_costly_text_is_an_error(void **state) {
    (void)state;
    struct cru_split_plan plan;
    struct cru_splitter s;
    struct cru_classes classes;
    struct cru_buffer out;
    struct cru_error err;
    char text[64];
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = 'b';
    cru_buffer_init(&out);
    assert_true(cru_classes_init(&classes));
    assert_int_equal(plan_of(&plan, "(?:a|aa|a[a])+b[0-9]", CRU_SPLIT_ISOLATED, &err), CRU_OK);
    assert_int_equal(cru_splitter_init(&s, &plan, &classes, &err), CRU_OK);
    assert_int_equal(split(&s, cru_span_make(text, sizeof text), &out, &err), CRU_BAD);
    assert_non_null(strstr(err.message, "cannot split text"));
    assert_int_equal(split(&s, CRU_SPAN("caab7d"), &out, &err),
                     CRU_OK); /* the next text is none the worse */
    cru_buffer_add_char(&out, 0);
    assert_string_equal(out.p, "c|aab7|d");
    cru_splitter_release(&s);
    cru_split_plan_release(&plan);
    cru_classes_release(&classes);
    cru_buffer_release(&out);
}

static void long_runs_are_fine(void **state) {
    (void)state;
    enum { N = 4 << 20 };
    struct cru_split_plan plan;
    struct cru_splitter s;
    struct cru_classes classes;
    struct cru_buffer out;
    struct cru_error err;
    char *text = malloc(N);
    assert_non_null(text);
    cru_buffer_init(&out);
    assert_true(cru_classes_init(&classes));
    assert_int_equal(plan_of(&plan,
                             "[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
                             CRU_SPLIT_ISOLATED, &err),
                     CRU_OK);
    assert_int_equal(cru_splitter_init(&s, &plan, &classes, &err), CRU_OK);
    for (int k = 0; k < 2; k++) {
        memset(text, k ? 'x' : ' ', N);
        text[N - 1] = 'y';
        assert_int_equal(split(&s, cru_span_make(text, N), &out, &err), CRU_OK);
        assert_int_equal(out.n, k ? N : N + 1);
    }
    cru_splitter_release(&s);
    cru_split_plan_release(&plan);
    cru_classes_release(&classes);
    cru_buffer_release(&out);
    free(text);
}

static void steps_may_remove_everything(void **state) {
    (void)state;
    struct cru_split_plan plan;
    struct cru_splitter s;
    struct cru_classes classes;
    struct cru_buffer out, steps;
    struct cru_error err;
    cru_buffer_init(&out);
    cru_buffer_init(&steps);
    assert_true(cru_classes_init(&classes));
    cru_split_step_add(&steps, CRU_STEP_PUNCTUATION, CRU_SPLIT_ISOLATED, 0, CRU_SPAN(""));
    cru_split_step_add(&steps, CRU_STEP_REGEX, CRU_SPLIT_REMOVED, 0, CRU_SPAN("[,;]"));
    cru_split_step_add(&steps, CRU_STEP_O200K, CRU_SPLIT_ISOLATED, 3, CRU_SPAN(""));
    assert_int_equal(cru_split_plan_init(&plan, steps.p, steps.n, &err), CRU_OK);
    assert_int_equal(cru_splitter_init(&s, &plan, &classes, &err), CRU_OK);
    char text[200000];
    memset(text, ',', sizeof text);
    assert_int_equal(split(&s, cru_span_make(text, sizeof text), &out, &err), CRU_OK);
    assert_int_equal(out.n, 0);
    assert_int_equal(split(&s, CRU_SPAN(",;aBc,;,12345;."), &out, &err), CRU_OK);
    cru_buffer_add_char(&out, 0);
    assert_string_equal(out.p, "a|Bc|123|45|.");
    cru_splitter_release(&s);
    cru_split_plan_release(&plan);

    /* No steps at all leave the text whole. */
    assert_int_equal(cru_split_plan_init(&plan, "", 0, &err), CRU_OK);
    assert_int_equal(cru_splitter_init(&s, &plan, &classes, &err), CRU_OK);
    assert_int_equal(split(&s, CRU_SPAN("a b, c"), &out, &err), CRU_OK);
    assert_int_equal(out.n, 6);
    cru_splitter_release(&s);
    cru_classes_release(&classes);
    cru_buffer_release(&out);
    cru_buffer_release(&steps);
}

static void damaged_steps_are_refused(void **state) {
    (void)state;
    struct cru_split_plan plan;
    struct cru_buffer steps;
    struct cru_error err;
    cru_buffer_init(&steps);
    cru_split_step_add(&steps, CRU_STEP_REGEX, CRU_SPLIT_ISOLATED, 0, CRU_SPAN("abc"));
    cru_split_step_add(&steps, CRU_STEP_DIGITS, CRU_SPLIT_CONTIGUOUS, 0, CRU_SPAN(""));
    assert_int_equal(steps.n, 36);
    assert_int_equal(cru_split_plan_init(&plan, steps.p, steps.n, &err), CRU_OK);
    cru_split_plan_release(&plan);
    for (size_t n = 1; n < steps.n; n++) {
        if (n == 20) continue; /* the first step alone */
        assert_int_equal(cru_split_plan_init(&plan, steps.p, n, &err), CRU_FATAL);
        assert_int_equal(plan.n, 0);
    }
    static const size_t at[] = {0, 4, 8, 12, 16, 20, 24, 28, 32};
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        char kept = steps.p[at[i]];
        steps.p[at[i]] = (char)0xFF;
        assert_int_equal(cru_split_plan_init(&plan, steps.p, steps.n, &err), CRU_FATAL);
        steps.p[at[i]] = kept;
    }
    cru_buffer_release(&steps);
}

static void patterns_are_rewritten(void **state) {
    (void)state;
    static const struct {
        const char *source, *ours;
    } rows[] = {
        {"a.b", "\\x{61}[^\\n]\\x{62}"},
        {"a{2}?b{1,2}+c{,3}", "(?:\\x{61}{2})?(?:\\x{62}{1,2})+\\x{63}{0,3}"},
        {"(x)++|^y$", "(?:\\x{78})++|(?m:^)\\x{79}(?m:$)"},
        {"[^a-c\\h[d]-]", "[^\\x{61}-\\x{63}0-9A-Fa-f\\x{64}\\x{2D}]"},
        {"{x}\\v\\u00e9\\x{1F600}", "\\x{7B}\\x{78}\\x{7D}\\x{B}\\x{E9}\\x{1F600}"},
        {"(?i:'s)(?<=q)", "(?i:\\x{27}\\x{73})(?<=\\x{71})"},
        {"\\s", "[\\x{9}-\\x{D}\\x{20}\\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}-\\x{2029}"
                "\\x{202F}"
                "\\x{205F}\\x{3000}]"},
        {"\\p{Zs}\\P{Zl}\\p{^Zp}", "[\\p{Zs}][^\\p{Zl}][^\\p{Zp}]"},
        {"\\p{Thai}", "[\\x{E01}-\\x{E3A}\\x{E40}-\\x{E5B}]"},
    };
    static const char *const refused[] = {
        "",
        "a\\",
        "(a",
        "a)",
        "*a",
        "a**",
        "(?=a)*",
        "\\1",
        "\\k<n>",
        "\\B",
        "\\G",
        "\\K",
        "\\X",
        "\\pL",
        "\\p{",
        "\\p{Cn}",
        "[]",
        "[a",
        "[b-a]",
        "[a-\\s]",
        "[\\W]",
        "[\\P{L}]",
        "[[^a]]",
        "[[:alpha:]]",
        "[a&&b]",
        "[a-b-c]",
        "(?<n>a)",
        "(?P<n>a)",
        "(?#a)",
        "(?m:a)",
        "(?i)a",
        "(*ACCEPT)",
        "(?i:\xC3\xA9)",
        "(?i:\\d)",
        "(?i:aSt)",
        "\\x{110000}",
        "\\ud800",
        "\\xff",
        "(?R)",
        "(?(?=a)a|b)",
    };
    struct cru_buffer out;
    struct cru_error err;
    cru_buffer_init(&out);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cru_buffer_clear(&out);
        assert_int_equal(cru_pattern_translate(cru_span_of(rows[i].source), &out, &err), CRU_OK);
        cru_buffer_add_char(&out, 0);
        assert_string_equal(out.p, rows[i].ours);
    }
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        cru_buffer_clear(&out);
        enum cru_status status = cru_pattern_translate(cru_span_of(refused[i]), &out, &err);
        if (status != CRU_USAGE) print_error("accepted: %s\n", refused[i]);
        assert_int_equal(status, CRU_USAGE);
        assert_true(strncmp(err.message, "pattern: ", 9) == 0);
    }
    cru_buffer_release(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_costly_text_is_an_error),   cmocka_unit_test(long_runs_are_fine),
        cmocka_unit_test(steps_may_remove_everything), cmocka_unit_test(damaged_steps_are_refused),
        cmocka_unit_test(patterns_are_rewritten),
    };
    return cmocka_run_group_tests_name("tokenizer steps", tests, NULL, NULL);
}
