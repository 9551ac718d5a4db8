/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "crucible/base/base.h"
#include "crucible/select/similarity.h"

enum {
    CHUNK = 256,
    ROWS_MOST = 8
}; /* numbers of a row widened at a time; rows worked on together */

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

static int64_t surplus(int32_t dot, int32_t cover, uint16_t weight) {
    return dot > cover ? (int64_t)(dot - cover) * weight : 0;
}

static void gains_plain(const struct cru_panel *panel, const int8_t *rows, const uint32_t *members,
                        size_t n, const int32_t *cover, const uint16_t *weight, int64_t *gains) {
    const int8_t *packed = panel->packed;
    for (size_t i = 0; i < n; i++) {
        const int8_t *row = rows + (size_t)members[i] * panel->d;
        for (size_t c = 0; c < panel->m; c++)
            gains[c] += surplus(dot_plain(row, packed + c * panel->d, panel->d), cover[i],
                                weight[members[i]]);
    }
}

static void raise_plain(const int8_t *rows, size_t d, const uint32_t *members, size_t n,
                        const int8_t *candidate, int32_t *cover) {
    for (size_t i = 0; i < n; i++) {
        int32_t dot = dot_plain(rows + (size_t)members[i] * d, candidate, d);
        if (dot > cover[i]) cover[i] = dot;
    }
}

#if defined(__x86_64__)

/* Rows of one block: missing ones at the end repeat the first with weight 0, which adds nothing. */
struct block {
    const int8_t *row[ROWS_MOST];
    int32_t cover[ROWS_MOST];
    uint32_t weight[ROWS_MOST];
};

static void block_fill(struct block *b, size_t want, const int8_t *rows, size_t d,
                       const uint32_t *members, size_t n, const int32_t *cover,
                       const uint16_t *weight) {
    for (size_t r = 0; r < want; r++) {
        size_t i = r < n ? r : 0;
        b->row[r] = rows + (size_t)members[i] * d;
        b->cover[r] = cover[i];
        b->weight[r] = r < n ? weight[members[i]] : 0;
    }
}

/*
 * AVX2: candidates as int16 pairs, 8 candidates a register; the row's pair goes to all lanes and
 * vpmaddwd adds two products exactly. packed[group of 8][d/2][8][2].
 */
__attribute__((target("avx2"))) static void gains_avx2(const struct cru_panel *panel,
                                                       const int8_t *rows, const uint32_t *members,
                                                       size_t n, const int32_t *cover,
                                                       const uint16_t *weight, int64_t *gains) {
    const size_t d = panel->d, groups = (panel->m + 7) / 8;
    const int16_t *packed = panel->packed;
    for (size_t at = 0; at < n; at += 4) {
        struct block b;
        int16_t wide[4][CHUNK] __attribute__((aligned(32)));
        __m256i total[CRU_PANEL / 8][4];
        block_fill(&b, 4, rows, d, members + at, n - at, cover + at, weight);
        memset(total, 0, sizeof total);
        for (size_t from = 0; from < d; from += CHUNK) {
            size_t span = d - from < CHUNK ? d - from : CHUNK;
            for (size_t r = 0; r < 4; r++)
                for (size_t k = 0; k < span; k += 16) {
                    __m128i bytes =
                        _mm_loadu_si128((const __m128i *)(const void *)(b.row[r] + from + k));
                    _mm256_store_si256((__m256i *)(void *)(wide[r] + k),
                                       _mm256_cvtepi8_epi16(bytes));
                }
            for (size_t g = 0; g < groups; g++) {
                const int16_t *c = packed + (g * d + from) * 8;
                __m256i a0 = total[g][0], a1 = total[g][1], a2 = total[g][2], a3 = total[g][3];
                for (size_t k = 0; k < span; k += 2) {
                    __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(c + k * 8));
                    int32_t p[4];
                    memcpy(&p[0], wide[0] + k, 4);
                    memcpy(&p[1], wide[1] + k, 4);
                    memcpy(&p[2], wide[2] + k, 4);
                    memcpy(&p[3], wide[3] + k, 4);
                    a0 = _mm256_add_epi32(a0, _mm256_madd_epi16(v, _mm256_set1_epi32(p[0])));
                    a1 = _mm256_add_epi32(a1, _mm256_madd_epi16(v, _mm256_set1_epi32(p[1])));
                    a2 = _mm256_add_epi32(a2, _mm256_madd_epi16(v, _mm256_set1_epi32(p[2])));
                    a3 = _mm256_add_epi32(a3, _mm256_madd_epi16(v, _mm256_set1_epi32(p[3])));
                }
                total[g][0] = a0, total[g][1] = a1, total[g][2] = a2, total[g][3] = a3;
            }
        }
        for (size_t g = 0; g < groups; g++) {
            __m256i *low = (__m256i *)(void *)(gains + g * 8), *high = low + 1;
            __m256i sum0 = _mm256_loadu_si256(low), sum1 = _mm256_loadu_si256(high);
            for (size_t r = 0; r < 4; r++) {
                __m256i over = _mm256_sub_epi32(total[g][r], _mm256_set1_epi32(b.cover[r]));
                over = _mm256_max_epi32(over, _mm256_setzero_si256());
                over = _mm256_mullo_epi32(over, _mm256_set1_epi32((int32_t)b.weight[r]));
                sum0 = _mm256_add_epi64(sum0, _mm256_cvtepu32_epi64(_mm256_castsi256_si128(over)));
                sum1 = _mm256_add_epi64(sum1,
                                        _mm256_cvtepu32_epi64(_mm256_extracti128_si256(over, 1)));
            }
            _mm256_storeu_si256(low, sum0);
            _mm256_storeu_si256(high, sum1);
        }
    }
}

