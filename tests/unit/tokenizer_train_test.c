/* SPDX-License-Identifier: Apache-2.0 */
/* Training against the definition written down plainly: count every pair, merge the first, begin
 * again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "crucible/base/base.h"
#include "tokenizer/bpe_train.h"
#include "tokenizer/pretoken.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocab_compile.h"
#include "tokenizer/vocab_json_write.h"

enum { MERGES = 60, IDS = 256 + MERGES, LONGEST = 3000 };

/* The whole text as ids, with NONE between pieces. */
static const uint32_t NONE = UINT32_MAX;
struct plain {
    uint32_t ids[2 * LONGEST];
    size_t n;
    struct cru_bpe_merge merges[MERGES];
    uint32_t n_merges;
    uint64_t last_count;
};

static void plain_add(struct plain *t, const struct cru_bpe_vocab *bytes, struct cru_span text) {
    static struct cru_classes classes;
    if (!classes.bits) assert_true(cru_classes_init(&classes));
    const unsigned char *p = (const unsigned char *)text.p, *end = p + text.n;
    while (p < end) {
        const unsigned char *q = cru_piece_end_qwen2(&classes, p, end, 1);
        for (; p < q; p++)
            for (uint32_t id = 0; id < 256; id++)
                if ((unsigned char)*cru_bpe_vocab_token(bytes, id).p == *p) t->ids[t->n++] = id;
        t->ids[t->n++] = NONE;
    }
}

static void plain_train(struct plain *t, uint64_t min_count) {
    static uint64_t counts[IDS][IDS];
    for (t->n_merges = 0; t->n_merges < MERGES; t->n_merges++) {
        memset(counts, 0, sizeof counts);
        struct cru_bpe_merge best = {0, 0};
        for (size_t i = 0; i + 1 < t->n; i++)
            if (t->ids[i] != NONE && t->ids[i + 1] != NONE) counts[t->ids[i]][t->ids[i + 1]]++;
        for (uint32_t a = 0; a < IDS; a++)
            for (uint32_t b = 0; b < IDS; b++)
                if (counts[a][b] > counts[best.left][best.right])
                    best = (struct cru_bpe_merge){a, b};
        if (counts[best.left][best.right] < min_count) return;
        t->last_count = counts[best.left][best.right];
        t->merges[t->n_merges] = best;
        size_t k = 0;
        for (size_t i = 0; i < t->n; i++, k++) {
            bool here = i + 1 < t->n && t->ids[i] == best.left && t->ids[i + 1] == best.right;
            t->ids[k] = here ? 256 + t->n_merges : t->ids[i];
            i += here;
        }
        t->n = k;
    }
}

static uint64_t plain_tokens(const struct plain *t) {
    uint64_t n = 0;
    for (size_t i = 0; i < t->n; i++) n += t->ids[i] != NONE;
    return n;
}

static struct cru_bpe_train_params params_of(uint32_t n_merges, uint64_t min_count) {
    return (struct cru_bpe_train_params){
        .n_merges = n_merges, .min_count = min_count, .max_bytes = UINT32_MAX, .threads = 1};
}

/* Trains on texts that are dealt to several counters. */
static struct cru_bpe_vocab train(const struct cru_span *texts, size_t n, size_t n_counters,
                                  uint64_t memory, struct cru_bpe_train_params params) {
    struct cru_piece_counter *counters[4] = {NULL};
    struct cru_bpe_vocab vocab;
    struct cru_error err;
    struct cru_budget budget = {.limit = memory, .tmpdir = "/tmp"};
    params.budget = &budget;
    params.threads = n_counters;
    for (size_t i = 0; i < n_counters; i++)
        assert_non_null(counters[i] = cru_piece_counter_new(memory, "/tmp"));
    for (size_t i = 0; i < n; i++)
        assert_int_equal(cru_piece_counter_add(counters[i % n_counters], texts[i], &err), CRU_OK);
    assert_int_equal(cru_bpe_train(counters, n_counters, &params, &vocab, &err), CRU_OK);
    for (size_t i = 0; i < n_counters; i++) cru_piece_counter_free(counters[i]);
    return vocab;
}

