/* SPDX-License-Identifier: Apache-2.0 */
/* The Ornstein-Uhlenbeck path against textbook formulas in long double, and its laws. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crucible/base/base.h"
#include "ddm/drift.h"

enum { STEPS = 40 };

static struct cru_drift standard(void) {
    return (struct cru_drift){
        .theta = 0.25, .mu = 0, .v = 0.25, .sigma = 0.15, .upper = 0.35, .lower = -0.15, .x0 = 0};
}

static void assert_near(double a, long double b, double tolerance, const char *what) {
    if (!(fabsl((long double)a - b) <= (long double)tolerance))
        fail_msg("%s: %.15g is not %.15Lg", what, a, b);
}

/* The same path written from the definition, with fixed points and logarithms. */
struct reference {
    long double t, m, var, integral, above, below_mu, low_now, longest, first_low, p_low;
};

static void reference_run(const struct cru_drift *c, const double *s, const double *d, size_t n,
                          struct reference *r) {
    long double th = c->theta, mu = c->mu, v = c->v, sg = c->sigma, A = c->upper, B = c->lower;
    memset(r, 0, sizeof *r);
    r->m = c->x0;
    r->first_low = -1;
    for (size_t i = 0; i < n; i++) {
        long double D = d[i], inf = mu + v * (long double)s[i] / th, a = expl(-th * D);
        long double next = inf + (r->m - inf) * a;
        long double levels[3] = {A, B, mu}, hit[3];
        for (int k = 0; k < 3; k++) {
            bool crosses = (r->m < levels[k]) != (next < levels[k]);
            hit[k] = crosses ? logl((r->m - inf) / (levels[k] - inf)) / th : -1;
        }
        if (hit[0] >= 0)
            r->above += r->m >= A ? hit[0] : D - hit[0];
        else if (r->m >= A)
            r->above += D;
        if (hit[2] >= 0)
            r->below_mu += r->m < mu ? hit[2] : D - hit[2];
        else if (r->m < mu)
            r->below_mu += D;
        if (hit[1] >= 0 && next <= B) {
            r->low_now = D - hit[1];
            if (r->first_low < 0) r->first_low = r->t + hit[1];
        } else if (hit[1] >= 0) {
            r->low_now += hit[1];
        } else if (r->m <= B) {
            r->low_now += D;
        }
        if (r->low_now > r->longest) r->longest = r->low_now;
        if (next > B) r->low_now = 0;
        r->integral += inf * D + (r->m - inf) * (1 - a) / th;
        r->var = r->var * a * a + sg * sg * (1 - a * a) / (2 * th);
        r->m = next;
        r->t += D;
        long double p = 0.5L * erfcl((next - B) / sqrtl(2 * r->var));
        if (p > r->p_low) r->p_low = p;
    }
}

static void random_path(uint64_t seed, double *s, double *d) {
    struct cru_random g = {seed};
    double bias = 2 * cru_random_unit(&g) - 1;
    for (size_t i = 0; i < STEPS; i++) {
        if (cru_random_unit(&g) < 0.1) bias = 2 * cru_random_unit(&g) - 1;
        double x = bias + 0.6 * (cru_random_unit(&g) - 0.5);
        s[i] = x < -1 ? -1 : x > 1 ? 1 : x;
        d[i] = 0.02 + 3.2 * cru_random_unit(&g);
    }
}

static void run(struct cru_drift *c, const double *s, const double *d, size_t n) {
    cru_drift_begin(c);
    for (size_t i = 0; i < n; i++) cru_drift_step(c, s[i], d[i]);
}

static void equals_long_double_reference(void **state) {
    (void)state;
    double s[STEPS], d[STEPS];
    size_t with_low = 0, with_high = 0;
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        struct cru_drift c = standard();
        struct reference r;
        random_path(seed, s, d);
        run(&c, s, d, STEPS);
        reference_run(&c, s, d, STEPS, &r);
        long double norm = r.t - (1 - expl(-0.25L * r.t)) / 0.25L; /* E1.6 */
        assert_near(c.mean, r.m, 1e-12, "mean");
        assert_near(c.variance, r.var, 1e-12, "variance");
        assert_near(cru_drift_score(&c), r.integral / norm, 1e-10, "Q");
        assert_near(c.above, r.above, 1e-9, "time above");
        assert_near(c.below_mu, r.below_mu, 1e-9, "time below mu");
        assert_near(c.low_longest, r.longest, 1e-9, "longest low");
        assert_near(c.first_low, r.first_low, 1e-9, "first low");
        assert_near(cru_drift_p_low(&c), r.p_low, 1e-10, "p_low");
        with_low += r.longest > 0;
        with_high += r.above > 0;
    }
    assert_true(with_low > 500 && with_high > 500); /* the paths do meet both boundaries */
}

