/* SPDX-License-Identifier: Apache-2.0 */
/* The mask pre-tokeniser and the word cache against what they stand for: masks of every
 * kernel against the scanner of pretoken.h, encoding against the definition of merging
 * piece by piece. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crucible/base/base.h"
#include "tokenizer/piece_encoder.h"
#include "tokenizer/pretoken.h"
#include "tokenizer/vocab_compile.h"

enum { LONGEST_TEXT = 24 << 10 };

static struct cru_classes classes;
static struct cru_tokenizer *tokenizer; /* of random merges, QWEN2 with digits 1 */
static void *tokenizer_image;

/* ------------------------------------------------------------------------------------ texts */

/* What a pre-tokeniser can take in the wrong way, alone and side by side. */
static const char *const pool[] = {
    " ",
    " ",
    " ",
    "  ",
    "\t",
    "\v",
    "\f",
    "\n",
    "\r",
    "\r\n",
    "\n\n",
    "\n \n",
    "\n\t \r\n",
    "\x1F",
    "'s",
    "'S",
    "'t",
    "'T",
    "'re",
    "'RE",
    "'Ve",
    "'m",
    "'LL",
    "'lL",
    "'l",
    "'d",
    "'D",
    "'\u017F",
    "'",
    "''",
    "'r",
    "\u017F",
    "\"",
    ".",
    "!?",
    "-",
    "_",
    "\x7F",
    "0",
    "7",
    "42",
    "123456",
    "\u0663",
    "\u00BD",
    "\u0967",
    "\U0001D7D8",
    "a",
    "b",
    "Z",
    "s",
    "the",
    "word",
    "don",
    "\u00E9",
    "\u0436",
    "\u0434\u0430",
    "\u4E2D",
    "\u6587\u5B57",
    "\u5DE5\u5382",
    "\u3042",
    "\uD55C",
    "\u0E01",
    "\U00020000",
    "\U0001F600",
    "\U00010400",
    "\u20AC",
    "\u3001",
    "\u00A7",
    "\u00A0",
    "\u2003",
    "\u3000",
    "\xC2\x85",
    "\u2028",
    "\u1680",
    "\u0301",
    "\u0E31",
    "\u064B",
    "\uFFFD",
    "\U0010FFFF",
};
enum { POOL = sizeof pool / sizeof *pool };

/* Writes exactly n bytes: a few members of the pool again and again, some of them in long rows, or
 * all. */
static void random_text(struct cru_random *r, unsigned char *p, size_t n) {
    const char *some[8];
    size_t of = 2 + cru_random_next(r) % 7, at = 0, left = 0;
    bool all = cru_random_next(r) % 4 == 0, rows = cru_random_next(r) % 2;
    const char *s = "";
    for (size_t i = 0; i < of; i++) some[i] = pool[cru_random_next(r) % POOL];
    while (at < n) {
        if (left == 0) {
            s = all ? pool[cru_random_next(r) % POOL] : some[cru_random_next(r) % of];
            left = rows && cru_random_next(r) % 8 == 0 ? cru_random_next(r) % 150 : 1;
            if (cru_random_next(r) % 200 == 0) {
                p[at++] = 0;
                continue;
            }
        }
        for (; left > 0; left--) {
            size_t bytes = strlen(s);
            if (bytes > n - at) s = "x", bytes = 1;
            if (at == n) break;
            memcpy(p + at, s, bytes);
            at += bytes;
        }
        left = 0;
    }
}