static struct cru_bpe_vocab train_one(struct cru_span text, struct cru_bpe_train_params params) {
    return train(&text, 1, 1, 0, params);
}

static void same_vocab(const struct cru_bpe_vocab *a, const struct cru_bpe_vocab *b) {
    assert_int_equal(a->n_merges, b->n_merges);
    assert_memory_equal(a->merges, b->merges, a->n_merges * sizeof *a->merges);
    assert_int_equal(a->tokens, b->tokens);
    assert_int_equal(a->distinct, b->distinct);
    assert_int_equal(a->pieces, b->pieces);
}

/* Few letters, many repetitions: pairs that overlap themselves, ties, tokens within tokens. */
static struct cru_span random_text(struct cru_random *r, char *p) {
    unsigned letters = 1 + (unsigned)(cru_random_next(r) % 5),
             spaces = (unsigned)(cru_random_next(r) % 30);
    size_t n = 1 + cru_random_next(r) % LONGEST;
    for (size_t i = 0; i < n; i++) {
        uint64_t x = cru_random_next(r);
        if (spaces && x % spaces == 0)
            p[i] = x >> 32 & 1 ? ' ' : '.';
        else
            p[i] = (char)('a' + (x >> 16) % letters * ((x >> 40) % 3 > 0));
    }
    return cru_span_make(p, n);
}

static void equals_the_definition(void **state) {
    (void)state;
    struct cru_random r = {11};
    static struct plain plain;
    static char p[LONGEST];
    uint64_t merged = 0;
    for (int round = 0; round < 250; round++) {
        struct cru_span text = random_text(&r, p);
        uint64_t min_count = 1 + cru_random_next(&r) % 3;
        struct cru_bpe_vocab v = train_one(text, params_of(MERGES, min_count));
        plain.n = 0;
        plain_add(&plain, &v, text);
        assert_int_equal(v.pieces + text.n, plain.n);
        plain_train(&plain, min_count);
        assert_int_equal(v.n_merges, plain.n_merges);
        assert_memory_equal(v.merges, plain.merges, v.n_merges * sizeof *v.merges);
        assert_int_equal(v.tokens, plain_tokens(&plain));
        if (v.n_merges) assert_int_equal(v.last_count, plain.last_count);
        merged += v.n_merges;
        cru_bpe_vocab_release(&v);
    }
    assert_true(merged > 5000);
}

static void ties_go_to_the_smallest_ids(void **state) {
    (void)state;
    struct cru_bpe_vocab v = train_one(CRU_SPAN("zy.zy.ba.ba.bb.bb"), params_of(3, 2));
    /* The pieces are zy .zy .ba .ba .bb .bb: ".b" occurs four times. Then "zy", ".ba" and ".bb" do
     * twice: z has a smaller id than ".b", which is 256, and a than b. */
    assert_true(cru_span_is(cru_bpe_vocab_token(&v, 256), ".b"));
    assert_true(cru_span_is(cru_bpe_vocab_token(&v, 257), "zy"));
    assert_true(cru_span_is(cru_bpe_vocab_token(&v, 258), ".ba"));
    cru_bpe_vocab_release(&v);
}

/* Every distinct piece many times over, so that tables grow, spill and are merged from many runs.
 */
