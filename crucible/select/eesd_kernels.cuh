/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernels of eesd_cards.cu, for Hopper cards (sm_90a). Device code only; everything is an
 * integer, so that the order in which blocks finish changes nothing.
 *
 * Rows lie in memory as the tensor cores want them in shared memory, so that one plain bulk copy
 * fetches a piece and no tensor map is needed:
 *
 *   tile of 128 rows:  [ piece 0 | piece 1 | ... ]   a piece holds 128 bytes of each row, 16 KiB
 *   piece:             row r at r * 128, its 16-byte unit u at (u xor r % 8) * 16
 *                      (the 128-byte swizzle of the PTX manual's shared memory descriptors)
 *
 * One kernel, pass_kernel, makes all gains. It meets a list of rows with all candidates and sums
 *
 *   sum_i weight_i * clamp(dot(i, c) - old_i, 0, span_i)
 *
 * where old is the row's cover before and old + span after. With old = 0 and no upper end this is
 * the first gain; with the rows that a pick has raised it is exactly what every gain loses by it:
 * max(0, s - old) - max(0, s - new) = clamp(s - old, 0, new - old). No similarity leaves the
 * registers.
 */
#ifndef CRU_SELECT_EESD_KERNELS_CUH
#define CRU_SELECT_EESD_KERNELS_CUH

#include <cstdint>

#include "crucible/select/eesd_cards.cuh"
#include "crucible/select/hopper_ptx.cuh"

enum {
    PIECE = 16384, /* bytes: 128 of each row of a tile */
    UNIT = 16,     /* bytes that stay together */
    UNITS = 8,     /* units of a row in a piece */
    CONSUMERS = 2, /* warpgroups that multiply; one more copies, with one thread */
    PASS_THREADS = (CONSUMERS + 1) * 128,
    COPY_REGISTERS = 40, /* what that one can do with, so that the others can have more */
    MULTIPLY_REGISTERS = 232,
    STAGES_MOST = 9,              /* pieces on their way into shared memory */
    LIMITS = 2 * TILE + TILE / 2, /* words a tile of rows: see limit_weight() */
    LIMIT_STAGES = 4,
    BARRIERS = 2 * STAGES_MOST + 2 * LIMIT_STAGES + 4,
    RAISE_THREADS = 256,
    RAISE_BLOCKS = 4, /* a multiprocessor */
    BEST_THREADS = 256,
    BEST_BLOCKS = 4,
};

/* Where the 16-byte unit u of a row lies. */
__host__ __device__ static inline size_t unit_at(size_t row, uint32_t u, uint32_t pieces) {
    return (row / TILE * pieces + u / UNITS) * PIECE + row % TILE * (UNITS * UNIT) +
           (u % UNITS ^ row % UNITS) * UNIT;
}

/*
 * What a tile of rows brings along, 32-bit words:
 *
 *   [ -old, of 128 rows | span, of 128 rows | weights, two rows a word ]
 *                                             bytes: low, low of the next; high, high of the next
 *
 * A sum of 32-bit products would need 64 bits, and adding to 64 bits takes a Hopper card twice as
 * long as all the rest. The two bytes of the weights are summed apart, two rows at once (dp2a).
 */
__device__ static inline void limit_weight(int32_t *limits, uint32_t row, uint32_t weight) {
    uint8_t *pair = (uint8_t *)(limits + 2 * TILE + row / 2) + row % 2;
    pair[0] = (uint8_t)weight;
    pair[2] = (uint8_t)(weight >> 8);
}

/* ---- the pass ---- */

struct pass {
    const uint8_t *candidates; /* tiles */
    const uint8_t *rows;       /* tiles */
    const int32_t *limits;     /* LIMITS of each tile of rows */
    const struct state *state; /* n_rows: how many there are */
    unsigned long long *gain;  /* of each candidate: added to, or with `lower` taken from */
    uint32_t pieces;           /* of a tile */
    uint32_t first, blocks;    /* blocks of candidates to work on */
    uint32_t stages, buffers;  /* of shared memory: pieces of rows; blocks of candidates */
    uint32_t lower;
    uint32_t turns; /* the warpgroups multiply in turns; needs stages >= 2 * pieces */
};

/* One piece of work: a block of candidates against the tiles [from, to) of rows. */
struct item {
    uint32_t block, from, to;
};

struct work {
    uint32_t items, blocks, tiles, span;
};

/* Few blocks are cut along the rows, too, so that every multiprocessor has some. */
__device__ static inline struct work work_of(const struct pass &p) {
    uint32_t tiles = (p.state->n_rows + TILE - 1) / TILE, cuts;
    cuts = (4 * gridDim.x + p.blocks - 1) / p.blocks;
    if (cuts > tiles / 8) cuts = tiles / 8;
    if (cuts == 0) cuts = 1;
    uint32_t span = (tiles + cuts - 1) / cuts;
    if (span) cuts = (tiles + span - 1) / span;
    return {tiles ? p.blocks * cuts : 0, p.blocks, tiles, span};
}

__device__ static inline struct item item_of(const struct work &w, uint32_t i) {
    uint32_t from = i / w.blocks * w.span, to = from + w.span;
    return {i % w.blocks, from, to < w.tiles ? to : w.tiles};
}

/* A place in a ring of shared memory: which stage, and the parity of its barrier. */
struct ring {
    uint32_t at, parity, n;
    __device__ void next() {
        if (++at == n) {
            at = 0;
            parity ^= 1;
        }
    }
};

/*
 * Shared memory:  [ blocks of candidates, `buffers` of them | pieces of rows, `stages` | limits |
 * barriers ]
 *
 * KEEP: a block of candidates stays while rows stream past it; else (long rows) its pieces stream
 * too, each in front of the piece of rows it meets. DEEP: 64-candidate operands a warpgroup: the
 * block has CONSUMERS * 64 * DEEP candidates.
 */
template <int DEEP, bool KEEP> struct shape {
    enum {
        BLOCK = CONSUMERS * 64 * DEEP,
        BLOCK_TILES = BLOCK / TILE,
        STAGE = KEEP ? PIECE : PIECE + BLOCK_TILES * PIECE,
    };
    __host__ __device__ static size_t bytes(uint32_t pieces, uint32_t stages, uint32_t buffers) {
        return 1024 + (KEEP ? (size_t)buffers * BLOCK_TILES * pieces * PIECE : 0) +
               (size_t)stages * STAGE + LIMIT_STAGES * LIMITS * sizeof(int32_t) +
               BARRIERS * sizeof(uint64_t);
    }
};

struct barriers {
    uint32_t full, empty, limits_full, limits_empty, block_full, block_empty;
};

template <int DEEP, bool KEEP>
__device__ static void pass_copy(const struct pass &p, const struct work &w, const barriers &bar,
                                 uint32_t blocks_at, uint32_t stages_at, uint32_t limits_at) {
    using S = shape<DEEP, KEEP>;
    const size_t tile_bytes = (size_t)p.pieces * PIECE;
    ring stage = {0, 1, p.stages}, limit = {0, 1, LIMIT_STAGES}, buffer = {0, 1, p.buffers};
    for (uint32_t i = blockIdx.x; i < w.items; i += gridDim.x) {
        struct item it = item_of(w, i);
        const uint8_t *block =
            p.candidates + (size_t)(p.first + it.block) * S::BLOCK_TILES * tile_bytes;
        if (KEEP) {
            uint32_t to = blocks_at + buffer.at * S::BLOCK_TILES * (uint32_t)tile_bytes;
            uint32_t full = bar.block_full + buffer.at * 8;
            barrier_wait(bar.block_empty + buffer.at * 8, buffer.parity);
            barrier_expect(full, S::BLOCK_TILES * (uint32_t)tile_bytes);
            for (uint32_t k = 0; k < S::BLOCK_TILES * p.pieces; k++)
                bulk_copy(to + k * PIECE, block + (size_t)k * PIECE, PIECE, full);
            buffer.next();
        }
        for (uint32_t tile = it.from; tile < it.to; tile++) {
            for (uint32_t k = 0; k < p.pieces; k++, stage.next()) {
                uint32_t to = stages_at + stage.at * S::STAGE, full = bar.full + stage.at * 8;
                barrier_wait(bar.empty + stage.at * 8, stage.parity);
                barrier_expect(full, S::STAGE);
                bulk_copy(to, p.rows + tile * tile_bytes + (size_t)k * PIECE, PIECE, full);
                if (!KEEP)
                    for (uint32_t b = 0; b < S::BLOCK_TILES; b++)
                        bulk_copy(to + (1 + b) * PIECE, block + b * tile_bytes + (size_t)k * PIECE,
                                  PIECE, full);
            }
            barrier_wait(bar.limits_empty + limit.at * 8, limit.parity);
            barrier_expect(bar.limits_full + limit.at * 8, LIMITS * sizeof(int32_t));
            bulk_copy(limits_at + limit.at * (uint32_t)(LIMITS * sizeof(int32_t)),
                      p.limits + (size_t)tile * LIMITS, LIMITS * sizeof(int32_t),
                      bar.limits_full + limit.at * 8);
            limit.next();
        }
    }
}

/* Adds weight * clamp(dot - old, 0, span) of a tile's 128 rows to the two candidates a thread has
 * of each operand. In the accumulators of a warpgroup, lane l holds candidates l / 4 and l / 4 + 8
 * of its warp's 16, and rows 8 j + 2 (l % 4) + {0, 1}. What is clamped is below 2^16
 * (similarity.h), and 32 rows of it times a byte below 2^32. */
template <int DEEP>
__device__ static inline void pass_sum(const int32_t (&dot)[DEEP][64], const int32_t *limits,
                                       uint64_t (&sum)[DEEP][2]) {
    enum { AHEAD = 3 }; /* shared memory answers late */
    const int2 *limit = (const int2 *)limits + threadIdx.x % 4;
    const uint32_t *weight = (const uint32_t *)limits + 2 * TILE + threadIdx.x % 4;
    uint32_t low[DEEP][2] = {}, high[DEEP][2] = {}, weights[16];
    int2 olds[16], spans[16];
#pragma unroll
    for (int j = -AHEAD; j < 16; j++) {
        if (j + AHEAD < 16) {
            olds[j + AHEAD] = limit[(j + AHEAD) * 4];
            spans[j + AHEAD] = limit[(j + AHEAD) * 4 + TILE / 2];
            weights[j + AHEAD] = weight[(j + AHEAD) * 4];
        }
        if (j < 0) continue;
#pragma unroll
        for (int m = 0; m < DEEP; m++)
#pragma unroll
            for (int h = 0; h < 2; h++) {
                const int32_t *two = &dot[m][j * 4 + h * 2];
                uint32_t a = (uint32_t)__viaddmin_s32_relu(two[0], olds[j].x, spans[j].x);
                uint32_t b = (uint32_t)__viaddmin_s32_relu(two[1], olds[j].y, spans[j].y);
                uint32_t both = __byte_perm(a, b, 0x5410);
                low[m][h] = __dp2a_lo(both, weights[j], low[m][h]);
                high[m][h] = __dp2a_hi(both, weights[j], high[m][h]);
            }
    }
#pragma unroll
    for (int m = 0; m < DEEP; m++)
#pragma unroll
        for (int h = 0; h < 2; h++) sum[m][h] += low[m][h] + ((uint64_t)high[m][h] << 8);
}

/* The four lanes that share candidates add up, and the first adds to the gains. */
template <int DEEP>
__device__ static inline void pass_store(const struct pass &p, uint32_t candidate,
                                         uint64_t (&sum)[DEEP][2]) {
#pragma unroll
    for (int m = 0; m < DEEP; m++)
#pragma unroll
        for (int h = 0; h < 2; h++) {
            unsigned long long s = sum[m][h];
            s += __shfl_xor_sync(~0u, s, 1);
            s += __shfl_xor_sync(~0u, s, 2);
            if (threadIdx.x % 4 == 0 && s)
                atomicAdd(&p.gain[candidate + m * 64 + h * 8], p.lower ? 0 - s : s);
        }
}

template <int DEEP, bool KEEP>
__device__ static void pass_multiply(const struct pass &p, const struct work &w,
                                     const barriers &bar, uint32_t blocks_at, uint32_t stages_at,
                                     const int32_t *limits) {
    using S = shape<DEEP, KEEP>;
    const uint32_t tile_bytes = p.pieces * PIECE;
    const int group = threadIdx.x / 128, first = threadIdx.x % 32 == 0;
    /* where a warpgroup's operand lies in a block of candidates: DEEP 2: a tile each; 1: half a
     * tile */
    const uint32_t mine = DEEP == 2 ? group * (KEEP ? tile_bytes : PIECE) : group * (PIECE / 2);
    ring stage = {0, 0, p.stages}, limit = {0, 0, LIMIT_STAGES}, buffer = {0, 0, p.buffers};
    int32_t dot[DEEP][64];
    if (p.turns && group == 1) turn_give(0);
    for (uint32_t i = blockIdx.x; i < w.items; i += gridDim.x) {
        struct item it = item_of(w, i);
        uint64_t sum[DEEP][2] = {};
        uint32_t block = blocks_at + buffer.at * S::BLOCK_TILES * tile_bytes + mine;
        if (KEEP) barrier_wait(bar.block_full + buffer.at * 8, buffer.parity);
        for (uint32_t tile = it.from; tile < it.to; tile++) {
            uint32_t before = 0;
            if (p.turns) turn_wait(group);
            for (uint32_t k = 0; k < p.pieces; k++, stage.next()) {
                uint32_t rows = stages_at + stage.at * S::STAGE;
                uint32_t mates = KEEP ? block + k * PIECE : rows + PIECE + mine;
                barrier_wait(bar.full + stage.at * 8, stage.parity);
                multiply_fence();
#pragma unroll
                for (int step = 0; step < 4; step++)
#pragma unroll
                    for (int m = 0; m < DEEP; m++)
                        multiply(dot[m], operand(mates + m * (PIECE / 2) + step * 32),
                                 operand(rows + step * 32), k > 0 || step > 0);
                multiply_commit();
                if (k > 0) {
                    multiply_wait<1>();
                    if (first) barrier_arrive(bar.empty + before * 8);
                }
                before = stage.at;
            }
            if (p.turns) turn_give(1 - group);
            barrier_wait(bar.limits_full + limit.at * 8, limit.parity);
            multiply_wait<0>();
            multiply_done<DEEP>(dot);
            if (first) barrier_arrive(bar.empty + before * 8);
            pass_sum<DEEP>(dot, limits + limit.at * LIMITS, sum);
            __syncwarp();
            if (first) barrier_arrive(bar.limits_empty + limit.at * 8);
            limit.next();
        }
        if (KEEP) {
            if (first) barrier_arrive(bar.block_empty + buffer.at * 8);
            buffer.next();
        }
        pass_store<DEEP>(p,
                         (p.first + it.block) * S::BLOCK + group * 64 * DEEP +
                             threadIdx.x % 128 / 32 * 16 + threadIdx.x % 32 / 4,
                         sum);
    }
    if (p.turns && group == 0) turn_wait(0); /* takes the last turn that was given */
}

template <int DEEP, bool KEEP>
__global__ void __launch_bounds__(PASS_THREADS, 1) pass_kernel(const struct pass p) {
    using S = shape<DEEP, KEEP>;
    extern __shared__ uint8_t area[];
    const struct work w = work_of(p);
    if (blockIdx.x >= w.items) return;
    uint32_t at =
        (shared_address(area) + 1023) & ~1023u; /* the swizzle wants 1,024-byte alignment */
    uint32_t blocks_at = at;
    if (KEEP) at += p.buffers * S::BLOCK_TILES * p.pieces * PIECE;
    uint32_t stages_at = at, limits_at = at + p.stages * S::STAGE;
    const int32_t *limits = (const int32_t *)(area + (limits_at - shared_address(area)));
    at = limits_at + LIMIT_STAGES * LIMITS * (uint32_t)sizeof(int32_t);
    barriers bar;
    bar.full = at;
    bar.empty = bar.full + STAGES_MOST * 8;
    bar.limits_full = bar.empty + STAGES_MOST * 8;
    bar.limits_empty = bar.limits_full + LIMIT_STAGES * 8;
    bar.block_full = bar.limits_empty + LIMIT_STAGES * 8;
    bar.block_empty = bar.block_full + 2 * 8;
    if (threadIdx.x == 0) {
        const uint32_t warps = CONSUMERS * 4;
        for (uint32_t s = 0; s < STAGES_MOST; s++) {
            barrier_init(bar.full + s * 8, 1);
            barrier_init(bar.empty + s * 8, warps);
        }
        for (uint32_t s = 0; s < LIMIT_STAGES; s++) {
            barrier_init(bar.limits_full + s * 8, 1);
            barrier_init(bar.limits_empty + s * 8, warps);
        }
        for (uint32_t s = 0; s < 2; s++) {
            barrier_init(bar.block_full + s * 8, 1);
            barrier_init(bar.block_empty + s * 8, warps);
        }
        asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
        asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
    }
    __syncthreads();
    if (threadIdx.x >= CONSUMERS * 128) {
        asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"((int)COPY_REGISTERS));
        if (threadIdx.x == CONSUMERS * 128)
            pass_copy<DEEP, KEEP>(p, w, bar, blocks_at, stages_at, limits_at);
    } else {
        asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"((int)MULTIPLY_REGISTERS));
        pass_multiply<DEEP, KEEP>(p, w, bar, blocks_at, stages_at, limits);
    }
}

/* ---- the best candidate ---- */

/* As better() in eesd.c: more gain per cost, else the smaller place. */
__device__ static inline bool goes_before(const struct best &a, const struct best &b) {
    if (!a.found || !b.found) return a.found > b.found;
    __int128 x = (__int128)a.gain * (__int128)b.cost, y = (__int128)b.gain * (__int128)a.cost;
    return x != y ? x > y : a.position < b.position;
}

__device__ static inline struct best best_shuffle(const struct best &b, int lanes) {
    struct best other;
    other.gain = __shfl_xor_sync(~0u, (long long)b.gain, lanes);
    other.cost = __shfl_xor_sync(~0u, (unsigned long long)b.cost, lanes);
    other.position = __shfl_xor_sync(~0u, b.position, lanes);
    other.found = __shfl_xor_sync(~0u, b.found, lanes);
    return other;
}

/* The best of a block's threads, in thread 0. */
__device__ static struct best best_of_block(struct best mine) {
    __shared__ struct best of_warp[BEST_THREADS / 32];
    for (int lanes = 16; lanes > 0; lanes /= 2) {
        struct best other = best_shuffle(mine, lanes);
        if (goes_before(other, mine)) mine = other;
    }
    __syncthreads();
    if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = mine;
    __syncthreads();
    if (threadIdx.x == 0)
        for (int i = 1; i < BEST_THREADS / 32; i++)
            if (goes_before(of_warp[i], mine)) mine = of_warp[i];
    return mine;
}

/* True in the block that comes last; what the others wrote before is then visible to it. */
__device__ static bool last_block(uint32_t *ticket) {
    __shared__ uint32_t place;
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) place = atomicAdd(ticket, 1);
    __syncthreads();
    if (place != gridDim.x - 1) return false;
    if (threadIdx.x == 0) *ticket = 0;
    __threadfence();
    return true;
}

