/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/base/base.h"
#include "crucible/base/parallel.h"
#include "cmd/train/delta.h"
#include "cmd/train/gemm.h"

/*
 * Within a chunk of c rows that S0 enters, G = inclusive running sum of g, E = e^G, D_ij = e^(G_i -
 * G_j) for j <= i, b = beta:
 *
 *     M = strictly lower part of diag(b) (K K^T o D)        A = (I + M)^-1, never formed
 *     U = A diag(b) V      W = A diag(b E) K                solved by substitution
 *     N = U - W S0                                          what each row writes
 *     O = dk^-1/2 (diag(E) Q S0 + P N)                      P = lower part of Q K^T o D
 *     S1 = E_c S0 + (diag(E_c / E) K)^T N
 *
 * Only differences of G are exponentiated, so nothing overflows. `minus_w` holds -W, which turns
 * every subtraction of a product into an addition.
 */
struct delta_chunk {
    size_t c, dk, dv, width; /* width = dk + dv */
    const real *q, *k, *v;   /* first rows of this chunk and head */
    size_t ld_qk, ld_v;
    const real *state;           /* S0, NULL for zero */
    real *qk, *kk;               /* [c][c] */
    real *decay;                 /* D */
    real *m, *p;                 /* [c][c] */
    real *u_w;                   /* [c][dv + dk]: U and -W side by side */
    real *written;               /* N [c][dv] */
    real *beta, *sum, *e, *tail; /* b, G, E, e^(G_c - G): [c] */
    real *k_tail;                /* diag(tail) K [c][dk] */
    /* Backward only. */
    real *dwritten_w;             /* [c][dv + dk]: gradients of U and -W, then A^T times them */
    real *r, *dm;                 /* [c][c] */
    real *from_state;             /* dO S0^T [c][dk] */
    real *from_next;              /* N dS^T [c][dk] */
    real *h;                      /* [c][dk] */
    real *dsum, *dbeta;           /* [c] */
    real *dstate, *dstate_before; /* [dk][dv] */
    real *dout;                   /* dk^-1/2 dO [c][dv] */
    real *q_e;                    /* diag(E) Q [c][dk] */
};

static real *delta_take(real **at, size_t n) {
    real *p = *at;
    if (p) *at += n;
    return p;
}

/* Lays the scratch of one thread out; answers its size in elements. */
static size_t delta_lay_out(struct delta_chunk *w, struct cru_delta s, real *base) {
    size_t c = s.chunk, cc = c * c, wide = c * (s.dk + s.dv), narrow = c * s.dk;
    real *at = base;
    memset(w, 0, sizeof *w);
    w->dk = s.dk, w->dv = s.dv, w->width = s.dk + s.dv;
    real **squares[] = {&w->qk, &w->kk, &w->decay, &w->m, &w->p, &w->r, &w->dm};
    real **narrows[] = {&w->k_tail, &w->from_state, &w->from_next, &w->h, &w->q_e};
    real **vectors[] = {&w->beta, &w->sum, &w->e, &w->tail, &w->dsum, &w->dbeta};
    size_t n_squares = sizeof squares / sizeof *squares,
           n_narrows = sizeof narrows / sizeof *narrows;
    size_t n_vectors = sizeof vectors / sizeof *vectors;
    for (size_t i = 0; i < n_squares; i++) *squares[i] = delta_take(&at, cc);
    for (size_t i = 0; i < n_narrows; i++) *narrows[i] = delta_take(&at, narrow);
    for (size_t i = 0; i < n_vectors; i++) *vectors[i] = delta_take(&at, c);
    w->u_w = delta_take(&at, wide);
    w->dwritten_w = delta_take(&at, wide);
    w->written = delta_take(&at, c * s.dv);
    w->dout = delta_take(&at, c * s.dv);
    w->dstate = delta_take(&at, s.dk * s.dv);
    w->dstate_before = delta_take(&at, s.dk * s.dv);
    return n_squares * cc + n_narrows * narrow + n_vectors * c + 2 * wide + 2 * c * s.dv +
           2 * s.dk * s.dv;
}

size_t cru_delta_scratch(struct cru_delta shape) {
    struct delta_chunk unused;
    /* Rounded up to a cache line, so that threads do not share one. */
    return (delta_lay_out(&unused, shape, NULL) + 31) & ~(size_t)31;
}

size_t cru_delta_states(struct cru_delta shape, size_t n) {
    return n / shape.chunk * shape.v_heads * shape.dk * shape.dv;
}

