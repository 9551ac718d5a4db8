/* SPDX-License-Identifier: Apache-2.0 */
/* The hand-written scanners against PCRE2 running the published patterns. The texts use characters
 * whose classes have not changed since long before the Unicode of any PCRE2 there is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "crucible/base/base.h"
#include "tokenizer/piece_end.h"

#define TAIL "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define HEAD "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|"

#define SLASH "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define FRONT "[^\\r\\n\\p{L}\\p{N}]?"
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define SUFFIX "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"

static const struct {
    const char *regex;
    uint32_t pattern, digits;
} patterns[] = {
    {HEAD "\\p{N}" TAIL, CRU_PATTERN_QWEN2, 1},
    {HEAD "\\p{N}{1,3}" TAIL, CRU_PATTERN_QWEN2, 3},
    {"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
     CRU_PATTERN_GPT2, 0},
    {FRONT UPPER "*" LOWER "+" SUFFIX "|" FRONT UPPER "+" LOWER "*" SUFFIX "|\\p{N}{1,3}" SLASH,
     CRU_PATTERN_O200K, 3},
    {FRONT UPPER "*" LOWER "+|" FRONT UPPER "+" LOWER "*|\\p{N}" SLASH, CRU_PATTERN_TEKKEN, 1},
};

static const struct {
    uint32_t first, last;
} pools[] = {
    {0x20, 0x7E},     {0x09, 0x0D},       {0x20, 0x20},       {0x0A, 0x0A},     {0x0D, 0x0D},
    {0x30, 0x39},     {0x27, 0x27},       {0x73, 0x74},       {0x4C, 0x4C},     {0x6C, 0x6D},
    {0x72, 0x72},     {0x65, 0x65},       {0x76, 0x76},       {0x17F, 0x17F},   {0xA0, 0xFF},
    {0x2000, 0x200A}, {0x3000, 0x3000},   {0x85, 0x85},       {0x2028, 0x2029}, {0x300, 0x30F},
    {0x410, 0x44F},   {0x5D0, 0x5EA},     {0x660, 0x669},     {0x905, 0x939},   {0x4E00, 0x4E40},
    {0xAC00, 0xAC20}, {0x2160, 0x2170},   {0x2F, 0x2F},       {0x1C4, 0x1CC},   {0x2B0, 0x2B8},
    {0x41, 0x46},     {0x1F600, 0x1F610}, {0x20000, 0x20010}, {0xB2, 0xB3},
};

static void check_text(pcre2_code *code, pcre2_match_data *match, const struct cru_classes *c,
                       const unsigned char *text, size_t n, uint32_t pattern, uint32_t digits) {
    for (size_t at = 0; at < n;) {
        int found = pcre2_match(code, text, n, at, PCRE2_ANCHORED, match, NULL);
        assert_true(found > 0);
        size_t want = pcre2_get_ovector_pointer(match)[1];
        size_t got = (size_t)(cru_piece_end(c, pattern, digits, text + at, text + n) - text);
        if (got != want) print_error("piece at %zu of '%.*s'\n", at, (int)n, (const char *)text);
        assert_int_equal(got, want);
        at = want;
    }
}

static void equals_the_patterns(void **state) {
    (void)state;
    struct cru_classes classes;
    assert_true(cru_classes_init(&classes));
    for (size_t k = 0; k < sizeof patterns / sizeof *patterns; k++) {
        int error;
        PCRE2_SIZE where;
        pcre2_code *code = pcre2_compile((PCRE2_SPTR)patterns[k].regex, PCRE2_ZERO_TERMINATED,
                                         PCRE2_UTF | PCRE2_UCP, &error, &where, NULL);
        assert_non_null(code);
        (void)pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
        pcre2_match_data *match = pcre2_match_data_create(4, NULL);
        struct cru_random r = {k + 1};
        for (int text = 0; text < 20000; text++) {
            unsigned char p[256];
            size_t n = 0, wanted = 1 + cru_random_next(&r) % 40, kinds[4];
            for (size_t i = 0; i < 4; i++)
                kinds[i] = cru_random_next(&r) % (sizeof pools / sizeof *pools);
            for (size_t i = 0; i < wanted; i++) {
                size_t pool = kinds[cru_random_next(&r) % 4];
                uint32_t span = pools[pool].last - pools[pool].first + 1;
                n += cru_put_code_point(p + n,
                                    pools[pool].first + (uint32_t)(cru_random_next(&r) % span));
            }
            check_text(code, match, &classes, p, n, patterns[k].pattern, patterns[k].digits);
        }
        pcre2_match_data_free(match);
        pcre2_code_free(code);
    }
    cru_classes_release(&classes);
}

/* Cases that the reference decides by its own Unicode version. */
static void classes_are_the_references(void **state) {
    (void)state;
    static const struct {
        uint32_t c;
        unsigned bits;
    } rows[] = {
        {'a', CRU_LETTER},     {'5', CRU_NUMBER},    {0x0B, CRU_SPACE}, {0x1C, 0},
        {0x85, CRU_SPACE},     {0x180E, 0},          {0x200B, 0},       {0x1C89, CRU_LETTER},
        {0xA7DA, CRU_LETTER},  {0x88F, 0},           {0xA7CE, 0},       {0x323B0, 0},
        {0x10D40, CRU_NUMBER}, {0x4E00, CRU_LETTER}, {0x10FFFF, 0},     {0x2167, CRU_NUMBER},
    };
    struct cru_classes classes;
    assert_true(cru_classes_init(&classes));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(cru_class_of(&classes, rows[i].c) & CRU_WORD_BITS, rows[i].bits);
    for (uint32_t c = 0; c < 128; c++)
        assert_int_equal(cru_class_of(&classes, c) & CRU_WORD_BITS, cru_ascii_class[c]);
    cru_classes_release(&classes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_patterns),
        cmocka_unit_test(classes_are_the_references),
    };
    return cmocka_run_group_tests_name("tokenizer pieces", tests, NULL, NULL);
}
