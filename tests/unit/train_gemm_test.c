/* SPDX-License-Identifier: Apache-2.0 */
/* Matrix products: both backends against a naive loop, and the same bits for any number of threads.
 * The loss: against a naive softmax in doubles, for bags, repeated targets and rows without any. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crucible/base/base.h"
#include "cmd/train/gemm.h"
#include "cmd/train/loss.h"

static float *floats(size_t n, uint64_t seed) {
    struct cru_random random = {seed};
    float *p = malloc((n + 1) * sizeof *p);
    assert_non_null(p);
    for (size_t i = 0; i < n; i++) p[i] = (float)(2 * cru_random_unit(&random) - 1);
    return p;
}

static void naive(enum cru_op ta, enum cru_op tb, size_t m, size_t n, size_t k, const float *a,
                  size_t lda, const float *b, size_t ldb, bool add, double *c, size_t ldc) {
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = add ? c[i * ldc + j] : 0;
            for (size_t p = 0; p < k; p++)
                sum += (double)(ta == CRU_N ? a[i * lda + p] : a[p * lda + i]) *
                       (double)(tb == CRU_N ? b[p * ldb + j] : b[j * ldb + p]);
            c[i * ldc + j] = sum;
        }
}

static void one_product(enum cru_op ta, enum cru_op tb, size_t m, size_t n, size_t k, bool add) {
    size_t lda = (ta == CRU_N ? k : m) + 3, ldb = (tb == CRU_N ? n : k) + 1, ldc = n + 2;
    float *a = floats((ta == CRU_N ? m : k) * lda, 1), *b = floats((tb == CRU_N ? k : n) * ldb, 2);
    float *start = floats(m * ldc, 3), *c[4];
    double *want = malloc((m * ldc + 1) * sizeof *want);
    assert_non_null(want);
    for (size_t i = 0; i < m * ldc; i++) want[i] = (double)start[i];
    naive(ta, tb, m, n, k, a, lda, b, ldb, add, want, ldc);
    for (int way = 0; way < 4; way++) {
        c[way] = floats(m * ldc, 3);
        if (way == 0) cru_gemm_reference(ta, tb, m, n, k, a, lda, b, ldb, add, c[way], ldc);
        if (way == 1) cru_gemm_serial(ta, tb, m, n, k, a, lda, b, ldb, add, c[way], ldc);
        if (way == 2) cru_gemm(ta, tb, m, n, k, a, lda, b, ldb, add, c[way], ldc, 1);
        if (way == 3) cru_gemm(ta, tb, m, n, k, a, lda, b, ldb, add, c[way], ldc, 2);
        for (size_t i = 0; i < m * ldc; i++)
            if (fabs((double)c[way][i] - want[i]) > 2e-6 * sqrt((double)k + 1) * 4)
                fail_msg("way %d, %zux%zux%zu: element %zu is %g, not %g", way, m, n, k, i,
                         (double)c[way][i], want[i]);
    }
    assert_memory_equal(c[2], c[3], m * ldc * sizeof(float));
    for (int way = 0; way < 4; way++) free(c[way]);
    free(a), free(b), free(start), free(want);
}

static void products_agree(void **state) {
    (void)state;
    static const size_t sizes[][3] = {{1, 1, 1},    {3, 17, 5},   {64, 64, 64}, {5, 200, 300},
                                      {130, 33, 7}, {200, 1, 40}, {1, 90, 513}, {2200, 20, 9}};
    cru_gemm_prepare();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int way = 0; way < 8; way++)
            one_product(way & 1 ? CRU_T : CRU_N, way & 2 ? CRU_T : CRU_N, sizes[i][0], sizes[i][1],
                        sizes[i][2], (way & 4) != 0);
    print_message("  backend: %s\n", cru_gemm_backend());
}

static void softmax_is_accurate(void **state) {
    (void)state;
    enum { N = 100003 };
    float *z = floats(N, 5), most, sum;
    double worst = 0, want = 0;
    double *kept = malloc(N * sizeof *kept);
    assert_non_null(kept);
    for (size_t i = 0; i < N; i++) {
        z[i] = 20 - 43 * (z[i] + 1);
        kept[i] = (double)z[i];
    }
    z[N - 1] = -INFINITY, kept[N - 1] = -INFINITY;
    cru_softmax_row(N, z, &most, &sum);
    assert_true(most <= 20 && most > 19.9f);
    for (size_t i = 0; i < N; i++) {
        double x = (double)(float)(kept[i] - (double)most), e = exp(x);
        want += e;
        if (x > -87)
            worst = fmax(worst, fabs((double)z[i] - e) / e);
        else
            assert_true((double)z[i] < 2e-38);
    }
    print_message("  worst relative error of the exponential %.2e\n", worst);
    assert_true(worst < 1.5e-7);
    assert_true(fabs((double)sum - want) < 2e-7 * want);
    free(z), free(kept);
}

static void loss_is_cross_entropy(void **state) {
    (void)state;
    enum { N = 37, D = 9, V = 501, BAG = 3 };
    float *hidden = floats(N * D, 6), *table = floats(V * D, 7), *logits, *dhidden, *dtable;
    int32_t target[N * BAG];
    float weight[N];
    double nll[N], dh_want[N * D] = {0}, *dt_want = calloc(V * D, sizeof *dt_want);
    struct cru_random random = {8};
    for (size_t i = 0; i < N * BAG; i++) target[i] = (int32_t)(cru_random_next(&random) % V);
    for (size_t r = 0; r < N; r++) {
        weight[r] = 0.5f + (float)(r % 3);
        if (r % 4 == 0) target[r * BAG + 1] = target[r * BAG]; /* twice the same */
        if (r % 5 == 0) target[r * BAG + 2] = -1;              /* a bag that is not full */
        if (r % 7 == 0) target[r * BAG] = target[r * BAG + 1] = target[r * BAG + 2] = -1;
    }
    struct cru_rows rows = {.n = N, .bag = BAG, .target = target, .weight = weight};
    struct cru_loss loss = {D, V};
    logits = floats(cru_loss_chunk_rows(loss) * V, 9);
    dhidden = floats(N * D, 10), dtable = calloc(V * D, sizeof *dtable);
    assert_true(dt_want && dtable);
    cru_loss_run(loss, &rows, hidden, table, 0.01, logits, nll, dhidden, dtable, 2);
    for (size_t r = 0; r < N; r++) {
        double z[V], sum = 0, want = 0;
        for (size_t v = 0; v < V; v++) {
            z[v] = 0;
            for (size_t i = 0; i < D; i++)
                z[v] += (double)hidden[r * D + i] * (double)table[v * D + i];
            sum += exp(z[v]);
        }
        for (size_t j = 0; j < BAG; j++) {
            int32_t y = target[r * BAG + j];
            if (y < 0) continue;
            want += log(sum) - z[y];
            for (size_t v = 0; v < V; v++) {
                double dz = (double)weight[r] * 0.01 * (exp(z[v]) / sum - ((int32_t)v == y));
                for (size_t i = 0; i < D; i++) {
                    dh_want[r * D + i] += dz * (double)table[v * D + i];
                    dt_want[v * D + i] += dz * (double)hidden[r * D + i];
                }
            }
        }
        assert_true(fabs(nll[r] - want) < 1e-5);
    }
    for (size_t i = 0; i < N * D; i++) assert_true(fabs((double)dhidden[i] - dh_want[i]) < 1e-6);
    for (size_t i = 0; i < V * D; i++) assert_true(fabs((double)dtable[i] - dt_want[i]) < 1e-6);
    free(hidden), free(table), free(logits), free(dhidden), free(dtable), free(dt_want);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_agree),
        cmocka_unit_test(softmax_is_accurate),
        cmocka_unit_test(loss_is_cross_entropy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
