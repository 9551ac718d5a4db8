/* SPDX-License-Identifier: Apache-2.0 */
#include <algorithm>
#include <climits>
#include <cstdlib>
#include <cstring>

#include "crucible/select/eesd_cards.cuh"
#include "crucible/select/eesd_kernels.cuh"

extern "C" {
#include "crucible/select/eesd_cuda.h"
}

enum {
    STAGING = 16 << 20, /* bytes of pinned memory a copy to the card goes through; there are two */
    SHARED_MOST = 232448 - 1024, /* shared memory of a block on compute capability 9.0, less some */
};

/* ---- cards ---- */

extern "C" int cru_cuda_cards(struct cru_error *err) {
    int n = 0, good = 0;
    cudaError_t code = cudaGetDeviceCount(&n);
    int driver = 0;
    if (code == cudaErrorInsufficientDriver && cudaDriverGetVersion(&driver) == cudaSuccess &&
        driver == 0) {
        (void)cru_fail(err, CRU_FATAL, "CUDA: 'card': this machine has no driver for one");
        return 0;
    }
    if (code != cudaSuccess) {
        (void)cru_fail(err, CRU_FATAL, "CUDA: 'card': %s", cudaGetErrorString(code));
        return 0;
    }
    while (good < n && good < CARDS_MOST) {
        int major = 0, minor = 0;
        (void)cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, good);
        (void)cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, good);
        if (major != 9 || minor != 0) {
            if (good == 0)
                (void)cru_fail(err, CRU_FATAL,
                               "CUDA: 'card': compute capability %d.%d, and 9.0 (H100, H200) is "
                               "needed",
                               major, minor);
            break;
        }
        good++;
    }
    if (n == 0) (void)cru_fail(err, CRU_FATAL, "CUDA: 'card': there is none");
    return good;
}

/* ---- the pass ---- */

/* Which of the kernel's shapes fits rows this long: 256 candidates that stay, 128 that stay, or 256
 * that stream. */
enum { PASS_WIDE, PASS_NARROW, PASS_STREAM };

static int pass_kind(uint32_t pieces) {
    if (shape<2, true>::bytes(pieces, 4, 1) <= SHARED_MOST) return PASS_WIDE;
    if (shape<1, true>::bytes(pieces, 4, 1) <= SHARED_MOST) return PASS_NARROW;
    return PASS_STREAM;
}

static uint32_t pass_block(uint32_t pieces) {
    return pass_kind(pieces) == PASS_NARROW ? (uint32_t)shape<1, true>::BLOCK
                                            : (uint32_t)shape<2, true>::BLOCK;
}

template <int DEEP, bool KEEP>
static cudaError_t pass_launch(struct pass p, const struct share *s, bool many) {
    using S = shape<DEEP, KEEP>;
    /* Many rows hide the wait for the next block; few do not, and it is fetched ahead. */
    p.buffers = KEEP && !many && S::bytes(p.pieces, 4, 2) <= SHARED_MOST ? 2 : 1;
    for (p.stages = STAGES_MOST; S::bytes(p.pieces, p.stages, p.buffers) > SHARED_MOST;) p.stages--;
    p.turns = p.stages >= 2 * p.pieces;
    pass_kernel<DEEP, KEEP>
        <<<s->multiprocessors, PASS_THREADS, S::bytes(p.pieces, p.stages, p.buffers), s->stream>>>(
            p);
    return cudaGetLastError();
}

static enum cru_status pass(const struct run *r, const struct share *s, const uint8_t *rows,
                            bool first) {
    struct pass p = {};
    p.candidates = s->rows;
    p.rows = rows;
    p.limits = s->limits;
    p.state = s->state;
    p.gain = (unsigned long long *)s->gain;
    p.pieces = r->pieces;
    p.first = s->first;
    p.blocks = s->blocks;
    p.lower = !first;
    if (s->blocks == 0) return CRU_OK;
    switch (pass_kind(r->pieces)) {
    case PASS_WIDE:
        TRY((pass_launch<2, true>(p, s, first)), "gains");
        break;
    case PASS_NARROW:
        TRY((pass_launch<1, true>(p, s, first)), "gains");
        break;
    default:
        TRY((pass_launch<2, false>(p, s, first)), "gains");
    }
    return CRU_OK;
}

/* Takes the best of a candidate from each of `shares`, with the rows it raises listed in `raised`.
 */
static enum cru_status take_best(const struct run *r, const struct share *s,
                                 const struct best *best, int shares, uint8_t *raised) {
    struct raise raise = {};
    raise.rows = s->rows;
    raise.raised = raised;
    raise.limits = s->limits;
    raise.cover = s->cover;
    raise.weight = s->weight;
    raise.taken = s->taken;
    raise.best = best;
    raise.cards = (uint32_t)shares;
    raise.state = s->state;
    raise.picks = s->picks;
    raise.gains = s->gains;
    raise.n = r->n;
    raise.pieces = r->pieces;
    raise_kernel<<<s->multiprocessors * RAISE_BLOCKS, RAISE_THREADS, r->pieces *(UNITS * UNIT),
                   s->stream>>>(raise);
    return check(r, cudaGetLastError(), "cover");
}

