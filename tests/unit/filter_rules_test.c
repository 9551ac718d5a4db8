/* SPDX-License-Identifier: Apache-2.0 */
/* Every rule that drops, on a text at its limit (stays) and one a step beyond it (drops, and the value
 * reported is the one expected); every rule that takes lines out; the whole text of a chain. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "crucible/base/base.h"
#include "crucible/filter/rule_sets.h"

static struct cru_filter_scratch scratch;
static struct cru_buffer b; /* the text being made */

static void words(int n, const char *one, const char *two) {
    for (int i = 0; i < n; i++)
        cru_buffer_printf(&b, "%s%s", b.n && b.p[b.n - 1] != '\n' ? " " : "", i % 2 ? two : one);
}
static void letters(int n) {
    for (int i = 0; i < n; i++)
        cru_buffer_add_char(&b, 'z');
}
/* Ends the text so that it has `total` bytes, with one token of many letters. */
static void pad(size_t total) {
    cru_buffer_add_char(&b, ' ');
    assert_true(b.n < total);
    letters((int)(total - b.n));
}

/* gopher-quality */
static void q_words(int n) { words(n, "that", "with"); }
static void q_short(int k) {
    for (int i = 0; i < 7; i++)
        words(1, "the be to of and that have with", "");
    words(k, "to", "to");
}
static void q_long(int k) {
    words(2, "the", "be");
    words(46, "abcdefghij", "jihgfedcba");
    words(1, "abcdefghijabcdefg", "");
    words(1, "abcdefghijabcdefgh", "");
    letters(k);
}
static void q_hashes(int n) {
    words(n, "#", "#");
    words(90, "that", "with");
}
static void q_dots(int n) {
    words(n, "...", "\xE2\x80\xA6");
    words(90, "that", "with");
}
static void q_bullets(int n) {
    for (int i = 0; i < 10; i++) {
        cru_buffer_add_string(&b, i < n ? i % 2 ? "  - " : "\xE2\x80\xA2 " : "");
        words(8, "that", "with");
        cru_buffer_add_string(&b, "\n");
    }
}
static void q_trailing(int n) {
    for (int i = 0; i < 10; i++) {
        words(8, "that", "with");
        cru_buffer_add_string(&b, i < n ? i % 2 ? "... \n" : "\xE2\x80\xA6\n" : ".\n");
    }
}
static void q_alpha(int n) {
    words(n, ",", "5");
    words(80, "that", "with");
}
static void q_stop(int n) {
    words(60, "apple", "The");
    words(n, "the", "of");
}

