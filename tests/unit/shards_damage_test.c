/* SPDX-License-Identifier: Apache-2.0 */
/* Damage: every bit flipped, every length cut, files exchanged. Nothing of it may pass. */
#include "tests/unit/shards_fixture.h"

#include "shards/shard_format.h"
#include "shards/shard_manifest.h"

static void write_small(const char *dir, size_t n_docs) {
    struct cru_shard_params p = small_params();
    p.replace = true;
    struct model *m = model_new(p, n_docs, 3);
    model_write(m, dir);
    free(m);
}

static enum cru_status open_and_verify(const unsigned char *bytes, size_t n,
                                       struct cru_error *err) {
    struct cru_shard_file f;
    enum cru_status s = cru_shard_file_borrow(bytes, n, "memory", &f, err);
    if (s == CRU_OK) s = cru_shard_verify(&f, err);
    cru_shard_file_close(&f);
    return s;
}

static void test_every_bit(void **state) {
    (void)state;
    struct cru_error err;
    size_t n;
    write_small(in_scratch("bits"), 5);
    unsigned char *bytes = slurp(in_scratch("bits/00000.crs"), &n);
    expect_ok(open_and_verify(bytes, n, &err), &err);
    for (size_t bit = 0; bit < n * 8; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        if (open_and_verify(bytes, n, &err) != CRU_FATAL)
            fail_msg("bit %zu of byte %zu was missed", bit % 8, bit / 8);
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    expect_ok(open_and_verify(bytes, n, &err), &err);
    free(bytes);
}

static void test_every_length(void **state) {
    (void)state;
    struct cru_error err;
    size_t n;
    write_small(in_scratch("lengths"), 5);
    unsigned char *whole = slurp(in_scratch("lengths/00000.crs"), &n);
    struct cru_shard_file f;
    for (size_t cut = 0; cut < n; cut++) {
        unsigned char *bytes =
            malloc(cut + 1); /* its own block, so that ASan sees a read past it */
        assert_non_null(bytes);
        memcpy(bytes, whole, cut);
        expect_error(cru_shard_file_borrow(bytes, cut, "memory", &f, &err), &err, CRU_FATAL,
                     "cut short");
        free(bytes);
    }
    unsigned char *more = calloc(1, n + 1);
    assert_non_null(more);
    memcpy(more, whole, n);
    expect_error(cru_shard_file_borrow(more, n + 1, "memory", &f, &err), &err, CRU_FATAL,
                 "follows its end");
    free(more);
    /* On disk as well: the empty file and a few cuts. */
    for (size_t cut = 0; cut < n; cut += n / 5) {
        char says[80]; /* how much is there, and of how much */
        (void)snprintf(says, sizeof says, "cut short: %zu of %s%zu bytes", cut,
                       cut < 4096 ? "the header's " : "its ", cut < 4096 ? (size_t)4096 : n);
        if (cut == 0) (void)snprintf(says, sizeof says, "it is empty");
        spit(in_scratch("cut.crs"), whole, cut);
        expect_error(cru_shard_file_open(in_scratch("cut.crs"), &f, &err), &err, CRU_FATAL, says);
    }
    free(whole);
}

/* Each bit of the manifest and of the vocabulary slice, through the set. */
static void flip_side_file(const char *name) {
    struct cru_error err;
    struct cru_shard_set set;
    char path[64];
    size_t n;
    write_small(in_scratch("side"), 5);
    (void)snprintf(path, sizeof path, "side/%s", name);
    unsigned char *bytes = slurp(in_scratch(path), &n);
    /* Written in place: faster by far than making each file anew. */
    FILE *file = fopen(in_scratch(path), "r+b");
    assert_non_null(file);
    assert_int_equal(setvbuf(file, NULL, _IONBF, 0), 0);
    for (size_t bit = 0; bit < n * 8; bit++) {
        int flipped = bytes[bit / 8] ^ (1 << bit % 8);
        assert_int_equal(fseek(file, (long)(bit / 8), SEEK_SET), 0);
        assert_int_equal(fputc(flipped, file), flipped);
        enum cru_status s = cru_shard_set_open(in_scratch("side"), &set, &err);
        if (s == CRU_OK) s = cru_shard_set_verify(&set, &err);
        cru_shard_set_close(&set);
        if (s != CRU_FATAL) fail_msg("%s: bit %zu of byte %zu was missed", name, bit % 8, bit / 8);
        assert_int_equal(fseek(file, (long)(bit / 8), SEEK_SET), 0);
        assert_int_equal(fputc(bytes[bit / 8], file), bytes[bit / 8]);
    }
    (void)fclose(file);
    expect_ok(cru_shard_set_open(in_scratch("side"), &set, &err), &err);
    expect_ok(cru_shard_set_verify(&set, &err), &err);
    cru_shard_set_close(&set);
    for (size_t cut = 0; cut < n; cut++) {
        assert_int_equal(truncate(in_scratch(path), (off_t)(n - 1 - cut)), 0);
        enum cru_status s = cru_shard_set_open(in_scratch("side"), &set, &err);
        if (s == CRU_OK) s = cru_shard_set_verify(&set, &err);
        cru_shard_set_close(&set);
        assert_int_equal(s, CRU_FATAL);
    }
    free(bytes);
}

static void test_manifest_bits(void **state) {
    (void)state;
    flip_side_file("manifest.json");
}

static void test_slice_bits(void **state) {
    (void)state;
    flip_side_file("vocab.used");
}

static void test_block_is_named(void **state) {
    (void)state;
    struct cru_error err;
    struct cru_shard_params p = small_params();
    struct cru_shard_writer *w;
    struct cru_shard_doc doc = {.weight = 1};
    enum { N = 1200000 };
    uint32_t *ids = calloc(N, sizeof *ids);
    assert_non_null(ids);
    expect_ok(cru_shard_writer_open(in_scratch("named"), &p, &w, &err), &err);
    expect_ok(cru_shard_writer_add(w, ids, N, &doc, &err), &err);
    expect_ok(cru_shard_writer_close(w, &err), &err);
    free(ids);
    size_t n;
    unsigned char *bytes = slurp(in_scratch("named/00000.crs"), &n);
    bytes[4096 + (1 << 20)] ^= 1; /* the first byte of block 1 */
    expect_error(open_and_verify(bytes, n, &err), &err, CRU_FATAL,
                 "'memory': checksum of block 1 (bytes 1052672 to 2101247) does not match");
    /* A block changed together with its own checksum: the sum of the sums tells. */
    struct cru_crs_header h;
    memcpy(&h, bytes, sizeof h);
    uint64_t sum = cru_hash64(bytes + 4096 + (1 << 20), 1 << 20, 0);
    memcpy(bytes + h.sums_offset + 8, &sum, 8);
    expect_error(open_and_verify(bytes, n, &err), &err, CRU_FATAL, "table of block checksums");
    free(bytes);
}

static void test_exchanged_files(void **state) {
    (void)state;
    struct cru_error err;
    struct cru_shard_set set;
    write_small(in_scratch("whole"), 150);
    write_small(in_scratch("other"), 149);
    size_t n, k;
    unsigned char *first = slurp(in_scratch("whole/00000.crs"), &n);
    unsigned char *second = slurp(in_scratch("whole/00001.crs"), &k);
    spit(in_scratch("whole/00001.crs"), first, n);
    expect_error(cru_shard_set_open(in_scratch("whole"), &set, &err), &err, CRU_FATAL,
                 "not the one that the manifest names");
    assert_int_equal(unlink(in_scratch("whole/00001.crs")), 0);
    expect_error(cru_shard_set_open(in_scratch("whole"), &set, &err), &err, CRU_FATAL,
                 "No such file");
    spit(in_scratch("whole/00001.crs"), second, k);
    expect_ok(cru_shard_set_open(in_scratch("whole"), &set, &err), &err);
    expect_ok(cru_shard_set_verify(&set, &err), &err);
    cru_shard_set_close(&set);
    free(first);
    first = slurp(in_scratch("other/vocab.used"), &n);
    spit(in_scratch("whole/vocab.used"), first, n);
    expect_ok(cru_shard_set_open(in_scratch("whole"), &set, &err), &err);
    expect_error(cru_shard_set_verify(&set, &err), &err, CRU_FATAL,
                 "not the one that the manifest names");
    cru_shard_set_close(&set);
    free(first);
    free(second);
}

/* A shard whose checksums are right and whose content is wrong: the writer was at fault, not the
 * disk. */
static void reseal(unsigned char *bytes) {
    struct cru_crs_header h;
    memcpy(&h, bytes, sizeof h);
    for (uint64_t k = 0; k < h.n_blocks; k++) {
        uint64_t start = h.tokens_offset + k * h.block_bytes, n = h.sums_offset - start;
        if (n > h.block_bytes) n = h.block_bytes;
        uint64_t sum = cru_hash64(bytes + start, n, 0);
        memcpy(bytes + h.sums_offset + 8 * k, &sum, 8);
    }
    h.sums_checksum = cru_hash64(bytes + h.sums_offset, h.n_blocks * 8, 0);
    h.checksum = cru_hash64(&h, offsetof(struct cru_crs_header, checksum), 0);
    memcpy(bytes, &h, sizeof h);
}

static void test_wrong_content(void **state) {
    (void)state;
    struct cru_error err;
    size_t n;
    write_small(in_scratch("content"), 5);
    unsigned char *good = slurp(in_scratch("content/00000.crs"), &n), *bytes = malloc(n);
    assert_non_null(bytes);
    struct cru_crs_header h;
    memcpy(&h, good, sizeof h);
    struct cru_crs_entry e;
    memcpy(&e, good + h.index_offset + 64, 64); /* the second document */
    assert_true(e.length % 4 != 0);
    const struct {
        uint64_t at;
        unsigned char value;
        const char *says;
    } wrongs[] = {
        {h.tokens_offset + 1, 0x7F, "an id is not in its vocabulary"},
        {h.tokens_offset + 2 * (e.offset + e.length), 1, "padding behind a document"},
        {h.tokens_offset + 2 * (e.offset + e.length - 1), 1, "does not end with the end id"},
        {h.index_offset + 64, (unsigned char)(e.offset + 4), "one behind the other"},
        {h.index_offset + 64, (unsigned char)(e.offset + 1), "index entry 1 is damaged"},
        {h.index_offset + 64 + 40, 99, "index entry 1 is damaged"},
        {h.index_offset + 64 + 47, 0xBF, "index entry 1 is damaged"}, /* the weight's sign */
        {h.index_offset + 64 + 63, 1, "index entry 1 is damaged"},
        {h.index_offset + 64 + 17, 0xFF, "its counts"}, /* bytes of text */
        {h.source_offset + 3, 0xFF, "table of sources"},
        {136, (unsigned char)(h.n_padding + 1), "its counts"},
        {116, 7, "bag size"},
        {36, 4, "token width"},
        {8, 2, "newer version"},
        {16, 1, "other numbers"},
        {0, 'C', "not a shard"},
        {300, 1, "makes no sense"},
        {176, 1, "offsets make no sense"},
        {133, 1, "offsets make no sense"}, /* 2^40 more tokens */
        {135, 0xFF, "offsets make no sense"},
    };
    for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
        memcpy(bytes, good, n);
        bytes[wrongs[i].at] = wrongs[i].value;
        if (wrongs[i].at >= 4096 || wrongs[i].at == 136) {
            reseal(bytes);
        } else {
            uint64_t sum = cru_hash64(bytes, 4088, 0);
            memcpy(bytes + 4088, &sum, 8);
        }
        expect_error(open_and_verify(bytes, n, &err), &err, CRU_FATAL, wrongs[i].says);
    }
    memcpy(bytes, good, n);
    reseal(bytes);
    expect_ok(open_and_verify(bytes, n, &err), &err);
    memcpy(bytes, CRU_CRS_UNFINISHED, 8);
    expect_error(open_and_verify(bytes, n, &err), &err, CRU_FATAL, "not finished");
    free(good);
    free(bytes);
}

