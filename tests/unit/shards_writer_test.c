/* SPDX-License-Identifier: Apache-2.0 */
/* The writer: what it refuses, what it leaves behind when it stops, and which directories it takes.
 */
#include "tests/unit/shards_fixture.h"

#include <fcntl.h>
#include <math.h>
#include <sys/wait.h>

#include "shards/shard_format.h"

static struct cru_shard_writer *open_ok(const char *dir, struct cru_shard_params p) {
    struct cru_error err;
    struct cru_shard_writer *w;
    expect_ok(cru_shard_writer_open(dir, &p, &w, &err), &err);
    return w;
}

static void add_some(struct cru_shard_writer *w, size_t n) {
    struct cru_error err;
    uint32_t ids[100] = {0};
    struct cru_shard_doc doc = {.weight = 1};
    for (size_t i = 0; i < n; i++) expect_ok(cru_shard_writer_add(w, ids, 100, &doc, &err), &err);
}

static void test_parameters(void **state) {
    (void)state;
    static const struct {
        struct cru_shard_params p;
        const char *says;
    } wrongs[] = {
        {{.vocab_size = 0}, "vocabulary"},
        {{.vocab_size = (1u << 24) + 1, .pad_id = 1, .end_id = 2}, "vocabulary"},
        {{.vocab_size = 10, .bag = 4, .pad_id = CRU_SHARD_NO_ID, .end_id = 1}, "padding"},
        {{.vocab_size = 10, .bag = 4, .pad_id = 10, .end_id = 1}, "padding"},
        {{.vocab_size = 10, .bag = 4, .pad_id = 9, .end_id = 10}, "end id"},
        {{.vocab_size = 10, .bag = 4097, .pad_id = 9, .end_id = 1}, "bag"},
        {{.vocab_size = 10, .tokenizer_name = "\xff"}, "name"},
    };
    struct cru_error err;
    struct cru_shard_writer *w;
    for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
        expect_error(cru_shard_writer_open(in_scratch("never"), &wrongs[i].p, &w, &err), &err,
                     CRU_USAGE, wrongs[i].says);
        assert_null(w);
        assert_int_not_equal(access(in_scratch("never"), F_OK), 0);
    }
}

/* A refused document leaves no trace: the set equals one that never saw it. */
static void test_refused_documents(void **state) {
    (void)state;
    struct cru_error err;
    struct cru_shard_writer *a = open_ok(in_scratch("with"), small_params());
    struct cru_shard_writer *b = open_ok(in_scratch("without"), small_params());
    char *longest = malloc(5000);
    assert_non_null(longest);
    memset(longest, 'x', 5000);
    const uint32_t good[] = {1, 2, 3}, bad[] = {1, 300, 3};
    const struct {
        const uint32_t *ids;
        struct cru_shard_doc doc;
        const char *says;
    } wrongs[] = {
        {bad, {.weight = 1, .source = CRU_SPAN("new")}, "id 300 is not below 300"},
        {good, {.weight = -1}, "weight"},
        {good, {.weight = NAN}, "weight"},
        {good, {.weight = INFINITY}, "weight"},
        {good, {.weight = 1, .source = CRU_SPAN("\xc3")}, "UTF-8"},
        {good, {.weight = 1, .source = CRU_SPAN("\xc0\x80")}, "UTF-8"},
        {good, {.weight = 1, .source = CRU_SPAN("\xed\xa0\x80")}, "UTF-8"},
        {good, {.weight = 1, .source = CRU_SPAN("\xf4\x90\x80\x80")}, "UTF-8"},
        {good, {.weight = 1, .source = {longest, 4097}}, "longer than"},
    };
    for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
        add_some(a, 1);
        add_some(b, 1);
        expect_error(cru_shard_writer_add(a, wrongs[i].ids, 3, &wrongs[i].doc, &err), &err, CRU_BAD,
                     wrongs[i].says);
    }
    struct cru_shard_doc edge = {.weight = -0.0f, .source = {longest, 4096}};
    expect_ok(cru_shard_writer_add(a, good, 3, &edge, &err), &err);
    edge.weight = 0; /* -0 and 0 are the same weight, so the same bytes */
    expect_ok(cru_shard_writer_add(b, good, 3, &edge, &err), &err);
    expect_ok(cru_shard_writer_close(a, &err), &err);
    expect_ok(cru_shard_writer_close(b, &err), &err);
    size_t n, k;
    unsigned char *x = slurp(in_scratch("with/manifest.json"), &n);
    unsigned char *y = slurp(in_scratch("without/manifest.json"), &k);
    assert_string_equal(x, y); /* it holds the checksums of all the rest */
    free(x);
    free(y);
    free(longest);
}

