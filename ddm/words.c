/* SPDX-License-Identifier: Apache-2.0 */
#include "ddm/words.h"
#include "crucible/base/base.h"
#include "ddm/word_form.h"
#include "ddm/word_walk.h"

void cru_words_init(struct cru_words *words) {
    memset(words, 0, sizeof *words);
}

void cru_words_release(struct cru_words *words) {
    free(words->list);
    cru_words_init(words);
}

void cru_words_clear(struct cru_words *words) {
    words->n = 0;
    words->characters = false;
}

enum cru_status cru_words_grow(struct cru_words *words, struct cru_error *err) {
    size_t capacity = words->capacity ? 2 * words->capacity : 1024;
    void *p = realloc(words->list, capacity * sizeof *words->list);
    if (!p) return cru_fail_memory(err, "words of a text");
    words->list = p;
    words->capacity = capacity;
    return CRU_OK;
}

/* ---- one word ---- */

static bool is_letter(unsigned char c) {
    return (unsigned char)((c | 32) - 'a') < 26;
}

struct cru_word_look cru_word_look(const char *p, size_t n) {
    struct cru_word_look look = {0};
    size_t begin = n, end = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        bool letter = is_letter(c);
        look.high |= c >= 0x80;
        look.letter |= letter || c >= 0x80;
        if (!letter && c < 0x80 && (unsigned char)(c - '0') >= 10) continue;
        if (begin == n) begin = i;
        end = i + 1;
    }
    look.core = (uint32_t)(begin < end ? begin : 0);
    look.core_end = (uint32_t)end;
    return look;
}

/* What the last byte of a word can mean; the rest of the bytes above ASCII and of marks that may
 * stand behind a full stop is for cru_word_last_mark(). */
enum { NOTHING, LOOK = 1, COUNTS = 2, STOPS = CRU_WORD_STOP };
static const uint8_t last_byte[128] = {
    ['.'] = STOPS | COUNTS, ['!'] = STOPS, ['?'] = STOPS, [':'] = COUNTS,
    [')'] = LOOK | COUNTS,  ['"'] = LOOK,  [']'] = LOOK,  ['\''] = LOOK,
    ['}'] = LOOK,           ['*'] = LOOK,  ['_'] = LOOK,  ['`'] = LOOK,
};

/* What stands behind the last letter or digit: the end of a sentence, the mark of an item. */
static inline uint32_t end_flags(const char *p, size_t n) {
    unsigned char c = (unsigned char)p[n - 1];
    unsigned what = c < 0x80 ? last_byte[c] : LOOK;
    if (what == NOTHING) return 0;
    uint32_t flags = what & STOPS;
    if (what & LOOK) {
        c = cru_word_last_mark(cru_span_make(p, n));
        if (c == '.' || c == '!' || c == '?') flags = CRU_WORD_STOP;
    }
    if (n <= 5 && (what & COUNTS) && cru_word_is_ordinal(cru_span_make(p, n), false))
        flags |= CRU_WORD_ORDINAL;
    return flags;
}

/* The form's hash of an ASCII word that no register holds. */
static uint32_t long_form(const char *p, size_t n) {
    char spelled[CRU_WORD_FORM] = {0};
    memcpy(spelled, p, n);
    for (size_t i = 0; i < n; i += 8) {
        uint64_t x = cru_word_lower8(cru_word_load8(spelled + i));
        cru_word_store8(spelled + i, x);
    }
    return cru_word_form_hash(spelled, n);
}

/* The word text[begin, end), as `look` saw it. */
static enum cru_status push(struct cru_words *words, struct cru_span text, size_t begin, size_t end,
                            struct cru_word_look look, uint32_t flags, struct cru_error *err) {
    if (words->n == words->capacity && cru_words_grow(words, err) != CRU_OK) return CRU_FATAL;
    const char *p = text.p + begin, *limit = text.p + text.n;
    size_t n = end - begin, core = look.core_end - look.core;
    uint32_t form = 0;
    if (look.high) {
        char spelled[CRU_WORD_FORM];
        size_t length = cru_word_form(cru_span_make(p, n), spelled);
        if (length > 0) form = cru_word_form_hash(spelled, length);
    } else if (core > CRU_WORD_SHORT) {
        if (core <= CRU_WORD_FORM) form = long_form(p + look.core, core);
    } else if (core > 0) {
        struct cru_word_bytes x = cru_word_load(p + look.core, core, limit);
        form = cru_word_short_hash(cru_word_lower(x), core);
    }
    if (look.letter) flags |= CRU_WORD_LETTER;
    if (look.core_end < n || look.high) flags |= end_flags(p, n);
    words->list[words->n++] = (struct cru_word){
        .hash =
            n <= CRU_WORD_SHORT ? cru_word_mix(cru_word_load(p, n, limit), n) : cru_hash64(p, n, 0),
        .begin = (uint32_t)begin,
        .length = (uint32_t)n,
        .form = form,
        .flags = flags,
    };
    return CRU_OK;
}

