/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WordPiece, WordLevel, Unigram and BPE over characters: the ids that Hugging Face tokenizers 0.23.3 gave
 * awkward strings (tests/golden/subword_golden.xz, written by tests/bench/subword_golden.py), what is
 * refused and why, and texts that would take a quadratic algorithm an hour.
 *
 * Run from the source directory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crucible/base/base.h"
#include "crucible/base/input.h"
#include "tokenizer/charsmap.h"
#include "tokenizer/subword.h"

static struct cru_error err;

static struct cru_subword *load(struct cru_span json) {
    struct cru_subword *s = NULL;
    if (cru_subword_from_json(json, &s, &err)) fail_msg("%s", err.message);
    assert_non_null(s);
    return s;
}

static struct cru_ids encode(struct cru_subword *s, struct cru_span text,
                             enum cru_special special) {
    struct cru_subword_encoder *e = cru_subword_encoder_new(s);
    struct cru_ids ids = {NULL, 0, 0};
    assert_non_null(e);
    if (cru_subword_encode(e, text, special, &ids, &err)) fail_msg("%s", err.message);
    cru_subword_encoder_free(e);
    return ids;
}

/* ---- golden ---- */

/* The rest of the line behind "word "; NULL when it does not begin so. */
static const char *after(struct cru_span line, const char *word) {
    size_t n = strlen(word);
    return line.n > n && memcmp(line.p, word, n) == 0 && line.p[n] == ' ' ? line.p + n + 1 : NULL;
}

static int nibble(char c) {
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* "HEX 1 2 3": the text, exactly allocated, and the ids. */
static char *read_text(const char *p, const char *end, size_t *n, struct cru_ids *ids) {
    const char *space = memchr(p, ' ', (size_t)(end - p));
    const char *hex_end = space ? space : end;
    *n = *p == '-' ? 0 : (size_t)(hex_end - p) / 2;
    char *text = malloc(*n + (*n == 0));
    assert_non_null(text);
    for (size_t i = 0; i < *n; i++) text[i] = (char)(nibble(p[2 * i]) << 4 | nibble(p[2 * i + 1]));
    for (p = hex_end; p < end;) {
        uint32_t id = 0;
        for (p++; p < end && *p != ' '; p++) id = id * 10 + (uint32_t)(*p - '0');
        assert_true(cru_ids_room(ids, 1));
        ids->p[ids->n++] = id;
    }
    return text;
}

static void check_text(struct cru_subword *s, struct cru_subword_encoder *e, const char *model,
                       const char *p, const char *end) {
    struct cru_ids want = {NULL, 0, 0}, got = {NULL, 0, 0}, alone;
    size_t n;
    char *text = read_text(p, end, &n, &want);
    if (cru_subword_encode(e, cru_span_make(text, n), CRU_SPECIAL_RECOGNISE, &got, &err))
        fail_msg("%s", err.message);
    if (got.n != want.n || (got.n && memcmp(got.p, want.p, got.n * sizeof *got.p)))
        fail_msg("%s: %zu ids for %zu: '%.*s'", model, got.n, want.n, (int)n, text);
    alone = encode(s, cru_span_make(text, n),
                   CRU_SPECIAL_RECOGNISE); /* what was before leaves no trace */
    assert_int_equal(alone.n, got.n);
    if (got.n) assert_memory_equal(alone.p, got.p, got.n * sizeof *got.p);
    cru_ids_release(&alone);
    cru_ids_release(&got);
    cru_ids_release(&want);
    free(text);
}

typedef void on_model(const char *name, struct cru_subword *s);

/* Calls for each model of the golden file, and checks its texts when `check`. */
static void each_model(on_model *call, bool check) {
    struct cru_input *input;
    struct cru_span line;
    struct cru_subword *s = NULL;
    struct cru_subword_encoder *e = NULL;
    char name[64] = "";
    bool whole;
    size_t models = 0, texts = 0;
    assert_int_equal(cru_input_open("tests/golden/subword_golden.xz", &input, &err), CRU_OK);
    while (cru_input_line(input, &line, &whole, &err) == CRU_OK) {
        const char *rest = after(line, "model");
        if (rest) {
            snprintf(name, sizeof name, "%.*s", (int)(line.n - 6), rest);
            assert_int_equal(cru_input_line(input, &line, &whole, &err), CRU_OK);
            cru_subword_encoder_free(e);
            cru_subword_free(s);
            s = load(line);
            e = cru_subword_encoder_new(s);
            assert_non_null(e);
            if (call) call(name, s);
            models++;
        } else if ((rest = after(line, "text")) && check) {
            check_text(s, e, name, rest, line.p + line.n);
            texts++;
        }
    }
    cru_subword_encoder_free(e);
    cru_subword_free(s);
    cru_input_close(input);
    assert_int_equal(models, 14);
    if (check) assert_true(texts > 2000);
}

static void golden(void **state) {
    (void)state;
    each_model(NULL, true);
}

/* ---- long texts ---- */

static void encode_run(const char *name, struct cru_subword *s, const char *unit) {
    enum { BYTES = 1 << 20 };
    struct cru_buffer text;
    struct cru_ids ids;
    cru_buffer_init(&text);
    while (text.n < BYTES) cru_buffer_add_string(&text, unit);
    ids = encode(s, cru_buffer_span(&text), CRU_SPECIAL_RECOGNISE);
    if (ids.n > text.n + 8) fail_msg("%s: %zu ids", name, ids.n);
    cru_ids_release(&ids);
    cru_buffer_release(&text);
}

static void encode_long(const char *name, struct cru_subword *s) {
    static const char *const units[] = {"a",
                                        "=",
                                        " ",
                                        "ab",
                                        "\xE2\x96\x81",
                                        "\xCC\x81\xCC\xA3",
                                        "[MASK",
                                        "<r> ",
                                        "\xF0\x9F\x98\x80"};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) encode_run(name, s, units[i]);
}

