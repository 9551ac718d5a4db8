/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our ids against those of Hugging Face tokenizers 0.23.3, whose XXH3-64 for every hundred texts
 * tests/bench/tokenizer_golden.py stored: real documents in 40 languages and code, and strings made
 * here. `tokenizer_golden_test --write FILE` writes these strings for that script.
 *
 * Needs the compiled Qwen3 vocabulary (`make vocab`) and is run from the source directory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "crucible/base/base.h"
#include "crucible/base/input.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/unicode_classes.h"

enum { STRINGS = 6000, EACH = 100 };

static struct cru_tokenizer *tokenizer;
static struct cru_encoder *encoder;
static struct cru_encode_stream *stream;
static struct cru_random cuts = {7};

/* ------------------------------------------------------------------------------ the strings */

static const struct {
    uint32_t first, last;
} pools[] = {
    {0x20, 0x7E},       {0x09, 0x0D},       {0x20, 0x20},       {0x27, 0x27},     {0x4C, 0x76},
    {0x30, 0x39},       {0x17F, 0x17F},     {0xA0, 0x24F},      {0x300, 0x36F},   {0x370, 0x3FF},
    {0x400, 0x4FF},     {0x590, 0x5FF},     {0x600, 0x6FF},     {0x900, 0x97F},   {0xB80, 0xBFF},
    {0xDC0, 0xDFF},     {0xE00, 0xE7F},     {0xF00, 0xFBF},     {0x1000, 0x104F}, {0x1100, 0x11FF},
    {0xAC00, 0xAC7F},   {0x1AB0, 0x1AFF},   {0x1DC0, 0x1DFF},   {0x2000, 0x202F}, {0x2E80, 0x30FF},
    {0x4E00, 0x9FFF},   {0xF900, 0xFAFF},   {0xFB00, 0xFDFF},   {0x105C0, 0x105EF},
    {0x11300, 0x113FF}, {0x11930, 0x11944}, {0x16110, 0x1612F}, {0x16D60, 0x16D6F},
    {0x1D150, 0x1D17F}, {0x1F300, 0x1F64F}, {0x2F800, 0x2FA1F}, {0xFFFD, 0xFFFF},
    {0x10FFF0, 0x10FFFF}, {0x1C80, 0x1C8F}, {0xA7C0, 0xA7DF},
};
static const char *const markers[] = {
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>", "<tool_call>", "<|im_start|",
    "<|fim_middle|>", "<|", "</tool_response>",
};

static void add_code_point(struct cru_buffer *out, uint32_t c) {
    unsigned char p[4];
    cru_buffer_add(out, p, cru_put_code_point(p, c));
}

static void make_string(struct cru_random *r, struct cru_buffer *out) {
    size_t kinds[4], length = 1 + cru_random_next(r) % 80, n_pools = sizeof pools / sizeof *pools;
    cru_buffer_clear(out);
    for (size_t i = 0; i < 4; i++) kinds[i] = cru_random_next(r) % n_pools;
    for (size_t i = 0; i < length; i++) {
        uint64_t what = cru_random_next(r) % 100, times = 1;
        if (what < 3)
            cru_buffer_add_string(
                out, markers[cru_random_next(r) % (sizeof markers / sizeof *markers)]);
        if (what == 3) times = 1 + cru_random_next(r) % 60;
        size_t k = kinds[cru_random_next(r) % 4];
        uint32_t span = pools[k].last - pools[k].first + 1;
        uint32_t c = pools[k].first + (uint32_t)(cru_random_next(r) % span);
        for (uint64_t t = 0; t < times; t++) add_code_point(out, c);
    }
}

static int write_strings(const char *path) {
    FILE *f = fopen(path, "wb");
    struct cru_random r = {2026};
    struct cru_buffer b;
    if (!f) return 2;
    cru_buffer_init(&b);
    for (int i = 0; i < STRINGS; i++) {
        make_string(&r, &b);
        uint32_t n = (uint32_t)b.n;
        if (fwrite(&n, 4, 1, f) != 1 || fwrite(b.p, 1, b.n, f) != b.n) return 2;
    }
    cru_buffer_release(&b);
    return fclose(f) ? 2 : 0;
}

/* ------------------------------------------------------------------------------- the hashes */

struct expected {
    char group[16], special[16];
    unsigned number;
    unsigned long long hash;
};
static struct expected *expected;
static size_t n_expected, n_checked;