/* Whatever there is before close does not open as a set; abandon removes even that. */
static void test_abandon(void **state) {
    (void)state;
    struct cru_error err;
    struct cru_shard_set set;
    const char *dir = in_scratch("deep/er/abandoned");
    struct cru_shard_writer *w = open_ok(dir, small_params());
    for (int i = 0; i < 3; i++) {
        add_some(w, 70);
        expect_error(cru_shard_set_open(dir, &set, &err), &err, CRU_FATAL, "not finished");
    }
    assert_true(cru_shard_writer_totals(w).shards == 3);
    assert_int_equal(cru_shard_writer_totals(w).documents, 210);
    assert_int_equal(files_in(dir), 3);
    cru_shard_writer_abandon(w);
    assert_int_not_equal(access(dir, F_OK), 0);
    assert_int_equal(access(in_scratch("deep/er"), F_OK), 0);
    cru_shard_writer_abandon(NULL);
    /* A directory that was there stays. */
    expect_ok(cru_make_directory(in_scratch("there"), &err), &err);
    w = open_ok(in_scratch("there"), small_params());
    add_some(w, 100);
    cru_shard_writer_abandon(w);
    assert_int_equal(access(in_scratch("there"), F_OK), 0);
    assert_int_equal(files_in(in_scratch("there")), 0);
}

/* A run that was killed: its temporary file says that it is unfinished, and the next run clears
 * all. */
static void test_killed_run(void **state) {
    (void)state;
    struct cru_error err;
    struct cru_shard_set set;
    struct cru_shard_file f;
    const char *dir = in_scratch("killed");
    pid_t child = fork(); /* ends with its writer open, as a run that is killed */
    assert_int_not_equal(child, -1);
    if (child == 0) {
        add_some(open_ok(dir, small_params()), 100);
        _exit(0);
    }
    int ended;
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_int_equal(ended, 0);
    char path[600];
    (void)snprintf(path, sizeof path, "%s/00001.crs.tmp-%ld", dir, (long)child);
    assert_int_equal(access(path, F_OK), 0);
    /* Its buffers are not on disk yet, so a kill leaves a short file. */
    expect_error(cru_shard_file_open(path, &f, &err), &err, CRU_FATAL, "cut short");
    static const unsigned char unfinished[4096] = CRU_CRS_UNFINISHED;
    spit(in_scratch("killed/00007.crs"), unfinished, sizeof unfinished);
    expect_error(cru_shard_file_open(in_scratch("killed/00007.crs"), &f, &err), &err, CRU_FATAL,
                 "not finished");
    spit(in_scratch("killed/00005.crs.tmp-12"), "x", 1);
    spit(in_scratch("killed/vocab.used"), "x", 1);
    spit(in_scratch("killed/manifest.json.tmp-1"), "x", 1);
    spit(in_scratch("killed/.hidden"), "x", 1);
    struct cru_shard_writer *next = open_ok(dir, small_params());
    assert_int_equal(files_in(dir), 0);
    assert_int_equal(access(in_scratch("killed/.hidden"), F_OK), 0);
    add_some(next, 100);
    expect_ok(cru_shard_writer_close(next, &err), &err);
    assert_int_equal(files_in(dir), 4);
    expect_ok(cru_shard_set_open(dir, &set, &err), &err);
    expect_ok(cru_shard_set_verify(&set, &err), &err);
    assert_int_equal(set.n_docs, 100);
    cru_shard_set_close(&set);
}

