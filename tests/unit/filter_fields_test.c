/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions on fields, personal data, language. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "crucible/base/base.h"
#include "crucible/base/parallel.h"
#include "crucible/filter/language.h"
#include "crucible/filter/pii.h"
#include "crucible/filter/where.h"

static void test_where(void **state) {
    (void)state;
    static const char line[] =
        "{\"id\":\"d7\",\"text\":\"some text\",\"score\":3.5,\"n\":0,\"meta\":{\"lang\":\"de\",\"ok\":true,"
        "\"list\":[1,2]},\"esc\":\"a\\u0062\",\"no\":false,\"nil\":null,\"empty\":\"\","
        "\"crucible\":{\"lang\":\"en\",\"lang_score\":0.9,\"ddm\":{\"signal_score\":0.43}}}";
    static const struct {
        const char *condition;
        bool holds;
    } rows[] = {
        {"score > 3", true},
        {"score>=3.5", true},
        {"score < 3.5 or n = 0", true},
        {"score < 3.5 or n != 0", false},
        {"score == 3.5 and meta.lang == 'de'", true},
        {"not score == 3.5", false},
        {"not (score == 3.5 and meta.lang == \"en\")", true},
        {"n < 1 or score > 5 and score > 6", true}, /* and binds closer than or */
        {"(n < 1 or score > 5) and score > 6", false},
        {"crucible.lang == 'en' and crucible.lang_score > 0.8", true},
        {"crucible.ddm.signal_score > .4", true},
        {"crucible.ddm.signal_score > -1e3", true},
        {"esc = 'ab'", true},
        {"meta.lang < 'df' and meta.lang > 'd'", true},
        {"meta.ok == true", true},
        {"meta.ok != true", false},
        {"no == false", true},
        {"id == 'd7' and text != ''", true},
        {"absent > 1 or absent < 1 or absent == 'x'", false},
        {"absent != 1", true},
        {"score == '3.5'", false},
        {"meta.lang == 1", false},
        {"score and meta and meta.ok and esc", true},
        {"n or no or nil or empty or absent", false},
    };
    struct cru_json_parser *parser = cru_json_parser_new();
    struct cru_batch batch;
    struct cru_error err;
    cru_batch_init(&batch);
    struct cru_doc *doc = cru_batch_add(&batch);
    assert_int_equal(cru_json_document(parser, CRU_SPAN(line), "text", "t", 0, &batch, doc, &err), CRU_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct cru_where *where;
        if (cru_where_parse(rows[i].condition, &where, &err) != CRU_OK)
            fail_msg("%s", err.message);
        if (cru_where_holds(where, parser, doc, &batch.arena) != rows[i].holds)
            fail_msg("%s", rows[i].condition);
        cru_where_free(where);
    }
    cru_batch_release(&batch);
    cru_json_parser_free(parser);
}

static void test_where_errors(void **state) {
    (void)state;
    static const char *const wrong[] = {"",         "score >",   "score > x",     "(score > 1",
                                        "score 3",  "3 > score", "a and",         "a = 'x",
                                        "a ~ 1",    "a > true",  "a = 1 and or b", "a == nan",
                                        "a ) and b", "not"};
    struct cru_where *where;
    struct cru_error err;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(cru_where_parse(wrong[i], &where, &err), CRU_USAGE);
        assert_null(where);
        assert_non_null(strstr(err.message, "expected"));
    }
    char deep[5001];
    memset(deep, '(', 5000);
    deep[5000] = 0;
    assert_int_equal(cru_where_parse(deep, &where, &err), CRU_USAGE);
}