/* A tokenizer of the 256 bytes and random merges of such texts. */
static struct cru_tokenizer *random_tokenizer(uint64_t seed, uint32_t digits, uint32_t flags,
                                              void **image) {
    enum { TOKENS = 700 };
    static unsigned char token[TOKENS][64];
    static size_t length[TOKENS];
    struct cru_random r = {seed};
    struct cru_vocab_draft *d = cru_vocab_draft_new();
    struct cru_vocab_bytes bytes;
    struct cru_tokenizer *t;
    struct cru_error err;
    uint32_t n = 0;
    assert_non_null(d);
    for (uint32_t b = 0; b < 256; b++)
        assert_int_equal(cru_vocab_draft_token(d, b, cru_span_make(&(char){(char)b}, 1), &err), 0);
    for (int tries = 0; tries < 20000 && n < TOKENS; tries++) {
        unsigned char sample[24];
        random_text(&r, sample, sizeof sample);
        size_t from = cru_random_next(&r) % 8, at = from, part[2];
        for (int k = 0; k < 2; at += part[k++]) {
            part[k] = 1;
            for (uint32_t i = 0; i < n; i++)
                if (length[i] > part[k] && length[i] <= 8 &&
                    memcmp(sample + at, token[i], length[i]) == 0)
                    part[k] = length[i];
        }
        struct cru_span left = {(const char *)sample + from, part[0]},
                        right = {left.p + part[0], part[1]}, both = {left.p, part[0] + part[1]};
        if (cru_vocab_draft_token(d, 256 + n, both, &err)) continue;
        assert_int_equal(cru_vocab_draft_merge(d, left, right, &err), CRU_OK);
        length[n] = both.n;
        memcpy(token[n++], both.p, both.n);
    }
    assert_true(n > 300);
    cru_vocab_draft_rules(d, CRU_PATTERN_QWEN2, digits, flags);
    assert_int_equal(cru_vocab_draft_compile(d, "random", &bytes, &err), CRU_OK);
    cru_vocab_draft_free(d);
    assert_int_equal(cru_tokenizer_from_image(bytes.p, bytes.n, &t, &err), CRU_OK);
    *image = bytes.p;
    return t;
}

/* ------------------------------------------------------------------------------------ masks */

/* Where the parts of a whole text begin, by the scanner and the rule for cuts: 1 a piece, 2 a cut.
 */
static void borders_of(const struct cru_piece_rules *rules, const unsigned char *p, size_t n,
                       unsigned char *borders) {
    unsigned length;
    memset(borders, 0, n + 1);
    for (size_t at = 0; at < n;) {
        borders[at] = 1;
        at = (size_t)(cru_piece_end_qwen2(rules->classes, p + at, p + n, rules->digits) - p);
    }
    borders[n] = 1;
    for (size_t at = 3; rules->joins && at < n; at++)
        if (p[at] >= 0xE0 && p[at] < 0xF0 && p[at - 3] >= 0xE0 && p[at - 3] < 0xF0 &&
            !borders[at] &&
            !cru_joins_may(rules->joins, cru_code_point(p + at - 3, &length),
                           cru_code_point(p + at, &length), p[at]))
            borders[at] = 2;
}

static struct cru_piece_masks window;

/* The n bytes at p of a text of `total`: parts are those of the text, and end no sooner than they
 * must. */
static void expect_parts(const struct cru_piece_rules *rules, const unsigned char *p, size_t n,
                         size_t total, const unsigned char *borders) {
    static unsigned char copy[CRU_WINDOW + 64];
    bool last = n == total;
    size_t whole = (n + 63) / 64 * 64, kept = whole < total ? whole : total;
    memset(copy, ' ', sizeof copy);
    memcpy(copy, p, kept);
    memset(&window, 0xA5, sizeof window);
    size_t parts = cru_piece_masks_find(rules, &window, copy, n, last);
    size_t end = parts ? window.starts[parts] : 0, seen = 0;
    assert_true(end <= n);
    for (size_t at = 0; at < end; at++)
        if (borders[at]) assert_int_equal(window.starts[seen++], at);
    assert_int_equal(seen, parts);
    if (last) assert_int_equal(end, n);
    if (parts) assert_true(borders[end] != 0); /* 2: a cut, when no piece is sure to begin */
    for (size_t at = n > 64 ? n - 8 : 0; at > end; at--)
        if (borders[at] == 1 && cru_class_at(rules->classes, p + at, &(unsigned){0}) != CRU_SPACE)
            fail_msg("a piece begins at %zu of %zu, and parts end at %zu", at, n, end);
}

static struct cru_piece_rules random_rules(struct cru_random *r,
                                           const struct cru_mask_kernels *kernels) {
    return (struct cru_piece_rules){.classes = &classes,
                                    .joins = cru_random_next(r) % 2 ? tokenizer->joins : NULL,
                                    .digits = 1 + (uint32_t)(cru_random_next(r) % 3),
                                    .kernels = kernels,
                                    .bmi2 = kernels->avx2};
}

