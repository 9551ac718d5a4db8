/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/base/base.h"
#include "crucible/base/parallel.h"
#include "cmd/train/rmsnorm.h"

struct rmsnorm_job {
    struct cru_rmsnorm norm;
    size_t n, ldx, ldy, lddx;
    const real *x, *w, *rstd, *dy;
    real *y, *new_rstd, *dx, *dw;
    bool add;
};

static void rmsnorm_forward_row(void *context, size_t r, int thread) {
    const struct rmsnorm_job *job = context;
    (void)thread;
    size_t d = job->norm.d;
    real shift = job->norm.zero_centred ? 1 : 0;
    for (size_t g = 0; g < job->norm.groups; g++) {
        const real *x = job->x + r * job->ldx + g * d;
        real *y = job->y + r * job->ldy + g * d;
        real mean = cru_dot(d, x, x) / (real)d;
        real rstd = 1 / cru_real_sqrt(mean + (real)CRU_NORM_EPSILON);
        job->new_rstd[r * job->norm.groups + g] = rstd;
        for (size_t i = 0; i < d; i++) y[i] = x[i] * rstd * (shift + job->w[i]);
    }
}

void cru_rmsnorm_forward(struct cru_rmsnorm norm, size_t n, const real *x, size_t ldx,
                         const real *w, real *y, size_t ldy, real *rstd, int threads) {
    struct rmsnorm_job job = {.norm = norm, .n = n, .x = x, .ldx = ldx, .w = w, .y = y, .ldy = ldy};
    job.new_rstd = rstd;
    cru_parallel_for(n, 64, threads, rmsnorm_forward_row, &job);
}

/* dw of 32 columns, over all rows in order: owned by one thread, so the sum has one order. */
enum { RMSNORM_COLUMNS = 32 };

static void rmsnorm_backward_columns(void *context, size_t block, int thread) {
    const struct rmsnorm_job *job = context;
    (void)thread;
    size_t d = job->norm.d, from = block * RMSNORM_COLUMNS;
    size_t count = d - from < RMSNORM_COLUMNS ? d - from : RMSNORM_COLUMNS;
    real sum[RMSNORM_COLUMNS] = {0};
    for (size_t r = 0; r < job->n; r++)
        for (size_t g = 0; g < job->norm.groups; g++) {
            const real *x = job->x + r * job->ldx + g * d + from;
            const real *dy = job->dy + r * job->ldy + g * d + from;
            real rstd = job->rstd[r * job->norm.groups + g];
            for (size_t i = 0; i < count; i++) sum[i] += dy[i] * x[i] * rstd;
        }
    for (size_t i = 0; i < count; i++) job->dw[from + i] += sum[i];
}

static void rmsnorm_backward_row(void *context, size_t r, int thread) {
    const struct rmsnorm_job *job = context;
    (void)thread;
    size_t d = job->norm.d;
    real shift = job->norm.zero_centred ? 1 : 0;
    for (size_t g = 0; g < job->norm.groups; g++) {
        const real *x = job->x + r * job->ldx + g * d, *dy = job->dy + r * job->ldy + g * d;
        real *dx = job->dx + r * job->lddx + g * d;
        real rstd = job->rstd[r * job->norm.groups + g], dot = 0;
        for (size_t i = 0; i < d; i++) dot += dy[i] * (shift + job->w[i]) * x[i];
        real pull = dot * rstd * rstd * rstd / (real)d;
        for (size_t i = 0; i < d; i++) {
            real grad = dy[i] * (shift + job->w[i]) * rstd - x[i] * pull;
            dx[i] = job->add ? dx[i] + grad : grad;
        }
    }
}

void cru_rmsnorm_backward(struct cru_rmsnorm norm, size_t n, const real *x, size_t ldx,
                          const real *w, const real *rstd, const real *dy, size_t lddy, bool add,
                          real *dx, size_t lddx, real *dw, int threads) {
    struct rmsnorm_job job = {.norm = norm, .n = n, .x = x, .ldx = ldx, .w = w, .rstd = rstd};
    job.dy = dy, job.ldy = lddy, job.dx = dx, job.lddx = lddx, job.dw = dw, job.add = add;
    /* dw first: dx may overwrite dy. */
    cru_parallel_for((norm.d + RMSNORM_COLUMNS - 1) / RMSNORM_COLUMNS, 1, threads,
                     rmsnorm_backward_columns, &job);
    cru_parallel_for(n, 64, threads, rmsnorm_backward_row, &job);
}
