/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/base/base.h"
#include "crucible/read/man_chars.h"
#include "crucible/read/man_private.h"

/* Behind the whole character at p < end: names and delimiters are characters, not bytes. */
static const char *next_character(const char *p, const char *end) {
    p++;
    while (p < end && ((unsigned char)*p & 0xC0) == 0x80) p++;
    return p;
}

struct cru_span man_escape_name(const char **at, const char *end) {
    const char *p = *at;
    struct cru_span name = cru_span_make(p, 0);
    if (p < end && *p == '(') {
        const char *close = ++p;
        for (int i = 0; i < 2 && close < end; i++) close = next_character(close, end);
        name = cru_span_make(p, (size_t)(close - p));
        p = close;
    } else if (p < end && *p == '[') {
        const char *close = memchr(p, ']', (size_t)(end - p));
        name = cru_span_make(p + 1, (size_t)((close ? close : end) - p) - 1);
        p = close ? close + 1 : end;
    } else if (p < end) {
        const char *close = next_character(p, end);
        name = cru_span_make(p, (size_t)(close - p));
        p = close;
    }
    *at = p;
    return name;
}

static size_t slot(struct cru_span name) {
    return (size_t)(cru_hash64(name.p, name.n, 0) & 63);
}

struct man_name *man_find(const struct cru_man *m, char kind, struct cru_span name) {
    for (struct man_name *n = m->names[slot(name)]; n; n = n->next)
        if (n->kind == kind && cru_span_eq(n->name, name)) return n;
    return NULL;
}

void man_set(struct cru_man *m, char kind, struct cru_span name, struct cru_span value,
             long number) {
    struct man_name *n = man_find(m, kind, name);
    struct cru_span copy = cru_arena_copy(&m->arena, value);
    if (!n) {
        struct cru_span own = cru_arena_copy(&m->arena, name);
        n = cru_arena_calloc(&m->arena, 1, sizeof *n);
        if (!n || !own.p) {
            m->failed = true;
            return;
        }
        n->name = own;
        n->kind = kind;
        n->next = m->names[slot(name)];
        m->names[slot(name)] = n;
    }
    if (!copy.p) m->failed = true;
    n->value = copy;
    n->number = number;
}

static long register_value(const struct cru_man *m, struct cru_span name) {
    if (cru_span_is(name, ".g")) return 1; /* what groff answers */
    if (cru_span_is(name, ".x")) return 1;
    if (cru_span_is(name, ".y")) return 22;
    if (cru_span_is(name, ".l") || cru_span_is(name, ".ll")) return 72;
    if (cru_span_is(name, ".$")) return m->depth ? (long)m->inputs[m->depth - 1].n_args : 0;
    const struct man_name *n = man_find(m, 'r', name);
    return n ? n->number : 0;
}

static void expand(struct cru_man *m, struct cru_span line, int depth);

static void expand_argument(struct cru_man *m, const char **at, const char *end, int depth) {
    const struct man_input *in = &m->inputs[m->depth - 1];
    const char *p = *at;
    if (p < end && (*p == '*' || *p == '@')) {
        for (size_t i = 0; i < in->n_args; i++) {
            if (i) cru_buffer_add_char(&m->expanded, ' ');
            if (*p == '@') cru_buffer_add_char(&m->expanded, '"');
            cru_buffer_add_span(&m->expanded, in->args[i]);
            if (*p == '@') cru_buffer_add_char(&m->expanded, '"');
        }
        *at = p + 1;
        return;
    }
    struct cru_span name = man_escape_name(&p, end);
    *at = p;
    if (name.n != 1 || *name.p < '1' || *name.p > '9') return;
    size_t i = (size_t)(*name.p - '1');
    if (i < in->n_args) expand(m, in->args[i], depth + 1);
}

