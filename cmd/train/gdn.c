/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/base/base.h"
#include "crucible/base/parallel.h"
#include "cmd/train/conv.h"
#include "cmd/train/gdn.h"
#include "cmd/train/gemm.h"
#include "cmd/train/rmsnorm.h"

/* Where the parts of a projected row start. */
struct gdn_columns {
    size_t key, value; /* k_heads dk, v_heads dv */
    size_t v, z, b, a, projection, channels;
};
static struct gdn_columns gdn_columns(struct cru_gdn s) {
    struct gdn_columns c = {
        s.delta.k_heads * s.delta.dk, s.delta.v_heads * s.delta.dv, 0, 0, 0, 0, 0, 0};
    c.v = 2 * c.key, c.z = c.v + c.value, c.b = c.z + c.value, c.a = c.b + s.delta.v_heads;
    c.projection = cru_gdn_projection(s), c.channels = c.z;
    return c;
}

void cru_gdn_reserve(struct cru_gdn s, size_t n, struct cru_region *region,
                     struct cru_gdn_cache *cache) {
    struct gdn_columns c = gdn_columns(s);
    cache->projected = cru_region_reals(region, n * c.projection);
    cache->pre = cru_region_reals(region, n * c.channels);
    cache->act = cru_region_reals(region, n * c.channels);
    cache->q = cru_region_reals(region, n * c.key);
    cache->k = cru_region_reals(region, n * c.key);
    cache->q_inverse = cru_region_reals(region, n * s.delta.k_heads);
    cache->k_inverse = cru_region_reals(region, n * s.delta.k_heads);
    cache->g = cru_region_reals(region, n * s.delta.v_heads);
    cache->beta = cru_region_reals(region, n * s.delta.v_heads);
    cache->o = cru_region_reals(region, n * c.value);
    cache->rstd = cru_region_reals(region, n * s.delta.v_heads);
    cache->normed = cru_region_reals(region, n * c.value);
    cache->y = cru_region_reals(region, n * c.value);
    cache->states = cru_region_reals(region, cru_delta_states(s.delta, n));
}

struct gdn_job {
    struct cru_gdn s;
    struct gdn_columns c;
    struct cru_gdn_weights w, grads;
    const struct cru_gdn_cache *cache;
    size_t n;
    real *dprojected, *dact, *dy, *dg, *dbeta, *dq, *dk;
};

static void gdn_unit(size_t heads, size_t d, const real *x, real *unit, real *inverse) {
    for (size_t h = 0; h < heads; h++) {
        inverse[h] = 1 / cru_real_sqrt(cru_dot(d, x + h * d, x + h * d) + (real)CRU_L2_EPSILON);
        cru_scale(d, inverse[h], x + h * d, unit + h * d);
    }
}

static void gdn_prepare_row(void *context, size_t r, int thread) {
    const struct gdn_job *job = context;
    const struct cru_gdn_cache *cache = job->cache;
    const struct cru_delta *s = &job->s.delta;
    (void)thread;
    const real *row = cache->projected + r * job->c.projection,
               *act = cache->act + r * job->c.channels;
    gdn_unit(s->k_heads, s->dk, act, cache->q + r * job->c.key, cache->q_inverse + r * s->k_heads);
    gdn_unit(s->k_heads, s->dk, act + job->c.key, cache->k + r * job->c.key,
             cache->k_inverse + r * s->k_heads);
    for (size_t j = 0; j < s->v_heads; j++) {
        cache->beta[r * s->v_heads + j] = cru_sigmoid(row[job->c.b + j]);
        cache->g[r * s->v_heads + j] =
            -cru_real_exp(job->w.a_log[j]) * cru_softplus(row[job->c.a + j] + job->w.dt_bias[j]);
    }
}

static void gdn_gate_row(void *context, size_t r, int thread) {
    const struct gdn_job *job = context;
    (void)thread;
    const real *z = job->cache->projected + r * job->c.projection + job->c.z;
    const real *normed = job->cache->normed + r * job->c.value;
    real *y = job->cache->y + r * job->c.value;
    for (size_t i = 0; i < job->c.value; i++) y[i] = normed[i] * cru_silu(z[i]);
}

static struct cru_delta_inputs gdn_inputs(const struct gdn_job *job) {
    const struct cru_gdn_cache *cache = job->cache;
    return (struct cru_delta_inputs){.q = cache->q,
                                     .k = cache->k,
                                     .ld_qk = job->c.key,
                                     .v = cache->act + job->c.v,
                                     .ld_v = job->c.channels,
                                     .g = cache->g,
                                     .beta = cache->beta};
}

void cru_gdn_forward(struct cru_gdn s, const struct cru_rows *rows, struct cru_gdn_weights w,
                     const real *h, const struct cru_gdn_cache *cache, real *out, real *scratch,
                     int threads) {
    struct gdn_job job = {.s = s, .c = gdn_columns(s), .w = w, .cache = cache, .n = rows->n};
    struct cru_rmsnorm norm = {s.delta.v_heads, s.delta.dv, false};
    size_t value = job.c.value;
    cru_gemm(CRU_N, CRU_T, rows->n, job.c.projection, s.d, h, s.d, w.in, s.d, false,
             cache->projected, job.c.projection, threads);
    cru_conv_forward(rows, job.c.channels, cache->projected, job.c.projection, w.conv, cache->pre,
                     cache->act, threads);
    cru_parallel_for(rows->n, 16, threads, gdn_prepare_row, &job);
    cru_delta_forward(s.delta, rows, gdn_inputs(&job), cache->o, value, cache->states, scratch,
                      threads);
    cru_rmsnorm_forward(norm, rows->n, cache->o, value, w.norm, cache->normed, value, cache->rstd,
                        threads);
    cru_parallel_for(rows->n, 16, threads, gdn_gate_row, &job);
    cru_gemm(CRU_N, CRU_T, rows->n, s.d, value, cache->y, value, w.out, value, true, out, s.d,
             threads);
}

