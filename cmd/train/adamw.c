/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "crucible/base/base.h"
#include "crucible/base/parallel.h"
#include "cmd/train/adamw.h"
#include "cmd/train/gemm.h"

enum {
    ADAMW_BLOCK = 1 << 14
}; /* parameters a thread takes at a time; the unit of fixed-order sums */

static bool by_muon(bool muon, const struct cru_tensor *t) {
    return muon && (t->kind == CRU_TENSOR_MATRIX || t->kind == CRU_TENSOR_OUT);
}
static bool decays(const struct cru_tensor *t) {
    return t->kind == CRU_TENSOR_MATRIX || t->kind == CRU_TENSOR_OUT ||
           t->kind == CRU_TENSOR_EMBEDDING;
}

void cru_adamw_plan(const struct cru_model *model, bool muon, uint64_t *moments, uint64_t *work) {
    size_t most = 0;
    for (size_t i = 0; i < model->n_tensors; i++) {
        const struct cru_tensor *t = &model->tensors[i];
        size_t side = t->rows < t->columns ? t->rows : t->columns;
        /* X twice, X X^T and its polynomial */
        size_t need = by_muon(muon, t) ? 2 * t->rows * t->columns + 2 * side * side : 0;
        if (need > most) most = need;
    }
    *moments = 2 * model->n_params * sizeof(float);
    *work = most * sizeof(float);
}

enum cru_status cru_adamw_init(struct cru_adamw *adamw, struct cru_model *model, bool muon,
                               struct cru_error *err) {
    uint64_t moments;
    memset(adamw, 0, sizeof *adamw);
    adamw->model = model, adamw->muon = muon;
    cru_adamw_plan(model, muon, &moments, &adamw->work_bytes);
    adamw->first = calloc(model->n_params, sizeof *adamw->first);
    adamw->second = calloc(model->n_params, sizeof *adamw->second);
    adamw->work = malloc(adamw->work_bytes ? adamw->work_bytes : 1);
    if (!adamw->first || !adamw->second || !adamw->work) {
        cru_adamw_release(adamw);
        return cru_fail_memory(err, "optimizer state (see --memory-plan)");
    }
    return CRU_OK;
}

void cru_adamw_release(struct cru_adamw *adamw) {
    free(adamw->first);
    free(adamw->second);
    free(adamw->work);
    memset(adamw, 0, sizeof *adamw);
}

struct norm_job {
    const float *grads;
    size_t n;
    double *sums;
};
static void norm_block(void *context, size_t i, int thread) {
    const struct norm_job *job = context;
    (void)thread;
    size_t from = i * ADAMW_BLOCK, to = job->n - from < ADAMW_BLOCK ? job->n : from + ADAMW_BLOCK;
    double sum = 0;
    for (size_t j = from; j < to; j++) sum += (double)job->grads[j] * (double)job->grads[j];
    job->sums[i] = sum;
}

double cru_gradient_norm(const struct cru_model *model) {
    double total = 0, sums[256];
    size_t stride = ADAMW_BLOCK * (sizeof sums / sizeof *sums);
    for (size_t from = 0; from < model->n_params; from += stride) {
        struct norm_job job = {model->grads + from, model->n_params - from, sums};
        if (job.n > stride) job.n = stride;
        size_t blocks = (job.n + ADAMW_BLOCK - 1) / ADAMW_BLOCK;
        cru_parallel_for(blocks, 1, model->threads, norm_block, &job);
        for (size_t i = 0; i < blocks; i++) total += sums[i];
    }
    return sqrt(total);
}

struct adam_job {
    float *p, *g, *first, *second;
    size_t n;
    float rate, keep, scale, unbias2;
};
static void adam_block(void *context, size_t i, int thread) {
    const struct adam_job *job = context;
    (void)thread;
    size_t from = i * ADAMW_BLOCK, to = job->n - from < ADAMW_BLOCK ? job->n : from + ADAMW_BLOCK;
    const float b1 = (float)CRU_ADAM_BETA1, b2 = (float)CRU_ADAM_BETA2;
    for (size_t j = from; j < to; j++) {
        float g = job->g[j] * job->scale;
        float m = job->first[j] = b1 * job->first[j] + (1 - b1) * g;
        float v = job->second[j] = b2 * job->second[j] + (1 - b2) * g * g;
        job->p[j] = job->p[j] * job->keep -
                    job->rate * m / (sqrtf(v * job->unbias2) + (float)CRU_ADAM_EPSILON);
        job->g[j] = 0;
    }
}

