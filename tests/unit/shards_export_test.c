/* SPDX-License-Identifier: Apache-2.0 */
/* Exports, field by field against the layouts that the other trainers publish (shard_export.h names
 * the sources), and what `info` and `cat` print. */
#include "tests/unit/shards_fixture.h"

#include "shards/shard_export.h"
#include "shards/shard_show.h"

/* A set of known documents, and all their tokens in order without padding. */
struct sample {
    struct model *model;
    struct cru_shard_set set;
    uint32_t *ids;
    size_t n;
};

static void sample_make(struct sample *s, uint32_t vocab_size) {
    struct cru_error err;
    struct cru_shard_params p = small_params();
    p.vocab_size = vocab_size;
    p.replace = true;
    s->model = model_new(p, 200, vocab_size);
    model_write(s->model, in_scratch("set"));
    expect_ok(cru_shard_set_open(in_scratch("set"), &s->set, &err), &err);
    assert_true(s->set.n_shards > 1);
    s->ids = calloc((size_t)s->set.n_tokens, sizeof *s->ids);
    assert_non_null(s->ids);
    s->n = 0;
    for (size_t i = 0; i < 200; i++)
        for (size_t k = 0; k < s->model->docs[i].length; k++)
            s->ids[s->n++] = s->model->docs[i].ids[k];
}

static void sample_release(struct sample *s) {
    cru_shard_set_close(&s->set);
    free(s->ids);
    free(s->model);
}

static uint64_t field(const unsigned char *p, size_t width) {
    uint64_t x = 0;
    for (size_t i = 0; i < width; i++) x |= (uint64_t)p[i] << 8 * i;
    return x;
}

static void expect_tokens(const unsigned char *p, size_t width, const uint32_t *ids, size_t n) {
    for (size_t i = 0; i < n; i++) assert_int_equal(field(p + i * width, width), ids[i]);
}

static struct cru_shard_export_totals export_to(struct sample *s, const char *format) {
    struct cru_error err;
    struct cru_shard_export_totals t;
    empty_directory(in_scratch("out"));
    expect_ok(cru_shard_export(&s->set, format, in_scratch("out"), &t, &err), &err);
    assert_int_equal(t.files, files_in(in_scratch("out")));
    assert_int_equal(t.documents, 200);
    return t;
}

static void megatron(uint32_t vocab_size, size_t width, unsigned dtype) {
    struct sample s;
    sample_make(&s, vocab_size);
    assert_int_equal(export_to(&s, "megatron").tokens, s.n);
    size_t n, at = 34;
    unsigned char *bin = slurp(in_scratch("out/tokens.bin"), &n);
    assert_int_equal(n, s.n * width);
    expect_tokens(bin, width, s.ids, s.n);
    unsigned char *idx = slurp(in_scratch("out/tokens.idx"), &n);
    assert_int_equal(n, 34 + 200 * 4 + 200 * 8 + 201 * 8);
    assert_memory_equal(idx, "MMIDIDX\0\0", 9);
    assert_int_equal(field(idx + 9, 8), 1);
    assert_int_equal(idx[17], dtype);
    assert_int_equal(field(idx + 18, 8), 200);
    assert_int_equal(field(idx + 26, 8), 201);
    for (size_t i = 0; i < 200; i++, at += 4)
        assert_int_equal(field(idx + at, 4), s.model->docs[i].length);
    uint64_t start = 0;
    for (size_t i = 0; i < 200; start += s.model->docs[i++].length * width, at += 8)
        assert_int_equal(field(idx + at, 8), start);
    for (size_t i = 0; i <= 200; i++, at += 8) assert_int_equal(field(idx + at, 8), i);
    free(bin);
    free(idx);
    sample_release(&s);
}

static void test_megatron(void **state) {
    (void)state;
    megatron(300, 2, 8);
    megatron(65499, 2, 8);
    megatron(65500, 4, 4); /* u16 in the shard, i32 there */
    megatron(151669, 4, 4);
}

