/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gated grouped-query attention as in Qwen3-Next:
 *
 *     h -> in-projection -> [q | gate | k | v]
 *          q, k -> zero-centred RMSNorm per head -> rotary embedding of the first `rotary`
 * dimensions softmax(q k^T / sqrt(dim)) v, causal, inside a segment; key head of query head i: i /
 * (heads / kv_heads) times sigmoid(gate) (or SiLU(gate), the BOREAL plan's form) -> out-projection
 *
 * Rotary pairs are (i, i + rotary / 2) with angle position * theta^(-2 i / rotary), positions
 * counted from the segment's start. Scores are made 64 query rows at a time and made again on the
 * way back. Pure; nothing can fail.
 */
#ifndef CRU_TRAIN_ATTENTION_H
#define CRU_TRAIN_ATTENTION_H

#include "cmd/train/rows.h"

enum { CRU_ATTENTION_BLOCK = 64 };

struct cru_attention {
    size_t d, heads, kv_heads, dim, rotary;
    double theta;
    bool silu_gate;
    size_t longest; /* rows of the longest segment there can be */
};
struct cru_attention_weights {
    real *in;              /* [(2 heads + 2 kv_heads) dim][d]: q gate k v */
    real *q_norm, *k_norm; /* [dim] */
    real *out;             /* [d][heads dim] */
};
struct cru_attention_cache {
    real *projected;       /* [n][(2 heads + 2 kv_heads) dim] */
    real *q, *k;           /* normed and rotated: [n][heads dim], [n][kv_heads dim] */
    real *q_rstd, *k_rstd; /* [n][heads], [n][kv_heads] */
    real *log_sum;         /* [n][heads]: log of the softmax's denominator */
    real *o, *y;           /* before and after the gate: [n][heads dim] */
    real *angles;          /* [longest][rotary]: cosines, then sines */
};

static inline size_t cru_attention_projection(struct cru_attention s) {
    return 2 * (s.heads + s.kv_heads) * s.dim;
}
/* Elements of scratch a thread, and of `work` a row. */
static inline size_t cru_attention_scratch(struct cru_attention s) {
    return (2 * CRU_ATTENTION_BLOCK * s.longest + CRU_ATTENTION_BLOCK + 31) & ~(size_t)31;
}
static inline size_t cru_attention_work(struct cru_attention s) {
    return cru_attention_projection(s) + (2 * s.heads + s.kv_heads) * s.dim;
}

void cru_attention_reserve(struct cru_attention s, size_t n, struct cru_region *region,
                           struct cru_attention_cache *cache);
/* out[n][d] += mixer(h[n][d]). */
void cru_attention_forward(struct cru_attention s, const struct cru_rows *rows,
                           struct cru_attention_weights w, const real *h,
                           const struct cru_attention_cache *cache, real *out, real *scratch,
                           int threads);
/* dh is set, grads are added to. */
void cru_attention_backward(struct cru_attention s, const struct cru_rows *rows,
                            struct cru_attention_weights w, const real *h,
                            const struct cru_attention_cache *cache, const real *dout, real *dh,
                            struct cru_attention_weights grads, real *work, real *scratch,
                            int threads);

#endif
