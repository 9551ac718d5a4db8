/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gains of candidates over a set S that grows, exact, for whatever method picks them (eesd.h):
 *
 *   gain(j | S) = bonus_j + sum_i weight_i * max(0, <x_i, x_j> - cover_i),
 *   cover_i     = max(0, max_{s in S} <x_i, x_s>)
 *
 * A gain once computed is an upper bound of the gain for any larger S. Three ways to compute it
 * again give the same number; the cheapest that can be had is taken:
 *
 *   list    the rows that the candidate still raises (reach.h)         some hundred reads
 *   losses  the last gain less what it lost on the rows whose cover     d * (rows changed since)
 *           rose since, for which the last few covers are kept
 *   sweep   all rows anew                                              d * n multiplications
 *
 * The first pass may look ahead of the first picks (gains_first.c): after those the gains of all are
 * known, without a bound being computed anew.
 *
 * A position is a place in members[0..n). Memory a member: 54 bytes, from 16,384 members on 56 more
 * until the first few picks are over, and lists of n / 8 bytes on average, CRU_REACH_MOST in all;
 * beside that 10 MiB + 1 KiB * d, less for fewer than 131,072 members. One call at a time; the
 * caller owns the pool and members. CRU_FATAL only when memory is short.
 */
#ifndef CRU_SELECT_GAINS_H
#define CRU_SELECT_GAINS_H

#include "crucible/select/eesd.h"
#include "crucible/select/reach.h"

enum {
    CRU_REACH_PART = 32, /* lists have room for one row in so many, on average */
    CRU_REACH_MOST = 48 << 20,
    CRU_COVERS = 8, /* covers kept */
};

struct cru_gains {
    const struct cru_eesd_pool *pool;
    const uint32_t *members;
    size_t n;
    enum cru_simd path; /* resolved */
    int threads;
    int32_t *cover;
    int64_t *bound;  /* gain when last computed */
    uint32_t *round; /* picks when it was */
    uint32_t picked; /* picks so far: round == picked: bound is the gain */
    uint64_t evaluations;
    struct cru_gains_work *work;
};

enum cru_status cru_gains_open(struct cru_gains *g, const struct cru_eesd_pool *pool,
                               const uint32_t *members, size_t n, enum cru_simd path, int threads,
                               struct cru_error *err);
void cru_gains_close(struct cru_gains *g);

/* Computes the gains of m positions, after cru_gains_first(). */
void cru_gains_compute(struct cru_gains *g, const uint32_t *positions, size_t m);
/* The gains of all positions over S as it is, which is empty or what was taken blindly. `picks`:
 * how many picks of greedy will follow, at least, so that gains behind them are of use. */
void cru_gains_first(struct cru_gains *g, size_t picks);
/* Whether a position's gain can be computed without multiplying: at once, one at a time. */
bool cru_gains_cheap(const struct cru_gains *g, uint32_t position);
/* Puts a position into S. True when all bounds changed, and are gains now. */
bool cru_gains_take(struct cru_gains *g, uint32_t position);

/* The position of a row; n when it is no member. Members rise, so it is found by halving. */
size_t cru_gains_find(const struct cru_gains *g, uint32_t row);

/* S becomes empty again; first[i] are the gains over the empty set. */
void cru_gains_reset(struct cru_gains *g, const int64_t *first);

static inline uint64_t cru_gains_cost(const struct cru_gains *g, uint32_t position) {
    return g->pool->cost ? g->pool->cost[g->members[position]] : 1;
}

static inline int64_t cru_gains_bonus(const struct cru_gains *g, uint32_t position) {
    return g->pool->bonus ? g->pool->bonus[g->members[position]] : 0;
}

/* Whether a goes before b: more gain per cost, else the smaller place. Exact for any gain and cost.
 */
static inline bool cru_gains_better(const struct cru_gains *g, uint32_t a, uint32_t b) {
    int64_t of_a = g->bound[a], of_b = g->bound[b];
    if (!g->pool->cost) {
        if (of_a != of_b) return of_a > of_b;
    } else {
        __int128 x = (__int128)of_a * (__int128)cru_gains_cost(g, b);
        __int128 y = (__int128)of_b * (__int128)cru_gains_cost(g, a);
        if (x != y) return x > y;
    }
    return a < b;
}

/* Whether the bound is the gain now; one as low as the bonus always is: similarity cannot give
 * less than nothing. */
static inline bool cru_gains_fresh(const struct cru_gains *g, uint32_t position) {
    return g->round[position] == g->picked || g->bound[position] == cru_gains_bonus(g, position);
}

#endif
