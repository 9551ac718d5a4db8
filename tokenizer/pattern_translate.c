/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/pattern_translate.h"
#include "crucible/base/base.h"
#include "tokenizer/unicode_categories.h"

enum { MOST_GROUPS = 64, MOST_BYTES = 16384, NO_ATOM = -1 };

struct group {
    size_t begins; /* in the output */
    bool fold, look;
};

struct translation {
    const unsigned char *p, *end;
    struct cru_buffer *out;
    long atom; /* where in the output what a quantifier would repeat begins; NO_ATOM: nothing would
                */
    bool fold; /* in (?i:...) */
    uint32_t before; /* the folded letter just written, or 0 */
    struct group group[MOST_GROUPS];
    size_t depth;
    struct cru_error *err;
};

static enum cru_status refuse(struct translation *t, const char *what) {
    return cru_fail(t->err, CRU_USAGE, "pattern: %s", what);
}

/* The code point at t->p, which is not at the end. */
static uint32_t take(struct translation *t) {
    unsigned length;
    uint32_t c = cru_code_point(t->p, &length);
    t->p += length;
    return c;
}

static bool next_is(const struct translation *t, char c) {
    return t->p < t->end && *t->p == c;
}

static void begin_atom(struct translation *t) {
    t->atom = (long)t->out->n;
    t->before = 0;
}

static void put_range(struct translation *t, uint32_t first, uint32_t last) {
    cru_buffer_printf(t->out, "\\x{%X}", first);
    if (last != first) cru_buffer_printf(t->out, "-\\x{%X}", last);
}

/* ------------------------------------------------------------------------------ sets */

static const uint32_t spaces[][2] = {
    {0x9, 0xD},       {0x20, 0x20},     {0x85, 0x85},     {0xA0, 0xA0},     {0x1680, 0x1680},
    {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000},
};
enum { N_SPACES = sizeof spaces / sizeof *spaces };

static void put_later(struct translation *t, const char *category) {
    size_t n = strlen(category);
    for (size_t i = 0; i < cru_category_n_later; i++)
        if (strncmp(cru_category_later[i].name, category, n) == 0)
            put_range(t, cru_category_later[i].first, cru_category_later[i].last);
}

static void put_category(struct translation *t, const char *category) {
    cru_buffer_printf(t->out, "\\p{%s}", category);
    put_later(t, category);
}

/* Those of its ranges that begin at `least` or above; false when there is no such set. */
static bool put_named(struct translation *t, const char *name, uint32_t least) {
    bool any = false;
    for (size_t i = 0; i < cru_category_n_named; i++) {
        if (strcmp(cru_category_named[i].name, name) != 0 || cru_category_named[i].first < least)
            continue;
        put_range(t, cru_category_named[i].first, cru_category_named[i].last);
        any = true;
    }
    return any;
}

/* Long names of general categories are not common in these patterns; these are. */
static const char *const categories[][2] = {
    {"L", "Letter"},
    {"Lu", "Uppercase_Letter"},
    {"Ll", "Lowercase_Letter"},
    {"Lt", ""},
    {"Lm", ""},
    {"Lo", ""},
    {"M", "Mark"},
    {"Mn", ""},
    {"Mc", ""},
    {"Me", ""},
    {"N", "Number"},
    {"Nd", ""},
    {"Nl", ""},
    {"No", ""},
    {"P", "Punctuation"},
    {"Pc", ""},
    {"Pd", ""},
    {"Ps", ""},
    {"Pe", ""},
    {"Pi", ""},
    {"Pf", ""},
    {"Po", ""},
    {"S", "Symbol"},
    {"Sm", ""},
    {"Sc", ""},
    {"Sk", ""},
    {"So", ""},
    {"Z", "Separator"},
    {"Zs", ""},
    {"Zl", ""},
    {"Zp", ""},
    {"Cc", ""},
    {"Cf", ""},
    {"Co", ""},
};

