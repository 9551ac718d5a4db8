/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "crucible/base/base.h"
#include "ddm/calibrate.h"

enum { UNKNOWNS = CRU_FACTORS + 1, ROUNDS = 100 };
#define RIDGE 1.0

struct value {
    double x;
    bool good;
};

static int by_value(const void *a, const void *b) {
    double x = ((const struct value *)a)->x, y = ((const struct value *)b)->x;
    return (x > y) - (x < y);
}

/* Hanley, McNeil 1982, equation 1. */
static double area_error(double a, double good, double bad) {
    double q1 = a / (2 - a), q2 = 2 * a * a / (1 + a);
    double variance = (a * (1 - a) + (good - 1) * (q1 - a * a) + (bad - 1) * (q2 - a * a));
    return sqrt(fmax(0, variance) / (good * bad));
}

enum cru_status cru_auc(const double *values, const bool *good, size_t n, struct cru_area *area,
                        struct cru_cut *cut, struct cru_error *err) {
    struct value *v = malloc((n + 1) * sizeof *v);
    if (!v) return cru_fail_memory(err, "calibration");
    size_t m = 0;
    double goods = 0, bads, below[2] = {0, 0}, twice = 0;
    for (size_t i = 0; i < n; i++) {
        if (isnan(values[i])) continue;
        goods += good[i];
        v[m++] = (struct value){values[i], good[i]};
    }
    bads = (double)m - goods;
    *cut = (struct cru_cut){.cut = (double)NAN};
    *area = (struct cru_area){(double)NAN, (double)NAN};
    if (goods > 0 && bads > 0) {
        qsort(v, m, sizeof *v, by_value);
        for (size_t i = 0, j; i < m; i = j) {
            double here[2] = {0, 0};
            for (j = i; j < m && v[j].x == v[i].x; j++) here[v[j].good]++;
            if (i > 0) { /* a cut between v[i - 1] and v[i] */
                double up = 1 - below[1] / goods, down = 1 - below[0] / bads;
                if (up - down > cut->j)
                    *cut = (struct cru_cut){v[i - 1].x + (v[i].x - v[i - 1].x) / 2, up - down, up,
                                            down};
            }
            twice += here[1] * (2 * below[0] + here[0]);
            below[0] += here[0];
            below[1] += here[1];
        }
        area->auc = twice / (2 * goods * bads);
        area->error = area_error(area->auc, goods, bads);
    }
    free(v);
    return CRU_OK;
}

/* ---- logistic regression ---- */

/* Solves a x = b for a symmetric positive definite a, by Cholesky; x comes back in b. */
static void solve(double a[UNKNOWNS][UNKNOWNS], double b[UNKNOWNS]) {
    for (int i = 0; i < UNKNOWNS; i++)
        for (int j = 0; j <= i; j++) {
            double sum = a[i][j];
            for (int k = 0; k < j; k++) sum -= a[i][k] * a[j][k];
            a[i][j] = i == j ? sqrt(fmax(sum, 1e-12)) : sum / a[j][j];
        }
    for (int i = 0; i < UNKNOWNS; i++) {
        for (int k = 0; k < i; k++) b[i] -= a[i][k] * b[k];
        b[i] /= a[i][i];
    }
    for (int i = UNKNOWNS; i-- > 0;) {
        for (int k = i + 1; k < UNKNOWNS; k++) b[i] -= a[k][i] * b[k];
        b[i] /= a[i][i];
    }
}

/* Mean and deviation of each factor over the documents outside `fold` (-1: all). */
static void standardise(struct cru_quality_model *m, const struct cru_labelled *d,
                        const uint8_t *fold, size_t n, int without) {
    for (int f = 0; f < CRU_FACTORS; f++) {
        double count = 0, mean = 0, square = 0;
        for (int pass = 0; pass < 2; pass++) {
            for (size_t i = 0; i < n; i++) {
                double x = d[i].quality.factor[f];
                if (fold[i] == without || isnan(x)) continue;
                if (pass == 0)
                    count++, mean += x;
                else
                    square += (x - mean) * (x - mean);
            }
            if (pass == 0 && count > 0) mean /= count;
        }
        double deviation = count > 1 ? sqrt(square / count) : 0;
        m->center[f] = count > 0 ? mean : 0;
        m->scale[f] = deviation > 1e-9 ? deviation : 1;
    }
}

