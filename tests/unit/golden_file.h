/* SPDX-License-Identifier: Apache-2.0 */
/* The files of tests/golden, which tests find because they run in the top directory. */
#ifndef CRU_TESTS_GOLDEN_FILE_H
#define CRU_TESTS_GOLDEN_FILE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crucible/base/buffer.h"
#include "crucible/base/input.h"

/* Appends all of the file. */
static inline void read_golden(const char *path, struct cru_buffer *out) {
    struct cru_input *input;
    struct cru_error err;
    char block[4096];
    size_t got;
    assert_int_equal(cru_input_open(path, &input, &err), CRU_OK);
    while (cru_input_read(input, block, sizeof block, &got, &err) == CRU_OK)
        cru_buffer_add(out, block, got);
    cru_input_close(input);
}

#endif
