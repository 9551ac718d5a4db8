/* SPDX-License-Identifier: Apache-2.0 */
/* Vocabularies in and out: tokenizer.json, rank files, compiled files, and what each refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "crucible/base/base.h"
#include "crucible/base/output.h"
#include "tokenizer/pair_table.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocab_compile.h"
#include "tokenizer/vocab_image.h"
#include "tests/unit/scratch_name.h"

#define QWEN2                                                                                      \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}| "               \
    "?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"
#define LEVEL "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false}"
#define SPLIT(regex)                                                                               \
    "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":\"" regex  \
    "\"},\"behavior\":\"Isolated\",\"invert\":false}," LEVEL "]}"
#define GPT2 "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true}"

/* What a test varies of a small tokenizer.json. */
struct parts {
    const char *normalizer, *pretokenizer, *model, *merges, *added;
};
static const struct parts plain = {
    "{\"type\":\"NFC\"}", SPLIT(QWEN2), "\"ignore_merges\":false",
    "[\"h e\",[\"he\",\"y\"],\"\xC4\xA0 hey\",\"a a\",\"aa aa\"]",
    "[{\"id\":300,\"content\":\"<|end|>\",\"normalized\":false,\"special\":true},"
    "{\"id\":301,\"content\":\"<|end|>!\",\"normalized\":false}]"};

/* The 256 bytes as ids 0..255, then he hey _hey aa aaaa. */
static void add_vocab(struct cru_buffer *b) {
    int next = 0x100;
    cru_buffer_add_char(b, '{');
    for (int c = 0; c < 256; c++) {
        bool self = (c >= 0x21 && c <= 0x7E) || (c >= 0xA1 && c <= 0xAC) || c >= 0xAE;
        int point = self ? c : next++;
        char utf8[3] = {(char)point, 0, 0};
        if (point >= 0x80) {
            utf8[0] = (char)(0xC0 | point >> 6);
            utf8[1] = (char)(0x80 | (point & 63));
        }
        cru_buffer_add_json_string(b, cru_span_of(utf8));
        cru_buffer_printf(b, ":%d,", c);
    }
    cru_buffer_add_string(b, "\"he\":256,\"hey\":257,\"\xC4\xA0hey\":258,\"aa\":259,\"aaaa\":260}");
}

static void make_json(const struct parts *p, struct cru_buffer *b) {
    cru_buffer_init(b);
    cru_buffer_printf(b, "{\"normalizer\":%s,\"pre_tokenizer\":%s,\"added_tokens\":%s,", p->normalizer,
                      p->pretokenizer, p->added);
    cru_buffer_printf(b, "\"model\":{\"type\":\"BPE\",%s,\"merges\":%s,\"vocab\":", p->model,
                      p->merges);
    add_vocab(b);
    cru_buffer_add_string(b, "}}");
    assert_false(b->failed);
}

static enum cru_status compile(const struct parts *p, struct cru_vocab_bytes *out,
                               struct cru_error *err) {
    struct cru_buffer json;
    make_json(p, &json);
    enum cru_status status = cru_vocab_compile_json(cru_buffer_span(&json), "toy", out, err);
    cru_buffer_release(&json);
    return status;
}

static void expect_ids(const struct cru_tokenizer *t, const char *text, enum cru_special special,
                       const uint32_t *want, size_t n) {
    struct cru_encoder *e = cru_encoder_new(t);
    struct cru_ids ids = {NULL, 0, 0};
    struct cru_error err;
    uint64_t count;
    assert_non_null(e);
    for (int again = 0; again < 2; again++) { /* the second time from the cache */
        cru_ids_clear(&ids);
        assert_int_equal(cru_encode(e, cru_span_of(text), special, &ids, &err), CRU_OK);
        assert_int_equal(ids.n, n);
        if (n) assert_memory_equal(ids.p, want, n * sizeof *want);
    }
    assert_int_equal(cru_encode_count(e, cru_span_of(text), special, &count, &err), CRU_OK);
    assert_int_equal(count, n);
    cru_ids_release(&ids);
    cru_encoder_free(e);
}
#define EXPECT(t, text, special, ...)                                                              \
    expect_ids(t, text, special, (const uint32_t[]){__VA_ARGS__},                                  \
               sizeof((const uint32_t[]){__VA_ARGS__}) / 4)

