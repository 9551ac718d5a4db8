/* SPDX-License-Identifier: Apache-2.0 */
/* Calibration against what it is defined as: areas and cuts by brute force, weights by their
 * gradient; and the profile files it writes, read back and refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crucible/base/base.h"
#include "ddm/calibrate.h"

enum { N = 300 };

static double normal(struct cru_random *g) { /* near enough: a sum of twelve */
    double sum = -6;
    for (int i = 0; i < 12; i++) sum += cru_random_unit(g);
    return sum;
}

static void area_and_cut_are_those_of_all_pairs(void **state) {
    (void)state;
    struct cru_random g = {3};
    for (int round = 0; round < 200; round++) {
        double x[60], twice = 0, best = 0;
        bool good[60];
        size_t n = cru_random_next(&g) % 60, goods = 0, bads = 0;
        for (size_t i = 0; i < n; i++) {
            good[i] = cru_random_next(&g) % 2;
            x[i] = (double)(cru_random_next(&g) % 12) + good[i]; /* with ties */
            if (cru_random_next(&g) % 9 == 0)
                x[i] = (double)NAN;
            else
                goods += good[i], bads += !good[i];
        }
        struct cru_area area;
        struct cru_cut cut;
        assert_int_equal(cru_auc(x, good, n, &area, &cut, NULL), CRU_OK);
        if (goods == 0 || bads == 0) {
            assert_true(isnan(area.auc) && isnan(cut.cut) && cut.j == 0);
            continue;
        }
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++)
                if (good[i] && !good[j] && !isnan(x[i]) && !isnan(x[j]))
                    twice += x[i] > x[j] ? 2 : x[i] == x[j];
        assert_true(fabs(area.auc - twice / (2 * (double)goods * (double)bads)) < 1e-12);
        assert_true(area.error >= 0 && area.error < 0.71);
        for (double c = -0.5; c < 14; c++) {
            double up = 0, down = 0;
            for (size_t i = 0; i < n; i++)
                if (x[i] >= c) up += good[i] / (double)goods, down += !good[i] / (double)bads;
            best = fmax(best, up - down);
        }
        assert_true(fabs(cut.j - best) < 1e-12);
        double up = 0, down = 0; /* the cut does what it says */
        for (size_t i = 0; i < n && best > 1e-9; i++)
            if (x[i] >= cut.cut) up += good[i] / (double)goods, down += !good[i] / (double)bads;
        assert_true(best <= 1e-9 ||
                    (fabs(up - cut.good_above) < 1e-9 && fabs(down - cut.bad_above) < 1e-9));
    }
}

/* Two factors tell, one is often missing, one is constant, the rest is noise. */
static void make(struct cru_labelled *d, size_t n, double strength) {
    struct cru_random g = {7};
    for (size_t i = 0; i < n; i++) {
        d[i].good = i % 3 != 0;
        d[i].words = 100 + cru_random_next(&g) % 100;
        d[i].signal_score = 0.1 * normal(&g) + (d[i].good ? 0.1 * strength : 0);
        for (int f = 0; f < CRU_FACTORS; f++) d[i].quality.factor[f] = 5 + 2 * normal(&g);
        if (d[i].good) d[i].quality.factor[0] += 2 * strength;
        if (d[i].good) d[i].quality.factor[4] -= 3 * strength;
        if (i % 2) d[i].quality.factor[2] = (double)NAN;
        d[i].quality.factor[7] = 4;
    }
}

static void fits_what_tells(void **state) {
    (void)state;
    static struct cru_labelled d[N];
    struct cru_calibration r, again;
    struct cru_profile p, same;
    make(d, N, 1);
    assert_true(cru_profile_builtin("web", &p) && cru_profile_builtin("web", &same));
    assert_int_equal(cru_calibrate(d, N, 1, &p, &r, NULL), CRU_OK);
    assert_true(r.good == 200 && r.bad == 100);
    assert_true(p.model.weight[0] > 0.5 && p.model.weight[4] < -0.5);
    assert_true(fabs(p.model.weight[1]) < 0.5 && p.model.weight[7] == 0);
    assert_true(r.quality.auc > 0.8 && r.quality.auc < r.quality_seen.auc + 0.02);
    assert_true(r.quality.auc > r.factor[0].auc);
    assert_true(!r.core_kept && p.config.q_core == r.core.cut &&
                p.config.q_anneal >= p.config.q_core);
    /* the same again, to the bit; another seed deals other folds but fits the same model */
    assert_int_equal(cru_calibrate(d, N, 1, &same, &again, NULL), CRU_OK);
    assert_memory_equal(&r, &again, sizeof r);
    assert_memory_equal(&p.model, &same.model, sizeof p.model);
    assert_true(cru_profile_builtin("web", &same));
    assert_int_equal(cru_calibrate(d, N, 2, &same, &again, NULL), CRU_OK);
    assert_true(again.quality.auc != r.quality.auc);
    assert_memory_equal(&p.model, &same.model, sizeof p.model);
    /* at the optimum the gradient of the penalised likelihood is 0 */
    double gradient[CRU_FACTORS + 1] = {0};
    for (size_t i = 0; i < N; i++) {
        double rest = d[i].good - cru_quality_score(&p.model, &d[i].quality);
        gradient[CRU_FACTORS] += rest;
        for (int f = 0; f < CRU_FACTORS; f++) {
            double z = (d[i].quality.factor[f] - p.model.center[f]) / p.model.scale[f];
            if (!isnan(z)) gradient[f] += rest * fmax(-3, fmin(3, z));
        }
    }
    for (int f = 0; f < CRU_FACTORS; f++) gradient[f] -= p.model.weight[f];
    for (int f = 0; f <= CRU_FACTORS; f++)
        if (!(fabs(gradient[f]) < 1e-6)) fail_msg("gradient %d is %g", f, gradient[f]);
}

