/* SPDX-License-Identifier: Apache-2.0 */
#include <utf8proc.h>

#include "crucible/base/base.h"
#include "crucible/filter/char_class.h"

struct range {
    uint32_t first, last;
};

/* huggingface/datatrove src/datatrove/utils/text.py, TERMINAL_PUNCTUATION, as sorted ranges. */
static const struct range terminal[] = {
    {0x21, 0x21},       {0x2E, 0x2E},       {0x3F, 0x3F},       {0x589, 0x589},     {0x61D, 0x61F},
    {0x6D4, 0x6D4},     {0x700, 0x702},     {0x7F9, 0x7F9},     {0x837, 0x837},     {0x839, 0x839},
    {0x83D, 0x83E},     {0x964, 0x965},     {0x104A, 0x104B},   {0x1362, 0x1362},   {0x1367, 0x1368},
    {0x166E, 0x166E},   {0x1735, 0x1736},   {0x17D4, 0x17D6},   {0x17D9, 0x17DA},   {0x1803, 0x1803},
    {0x1809, 0x1809},   {0x1944, 0x1945},   {0x1AA8, 0x1AAB},   {0x1B5A, 0x1B5B},   {0x1B5E, 0x1B5F},
    {0x1B7D, 0x1B7E},   {0x1C3B, 0x1C3C},   {0x1C7E, 0x1C7F},   {0x203C, 0x203D},   {0x2047, 0x2049},
    {0x2E2E, 0x2E2E},   {0x2E3C, 0x2E3C},   {0x2E53, 0x2E54},   {0x3002, 0x3002},   {0xA4FF, 0xA4FF},
    {0xA60E, 0xA60F},   {0xA6F3, 0xA6F3},   {0xA6F7, 0xA6F7},   {0xA876, 0xA877},   {0xA8CE, 0xA8CF},
    {0xA92F, 0xA92F},   {0xA9C8, 0xA9C9},   {0xAA5D, 0xAA5F},   {0xAAF0, 0xAAF1},   {0xABEB, 0xABEB},
    {0xFE52, 0xFE52},   {0xFE56, 0xFE57},   {0xFF01, 0xFF01},   {0xFF0E, 0xFF0E},   {0xFF1F, 0xFF1F},
    {0xFF61, 0xFF61},   {0x10A56, 0x10A57}, {0x10F55, 0x10F59}, {0x10F86, 0x10F89}, {0x11047, 0x11048},
    {0x110BE, 0x110C1}, {0x11141, 0x11143}, {0x111C5, 0x111C6}, {0x111CD, 0x111CD}, {0x111DE, 0x111DF},
    {0x11238, 0x11239}, {0x1123B, 0x1123C}, {0x112A9, 0x112A9}, {0x1144B, 0x1144C}, {0x115C2, 0x115C3},
    {0x115C9, 0x115D7}, {0x11641, 0x11642}, {0x1173C, 0x1173E}, {0x11944, 0x11944}, {0x11946, 0x11946},
    {0x11A42, 0x11A43}, {0x11A9B, 0x11A9C}, {0x11C41, 0x11C42}, {0x11EF7, 0x11EF8}, {0x11F43, 0x11F44},
    {0x16A6E, 0x16A6F}, {0x16AF5, 0x16AF5}, {0x16B37, 0x16B38}, {0x16B44, 0x16B44}, {0x16E98, 0x16E98},
    {0x1BC9F, 0x1BC9F}, {0x1DA88, 0x1DA88},
};

/* The same file's PUNCTUATION: ASCII punctuation, control characters and a handful of others. The
 * set is odd (fullwidth 1 is in it, the bullet is not) and kept as published. */
static const struct range punctuation[] = {
    {0x0, 0x8},       {0xB, 0x1F},      {0x21, 0x2F},     {0x3A, 0x40},     {0x5B, 0x60},
    {0x7B, 0x9F},     {0xAB, 0xAB},     {0xB4, 0xB4},     {0xBB, 0xBB},     {0x2013, 0x2014},
    {0x2019, 0x2019}, {0x201C, 0x201E}, {0x2026, 0x2026}, {0x2236, 0x2236}, {0x2501, 0x2501},
    {0x25BA, 0x25BA}, {0x3001, 0x3002}, {0x3008, 0x300D}, {0x3010, 0x3011}, {0xFF01, 0xFF01},
    {0xFF05, 0xFF05}, {0xFF08, 0xFF09}, {0xFF0C, 0xFF0C}, {0xFF0E, 0xFF0E}, {0xFF11, 0xFF11},
    {0xFF1A, 0xFF1B}, {0xFF1F, 0xFF1F}, {0xFF5E, 0xFF5E},
};

