/* SPDX-License-Identifier: Apache-2.0 */
/* The chunked delta rule, forward and backward, against the rule as written, in doubles. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define CRU_REAL_DOUBLE 1
#include "crucible/base/base.h"
#include "cmd/train/delta.h"

enum { ROWS = 175, K_HEADS = 2, V_HEADS = 4, DK = 6, DV = 5, SEGMENTS = 5 };
static const uint32_t starts[SEGMENTS + 1] = {0,  1,  20,
                                              84, 90, ROWS}; /* 64 is a whole chunk, 85 two */

struct problem {
    double q[ROWS][K_HEADS][DK], k[ROWS][K_HEADS][DK], v[ROWS][V_HEADS][DV];
    double g[ROWS][V_HEADS], beta[ROWS][V_HEADS], weight[ROWS][V_HEADS][DV];
    uint32_t position[ROWS];
};

static double uniform(struct cru_random *random) {
    return 2 * cru_random_unit(random) - 1;
}

static void make(struct problem *p) {
    struct cru_random random = {11};
    for (size_t t = 0; t < ROWS; t++) {
        for (size_t h = 0; h < K_HEADS; h++) {
            double qq = 0, kk = 0;
            for (size_t i = 0; i < DK; i++) {
                p->q[t][h][i] = uniform(&random), p->k[t][h][i] = uniform(&random);
                qq += p->q[t][h][i] * p->q[t][h][i], kk += p->k[t][h][i] * p->k[t][h][i];
            }
            for (size_t i = 0; i < DK; i++) p->q[t][h][i] /= sqrt(qq), p->k[t][h][i] /= sqrt(kk);
        }
        for (size_t j = 0; j < V_HEADS; j++) {
            for (size_t i = 0; i < DV; i++)
                p->v[t][j][i] = uniform(&random), p->weight[t][j][i] = uniform(&random);
            /* Now and then the state is nearly forgotten: e^-30 must not overflow anything. */
            p->g[t][j] = t % 37 == 36 ? -30 : -0.3 * cru_random_unit(&random);
            p->beta[t][j] = cru_random_unit(&random);
        }
    }
}

static struct cru_delta_inputs inputs(const struct problem *p) {
    return (struct cru_delta_inputs){&p->q[0][0][0], &p->k[0][0][0], K_HEADS * DK,  &p->v[0][0][0],
                                     V_HEADS * DV,   &p->g[0][0],    &p->beta[0][0]};
}
static struct cru_delta shape(size_t chunk) {
    return (struct cru_delta){K_HEADS, V_HEADS, DK, DV, chunk};
}
static struct cru_rows rows_of(const struct problem *p) {
    return (struct cru_rows){
        .n = ROWS, .n_segments = SEGMENTS, .bag = 1, .start = starts, .position = p->position};
}
static double *reals(size_t n) {
    double *p = calloc(n + 1, sizeof *p);
    assert_non_null(p);
    return p;
}

static void chunks_are_the_recurrence(void **state) {
    (void)state;
    static const size_t chunks[] = {64, 16, 7, 1};
    struct problem *p = calloc(1, sizeof *p);
    assert_non_null(p);
    make(p);
    struct cru_rows rows = rows_of(p);
    double *want = reals(ROWS * V_HEADS * DV), *got = reals(ROWS * V_HEADS * DV);
    for (size_t c = 0; c < sizeof chunks / sizeof *chunks; c++)
        for (int threads = 1; threads <= 2; threads++) {
            struct cru_delta s = shape(chunks[c]);
            double *scratch = reals(2 * cru_delta_scratch(s)),
                   *states = reals(cru_delta_states(s, ROWS));
            double most = 0;
            /* dk dv + dv elements: the sequential rule's need is within the scratch only for larger
             * chunks */
            double *plain = reals(2 * cru_delta_scratch(shape(64)));
            cru_delta_sequential(shape(64), &rows, inputs(p), want, V_HEADS * DV, plain, threads);
            memset(got, 0xff, ROWS * V_HEADS * DV * sizeof *got);
            cru_delta_forward(s, &rows, inputs(p), got, V_HEADS * DV, states, scratch, threads);
            for (size_t i = 0; i < ROWS * V_HEADS * DV; i++) {
                assert_true(isfinite(got[i]));
                most = fmax(most, fabs(got[i] - want[i]));
            }
            if (most > 1e-13) fail_msg("chunk %zu: differs by %g", chunks[c], most);
            free(scratch), free(states), free(plain);
        }
    free(want), free(got), free(p);
}

/* sum of weight * o by the rule as written */
static double sequential_loss(const struct problem *p, double *o, double *scratch) {
    struct cru_rows rows = rows_of(p);
    double sum = 0;
    cru_delta_sequential(shape(64), &rows, inputs(p), o, V_HEADS * DV, scratch, 1);
    for (size_t i = 0; i < ROWS * V_HEADS * DV; i++) sum += o[i] * (&p->weight[0][0][0])[i];
    return sum;
}

static void gradients_are_those_of_the_recurrence(void **state) {
    (void)state;
    struct problem *p = calloc(1, sizeof *p);
    assert_non_null(p);
    make(p);
    struct cru_rows rows = rows_of(p);
    struct cru_delta s = shape(64);
    double *o = reals(ROWS * V_HEADS * DV), *scratch = reals(cru_delta_scratch(s));
    double *states = reals(cru_delta_states(s, ROWS));
    double *dq = reals(ROWS * K_HEADS * DK), *dk = reals(ROWS * K_HEADS * DK);
    double *dv = reals(ROWS * V_HEADS * DV), *dg = reals(ROWS * V_HEADS),
           *db = reals(ROWS * V_HEADS);
    struct cru_delta_gradients out = {dq, dk, K_HEADS * DK, dv, V_HEADS * DV, dg, db};
    cru_delta_forward(s, &rows, inputs(p), o, V_HEADS * DV, states, scratch, 1);
    cru_delta_backward(s, &rows, inputs(p), states, &p->weight[0][0][0], V_HEADS * DV, out, scratch,
                       1);
    const struct {
        const char *name;
        double *x, *by_hand;
        size_t n;
    } parts[] = {{"q", &p->q[0][0][0], dq, ROWS * K_HEADS * DK},
                 {"k", &p->k[0][0][0], dk, ROWS * K_HEADS * DK},
                 {"v", &p->v[0][0][0], dv, ROWS * V_HEADS * DV},
                 {"g", &p->g[0][0], dg, ROWS * V_HEADS},
                 {"beta", &p->beta[0][0], db, ROWS * V_HEADS}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        for (size_t at = i; at < parts[i].n; at += 13) {
            double kept = parts[i].x[at], h = 1e-4, f[4];
            const double by[4] = {h, -h, 2 * h, -2 * h};
            for (int j = 0; j < 4; j++) {
                parts[i].x[at] = kept + by[j];
                f[j] = sequential_loss(p, o, scratch);
            }
            parts[i].x[at] = kept;
            double numeric = (8 * (f[0] - f[1]) - (f[2] - f[3])) / (12 * h);
            double error = fabs(numeric - parts[i].by_hand[at]) / (1 + fabs(numeric));
            if (!(error < 1e-9))
                fail_msg("d%s[%zu]: %.12g by hand, %.12g by differences", parts[i].name, at,
                         parts[i].by_hand[at], numeric);
        }
    free(o), free(scratch), free(states), free(dq), free(dk), free(dv), free(dg), free(db), free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_are_the_recurrence),
        cmocka_unit_test(gradients_are_those_of_the_recurrence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