static void words_of_a_mebibyte(void **state) {
    (void)state;
    each_model(encode_long, false);
}

/* ---- small vocabularies made here ---- */

#define LEVEL "\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0,\"b\":1},\"unk_token\":\"?\"}"
#define PIECE                                                                                      \
    "\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"[UNK]\":0,\"a\":1,\"##b\":2,\"\xC3\xA9\":3}}"
#define CUT "\"pre_tokenizer\":{\"type\":\"WhitespaceSplit\"},"

static void byte_level_is_left(void **state) {
    struct cru_subword *s = NULL;
    (void)state;
    assert_int_equal(
        cru_subword_from_json(CRU_SPAN("{\"pre_tokenizer\":{\"type\":\"Sequence\","
                                       "\"pretokenizers\":[{\"type\":\"Digits\"},"
                                       "{\"type\":\"ByteLevel\"}]},\"model\":{\"type\":\"BPE\","
                                       "\"vocab\":{},\"merges\":[]}}"),
                              &s, &err),
        CRU_OK);
    assert_null(s);
    assert_int_equal(cru_subword_load("tests/golden", &s, &err), CRU_FATAL);
    assert_int_equal(cru_subword_load("tests/golden/none.json", &s, &err), CRU_FATAL);
    assert_int_equal(cru_subword_load("tests/golden/tokenizer_hashes.txt", &s, &err), CRU_OK);
    assert_null(s);
}

static void refused(void **state) {
    static const struct {
        const char *json, *why;
    } rows[] = {
        {"{", "tokenizer.json: "},
        {"{}", "no model"},
        {"{\"normalizer\":{\"type\":\"ByteLevel\"}," LEVEL "}",
         "normalizer: 'ByteLevel' is not supported"},
        {"{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Odd\"}]}," LEVEL "}",
         "'Odd' is not"},
        {"{\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\"\"},\"content\":\"x\"}"
         "," LEVEL "}",
         "normalizer: Replace: Replace of nothing"},
        {"{\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"(?<=a)*\"},\"content\":"
         "\"x\"}," LEVEL "}",
         "normalizer: Replace: "},
        {"{\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"\"}," LEVEL "}",
         "normalizer: Precompiled: not a table"},
        {"{\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"!!!!\"}," LEVEL "}",
         "normalizer: Precompiled: not in base64"},
        {"{\"pre_tokenizer\":{\"type\":\"UnicodeScripts\"}," LEVEL "}",
         "pre_tokenizer: 'UnicodeScripts' is not"},
        {"{\"pre_tokenizer\":{\"type\":\"ByteLevel\"}," LEVEL "}",
         "pre_tokenizer: 'ByteLevel' is not"},
        {"{\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"__\"}," LEVEL "}",
         "is no character"},
        {"{\"pre_tokenizer\":{\"type\":\"Metaspace\",\"prepend_scheme\":\"last\"}," LEVEL "}",
         "'last' is not"},
        {"{\"normalizer\":{\"type\":\"Strip\"},\"pre_tokenizer\":{\"type\":\"Metaspace\",\"prepend_"
         "scheme\":\"first\"}," LEVEL "}",
         "prepend_scheme first"},
        {"{\"model\":{\"type\":\"Odd\"}}", "model: 'Odd' is not supported"},
        {"{\"model\":{\"type\":\"WordLevel\"}}", "model: no vocab"},
        {"{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":\"b\"}}}", "an id that is no number"},
        {"{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":4294967295}}}", "too large an id"},
        {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\"]]}}", "no token with its score"},
        {"{\"model\":{\"type\":\"Unigram\",\"unk_id\":1,\"vocab\":[[\"a\",-1]]}}",
         "unk_id is beyond"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a a\"]}}",
         "'a a' is not of tokens"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a\"]}}", "no pair"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[],\"unk_token\":\"u\"}}",
         "unk_token is not"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[],\"dropout\":0.1}}",
         "dropout"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[],\"end_of_word_suffix\":\"<"
         "/w>\"}}",
         "suffixes"},
        {"{\"normalizer\":{\"type\":\"Lowercase\"},\"added_tokens\":[{\"content\":\"<A>\"},{"
         "\"content\":\"<a>\"}]," LEVEL "}",
         "'<a>' is there twice"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cru_subword *s = NULL;
        assert_int_equal(cru_subword_from_json(cru_span_of(rows[i].json), &s, &err), CRU_USAGE);
        assert_null(s);
        if (!strstr(err.message, rows[i].why)) fail_msg("%s: not '%s'", err.message, rows[i].why);
    }
}

