/* SPDX-License-Identifier: Apache-2.0 */
#if defined __x86_64__
#include <immintrin.h>
#elif defined __aarch64__ && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#include <arm_neon.h>
#define HAVE_NEON 1
#endif

#include "crucible/base/base.h"
#include "tokenizer/byte_masks.h"

/*
 * A class is a bit. A byte's class is LOW[its low half] & HIGH[its high half], two look-ups in tables of
 * 16, which every instruction set does in one step; letters take two bits, because their last column
 * differs (O and P.. have 15 and 11 rows). Bytes from 0x80 up find zeros.
 */
enum {
    A_TO_O = 1, /* 41..4F, 61..6F */
    P_TO_Z = 2, /* 50..5A, 70..7A */
    DIGIT = 4,
    BLANK = 8,
    NEWLINE = 16,
    SPACE = 32,
    QUOTE = 64,
};
#define X (A_TO_O | P_TO_Z | DIGIT)
static const uint8_t low_half[16] = {
    P_TO_Z | DIGIT | SPACE, X, X, X, X, X, X, X | QUOTE, X, X | BLANK, A_TO_O | P_TO_Z | NEWLINE,
    A_TO_O | BLANK, A_TO_O | BLANK, A_TO_O | NEWLINE, A_TO_O, A_TO_O,
};
#undef X
static const uint8_t high_half[16] = {
    BLANK | NEWLINE, 0, SPACE | QUOTE, DIGIT, A_TO_O, P_TO_Z, A_TO_O, P_TO_Z, 0, 0, 0, 0, 0, 0, 0, 0,
};

const uint64_t cru_mark_seconds[64] = {
    [0xCC - 0xC0] = 0xFFFFFFFFFFFFFFFF, [0xCD - 0xC0] = 0x4010FFFFFFFF7FFF,
    [0xCE - 0xC0] = 0x0000000000000080, [0xD2 - 0xC0] = 0x00000000000000F8,
    [0xD6 - 0xC0] = 0xBFFFFFFFFFFE0000, [0xD7 - 0xC0] = 0x00000000000000B6,
    [0xD8 - 0xC0] = 0x0000000007FF0000, [0xD9 - 0xC0] = 0x00010000FFFFF800,
    [0xDB - 0xC0] = 0x00003D9F9FC00000, [0xDC - 0xC0] = 0xFFFF000000020000,
    [0xDD - 0xC0] = 0x00000000000007FF, [0xDF - 0xC0] = 0x000FF80000000000,
    [0xE0 - 0xC0] = 0xFFBEFFFB00000000, [0xE1 - 0xC0] = 0xE089F714900020E5,
    [0xE2 - 0xC0] = 0x00A8080000001019, [0xE3 - 0xC0] = 0x0000000000000005,
    [0xEA - 0xC0] = 0x00008CF90E000000, [0xEF - 0xC0] = 0x01003FF000000000,
    [0xF0 - 0xC0] = 0x0000800068430000,
};

/* The rows above that are not empty, as two tables again: bit (high half - 0xC) in low_lead. */
static const uint8_t low_lead[16] = {
    4 | 8, 4, 2 | 4, 4, 0, 0, 2, 2, 2, 2, 4, 2, 1 | 2, 1 | 2, 1, 2 | 4,
};
static const uint8_t high_lead[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 8};

static void leads_plain(const unsigned char *p, size_t blocks, uint64_t *masks) {
    for (size_t k = 0; k < blocks; k++, p += 64) {
        uint64_t m = 0;
        for (unsigned i = 0; i < 64; i++)
            m |= (uint64_t)((low_lead[p[i] & 15] & high_lead[p[i] >> 4]) != 0) << i;
        masks[k] = m;
    }
}

static void masks_plain(const unsigned char *p, size_t blocks, struct cru_byte_masks *masks) {
    for (size_t k = 0; k < blocks; k++, p += 64) {
        struct cru_byte_masks m = {0};
        for (unsigned i = 0; i < 64; i++) {
            unsigned class = low_half[p[i] & 15] & high_half[p[i] >> 4];
            m.letter |= (uint64_t)((class & (A_TO_O | P_TO_Z)) != 0) << i;
            m.digit |= (uint64_t)((class & DIGIT) != 0) << i;
            m.space |= (uint64_t)((class & SPACE) != 0) << i;
            m.blank |= (uint64_t)((class & BLANK) != 0) << i;
            m.newline |= (uint64_t)((class & NEWLINE) != 0) << i;
            m.quote |= (uint64_t)((class & QUOTE) != 0) << i;
            m.lead |= (uint64_t)(p[i] >= 0xC0) << i;
            m.follow |= (uint64_t)(p[i] >= 0x80 && p[i] < 0xC0) << i;
        }
        masks[k] = m;
    }
}

