/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C = op(A) op(B), or C += op(A) op(B), row-major; op(X) is X or its transpose, `ld` counts
 * elements between rows as stored. op(A) is m x k, op(B) is k x n, C is m x n. C must not overlap A
 * or B.
 *
 * With CRU_OPENBLAS, in the float build, the work is done by OpenBLAS; else, and always in the
 * double build, by cru_gemm_reference, plain C. Threads are ours: a product is cut into pieces by
 * its shape alone and each piece is one single-threaded call, so the result is the same for any
 * thread count. Any thread may call; nothing can fail.
 */
#ifndef CRU_TRAIN_GEMM_H
#define CRU_TRAIN_GEMM_H

#include "cmd/train/real.h"
#include <stdbool.h>

enum cru_op { CRU_N, CRU_T };

/* On `threads` threads. */
void cru_gemm(enum cru_op ta, enum cru_op tb, size_t m, size_t n, size_t k, const real *a,
              size_t lda, const real *b, size_t ldb, bool add, real *c, size_t ldc, int threads);

/* On the calling thread, which may be one of many. */
void cru_gemm_serial(enum cru_op ta, enum cru_op tb, size_t m, size_t n, size_t k, const real *a,
                     size_t lda, const real *b, size_t ldb, bool add, real *c, size_t ldc);

/* The plain C that the others are tested against. */
void cru_gemm_reference(enum cru_op ta, enum cru_op tb, size_t m, size_t n, size_t k, const real *a,
                        size_t lda, const real *b, size_t ldb, bool add, real *c, size_t ldc);

/* Stops the BLAS library from starting threads of its own. Call it once, before any other. */
void cru_gemm_prepare(void);

/* "openblas" or "plain C". */
const char *cru_gemm_backend(void);

#endif