__attribute__((target("avx2"))) static void raise_avx2(const int8_t *rows, size_t d,
                                                       const uint32_t *members, size_t n,
                                                       const int8_t *candidate, int32_t *cover) {
    for (size_t i = 0; i < n; i++) {
        const int8_t *row = rows + (size_t)members[i] * d;
        __m256i sum = _mm256_setzero_si256();
        __m128i half;
        int32_t dot;
        for (size_t k = 0; k < d; k += 16) {
            __m128i a = _mm_loadu_si128((const __m128i *)(const void *)(row + k));
            __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(candidate + k));
            sum = _mm256_add_epi32(
                sum, _mm256_madd_epi16(_mm256_cvtepi8_epi16(a), _mm256_cvtepi8_epi16(b)));
        }
        half = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
        half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4E));
        half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0xB1));
        dot = _mm_cvtsi128_si32(half);
        if (dot > cover[i]) cover[i] = dot;
    }
}

/*
 * AVX-512 VNNI multiplies unsigned by signed bytes. The row is made unsigned by adding 128, and
 * what that adds to the dot, 128 * sum(candidate), is subtracted at the start (panel->shift).
 * Candidates in quads of bytes, 16 a register: packed[d/4][64][4].
 */
#define VNNI __attribute__((target("avx512f,avx512bw,avx512vnni")))

VNNI static inline __attribute__((always_inline)) void
gains_vnni_block(const struct cru_panel *panel, const struct block *b, const size_t want,
                 const size_t groups, int64_t *gains) {
    uint8_t lifted[ROWS_MOST][CHUNK] __attribute__((aligned(64)));
    __m512i sum[ROWS_MOST][4];
#pragma GCC unroll 8
    for (size_t r = 0; r < want; r++)
#pragma GCC unroll 4
        for (size_t g = 0; g < groups; g++) sum[r][g] = _mm512_loadu_si512(panel->shift + g * 16);
    for (size_t from = 0; from < panel->d; from += CHUNK) {
        size_t span = panel->d - from < CHUNK ? panel->d - from : CHUNK;
        const int8_t *c = (const int8_t *)panel->packed + from * CRU_PANEL;
        for (size_t r = 0; r < want; r++)
            for (size_t k = 0; k < span; k += 64)
                _mm512_store_si512(lifted[r] + k,
                                   _mm512_xor_si512(_mm512_loadu_si512(b->row[r] + from + k),
                                                    _mm512_set1_epi8((char)-128)));
        for (size_t k = 0; k < span; k += 4, c += 4 * CRU_PANEL) {
            __m512i v[4];
#pragma GCC unroll 4
            for (size_t g = 0; g < groups; g++) v[g] = _mm512_loadu_si512(c + g * 64);
#pragma GCC unroll 8
            for (size_t r = 0; r < want; r++) {
                int32_t quad;
                memcpy(&quad, lifted[r] + k, 4);
#pragma GCC unroll 4
                for (size_t g = 0; g < groups; g++)
                    sum[r][g] = _mm512_dpbusd_epi32(sum[r][g], _mm512_set1_epi32(quad), v[g]);
            }
        }
    }
#pragma GCC unroll 4
    for (size_t g = 0; g < groups; g++) {
        __m512i low = _mm512_loadu_si512(gains + g * 16),
                high = _mm512_loadu_si512(gains + g * 16 + 8);
#pragma GCC unroll 8
        for (size_t r = 0; r < want; r++) {
            __m512i over = _mm512_sub_epi32(sum[r][g], _mm512_set1_epi32(b->cover[r]));
            over = _mm512_max_epi32(over, _mm512_setzero_si512());
            over = _mm512_mullo_epi32(over, _mm512_set1_epi32((int32_t)b->weight[r]));
            low = _mm512_add_epi64(low, _mm512_cvtepu32_epi64(_mm512_castsi512_si256(over)));
            high =
                _mm512_add_epi64(high, _mm512_cvtepu32_epi64(_mm512_extracti64x4_epi64(over, 1)));
        }
        _mm512_storeu_si512(gains + g * 16, low);
        _mm512_storeu_si512(gains + g * 16 + 8, high);
    }
}