static void long_tokens(void **state) {
    struct cru_buffer json;
    struct cru_subword *s = NULL;
    (void)state;
    cru_buffer_init(&json);
    cru_buffer_add_string(&json, "{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"");
    for (int i = 0; i < 5000; i++) cru_buffer_add_char(&json, 'a');
    cru_buffer_add_string(&json, "\",-1]]}}");
    assert_int_equal(cru_subword_from_json(cru_buffer_span(&json), &s, &err), CRU_USAGE);
    assert_non_null(strstr(err.message, "more than 4096 bytes"));
    cru_buffer_release(&json);
}

static void check_ids(struct cru_subword *s, const char *text, enum cru_special special,
                      const uint32_t *want, size_t n) {
    struct cru_ids ids = encode(s, cru_span_of(text), special);
    assert_int_equal(ids.n, n);
    if (n) assert_memory_equal(ids.p, want, n * sizeof *want);
    cru_ids_release(&ids);
}

static void unknown(void **state) {
    struct cru_subword *s = load(CRU_SPAN("{" CUT LEVEL "}"));
    struct cru_subword_encoder *e = cru_subword_encoder_new(s);
    struct cru_ids ids = {NULL, 0, 0};
    (void)state;
    assert_int_equal(cru_subword_unknown(s), CRU_NO_TOKEN);
    assert_int_equal(cru_subword_encode(e, CRU_SPAN("b a"), CRU_SPECIAL_TEXT, &ids, &err), CRU_OK);
    assert_int_equal(cru_subword_encode(e, CRU_SPAN("a b c"), CRU_SPECIAL_TEXT, &ids, &err),
                     CRU_BAD);
    assert_int_equal(ids.n, 2); /* what was there stays */
    cru_ids_release(&ids);
    cru_subword_encoder_free(e);
    cru_subword_free(s);
    s = load(CRU_SPAN("{" CUT PIECE "}"));
    assert_int_equal(cru_subword_unknown(s), 0);
    check_ids(s, "ab abb ba x", CRU_SPECIAL_TEXT, (const uint32_t[]){1, 2, 1, 2, 2, 0, 0}, 7);
    cru_subword_free(s);
}

/* Bytes that are no UTF-8 are U+FFFD; added tokens are text when they shall be. */
static void bytes_and_added_tokens(void **state) {
    struct cru_subword *s = load(CRU_SPAN(
        "{" CUT "\"added_tokens\":[{\"content\":\"<x>\",\"normalized\":false}],"
        "\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"?\":0,\"\xEF\xBF\xBD\":1,\"a<x>\":2},"
        "\"unk_token\":\"?\"}}"));
    (void)state;
    check_ids(s, "\xFF \xE2\x82 a<x> \xC3\xA9", CRU_SPECIAL_TEXT, (const uint32_t[]){1, 1, 2, 0},
              4);
    check_ids(s, "a<x> <x>", CRU_SPECIAL_RECOGNISE, (const uint32_t[]){0, 3, 3}, 3);
    check_ids(s, "", CRU_SPECIAL_RECOGNISE, NULL, 0);
    cru_subword_free(s);
}

/* A table whose units point out of it, or whose values point into a character. */
static void damaged_charsmap(void **state) {
    static const char *const tables[] = {
        "BAAAAP///38=",         /* one unit, with an offset far outside */
        "CAAAAAAEAABhAQAAw6kA", /* 'a' has a value outside the units */
        "EAAAAAAEAADDAAAAAAAAAAEAAIDDqQA=",
    };
    (void)state;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        struct cru_charsmap map;
        struct cru_buffer out;
        if (cru_charsmap_init(&map, cru_span_of(tables[i]), &err)) continue;
        cru_buffer_init(&out);
        for (unsigned a = 1; a < 128; a++) {
            char text[3] = {(char)a, 'a', 0};
            cru_charsmap_apply(&map, cru_span_of(text), &out);
        }
        assert_false(out.failed);
        cru_buffer_release(&out);
        cru_charsmap_release(&map);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden),
        cmocka_unit_test(words_of_a_mebibyte),
        cmocka_unit_test(byte_level_is_left),
        cmocka_unit_test(refused),
        cmocka_unit_test(long_tokens),
        cmocka_unit_test(unknown),
        cmocka_unit_test(bytes_and_added_tokens),
        cmocka_unit_test(damaged_charsmap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
