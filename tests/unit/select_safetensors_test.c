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

/* A file of model2vec: four tokens on two rows, 1 -2 and 3 5, with weights 1, .5, 2 and not a number. */
#define MATRIX "\"embeddings\":{\"dtype\":\"I8\",\"shape\":[2,2],\"data_offsets\":[0,4]}"
#define MAPPING "\"mapping\":{\"dtype\":\"I32\",\"shape\":[4],\"data_offsets\":[4,20]}"
#define WEIGHTS "\"weights\":{\"dtype\":\"F16\",\"shape\":[4],\"data_offsets\":[20,28]}"

static enum cru_status open_lists(const char *header, const char *data, struct cru_word_vectors **v,
                                  struct cru_error *err) {
    enum { DATA = 28 };
    char path[SCRATCH_NAME];
    enum cru_status status;
    size_t n = file_make(header, DATA);
    int file = mkstemp(scratch_name(path, "crucible-vectors-XXXXXX"));
    assert_true(file >= 0);
    memcpy(file_bytes + 8 + strlen(header), data, DATA);
    assert_int_equal(write(file, file_bytes, n), n);
    status = cru_word_vectors_open(path, v, err);
    close(file);
    unlink(path);
    return status;
}

static void test_lists(void **state) {
    static const uint32_t ids[] = {0, 1, 2, 3, 4};
    static const char data[] = "\x01\xfe\x03\x05"
                               "\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0"
                               "\0\x3c\0\x38\0\x40\0\x7e";
    static const struct {
        const char *header, *why;
    } bad[] = {
        {"{" MATRIX ",\"mapping\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[4,20]}}",
         "mapping is not of I32"},
        {"{" MATRIX ",\"weights\":{\"dtype\":\"I8\",\"shape\":[4],\"data_offsets\":[4,8]}}",
         "weights is not of F32"},
        {"{" MATRIX "," WEIGHTS "}", "4 weights for 2 tokens"},
        {"{" MATRIX ",\"mapping\":{\"dtype\":\"I32\",\"shape\":[4],\"data_offsets\":[0,16]}}",
         "token 0 has no row"},
        {"{" MATRIX ",\"mapping\":{\"dtype\":\"I32\",\"shape\":[3],\"data_offsets\":[4,20]}}",
         "impossible shape"},
        {"{" MATRIX ",\"mapping\":{\"dtype\":\"I32\",\"shape\":[4],\"data_offsets\":[16,32]}}",
         "cut"},
    };
    struct cru_word_vectors *v;
    struct cru_error err;
    double sums[2] = {0, 0};
    (void)state;
    assert_int_equal(open_lists("{" MAPPING "," WEIGHTS "," MATRIX "}", data, &v, &err), CRU_OK);
    assert_true(cru_word_vectors_drop_unknown(v));
    cru_word_vectors_add(v, ids, 5, sums); /* 1 * row 1 + .5 * row 0 + 2 * row 1 */
    assert_true(sums[0] == 9.5 && sums[1] == 14);
    cru_word_vectors_free(v);
    /* Without lists, and under another name. */
    assert_int_equal(open_lists("{" MATRIX "}", data, &v, &err), CRU_OK);
    sums[0] = sums[1] = 0;
    cru_word_vectors_add(v, ids, 5, sums);
    assert_true(sums[0] == 4 && sums[1] == 3);
    cru_word_vectors_free(v);
    assert_int_equal(
        open_lists("{\"m\":{\"dtype\":\"I8\",\"shape\":[2,2],\"data_offsets\":[0,4]}," WEIGHTS "}",
                   data, &v, &err),
        CRU_OK);
    assert_false(cru_word_vectors_drop_unknown(v));
    cru_word_vectors_free(v);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(open_lists(bad[i].header, data, &v, &err), CRU_FATAL);
        assert_null(v);
        if (!strstr(err.message, bad[i].why)) fail_msg("%s: not '%s'", err.message, bad[i].why);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matrix),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
