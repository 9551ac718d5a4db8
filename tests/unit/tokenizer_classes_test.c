/* SPDX-License-Identifier: Apache-2.0 */
/* The constant table of classes against the ranges it was written from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crucible/base/base.h"
#include "tokenizer/unicode_classes.h"
#include "tokenizer/unicode_ranges.h"

static void mark(uint8_t *flat, const uint32_t (*ranges)[2], size_t n, unsigned bit) {
    for (size_t i = 0; i < n; i++)
        for (uint32_t c = ranges[i][0]; c <= ranges[i][1]; c++) flat[c] |= (uint8_t)bit;
}
#define MARK(name, bit)                                                                            \
    mark(flat, cru_unicode_##name, sizeof cru_unicode_##name / sizeof *cru_unicode_##name, bit)

static void table_is_the_ranges(void **state) {
    (void)state;
    static uint8_t flat[0x110000];
    struct cru_classes classes;
    MARK(letter, CRU_LETTER);
    MARK(number, CRU_NUMBER);
    MARK(space, CRU_SPACE);
    MARK(mark, CRU_MARK);
    MARK(compose, CRU_COMPOSE);
    MARK(later, CRU_LATER);
    assert_true(cru_classes_init(&classes));
    for (uint32_t c = 0; c < 0x110000; c++) assert_int_equal(cru_class_of(&classes, c), flat[c]);
    cru_classes_release(&classes);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(table_is_the_ranges)};
    return cmocka_run_group_tests_name("tokenizer classes", tests, NULL, NULL);
}
