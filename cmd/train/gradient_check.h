/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compares the hand-written gradients with finite differences, in double precision.
 *
 * The layers' sources are compiled a second time, over double, inside gradient_check.c (see
 * real.h). A model of the given shape gets random parameters and a small random micro-batch of
 * several documents; then single parameters of each tensor are moved by h and 2 h both ways and (8
 * (f(+h) - f(-h)) - (f(+2h) - f(-2h))) / 12 h is set against the gradient. Checked once for
 * ordinary tokens and once for bags. Uses memory for the model in doubles, twice.
 */
#ifndef CRU_TRAIN_GRADIENT_CHECK_H
#define CRU_TRAIN_GRADIENT_CHECK_H

#include "cmd/train/model_yaml.h"

struct cru_gradient_check {
    size_t vocabulary; /* rows of the embedding; the layers do not depend on it */
    size_t rows, bag;
    size_t samples; /* parameters a tensor */
    uint64_t seed;
    int threads;
};
struct cru_gradient_result {
    char worst_tensor[40];
    double worst; /* |difference| / (|numeric| + |by hand| + 1e-3 of the tensor's largest) */
    size_t checked;
};
/* A gradient that is right agrees to this. */
#define CRU_GRADIENT_BAR 1e-6

enum cru_status cru_check_gradients(const struct cru_model_config *config,
                                    struct cru_gradient_check check,
                                    struct cru_gradient_result *result, struct cru_error *err);

#endif