/* Noise must not look like knowledge: held out it is a coin, and the cuts stay. */
static void noise_stays_noise(void **state) {
    (void)state;
    static struct cru_labelled d[N];
    struct cru_calibration r;
    struct cru_profile p;
    make(d, N, 0);
    for (size_t i = 0; i < N; i++) d[i].signal_score = 0.45;
    assert_true(cru_profile_builtin("traces", &p));
    assert_int_equal(cru_calibrate(d, N, 1, &p, &r, NULL), CRU_OK);
    assert_true(fabs(r.quality.auc - 0.5) < 0.12 && r.quality_seen.auc > r.quality.auc);
    assert_true(r.core_kept && r.anneal_kept);
    assert_true(p.config.q_core == cru_ddm_profile("traces")->q_core);
    assert_true(p.config.q_anneal == cru_ddm_profile("traces")->q_anneal);
}

static void refuses_one_class(void **state) {
    (void)state;
    static struct cru_labelled d[N];
    struct cru_calibration r;
    struct cru_profile p;
    struct cru_error err = {0};
    make(d, N, 1);
    assert_true(cru_profile_builtin("web", &p));
    for (size_t i = 0; i < N; i++) d[i].good = i < 4;
    assert_int_equal(cru_calibrate(d, N, 1, &p, &r, &err), CRU_USAGE);
    assert_non_null(strstr(err.message, "4 good and 296 bad"));
    assert_int_equal(cru_calibrate(d, 0, 1, &p, &r, &err), CRU_USAGE);
}

static void profiles_survive_a_file(void **state) {
    (void)state;
    static struct cru_labelled d[N];
    struct cru_calibration r;
    struct cru_profile p, q;
    struct cru_buffer file;
    make(d, N, 1);
    assert_true(cru_profile_builtin("traces", &p));
    assert_int_equal(cru_calibrate(d, N, 1, &p, &r, NULL), CRU_OK);
    p.config.min_words = 9;
    p.config.theta = 1 / 3.;
    cru_buffer_init(&file);
    cru_profile_render(&p, "traces", &file);
    assert_int_equal(cru_profile_parse(cru_buffer_span(&file), "x.profile", &q, NULL), CRU_OK);
    assert_memory_equal(&p.model, &q.model, sizeof p.model);
    assert_string_equal(q.config.name, "x.profile");
    q.config.name = p.config.name;
    assert_memory_equal(&p.config, &q.config, sizeof p.config);
    cru_buffer_release(&file);
}

static void refuses_wrong_profiles(void **state) {
    (void)state;
    static const struct {
        const char *file, *message;
    } cases[] = {
        {"", "no line 'base'"},
        {"q_core 1", "line 1: the first line must be base"},
        {"base books", "line 1: not a profile to start from (traces or web): 'books'"},
        {"base web\nbase web", "line 2: base must come first"},
        {"base web\n\nq_cor 1", "line 3: no such setting: 'q_cor'"},
        {"base web\nq_core", "line 2: not a number"},
        {"base web\nq_core nan", "line 2: not a number: 'nan'"},
        {"base web\nq_core 0x1", "not a number"},
        {"base web\nq_core 2", "line 2: out of range: '2'"},
        {"base web\nq_core .1 .2", "line 2: too much on the line: '.2'"},
        {"base web\nq_core .1\nq_core .1", "line 3: this was set before: 'q_core'"},
        {"base web\nmin_words 1.5", "line 2: not a whole number"},
        {"base web\nq_core .9", "must not be below"},
        {"base web\nquality shoe_size 1 1 1", "line 2: not a quality factor: 'shoe_size'"},
        {"base web\nquality byte_entropy 1 0 1", "line 2: out of range: '0'"},
        {"base web\nquality byte_entropy 1 1", "line 2: not a number"},
        {"base web\nquality_cut 1.1", "out of range"},
        {"base web\ncues ", "line 2: not a path"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct cru_profile p;
        struct cru_error err = {0};
        assert_int_equal(cru_profile_parse(cru_span_of(cases[i].file), "f", &p, &err), CRU_USAGE);
        if (!strstr(err.message, cases[i].message) || !strstr(err.message, "'f'"))
            fail_msg("%zu: %s", i, err.message);
    }
    struct cru_profile p;
    assert_int_equal(
        cru_profile_parse(CRU_SPAN("# x\r\nbase traces\r\ncues a b\r\nquality_bias 1e0\r\n"), "f",
                          &p, NULL),
        CRU_OK);
    assert_string_equal(p.cues, "a b");
    assert_true(p.model.set && p.model.bias == 1 && p.config.seeks_reasoning);
    struct cru_quality q = {.factor = {0}};
    assert_true(fabs(cru_quality_score(&p.model, &q) - 1 / (1 + exp(-1))) < 1e-15);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(area_and_cut_are_those_of_all_pairs),
        cmocka_unit_test(fits_what_tells),
        cmocka_unit_test(noise_stays_noise),
        cmocka_unit_test(refuses_one_class),
        cmocka_unit_test(profiles_survive_a_file),
        cmocka_unit_test(refuses_wrong_profiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