/* Eight at a time without asking whether there are as many: how many there are cannot be predicted. */
static size_t positions_plain(const uint64_t *words, size_t n, uint16_t *places) {
    size_t found = 0;
    for (size_t k = 0; k < n; k++) {
        uint64_t bits = words[k];
        uint16_t *to = places + found;
        found += (size_t)__builtin_popcountll(bits);
        while (bits) {
            for (int i = 0; i < 8; i++) {
                *to++ = (uint16_t)(64 * k + (unsigned)__builtin_ctzll(bits | (uint64_t)1 << 63));
                bits &= bits - 1;
            }
        }
    }
    return found;
}

#if defined __x86_64__
/* Comparisons, as there are no look-ups; bytes are signed here, so ranges are moved to begin at -128. */
static inline __m128i sse2_range(__m128i x, int first, int last) {
    __m128i moved = _mm_add_epi8(x, _mm_set1_epi8((char)(-128 - first)));
    return _mm_cmplt_epi8(moved, _mm_set1_epi8((char)(-128 + last - first + 1)));
}

static inline __m128i sse2_is(__m128i x, char c) { return _mm_cmpeq_epi8(x, _mm_set1_epi8(c)); }

static inline uint64_t sse2_bits(__m128i v, int i) {
    return (uint64_t)(uint32_t)_mm_movemask_epi8(v) << (16 * i);
}

static void masks_sse2(const unsigned char *p, size_t blocks, struct cru_byte_masks *masks) {
    const __m128i follow = _mm_set1_epi8(-64), fold = _mm_set1_epi8(0x20);
    for (size_t k = 0; k < blocks; k++, p += 64) {
        struct cru_byte_masks m = {0};
        for (int i = 0; i < 4; i++) {
            __m128i x = _mm_loadu_si128((const void *)(p + 16 * i));
            m.letter |= sse2_bits(sse2_range(_mm_or_si128(x, fold), 'a', 'z'), i);
            m.digit |= sse2_bits(sse2_range(x, '0', '9'), i);
            m.space |= sse2_bits(sse2_is(x, ' '), i);
            m.blank |= sse2_bits(_mm_or_si128(sse2_is(x, '\t'), sse2_range(x, '\v', '\f')), i);
            m.newline |= sse2_bits(_mm_or_si128(sse2_is(x, '\n'), sse2_is(x, '\r')), i);
            m.quote |= sse2_bits(sse2_is(x, '\''), i);
            m.follow |= sse2_bits(_mm_cmplt_epi8(x, follow), i);
            m.lead |= sse2_bits(x, i);
        }
        m.lead &= ~m.follow;
        masks[k] = m;
    }
}

static void leads_sse2(const unsigned char *p, size_t blocks, uint64_t *masks) {
    const __m128i follow = _mm_set1_epi8(-64);
    for (size_t k = 0; k < blocks; k++, p += 64) {
        uint64_t leads = 0, m = 0;
        for (int i = 0; i < 4; i++) {
            __m128i x = _mm_loadu_si128((const void *)(p + 16 * i));
            leads |= sse2_bits(_mm_andnot_si128(_mm_cmplt_epi8(x, follow), x), i);
        }
        for (; leads; leads &= leads - 1) {
            unsigned i = (unsigned)__builtin_ctzll(leads);
            m |= (uint64_t)(cru_mark_seconds[p[i] & 63] != 0) << i;
        }
        masks[k] = m;
    }
}

#define AVX2 __attribute__((target("avx2")))

AVX2 static inline uint64_t top_bits(__m256i a, __m256i b) {
    return (uint32_t)_mm256_movemask_epi8(a) | (uint64_t)(uint32_t)_mm256_movemask_epi8(b) << 32;
}

/* Shifting by words moves a neighbour's bits too, but not into the top bit of a byte. */
#define PICK(shift) top_bits(_mm256_slli_epi16(a, shift), _mm256_slli_epi16(b, shift))

AVX2 static void masks_avx2(const unsigned char *p, size_t blocks, struct cru_byte_masks *masks) {
    const __m256i low = _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)low_half));
    const __m256i high = _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)high_half));
    const __m256i half = _mm256_set1_epi8(15), follow = _mm256_set1_epi8(-64);
    for (size_t k = 0; k < blocks; k++, p += 64) {
        __m256i x = _mm256_loadu_si256((const void *)p);
        __m256i y = _mm256_loadu_si256((const void *)(p + 32));
        __m256i a = _mm256_and_si256(
            _mm256_shuffle_epi8(low, x),
            _mm256_shuffle_epi8(high, _mm256_and_si256(_mm256_srli_epi16(x, 4), half)));
        __m256i b = _mm256_and_si256(
            _mm256_shuffle_epi8(low, y),
            _mm256_shuffle_epi8(high, _mm256_and_si256(_mm256_srli_epi16(y, 4), half)));
        struct cru_byte_masks *m = &masks[k];
        m->letter = PICK(7) | PICK(6);
        m->digit = PICK(5);
        m->blank = PICK(4);
        m->newline = PICK(3);
        m->space = PICK(2);
        m->quote = PICK(1);
        m->follow = top_bits(_mm256_cmpgt_epi8(follow, x), _mm256_cmpgt_epi8(follow, y));
        m->lead = top_bits(x, y) & ~m->follow;
    }
}