/* gopher-repetition: n equal short pieces among ten, so n - 1 repeats */
static void pieces(int n, const char *cut) {
    int unique = 0;
    for (int i = 0; i < 10; i++) {
        cru_buffer_add_string(&b, i ? cut : "");
        if (i % 2 == 0 && n > 0 && n-- > 0)
            cru_buffer_add_string(&b, "x");
        else if (i % 2 == 1 && n + i > 10 && n-- > 0)
            cru_buffer_add_string(&b, "x");
        else
            for (int k = 0; k < 30; k++)
                cru_buffer_printf(&b, "%sw%d", k ? " " : "", unique++);
    }
}
static void r_paragraphs(int n) { pieces(n, "\n\n"); }
static void r_lines(int n) { pieces(n, "\n"); }
/* A piece of 200 letters twice, in a text of `total` */
static void long_pieces(int total, const char *cut) {
    cru_buffer_add_string(&b, "a b c d");
    for (int i = 0; i < 2; i++) {
        cru_buffer_printf(&b, "%se%d%sf%d%s", cut, i, cut, i, cut);
        letters(200);
    }
    cru_buffer_printf(&b, "%sg", cut);
    for (int i = 0; b.n < (size_t)total - 20; i++)
        cru_buffer_printf(&b, " h%d", i);
    pad((size_t)total);
}
static void r_paragraph_chars(int total) { long_pieces(total, "\n\n"); }
static void r_line_chars(int total) { long_pieces(total, "\n"); }
/* An n-gram of one-letter tokens ten times */
static void top(int n, int total) {
    cru_buffer_add_string(&b, "1 2 3 4 5");
    for (int i = 0; i < 10; i++) {
        for (int k = 0; k < n; k++)
            cru_buffer_printf(&b, " %c", 'a' + k);
        cru_buffer_printf(&b, " u%d", i);
    }
    pad((size_t)total);
}
static void r_top2(int total) { top(2, total); }
static void r_top3(int total) { top(3, total); }
static void r_top4(int total) { top(4, total); }
/* Ten n-grams of three-letter tokens, each twice: 10 * n * 3 letters are repeats */
static void duplicates(int n, int total) {
    cru_buffer_add_string(&b, "1 2 3 4 5");
    for (int i = 0; i < 20; i++) {
        for (int k = 0; k < n; k++)
            cru_buffer_printf(&b, " %c%02d", 'a' + k, i % 10);
        cru_buffer_printf(&b, " u%d", i);
    }
    pad((size_t)total);
}
static void r_dup5(int total) { duplicates(5, total); }
static void r_dup6(int total) { duplicates(6, total); }
static void r_dup7(int total) { duplicates(7, total); }
static void r_dup8(int total) { duplicates(8, total); }
static void r_dup9(int total) { duplicates(9, total); }
static void r_dup10(int total) { duplicates(10, total); }

/* c4 */
static void c_sentences(int n) {
    for (int i = 0; i < n; i++)
        cru_buffer_add_string(&b, i % 2 ? "And this goes on.\n" : "Here one begins! ");
}
static void c_brace(int n) {
    c_sentences(6);
    cru_buffer_add_string(&b, n ? "\nif (a) { then this.\n" : "\nif (a) [ then this.\n");
}
static void c_lorem(int n) {
    c_sentences(6);
    cru_buffer_add_string(&b, n ? "\nSo Lorem Ipsum it is.\n" : "\nSo Lorem-Ipsum it is.\n");
}

/* fineweb */
static void f_empty(int n) { cru_buffer_add_string(&b, n ? "\n \t\n\xC2\xA0\n" : "A line of the usual length, over thirty."); }
static void f_lines(int n, const char *end, const char *other_end, const char *more) {
    for (int i = 0; i < 100; i++)
        cru_buffer_printf(&b, "%sl%02d bb cc dd ee ff gg h%s%s", i ? "\n" : "", i,
                          i < n ? "" : more, i < n ? end : other_end);
}
static void f_punctuation(int n) { f_lines(n, " long enough.", "", " long enough"); }
/* 30 code points, and 31 */
static void f_short(int n) { f_lines(n, " \xC3\xA9kkkk.", ".", " \xC3\xA9kkkk."); }
static void f_repeat(int total) {
    cru_buffer_add_string(&b, "This line has fifty characters, not one of them more\n");
    b.n -= 3;
    cru_buffer_add_string(&b, ".\nThis line has fifty characters, not one of them more");
    b.n -= 2;
    cru_buffer_add_string(&b, ".\n");
    for (int i = 0; i < 40; i++)
        cru_buffer_printf(&b, "w%d ", i);
    letters(total + 2 - (int)b.n - 1);
    cru_buffer_add_char(&b, '.');
}
static void f_lists(int n) {
    for (int i = 0; i < 31; i++)
        cru_buffer_printf(&b, "%s%ctheverylongwordthatfillsuptheline%d%s", i ? "\n" : "", 'a' + i % 26, i,
                          i == 30 ? "" : " b.");
    for (int i = 93 - 2; i < n; i++)
        cru_buffer_add_string(&b, " more");
}