static void test_pii(void **state) {
    (void)state;
#define E1 "email@example.com"
#define E2 "firstname.lastname@example.org"
    static const struct {
        const char *text, *masked; /* NULL: nothing to mask */
        size_t emails, addresses;
    } rows[] = {
        {"", NULL, 0, 0},
        {"me@x.org", E1, 1, 0},
        {"Write to <jo.doe+tag@mail.example.co.uk>, please.", "Write to <" E1 ">, please.", 1, 0},
        {"a@b.c b@c.d c@d.e", E1 " " E2 " " E1, 3, 0},
        {"mail:x_y@z-z.de.", "mail:" E1 ".", 1, 0},
        {"me@localhost @home a@ @b.c a@.b me@-x.de", NULL, 0, 0},
        {"a@b@c.de", "a@" E1, 1, 0},
        {"two..dots@x.org", "two.." E1, 1, 0},
        {"x@foo-.com", NULL, 0, 0},
        {"caf\xC3\xA9@x.org y", "caf\xC3\xA9@x.org y", 0, 0},
        {"ping 8.8.8.8, then 1.1.1.1.", "ping 22.214.171.124, then 126.96.36.199.", 0, 2},
        {"10.0.0.1 127.0.0.1 192.168.1.1 172.31.9.9 169.254.1.1 100.64.0.1 0.1.2.3 255.255.255.255", NULL,
         0, 0},
        {"172.32.0.1", "22.214.171.124", 0, 1},
        {"1.2.3 1.2.3.4.5 256.1.1.1 1.2.3.1234 v8.8.8.8 08.8.8.8 8.8.8.8x", NULL, 0, 0},
        {"8.8.8.8:53 me@8.8.8.8 8.8.4.4", "22.214.171.124:53 " E1 " 126.96.36.199", 1, 2},
    };
    struct cru_buffer out;
    cru_buffer_init(&out);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct cru_pii_counts counts = cru_pii_replace(cru_span_of(rows[i].text), &out);
        assert_int_equal(counts.emails, rows[i].emails);
        assert_int_equal(counts.addresses, rows[i].addresses);
        if (counts.emails + counts.addresses)
            assert_string_equal(out.p, rows[i].masked);
        counts = cru_pii_replace(cru_span_of(rows[i].text), NULL);
        assert_int_equal(counts.emails, rows[i].emails);
        assert_int_equal(counts.addresses, rows[i].addresses);
    }
    cru_buffer_release(&out);
}

static const struct {
    const char *text, *code;
} languages[] = {
    {"The committee will meet again next week to discuss the results of the survey.", "en"},
    {"Le comit\xC3\xA9 se r\xC3\xA9unira la semaine prochaine pour discuter des r\xC3\xA9sultats.", "fr"},
    {"Der Ausschuss trifft sich n\xC3\xA4" "chste Woche, um die Ergebnisse zu besprechen.", "de"},
    {"\xE5\xA7\x94\xE5\x91\x98\xE4\xBC\x9A\xE4\xB8\x8B\xE5\x91\xA8\xE5\xB0\x86\xE5\x86\x8D\xE6\xAC\xA1"
     "\xE5\xBC\x80\xE4\xBC\x9A\xE8\xAE\xA8\xE8\xAE\xBA\xE7\xBB\x93\xE6\x9E\x9C\xE3\x80\x82", "zh"},
    {"\xD7\x94\xD7\x95\xD7\x95\xD7\xA2\xD7\x93\xD7\x94 \xD7\xAA\xD7\xAA\xD7\x9B\xD7\xA0\xD7\xA1 "
     "\xD7\xA9\xD7\x95\xD7\x91 \xD7\x91\xD7\xA9\xD7\x91\xD7\x95\xD7\xA2 \xD7\x94\xD7\x91\xD7\x90", "he"},
    {"", "und"},
    {"12345 67890 !!!", "und"},
};
enum { N_LANGUAGES = sizeof languages / sizeof languages[0], ROUNDS = 2000 };

static void detect(void *context, size_t i, int thread) {
    struct cru_language *found = context;
    (void)thread;
    found[i] = cru_language_detect(cru_span_of(languages[i % N_LANGUAGES].text));
}

/* The same answers from one thread and from two at a time. */
static void test_language(void **state) {
    (void)state;
    static struct cru_language one[ROUNDS], two[ROUNDS];
    cru_parallel_for(ROUNDS, 1, 1, detect, one);
    cru_parallel_for(ROUNDS, 1, 2, detect, two);
    for (size_t i = 0; i < ROUNDS; i++) {
        assert_string_equal(one[i].code, languages[i % N_LANGUAGES].code);
        assert_string_equal(two[i].code, one[i].code);
        assert_true(one[i].score == two[i].score && one[i].score >= 0 && one[i].score <= 1);
        if (strcmp(one[i].code, "und") == 0)
            assert_true(one[i].score == 0);
        else
            assert_true(one[i].score > 0.8);
    }
    assert_string_equal(cru_language_code("zh-Hant"), "zh");
    assert_string_equal(cru_language_code("iw"), "he");
    assert_string_equal(cru_language_code("xx-Copt"), "und");
}

/* A text longer than what is looked at, cut inside a character. */
static void test_long_language(void **state) {
    (void)state;
    struct cru_buffer b;
    cru_buffer_init(&b);
    cru_buffer_add_char(&b, 'x');
    while (b.n < 3 * CRU_LANGUAGE_BYTES)
        cru_buffer_add_string(&b, languages[3].text);
    assert_string_equal(cru_language_detect(cru_buffer_span(&b)).code, "zh");
    cru_buffer_release(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_where), cmocka_unit_test(test_where_errors), cmocka_unit_test(test_pii),
        cmocka_unit_test(test_language), cmocka_unit_test(test_long_language),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
