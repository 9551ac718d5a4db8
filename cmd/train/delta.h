/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gated delta rule (Yang, Kautz, Hatamizadeh 2024, "Gated Delta Networks"). Per value head,
 * with a state S of dk x dv that is zero where a segment starts:
 *
 *     S <- e^g S;   S <- S + k (beta (v - S^T k))^T;   o = dk^-1/2 S^T q
 *
 * Value head j reads query/key head floor(j / (v_heads / k_heads)). cru_delta_sequential is the
 * rule as written; cru_delta_forward does `chunk` rows at a time with matrix products (the WY form
 * of the same paper), and cru_delta_backward is its hand-derived adjoint. Both are exact up to
 * rounding; g must not be positive. Pure; nothing can fail. A head of one segment belongs to one
 * thread.
 */
#ifndef CRU_TRAIN_DELTA_H
#define CRU_TRAIN_DELTA_H

#include "cmd/train/rows.h"

struct cru_delta {
    size_t k_heads, v_heads, dk, dv;
    size_t chunk; /* rows at a time */
};

/* Rows are `ld` elements apart; heads lie behind one another in a row. */
struct cru_delta_inputs {
    const real *q, *k; /* [n][k_heads dk], of unit length */
    size_t ld_qk;
    const real *v; /* [n][v_heads dv] */
    size_t ld_v;
    const real *g, *beta; /* [n][v_heads] */
};
struct cru_delta_gradients {
    real *dq, *dk; /* [n][k_heads dk], as ld_qk; set */
    size_t ld_qk;
    real *dv; /* [n][v_heads dv]; set */
    size_t ld_v;
    real *dg, *dbeta; /* [n][v_heads]; set */
};

/* Elements of the state store for n rows: each chunk's outgoing state except a segment's last. */
size_t cru_delta_states(struct cru_delta shape, size_t n);
/* Elements of scratch a thread. */
size_t cru_delta_scratch(struct cru_delta shape);

void cru_delta_sequential(struct cru_delta shape, const struct cru_rows *rows,
                          struct cru_delta_inputs in, real *o, size_t ld_o, real *scratch,
                          int threads);
void cru_delta_forward(struct cru_delta shape, const struct cru_rows *rows,
                       struct cru_delta_inputs in, real *o, size_t ld_o, real *states,
                       real *scratch, int threads);
/* `states` as forward left them. */
void cru_delta_backward(struct cru_delta shape, const struct cru_rows *rows,
                        struct cru_delta_inputs in, const real *states, const real *dout,
                        size_t ld_o, struct cru_delta_gradients out, real *scratch, int threads);

#endif