/* code */
/* Lines of code without long runs of the characters of base64 */
static void code_lines(int n) {
    for (int i = 0; i < n; i++)
        cru_buffer_add_string(&b, "call(of, some);\n");
}
static void k_lines(int n) { code_lines(n); }
static void k_mean(int n) {
    for (int i = 0; i < 10; i++) {
        for (int k = 0; k < 50; k++)
            cru_buffer_add_string(&b, "a;");
        cru_buffer_add_string(&b, i < n ? ";\n" : "\n");
    }
}
static void k_longest(int n) {
    code_lines(20);
    for (int i = 0; i < n / 2; i++)
        cru_buffer_add_string(&b, "a;");
    cru_buffer_add_string(&b, n % 2 ? ";" : "");
}
static void k_generated(int n) {
    code_lines(n ? 4 : 5);
    cru_buffer_add_string(&b, "// AutoGenerated by a program\n");
    code_lines(5);
}
static void k_alpha(int n) {
    for (int i = 0; i < 40; i++)
        cru_buffer_add_string(&b, i < n ? "a" : i % 4 == 3 ? "\n" : ";");
}
static void k_run(int n) {
    code_lines(200);
    cru_buffer_add_char(&b, ' ');
    letters(n);
    cru_buffer_add_string(&b, " ");
}
static void k_share(int n) {
    letters(n);
    for (int i = 0; i < 100; i++)
        cru_buffer_add_char(&b, i % 2 ? 'a' : ';');
}
static void k_hex(int n) {
    for (int i = 0; i < n; i++)
        cru_buffer_printf(&b, "0x%02x,", i);
    b.n -= n > 0;
    cru_buffer_add_string(&b, "};;;;;;aaaaaaa;;;;;;;;aaaaaaaaaaaaaa");
}
static void k_escapes(int n) {
    for (int i = 0; i < n; i++)
        cru_buffer_printf(&b, "\\u%04x", i);
    for (int i = 0; i < 24; i++)
        cru_buffer_add_string(&b, ";a");
}

