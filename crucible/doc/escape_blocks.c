/* SPDX-License-Identifier: Apache-2.0 */
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "crucible/base/base.h"
#include "crucible/doc/escape_blocks.h"

#if defined(__x86_64__)

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vbmi,avx512vbmi2,bmi,popcnt")))

/* What stands behind a backslash for one byte, by its lower seven bits; 0 for what does not. */
static const char meaning[128] = {
    ['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
    ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t',
};

/*
 *   v          l i n e \ n \ t x \ u 0 0
 *   slashes    . . . . 1 . 1 . . 1 . . .
 *   second     . . . . . 1 . 1 . . 1 . .      what follows a backslash: its meaning is put there,
 *   stop       . . . . . . . . . . 1 . .      unless it has none, or is a backslash as well
 *   kept       1 1 1 1 . 1 . 1 1 . . . .      bytes before the stop that are no backslash, moved
 * together
 */
AVX512 static const char *blocks_avx512(const char *p, const char *end, char **to) {
    const __m512i low = _mm512_loadu_si512(meaning), high = _mm512_loadu_si512(meaning + 64),
                  slash = _mm512_set1_epi8('\\');
    char *out = *to;
    while (end - p >= 64) {
        __m512i v = _mm512_loadu_si512(p);
        uint64_t slashes = _mm512_cmpeq_epi8_mask(v, slash);
        if (!slashes) {
            _mm512_storeu_si512(out, v);
            p += 64;
            out += 64;
            continue;
        }
        uint64_t second =
            slashes << 1; /* behind a backslash in the last place the next block begins */
        __m512i meant = _mm512_permutex2var_epi8(low, v, high);
        uint64_t stop =
            second & (_mm512_testn_epi8_mask(meant, meant) | _mm512_movepi8_mask(v) | slashes);
        unsigned n = 64 - (unsigned)(slashes >> 63); /* bytes of the block that can be told now */
        if (stop) n = (unsigned)__builtin_ctzll(stop) - 1;
        uint64_t kept = ~slashes & (n == 64 ? ~UINT64_C(0) : (UINT64_C(1) << n) - 1);
        v = _mm512_mask_mov_epi8(v, second, meant);
        _mm512_storeu_si512(out, _mm512_maskz_compress_epi8(kept, v));
        out += __builtin_popcountll(kept);
        p += n;
        if (stop) break;
    }
    *to = out;
    return p;
}

/* As above; `ends` are the quotes and control characters. Behind the first stop of either kind nothing that
 * the masks say is believed. */
AVX512 static const char *text_avx512(const char *p, const char *end, char **to, bool *high) {
    const __m512i low = _mm512_loadu_si512(meaning), high_half = _mm512_loadu_si512(meaning + 64),
                  slash = _mm512_set1_epi8('\\'), quote = _mm512_set1_epi8('"'),
                  space = _mm512_set1_epi8(' ');
    char *out = *to;
    uint64_t beyond = 0;
    while (p < end) {
        __m512i v = _mm512_loadu_si512(p);
        uint64_t slashes = _mm512_cmpeq_epi8_mask(v, slash), highs = _mm512_movepi8_mask(v);
        uint64_t ends = _mm512_cmpeq_epi8_mask(v, quote) | _mm512_cmplt_epu8_mask(v, space);
        if (!(slashes | ends)) {
            _mm512_storeu_si512(out, v);
            beyond |= highs;
            p += 64;
            out += 64;
            continue;
        }
        uint64_t second = slashes << 1;
        __m512i meant = _mm512_permutex2var_epi8(low, v, high_half);
        uint64_t stop = second & (_mm512_testn_epi8_mask(meant, meant) | highs | slashes);
        unsigned n = 64 - (unsigned)(slashes >> 63);
        if (stop) n = (unsigned)__builtin_ctzll(stop) - 1;
        ends &= ~second;
        if (ends && (unsigned)__builtin_ctzll(ends) < n) {
            n = (unsigned)__builtin_ctzll(ends);
            stop = ends;
        }
        uint64_t before = n == 64 ? ~UINT64_C(0) : (UINT64_C(1) << n) - 1;
        uint64_t kept = ~slashes & before;
        v = _mm512_mask_mov_epi8(v, second, meant);
        _mm512_storeu_si512(out, _mm512_maskz_compress_epi8(kept, v));
        beyond |= highs & before;
        out += __builtin_popcountll(kept);
        p += n;
        if (stop) break;
    }
    if (beyond) *high = true;
    *to = out;
    return p;
}

AVX512 static const char *plain_end_avx512(const char *p, const char *end, bool *high) {
    const __m512i slash = _mm512_set1_epi8('\\'), quote = _mm512_set1_epi8('"'),
                  space = _mm512_set1_epi8(' ');
    uint64_t beyond = 0, stop = 0;
    for (; p < end && !stop; p += 64) {
        __m512i v = _mm512_loadu_si512(p);
        stop = _mm512_cmpeq_epi8_mask(v, slash) | _mm512_cmpeq_epi8_mask(v, quote) |
               _mm512_cmplt_epu8_mask(v, space);
        uint64_t highs = _mm512_movepi8_mask(v);
        beyond |= stop ? highs & (stop ^ (stop - 1)) : highs;
    }
    if (beyond) *high = true;
    return stop ? p - 64 + __builtin_ctzll(stop) : p;
}
#endif

static bool has_avx512(void) {
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2");
#else
    return false;
#endif
}

cru_escape_blocks *cru_escape_blocks_here(void) {
#if defined(__x86_64__)
    if (has_avx512()) return blocks_avx512;
#endif
    return NULL;
}

cru_text_blocks *cru_text_blocks_here(void) {
#if defined(__x86_64__)
    if (has_avx512()) return text_avx512;
#endif
    return NULL;
}

const char *cru_text_plain_end(const char *p, const char *end, bool *high) {
#if defined(__x86_64__)
    if (has_avx512()) return plain_end_avx512(p, end, high);
#endif
    for (; p < end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20; p++)
        *high = *high || (unsigned char)*p >= 0x80;
    return p;
}
