/* SPDX-License-Identifier: Apache-2.0 */
/* The rule for cutting long pieces: what a token contains may never be cut, and cut or not, the ids of a
 * text are those of plain merging. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crucible/base/base.h"
#include "tokenizer/vocab.h"
#include "tokenizer/vocab_compile.h"

/* A vocabulary of random merges over the bytes of a few Han and Cyrillic characters, so that tokens begin
 * and end anywhere within characters. */
enum { ALPHABET = 30 };
static const char *const alphabet[ALPHABET] = {
    "a", "\u4E2D", "\u6587", "\u4EBA", "\u754C", "\u65AD", "\u5DE5", "\u5382", "\u5B66",
    "\u6821", "\u957F", "\u6CB3", "\u5C71", "\u6C34", "\u706B", "\u6728", "\u91D1", "\u571F",
    "\u65E5", "\u6708", "\u5E74", "\u65F6", "\u5206", "\u79D2", "\u5929", "\u5730", "\u0436",
    "\u044F", "\u0448", "\u044B",
};

static struct cru_tokenizer *random_tokenizer(struct cru_random *r, void **image) {
    struct cru_vocab_draft *d = cru_vocab_draft_new();
    struct cru_vocab_bytes bytes;
    struct cru_tokenizer *t;
    struct cru_error err;
    char text[300][64];
    size_t length[300];
    uint32_t n = 0;
    assert_non_null(d);
    for (uint32_t b = 0; b < 256; b++)
        assert_int_equal(cru_vocab_draft_token(d, b, cru_span_make(&(char){(char)b}, 1), &err), 0);
    for (int tries = 0; tries < 4000 && n < 300; tries++) {
        /* Two neighbouring pieces of a random text, each a byte or an earlier token. */
        char sample[40];
        size_t m = 0, part[2], from;
        for (int i = 0; i < 5; i++) {
            const char *c = alphabet[cru_random_next(r) % ALPHABET];
            memcpy(sample + m, c, strlen(c));
            m += strlen(c);
        }
        from = cru_random_next(r) % (m / 2);
        size_t at = from;
        for (int k = 0; k < 2; k++) {
            part[k] = at < m;
            for (uint32_t i = 0; i < n; i++)
                if (length[i] <= m - at && length[i] > part[k] &&
                    memcmp(sample + at, text[i], length[i]) == 0)
                    part[k] = length[i];
            at += part[k];
        }
        if (!part[0] || !part[1]) continue;
        struct cru_span left = {sample + from, part[0]}, right = {sample + from + part[0], part[1]};
        if (cru_vocab_draft_token(d, 256 + n, cru_span_make(left.p, left.n + right.n), &err)) continue;
        assert_int_equal(cru_vocab_draft_merge(d, left, right, &err), CRU_OK);
        length[n] = left.n + right.n;
        memcpy(text[n++], left.p, left.n + right.n);
    }
    assert_true(n > 100);
    cru_vocab_draft_rules(d, CRU_PATTERN_QWEN2, 1, 0);
    assert_int_equal(cru_vocab_draft_compile(d, "random", &bytes, &err), CRU_OK);
    cru_vocab_draft_free(d);
    assert_int_equal(cru_tokenizer_from_image(bytes.p, bytes.n, &t, &err), CRU_OK);
    *image = bytes.p;
    return t;
}

