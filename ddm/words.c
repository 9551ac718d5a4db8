/* SPDX-License-Identifier: Apache-2.0 */
#include "ddm/words.h"
#include "crucible/base/base.h"

void cru_words_init(struct cru_words *words) {
    memset(words, 0, sizeof *words);
}

void cru_words_release(struct cru_words *words) {
    free(words->list);
    cru_words_init(words);
}

void cru_words_clear(struct cru_words *words) {
    words->n = 0;
}

static bool is_space(unsigned char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static enum cru_status grow(struct cru_words *words, struct cru_error *err) {
    size_t capacity = words->capacity ? 2 * words->capacity : 1024;
    void *p = realloc(words->list, capacity * sizeof *words->list);
    if (!p) return cru_fail_memory(err, "words of a text");
    words->list = p;
    words->capacity = capacity;
    return CRU_OK;
}

static enum cru_status push(struct cru_words *words, struct cru_span text, size_t begin, size_t end,
                            uint32_t flags, struct cru_error *err) {
    if (words->n == words->capacity && grow(words, err) != CRU_OK) return CRU_FATAL;
    words->list[words->n++] = (struct cru_word){
        .hash = cru_hash64(text.p + begin, end - begin, 0),
        .begin = (uint32_t)begin,
        .length = (uint32_t)(end - begin),
        .flags = flags,
    };
    return CRU_OK;
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

/* A run with bytes above ASCII: characters of unspaced scripts one by one, the rest in runs. */
static enum cru_status push_mixed(struct cru_words *words, struct cru_span text, size_t begin,
                                  size_t end, uint32_t flags, struct cru_error *err) {
    size_t start = begin, i = begin;
    bool any = false; /* a run of punctuation alone is still a word */
    uint32_t first = flags;
    while (i < end) {
        uint32_t c;
        size_t length = decode((const unsigned char *)text.p + i, end - i, &c);
        enum script script = script_of(c);
        if (script != SPACED) {
            if (start < i) {
                if (push(words, text, start, i, flags, err) != CRU_OK) return CRU_FATAL;
                flags &= (uint32_t)CRU_WORD_CODE;
                any = true;
            }
            if (script == LETTER) {
                if (push(words, text, i, i + length, flags | CRU_WORD_CHARACTER, err) != CRU_OK)
                    return CRU_FATAL;
                flags &= (uint32_t)CRU_WORD_CODE;
                any = true;
            }
            start = i + length;
        }
        i += length;
    }
    if (start < end) return push(words, text, start, end, flags, err);
    return any ? CRU_OK : push(words, text, begin, end, first, err);
}

/* ---- fences ---- */

struct fence {
    unsigned char mark; /* 0 outside */
    size_t length;
    size_t word; /* of the opening fence */
};

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
        if (!is_space((unsigned char)text.p[at])) return false;
        at++;
    }
    return true;
}

/* Looks at the first run of a line; answers the flags of its word. */
static uint32_t follow_fence(struct fence *fence, struct cru_span text, size_t begin, size_t end,
                             size_t limit, size_t word) {
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
    *fence = (struct fence){mark, n, word};
    return CRU_WORD_CODE | CRU_WORD_FENCE;
}

enum cru_status cru_words_add(struct cru_words *words, struct cru_span text, size_t begin,
                              size_t end, struct cru_error *err) {
    const unsigned char *p = (const unsigned char *)text.p;
    struct fence fence = {0};
    size_t i = begin;
    uint32_t flags = CRU_WORD_LINE | CRU_WORD_BLANK;

    for (;;) {
        unsigned newlines = 0;
        while (i < end && is_space(p[i])) {
            if (p[i] == '\n' && newlines < 2) newlines++;
            i++;
        }
        if (i == end) break;
        if (newlines > 0) flags |= CRU_WORD_LINE;
        if (newlines > 1) flags |= CRU_WORD_BLANK;

        size_t start = i;
        unsigned char high = 0;
        while (i < end && !is_space(p[i])) high |= p[i++];

        if (flags & CRU_WORD_LINE)
            flags |= follow_fence(&fence, text, start, i, end, words->n);
        else if (fence.mark)
            flags |= CRU_WORD_CODE;
        enum cru_status status = high < 0x80 ? push(words, text, start, i, flags, err)
                                             : push_mixed(words, text, start, i, flags, err);
        if (status != CRU_OK) return status;
        flags = 0;
    }
    if (fence.mark)
        for (size_t w = fence.word; w < words->n; w++)
            words->list[w].flags &= ~(uint32_t)(CRU_WORD_CODE | CRU_WORD_FENCE);
    return CRU_OK;
}