static void inputs(const struct cru_quality_model *m, const struct cru_quality *q,
                   double z[UNKNOWNS]) {
    z[CRU_FACTORS] = 1;
    for (int f = 0; f < CRU_FACTORS; f++) {
        double x = (q->factor[f] - m->center[f]) / m->scale[f];
        z[f] = isnan(x) ? 0 : fmax(-CRU_QUALITY_CLIP, fmin(CRU_QUALITY_CLIP, x));
    }
}

/* Newton's method on the penalised likelihood, which is strictly concave; steps are halved when
 * they are wild, and the sums go in the order of the documents. */
static void fit(struct cru_quality_model *m, const struct cru_labelled *d, const uint8_t *fold,
                size_t n, int without) {
    double w[UNKNOWNS] = {0};
    standardise(m, d, fold, n, without);
    for (int round = 0; round < ROUNDS; round++) {
        double hessian[UNKNOWNS][UNKNOWNS] = {{0}}, step[UNKNOWNS] = {0}, largest = 0;
        for (size_t i = 0; i < n; i++) {
            double z[UNKNOWNS], sum = 0;
            if (fold[i] == without) continue;
            inputs(m, &d[i].quality, z);
            for (int k = 0; k < UNKNOWNS; k++) sum += w[k] * z[k];
            double p = 1 / (1 + exp(-sum)), c = fmax(p * (1 - p), 1e-9);
            for (int k = 0; k < UNKNOWNS; k++) {
                step[k] += (d[i].good - p) * z[k];
                for (int l = 0; l <= k; l++) hessian[k][l] += c * z[k] * z[l];
            }
        }
        for (int k = 0; k < CRU_FACTORS; k++) {
            hessian[k][k] += RIDGE;
            step[k] -= RIDGE * w[k];
        }
        solve(hessian, step);
        for (int k = 0; k < UNKNOWNS; k++) largest = fmax(largest, fabs(step[k]));
        double scale = largest > 4 ? 4 / largest : 1;
        for (int k = 0; k < UNKNOWNS; k++) w[k] += scale * step[k];
        if (largest < 1e-10) break;
    }
    for (int f = 0; f < CRU_FACTORS; f++) m->weight[f] = w[f];
    m->bias = w[CRU_FACTORS];
    m->set = true;
}

/* ---- folds ---- */

struct place {
    uint64_t key;
    size_t at;
};

