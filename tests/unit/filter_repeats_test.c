/* SPDX-License-Identifier: Apache-2.0 */
/* Repeated n-grams and lines against the plain quadratic definition, on random token sequences. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "crucible/base/base.h"
#include "crucible/filter/ngram_repeats.h"
#include "crucible/filter/repeated_lines.h"

static bool same_gram(const struct cru_text_stats *s, size_t a, size_t b, size_t n) {
    for (size_t k = 0; k < n; k++) {
        struct cru_token x = s->tokens[a + k], y = s->tokens[b + k];
        if (!cru_span_eq(cru_span_make(s->text.p + x.at, x.bytes),
                         cru_span_make(s->text.p + y.at, y.bytes)))
            return false;
    }
    return true;
}

static uint64_t gram_chars(const struct cru_text_stats *s, size_t at, size_t n) {
    uint64_t chars = 0;
    for (size_t k = 0; k < n; k++)
        chars += s->tokens[at + k].chars;
    return chars;
}

/* datatrove's find_top_duplicate: counts of all n-grams, the first of the greatest. */
static uint64_t naive_top(const struct cru_text_stats *s, size_t n) {
    size_t grams = s->n_tokens >= n ? s->n_tokens - n + 1 : 0, most = 0, best = 0;
    for (size_t i = 0; i < grams; i++) {
        size_t count = 0;
        for (size_t j = 0; j < grams; j++)
            count += same_gram(s, i, j, n);
        if (count > most) {
            most = count;
            best = i;
        }
    }
    return grams ? (gram_chars(s, best, n) + n - 1) * most : 0;
}

/* datatrove's find_all_duplicate: `seen` holds the starts of remembered n-grams. */
static uint64_t naive_duplicate(const struct cru_text_stats *s, size_t n) {
    static size_t seen[100000];
    size_t n_seen = 0, i = 0;
    uint64_t chars = 0;
    while (i + n <= s->n_tokens) {
        bool hit = false;
        for (size_t k = 0; k < n_seen && !hit; k++)
            hit = same_gram(s, seen[k], i, n);
        if (hit) {
            chars += gram_chars(s, i, n);
            i += n;
        } else {
            seen[n_seen++] = i++;
        }
    }
    return chars;
}

static void compare(struct cru_text_stats *stats, struct cru_ngram_repeats *repeats,
                    struct cru_span text) {
    struct cru_error err;
    cru_text_stats_set(stats, text);
    assert_int_equal(cru_text_stats_tokens(stats, &err), CRU_OK);
    assert_int_equal(
        cru_ngram_repeats_begin(repeats, text, stats->tokens, stats->n_tokens, &err), CRU_OK);
    for (unsigned n = 1; n <= 12; n++) {
        if (n > 1)
            cru_ngram_repeats_next(repeats);
        assert_int_equal(cru_ngram_repeats_top_chars(repeats), naive_top(stats, n));
        assert_int_equal(cru_ngram_repeats_duplicate_chars(repeats), naive_duplicate(stats, n));
    }
}

static void test_random(void **state) {
    (void)state;
    static const char *const words[] = {"a", "bb", "the", "of", "\xC3\xA9t\xC3\xA9", "\xE4\xBD\xA0", ".",
                                        "exactly8", "a-word-over-eight", "internationalisation",
                                        "internationalization", "..."};
    struct cru_text_stats stats;
    struct cru_ngram_repeats repeats;
    struct cru_buffer text;
    struct cru_error err;
    struct cru_random random = {5};
    cru_buffer_init(&text);
    cru_ngram_repeats_init(&repeats);
    assert_int_equal(cru_text_stats_init(&stats, &err), CRU_OK);
    for (int round = 0; round < 400; round++) {
        cru_buffer_clear(&text);
        uint64_t kinds = 1 + cru_random_next(&random) % 12, length = cru_random_next(&random) % 120;
        size_t copy_from = 0;
        for (uint64_t i = 0; i < length; i++) {
            cru_buffer_add_string(&text, words[cru_random_next(&random) % kinds]);
            cru_buffer_add_char(&text, ' ');
            /* Now and then a piece of what is there comes again. */
            if (cru_random_next(&random) % 16 == 0 && text.n > 40) {
                struct cru_span again = cru_span_make(text.p + copy_from, 40);
                while (again.n > 0 && ((unsigned char)again.p[again.n - 1] & 0x80))
                    again.n--;
                while (again.n > 0 && ((unsigned char)again.p[0] & 0x80))
                    again = cru_span_make(again.p + 1, again.n - 1);
                char piece[41];
                memcpy(piece, again.p, again.n);
                cru_buffer_add(&text, piece, again.n);
                copy_from = cru_random_next(&random) % (text.n - 40);
            }
        }
        compare(&stats, &repeats, cru_buffer_span(&text));
    }
    cru_text_stats_release(&stats);
    cru_ngram_repeats_release(&repeats);
    cru_buffer_release(&text);
}