static const struct {
    const char *set, *rule;
    void (*make)(int);
    int stays, drops;
    double value; /* of the dropped text */
    const char *path, *lang;
} rows[] = {
    {"gopher-quality", "gopher-quality.word-count", q_words, 50, 49, 49, "", ""},
    {"gopher-quality", "gopher-quality.word-count", q_words, 100000, 100001, 100001, "", ""},
    {"gopher-quality", "gopher-quality.word-length", q_short, 0, 1, 170.0 / 57, "", ""},
    {"gopher-quality", "gopher-quality.word-length", q_long, 0, 1, 501.0 / 50, "", ""},
    {"gopher-quality", "gopher-quality.hash-ratio", q_hashes, 10, 11, 11.0 / 101, "", ""},
    {"gopher-quality", "gopher-quality.ellipsis-ratio", q_dots, 10, 11, 11.0 / 101, "", ""},
    {"gopher-quality", "gopher-quality.bullet-lines", q_bullets, 9, 10, 1, "", ""},
    {"gopher-quality", "gopher-quality.ellipsis-lines", q_trailing, 3, 4, 0.4, "", ""},
    {"gopher-quality", "gopher-quality.alpha-words", q_alpha, 20, 21, 80.0 / 101, "", ""},
    {"gopher-quality", "gopher-quality.stop-words", q_stop, 2, 1, 1, "", "en"},
    {"gopher-repetition", "gopher-repetition.duplicate-paragraphs", r_paragraphs, 4, 5, 0.4, "", ""},
    {"gopher-repetition", "gopher-repetition.duplicate-paragraph-chars", r_paragraph_chars, 1000, 999,
     200.0 / 999, "", ""},
    {"gopher-repetition", "gopher-repetition.duplicate-lines", r_lines, 4, 5, 0.4, "", ""},
    {"gopher-repetition", "gopher-repetition.duplicate-line-chars", r_line_chars, 1000, 999, 200.0 / 999,
     "", ""},
    {"gopher-repetition", "gopher-repetition.top-2-gram", r_top2, 150, 149, 30.0 / 149, "", ""},
    {"gopher-repetition", "gopher-repetition.top-3-gram", r_top3, 278, 277, 50.0 / 277, "", ""},
    {"gopher-repetition", "gopher-repetition.top-4-gram", r_top4, 438, 437, 70.0 / 437, "", ""},
    {"gopher-repetition", "gopher-repetition.duplicate-5-grams", r_dup5, 1000, 999, 150.0 / 999, "", ""},
    {"gopher-repetition", "gopher-repetition.duplicate-6-grams", r_dup6, 1286, 1285, 180.0 / 1285, "", ""},
    {"gopher-repetition", "gopher-repetition.duplicate-7-grams", r_dup7, 1616, 1615, 210.0 / 1615, "", ""},
    {"gopher-repetition", "gopher-repetition.duplicate-8-grams", r_dup8, 2000, 1999, 240.0 / 1999, "", ""},
    {"gopher-repetition", "gopher-repetition.duplicate-9-grams", r_dup9, 2455, 2454, 270.0 / 2454, "", ""},
    {"gopher-repetition", "gopher-repetition.duplicate-10-grams", r_dup10, 3000, 2999, 300.0 / 2999, "", ""},
    {"c4", "c4.sentences", c_sentences, 6, 4, 4, "", ""},
    {"c4", "c4.curly-bracket", c_brace, 0, 1, 1, "", ""},
    {"c4", "c4.lorem-ipsum", c_lorem, 0, 1, 1, "", ""},
    {"c4-noterm", "c4-noterm.sentences", c_sentences, 5, 4, 4, "", ""},
    {"c4-noterm", "c4-noterm.curly-bracket", c_brace, 0, 1, 1, "", ""},
    {"c4-noterm", "c4-noterm.lorem-ipsum", c_lorem, 0, 1, 1, "", ""},
    {"fineweb", "fineweb.lines", f_empty, 0, 1, 0, "", ""},
    {"fineweb", "fineweb.line-punctuation", f_punctuation, 12, 11, 0.11, "", ""},
    {"fineweb", "fineweb.short-lines", f_short, 67, 68, 0.68, "", ""},
    {"fineweb", "fineweb.duplicate-line-chars", f_repeat, 5100, 5099, 51.0 / 5099, "", ""},
    {"fineweb", "fineweb.list-ratio", f_lists, 100, 99, 30.0 / 99, "", ""},
    {"code", "code.lines", k_lines, 100000, 100001, 100001, "a.c", ""},
    {"code", "code.autogenerated", k_generated, 0, 1, 1, "a.c", ""},
    {"code", "code.mean-line", k_mean, 0, 1, 100.1, "a.c", ""},
    {"code", "code.longest-line", k_longest, 1000, 1001, 1001, "a.c", ""},
    {"code", "code.longest-data-line", k_longest, 100000, 100001, 100001, "dir/a.XML", ""},
    {"code", "code.data-lines", k_lines, 512, 513, 513, "a.yaml", ""},
    {"code", "code.alpha-chars", k_alpha, 10, 9, 9.0 / 40, "a.c", ""},
    {"code", "code.encoded-run", k_run, 1024, 1025, 1025, "a.xml", ""},
    {"code", "code.encoded-share", k_share, 100, 101, 101.0 / 201, "a.xml", ""},
    {"code", "code.encoded-share", k_hex, 7, 8, 39.0 / 75, "a.xml", ""},
    {"code", "code.encoded-share", k_escapes, 7, 9, 54.0 / 102, "a.xml", ""},
};

static struct cru_verdict judge(const char *set_name, struct cru_span text, const char *path,
                                const char *lang, struct cru_span *out) {
    struct cru_filter_facts facts = {cru_span_of(lang), cru_span_of(path)};
    const struct cru_rule_set *set = cru_rule_set_find(cru_span_of(set_name));
    struct cru_verdict verdict;
    struct cru_error err;
    assert_non_null(set);
    assert_int_equal(cru_rule_sets_apply(&set, 1, &scratch, text, &facts, out, &verdict, &err), CRU_OK);
    return verdict;
}

