/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The path of the mean and variance of dx = theta(mu - x)dt + v s(t) dt + sigma dW, x(0) = x0, for
 * a drive s(t) that is constant on pieces; each piece is one exact step, never Euler's.
 *
 * With g(t) = (1 - exp(-theta t)) / theta (t when theta = 0) and k = theta(mu - m) + v s:
 *
 *     m(t)  = m + k g(t)                              monotone, so it meets a level at most once,
 *     t*    = -log(1 - theta (B - m) / k) / theta     at this time
 *     Var'  = Var exp(-2 theta t) + sigma^2 g(t; 2 theta)
 *     int m = m t + k phi(t),   phi(t) = (t - g(t)) / theta
 *
 * Everything is written so that theta = 0 (no leak: the plain drift diffusion) needs no division.
 * Pure arithmetic; no memory, no errors.
 */
#ifndef CRU_DDM_DRIFT_H
#define CRU_DDM_DRIFT_H

#include <stdbool.h>
#include <stdint.h>

struct cru_drift {
    double theta, mu, v, sigma, upper, lower; /* set before cru_drift_begin */
    double x0;
    double t, mean, variance;
    double integral; /* of the mean, less what it would be for s = 0 */
    double above;    /* time with mean >= upper */
    double below_mu; /* time with mean < mu */
    double low_now;  /* time since the mean went to or under lower, 0 when above it */
    double low_longest;
    double first_low; /* time when the mean first was at or under lower, -1: never */
    double low_z;     /* largest (lower - mean) / sd at the end of a step; see cru_drift_p_low */
};

/* What a step of some time costs in exponentials, by its number of words: filled when first asked
 * for, thrown away when theta or the unit changes. The numbers are those of cru_drift_step. */
enum { CRU_DRIFT_WORDS = 256 };
struct cru_drift_times {
    double theta, words_per_time;
    struct cru_drift_time {
        double time, g, phi, decay, g2; /* g(t), phi(t), exp(-2 theta t), g(t; 2 theta) */
    } of[CRU_DRIFT_WORDS];              /* time 0: not yet filled */
};

void cru_drift_begin(struct cru_drift *d);
/* Goes on for `time` >= 0 under the drive s. */
void cru_drift_step(struct cru_drift *d, double s, double time);
/* The same for a number of words, with the table's help. */
void cru_drift_times_begin(struct cru_drift_times *times, const struct cru_drift *d,
                           double words_per_time);
void cru_drift_step_words(struct cru_drift *d, struct cru_drift_times *times, double s,
                          uint32_t words);
/* The largest probability, over the ends of steps, that x <= lower; 0 before the first step. */
double cru_drift_p_low(const struct cru_drift *d);
/*
 * Q: the area under the mean over the area that s = 1 would give, which corrects for the start and
 * for length: a constant s has Q = s whatever the time. It is an average of s(t) with positive
 * weights. 0 when no time has passed.
 */
double cru_drift_score(const struct cru_drift *d);

/* g and phi above, for t >= 0 and theta >= 0. */
double cru_drift_g(double theta, double t);
double cru_drift_phi(double theta, double t);

#endif