static void masks_find_the_scanners_pieces(void **state) {
    (void)state;
    static unsigned char p[CRU_WINDOW + 512], borders[CRU_WINDOW + 513];
    for (int path = 0; path < CRU_MASKS_PATHS; path++) {
        const struct cru_mask_kernels *k = cru_mask_kernels_of((enum cru_masks_path)path);
        struct cru_random r = {3};
        if (!k) continue;
        for (int i = 0; i < 40000; i++) { /* whole texts, and what windows show of longer ones */
            bool large = i % 64 == 0;
            size_t n = large ? CRU_WINDOW - cru_random_next(&r) % 300
                       : i % 4 == 0
                           ? 64 * (1 + cru_random_next(&r) % 5) - 3 + cru_random_next(&r) % 7
                           : 1 + cru_random_next(&r) % 300;
            struct cru_piece_rules rules = random_rules(&r, k);
            random_text(&r, p, n);
            borders_of(&rules, p, n, borders);
            expect_parts(&rules, p, n, n, borders);
            size_t total = n + 1 + cru_random_next(&r) % 200;
            random_text(&r, p, total);
            borders_of(&rules, p, total, borders);
            expect_parts(&rules, p, n, total, borders);
        }
    }
}

/* Every two and every three members of the pool, over the border of a block and of a digit's row.
 */
static void masks_know_every_neighbourhood(void **state) {
    (void)state;
    unsigned char p[256], borders[257];
    for (int path = 0; path < CRU_MASKS_PATHS; path++) {
        const struct cru_mask_kernels *kernels = cru_mask_kernels_of((enum cru_masks_path)path);
        struct cru_piece_rules rules = {
            .classes = &classes, .digits = 2, .kernels = kernels, .bmi2 = kernels && kernels->avx2};
        if (!rules.kernels) continue;
        for (size_t i = 0; i < POOL * POOL * POOL; i++) {
            const char *s[3] = {pool[i % POOL], pool[i / POOL % POOL], pool[i / POOL / POOL]};
            size_t n = 58 + i % 6;
            memset(p, 'x', n);
            for (int k = 0; k < 3; k++) {
                memcpy(p + n, s[k], strlen(s[k]));
                n += strlen(s[k]);
            }
            borders_of(&rules, p, n, borders);
            expect_parts(&rules, p, n, n, borders);
        }
    }
}

/* What a window ends in goes on behind it, from any place in it on, and then something else comes.
 */
static void rows_reach_beyond_windows(void **state) {
    (void)state;
    static const char *const before[] = {"x", "\n", "!", " ", "7", "'", "\u3000", "!\n"};
    static const char *const behind[] = {"\n", "y", "!", " \n", " y", "\r\n", "8", "s"};
    static const char *const row[] = {" ", "\t", "\n", "\u3000", "!", "7", "z", " \n", "\u4E2D"};
    enum { ROWS = sizeof row / sizeof *row };
    static unsigned char p[CRU_WINDOW + 64], borders[CRU_WINDOW + 65];
    for (int path = 0; path < CRU_MASKS_PATHS; path++) {
        const struct cru_mask_kernels *kernels = cru_mask_kernels_of((enum cru_masks_path)path);
        struct cru_piece_rules rules = {
            .classes = &classes, .digits = 3, .kernels = kernels, .bmi2 = kernels && kernels->avx2};
        for (size_t i = 0; rules.kernels && i < 8 * 8 * ROWS * 150; i++) {
            const char *first = before[i % 8], *then = behind[i / 8 % 8], *s = row[i / 64 % ROWS];
            size_t n = 192, total = n - i / 64 / ROWS;
            memset(p, 'x', total);
            for (const char *c = first; *c; c++) p[total++] = (unsigned char)*c;
            while (total < n + 12)
                for (const char *c = s; *c; c++) p[total++] = (unsigned char)*c;
            for (const char *c = then; *c; c++) p[total++] = (unsigned char)*c;
            borders_of(&rules, p, total, borders);
            expect_parts(&rules, p, n, total, borders);
        }
    }
}

/* --------------------------------------------------------------------------------- encoding */

struct ids {
    uint32_t p[LONGEST_TEXT + CRU_IDS_SLACK];
    size_t n;
};

/* What the definition says: the scanner's pieces, each merged alone. */
static void encode_by_definition(const struct cru_tokenizer *t, struct cru_merge_scratch *scratch,
                                 const unsigned char *p, size_t n, struct ids *ids) {
    ids->n = 0;
    for (const unsigned char *end = p + n; p < end;) {
        const unsigned char *q = cru_piece_end_qwen2(&classes, p, end, t->header->digits);
        size_t made, bytes = (size_t)(q - p);
        if (bytes <= CRU_SHORT_PIECE)
            made = cru_merge_short(&t->merges, p, bytes, ids->p + ids->n);
        else
            assert_true(cru_merge_long(&t->merges, scratch, p, bytes, ids->p + ids->n, &made));
        ids->n += made;
        p = q;
    }
}

