/* SPDX-License-Identifier: Apache-2.0 */
#include "ddm/word_walk.h"
#ifdef __SSE2__
#include <immintrin.h>

#include "crucible/base/base.h"
#include "ddm/word_form.h"

/*
 * 64 bytes at a time, from the start of a run or a gap on. Bit k of a mask is byte k; a run that
 * the window cuts waits for the next one, which begins with it.
 *
 *   text     W a i t ,   2 + 2   = . . .
 *   ~space   1 1 1 1 1 0 1 1 1 0 1
 *   core     1 1 1 1 0 0 1 0 1 0 0         adding a run's first bit clears the run and leaves the
 *   letter   1 1 1 1 0 0 0 0 0 0 0         bit behind it, so a word costs no shifts
 */
enum { WINDOW = 64, AHEAD = CRU_WORD_SHORT };

struct masks {
    uint64_t space, newline, high;
    uint64_t letter, core;        /* letter: or high; core: letter or digit */
    uint64_t stop, closer, fence; /* . ! ? and what may stand behind them; ` ~ */
    uint64_t count, paren;        /* . : ) and ) alone */
};

/* The bytes c with low <= c < low + count. */
static inline __m128i in_range(__m128i x, char low, char count) {
    __m128i y = _mm_sub_epi8(x, _mm_set1_epi8(low)), most = _mm_set1_epi8((char)(count - 1));
    return _mm_cmpeq_epi8(_mm_min_epu8(y, most), y);
}

static inline __m128i is(__m128i x, char c) {
    return _mm_cmpeq_epi8(x, _mm_set1_epi8(c));
}

static inline uint64_t bits(__m128i x) {
    return (unsigned)_mm_movemask_epi8(x);
}

static inline __attribute__((always_inline)) struct masks masks_sse2(const char *p) {
    struct masks m = {0};
    for (unsigned k = 0; k < 64; k += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)(p + k));
        __m128i small = _mm_or_si128(x, _mm_set1_epi8(32)); /* ] and } are one then */
        __m128i letter = _mm_or_si128(x, in_range(small, 'a', 26));
        __m128i stop = _mm_or_si128(is(x, '.'), _mm_or_si128(is(x, '!'), is(x, '?')));
        __m128i tick = is(x, '`'), hook = _mm_or_si128(is(small, '}'), is(x, '_'));
        __m128i closer = _mm_andnot_si128(is(x, '('), in_range(x, '\'', 4));
        closer = _mm_or_si128(_mm_or_si128(closer, is(x, '"')), _mm_or_si128(hook, tick));
        m.space |= bits(_mm_or_si128(is(x, ' '), in_range(x, '\t', 5))) << k;
        m.newline |= bits(is(x, '\n')) << k;
        m.high |= bits(x) << k;
        m.letter |= bits(letter) << k;
        m.core |= bits(_mm_or_si128(letter, in_range(x, '0', 10))) << k;
        m.stop |= bits(stop) << k;
        m.closer |= bits(closer) << k;
        m.fence |= bits(_mm_or_si128(tick, is(x, '~'))) << k;
        m.paren |= bits(is(x, ')')) << k;
        m.count |= bits(_mm_or_si128(is(x, '.'), _mm_or_si128(is(x, ')'), is(x, ':')))) << k;
    }
    return m;
}

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,bmi,bmi2,lzcnt,popcnt")))

AVX512 static inline __mmask64 in_range512(__m512i x, char low, char count) {
    __m512i y = _mm512_sub_epi8(x, _mm512_set1_epi8(low));
    return _mm512_cmplt_epu8_mask(y, _mm512_set1_epi8(count));
}

AVX512 static inline __mmask64 is512(__m512i x, char c) {
    return _mm512_cmpeq_epi8_mask(x, _mm512_set1_epi8(c));
}

AVX512 static inline struct masks masks_avx512(const char *p) {
    __m512i x = _mm512_loadu_si512(p), small = _mm512_or_si512(x, _mm512_set1_epi8(32));
    uint64_t high = _mm512_movepi8_mask(x), letter = high | in_range512(small, 'a', 26);
    uint64_t dot = is512(x, '.'), tick = is512(x, '`'), paren = is512(x, ')');
    return (struct masks){
        .space = is512(x, ' ') | in_range512(x, '\t', 5),
        .newline = is512(x, '\n'),
        .high = high,
        .letter = letter,
        .core = letter | in_range512(x, '0', 10),
        .stop = dot | is512(x, '!') | is512(x, '?'),
        .closer = (in_range512(x, '\'', 4) & ~is512(x, '(')) | is512(x, '"') | is512(small, '}') |
                  is512(x, '_') | tick,
        .fence = tick | is512(x, '~'),
        .count = dot | paren | is512(x, ':'),
        .paren = paren,
    };
}

