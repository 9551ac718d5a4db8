/* SPDX-License-Identifier: Apache-2.0 */
/* The ensemble's geometry in several scripts, and .npy headers. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "crucible/base/base.h"
#include "crucible/select/embed.h"
#include "crucible/select/npy.h"
#include "tests/unit/scratch_name.h"

static void embed(const char *views, int64_t dim, struct cru_span text, const char *ddm, float *x) {
    struct cru_embed_spec spec;
    struct cru_embedder *e;
    struct cru_batch batch;
    struct cru_doc *doc;
    cru_batch_init(&batch);
    assert_int_equal(cru_embed_spec_parse(views, dim, NULL, &spec, NULL), CRU_OK);
    e = cru_embedder_new(&spec);
    doc = cru_batch_add(&batch);
    assert_true(e && doc);
    doc->text = text;
    if (ddm) assert_int_equal(cru_doc_set_meta(&batch, doc, "ddm", cru_span_of(ddm)), CRU_OK);
    assert_int_equal(cru_embed_document(e, doc, NULL, 0, x, NULL), CRU_OK);
    cru_embedder_free(e);
    cru_batch_release(&batch);
}

static double dot(const float *a, const float *b, size_t n) {
    double sum = 0;
    for (size_t k = 0; k < n; k++) sum += (double)a[k] * (double)b[k];
    return sum;
}

static double likeness(const char *a, const char *b) {
    float x[512], y[512];
    embed("hash", 512, cru_span_of(a), NULL, x);
    embed("hash", 512, cru_span_of(b), NULL, y);
    assert_true(fabs(dot(x, x, 512) - 1) < 1e-5 && fabs(dot(y, y, 512) - 1) < 1e-5);
    return dot(x, y, 512);
}

static void test_topic_is_nearer_than_language(void **state) {
    static const char *const same[][2] = {
        {"The compiler allocates registers by colouring an interference graph of live variables.",
         "Registers are allocated by the compiler, which is colouring the graph of interfering "
         "variables."},
        {"Der Compiler verteilt Register, indem er den Interferenzgraphen der Variablen einfärbt.",
         "Durch Einfärben: der Interferenzgraph der Variablen sagt dem Compiler, welche Register "
         "frei sind."},
        {"编译器通过对干涉图着色来分配寄存器。", "寄存器分配可以通过干涉图着色由编译器完成。"},
        {"Компилятор распределяет регистры, раскрашивая граф переменных.",
         "Раскрашивая граф переменных, компилятор выбирает регистры."},
        {"コンパイラは干渉グラフの彩色でレジスタを割り当てる。",
         "レジスタの割り当ては干渉グラフの彩色による。"},
    };
    static const char *const other[] = {
        "In the spring the farmers of the valley bring sheep up to the pastures by the old river "
        "road.",
        "Im Frühling bringen die Bauern ihre Schafe auf die Weiden oberhalb der alten Straße am "
        "Fluss.",
        "春天，山谷里的农民把羊群赶到河边的牧场。",
        "Весной крестьяне долины гонят овец на пастбища у старой реки.",
        "春になると谷の農民は羊を川沿いの牧草地へ連れて行く。",
    };
    (void)state;
    for (size_t i = 0; i < 5; i++) {
        double near = likeness(same[i][0], same[i][1]), far = likeness(same[i][0], other[i]);
        assert_true(near > far + .2);
        assert_true(far < .3);
        assert_true(likeness(same[i][0], same[i][0]) > .9999);
    }
    assert_true(likeness("ÉCOLE PRIMAIRE de la Ville", "école primaire de la ville") > .9999);
}

static void test_vector_does_not_depend_on_history(void **state) {
    struct cru_embed_spec spec;
    struct cru_embedder *e;
    struct cru_doc doc = {.n_meta = 0};
    char *big = malloc(3u << 20);
    float first[256], again[256], cut[256];
    (void)state;
    assert_non_null(big);
    for (size_t i = 0; i < 3u << 20; i++)
        big[i] = (char)(cru_mix64(i / 7 * 7 + i % 7 % 5) % 26 + 'a');
    for (size_t i = 6; i < 3u << 20; i += 7) big[i] = ' ';
    assert_int_equal(cru_embed_spec_parse(CRU_EMBED_VIEWS, 256, NULL, &spec, NULL), CRU_OK);
    e = cru_embedder_new(&spec);
    assert_non_null(e);
    doc.text = CRU_SPAN("a few words, and then the same few words");
    assert_int_equal(cru_embed_document(e, &doc, NULL, 0, first, NULL), CRU_OK);
    doc.text = cru_span_make(big, 3u << 20);
    assert_int_equal(cru_embed_document(e, &doc, NULL, 0, cut, NULL), CRU_OK);
    doc.text.n = CRU_EMBED_TEXT; /* what lies behind the first MiB is not looked at */
    assert_int_equal(cru_embed_document(e, &doc, NULL, 0, again, NULL), CRU_OK);
    assert_memory_equal(cut, again, sizeof cut);
    doc.text = CRU_SPAN("a few words, and then the same few words");
    assert_int_equal(cru_embed_document(e, &doc, NULL, 0, again, NULL), CRU_OK);
    assert_memory_equal(first, again, sizeof first);
    doc.text = CRU_SPAN("");
    assert_int_equal(cru_embed_document(e, &doc, NULL, 0, again, NULL), CRU_OK);
    for (size_t k = 0; k < 256; k++) assert_true(again[k] == 0);
    /* a character cut in the middle, and bytes that are no UTF-8, are passed over */
    doc.text = cru_span_make("\xE7\xBC\x96\xE8\xAF", 5);
    assert_int_equal(cru_embed_document(e, &doc, NULL, 0, again, NULL), CRU_OK);
    cru_embedder_free(e);
    free(big);
}