static void expand(struct cru_man *m, struct cru_span line, int depth) {
    const char *p = line.p, *end = line.p + line.n;
    if (depth > MAN_DEPTH || line.n > m->budget) {
        m->exceeded = true;
        return;
    }
    m->budget -= line.n;
    while (p < end) {
        const char *escape = memchr(p, '\\', (size_t)(end - p));
        if (!escape || escape + 1 >= end) {
            cru_buffer_add(&m->expanded, p, (size_t)(end - p));
            return;
        }
        cru_buffer_add(&m->expanded, p, (size_t)(escape - p));
        p = escape + 2;
        switch (escape[1]) {
        case '"':
        case '#': return; /* a comment to the end of the line */
        case '*': {
            struct cru_span name = man_escape_name(&p, end);
            const struct man_name *n = man_find(m, 's', name);
            const char *known = n ? NULL : man_predefined_string(name);
            if (n) expand(m, n->value, depth + 1);
            if (known) cru_buffer_add_string(&m->expanded, known);
            break;
        }
        case 'n': {
            if (p < end && (*p == '+' || *p == '-')) p++;
            struct cru_span name = man_escape_name(&p, end);
            cru_buffer_printf(&m->expanded, "%ld", register_value(m, name));
            break;
        }
        case '$': expand_argument(m, &p, end, depth); break;
        default:
            cru_buffer_add(&m->expanded, escape, 2);
            break;
        }
    }
}

void man_expand(struct cru_man *m, struct cru_span line) {
    cru_buffer_clear(&m->expanded);
    expand(m, line, 0);
    cru_buffer_add(&m->expanded, "", 0);
    if (m->expanded.failed) m->failed = true;
}

/* Behind an argument in any delimiters, which goes to *inner: \h'...', \w"...". */
static const char *delimited(const char *p, const char *end, struct cru_span *inner) {
    *inner = cru_span_make(p, 0);
    if (p == end) return p;
    const char *from = next_character(p, end);
    const char *close = memmem(from, (size_t)(end - from), p, (size_t)(from - p));
    *inner = cru_span_make(from, (size_t)((close ? close : end) - from));
    return close ? close + (from - p) : end;
}

static void add_code_point(struct cru_buffer *out, unsigned long c) {
    char s[4];
    size_t n = 0;
    if (c == 0) return;
    if (c < 0x80) {
        s[n++] = (char)c;
    } else if (c < 0x800) {
        s[n++] = (char)(0xC0 | c >> 6);
        s[n++] = (char)(0x80 | (c & 63));
    } else if (c < 0x10000) {
        if (c >= 0xD800 && c < 0xE000) return;
        s[n++] = (char)(0xE0 | c >> 12);
        s[n++] = (char)(0x80 | (c >> 6 & 63));
        s[n++] = (char)(0x80 | (c & 63));
    } else if (c < 0x110000) {
        s[n++] = (char)(0xF0 | c >> 18);
        s[n++] = (char)(0x80 | (c >> 12 & 63));
        s[n++] = (char)(0x80 | (c >> 6 & 63));
        s[n++] = (char)(0x80 | (c & 63));
    }
    cru_buffer_add(out, s, n);
}

/* \(xx, \[xx], \[u00E9], \[u0065_0301], \[e aa]. */
static void add_character(struct cru_span name, struct cru_buffer *out) {
    const char *known = man_character(name);
    if (known) {
        cru_buffer_add_string(out, known);
        return;
    }
    if (name.n >= 5 && name.p[0] == 'u') {
        char digits[8];
        size_t at = 1;
        while (at < name.n) {
            size_t n = 0;
            while (at < name.n && name.p[at] != '_' && n < sizeof digits - 1)
                digits[n++] = name.p[at++];
            digits[n] = '\0';
            add_code_point(out, strtoul(digits, NULL, 16));
            while (at < name.n && name.p[at] != '_') at++;
            at++;
        }
        return;
    }
    const char *space = name.n ? memchr(name.p, ' ', name.n) : NULL;
    if (space) { /* a composite: the base character, then accents */
        add_character(cru_span_make(name.p, (size_t)(space - name.p)), out);
        return;
    }
    if (name.n == 1) cru_buffer_add(out, name.p, 1);
}

