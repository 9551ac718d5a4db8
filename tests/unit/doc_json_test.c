/* SPDX-License-Identifier: Apache-2.0 */
/* JSONL in and out: what passes through, what is refused, and what comes out when stages add to it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "crucible/base/base.h"
#include "crucible/base/hash.h"
#include "crucible/doc/json.h"
#include "crucible/doc/json_check.h"

static struct cru_json_parser *parser;

static enum cru_status parse(struct cru_batch *batch, const char *line, struct cru_error *err) {
    struct cru_doc *doc = cru_batch_add(batch);
    assert_non_null(doc);
    return cru_json_document(parser, cru_span_of(line), "text", "f", 7, batch, doc, err);
}

static void expect_round(const char *line, const char *expected) {
    struct cru_batch batch;
    struct cru_error err;
    struct cru_buffer out;
    cru_batch_init(&batch);
    cru_buffer_init(&out);
    assert_int_equal(parse(&batch, line, &err), CRU_OK);
    cru_json_render(&batch.docs[0], "text", &out);
    assert_string_equal(out.p, expected);
    /* What was written reads as the same again: composability needs it. */
    char *once = strdup(out.p);
    once[strlen(once) - 1] = 0;
    assert_int_equal(parse(&batch, once, &err), CRU_OK);
    cru_buffer_clear(&out);
    cru_json_render(&batch.docs[1], "text", &out);
    assert_string_equal(out.p, expected);
    free(once);
    cru_buffer_release(&out);
    cru_batch_release(&batch);
}

static void passes_through(void **state) {
    (void)state;
    expect_round("{\"id\":\"a\",\"text\":\"x\"}", "{\"id\":\"a\",\"text\":\"x\"}\n");
    expect_round("{\"text\":\"x\"}", "{\"id\":\"f#7\",\"text\":\"x\"}\n");
    expect_round(
        "{ \"u\" : [1, {\"b\": 1.50}] , \"text\" : \"a\\u00e9\\n\", \"k\\\"y\":-1e5 }",
        "{\"id\":\"f#7\",\"u\":[1, {\"b\": 1.50}],\"text\":\"a\\u00e9\\n\",\"k\\\"y\":-1e5}\n");
    expect_round("{\"text\":\"x\",\"id\":12,\"s\":\"\\ud83d\"}",
                 "{\"text\":\"x\",\"id\":12,\"s\":\"\\ud83d\"}\n");
    expect_round("{\"crucible\":{\"lang\":\"en\",\"ddm\":{\"q\":0.5}},\"text\":\"x\",\"id\":\"\","
                 "\"z\":null}",
                 "{\"text\":\"x\",\"id\":\"\",\"z\":null,\"crucible\":{\"lang\":\"en\",\"ddm\":{"
                 "\"q\":0.5}}}\n");
}

static void refuses(void **state) {
    (void)state;
    static const char *const lines[] = {"",
                                        "{",
                                        "[]",
                                        "1",
                                        "{\"text\":1}",
                                        "{\"text\":\"a\"",
                                        "{\"text\":\"\\ud83d\"}",
                                        "{\"id\":\"a\"}",
                                        "{\"text\":\"a\"} x",
                                        "{\"text\":\"a\",\"u\":tru}",
                                        "{\"text\":\"a\",\"u\":[1,]}",
                                        "{\"text\":\"a\",\"u\":01}",
                                        "{\"text\":\"a\",\"text\":\"b\"}",
                                        "{\"text\":\"a\xff\"}",
                                        "{\"text\":\"a\",\"crucible\":1}",
                                        "{\"text\":\"a\",\"id\":[]}",
                                        "{\"text\":\"a\",\"u\":\"\\q\"}",
                                        "{\"text\":\"\\u12g4\"}"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct cru_batch batch;
        struct cru_error err = {CRU_OK, ""};
        cru_batch_init(&batch);
        if (parse(&batch, lines[i], &err) != CRU_BAD) fail_msg("accepted: %s", lines[i]);
        assert_true(err.message[0] != 0);
        assert_null(batch.docs[0].text.p);
        cru_batch_release(&batch);
    }
}

/* The blocks of 16 that strings are read in: what stops a run stands at every place of a block, in
 * front of and behind other text. Compared with what the bytes say one by one. */
