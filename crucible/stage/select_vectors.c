/* SPDX-License-Identifier: Apache-2.0 */
/* select's vectors out of a file: --embeddings, rows in document order or named by ids. */
#include "crucible/base/base.h"
#include "crucible/stage/select_state.h"

enum cru_status cru_select_open_vectors(struct cru_select *s, struct cru_error *err) {
    const struct cru_npy *shape;
    enum cru_status status = cru_npy_open(s->embeddings, &s->vectors, err);
    if (status) return status;
    shape = cru_npy_shape(s->vectors);
    if (shape->columns > CRU_ROW_MAX)
        return cru_fail(err, CRU_FATAL, "embeddings: '%s': %llu numbers a row, more than %d",
                        s->embeddings, (unsigned long long)shape->columns, CRU_ROW_MAX);
    s->ids = cru_npy_take_ids(s->vectors);
    s->d = (shape->columns + CRU_ROW_STEP - 1) / CRU_ROW_STEP * CRU_ROW_STEP;
    s->rows.element = s->d;
    return CRU_OK;
}

static int compare_places(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* row << 32 | document, by row: the order in which the file has them. */
static uint64_t *wanted_rows(const struct cru_select *s) {
    const uint32_t *place = s->place.p;
    uint64_t *wanted = malloc((s->n + 1) * sizeof *wanted);
    if (!wanted) return NULL;
    for (size_t i = 0; i < s->n; i++)
        wanted[i] = (s->ids ? (uint64_t)place[i] : (uint64_t)i) << 32 | i;
    if (s->ids) qsort(wanted, s->n, sizeof *wanted, compare_places);
    return wanted;
}

enum cru_status cru_select_load_vectors(struct cru_select *s, struct cru_error *err) {
    const struct cru_npy *shape = cru_npy_shape(s->vectors);
    uint64_t *wanted = NULL;
    float *x = NULL;
    enum cru_status status = CRU_OK;
    if (!s->ids && shape->rows != s->n)
        return cru_fail(err, CRU_FATAL, "embeddings: '%s': %llu rows for %zu documents",
                        s->embeddings, (unsigned long long)shape->rows, s->n);
    if (!(x = malloc(shape->columns * sizeof *x)) || !(wanted = wanted_rows(s)))
        status = cru_fail_memory(err, "a row of embeddings");
    if (!status) status = cru_spill_resize(&s->rows, s->n, err);
    for (uint64_t row = 0, i = 0; !status && i < s->n; row++) {
        if ((status = cru_npy_next(s->vectors, x, err))) break;
        for (; !status && i < s->n && wanted[i] >> 32 == row; i++)
            if (!cru_row_quantise(x, shape->columns,
                                  (int8_t *)s->rows.p + (wanted[i] & UINT32_MAX) * s->d, s->d))
                status = cru_fail(err, CRU_FATAL,
                                  "embeddings: '%s': row %llu has a number that is not finite",
                                  s->embeddings, (unsigned long long)row);
    }
    free(x);
    free(wanted);
    return status;
}