static void cutting_changes_nothing(void **state) {
    (void)state;
    struct cru_random r = {11};
    struct cru_error err;
    size_t cuts = 0;
    for (int vocabulary = 0; vocabulary < 10; vocabulary++) {
        void *image;
        struct cru_tokenizer *t = random_tokenizer(&r, &image);
        struct cru_encoder *e = cru_encoder_new(t);
        struct cru_merge_scratch scratch = {0};
        struct cru_ids ids = {NULL, 0, 0};
        assert_non_null(e);
        for (int text = 0; text < 800; text++) {
            char p[400];
            uint32_t want[400];
            size_t n = 0, wanted, length = 1 + cru_random_next(&r) % 120;
            uint32_t before = 0;
            for (size_t i = 0; i < length; i++) { /* letters only: one piece */
                const unsigned char *c =
                    (const unsigned char *)alphabet[cru_random_next(&r) % ALPHABET];
                unsigned bytes;
                uint32_t here = cru_code_point(c, &bytes);
                if (before && bytes == 3 && !cru_joins_may(t->joins, before, here, *c)) cuts++;
                before = bytes == 3 ? here : 0;
                memcpy(p + n, c, bytes);
                n += bytes;
            }
            assert_true(cru_merge_long(&t->merges, &scratch, (const unsigned char *)p, n, want, &wanted));
            for (int again = 0; again < 2; again++) {
                cru_ids_clear(&ids);
                assert_int_equal(
                    cru_encode(e, cru_span_make(p, n), CRU_SPECIAL_TEXT, &ids, &err), CRU_OK);
                assert_int_equal(ids.n, wanted);
                assert_memory_equal(ids.p, want, wanted * sizeof *want);
            }
        }
        cru_ids_release(&ids);
        cru_merge_scratch_release(&scratch);
        cru_encoder_free(e);
        cru_tokenizer_free(t);
        free(image);
    }
    assert_true(cuts > 1000); /* the rule does cut */
}

static void parts_of_characters_count(void **state) {
    (void)state;
    static const struct {
        const char *token, *a, *b;
        bool joins;
    } rows[] = {
        {"\xE4\xB8\xAD\xE6\x96\x87", "\xE4\xB8\xAD", "\xE6\x96\x87", true},
        {"\xE4\xB8\xAD\xE6\x96\x87", "\xE6\x96\x87", "\xE4\xB8\xAD", false},
        {"x\xE4\xB8\xAD\xE6\x96\x87y", "\xE4\xB8\xAD", "\xE6\x96\x87", true},
        {"\xB8\xAD\xE6\x96\x87", "\xE4\xB8\xAD", "\xE6\x96\x87", true}, /* A in part */
        {"\xB8\xAD\xE6\x96\x87", "\xE5\xB8\xAD", "\xE6\x96\x87", true},
        {"\xB8\xAD\xE6\x96\x87", "\xE4\xB9\xAD", "\xE6\x96\x87", false},
        {"\xAD\xE6\x96\x87", "\xE4\xB8\xAD", "\xE6\x96\x87", true},
        {"\xAD\xE6\x96\x87", "\xE4\xB8\xAE", "\xE6\x96\x87", false},
        {"\xE4\xB8\xAD\xE6\x96", "\xE4\xB8\xAD", "\xE6\x96\x87", true}, /* B in part */
        {"\xE4\xB8\xAD\xE6\x96", "\xE4\xB8\xAD", "\xE6\x97\x87", false},
        {"\xE4\xB8\xAD\xE6", "\xE4\xB8\xAD", "\xE6\x96\x87", true},
        {"\xE4\xB8\xAD\xE6", "\xE4\xB8\xAD", "\xE7\x96\x87", false},
        {"\xAD\xE6", "\xE4\xB8\xAD", "\xE6\x96\x87", true}, /* both */
        {"\xAD\xE6", "\xE4\xB8\xAE", "\xE6\x96\x87", false},
        {"\xB8\xAD\xE6\x96", "\xE9\xB8\xAD", "\xE6\x96\x80", true},
        {"\xB8\xAD\xE6\x96", "\xE9\xB8\xAD", "\xE6\x95\x80", false},
        {"\xD0\xB8\xE6\x96\x87", "\xE4\x90\xB8", "\xE6\x96\x87", false}, /* A of two bytes */
        {"\xE4\xB8\xAD", "\xE4\xB8\xAD", "\xE4\xB8\xAD", false},
    };
    static struct cru_joins joins;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        memset(&joins, 0, sizeof joins);
        cru_joins_add(&joins, (const unsigned char *)rows[i].token, strlen(rows[i].token));
        unsigned length;
        const unsigned char *a = (const unsigned char *)rows[i].a;
        const unsigned char *b = (const unsigned char *)rows[i].b;
        assert_int_equal(cru_joins_may(&joins, cru_code_point(a, &length),
                                       cru_code_point(b, &length), *b),
                         rows[i].joins);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cutting_changes_nothing),
        cmocka_unit_test(parts_of_characters_count),
    };
    return cmocka_run_group_tests_name("tokenizer joins", tests, NULL, NULL);
}
