/* SPDX-License-Identifier: Apache-2.0 */
/* Normalised words: what folds together, what does not, and places. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crucible/base/base.h"
#include "crucible/dedup/fold.h"

static struct cru_fold *fold;

static int setup(void **state) {
    (void)state;
    fold = cru_fold_new();
    return fold ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    cru_fold_free(fold);
    return 0;
}

static size_t words_of(struct cru_span text, uint64_t *hashes, struct cru_word_place *places,
                       size_t step) {
    struct cru_word_scan scan;
    cru_word_scan_init(&scan, fold, text);
    size_t n = 0;
    for (size_t got;
         (got = cru_word_scan_next(&scan, hashes + n, places ? places + n : NULL, step)) > 0;)
        n += got;
    return n;
}

static void check_same(const char *a, const char *b, size_t words, const char *where) {
    uint64_t x[64], y[64];
    size_t n = words_of(cru_span_of(a), x, NULL, 64), m = words_of(cru_span_of(b), y, NULL, 3);
    if (n != words || m != words || memcmp(x, y, n * sizeof *x) != 0)
        fail_msg("%s: '%s' (%zu words) and '%s' (%zu words) are not the same %zu words", where, a,
                 n, b, m, words);
}

static void equal_after_folding(void **state) {
    (void)state;
    static const struct {
        const char *a, *b;
        size_t words;
    } same[] = {
        {"The quick brown fox.", "the QUICK, (brown) fox", 4},
        {"\xC3\x89l dijo", "e\xCC\x81l DIJO", 2},                 /* precomposed, combining */
        {"na\xC3\xAFve co\xC2\xADoperate", "naive cooperate", 2}, /* diaeresis, soft hyphen */
        {"in 1999, 1,024.5 x", "in 7, 88 x", 4},                  /* digit runs */
        {"mp3 v2", "mp4 v9", 2},
        {"\xD9\xA3\xD9\xA4 x", "5 x", 2}, /* Arabic-Indic digits */
        {"\xE6\x9D\xB1\xE4\xBA\xAC Tower", "\xE6\x9D\xB1 \xE4\xBA\xAC tower", 3},
        {"a\xE6\x9D\xB1"
         "b",
         "a \xE6\x9D\xB1 b", 3},
        {"\xED\x95\x9C\xEA\xB5\xAD\xEC\x96\xB4 a", "\xED\x95\x9C\xEA\xB5\xAD\xEC\x96\xB4, A", 2},
        {"\xCE\xA3\xCE\x9F\xCE\xA6\xCE\x99\xCE\x91", "\xCF\x83\xCE\xBF\xCF\x86\xCE\xB9\xCE\xB1", 1},
        {"a \xE2\x80\x94 b \xF0\x9F\x98\x80 c", "a b c", 3}, /* dash, emoji */
        {"", " .,;-- \n\t", 0},
        {"\xCC\x81", "", 0}, /* a mark alone */
        {"3.x", "4 x", 2},
        {"don't", "don t", 2},
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        char where[32];
        (void)snprintf(where, sizeof where, "case %zu", i);
        check_same(same[i].a, same[i].b, same[i].words, where);
    }
}

static void different_words_differ(void **state) {
    (void)state;
    static const char *const words[] = {"a",        "b",        "ab",  "ba",
                                        "abc",      "acb",      "aab", "aba",
                                        "0",        "a0",       "0a",  "\xE6\x9D\xB1",
                                        "\xD1\x8F", "\xC3\x9F", "ss",  "aaaaaaaaaaaaaaaaaaaaaaaaa"};
    size_t n = sizeof words / sizeof *words;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            uint64_t x[2], y[2];
            assert_int_equal(words_of(cru_span_of(words[i]), x, NULL, 2), 1);
            assert_int_equal(words_of(cru_span_of(words[j]), y, NULL, 2), 1);
            assert_true((x[0] == y[0]) == (i == j));
        }
}

static void places_frame_the_words(void **state) {
    (void)state;
    const char *text = "  Caf\xC3\xA9, (1,000) \xE6\x9D\xB1\xE4\xBA\xAC!";
    static const char *const expected[] = {"Caf\xC3\xA9", "1,000", "\xE6\x9D\xB1", "\xE4\xBA\xAC"};
    uint64_t hashes[8];
    struct cru_word_place places[8];
    assert_int_equal(words_of(cru_span_of(text), hashes, places, 1), 4);
    for (size_t i = 0; i < 4; i++) {
        struct cru_span word =
            cru_span_make(text + places[i].begin, places[i].end - places[i].begin);
        assert_true(cru_span_is(word, expected[i]));
    }
}

/* Any bytes, cut anywhere, stay inside the span: each prefix is copied to its own allocation, so
 * that AddressSanitizer sees a step too far. */
static void damaged_text_is_harmless(void **state) {
    (void)state;
    struct cru_random random = {7};
    for (int round = 0; round < 300; round++) {
        size_t n = cru_random_next(&random) % 40;
        char *bytes = malloc(n ? n : 1);
        assert_non_null(bytes);
        for (size_t i = 0; i < n; i++) bytes[i] = (char)(cru_random_next(&random) | 0x80);
        uint64_t hashes[64];
        struct cru_word_place places[64];
        size_t words = words_of(cru_span_make(bytes, n), hashes, places, 64);
        assert_true(words <= n);
        for (size_t i = 0; i < words; i++) {
            assert_true(places[i].begin < places[i].end && places[i].end <= n);
            if (i) assert_true(places[i].begin >= places[i - 1].end);
        }
        free(bytes);
    }
}

/* The table for the basic plane is the function; supplementary planes use it directly. */
static void wide_characters(void **state) {
    (void)state;
    assert_int_equal(cru_fold_code_point(0x20000), 0x20000 | CRU_FOLD_ALONE);
    assert_int_equal(cru_fold_code_point(0x10400), 0x10428); /* Deseret long I */
    assert_int_equal(cru_fold_code_point(0x1D7D8), '0');     /* double-struck digit */
    assert_int_equal(cru_fold_code_point(0x1F600), 0);
    check_same("\xF0\x90\x90\x80 x", "\xF0\x90\x90\xA8 X", 2, "Deseret");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_after_folding),    cmocka_unit_test(different_words_differ),
        cmocka_unit_test(places_frame_the_words), cmocka_unit_test(damaged_text_is_harmless),
        cmocka_unit_test(wide_characters),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