static void a_small_vocabulary(void **state) {
    (void)state;
    struct cru_vocab_bytes image;
    struct cru_tokenizer *t;
    struct cru_error err;
    assert_int_equal(compile(&plain, &image, &err), CRU_OK);
    assert_int_equal(cru_tokenizer_from_image(image.p, image.n, &t, &err), CRU_OK);
    assert_int_equal(cru_tokenizer_size(t), 302);
    assert_string_equal(cru_tokenizer_name(t), "toy");
    expect_ids(t, "", CRU_SPECIAL_TEXT, NULL, 0);
    EXPECT(t, "hey hey", CRU_SPECIAL_TEXT, 257, 258);
    EXPECT(t, "heyhe", CRU_SPECIAL_TEXT, 257, 256);
    EXPECT(t, "aaaaaaa", CRU_SPECIAL_TEXT, 260, 259, 'a');
    EXPECT(t, "e\xCC\x81", CRU_SPECIAL_TEXT, 0xC3, 0xA9);
    EXPECT(t, "\xFF", CRU_SPECIAL_TEXT, 0xEF, 0xBF, 0xBD);
    EXPECT(t, "hey<|end|>hey", CRU_SPECIAL_RECOGNISE, 257, 300, 257);
    EXPECT(t, "<|end|>!<|end|", CRU_SPECIAL_RECOGNISE, 301, '<', '|', 'e', 'n', 'd', '|');
    EXPECT(t, "e<|end|>\xCC\x81", CRU_SPECIAL_RECOGNISE, 'e', 300, 0xCC, 0x81);
    EXPECT(t, "<|end|>", CRU_SPECIAL_TEXT, '<', '|', 'e', 'n', 'd', '|', '>');
    assert_int_equal(cru_tokenizer_token(t, 258).n, 4);
    assert_int_equal(cru_tokenizer_end_id(t), CRU_NO_TOKEN);
    cru_tokenizer_free(t);
    free(image.p);
}

static void other_rules(void **state) {
    (void)state;
    struct cru_vocab_bytes image;
    struct cru_tokenizer *t;
    struct cru_error err;
    struct parts p = plain;
    p.normalizer = "null";
    p.pretokenizer = GPT2;
    p.added = "[{\"id\":300,\"content\":\"<|endoftext|>\",\"normalized\":true}]";
    assert_int_equal(compile(&p, &image, &err), CRU_OK);
    assert_int_equal(cru_tokenizer_from_image(image.p, image.n, &t, &err), CRU_OK);
    EXPECT(t, "hey hey<|endoftext|>", CRU_SPECIAL_RECOGNISE, 257, 258, 300);
    EXPECT(t, "e\xCC\x81", CRU_SPECIAL_TEXT, 'e', 0xCC, 0x81);
    assert_int_equal(cru_tokenizer_end_id(t), 300);
    cru_tokenizer_free(t);
    free(image.p);

    p = plain; /* merges that do not reach "aaaa": ignore_merges takes the whole piece */
    p.merges = "[\"a a\"]";
    p.model = "\"ignore_merges\":true";
    assert_int_equal(compile(&p, &image, &err), CRU_OK);
    assert_int_equal(cru_tokenizer_from_image(image.p, image.n, &t, &err), CRU_OK);
    EXPECT(t, "aaaa aaa", CRU_SPECIAL_TEXT, 260, ' ', 259, 'a');
    cru_tokenizer_free(t);
    free(image.p);
    p.model = "\"ignore_merges\":false";
    assert_int_equal(compile(&p, &image, &err), CRU_OK);
    assert_int_equal(cru_tokenizer_from_image(image.p, image.n, &t, &err), CRU_OK);
    EXPECT(t, "aaaa", CRU_SPECIAL_TEXT, 259, 259);
    cru_tokenizer_free(t);
    free(image.p);
}

