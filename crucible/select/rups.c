/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "crucible/base/base.h"
#include "crucible/select/rups.h"

struct valued {
    double value;
    uint32_t index;
    uint16_t stratum;
};

/* By stratum, then NaN first, then value; -0 and 0 are equal. */
static int compare_valued(const void *a, const void *b) {
    const struct valued *x = a, *y = b;
    bool x_nan = isnan(x->value), y_nan = isnan(y->value);
    if (x->stratum != y->stratum) return x->stratum < y->stratum ? -1 : 1;
    if (x_nan || y_nan) return (int)y_nan - (int)x_nan;
    return (x->value > y->value) - (x->value < y->value);
}

enum cru_status cru_rups_percentiles(const double *value, const uint16_t *stratum, size_t n,
                                     size_t n_strata, uint32_t *q, struct cru_error *err) {
    struct valued *sorted;
    (void)n_strata;
    if (n == 0) return CRU_OK;
    if (!(sorted = malloc(n * sizeof *sorted)))
        return cru_fail_memory(err, "percentiles of an axis");
    for (size_t i = 0; i < n; i++) sorted[i] = (struct valued){value[i], (uint32_t)i, stratum[i]};
    qsort(sorted, n, sizeof *sorted, compare_valued);
    for (size_t begin = 0, end; begin < n; begin = end) { /* one stratum */
        for (end = begin; end < n && sorted[end].stratum == sorted[begin].stratum; end++)
            ;
        for (size_t at = begin, next; at < end; at = next) { /* one value */
            /* Places at+1 .. next of the stratum share the mid-rank (at + 1 + next) / 2, so that
             * p = (at + next) / (2 n_b), all counted from the stratum's begin. */
            uint64_t size = end - begin, twice, p;
            for (next = at + 1; next < end && compare_valued(&sorted[at], &sorted[next]) == 0;
                 next++)
                ;
            twice = (at - begin) + (next - begin);
            p = isnan(sorted[at].value) ? 0 : (twice * CRU_RUPS_ONE + size) / (2 * size);
            for (size_t i = at; i < next; i++) q[sorted[i].index] = (uint32_t)p;
        }
    }
    free(sorted);
    return CRU_OK;
}

struct point {
    uint32_t q[CRU_RUPS_AXES];
    uint32_t index;
};

static int compare_axes(const struct point *x, const struct point *y) {
    for (int k = 0; k < CRU_RUPS_AXES; k++)
        if (x->q[k] != y->q[k]) return x->q[k] > y->q[k] ? -1 : 1;
    return 0;
}

/* Best first, axis by axis: then nothing later can dominate anything earlier. */
static int compare_points(const void *a, const void *b) {
    const struct point *x = a, *y = b;
    int order = compare_axes(x, y);
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

/*
 * Two axes. In sorted order a point is dominated by an earlier one iff that one's second axis is
 * not smaller, so a front is known by its largest second axis alone:
 *
 *   top[0] >= top[1] >= top[2] ...     a new point joins the first front whose top is below it
 */
static uint32_t ranks_two(const struct point *sorted, size_t n, uint32_t *top, uint32_t *rank) {
    uint32_t fronts = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t low = 0, high = fronts;
        if (i > 0 && compare_axes(&sorted[i - 1], &sorted[i]) == 0) {
            rank[sorted[i].index] = rank[sorted[i - 1].index];
            continue;
        }
        while (low < high) {
            uint32_t middle = low + (high - low) / 2;
            if (top[middle] >= sorted[i].q[1])
                low = middle + 1;
            else
                high = middle;
        }
        top[low] = sorted[i].q[1];
        if (low == fronts) fronts++;
        rank[sorted[i].index] = low + 1;
    }
    return fronts;
}

/*
 * Three axes. A front is known by the staircase of its best (second, third) axes, as the first axis
 * of whatever comes later is not larger: a new point is dominated by the front iff it lies below
 * the stairs, and if it does not it becomes a stair and those below it go.
 *
 *   third |  *               stair[0..n): second axis falls, third rises
 *         |     *
 *         |         *   x    x joins as it is below no stair
 *         +-------------- second
 */
struct stair {
    uint32_t second, third;
};

struct front {
    struct stair *stair;
    uint32_t n, capacity;
};