static void llmc(uint32_t vocab_size, size_t width, uint32_t magic, uint32_t version) {
    struct sample s;
    sample_make(&s, vocab_size);
    assert_int_equal(export_to(&s, "llmc").tokens, s.n);
    size_t done = 0, n;
    for (size_t k = 0; k < s.set.n_shards; k++) {
        char name[64];
        (void)snprintf(name, sizeof name, "out/tokens_%06zu.bin", k);
        unsigned char *bytes = slurp(in_scratch(name), &n);
        uint64_t tokens = s.set.shards[k].n_tokens - s.set.shards[k].n_padding;
        assert_int_equal(field(bytes, 4), magic);
        assert_int_equal(field(bytes + 4, 4), version);
        assert_int_equal(field(bytes + 8, 4), tokens);
        for (size_t i = 12; i < 1024; i++) assert_int_equal(bytes[i], 0);
        assert_int_equal(n, 1024 + tokens * width);
        expect_tokens(bytes + 1024, width, s.ids + done, (size_t)tokens);
        done += (size_t)tokens;
        free(bytes);
    }
    assert_int_equal(done, s.n);
    sample_release(&s);
}

static void test_llmc(void **state) {
    (void)state;
    llmc(50257, 2, 20240520, 1);
    llmc(128256, 4, 20240801, 7);
}

static void datatrove(uint32_t vocab_size, size_t width) {
    struct sample s;
    sample_make(&s, vocab_size);
    assert_int_equal(export_to(&s, "datatrove").tokens, s.n);
    size_t done = 0, doc = 0, n;
    for (size_t k = 0; k < s.set.n_shards; k++) {
        const struct cru_shard_file *f = &s.set.shards[k];
        uint64_t tokens = f->n_tokens - f->n_padding, end = 0;
        char name[64], text[128];
        (void)snprintf(name, sizeof name, "out/%05zu_unshuffled.ds", k);
        unsigned char *bytes = slurp(in_scratch(name), &n);
        assert_int_equal(n, tokens * width);
        expect_tokens(bytes, width, s.ids + done, (size_t)tokens);
        done += (size_t)tokens;
        free(bytes);
        (void)snprintf(name, sizeof name, "out/%05zu_unshuffled.ds.index", k);
        bytes = slurp(in_scratch(name), &n);
        assert_int_equal(n, f->n_docs * 8);
        for (size_t i = 0; i < f->n_docs; i++) {
            end += s.model->docs[doc++].length;
            assert_int_equal(field(bytes + 8 * i, 8), end);
        }
        free(bytes);
        (void)snprintf(name, sizeof name, "out/%05zu_unshuffled.ds.metadata", k);
        bytes = slurp(in_scratch(name), &n);
        (void)snprintf(text, sizeof text, "tiny|%zu\n%llu\n%.2f kT", width,
                       (unsigned long long)tokens, (double)tokens / 1000);
        assert_true(tokens >= 1000 && tokens < 10000);
        assert_string_equal(bytes, text);
        free(bytes);
    }
    sample_release(&s);
}

static void test_datatrove(void **state) {
    (void)state;
    datatrove(65536, 2);
    datatrove(65537, 4);
}

static void npy(uint32_t vocab_size, size_t width) {
    struct sample s;
    sample_make(&s, vocab_size);
    assert_int_equal(export_to(&s, "npy").tokens, s.set.n_tokens);
    for (size_t k = 0; k < s.set.n_shards; k++) {
        const struct cru_shard_file *f = &s.set.shards[k];
        char name[64], text[128];
        size_t n;
        (void)snprintf(name, sizeof name, "out/%05zu.npy", k);
        unsigned char *bytes = slurp(in_scratch(name), &n);
        assert_memory_equal(bytes, "\x93NUMPY\x01\x00", 8);
        size_t header = 10 + (size_t)field(bytes + 8, 2);
        assert_int_equal(header % 64, 0);
        assert_int_equal(bytes[header - 1], '\n');
        (void)snprintf(text, sizeof text,
                       "{'descr': '<u%zu', 'fortran_order': False, 'shape': (%llu,), }", width,
                       (unsigned long long)f->n_tokens);
        assert_memory_equal(bytes + 10, text, strlen(text));
        for (size_t i = 10 + strlen(text); i + 1 < header; i++) assert_int_equal(bytes[i], ' ');
        assert_int_equal(n, header + f->n_tokens * width);
        assert_memory_equal(bytes + header, f->tokens, f->n_tokens * width);
        free(bytes);
    }
    sample_release(&s);
}

static void test_npy(void **state) {
    (void)state;
    npy(300, 2);
    npy(70000, 4);
}