static void adam_tensor(struct cru_adamw *adamw, const struct cru_tensor *t, struct cru_step step) {
    double unbias1 = 1 - pow(CRU_ADAM_BETA1, (double)step.number);
    double unbias2 = 1 - pow(CRU_ADAM_BETA2, (double)step.number);
    double decay = decays(t) ? step.learning_rate * step.weight_decay : 0;
    struct adam_job job = {.p = adamw->model->params + t->offset,
                           .g = adamw->model->grads + t->offset,
                           .first = adamw->first + t->offset,
                           .second = adamw->second + t->offset,
                           .n = t->rows * t->columns,
                           .rate = (float)(step.learning_rate / unbias1),
                           .keep = (float)(1 - decay),
                           .scale = (float)step.gradient_scale,
                           .unbias2 = (float)(1 / unbias2)};
    cru_parallel_for((job.n + ADAMW_BLOCK - 1) / ADAMW_BLOCK, 1, adamw->model->threads, adam_block,
                     &job);
}

/*
 * x[rows][columns], rows <= columns, towards the nearest matrix with orthonormal rows: five rounds
 * of x <- a x + (b A + c A A) x with A = x x^T, coefficients from Jordan's Muon (2024), fp32.
 */
static void newton_schulz(size_t rows, size_t columns, float *x, float *next, float *a, float *poly,
                          int threads) {
    static const float c[3] = {3.4445f, -4.7750f, 2.0315f};
    double sum = 0;
    for (size_t i = 0; i < rows * columns; i++) sum += (double)x[i] * (double)x[i];
    cru_rescale(rows * columns, (float)(1 / (sqrt(sum) + 1e-7)), x);
    for (int round = 0; round < 5; round++) {
        cru_gemm(CRU_N, CRU_T, rows, rows, columns, x, columns, x, columns, false, a, rows,
                 threads);
        cru_gemm(CRU_N, CRU_N, rows, rows, rows, a, rows, a, rows, false, poly, rows, threads);
        for (size_t i = 0; i < rows * rows; i++) poly[i] = c[1] * a[i] + c[2] * poly[i];
        cru_gemm(CRU_N, CRU_N, rows, columns, rows, poly, rows, x, columns, false, next, columns,
                 threads);
        for (size_t i = 0; i < rows * columns; i++) x[i] = c[0] * x[i] + next[i];
    }
}

static void muon_tensor(struct cru_adamw *adamw, const struct cru_tensor *t, struct cru_step step) {
    size_t n = t->rows * t->columns, rows = t->rows, columns = t->columns;
    bool flip = rows > columns;
    size_t small = flip ? columns : rows, large = flip ? rows : columns;
    float *x = adamw->work, *next = x + n, *a = next + n, *poly = a + small * small;
    float *g = adamw->model->grads + t->offset, *p = adamw->model->params + t->offset;
    float *m = adamw->first + t->offset;
    const float mu = (float)CRU_MUON_MOMENTUM, scale = (float)step.gradient_scale;
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++) {
            size_t at = i * columns + j;
            float grad = g[at] * scale;
            m[at] = mu * m[at] + grad;
            x[flip ? j * rows + i : at] = grad + mu * m[at];
            g[at] = 0;
        }
    newton_schulz(small, large, x, next, a, poly, adamw->model->threads);
    double shape = rows > columns ? sqrt((double)rows / (double)columns) : 1;
    float rate = (float)(step.muon_learning_rate * shape);
    float keep = (float)(1 - step.muon_learning_rate * step.weight_decay);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++) {
            size_t at = i * columns + j;
            p[at] = p[at] * keep - rate * x[flip ? j * rows + i : at];
        }
}

void cru_adamw_step(struct cru_adamw *adamw, struct cru_step step) {
    for (size_t i = 0; i < adamw->model->n_tensors; i++) {
        const struct cru_tensor *t = &adamw->model->tensors[i];
        if (by_muon(adamw->muon, t))
            muon_tensor(adamw, t, step);
        else
            adam_tensor(adamw, t, step);
    }
}

double cru_schedule(uint64_t number, uint64_t total, uint64_t warmup, double decay_fraction) {
    double factor = number < warmup ? (double)number / (double)warmup : 1;
    double decay = (double)total * decay_fraction, left = (double)(total - number) + 1;
    if (decay >= 1 && left <= decay && left / (decay + 1) < factor) factor = left / (decay + 1);
    return factor;
}
