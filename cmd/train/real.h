/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trainer's number: float, or double where CRU_REAL_DOUBLE is defined before the first include.
 *
 * Every layer is written once, over `real`, and compiled twice: as float for training, and as
 * double in gradient_check.c, which includes the layers' sources so that finite differences can be
 * taken to ten digits. The list below gives the double build names of its own, so that both can be
 * linked into one program. Every public function of a layer file stands in it.
 *
 * Conventions of all layer files: matrices are row-major; a row is a position of the micro-batch; n
 * is the number of rows; weights are [out][in]; gradients of parameters are added to, never
 * overwritten. No result depends on `threads`: work is cut by shape alone and sums have a fixed
 * order.
 */
#ifndef CRU_TRAIN_REAL_H
#define CRU_TRAIN_REAL_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#ifdef CRU_REAL_DOUBLE
typedef double real;
#define cru_attention_backward cru_f64_attention_backward
#define cru_attention_forward cru_f64_attention_forward
#define cru_attention_reserve cru_f64_attention_reserve
#define cru_conv_backward cru_f64_conv_backward
#define cru_conv_forward cru_f64_conv_forward
#define cru_delta_backward cru_f64_delta_backward
#define cru_delta_forward cru_f64_delta_forward
#define cru_delta_scratch cru_f64_delta_scratch
#define cru_delta_sequential cru_f64_delta_sequential
#define cru_delta_states cru_f64_delta_states
#define cru_embedding_backward cru_f64_embedding_backward
#define cru_embedding_forward cru_f64_embedding_forward
#define cru_ffn_backward cru_f64_ffn_backward
#define cru_ffn_forward cru_f64_ffn_forward
#define cru_ffn_reserve cru_f64_ffn_reserve
#define cru_gdn_backward cru_f64_gdn_backward
#define cru_gdn_forward cru_f64_gdn_forward
#define cru_gdn_reserve cru_f64_gdn_reserve
#define cru_gemm cru_f64_gemm
#define cru_gemm_backend cru_f64_gemm_backend
#define cru_gemm_prepare cru_f64_gemm_prepare
#define cru_gemm_reference cru_f64_gemm_reference
#define cru_gemm_serial cru_f64_gemm_serial
#define cru_loss_chunk_rows cru_f64_loss_chunk_rows
#define cru_loss_run cru_f64_loss_run
#define cru_model_backward cru_f64_model_backward
#define cru_model_forward cru_f64_model_forward
#define cru_model_initialise cru_f64_model_initialise
#define cru_model_layout cru_f64_model_layout
#define cru_model_loss cru_f64_model_loss
#define cru_model_plan cru_f64_model_plan
#define cru_model_release cru_f64_model_release
#define cru_model_reserve cru_f64_model_reserve
#define cru_rmsnorm_backward cru_f64_rmsnorm_backward
#define cru_rmsnorm_forward cru_f64_rmsnorm_forward
#define cru_softmax_row cru_f64_softmax_row
#else
typedef float real;
#endif

static inline real cru_real_exp(real x) {
#ifdef CRU_REAL_DOUBLE
    return exp(x);
#else
    return expf(x);
#endif
}
static inline real cru_real_sqrt(real x) {
#ifdef CRU_REAL_DOUBLE
    return sqrt(x);
#else
    return sqrtf(x);
#endif
}
static inline real cru_sigmoid(real x) {
    if (x >= 0) return 1 / (1 + cru_real_exp(-x));
    real e = cru_real_exp(x);
    return e / (1 + e);
}
/* x * sigmoid(x) and its derivative (Elfwing, Uchibe, Doya 2017). */
static inline real cru_silu(real x) {
    return x * cru_sigmoid(x);
}
static inline real cru_silu_slope(real x) {
    real s = cru_sigmoid(x);
    return s * (1 + x * (1 - s));
}
/* log(1 + e^x) without overflow. */
static inline real cru_softplus(real x) {
#ifdef CRU_REAL_DOUBLE
    return (x > 0 ? x : 0) + log1p(exp(-fabs(x)));
#else
    return (x > 0 ? x : 0) + log1pf(expf(-fabsf(x)));
#endif
}

/* Loops in runs of eight with a constant count, which the compiler turns into vector code at -O2;
 * the order of every sum is the same on all machines. */
enum { CRU_LANES = 8 };

static inline void cru_axpy(size_t n, real a, const real *restrict x, real *restrict y) {
    size_t i = 0;
    for (; i + CRU_LANES <= n; i += CRU_LANES)
        for (size_t l = 0; l < CRU_LANES; l++) y[i + l] += a * x[i + l];
    for (; i < n; i++) y[i] += a * x[i];
}
static inline real cru_dot(size_t n, const real *restrict x, const real *restrict y) {
    real lane[CRU_LANES] = {0}, sum = 0;
    size_t i = 0;
    for (; i + CRU_LANES <= n; i += CRU_LANES)
        for (size_t l = 0; l < CRU_LANES; l++) lane[l] += x[i + l] * y[i + l];
    for (; i < n; i++) sum += x[i] * y[i];
    for (size_t l = 0; l < CRU_LANES; l++) sum += lane[l];
    return sum;
}
/* y = a * x */
static inline void cru_scale(size_t n, real a, const real *restrict x, real *restrict y) {
    size_t i = 0;
    for (; i + CRU_LANES <= n; i += CRU_LANES)
        for (size_t l = 0; l < CRU_LANES; l++) y[i + l] = a * x[i + l];
    for (; i < n; i++) y[i] = a * x[i];
}
/* x = a * x */
static inline void cru_rescale(size_t n, real a, real *x) {
    size_t i = 0;
    for (; i + CRU_LANES <= n; i += CRU_LANES)
        for (size_t l = 0; l < CRU_LANES; l++) x[i + l] *= a;
    for (; i < n; i++) x[i] *= a;
}

#endif
