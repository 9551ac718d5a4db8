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

struct cru_word_vectors {
    char *map;
    size_t size;
    const char *rows;
    uint64_t n, columns;
    enum cru_dtype dtype;
};

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
    v->columns = npy.columns;
    v->dtype = npy.width == 1   ? CRU_I8
               : npy.width == 2 ? CRU_F16
               : npy.width == 4 ? CRU_F32
                                : CRU_F64;
    return CRU_OK;
}

static enum cru_status open_safetensors(struct cru_word_vectors *v, const char *path,
                                        struct cru_error *err) {
    struct cru_tensor matrix;
    enum cru_status status =
        cru_safetensors_matrix(cru_span_make(v->map, v->size), v->size, path, &matrix, err);
    if (status) return status;
    v->rows = v->map + matrix.begin;
    v->n = matrix.shape[0];
    v->columns = matrix.shape[1];
    v->dtype = matrix.dtype;
    return CRU_OK;
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

enum { SPAN = 256 }; /* numbers widened at a time */

/* Numbers from..from + n of a row. */
static void row_floats(const struct cru_word_vectors *v, uint64_t row, uint64_t from, size_t n,
                       float *x) {
    unsigned width = cru_dtype_width(v->dtype);
    const char *p = v->rows + (row * v->columns + from) * width;
    if (v->dtype != CRU_BF16) {
        cru_npy_floats(p, width, n, x);
        return;
    }
    for (size_t k = 0; k < n; k++) { /* the upper half of a float32 */
        uint32_t bits =
            (uint32_t)(unsigned char)p[2 * k] << 16 | (uint32_t)(unsigned char)p[2 * k + 1] << 24;
        memcpy(&x[k], &bits, sizeof x[k]);
    }
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
    float x[SPAN];
    for (size_t i = 0; i < n; i++) {
        if (ids[i] >= v->n || !row_finite(v, ids[i])) continue;
        for (uint64_t from = 0; from < v->columns; from += SPAN) {
            size_t some = v->columns - from < SPAN ? (size_t)(v->columns - from) : SPAN;
            row_floats(v, ids[i], from, some, x);
            for (size_t k = 0; k < some; k++) sums[from + k] += (double)x[k];
        }
    }
}
