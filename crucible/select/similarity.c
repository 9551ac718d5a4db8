/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "crucible/select/similarity_paths.h"

bool cru_simd_supported(enum cru_simd path) {
    if (path == CRU_SIMD_AUTO || path == CRU_SIMD_PLAIN) return true;
#if defined(__x86_64__)
    if (path == CRU_SIMD_AVX2) return __builtin_cpu_supports("avx2");
    if (path == CRU_SIMD_AVX512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512vnni");
#endif
    return false;
}

enum cru_simd cru_simd_resolve(enum cru_simd path) {
    if (path != CRU_SIMD_AUTO) return cru_simd_supported(path) ? path : CRU_SIMD_PLAIN;
    if (cru_simd_supported(CRU_SIMD_AVX512)) return CRU_SIMD_AVX512;
    return cru_simd_supported(CRU_SIMD_AVX2) ? CRU_SIMD_AVX2 : CRU_SIMD_PLAIN;
}

const char *cru_simd_name(enum cru_simd path) {
    static const char *const names[CRU_SIMD_PATHS] = {"auto", "plain", "avx2", "avx512-vnni"};
    return path < CRU_SIMD_PATHS ? names[path] : "?";
}

bool cru_row_quantise(const float *x, size_t d, int8_t *row, size_t d_row) {
    double squares = 0, scale;
    for (size_t k = 0; k < d; k++) {
        if (!isfinite(x[k])) return false;
        squares += (double)x[k] * (double)x[k];
    }
    scale = squares > 0 ? CRU_ROW_SCALE / sqrt(squares) : 0;
    for (size_t k = 0; k < d; k++) row[k] = (int8_t)lrint((double)x[k] * scale);
    memset(row + d, 0, d_row - d);
    return true;
}

/* 64 candidates of 2 bytes a number: what the widest packing (AVX2, int16) needs. */
size_t cru_panel_bytes(size_t d) {
    return (size_t)CRU_PANEL * d * sizeof(int16_t);
}

static int32_t dot_plain(const int8_t *a, const int8_t *b, size_t d) {
    int32_t sum = 0;
    for (size_t k = 0; k < d; k++) sum += (int32_t)a[k] * b[k];
    return sum;
}

static void gains_plain(const struct cru_panel *panel, const struct cru_rows *over, int64_t *gains,
                        struct cru_pairs *pairs) {
    const int8_t *packed = panel->packed;
    for (size_t i = 0; i < over->n; i++) {
        const int8_t *row = over->rows + (size_t)over->members[i] * panel->d;
        int32_t cover = over->cover[i], ceiling = over->ceiling ? over->ceiling[i] : INT32_MAX;
        for (size_t c = 0; c < panel->m; c++) {
            int32_t dot = dot_plain(row, packed + c * panel->d, panel->d);
            if (dot <= cover) continue;
            gains[c] +=
                (int64_t)((dot < ceiling ? dot : ceiling) - cover) * over->weight[over->members[i]];
            if (pairs) cru_pair_note(pairs, i, c, dot);
        }
    }
}

static void mirror_plain(const struct cru_panel *panel, const struct cru_rows *over,
                         const uint32_t *weights, const struct cru_levels *levels, int64_t *gains,
                         int64_t *const *mirror) {
    const int8_t *packed = panel->packed;
    for (size_t i = 0; i < over->n; i++) {
        const int8_t *row = over->rows + (size_t)over->members[i] * panel->d;
        for (size_t c = 0; c < panel->m; c++) {
            int32_t dot = dot_plain(row, packed + c * panel->d, panel->d);
            for (size_t k = 0; k < levels->n; k++) {
                int64_t to = dot - levels->cover[k][i], back = dot - levels->lanes[k][c];
                if (to > 0) gains[k * CRU_PANEL + c] += to * over->weight[over->members[i]];
                if (back > 0) mirror[k][i] += back * weights[c];
            }
        }
    }
}

static void raise_plain(const int8_t *rows, size_t d, const uint32_t *members, size_t n,
                        const int8_t *candidate, int32_t *cover) {
    for (size_t i = 0; i < n; i++) {
        int32_t dot = dot_plain(rows + (size_t)members[i] * d, candidate, d);
        if (dot > cover[i]) cover[i] = dot;
    }
}

static inline __attribute__((always_inline)) int64_t
surplus_loop(const int32_t *dot, const uint16_t *cover, const uint16_t *weight, size_t n) {
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        int32_t over = dot[i] - cover[i];
        /* Below 2^32, as similarity.h says. */
        sum += (uint32_t)(over > 0 ? over : 0) * (uint32_t)weight[i];
    }
    return (int64_t)sum;
}