static void test_limits(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct cru_span out;
        cru_buffer_clear(&b);
        rows[i].make(rows[i].stays);
        assert_false(b.failed);
        struct cru_verdict v = judge(rows[i].set, cru_buffer_span(&b), rows[i].path, rows[i].lang, &out);
        if (v.rule)
            fail_msg("%s: %d should stay, but: %s %g", rows[i].rule, rows[i].stays, v.rule->name, v.value);
        cru_buffer_clear(&b);
        rows[i].make(rows[i].drops);
        v = judge(rows[i].set, cru_buffer_span(&b), rows[i].path, rows[i].lang, &out);
        if (!v.rule)
            fail_msg("%s: %d should be dropped", rows[i].rule, rows[i].drops);
        assert_string_equal(v.rule->name, rows[i].rule);
        if (v.value < rows[i].value - 1e-12 || v.value > rows[i].value + 1e-12)
            fail_msg("%s: value %.17g, expected %.17g", rows[i].rule, v.value, rows[i].value);
    }
}

/* No rule that drops is without a row above, but code.text-name, which has its own test. */
static void test_complete(void **state) {
    (void)state;
    for (size_t s = 0; cru_rule_sets[s]; s++)
        for (size_t k = 0; k < cru_rule_sets[s]->n_rules; k++) {
            const struct cru_rule *rule = &cru_rule_sets[s]->rules[k];
            bool found = !rule->name || rule->direction == CRU_REMOVES ||
                         strcmp(rule->name, "code.text-name") == 0;
            for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
                found = found || strcmp(rows[i].rule, rule->name) == 0;
            if (!found)
                fail_msg("no test of %s", rule->name);
        }
}

static void test_c4_lines(void **state) {
    (void)state;
    struct cru_span out;
    cru_buffer_clear(&b);
    cru_buffer_add_string(&b, "  One line that stays. \r\nA menu entry\nToo few.\nEnds in dots...\n"
                              "Uses of JavaScript are many.\nThis site uses Cookies a lot.\n"
                              "See our Privacy Policy for more.\nAs known [12] and [edit] so[citation needed].\n"
                              "Or \"quoted\"\v\nHere is [x] another one! And more? And yet more.\n");
    words(2, "with", "a");
    cru_buffer_add_char(&b, ' ');
    size_t word = b.n;
    letters(1001);
    cru_buffer_add_string(&b, ".\n");
    static const char stays[] = "One line that stays.\nAs known  and  so.\n"
                                "Here is [x] another one! And more? And yet more.";
    struct cru_verdict v = judge("c4", cru_buffer_span(&b), "", "", &out);
    assert_null(v.rule);
    assert_true(cru_span_is(out, stays));
    /* Without the rule on ends, the dots stay; the menu has three words and stays too. */
    v = judge("c4-noterm", cru_buffer_span(&b), "", "", &out);
    assert_null(v.rule);
    assert_true(cru_span_is(out, "One line that stays.\nA menu entry\nEnds in dots...\nAs known  and  so.\n"
                                 "Here is [x] another one! And more? And yet more."));
    /* A word of 1000 letters with its full stop is too long as well; 999 are not. */
    memmove(b.p + word, b.p + word + 2, b.n - word - 2);
    b.n -= 2;
    v = judge("c4", cru_buffer_span(&b), "", "", &out);
    assert_null(v.rule);
    assert_int_equal(out.n, sizeof stays - 1 + 1 + 7 + 1000);
    /* A text that needs no cleaning comes back as it was. */
    struct cru_span clean = CRU_SPAN("All is well here. So it is.\nAnd it is here. And there it is! Is it?");
    v = judge("c4", clean, "", "", &out);
    assert_null(v.rule);
    assert_ptr_equal(out.p, clean.p);
}