static void test_directories(void **state) {
    (void)state;
    struct cru_error err;
    struct cru_shard_set set;
    struct cru_shard_writer *w;
    struct cru_shard_params p = small_params();
    const char *dir = in_scratch("finished");
    w = open_ok(dir, p);
    add_some(w, 100);
    expect_ok(cru_shard_writer_close(w, &err), &err);
    expect_error(cru_shard_writer_open(dir, &p, &w, &err), &err, CRU_USAGE, "finished set");
    expect_ok(cru_shard_set_open(dir, &set, &err), &err); /* untouched */
    cru_shard_set_close(&set);
    spit(in_scratch("finished/notes.txt"), "mine", 4);
    p.replace = true;
    w = open_ok(dir, p);
    assert_int_equal(files_in(dir), 1);
    add_some(w, 1);
    expect_ok(cru_shard_writer_close(w, &err), &err);
    expect_ok(cru_shard_set_open(dir, &set, &err), &err);
    assert_int_equal(set.n_docs, 1);
    cru_shard_set_close(&set);
    /* Somebody's files are in the way. */
    p.replace = false;
    static const char *const names[] = {"notes.txt", "0000.crs", "00000.crs.bak", "x.tmp-1",
                                        "00000.crs.tmp-1x"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "foreign%zu", i);
        const char *other = in_scratch(name);
        expect_ok(cru_make_directory(other, &err), &err);
        (void)snprintf(name, sizeof name, "foreign%zu/00000.crs", i);
        spit(in_scratch(name), "x", 1);
        (void)snprintf(name, sizeof name, "foreign%zu/%s", i, names[i]);
        spit(in_scratch(name), "mine", 4);
        expect_error(cru_shard_writer_open(other, &p, &w, &err), &err, CRU_USAGE, names[i]);
        assert_int_equal(files_in(other), 2); /* a refusal removes nothing */
    }
    spit(in_scratch("file"), "x", 1);
    expect_error(cru_shard_writer_open(in_scratch("file"), &p, &w, &err), &err, CRU_FATAL, "file");
    expect_error(cru_shard_set_open(in_scratch("absent"), &set, &err), &err, CRU_FATAL,
                 "no such directory");
}

/* A write that fails (here: the directory went away) leaves a writer that only fails, and no set.
 */
/* The files of a run at work look like those of one that died; they must not be cleared away. */
static void test_one_writer_a_directory(void **state) {
    (void)state;
    struct cru_error err;
    struct cru_shard_writer *second;
    struct cru_shard_set set;
    struct cru_shard_params p = small_params();
    p.shard_tokens = 100;
    struct cru_shard_writer *first = open_ok(in_scratch("shared"), p);
    add_some(first, 3);
    p.replace = true;
    expect_error(cru_shard_writer_open(in_scratch("shared"), &p, &second, &err), &err, CRU_FATAL,
                 "another run");
    assert_null(second);
    add_some(first, 3);
    expect_ok(cru_shard_writer_close(first, &err), &err);
    expect_ok(cru_shard_set_open(in_scratch("shared"), &set, &err), &err);
    assert_int_equal(set.n_docs, 6);
    cru_shard_set_close(&set);
    cru_shard_writer_abandon(open_ok(in_scratch("shared"), p));
}

static void test_failed_write(void **state) {
    (void)state;
    struct cru_error err;
    struct cru_shard_writer *w = open_ok(in_scratch("gone"), small_params());
    uint32_t ids[100] = {0};
    struct cru_shard_doc doc = {.weight = 1};
    assert_int_equal(rmdir(in_scratch("gone")), 0);
    assert_int_equal(cru_shard_writer_add(w, ids, 100, &doc, &err), CRU_FATAL);
    expect_error(cru_shard_writer_add(w, ids, 100, &doc, &err), &err, CRU_FATAL, "failed before");
    expect_error(cru_shard_writer_close(w, &err), &err, CRU_FATAL, "failed before");
    assert_int_not_equal(access(in_scratch("gone"), F_OK), 0);
}

/* The source table's limit, and looking names up among many. */
static void test_many_sources(void **state) {
    (void)state;
    struct cru_error err;
    struct cru_shard_params p = small_params();
    p.shard_tokens = 1 << 20;
    struct cru_shard_writer *w = open_ok(in_scratch("sources"), p);
    struct cru_shard_doc doc = {.weight = 1};
    char name[32];
    for (uint32_t i = 0; i < CRU_SHARD_MAX_SOURCES; i++) {
        int n = snprintf(name, sizeof name, "source %u", i);
        doc.source = cru_span_make(name, (size_t)n);
        expect_ok(cru_shard_writer_add(w, NULL, 0, &doc, &err), &err);
    }
    doc.source = CRU_SPAN("one more");
    expect_error(cru_shard_writer_add(w, NULL, 0, &doc, &err), &err, CRU_BAD, "65536 sources");
    doc.source = CRU_SPAN("source 77");
    expect_ok(cru_shard_writer_add(w, NULL, 0, &doc, &err), &err);
    expect_ok(cru_shard_writer_close(w, &err), &err);
    struct cru_shard_set set;
    expect_ok(cru_shard_set_open(in_scratch("sources"), &set, &err), &err);
    expect_ok(cru_shard_set_verify(&set, &err), &err);
    assert_int_equal(set.n_sources, CRU_SHARD_MAX_SOURCES);
    struct cru_shard_entry e;
    expect_ok(cru_shard_set_document(&set, CRU_SHARD_MAX_SOURCES, &e, &err), &err);
    assert_true(cru_span_is(e.source, "source 77"));
    assert_int_equal(set.sources[77].documents, 2);
    cru_shard_set_close(&set);
}