/* The best affordable candidate of places [from, to) that is not taken yet, into *answer. Also
 * empties the list of raised rows, which nobody reads at this point. */
__global__ void __launch_bounds__(BEST_THREADS)
    best_kernel(const int64_t *gain, const uint64_t *cost, const uint8_t *taken, uint32_t from,
                uint32_t to, struct state *state, struct best *of_block, struct best *answer) {
    struct best mine = {0, 1, 0, 0};
    const uint64_t left = state->left;
    if (!state->done)
        for (uint32_t i = from + blockIdx.x * BEST_THREADS + threadIdx.x; i < to;
             i += gridDim.x * BEST_THREADS) {
            struct best it = {gain[i], cost ? cost[i] : 1, i, 1};
            if (it.cost > left || taken[i]) continue;
            /* places rise: a thread's later one must be better, not as good */
            if (!mine.found || (cost ? goes_before(it, mine) : it.gain > mine.gain)) mine = it;
        }
    mine = best_of_block(mine);
    if (threadIdx.x == 0) of_block[blockIdx.x] = mine;
    if (!last_block(&state->tickets[0])) return;
    mine.found = 0;
    for (uint32_t i = threadIdx.x; i < gridDim.x; i += BEST_THREADS) {
        struct best it = of_block[i];
        if (goes_before(it, mine)) mine = it;
    }
    mine = best_of_block(mine);
    if (threadIdx.x == 0) {
        *answer = mine;
        state->n_rows = 0;
    }
}