/* The form's hash of the n bytes at p, sixteen of which can be read. */
static inline uint32_t short_form(const char *p, size_t n) {
    static const uint8_t keep[2 * CRU_WORD_SHORT] = {255, 255, 255, 255, 255, 255, 255, 255,
                                                     255, 255, 255, 255, 255, 255, 255, 255};
    __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i mask = _mm_loadu_si128((const __m128i *)(const void *)(keep + CRU_WORD_SHORT - n));
    x = _mm_and_si128(x, mask);
    /* A to Z are the 26 least numbers once 'A' is -128 */
    __m128i capital =
        _mm_cmplt_epi8(_mm_sub_epi8(x, _mm_set1_epi8((char)('A' + 128))), _mm_set1_epi8(-128 + 26));
    x = _mm_or_si128(x, _mm_and_si128(capital, _mm_set1_epi8(32)));
    struct cru_word_bytes form = {(uint64_t)_mm_cvtsi128_si64(x),
                                  (uint64_t)_mm_cvtsi128_si64(_mm_unpackhi_epi64(x, x))};
    return cru_word_short_hash(form, n);
}

/* A run of a window: its bits, where it begins and ends, and its bytes without punctuation at the
 * ends; `core` is 0 when there are none, and `begin`, `end` are those of the run then. */
struct run {
    uint64_t first, behind, mine, core;
    unsigned s, e, begin, end;
};

static inline __attribute__((always_inline)) struct run next_run(uint64_t runs, uint64_t core) {
    struct run r;
    r.first = runs & (0 - runs);
    r.behind = runs + r.first;
    r.mine = runs & ~r.behind;
    r.core = core & r.mine;
    uint64_t some = r.core ? r.core : r.mine;
    r.s = (unsigned)__builtin_ctzll(r.first);
    r.e = (unsigned)__builtin_ctzll(r.behind);
    r.begin = (unsigned)__builtin_ctzll(some);
    r.end = 64 - (unsigned)__builtin_clzll(some);
    return r;
}

/* cru_word_is_ordinal() of the whole run at p, which ends with one of . : ) */
static inline bool is_ordinal_run(const struct run *r, const char *p, bool letter) {
    unsigned n = r->end - r->begin, lead = r->begin - r->s;
    if (r->end + 1 != r->e) return false;
    if (r->core >> r->begin != ((uint64_t)1 << n) - 1) return false;
    if (lead > 1 || (lead == 1 && p[0] != '(')) return false;
    return letter ? n == 1 && p[r->e - r->s - 1] == ')' : n <= 3;
}

/* Runs of at most 16 ASCII bytes, up to one that is another or has a bit in `turns`; what is left.
 * `window` holds the text from `at` on. There is room in the list. */
static inline __attribute__((always_inline)) uint64_t
add_short_runs(struct cru_words *words, const char *window, size_t at, const struct masks *m,
               uint64_t runs, uint64_t lines, uint64_t blanks, uint64_t turns, uint32_t code) {
    struct cru_word *to = words->list + words->n;
    /* where "12." "12)" "12:" "b)" may end */
    uint64_t digit = m->core & ~m->letter;
    uint64_t counts = (m->space >> 1) & ((m->count & digit << 1) | (m->paren & m->letter << 1));
    while (runs) {
        struct run r = next_run(runs, m->core);
        unsigned n = r.e - r.s;
        if ((m->high & r.mine) | (turns & r.first) | (n > CRU_WORD_SHORT)) break;
        const char *p = window + r.s;
        runs = r.behind & (r.behind - 1);
        /* its last byte that closes nothing, if only its first */
        uint64_t open = (r.mine & ~m->closer) | r.first;
        uint32_t stop = m->stop >> (63 ^ (unsigned)__builtin_clzll(open)) & 1;
        uint32_t letter = (m->letter & r.mine) != 0;
        uint32_t flags = code | letter * CRU_WORD_LETTER | stop * CRU_WORD_STOP |
                         ((lines & r.first) != 0) * (uint32_t)CRU_WORD_LINE |
                         ((blanks & r.first) != 0) * (uint32_t)CRU_WORD_BLANK;
        if ((counts & r.mine) && is_ordinal_run(&r, p, letter)) flags |= CRU_WORD_ORDINAL;
        uint32_t form = short_form(window + r.begin, r.end - r.begin);
        to->hash = cru_word_mix(cru_word_load_near(p, n), n);
        to->begin = (uint32_t)(at + r.s);
        to->length = n;
        to->form = form & (0 - (uint32_t)(r.core != 0));
        to->flags = flags;
        to++;
    }
    words->n = (size_t)(to - words->list);
    return runs;
}

/* A run that fills a window. */
static enum cru_status add_long_run(struct cru_words *words, struct cru_span text,
                                    struct cru_word_walk *walk, struct cru_error *err) {
    size_t at = walk->at, next = at;
    while (next < walk->end && !cru_is_space((unsigned char)text.p[next])) next++;
    uint32_t flags = walk->fence.mark ? CRU_WORD_CODE : 0;
    if (walk->newlines > 0) flags = cru_word_begin_line(walk, text, at, next, words->n);
    walk->at = next;
    return cru_words_add_run(words, text, at, next, cru_word_look(text.p + at, next - at), flags,
                             err);
}

