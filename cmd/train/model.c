/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "crucible/base/base.h"
#include "cmd/train/embedding.h"
#include "cmd/train/model.h"
#include "cmd/train/rmsnorm.h"

enum { TENSORS_PER_BLOCK = 10 };

static size_t model_tensor(struct cru_model *m, enum cru_tensor_kind kind, size_t rows,
                           size_t columns, int64_t block, const char *name) {
    struct cru_tensor *t = &m->tensors[m->n_tensors++];
    if (block < 0)
        snprintf(t->name, sizeof t->name, "%s", name);
    else
        snprintf(t->name, sizeof t->name, "block.%lld.%s", (long long)block, name);
    t->kind = kind, t->rows = rows, t->columns = columns, t->offset = m->n_params;
    m->n_params += rows * columns;
    return t->offset;
}

static void model_block(struct cru_model *m, int64_t i) {
    struct cru_block *b = &m->blocks[i];
    size_t d = m->ffn.d;
    b->attention = cru_model_is_attention(m->config, i);
    b->norm1 = model_tensor(m, CRU_TENSOR_ZERO, 1, d, i, "norm1");
    if (b->attention) {
        size_t query = m->attention.heads * m->attention.dim;
        b->in = model_tensor(m, CRU_TENSOR_MATRIX, cru_attention_projection(m->attention), d, i,
                             "attention.in");
        b->norm = model_tensor(m, CRU_TENSOR_ZERO, 1, m->attention.dim, i, "attention.q_norm");
        b->k_norm = model_tensor(m, CRU_TENSOR_ZERO, 1, m->attention.dim, i, "attention.k_norm");
        b->out = model_tensor(m, CRU_TENSOR_OUT, d, query, i, "attention.out");
    } else {
        struct cru_delta s = m->gdn.delta;
        b->in = model_tensor(m, CRU_TENSOR_MATRIX, cru_gdn_projection(m->gdn), d, i, "gdn.in");
        b->conv = model_tensor(m, CRU_TENSOR_CONV, cru_gdn_channels(m->gdn), 4, i, "gdn.conv");
        b->a_log = model_tensor(m, CRU_TENSOR_A_LOG, 1, s.v_heads, i, "gdn.a_log");
        b->dt_bias = model_tensor(m, CRU_TENSOR_DT_BIAS, 1, s.v_heads, i, "gdn.dt_bias");
        b->norm = model_tensor(m, CRU_TENSOR_ONE, 1, s.dv, i, "gdn.norm");
        b->out = model_tensor(m, CRU_TENSOR_OUT, d, s.v_heads * s.dv, i, "gdn.out");
    }
    b->norm2 = model_tensor(m, CRU_TENSOR_ZERO, 1, d, i, "norm2");
    b->ffn_in = model_tensor(m, CRU_TENSOR_MATRIX, 2 * m->ffn.f, d, i, "ffn.in");
    b->ffn_out = model_tensor(m, CRU_TENSOR_OUT, d, m->ffn.f, i, "ffn.out");
}

enum cru_status cru_model_layout(struct cru_model *m, const struct cru_model_config *config,
                                 size_t vocabulary, size_t longest, struct cru_error *err) {
    size_t layers = (size_t)config->layers, d = (size_t)config->width;
    memset(m, 0, sizeof *m);
    m->config = config, m->vocabulary = vocabulary;
    m->gdn = (struct cru_gdn){d,
                              {(size_t)config->gdn_key_heads, (size_t)config->gdn_value_heads,
                               (size_t)config->gdn_key_dim, (size_t)config->gdn_value_dim,
                               CRU_DELTA_CHUNK}};
    m->attention = (struct cru_attention){.d = d,
                                          .heads = (size_t)config->heads,
                                          .kv_heads = (size_t)config->kv_heads,
                                          .dim = (size_t)config->head_dim,
                                          .rotary = (size_t)cru_model_rotary(config),
                                          .theta = config->rope_theta,
                                          .silu_gate = strcmp(config->attention_gate, "silu") == 0,
                                          .longest = longest};
    m->ffn = (struct cru_ffn){d, (size_t)config->ffn_width};
    m->loss = (struct cru_loss){d, vocabulary};
    m->tensors = calloc(2 + layers * TENSORS_PER_BLOCK, sizeof *m->tensors);
    m->blocks = calloc(layers, sizeof *m->blocks);
    if (!m->tensors || !m->blocks) {
        cru_model_release(m);
        return cru_fail_memory(err, "model tables");
    }
    model_tensor(m, CRU_TENSOR_EMBEDDING, vocabulary, d, -1, "embedding");
    m->n_embedding = m->n_params;
    for (int64_t i = 0; i < config->layers; i++) model_block(m, i);
    m->final_norm = model_tensor(m, CRU_TENSOR_ZERO, 1, d, -1, "norm");
    return CRU_OK;
}

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

