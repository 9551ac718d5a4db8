/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cards under eesd_cuda.cu: their memory, the rows on them, and the kernels of one pick, which
 * are only queued here. The caller owns struct run and what it points to; cru_cards_close() gives
 * back what cru_cards_open() took, also after a failure. Errors go to run.err.
 */
#ifndef CRU_SELECT_EESD_CARDS_CUH
#define CRU_SELECT_EESD_CARDS_CUH

#include <cstdint>

#include <cuda_runtime.h>

extern "C" {
#include "crucible/select/eesd.h"
}

enum {
    TILE = 128, /* rows of a tile (eesd_kernels.cuh) */
    CARDS_MOST = 16,
};

struct best {
    int64_t gain;
    uint64_t cost;
    uint32_t position;
    uint32_t found; /* 0: there is none */
};

/* What the kernels of one card share; lives on the card. */
struct state {
    uint64_t left;   /* of the budget */
    uint64_t raised; /* rows raised by all picks */
    uint32_t picked; /* so far */
    uint32_t done;   /* nothing affordable is left */
    uint32_t n_rows; /* rows the next pass meets */
    uint32_t tickets[2];
};

/* One share of the candidates and the card that works on it. */
struct share {
    int card;
    cudaStream_t stream;
    cudaEvent_t found[2], start, passed, finished;
    uint8_t *rows, *raised, *taken;
    int32_t *limits, *cover;
    uint32_t *weight, *picks;
    int64_t *gain, *gains;
    uint64_t *cost;
    struct state *state;
    struct best *of_block, *best; /* best: 2 * CARDS_MOST, of this pick and of the one before */
    uint8_t *plain;               /* rows as they come: 2 * STAGING */
    struct best *given;           /* what is in S already */
    uint32_t first, blocks;       /* blocks of candidates */
    uint32_t multiprocessors;
};

struct run {
    const struct cru_eesd_pool *pool;
    const struct cru_eesd_plan *plan;
    const uint32_t *members;
    /* on the host, of each member: the gain; room for a heap; zeros; in S; its cover by the given
     */
    int64_t *gain;
    uint32_t *heap, *round;
    bool *taken;
    int32_t *cover;
    int64_t objective; /* of the given */
    uint32_t n, pieces, tiles, blocks, block;
    size_t most; /* picks */
    int n_shares;
    struct share share[CARDS_MOST];
    uint8_t *staging[2];
    cudaEvent_t staged[2];
    struct state *seen; /* pinned: two */
    struct cru_error *err;
};

static inline enum cru_status check(const struct run *r, cudaError_t code, const char *what) {
    if (code == cudaSuccess) return CRU_OK;
    return cru_fail(r->err, CRU_FATAL, "CUDA: '%s': %s", what, cudaGetErrorString(code));
}

#define TRY(call, what)                                                                            \
    do {                                                                                           \
        enum cru_status try_status = check(r, (call), (what));                                     \
        if (try_status) return try_status;                                                         \
    } while (0)

/* Cuts the candidates into shares, one for each card in turn (0: as many as there are cards), and
 * takes the cards' memory. */
enum cru_status cru_cards_open(struct run *r, int shares);
void cru_cards_close(struct run *r);
/* Brings rows, columns and what is in S already to all cards. */
enum cru_status cru_cards_send(struct run *r);
/* Queues the first pass of a share. */
enum cru_status cru_cards_first(const struct run *r, const struct share *s);
/* Queues the kernels of one pick on all of them. */
enum cru_status cru_cards_pick(const struct run *r, size_t pick);

#endif
