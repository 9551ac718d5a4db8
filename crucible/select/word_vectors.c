/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <math.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crucible/base/base.h"
#include "crucible/select/npy.h"
#include "crucible/select/safetensors.h"
#include "crucible/select/word_vectors.h"

/* A number a token; p NULL: none. */
struct list {
    const char *p;
    enum cru_dtype dtype;
};

struct cru_word_vectors {
    char *map;
    size_t size;
    const char *rows;
    uint64_t n, columns;
    enum cru_dtype dtype;
    uint64_t tokens; /* n, but for a mapping */
    struct list mapping, weights;
    bool drop_unknown;
};

/* `count` numbers of one type from p on, as floats. */
static void floats_at(const char *p, enum cru_dtype dtype, size_t count, float *x) {
    if (dtype != CRU_BF16) {
        cru_npy_floats(p, cru_dtype_width(dtype), count, x);
        return;
    }
    for (size_t k = 0; k < count; k++) { /* the upper half of a float32 */
        uint32_t bits =
            (uint32_t)(unsigned char)p[2 * k] << 16 | (uint32_t)(unsigned char)p[2 * k + 1] << 24;
        memcpy(&x[k], &bits, sizeof x[k]);
    }
}

/* The row of a token below v->tokens. */
static uint64_t row_of(const struct cru_word_vectors *v, uint64_t token) {
    unsigned width = cru_dtype_width(v->mapping.dtype);
    const unsigned char *p = (const unsigned char *)v->mapping.p;
    uint64_t row = 0;
    if (!p) return token;
    p += token * width;
    for (unsigned i = width; i-- > 0;) row = row << 8 | p[i];
    return row; /* a negative one is far beyond all rows */
}

static enum cru_status open_npy(struct cru_word_vectors *v, const char *path,
                                struct cru_error *err) {
    struct cru_npy npy;
    size_t head = CRU_NPY_HEADER_MOST + 12;
    enum cru_status status =
        cru_npy_parse(cru_span_make(v->map, v->size < head ? v->size : head), path, &npy, err);
    if (status) return status;
    if (npy.columns > 1 << 16 || (v->size - npy.offset) / (npy.columns * npy.width) < npy.rows)
        return cru_fail(err, CRU_FATAL, "word vectors: '%s': %s", path,
                        npy.columns > 1 << 16 ? "impossible shape" : "the file is cut");
    v->rows = v->map + npy.offset;
    v->n = npy.rows;
    v->tokens = npy.rows;
    v->columns = npy.columns;
    v->dtype = npy.width == 1   ? CRU_I8
               : npy.width == 2 ? CRU_F16
               : npy.width == 4 ? CRU_F32
                                : CRU_F64;
    return CRU_OK;
}

/* The list called `name`, of a type from `first` to `last`. */
static enum cru_status open_list(struct cru_word_vectors *v, const char *path, const char *name,
                                 enum cru_dtype first, enum cru_dtype last, struct list *list,
                                 uint64_t *count, struct cru_error *err) {
    struct cru_tensor t = {.dimensions = 0};
    bool found;
    enum cru_status status =
        cru_safetensors_list(cru_span_make(v->map, v->size), v->size, path, name, &t, &found, err);
    if (status || !found) return status;
    if (t.dtype < first || t.dtype > last)
        return cru_fail(err, CRU_FATAL, "word vectors: '%s': %s is not of %s", path, name,
                        first == CRU_I32 ? "I32 or I64" : "F32, F16, BF16 or F64");
    list->p = v->map + t.begin;
    list->dtype = t.dtype;
    *count = t.shape[0];
    return CRU_OK;
}

static enum cru_status open_lists(struct cru_word_vectors *v, const char *path,
                                  struct cru_error *err) {
    uint64_t weights = 0;
    enum cru_status status =
        open_list(v, path, "mapping", CRU_I32, CRU_I64, &v->mapping, &v->tokens, err);
    if (!status)
        status = open_list(v, path, "weights", CRU_F32, CRU_F64, &v->weights, &weights, err);
    if (status) return status;
    if (v->weights.p && weights != v->tokens)
        return cru_fail(err, CRU_FATAL, "word vectors: '%s': %llu weights for %llu tokens", path,
                        (unsigned long long)weights, (unsigned long long)v->tokens);
    for (uint64_t i = 0; v->mapping.p && i < v->tokens; i++)
        if (row_of(v, i) >= v->n)
            return cru_fail(err, CRU_FATAL, "word vectors: '%s': mapping: token %llu has no row",
                            path, (unsigned long long)i);
    return CRU_OK;
}