static enum cru_status push_piece(struct cru_words *words, struct cru_span text, size_t begin,
                                  size_t end, uint32_t flags, struct cru_error *err) {
    return push(words, text, begin, end, cru_word_look(text.p + begin, end - begin), flags, err);
}

/* ---- scripts without spaces ---- */

enum script { SPACED, LETTER, PUNCTUATION };

/* Ranges by Unicode 15 block, ascending. */
static const struct {
    uint32_t first, last;
    enum script script;
} scripts[] = {
    {0x0E00, 0x0EFF, LETTER},      /* Thai, Lao */
    {0x0F00, 0x0FFF, LETTER},      /* Tibetan */
    {0x1000, 0x109F, LETTER},      /* Myanmar */
    {0x1780, 0x17FF, LETTER},      /* Khmer */
    {0x2E80, 0x2FDF, LETTER},      /* radicals */
    {0x3000, 0x3004, PUNCTUATION}, /* ideographic space, comma, full stop */
    {0x3005, 0x3007, LETTER},      /* iteration mark, closing mark, zero */
    {0x3008, 0x3020, PUNCTUATION}, /* brackets */
    {0x3021, 0x303F, LETTER},      {0x3040, 0x30FF, LETTER},      /* Hiragana, Katakana */
    {0x3100, 0x312F, LETTER},                                     /* Bopomofo */
    {0x31A0, 0x31FF, LETTER},      {0x3400, 0x4DBF, LETTER},      /* Han, extension A */
    {0x4E00, 0x9FFF, LETTER},                                     /* Han */
    {0xF900, 0xFAFF, LETTER},      {0xFF01, 0xFF0F, PUNCTUATION}, /* full-width forms */
    {0xFF1A, 0xFF20, PUNCTUATION}, {0xFF3B, 0xFF40, PUNCTUATION},
    {0xFF5B, 0xFF65, PUNCTUATION}, {0xFF66, 0xFF9F, LETTER}, /* half-width Katakana */
    {0x20000, 0x323AF, LETTER},                              /* Han, further extensions */
};

static enum script script_of(uint32_t c) {
    if (c < 0x0E00) return SPACED;
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        if (c < scripts[i].first) return SPACED;
        if (c <= scripts[i].last) return scripts[i].script;
    }
    return SPACED;
}

/* The character at p and its length, 1 for bytes that are not UTF-8. */
static size_t decode(const unsigned char *p, size_t n, uint32_t *c) {
    size_t length = p[0] < 0xC0 ? 1 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    if (length > n) length = 1;
    *c = length == 1 ? p[0] : p[0] & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xC0) != 0x80) {
            *c = p[0];
            return 1;
        }
        *c = *c << 6 | (p[i] & 0x3Fu);
    }
    if (length == 1 && p[0] >= 0x80) *c = 0x80; /* no character of interest */
    return length;
}

/* What the punctuation of such a script says about the word before it. */
static uint32_t mark_flag(uint32_t c) {
    switch (c) {
    case 0x3002: /* full stops */
    case 0xFF0E:
    case 0xFF61:
    case 0xFF01:
    case 0xFF1F:
        return CRU_WORD_STOP;
    case 0x3001: /* commas */
    case 0xFF0C:
    case 0xFF64:
    case 0xFF1A:
    case 0xFF1B:
        return CRU_WORD_PAUSE;
    default:
        return 0;
    }
}

/* Whether there may be a character of such a script: not in Latin, Greek, Cyrillic, Arabic, Indic
 * letters and the marks and signs before U+2E80, which are nearly all that others write. */
static bool may_be_unspaced(const char *p, size_t n) {
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        if (c < 0xE0 || (c == 0xE2 && i + 1 < n && (unsigned char)p[i + 1] < 0xBA)) continue;
        return true;
    }
    return false;
}

/* A run with bytes above ASCII: characters of unspaced scripts one by one, the rest in runs. */
static enum cru_status push_mixed(struct cru_words *words, struct cru_span text, size_t begin,
                                  size_t end, uint32_t flags, struct cru_error *err) {
    size_t start = begin, i = begin;
    bool any = false; /* a run of punctuation alone is still a word */
    uint32_t first = flags;
    words->characters = true;
    while (i < end) {
        uint32_t c;
        size_t length = decode((const unsigned char *)text.p + i, end - i, &c);
        enum script script = script_of(c);
        if (script != SPACED) {
            if (start < i) {
                if (push_piece(words, text, start, i, flags, err) != CRU_OK) return CRU_FATAL;
                flags &= (uint32_t)CRU_WORD_CODE;
                any = true;
            }
            if (script == LETTER) {
                if (push_piece(words, text, i, i + length, flags | CRU_WORD_CHARACTER, err) !=
                    CRU_OK)
                    return CRU_FATAL;
                flags &= (uint32_t)CRU_WORD_CODE;
                any = true;
            } else if (any) {
                words->list[words->n - 1].flags |= mark_flag(c);
            }
            start = i + length;
        }
        i += length;
    }
    if (start < end) return push_piece(words, text, start, end, flags, err);
    return any ? CRU_OK : push_piece(words, text, begin, end, first, err);
}