static void read_expected(void) {
    struct cru_input *input;
    struct cru_error err;
    struct cru_span line;
    bool whole;
    assert_int_equal(cru_input_open("tests/golden/tokenizer_hashes.txt", &input, &err), CRU_OK);
    while (cru_input_line(input, &line, &whole, &err) == CRU_OK) {
        char text[100];
        expected = realloc(expected, (n_expected + 1) * sizeof *expected);
        assert_non_null(expected);
        struct expected *e = &expected[n_expected++];
        snprintf(text, sizeof text, "%.*s", (int)line.n, line.p);
        assert_int_equal(sscanf(text, "%15s %15s %u %llx", e->group, e->special, &e->number, &e->hash), 4);
    }
    cru_input_close(input);
}

static void check_hash(const char *group, const char *special, unsigned number, uint64_t hash) {
    for (size_t i = 0; i < n_expected; i++) {
        const struct expected *e = &expected[i];
        if (strcmp(e->group, group) || strcmp(e->special, special) || e->number != number) continue;
        if (e->hash != hash)
            print_error("%s %s: texts %u to %u differ from the reference\n", group, special,
                        number * EACH, number * EACH + EACH - 1);
        assert_true(e->hash == hash);
        n_checked++;
        return;
    }
    fail_msg("%s %s %u: no hash is stored", group, special, number);
}

/* The hash is of, for each text, the number of ids and the ids, as little-endian u32. */
struct running {
    const char *group, *special;
    struct cru_hasher *hasher;
    size_t texts;
};

static void begin_group(struct running *run, const char *group, const char *special) {
    *run = (struct running){group, special, cru_hasher_new(), 0};
    assert_non_null(run->hasher);
}

static void end_hundred(struct running *run) {
    check_hash(run->group, run->special, (unsigned)((run->texts - 1) / EACH),
               cru_hasher_digest(run->hasher));
    cru_hasher_free(run->hasher);
    run->hasher = cru_hasher_new();
    assert_non_null(run->hasher);
}

/* The same ids when the text comes in chunks. */
static void check_chunks(struct cru_span text, enum cru_special special, const struct cru_ids *want) {
    struct cru_ids ids = {NULL, 0, 0};
    struct cru_error err;
    size_t most = cru_random_next(&cuts) % 2 ? 16 : 4096;
    assert_int_equal(cru_encode_stream_begin(stream, special, &err), CRU_OK);
    while (text.n > 0) {
        size_t n = 1 + cru_random_next(&cuts) % most;
        if (n > text.n) n = text.n;
        assert_int_equal(cru_encode_stream_feed(stream, cru_span_make(text.p, n), &ids, &err), CRU_OK);
        text = cru_span_make(text.p + n, text.n - n);
    }
    assert_int_equal(cru_encode_stream_end(stream, &ids, &err), CRU_OK);
    assert_int_equal(ids.n, want->n);
    if (ids.n) assert_memory_equal(ids.p, want->p, ids.n * sizeof *ids.p);
    cru_ids_release(&ids);
}

static void add_text(struct running *run, struct cru_span text) {
    struct cru_ids ids = {NULL, 0, 0};
    struct cru_error err;
    enum cru_special special =
        strcmp(run->special, "text") == 0 ? CRU_SPECIAL_TEXT : CRU_SPECIAL_RECOGNISE;
    assert_int_equal(cru_encode(encoder, text, special, &ids, &err), CRU_OK);
    check_chunks(text, special, &ids);
    uint32_t n = (uint32_t)ids.n;
    cru_hasher_add(run->hasher, &n, 4);
    cru_hasher_add(run->hasher, ids.p, ids.n * 4);
    cru_ids_release(&ids);
    if (++run->texts % EACH == 0) end_hundred(run);
}

static void end_group(struct running *run) {
    if (run->texts % EACH) end_hundred(run);
    cru_hasher_free(run->hasher);
}

static void random_strings_agree(void **state) {
    (void)state;
    static const char *const rules[] = {"recognise", "text"};
    for (size_t k = 0; k < 2; k++) {
        struct cru_random r = {2026};
        struct running run;
        struct cru_buffer b;
        cru_buffer_init(&b);
        begin_group(&run, "strings", rules[k]);
        for (int i = 0; i < STRINGS; i++) {
            make_string(&r, &b);
            add_text(&run, cru_buffer_span(&b));
        }
        end_group(&run);
        cru_buffer_release(&b);
    }
}