/* Lays everything out in the region; counts bytes by purpose. */
static struct cru_model_bytes model_lay_out(struct cru_model *m, size_t n, int threads,
                                            struct cru_region *region) {
    struct cru_model_bytes bytes = {0};
    size_t d = m->ffn.d, mark = region->used;
#define MODEL_COUNT(purpose) (bytes.purpose += region->used - mark, mark = region->used)
    m->params = cru_region_reals(region, m->n_params), MODEL_COUNT(parameters);
    m->grads = cru_region_reals(region, m->n_params), MODEL_COUNT(gradients);
    for (size_t i = 0; i < (size_t)m->config->layers; i++) {
        struct cru_block *b = &m->blocks[i];
        b->x = cru_region_reals(region, n * d), b->middle = cru_region_reals(region, n * d);
        b->h1 = cru_region_reals(region, n * d), b->h2 = cru_region_reals(region, n * d);
        b->rstd1 = cru_region_reals(region, n), b->rstd2 = cru_region_reals(region, n);
        MODEL_COUNT(residual);
        if (b->attention) {
            cru_attention_reserve(m->attention, n, region, &b->full), MODEL_COUNT(attention);
        } else {
            cru_gdn_reserve(m->gdn, n, region, &b->gdn), MODEL_COUNT(gdn);
        }
        cru_ffn_reserve(m->ffn, n, region, &b->ffn), MODEL_COUNT(ffn);
    }
    m->last = cru_region_reals(region, n * d), m->hidden = cru_region_reals(region, n * d);
    m->last_rstd = cru_region_reals(region, n), MODEL_COUNT(residual);
    m->logits = cru_region_reals(region, cru_loss_chunk_rows(m->loss) * m->vocabulary);
    MODEL_COUNT(logits);
    size_t work =
        larger(larger(cru_gdn_work(m->gdn), cru_attention_work(m->attention)), 3 * m->ffn.f);
    size_t scratch = larger(cru_delta_scratch(m->gdn.delta), cru_attention_scratch(m->attention));
    m->dx = cru_region_reals(region, n * d), m->dh = cru_region_reals(region, n * d);
    m->work = cru_region_reals(region, n * work);
    m->scratch = cru_region_reals(region, (size_t)threads * scratch), MODEL_COUNT(work);
#undef MODEL_COUNT
    return bytes;
}

struct cru_model_bytes cru_model_plan(struct cru_model *model, size_t max_rows, int threads) {
    struct cru_region region = {0};
    return model_lay_out(model, max_rows, threads, &region);
}

enum cru_status cru_model_reserve(struct cru_model *m, size_t max_rows, int threads,
                                  struct cru_error *err) {
    struct cru_region region = {0};
    model_lay_out(m, max_rows, threads, &region);
    m->memory = aligned_alloc(64, region.used);
    if (!m->memory) return cru_fail_memory(err, "model and activations (see --memory-plan)");
    region = (struct cru_region){m->memory, 0};
    m->bytes = model_lay_out(m, max_rows, threads, &region);
    m->max_rows = max_rows, m->threads = threads;
    memset(m->params, 0, m->n_params * sizeof *m->params);
    memset(m->grads, 0, m->n_params * sizeof *m->grads);
    return CRU_OK;
}

void cru_model_release(struct cru_model *m) {
    free(m->memory);
    free(m->tensors);
    free(m->blocks);
    memset(m, 0, sizeof *m);
}

/* A normal deviate (Box, Muller 1958). */
static double model_normal(struct cru_random *random) {
    double radius = sqrt(-2 * log(1 - cru_random_unit(random)));
    return radius * cos(6.283185307179586 * cru_random_unit(random));
}

static double model_fresh(const struct cru_model *m, enum cru_tensor_kind kind,
                          struct cru_random *random) {
    double u;
    switch (kind) {
    case CRU_TENSOR_MATRIX:
    case CRU_TENSOR_EMBEDDING:
        return model_normal(random) * m->config->init_std;
    case CRU_TENSOR_OUT:
        return model_normal(random) * m->config->init_std / sqrt(2.0 * (double)m->config->layers);
    case CRU_TENSOR_CONV:
        return cru_random_unit(random) - 0.5;
    case CRU_TENSOR_ZERO:
        return 0;
    case CRU_TENSOR_ONE:
        return 1;
    case CRU_TENSOR_A_LOG:
        return log(0.01 + (16 - 0.01) * cru_random_unit(random));
    case CRU_TENSOR_DT_BIAS:
        u = exp(log(0.001) + log(100.0) * cru_random_unit(random));
        return u + log(-expm1(-u)); /* softplus of this is u */
    }
    return 0;
}

