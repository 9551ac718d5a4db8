/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fits a profile to labelled documents.
 *
 * Cuts. Youden's J = share of the good at or above a cut, less that of the bad (Youden 1950); the
 * cut with the largest J, half-way between two values. A J below CRU_LEAST_J is taken for noise:
 * the cut of the base profile stays. q_core comes from the signal_score of all documents, q_anneal
 * from those at or above q_core.
 *
 * Quality score. Logistic regression on the eight factors, standardised by mean and deviation of
 * the measured values, with a ridge of 1 on the weights, by Newton's method; its cut by Youden's J.
 *
 * What is reported. AUC, the probability that a good document scores above a bad one (Mann, Whitney
 * 1947; ties count half), with the standard error of Hanley, McNeil 1982; of the quality score on
 * held-out documents: 5 folds, each class dealt in an order that the seed shuffles, all numbers
 * (centers, scales, weights) from the other four folds.
 *
 * Pure and deterministic; CRU_FATAL when memory is short, CRU_USAGE when a class is missing.
 */
#ifndef CRU_DDM_CALIBRATE_H
#define CRU_DDM_CALIBRATE_H

#include "ddm/profile.h"

enum { CRU_FOLDS = 5 };
#define CRU_LEAST_J 0.1

struct cru_labelled {
    bool good;
    double signal_score;
    uint64_t words;
    struct cru_quality quality;
};

struct cru_cut {
    double cut, j, good_above, bad_above; /* shares at or above the cut */
};

struct cru_area {
    double auc, error; /* standard error */
};

struct cru_calibration {
    uint64_t good, bad;
    struct cru_area signal, length, factor[CRU_FACTORS]; /* of measured values */
    struct cru_area quality;                             /* held out */
    struct cru_area quality_seen;                        /* on what it was fitted to */
    struct cru_cut core, anneal, quality_cut;
    bool core_kept, anneal_kept; /* the base's cut stands */
};

/* `profile` is the base on entry and fitted on return. */
enum cru_status cru_calibrate(const struct cru_labelled *documents, size_t n, uint64_t seed,
                              struct cru_profile *profile, struct cru_calibration *report,
                              struct cru_error *err);

/* The AUC of values, and the cut with the largest J (CRU_FATAL when memory is short). NaN values
 * are left out. */
enum cru_status cru_auc(const double *values, const bool *good, size_t n, struct cru_area *area,
                        struct cru_cut *cut, struct cru_error *err);

#endif