static void test_ensemble(void **state) {
    float both[256], hash[192], structure[64], other[64];
    struct cru_span text =
        CRU_SPAN("Some prose of no great length.\nAnd a second line of it, too.\n");
    (void)state;
    embed("hash,structure", 256, text, NULL, both);
    embed("hash", 192, text, NULL, hash);
    embed("structure", 64, text, NULL, structure);
    assert_true(fabs(dot(both, both, 256) - 1) < 1e-5);
    for (size_t k = 0; k < 192; k++)
        assert_true(fabs((double)both[k] - (double)hash[k] * sqrt(.85)) < 1e-6);
    for (size_t k = 0; k < 64; k++)
        assert_true(fabs((double)both[192 + k] - (double)structure[k] * sqrt(.15)) < 1e-6);
    /* what score found out moves the structure view, by more the more it differs */
    embed("structure", 64, text, "{\"signal_score\":0.4,\"segments\":3}", structure);
    embed("structure", 64, text, "{\"signal_score\":0.45,\"segments\":3}", other);
    double near = dot(structure, other, 64);
    embed("structure", 64, text, "{\"signal_score\":-0.3,\"segments\":300}", other);
    assert_true(near > .99 && near < 1 && dot(structure, other, 64) < near - .1);
    /* a scale's ends are no trap */
    embed("structure", 64, text, "{\"signal_score\":1e300,\"segments\":-5,\"explorations\":1e300}",
          other);
    assert_true(fabs(dot(other, other, 64) - 1) < 1e-5);
}

static void test_spec(void **state) {
    struct cru_embed_spec spec;
    (void)state;
    assert_int_equal(cru_embed_spec_parse("hash", 100, NULL, &spec, NULL), CRU_USAGE);
    assert_int_equal(cru_embed_spec_parse("hash,structure", 64, NULL, &spec, NULL), CRU_USAGE);
    assert_int_equal(cru_embed_spec_parse("hash,static", 256, NULL, &spec, NULL), CRU_USAGE);
    assert_int_equal(cru_embed_spec_parse("", 256, NULL, &spec, NULL), CRU_USAGE);
    assert_int_equal(cru_embed_spec_parse(" structure , hash", 256, NULL, &spec, NULL), CRU_OK);
    assert_true(spec.structure && spec.hash_dim == 192 && spec.dim == 256);
}

static void test_log2(void **state) {
    (void)state;
    assert_int_equal(cru_log2_256(0), 0);
    assert_int_equal(cru_log2_256(1), 0);
    for (int b = 1; b < 64; b++) assert_int_equal(cru_log2_256((uint64_t)1 << b), 256 * b);
    for (uint64_t x = 2; x < 1u << 20; x += 37)
        assert_true(fabs(256 * log2((double)x) - (double)cru_log2_256(x) - .5) < .51);
}