AVX2 static void leads_avx2(const unsigned char *p, size_t blocks, uint64_t *masks) {
    const __m256i low = _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)low_lead));
    const __m256i high = _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)high_lead));
    const __m256i half = _mm256_set1_epi8(15), zero = _mm256_setzero_si256();
    for (size_t k = 0; k < blocks; k++, p += 64) {
        __m256i x[2];
        for (int i = 0; i < 2; i++) {
            x[i] = _mm256_loadu_si256((const void *)(p + 32 * i));
            x[i] = _mm256_and_si256(
                _mm256_shuffle_epi8(low, _mm256_and_si256(x[i], half)),
                _mm256_shuffle_epi8(high, _mm256_and_si256(_mm256_srli_epi16(x[i], 4), half)));
            x[i] = _mm256_cmpgt_epi8(x[i], zero);
        }
        masks[k] = top_bits(x[0], x[1]);
    }
}

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vbmi2,popcnt")))

AVX512 static size_t positions_avx512(const uint64_t *words, size_t n, uint16_t *places) {
    unsigned char counted[64];
    for (unsigned char i = 0; i < 64; i++) counted[i] = i;
    const __m512i bytes = _mm512_loadu_si512(counted);
    size_t found = 0;
    for (size_t k = 0; k < n; k++) {
        __m512i set = _mm512_maskz_compress_epi8(words[k], bytes);
        __m512i base = _mm512_set1_epi16((short)(64 * k));
        __m512i first = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(set));
        size_t some = (size_t)__builtin_popcountll(words[k]);
        _mm512_storeu_si512(places + found, _mm512_add_epi16(first, base));
        if (some > 32) {
            __m512i second = _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64(set, 1));
            _mm512_storeu_si512(places + found + 32, _mm512_add_epi16(second, base));
        }
        found += some;
    }
    return found;
}

AVX512 static void leads_avx512(const unsigned char *p, size_t blocks, uint64_t *masks) {
    const __m512i low = _mm512_broadcast_i32x4(_mm_loadu_si128((const void *)low_lead));
    const __m512i high = _mm512_broadcast_i32x4(_mm_loadu_si128((const void *)high_lead));
    const __m512i half = _mm512_set1_epi8(15);
    for (size_t k = 0; k < blocks; k++, p += 64) {
        __m512i x = _mm512_loadu_si512(p);
        masks[k] = _mm512_test_epi8_mask(
            _mm512_shuffle_epi8(low, _mm512_and_si512(x, half)),
            _mm512_shuffle_epi8(high, _mm512_and_si512(_mm512_srli_epi16(x, 4), half)));
    }
}

AVX512 static void
masks_avx512(const unsigned char *p, size_t blocks, struct cru_byte_masks *masks) {
    const __m512i low = _mm512_broadcast_i32x4(_mm_loadu_si128((const void *)low_half));
    const __m512i high = _mm512_broadcast_i32x4(_mm_loadu_si128((const void *)high_half));
    const __m512i half = _mm512_set1_epi8(15), follow = _mm512_set1_epi8(-64);
    for (size_t k = 0; k < blocks; k++, p += 64) {
        __m512i x = _mm512_loadu_si512(p);
        __m512i a = _mm512_and_si512(
            _mm512_shuffle_epi8(low, x),
            _mm512_shuffle_epi8(high, _mm512_and_si512(_mm512_srli_epi16(x, 4), half)));
        struct cru_byte_masks *m = &masks[k];
        m->letter = _mm512_test_epi8_mask(a, _mm512_set1_epi8(A_TO_O | P_TO_Z));
        m->digit = _mm512_test_epi8_mask(a, _mm512_set1_epi8(DIGIT));
        m->blank = _mm512_test_epi8_mask(a, _mm512_set1_epi8(BLANK));
        m->newline = _mm512_test_epi8_mask(a, _mm512_set1_epi8(NEWLINE));
        m->space = _mm512_test_epi8_mask(a, _mm512_set1_epi8(SPACE));
        m->quote = _mm512_test_epi8_mask(a, _mm512_set1_epi8(QUOTE));
        m->follow = _mm512_cmplt_epi8_mask(x, follow);
        m->lead = _mm512_movepi8_mask(x) & ~m->follow;
    }
}
#endif

