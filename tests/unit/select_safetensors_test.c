/* SPDX-License-Identifier: Apache-2.0 */
/* .safetensors headers as they are, as they may not be, and word vectors of every type. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "crucible/base/base.h"
#include "crucible/select/safetensors.h"
#include "crucible/select/word_vectors.h"
#include "tests/unit/scratch_name.h"

static char file_bytes[4096];

/* A file of this header and `data` zero bytes behind it; its length. */
static size_t file_make(const char *header, size_t data) {
    size_t n = strlen(header);
    memset(file_bytes, 0, sizeof file_bytes);
    file_bytes[0] = (char)n;
    file_bytes[1] = (char)(n >> 8);
    memcpy(file_bytes + 8, header, n);
    return 8 + n + data;
}

static enum cru_status parse(const char *header, size_t data, struct cru_tensor *t) {
    size_t n = file_make(header, data);
    return cru_safetensors_matrix(cru_span_make(file_bytes, n), n, "x", t, NULL);
}

static void test_matrix(void **state) {
    struct cru_tensor t;
    const char *one =
        "{\"__metadata__\":{\"format\":\"pt\",\"a\\\"b\":\"c\"}, \"any\" : {\"dtype\":\"F16\", "
        "\"shape\":[3, 4],\"data_offsets\":[8,32]},\"v\":{\"dtype\":\"I64\",\"shape\":[1],"
        "\"data_offsets\":[0,8]}}   ";
    (void)state;
    assert_int_equal(parse(one, 32, &t), CRU_OK);
    assert_true(cru_span_is(t.name, "any") && t.dtype == CRU_F16 && t.shape[0] == 3 &&
                t.shape[1] == 4);
    assert_int_equal(t.begin, 8 + strlen(one) + 8);
    assert_int_equal(t.end - t.begin, 24);
    assert_int_equal(parse(one, 31, &t), CRU_END);
    /* Of several the usual one. */
    assert_int_equal(parse("{\"lm_head.weight\":{\"dtype\":\"F32\",\"shape\":[1,2],"
                           "\"data_offsets\":[0,8]},\"embedding.weight\":{\"dtype\":\"BF16\","
                           "\"shape\":[2,2],\"data_offsets\":[8,16]}}",
                           16, &t),
                     CRU_OK);
    assert_true(cru_span_is(t.name, "embedding.weight") && t.dtype == CRU_BF16);
    for (size_t n = 0; n < 8 + strlen(one); n++) {
        size_t whole = file_make(one, 32);
        assert_int_equal(cru_safetensors_matrix(cru_span_make(file_bytes, n), whole, "x", &t, NULL),
                         CRU_END);
    }
}

static void test_refusals(void **state) {
    static const char *const bad[] = {
        "",
        "{}",
        "[]",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,2]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,4]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[8,0]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[0,2],\"data_offsets\":[0,0]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,99999999999999999999],\"data_offsets\":[0,8]}}",
        "{\"a\":{\"dtype\":\"I64\",\"shape\":[1,1],\"data_offsets\":[0,8]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1],\"data_offsets\":[0,4]},"
        "\"b\":{\"dtype\":\"F32\",\"shape\":[1,1],\"data_offsets\":[4,8]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1],\"data_offsets\":[0,4]}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1],\"data_offsets\":[0,4],\"more\":1}}",
    };
    struct cru_tensor t;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(parse(bad[i], 64, &t), CRU_BAD);
}

/* Two rows of two numbers, 1 -2 and .5 4, in each type. */
static void test_types(void **state) {
    static const struct {
        const char *type;
        size_t size;
        const char *bytes;
    } kinds[] = {
        {"F32", 16, "\0\0\x80\x3f\0\0\0\xc0\0\0\0\x3f\0\0\x80\x40"},
        {"F16", 8, "\0\x3c\0\xc0\0\x38\0\x44"},
        {"BF16", 8, "\x80\x3f\0\xc0\0\x3f\x80\x40"},
        {"F64", 32,
         "\0\0\0\0\0\0\xf0\x3f\0\0\0\0\0\0\0\xc0\0\0\0\0\0\0\xe0\x3f\0\0\0\0\0\0\x10\x40"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        static const uint32_t ids[] = {0, 1, 1, 7};
        char path[SCRATCH_NAME], header[200];
        struct cru_word_vectors *v;
        double sums[2] = {0, 0};
        size_t n;
        int file = mkstemp(scratch_name(path, "crucible-vectors-XXXXXX"));
        assert_true(file >= 0);
        snprintf(header, sizeof header,
                 "{\"m\":{\"dtype\":\"%s\",\"shape\":[2,2],\"data_offsets\":[0,%zu]}}",
                 kinds[i].type, kinds[i].size);
        n = file_make(header, kinds[i].size);
        memcpy(file_bytes + 8 + strlen(header), kinds[i].bytes, kinds[i].size);
        assert_int_equal(write(file, file_bytes, n), n);
        assert_int_equal(cru_word_vectors_open(path, &v, NULL), CRU_OK);
        assert_int_equal(cru_word_vectors_rows(v), 2);
        assert_int_equal(cru_word_vectors_columns(v), 2);
        cru_word_vectors_add(v, ids, 4, sums); /* the row 7 is not there */
        assert_true(sums[0] == 2 && sums[1] == 6);
        cru_word_vectors_free(v);
        assert_int_equal(ftruncate(file, (off_t)n - 1), 0);
        assert_int_equal(cru_word_vectors_open(path, &v, NULL), CRU_FATAL);
        assert_null(v);
        close(file);
        unlink(path);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matrix),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
