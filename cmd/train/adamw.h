/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Optimizers over the model's one array of parameters.
 *
 * AdamW (Loshchilov, Hutter 2019) in fp32, betas 0.9 and 0.95, epsilon 1e-8, decoupled weight decay
 * on matrices and the embedding only. With muon, the matrices inside blocks go by Muon (Jordan
 * 2024): momentum 0.95 with Nesterov's look-ahead, five Newton-Schulz steps, step scaled by
 * sqrt(max(1, rows / columns)). Moments live as long as the optimizer; it borrows the model. One
 * thread at a time; no result depends on the number of threads.
 */
#ifndef CRU_TRAIN_ADAMW_H
#define CRU_TRAIN_ADAMW_H

#include "cmd/train/model.h"

#define CRU_ADAM_BETA1 0.9
#define CRU_ADAM_BETA2 0.95
#define CRU_ADAM_EPSILON 1e-8
#define CRU_MUON_MOMENTUM 0.95

struct cru_adamw {
    struct cru_model *model;
    bool muon;
    float *first, *second; /* [n_params]; `first` is Muon's momentum where Muon works */
    float *work;           /* Muon only */
    uint64_t work_bytes;
};

/* Bytes that init would allocate: moments, then work. */
void cru_adamw_plan(const struct cru_model *model, bool muon, uint64_t *moments, uint64_t *work);
enum cru_status cru_adamw_init(struct cru_adamw *adamw, struct cru_model *model, bool muon,
                               struct cru_error *err);
void cru_adamw_release(struct cru_adamw *adamw); /* zeroed is fine */

/* The Euclidean norm of the gradients. */
double cru_gradient_norm(const struct cru_model *model);

struct cru_step {
    uint64_t number; /* from 1: corrects the start of the moments */
    double learning_rate, muon_learning_rate, weight_decay;
    double gradient_scale; /* what clipping leaves of the gradient */
};
/* One update from model->grads, which it sets to zero. */
void cru_adamw_step(struct cru_adamw *adamw, struct cru_step step);

/* Warm-up, plateau, linear decay to zero over the last part (WSD): the factor of step `number` of
 * `total`, both from 1, in (0, 1]. */
double cru_schedule(uint64_t number, uint64_t total, uint64_t warmup, double decay_fraction);

#endif