/* Where the state that leaves chunk `i` of a segment is kept. A segment that starts at row t owns
 * the slots from floor(t / chunk) on; it needs ceil(length / chunk) - 1 of them, which never reach
 * the next's. */
static size_t delta_slot(struct cru_delta s, const struct cru_rows *rows, size_t segment, size_t i,
                         size_t v_head) {
    return ((rows->start[segment] / s.chunk + i) * s.v_heads + v_head) * s.dk * s.dv;
}

/* q.k and k.k of the chunk: shared by the value heads of a group. */
static void delta_products(struct delta_chunk *w) {
    cru_gemm_serial(CRU_N, CRU_T, w->c, w->c, w->dk, w->k, w->ld_qk, w->k, w->ld_qk, false, w->kk,
                    w->c);
    cru_gemm_serial(CRU_N, CRU_T, w->c, w->c, w->dk, w->q, w->ld_qk, w->k, w->ld_qk, false, w->qk,
                    w->c);
}

/* Everything up to N, for one value head. */
static void delta_write(struct delta_chunk *w, const real *g, const real *beta, size_t ld_gate) {
    size_t c = w->c, dk = w->dk, dv = w->dv;
    real total = 0;
    for (size_t i = 0; i < c; i++) {
        total += g[i * ld_gate];
        w->sum[i] = total;
        w->e[i] = cru_real_exp(total);
        w->beta[i] = beta[i * ld_gate];
    }
    for (size_t i = 0; i < c; i++) w->tail[i] = cru_real_exp(total - w->sum[i]);
    memset(w->p, 0, c * c * sizeof *w->p);
    memset(w->m, 0, c * c * sizeof *w->m);
    memset(w->decay, 0, c * c * sizeof *w->decay);
    for (size_t i = 0; i < c; i++)
        for (size_t j = 0; j <= i; j++) {
            real d = cru_real_exp(w->sum[i] - w->sum[j]);
            w->decay[i * c + j] = d;
            w->p[i * c + j] = w->qk[i * c + j] * d;
            if (j < i) w->m[i * c + j] = w->beta[i] * w->kk[i * c + j] * d;
        }
    for (size_t i = 0; i < c; i++) {
        real *row = w->u_w + i * w->width;
        cru_scale(dv, w->beta[i], w->v + i * w->ld_v, row);
        cru_scale(dk, -w->beta[i] * w->e[i], w->k + i * w->ld_qk, row + dv);
        cru_scale(dk, w->tail[i], w->k + i * w->ld_qk, w->k_tail + i * dk);
        for (size_t j = 0; j < i; j++)
            cru_axpy(w->width, -w->m[i * c + j], w->u_w + j * w->width, row);
    }
    for (size_t i = 0; i < c; i++)
        memcpy(w->written + i * dv, w->u_w + i * w->width, dv * sizeof *w->written);
    if (w->state)
        cru_gemm_serial(CRU_N, CRU_N, c, dv, dk, w->u_w + dv, w->width, w->state, dv, true,
                        w->written, dv);
}

struct delta_job {
    struct cru_delta shape;
    const struct cru_rows *rows;
    struct cru_delta_inputs in;
    struct cru_delta_gradients out;
    const real *dout;
    real *o, *states, *scratch;
    const real *kept;
    size_t ld_o, per_thread;
};

static void delta_enter(struct delta_chunk *w, const struct delta_job *job, size_t row, size_t c,
                        size_t k_head) {
    w->c = c;
    w->ld_qk = job->in.ld_qk, w->ld_v = job->in.ld_v;
    w->q = job->in.q + row * w->ld_qk + k_head * w->dk;
    w->k = job->in.k + row * w->ld_qk + k_head * w->dk;
    delta_products(w);
}

/* O and the outgoing state of one value head; `next` NULL when nobody reads it. */
static void delta_read(struct delta_chunk *w, real *o, size_t ld_o, real *next) {
    size_t c = w->c, dk = w->dk, dv = w->dv;
    real scale = 1 / cru_real_sqrt((real)dk);
    cru_gemm_serial(CRU_N, CRU_N, c, dv, c, w->p, c, w->written, dv, false, o, ld_o);
    if (w->state) {
        for (size_t i = 0; i < c; i++) cru_scale(dk, w->e[i], w->q + i * w->ld_qk, w->q_e + i * dk);
        cru_gemm_serial(CRU_N, CRU_N, c, dv, dk, w->q_e, dk, w->state, dv, true, o, ld_o);
    }
    for (size_t i = 0; i < c; i++) cru_rescale(dv, scale, o + i * ld_o);
    if (!next) return;
    if (w->state)
        cru_scale(dk * dv, w->e[c - 1], w->state, next);
    else
        memset(next, 0, dk * dv * sizeof *next);
    cru_gemm_serial(CRU_T, CRU_N, dk, dv, c, w->k_tail, dk, w->written, dv, true, next, dv);
}