/* dy becomes the gradient of `normed`; dz goes where the projection's gradient is gathered. */
static void gdn_gate_back_row(void *context, size_t r, int thread) {
    const struct gdn_job *job = context;
    (void)thread;
    const real *z = job->cache->projected + r * job->c.projection + job->c.z;
    const real *normed = job->cache->normed + r * job->c.value;
    real *dz = job->dprojected + r * job->c.projection + job->c.z, *dy = job->dy + r * job->c.value;
    for (size_t i = 0; i < job->c.value; i++) {
        dz[i] = dy[i] * normed[i] * cru_silu_slope(z[i]);
        dy[i] *= cru_silu(z[i]);
    }
}

/* x = unit / inverse: dx = inverse (dunit - unit (unit . dunit)). */
static void gdn_unit_back(size_t heads, size_t d, const real *unit, const real *inverse,
                          const real *dunit, real *dx) {
    for (size_t h = 0; h < heads; h++, unit += d, dunit += d, dx += d) {
        real along = cru_dot(d, unit, dunit);
        for (size_t i = 0; i < d; i++) dx[i] = inverse[h] * (dunit[i] - unit[i] * along);
    }
}

static void gdn_prepare_back_row(void *context, size_t r, int thread) {
    const struct gdn_job *job = context;
    const struct cru_gdn_cache *cache = job->cache;
    const struct cru_delta *s = &job->s.delta;
    (void)thread;
    const real *row = cache->projected + r * job->c.projection;
    real *drow = job->dprojected + r * job->c.projection, *dact = job->dact + r * job->c.channels;
    size_t at = r * job->c.key;
    gdn_unit_back(s->k_heads, s->dk, cache->q + at, cache->q_inverse + r * s->k_heads, job->dq + at,
                  dact);
    gdn_unit_back(s->k_heads, s->dk, cache->k + at, cache->k_inverse + r * s->k_heads, job->dk + at,
                  dact + job->c.key);
    for (size_t j = 0; j < s->v_heads; j++) {
        real beta = cache->beta[r * s->v_heads + j], rate = cru_real_exp(job->w.a_log[j]);
        drow[job->c.b + j] = job->dbeta[r * s->v_heads + j] * beta * (1 - beta);
        drow[job->c.a + j] = -rate * cru_sigmoid(row[job->c.a + j] + job->w.dt_bias[j]) *
                             job->dg[r * s->v_heads + j];
    }
}

static void gdn_gate_sums(const struct gdn_job *job) {
    size_t heads = job->s.delta.v_heads;
    for (size_t j = 0; j < heads; j++) {
        real a_log = 0, dt = 0;
        for (size_t r = 0; r < job->n; r++) {
            a_log += job->cache->g[r * heads + j] * job->dg[r * heads + j];
            dt += job->dprojected[r * job->c.projection + job->c.a + j];
        }
        job->grads.a_log[j] += a_log;
        job->grads.dt_bias[j] += dt;
    }
}

void cru_gdn_backward(struct cru_gdn s, const struct cru_rows *rows, struct cru_gdn_weights w,
                      const real *h, const struct cru_gdn_cache *cache, const real *dout, real *dh,
                      struct cru_gdn_weights grads, real *work, real *scratch, int threads) {
    struct gdn_job job = {.s = s, .c = gdn_columns(s), .w = w, .grads = grads, .cache = cache};
    struct cru_rmsnorm norm = {s.delta.v_heads, s.delta.dv, false};
    size_t n = rows->n, value = job.c.value, key = job.c.key, heads = s.delta.v_heads;
    job.n = n;
    job.dprojected = work, work += n * job.c.projection;
    job.dact = work, work += n * job.c.channels;
    job.dy = work, work += n * value;
    job.dg = work, work += n * heads;
    job.dbeta = work, work += n * heads;
    job.dq = work, work += n * key;
    job.dk = work;

    cru_gemm(CRU_N, CRU_N, n, value, s.d, dout, s.d, w.out, value, false, job.dy, value, threads);
    cru_gemm(CRU_T, CRU_N, s.d, value, n, dout, s.d, cache->y, value, true, grads.out, value,
             threads);
    cru_parallel_for(n, 16, threads, gdn_gate_back_row, &job);
    cru_rmsnorm_backward(norm, n, cache->o, value, w.norm, cache->rstd, job.dy, value, false,
                         job.dy, value, grads.norm, threads);
    struct cru_delta_gradients out = {.dq = job.dq,
                                      .dk = job.dk,
                                      .ld_qk = key,
                                      .dv = job.dact + job.c.v,
                                      .ld_v = job.c.channels,
                                      .dg = job.dg,
                                      .dbeta = job.dbeta};
    cru_delta_backward(s.delta, rows, gdn_inputs(&job), cache->states, job.dy, value, out, scratch,
                       threads);
    cru_parallel_for(n, 16, threads, gdn_prepare_back_row, &job);
    gdn_gate_sums(&job);
    cru_conv_backward(rows, job.c.channels, cache->projected, job.c.projection, w.conv, cache->pre,
                      job.dact, job.dprojected, job.c.projection, grads.conv, threads);
    cru_gemm(CRU_N, CRU_N, n, s.d, job.c.projection, job.dprojected, job.c.projection, w.in, s.d,
             false, dh, s.d, threads);
    cru_gemm(CRU_T, CRU_N, job.c.projection, s.d, n, job.dprojected, job.c.projection, h, s.d, true,
             grads.in, s.d, threads);
}