/* Reads the whole corpus: for each text a little-endian u32 length and its bytes, compressed with xz. */
static void read_corpus(struct cru_buffer *all) {
    struct cru_input *input;
    struct cru_error err;
    cru_buffer_init(all);
    assert_int_equal(cru_input_open("tests/golden/tokenizer_corpus.xz", &input, &err), CRU_OK);
    for (;;) {
        size_t got;
        char *room = cru_buffer_room(all, 1 << 20);
        assert_non_null(room);
        enum cru_status status = cru_input_read(input, room, 1 << 20, &got, &err);
        if (status == CRU_END) break;
        assert_int_equal(status, CRU_OK);
        all->n += got;
    }
    cru_input_close(input);
}

static void documents_agree(void **state) {
    (void)state;
    static const char *const rules[] = {"recognise", "text"};
    struct cru_buffer all;
    read_corpus(&all);
    for (size_t k = 0; k < 2; k++) {
        struct running run;
        begin_group(&run, "corpus", rules[k]);
        for (size_t at = 0; at + 4 <= all.n;) {
            uint32_t n;
            memcpy(&n, all.p + at, 4);
            assert_true(n <= all.n - at - 4);
            add_text(&run, cru_span_make(all.p + at + 4, n));
            at += 4 + (size_t)n;
        }
        assert_true(run.texts > 2000);
        end_group(&run);
    }
    cru_buffer_release(&all);
}

static void decoding_gives_the_text_back(void **state) {
    (void)state;
    struct cru_random r = {5};
    struct cru_buffer text, again;
    struct cru_ids ids = {NULL, 0, 0};
    struct cru_error err;
    cru_buffer_init(&text);
    cru_buffer_init(&again);
    for (int i = 0; i < 500; i++) { /* ASCII is NFC, so nothing may change */
        cru_buffer_clear(&text);
        cru_buffer_clear(&again);
        cru_ids_clear(&ids);
        for (int k = 0; k < 200; k++)
            cru_buffer_add_char(&text, (char)(9 + cru_random_next(&r) % 118));
        cru_buffer_add_string(&text, "<|im_end|>");
        assert_int_equal(
            cru_encode(encoder, cru_buffer_span(&text), CRU_SPECIAL_RECOGNISE, &ids, &err), CRU_OK);
        assert_int_equal(ids.p[ids.n - 1], 151645);
        cru_tokenizer_decode(tokenizer, ids.p, ids.n, &again);
        assert_true(cru_span_eq(cru_buffer_span(&text), cru_buffer_span(&again)));
    }
    cru_buffer_release(&text);
    cru_buffer_release(&again);
    cru_ids_release(&ids);
}

static void facts_of_the_vocabulary(void **state) {
    (void)state;
    assert_string_equal(cru_tokenizer_name(tokenizer), "qwen3");
    assert_int_equal(cru_tokenizer_size(tokenizer), 151669);
    assert_int_equal(cru_tokenizer_end_id(tokenizer), 151643);
    assert_int_equal(cru_tokenizer_added(tokenizer, CRU_SPAN("</think>")), 151668);
    assert_false(cru_tokenizer_is_added(tokenizer, 151642));
    assert_true(cru_tokenizer_hash(tokenizer) == 0xd0db9eb16ddd572au); /* shards record it: must not move */
    assert_int_equal(cru_tokenizer_token(tokenizer, 151669).n, 0);
}

static int begin(void **state) {
    (void)state;
    struct cru_error err;
    char path[4200];
    ssize_t n = readlink("/proc/self/exe", path, 4000);
    if (n <= 0) return -1;
    path[n] = 0;
    *strrchr(path, '/') = 0; /* build/tests/unit */
    if (getenv("CRUCIBLE_VOCAB_DIR"))
        snprintf(path, sizeof path, "qwen3");
    else
        snprintf(path + strlen(path), 60, "/../../share/crucible/qwen3.vocab");
    if (cru_tokenizer_open(path, &tokenizer, &err)) {
        print_error("%s\n('make vocab' first)\n", err.message);
        return -1;
    }
    encoder = cru_encoder_new(tokenizer);
    stream = cru_encode_stream_new(encoder);
    read_expected();
    return encoder && stream ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    bool all = n_checked == n_expected; /* every stored hash was met */
    cru_encode_stream_free(stream);
    cru_encoder_free(encoder);
    cru_tokenizer_free(tokenizer);
    free(expected);
    return all ? 0 : -1;
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "--write") == 0) return write_strings(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_of_the_vocabulary),
        cmocka_unit_test(documents_agree),
        cmocka_unit_test(random_strings_agree),
        cmocka_unit_test(decoding_gives_the_text_back),
    };
    return cmocka_run_group_tests_name("tokenizer golden", tests, begin, end);
}