/* How many stairs are not behind p on the second axis; the last of them is the highest. */
static uint32_t stairs_before(const struct front *f, const struct point *p) {
    uint32_t low = 0, high = f->n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (f->stair[middle].second >= p->q[1])
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool front_dominates(const struct front *f, const struct point *p) {
    uint32_t k = stairs_before(f, p);
    return k > 0 && f->stair[k - 1].third >= p->q[2];
}

static bool front_add(struct front *f, const struct point *p) {
    uint32_t from = stairs_before(f, p), to = from;
    if (from > 0 && f->stair[from - 1].second == p->q[1]) from--;
    while (to < f->n && f->stair[to].third <= p->q[2]) to++;
    if (f->n - (to - from) + 1 > f->capacity) {
        uint32_t capacity = f->capacity ? f->capacity * 2 : 2;
        struct stair *stair = realloc(f->stair, capacity * sizeof *stair);
        if (!stair) return false;
        f->stair = stair;
        f->capacity = capacity;
    }
    memmove(f->stair + from + 1, f->stair + to, (f->n - to) * sizeof *f->stair);
    f->stair[from] = (struct stair){p->q[1], p->q[2]};
    f->n = f->n - (to - from) + 1;
    return true;
}

/* If front f dominates the point, so does every front before it: binary search over the fronts. */
static bool ranks_three(const struct point *sorted, size_t n, struct front **fronts,
                        uint32_t *n_fronts, uint32_t *rank) {
    uint32_t capacity = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t low = 0, high = *n_fronts;
        if (i > 0 && compare_axes(&sorted[i - 1], &sorted[i]) == 0) {
            /* A twin makes no stair: whatever it dominates, its twin does. */
            rank[sorted[i].index] = rank[sorted[i - 1].index];
            continue;
        }
        while (low < high) {
            uint32_t middle = low + (high - low) / 2;
            if (front_dominates(&(*fronts)[middle], &sorted[i]))
                low = middle + 1;
            else
                high = middle;
        }
        if (low == capacity) {
            struct front *more;
            capacity = capacity ? capacity * 2 : 64;
            if (!(more = realloc(*fronts, capacity * sizeof *more))) return false;
            *fronts = more;
        }
        if (low == *n_fronts) (*fronts)[(*n_fronts)++] = (struct front){NULL, 0, 0};
        if (!front_add(&(*fronts)[low], &sorted[i])) return false;
        rank[sorted[i].index] = low + 1;
    }
    return true;
}

enum cru_status cru_rups_ranks(const uint32_t *const *q, size_t axes, size_t n, uint32_t *rank,
                               uint32_t *fronts, struct cru_error *err) {
    struct point *sorted;
    struct front *stairs = NULL;
    uint32_t *top;
    bool ok = true;
    *fronts = 0;
    if (n == 0) return CRU_OK;
    sorted = calloc(n, sizeof *sorted);
    top = malloc(n * sizeof *top);
    if (!sorted || !top) {
        free(sorted);
        free(top);
        return cru_fail_memory(err, "non-dominated ranks");
    }
    for (size_t i = 0; i < n; i++) {
        sorted[i].index = (uint32_t)i;
        for (size_t k = 0; k < axes; k++) sorted[i].q[k] = q[k][i];
        if (axes == 1) /* the same number twice: dominance on the plane is then order on the line */
            sorted[i].q[1] = q[0][i];
    }
    qsort(sorted, n, sizeof *sorted, compare_points);
    if (axes < 3)
        *fronts = ranks_two(sorted, n, top, rank);
    else
        ok = ranks_three(sorted, n, &stairs, fronts, rank);
    for (uint32_t f = 0; stairs && f < *fronts; f++) free(stairs[f].stair);
    free(stairs);
    free(sorted);
    free(top);
    return ok ? CRU_OK : cru_fail_memory(err, "non-dominated ranks");
}

/* floor(x^(1/power)) by bisection, bit by bit; the root has at most `bits` bits. */
static uint64_t integer_root(unsigned __int128 x, unsigned power, int bits) {
    uint64_t root = 0;
    for (int b = bits - 1; b >= 0; b--) {
        uint64_t trial = root | (uint64_t)1 << b;
        unsigned __int128 raised = trial;
        for (unsigned i = 1; i < power; i++) raised *= trial;
        if (raised <= x) root = trial;
    }
    return root;
}

double cru_rups_score(const uint32_t *q, size_t axes, uint32_t rank, uint32_t fronts) {
    unsigned __int128 product = 1;
    double mean, place = (double)(fronts - rank + 1) / (double)fronts;
    for (size_t k = 0; k < axes; k++)
        product *=
            q[k] ? q[k] : 1; /* an axis at 0 counts as 2^-16, so that it cannot hide the others */
    /* The root in units of 2^-32: each factor has 16 fraction bits, so 16 more are put in per axis.
     */
    product <<= 16 * axes;
    mean = (double)integer_root(product, (unsigned)axes, 33) * 0x1p-32;
    return 0.5 * place + 0.5 * mean;
}

uint16_t cru_rups_weight(double w) {
    long q;
    if (!(w > 0)) return 0;
    if (w >= 1) return UINT16_MAX;
    q = lrint(w * UINT16_MAX);
    return (uint16_t)(q < 1 ? 1 : q);
}

double cru_rups_correlation(const uint32_t *a, const uint32_t *b, size_t n) {
    /* Centred at one half the products stay below 2^30 and 2^33 documents fit 63 bits. */
    const int64_t half = CRU_RUPS_ONE / 2;
    int64_t sum_a = 0, sum_b = 0, aa = 0, bb = 0, ab = 0;
    double n_real = (double)n, cov, var_a, var_b;
    for (size_t i = 0; i < n; i++) {
        int64_t x = (int64_t)a[i] - half, y = (int64_t)b[i] - half;
        sum_a += x;
        sum_b += y;
        aa += x * x;
        bb += y * y;
        ab += x * y;
    }
    if (n == 0) return 0;
    cov = (double)ab - (double)sum_a * (double)sum_b / n_real;
    var_a = (double)aa - (double)sum_a * (double)sum_a / n_real;
    var_b = (double)bb - (double)sum_b * (double)sum_b / n_real;
    return var_a > 0 && var_b > 0 ? cov / sqrt(var_a * var_b) : 0;
}
