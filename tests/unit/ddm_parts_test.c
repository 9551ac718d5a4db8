/* SPDX-License-Identifier: Apache-2.0 */
/* Regions, words, cues and quality factors, by example. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crucible/base/base.h"
#include "ddm/cues.h"
#include "ddm/quality.h"
#include "ddm/region.h"

/* ---- regions ---- */

static void finds_regions(void **state) {
    (void)state;
    static const struct {
        const char *text;
        const char *parts[4]; /* think, response, text, auto; pieces joined by | */
    } cases[] = {
        {"plain", {"", "plain", "plain", "plain"}},
        {"<think>a</think>b", {"a", "b", "<think>a</think>b", "a"}},
        {"a</think>b", {"a", "b", "a</think>b", "a"}}, /* opened in the prompt */
        {"x<think>a", {"a", "", "x<think>a", "a"}},    /* cut short */
        {"<think>a</think>b<think>c</think>d", {"a|c", "d", NULL, "a|c"}},
        {"<thinking>a</thinking>b", {"a", "b", NULL, "a"}},
        {"<think></think>b", {"", "b", NULL, ""}},
        {"<think>a<think>b</think>c", {"a<think>b", "c", NULL, "a<think>b"}},
        {"<think>a</think>b</think>c", {"a", "c", NULL, "a"}},
        {"< think><thinker></thin", {"", NULL, NULL, "< think><thinker></thin"}},
        {"<", {"", "<", "<", "<"}},
        {"</", {"", "</", "</", "</"}},
        {"", {"", "", "", ""}},
    };
    static const enum cru_ddm_region which[] = {CRU_DDM_THINK, CRU_DDM_RESPONSE, CRU_DDM_TEXT,
                                                CRU_DDM_AUTO};
    struct cru_region region;
    cru_region_init(&region);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t k = 0; k < 4; k++) {
            char got[100] = "";
            size_t n = 0;
            struct cru_span text = cru_span_of(cases[i].text);
            assert_int_equal(cru_region_find(&region, text, which[k], NULL), CRU_OK);
            for (size_t j = 0; j < region.n; j++) {
                size_t length = region.pieces[j].end - region.pieces[j].begin;
                assert_true(length > 0 && region.pieces[j].end <= text.n);
                if (j) got[n++] = '|';
                memcpy(got + n, text.p + region.pieces[j].begin, length);
                n += length;
                got[n] = 0;
            }
            if (cases[i].parts[k]) assert_string_equal(got, cases[i].parts[k]);
        }
    cru_region_release(&region);
}

/* ---- words ---- */

/* Words joined by spaces, each behind its flags: B blank, L line, C code, F fence. */
static void assert_words(const char *text, const char *expected) {
    struct cru_words words;
    struct cru_buffer got;
    cru_words_init(&words);
    cru_buffer_init(&got);
    cru_buffer_add_string(&got, "");
    assert_int_equal(cru_words_add(&words, cru_span_of(text), 0, strlen(text), NULL), CRU_OK);
    for (size_t i = 0; i < words.n; i++) {
        const struct cru_word *w = &words.list[i];
        if (i) cru_buffer_add_char(&got, ' ');
        if (w->flags & CRU_WORD_BLANK)
            cru_buffer_add_char(&got, 'B');
        else if (w->flags & CRU_WORD_LINE)
            cru_buffer_add_char(&got, 'L');
        if (w->flags & CRU_WORD_CODE) cru_buffer_add_char(&got, 'C');
        if (w->flags & CRU_WORD_FENCE) cru_buffer_add_char(&got, 'F');
        cru_buffer_add_char(&got, ':');
        cru_buffer_add(&got, text + w->begin, w->length);
        assert_true(w->hash == cru_hash64(text + w->begin, w->length, 0));
    }
    cru_buffer_add(&got, "", 1);
    assert_string_equal(got.p, expected);
    cru_buffer_release(&got);
    cru_words_release(&words);
}

