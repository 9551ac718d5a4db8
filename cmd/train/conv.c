/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/base/base.h"
#include "crucible/base/parallel.h"
#include "cmd/train/conv.h"

enum { CONV_BLOCK = 64 }; /* channels a thread takes at a time */

struct conv_job {
    const struct cru_rows *rows;
    size_t channels, ldx, lddx;
    const real *x, *w, *pre;
    real *new_pre, *act, *dact, *dx, *dw;
};

static void conv_forward_row(void *context, size_t r, int thread) {
    const struct conv_job *job = context;
    (void)thread;
    real *pre = job->new_pre + r * job->channels, *act = job->act + r * job->channels;
    memset(pre, 0, job->channels * sizeof *pre);
    for (size_t back = 0; back < CRU_CONV_WIDTH && back <= job->rows->position[r]; back++) {
        const real *x = job->x + (r - back) * job->ldx;
        for (size_t c = 0; c < job->channels; c++)
            pre[c] += job->w[c * CRU_CONV_WIDTH + CRU_CONV_WIDTH - 1 - back] * x[c];
    }
    for (size_t c = 0; c < job->channels; c++) act[c] = cru_silu(pre[c]);
}

void cru_conv_forward(const struct cru_rows *rows, size_t channels, const real *x, size_t ldx,
                      const real *w, real *pre, real *act, int threads) {
    struct conv_job job = {.rows = rows, .channels = channels, .x = x, .ldx = ldx, .w = w};
    job.new_pre = pre, job.act = act;
    cru_parallel_for(rows->n, 16, threads, conv_forward_row, &job);
}

/* A block of channels over all rows: the thread owns its part of dx and dw. */
static void conv_backward_block(void *context, size_t block, int thread) {
    const struct conv_job *job = context;
    (void)thread;
    size_t from = block * CONV_BLOCK;
    size_t count = job->channels - from < CONV_BLOCK ? job->channels - from : CONV_BLOCK;
    real sum[CONV_BLOCK][CRU_CONV_WIDTH] = {{0}};
    for (size_t r = 0; r < job->rows->n; r++) {
        real *dact = job->dact + r * job->channels + from, *dx = job->dx + r * job->lddx + from;
        const real *pre = job->pre + r * job->channels + from;
        for (size_t c = 0; c < count; c++) dact[c] *= cru_silu_slope(pre[c]);
        memset(dx, 0, count * sizeof *dx);
        for (size_t back = 0; back < CRU_CONV_WIDTH && back <= job->rows->position[r]; back++) {
            size_t tap = CRU_CONV_WIDTH - 1 - back;
            const real *x = job->x + (r - back) * job->ldx + from;
            real *to = job->dx + (r - back) * job->lddx + from;
            for (size_t c = 0; c < count; c++) {
                to[c] += job->w[(from + c) * CRU_CONV_WIDTH + tap] * dact[c];
                sum[c][tap] += dact[c] * x[c];
            }
        }
    }
    for (size_t c = 0; c < count; c++)
        for (size_t j = 0; j < CRU_CONV_WIDTH; j++)
            job->dw[(from + c) * CRU_CONV_WIDTH + j] += sum[c][j];
}

void cru_conv_backward(const struct cru_rows *rows, size_t channels, const real *x, size_t ldx,
                       const real *w, const real *pre, real *dact, real *dx, size_t lddx, real *dw,
                       int threads) {
    struct conv_job job = {.rows = rows, .channels = channels, .x = x, .ldx = ldx, .w = w};
    job.pre = pre, job.dact = dact, job.dx = dx, job.lddx = lddx, job.dw = dw;
    cru_parallel_for((channels + CONV_BLOCK - 1) / CONV_BLOCK, 1, threads, conv_backward_block,
                     &job);
}