/* This file's own text: long, real, with many repeats. */
static void test_real(void **state) {
    (void)state;
    static char text[6000];
    FILE *f = fopen(__FILE__, "rb"); /* tests run in the top directory */
    assert_non_null(f);
    size_t n = fread(text, 1, sizeof text, f);
    (void)fclose(f);
    struct cru_text_stats stats;
    struct cru_ngram_repeats repeats;
    struct cru_error err;
    cru_ngram_repeats_init(&repeats);
    assert_int_equal(cru_text_stats_init(&stats, &err), CRU_OK);
    compare(&stats, &repeats, cru_span_make(text, n));
    cru_text_stats_release(&stats);
    cru_ngram_repeats_release(&repeats);
}

/* The worst cases stay linear: two million equal tokens, then two million that never repeat a pair. */
static void test_long(void **state) {
    (void)state;
    struct cru_text_stats stats;
    struct cru_ngram_repeats repeats;
    struct cru_buffer text;
    struct cru_error err;
    enum { N = 2000000 };
    cru_buffer_init(&text);
    cru_ngram_repeats_init(&repeats);
    assert_int_equal(cru_text_stats_init(&stats, &err), CRU_OK);
    for (int round = 0; round < 2; round++) {
        cru_buffer_clear(&text);
        for (int i = 0; i < N; i++)
            cru_buffer_printf(&text, round ? "%x " : "ab ", (unsigned)(i % 1500 * (1 + i / 1500)));
        cru_text_stats_set(&stats, cru_buffer_span(&text));
        assert_int_equal(cru_text_stats_tokens(&stats, &err), CRU_OK);
        assert_int_equal(stats.n_tokens, N);
        assert_int_equal(
            cru_ngram_repeats_begin(&repeats, stats.text, stats.tokens, stats.n_tokens, &err),
            CRU_OK);
        for (unsigned n = 2; n <= 10; n++) {
            cru_ngram_repeats_next(&repeats);
            if (round == 0) {
                assert_int_equal(cru_ngram_repeats_top_chars(&repeats),
                                 (uint64_t)(3 * n - 1) * (N - n + 1));
                /* The n-gram at 0 is remembered; from 1 on all are hits. */
                assert_int_equal(cru_ngram_repeats_duplicate_chars(&repeats),
                                 (uint64_t)(2 * n) * ((N - 1) / n));
            }
        }
    }
    cru_text_stats_release(&stats);
    cru_ngram_repeats_release(&repeats);
    cru_buffer_release(&text);
}

static void test_lines(void **state) {
    (void)state;
    struct cru_random random = {3};
    struct cru_repeated_lines lines;
    struct cru_error err;
    char text[600];
    cru_repeated_lines_init(&lines);
    for (int round = 0; round < 500; round++) {
        size_t pieces = cru_random_next(&random) % 200;
        struct cru_line piece[200];
        for (size_t i = 0; i < sizeof text; i++)
            text[i] = "ab"[cru_random_next(&random) % 2];
        assert_int_equal(
            cru_repeated_lines_begin(&lines, cru_span_make(text, sizeof text), pieces, &err), CRU_OK);
        size_t repeats = 0, chars = 0;
        for (size_t i = 0; i < pieces; i++) {
            uint32_t n = (uint32_t)(cru_random_next(&random) % 9);
            piece[i] = (struct cru_line){(uint32_t)(i * 3 % 590), n, n};
            bool hit = false;
            for (size_t k = 0; k < i && !hit; k++)
                hit = cru_span_eq(cru_span_make(text + piece[k].at, piece[k].bytes),
                                  cru_span_make(text + piece[i].at, n));
            repeats += hit;
            chars += hit ? n : 0;
            cru_repeated_lines_add(&lines, piece[i]);
        }
        assert_int_equal(lines.pieces, pieces);
        assert_int_equal(lines.repeats, repeats);
        assert_int_equal(lines.repeat_chars, chars);
    }
    cru_repeated_lines_release(&lines);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random), cmocka_unit_test(test_real), cmocka_unit_test(test_long),
        cmocka_unit_test(test_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