#if defined HAVE_NEON
/* 64 bytes of all ones or zeros to a bit each: weights 1..128, and three rounds of adding neighbours. */
static inline uint64_t neon_bits(const uint8x16_t v[4]) {
    static const uint8_t weights[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    const uint8x16_t w = vld1q_u8(weights);
    uint8x16_t a = vpaddq_u8(vandq_u8(v[0], w), vandq_u8(v[1], w));
    uint8x16_t b = vpaddq_u8(vandq_u8(v[2], w), vandq_u8(v[3], w));
    a = vpaddq_u8(a, b);
    a = vpaddq_u8(a, a);
    return vgetq_lane_u64(vreinterpretq_u64_u8(a), 0);
}

static inline uint64_t neon_test(const uint8x16_t class[4], uint8_t bit) {
    uint8x16_t hit[4];
    for (int i = 0; i < 4; i++) hit[i] = vtstq_u8(class[i], vdupq_n_u8(bit));
    return neon_bits(hit);
}

static void leads_neon(const unsigned char *p, size_t blocks, uint64_t *masks) {
    const uint8x16_t low = vld1q_u8(low_lead), high = vld1q_u8(high_lead);
    for (size_t k = 0; k < blocks; k++, p += 64) {
        uint8x16_t hit[4];
        for (int i = 0; i < 4; i++) {
            uint8x16_t x = vld1q_u8(p + 16 * i);
            hit[i] = vtstq_u8(vqtbl1q_u8(low, vandq_u8(x, vdupq_n_u8(15))),
                              vqtbl1q_u8(high, vshrq_n_u8(x, 4)));
        }
        masks[k] = neon_bits(hit);
    }
}

static void masks_neon(const unsigned char *p, size_t blocks, struct cru_byte_masks *masks) {
    const uint8x16_t low = vld1q_u8(low_half), high = vld1q_u8(high_half);
    for (size_t k = 0; k < blocks; k++, p += 64) {
        uint8x16_t class[4], follow[4], lead[4];
        for (int i = 0; i < 4; i++) {
            uint8x16_t x = vld1q_u8(p + 16 * i);
            class[i] = vandq_u8(vqtbl1q_u8(low, vandq_u8(x, vdupq_n_u8(15))),
                                vqtbl1q_u8(high, vshrq_n_u8(x, 4)));
            lead[i] = vcgeq_u8(x, vdupq_n_u8(0xC0));
            follow[i] = vbicq_u8(vcgeq_u8(x, vdupq_n_u8(0x80)), lead[i]);
        }
        struct cru_byte_masks *m = &masks[k];
        m->letter = neon_test(class, A_TO_O | P_TO_Z);
        m->digit = neon_test(class, DIGIT);
        m->blank = neon_test(class, BLANK);
        m->newline = neon_test(class, NEWLINE);
        m->space = neon_test(class, SPACE);
        m->quote = neon_test(class, QUOTE);
        m->lead = neon_bits(lead);
        m->follow = neon_bits(follow);
    }
}
#endif

const struct cru_mask_kernels *cru_mask_kernels_of(enum cru_masks_path path) {
    static const struct cru_mask_kernels plain = {"plain", masks_plain, leads_plain, positions_plain, NULL, false};
#if defined __x86_64__
    static const struct cru_mask_kernels sse2 = {"sse2", masks_sse2, leads_sse2, positions_plain, NULL, false};
    static const struct cru_mask_kernels avx2 = {"avx2", masks_avx2, leads_avx2, positions_plain, NULL, true};
    static const struct cru_mask_kernels avx512 = {"avx512", masks_avx512, leads_avx512,
                                                   positions_avx512, cru_three_bytes_avx512, true};
    bool bits = __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
                __builtin_cpu_supports("popcnt");
    if (path == CRU_MASKS_SSE2) return &sse2;
    if (path == CRU_MASKS_AVX2 && bits && __builtin_cpu_supports("avx2")) return &avx2;
    if (path == CRU_MASKS_AVX512 && bits && __builtin_cpu_supports("avx512f") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vbmi2"))
        return &avx512;
#elif defined HAVE_NEON
    static const struct cru_mask_kernels neon = {"neon", masks_neon, leads_neon, positions_plain, NULL, false};
    if (path == CRU_MASKS_NEON) return &neon;
#endif
    return path == CRU_MASKS_PLAIN ? &plain : NULL;
}

const struct cru_mask_kernels *cru_mask_kernels_best(void) {
    const char *forced = getenv("CRUCIBLE_SIMD");
    const struct cru_mask_kernels *best = NULL;
    for (int path = CRU_MASKS_PATHS - 1; path >= 0; path--) {
        const struct cru_mask_kernels *k = cru_mask_kernels_of((enum cru_masks_path)path);
        if (k && forced && strcmp(k->name, forced) == 0) return k;
        if (k && !best) best = k;
    }
    return best;
}
