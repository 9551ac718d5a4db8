/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels against the reference, signatures against a naive one, and the S-curve against theory. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crucible/base/base.h"
#include "crucible/dedup/minhash.h"

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

static void kernels_equal_the_reference(void **state) {
    (void)state;
    cru_minima_kernel *kernels[] = {cru_minima_avx2(), cru_minima_avx512()};
    struct cru_random random = {11};
    for (size_t permutations = 1; permutations < 300; permutations += 37) {
        struct cru_minima m;
        assert_true(cru_minima_init(&m, permutations, permutations));
        assert_int_equal(m.padded % CRU_MINIMA_LANES, 0);
        uint64_t x[100], *expected = malloc(m.padded * 8), *got = malloc(m.padded * 8);
        assert_true(expected && got);
        for (size_t n = 0; n <= 100; n += 25) {
            for (size_t i = 0; i < n; i++) x[i] = cru_random_next(&random);
            if (n > 2) {
                x[0] = 0;
                x[1] = ~(uint64_t)0;
                x[2] = (uint64_t)1 << 63;
            }
            for (size_t i = 0; i < m.padded; i++)
                expected[i] = i % 3 ? ~(uint64_t)0 : cru_random_next(&random);
            uint64_t *start = malloc(m.padded * 8);
            assert_non_null(start);
            memcpy(start, expected, m.padded * 8);
            cru_minima_plain(m.a, m.b, m.padded, x, n, expected);
            for (size_t k = 0; k < 2; k++) {
                if (!kernels[k]) continue;
                memcpy(got, start, m.padded * 8);
                kernels[k](m.a, m.b, m.padded, x, n, got);
                assert_memory_equal(got, expected, m.padded * 8);
            }
            free(start);
        }
        free(expected);
        free(got);
        cru_minima_release(&m);
    }
}

/* A text of words w<number>, letters only since digits fold. */
static void add_word(struct cru_buffer *b, uint64_t number) {
    char word[16];
    size_t n = 0;
    do word[n++] = (char)('a' + number % 26);
    while (number /= 26);
    cru_buffer_add(b, word, n);
    cru_buffer_add_char(b, ' ');
}

/* Minima over all shingles, each hashed from its words anew. */
static void naive_sign(const struct cru_minhash *m, struct cru_span text, uint64_t *minima) {
    static uint64_t words[20000];
    struct cru_word_scan scan;
    cru_word_scan_init(&scan, fold, text);
    size_t n = cru_word_scan_next(&scan, words, NULL, 20000);
    for (size_t p = 0; p < m->bands * m->rows; p++) minima[p] = ~(uint64_t)0;
    for (size_t i = 0; i + m->ngram <= n; i++) {
        uint64_t sum = 0;
        for (size_t k = 0; k < m->ngram; k++) sum = sum * CRU_GRAM_BASE + words[i + k];
        uint64_t x = cru_mix64(sum);
        for (size_t p = 0; p < m->bands * m->rows; p++) {
            uint64_t value = m->minima.a[p] * x + m->minima.b[p];
            if (value < minima[p]) minima[p] = value;
        }
    }
}

static void signatures_equal_naive_ones(void **state) {
    (void)state;
    static const size_t lengths[] = {0, 1, 4, 5, 6, 511, 512, 513, 516, 517, 1024, 5000};
    static const size_t ngrams[] = {1, 2, 5, 13, 64};
    struct cru_random random = {3};
    for (size_t g = 0; g < sizeof ngrams / sizeof *ngrams; g++) {
        struct cru_minhash m;
        struct cru_arena arena;
        cru_arena_init(&arena);
        assert_int_equal(cru_minhash_init(&m, fold, 5, 3, ngrams[g], 1, NULL), CRU_OK);
        struct cru_minhash_work *work = cru_minhash_work_new(&m, &arena);
        assert_non_null(work);
        for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
            struct cru_buffer text;
            cru_buffer_init(&text);
            for (size_t i = 0; i < lengths[l]; i++) add_word(&text, cru_random_next(&random) % 900);
            uint64_t expected[15];
            naive_sign(&m, cru_buffer_span(&text), expected);
            uint64_t shingles = cru_minhash_sign(&m, work, cru_buffer_span(&text));
            size_t want = lengths[l] >= ngrams[g] ? lengths[l] - ngrams[g] + 1 : 0;
            assert_int_equal(shingles, want);
            assert_memory_equal(work->minima, expected, sizeof expected);
            cru_buffer_release(&text);
        }
        cru_minhash_release(&m);
        cru_arena_release(&arena);
    }
}

