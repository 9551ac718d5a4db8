/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/base/base.h"
#include "crucible/base/parallel.h"
#include "cmd/train/attention.h"
#include "cmd/train/gemm.h"
#include "cmd/train/rmsnorm.h"

/* Where the parts of a projected row start. */
struct attention_columns {
    size_t query, key; /* heads dim, kv_heads dim */
    size_t gate, k, v, projection;
};
static struct attention_columns attention_columns(struct cru_attention s) {
    struct attention_columns c = {.query = s.heads * s.dim, .key = s.kv_heads * s.dim};
    c.gate = c.query, c.k = 2 * c.query, c.v = c.k + c.key, c.projection = c.v + c.key;
    return c;
}

void cru_attention_reserve(struct cru_attention s, size_t n, struct cru_region *region,
                           struct cru_attention_cache *cache) {
    struct attention_columns c = attention_columns(s);
    cache->projected = cru_region_reals(region, n * c.projection);
    cache->q = cru_region_reals(region, n * c.query);
    cache->k = cru_region_reals(region, n * c.key);
    cache->q_rstd = cru_region_reals(region, n * s.heads);
    cache->k_rstd = cru_region_reals(region, n * s.kv_heads);
    cache->log_sum = cru_region_reals(region, n * s.heads);
    cache->o = cru_region_reals(region, n * c.query);
    cache->y = cru_region_reals(region, n * c.query);
    cache->angles = cru_region_reals(region, s.longest * s.rotary);
    if (!cache->angles) return;
    size_t half = s.rotary / 2;
    for (size_t t = 0; t < s.longest; t++)
        for (size_t i = 0; i < half; i++) {
            double angle = (double)t * pow(s.theta, -2.0 * (double)i / (double)s.rotary);
            cache->angles[t * s.rotary + i] = (real)cos(angle);
            cache->angles[t * s.rotary + half + i] = (real)sin(angle);
        }
}

struct attention_job {
    struct cru_attention s;
    struct attention_columns c;
    const struct cru_rows *rows;
    const struct cru_attention_cache *cache;
    real *scratch, *dprojected, *dy, *dq, *dk;
    real scale;
};

/* Turns by the position's angle; `sign` -1 turns back, which is the gradient. */
static void attention_rotate(const struct attention_job *job, size_t r, size_t heads, real sign,
                             real *x) {
    size_t half = job->s.rotary / 2;
    const real *cosine = job->cache->angles + job->rows->position[r] * job->s.rotary;
    const real *sine = cosine + half;
    for (size_t h = 0; h < heads; h++, x += job->s.dim)
        for (size_t i = 0; i < half; i++) {
            real a = x[i], b = x[i + half];
            x[i] = a * cosine[i] - sign * b * sine[i];
            x[i + half] = b * cosine[i] + sign * a * sine[i];
        }
}

static void attention_rotate_row(void *context, size_t r, int thread) {
    const struct attention_job *job = context;
    (void)thread;
    attention_rotate(job, r, job->s.heads, 1, job->cache->q + r * job->c.query);
    attention_rotate(job, r, job->s.kv_heads, 1, job->cache->k + r * job->c.key);
}

/* Scores of query rows [from, from + count) of a head against its segment's rows up to each: masked
 * ones are left as they are. ld is the number of columns. */
static size_t attention_scores(const struct attention_job *job, size_t start, size_t from,
                               size_t count, size_t head, real *scores) {
    size_t kv = head / (job->s.heads / job->s.kv_heads), columns = from + count - start;
    cru_gemm_serial(CRU_N, CRU_T, count, columns, job->s.dim,
                    job->cache->q + from * job->c.query + head * job->s.dim, job->c.query,
                    job->cache->k + start * job->c.key + kv * job->s.dim, job->c.key, false, scores,
                    columns);
    return columns;
}

static void attention_forward_block(const struct attention_job *job, size_t start, size_t from,
                                    size_t count, size_t head, real *scores) {
    size_t kv = head / (job->s.heads / job->s.kv_heads);
    size_t columns = attention_scores(job, start, from, count, head, scores);
    for (size_t i = 0; i < count; i++) {
        real *row = scores + i * columns, most = -INFINITY, sum = 0;
        size_t seen = from + i - start + 1;
        for (size_t j = 0; j < seen; j++) {
            row[j] *= job->scale;
            if (row[j] > most) most = row[j];
        }
        for (size_t j = 0; j < seen; j++) {
            row[j] = cru_real_exp(row[j] - most);
            sum += row[j];
        }
        cru_rescale(seen, 1 / sum, row);
        memset(row + seen, 0, (columns - seen) * sizeof *row);
        job->cache->log_sum[(from + i) * job->s.heads + head] = most + (real)log((double)sum);
    }
    cru_gemm_serial(CRU_N, CRU_N, count, job->s.dim, columns, scores, columns,
                    job->cache->projected + start * job->c.projection + job->c.v + kv * job->s.dim,
                    job->c.projection, false,
                    job->cache->o + from * job->c.query + head * job->s.dim, job->c.query);
}