/* ---- fences ---- */

static size_t marks(struct cru_span text, size_t begin, size_t end) {
    size_t n = 0;
    char c = text.p[begin];
    if (c != '`' && c != '~') return 0;
    while (begin + n < end && text.p[begin + n] == c) n++;
    return n >= 3 ? n : 0;
}

/* Only white space between `at` and the end of its line. */
static bool ends_line(struct cru_span text, size_t at, size_t end) {
    while (at < end && text.p[at] != '\n') {
        if (!cru_is_space((unsigned char)text.p[at])) return false;
        at++;
    }
    return true;
}

/* Looks at the first run of a line; answers the flags of its word. */
static uint32_t follow_fence(struct cru_word_fence *fence, struct cru_span text, size_t begin,
                             size_t end, size_t limit, size_t word) {
    size_t n = marks(text, begin, end);
    unsigned char mark = (unsigned char)text.p[begin];
    if (fence->mark) {
        if (n >= fence->length && mark == fence->mark && ends_line(text, begin + n, limit))
            fence->mark = 0;
        return CRU_WORD_CODE;
    }
    if (n == 0) return 0;
    /* a backtick fence has no backtick behind its marks: that is inline code */
    if (mark == '`' && memchr(text.p + begin + n, '`', end - begin - n)) return 0;
    *fence = (struct cru_word_fence){mark, n, word};
    return CRU_WORD_CODE | CRU_WORD_FENCE;
}

/* ---- runs ---- */

uint32_t cru_word_begin_line(struct cru_word_walk *walk, struct cru_span text, size_t start,
                             size_t end, size_t word) {
    uint32_t flags = walk->newlines > 1 ? CRU_WORD_LINE | CRU_WORD_BLANK : CRU_WORD_LINE;
    walk->newlines = 0;
    if (!walk->fence.mark && text.p[start] != '`' && text.p[start] != '~') return flags;
    return flags | follow_fence(&walk->fence, text, start, end, walk->end, word);
}

enum cru_status cru_words_add_run(struct cru_words *words, struct cru_span text, size_t start,
                                  size_t end, struct cru_word_look look, uint32_t flags,
                                  struct cru_error *err) {
    if (look.high && may_be_unspaced(text.p + start, end - start))
        return push_mixed(words, text, start, end, flags, err);
    return push(words, text, start, end, look, flags, err);
}

static enum cru_status walk_plain(struct cru_words *words, struct cru_span text,
                                  struct cru_word_walk *walk, struct cru_error *err) {
    const unsigned char *p = (const unsigned char *)text.p;
    for (size_t i = walk->at;;) {
        for (; i < walk->end && cru_is_space(p[i]); i++) walk->newlines += p[i] == '\n';
        if (i == walk->end) return CRU_OK;
        size_t start = i;
        while (i < walk->end && !cru_is_space(p[i])) i++;
        uint32_t flags = walk->fence.mark ? CRU_WORD_CODE : 0;
        if (walk->newlines > 0) flags = cru_word_begin_line(walk, text, start, i, words->n);
        struct cru_word_look look = cru_word_look(text.p + start, i - start);
        enum cru_status status = cru_words_add_run(words, text, start, i, look, flags, err);
        if (status != CRU_OK) return status;
    }
}

static void undo_open_fence(struct cru_words *words, const struct cru_word_fence *fence) {
    if (!fence->mark) return;
    for (size_t w = fence->word; w < words->n; w++)
        words->list[w].flags &= ~(uint32_t)(CRU_WORD_CODE | CRU_WORD_FENCE);
}

static enum cru_status add_by(cru_words_walker *way, struct cru_words *words, struct cru_span text,
                              size_t begin, size_t end, struct cru_error *err) {
    struct cru_word_walk walk = {.at = begin, .end = end, .newlines = 2};
    enum cru_status status = way(words, text, &walk, err);
    if (status == CRU_OK) undo_open_fence(words, &walk.fence);
    return status;
}

enum cru_status cru_words_add_by(enum cru_words_way way, struct cru_words *words,
                                 struct cru_span text, size_t begin, size_t end,
                                 struct cru_error *err) {
#ifdef __SSE2__
    if (way == CRU_WORDS_AVX512) return add_by(cru_words_walk_avx512, words, text, begin, end, err);
    if (way == CRU_WORDS_SSE2) return add_by(cru_words_walk_sse2, words, text, begin, end, err);
#endif
    (void)way;
    return add_by(walk_plain, words, text, begin, end, err);
}

bool cru_words_can(enum cru_words_way way) {
#ifdef __SSE2__
    if (way == CRU_WORDS_AVX512)
        return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
    return true;
#else
    return way == CRU_WORDS_PLAIN;
#endif
}

enum cru_status cru_words_add(struct cru_words *words, struct cru_span text, size_t begin,
                              size_t end, struct cru_error *err) {
    enum cru_words_way way = CRU_WORDS_AVX512;
    while (!cru_words_can(way)) way--;
    return cru_words_add_by(way, words, text, begin, end, err);
}