/* The size behind \s: 0, +1, -1, (10, [10], '10'. */
static const char *skip_size(const char *p, const char *end) {
    struct cru_span inner;
    if (p < end && (*p == '+' || *p == '-')) p++;
    if (p < end && *p == '\'') return delimited(p, end, &inner);
    if (p < end && *p >= '1' && *p <= '3' && p + 1 < end && p[1] >= '0' && p[1] <= '9') return p + 2;
    (void)man_escape_name(&p, end);
    return p;
}

/* One escape; p is behind its letter. */
static const char *resolve_escape(char c, const char *p, const char *end, struct cru_buffer *out,
                                  bool *joined) {
    struct cru_span inner;
    switch (c) {
    case '-': cru_buffer_add_char(out, '-'); break;
    case 'e':
    case '\\':
    case 'E': cru_buffer_add_char(out, '\\'); break;
    case ' ':
    case '~':
    case '0':
    case 't': cru_buffer_add_char(out, ' '); break;
    case '\'': cru_buffer_add_string(out, "\xC2\xB4"); break;
    case '`': cru_buffer_add_char(out, '`'); break;
    case '.': cru_buffer_add_char(out, '.'); break;
    case '_': cru_buffer_add_char(out, '_'); break;
    case 'c': *joined = true; break;
    case '(':
    case '[': {
        p--;
        add_character(man_escape_name(&p, end), out);
        break;
    }
    case 'C':
        p = delimited(p, end, &inner);
        add_character(inner, out);
        break;
    case 'N':
        p = delimited(p, end, &inner);
        if (inner.n) add_code_point(out, strtoul(inner.p, NULL, 10));
        break;
    case 'f':
    case 'F':
    case 'm':
    case 'M':
    case 'g':
    case 'k':
    case 'O':
    case 'V':
    case 'Y': (void)man_escape_name(&p, end); break;
    case 's': p = skip_size(p, end); break;
    case 'o':
    case 'Z': { /* overstrike: its first character; a box: its text */
        p = delimited(p, end, &inner);
        if (inner.n) {
            if (c == 'o' && *inner.p != '\\') {
                const char *q = inner.p;
                inner = man_escape_name(&q, inner.p + inner.n);
            }
            bool ignored = false;
            if (inner.p[0] != '\\' || inner.n < 2 || inner.p[1] != c)
                man_resolve(inner, out, &ignored);
        }
        break;
    }
    case 'z':
        break; /* the character that follows is kept */
    case 'h': /* a move to the right by something is a space */
        p = delimited(p, end, &inner);
        if (inner.n && !memchr("-0|.", *inner.p, 4)) cru_buffer_add_char(out, ' ');
        break;
    case 'A':
    case 'B':
    case 'b':
    case 'D':
    case 'H':
    case 'l':
    case 'L':
    case 'R':
    case 'S':
    case 'v':
    case 'w':
    case 'x':
    case 'X': p = delimited(p, end, &inner); break;
    default:
        /* \& \| \^ \% \: \/ \, \) \{ \} \d \u \r \p \a \! \? print nothing; an unknown one itself */
        if (!strchr("&|^%:/,){}durpa!?\n", c)) {
            p--;
            cru_buffer_add_span(out, man_escape_name(&p, end));
        }
        break;
    }
    return p;
}

void man_resolve(struct cru_span text, struct cru_buffer *out, bool *joined) {
    const char *p = text.p, *end = text.p + text.n;
    *joined = false;
    while (p < end) {
        const char *escape = memchr(p, '\\', (size_t)(end - p));
        const char *stop = escape ? escape : end;
        for (const char *from = p;; p++) { /* what a printer would make of ASCII quotes */
            if (p < stop && *p != '\t' && (unsigned char)*p >= 0x20) continue;
            cru_buffer_add(out, from, (size_t)(p - from));
            if (p == stop) break;
            if (*p == '\t') cru_buffer_add_char(out, '\t'); /* other controls go */
            from = p + 1;
        }
        if (!escape || escape + 1 >= end) return;
        p = resolve_escape(escape[1], escape + 2, end, out, joined);
    }
}
