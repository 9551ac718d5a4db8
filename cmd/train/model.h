/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The BOREAL model: parameters, activations, forward and backward.
 *
 *     tokens -> embedding -> block 0 .. block L-1 -> RMSNorm -> tied head -> cross-entropy
 *     block:  x += mixer(RMSNorm(x));  x += FFN(RMSNorm(x))
 *     mixer:  Gated DeltaNet, or gated attention in the last of every full_attention_every blocks
 *
 * All parameters lie in one array, all gradients in another of the same layout; `tensors` names the
 * parts, so optimizer, checkpoint and gradient check need to know nothing of layers:
 *
 *     params  | embed [V][d] | block 0: norm1 in conv a_log dt_bias norm out norm2 ffn_in ffn_out |
 * ... | norm |
 *
 * The model owns its memory; one thread at a time (it starts its own). Errors: memory.
 */
#ifndef CRU_TRAIN_MODEL_H
#define CRU_TRAIN_MODEL_H

#include "cmd/train/attention.h"
#include "cmd/train/ffn.h"
#include "cmd/train/gdn.h"
#include "cmd/train/loss.h"
#include "cmd/train/model_yaml.h"
#include "cmd/train/rows.h"
#include "crucible/base/error.h"

enum { CRU_DELTA_CHUNK = 64 };

enum cru_tensor_kind {
    CRU_TENSOR_MATRIX,    /* init normal(0, std); weight decay */
    CRU_TENSOR_OUT,       /* a matrix that writes to the residual stream: std / sqrt(2 layers) */
    CRU_TENSOR_EMBEDDING, /* init normal(0, std); weight decay; AdamW always */
    CRU_TENSOR_CONV,      /* init uniform(-1/2, 1/2): a fan-in of 4 */
    CRU_TENSOR_ZERO,      /* zero-centred norm weight */
    CRU_TENSOR_ONE,       /* norm weight */
    CRU_TENSOR_A_LOG,     /* log of uniform(0.01, 16) (Qwen3.5) */
    CRU_TENSOR_DT_BIAS,   /* softplus^-1 of log-uniform [0.001, 0.1] (FLA, Mamba-2) */
};
struct cru_tensor {
    char name[40];
    enum cru_tensor_kind kind;
    size_t rows, columns, offset; /* rows == 1 for vectors */
};

struct cru_block {
    bool attention;
    size_t norm1, in, conv, a_log, dt_bias, norm, k_norm, out, norm2, ffn_in, ffn_out; /* offsets */
    real *x, *rstd1, *h1, *middle, *rstd2, *h2; /* x: what enters; middle: after the mixer */
    struct cru_gdn_cache gdn;
    struct cru_attention_cache full;
    struct cru_ffn_cache ffn;
};

/* Bytes by purpose. */
struct cru_model_bytes {
    uint64_t parameters, gradients, residual, gdn, attention, ffn, logits, work;
};

struct cru_model {
    const struct cru_model_config *config; /* borrowed */
    size_t vocabulary, n_params, n_embedding;
    struct cru_tensor *tensors;
    size_t n_tensors;
    struct cru_block *blocks;
    size_t final_norm; /* offset */
    struct cru_gdn gdn;
    struct cru_attention attention;
    struct cru_ffn ffn;
    struct cru_loss loss;
    /* After reserve: */
    real *params, *grads; /* [n_params] */
    void *memory;
    struct cru_model_bytes bytes;
    size_t max_rows;
    int threads;
    real *last, *last_rstd, *hidden; /* what leaves the last block, normed */
    real *logits, *dx, *dh, *work, *scratch;
};

/* Shapes and offsets; allocates only tables. `longest` is the most rows a segment may have. */
enum cru_status cru_model_layout(struct cru_model *model, const struct cru_model_config *config,
                                 size_t vocabulary, size_t longest, struct cru_error *err);
/* What reserve would allocate. */
struct cru_model_bytes cru_model_plan(struct cru_model *model, size_t max_rows, int threads);
/* Allocates for up to max_rows rows a micro-batch; parameters and gradients are zero. */
enum cru_status cru_model_reserve(struct cru_model *model, size_t max_rows, int threads,
                                  struct cru_error *err);
/* Fresh parameters; a tensor's values depend on the seed and its name's place only. */
void cru_model_initialise(struct cru_model *model, uint64_t seed);

/* Fills hidden[n][d] (normed). */
void cru_model_forward(struct cru_model *model, const struct cru_rows *rows);
/* From the gradient of `hidden`, which is in model->dh; adds to grads. */
void cru_model_backward(struct cru_model *model, const struct cru_rows *rows);
/* Both with the loss between: nll[n] as cru_loss_run. With `backward`, adds the gradient of
 * sum_r weight_r nll_r * inverse_total to grads. */
void cru_model_loss(struct cru_model *model, const struct cru_rows *rows, double inverse_total,
                    bool backward, double *nll);
void cru_model_release(struct cru_model *model); /* zeroed is fine */

#endif
