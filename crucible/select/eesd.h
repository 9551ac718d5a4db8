/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EESD: documents that stand for all the others. Maximises, inside one stratum, the weighted
 * facility location
 *
 *   F(S) = sum_i weight_i * max(0, max_{j in S} <x_i, x_j>)  +  sum_{j in S} bonus_j
 *
 * which is monotone and submodular, by exact batched lazy greedy (Minoux 1978): an old gain of a
 * candidate is an upper bound of its gain now, so only the best bounds are computed anew, and as
 * cheaply as can be (gains.h). The picks are those of plain greedy, ties to the
 * smaller row, so F(S) >= (1 - 1/e) max F (Nemhauser, Wolsey, Fisher 1978).
 *
 * With costs (tokens) greedy goes by gain per cost, and the best affordable single document
 * replaces the whole when it is worth more: F(S) >= 1/2 (1 - 1/e) max F (Khuller, Moss, Naor 1999;
 * Leskovec et al. 2007).
 *
 * Rows are int8, dots int32, gains int64: all exact, so that picks do not depend on threads, SIMD
 * path or device. There is never an n by n matrix; memory beside the rows: 58 bytes a member, from
 * 16,384 members on 56 more while the first few are picked, lists of at most 48 MiB (n / 8 bytes a
 * member when that is less), and a work area of at most 10 MiB + 1 KiB * d. One call at a time a
 * result; the pool is only read.
 * CRU_FATAL only when memory is short.
 */
#ifndef CRU_SELECT_EESD_H
#define CRU_SELECT_EESD_H

#include "crucible/base/error.h"
#include "crucible/select/similarity.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cru_eesd_pool {
    const int8_t *rows;     /* as in similarity.h */
    size_t d;               /* multiple of CRU_ROW_STEP */
    const uint16_t *weight; /* of each row, fixed point with 65535 = 1 */
    const int64_t *bonus;   /* of each row, not negative, in units of F; NULL: none */
    const uint64_t *cost;   /* of each row, at least 1; NULL: all 1 */
    size_t lists;           /* bytes for lists (gains.h); 0: as many as are of use */
};

enum {
    CRU_EESD_UNIT = CRU_ROW_SCALE * CRU_ROW_SCALE
}; /* weight 1 times cosine 1 is 65535 * this */

struct cru_eesd_result {
    uint32_t *picks; /* rows, in the order picked; owned by the result */
    int64_t *gains;  /* what each added to F when it was picked; sums to objective */
    size_t n, capacity;
    uint64_t spent;       /* cost of the picks */
    int64_t objective;    /* F(S) */
    int64_t upper;        /* no set within the budget has a larger F: F(S) + the best gains left */
    uint64_t evaluations; /* gains computed */
    bool single;          /* costs only: S is the best single document */
};

/*
 * How the set is found. All but lazy need a pool without costs.
 *
 *   lazy        1 - 1/e; the picks of plain greedy
 *   stochastic  1 - 1/e - epsilon in expectation: each pick is the best of n/k ln(1/epsilon)
 *               candidates drawn by the seed (Mirzasoleiman et al. 2015)
 *   threshold   1 - 1/e - epsilon: passes over the candidates in order, each taking what gains a
 *               threshold that falls by 1 - epsilon (Badanidiyuru and Vondrak 2014)
 *   sieve       1/2 - epsilon: one pass in order, a set for each of some thresholds, the best of
 *               them (Sieve-Streaming++, Kazemi et al. 2019); 2 n bytes a threshold
 *   randgreedi  (1 - 1/e)/2 in expectation: greedy on each part of the candidates, dealt out by the
 *               seed, then on the union of what they picked; the best of all these (Barbosa et al.
 *               2015)
 *
 * Where a method is content with fewer than the budget, lazy greedy fills it up, which only adds.
 */
enum cru_method {
    CRU_METHOD_LAZY,
    CRU_METHOD_STOCHASTIC,
    CRU_METHOD_THRESHOLD,
    CRU_METHOD_SIEVE,
    CRU_METHOD_RANDGREEDI,
    CRU_METHODS,
};

struct cru_eesd_plan {
    enum cru_method method;
    uint64_t budget;
    double epsilon; /* in (0, 1) */
    uint64_t seed;
    uint32_t parts; /* of randgreedi, at least 1 */
    /* lazy only: rows that are in S already and stay; they cover, and cost nothing. The result's
     * objective and upper count them, its picks do not. Members, each once. */
    const uint32_t *given;
    size_t n_given;
    /* lazy only: the first picks of this very selection and their gains, from a run of it that did
     * not end. They are taken as they are, and what follows is what would have followed. */
    const uint32_t *resumed;
    const int64_t *resumed_gains;
    size_t n_resumed;
    /* lazy on the processor only: told of every further pick, in order. NULL: nobody is. */
    void (*picked)(void *context, uint32_t row, int64_t gain);
    void *context;
};

const char *cru_method_name(enum cru_method method);

void cru_eesd_result_init(struct cru_eesd_result *result);
void cru_eesd_result_release(struct cru_eesd_result *result);

/*
 * Selects rows out of members[0..n), which must rise, with cost at most `budget` in all (without
 * costs: budget documents). `result` must be initialised and is replaced. The upper bound follows
 * from submodularity (Leskovec et al. 2007, section 3.2): the k largest gains left, or with costs
 * the fractional knapsack of gains left, rounded up.
 */
enum cru_status cru_eesd_select(const struct cru_eesd_pool *pool, const uint32_t *members, size_t n,
                                uint64_t budget, enum cru_simd path, int threads,
                                struct cru_eesd_result *result, struct cru_error *err);

/* The same by a plan. */
enum cru_status cru_eesd_run(const struct cru_eesd_pool *pool, const uint32_t *members, size_t n,
                             const struct cru_eesd_plan *plan, enum cru_simd path, int threads,
                             struct cru_eesd_result *result, struct cru_error *err);

#endif