/* P(a pair shares a key) at Jaccard similarity s. */
static double s_curve(double s, double bands, double rows) {
    return 1 - pow(1 - pow(s, rows), bands);
}

/*
 * Pairs of texts with n-grams of one word, so that the exact Jaccard similarity is a count:
 * `common` words in both, `own` more in each. Agreement of minima and of keys must be within four
 * standard deviations of theory; the pair's 112 minima share one pair of sets, so the mean over
 * pairs is what is tested, at the variance of independent minima.
 */
static void check_similarity(const struct cru_minhash *m, struct cru_minhash_work *work,
                             uint64_t common, uint64_t own, uint64_t seed) {
    enum { PAIRS = 400, WORDS = 1 << 30 };
    size_t permutations = m->bands * m->rows;
    uint64_t first[112], keys[2][14];
    double similarity = (double)common / (double)(common + 2 * own);
    size_t equal = 0, candidates = 0;
    struct cru_random random = {seed};
    for (size_t pair = 0; pair < PAIRS; pair++) {
        struct cru_buffer a, b;
        cru_buffer_init(&a);
        cru_buffer_init(&b);
        for (uint64_t i = 0; i < common; i++) {
            uint64_t word = cru_random_next(&random) % WORDS;
            add_word(&a, word);
            add_word(&b, word);
        }
        for (uint64_t i = 0; i < own; i++) {
            add_word(&a, cru_random_next(&random) % WORDS);
            add_word(&b, cru_random_next(&random) % WORDS);
        }
        (void)cru_minhash_sign(m, work, cru_buffer_span(&a));
        memcpy(first, work->minima, permutations * 8);
        cru_minhash_keys(m, first, keys[0]);
        (void)cru_minhash_sign(m, work, cru_buffer_span(&b));
        cru_minhash_keys(m, work->minima, keys[1]);
        for (size_t i = 0; i < permutations; i++) equal += first[i] == work->minima[i];
        bool shared = false;
        for (size_t i = 0; i < m->bands; i++) shared |= keys[0][i] == keys[1][i];
        candidates += shared;
        cru_buffer_release(&a);
        cru_buffer_release(&b);
    }
    double trials = (double)(PAIRS * permutations), mean = (double)equal / trials;
    double deviation = sqrt(similarity * (1 - similarity) / trials);
    if (fabs(mean - similarity) > 4 * deviation)
        fail_msg("similarity %.3f estimated as %.4f (deviation %.4f)", similarity, mean, deviation);
    double p = s_curve(similarity, (double)m->bands, (double)m->rows);
    double share = (double)candidates / PAIRS;
    double spread = sqrt(p * (1 - p) / PAIRS) + 0.5 / PAIRS;
    if (fabs(share - p) > 4 * spread)
        fail_msg("at similarity %.3f %.3f of pairs share a key, not %.3f", similarity, share, p);
}

static void s_curve_is_as_computed(void **state) {
    (void)state;
    struct cru_minhash m;
    struct cru_arena arena;
    cru_arena_init(&arena);
    const struct cru_minhash_profile *profile = cru_minhash_profile_find("fineweb");
    assert_non_null(profile);
    assert_int_equal(profile->bands * profile->rows, 112);
    assert_int_equal(cru_minhash_init(&m, fold, 14, 8, 1, 0, NULL), CRU_OK);
    struct cru_minhash_work *work = cru_minhash_work_new(&m, &arena);
    assert_non_null(work);
    check_similarity(&m, work, 60, 120, 1); /* .20 */
    check_similarity(&m, work, 100, 50, 2); /* .50 */
    check_similarity(&m, work, 140, 30, 3); /* .70 */
    check_similarity(&m, work, 144, 28, 4); /* .72, the curve's middle */
    check_similarity(&m, work, 160, 20, 5); /* .80 */
    check_similarity(&m, work, 180, 10, 6); /* .90 */
    cru_minhash_release(&m);
    cru_arena_release(&arena);
}

static void keys_are_never_zero_and_differ_by_band(void **state) {
    (void)state;
    struct cru_minhash m;
    assert_int_equal(cru_minhash_init(&m, fold, 14, 8, 5, 0, NULL), CRU_OK);
    uint64_t minima[112] = {0}, keys[14];
    cru_minhash_keys(&m, minima, keys);
    for (size_t i = 0; i < 14; i++) {
        assert_true(keys[i] != 0);
        for (size_t j = 0; j < i; j++) assert_true(keys[i] != keys[j]);
    }
    cru_minhash_release(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_equal_the_reference),
        cmocka_unit_test(signatures_equal_naive_ones),
        cmocka_unit_test(s_curve_is_as_computed),
        cmocka_unit_test(keys_are_never_zero_and_differ_by_band),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