static void cuts_words(void **state) {
    (void)state;
    assert_words("a  b\nc\n \t\nd\r\n\r\ne", "B:a :b L:c B:d B:e");
    assert_words("x\n```py\ni = 1\n\nj\n```\ny", "B:x LCF:```py LC:i C:= C:1 BC:j LC:``` L:y");
    assert_words("x\n```\ny", "B:x L:``` L:y"); /* never closed: no fence */
    assert_words("x ```a``` y", "B:x :```a``` :y");
    assert_words("```a```\nb\n```", "B:```a``` L:b L:```");
    assert_words("~~~~\na\n~~~\nb\n~~~~\nc", "BCF:~~~~ LC:a LC:~~~ LC:b LC:~~~~ L:c");
    assert_words("```\na\n``` b\n```\nc", "BCF:``` LC:a LC:``` C:b LC:``` L:c");
    /* scripts without spaces: each character, without punctuation; others in runs */
    assert_words("\xE6\x9D\xB1\xE4\xBA\xAC\xE3\x80\x82"
                 "Debian\xE3\x81\xAE x",
                 "B:\xE6\x9D\xB1 :\xE4\xBA\xAC :Debian :\xE3\x81\xAE :x");
    assert_words("\xE0\xB9\x80\xE0\xB8\xA1", "B:\xE0\xB9\x80 :\xE0\xB8\xA1"); /* Thai */
    assert_words("\xED\x95\x9C\xEA\xB5\xAD\xEC\x96\xB4 ist",
                 "B:\xED\x95\x9C\xEA\xB5\xAD\xEC\x96\xB4 :ist");
    assert_words("na\xC3\xAFve \xD0\xBC\xD0\xB8\xD1\x80",
                 "B:na\xC3\xAFve :\xD0\xBC\xD0\xB8\xD1\x80");
    assert_words("\xE3\x80\x82", "B:\xE3\x80\x82"); /* punctuation alone is a word */
    assert_words("\xE3\x80 \xFF\xF0\x9F x\xE6\x9D", "B:\xE3\x80 :\xFF\xF0\x9F :x\xE6\x9D");
    assert_words("", "");
}

/* ---- cues ---- */

static void assert_cue(const char *text, size_t at, enum cru_cue expected, size_t expected_words) {
    static struct cru_cues cues;
    struct cru_words words;
    struct cru_span span = cru_span_of(text);
    size_t used;
    cru_cues_init(&cues);
    cru_words_init(&words);
    assert_int_equal(cru_words_add(&words, span, 0, span.n, NULL), CRU_OK);
    enum cru_cue cue = cru_cues_match(&cues, span, &words, at, &used);
    if (cue != expected || (cue != CRU_CUE_NONE && used != expected_words))
        fail_msg("'%s' word %zu: cue %d of %zu words", text, at, (int)cue, used);
    cru_words_release(&words);
}