/* Positions past 4 GiB: a sparse file of 2^32 + 96 tokens, 8 GiB, whose last document lies beyond.
 */
static void test_beyond_4_gib(void **state) {
    (void)state;
    struct cru_error err;
    const char *path = in_scratch("far.crs");
    const uint64_t far = UINT64_C(1) << 32;
    struct cru_crs_header h = {.version = CRU_CRS_VERSION,
                               .sanity_int = CRU_CRS_SANITY_INT,
                               .sanity_double = CRU_CRS_SANITY_REAL,
                               .sanity_float = (float)CRU_CRS_SANITY_REAL,
                               .token_width = 2,
                               .vocab_size = 300,
                               .bag = 4,
                               .pad_id = 299,
                               .end_id = CRU_SHARD_NO_ID,
                               .n_tokens = far + 96,
                               .n_docs = 2,
                               .n_sources = 1,
                               .source_bytes = 8 + 3};
    memcpy(h.magic, CRU_CRS_MAGIC, sizeof h.magic);
    assert_true(cru_crs_layout(&h));
    assert_true(h.index_offset > (UINT64_C(1) << 33));
    h.checksum = cru_hash64(&h, offsetof(struct cru_crs_header, checksum), 0);
    const struct cru_crs_entry entries[] = {
        {.offset = 0, .length = far + 4, .weight = 1},
        {.offset = far + 4, .length = 92, .weight = 2, .text_bytes = far * 5}};
    const struct cru_crs_source source = {0, 3};
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    if (ftruncate(fd, (off_t)h.file_bytes)) {
        (void)close(fd);
        skip(); /* this file system has no room even for a hole */
    }
    const uint16_t token = 123;
    off_t at = (off_t)(h.tokens_offset + 2 * (far + 5));
    assert_int_equal(pwrite(fd, &h, sizeof h, 0), sizeof h);
    assert_int_equal(pwrite(fd, &token, 2, at), 2);
    assert_int_equal(pwrite(fd, entries, sizeof entries, (off_t)h.index_offset), sizeof entries);
    assert_int_equal(pwrite(fd, &source, 8, (off_t)h.source_offset), 8);
    assert_int_equal(pwrite(fd, "far", 3, (off_t)h.source_offset + 8), 3);
    assert_int_equal(close(fd), 0);
    struct cru_shard_set set;
    struct cru_shard_entry e;
    uint32_t ids[3];
    float weights[3];
    expect_ok(cru_shard_set_open(path, &set, &err), &err);
    expect_ok(cru_shard_set_document(&set, 1, &e, &err), &err);
    assert_int_equal(e.offset, far + 4);
    assert_int_equal(e.text_bytes, far * 5);
    assert_true(cru_span_is(e.source, "far"));
    expect_ok(cru_shard_set_read(&set, far + 3, 3, ids, &err), &err);
    assert_int_equal(ids[0], 0);
    assert_int_equal(ids[1], 0);
    assert_int_equal(ids[2], 123);
    assert_int_equal(cru_shard_token(&set.shards[0], far + 5), 123);
    expect_ok(cru_shard_set_weights(&set, far + 3, 3, weights, &err), &err);
    assert_true(weights[0] <= 1 && weights[1] >= 2 && weights[2] >= 2);
    assert_int_equal(cru_shard_set_document_at(&set, far + 3), 0);
    assert_int_equal(cru_shard_set_document_at(&set, far + 4), 1);
    cru_shard_set_close(&set);
    assert_int_equal(unlink(path), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parameters),   cmocka_unit_test(test_refused_documents),
        cmocka_unit_test(test_abandon),      cmocka_unit_test(test_killed_run),
        cmocka_unit_test(test_directories),  cmocka_unit_test(test_failed_write),
        cmocka_unit_test(test_many_sources), cmocka_unit_test(test_beyond_4_gib),
        cmocka_unit_test(test_one_writer_a_directory),
    };
    return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