VNNI static void gains_vnni(const struct cru_panel *panel, const int8_t *rows,
                            const uint32_t *members, size_t n, const int32_t *cover,
                            const uint16_t *weight, int64_t *gains) {
    const size_t groups = (panel->m + 15) / 16, want = groups <= 2 ? 8 : 4;
    for (size_t at = 0; at < n; at += want) {
        struct block b;
        block_fill(&b, want, rows, panel->d, members + at, n - at, cover + at, weight);
        if (groups == 1)
            gains_vnni_block(panel, &b, 8, 1, gains);
        else if (groups == 2)
            gains_vnni_block(panel, &b, 8, 2, gains);
        else
            gains_vnni_block(panel, &b, 4, 4, gains);
    }
}

VNNI static void raise_vnni(const int8_t *rows, size_t d, const uint32_t *members, size_t n,
                            const int8_t *candidate, int32_t *cover) {
    int32_t total = 0;
    for (size_t k = 0; k < d; k++) total += candidate[k];
    for (size_t i = 0; i < n; i++) {
        const int8_t *row = rows + (size_t)members[i] * d;
        __m512i sum = _mm512_setzero_si512();
        int32_t dot;
        for (size_t k = 0; k < d; k += 64)
            sum = _mm512_dpbusd_epi32(
                sum, _mm512_xor_si512(_mm512_loadu_si512(row + k), _mm512_set1_epi8((char)-128)),
                _mm512_loadu_si512(candidate + k));
        dot = _mm512_reduce_add_epi32(sum) - 128 * total;
        if (dot > cover[i]) cover[i] = dot;
    }
}

static void pack_avx2(struct cru_panel *panel, const int8_t *row, size_t c) {
    int16_t *packed = (int16_t *)panel->packed + c / 8 * 8 * panel->d + c % 8 * 2;
    for (size_t k = 0; k < panel->d; k += 2, packed += 16) {
        packed[0] = row ? row[k] : 0;
        packed[1] = row ? row[k + 1] : 0;
    }
}

static void pack_vnni(struct cru_panel *panel, const int8_t *row, size_t c) {
    int8_t *packed = (int8_t *)panel->packed + c * 4;
    int32_t total = 0;
    for (size_t k = 0; k < panel->d; k += 4, packed += 4 * CRU_PANEL) {
        if (row)
            memcpy(packed, row + k, 4);
        else
            memset(packed, 0, 4);
    }
    for (size_t k = 0; row && k < panel->d; k++) total += row[k];
    panel->shift[c] = -128 * total;
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
                pack_avx2(panel, row, c);
            else
                pack_vnni(panel, row, c);
        }
        return;
    }
#endif
    for (size_t c = 0; c < m; c++)
        memcpy((int8_t *)panel->packed + c * d, rows + (size_t)candidates[c] * d, d);
}

void cru_panel_gains(const struct cru_panel *panel, const int8_t *rows, const uint32_t *members,
                     size_t n, const int32_t *cover, const uint16_t *weight, int64_t *gains) {
#if defined(__x86_64__)
    if (panel->path == CRU_SIMD_AVX2) {
        gains_avx2(panel, rows, members, n, cover, weight, gains);
        return;
    }
    if (panel->path == CRU_SIMD_AVX512) {
        gains_vnni(panel, rows, members, n, cover, weight, gains);
        return;
    }
#endif
    gains_plain(panel, rows, members, n, cover, weight, gains);
}

void cru_cover_raise(enum cru_simd path, const int8_t *rows, size_t d, const uint32_t *members,
                     size_t n, uint32_t candidate, int32_t *cover) {
    const int8_t *row = rows + (size_t)candidate * d;
    path = cru_simd_resolve(path);
#if defined(__x86_64__)
    if (path == CRU_SIMD_AVX2) {
        raise_avx2(rows, d, members, n, row, cover);
        return;
    }
    if (path == CRU_SIMD_AVX512) {
        raise_vnni(rows, d, members, n, row, cover);
        return;
    }
#endif
    raise_plain(rows, d, members, n, row, cover);
}
