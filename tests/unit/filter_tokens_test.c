/* SPDX-License-Identifier: Apache-2.0 */
/* Segmentation: tokens, lines, sentences, white space, counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "crucible/base/base.h"
#include "crucible/filter/text_stats.h"

/* Tokens of a text, each followed by |, words marked with w, letters with a, unspaced with u. */
static void render(const char *text, struct cru_buffer *out) {
    struct cru_text_stats stats;
    struct cru_error err;
    assert_int_equal(cru_text_stats_init(&stats, &err), CRU_OK);
    cru_text_stats_set(&stats, cru_span_of(text));
    assert_int_equal(cru_text_stats_tokens(&stats, &err), CRU_OK);
    cru_buffer_clear(out);
    size_t end = 0;
    for (size_t i = 0; i < stats.n_tokens; i++) {
        struct cru_token t = stats.tokens[i];
        assert_true(t.at >= end && t.bytes > 0);
        end = t.at + t.bytes;
        struct cru_span s = cru_span_make(text + t.at, t.bytes);
        assert_int_equal(t.chars, cru_char_count(s));
        cru_buffer_add_span(out, s);
        cru_buffer_printf(out, "/%s%s%s|", t.flags & CRU_TOKEN_WORD ? "w" : "",
                          t.flags & CRU_TOKEN_ALPHA ? "a" : "",
                          t.flags & CRU_TOKEN_UNSPACED ? "u" : "");
    }
    assert_int_equal(cru_token_count(&stats.map, stats.text), stats.n_tokens);
    cru_text_stats_release(&stats);
}

static void test_tokens(void **state) {
    (void)state;
    static const struct {
        const char *text, *tokens;
    } rows[] = {
        {"", ""},
        {" \n\t", ""},
        {"It's 3.5 km \xE2\x80\x94 really...", "It's/wa|3.5/w|km/wa|\xE2\x80\x94/|really/wa|.../|"},
        {"end.Next", "end/wa|./|Next/wa|"},
        {"e.g. U.S. 1,000,000,", "e.g/wa|./|U.S/wa|./|1,000,000/w|,/|"},
        {"a,b 1,b", "a/wa|,/|b/wa|1,b/wa|"},
        {"10:43 UTF-8 a@b.org x/1", "10:43/w|UTF-8/wa|a@b.org/wa|x/1/wa|"},
        {"1990-95 2*3 a*b and/or k=v 7=v", "1990/w|-/|95/w|2/w|*/|3/w|a*b/wa|and/wa|//|or/wa|k/wa|=/|v/wa|7/w|=/|v/wa|"},
        {"f(x) f(1)) a--b a?!b", "f(x/wa|)/|f(1/wa|)/|)/|a/wa|--/|b/wa|a/wa|?/|!/|b/wa|"},
        {"well-known --- x", "well/wa|-/|known/wa|---/|x/wa|"},
        {"don\xE2\x80\x99t rock'", "don\xE2\x80\x99t/wa|rock/wa|'/|"},
        {"snake_case _ ._.", "snake_case/wa|_/|./|_/|./|"},
        {"(#$)", "(/|#/|$/|)/|"},
        {"....", "..../|"},
        {"\xE4\xBD\xA0\xE5\xA5\xBD!", "\xE4\xBD\xA0/wau|\xE5\xA5\xBD/wau|!/|"},
        {"iOS\xE7\x9A\x84x", "iOS/wa|\xE7\x9A\x84/wau|x/wa|"},
        {"\xE3\x83\x86\xE3\x83\xAC\xE3\x83\x93", "\xE3\x83\x86\xE3\x83\xAC\xE3\x83\x93/wa|"},
        {"\xD0\xBC\xD0\xB8\xD1\x80 caf\xC3\xA9", "\xD0\xBC\xD0\xB8\xD1\x80/wa|caf\xC3\xA9/wa|"},
        {"e\xCC\x81t\xC3\xA9", "e\xCC\x81t\xC3\xA9/wa|"},
        {"\xE2\x80\xA2 \xF0\x9F\x98\x80", "\xE2\x80\xA2/w|\xF0\x9F\x98\x80/w|"},
        {"\xC2\xA0x\xE3\x80\x80y\xE2\x80\xA8z", "x/wa|y/wa|z/wa|"},
    };
    struct cru_buffer out;
    cru_buffer_init(&out);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        render(rows[i].text, &out);
        assert_string_equal(out.n ? out.p : "", rows[i].tokens);
    }
    cru_buffer_release(&out);
}

