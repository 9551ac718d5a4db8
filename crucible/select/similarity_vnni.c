/* SPDX-License-Identifier: Apache-2.0 */
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "crucible/select/similarity_paths.h"

#if defined(__x86_64__)

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
dots_vnni(const struct cru_panel *panel, const struct cru_block *b, const size_t want,
          const size_t groups, __m512i sum[CRU_BLOCK_MOST][4]) {
    uint8_t lifted[CRU_BLOCK_MOST][CRU_BLOCK_SPAN] __attribute__((aligned(64)));
#pragma GCC unroll 8
    for (size_t r = 0; r < want; r++)
#pragma GCC unroll 4
        for (size_t g = 0; g < groups; g++) sum[r][g] = _mm512_loadu_si512(panel->shift + g * 16);
    for (size_t from = 0; from < panel->d; from += CRU_BLOCK_SPAN) {
        size_t span = panel->d - from < CRU_BLOCK_SPAN ? panel->d - from : CRU_BLOCK_SPAN;
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

/* Adds the 16 products over * weight, each below 2^32. */
VNNI static inline __attribute__((always_inline)) void add_vnni(int64_t *gains, __m512i over,
                                                                uint32_t weight) {
    __m512i by = _mm512_mullo_epi32(over, _mm512_set1_epi32((int32_t)weight));
    __m512i low = _mm512_cvtepu32_epi64(_mm512_castsi512_si256(by));
    __m512i high = _mm512_cvtepu32_epi64(_mm512_extracti64x4_epi64(by, 1));
    _mm512_storeu_si512(gains, _mm512_add_epi64(_mm512_loadu_si512(gains), low));
    _mm512_storeu_si512(gains + 8, _mm512_add_epi64(_mm512_loadu_si512(gains + 8), high));
}

/* `sums` is what rows of one weight add, before that weight: sums of max(dot, cover), less the
 * covers once for all candidates. Whatever overflows on the way, the difference is below 2^32. */
struct sums_vnni {
    uint32_t of[CRU_PANEL] __attribute__((aligned(64)));
    uint32_t covers;
};

VNNI static inline __attribute__((always_inline)) void
gains_block(const struct cru_panel *panel, const struct cru_block *b, const size_t want,
            const size_t groups, const bool ceiling, struct sums_vnni *same, int64_t *gains,
            struct cru_pairs *pairs) {
    __m512i sum[CRU_BLOCK_MOST][4];
    dots_vnni(panel, b, want, groups, sum);
#pragma GCC unroll 8
    for (size_t r = 0; r < want; r++) same->covers += (uint32_t)b->cover[r];
#pragma GCC unroll 4
    for (size_t g = 0; g < groups; g++) {
        __m512i total = _mm512_load_si512(same->of + g * 16);
#pragma GCC unroll 8
        for (size_t r = 0; r < want; r++) {
            __m512i cover = _mm512_set1_epi32(b->cover[r]), most = sum[r][g];
            if (ceiling) most = _mm512_min_epi32(most, _mm512_set1_epi32(b->ceiling[r]));
            most = _mm512_max_epi32(most, cover);
            if (gains)
                add_vnni(gains + g * 16, _mm512_sub_epi32(most, cover), b->weight[r]);
            else
                total = _mm512_add_epi32(total, most);
        }
        _mm512_store_si512(same->of + g * 16, total);
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

VNNI static inline __attribute__((always_inline)) void
gains_rows(const struct cru_panel *panel, const struct cru_rows *rows, const size_t want,
           const size_t groups, const bool ceiling, const bool alike, int64_t *gains,
           struct cru_pairs *pairs) {
    struct sums_vnni same = {{0}, 0};
    for (size_t at = 0; at < rows->n; at += want) {
        struct cru_block b;
        cru_block_fill(&b, want, rows, panel->d, at);
        gains_block(panel, &b, want, groups, ceiling, &same, alike ? NULL : gains, pairs);
    }
    for (size_t c = 0; alike && c < groups * 16; c++)
        gains[c] += (int64_t)(same.of[c] - same.covers) * (int64_t)rows->alike;
}

/* The cases that are worth a loop of their own. */
VNNI void cru_vnni_gains(const struct cru_panel *panel, const struct cru_rows *rows, int64_t *gains,
                         struct cru_pairs *pairs) {
    const size_t groups = (panel->m + 15) / 16;
    if (rows->alike && groups > 2 && rows->ceiling)
        gains_rows(panel, rows, 6, 4, true, true, gains, pairs);
    else if (rows->alike && groups > 2)
        gains_rows(panel, rows, 6, 4, false, true, gains, pairs);
    else if (rows->alike && groups == 1)
        gains_rows(panel, rows, 8, 1, true, true, gains, pairs);
    else if (groups > 2)
        gains_rows(panel, rows, 6, 4, true, false, gains, pairs);
    else if (groups == 2)
        gains_rows(panel, rows, 8, 2, true, false, gains, pairs);
    else
        gains_rows(panel, rows, 8, 1, true, false, gains, pairs);
}

enum { BACK_ROWS = 6, BACK_GROUPS = CRU_PANEL / 16 };

/* The sums of six vectors, each modulo 2^32. */
VNNI static inline __attribute__((always_inline)) void add_up(const __m512i v[BACK_ROWS],
                                                              uint32_t *sums) {
    __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(v[0], v[1]),
                                  _mm512_unpackhi_epi32(v[0], v[1])),
            cd = _mm512_add_epi32(_mm512_unpacklo_epi32(v[2], v[3]),
                                  _mm512_unpackhi_epi32(v[2], v[3])),
            ef = _mm512_add_epi32(_mm512_unpacklo_epi32(v[4], v[5]),
                                  _mm512_unpackhi_epi32(v[4], v[5]));
    __m512i abcd = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
    __m256i first =
                _mm256_add_epi32(_mm512_castsi512_si256(abcd), _mm512_extracti64x4_epi64(abcd, 1)),
            last = _mm256_add_epi32(_mm512_castsi512_si256(ef), _mm512_extracti64x4_epi64(ef, 1));
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(first), _mm256_extracti128_si256(first, 1)),
            two = _mm_add_epi32(_mm256_castsi256_si128(last), _mm256_extracti128_si256(last, 1));
    two = _mm_add_epi32(two, _mm_unpackhi_epi64(two, two));
    _mm_storeu_si128((__m128i *)(void *)sums, four);
    _mm_storel_epi64((__m128i *)(void *)(sums + 4), two);
}

/* One level of a block. */
VNNI static inline __attribute__((always_inline)) void
mirror_block(__m512i sum[][4], const struct cru_block *b, const uint32_t *weights,
             const int32_t *cover, const int32_t *lanes, int64_t *gains, int64_t *mirror,
             size_t many) {
    __m512i back[BACK_ROWS];
#pragma GCC unroll 6
    for (size_t r = 0; r < BACK_ROWS; r++) back[r] = _mm512_setzero_si512();
#pragma GCC unroll 4
    for (size_t g = 0; g < BACK_GROUPS; g++) {
        __m512i even = _mm512_loadu_si512(weights + g * 16), odd = _mm512_srli_epi64(even, 32);
        __m512i lane = _mm512_loadu_si512(lanes + g * 16);
#pragma GCC unroll 6
        for (size_t r = 0; r < BACK_ROWS; r++) {
            __m512i floor_of = _mm512_set1_epi32(cover[r]);
            __m512i over = _mm512_sub_epi32(_mm512_max_epi32(sum[r][g], floor_of), floor_of);
            __m512i to = _mm512_sub_epi32(_mm512_max_epi32(sum[r][g], lane), lane);
            add_vnni(gains + g * 16, over, b->weight[r]);
            back[r] = _mm512_add_epi64(back[r], _mm512_mul_epu32(to, even));
            back[r] = _mm512_add_epi64(back[r], _mm512_mul_epu32(_mm512_srli_epi64(to, 32), odd));
        }
    }
    for (size_t r = 0; r < many; r++) mirror[r] += _mm512_reduce_add_epi64(back[r]);
}

/* The same where all weights are alike: sums of max(dot, cover). */
VNNI static inline __attribute__((always_inline)) void
mirror_alike(__m512i sum[][4], const int32_t *cover, const int32_t *lanes, uint32_t lanes_sum,
             uint32_t weight, struct sums_vnni *same, int64_t *mirror, size_t many) {
    __m512i back[BACK_ROWS];
    uint32_t sums[BACK_ROWS];
#pragma GCC unroll 6
    for (size_t r = 0; r < BACK_ROWS; r++) {
        back[r] = _mm512_setzero_si512();
        same->covers += (uint32_t)cover[r];
    }
#pragma GCC unroll 4
    for (size_t g = 0; g < BACK_GROUPS; g++) {
        __m512i lane = _mm512_loadu_si512(lanes + g * 16),
                total = _mm512_load_si512(same->of + g * 16);
#pragma GCC unroll 6
        for (size_t r = 0; r < BACK_ROWS; r++) {
            total =
                _mm512_add_epi32(total, _mm512_max_epi32(sum[r][g], _mm512_set1_epi32(cover[r])));
            back[r] = _mm512_add_epi32(back[r], _mm512_max_epi32(sum[r][g], lane));
        }
        _mm512_store_si512(same->of + g * 16, total);
    }
    add_up(back, sums);
    for (size_t r = 0; r < many; r++) mirror[r] += (int64_t)(sums[r] - lanes_sum) * weight;
}

VNNI void cru_vnni_mirror(const struct cru_panel *panel, const struct cru_rows *rows,
                          const uint32_t *weights, const struct cru_levels *levels, int64_t *gains,
                          int64_t *const *mirror) {
    struct sums_vnni same[CRU_LEVELS] = {0};
    uint32_t lanes[CRU_LEVELS] = {0};
    for (size_t k = 0; k < levels->n; k++)
        for (size_t c = 0; c < CRU_PANEL; c++) lanes[k] += (uint32_t)levels->lanes[k][c];
    for (size_t at = 0; at < rows->n; at += BACK_ROWS) {
        struct cru_block b;
        __m512i sum[CRU_BLOCK_MOST][4];
        size_t many = rows->n - at < BACK_ROWS ? rows->n - at : BACK_ROWS;
        cru_block_fill(&b, BACK_ROWS, rows, panel->d, at);
        dots_vnni(panel, &b, BACK_ROWS, BACK_GROUPS, sum);
        for (size_t k = 0; k < levels->n; k++) {
            int32_t cover[BACK_ROWS];
            for (size_t r = 0; r < BACK_ROWS; r++) /* to a missing row nothing adds */
                cover[r] = r < many ? levels->cover[k][at + r] : INT32_MAX;
            if (rows->alike)
                mirror_alike(sum, cover, levels->lanes[k], lanes[k], rows->alike, &same[k],
                             mirror[k] + at, many);
            else
                mirror_block(sum, &b, weights, cover, levels->lanes[k], gains + k * CRU_PANEL,
                             mirror[k] + at, many);
        }
    }
    for (size_t k = 0; rows->alike && k < levels->n; k++)
        for (size_t c = 0; c < CRU_PANEL; c++)
            gains[k * CRU_PANEL + c] +=
                (int64_t)(same[k].of[c] - same[k].covers) * (int64_t)rows->alike;
}

VNNI void cru_vnni_raise(const int8_t *rows, size_t d, const uint32_t *members, size_t n,
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

void cru_vnni_pack(struct cru_panel *panel, const int8_t *row, size_t c) {
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