static void constant_signal_is_its_own_score(void **state) {
    (void)state;
    const double lengths[] = {1e-9, 1e-3, 0.1, 1, 7.7, 100, 1e5};
    for (size_t l = 0; l < sizeof lengths / sizeof lengths[0]; l++)
        for (double s = -1; s <= 1; s += 0.125)
            for (double theta = 0; theta<2; theta = theta> 0 ? theta * 7 : 1e-12) {
                struct cru_drift c = standard();
                c.theta = theta;
                cru_drift_begin(&c);
                for (size_t i = 0; i < 5; i++) cru_drift_step(&c, s, lengths[l] / 5);
                assert_near(cru_drift_score(&c), s, 1e-9, "Q of a constant");
            }
}

static void cutting_a_segment_changes_nothing(void **state) {
    (void)state;
    double s[STEPS], d[STEPS];
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct cru_drift whole = standard(), cut = standard();
        struct cru_random g = {seed * 77};
        random_path(seed, s, d);
        run(&whole, s, d, STEPS);
        cru_drift_begin(&cut);
        for (size_t i = 0; i < STEPS; i++) {
            double rest = d[i];
            while (rest > 1e-3) {
                double piece = rest * cru_random_unit(&g);
                cru_drift_step(&cut, s[i], piece);
                rest -= piece;
            }
            cru_drift_step(&cut, s[i], rest);
        }
        assert_near(cut.mean, whole.mean, 1e-11, "mean");
        assert_near(cut.variance, whole.variance, 1e-11, "variance");
        assert_near(cru_drift_score(&cut), cru_drift_score(&whole), 1e-11, "Q");
        assert_near(cut.above, whole.above, 1e-9, "time above");
        assert_near(cut.low_longest, whole.low_longest, 1e-9, "longest low");
        assert_near(cut.first_low, whole.first_low, 1e-9, "first low");
        assert_true(cru_drift_p_low(&cut) >=
                    cru_drift_p_low(&whole) - 1e-12); /* looked at in more places */
    }
}

/* theta = 0: the plain drift diffusion, m(t) = v times the sum of s D; small theta goes there. */
static void no_leak_is_the_plain_sum(void **state) {
    (void)state;
    double s[STEPS], d[STEPS];
    for (uint64_t seed = 1; seed <= 100; seed++) {
        random_path(seed, s, d);
        long double m = 0, integral = 0, t = 0;
        for (size_t i = 0; i < STEPS; i++) {
            long double D = d[i];
            integral += m * D + 0.25L * (long double)s[i] * D * D / 2;
            m += 0.25L * (long double)s[i] * D;
            t += D;
        }
        const double thetas[] = {0, 1e-300, 1e-15, 1e-12};
        for (size_t k = 0; k < 4; k++) {
            struct cru_drift c = standard();
            c.theta = thetas[k];
            run(&c, s, d, STEPS);
            assert_near(c.mean, m, 1e-8, "mean");
            assert_near(c.variance, 0.15L * 0.15L * t, 1e-8, "variance");
            assert_near(cru_drift_score(&c), integral / (0.25L * t * t / 2), 1e-8, "Q");
        }
    }
}

/* phi has a series below theta t = .05 and a closed form above: both against long double. */
static void phi_is_exact_on_both_sides(void **state) {
    (void)state;
    for (double x = 1e-6; x < 10; x *= 1.01) {
        long double exact = 0, term = 0.5L;
        if (x < 1)
            for (int k = 3; k < 40; k++) {
                exact += term;
                term *= -(long double)x / k;
            }
        else
            exact = ((long double)x + expm1l(-(long double)x)) / ((long double)x * (long double)x);
        double phi = cru_drift_phi(x, 1);
        if (!(fabsl((long double)phi - exact) < 1e-13L * exact))
            fail_msg("phi(%g) = %.17g, not %.17Lg", x, phi, exact);
    }
}

static void reversing_time_moves_the_low_but_not_the_length(void **state) {
    (void)state;
    struct cru_drift good_first = standard(), loop_first = standard();
    const double ahead[] = {0.5, 0.5, -0.7, -0.7}, back[] = {-0.7, -0.7, 0.5, 0.5};
    const double d[] = {3, 3, 3, 3};
    run(&good_first, ahead, d, 4);
    run(&loop_first, back, d, 4);
    assert_near(good_first.t, (long double)loop_first.t, 0, "T");
    assert_true(fabs(good_first.low_longest - loop_first.low_longest) > 0.5);
    assert_true(good_first.first_low > loop_first.first_low);
}

static void nothing_gives_nothing(void **state) {
    (void)state;
    struct cru_drift c = standard();
    cru_drift_begin(&c);
    cru_drift_step(&c, 1, 0);
    cru_drift_step(&c, 1, -1);
    assert_true(cru_drift_score(&c) == 0 && c.t == 0 && c.mean == 0 && c.first_low == -1);
    c.sigma = 0; /* p_low must not divide by it */
    cru_drift_begin(&c);
    cru_drift_step(&c, -1, 10);
    assert_true(cru_drift_p_low(&c) == 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_long_double_reference),
        cmocka_unit_test(constant_signal_is_its_own_score),
        cmocka_unit_test(cutting_a_segment_changes_nothing),
        cmocka_unit_test(no_leak_is_the_plain_sum),
        cmocka_unit_test(phi_is_exact_on_both_sides),
        cmocka_unit_test(reversing_time_moves_the_low_but_not_the_length),
        cmocka_unit_test(nothing_gives_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
