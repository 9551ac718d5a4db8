/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dot products of int8 rows, and the sums over them that greedy selection decides by. Everything is
 * an integer and therefore the same on every path (plain C, AVX2, AVX-512 VNNI), for any tiling and
 * any number of threads. Pure functions: the caller owns all memory; any number of threads may read
 * one panel.
 *
 *   rows      n x d, int8, row-major; d is a multiple of CRU_ROW_STEP (pad with zeros), at most
 *             CRU_ROW_MAX
 *   panel     up to CRU_PANEL candidates, rearranged once so that a row meets all of them together
 *
 *             row i (d numbers) ---------------------->
 *                 x   [ c0 c1 .. c63 ]  packed panel    =  64 dots, which go at once into
 *                                                          gain[c] += w_i * max(0, dot - cur_i)
 *
 * The rows are unit vectors scaled by CRU_ROW_SCALE, so a dot is 127*127 times a cosine. The range
 * of every intermediate follows from d <= CRU_ROW_MAX: rounding makes a row at most 127 + sqrt(d)/2
 * long, so a dot is below 36,482 and weight * dot below 2^32.
 */
#ifndef CRU_SELECT_SIMILARITY_H
#define CRU_SELECT_SIMILARITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CRU_ROW_STEP = 64,
    CRU_ROW_MAX = 16384,
    CRU_ROW_SCALE = 127,
    CRU_PANEL = 64,
    CRU_LEVELS = 8,           /* covers that one pass looks at */
    CRU_ALIKE_MOST = 1 << 16, /* rows of a sum whose weights are said to be alike */
};

enum cru_simd { CRU_SIMD_AUTO, CRU_SIMD_PLAIN, CRU_SIMD_AVX2, CRU_SIMD_AVX512, CRU_SIMD_PATHS };

/* Whether this machine and this build can take the path. AUTO and PLAIN always. */
bool cru_simd_supported(enum cru_simd path);
/* The path that AUTO stands for here; any other supported path is itself, an unsupported one PLAIN.
 */
enum cru_simd cru_simd_resolve(enum cru_simd path);
const char *cru_simd_name(enum cru_simd path);

/* Makes an L2-normalised, rounded row of d_row numbers (zeros behind d) from d floats. The norm is
 * a sum of doubles in index order. A zero vector stays zero. False when a number is NaN or
 * infinite. */
bool cru_row_quantise(const float *x, size_t d, int8_t *row, size_t d_row);

struct cru_panel {
    enum cru_simd path;       /* resolved */
    size_t d, m;              /* numbers in a row; candidates, at most CRU_PANEL */
    int32_t shift[CRU_PANEL]; /* what the unsigned-times-signed path adds to each dot */
    void *packed;             /* cru_panel_bytes(d) bytes, 64-byte aligned, the caller's */
};

size_t cru_panel_bytes(size_t d);
/* Fills the panel with the rows candidates[0..m). panel->packed must be set. */
void cru_panel_pack(struct cru_panel *panel, enum cru_simd path, const int8_t *rows, size_t d,
                    const uint32_t *candidates, size_t m);
/* Those pairs of a row and a candidate whose dot is above the row's cover. */
struct cru_pairs {
    uint32_t *where; /* i * CRU_PANEL + c; room for capacity + CRU_PAIRS_SLACK */
    uint32_t *dot;   /* the same room */
    size_t n, capacity;
    bool overflow; /* there were more; what is there is then of no use */
};
enum { CRU_PAIRS_SLACK = 16 };

/* What a sum runs over. All but weight are indexed by i < n. */
struct cru_rows {
    const int8_t *rows;
    const uint32_t *members;
    size_t n;
    const int32_t *cover;   /* not negative */
    const int32_t *ceiling; /* not below cover; NULL: none */
    const uint16_t *weight; /* of each row */
    uint32_t alike;         /* the weight of all rows, where they are alike; 0: they may not be */
};

/* gains[c] += sum over i of weight[members[i]] * max(0, min(dot, ceiling[i]) - cover[i]). Without
 * a ceiling these are gains over a cover; with one, what gains lose while the cover rises from
 * `cover` to `ceiling`. gains has CRU_PANEL elements. `pairs` (NULL: not wanted) is appended to, in
 * order of i; at most 2^26 rows then. */
void cru_panel_gains(const struct cru_panel *panel, const struct cru_rows *over, int64_t *gains,
                     struct cru_pairs *pairs);
/* Some covers at once, of rows and of candidates. */
struct cru_levels {
    size_t n;                          /* 1 to CRU_LEVELS */
    const uint16_t *cover[CRU_LEVELS]; /* by i < n of the rows */
    const int32_t (*lanes)[CRU_PANEL]; /* [level][candidate], not negative; 0 beyond the panel's m
                                        */
};
/* Both ways at once, over each level k: gains[k * CRU_PANEL + c] grow as above, and mirror[k][i] +=
 * sum over c of weight of candidate c times max(0, dot - lanes[k][c]), which is what row i would
 * gain from the candidates. weights[c] is 0 beyond the panel's m, and over->alike otherwise, unless
 * that is 0. cover and ceiling of `over` are not read. */
void cru_panel_mirror(const struct cru_panel *panel, const struct cru_rows *over,
                      const uint32_t weights[CRU_PANEL], const struct cru_levels *levels,
                      int64_t *gains, int64_t *const *mirror);
/* Sum over i < n of weight[i] * max(0, dot[i] - cover[i]); all indexed by i, dots as max(0, dot).
 */
int64_t cru_surplus_sum(enum cru_simd path, const int32_t *dot, const uint16_t *cover,
                        const uint16_t *weight, size_t n);
/* cover[i] = max(cover[i], dot of row members[i] with row `candidate`). */
void cru_cover_raise(enum cru_simd path, const int8_t *rows, size_t d, const uint32_t *members,
                     size_t n, uint32_t candidate, int32_t *cover);

#endif