static void finds_cues(void **state) {
    (void)state;
    assert_cue("Wait, no.", 0, CRU_CUE_CORRECTION, 1);
    assert_cue("please wait here", 1, CRU_CUE_NONE, 0);
    assert_cue("x = 3, wait that", 3, CRU_CUE_CORRECTION, 1);
    assert_cue("it is (wait for it)", 2, CRU_CUE_NONE, 0);
    assert_cue("No, wait, this", 0, CRU_CUE_CORRECTION, 2);
    assert_cue("But that can't be right, so", 2, CRU_CUE_CORRECTION, 3);
    assert_cue("But that can\xE2\x80\x99t be right", 2, CRU_CUE_CORRECTION, 3);
    assert_cue("**Let me double-check** it", 0, CRU_CUE_VERIFICATION, 3);
    assert_cue("Let me check.", 0, CRU_CUE_VERIFICATION, 3);
    assert_cue("Let me\n\ncheck.", 0, CRU_CUE_NONE, 0); /* not across a blank line */
    assert_cue("let me", 0, CRU_CUE_NONE, 0);
    assert_cue("Alternatively, we", 0, CRU_CUE_EXPLORATION, 1);
    assert_cue("we alternatively", 1, CRU_CUE_NONE, 0);
    assert_cue("on the other hand it", 0, CRU_CUE_EXPLORATION, 4);
    assert_cue("Done. Therefore x", 1, CRU_CUE_CONCLUSION, 1);
    assert_cue("is therefore x", 1, CRU_CUE_NONE, 0);
    assert_cue("Step 12: go", 0, CRU_CUE_ENUMERATION, 2);
    assert_cue("Case a) go", 0, CRU_CUE_ENUMERATION, 2);
    assert_cue("one step 12", 1, CRU_CUE_NONE, 0);
    assert_cue("x\n3. go", 1, CRU_CUE_ENUMERATION, 1);
    assert_cue("(b) go", 0, CRU_CUE_ENUMERATION, 1);
    assert_cue("3 apples", 0, CRU_CUE_NONE, 0);
    assert_cue("1999. go", 0, CRU_CUE_NONE, 0);
    assert_cue("a lot", 0, CRU_CUE_NONE, 0);
    assert_cue("***", 0, CRU_CUE_NONE, 0);
    assert_cue("\xE2\x80\xA6\xE2\x80", 0, CRU_CUE_NONE, 0);
}

/* Each phrase of the table is found where it stands first, as its own class. */
static void finds_each_phrase(void **state) {
    (void)state;
    for (size_t i = 0; i < cru_cues_count(); i++) {
        enum cru_cue cue;
        const char *phrase = cru_cues_phrase(i, &cue);
        size_t words = 1;
        for (const char *p = phrase; *p; p++) words += *p == ' ';
        assert_cue(phrase, 0, cue, words);
        for (size_t j = 0; j < i; j++) {
            enum cru_cue other;
            assert_string_not_equal(phrase, cru_cues_phrase(j, &other));
        }
    }
}

/* ---- quality ---- */

static struct cru_quality quality_of(const char *text) {
    struct cru_quality q;
    struct cru_ddm_result r;
    struct cru_ddm_analyzer *analyzer = cru_ddm_analyzer_new();
    assert_non_null(analyzer);
    struct cru_span span = cru_span_of(text);
    assert_int_equal(cru_ddm_score(analyzer, span, CRU_DDM_TEXT, cru_ddm_profile("web"), &r, NULL),
                     CRU_OK);
    cru_quality_measure(analyzer, span, &q);
    cru_ddm_analyzer_free(analyzer);
    return q;
}

static void assert_close(double a, double b) {
    if (!(fabs(a - b) < 1e-12)) fail_msg("%.15g is not %.15g", a, b);
}

static void measures_quality(void **state) {
    (void)state;
    struct cru_quality q = quality_of("ab ab cd. 12 caf\xC3\xA9");
    assert_close(q.lexical_diversity, 4 / 5.);
    assert_close(q.distinct_ngrams, 1);
    assert_close(q.mean_word_length, 13 / 5.); /* characters, not bytes */
    assert_close(q.mean_sentence_length, 5 / 2.);
    assert_close(q.alphabetic_words, 4 / 5.);
    assert_close(q.digit_share, 2 / 13.);
    q = quality_of("aaaa");
    assert_close(q.byte_entropy, 0);
    q = quality_of("abab");
    assert_close(q.byte_entropy, 1);
    q = quality_of("a b c d a b c d a b c d"); /* 9 grams, 4 of them distinct */
    assert_close(q.distinct_ngrams, 4 / 9.);
    q = quality_of("\x80\x80"); /* not UTF-8: no division by nothing */
    assert_true(q.mean_word_length > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_regions),    cmocka_unit_test(cuts_words),
        cmocka_unit_test(finds_cues),       cmocka_unit_test(finds_each_phrase),
        cmocka_unit_test(measures_quality),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
