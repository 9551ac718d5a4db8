/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EESD on the card, with the rate of the first pass beside that of cuBLASLt's int8 matrix product
 * on random numbers in the same run. `make bench-gpu`. Operations are counted as 2 n n d, d as
 * given.
 */
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <vector>

#include <cublasLt.h>
#include <cuda_runtime.h>

extern "C" {
#include "crucible/base/hash.h"
#include "crucible/base/parallel.h"
#include "crucible/select/eesd_cuda.h"
}

static void must(bool good, const char *what) {
    if (good) return;
    (void)fprintf(stderr, "failed: %s\n", what);
    exit(2);
}

static double seconds(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- the peer ---- */

/* The best of cuBLASLt's first few algorithms: the median of several products, in operations a
 * second. C (m x n, int32) = A' B with A and B int8, k numbers a column. */
static double cublaslt_rate(size_t m, size_t n, size_t k) {
    enum { ALGORITHMS = 8, TIMES = 9, WORKSPACE = 64 << 20 };
    cublasLtHandle_t lt;
    cublasLtMatmulDesc_t op;
    cublasLtMatrixLayout_t of_a, of_b, of_c;
    cublasLtMatmulPreference_t preference;
    cublasLtMatmulHeuristicResult_t found[ALGORITHMS];
    cublasOperation_t transpose = CUBLAS_OP_T;
    const int32_t one = 1, zero = 0;
    size_t workspace = WORKSPACE;
    int n_found = 0;
    double best = 0;
    int8_t *a, *b;
    int32_t *c;
    void *work;
    std::vector<int8_t> host((m + n) * k);
    cudaEvent_t from, to;
    struct cru_random r = {1};
    for (int8_t &x : host)
        x = (int8_t)((double)(cru_random_next(&r) >> 40) * (127. / (1 << 24)) - 63);
    must(cudaMalloc(&a, m * k) == cudaSuccess && cudaMalloc(&b, n * k) == cudaSuccess &&
             cudaMalloc(&c, m * n * sizeof *c) == cudaSuccess &&
             cudaMalloc(&work, workspace) == cudaSuccess,
         "memory of the card");
    must(cudaMemcpy(a, host.data(), m * k, cudaMemcpyHostToDevice) == cudaSuccess &&
             cudaMemcpy(b, host.data() + m * k, n * k, cudaMemcpyHostToDevice) == cudaSuccess,
         "copy to the card");
    must(cublasLtCreate(&lt) == CUBLAS_STATUS_SUCCESS, "cuBLASLt");
    must(!cublasLtMatmulDescCreate(&op, CUBLAS_COMPUTE_32I, CUDA_R_32I) &&
             !cublasLtMatmulDescSetAttribute(op, CUBLASLT_MATMUL_DESC_TRANSA, &transpose,
                                             sizeof transpose) &&
             !cublasLtMatrixLayoutCreate(&of_a, CUDA_R_8I, k, m, (int64_t)k) &&
             !cublasLtMatrixLayoutCreate(&of_b, CUDA_R_8I, k, n, (int64_t)k) &&
             !cublasLtMatrixLayoutCreate(&of_c, CUDA_R_32I, m, n, (int64_t)m) &&
             !cublasLtMatmulPreferenceCreate(&preference) &&
             !cublasLtMatmulPreferenceSetAttribute(preference,
                                                   CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                   &workspace, sizeof workspace) &&
             !cublasLtMatmulAlgoGetHeuristic(lt, op, of_a, of_b, of_c, of_c, preference, ALGORITHMS,
                                             found, &n_found),
         "cuBLASLt's int8 product");
    must(!cudaEventCreate(&from) && !cudaEventCreate(&to), "event");
    for (int i = 0; i < n_found; i++) {
        float ms[TIMES];
        bool good = true;
        for (int t = -2; t < TIMES && good; t++) {
            (void)cudaEventRecord(from, 0);
            good = cublasLtMatmul(lt, op, &one, a, of_a, b, of_b, &zero, c, of_c, c, of_c,
                                  &found[i].algo, work, workspace, 0) == CUBLAS_STATUS_SUCCESS;
            (void)cudaEventRecord(to, 0);
            good = good && cudaEventSynchronize(to) == cudaSuccess;
            if (t >= 0) (void)cudaEventElapsedTime(&ms[t], from, to);
        }
        if (!good) continue;
        std::sort(ms, ms + TIMES);
        best = std::max(best, 2. * (double)m * (double)n * (double)k / (ms[TIMES / 2] * 1e-3));
    }
    (void)cublasLtDestroy(lt);
    for (void *p : {(void *)a, (void *)b, (void *)c, work}) (void)cudaFree(p);
    return best;
}

/* ---- the pool ---- */

struct world {
    size_t n, d, clusters;
    std::vector<int8_t> rows;
    std::vector<float> centre;
    std::vector<uint16_t> weight;
    std::vector<int64_t> bonus;
    std::vector<uint32_t> members;
    struct cru_eesd_pool pool;
    /* check */
    std::vector<int32_t> cover;
    std::vector<int64_t> sums;
    const int8_t *pick;
};

enum { GRAIN = 4096 };

static void fill_rows(void *context, size_t task, int) {
    struct world *w = (struct world *)context;
    std::vector<float> x(w->d);
    for (size_t i = task * GRAIN; i < w->n && i < (task + 1) * GRAIN; i++) {
        struct cru_random r = {i * 77 + 5};
        size_t c = w->clusters ? cru_random_next(&r) % w->clusters : 0;
        for (size_t k = 0; k < w->d; k++)
            x[k] = (float)(cru_random_unit(&r) - .5) + w->centre[c * w->d + k];
        (void)cru_row_quantise(x.data(), w->d, &w->rows[i * w->d], w->d);
        w->weight[i] = (uint16_t)(cru_random_next(&r) % 65536);
        w->bonus[i] = (int64_t)w->weight[i] * 5000;
        w->members[i] = (uint32_t)i;
    }
}

/* Clusters with as much spread as they are apart; 0: uniform noise. */
static void world_make(struct world *w, size_t n, size_t d, size_t clusters) {
    struct cru_random r = {n + clusters};
    w->n = n;
    w->d = d;
    w->clusters = clusters;
    w->rows.resize(n * d);
    w->centre.assign(clusters * d + d, 0);
    for (size_t i = 0; i < clusters * d; i++) w->centre[i] = (float)(cru_random_unit(&r) - .5);
    w->weight.resize(n);
    w->bonus.resize(n);
    w->members.resize(n);
    cru_parallel_for((n + GRAIN - 1) / GRAIN, 1, cru_threads_available(), fill_rows, w);
    w->pool = {};
    w->pool.rows = w->rows.data();
    w->pool.d = d;
    w->pool.weight = w->weight.data();
    w->pool.bonus = w->bonus.data();
}

static void raise_rows(void *context, size_t task, int) {
    struct world *w = (struct world *)context;
    int64_t sum = 0;
    for (size_t i = task * GRAIN; i < w->n && i < (task + 1) * GRAIN; i++) {
        const int8_t *row = &w->rows[i * w->d];
        int32_t dot = 0;
        for (size_t k = 0; k < w->d; k++) dot += (int32_t)row[k] * w->pick[k];
        if (dot <= w->cover[i]) continue;
        sum += (int64_t)(dot - w->cover[i]) * w->weight[i];
        w->cover[i] = dot;
    }
    w->sums[task] = sum;
}

/* Whether the first picks gained what the processor says they gain. */
static bool check(struct world *w, const struct cru_eesd_result *result) {
    enum { CHECKED = 100 };
    const size_t tasks = (w->n + GRAIN - 1) / GRAIN;
    w->cover.assign(w->n, 0);
    for (size_t t = 0; t < CHECKED && t < result->n; t++) {
        int64_t gain = w->bonus[result->picks[t]];
        w->pick = &w->rows[result->picks[t] * w->d];
        w->sums.assign(tasks, 0);
        cru_parallel_for(tasks, 1, cru_threads_available(), raise_rows, w);
        for (int64_t s : w->sums) gain += s;
        if (gain != result->gains[t] || (t > 0 && result->gains[t] > result->gains[t - 1]))
            return false;
    }
    return true;
}

/* ---- a line of the table ---- */

/* `cards`: on how many the candidates are laid out. The last number tells choices apart. */
static void bench(size_t n, size_t d, size_t clusters, size_t k, int times, double peer, int cards) {
    static struct world w;
    struct cru_eesd_result result;
    struct cru_eesd_cuda_times t = {};
    struct cru_eesd_plan plan = {};
    struct cru_error err = {CRU_OK, ""};
    world_make(&w, n, d, clusters);
    plan.method = CRU_METHOD_LAZY;
    plan.budget = k;
    cru_eesd_result_init(&result);
    for (int i = 0; i < times; i++) {
        if (cru_eesd_run_cuda(&w.pool, w.members.data(), n, &plan, cards, &result, &t, &err)) {
            (void)fprintf(stderr, "%s\n", err.message);
            exit(2);
        }
        double rate = 2. * (double)n * (double)n * (double)d / t.first_pass;
        (void)printf(
            "%9zu x %5zu, %5zu clusters, k %6zu: total %7.3f s, setup %6.3f, first pass %7.4f "
            "(%6.1f T/s",
            n, d, clusters, result.n, t.total, t.setup, t.first_pass, rate / 1e12);
        if (peer > 0) (void)printf(", %4.1f %% of cuBLASLt", 100 * rate / peer);
        uint32_t choice = 0;
        for (size_t p = 0; p < result.n; p++) choice = choice * 0x9E3779B1u + result.picks[p];
        (void)printf("), picks %7.3f, evaluations %.2f n, certificate %.4f, %d card%s, %08x\n", t.picks,
                     (double)result.evaluations / (double)n,
                     (double)result.objective / (double)result.upper, cards, cards > 1 ? "s" : "", choice);
        (void)fflush(stdout);
    }
    (void)printf("          the first 100 gains by the processor: %s\n",
                 check(&w, &result) ? "equal" : "DIFFERENT");
    (void)fflush(stdout);
    cru_eesd_result_release(&result);
}

int main(void) {
    struct cru_error err = {CRU_OK, ""};
    struct cudaDeviceProp card;
    double from, peer;
    int cards = cru_cuda_cards(&err);
    if (cards == 0) {
        (void)fprintf(stderr, "%s\n", err.message);
        return 2;
    }
    must(cudaGetDeviceProperties(&card, 0) == cudaSuccess, "card");
    (void)printf("%s, %d multiprocessors\n", card.name, card.multiProcessorCount);
    from = seconds();
    bench(50000, 1024, 500, 5000, 2, 0, 1); /* the first with the context's start in it */
    (void)printf("cold start of the process to here: %.2f s\n", seconds() - from);
    peer = cublaslt_rate(8192, 8192, 8192);
    (void)printf("cuBLASLt int8, 8192 x 8192 x 8192: %.1f T/s\n", peer / 1e12);
    (void)printf("cuBLASLt int8, 32768 x 32768 x 256: %.1f T/s\n",
                 cublaslt_rate(32768, 32768, 256) / 1e12);
    bench(1000000, 256, 2000, 10000, 2, peer, 1);
    bench(1000000, 256, 0, 10000, 1, peer, 1);
    bench(50000, 256, 500, 5000, 1, peer, 1);
    if (cards > 1) { /* the rates are of all cards together */
        bench(50000, 1024, 500, 5000, 2, 0, cards);
        bench(1000000, 256, 2000, 10000, 2, peer, cards);
        bench(1000000, 256, 0, 10000, 1, peer, cards);
    }
    peer = cublaslt_rate(8192, 8192, 8192);
    (void)printf("cuBLASLt int8, 8192 x 8192 x 8192, again: %.1f T/s\n", peer / 1e12);
    return 0;
}