static void attention_forward_head(void *context, size_t index, int thread) {
    const struct attention_job *job = context;
    size_t segment = index / job->s.heads, head = index % job->s.heads;
    size_t start = job->rows->start[segment], end = job->rows->start[segment + 1];
    real *scores = job->scratch + (size_t)thread * cru_attention_scratch(job->s);
    for (size_t from = start; from < end; from += CRU_ATTENTION_BLOCK) {
        size_t count = end - from < CRU_ATTENTION_BLOCK ? end - from : CRU_ATTENTION_BLOCK;
        attention_forward_block(job, start, from, count, head, scores);
    }
}

static void attention_gate_row(void *context, size_t r, int thread) {
    const struct attention_job *job = context;
    (void)thread;
    const real *gate = job->cache->projected + r * job->c.projection + job->c.gate;
    const real *o = job->cache->o + r * job->c.query;
    real *y = job->cache->y + r * job->c.query;
    for (size_t i = 0; i < job->c.query; i++)
        y[i] = o[i] * (job->s.silu_gate ? cru_silu(gate[i]) : cru_sigmoid(gate[i]));
}

void cru_attention_forward(struct cru_attention s, const struct cru_rows *rows,
                           struct cru_attention_weights w, const real *h,
                           const struct cru_attention_cache *cache, real *out, real *scratch,
                           int threads) {
    struct attention_job job = {.s = s, .c = attention_columns(s), .rows = rows, .cache = cache};
    struct cru_rmsnorm q_norm = {s.heads, s.dim, true}, k_norm = {s.kv_heads, s.dim, true};
    size_t n = rows->n;
    job.scratch = scratch, job.scale = 1 / cru_real_sqrt((real)s.dim);
    cru_gemm(CRU_N, CRU_T, n, job.c.projection, s.d, h, s.d, w.in, s.d, false, cache->projected,
             job.c.projection, threads);
    cru_rmsnorm_forward(q_norm, n, cache->projected, job.c.projection, w.q_norm, cache->q,
                        job.c.query, cache->q_rstd, threads);
    cru_rmsnorm_forward(k_norm, n, cache->projected + job.c.k, job.c.projection, w.k_norm, cache->k,
                        job.c.key, cache->k_rstd, threads);
    cru_parallel_for(n, 64, threads, attention_rotate_row, &job);
    cru_parallel_for(rows->n_segments * s.heads, 1, threads, attention_forward_head, &job);
    cru_parallel_for(n, 16, threads, attention_gate_row, &job);
    cru_gemm(CRU_N, CRU_T, n, s.d, job.c.query, cache->y, job.c.query, w.out, job.c.query, true,
             out, s.d, threads);
}

/* dy becomes the gradient of o. */
static void attention_gate_back_row(void *context, size_t r, int thread) {
    const struct attention_job *job = context;
    (void)thread;
    const real *gate = job->cache->projected + r * job->c.projection + job->c.gate;
    const real *o = job->cache->o + r * job->c.query;
    real *dgate = job->dprojected + r * job->c.projection + job->c.gate;
    real *dy = job->dy + r * job->c.query;
    for (size_t i = 0; i < job->c.query; i++) {
        real s = cru_sigmoid(gate[i]);
        dgate[i] = dy[i] * o[i] * (job->s.silu_gate ? cru_silu_slope(gate[i]) : s * (1 - s));
        dy[i] *= job->s.silu_gate ? gate[i] * s : s;
    }
}

/* One block of query rows: P again from the kept log-sums, dP = dO V^T, dS = P o (dP - rowsum(dO o
 * O)). */
