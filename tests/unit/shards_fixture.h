/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of shards/ share: a directory of their own, whole files, and a set of random
 * documents kept in memory as the oracle. */
#ifndef CRU_TESTS_SHARDS_FIXTURE_H
#define CRU_TESTS_SHARDS_FIXTURE_H

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "crucible/base/base.h"
#include "crucible/base/output.h"
#include "shards/shard_file.h"
#include "shards/vocab_used.h"
#include "shards/writer.h"
#include "tests/unit/scratch_name.h"

#define UNUSED __attribute__((unused))

static char scratch[SCRATCH_NAME]; /* the test program's directory */

static UNUSED const char *in_scratch(const char *name) {
    static char paths[8][512];
    static int next;
    char *path = paths[next++ % 8];
    (void)snprintf(path, sizeof paths[0], "%s/%s", scratch, name);
    return path;
}

static UNUSED void empty_directory(const char *dir) {
    DIR *d = opendir(dir);
    if (!d) return;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        char path[1024];
        (void)snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        struct stat info;
        if (lstat(path, &info) == 0 && S_ISDIR(info.st_mode)) empty_directory(path);
        (void)remove(path);
    }
    (void)closedir(d);
}

static UNUSED int make_scratch(void **state) {
    (void)state;
    return mkdtemp(scratch_name(scratch, "crucible-shards-XXXXXX")) ? 0 : -1;
}

static UNUSED int remove_scratch(void **state) {
    (void)state;
    empty_directory(scratch);
    return rmdir(scratch);
}

static UNUSED size_t files_in(const char *dir) {
    size_t n = 0;
    DIR *d = opendir(dir);
    if (!d) return 0;
    for (struct dirent *e; (e = readdir(d)) != NULL;) n += e->d_name[0] != '.';
    (void)closedir(d);
    return n;
}

/* A whole file, malloc'ed (so aligned to 16). */
static UNUSED unsigned char *slurp(const char *path, size_t *n) {
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    long size = ftell(f);
    assert_true(size >= 0);
    rewind(f);
    unsigned char *bytes = malloc((size_t)size + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, (size_t)size, f), size);
    bytes[size] = 0;
    (void)fclose(f);
    *n = (size_t)size;
    return bytes;
}

static UNUSED void spit(const char *path, const void *bytes, size_t n) {
    struct cru_error err;
    assert_int_equal(cru_write_file(path, bytes, n, &err), CRU_OK);
}

static UNUSED void expect_ok(enum cru_status s, const struct cru_error *err) {
    if (s != CRU_OK) fail_msg("%s: %s", cru_status_name(s), err->message);
}

static UNUSED void expect_error(enum cru_status s, const struct cru_error *err,
                                enum cru_status expected, const char *part) {
    if (s != expected) fail_msg("%s, not %s", cru_status_name(s), cru_status_name(expected));
    if (!strstr(err->message, part)) fail_msg("'%s' lacks '%s'", err->message, part);
}

/* ---- The oracle ---- */

enum { MODEL_DOCS = 300, MODEL_IDS = 150 };

struct model_doc {
    uint32_t ids[MODEL_IDS]; /* with the end id */
    size_t length;
    struct cru_shard_doc about;
};

struct model {
    struct cru_shard_params params;
    size_t n_docs;
    struct model_doc docs[MODEL_DOCS];
};

static const char *const model_sources[] = {"web", "code", "\xc3\xa9t\xc3\xa9 \"stem\"", ""};

static UNUSED struct model *model_new(struct cru_shard_params params, size_t n_docs,
                                      uint64_t seed) {
    struct cru_random r = {seed};
    struct model *m = calloc(1, sizeof *m);
    assert_non_null(m);
    m->params = params;
    m->n_docs = n_docs;
    for (size_t i = 0; i < n_docs; i++) {
        struct model_doc *d = &m->docs[i];
        d->length = cru_random_next(&r) % (i % 7 == 0 ? 3 : MODEL_IDS - 1);
        for (size_t k = 0; k < d->length; k++)
            d->ids[k] = (uint32_t)(cru_random_next(&r) % params.vocab_size);
        char id[32];
        int n = snprintf(id, sizeof id, "doc#%zu", i);
        d->about = (struct cru_shard_doc){
            .source = cru_span_of(model_sources[cru_random_next(&r) % 4]),
            .bin = (uint8_t)cru_random_next(&r),
            .weight = (float)(cru_random_next(&r) % 8) / 4,
            .id_hash = cru_hash128(id, (size_t)n, 0),
            .text_bytes = cru_random_next(&r) % 1000,
        };
        if (params.end_id != CRU_SHARD_NO_ID) d->ids[d->length++] = params.end_id;
    }
    return m;
}

static UNUSED void model_write(const struct model *m, const char *dir) {
    struct cru_error err;
    struct cru_shard_writer *w;
    size_t end = m->params.end_id != CRU_SHARD_NO_ID;
    expect_ok(cru_shard_writer_open(dir, &m->params, &w, &err), &err);
    for (size_t i = 0; i < m->n_docs; i++)
        expect_ok(cru_shard_writer_add(w, m->docs[i].ids, m->docs[i].length - end,
                                       &m->docs[i].about, &err),
                  &err);
    expect_ok(cru_shard_writer_close(w, &err), &err);
}

/* The params most tests use: u16 ids, bags of 4, 3 or 4 shards. */
static UNUSED struct cru_shard_params small_params(void) {
    return (struct cru_shard_params){.tokenizer_hash = 0x1122334455667788,
                                     .tokenizer_name = "tiny",
                                     .vocab_size = 300,
                                     .bag = 4,
                                     .pad_id = 299,
                                     .end_id = 298,
                                     .shard_tokens = 8192};
}

#endif