static void expect_encoded(struct cru_piece_encoder *e, struct cru_merge_scratch *scratch,
                           const unsigned char *p, size_t n) {
    static struct ids got, want;
    encode_by_definition(e->tokenizer, scratch, p, n, &want);
    unsigned char *exact = malloc(n); /* sanitizers see a byte read beyond */
    assert_non_null(exact);
    memcpy(exact, p, n);
    uint32_t *end = cru_encode_pieces(e, cru_span_make((const char *)exact, n), got.p);
    free(exact);
    got.n = (size_t)(end - got.p);
    assert_int_equal(got.n, want.n);
    assert_memory_equal(got.p, want.p, want.n * sizeof *want.p);
}

static void windows_change_nothing(void **state) {
    (void)state;
    static unsigned char p[LONGEST_TEXT];
    struct cru_merge_scratch scratch = {0};
    for (uint32_t digits = 1; digits <= 3; digits++) {
        void *image;
        struct cru_tokenizer *t = random_tokenizer(5 + digits, digits, 0, &image);
        for (int path = 0; path < CRU_MASKS_PATHS; path++) {
            struct cru_random r = {digits};
            struct cru_piece_encoder e;
            assert_true(cru_piece_encoder_init(&e, t));
            e.rules.kernels = cru_mask_kernels_of((enum cru_masks_path)path);
            e.rules.bmi2 = e.rules.kernels && e.rules.kernels->avx2;
            for (int i = 0; e.rules.kernels && i < 120; i++) {
                size_t n = 3000 + cru_random_next(&r) % 17000;
                random_text(&r, p, n);
                if (i % 4 == 0) { /* a row that no window holds */
                    const char *s = pool[cru_random_next(&r) % POOL];
                    size_t bytes = strlen(s), at = cru_random_next(&r) % (n / 3);
                    while (at > 0 && (p[at] & 0xC0) == 0x80) at--;
                    for (size_t row = 0; row < 6000 && at + bytes <= n - 8;
                         row += bytes, at += bytes)
                        memcpy(p + at, s, bytes);
                    while ((p[at] & 0xC0) == 0x80) p[at++] = '#';
                }
                expect_encoded(&e, &scratch, p, n);
            }
            cru_piece_encoder_release(&e);
        }
        cru_tokenizer_free(t);
        free(image);
    }
    cru_merge_scratch_release(&scratch);
}

static void texts_end_anywhere(void **state) {
    (void)state;
    static unsigned char p[LONGEST_TEXT];
    struct cru_merge_scratch scratch = {0};
    struct cru_random r = {7};
    for (int path = 0; path < CRU_MASKS_PATHS; path++) {
        struct cru_piece_encoder e;
        assert_true(cru_piece_encoder_init(&e, tokenizer));
        e.rules.kernels = cru_mask_kernels_of((enum cru_masks_path)path);
        e.rules.bmi2 = e.rules.kernels && e.rules.kernels->avx2;
        for (int round = 0; e.rules.kernels && round < 3; round++) {
            random_text(&r, p, 2 * CRU_WINDOW + 200);
            for (size_t n = 1; n < 2 * CRU_WINDOW + 100; n++) {
                if ((p[n] & 0xC0) == 0x80 || (n > 200 && n % CRU_WINDOW - 100 < CRU_WINDOW - 200))
                    continue;
                expect_encoded(&e, &scratch, p, n);
            }
        }
        cru_piece_encoder_release(&e);
    }
    cru_merge_scratch_release(&scratch);
}

/* ------------------------------------------------------------------------------------ cache */

/* A word of n bytes that says its number, in letters and bytes that mean nothing to a
 * pre-tokeniser. */
static void write_word(unsigned char *p, size_t n, uint64_t number, bool letters) {
    for (size_t i = 0; i < n; i++, number = number / 23 + i * 7)
        p[i] = (unsigned char)(letters ? 'a' + number % 23 : number % 3 ? 0 : number % 23);
}

