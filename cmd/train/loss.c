/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/base/base.h"
#include "crucible/base/parallel.h"
#include "cmd/train/gemm.h"
#include "cmd/train/loss.h"

size_t cru_loss_chunk_rows(struct cru_loss loss) {
    size_t rows = ((size_t)32 << 20) / sizeof(float) / loss.vocabulary / 16 * 16;
    return rows < 16 ? 16 : rows > 1024 ? 1024 : rows;
}

/*
 * The float row works on eight lanes at a time in GCC's vector types, which any machine can
 * compute; SOFTMAX_RUN values are summed in lanes, then gathered in double, so no sum is long
 * enough to lose digits.
 */
#ifndef CRU_REAL_DOUBLE
enum { SOFTMAX_LANES = 8, SOFTMAX_RUN = 1024 };
typedef float softmax_reals __attribute__((vector_size(4 * SOFTMAX_LANES)));
typedef uint32_t softmax_bits __attribute__((vector_size(4 * SOFTMAX_LANES)));

/* *x <- the larger of *x and *y in each lane */
static inline __attribute__((always_inline)) void lanes_max(softmax_reals *x,
                                                            const softmax_reals *y) {
    softmax_bits keep = (softmax_bits)(*x > *y);
    *x = (softmax_reals)(((softmax_bits)*x & keep) | ((softmax_bits)*y & ~keep));
}

static inline __attribute__((always_inline)) void lanes_exp(softmax_reals *x) {
    const float round =
        12582912.0f; /* 1.5 * 2^23: adding it leaves the nearest integer in the low bits */
    const softmax_reals low = {-87, -87, -87, -87,
                               -87, -87, -87, -87}; /* e^-87: the last normal number */
    lanes_max(x, &low);
    softmax_reals t = *x * 1.44269504f + round, k = t - round;
    softmax_reals r =
        (*x - k * 0.693359375f) + k * 2.12194440e-4f; /* ln 2 in two parts (Cody, Waite 1980) */
    softmax_reals p = r * (1.0f / 5040) + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    *x = p * (softmax_reals)(((softmax_bits)t << 23) + 0x3F800000u); /* 2^k */
}

static inline __attribute__((always_inline)) void softmax_body(size_t n, real *z, real *most,
                                                               real *sum) {
    const float none = -INFINITY;
    softmax_reals x, top = {none, none, none, none, none, none, none, none}, last;
    size_t i, whole = n / SOFTMAX_LANES * SOFTMAX_LANES, left = n - whole;
    double total = 0;
    last = top; /* lanes past the end */
    memcpy(&last, z + whole, left * sizeof *z);
    for (i = 0; i < whole; i += SOFTMAX_LANES) {
        memcpy(&x, z + i, sizeof x);
        lanes_max(&top, &x);
    }
    lanes_max(&top, &last);
    for (size_t l = 1; l < SOFTMAX_LANES; l++) top[0] = top[l] > top[0] ? top[l] : top[0];
    float highest = top[0];
    for (i = 0; i < whole;) {
        softmax_reals lanes = {0};
        size_t end = whole - i < SOFTMAX_RUN ? whole : i + SOFTMAX_RUN;
        for (; i < end; i += SOFTMAX_LANES) {
            memcpy(&x, z + i, sizeof x);
            x -= highest;
            lanes_exp(&x);
            memcpy(z + i, &x, sizeof x);
            lanes += x;
        }
        for (size_t l = 0; l < SOFTMAX_LANES; l++) total += (double)lanes[l];
    }
    last -= highest;
    lanes_exp(&last);
    memcpy(z + whole, &last, left * sizeof *z);
    for (size_t l = 0; l < left; l++) total += (double)last[l];
    *most = highest;
    *sum = (real)total;
}
#endif

/* No fused multiply-adds (ISO C contraction is off), so wider vectors give the same bits. */
#ifdef CRU_REAL_DOUBLE
void cru_softmax_row(size_t n, real *z, real *most, real *sum) {
    *most = -INFINITY, *sum = 0;
    for (size_t i = 0; i < n; i++) *most = z[i] > *most ? z[i] : *most;
    for (size_t i = 0; i < n; i++) *sum += z[i] = exp(z[i] - *most);
}
#elif defined(__x86_64__)
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
void cru_softmax_row(size_t n, real *z, real *most, real *sum) {
    softmax_body(n, z, most, sum);
}
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
    cru_rescale(job->vocabulary, (real)((double)targets * share / (double)sum), z);
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
        cru_gemm(CRU_T, CRU_N, vocabulary, d, count, logits, vocabulary, hidden + first * d, d,
                 true, dtable, d, threads);
    }
}