void cru_model_initialise(struct cru_model *m, uint64_t seed) {
    for (size_t i = 0; i < m->n_tensors; i++) {
        const struct cru_tensor *t = &m->tensors[i];
        struct cru_random random = {cru_mix64(seed ^ cru_mix64(i + 1))};
        for (size_t j = 0; j < t->rows * t->columns; j++)
            m->params[t->offset + j] = (real)model_fresh(m, t->kind, &random);
    }
}

static struct cru_gdn_weights gdn_weights(const struct cru_block *b, real *base) {
    return (struct cru_gdn_weights){.in = base + b->in,
                                    .conv = base + b->conv,
                                    .a_log = base + b->a_log,
                                    .dt_bias = base + b->dt_bias,
                                    .norm = base + b->norm,
                                    .out = base + b->out};
}
static struct cru_attention_weights attention_weights(const struct cru_block *b, real *base) {
    return (struct cru_attention_weights){.in = base + b->in,
                                          .q_norm = base + b->norm,
                                          .k_norm = base + b->k_norm,
                                          .out = base + b->out};
}

void cru_model_forward(struct cru_model *m, const struct cru_rows *rows) {
    size_t n = rows->n, d = m->ffn.d, layers = (size_t)m->config->layers;
    struct cru_rmsnorm norm = {1, d, true};
    real *p = m->params;
    cru_embedding_forward(rows, d, p, m->blocks[0].x, m->threads);
    for (size_t i = 0; i < layers; i++) {
        struct cru_block *b = &m->blocks[i];
        real *next = i + 1 < layers ? m->blocks[i + 1].x : m->last;
        cru_rmsnorm_forward(norm, n, b->x, d, p + b->norm1, b->h1, d, b->rstd1, m->threads);
        memcpy(b->middle, b->x, n * d * sizeof *b->x);
        if (b->attention)
            cru_attention_forward(m->attention, rows, attention_weights(b, p), b->h1, &b->full,
                                  b->middle, m->scratch, m->threads);
        else
            cru_gdn_forward(m->gdn, rows, gdn_weights(b, p), b->h1, &b->gdn, b->middle, m->scratch,
                            m->threads);
        cru_rmsnorm_forward(norm, n, b->middle, d, p + b->norm2, b->h2, d, b->rstd2, m->threads);
        memcpy(next, b->middle, n * d * sizeof *next);
        cru_ffn_forward(m->ffn, n, p + b->ffn_in, p + b->ffn_out, b->h2, &b->ffn, next, m->threads);
    }
    cru_rmsnorm_forward(norm, n, m->last, d, p + m->final_norm, m->hidden, d, m->last_rstd,
                        m->threads);
}

void cru_model_backward(struct cru_model *m, const struct cru_rows *rows) {
    size_t n = rows->n, d = m->ffn.d;
    struct cru_rmsnorm norm = {1, d, true};
    real *p = m->params, *g = m->grads;
    cru_rmsnorm_backward(norm, n, m->last, d, p + m->final_norm, m->last_rstd, m->dh, d, false,
                         m->dx, d, g + m->final_norm, m->threads);
    for (size_t i = (size_t)m->config->layers; i-- > 0;) {
        struct cru_block *b = &m->blocks[i];
        cru_ffn_backward(m->ffn, n, p + b->ffn_in, p + b->ffn_out, b->h2, &b->ffn, m->dx, m->dh,
                         g + b->ffn_in, g + b->ffn_out, m->work, m->threads);
        cru_rmsnorm_backward(norm, n, b->middle, d, p + b->norm2, b->rstd2, m->dh, d, true, m->dx,
                             d, g + b->norm2, m->threads);
        if (b->attention)
            cru_attention_backward(m->attention, rows, attention_weights(b, p), b->h1, &b->full,
                                   m->dx, m->dh, attention_weights(b, g), m->work, m->scratch,
                                   m->threads);
        else
            cru_gdn_backward(m->gdn, rows, gdn_weights(b, p), b->h1, &b->gdn, m->dx, m->dh,
                             gdn_weights(b, g), m->work, m->scratch, m->threads);
        cru_rmsnorm_backward(norm, n, b->x, d, p + b->norm1, b->rstd1, m->dh, d, true, m->dx, d,
                             g + b->norm1, m->threads);
    }
    cru_embedding_backward(rows, d, m->dx, g);
}

void cru_model_loss(struct cru_model *m, const struct cru_rows *rows, double inverse_total,
                    bool backward, double *nll) {
    cru_model_forward(m, rows);
    cru_loss_run(m->loss, rows, m->hidden, m->params, inverse_total, m->logits, nll,
                 backward ? m->dh : NULL, backward ? m->grads : NULL, m->threads);
    if (backward) cru_model_backward(m, rows);
}
