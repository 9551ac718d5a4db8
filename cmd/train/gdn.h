/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Gated DeltaNet mixer in the form of Qwen3-Next (transformers, modeling_qwen3_next.py):
 *
 *     h -> in-projection -> [q k v | z | b a]
 *          q, k, v -> causal convolution of 4 -> SiLU;  q, k -> unit length per head
 *          beta = sigmoid(b);  g = -exp(A_log) softplus(a + dt_bias)
 *          -> gated delta rule -> RMSNorm per head (weight w, not zero-centred) * SiLU(z) ->
 * out-projection
 *
 * Pure; nothing can fail.
 */
#ifndef CRU_TRAIN_GDN_H
#define CRU_TRAIN_GDN_H

#include "cmd/train/delta.h"
#include "cmd/train/rows.h"

#define CRU_L2_EPSILON 1e-6 /* Qwen3-Next: x / sqrt(sum x^2 + eps) */

struct cru_gdn {
    size_t d;
    struct cru_delta delta;
};
/* Parameters, or their gradients. */
struct cru_gdn_weights {
    real *in;      /* [2 k_heads dk + 2 v_heads dv + 2 v_heads][d]: q k v z b a */
    real *conv;    /* [2 k_heads dk + v_heads dv][4] */
    real *a_log;   /* [v_heads] */
    real *dt_bias; /* [v_heads] */
    real *norm;    /* [dv] */
    real *out;     /* [d][v_heads dv] */
};
struct cru_gdn_cache {
    real *projected;             /* [n][rows of in] */
    real *pre, *act;             /* [n][channels] */
    real *q, *k;                 /* [n][k_heads dk] of unit length */
    real *q_inverse, *k_inverse; /* [n][k_heads] */
    real *g, *beta;              /* [n][v_heads] */
    real *o;                     /* [n][v_heads dv] */
    real *rstd;                  /* [n][v_heads] */
    real *normed;                /* [n][v_heads dv] */
    real *y;                     /* [n][v_heads dv] */
    real *states;
};

/* Channels that are convolved, and rows of the in-projection. */
static inline size_t cru_gdn_channels(struct cru_gdn s) {
    return 2 * s.delta.k_heads * s.delta.dk + s.delta.v_heads * s.delta.dv;
}
static inline size_t cru_gdn_projection(struct cru_gdn s) {
    return cru_gdn_channels(s) + s.delta.v_heads * s.delta.dv + 2 * s.delta.v_heads;
}

void cru_gdn_reserve(struct cru_gdn s, size_t n, struct cru_region *region,
                     struct cru_gdn_cache *cache);
/* out[n][d] += mixer(h[n][d]); scratch: threads * cru_delta_scratch. */
void cru_gdn_forward(struct cru_gdn s, const struct cru_rows *rows, struct cru_gdn_weights w,
                     const real *h, const struct cru_gdn_cache *cache, real *out, real *scratch,
                     int threads);
/* Elements of `work` that the way back needs, a row. */
static inline size_t cru_gdn_work(struct cru_gdn s) {
    return cru_gdn_projection(s) + cru_gdn_channels(s) + s.delta.v_heads * (s.delta.dv + 2) +
           2 * s.delta.k_heads * s.delta.dk;
}
/* dh is set, grads are added to; work[n][cru_gdn_work]. */
void cru_gdn_backward(struct cru_gdn s, const struct cru_rows *rows, struct cru_gdn_weights w,
                      const real *h, const struct cru_gdn_cache *cache, const real *dout, real *dh,
                      struct cru_gdn_weights grads, real *work, real *scratch, int threads);

#endif
