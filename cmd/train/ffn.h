/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SwiGLU feed-forward (Shazeer 2020): out = W_out (silu(W_gate h) * (W_up h)). w_in is [2 f][d],
 * gate rows first; w_out is [d][f]. Pure; nothing can fail.
 */
#ifndef CRU_TRAIN_FFN_H
#define CRU_TRAIN_FFN_H

#include "cmd/train/rows.h"

struct cru_ffn {
    size_t d, f;
};
struct cru_ffn_cache {
    real *gate_up; /* [n][2 f] */
    real *act;     /* [n][f] */
};

void cru_ffn_reserve(struct cru_ffn ffn, size_t n, struct cru_region *region,
                     struct cru_ffn_cache *cache);
/* out[n][d] += FFN(h[n][d]). */
void cru_ffn_forward(struct cru_ffn ffn, size_t n, const real *w_in, const real *w_out,
                     const real *h, const struct cru_ffn_cache *cache, real *out, int threads);
/* dh[n][d] is set; dw_in, dw_out are added to. scratch[n][3 f]. */
void cru_ffn_backward(struct cru_ffn ffn, size_t n, const real *w_in, const real *w_out,
                      const real *h, const struct cru_ffn_cache *cache, const real *dout, real *dh,
                      real *dw_in, real *dw_out, real *scratch, int threads);

#endif
