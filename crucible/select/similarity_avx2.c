/* SPDX-License-Identifier: Apache-2.0 */
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "crucible/select/similarity_paths.h"

#if defined(__x86_64__)

__attribute__((target("avx2"))) static void pairs_avx2(struct cru_pairs *pairs, size_t i, size_t c,
                                                       __m256i dots, __m256i cover) {
    int mask = _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(dots, cover)));
    int32_t dot[8];
    if (!mask) return;
    _mm256_storeu_si256((__m256i *)(void *)dot, dots);
    for (; mask; mask &= mask - 1) {
        int lane = __builtin_ctz((unsigned)mask);
        cru_pair_note(pairs, i, c + (size_t)lane, dot[lane]);
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
                                                      const struct cru_block *b, size_t groups,
                                                      struct sums_avx2 *total) {
    const size_t d = panel->d;
    const int16_t *packed = panel->packed;
    int16_t wide[4][CRU_BLOCK_SPAN] __attribute__((aligned(32)));
    memset(total, 0, sizeof *total);
    for (size_t from = 0; from < d; from += CRU_BLOCK_SPAN) {
        size_t span = d - from < CRU_BLOCK_SPAN ? d - from : CRU_BLOCK_SPAN;
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

__attribute__((target("avx2"))) void cru_avx2_gains(const struct cru_panel *panel,
                                                    const struct cru_rows *rows, int64_t *gains,
                                                    struct cru_pairs *pairs) {
    const size_t groups = (panel->m + 7) / 8;
    for (size_t at = 0; at < rows->n; at += 4) {
        struct cru_block b;
        struct sums_avx2 total;
        cru_block_fill(&b, 4, rows, panel->d, at);
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

__attribute__((target("avx2"))) static void
mirror_level(const struct sums_avx2 *total, const struct cru_block *b, const uint32_t *weights,
             const uint16_t *cover, const int32_t *lanes, int64_t *gains, int64_t *mirror,
             size_t many) {
    for (size_t r = 0; r < many; r++) {
        __m256i floor_of = _mm256_set1_epi32(cover[r]);
        int64_t back[8] = {0};
        for (size_t g = 0; g < CRU_PANEL / 8; g++) {
            __m256i dots = total->of[g][r];
            __m256i lane = _mm256_loadu_si256((const __m256i *)(const void *)(lanes + g * 8));
            __m256i over = _mm256_sub_epi32(_mm256_max_epi32(dots, floor_of), floor_of);
            __m256i to = _mm256_sub_epi32(_mm256_max_epi32(dots, lane), lane);
            add_avx2(gains + g * 8, over, _mm256_set1_epi32((int32_t)b->weight[r]));
            add_avx2(back, to,
                     _mm256_loadu_si256((const __m256i *)(const void *)(weights + g * 8)));
        }
        for (size_t k = 0; k < 8; k++) mirror[r] += back[k];
    }
}

__attribute__((target("avx2"))) void
cru_avx2_mirror(const struct cru_panel *panel, const struct cru_rows *rows, const uint32_t *weights,
                const struct cru_levels *levels, int64_t *gains, int64_t *const *mirror) {
    for (size_t at = 0; at < rows->n; at += 4) {
        struct cru_block b;
        struct sums_avx2 total;
        cru_block_fill(&b, 4, rows, panel->d, at);
        dots_avx2(panel, &b, CRU_PANEL / 8, &total);
        for (size_t k = 0; k < levels->n; k++)
            mirror_level(&total, &b, weights, levels->cover[k] + at, levels->lanes[k],
                         gains + k * CRU_PANEL, mirror[k] + at,
                         rows->n - at < 4 ? rows->n - at : 4);
    }
}

__attribute__((target("avx2"))) void cru_avx2_raise(const int8_t *rows, size_t d,
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

void cru_avx2_pack(struct cru_panel *panel, const int8_t *row, size_t c) {
    int16_t *packed = (int16_t *)panel->packed + c / 8 * 8 * panel->d + c % 8 * 2;
    for (size_t k = 0; k < panel->d; k += 2, packed += 16) {
        packed[0] = row ? row[k] : 0;
        packed[1] = row ? row[k + 1] : 0;
    }
}

#endif