static void strings_at_every_place(void **state) {
    (void)state;
    static const struct {
        const char *raw, *text; /* NULL: refused */
    } parts[] = {{"\\n", "\n"},
                 {"\\\\", "\\"},
                 {"\\\"", "\""},
                 {"\\u00e9", "\xc3\xa9"},
                 {"\\uD83D\\uDE00", "\xf0\x9f\x98\x80"},
                 {"\xe4\xb8\xad", "\xe4\xb8\xad"},
                 {"", ""},
                 {"\\x", NULL},
                 {"\\u12G4", NULL},
                 {"\\uDE00", NULL},
                 {"\\uD83D", NULL},
                 {"\n", NULL},
                 {"\x1f", NULL},
                 {"\"", NULL},
                 {"\"\"", NULL}};
    for (size_t k = 0; k < sizeof parts / sizeof parts[0]; k++)
        for (size_t before = 0; before < 40; before++)
            for (size_t behind = 0; behind < 40; behind += 3) {
                struct cru_batch batch;
                struct cru_error err = {CRU_OK, ""};
                struct cru_buffer line, want;
                cru_batch_init(&batch);
                cru_buffer_init(&line);
                cru_buffer_init(&want);
                cru_buffer_add_string(&line, "{\"text\":\"");
                for (size_t i = 0; i < before; i++)
                    cru_buffer_add_char(&line, (char)('a' + i % 26));
                cru_buffer_add_span(&want, cru_span_make(line.p + 9, before));
                cru_buffer_add_string(&line, parts[k].raw);
                if (parts[k].text) cru_buffer_add_string(&want, parts[k].text);
                for (size_t i = 0; i < behind; i++) cru_buffer_add_char(&line, '.');
                for (size_t i = 0; i < behind; i++) cru_buffer_add_char(&want, '.');
                cru_buffer_add_string(&line, "\",\"u\":\"");
                cru_buffer_add_string(&line, parts[k].text ? parts[k].raw : "");
                cru_buffer_add_string(&line, "\"}");
                enum cru_status s = parse(&batch, line.p, &err);
                assert_int_equal(s, parts[k].text ? CRU_OK : CRU_BAD);
                if (s == CRU_OK) {
                    assert_int_equal(batch.docs[0].text.n, want.n);
                    if (want.n) assert_memory_equal(batch.docs[0].text.p, want.p, want.n);
                    assert_true(cru_json_valid(cru_buffer_span(&line)));
                }
                cru_buffer_release(&line);
                cru_buffer_release(&want);
                cru_batch_release(&batch);
            }
}

static void decodes(void **state) {
    (void)state;
    struct cru_batch batch;
    struct cru_error err;
    cru_batch_init(&batch);
    assert_int_equal(parse(&batch, "{\"text\":\"a\\u0041\\n\\ud83d\\ude00\\u0000\\/z\"}", &err),
                     CRU_OK);
    static const char want[] = "aA\n\xf0\x9f\x98\x80\0/z";
    assert_int_equal(batch.docs[0].text.n, sizeof want - 1);
    assert_memory_equal(batch.docs[0].text.p, want, sizeof want - 1);
    cru_batch_release(&batch);
}

static void finds_numbers(void **state) {
    (void)state;
    struct cru_batch batch;
    struct cru_error err;
    double x = 0;
    cru_batch_init(&batch);
    assert_int_equal(parse(&batch,
                           "{\"text\":\"\",\"s\":2.5,\"m\":{\"a\":[1,7]},\"crucible\":{\"ddm\":{"
                           "\"q\":0.25},\"tokens\":9}}",
                           &err),
                     CRU_OK);
    const struct cru_doc *doc = &batch.docs[0];
    assert_true(cru_doc_number(parser, doc, "s", &x) && x == 2.5);
    assert_true(cru_doc_number(parser, doc, "m.a.1", &x) && x == 7);
    assert_true(cru_doc_number(parser, doc, "crucible.ddm.q", &x) && x == 0.25);
    assert_true(cru_doc_number(parser, doc, "crucible.tokens", &x) && x == 9);
    assert_false(cru_doc_number(parser, doc, "crucible.ddm.z", &x));
    assert_false(cru_doc_number(parser, doc, "id", &x));
    cru_batch_release(&batch);
}