static void test_languages(void **state) {
    (void)state;
    struct cru_span out;
    cru_buffer_clear(&b);
    for (int i = 0; i < 60; i++) /* Chinese: no spaces, no English stop words, words of one letter */
        cru_buffer_add_string(&b, "\xE4\xBD\xA0\xE5\xA5\xBD\xEF\xBC\x8C\xE4\xB8\x96\xE7\x95\x8C\xE4\xBA\xBA");
    assert_null(judge("gopher-quality", cru_buffer_span(&b), "", "zh", &out).rule);
    assert_string_equal(judge("gopher-quality", cru_buffer_span(&b), "", "", &out).rule->name,
                        "gopher-quality.stop-words");
    cru_buffer_clear(&b);
    words(80, "chaque", "maison");
    assert_null(judge("gopher-quality", cru_buffer_span(&b), "", "fr", &out).rule);
    assert_string_equal(judge("gopher-quality", cru_buffer_span(&b), "", "en", &out).rule->name,
                        "gopher-quality.stop-words");
}

static void test_text_names(void **state) {
    (void)state;
    static const struct {
        const char *path;
        bool stays;
    } names[] = {{"a/requirements-dev.txt", true}, {"README.txt", true}, {"x/CMakeLists.txt", true},
                 {"readme.txt/words.txt", false},  {"notes2.txt", false}, {"words.TXT", false},
                 {"words.c", true},                {"", true}};
    struct cru_span out;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct cru_verdict v = judge("code", CRU_SPAN("some text\n"), names[i].path, "", &out);
        assert_true(names[i].stays == !v.rule);
        if (v.rule)
            assert_string_equal(v.rule->name, "code.text-name");
    }
}

/* A later set sees what an earlier one left, and the first broken set is the one reported. */
static void test_chain(void **state) {
    (void)state;
    const struct cru_rule_set *sets[] = {&cru_c4, &cru_fineweb, &cru_code_rules};
    struct cru_filter_facts facts = {{"", 0}, {"", 0}};
    struct cru_verdict v;
    struct cru_error err;
    struct cru_span out;
    cru_buffer_clear(&b);
    for (int i = 0; i < 40; i++)
        cru_buffer_printf(&b, "Menu %d\nHome\nMore\nThis line, the %dth one, is a sentence and stays.\n", i, i);
    assert_string_equal(judge("fineweb", cru_buffer_span(&b), "", "", &out).rule->name,
                        "fineweb.short-lines");
    assert_int_equal(cru_rule_sets_apply(sets, 3, &scratch, cru_buffer_span(&b), &facts, &out, &v, &err),
                     CRU_OK);
    assert_null(v.rule);
    assert_int_equal(memcmp(out.p, "This line, the 0th", 18), 0);
    /* The text of no bytes breaks what asks for something, and divides nothing by zero. */
    for (size_t s = 0; cru_rule_sets[s]; s++) {
        v = judge(cru_rule_sets[s]->name, CRU_SPAN(""), "", "", &out);
        assert_true(v.value == v.value && v.value == 0);
    }
}

static void test_list(void **state) {
    (void)state;
    cru_buffer_clear(&b);
    cru_rule_sets_list(&b);
    assert_non_null(strstr(b.p, "gopher-quality.word-count"));
    assert_non_null(strstr(b.p, "c4.line-end"));
    assert_null(strstr(b.p, "c4-noterm.line-end"));
    assert_null(cru_rule_set_find(CRU_SPAN("gopher")));
}

static int setup(void **state) {
    (void)state;
    struct cru_error err;
    cru_buffer_init(&b);
    return cru_filter_scratch_init(&scratch, &err) == CRU_OK ? 0 : 1;
}
static int teardown(void **state) {
    (void)state;
    cru_filter_scratch_release(&scratch);
    cru_buffer_release(&b);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),     cmocka_unit_test(test_complete),
        cmocka_unit_test(test_c4_lines),   cmocka_unit_test(test_languages),
        cmocka_unit_test(test_text_names), cmocka_unit_test(test_chain),
        cmocka_unit_test(test_list),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