/* A kernel's leave to use more shared memory than the 48 KiB of old cards. */
static enum cru_status pass_allow(const struct run *r) {
    const cudaFuncAttribute most = cudaFuncAttributeMaxDynamicSharedMemorySize;
    TRY(cudaFuncSetAttribute(pass_kernel<2, true>, most, SHARED_MOST), "shared memory");
    TRY(cudaFuncSetAttribute(pass_kernel<1, true>, most, SHARED_MOST), "shared memory");
    TRY(cudaFuncSetAttribute(pass_kernel<2, false>, most, SHARED_MOST), "shared memory");
    return CRU_OK;
}

/* ---- setting up ---- */

template <typename T> static enum cru_status take(const struct run *r, T **p, size_t n, bool zero) {
    TRY(cudaMalloc((void **)p, n * sizeof(T)), "memory of the card");
    if (zero) TRY(cudaMemset(*p, 0, n * sizeof(T)), "memory of the card");
    return CRU_OK;
}

static enum cru_status share_open(const struct run *r, struct share *s) {
    const size_t padded = (size_t)r->blocks * r->block;
    const size_t row_bytes = padded * r->pieces * (UNITS * UNIT);
    enum cru_status status;
    int count = 0;
    TRY(cudaSetDevice(s->card), "card");
    TRY(cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, s->card), "card");
    s->multiprocessors = (uint32_t)count;
    TRY(cudaStreamCreateWithFlags(&s->stream, cudaStreamNonBlocking), "stream");
    for (int i = 0; i < 2; i++)
        TRY(cudaEventCreateWithFlags(&s->found[i], cudaEventDisableTiming), "event");
    TRY(cudaEventCreate(&s->start), "event");
    TRY(cudaEventCreate(&s->passed), "event");
    TRY(cudaEventCreate(&s->finished), "event");
    if ((status = take(r, &s->rows, row_bytes, true)) ||
        (status = take(r, &s->raised, row_bytes, false)) ||
        (status = take(r, &s->taken, r->n, true)) ||
        (status = take(r, &s->limits, padded / TILE * LIMITS, false)) ||
        (status = take(r, &s->cover, r->n, true)) || (status = take(r, &s->weight, r->n, false)) ||
        (status = take(r, &s->picks, r->most + 1, false)) ||
        (status = take(r, &s->gains, r->most + 1, false)) ||
        (status = take(r, &s->gain, padded, true)) || (status = take(r, &s->state, 1, true)) ||
        (status = take(r, &s->of_block, BEST_BLOCKS * (size_t)count, false)) ||
        (status = take(r, &s->best, 2 * CARDS_MOST, true)) ||
        (status = take(r, &s->given, r->plan->n_given + 1, false)) ||
        (s == r->share && (status = take(r, &s->plain, 2 * (size_t)STAGING, false))))
        return status;
    if (r->pool->cost) status = take(r, &s->cost, r->n, false);
    /* memory was set on another stream */
    TRY(cudaDeviceSynchronize(), "card");
    return status ? status : pass_allow(r);
}

/* Brings the rows of members[0..n) to the card, as tiles. */
static enum cru_status send_rows(const struct run *r, const struct share *s) {
    const size_t d = r->pool->d, most = STAGING / d;
    for (size_t at = 0, turn = 0; at < r->n; turn ^= 1) {
        size_t rows = r->n - at < most ? r->n - at : most;
        uint8_t *to = r->staging[turn], *plain = s->plain + turn * STAGING;
        TRY(cudaEventSynchronize(r->staged[turn]), "rows to the card");
        if (r->members[at + rows - 1] - r->members[at] == rows - 1)
            memcpy(to, r->pool->rows + r->members[at] * d, rows * d);
        else
            for (size_t i = 0; i < rows; i++)
                memcpy(to + i * d, r->pool->rows + r->members[at + i] * d, d);
        TRY(cudaMemcpyAsync(plain, to, rows * d, cudaMemcpyHostToDevice, s->stream),
            "rows to the card");
        tile_kernel<<<s->multiprocessors * 4, 256, 0, s->stream>>>(
            plain, (uint32_t)rows, (uint32_t)d, at, s->rows, r->pieces);
        TRY(cudaGetLastError(), "rows to the card");
        TRY(cudaEventRecord(r->staged[turn], s->stream), "rows to the card");
        at += rows;
    }
    TRY(cudaStreamSynchronize(s->stream), "rows to the card");
    return CRU_OK;
}