/* Every character but white space is in exactly one token, whatever the text. */
static void test_cover(void **state) {
    (void)state;
    static const char *const pieces[] = {"a",    "B",  "7",  ".", ",", "'", "-", " ", "\n", "_", "#", "\xE2\x80\x99",
                                         "\xE4\xBD\xA0", "\xCC\x81", "\xC3\xA9", "\xF0\x9F\x98\x80"};
    struct cru_random random = {11};
    struct cru_buffer text;
    struct cru_text_stats stats;
    struct cru_error err;
    cru_buffer_init(&text);
    assert_int_equal(cru_text_stats_init(&stats, &err), CRU_OK);
    for (int round = 0; round < 2000; round++) {
        cru_buffer_clear(&text);
        for (uint64_t n = cru_random_next(&random) % 40; n-- > 0;)
            cru_buffer_add_string(&text, pieces[cru_random_next(&random) % 16]);
        struct cru_span s = cru_buffer_span(&text);
        cru_text_stats_set(&stats, s);
        assert_int_equal(cru_text_stats_tokens(&stats, &err), CRU_OK);
        size_t covered = 0, at = 0;
        for (size_t i = 0; i < stats.n_tokens; i++) {
            for (; at < stats.tokens[i].at; at++)
                assert_true(s.p[at] == ' ' || s.p[at] == '\n');
            at += stats.tokens[i].bytes;
            covered += stats.tokens[i].bytes;
        }
        for (; at < s.n; at++)
            assert_true(s.p[at] == ' ' || s.p[at] == '\n');
        size_t solid = 0;
        for (size_t i = 0; i < s.n; i++)
            solid += s.p[i] != ' ' && s.p[i] != '\n';
        assert_int_equal(covered, solid);
    }
    cru_text_stats_release(&stats);
    cru_buffer_release(&text);
}

static void test_char_count(void **state) {
    (void)state;
    char text[5000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(i % 3 == 0 ? 0xC3 : i % 3 == 1 ? 0xA9 : 'x');
    for (size_t n = 0; n <= sizeof text; n += 3)
        assert_int_equal(cru_char_count(cru_span_make(text, n)), n / 3 * 2);
}

static void test_python_lines(void **state) {
    (void)state;
    struct cru_span text = CRU_SPAN("a\nb\r\nc\rd\ve\ff\x1cg\x1dh\x1ei\xC2\x85j\xE2\x80\xA8k\xE2\x80\xA9l"
                                    "\xE2\x80\x99m\n\nn\n");
    static const char *const lines[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j",
                                        "k", "l\xE2\x80\x99m", "", "n"};
    struct cru_span line;
    size_t at = 0, n = 0;
    while (cru_text_next_line(text, &at, &line)) {
        assert_true(n < 14);
        assert_true(cru_span_is(line, lines[n]));
        n++;
    }
    assert_int_equal(n, 14);
    at = 0;
    assert_false(cru_text_next_line(cru_span_make("", 0), &at, &line));
    text = CRU_SPAN("tail\xE2\x80");
    assert_true(cru_text_next_line(text, &at, &line));
    assert_int_equal(line.n, 6);
}

static void test_strip(void **state) {
    (void)state;
    struct cru_char_map map;
    assert_true(cru_char_map_init(&map));
    assert_true(cru_span_is(cru_char_strip(&map, CRU_SPAN(" \xC2\xA0\n x y \xE3\x80\x80\t")), "x y"));
    assert_int_equal(cru_char_strip(&map, CRU_SPAN(" \x1F\n")).n, 0);
    assert_int_equal(cru_char_strip(&map, CRU_SPAN("\xE2\x80\x8B")).n, 3); /* zero width is no space */
    cru_char_map_release(&map);
}

static void test_sentences(void **state) {
    (void)state;
    static const struct {
        const char *line;
        size_t sentences;
    } rows[] = {
        {"", 0},
        {"No end", 1},
        {"One. Two! Three? Four", 4},
        {"One.", 1},
        {"\"Quoted.\" Next one.", 2},
        {"He met Mr. Smith and Dr. J. Doe of the U.S. Army, e.g. here.", 1},
        {"Version 3.14 is out. See example.com now.", 2},
        {"Wait... what?! Yes.", 2},
        {"... and so on.", 1},
        {"\xE4\xBD\xA0\xE5\xA5\xBD\xE3\x80\x82\xE5\x86\x8D\xE8\xA7\x81\xE3\x80\x82", 2},
    };
    struct cru_char_map map;
    assert_true(cru_char_map_init(&map));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct cru_span line = cru_span_of(rows[i].line);
        assert_int_equal(cru_text_sentences(&map, line, 100), rows[i].sentences);
        assert_int_equal(cru_text_sentences(&map, line, 1), rows[i].sentences > 0);
    }
    cru_char_map_release(&map);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens), cmocka_unit_test(test_cover),
        cmocka_unit_test(test_char_count), cmocka_unit_test(test_python_lines),
        cmocka_unit_test(test_strip), cmocka_unit_test(test_sentences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