/* One segment and one query/key head, with the value heads that read it. */
static void delta_forward_head(void *context, size_t index, int thread) {
    const struct delta_job *job = context;
    struct cru_delta s = job->shape;
    size_t segment = index / s.k_heads, k_head = index % s.k_heads, group = s.v_heads / s.k_heads;
    size_t start = job->rows->start[segment], end = job->rows->start[segment + 1], i = 0;
    struct delta_chunk w;
    delta_lay_out(&w, s, job->scratch + (size_t)thread * job->per_thread);
    for (size_t row = start; row < end; row += s.chunk, i++) {
        size_t c = end - row < s.chunk ? end - row : s.chunk;
        delta_enter(&w, job, row, c, k_head);
        for (size_t j = k_head * group; j < (k_head + 1) * group; j++) {
            w.v = job->in.v + row * w.ld_v + j * s.dv;
            w.state = i ? job->states + delta_slot(s, job->rows, segment, i - 1, j) : NULL;
            delta_write(&w, job->in.g + row * s.v_heads + j, job->in.beta + row * s.v_heads + j,
                        s.v_heads);
            delta_read(&w, job->o + row * job->ld_o + j * s.dv, job->ld_o,
                       row + c < end ? job->states + delta_slot(s, job->rows, segment, i, j)
                                     : NULL);
        }
    }
}

void cru_delta_forward(struct cru_delta shape, const struct cru_rows *rows,
                       struct cru_delta_inputs in, real *o, size_t ld_o, real *states,
                       real *scratch, int threads) {
    struct delta_job job = {.shape = shape, .rows = rows, .in = in, .o = o, .ld_o = ld_o};
    job.states = states, job.scratch = scratch, job.per_thread = cru_delta_scratch(shape);
    cru_parallel_for(rows->n_segments * shape.k_heads, 1, threads, delta_forward_head, &job);
}

/* Gradients through O and S1: fills dwritten_w with those of U and -W, moves dstate one chunk back,
 * and starts dsum, dq and dk. */
static void delta_backward_read(struct delta_chunk *w, real *dq, real *dk_out, size_t ld,
                                bool add) {
    size_t c = w->c, dk = w->dk, dv = w->dv;
    real last = 0;
    /* dN = P^T dO + k_tail dS */
    cru_gemm_serial(CRU_T, CRU_N, c, dv, c, w->p, c, w->dout, dv, false, w->dwritten_w, w->width);
    cru_gemm_serial(CRU_N, CRU_N, c, dv, dk, w->k_tail, dk, w->dstate, dv, true, w->dwritten_w,
                    w->width);
    /* R = (dO N^T) o D, which D's zeros make lower triangular */
    cru_gemm_serial(CRU_N, CRU_T, c, c, dv, w->dout, dv, w->written, dv, false, w->r, c);
    for (size_t i = 0; i < c * c; i++) w->r[i] *= w->decay[i];
    cru_gemm_serial(CRU_N, CRU_N, c, dk, c, w->r, c, w->k, w->ld_qk, add, dq, ld);
    cru_gemm_serial(CRU_T, CRU_N, c, dk, c, w->r, c, w->q, w->ld_qk, add, dk_out, ld);
    cru_gemm_serial(CRU_N, CRU_T, c, dk, dv, w->written, dv, w->dstate, dv, false, w->from_next,
                    dk);
    memset(w->dsum, 0, c * sizeof *w->dsum);
    for (size_t i = 0; i < c; i++) {
        real row = 0;
        for (size_t j = 0; j <= i; j++) {
            real x = w->r[i * c + j] * w->qk[i * c + j];
            row += x;
            w->dsum[j] -= x;
        }
        real tail = w->tail[i] * cru_dot(dk, w->from_next + i * dk, w->k + i * w->ld_qk);
        w->dsum[i] += row - tail;
        last += tail;
        cru_axpy(dk, w->tail[i], w->from_next + i * dk, dk_out + i * ld);
    }
    if (w->state) {
        last += w->e[c - 1] * cru_dot(dk * dv, w->dstate, w->state);
        cru_gemm_serial(CRU_N, CRU_T, c, dk, dv, w->dout, dv, w->state, dv, false, w->from_state,
                        dk);
        for (size_t i = 0; i < c; i++) {
            const real *q = w->q + i * w->ld_qk;
            w->dsum[i] += w->e[i] * cru_dot(dk, w->from_state + i * dk, q);
            cru_axpy(dk, w->e[i], w->from_state + i * dk, dq + i * ld);
            cru_scale(dk, w->e[i], q, w->q_e + i * dk);
        }
        /* d(-W) = dN S0^T;  dS0 = E_c dS + q_e^T dO + (-W)^T dN */
        cru_gemm_serial(CRU_N, CRU_T, c, dk, dv, w->dwritten_w, w->width, w->state, dv, false,
                        w->dwritten_w + dv, w->width);
        cru_scale(dk * dv, w->e[c - 1], w->dstate, w->dstate_before);
        cru_gemm_serial(CRU_T, CRU_N, dk, dv, c, w->q_e, dk, w->dout, dv, true, w->dstate_before,
                        dv);
        cru_gemm_serial(CRU_T, CRU_N, dk, dv, c, w->u_w + dv, w->width, w->dwritten_w, w->width,
                        true, w->dstate_before, dv);
        real *swap = w->dstate;
        w->dstate = w->dstate_before, w->dstate_before = swap;
    } else {
        for (size_t i = 0; i < c; i++)
            memset(w->dwritten_w + i * w->width + dv, 0, dk * sizeof *w->dwritten_w);
    }
    w->dsum[c - 1] += last;
}