/* Behind \p or \P: reads {NAME}. */
static enum cru_status read_property(struct translation *t, char *name, size_t capacity,
                                     bool *negative) {
    size_t n = 0;
    if (!next_is(t, '{')) return refuse(t, "\\p without braces");
    t->p++;
    if (next_is(t, '^')) {
        *negative = !*negative;
        t->p++;
    }
    while (t->p < t->end && *t->p != '}' && n + 1 < capacity) name[n++] = (char)*t->p++;
    name[n] = 0;
    if (!next_is(t, '}') || n == 0) return refuse(t, "\\p{ without a name and }");
    t->p++;
    return CRU_OK;
}

static enum cru_status put_property(struct translation *t, const char *name) {
    for (size_t i = 0; i < sizeof categories / sizeof *categories; i++)
        if (strcasecmp(name, categories[i][0]) == 0 ||
            (*categories[i][1] && strcasecmp(name, categories[i][1]) == 0)) {
            put_category(t, categories[i][0]);
            return CRU_OK;
        }
    if (strcmp(name, "w") != 0 && put_named(t, name, 0)) return CRU_OK;
    return cru_fail(t->err, CRU_USAGE, "pattern: \\p{%s} is not supported", name);
}

static void put_complement_of_spaces(struct translation *t) {
    uint32_t from = 0;
    for (size_t i = 0; i < N_SPACES; from = spaces[i++][1] + 1)
        put_range(t, from, spaces[i][0] - 1);
    put_range(t, from, 0xD7FF);
    put_range(t, 0xE000, 0x10FFFF);
}

/* True for the letter of an escape that is a set of characters. */
static bool is_set_escape(uint32_t c) {
    return c < 0x80 && c && strchr("sSdDwWhHpP", (int)c);
}

/* The set of escape `letter`, whose letter has been read, as items of a class; `inside` a class a
 * negative set must be spelled out, else *negative says that the class is to be negated. */
static enum cru_status put_set(struct translation *t, uint32_t letter, bool inside,
                               bool *negative) {
    *negative = letter < 'a';
    if (t->fold) return refuse(t, "a set of characters in (?i) is not supported");
    char name[32];
    if (letter == 'p' || letter == 'P') {
        enum cru_status status = read_property(t, name, sizeof name, negative);
        if (status) return status;
    }
    if (inside && *negative) {
        if (letter != 'S') return refuse(t, "a negative set in a class is not supported");
        put_complement_of_spaces(t);
        return CRU_OK;
    }
    switch (letter | 0x20) {
    case 'p':
        return put_property(t, name);
    case 's':
        for (size_t i = 0; i < N_SPACES; i++) put_range(t, spaces[i][0], spaces[i][1]);
        break;
    case 'd':
        put_category(t, "Nd");
        break;
    case 'w':
        put_category(t, "L");
        put_category(t, "M");
        put_category(t, "Nd");
        put_category(t, "Pc");
        (void)put_named(t, "w", inside ? 0x100 : 0);
        break;
    default:
        cru_buffer_add_string(t->out, "0-9A-Fa-f");
        break;
    }
    return CRU_OK;
}

/* ------------------------------------------------------------------------------ escapes */

static enum cru_status read_hex(struct translation *t, size_t most, uint32_t *c) {
    size_t n = 0;
    *c = 0;
    for (; n < most && t->p < t->end; n++, t->p++) {
        unsigned char x = *t->p;
        uint32_t v;
        if (x >= '0' && x <= '9')
            v = x - '0';
        else if ((x | 0x20) >= 'a' && (x | 0x20) <= 'f')
            v = (x | 0x20u) - 'a' + 10;
        else
            break;
        *c = *c << 4 | v;
    }
    if (n == 0 || *c > 0x10FFFF || (*c >= 0xD800 && *c < 0xE000))
        return refuse(t, "an escape that is no character");
    return CRU_OK;
}

