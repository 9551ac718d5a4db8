/* SPDX-License-Identifier: Apache-2.0 */
#if defined(CRU_OPENBLAS) && !defined(CRU_REAL_DOUBLE)
#define CRU_GEMM_BLAS 1
#include <cblas.h>
#else
#define CRU_GEMM_BLAS 0
#endif

#include "crucible/base/base.h"
#include "crucible/base/parallel.h"
#include "cmd/train/gemm.h"

/*
 * The reference works on tiles of C of GEMM_M x GEMM_N that stay in registers, over runs of GEMM_K
 * of the inner dimension, with both operands copied into the order in which they are read:
 *
 *     pack_b  k0: b[0..15]  k1: b[0..15] ...      pack_a  k0: a[0..3]  k1: a[0..3] ...
 */
enum { GEMM_M = 4, GEMM_N = 16, GEMM_K = 256 };

static void gemm_pack(enum cru_op op, const real *x, size_t ld, size_t at, size_t count,
                      size_t width, size_t k0, size_t depth, bool rows, real *out) {
    /* Element (i, p) of the packed panel is row i of op(A), or column i of op(B), at inner index p.
     */
    bool inner_is_contiguous = rows ? op == CRU_N : op == CRU_T;
    for (size_t p = 0; p < depth; p++) {
        real *to = out + p * width;
        const real *from = inner_is_contiguous ? x + at * ld + k0 + p : x + (k0 + p) * ld + at;
        size_t step = inner_is_contiguous ? ld : 1;
        for (size_t i = 0; i < count; i++) to[i] = from[i * step];
        for (size_t i = count; i < width; i++) to[i] = 0;
    }
}

static void gemm_tile(size_t depth, const real *restrict a, const real *restrict b,
                      real tile[GEMM_M][GEMM_N]) {
    memset(tile, 0, sizeof(real) * GEMM_M * GEMM_N);
    for (size_t p = 0; p < depth; p++, a += GEMM_M, b += GEMM_N)
        for (size_t i = 0; i < GEMM_M; i++)
            for (size_t j = 0; j < GEMM_N; j++) tile[i][j] += a[i] * b[j];
}

void cru_gemm_reference(enum cru_op ta, enum cru_op tb, size_t m, size_t n, size_t k, const real *a,
                        size_t lda, const real *b, size_t ldb, bool add, real *c, size_t ldc) {
    real packed_a[GEMM_K * GEMM_M], packed_b[GEMM_K * GEMM_N], tile[GEMM_M][GEMM_N];
    if (!add)
        for (size_t i = 0; i < m; i++) memset(c + i * ldc, 0, n * sizeof *c);
    for (size_t k0 = 0; k0 < k; k0 += GEMM_K) {
        size_t depth = k - k0 < GEMM_K ? k - k0 : GEMM_K;
        for (size_t j = 0; j < n; j += GEMM_N) {
            size_t nj = n - j < GEMM_N ? n - j : GEMM_N;
            gemm_pack(tb, b, ldb, j, nj, GEMM_N, k0, depth, false, packed_b);
            for (size_t i = 0; i < m; i += GEMM_M) {
                size_t mi = m - i < GEMM_M ? m - i : GEMM_M;
                gemm_pack(ta, a, lda, i, mi, GEMM_M, k0, depth, true, packed_a);
                gemm_tile(depth, packed_a, packed_b, tile);
                for (size_t r = 0; r < mi; r++)
                    for (size_t s = 0; s < nj; s++) c[(i + r) * ldc + j + s] += tile[r][s];
            }
        }
    }
}

void cru_gemm_serial(enum cru_op ta, enum cru_op tb, size_t m, size_t n, size_t k, const real *a,
                     size_t lda, const real *b, size_t ldb, bool add, real *c, size_t ldc) {
#if CRU_GEMM_BLAS
    if (m == 0 || n == 0) return;
    cblas_sgemm(CblasRowMajor, ta == CRU_T ? CblasTrans : CblasNoTrans,
                tb == CRU_T ? CblasTrans : CblasNoTrans, (blasint)m, (blasint)n, (blasint)k, 1.0f,
                a, (blasint)lda, b, (blasint)ldb, add ? 1.0f : 0.0f, c, (blasint)ldc);
#else
    cru_gemm_reference(ta, tb, m, n, k, a, lda, b, ldb, add, c, ldc);
#endif
}

struct gemm_job {
    enum cru_op ta, tb;
    size_t m, n, k, lda, ldb, ldc, piece;
    const real *a, *b;
    real *c;
    bool add, by_rows;
};

static void gemm_piece(void *context, size_t i, int thread) {
    const struct gemm_job *job = context;
    (void)thread;
    size_t at = i * job->piece, whole = job->by_rows ? job->m : job->n;
    size_t n = whole - at < job->piece ? whole - at : job->piece;
    if (job->by_rows)
        cru_gemm_serial(job->ta, job->tb, n, job->n, job->k,
                        job->a + (job->ta == CRU_N ? at * job->lda : at), job->lda, job->b,
                        job->ldb, job->add, job->c + at * job->ldc, job->ldc);
    else
        cru_gemm_serial(job->ta, job->tb, job->m, n, job->k, job->a, job->lda,
                        job->b + (job->tb == CRU_N ? at : at * job->ldb), job->ldb, job->add,
                        job->c + at, job->ldc);
}

void cru_gemm(enum cru_op ta, enum cru_op tb, size_t m, size_t n, size_t k, const real *a,
              size_t lda, const real *b, size_t ldb, bool add, real *c, size_t ldc, int threads) {
    /* Up to 32 pieces of at least 64 along C's longer side: enough for many cores, few enough that
     * re-reading the other operand costs little. */
    struct gemm_job job = {ta, tb, m, n, k, lda, ldb, ldc, 64, a, b, c, add, m >= n};
    size_t side = job.by_rows ? m : n;
    if ((side + job.piece - 1) / job.piece > 32) job.piece = ((side + 31) / 32 + 15) / 16 * 16;
    cru_parallel_for((side + job.piece - 1) / job.piece, 1, threads, gemm_piece, &job);
}

void cru_gemm_prepare(void) {
#if CRU_GEMM_BLAS
    openblas_set_num_threads(1);
#endif
}

const char *cru_gemm_backend(void) {
    return CRU_GEMM_BLAS ? "openblas" : "plain C";
}