static void spilling_changes_nothing(void **state) {
    (void)state;
    enum { TEXTS = 64, EACH = 48 << 10 };
    struct cru_random r = {5};
    struct cru_span texts[TEXTS];
    char *all = malloc((size_t)TEXTS * EACH);
    assert_non_null(all);
    for (size_t i = 0; i < TEXTS; i++) {
        char *p = all + i * EACH;
        for (size_t k = 0; k < EACH; k++) {
            uint64_t x = cru_random_next(&r);
            p[k] = x % 6 == 0 ? ' ' : (char)('a' + (x >> 8) % 26);
            if (k % 4096 > 4000) p[k] = 'x'; /* long pieces, too */
        }
        texts[i] = cru_span_make(p, EACH);
    }
    struct cru_bpe_vocab a = train(texts, TEXTS, 1, 0, params_of(500, 2));
    struct cru_bpe_vocab b = train(texts, TEXTS, 3, 0, params_of(500, 2));
    struct cru_bpe_vocab c = train(texts, TEXTS, 2, 1 << 20, params_of(500, 2));
    assert_true(a.distinct > 200000);
    assert_int_equal(a.n_merges, 500);
    same_vocab(&a, &b);
    same_vocab(&a, &c);
    struct cru_piece_counter *counter = cru_piece_counter_new(1 << 20, "/tmp");
    struct cru_error err;
    assert_non_null(counter);
    for (size_t i = 0; i < TEXTS; i++)
        assert_int_equal(cru_piece_counter_add(counter, texts[i], &err), CRU_OK);
    assert_true(cru_piece_counter_totals(counter).spilled > 1 << 20);
    cru_piece_counter_free(counter);
    cru_bpe_vocab_release(&a);
    cru_bpe_vocab_release(&b);
    cru_bpe_vocab_release(&c);
    free(all);
}

static void barred_and_long_tokens_are_not_made(void **state) {
    (void)state;
    struct cru_span barred[] = {CRU_SPAN("abc")},
                    text = CRU_SPAN("abcd abcd abcd abcd aaaaaaaaaaaaaaaa");
    struct cru_bpe_train_params params = params_of(MERGES, 2);
    params.barred = barred;
    params.n_barred = 1;
    params.max_bytes = 4;
    struct cru_bpe_vocab v = train_one(text, params);
    assert_true(v.n_merges > 3);
    for (uint32_t id = 0; id < 256 + v.n_merges; id++) {
        assert_false(cru_span_is(cru_bpe_vocab_token(&v, id), "abc"));
        assert_in_range(cru_bpe_vocab_token(&v, id).n, 1, 4);
    }
    cru_bpe_vocab_release(&v);
}

/* What is trained, written and read back encodes the text it was trained on into as many tokens. */
static void the_encoder_agrees(void **state) {
    (void)state;
    struct cru_span
        text = CRU_SPAN(
            "The quick brown fox's den, 2026: \"quoted\" \\ back\tslash\r\n\r\nthe other other\n"
            "\xC3\xA9t\xC3\xA9 \xE6\xB1\x89\xE5\xAD\x97\xE6\xB1\x89\xE5\xAD\x97 \xF0\x9F\x98\x80 "
            "the den the den it's it's   \n"
            "other others othering quick quicker quickest brown browner 'S e\xCC\x81 e\xCC\x81 "),
        added[] = {CRU_SPAN("<|endoftext|>"), CRU_SPAN("<|\"\xC3\xA9\\|>")};
    struct cru_bpe_vocab v = train_one(text, params_of(30, 2));
    assert_int_equal(v.n_merges, 30);
    struct cru_buffer json, back;
    cru_buffer_init(&json);
    cru_buffer_init(&back);
    cru_vocab_json_write(&v, added, 2, &json);
    assert_false(json.failed);
    struct cru_error err = {CRU_OK, ""};
    struct cru_vocab_bytes image;
    struct cru_tokenizer *tokenizer;
    if (cru_vocab_compile_json(cru_buffer_span(&json), "t", &image, &err))
        fail_msg("%s", err.message);
    assert_int_equal(cru_tokenizer_from_image(image.p, image.n, &tokenizer, &err), CRU_OK);
    assert_int_equal(cru_tokenizer_size(tokenizer), 256 + 30 + 2);
    assert_int_equal(cru_tokenizer_end_id(tokenizer), 286);
    assert_int_equal(cru_tokenizer_added(tokenizer, added[1]), 287);
    for (uint32_t id = 0; id < 286; id++)
        assert_true(cru_span_eq(cru_tokenizer_token(tokenizer, id), cru_bpe_vocab_token(&v, id)));
    struct cru_encoder *encoder = cru_encoder_new(tokenizer);
    struct cru_ids ids = {0};
    assert_non_null(encoder);
    assert_int_equal(cru_encode(encoder, text, CRU_SPECIAL_TEXT, &ids, &err), CRU_OK);
    assert_int_equal(ids.n, v.tokens);
    cru_tokenizer_decode(tokenizer, ids.p, ids.n, &back);
    assert_int_equal(back.n, v.bytes);    /* NFC of the text */
    assert_int_equal(back.n, text.n - 2); /* two accents were composed */
    cru_ids_release(&ids);
    cru_encoder_free(encoder);
    cru_tokenizer_free(tokenizer);
    free(image.p);
    cru_buffer_release(&json);
    cru_buffer_release(&back);
    cru_bpe_vocab_release(&v);
}