static void refusals_name_their_reason(void **state) {
    (void)state;
    static const struct {
        struct parts parts; /* NULL: as in `plain` */
        const char *why;
    } rows[] = {
        {{.normalizer = "{\"type\":\"NFKC\"}"}, "normalizer: 'NFKC'"},
        {{.normalizer = "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},"
                        "{\"type\":\"Lowercase\"}]}"}, "normalizer: 'Lowercase'"},
        {{.pretokenizer = "null"}, "pre_tokenizer"},
        {{.pretokenizer = "{\"type\":\"Metaspace\"}"}, "pre_tokenizer: 'Metaspace'"},
        {{.pretokenizer = "{\"type\":\"Digits\"}"}, "byte-level"},
        {{.pretokenizer = "{\"type\":\"Sequence\",\"pretokenizers\":[" GPT2 ",{\"type\":\"Digits\"}]}"},
         "behind ByteLevel"},
        {{.pretokenizer = SPLIT("x*")}, "Split 'x*': pattern: it can match nothing"},
        {{.pretokenizer = SPLIT("(a)\\\\1")}, "\\1 is not supported"},
        {{.pretokenizer = SPLIT("(?i:\\\\s)")}, "in (?i)"},
        {{.pretokenizer = SPLIT("(?i:kiss)")}, "ss, st"},
        {{.pretokenizer = SPLIT("[a&&b]")}, "&&"},
        {{.pretokenizer = SPLIT("[a")}, "without ]"},
        {{.pretokenizer = SPLIT("\\\\p{Klingon}")}, "\\p{Klingon}"},
        {{.pretokenizer = SPLIT("(?(1)a|b)")}, "pattern: "},
        {{.pretokenizer = "{\"type\":\"ByteLevel\",\"add_prefix_space\":true}"}, "add_prefix_space"},
        {{.model = "\"dropout\":0.1"}, "dropout"},
        {{.model = "\"byte_fallback\":true"}, "byte_fallback"},
        {{.model = "\"end_of_word_suffix\":\"</w>\""}, "suffix"},
        {{.merges = "[\"h e\",\"h e\"]"}, "twice"},
        {{.merges = "[\"h x\"]"}, "no tokens"},
        {{.merges = "[\"he\"]"}, "no pair"},
        {{.merges = "7"}, "no merges"},
        {{.added = "[{\"id\":300,\"content\":\"x\",\"single_word\":true}]"}, "single_word"},
        {{.added = "[{\"id\":300,\"content\":\"\xCC\x81\",\"normalized\":true}]"}, "normalized"},
        {{.added = "[{\"id\":300,\"content\":\"hey\",\"normalized\":false}]"}, "another id"},
        {{.added = "[{\"id\":97,\"content\":\"<x>\",\"normalized\":false}]"}, "another token"},
        {{.added = "[{\"id\":9000000,\"content\":\"<x>\",\"normalized\":false}]"}, "ids are below"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct parts p = plain;
        const struct parts *r = &rows[i].parts;
        if (r->normalizer) p.normalizer = r->normalizer;
        if (r->pretokenizer) p.pretokenizer = r->pretokenizer;
        if (r->model) p.model = r->model;
        if (r->merges) p.merges = r->merges;
        if (r->added) p.added = r->added;
        struct cru_vocab_bytes image;
        struct cru_error err;
        assert_int_equal(compile(&p, &image, &err), CRU_USAGE);
        assert_null(image.p);
        if (!strstr(err.message, rows[i].why)) print_error("%s\n", err.message);
        assert_non_null(strstr(err.message, rows[i].why));
    }
}

static void every_byte_is_checked(void **state) {
    (void)state;
    struct cru_vocab_bytes image;
    struct cru_tokenizer *t;
    struct cru_error err;
    assert_int_equal(compile(&plain, &image, &err), CRU_OK);
    unsigned char *p = image.p;
    /* Every byte of the header, and every 97th of the rest. */
    for (size_t i = 0; i < image.n; i += i < sizeof(struct cru_vocab_header) ? 1 : 97) {
        p[i] ^= 4;
        assert_int_equal(cru_tokenizer_from_image(p, image.n, &t, &err), CRU_FATAL);
        assert_null(t);
        p[i] ^= 4;
    }
    assert_int_equal(cru_tokenizer_from_image(p, image.n - 1, &t, &err), CRU_FATAL);
    assert_int_equal(cru_tokenizer_from_image(p, 10, &t, &err), CRU_FATAL);
    assert_int_equal(cru_tokenizer_from_image(p, image.n, &t, &err), CRU_OK);
    cru_tokenizer_free(t);
    free(image.p);
}

/* A whole image but for one number, with the checksum that goes with it. */
static void numbers_that_lead_out_are_seen(void **state) {
    (void)state;
    enum { IDS = 302, MERGES = 5 };
    static const struct {
        int section;
        size_t at; /* of a u32 */
        uint32_t value;
        bool whole_words;
    } rows[] = {
        {CRU_SECTION_OFFSETS, 1, 1u << 30, false},
        {CRU_SECTION_OFFSETS, 0, 1, false},
        {CRU_SECTION_OFFSETS, IDS, 0, false},
        {CRU_SECTION_BYTE_IDS, 255, IDS, false},
        {CRU_SECTION_BYTE_IDS, 7, 256, false}, /* not a byte's */
        {CRU_SECTION_MERGED, MERGES - 1, IDS, false},
        {CRU_SECTION_BYTE_PAIR, 65535, MERGES, false},
        {CRU_SECTION_PAIRS, 30, MERGES + 1, false},
        {CRU_SECTION_PAIRS, 30, 0, false},
        {CRU_SECTION_CHARS, 0x4E00, IDS, false},
        {CRU_SECTION_WORDS, 0, IDS, true},
        {CRU_SECTION_WORDS, 1023, IDS, true},
        {CRU_SECTION_ADDED, 0, IDS, false},
        {CRU_SECTION_ADDED, 0, 299, false}, /* stands for nothing */
        {CRU_SECTION_NODES, 8 * 300 + 1, 0xF0000000, false},
        {CRU_SECTION_NODES, 8 * 301 + 1, 0x00000FFE, false},
        {CRU_SECTION_NODES, 8 * 301 + 6, IDS, false},
        {CRU_SECTION_NODES, 8 * 257 + 7, 2, false},
        {CRU_SECTION_NODES, 8 * 'x' + 7, 0, false},
        {CRU_SECTION_ROOTS, 2 * 65535, 1u << 31, false},
        {CRU_SECTION_ROOTS, 1, IDS << 1, false},
        {CRU_SECTION_UNITS, 2 * 255, 1u << 31, false},
        {CRU_SECTION_UNITS, 2 * 256 + 1, IDS << 1, false},
    };
    for (size_t i = 0; i < 2 * sizeof rows / sizeof *rows; i++) {
        size_t row = i / 2;
        struct parts parts = plain;
        if (rows[row].whole_words) parts.model = "\"ignore_merges\":true";
        struct cru_vocab_bytes image;
        struct cru_vocab_header *h;
        struct cru_tokenizer *t;
        struct cru_error err;
        assert_int_equal(compile(&parts, &image, &err), CRU_OK);
        h = image.p;
        assert_int_equal(h->n_ids, IDS);
        assert_int_equal(h->n_merges, MERGES);
        struct cru_vocab_section s = h->section[rows[row].section];
        assert_true(rows[row].at * 4 + 4 <= s.bytes);
        memcpy((char *)image.p + s.offset + rows[row].at * 4, &rows[row].value, 4);
        h->checksum = 0;
        h->checksum = cru_hash64(image.p, image.n, 0);
        if (i % 2) setenv("CRUCIBLE_SIMD", "plain", 1);
        enum cru_status status = cru_tokenizer_from_image(image.p, image.n, &t, &err);
        unsetenv("CRUCIBLE_SIMD");
        if (status != CRU_FATAL) fail_msg("row %zu is not seen", row);
        assert_string_equal(err.message, "vocabulary is damaged: numbers out of range");
        free(image.p);
    }
}

/* No search would end in a table of pairs whose lines all are full. */
static void full_tables_of_pairs_are_seen(void **state) {
    (void)state;
    struct cru_vocab_bytes image;
    struct cru_tokenizer *t;
    struct cru_error err;
    assert_int_equal(compile(&plain, &image, &err), CRU_OK);
    struct cru_vocab_header *h = image.p;
    uint64_t *pairs = (uint64_t *)((char *)image.p + h->section[CRU_SECTION_PAIRS].offset);
    size_t slots = (size_t)1 << h->pair_bits;
    for (size_t i = CRU_PAIR_LINE - 1; i < slots; i += CRU_PAIR_LINE) {
        bool last = i == slots - 1;
        assert_true(pairs[i] == UINT64_MAX);
        pairs[i] = 1;
        h->checksum = 0;
        h->checksum = cru_hash64(image.p, image.n, 0);
        assert_int_equal(cru_tokenizer_from_image(image.p, image.n, &t, &err), last ? CRU_FATAL : CRU_OK);
        cru_tokenizer_free(t);
    }
    assert_string_equal(err.message, "vocabulary is damaged: numbers out of range");
    free(image.p);
}

static void files_are_loaded_by_what_they_are(void **state) {
    (void)state;
    char dir[SCRATCH_NAME], path[SCRATCH_PATH];
    struct cru_buffer json;
    struct cru_vocab_bytes image;
    struct cru_tokenizer *a, *b;
    struct cru_error err;
    assert_non_null(mkdtemp(scratch_name(dir, "crucible-vocab-XXXXXX")));
    make_json(&plain, &json);
    assert_int_equal(compile(&plain, &image, &err), CRU_OK);
    snprintf(path, sizeof path, "%s/toy.json", dir);
    assert_int_equal(cru_write_file(path, json.p, json.n, &err), CRU_OK);
    assert_int_equal(cru_tokenizer_open(path, &a, &err), CRU_OK);
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof path, "%s/toy.vocab", dir);
    assert_int_equal(cru_write_file(path, image.p, image.n, &err), CRU_OK);
    setenv("CRUCIBLE_VOCAB_DIR", dir, 1);
    assert_int_equal(cru_tokenizer_open("toy", &b, &err), CRU_OK);
    assert_true(cru_tokenizer_hash(a) == cru_tokenizer_hash(b));
    assert_string_equal(cru_tokenizer_name(a), "toy");
    cru_tokenizer_free(a);
    cru_tokenizer_free(b);
    /* A file's name may be any bytes; what goes into shards and JSON is UTF-8. */
    char odd[SCRATCH_PATH];
    snprintf(odd, sizeof odd, "%s/caf\xe9.json", dir);
    assert_int_equal(cru_write_file(odd, json.p, json.n, &err), CRU_OK);
    assert_int_equal(cru_tokenizer_open(odd, &a, &err), CRU_OK);
    assert_string_equal(cru_tokenizer_name(a), "caf_");
    cru_tokenizer_free(a);
    assert_int_equal(unlink(odd), 0);
    struct cru_vocab_bytes none;
    char longest[65] = "\xe9";
    assert_int_equal(cru_vocab_compile_json(cru_buffer_span(&json), longest, &none, &err), CRU_USAGE);
    memset(longest, 'x', 64);
    assert_int_equal(cru_vocab_compile_json(cru_buffer_span(&json), longest, &none, &err), CRU_USAGE);
    assert_int_equal(cru_tokenizer_open("absent", &a, &err), CRU_FATAL);
    assert_non_null(strstr(err.message, "make vocab"));
    assert_int_equal(cru_write_file(path, "text", 4, &err), CRU_OK);
    assert_int_equal(cru_tokenizer_open("toy", &a, &err), CRU_FATAL);
    assert_int_equal(cru_tokenizer_load(dir, &a, &err), CRU_FATAL);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
    cru_buffer_release(&json);
    free(image.p);
}