static void changed_text_is_written_anew(void **state) {
    (void)state;
    struct cru_batch batch;
    struct cru_error err;
    struct cru_buffer out;
    cru_batch_init(&batch);
    cru_buffer_init(&out);
    assert_int_equal(parse(&batch, "{\"text\":\"abc\",\"u\":1,\"id\":\"i\"}", &err), CRU_OK);
    struct cru_doc *doc = &batch.docs[0];
    assert_int_equal(cru_doc_set_meta_number(&batch, doc, "tokens", 2), CRU_OK);
    assert_int_equal(cru_doc_set_meta_number(&batch, doc, "x", 1), CRU_OK);
    cru_doc_set_text(doc, CRU_SPAN("q\"\x01"));
    assert_null(cru_doc_meta(doc, "tokens").p);
    assert_int_equal(cru_doc_set_meta_number(&batch, doc, "tokens", 3), CRU_OK);
    assert_int_equal(cru_doc_drop(&batch, doc, "filter", "r", 0.1, 2), CRU_OK);
    cru_json_render(doc, "text", &out);
    assert_string_equal(
        out.p, "{\"text\":\"q\\\"\\u0001\",\"u\":1,\"id\":\"i\",\"crucible\":{\"x\":1,\"tokens\":3,"
               "\"drop\":{\"stage\":\"filter\",\"rule\":\"r\",\"value\":0.1,\"limit\":2}}}\n");
    cru_buffer_release(&out);
    cru_batch_release(&batch);
}

static void numbers_read_back(void **state) {
    (void)state;
    static const double values[] = {
        0, -0.0, 1, -1, 0.1, 1e300, 1e-300, 123456.789, 3.0000000000000004, 9007199254740993.0};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct cru_buffer b;
        cru_buffer_init(&b);
        cru_buffer_add_json_number(&b, values[i]);
        assert_true(strtod(b.p, NULL) == values[i]);
        assert_true(cru_json_valid(cru_buffer_span(&b)));
        cru_buffer_release(&b);
    }
}

/* Blocks of 64 and byte for byte give the same: every escape at every place of a block, and strings of all
 * kinds, wrong ones too. */
static void blocks_agree(void **state) {
    (void)state;
    static const char *const pieces[] = {"\\n", "\\t", "\\r", "\\b", "\\f", "\\/", "\\\"", "\\\\", "\\u00e9",
                                         "\\ud83d\\ude00", "a", "bcd", "\xc3\xae", "\xe2\xae\xae", "nnnn",
                                         "sixteen letters.", "\\x", "\\ud83d", "\\"};
    enum { PIECES = sizeof pieces / sizeof pieces[0], GOOD = PIECES - 3 };
    cru_escape_blocks *blocks = cru_escape_blocks_here();
    struct cru_arena arena;
    struct cru_buffer raw;
    cru_arena_init(&arena);
    cru_buffer_init(&raw);
    uint64_t seed = 1;
    for (size_t i = 0; i < 40000; i++) {
        cru_buffer_clear(&raw);
        cru_buffer_add_char(&raw, '"');
        if (i < 200 * PIECES) { /* one escape in plain text */
            for (size_t k = 0; k < i / PIECES; k++) cru_buffer_add_char(&raw, "etn"[k % 3]);
            cru_buffer_add_string(&raw, pieces[i % PIECES]);
            for (size_t k = 0; k < 150; k++) cru_buffer_add_char(&raw, 'r');
        } else {
            size_t of = i % 5 == 0 ? PIECES : GOOD, n = i % 97;
            for (size_t k = 0; k < n; k++) {
                seed = seed * 6364136223846793005u + 1442695040888963407u;
                cru_buffer_add_string(&raw, pieces[(seed >> 33) % of]);
            }
        }
        cru_buffer_add_char(&raw, '"');
        struct cru_span a = {NULL, 0}, b = {NULL, 0};
        bool good = cru_json_unescape_by(NULL, cru_buffer_span(&raw), &arena, &a);
        assert_int_equal(cru_json_unescape_by(blocks, cru_buffer_span(&raw), &arena, &b), good);
        if (good) assert_true(cru_span_eq(a, b));
        cru_arena_clear(&arena);
    }
    cru_buffer_release(&raw);
    cru_arena_release(&arena);
}

/* The quick way and simdjson alone: equal answers, equal words for what is wrong, and equal documents. Lines are
 * put together from pieces, some of them wrong, and cut here and there; the text's end stands at every
 * place of a block. */
