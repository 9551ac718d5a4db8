/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pre-tokenisers of published vocabularies, and others, against Hugging Face tokenizers 0.23.3:
 * tests/golden/tokenizer_patterns.tsv has a line for each, name, JSON, and FNV-1a hashes of the
 * reference's ids for every hundred of the strings made here. tests/bench/tokenizer_patterns.py
 * wrote it, from what `tokenizer_patterns_test --write FILE` wrote. Run from the source directory.
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
#include "tokenizer/vocab_compile.h"
#include "tokenizer/vocab_image.h"

enum { STRINGS = 600, EACH = 100, MERGES = 16384 };

/* ------------------------------------------------------------------------------ the strings */

static const struct {
    uint32_t first, last;
} pools[] = {
    {0x20, 0x7E},       {0x09, 0x0D},       {0x20, 0x20},       {0x0A, 0x0A},
    {0x0D, 0x0D},       {0x30, 0x39},       {0x27, 0x27},       {0x41, 0x5A},
    {0x61, 0x7A},       {0x2F, 0x2F},       {0x73, 0x74},       {0x6C, 0x6D},
    {0x17F, 0x17F},     {0xA0, 0xFF},       {0x100, 0x17F},     {0x1C4, 0x1CC},
    {0x2B0, 0x2C0},     {0x300, 0x30F},     {0x370, 0x3FF},     {0x410, 0x44F},
    {0x5D0, 0x5EA},     {0x600, 0x66D},     {0x905, 0x95F},     {0xE00, 0xE5B},
    {0x180E, 0x180E},   {0x1C89, 0x1C8A},   {0x2000, 0x2029},   {0x2160, 0x2170},
    {0x24B6, 0x24B9},   {0x3000, 0x30FF},   {0x4E00, 0x4E40},   {0xA7DA, 0xA7DC},
    {0xAC00, 0xAC20},   {0xB2, 0xB3},       {0x11DE0, 0x11DE4}, {0x10D40, 0x10D4A},
    {0x1F600, 0x1F610}, {0x31350, 0x31360}, {0x2E43, 0x2E5D},   {0x1E5F0, 0x1E5F4},
};
static const char *const words[] = {"don't", "HTTPServer's", " , ",   "12345",
                                    "'LL",   "\r\n",         "  \n/", "e\xCC\x81T\xCC\x81"};

static void add_code_point(struct cru_buffer *out, uint32_t c) {
    unsigned char p[4];
    cru_buffer_add(out, p, cru_put_code_point(p, c));
}

static void make_string(struct cru_random *r, struct cru_buffer *out) {
    size_t kinds[4], length = 1 + cru_random_next(r) % 60;
    cru_buffer_clear(out);
    for (size_t i = 0; i < 4; i++) kinds[i] = cru_random_next(r) % (sizeof pools / sizeof *pools);
    for (size_t i = 0; i < length; i++) {
        uint64_t what = cru_random_next(r) % 100;
        if (what < 4)
            cru_buffer_add_string(out, words[cru_random_next(r) % (sizeof words / sizeof *words)]);
        size_t k = kinds[cru_random_next(r) % 4];
        uint32_t span = pools[k].last - pools[k].first + 1;
        uint32_t c = pools[k].first + (uint32_t)(cru_random_next(r) % span);
        for (uint64_t t = 0; t < (what == 4 ? 20 : 1); t++) add_code_point(out, c);
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
        fwrite(&n, 4, 1, f);
        fwrite(b.p, 1, b.n, f);
    }
    cru_buffer_release(&b);
    return fclose(f) ? 2 : 0;
}

/* ------------------------------------------------------------------------------ the vocabulary */

static void add_byte(struct cru_buffer *b, int byte) {
    static int points[256];
    if (!points[0])
        for (int c = 0, next = 0x100; c < 256; c++) {
            bool self = (c >= 0x21 && c <= 0x7E) || (c >= 0xA1 && c <= 0xAC) || c >= 0xAE;
            points[c] = self ? c : next++;
        }
    if (points[byte] == '"' || points[byte] == '\\') cru_buffer_add_char(b, '\\');
    add_code_point(b, (uint32_t)points[byte]);
}

static int pair_of(int rank) {
    return (rank * 40503 + 7) & 65535;
}

/* What follows the pre-tokeniser in the file: the 256 bytes, and merges that mix up the pairs of
 * them. */
