/* SPDX-License-Identifier: Apache-2.0 */
#if defined __x86_64__
#include <immintrin.h>
#endif

#include "crucible/base/base.h"
#include "tokenizer/three_bytes.h"

const uint16_t cru_letter_ranges[CRU_LETTER_RANGES][2] = {
    {0x3041, 0x3096}, {0x30A1, 0x30FA}, {0x3400, 0x4DBF}, {0x4E00, 0x9FFF}, {0xAC00, 0xD7A3},
};

#if defined __x86_64__
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vbmi2,bmi2,popcnt")))
#define INLINE AVX512 static inline __attribute__((always_inline))

/* Bit i: whether lane i of `hash`, cru_join_hash, is set in the table. */
INLINE uint32_t joined(const struct cru_joins *joins, __m512i hash) {
    __m512i words = _mm512_i32gather_epi32(_mm512_srli_epi32(hash, 5), joins->hashed, 4);
    __m512i bit =
        _mm512_sllv_epi32(_mm512_set1_epi32(1), _mm512_and_si512(hash, _mm512_set1_epi32(31)));
    return _mm512_test_epi32_mask(words, bit);
}

INLINE __m512i pair_hash(__m256i before, __m256i here) {
    __m512i pair = _mm512_or_si512(_mm512_slli_epi32(_mm512_cvtepu16_epi32(before), 16),
                                   _mm512_cvtepu16_epi32(here));
    return _mm512_srli_epi32(_mm512_mullo_epi32(pair, _mm512_set1_epi32((int)0x9E3779B1)),
                             32 - CRU_JOIN_BITS);
}

/* Bit i: the grid's answer for 8 characters: the first bytes, and the code points before. */
INLINE uint32_t gridded(const struct cru_joins *joins, __m128i first, __m128i before) {
    const uint64_t *rows = joins->grid + (0xE0 & 63);
    __m512i row = _mm512_permutex2var_epi64(
        _mm512_loadu_si512(rows),
        _mm512_and_si512(_mm512_cvtepu16_epi64(first), _mm512_set1_epi64(15)),
        _mm512_loadu_si512(rows + 8));
    __m512i bit =
        _mm512_sllv_epi64(_mm512_set1_epi64(1),
                          _mm512_and_si512(_mm512_cvtepu16_epi64(before), _mm512_set1_epi64(63)));
    return _mm512_test_epi64_mask(row, bit);
}

AVX512 struct cru_three_bytes cru_three_bytes_avx512(const unsigned char *p, uint64_t within,
                                                     const struct cru_joins *joins,
                                                     uint32_t before) {
    struct cru_three_bytes found = {0, 0, 0, 0};
    __m512i x = _mm512_loadu_si512(p);
    uint64_t leads =
        within & _mm512_cmpeq_epi8_mask(_mm512_and_si512(x, _mm512_set1_epi8((char)0xF0)),
                                        _mm512_set1_epi8((char)0xE0));
    unsigned n = (unsigned)__builtin_popcountll(leads);
    found.leads = leads;

    /* To the front: each byte of the characters for itself, then the code points in 16 bits a lane. */
    const __m512i six = _mm512_set1_epi16(63);
    __m512i a = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(_mm512_maskz_compress_epi8(leads, x)));
    __m512i b = _mm512_cvtepu8_epi16(
        _mm512_castsi512_si256(_mm512_maskz_compress_epi8(leads, _mm512_loadu_si512(p + 1))));
    __m512i c = _mm512_cvtepu8_epi16(
        _mm512_castsi512_si256(_mm512_maskz_compress_epi8(leads, _mm512_loadu_si512(p + 2))));
    __m512i here = _mm512_or_si512(
        _mm512_or_si512(_mm512_slli_epi16(a, 12), _mm512_slli_epi16(_mm512_and_si512(b, six), 6)),
        _mm512_and_si512(c, six));

    uint32_t letters = 0;
    for (int i = 0; i < CRU_LETTER_RANGES; i++) {
        const uint16_t *range = cru_letter_ranges[i];
        __m512i from = _mm512_sub_epi16(here, _mm512_set1_epi16((short)range[0]));
        letters |= _mm512_cmple_epu16_mask(from, _mm512_set1_epi16((short)(range[1] - range[0])));
    }
    found.letters = _pdep_u64(letters, leads);

    uint16_t points[33];
    points[0] = (uint16_t)before;
    _mm512_storeu_si512(points + 1, here);
    found.last = points[n];
    if (!joins) return found;
    __m512i earlier = _mm512_loadu_si512(points);
    __m256i here_low = _mm512_castsi512_si256(here), here_high = _mm512_extracti64x4_epi64(here, 1);
    __m256i earlier_low = _mm512_castsi512_si256(earlier);
    __m256i earlier_high = _mm512_extracti64x4_epi64(earlier, 1);
    uint32_t may = joined(joins, pair_hash(earlier_low, here_low));
    may |= gridded(joins, _mm512_castsi512_si128(a), _mm512_castsi512_si128(earlier));
    may |= gridded(joins, _mm512_extracti32x4_epi32(a, 1), _mm512_extracti32x4_epi32(earlier, 1))
           << 8;
    if (n > 16) {
        may |= joined(joins, pair_hash(earlier_high, here_high)) << 16;
        may |=
            gridded(joins, _mm512_extracti32x4_epi32(a, 2), _mm512_extracti32x4_epi32(earlier, 2))
            << 16;
    }
    found.cuts = _pdep_u64(~may, leads);
    return found;
}
#endif