static void test_refusals(void **state) {
    (void)state;
    struct cru_error err;
    struct cru_shard_export_totals t;
    struct sample s;
    sample_make(&s, 300);
    expect_error(cru_shard_export(&s.set, "mds", in_scratch("out"), &t, &err), &err, CRU_USAGE,
                 "megatron|llmc|datatrove|npy");
    /* Twice is fine; beside files that would be read as part of it, it is not. */
    static const struct {
        const char *format, *more;
    } others[] = {{"npy", "00099.npy"},
                  {"llmc", "tokens_000099.bin"},
                  {"datatrove", "00099_unshuffled.ds"}};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "out/%s", others[i].more);
        (void)export_to(&s, others[i].format);
        expect_ok(cru_shard_export(&s.set, others[i].format, in_scratch("out"), &t, &err), &err);
        spit(in_scratch(path), "x", 1);
        expect_error(cru_shard_export(&s.set, others[i].format, in_scratch("out"), &t, &err), &err,
                     CRU_USAGE, others[i].more);
    }
    spit(in_scratch("plain"), "x", 1);
    assert_int_equal(cru_shard_export(&s.set, "npy", in_scratch("plain"), &t, &err), CRU_FATAL);
    sample_release(&s);
}

static void test_show(void **state) {
    (void)state;
    struct cru_error err;
    struct cru_shard_writer *w;
    struct cru_shard_set set;
    struct cru_shard_params p = small_params();
    const uint32_t ids[] = {5, 6, 7, 8};
    struct cru_shard_doc doc = {.source = CRU_SPAN("a \"b\""),
                                .bin = 2,
                                .weight = 1.12f,
                                .id_hash = {0x23, 0x1},
                                .text_bytes = 11};
    expect_ok(cru_shard_writer_open(in_scratch("show"), &p, &w, &err), &err);
    expect_ok(cru_shard_writer_add(w, ids, 4, &doc, &err), &err);
    doc.bin = CRU_SHARD_NO_BIN;
    doc.weight = 0;
    expect_ok(cru_shard_writer_add(w, ids, 1, &doc, &err), &err);
    expect_ok(cru_shard_writer_close(w, &err), &err);
    expect_ok(cru_shard_set_open(in_scratch("show"), &set, &err), &err);
    struct cru_buffer out;
    cru_buffer_init(&out);
    expect_ok(cru_shard_show_document(&set, 0, true, &out, &err), &err);
    expect_ok(cru_shard_show_document(&set, 1, false, &out, &err), &err);
    assert_string_equal(
        out.p,
        "{\"id\":\"00000000000000010000000000000023\",\"source\":\"a \\\"b\\\"\",\"bin\":2,"
        "\"weight\":1.12,\"offset\":0,\"length\":5,\"text_bytes\":11,\"ids\":[5,6,7,8,298]}\n"
        "{\"id\":\"00000000000000010000000000000023\",\"source\":\"a \\\"b\\\"\",\"bin\":null,"
        "\"weight\":0,\"offset\":8,\"length\":2,\"text_bytes\":11}\n");
    size_t n = out.n;
    assert_int_equal(cru_shard_show_document(&set, 2, true, &out, &err), CRU_FATAL);
    assert_int_equal(out.n, n);
    cru_buffer_clear(&out);
    cru_shard_show_json(&set, &out);
    assert_non_null(strstr(out.p, "\"documents\":2,\"tokens\":12,\"padding\":5,\"text_bytes\":22"));
    assert_non_null(strstr(out.p, "\"sources\":[{\"name\":\"a \\\"b\\\"\",\"documents\":2,"
                                  "\"tokens\":7,\"text_bytes\":22}]"));
    cru_buffer_clear(&out);
    cru_shard_show_text(&set, &out);
    assert_non_null(strstr(out.p, "7, and 5 of padding (41.67 %)"));
    assert_non_null(strstr(out.p, "padding id 299, end id 298"));
    cru_buffer_release(&out);
    cru_shard_set_close(&set);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_megatron),  cmocka_unit_test(test_llmc),
        cmocka_unit_test(test_datatrove), cmocka_unit_test(test_npy),
        cmocka_unit_test(test_refusals),  cmocka_unit_test(test_show),
    };
    return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