static void expect_piece(struct cru_piece_encoder *e, struct cru_merge_scratch *scratch,
                         const unsigned char *p, size_t n) {
    uint32_t got[256 + CRU_IDS_SLACK], want[256];
    size_t wanted = 0;
    assert_true(n <= 256);
    if (n <= CRU_SHORT_PIECE)
        wanted = cru_merge_short(&e->tokenizer->merges, p, n, want);
    else
        assert_true(cru_merge_long(&e->tokenizer->merges, scratch, p, n, want, &wanted));
    uint32_t *end = cru_encode_piece(e, p, n, got);
    assert_int_equal(end - got, wanted);
    assert_memory_equal(got, want, wanted * sizeof *want);
}

/* More words than there are places, and more ids than the pool has, many times; each asked for
 * again soon and late, at the lengths where a piece moves from one table to another. */
static void a_full_cache_answers_the_same(void **state) {
    (void)state;
    static const size_t lengths[] = {1, 2, 3, 7, 8, 9, 14, 15, 16, 17, 45, 46, 47, 48, 100};
    enum { LENGTHS = sizeof lengths / sizeof *lengths, WORDS = 700000, LATE = 3000 };
    struct cru_merge_scratch scratch = {0};
    struct cru_random r = {8};
    struct cru_piece_encoder e;
    unsigned char p[128];
    assert_true(cru_piece_encoder_init(&e, tokenizer));
    for (uint64_t i = 0; i < WORDS; i++) {
        size_t n = i % 8 ? 4 + i % 12 : lengths[i / 8 % LENGTHS];
        write_word(p, n, i, i % 3);
        expect_piece(&e, &scratch, p, n);
        if (i % 5 == 0) expect_piece(&e, &scratch, p, n);
        if (i % 4 == 0 && i > LATE) {
            uint64_t back = i - cru_random_next(&r) % LATE;
            n = back % 8 ? 4 + back % 12 : lengths[back / 8 % LENGTHS];
            write_word(p, n, back, back % 3);
            expect_piece(&e, &scratch, p, n);
        }
    }
    cru_piece_encoder_release(&e);
    cru_merge_scratch_release(&scratch);
}

/* Pieces of every length that differ in one byte only, or in the number of their zeros, one after
 * the other in one encoder, alone and through the windows. */
static void one_byte_makes_another_piece(void **state) {
    (void)state;
    struct cru_merge_scratch scratch = {0};
    struct cru_piece_encoder e;
    unsigned char p[64];
    assert_true(cru_piece_encoder_init(&e, tokenizer));
    for (unsigned fill = 0; fill < 'f'; fill += 'e')
        for (int again = 0; again < 3; again++)
            for (size_t n = 1; n <= sizeof p; n++)
                for (size_t other = 0; other <= n; other++) { /* at n there is none */
                    memset(p, (int)fill, n);
                    if (other < n) p[other] = fill ? 'a' : 1;
                    expect_piece(&e, &scratch, p, n);
                    expect_encoded(&e, &scratch, p, n);
                }
    cru_piece_encoder_release(&e);
    cru_merge_scratch_release(&scratch);
}

/* The same through the windows: a text of all new words, twice. */
static void new_words_in_windows(void **state) {
    (void)state;
    static unsigned char p[LONGEST_TEXT];
    struct cru_merge_scratch scratch = {0};
    struct cru_piece_encoder e;
    assert_true(cru_piece_encoder_init(&e, tokenizer));
    for (uint64_t text = 0, word = 0; text < 150; text++) {
        size_t n = 0;
        while (n + 60 < sizeof p) {
            size_t bytes = 1 + word % 50;
            write_word(p + n, bytes, word++ * 977, true);
            n += bytes;
            p[n++] = word % 3 ? ' ' : 0;
        }
        expect_encoded(&e, &scratch, p, n);
        if (text % 2) expect_encoded(&e, &scratch, p, n);
    }
    cru_piece_encoder_release(&e);
    cru_merge_scratch_release(&scratch);
}

static int begin(void **state) {
    (void)state;
    tokenizer = random_tokenizer(4, 1, 0, &tokenizer_image);
    return cru_classes_init(&classes) ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    cru_tokenizer_free(tokenizer);
    free(tokenizer_image);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_find_the_scanners_pieces),
        cmocka_unit_test(masks_know_every_neighbourhood),
        cmocka_unit_test(rows_reach_beyond_windows),
        cmocka_unit_test(windows_change_nothing),
        cmocka_unit_test(texts_end_anywhere),
        cmocka_unit_test(a_full_cache_answers_the_same),
        cmocka_unit_test(one_byte_makes_another_piece),
        cmocka_unit_test(new_words_in_windows),
    };
    return cmocka_run_group_tests_name("tokenizer masks", tests, begin, end);
}
