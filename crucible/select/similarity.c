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

static void note_pair(struct cru_pairs *pairs, size_t i, size_t c, int32_t dot) {
    if (pairs->n >= pairs->capacity) {
        pairs->overflow = true;
        return;
    }
    pairs->where[pairs->n] = (uint32_t)(i * CRU_PANEL + c);
    pairs->dot[pairs->n++] = (uint32_t)dot;
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
            if (pairs) note_pair(pairs, i, c, dot);
        }
    }
}

static void mirror_plain(const struct cru_panel *panel, const struct cru_rows *over,
                         const uint32_t *weights, int64_t *gains, int64_t *mirror) {
    const int8_t *packed = panel->packed;
    for (size_t i = 0; i < over->n; i++) {
        const int8_t *row = over->rows + (size_t)over->members[i] * panel->d;
        for (size_t c = 0; c < panel->m; c++) {
            int64_t dot = dot_plain(row, packed + c * panel->d, panel->d);
            if (dot <= 0) continue;
            gains[c] += dot * over->weight[over->members[i]];
            mirror[i] += dot * weights[c];
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

/* Rows of one block: missing ones at the end repeat the first with weight 0, which adds nothing,
 * and a cover above any dot, so that they make no pair. */
struct block {
    const int8_t *row[ROWS_MOST];
    const int8_t *next[ROWS_MOST]; /* the rows of the block behind it, to be fetched meanwhile */
    int32_t cover[ROWS_MOST], ceiling[ROWS_MOST];
    uint32_t weight[ROWS_MOST];
    size_t at; /* of the first */
};

static void block_fill(struct block *b, size_t want, const struct cru_rows *over, size_t d,
                       size_t at) {
    b->at = at;
    for (size_t r = 0; r < want; r++) {
        bool there = at + r < over->n;
        size_t i = there ? at + r : at;
        size_t after = at + want + r < over->n ? at + want + r : at;
        b->row[r] = over->rows + (size_t)over->members[i] * d;
        b->next[r] = over->rows + (size_t)over->members[after] * d;
        b->cover[r] = !there ? INT32_MAX : over->cover ? over->cover[i] : 0;
        b->ceiling[r] = over->ceiling ? over->ceiling[i] : INT32_MAX;
        b->weight[r] = there ? over->weight[over->members[i]] : 0;
    }
}

__attribute__((target("avx2"))) static void pairs_avx2(struct cru_pairs *pairs, size_t i, size_t c,
                                                       __m256i dots, __m256i cover) {
    int mask = _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(dots, cover)));
    int32_t dot[8];
    if (!mask) return;
    _mm256_storeu_si256((__m256i *)(void *)dot, dots);
    for (; mask; mask &= mask - 1) {
        int lane = __builtin_ctz((unsigned)mask);
        note_pair(pairs, i, c + (size_t)lane, dot[lane]);
    }
}

/*
 * AVX2: candidates as int16 pairs, 8 candidates a register; the row's pair goes to all lanes and
 * vpmaddwd adds two products exactly. packed[group of 8][d/2][8][2].
 */
struct sums_avx2 {
    __m256i of[CRU_PANEL / 8][4];
};

__attribute__((target("avx2"))) static void dots_avx2(const struct cru_panel *panel,
                                                      const struct block *b, size_t groups,
                                                      struct sums_avx2 *total) {
    const size_t d = panel->d;
    const int16_t *packed = panel->packed;
    int16_t wide[4][CHUNK] __attribute__((aligned(32)));
    memset(total, 0, sizeof *total);
    for (size_t from = 0; from < d; from += CHUNK) {
        size_t span = d - from < CHUNK ? d - from : CHUNK;
        for (size_t r = 0; r < 4; r++)
            for (size_t k = 0; k < span; k += 16) {
                __m128i bytes =
                    _mm_loadu_si128((const __m128i *)(const void *)(b->row[r] + from + k));
                _mm256_store_si256((__m256i *)(void *)(wide[r] + k), _mm256_cvtepi8_epi16(bytes));
            }
        for (size_t g = 0; g < groups; g++) {
            const int16_t *c = packed + (g * d + from) * 8;
            __m256i *of = total->of[g], a0 = of[0], a1 = of[1], a2 = of[2], a3 = of[3];
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
            of[0] = a0, of[1] = a1, of[2] = a2, of[3] = a3;
        }
    }
}

/* Adds the 8 products over * weight, each below 2^32. */
__attribute__((target("avx2"))) static void add_avx2(int64_t *gains, __m256i over, __m256i weight) {
    __m256i *low = (__m256i *)(void *)gains, by = _mm256_mullo_epi32(over, weight);
    _mm256_storeu_si256(low, _mm256_add_epi64(_mm256_loadu_si256(low),
                                              _mm256_cvtepu32_epi64(_mm256_castsi256_si128(by))));
    _mm256_storeu_si256(low + 1,
                        _mm256_add_epi64(_mm256_loadu_si256(low + 1),
                                         _mm256_cvtepu32_epi64(_mm256_extracti128_si256(by, 1))));
}

__attribute__((target("avx2"))) static void gains_avx2(const struct cru_panel *panel,
                                                       const struct cru_rows *rows, int64_t *gains,
                                                       struct cru_pairs *pairs) {
    const size_t groups = (panel->m + 7) / 8;
    for (size_t at = 0; at < rows->n; at += 4) {
        struct block b;
        struct sums_avx2 total;
        block_fill(&b, 4, rows, panel->d, at);
        dots_avx2(panel, &b, groups, &total);
        for (size_t g = 0; g < groups; g++)
            for (size_t r = 0; r < 4; r++) {
                __m256i cover = _mm256_set1_epi32(b.cover[r]), dots = total.of[g][r];
                __m256i most = _mm256_min_epi32(dots, _mm256_set1_epi32(b.ceiling[r]));
                __m256i over = _mm256_sub_epi32(_mm256_max_epi32(most, cover), cover);
                add_avx2(gains + g * 8, over, _mm256_set1_epi32((int32_t)b.weight[r]));
            }
        for (size_t r = 0; pairs && r < 4; r++)
            for (size_t g = 0; g < groups; g++)
                pairs_avx2(pairs, at + r, g * 8, total.of[g][r], _mm256_set1_epi32(b.cover[r]));
    }
}

__attribute__((target("avx2"))) static void mirror_avx2(const struct cru_panel *panel,
                                                        const struct cru_rows *rows,
                                                        const uint32_t *weights, int64_t *gains,
                                                        int64_t *mirror) {
    for (size_t at = 0; at < rows->n; at += 4) {
        struct block b;
        struct sums_avx2 total;
        block_fill(&b, 4, rows, panel->d, at);
        dots_avx2(panel, &b, CRU_PANEL / 8, &total);
        for (size_t r = 0; r < 4; r++) {
            int64_t back[8] = {0};
            for (size_t g = 0; g < CRU_PANEL / 8; g++) {
                __m256i over = _mm256_max_epi32(total.of[g][r], _mm256_setzero_si256());
                add_avx2(gains + g * 8, over, _mm256_set1_epi32((int32_t)b.weight[r]));
                add_avx2(back, over,
                         _mm256_loadu_si256((const __m256i *)(const void *)(weights + g * 8)));
            }
            for (size_t k = 0; at + r < rows->n && k < 8; k++) mirror[at + r] += back[k];
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

/* sum + products of unsigned a by signed b, four a lane. As an instruction, because gcc 12
 * surrounds the intrinsic with copies of its accumulator in the one loop that all the time goes to.
 */
VNNI static inline __attribute__((always_inline)) __m512i dot4(__m512i sum, __m512i a, __m512i b) {
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
}

VNNI static inline void pairs_vnni(struct cru_pairs *pairs, size_t i, size_t c, __m512i dots,
                                   __mmask16 mask) {
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m512i where = _mm512_add_epi32(lanes, _mm512_set1_epi32((int32_t)(i * CRU_PANEL + c)));
    size_t n = (size_t)__builtin_popcount(mask);
    if (pairs->n + n > pairs->capacity) {
        pairs->overflow = true;
        return;
    }
    /* Whole stores, for which there is slack: the masked store is slow on some machines. */
    _mm512_storeu_si512(pairs->where + pairs->n, _mm512_maskz_compress_epi32(mask, where));
    _mm512_storeu_si512(pairs->dot + pairs->n, _mm512_maskz_compress_epi32(mask, dots));
    pairs->n += n;
}

VNNI static inline __attribute__((always_inline)) void
dots_vnni(const struct cru_panel *panel, const struct block *b, const size_t want,
          const size_t groups, __m512i sum[ROWS_MOST][4]) {
    uint8_t lifted[ROWS_MOST][CHUNK] __attribute__((aligned(64)));
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
        for (size_t line = 0; line < span; line += 64) {
#pragma GCC unroll 8
            for (size_t r = 0; r < want; r++) __builtin_prefetch(b->next[r] + from + line);
            for (size_t k = line; k < line + 64; k += 4, c += 4 * CRU_PANEL) {
                __m512i v[4];
#pragma GCC unroll 4
                for (size_t g = 0; g < groups; g++) v[g] = _mm512_loadu_si512(c + g * 64);
#pragma GCC unroll 8
                for (size_t r = 0; r < want; r++) {
                    int32_t quad;
                    memcpy(&quad, lifted[r] + k, 4);
#pragma GCC unroll 4
                    for (size_t g = 0; g < groups; g++)
                        sum[r][g] = dot4(sum[r][g], _mm512_set1_epi32(quad), v[g]);
                }
            }
        }
    }
}

VNNI static inline __attribute__((always_inline)) void
gains_vnni_block(const struct cru_panel *panel, const struct block *b, const size_t want,
                 const size_t groups, int64_t *gains, struct cru_pairs *pairs) {
    __m512i sum[ROWS_MOST][4];
    dots_vnni(panel, b, want, groups, sum);
#pragma GCC unroll 4
    for (size_t g = 0; g < groups; g++) {
        __m512i low = _mm512_loadu_si512(gains + g * 16),
                high = _mm512_loadu_si512(gains + g * 16 + 8);
#pragma GCC unroll 8
        for (size_t r = 0; r < want; r++) {
            __m512i cover = _mm512_set1_epi32(b->cover[r]);
            __m512i most = _mm512_min_epi32(sum[r][g], _mm512_set1_epi32(b->ceiling[r]));
            __m512i over = _mm512_sub_epi32(_mm512_max_epi32(most, cover), cover);
            over = _mm512_mullo_epi32(over, _mm512_set1_epi32((int32_t)b->weight[r]));
            low = _mm512_add_epi64(low, _mm512_cvtepu32_epi64(_mm512_castsi512_si256(over)));
            high =
                _mm512_add_epi64(high, _mm512_cvtepu32_epi64(_mm512_extracti64x4_epi64(over, 1)));
        }
        _mm512_storeu_si512(gains + g * 16, low);
        _mm512_storeu_si512(gains + g * 16 + 8, high);
    }
    if (!pairs) return;
#pragma GCC unroll 8
    for (size_t r = 0; r < want; r++)
#pragma GCC unroll 4
        for (size_t g = 0; g < groups; g++) {
            __mmask16 mask = _mm512_cmpgt_epi32_mask(sum[r][g], _mm512_set1_epi32(b->cover[r]));
            if (mask) pairs_vnni(pairs, b->at + r, g * 16, sum[r][g], mask);
        }
}

VNNI static void gains_vnni(const struct cru_panel *panel, const struct cru_rows *rows,
                            int64_t *gains, struct cru_pairs *pairs) {
    const size_t groups = (panel->m + 15) / 16, want = groups <= 2 ? 8 : 6;
    for (size_t at = 0; at < rows->n; at += want) {
        struct block b;
        block_fill(&b, want, rows, panel->d, at);
        if (groups == 1)
            gains_vnni_block(panel, &b, 8, 1, gains, pairs);
        else if (groups == 2)
            gains_vnni_block(panel, &b, 8, 2, gains, pairs);
        else
            gains_vnni_block(panel, &b, 6, 4, gains, pairs);
    }
}

VNNI static void mirror_vnni(const struct cru_panel *panel, const struct cru_rows *rows,
                             const uint32_t *weights, int64_t *gains, int64_t *mirror) {
    enum { WANT = 6, GROUPS = CRU_PANEL / 16 };
    for (size_t at = 0; at < rows->n; at += WANT) {
        struct block b;
        __m512i sum[ROWS_MOST][4], back[WANT];
        block_fill(&b, WANT, rows, panel->d, at);
        dots_vnni(panel, &b, WANT, GROUPS, sum);
#pragma GCC unroll 6
        for (size_t r = 0; r < WANT; r++) back[r] = _mm512_setzero_si512();
#pragma GCC unroll 4
        for (size_t g = 0; g < GROUPS; g++) {
            __m512i even = _mm512_loadu_si512(weights + g * 16), odd = _mm512_srli_epi64(even, 32);
            __m512i low = _mm512_loadu_si512(gains + g * 16),
                    high = _mm512_loadu_si512(gains + g * 16 + 8);
#pragma GCC unroll 6
            for (size_t r = 0; r < WANT; r++) {
                __m512i over = _mm512_max_epi32(sum[r][g], _mm512_setzero_si512());
                __m512i by = _mm512_mullo_epi32(over, _mm512_set1_epi32((int32_t)b.weight[r]));
                low = _mm512_add_epi64(low, _mm512_cvtepu32_epi64(_mm512_castsi512_si256(by)));
                high =
                    _mm512_add_epi64(high, _mm512_cvtepu32_epi64(_mm512_extracti64x4_epi64(by, 1)));
                back[r] = _mm512_add_epi64(back[r], _mm512_mul_epu32(over, even));
                back[r] =
                    _mm512_add_epi64(back[r], _mm512_mul_epu32(_mm512_srli_epi64(over, 32), odd));
            }
            _mm512_storeu_si512(gains + g * 16, low);
            _mm512_storeu_si512(gains + g * 16 + 8, high);
        }
        for (size_t r = 0; r < WANT && at + r < rows->n; r++)
            mirror[at + r] += _mm512_reduce_add_epi64(back[r]);
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

void cru_panel_gains(const struct cru_panel *panel, const struct cru_rows *over, int64_t *gains,
                     struct cru_pairs *pairs) {
#if defined(__x86_64__)
    if (panel->path == CRU_SIMD_AVX2) {
        gains_avx2(panel, over, gains, pairs);
        return;
    }
    if (panel->path == CRU_SIMD_AVX512) {
        gains_vnni(panel, over, gains, pairs);
        return;
    }
#endif
    gains_plain(panel, over, gains, pairs);
}

void cru_panel_mirror(const struct cru_panel *panel, const struct cru_rows *over,
                      const uint32_t weights[CRU_PANEL], int64_t *gains, int64_t *mirror) {
#if defined(__x86_64__)
    if (panel->path == CRU_SIMD_AVX2) {
        mirror_avx2(panel, over, weights, gains, mirror);
        return;
    }
    if (panel->path == CRU_SIMD_AVX512) {
        mirror_vnni(panel, over, weights, gains, mirror);
        return;
    }
#endif
    mirror_plain(panel, over, weights, gains, mirror);
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