static void test_npy_header(void **state) {
    char header[CRU_NPY_HEADER];
    struct cru_npy npy;
    (void)state;
    cru_npy_header(4294967295u, 4096, header);
    assert_int_equal(header[127], '\n');
    assert_int_equal(cru_npy_parse(cru_span_make(header, 128), "x", &npy, NULL), CRU_OK);
    assert_true(npy.rows == 4294967295u && npy.columns == 4096 && npy.width == 4 &&
                npy.offset == 128);
    for (size_t n = 0; n < 128; n++)
        assert_int_equal(cru_npy_parse(cru_span_make(header, n), "x", &npy, NULL), CRU_END);
}

static enum cru_status parse_dict(const char *dict, struct cru_npy *npy) {
    char bytes[300] = "\x93NUMPY\x01\x00";
    size_t n = strlen(dict);
    bytes[8] = (char)n;
    memcpy(bytes + 10, dict, n);
    return cru_npy_parse(cru_span_make(bytes, n + 10), "x", npy, NULL);
}

static void test_npy_refusals(void **state) {
    struct cru_npy npy;
    static const char *const bad[] = {
        "{'descr': '>f4', 'fortran_order': False, 'shape': (3, 4), }",
        "{'descr': '<i4', 'fortran_order': False, 'shape': (3, 4), }",
        "{'descr': '<f4', 'fortran_order': True, 'shape': (3, 4), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4, 5), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 0), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 99999999999999999999), }",
        "{'descr': '<f4', 'fortran_order': False, }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), 'more': 1}",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3, 4), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } x",
        "{'descr': '<f4",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(parse_dict(bad[i], &npy), CRU_BAD);
    assert_int_equal(
        parse_dict("{\"shape\":(3L,4),\"descr\":\"<f2\",\"fortran_order\":False}\n", &npy), CRU_OK);
    assert_true(npy.rows == 3 && npy.columns == 4 && npy.width == 2);
    assert_int_equal(cru_npy_parse(CRU_SPAN("PK\x03\x04 a zip is not an npy"), "x", &npy, NULL),
                     CRU_BAD);
}

static void test_half(void **state) {
    (void)state;
    assert_true(cru_half_to_float(0x3C00) == 1 && cru_half_to_float(0xC000) == -2);
    assert_true(cru_half_to_float(0x7BFF) == 65504 && cru_half_to_float(0x0001) == 0x1p-24f);
    assert_true(cru_half_to_float(0x83FF) == -1023 * 0x1p-24f &&
                cru_half_to_float(0x3555) == 0x1.554p-2f);
    assert_true(isinf(cru_half_to_float(0xFC00)) && isnan(cru_half_to_float(0x7E00)));
    assert_true(signbit(cru_half_to_float(0x8000)));
}

static void test_npy_file(void **state) {
    char path[SCRATCH_NAME], bytes[CRU_NPY_HEADER + 24];
    struct cru_npy_reader *reader;
    struct cru_error err;
    float values[6] = {1, -2, 3.5f, 0, 1e-30f, 7}, row[3];
    int file = mkstemp(scratch_name(path, "crucible-npy-XXXXXX"));
    (void)state;
    assert_true(file >= 0);
    cru_npy_header(2, 3, bytes);
    memcpy(bytes + CRU_NPY_HEADER, values, sizeof values); /* tests run on little-endian machines */
    assert_int_equal(write(file, bytes, sizeof bytes), sizeof bytes);
    assert_int_equal(cru_npy_open(path, &reader, &err), CRU_OK);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(cru_npy_next(reader, row, &err), CRU_OK);
        assert_memory_equal(row, values + 3 * i, sizeof row);
    }
    assert_int_equal(cru_npy_next(reader, row, &err), CRU_END);
    cru_npy_close(reader);
    assert_int_equal(ftruncate(file, sizeof bytes - 1), 0);
    assert_int_equal(cru_npy_open(path, &reader, &err), CRU_FATAL);
    assert_non_null(strstr(err.message, "1 of 2 rows"));
    assert_int_equal(ftruncate(file, 60), 0);
    assert_int_equal(cru_npy_open(path, &reader, &err), CRU_FATAL);
    (void)close(file);
    (void)unlink(path);
    assert_int_equal(cru_npy_open(path, &reader, &err), CRU_FATAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_topic_is_nearer_than_language),
        cmocka_unit_test(test_vector_does_not_depend_on_history),
        cmocka_unit_test(test_ensemble),
        cmocka_unit_test(test_spec),
        cmocka_unit_test(test_log2),
        cmocka_unit_test(test_npy_header),
        cmocka_unit_test(test_npy_refusals),
        cmocka_unit_test(test_half),
        cmocka_unit_test(test_npy_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