static int by_key(const void *a, const void *b) {
    const struct place *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* Deals each class over the folds, in an order that the seed shuffles. */
static bool deal(const struct cru_labelled *d, size_t n, uint64_t seed, uint8_t *fold) {
    struct place *order = malloc((n + 1) * sizeof *order);
    if (!order) return false;
    for (size_t i = 0; i < n; i++) order[i] = (struct place){cru_mix64(cru_mix64(seed) + i), i};
    qsort(order, n, sizeof *order, by_key);
    unsigned next[2] = {0, 0};
    for (size_t i = 0; i < n; i++)
        fold[order[i].at] = (uint8_t)(next[d[order[i].at].good]++ % CRU_FOLDS);
    free(order);
    return true;
}

/* ---- all ---- */

struct scratch {
    double *values;
    bool *good;
    uint8_t *fold;
    size_t n;
};

static enum cru_status area_of(struct scratch *s, struct cru_area *area, struct cru_cut *cut,
                               struct cru_error *err) {
    struct cru_cut unused;
    return cru_auc(s->values, s->good, s->n, area, cut ? cut : &unused, err);
}

static enum cru_status single_values(struct scratch *s, const struct cru_labelled *d,
                                     struct cru_calibration *r, struct cru_error *err) {
    enum cru_status status = CRU_OK;
    for (int f = 0; status == CRU_OK && f < CRU_FACTORS; f++) {
        for (size_t i = 0; i < s->n; i++) s->values[i] = d[i].quality.factor[f];
        status = area_of(s, &r->factor[f], NULL, err);
    }
    for (size_t i = 0; i < s->n; i++) s->values[i] = (double)d[i].words;
    if (status == CRU_OK) status = area_of(s, &r->length, NULL, err);
    return status;
}

static enum cru_status fit_cuts(struct scratch *s, const struct cru_labelled *d,
                                struct cru_profile *p, struct cru_calibration *r,
                                struct cru_error *err) {
    struct cru_area unused;
    for (size_t i = 0; i < s->n; i++) s->values[i] = d[i].signal_score;
    enum cru_status status = area_of(s, &r->signal, &r->core, err);
    if (status != CRU_OK) return status;
    r->core_kept = !(r->core.j >= CRU_LEAST_J);
    if (!r->core_kept) p->config.q_core = r->core.cut;
    for (size_t i = 0; i < s->n; i++)
        if (s->values[i] < p->config.q_core) s->values[i] = (double)NAN;
    status = area_of(s, &unused, &r->anneal, err);
    if (status != CRU_OK) return status;
    r->anneal_kept = !(r->anneal.j >= CRU_LEAST_J);
    if (!r->anneal_kept) p->config.q_anneal = r->anneal.cut;
    if (p->config.q_anneal < p->config.q_core) p->config.q_anneal = p->config.q_core;
    return CRU_OK;
}

static enum cru_status fit_quality(struct scratch *s, const struct cru_labelled *d,
                                   struct cru_profile *p, struct cru_calibration *r,
                                   struct cru_error *err) {
    for (int k = 0; k < CRU_FOLDS; k++) {
        struct cru_quality_model m = {.set = false};
        fit(&m, d, s->fold, s->n, k);
        for (size_t i = 0; i < s->n; i++)
            if (s->fold[i] == k) s->values[i] = cru_quality_score(&m, &d[i].quality);
    }
    enum cru_status status = area_of(s, &r->quality, NULL, err);
    if (status != CRU_OK) return status;
    fit(&p->model, d, s->fold, s->n, -1);
    for (size_t i = 0; i < s->n; i++) s->values[i] = cru_quality_score(&p->model, &d[i].quality);
    status = area_of(s, &r->quality_seen, &r->quality_cut, err);
    p->model.cut = isnan(r->quality_cut.cut) ? 0.5 : r->quality_cut.cut;
    return status;
}

enum cru_status cru_calibrate(const struct cru_labelled *d, size_t n, uint64_t seed,
                              struct cru_profile *profile, struct cru_calibration *r,
                              struct cru_error *err) {
    memset(r, 0, sizeof *r);
    for (size_t i = 0; i < n; i++) {
        r->good += d[i].good;
        r->bad += !d[i].good;
    }
    if (r->good < CRU_FOLDS || r->bad < CRU_FOLDS)
        return cru_fail(err, CRU_USAGE,
                        "unable to calibrate: %llu good and %llu bad documents: %d of each are "
                        "the least",
                        (unsigned long long)r->good, (unsigned long long)r->bad, CRU_FOLDS);
    struct scratch s = {malloc(n * sizeof *s.values), malloc(n * sizeof *s.good), malloc(n), n};
    enum cru_status status = CRU_OK;
    if (!s.values || !s.good || !s.fold || !deal(d, n, seed, s.fold))
        status = cru_fail_memory(err, "calibration");
    for (size_t i = 0; status == CRU_OK && i < n; i++) s.good[i] = d[i].good;
    if (status == CRU_OK) status = single_values(&s, d, r, err);
    if (status == CRU_OK) status = fit_cuts(&s, d, profile, r, err);
    if (status == CRU_OK) status = fit_quality(&s, d, profile, r, err);
    free(s.values);
    free(s.good);
    free(s.fold);
    return status;
}
