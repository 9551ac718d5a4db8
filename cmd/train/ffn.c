/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/base/base.h"
#include "crucible/base/parallel.h"
#include "cmd/train/ffn.h"
#include "cmd/train/gemm.h"

void cru_ffn_reserve(struct cru_ffn ffn, size_t n, struct cru_region *region,
                     struct cru_ffn_cache *cache) {
    cache->gate_up = cru_region_reals(region, n * 2 * ffn.f);
    cache->act = cru_region_reals(region, n * ffn.f);
}

struct ffn_job {
    size_t f;
    const real *gate_up, *dact;
    real *act, *dgate_up;
};

static void ffn_forward_row(void *context, size_t r, int thread) {
    const struct ffn_job *job = context;
    (void)thread;
    const real *gate = job->gate_up + r * 2 * job->f, *up = gate + job->f;
    for (size_t i = 0; i < job->f; i++) job->act[r * job->f + i] = cru_silu(gate[i]) * up[i];
}

void cru_ffn_forward(struct cru_ffn ffn, size_t n, const real *w_in, const real *w_out,
                     const real *h, const struct cru_ffn_cache *cache, real *out, int threads) {
    struct ffn_job job = {.f = ffn.f, .gate_up = cache->gate_up, .act = cache->act};
    cru_gemm(CRU_N, CRU_T, n, 2 * ffn.f, ffn.d, h, ffn.d, w_in, ffn.d, false, cache->gate_up,
             2 * ffn.f, threads);
    cru_parallel_for(n, 16, threads, ffn_forward_row, &job);
    cru_gemm(CRU_N, CRU_T, n, ffn.d, ffn.f, cache->act, ffn.f, w_out, ffn.f, true, out, ffn.d,
             threads);
}

static void ffn_backward_row(void *context, size_t r, int thread) {
    const struct ffn_job *job = context;
    (void)thread;
    const real *gate = job->gate_up + r * 2 * job->f, *up = gate + job->f;
    const real *dact = job->dact + r * job->f;
    real *dgate = job->dgate_up + r * 2 * job->f, *dup = dgate + job->f;
    for (size_t i = 0; i < job->f; i++) {
        real s = cru_sigmoid(gate[i]);
        dgate[i] = dact[i] * up[i] * s * (1 + gate[i] * (1 - s));
        dup[i] = dact[i] * gate[i] * s;
    }
}

void cru_ffn_backward(struct cru_ffn ffn, size_t n, const real *w_in, const real *w_out,
                      const real *h, const struct cru_ffn_cache *cache, const real *dout, real *dh,
                      real *dw_in, real *dw_out, real *scratch, int threads) {
    real *dgate_up = scratch, *dact = scratch + n * 2 * ffn.f;
    struct ffn_job job = {.f = ffn.f, .gate_up = cache->gate_up, .dact = dact};
    job.dgate_up = dgate_up;
    cru_gemm(CRU_N, CRU_N, n, ffn.f, ffn.d, dout, ffn.d, w_out, ffn.f, false, dact, ffn.f, threads);
    cru_gemm(CRU_T, CRU_N, ffn.d, ffn.f, n, dout, ffn.d, cache->act, ffn.f, true, dw_out, ffn.f,
             threads);
    cru_parallel_for(n, 16, threads, ffn_backward_row, &job);
    cru_gemm(CRU_N, CRU_N, n, ffn.d, 2 * ffn.f, dgate_up, 2 * ffn.f, w_in, ffn.d, false, dh, ffn.d,
             threads);
    cru_gemm(CRU_T, CRU_N, 2 * ffn.f, ffn.d, n, dgate_up, 2 * ffn.f, h, ffn.d, true, dw_in, ffn.d,
             threads);
}
