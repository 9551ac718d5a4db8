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
#include "ddm/lexicon.h"
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
        for (size_t j = 0; j < i; j++) /* one hash a word */
            assert_true((words.list[j].hash == w->hash) ==
                        (words.list[j].length == w->length &&
                         memcmp(text + words.list[j].begin, text + w->begin, w->length) == 0));
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

static struct cru_lexicons lexicons;

static const struct cru_lexicon *speak(const char *language) {
    const struct cru_lexicon *l = cru_lexicons_find(&lexicons, cru_span_of(language));
    assert_non_null(l);
    return l;
}

static void assert_cue_in(const struct cru_lexicon *lexicon, const char *text, size_t at,
                          enum cru_cue expected, size_t expected_words) {
    struct cru_words words;
    struct cru_span span = cru_span_of(text);
    size_t used = 1;
    cru_words_init(&words);
    assert_int_equal(cru_words_add(&words, span, 0, span.n, NULL), CRU_OK);
    enum cru_cue cue = cru_cues_match(lexicon, span, &words, at, &used);
    if (cue != expected || (cue != CRU_CUE_NONE && used != expected_words))
        fail_msg("'%s' word %zu: cue %d of %zu words", text, at, (int)cue, used);
    cru_words_release(&words);
}

static void assert_cue(const char *text, size_t at, enum cru_cue expected, size_t expected_words) {
    assert_cue_in(speak("en"), text, at, expected, expected_words);
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

/* Each phrase of each lexicon is found where it stands first, as its own class. */
static void finds_each_phrase(void **state) {
    (void)state;
    assert_true(lexicons.n >= 6);
    for (size_t k = 0; k < lexicons.n; k++) {
        const struct cru_lexicon *l = lexicons.list[k];
        size_t counted[6] = {0};
        for (size_t i = 0; i < cru_lexicon_count(l); i++) {
            enum cru_cue cue;
            char phrase[200];
            struct cru_span span = cru_lexicon_phrase(l, i, &cue);
            size_t words = 1;
            assert_true(span.n + 3 < sizeof phrase);
            for (size_t c = 0; c < span.n; c++) words += span.p[c] == ' ';
            memcpy(phrase, span.p, span.n);
            memcpy(phrase + span.n, l->entries[i].number ? " 7" : "\0\0", 3);
            assert_cue_in(l, phrase, 0, cue, words + l->entries[i].number);
            counted[cue]++;
        }
        for (int cue = CRU_CUE_CORRECTION; cue <= CRU_CUE_ENUMERATION; cue++)
            if (counted[cue] < 2)
                fail_msg("%s has %zu of class %d", l->language, counted[cue], cue);
    }
}

static void finds_cues_in_other_languages(void **state) {
    (void)state;
    const struct cru_lexicon *de = speak("de"), *fr = speak("fr"), *es = speak("es");
    const struct cru_lexicon *ru = speak("ru"), *zh = speak("zh-Hant"), *ja = speak("ja");
    assert_cue_in(de,
                  "x = 3. \xC3\x9C"
                  "berpr\xC3\xBC"
                  "fen wir das.",
                  3, CRU_CUE_VERIFICATION, 2);
    assert_cue_in(de, "bitte warte hier", 1, CRU_CUE_NONE, 0);
    assert_cue_in(de, "Fall 2: x", 0, CRU_CUE_ENUMERATION, 2);
    assert_cue_in(fr, "\xC2\xAB Attends", 1, CRU_CUE_NONE,
                  0); /* a quote mark is a word of its own */
    assert_cue_in(fr,
                  "\xC3\x80 la r\xC3\xA9"
                  "flexion, non",
                  0, CRU_CUE_CORRECTION, 3);
    assert_cue_in(fr,
                  "j\xE2\x80\x99"
                  "ai fait une erreur",
                  0, CRU_CUE_CORRECTION, 4);
    assert_cue_in(es,
                  "\xC2\xA1"
                  "Espera! Algo",
                  0, CRU_CUE_CORRECTION, 1);
    assert_cue_in(es, "\xC2\xBFQu\xC3\xA9 pasa si x?", 0, CRU_CUE_EXPLORATION, 3);
    assert_cue_in(ru, "\xD0\x9F\xD0\x9E\xD0\x94\xD0\x9E\xD0\x96\xD0\x94\xD0\x98, x", 0,
                  CRU_CUE_CORRECTION, 1); /* in capitals */
    /* characters are words; a full stop between them is not, but says where a sentence starts */
    assert_cue_in(zh, "x\xE3\x80\x82\xE7\xAD\x89\xE7\xAD\x89\xEF\xBC\x8C", 1, CRU_CUE_CORRECTION,
                  2);
    assert_cue_in(zh, "x\xE7\xAD\x89\xE7\xAD\x89", 1, CRU_CUE_NONE, 0);
    assert_cue_in(zh, "\xE5\xA5\xBD\xEF\xBC\x8C\xE6\x88\x96\xE8\x80\x85", 1, CRU_CUE_EXPLORATION,
                  2);
    assert_cue_in(ja, "\xE3\x81\x97\xE3\x81\x9F\xE3\x81\x8C\xE3\x81\xA3\xE3\x81\xA6", 0,
                  CRU_CUE_CONCLUSION, 5);
    assert_null(cru_lexicons_find(&lexicons, CRU_SPAN("xx")));
    assert_cue_in(NULL, "Wait, no.", 0, CRU_CUE_NONE, 0); /* no lexicon: numbers alone */
    assert_cue_in(NULL, "3. no.", 0, CRU_CUE_ENUMERATION, 1);
}

/* ---- lexicon files ---- */

static void refuses_wrong_lexicons(void **state) {
    (void)state;
    static const struct {
        const char *file, *message;
    } cases[] = {
        {"", "names no language"},
        {"correction clause wait", "line 1: the first line must name the language: 'correction'"},
        {"language EN", "line 1: not a language code in lower case: 'EN'"},
        {"language en\nlanguage de", "line 2: a second language: 'de'"},
        {"language en\n\ncorection clause wait", "line 3: not a class"},
        {"language en\ncorrection here wait",
         "line 2: not a place (anywhere, clause or sentence): 'here'"},
        {"language en\ncorrection clause", "line 2: no phrase behind: 'clause'"},
        {"language en\ncorrection clause ---",
         "line 2: not a word, or longer than 48 bytes: '---'"},
        {"language en\ncorrection clause abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
         "longer than 48 bytes"},
        {"language en\ncorrection clause a b c d e f g h i j k l m", "more than 12 words"},
        {"language en\ncorrection clause Wait!\n# x\nexploration anywhere wait",
         "line 4: this phrase was there before: 'wait'"},
        {"language en\nverb", "line 2: no forms of a verb"},
        {"language en\ncorrection clause # #", "not a word"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct cru_lexicon *l;
        struct cru_error err = {0};
        assert_int_equal(cru_lexicon_parse(cru_span_of(cases[i].file), "f.cues", &l, &err),
                         CRU_USAGE);
        assert_null(l);
        if (!strstr(err.message, cases[i].message) || !strstr(err.message, "f.cues"))
            fail_msg("%zu: %s", i, err.message);
    }
}

static void reads_lexicons(void **state) {
    (void)state;
    static const char file[] =
        "# words\r\nlanguage en\r\n correction\tclause  Nope,\tnot  that \r\n"
        "verb go goes\nverb goes went\nfunction gone THE\nexploration anywhere nope\n"
        "enumeration sentence part #";
    struct cru_lexicon *l;
    assert_int_equal(cru_lexicon_parse(cru_span_of(file), "f", &l, NULL), CRU_OK);
    assert_int_equal(cru_lexicon_count(l), 3);
    assert_cue_in(l, "nope not that", 0, CRU_CUE_CORRECTION, 3);
    assert_cue_in(l, "x nope not that", 1, CRU_CUE_EXPLORATION, 1); /* the longer is out of place */
    assert_cue_in(l, "Part 12: x", 0, CRU_CUE_ENUMERATION, 2);
    assert_cue_in(l, "Part of", 0, CRU_CUE_NONE, 0);
    assert_cue_in(l, "Part", 0, CRU_CUE_NONE, 0);
    static const struct {
        const char *form;
        uint32_t verb;
    } verbs[] = {{"go", 1}, {"goes", 1}, {"went", 2}, {"gone", CRU_LEXICON_FUNCTION}};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(
            cru_lexicon_word(l, cru_word_form_hash(verbs[i].form, strlen(verbs[i].form))),
            verbs[i].verb);
    cru_lexicon_free(l);
}

/* ---- SIMD against plain C ---- */

static void words_are_the_same_without_simd(void **state) {
    (void)state;
    static const char *const bits[] = {
        " ",
        "  ",
        "\n",
        "\n\n",
        "\t\r\n",
        "a",
        "Wait,",
        "3.",
        "(b)",
        "```\n",
        "x=1",
        "supercalifragilisticexpialidocious",
        "\xC3\xA9t\xC3\xA9",
        "\xE6\x9D\xB1\xE3\x80\x82",
        "...",
        "UPPER",
        "\xFF",
        "16-byte-long-run",
        "seventeen-is-long",
        "end.)\"",
        "*really!*_",
        "b)",
        "(12)",
        "((1)",
        "1234.",
        "12:",
        "x2.",
        "~~~",
        "`x`",
        "[z].}'",
        ")",
        "--",
        "\xE2\x88\x9A\x32",
        "\xE2\x80\x9Cso.\xE2\x80\x9D",
        "\x0B\x0C",
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef-"};
    struct cru_random g = {11};
    for (int round = 0; round < 3000; round++) {
        struct cru_buffer text;
        struct cru_words fast, plain;
        enum cru_words_way way = round & 2 ? CRU_WORDS_SSE2 : CRU_WORDS_AVX512;
        if (!cru_words_can(way)) continue;
        cru_buffer_init(&text);
        cru_words_init(&fast);
        cru_words_init(&plain);
        for (uint64_t n = cru_random_next(&g) % 60; n > 0; n--)
            cru_buffer_add_string(&text,
                                  bits[cru_random_next(&g) % (sizeof bits / sizeof bits[0])]);
        /* a copy of exactly this size, so that ASan sees a read behind it */
        char *exact = malloc(text.n + 1);
        assert_non_null(exact);
        if (text.n) memcpy(exact, text.p, text.n);
        char *tight = realloc(exact, text.n ? text.n : 1);
        assert_non_null(tight);
        struct cru_span span = cru_span_make(tight, text.n);
        size_t begin = text.n ? cru_random_next(&g) % text.n : 0;
        size_t end = begin + (text.n ? cru_random_next(&g) % (text.n - begin + 1) : 0);
        if (round % 2) begin = 0, end = text.n;
        assert_int_equal(cru_words_add_by(way, &fast, span, begin, end, NULL), CRU_OK);
        assert_int_equal(cru_words_add_by(CRU_WORDS_PLAIN, &plain, span, begin, end, NULL), CRU_OK);
        assert_int_equal(fast.characters, plain.characters);
        assert_int_equal(fast.n, plain.n);
        for (size_t i = 0; i < fast.n; i++)
            assert_memory_equal(&fast.list[i], &plain.list[i], sizeof fast.list[i]);
        for (size_t i = 0; i < fast.n; i++) { /* the form's hash is that of the form */
            char form[CRU_WORD_FORM];
            const struct cru_word *w = &fast.list[i];
            size_t n = cru_word_form(cru_span_make(span.p + w->begin, w->length), form);
            assert_int_equal(w->form, n ? cru_word_form_hash(form, n) : 0);
        }
        free(tight);
        cru_words_release(&fast);
        cru_words_release(&plain);
        cru_buffer_release(&text);
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
    assert_int_equal(cru_quality_measure(analyzer, span, &q, NULL), CRU_OK);
    cru_ddm_analyzer_free(analyzer);
    return q;
}

static void assert_factor(const char *text, enum cru_factor factor, double expected) {
    double x = quality_of(text).factor[factor];
    if (isnan(expected) ? !isnan(x) : !(fabs(x - expected) < 1e-12))
        fail_msg("%s of '%.60s': %.15g is not %.15g", cru_factor_name(factor), text, x, expected);
}

static void measures_quality(void **state) {
    (void)state;
    static const char text[] = "ab ab cd. 12 caf\xC3\xA9";
    assert_factor(text, CRU_LEXICAL_DIVERSITY, 4 / 5.);
    assert_factor(text, CRU_DISTINCT_NGRAMS, 1);
    assert_factor(text, CRU_MEAN_SENTENCE_LENGTH, 5 / 2.);
    assert_factor(text, CRU_ALPHABETIC_WORDS, 4 / 5.);
    assert_factor("aaaa", CRU_BYTE_ENTROPY, 0);
    assert_factor("abab", CRU_BYTE_ENTROPY, 1);
    assert_factor("ab cd", CRU_BYTE_ENTROPY, 2); /* white space does not count */
    /* 9 grams, 4 of them distinct */
    assert_factor("a b c d a b c d a b c d", CRU_DISTINCT_NGRAMS, 4 / 9.);
    assert_factor("The cat and THE dog have x, of", CRU_FUNCTION_WORDS, 5 / 8.);
    assert_factor("", CRU_FUNCTION_WORDS, 0);
    assert_true(quality_of("\x80\x80").factor[CRU_MEAN_SENTENCE_LENGTH] > 0);
    for (int f = 0; f < CRU_FACTORS; f++)
        assert_true(strlen(cru_factor_name((enum cru_factor)f)) > 8);
}

static void measures_verbs(void **state) {
    (void)state;
    assert_factor("nothing here", CRU_VERB_UNIQUENESS, (double)NAN);
    assert_factor("He went. She goes, they gone.", CRU_VERB_UNIQUENESS, 1 / 3.);
    assert_factor("He went and took it.", CRU_VERB_UNIQUENESS, 1);
    /* runs of 25: one verb alone, then 25 of which 2 are distinct; what is left over is not seen */
    struct cru_buffer text;
    cru_buffer_init(&text);
    for (int i = 0; i < 25; i++) cru_buffer_add_string(&text, "went ");
    for (int i = 0; i < 25; i++) cru_buffer_add_string(&text, i ? "took " : "Goes, ");
    cru_buffer_add(&text, "asked", 6);
    assert_factor(text.p, CRU_VERB_UNIQUENESS, (1 + 2) / 50.);
    cru_buffer_release(&text);
}

static void measures_meanings(void **state) {
    (void)state;
    static const char a[] =
        "alpha beta gamma delta epsilon zeta theta kappa", /* 8 words: a segment */
        b[] = "north south eastern western upper lower inner outer";
    char text[400];
    assert_factor(a, CRU_SEMANTIC_DIVERSITY, (double)NAN); /* one segment */
    snprintf(text, sizeof text, "%s\n\n%s", a, a);
    assert_factor(text, CRU_SEMANTIC_DIVERSITY, 0);
    /* order and case do not matter, function words and short words are not seen */
    snprintf(text, sizeof text, "%s\n\nThe KAPPA, theta zeta of epsilon delta gamma beta ALPHA x y",
             a);
    assert_factor(text, CRU_SEMANTIC_DIVERSITY, 0);
    /* nothing in common, if no two of the 16 words share a bucket: they do not */
    snprintf(text, sizeof text, "%s\n\n%s", a, b);
    assert_factor(text, CRU_SEMANTIC_DIVERSITY, 1);
    /* three segments, one pair of three alike */
    snprintf(text, sizeof text, "%s\n\n%s\n\n%s", a, b, a);
    assert_factor(text, CRU_SEMANTIC_DIVERSITY, 2 / 3.);
}

static int begin(void **state) {
    (void)state;
    return cru_lexicons_builtin(&lexicons, NULL) == CRU_OK ? 0 : -1;
}
static int end(void **state) {
    (void)state;
    cru_lexicons_release(&lexicons);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_regions),
        cmocka_unit_test(cuts_words),
        cmocka_unit_test(words_are_the_same_without_simd),
        cmocka_unit_test(finds_cues),
        cmocka_unit_test(finds_each_phrase),
        cmocka_unit_test(finds_cues_in_other_languages),
        cmocka_unit_test(reads_lexicons),
        cmocka_unit_test(refuses_wrong_lexicons),
        cmocka_unit_test(measures_quality),
        cmocka_unit_test(measures_verbs),
        cmocka_unit_test(measures_meanings),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
