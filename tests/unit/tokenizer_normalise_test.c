/* SPDX-License-Identifier: Apache-2.0 */
/* NFC by stretches against utf8proc's NFC of the whole, and against the reference where they differ. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>
#include <utf8proc.h>

#include "crucible/base/base.h"
#include "crucible/base/utf8_repair.h"
#include "tokenizer/normalise.h"

static struct cru_classes classes;
static struct cru_normaliser normaliser;

static struct cru_span nfc(struct cru_span text) {
    struct cru_error err;
    struct cru_span out;
    assert_int_equal(cru_normalise(&normaliser, &classes, text, &out, &err), CRU_OK);
    return out;
}

static void expect(const char *text, const char *want) {
    struct cru_span out = nfc(cru_span_of(text));
    assert_int_equal(out.n, strlen(want));
    assert_memory_equal(out.p, want, out.n);
}

static void named_cases(void **state) {
    (void)state;
    expect("", "");
    expect("plain", "plain");
    expect("e\u0301", "\u00e9");
    expect("xe\u0301y", "x\u00e9y");
    expect("a\u0308o\u0302\u0301", "\u00e4\u1ed1");
    expect("\u1112\u1161\u11ab", "\ud55c");
    expect("\uac00\u11a8", "\uac01");
    expect("\u212b \u2126", "\u00c5 \u03a9");
    expect("\u0958", "\u0915\u093c");             /* a composition exclusion */
    expect("a\u0315\u0300\u05aeb", "\u00e0\u05ae\u0315b"); /* marks change places */
    expect("\u0301x", "\u0301x");
    /* The reference knows no Unicode beyond about 9 here: these would compose or change places today. */
    expect("\U00011935\U00011930", "\U00011935\U00011930");
    expect("\U000105d2\u0307", "\U000105d2\u0307");
    expect("a\u0345\u1dfa", "a\u0345\u1dfa");
    expect("e\u1dfa\u0301", "e\u1dfa\u0301");
}

static void equals_utf8proc(void **state) {
    (void)state;
    static const struct {
        uint32_t first, last;
    } pools[] = {{0x20, 0x7E},     {0x300, 0x345},   {0xC0, 0x17F},    {0x590, 0x5C7},
                 {0x610, 0x65F},   {0x915, 0x94D},   {0x9C7, 0x9D7},   {0xE00, 0xE4D},
                 {0x1100, 0x1112}, {0x1161, 0x1175}, {0x11A8, 0x11C2}, {0xAC00, 0xAC40},
                 {0x1E00, 0x1FFF}, {0x3040, 0x309A}, {0xF900, 0xFA10}, {0x1D15E, 0x1D165},
                 {0x2F800, 0x2F810}, {0x110A5, 0x110BA}, {0x1025, 0x1039}, {0xF71, 0xF84}};
    struct cru_random r = {3};
    size_t changed = 0;
    for (int text = 0; text < 40000; text++) {
        unsigned char p[512];
        size_t n = 0, length = 1 + cru_random_next(&r) % 60, kinds[3];
        for (size_t i = 0; i < 3; i++)
            kinds[i] = cru_random_next(&r) % (sizeof pools / sizeof *pools);
        for (size_t i = 0; i < length; i++) {
            size_t k = kinds[cru_random_next(&r) % 3];
            uint32_t c = pools[k].first +
                         (uint32_t)(cru_random_next(&r) % (pools[k].last - pools[k].first + 1));
            if (cru_class_of(&classes, c) & CRU_LATER) continue;
            n += (size_t)utf8proc_encode_char((utf8proc_int32_t)c, p + n);
        }
        unsigned char *want = NULL;
        utf8proc_ssize_t wanted =
            utf8proc_map(p, (utf8proc_ssize_t)n, &want, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
        assert_true(wanted >= 0);
        struct cru_span got = nfc(cru_span_make((const char *)p, n));
        assert_int_equal(got.n, wanted);
        assert_memory_equal(got.p, want, got.n);
        changed += got.p != (const char *)p;
        free(want);
    }
    assert_true(changed > 1000);
}

/* A page that is one run of marks in the worst order. */
static void long_runs_are_quick(void **state) {
    (void)state;
    struct cru_buffer text;
    cru_buffer_init(&text);
    cru_buffer_add_char(&text, 'a');
    for (int i = 0; i < 300000; i++) cru_buffer_add_string(&text, i % 2 ? "\u0316" : "\u0300");
    clock_t start = clock();
    struct cru_span out = nfc(cru_buffer_span(&text));
    assert_true((double)(clock() - start) / CLOCKS_PER_SEC < 10);
    assert_memory_equal(out.p, "\u00e0\u0316\u0316", 6);
    cru_buffer_release(&text);
}

static void repairs_bad_utf8(void **state) {
    (void)state;
    static const struct {
        const char *bytes, *want;
    } rows[] = {
        /* Unicode 15, section 3.9, tables 3-8 to 3-11 */
        {"\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41",
         "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\x41"},
        {"\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41",
         "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\x41"},
        {"\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42", "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\x41\uFFFD\uFFFD\x42"},
        {"\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", "\uFFFD\uFFFD\uFFFD\uFFFD\x41"},
        {"ok \xE4\xB8", "ok \uFFFD"},
        {"\xE4\xB8\xAD\xFF", "\u4E2D\uFFFD"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cru_buffer out;
        cru_buffer_init(&out);
        cru_utf8_repair(cru_span_of(rows[i].bytes), &out);
        assert_string_equal(out.p, rows[i].want);
        cru_buffer_release(&out);
    }
}

static int begin(void **state) {
    (void)state;
    cru_normaliser_init(&normaliser);
    return cru_classes_init(&classes) ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    cru_normaliser_release(&normaliser);
    cru_classes_release(&classes);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(named_cases),
        cmocka_unit_test(equals_utf8proc),
        cmocka_unit_test(long_runs_are_quick),
        cmocka_unit_test(repairs_bad_utf8),
    };
    return cmocka_run_group_tests_name("tokenizer normalise", tests, begin, end);
}