/* Time must not be quadratic in the length of a piece; scanning a piece a merge would take minutes
 * here. */
static void long_pieces_are_quick(void **state) {
    (void)state;
    enum { N = 1 << 20 };
    struct cru_random r = {3};
    char *p = malloc(N);
    assert_non_null(p);
    for (int kind = 0; kind < 2; kind++) {
        for (size_t i = 0; i < N; i++) p[i] = (char)('a' + (kind ? cru_random_next(&r) % 26 : 0));
        struct cru_bpe_vocab v;
        clock_t start = clock();
        v = train_one(cru_span_make(p, N), params_of(8192, 2));
        assert_true((double)(clock() - start) / CLOCKS_PER_SEC < 20);
        assert_int_equal(v.distinct, 1);
        assert_int_equal(v.n_merges, kind ? 8192 : 19); /* 2, 4, .. 2^19 times a: twice each */
        cru_bpe_vocab_release(&v);
    }
    free(p);
}

static void nothing_to_train_on(void **state) {
    (void)state;
    struct cru_bpe_vocab v = train_one(CRU_SPAN(""), params_of(10, 2));
    assert_int_equal(v.n_merges, 0);
    assert_int_equal(v.tokens, 0);
    cru_bpe_vocab_release(&v);
    v = train_one(CRU_SPAN("a\nb 1 1 1"), params_of(0, 2));
    assert_int_equal(v.n_merges, 0);
    cru_bpe_vocab_release(&v);
    struct cru_piece_counter *counter = cru_piece_counter_new(1, "/nonexistent");
    struct cru_error err = {CRU_OK, ""};
    char word[6] = "aaaa ";
    assert_non_null(counter);
    enum cru_status status = CRU_OK;
    for (int i = 0; i < 100000 && !status; i++) {
        for (int k = 0, x = i; k < 4; k++, x /= 26) word[k] = (char)('a' + x % 26);
        status = cru_piece_counter_add(counter, cru_span_make(word, 5), &err);
    }
    assert_int_equal(status, CRU_FATAL);
    assert_non_null(strstr(err.message, "/nonexistent"));
    cru_piece_counter_free(counter);
}

static void characters_are_gpt2s(void **state) {
    (void)state;
    uint32_t next = 0x100;
    for (int b = 0; b < 256; b++) {
        bool self = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
        uint32_t want = self ? (uint32_t)b : next++;
        assert_int_equal(cru_byte_character((uint8_t)b), want);
        assert_int_equal(cru_character_byte(want), b);
    }
    assert_int_equal(cru_character_byte(' '), -1);
    assert_int_equal(cru_character_byte(0x144), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_definition),
        cmocka_unit_test(ties_go_to_the_smallest_ids),
        cmocka_unit_test(spilling_changes_nothing),
        cmocka_unit_test(barred_and_long_tokens_are_not_made),
        cmocka_unit_test(the_encoder_agrees),
        cmocka_unit_test(long_pieces_are_quick),
        cmocka_unit_test(nothing_to_train_on),
        cmocka_unit_test(characters_are_gpt2s),
    };
    return cmocka_run_group_tests_name("tokenizer train", tests, NULL, NULL);
}
