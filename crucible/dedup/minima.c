/* SPDX-License-Identifier: Apache-2.0 */
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "crucible/base/base.h"
#include "crucible/dedup/minima.h"

bool cru_minima_init(struct cru_minima *m, size_t permutations, uint64_t seed) {
    memset(m, 0, sizeof *m);
    m->n = permutations;
    m->padded = (permutations + CRU_MINIMA_LANES - 1) / CRU_MINIMA_LANES * CRU_MINIMA_LANES;
    m->a = malloc(m->padded * sizeof *m->a);
    m->b = malloc(m->padded * sizeof *m->b);
    if (!m->a || !m->b) {
        cru_minima_release(m);
        return false;
    }
    struct cru_random random = {cru_mix64(seed)};
    for (size_t i = 0; i < m->padded; i++) {
        m->a[i] = cru_random_next(&random) | 1;
        m->b[i] = cru_random_next(&random);
    }
    cru_minima_kernel *fast = cru_minima_avx512();
    if (!fast) fast = cru_minima_avx2();
    m->kernel = fast ? fast : cru_minima_plain;
    return true;
}

void cru_minima_release(struct cru_minima *m) {
    free(m->a);
    free(m->b);
    memset(m, 0, sizeof *m);
}

void cru_minima_plain(const uint64_t *a, const uint64_t *b, size_t padded, const uint64_t *x,
                      size_t n, uint64_t *minima) {
    for (size_t i = 0; i < padded; i++) {
        uint64_t least = minima[i];
        for (size_t j = 0; j < n; j++) {
            uint64_t value = a[i] * x[j] + b[i];
            if (value < least) least = value;
        }
        minima[i] = least;
    }
}

#if defined(__x86_64__)

/* Two vectors of eight permutations stay in registers while all x go by. */
__attribute__((target("avx512f,avx512dq"))) static void
minima_avx512(const uint64_t *a, const uint64_t *b, size_t padded, const uint64_t *x, size_t n,
              uint64_t *minima) {
    for (size_t i = 0; i < padded; i += 16) {
        __m512i a0 = _mm512_loadu_si512(a + i), a1 = _mm512_loadu_si512(a + i + 8);
        __m512i b0 = _mm512_loadu_si512(b + i), b1 = _mm512_loadu_si512(b + i + 8);
        __m512i m0 = _mm512_loadu_si512(minima + i), m1 = _mm512_loadu_si512(minima + i + 8);
        for (size_t j = 0; j < n; j++) {
            __m512i v = _mm512_set1_epi64((long long)x[j]);
            m0 = _mm512_min_epu64(m0, _mm512_add_epi64(_mm512_mullo_epi64(a0, v), b0));
            m1 = _mm512_min_epu64(m1, _mm512_add_epi64(_mm512_mullo_epi64(a1, v), b1));
        }
        _mm512_storeu_si512(minima + i, m0);
        _mm512_storeu_si512(minima + i + 8, m1);
    }
}

/* AVX2 has no 64-bit product: low(a) low(x) + (low(a) high(x) + high(a) low(x)) 2^32. Nor an
 * unsigned 64-bit minimum: with 2^63 added on both sides the signed comparison orders the same. */
__attribute__((target("avx2"))) static inline __m256i product_avx2(__m256i a, __m256i a_high,
                                                                   __m256i x, __m256i x_high) {
    __m256i cross = _mm256_add_epi64(_mm256_mul_epu32(a, x_high), _mm256_mul_epu32(a_high, x));
    return _mm256_add_epi64(_mm256_mul_epu32(a, x), _mm256_slli_epi64(cross, 32));
}

__attribute__((target("avx2"))) static inline __m256i least_avx2(__m256i least, __m256i value) {
    return _mm256_blendv_epi8(least, value, _mm256_cmpgt_epi64(least, value));
}

__attribute__((target("avx2"))) static inline __m256i load_avx2(const uint64_t *p) {
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

__attribute__((target("avx2"))) static void minima_avx2(const uint64_t *a, const uint64_t *b,
                                                        size_t padded, const uint64_t *x, size_t n,
                                                        uint64_t *minima) {
    __m256i sign = _mm256_set1_epi64x(INT64_MIN);
    for (size_t i = 0; i < padded; i += 8) {
        __m256i a0 = load_avx2(a + i), a1 = load_avx2(a + i + 4);
        __m256i h0 = _mm256_srli_epi64(a0, 32), h1 = _mm256_srli_epi64(a1, 32);
        __m256i b0 = _mm256_xor_si256(load_avx2(b + i), sign);
        __m256i b1 = _mm256_xor_si256(load_avx2(b + i + 4), sign);
        __m256i m0 = _mm256_xor_si256(load_avx2(minima + i), sign);
        __m256i m1 = _mm256_xor_si256(load_avx2(minima + i + 4), sign);
        for (size_t j = 0; j < n; j++) {
            __m256i v = _mm256_set1_epi64x((long long)x[j]);
            __m256i v_high = _mm256_srli_epi64(v, 32);
            m0 = least_avx2(m0, _mm256_add_epi64(product_avx2(a0, h0, v, v_high), b0));
            m1 = least_avx2(m1, _mm256_add_epi64(product_avx2(a1, h1, v, v_high), b1));
        }
        _mm256_storeu_si256((__m256i *)(void *)(minima + i), _mm256_xor_si256(m0, sign));
        _mm256_storeu_si256((__m256i *)(void *)(minima + i + 4), _mm256_xor_si256(m1, sign));
    }
}

cru_minima_kernel *cru_minima_avx2(void) {
    return __builtin_cpu_supports("avx2") ? minima_avx2 : NULL;
}
cru_minima_kernel *cru_minima_avx512(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") ? minima_avx512
                                                                                   : NULL;
}

#else

cru_minima_kernel *cru_minima_avx2(void) {
    return NULL;
}
cru_minima_kernel *cru_minima_avx512(void) {
    return NULL;
}

#endif