/* Scripts written without spaces between words: Thai, Lao, Myanmar, Khmer, Tai Le to New Tai Lue,
 * Tai Tham, Hiragana, Han (with the iteration marks), Myanmar extensions, Tai Viet. Only letters
 * in these ranges count. Unicode 15, Blocks.txt; UAX #29 leaves their words to dictionaries. */
static const struct range unspaced[] = {
    {0x0E00, 0x0EFF}, {0x1000, 0x109F}, {0x1780, 0x17FF}, {0x1950, 0x19DF},   {0x1A20, 0x1AAF},
    {0x3005, 0x3007}, {0x3021, 0x3029}, {0x3041, 0x309F}, {0x3400, 0x4DBF},   {0x4E00, 0x9FFF},
    {0xA9E0, 0xA9FF}, {0xAA60, 0xAADF}, {0xF900, 0xFAFF}, {0x20000, 0x3FFFF},
};

/* Python 3 documentation, str.isspace: categories Zs and bidirectional types WS, B and S. */
static const struct range space[] = {
    {0x09, 0x0D},     {0x1C, 0x20},     {0x85, 0x85},     {0xA0, 0xA0},     {0x1680, 0x1680},
    {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000},
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static bool within(const struct range *table, size_t n, uint32_t c) {
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (c > table[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && c >= table[low].first;
}

bool cru_char_is_terminal(uint32_t c) {
    if (c < 0x80)
        return c == '.' || c == '?' || c == '!';
    return within(terminal, COUNT(terminal), c);
}

uint8_t cru_char_map_fill(struct cru_char_map *map, uint32_t c) {
    unsigned class = CRU_CHAR_KNOWN;
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
        class |= CRU_CHAR_LETTER;
        class |= within(unspaced, COUNT(unspaced), c) ? CRU_CHAR_UNSPACED : CRU_CHAR_WORD;
        break;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        class |= CRU_CHAR_DIGIT | CRU_CHAR_WORD;
        break;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
        class |= CRU_CHAR_MARK | CRU_CHAR_WORD;
        break;
    default:
        break;
    }
    if (c == '_')
        class |= CRU_CHAR_WORD;
    if (within(space, COUNT(space), c))
        class |= CRU_CHAR_SPACE;
    if (within(punctuation, COUNT(punctuation), c) || cru_char_is_terminal(c))
        class |= CRU_CHAR_PUNCT;
    return map->of[c] = (uint8_t)class;
}

bool cru_char_map_init(struct cru_char_map *map) {
    map->of = calloc(0x110000, 1);
    if (!map->of)
        return false;
    for (uint32_t c = 0; c < 0x80; c++)
        cru_char_map_fill(map, c);
    return true;
}

void cru_char_map_release(struct cru_char_map *map) {
    free(map->of);
    map->of = NULL;
}

/* Eight bytes a step: a byte begins a character unless its top bits are 10. */
size_t cru_char_count(struct cru_span s) {
    const uint64_t ones = 0x0101010101010101u;
    size_t i = 0, continuation = 0;
    while (i + 8 <= s.n) {
        /* Byte-wise sums of at most 255 steps before they could carry into each other. */
        uint64_t sums = 0;
        size_t steps = (s.n - i) / 8 < 255 ? (s.n - i) / 8 : 255;
        for (size_t k = 0; k < steps; k++, i += 8) {
            uint64_t w;
            memcpy(&w, s.p + i, 8);
            sums += (w >> 7) & (~w >> 6) & ones;
        }
        sums = (sums & 0x00FF00FF00FF00FFu) + ((sums >> 8) & 0x00FF00FF00FF00FFu);
        continuation += (sums * 0x0001000100010001u) >> 48;
    }
    for (; i < s.n; i++)
        continuation += ((unsigned char)s.p[i] & 0xC0) == 0x80;
    return s.n - continuation;
}

struct cru_span cru_char_strip(struct cru_char_map *map, struct cru_span s) {
    const unsigned char *begin = (const unsigned char *)s.p, *end = begin + s.n;
    unsigned n;
    while (begin < end &&
           (cru_char_class_of(map, cru_char_decode(begin, &n)) & CRU_CHAR_SPACE))
        begin += n;
    while (begin < end &&
           (cru_char_class_of(map, cru_char_decode_back(begin, end, &n)) & CRU_CHAR_SPACE))
        end -= n;
    return cru_span_make((const char *)begin, (size_t)(end - begin));
}