/* ---- taking it ---- */

struct raise {
    const uint8_t *rows; /* tiles: all */
    uint8_t *raised;     /* tiles: the rows whose cover the pick raises, in any order; NULL: the
                          * pick was given, and is neither listed nor counted */
    int32_t *limits;     /* of the raised */
    int32_t *cover;
    const uint32_t *weight;
    uint8_t *taken;
    const struct best *best; /* of each card */
    uint32_t cards;
    struct state *state;
    uint32_t *picks;
    int64_t *gains;
    uint32_t n, pieces;
};

__device__ static inline int32_t dot16(uint4 a, uint4 b, int32_t sum) {
    sum = __dp4a((int)a.x, (int)b.x, sum);
    sum = __dp4a((int)a.y, (int)b.y, sum);
    sum = __dp4a((int)a.z, (int)b.z, sum);
    return __dp4a((int)a.w, (int)b.w, sum);
}

/* Dots of the pick with a warp's 8 rows. Lane l ends up with that of row l / 8 in one and of row
 * l / 8 + 4 in two. */
__device__ static inline void raise_dots(const uint8_t *group, const uint4 *pick, uint32_t pieces,
                                         int32_t *one, int32_t *two) {
    const uint32_t lane = threadIdx.x % 32, row = lane / 8, place = lane % 8;
    int32_t a = 0, b = 0;
#pragma unroll 4
    for (uint32_t k = 0; k < pieces; k++) {
        const uint4 *piece = (const uint4 *)(group + (size_t)k * PIECE);
        a = dot16(piece[lane], pick[k * UNITS + (place ^ row)], a);
        b = dot16(piece[lane + 32], pick[k * UNITS + (place ^ (row + 4))], b);
    }
    for (int lanes = 1; lanes < 8; lanes *= 2) {
        a += __shfl_xor_sync(~0u, a, lanes);
        b += __shfl_xor_sync(~0u, b, lanes);
    }
    *one = a;
    *two = b;
}

