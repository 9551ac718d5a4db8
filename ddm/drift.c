/* SPDX-License-Identifier: Apache-2.0 */
#include "ddm/drift.h"
#include <math.h>

/* Below this theta t the closed form of phi loses digits to cancellation and its series, cut after
 * the eighth term, is exact to the last bit (0.05^8 / 10! is under 1e-17). */
static const double series_limit = 0.05;

double cru_drift_g(double theta, double t) {
    double x = theta * t;
    if (x == 0) return t;
    return -expm1(-x) / theta;
}

double cru_drift_phi(double theta, double t) {
    double x = theta * t;
    if (x < series_limit) {
        /* t^2 (1/2! - x/3! + x^2/4! - ...), by Horner from the far end */
        double sum = 1;
        for (int k = 9; k >= 3; k--) sum = 1 - x / k * sum;
        return t * t / 2 * sum;
    }
    return (t - cru_drift_g(theta, t)) / theta;
}

void cru_drift_begin(struct cru_drift *d) {
    d->t = 0;
    d->mean = d->x0;
    d->variance = 0;
    d->integral = 0;
    d->above = d->below_mu = 0;
    d->low_now = d->low_longest = 0;
    d->first_low = -1;
    d->low_z = -(double)INFINITY;
}

/* The time in [0, time] at which the mean, going from m with initial slope k, reaches `level`. The
 * caller knows that it does; rounding is kept inside the step. */
static double crossing(const struct cru_drift *d, double k, double level, double time) {
    double y = (level - d->mean) / k; /* = g(t*) */
    double x = d->theta * y;
    double t;
    if (!(y > 0)) return 0;
    if (x >= 1) return time;
    t = d->theta > 0 ? -log1p(-x) / d->theta : y;
    return t < time ? t : time;
}

/* Time in the step with the mean at or above `level`. */
static double time_above(const struct cru_drift *d, double k, double next, double level,
                         double time) {
    bool from = d->mean >= level, to = next >= level;
    if (from && to) return time;
    if (!from && !to) return 0;
    double t = crossing(d, k, level, time);
    return from ? t : time - t;
}

/* Follows the runs at or under `lower`. */
static void follow_low(struct cru_drift *d, double k, double next, double time) {
    bool from = d->mean <= d->lower, to = next <= d->lower;
    double t = from == to ? 0 : crossing(d, k, d->lower, time);
    if (d->first_low < 0 && (from || to)) d->first_low = d->t + (from ? 0 : t);
    if (from && to)
        d->low_now += time;
    else if (from)
        d->low_now += t; /* left on the way */
    else if (to)
        d->low_now = time - t; /* entered on the way */
    if (d->low_now > d->low_longest) d->low_longest = d->low_now;
    if (!to) d->low_now = 0;
}

static struct cru_drift_time time_of(double theta, double time) {
    return (struct cru_drift_time){.time = time,
                                   .g = cru_drift_g(theta, time),
                                   .phi = cru_drift_phi(theta, time),
                                   .decay = exp(-2 * theta * time),
                                   .g2 = cru_drift_g(2 * theta, time)};
}

static void step(struct cru_drift *d, double s, const struct cru_drift_time *t) {
    double time = t->time;
    double k = d->theta * (d->mu - d->mean) + d->v * s;
    double next = d->mean + k * t->g;
    double rest = d->theta * (d->mu - d->x0); /* slope at 0 of the path with s = 0 */
    double rest_now = rest == 0 ? d->x0 : d->x0 + rest * cru_drift_g(d->theta, d->t);

    d->above += time_above(d, k, next, d->upper, time);
    d->below_mu += time - time_above(d, k, next, d->mu, time);
    follow_low(d, k, next, time);

    d->integral += (d->mean - rest_now) * time + (k - d->theta * (d->mu - rest_now)) * t->phi;
    d->variance = d->variance * t->decay + d->sigma * d->sigma * t->g2;
    d->mean = next;
    d->t += time;

    double sd = sqrt(d->variance), z = d->lower - d->mean;
    z = sd > 0 ? z / sd : z >= 0 ? (double)INFINITY : -(double)INFINITY;
    if (z > d->low_z) d->low_z = z;
}

void cru_drift_step(struct cru_drift *d, double s, double time) {
    if (!(time > 0)) return;
    struct cru_drift_time t = time_of(d->theta, time);
    step(d, s, &t);
}

void cru_drift_times_begin(struct cru_drift_times *times, const struct cru_drift *d,
                           double words_per_time) {
    if (times->theta == d->theta && times->words_per_time == words_per_time) return;
    for (int i = 0; i < CRU_DRIFT_WORDS; i++) times->of[i].time = 0;
    times->theta = d->theta;
    times->words_per_time = words_per_time;
}

void cru_drift_step_words(struct cru_drift *d, struct cru_drift_times *times, double s,
                          uint32_t words) {
    if (words == 0 || words >= CRU_DRIFT_WORDS) {
        cru_drift_step(d, s, words / times->words_per_time);
        return;
    }
    struct cru_drift_time *t = &times->of[words];
    if (t->time == 0) *t = time_of(d->theta, words / times->words_per_time);
    step(d, s, t);
}

double cru_drift_p_low(const struct cru_drift *d) {
    return 0.5 * erfc(-d->low_z * M_SQRT1_2);
}

double cru_drift_score(const struct cru_drift *d) {
    double full = d->v * cru_drift_phi(d->theta, d->t);
    return full > 0 ? d->integral / full : 0;
}