/* A manifest that is sealed and wrong: keys, types, names that leave the directory. */
static void test_wrong_manifest(void **state) {
    (void)state;
    static const struct {
        const char *find, *put, *says;
    } wrongs[] = {
        {"00000.crs", "../../crs", "not a shard's name"},
        {"00000.crs", "/0000.crs", "not a shard's name"},
        {"\"bag\": 4", "\"bug\": 4", "\"bag\""},
        {"\"version\": 1", "\"version\": 2", "version 1"},
        {"\"sources\": [", "\"sources\":-[", "not JSON"},
        {"\"pad_id\": 299", "\"pad_id\": -29", "\"pad_id\""},
        {"\"bag\": 4", "\"bag\": 0", "makes no sense"},
        {"\"documents\": 5,\n", "\"documents\": 6,\n", "not the sum"},
        {"\"hash\": \"1", "\"hash\": \"X", "\"hash\""},
    };
    struct cru_error err;
    struct cru_shard_set set;
    size_t n;
    write_small(in_scratch("sealed"), 5);
    unsigned char *good = slurp(in_scratch("sealed/manifest.json"), &n);
    for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
        char *text = malloc(n + 1);
        assert_non_null(text);
        memcpy(text, good, n + 1);
        char *at = strstr(text, wrongs[i].find);
        assert_non_null(at);
        assert_int_equal(strlen(wrongs[i].find), strlen(wrongs[i].put));
        memcpy(at, wrongs[i].put, strlen(wrongs[i].put));
        char tail[40];
        (void)snprintf(tail, sizeof tail, "%016llx\"}\n",
                       (unsigned long long)cru_hash64(text, n - 33, 0));
        memcpy(text + n - 19, tail, 19);
        spit(in_scratch("sealed/manifest.json"), text, n);
        expect_error(cru_shard_set_open(in_scratch("sealed"), &set, &err), &err, CRU_FATAL,
                     wrongs[i].says);
        free(text);
    }
    free(good);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_bit),      cmocka_unit_test(test_every_length),
        cmocka_unit_test(test_manifest_bits),  cmocka_unit_test(test_slice_bits),
        cmocka_unit_test(test_block_is_named), cmocka_unit_test(test_exchanged_files),
        cmocka_unit_test(test_wrong_content),  cmocka_unit_test(test_wrong_manifest),
    };
    return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