/* Takes the best of all cards, raises the cover, and lists what was raised. */
__global__ void __launch_bounds__(RAISE_THREADS, RAISE_BLOCKS) raise_kernel(const struct raise r) {
    extern __shared__ uint4 pick[];
    const uint32_t lane = threadIdx.x % 32, units = r.pieces * UNITS;
    struct best best = r.best[0];
    for (uint32_t i = 1; i < r.cards; i++)
        if (goes_before(r.best[i], best)) best = r.best[i];
    if (!best.found) {
        if (blockIdx.x == 0 && threadIdx.x == 0) r.state->done = 1;
        return;
    }
    for (uint32_t u = threadIdx.x; u < units; u += RAISE_THREADS)
        pick[u] = *(const uint4 *)(r.rows + unit_at(best.position, u, r.pieces));
    if (blockIdx.x == 0 && threadIdx.x == 0) {
        r.taken[best.position] = 1;
        if (r.raised) {
            r.picks[r.state->picked] = best.position;
            r.gains[r.state->picked++] = best.gain;
            r.state->left -= best.cost;
        }
    }
    __syncthreads();
    for (uint32_t group = (blockIdx.x * RAISE_THREADS + threadIdx.x) / 32; group * 8 < r.n;
         group += gridDim.x * (RAISE_THREADS / 32)) {
        const uint32_t row = group * 8 + lane / 8 + (lane % 8 == 1 ? 4 : 0);
        const bool mine = lane % 8 < 2 && row < r.n;
        const int32_t old = mine ? r.cover[row] : INT32_MAX;
        int32_t one, two, now;
        raise_dots(r.rows + (size_t)(group / 16) * r.pieces * PIECE + group % 16 * 1024, pick,
                   r.pieces, &one, &two);
        now = lane % 8 == 1 ? two : one;
        if (!r.raised) {
            if (now > old) r.cover[row] = now;
            continue;
        }
        uint32_t higher = __ballot_sync(~0u, now > old), base = 0, slot;
        if (!higher) continue;
        if (lane == 0) base = atomicAdd(&r.state->n_rows, __popc(higher));
        base = __shfl_sync(~0u, base, 0);
        slot = base + __popc(higher & ((1u << lane) - 1));
        if (now > old) {
            int32_t *limits = r.limits + (size_t)(slot / TILE) * LIMITS;
            r.cover[row] = now;
            limits[slot % TILE] = -old;
            limits[TILE + slot % TILE] = now - old;
            limit_weight(limits, slot % TILE, r.weight[row]);
        }
        for (; higher; higher &= higher - 1, base++) {
            uint32_t from = __shfl_sync(~0u, row, __ffs((int)higher) - 1);
            for (uint32_t u = lane; u < units; u += 32)
                *(uint4 *)(r.raised + unit_at(base, u, r.pieces)) =
                    *(const uint4 *)(r.rows + unit_at(from, u, r.pieces));
        }
    }
    if (!r.raised || !last_block(&r.state->tickets[1])) return;
    /* what the last tile has no row for weighs nothing */
    const uint32_t n = *(volatile uint32_t *)&r.state->n_rows;
    for (uint32_t slot = n + threadIdx.x; slot < (n + TILE - 1) / TILE * TILE;
         slot += RAISE_THREADS)
        limit_weight(r.limits + (size_t)(slot / TILE) * LIMITS, slot % TILE, 0);
    if (threadIdx.x == 0) r.state->raised += n;
}

