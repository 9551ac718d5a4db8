/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/base/base.h"
#include "crucible/base/parallel.h"
#include "cmd/train/gemm.h"
#include "cmd/train/loss.h"

size_t cru_loss_chunk_rows(struct cru_loss loss) {
    size_t rows = ((size_t)32 << 20) / sizeof(float) / loss.vocabulary / 16 * 16;
    return rows < 16 ? 16 : rows > 1024 ? 1024 : rows;
}

enum { SOFTMAX_LANES = 16 };

#ifdef CRU_REAL_DOUBLE
static inline real softmax_exp(real x) { return exp(x); }
#else
static inline __attribute__((always_inline)) float softmax_exp(float x) {
    const float round = 12582912.0f; /* 1.5 * 2^23: adding it leaves the nearest integer in the low bits */
    const float low = -87.0f;        /* e^-87 is the last that is not subnormal */
    x = x > low ? x : low;
    float t = x * 1.44269504f + round, k = t - round;
    uint32_t bits;
    memcpy(&bits, &t, sizeof bits);
    float r = (x - k * 0.693359375f) + k * 2.12194440e-4f; /* ln 2 in two parts (Cody, Waite 1980) */
    float p = 1.0f / 5040;
    p = p * r + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    bits = (bits << 23) + 0x3F800000u; /* 2^k */
    float power;
    memcpy(&power, &bits, sizeof power);
    return p * power;
}
#endif

static inline __attribute__((always_inline)) void softmax_body(size_t n, real *z, real *most,
                                                               real *sum) {
    real top[SOFTMAX_LANES], total[SOFTMAX_LANES];
    size_t i, whole = n / SOFTMAX_LANES * SOFTMAX_LANES;
    for (size_t l = 0; l < SOFTMAX_LANES; l++) top[l] = -INFINITY, total[l] = 0;
    for (i = 0; i < whole; i += SOFTMAX_LANES)
        for (size_t l = 0; l < SOFTMAX_LANES; l++) top[l] = z[i + l] > top[l] ? z[i + l] : top[l];
    for (; i < n; i++) top[i - whole] = z[i] > top[i - whole] ? z[i] : top[i - whole];
    for (size_t l = 1; l < SOFTMAX_LANES; l++) top[0] = top[l] > top[0] ? top[l] : top[0];
    for (i = 0; i < whole; i += SOFTMAX_LANES)
        for (size_t l = 0; l < SOFTMAX_LANES; l++) {
            z[i + l] = softmax_exp(z[i + l] - top[0]);
            total[l] += z[i + l];
        }
    for (; i < n; i++) {
        z[i] = softmax_exp(z[i] - top[0]);
        total[i - whole] += z[i];
    }
    for (size_t l = 1; l < SOFTMAX_LANES; l++) total[0] += total[l];
    *most = top[0];
    *sum = total[0];
}

/* No fused multiply-adds (ISO C contraction is off), so wider vectors give the same bits. */
#if defined(__x86_64__) && !defined(CRU_REAL_DOUBLE)
__attribute__((target("avx2"))) static void softmax_avx2(size_t n, real *z, real *most, real *sum) {
    softmax_body(n, z, most, sum);
}
void cru_softmax_row(size_t n, real *z, real *most, real *sum) {
    if (__builtin_cpu_supports("avx2"))
        softmax_avx2(n, z, most, sum);
    else
        softmax_body(n, z, most, sum);
}
#else
void cru_softmax_row(size_t n, real *z, real *most, real *sum) { softmax_body(n, z, most, sum); }
#endif

struct loss_job {
    const struct cru_rows *rows;
    size_t vocabulary, first;
    real *logits;
    double *nll;
    double inverse_total;
    bool backward;
};

static void loss_row(void *context, size_t i, int thread) {
    const struct loss_job *job = context;
    const struct cru_rows *rows = job->rows;
    (void)thread;
    size_t r = job->first + i, targets = 0;
    const int32_t *target = rows->target + r * rows->bag;
    real *z = job->logits + i * job->vocabulary, most, sum;
    double picked = 0;
    for (size_t j = 0; j < rows->bag; j++)
        if (target[j] >= 0) picked += (double)z[target[j]], targets++;
    job->nll[r] = 0;
    if (targets == 0) {
        if (job->backward) memset(z, 0, job->vocabulary * sizeof *z);
        return;
    }
    cru_softmax_row(job->vocabulary, z, &most, &sum);
    job->nll[r] = (double)targets * ((double)most + log((double)sum)) - picked;
    if (!job->backward) return;
    double share = (double)rows->weight[r] * job->inverse_total;
    cru_scale(job->vocabulary, (real)((double)targets * share / (double)sum), z, z);
    for (size_t j = 0; j < rows->bag; j++)
        if (target[j] >= 0) z[target[j]] -= (real)share;
}

void cru_loss_run(struct cru_loss loss, const struct cru_rows *rows, const real *hidden,
                  const real *table, double inverse_total, real *logits, double *nll, real *dhidden,
                  real *dtable, int threads) {
    size_t chunk = cru_loss_chunk_rows(loss), d = loss.d, vocabulary = loss.vocabulary;
    struct loss_job job = {.rows = rows, .vocabulary = vocabulary, .logits = logits, .nll = nll};
    job.inverse_total = inverse_total, job.backward = dhidden != NULL;
    for (size_t first = 0; first < rows->n; first += chunk) {
        size_t count = rows->n - first < chunk ? rows->n - first : chunk;
        job.first = first;
        cru_gemm(CRU_N, CRU_T, count, vocabulary, d, hidden + first * d, d, table, d, false, logits,
                 vocabulary, threads);
        cru_parallel_for(count, 1, threads, loss_row, &job);
        if (!dhidden) continue;
        cru_gemm(CRU_N, CRU_N, count, d, vocabulary, logits, vocabulary, table, d, false,
                 dhidden + first * d, d, threads);
        cru_gemm(CRU_T, CRU_N, vocabulary, d, count, logits, vocabulary, hidden + first * d, d, true,
                 dtable, d, threads);
    }
}