#if defined(__x86_64__)

/* The same loop, for a compiler that may use wider registers. */
__attribute__((target("avx2"), optimize("O3"))) static int64_t
surplus_avx2(const int32_t *dot, const uint16_t *cover, const uint16_t *weight, size_t n) {
    return surplus_loop(dot, cover, weight, n);
}

#endif

void cru_panel_pack(struct cru_panel *panel, enum cru_simd path, const int8_t *rows, size_t d,
                    const uint32_t *candidates, size_t m) {
    panel->path = cru_simd_resolve(path);
    panel->d = d;
    panel->m = m;
#if defined(__x86_64__)
    /* Lanes without a candidate hold zeros: they add nothing and are not read. */
    if (panel->path != CRU_SIMD_PLAIN) {
        for (size_t c = 0; c < CRU_PANEL; c++) {
            const int8_t *row = c < m ? rows + (size_t)candidates[c] * d : NULL;
            if (panel->path == CRU_SIMD_AVX2)
                cru_avx2_pack(panel, row, c);
            else
                cru_vnni_pack(panel, row, c);
        }
        return;
    }
#endif
    for (size_t c = 0; c < m; c++)
        memcpy((int8_t *)panel->packed + c * d, rows + (size_t)candidates[c] * d, d);
}

void cru_panel_gains(const struct cru_panel *panel, const struct cru_rows *over, int64_t *gains,
                     struct cru_pairs *pairs) {
#if defined(__x86_64__)
    if (panel->path == CRU_SIMD_AVX2) {
        cru_avx2_gains(panel, over, gains, pairs);
        return;
    }
    if (panel->path == CRU_SIMD_AVX512) {
        cru_vnni_gains(panel, over, gains, pairs);
        return;
    }
#endif
    gains_plain(panel, over, gains, pairs);
}

void cru_panel_mirror(const struct cru_panel *panel, const struct cru_rows *over,
                      const uint32_t weights[CRU_PANEL], const struct cru_levels *levels,
                      int64_t *gains, int64_t *const *mirror) {
#if defined(__x86_64__)
    if (panel->path == CRU_SIMD_AVX2) {
        cru_avx2_mirror(panel, over, weights, levels, gains, mirror);
        return;
    }
    if (panel->path == CRU_SIMD_AVX512) {
        cru_vnni_mirror(panel, over, weights, levels, gains, mirror);
        return;
    }
#endif
    mirror_plain(panel, over, weights, levels, gains, mirror);
}

int64_t cru_surplus_sum(enum cru_simd path, const int32_t *dot, const uint16_t *cover,
                        const uint16_t *weight, size_t n) {
#if defined(__x86_64__)
    if (cru_simd_resolve(path) != CRU_SIMD_PLAIN && cru_simd_supported(CRU_SIMD_AVX2))
        return surplus_avx2(dot, cover, weight, n);
#endif
    (void)path;
    return surplus_loop(dot, cover, weight, n);
}

void cru_cover_raise(enum cru_simd path, const int8_t *rows, size_t d, const uint32_t *members,
                     size_t n, uint32_t candidate, int32_t *cover) {
    const int8_t *row = rows + (size_t)candidate * d;
    path = cru_simd_resolve(path);
#if defined(__x86_64__)
    if (path == CRU_SIMD_AVX2) {
        cru_avx2_raise(rows, d, members, n, row, cover);
        return;
    }
    if (path == CRU_SIMD_AVX512) {
        cru_vnni_raise(rows, d, members, n, row, cover);
        return;
    }
#endif
    raise_plain(rows, d, members, n, row, cover);
}
