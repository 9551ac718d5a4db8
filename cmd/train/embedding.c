/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/base/base.h"
#include "crucible/base/parallel.h"
#include "cmd/train/embedding.h"

struct embedding_job {
    const struct cru_rows *rows;
    size_t d;
    const real *table;
    real *x;
};

static void embedding_row(void *context, size_t r, int thread) {
    const struct embedding_job *job = context;
    (void)thread;
    size_t bag = job->rows->bag;
    real *x = job->x + r * job->d, share = 1 / (real)bag;
    memset(x, 0, job->d * sizeof *x);
    for (size_t i = 0; i < bag; i++) {
        int32_t id = job->rows->input[r * bag + i];
        if (id >= 0) cru_axpy(job->d, share, job->table + (size_t)id * job->d, x);
    }
}

void cru_embedding_forward(const struct cru_rows *rows, size_t d, const real *table, real *x,
                           int threads) {
    struct embedding_job job = {rows, d, table, x};
    cru_parallel_for(rows->n, 64, threads, embedding_row, &job);
}

void cru_embedding_backward(const struct cru_rows *rows, size_t d, const real *dx, real *dtable) {
    real share = 1 / (real)rows->bag;
    for (size_t r = 0; r < rows->n; r++)
        for (size_t i = 0; i < rows->bag; i++) {
            int32_t id = rows->input[r * rows->bag + i];
            if (id >= 0) cru_axpy(d, share, dx + r * d, dtable + (size_t)id * d);
        }
}