/* Gradients through the substitution: dv, dbeta, and the rest of dk and dsum. */
static void delta_backward_write(struct delta_chunk *w, real *dk_out, size_t ld, real *dv_out,
                                 size_t ld_dv) {
    size_t c = w->c, dk = w->dk, dv = w->dv, width = w->width;
    /* Y = (I + M)^-T dU and the same for -W: substitution from the last row up. */
    for (size_t i = c; i-- > 0;)
        for (size_t j = 0; j < i; j++)
            cru_axpy(width, -w->m[i * c + j], w->dwritten_w + i * width, w->dwritten_w + j * width);
    /* dM = -(Y U^T + ...), strictly lower; its sign is taken in the loop below */
    cru_gemm_serial(CRU_N, CRU_T, c, c, width, w->dwritten_w, width, w->u_w, width, false, w->dm,
                    c);
    for (size_t i = 0; i < c; i++) {
        const real *y = w->dwritten_w + i * width, *k = w->k + i * w->ld_qk;
        real through_k = -cru_dot(dk, y + dv, k);
        w->dbeta[i] = cru_dot(dv, y, w->v + i * w->ld_v) + through_k * w->e[i];
        w->dsum[i] += through_k * w->beta[i] * w->e[i];
        cru_scale(dv, w->beta[i], y, dv_out + i * ld_dv);
        cru_axpy(dk, -w->beta[i] * w->e[i], y + dv, dk_out + i * ld);
        for (size_t j = 0; j < c; j++)
            w->dm[i * c + j] = j < i ? -w->dm[i * c + j] * w->decay[i * c + j] : 0;
    }
    cru_gemm_serial(CRU_N, CRU_N, c, dk, c, w->dm, c, w->k, w->ld_qk, false, w->h, dk);
    for (size_t i = 0; i < c; i++) {
        w->dbeta[i] += cru_dot(dk, w->h + i * dk, w->k + i * w->ld_qk);
        cru_axpy(dk, w->beta[i], w->h + i * dk, dk_out + i * ld);
        real row = 0;
        for (size_t j = 0; j < i; j++) {
            w->dm[i * c + j] *= w->beta[i];
            real x = w->dm[i * c + j] * w->kk[i * c + j];
            row += x;
            w->dsum[j] -= x;
        }
        w->dsum[i] += row;
    }
    cru_gemm_serial(CRU_T, CRU_N, c, dk, c, w->dm, c, w->k, w->ld_qk, true, dk_out, ld);
}

static void delta_backward_value_head(struct delta_chunk *w, const struct delta_job *job,
                                      size_t row, size_t k_head, size_t j, bool first) {
    struct cru_delta s = job->shape;
    struct cru_delta_gradients out = job->out;
    size_t gate = row * s.v_heads + j;
    real scale = 1 / cru_real_sqrt((real)s.dk);
    delta_write(w, job->in.g + gate, job->in.beta + gate, s.v_heads);
    for (size_t i = 0; i < w->c; i++)
        cru_scale(s.dv, scale, job->dout + (row + i) * job->ld_o + j * s.dv, w->dout + i * s.dv);
    real *dq = out.dq + row * out.ld_qk + k_head * s.dk;
    real *dk = out.dk + row * out.ld_qk + k_head * s.dk;
    delta_backward_read(w, dq, dk, out.ld_qk, !first);
    delta_backward_write(w, dk, out.ld_qk, out.dv + row * out.ld_v + j * s.dv, out.ld_v);
    real running = 0;
    for (size_t i = w->c; i-- > 0;) {
        running += w->dsum[i];
        out.dg[gate + i * s.v_heads] = running;
        out.dbeta[gate + i * s.v_heads] = w->dbeta[i];
    }
}