/* A column of the pool, member by member, on all cards. */
template <typename T, typename F>
static enum cru_status send_column(const struct run *r, T *share::*column, F value) {
    T *host = (T *)malloc(r->n * sizeof *host);
    if (!host) return cru_fail_memory(r->err, "a column for the card");
    for (size_t i = 0; i < r->n; i++) host[i] = value(r->members[i]);
    cudaError_t code = cudaSuccess;
    for (int g = 0; g < r->n_shares && code == cudaSuccess; g++) {
        code = cudaSetDevice(r->share[g].card);
        if (code == cudaSuccess)
            code =
                cudaMemcpy(r->share[g].*column, host, r->n * sizeof *host, cudaMemcpyHostToDevice);
    }
    free(host);
    return check(r, code, "columns to the card");
}

/* Puts the given into S on every card, and works out what they are worth together. */
static enum cru_status send_given(struct run *r) {
    const struct cru_eesd_plan *plan = r->plan;
    const uint32_t *end = r->members + r->n;
    struct best *given = (struct best *)calloc(plan->n_given + 1, sizeof *given);
    size_t n = 0;
    enum cru_status status = CRU_OK;
    if (!given) return cru_fail_memory(r->err, "what is selected already");
    for (size_t k = 0; k < plan->n_given; k++) {
        const uint32_t *at = std::lower_bound(r->members, end, plan->given[k]);
        if (at == end || *at != plan->given[k] || r->taken[at - r->members]) continue;
        given[n].position = (uint32_t)(at - r->members);
        given[n].found = 1;
        r->taken[given[n++].position] = true;
        if (r->pool->bonus) r->objective += r->pool->bonus[*at];
    }
    for (int g = 0; !status && g < r->n_shares; g++) {
        const struct share *s = &r->share[g];
        cudaError_t code = cudaSetDevice(s->card);
        if (code == cudaSuccess)
            code = cudaMemcpy(s->given, given, n * sizeof *given, cudaMemcpyHostToDevice);
        if (code == cudaSuccess) code = cudaDeviceSynchronize(); /* that was on another stream */
        status = check(r, code, "what is selected already");
        for (size_t k = 0; !status && k < n; k++) status = take_best(r, s, s->given + k, 1, NULL);
        if (!status) status = check(r, cudaStreamSynchronize(s->stream), "cover");
    }
    free(given);
    if (status || n == 0) return status;
    TRY(cudaMemcpy(r->cover, r->share[r->n_shares - 1].cover, r->n * sizeof *r->cover,
                   cudaMemcpyDeviceToHost),
        "cover");
    for (uint32_t i = 0; i < r->n; i++)
        r->objective += (int64_t)r->cover[i] * r->pool->weight[r->members[i]];
    return CRU_OK;
}

enum cru_status cru_cards_send(struct run *r) {
    const struct cru_eesd_pool *pool = r->pool;
    const struct share *main = &r->share[0];
    struct state state = {};
    enum cru_status status;
    state.left = r->plan->budget;
    state.n_rows = r->n;
    TRY(cudaSetDevice(main->card), "card");
    if ((status = send_rows(r, main))) return status;
    for (int g = 1; g < r->n_shares; g++)
        TRY(cudaMemcpyPeer(r->share[g].rows, r->share[g].card, main->rows, main->card,
                           (size_t)r->tiles * r->pieces * PIECE),
            "rows to the card");
    status =
        send_column(r, &share::weight, [&](uint32_t row) { return (uint32_t)pool->weight[row]; });
    if (!status && pool->cost)
        status = send_column(r, &share::cost, [&](uint32_t row) { return pool->cost[row]; });
    if (!status && pool->bonus)
        status = send_column(r, &share::gain, [&](uint32_t row) { return pool->bonus[row]; });
    for (int g = 0; !status && g < r->n_shares; g++) {
        const struct share *s = &r->share[g];
        TRY(cudaSetDevice(s->card), "card");
        TRY(cudaMemcpy(s->state, &state, sizeof state, cudaMemcpyHostToDevice),
            "state to the card");
        TRY(cudaDeviceSynchronize(), "card"); /* the copies above were on another stream */
    }
    if (!status) status = send_given(r);
    for (int g = 0; !status && g < r->n_shares; g++) {
        const struct share *s = &r->share[g];
        TRY(cudaSetDevice(s->card), "card");
        limits_kernel<<<s->multiprocessors * 4, 256, 0, s->stream>>>(s->cover, s->weight, r->n,
                                                                     r->tiles, s->limits);
        TRY(cudaGetLastError(), "limits");
        TRY(cudaStreamSynchronize(s->stream), "limits");
    }
    return status;
}