static enum cru_status open_safetensors(struct cru_word_vectors *v, const char *path,
                                        struct cru_error *err) {
    struct cru_tensor matrix;
    enum cru_status status =
        cru_safetensors_matrix(cru_span_make(v->map, v->size), v->size, path, &matrix, err);
    if (status) return status;
    v->rows = v->map + matrix.begin;
    v->n = v->tokens = matrix.shape[0];
    v->columns = matrix.shape[1];
    v->dtype = matrix.dtype;
    v->drop_unknown = cru_span_is(matrix.name, "embeddings");
    if (!v->drop_unknown && !cru_span_is(matrix.name, "embedding.weight")) return CRU_OK;
    return open_lists(v, path, err);
}

static enum cru_status map_file(struct cru_word_vectors *v, const char *path,
                                struct cru_error *err) {
    struct stat about;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    enum cru_status status = CRU_OK;
    if (file < 0) return cru_fail_errno(err, "unable to open word vectors", path);
    if (fstat(file, &about))
        status = cru_fail_errno(err, "unable to open word vectors", path);
    else if (!S_ISREG(about.st_mode) || about.st_size == 0)
        status = cru_fail(err, CRU_FATAL, "unable to open word vectors: '%s': %s", path,
                          S_ISREG(about.st_mode) ? "the file is empty" : "not a regular file");
    else {
        void *map = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, file, 0);
        if (map == MAP_FAILED)
            status = cru_fail_errno(err, "unable to map word vectors", path);
        else {
            v->map = map;
            v->size = (size_t)about.st_size;
        }
    }
    (void)close(file);
    return status;
}

enum cru_status cru_word_vectors_open(const char *path, struct cru_word_vectors **vectors,
                                      struct cru_error *err) {
    struct cru_word_vectors *v = calloc(1, sizeof *v);
    enum cru_status status = v ? map_file(v, path, err) : cru_fail_memory(err, "word vectors");
    *vectors = NULL;
    if (!status)
        status = v->size > 6 && memcmp(v->map, "\x93NUMPY", 6) == 0
                     ? open_npy(v, path, err)
                     : open_safetensors(v, path, err);
    if (status) {
        cru_word_vectors_free(v);
        if (err) err->status = CRU_FATAL;
        return CRU_FATAL;
    }
    *vectors = v;
    return CRU_OK;
}

void cru_word_vectors_free(struct cru_word_vectors *v) {
    if (v && v->map) (void)munmap(v->map, v->size);
    free(v);
}

size_t cru_word_vectors_rows(const struct cru_word_vectors *v) {
    return v->n;
}

size_t cru_word_vectors_columns(const struct cru_word_vectors *v) {
    return v->columns;
}

bool cru_word_vectors_drop_unknown(const struct cru_word_vectors *v) {
    return v->drop_unknown;
}

enum { SPAN = 256 }; /* numbers widened at a time */

/* Numbers from..from + n of a row. */
static void row_floats(const struct cru_word_vectors *v, uint64_t row, uint64_t from, size_t n,
                       float *x) {
    floats_at(v->rows + (row * v->columns + from) * cru_dtype_width(v->dtype), v->dtype, n, x);
}

static bool row_finite(const struct cru_word_vectors *v, uint64_t row) {
    float x[SPAN];
    for (uint64_t from = 0; from < v->columns; from += SPAN) {
        size_t n = v->columns - from < SPAN ? (size_t)(v->columns - from) : SPAN;
        row_floats(v, row, from, n, x);
        for (size_t k = 0; k < n; k++)
            if (!isfinite(x[k])) return false;
    }
    return true;
}

void cru_word_vectors_add(const struct cru_word_vectors *v, const uint32_t *ids, size_t n,
                          double *sums) {
    float x[SPAN], weight = 1;
    for (size_t i = 0; i < n; i++) {
        uint64_t row;
        if (ids[i] >= v->tokens) continue;
        row = row_of(v, ids[i]);
        if (v->weights.p)
            floats_at(v->weights.p + (uint64_t)ids[i] * cru_dtype_width(v->weights.dtype),
                      v->weights.dtype, 1, &weight);
        if (!isfinite(weight) || !row_finite(v, row)) continue;
        for (uint64_t from = 0; from < v->columns; from += SPAN) {
            size_t some = v->columns - from < SPAN ? (size_t)(v->columns - from) : SPAN;
            row_floats(v, row, from, some, x);
            for (size_t k = 0; k < some; k++) sums[from + k] += (double)weight * (double)x[k];
        }
    }
}