static void add_rank(struct cru_buffer *b, const char *p, size_t n, int rank) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = 0;
        for (size_t k = 0; k < 3; k++) v = v << 8 | (i + k < n ? (unsigned char)p[i + k] : 0);
        for (size_t k = 0; k < 4; k++)
            cru_buffer_add_char(b, i + k > n ? '=' : digits[v >> (18 - 6 * k) & 63]);
    }
    cru_buffer_printf(b, " %d\n", rank);
}

static void merges_follow_from_ranks(void **state) {
    (void)state;
    static const char *const tokens[] = {"he", "hey", " hey", "aa", "aaaa"};
    struct cru_buffer b;
    struct cru_vocab_bytes image;
    struct cru_tokenizer *t;
    struct cru_error err;
    cru_buffer_init(&b);
    for (int c = 0; c < 256; c++) add_rank(&b, &(char){(char)c}, 1, c);
    for (int i = 0; i < 5; i++) add_rank(&b, tokens[i], strlen(tokens[i]), 256 + i);
    assert_int_equal(cru_vocab_compile_ranks(cru_buffer_span(&b), "qwen3", "toy", &image, &err), 0);
    assert_int_equal(cru_tokenizer_from_image(image.p, image.n, &t, &err), CRU_OK);
    EXPECT(t, "hey hey", CRU_SPECIAL_TEXT, 257, 258);
    EXPECT(t, "aaaaaaa", CRU_SPECIAL_TEXT, 260, 259, 'a');
    EXPECT(t, "<|endoftext|></think>", CRU_SPECIAL_RECOGNISE, 261, 261 + 25);
    cru_tokenizer_free(t);
    free(image.p);
    add_rank(&b, "xyz", 3, 261); /* no merge makes it */
    assert_int_equal(cru_vocab_compile_ranks(cru_buffer_span(&b), "qwen3", "toy", &image, &err),
                     CRU_USAGE);
    assert_int_equal(cru_vocab_compile_ranks(CRU_SPAN("YQ== 1\n"), "qwen3", "toy", &image, &err),
                     CRU_USAGE);
    assert_int_equal(cru_vocab_compile_ranks(CRU_SPAN("Y*== 0\n"), "qwen3", "toy", &image, &err),
                     CRU_USAGE);
    assert_int_equal(cru_vocab_compile_ranks(CRU_SPAN(""), "other", "toy", &image, &err), CRU_USAGE);
    cru_buffer_release(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_vocabulary),
        cmocka_unit_test(other_rules),
        cmocka_unit_test(refusals_name_their_reason),
        cmocka_unit_test(every_byte_is_checked),
        cmocka_unit_test(numbers_that_lead_out_are_seen),
        cmocka_unit_test(full_tables_of_pairs_are_seen),
        cmocka_unit_test(files_are_loaded_by_what_they_are),
        cmocka_unit_test(merges_follow_from_ranks),
    };
    return cmocka_run_group_tests_name("tokenizer vocab", tests, NULL, NULL);
}