static void add_model(struct cru_buffer *b) {
    cru_buffer_add_string(b, ",\"model\":{\"type\":\"BPE\",\"vocab\":{");
    for (int c = 0; c < 256; c++) {
        cru_buffer_add_char(b, '"');
        add_byte(b, c);
        cru_buffer_printf(b, "\":%d,", c);
    }
    for (int r = 0; r < MERGES; r++) {
        cru_buffer_add_string(b, r ? ",\"" : "\"");
        add_byte(b, pair_of(r) >> 8);
        add_byte(b, pair_of(r) & 255);
        cru_buffer_printf(b, "\":%d", 256 + r);
    }
    cru_buffer_add_string(b, "},\"merges\":[");
    for (int r = 0; r < MERGES; r++) {
        cru_buffer_add_string(b, r ? ",[\"" : "[\"");
        add_byte(b, pair_of(r) >> 8);
        cru_buffer_add_string(b, "\",\"");
        add_byte(b, pair_of(r) & 255);
        cru_buffer_add_string(b, "\"]");
    }
    cru_buffer_add_string(b, "]}}");
    assert_false(b->failed);
}

/* With the pre-tokeniser of this JSON. The image goes to *image. */
static struct cru_tokenizer *make_tokenizer(struct cru_span pre, struct cru_span model,
                                            struct cru_vocab_bytes *image) {
    struct cru_buffer json;
    struct cru_tokenizer *t;
    struct cru_error err = {CRU_OK, ""};
    cru_buffer_init(&json);
    cru_buffer_add_string(&json, "{\"pre_tokenizer\":");
    cru_buffer_add_span(&json, pre);
    cru_buffer_add_span(&json, model);
    enum cru_status status = cru_vocab_compile_json(cru_buffer_span(&json), "pairs", image, &err);
    if (!status) status = cru_tokenizer_from_image(image->p, image->n, &t, &err);
    if (status) print_error("%.*s: %s\n", (int)pre.n, pre.p, err.message);
    assert_int_equal(status, CRU_OK);
    cru_buffer_release(&json);
    return t;
}

static uint64_t fnv(uint64_t h, uint32_t v) {
    for (int i = 0; i < 4; i++, v >>= 8) h = (h ^ (v & 255)) * 0x100000001B3u;
    return h;
}

static size_t check_hashes(const char *name, struct cru_tokenizer *t, const char *hashes) {
    struct cru_encoder *e = cru_encoder_new(t);
    struct cru_random r = {2026};
    struct cru_buffer text;
    struct cru_ids ids = {NULL, 0, 0};
    struct cru_error err;
    size_t checked = 0;
    assert_non_null(e);
    cru_buffer_init(&text);
    for (; checked * EACH < STRINGS; checked++, hashes += 17) {
        uint64_t h = 0xCBF29CE484222325u;
        for (int i = 0; i < EACH; i++) {
            make_string(&r, &text);
            cru_ids_clear(&ids);
            assert_int_equal(cru_encode(e, cru_buffer_span(&text), CRU_SPECIAL_TEXT, &ids, &err),
                             CRU_OK);
            h = fnv(h, (uint32_t)ids.n);
            for (size_t k = 0; k < ids.n; k++) h = fnv(h, ids.p[k]);
        }
        if (h != strtoull(hashes, NULL, 16))
            print_error("%s: strings %zu..\n", name, checked * EACH);
        assert_true(h == strtoull(hashes, NULL, 16));
    }
    cru_ids_release(&ids);
    cru_buffer_release(&text);
    cru_encoder_free(e);
    return checked;
}

static void equal_the_reference(void **state) {
    (void)state;
    char *line = NULL;
    size_t capacity = 0, checked = 0;
    struct cru_buffer model;
    FILE *golden = fopen("tests/golden/tokenizer_patterns.tsv", "rb");
    assert_non_null(golden);
    cru_buffer_init(&model);
    add_model(&model);
    while (getline(&line, &capacity, golden) > 0) {
        char *pre = strchr(line, '\t'), *hashes = pre ? strchr(pre + 1, '\t') : NULL;
        assert_non_null(hashes);
        *pre++ = 0;
        *hashes++ = 0;
        struct cru_vocab_bytes image;
        struct cru_tokenizer *t = make_tokenizer(cru_span_of(pre), cru_buffer_span(&model), &image);
        checked += check_hashes(line, t, hashes);
        cru_tokenizer_free(t);
        free(image.p);
    }
    assert_true(checked >= (size_t)30 * STRINGS / EACH);
    free(line);
    fclose(golden);
    cru_buffer_release(&model);
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "--write") == 0) return write_strings(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_the_reference),
    };
    return cmocka_run_group_tests_name("tokenizer patterns", tests, NULL, NULL);
}