/* ---- setting up ---- */

/* Rows as they come, n of d bytes from place `at` on, into tiles; zeros behind d. */
__global__ void tile_kernel(const uint8_t *plain, uint32_t n, uint32_t d, size_t at, uint8_t *rows,
                            uint32_t pieces) {
    const uint32_t units = pieces * UNITS;
    for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < (size_t)n * units;
         i += (size_t)gridDim.x * blockDim.x) {
        const size_t row = i / units;
        const uint32_t u = (uint32_t)(i % units);
        uint4 value = {0, 0, 0, 0};
        if (u * UNIT < d) value = *(const uint4 *)(plain + row * d + u * UNIT);
        *(uint4 *)(rows + unit_at(at + row, u, pieces)) = value;
    }
}

/* The limits of the first pass: every row from its cover on without an end. */
__global__ void limits_kernel(const int32_t *cover, const uint32_t *weight, uint32_t n,
                              uint32_t tiles, int32_t *limits) {
    for (uint32_t i = blockIdx.x * blockDim.x + threadIdx.x; i < tiles * TILE;
         i += gridDim.x * blockDim.x) {
        int32_t *of_tile = limits + (size_t)(i / TILE) * LIMITS;
        of_tile[i % TILE] = i < n ? -cover[i] : 0;
        of_tile[TILE + i % TILE] = INT32_MAX;
        limit_weight(of_tile, i % TILE, i < n ? weight[i] : 0);
    }
}

#endif