static void quick_way_agrees(void **state) {
    (void)state;
    static const char *const pieces[] = {
        "{",         "}",         ",",       ":",          " ",         "\"text\"", "\"id\"",  "\"crucible\"",
        "\"u\"",     "\"te\\u0078t\"", "\"a b\"",   "\"\\n\\\"\"",  "\"\\ud83d\\ude00 \\u00e9\"", "\"\\ud83d\"", "\"\\x\"",
        "1",         "-0.5e3",    "01",      "null",       "[1,{\"a\":[]}]", "{\"lang\":\"en\"}", "[1,]",   "\"\xc3\xa9\"",
        "\"\xff\"",  "\"\x01\"",  "\t",      "\"",         "\\",        "\"\xe4\xb8\xad\xe6\x96\x87\\n\"", "tru"};
    enum { PIECES = sizeof pieces / sizeof pieces[0] };
    static const char *const values[] = {"\"a b\"", "1", "null", "[1,{\"a\":[]}]", "{\"lang\":\"en\"}", "\"\xc3\xa9\"",
                                         "\"\\ud83d\"", "01", "\"\\x\""};
    struct cru_json_parser *alone = cru_json_parser_new();
    assert_non_null(alone);
    cru_json_parser_library_only(alone);
    struct cru_batch batch;
    struct cru_buffer line, a, b;
    struct cru_random g = {7};
    cru_batch_init(&batch);
    cru_buffer_init(&line);
    cru_buffer_init(&a);
    cru_buffer_init(&b);
    size_t accepted = 0;
    for (size_t i = 0; i < 60000; i++) {
        cru_buffer_clear(&line);
        if (i % 2) { /* an object, mostly right */
            cru_buffer_add_char(&line, '{');
            for (size_t k = 0, n = cru_random_next(&g) % 4; k < n; k++)
                cru_buffer_printf(&line, "\"%s\": %s,", k == 1 ? "id" : k == 2 ? "crucible" : "u",
                                  values[cru_random_next(&g) % (sizeof values / sizeof values[0])]);
            cru_buffer_add_string(&line, "\"text\":\"");
            for (size_t k = 0; k < i / 2 % 150; k++)
                cru_buffer_add_string(&line, k % 37 == 36 ? "\\n" : k % 61 == 60 ? "\xc3\xa9" : "x");
            if (i % 7 == 0) cru_buffer_add_string(&line, "\\\\");
            cru_buffer_add_string(&line, i % 101 == 0 ? "\x02\"}" : i % 103 == 0 ? "}" : "\"}");
            if (i % 23 == 0) line.n = cru_random_next(&g) % (line.n + 1);
        } else {
            for (size_t k = 0, n = cru_random_next(&g) % 16; k < n; k++)
                cru_buffer_add_string(&line, pieces[cru_random_next(&g) % PIECES]);
        }
        struct cru_error err[2] = {{CRU_OK, ""}, {CRU_OK, ""}};
        struct cru_span s = cru_span_make(line.p ? line.p : "", line.n);
        cru_batch_clear(&batch);
        assert_true(cru_batch_add(&batch) && cru_batch_add(&batch));
        struct cru_doc *one = &batch.docs[0], *two = &batch.docs[1];
        enum cru_status got = cru_json_document(parser, s, "text", "f", 7, &batch, one, &err[0]);
        assert_int_equal(cru_json_document(alone, s, "text", "f", 7, &batch, two, &err[1]), got);
        assert_string_equal(err[0].message, err[1].message);
        accepted += got == CRU_OK;
        assert_true(cru_span_eq(one->text, two->text) && cru_span_eq(one->id, two->id));
        cru_buffer_clear(&a);
        cru_buffer_clear(&b);
        cru_json_render(one, "text", &a);
        cru_json_render(two, "text", &b);
        assert_true(cru_span_eq(cru_buffer_span(&a), cru_buffer_span(&b)));
    }
    assert_true(accepted > 10000);
    cru_buffer_release(&line);
    cru_buffer_release(&a);
    cru_buffer_release(&b);
    cru_batch_release(&batch);
    cru_json_parser_free(alone);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_through),         cmocka_unit_test(refuses),
        cmocka_unit_test(strings_at_every_place), cmocka_unit_test(decodes),
        cmocka_unit_test(finds_numbers),          cmocka_unit_test(changed_text_is_written_anew),
        cmocka_unit_test(numbers_read_back),      cmocka_unit_test(blocks_agree),
        cmocka_unit_test(quick_way_agrees)};
    parser = cru_json_parser_new();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    cru_json_parser_free(parser);
    return failed;
}