static void delta_backward_head(void *context, size_t index, int thread) {
    const struct delta_job *job = context;
    struct cru_delta s = job->shape;
    size_t segment = index / s.k_heads, k_head = index % s.k_heads, group = s.v_heads / s.k_heads;
    size_t start = job->rows->start[segment], end = job->rows->start[segment + 1];
    struct delta_chunk w;
    delta_lay_out(&w, s, job->scratch + (size_t)thread * job->per_thread);
    /* Heads outside, chunks inside and backwards: one running dS is enough. */
    for (size_t j = k_head * group; j < (k_head + 1) * group; j++) {
        memset(w.dstate, 0, s.dk * s.dv * sizeof *w.dstate);
        for (size_t i = (end - start + s.chunk - 1) / s.chunk; i-- > 0;) {
            size_t row = start + i * s.chunk, c = end - row < s.chunk ? end - row : s.chunk;
            delta_enter(&w, job, row, c, k_head);
            w.v = job->in.v + row * w.ld_v + j * s.dv;
            w.state = i ? job->kept + delta_slot(s, job->rows, segment, i - 1, j) : NULL;
            delta_backward_value_head(&w, job, row, k_head, j, j == k_head * group);
        }
    }
}

void cru_delta_backward(struct cru_delta shape, const struct cru_rows *rows,
                        struct cru_delta_inputs in, const real *states, const real *dout,
                        size_t ld_o, struct cru_delta_gradients out, real *scratch, int threads) {
    struct delta_job job = {.shape = shape, .rows = rows, .in = in, .out = out, .dout = dout};
    job.ld_o = ld_o, job.kept = states, job.scratch = scratch;
    job.per_thread = cru_delta_scratch(shape);
    cru_parallel_for(rows->n_segments * shape.k_heads, 1, threads, delta_backward_head, &job);
}

static void delta_sequential_head(void *context, size_t index, int thread) {
    const struct delta_job *job = context;
    struct cru_delta s = job->shape;
    size_t segment = index / s.v_heads, j = index % s.v_heads;
    size_t k_head = j / (s.v_heads / s.k_heads);
    real *state = job->scratch + (size_t)thread * job->per_thread, *read = state + s.dk * s.dv;
    real scale = 1 / cru_real_sqrt((real)s.dk);
    memset(state, 0, s.dk * s.dv * sizeof *state);
    for (size_t t = job->rows->start[segment]; t < job->rows->start[segment + 1]; t++) {
        const real *q = job->in.q + t * job->in.ld_qk + k_head * s.dk;
        const real *k = job->in.k + t * job->in.ld_qk + k_head * s.dk;
        const real *v = job->in.v + t * job->in.ld_v + j * s.dv;
        real *o = job->o + t * job->ld_o + j * s.dv;
        real alpha = cru_real_exp(job->in.g[t * s.v_heads + j]);
        real beta = job->in.beta[t * s.v_heads + j];
        memset(read, 0, s.dv * sizeof *read);
        cru_rescale(s.dk * s.dv, alpha, state);
        for (size_t a = 0; a < s.dk; a++) cru_axpy(s.dv, k[a], state + a * s.dv, read);
        for (size_t b = 0; b < s.dv; b++) read[b] = beta * (v[b] - read[b]);
        memset(o, 0, s.dv * sizeof *o);
        for (size_t a = 0; a < s.dk; a++) {
            cru_axpy(s.dv, k[a], read, state + a * s.dv);
            cru_axpy(s.dv, q[a] * scale, state + a * s.dv, o);
        }
    }
}

void cru_delta_sequential(struct cru_delta shape, const struct cru_rows *rows,
                          struct cru_delta_inputs in, real *o, size_t ld_o, real *scratch,
                          int threads) {
    struct delta_job job = {.shape = shape, .rows = rows, .in = in, .o = o, .ld_o = ld_o};
    job.scratch = scratch, job.per_thread = cru_delta_scratch(shape);
    cru_parallel_for(rows->n_segments * shape.v_heads, 1, threads, delta_sequential_head, &job);
}