/* The one character that an escape stands for; its letter c has been read. */
static enum cru_status read_character(struct translation *t, uint32_t *c) {
    enum cru_status status;
    switch (*c) {
    case 'n':
        *c = '\n';
        return CRU_OK;
    case 'r':
        *c = '\r';
        return CRU_OK;
    case 't':
        *c = '\t';
        return CRU_OK;
    case 'f':
        *c = '\f';
        return CRU_OK;
    case 'v':
        *c = '\v';
        return CRU_OK;
    case 'a':
        *c = '\a';
        return CRU_OK;
    case 'e':
        *c = 0x1B;
        return CRU_OK;
    case 'x':
        if (!next_is(t, '{')) {
            status = read_hex(t, 2, c); /* one byte: only ASCII is a whole character */
            return !status && *c >= 0x80 ? refuse(t, "\\x of a byte that is not ASCII") : status;
        }
        t->p++;
        status = read_hex(t, 6, c);
        if (!status && !next_is(t, '}')) return refuse(t, "\\x{ without }");
        t->p++;
        return status;
    case 'u': {
        const unsigned char *digits = t->p;
        status = read_hex(t, 4, c);
        return !status && t->p != digits + 4 ? refuse(t, "\\u without four digits") : status;
    }
    default:
        break;
    }
    if ((*c >= '0' && *c <= '9') || (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z'))
        return cru_fail(t->err, CRU_USAGE, "pattern: \\%c is not supported", (int)*c);
    return CRU_OK;
}

static enum cru_status put_literal(struct translation *t, uint32_t c) {
    if (t->fold) {
        static const char *const joined[] = {"ss", "st", "ff", "fi", "fl"};
        if (c >= 0x80) return refuse(t, "a character beyond ASCII in (?i) is not supported");
        uint32_t lower = c >= 'A' && c <= 'Z' ? c | 0x20 : c;
        for (size_t i = 0; i < sizeof joined / sizeof *joined; i++)
            if (t->before == (uint32_t)joined[i][0] && lower == (uint32_t)joined[i][1])
                return refuse(t, "ss, st, ff, fi and fl in (?i) are not supported");
        begin_atom(t);
        t->before = lower;
    } else {
        begin_atom(t);
    }
    put_range(t, c, c);
    return CRU_OK;
}

static enum cru_status put_escape(struct translation *t) {
    if (t->p == t->end) return refuse(t, "ends in a backslash");
    uint32_t c = take(t);
    if (is_set_escape(c)) {
        struct cru_buffer *out = t->out;
        bool negative = false;
        begin_atom(t);
        size_t at = out->n + 1;
        cru_buffer_add_string(out, "[ ");
        enum cru_status status = put_set(t, c, false, &negative);
        cru_buffer_add_char(out, ']');
        if (status || out->failed) return status;
        if (negative)
            out->p[at] = '^';
        else
            memmove(out->p + at, out->p + at + 1, --out->n - at);
        return CRU_OK;
    }
    if (c == 'b' && !t->fold) {
        static const char *const parts[] = {"(?:(?<=[", "])(?![", "])|(?<![", "])(?=[", "]))"};
        for (size_t i = 0; i < 5; i++) {
            bool negative;
            cru_buffer_add_string(t->out, parts[i]);
            if (i < 4) (void)put_set(t, 'w', false, &negative);
        }
        t->atom = NO_ATOM;
        return CRU_OK;
    }
    if (c == 'A' || c == 'z') {
        cru_buffer_printf(t->out, "\\%c", (int)c);
        t->atom = NO_ATOM;
        return CRU_OK;
    }
    enum cru_status status = read_character(t, &c);
    return status ? status : put_literal(t, c);
}

/* ------------------------------------------------------------------------------ classes */

/* One end of a range, or a set (*set, already written). */
static enum cru_status class_item(struct translation *t, uint32_t *c, bool *set) {
    *set = false;
    *c = take(t);
    if (*c == '&' && next_is(t, '&')) return refuse(t, "&& in a class is not supported");
    if (*c == '\\') {
        if (t->p == t->end) return refuse(t, "ends in a backslash");
        *c = take(t);
        bool negative;
        *set = is_set_escape(*c);
        if (*set) return put_set(t, *c, true, &negative);
        enum cru_status status = read_character(t, c);
        if (status) return status;
    }
    if (t->fold && *c >= 0x80)
        return refuse(t, "a character beyond ASCII in (?i) is not supported");
    return CRU_OK;
}

/* Behind its [. */
static enum cru_status put_class(struct translation *t) {
    begin_atom(t);
    cru_buffer_add_char(t->out, '[');
    if (next_is(t, '^')) {
        cru_buffer_add_char(t->out, '^');
        t->p++;
    }
    if (next_is(t, ']')) return refuse(t, "an empty class");
    bool first = true;
    for (size_t inner = 0; t->p < t->end && (inner || *t->p != ']'); first = false) {
        uint32_t c, last;
        bool set, dash = *t->p == '-';
        if (*t->p == '[' || *t->p == ']') { /* a class in a class adds its characters to it */
            inner = *t->p++ == '[' ? inner + 1 : inner - 1;
            if (next_is(t, '^') || next_is(t, ':') || (t->p[-1] == '[' && next_is(t, ']')))
                return refuse(t, "a class in a class of this kind is not supported");
            continue;
        }
        enum cru_status status = class_item(t, &c, &set);
        if (status) return status;
        if (dash && !first && !next_is(t, ']')) return refuse(t, "a - between items of a class");
        if (set) continue;
        last = c;
        if (next_is(t, '-') && t->p + 1 < t->end && t->p[1] != ']') {
            t->p++;
            status = class_item(t, &last, &set);
            if (status) return status;
            if (set || last < c) return refuse(t, "a range in a class that is none");
        }
        put_range(t, c, last);
    }
    if (t->p == t->end) return refuse(t, "a class without ]");
    t->p++;
    cru_buffer_add_char(t->out, ']');
    return CRU_OK;
}

/* ------------------------------------------------------------------------------ groups */

static bool starts(const struct translation *t, const char *s) {
    size_t n = strlen(s);
    return (size_t)(t->end - t->p) >= n && memcmp(t->p, s, n) == 0;
}

static enum cru_status open_group(struct translation *t) {
    static const struct {
        const char *source, *ours;
        bool fold, look;
    } kinds[] = {
        {"?:", "(?:", false, false},  {"?i:", "(?i:", true, false}, {"?>", "(?>", false, false},
        {"?=", "(?=", false, true},   {"?!", "(?!", false, true},   {"?<=", "(?<=", false, true},
        {"?<!", "(?<!", false, true}, {"", "(?:", false, false}, /* nothing refers to what it takes
                                                                  */
    };
    size_t k = 0;
    while (!starts(t, kinds[k].source)) k++;
    t->p += strlen(kinds[k].source);
    if (next_is(t, '?') || (next_is(t, '*') && k == 7))
        return refuse(t, "a group or option of this kind is not supported");
    if (t->depth == MOST_GROUPS) return refuse(t, "too many groups in groups");
    t->group[t->depth++] = (struct group){t->out->n, t->fold, kinds[k].look};
    t->fold = t->fold || kinds[k].fold;
    cru_buffer_add_string(t->out, kinds[k].ours);
    t->atom = NO_ATOM;
    return CRU_OK;
}

static enum cru_status close_group(struct translation *t) {
    if (t->depth == 0) return refuse(t, "a ) without (");
    struct group g = t->group[--t->depth];
    cru_buffer_add_char(t->out, ')');
    t->fold = g.fold;
    t->atom = g.look ? NO_ATOM : (long)g.begins;
    return CRU_OK;
}

/* ------------------------------------------------------------------------------ quantifiers */

static bool read_number(struct translation *t, unsigned *n) {
    const unsigned char *from = t->p;
    for (*n = 0; t->p < t->end && *t->p >= '0' && *t->p <= '9' && *n < 100000; t->p++)
        *n = *n * 10 + (*t->p - '0');
    return t->p > from;
}

/* Behind {: reads an interval. False, with nothing read, when it is none and { is a character. */
static bool read_interval(struct translation *t, char *text, size_t capacity, bool *exact) {
    const unsigned char *from = t->p;
    unsigned least = 0, most = 0;
    bool has_least = read_number(t, &least), has_most = false;
    *exact = true;
    if (next_is(t, ',')) {
        *exact = false;
        t->p++;
        has_most = read_number(t, &most);
    }
    if (!next_is(t, '}') || (!has_least && !has_most) || (has_most && most < least)) {
        t->p = from;
        return false;
    }
    t->p++;
    if (*exact)
        snprintf(text, capacity, "{%u}", least);
    else if (has_most)
        snprintf(text, capacity, "{%u,%u}", least, most);
    else
        snprintf(text, capacity, "{%u,}", least);
    return true;
}

/* Makes the atom a group of its own. */
static void wrap_atom(struct translation *t) {
    size_t at = (size_t)t->atom;
    cru_buffer_add_string(t->out, "(?:"); /* for its room */
    if (t->out->failed) return;
    memmove(t->out->p + at + 3, t->out->p + at, t->out->n - 3 - at);
    memcpy(t->out->p + at, "(?:", 3);
    cru_buffer_add_char(t->out, ')');
}

static enum cru_status put_quantifier(struct translation *t, uint32_t c) {
    char text[32] = {(char)c, 0};
    bool interval = c == '{', exact = false;
    if (interval && !read_interval(t, text, sizeof text, &exact)) return put_literal(t, c);
    if (t->atom == NO_ATOM) return refuse(t, "a quantifier of nothing, or of a quantifier");
    cru_buffer_add_string(t->out, text);
    if (next_is(t, '?') || next_is(t, '+')) {
        if (interval && (exact || *t->p == '+')) wrap_atom(t);
        cru_buffer_add_char(t->out, (char)*t->p++);
    }
    t->atom = NO_ATOM;
    t->before = 0;
    return CRU_OK;
}

static enum cru_status put_next(struct translation *t) {
    uint32_t c = take(t);
    switch (c) {
    case '\\':
        return put_escape(t);
    case '[':
        return put_class(t);
    case '(':
        return open_group(t);
    case ')':
        return close_group(t);
    case '*':
    case '+':
    case '?':
    case '{':
        return put_quantifier(t, c);
    case '|':
        cru_buffer_add_char(t->out, '|');
        break;
    case '^':
        cru_buffer_add_string(t->out, "(?m:^)");
        break;
    case '$':
        cru_buffer_add_string(t->out, "(?m:$)");
        break;
    case '.':
        begin_atom(t);
        cru_buffer_add_string(t->out, "[^\\n]");
        return CRU_OK;
    default:
        return put_literal(t, c);
    }
    t->atom = NO_ATOM;
    t->before = 0;
    return CRU_OK;
}

enum cru_status cru_pattern_translate(struct cru_span source, struct cru_buffer *out,
                                      struct cru_error *err) {
    struct translation t = {
        .p = (const unsigned char *)source.p, .out = out, .atom = NO_ATOM, .err = err};
    if (source.n > MOST_BYTES)
        return cru_fail(err, CRU_USAGE, "pattern: longer than %d bytes", MOST_BYTES);
    if (source.n == 0) return cru_fail(err, CRU_USAGE, "pattern: empty");
    t.end = t.p + source.n;
    while (t.p < t.end) {
        enum cru_status status = put_next(&t);
        if (status) return status;
    }
    if (t.depth) return refuse(&t, "a ( without )");
    return out->failed ? cru_fail_memory(err, "pattern") : CRU_OK;
}