static void attention_backward_block(const struct attention_job *job, size_t start, size_t from,
                                     size_t count, size_t head, real *p) {
    size_t dim = job->s.dim, kv = head / (job->s.heads / job->s.kv_heads);
    const real *dout = job->dy + from * job->c.query + head * dim;
    const real *o = job->cache->o + from * job->c.query + head * dim;
    const real *v = job->cache->projected + start * job->c.projection + job->c.v + kv * dim;
    real *dv = job->dprojected + start * job->c.projection + job->c.v + kv * dim;
    size_t columns = attention_scores(job, start, from, count, head, p);
    real *ds = p + CRU_ATTENTION_BLOCK * job->s.longest;
    cru_gemm_serial(CRU_N, CRU_T, count, columns, dim, dout, job->c.query, v, job->c.projection,
                    false, ds, columns);
    for (size_t i = 0; i < count; i++) {
        real *row = p + i * columns, *drow = ds + i * columns;
        real log_sum = job->cache->log_sum[(from + i) * job->s.heads + head];
        real pull = cru_dot(dim, dout + i * job->c.query, o + i * job->c.query);
        size_t seen = from + i - start + 1;
        for (size_t j = 0; j < seen; j++) {
            row[j] = cru_real_exp(row[j] * job->scale - log_sum);
            drow[j] = row[j] * (drow[j] - pull) * job->scale;
        }
        memset(row + seen, 0, (columns - seen) * sizeof *row);
        memset(drow + seen, 0, (columns - seen) * sizeof *drow);
    }
    cru_gemm_serial(CRU_T, CRU_N, columns, dim, count, p, columns, dout, job->c.query, true, dv,
                    job->c.projection);
    cru_gemm_serial(CRU_N, CRU_N, count, dim, columns, ds, columns,
                    job->cache->k + start * job->c.key + kv * dim, job->c.key, false,
                    job->dq + from * job->c.query + head * dim, job->c.query);
    cru_gemm_serial(CRU_T, CRU_N, columns, dim, count, ds, columns,
                    job->cache->q + from * job->c.query + head * dim, job->c.query, true,
                    job->dk + start * job->c.key + kv * dim, job->c.key);
}

/* One segment and one key head: the thread owns its rows of dk and dv. */
static void attention_backward_head(void *context, size_t index, int thread) {
    const struct attention_job *job = context;
    size_t segment = index / job->s.kv_heads, kv = index % job->s.kv_heads;
    size_t start = job->rows->start[segment], end = job->rows->start[segment + 1];
    size_t group = job->s.heads / job->s.kv_heads, bytes = job->s.dim * sizeof(real);
    real *scratch = job->scratch + (size_t)thread * cru_attention_scratch(job->s);
    for (size_t r = start; r < end; r++) {
        memset(job->dk + r * job->c.key + kv * job->s.dim, 0, bytes);
        memset(job->dprojected + r * job->c.projection + job->c.v + kv * job->s.dim, 0, bytes);
    }
    for (size_t head = kv * group; head < (kv + 1) * group; head++)
        for (size_t from = start; from < end; from += CRU_ATTENTION_BLOCK) {
            size_t count = end - from < CRU_ATTENTION_BLOCK ? end - from : CRU_ATTENTION_BLOCK;
            attention_backward_block(job, start, from, count, head, scratch);
        }
}

static void attention_rotate_back_row(void *context, size_t r, int thread) {
    const struct attention_job *job = context;
    (void)thread;
    attention_rotate(job, r, job->s.heads, -1, job->dq + r * job->c.query);
    attention_rotate(job, r, job->s.kv_heads, -1, job->dk + r * job->c.key);
}

void cru_attention_backward(struct cru_attention s, const struct cru_rows *rows,
                            struct cru_attention_weights w, const real *h,
                            const struct cru_attention_cache *cache, const real *dout, real *dh,
                            struct cru_attention_weights grads, real *work, real *scratch,
                            int threads) {
    struct attention_job job = {.s = s, .c = attention_columns(s), .rows = rows, .cache = cache};
    struct cru_rmsnorm q_norm = {s.heads, s.dim, true}, k_norm = {s.kv_heads, s.dim, true};
    size_t n = rows->n, query = job.c.query, projection = job.c.projection;
    job.scratch = scratch, job.scale = 1 / cru_real_sqrt((real)s.dim);
    job.dprojected = work, work += n * projection;
    job.dy = work, work += n * query;
    job.dq = work, work += n * query;
    job.dk = work;

    cru_gemm(CRU_N, CRU_N, n, query, s.d, dout, s.d, w.out, query, false, job.dy, query, threads);
    cru_gemm(CRU_T, CRU_N, s.d, query, n, dout, s.d, cache->y, query, true, grads.out, query,
             threads);
    cru_parallel_for(n, 16, threads, attention_gate_back_row, &job);
    cru_parallel_for(rows->n_segments * s.kv_heads, 1, threads, attention_backward_head, &job);
    cru_parallel_for(n, 64, threads, attention_rotate_back_row, &job);
    cru_rmsnorm_backward(q_norm, n, cache->projected, projection, w.q_norm, cache->q_rstd, job.dq,
                         query, false, job.dprojected, projection, grads.q_norm, threads);
    cru_rmsnorm_backward(k_norm, n, cache->projected + job.c.k, projection, w.k_norm, cache->k_rstd,
                         job.dk, job.c.key, false, job.dprojected + job.c.k, projection,
                         grads.k_norm, threads);
    cru_gemm(CRU_N, CRU_N, n, s.d, projection, job.dprojected, projection, w.in, s.d, false, dh,
             s.d, threads);
    cru_gemm(CRU_T, CRU_N, projection, s.d, n, job.dprojected, projection, h, s.d, true, grads.in,
             s.d, threads);
}