/* The words of the 64 bytes at `window`, where the text goes on at walk->at; AHEAD bytes behind them
 * can be read. */
static inline __attribute__((always_inline)) enum cru_status
walk_window(struct cru_words *words, struct cru_span text, struct cru_word_walk *walk,
            const char *window, const struct masks *m, struct cru_error *err) {
    if (m->space == 0) return add_long_run(words, text, walk, err);
    size_t at = walk->at;
    unsigned keep = 64; /* a last run that may go on does not count */
    uint64_t runs = ~m->space, newline = m->newline;
    if (!(m->space >> 63)) {
        keep = 64 - (unsigned)__builtin_clzll(m->space);
        runs &= ((uint64_t)1 << keep) - 1;
    }
    /* a newline added to the white space it stands in carries into the run behind; at a second one
     * of the same gap the sum keeps its bit */
    uint64_t sum = m->space + newline, lines = sum & ~m->space;
    uint64_t blanks = (m->space + (newline & sum)) & ~m->space;
    if (walk->newlines > 0 && runs) { /* those of the window before */
        uint64_t first = runs & (0 - runs);
        if (walk->newlines > 1 || (newline & (first - 1))) blanks |= first;
        lines |= first;
        walk->newlines = 0;
    }
    while (runs) {
        if (words->capacity - words->n < 64 && cru_words_grow(words, err) != CRU_OK)
            return CRU_FATAL;
        uint64_t turns = lines & (walk->fence.mark ? lines : m->fence);
        runs = add_short_runs(words, window, at, m, runs, lines, blanks, turns,
                              walk->fence.mark ? CRU_WORD_CODE : 0);
        if (!runs) break;
        struct run r = next_run(runs, m->core);
        uint32_t flags = walk->fence.mark ? CRU_WORD_CODE : 0;
        runs = r.behind & (r.behind - 1);
        if (lines & r.first) {
            walk->newlines = blanks & r.first ? 2 : 1;
            flags = cru_word_begin_line(walk, text, at + r.s, at + r.e, words->n);
        }
        struct cru_word_look look = {.core = r.core ? r.begin - r.s : 0,
                                     .core_end = r.core ? r.end - r.s : 0,
                                     .high = (m->high & r.mine) != 0,
                                     .letter = (m->letter & r.mine) != 0};
        enum cru_status status =
            cru_words_add_run(words, text, at + r.s, at + r.e, look, flags, err);
        if (status != CRU_OK) return status;
    }
    /* newlines behind the last run: two are as good as more */
    if (keep < 64) newline &= ((uint64_t)1 << keep) - 1;
    uint64_t used = ~m->space & (keep < 64 ? ((uint64_t)1 << keep) - 1 : UINT64_MAX);
    if (used) newline &= ~(UINT64_MAX >> __builtin_clzll(used));
    walk->newlines += (unsigned)(newline != 0) + ((newline & (newline - 1)) != 0);
    walk->at = at + keep < walk->end ? at + keep : walk->end;
    return CRU_OK;
}

/* Less than a window, or too near the end of the text to read behind its words. */
static enum cru_status walk_rest(struct cru_words *words, struct cru_span text,
                                 struct cru_word_walk *walk, struct cru_error *err) {
    enum cru_status status = CRU_OK;
    while (status == CRU_OK && walk->at < walk->end) {
        char rest[WINDOW + AHEAD];
        size_t left = walk->end - walk->at;
        memset(rest, ' ', sizeof rest);
        memcpy(rest, text.p + walk->at, left < WINDOW ? left : WINDOW);
        struct masks m = masks_sse2(rest);
        status = walk_window(words, text, walk, rest, &m, err);
    }
    return status;
}

static inline bool is_roomy(const struct cru_word_walk *walk, struct cru_span text) {
    return walk->end - walk->at >= WINDOW && text.n - walk->at >= WINDOW + AHEAD;
}

AVX512 enum cru_status cru_words_walk_avx512(struct cru_words *words, struct cru_span text,
                                             struct cru_word_walk *walk, struct cru_error *err) {
    enum cru_status status = CRU_OK;
    while (status == CRU_OK && is_roomy(walk, text)) {
        struct masks m = masks_avx512(text.p + walk->at);
        status = walk_window(words, text, walk, text.p + walk->at, &m, err);
    }
    return status == CRU_OK ? walk_rest(words, text, walk, err) : status;
}

enum cru_status cru_words_walk_sse2(struct cru_words *words, struct cru_span text,
                                    struct cru_word_walk *walk, struct cru_error *err) {
    enum cru_status status = CRU_OK;
    while (status == CRU_OK && is_roomy(walk, text)) {
        struct masks m = masks_sse2(text.p + walk->at);
        status = walk_window(words, text, walk, text.p + walk->at, &m, err);
    }
    return status == CRU_OK ? walk_rest(words, text, walk, err) : status;
}
#endif