enum cru_status cru_cards_open(struct run *r, int shares) {
    int cards = cru_cuda_cards(r->err);
    if (cards == 0) return CRU_FATAL;
    r->pieces = (uint32_t)((r->pool->d + UNITS * UNIT - 1) / (UNITS * UNIT));
    r->tiles = (r->n + TILE - 1) / TILE;
    r->block = pass_block(r->pieces);
    r->blocks = (r->n + r->block - 1) / r->block;
    r->n_shares = shares <= 0 ? cards : std::min<int>(shares, CARDS_MOST);
    if ((uint32_t)r->n_shares > r->blocks) r->n_shares = (int)r->blocks;
    for (int g = 0; g < r->n_shares; g++) {
        struct share *s = &r->share[g];
        s->card = g % cards;
        s->first = (uint32_t)((uint64_t)r->blocks * (uint64_t)g / (uint64_t)r->n_shares);
        s->blocks =
            (uint32_t)((uint64_t)r->blocks * (uint64_t)(g + 1) / (uint64_t)r->n_shares) - s->first;
        enum cru_status status = share_open(r, s);
        if (status) return status;
    }
    TRY(cudaSetDevice(r->share[0].card), "card");
    for (int i = 0; i < 2; i++) {
        TRY(cudaMallocHost((void **)&r->staging[i], STAGING), "pinned memory");
        TRY(cudaEventCreateWithFlags(&r->staged[i], cudaEventDisableTiming), "event");
    }
    TRY(cudaMallocHost((void **)&r->seen, 2 * sizeof *r->seen), "pinned memory");
    return CRU_OK;
}

void cru_cards_close(struct run *r) {
    for (int g = 0; g < r->n_shares; g++) {
        struct share *s = &r->share[g];
        void *memory[] = {s->rows,   s->raised,   s->taken, s->limits, s->cover,
                          s->weight, s->picks,    s->gains, s->gain,   s->cost,
                          s->state,  s->of_block, s->best,  s->plain,  s->given};
        cudaEvent_t events[] = {s->found[0], s->found[1], s->start, s->passed, s->finished};
        if (cudaSetDevice(s->card) != cudaSuccess) continue;
        if (s->stream) (void)cudaStreamSynchronize(s->stream);
        for (void *p : memory) (void)cudaFree(p);
        for (cudaEvent_t e : events)
            if (e) (void)cudaEventDestroy(e);
        if (s->stream) (void)cudaStreamDestroy(s->stream);
    }
    if (r->n_shares > 0) (void)cudaSetDevice(r->share[0].card);
    for (int i = 0; i < 2; i++) {
        if (r->staging[i]) (void)cudaFreeHost(r->staging[i]);
        if (r->staged[i]) (void)cudaEventDestroy(r->staged[i]);
    }
    if (r->seen) (void)cudaFreeHost(r->seen);
}

/* ---- a pick ---- */

enum cru_status cru_cards_first(const struct run *r, const struct share *s) {
    TRY(cudaSetDevice(s->card), "card");
    TRY(cudaEventRecord(s->start, s->stream), "event");
    enum cru_status status = pass(r, s, s->rows, true);
    if (status) return status;
    TRY(cudaEventRecord(s->passed, s->stream), "event");
    return CRU_OK;
}

enum cru_status cru_cards_pick(const struct run *r, size_t pick) {
    const size_t turn = pick % 2 * CARDS_MOST; /* who is a pick behind still reads the other half */
    for (int g = 0; g < r->n_shares; g++) {
        const struct share *s = &r->share[g];
        uint32_t from = s->first * r->block, to = (s->first + s->blocks) * r->block;
        TRY(cudaSetDevice(s->card), "card");
        best_kernel<<<s->multiprocessors * BEST_BLOCKS, BEST_THREADS, 0, s->stream>>>(
            s->gain, s->cost, s->taken, from, to < r->n ? to : r->n, s->state, s->of_block,
            s->best + turn + g);
        TRY(cudaGetLastError(), "best candidate");
        if (r->n_shares > 1) TRY(cudaEventRecord(s->found[pick % 2], s->stream), "event");
    }
    for (int g = 0; g < r->n_shares; g++) {
        const struct share *s = &r->share[g];
        enum cru_status status;
        TRY(cudaSetDevice(s->card), "card");
        for (int h = 0; h < r->n_shares; h++) {
            const struct share *other = &r->share[h];
            if (h == g) continue;
            TRY(cudaStreamWaitEvent(s->stream, other->found[pick % 2], 0), "event");
            TRY(cudaMemcpyPeerAsync(s->best + turn + h, s->card, other->best + turn + h,
                                    other->card, sizeof *s->best, s->stream),
                "best of another card");
        }
        if ((status = take_best(r, s, s->best + turn, r->n_shares, s->raised))) return status;
        if ((status = pass(r, s, s->raised, false))) return status;
    }
    return CRU_OK;
}
