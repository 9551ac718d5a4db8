/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/base/base.h"
#include "crucible/read/man_private.h"

struct cru_man *cru_man_new(void) {
    struct cru_man *m = calloc(1, sizeof *m);
    if (m) cru_arena_init(&m->arena);
    return m;
}

void cru_man_free(struct cru_man *m) {
    if (!m) return;
    cru_arena_release(&m->arena);
    cru_buffer_release(&m->line);
    cru_buffer_release(&m->expanded);
    cru_buffer_release(&m->piece);
    cru_buffer_release(&m->tag);
    cru_buffer_release(&m->url);
    free(m);
}

void man_gap(struct cru_man *m, enum man_gap gap) {
    if (gap > m->gap) m->gap = gap;
    if (gap > GAP_SPACE) m->joined = false;
}

/* Filled text: runs of blanks are one space. */
static void add_filled(struct cru_buffer *out, struct cru_span text) {
    const char *p = text.p, *end = text.p + text.n;
    while (p < end) {
        const char *from = p;
        while (p < end && *p != ' ' && *p != '\t' && *p != '\n') p++;
        cru_buffer_add(out, from, (size_t)(p - from));
        while (p < end && (*p == ' ' || *p == '\t' || *p == '\n')) p++;
        if (p < end) cru_buffer_add_char(out, ' ');
    }
}

void man_put(struct cru_man *m, struct cru_span text) {
    while (text.n && (text.p[text.n - 1] == ' ' || text.p[text.n - 1] == '\t')) text.n--;
    size_t lead = 0;
    while (lead < text.n && (text.p[lead] == ' ' || text.p[lead] == '\t')) lead++;
    if (lead == text.n) return;
    if (m->fill) {
        text.p += lead;
        text.n -= lead;
    }
    struct cru_buffer *out = m->out;
    if (out->n > m->start) {
        if (m->gap == GAP_PARAGRAPH) cru_buffer_add(out, "\n\n", 2);
        if (m->gap == GAP_BREAK) cru_buffer_add_char(out, '\n');
        if (m->gap == GAP_SPACE && !m->joined) cru_buffer_add_char(out, ' ');
    }
    if (m->fill)
        add_filled(out, text);
    else
        cru_buffer_add_span(out, text);
    m->gap = m->fill ? GAP_SPACE : GAP_BREAK;
    m->joined = false;
    m->url_text = true;
    if (m->heading_next) {
        m->heading_next = false;
        m->gap = GAP_PARAGRAPH;
    }
    if (m->tag_next) {
        m->tag_next = 0;
        m->gap = GAP_BREAK;
    }
}

void man_heading(struct cru_man *m, struct cru_span text) {
    man_gap(m, GAP_PARAGRAPH);
    bool fill = m->fill;
    m->fill = true;
    m->tag_next = 0;
    man_put(m, text);
    m->fill = fill;
    man_gap(m, GAP_PARAGRAPH);
}

size_t man_args(struct cru_span rest, struct cru_span *args, bool *quoted) {
    size_t n = 0;
    const char *p = rest.p, *end = rest.p + rest.n;
    while (n < MAN_ARGS) {
        while (p < end && (*p == ' ' || *p == '\t')) p++;
        if (p >= end) break;
        bool quote = *p == '"';
        if (quote) p++;
        const char *from = p;
        while (p < end && (quote ? *p != '"' : *p != ' ')) p += *p == '\\' && p + 1 < end ? 2 : 1;
        if (p > end) p = end;
        if (quoted) quoted[n] = quote;
        args[n++] = cru_span_make(from, (size_t)(p - from));
        if (quote && p < end) p++;
    }
    return n;
}

struct cru_span man_join(struct cru_man *m, const struct cru_span *args, size_t n,
                         const char *between) {
    cru_buffer_clear(&m->piece);
    bool joined = false;
    for (size_t i = 0; i < n; i++) {
        if (i) cru_buffer_add_string(&m->piece, between);
        man_resolve(args[i], &m->piece, &joined);
    }
    return cru_buffer_span(&m->piece);
}

bool man_next_line(struct cru_man *m, struct cru_span *line) {
    while (m->depth) {
        struct man_input *in = &m->inputs[m->depth - 1];
        if (in->rest.n == 0) {
            if (--m->depth == 0) break;
            continue;
        }
        bool joining = false;
        for (;;) {
            const char *newline = memchr(in->rest.p, '\n', in->rest.n);
            size_t n = newline ? (size_t)(newline - in->rest.p) : in->rest.n;
            struct cru_span piece = cru_span_make(in->rest.p, n);
            in->rest.p += newline ? n + 1 : n;
            in->rest.n -= newline ? n + 1 : n;
            if (piece.n && piece.p[piece.n - 1] == '\r') piece.n--;
            size_t slashes = 0; /* an odd number at the end: the newline is escaped */
            while (slashes < piece.n && piece.p[piece.n - 1 - slashes] == '\\') slashes++;
            bool more = slashes % 2 == 1 && in->rest.n > 0;
            if (!joining && !more) {
                *line = piece;
                return true;
            }
            if (!joining) cru_buffer_clear(&m->line);
            joining = true;
            cru_buffer_add(&m->line, piece.p, more ? piece.n - 1 : piece.n);
            if (!more) break;
        }
        if (m->line.failed) m->failed = true;
        *line = cru_buffer_span(&m->line);
        return true;
    }
    return false;
}

void man_skip_to(struct cru_man *m, struct cru_span end, struct cru_buffer *body) {
    struct cru_span line;
    while (man_next_line(m, &line)) {
        if (line.n > end.n && line.p[0] == '.') {
            size_t at = 1;
            while (at < line.n && (line.p[at] == ' ' || line.p[at] == '\t')) at++;
            struct cru_span word = cru_span_make(line.p + at, line.n - at);
            const char *space = word.n ? memchr(word.p, ' ', word.n) : NULL;
            if (space) word.n = (size_t)(space - word.p);
            if (cru_span_eq(word, end)) return;
        }
        if (!body) continue;
        for (size_t i = 0; i < line.n; i++) { /* copy mode: \\ is \ */
            cru_buffer_add_char(body, line.p[i]);
            if (line.p[i] == '\\' && i + 1 < line.n && line.p[i + 1] == '\\') i++;
        }
        cru_buffer_add_char(body, '\n');
    }
}

void man_call(struct cru_man *m, const struct man_name *macro, struct cru_span rest) {
    if (m->depth == MAN_DEPTH || macro->value.n > m->budget) {
        m->exceeded = true;
        return;
    }
    m->budget -= macro->value.n;
    struct cru_span args[MAN_ARGS];
    size_t n = man_args(rest, args, NULL);
    struct man_input *in = &m->inputs[m->depth];
    in->rest = macro->value;
    in->n_args = n < 9 ? n : 9;
    for (size_t i = 0; i < in->n_args; i++) {
        in->args[i] = cru_arena_copy(&m->arena, args[i]);
        if (!in->args[i].p) m->failed = true;
    }
    m->depth++;
}

static void text_line(struct cru_man *m, struct cru_span line) {
    if (line.n == 0) {
        man_gap(m, GAP_PARAGRAPH);
        return;
    }
    man_expand(m, line);
    if (m->fill && (line.p[0] == ' ' || line.p[0] == '\t')) man_gap(m, GAP_BREAK);
    bool joined;
    cru_buffer_clear(&m->piece);
    man_resolve(cru_buffer_span(&m->expanded), &m->piece, &joined);
    int tag = m->tag_next;
    man_put(m, cru_buffer_span(&m->piece));
    if (joined) { /* \c: what follows belongs to this text */
        m->joined = true;
        m->gap = GAP_SPACE;
        m->tag_next = tag;
    }
}

static bool is_conditional(struct cru_span name) {
    return cru_span_is(name, "if") || cru_span_is(name, "ie") || cru_span_is(name, "el") ||
           cru_span_is(name, "while");
}

static void control_line(struct cru_man *m, struct cru_span line) {
    const char *p = line.p + 1, *end = line.p + line.n;
    while (p < end && (*p == ' ' || *p == '\t')) p++;
    if (p == end || (*p == '\\' && p + 1 < end && (p[1] == '"' || p[1] == '#'))) return;
    if (*p == '\\' && p + 1 < end && p[1] == '}') return; /* the end of a condition's lines */
    const char *name = p;
    while (p < end && *p != ' ' && *p != '\t' && *p != '\\') p++;
    struct cru_span called = cru_span_make(name, (size_t)(p - name));
    struct cru_span rest = cru_span_make(p, (size_t)(end - p));
    if (is_conditional(called)) {
        man_condition(m, called, rest);
        return;
    }
    man_expand(m, rest);
    rest = cru_buffer_span(&m->expanded);
    if (!rest.p) rest = cru_span_make("", 0);
    if (m->mdoc && man_mdoc(m, called, rest)) return;
    if (man_request(m, called, rest)) return;
    const struct man_name *macro = man_find(m, 'm', called);
    if (macro) man_call(m, macro, rest);
}

void man_line(struct cru_man *m, struct cru_span line) {
    if (line.n && (line.p[0] == '.' || line.p[0] == '\''))
        control_line(m, line);
    else if (line.n >= 2 && line.p[0] == '\\' && (line.p[1] == '"' || line.p[1] == '#'))
        return;
    else
        text_line(m, line);
}

enum cru_status cru_man_text(struct cru_man *m, struct cru_span page, struct cru_buffer *out,
                             const char **rule, struct cru_error *err) {
    *rule = NULL;
    cru_arena_clear(&m->arena);
    memset(m->names, 0, sizeof m->names);
    m->out = out;
    m->start = out->n;
    m->gap = GAP_NONE;
    m->fill = true;
    m->joined = m->heading_next = m->redirect = m->failed = m->exceeded = false;
    m->in_url = m->url_text = m->mdoc = m->no_space = m->spaced_off = m->in_authors = false;
    m->in_function = false;
    m->tag_next = 0;
    m->n_otherwise = m->n_lists = m->function_args = 0;
    m->mdoc_name = cru_span_make("", 0);
    m->budget = page.n <= (SIZE_MAX - CRU_MAN_SLACK) / CRU_MAN_GROWTH
                    ? page.n * CRU_MAN_GROWTH + CRU_MAN_SLACK
                    : SIZE_MAX;
    m->inputs[0] = (struct man_input){.rest = page};
    m->depth = page.n ? 1 : 0;
    struct cru_span line;
    while (!m->failed && !m->exceeded && man_next_line(m, &line)) man_line(m, line);
    if (m->failed || out->failed || m->piece.failed)
        return cru_fail_memory(err, "the text of a manual page");
    if (m->exceeded) {
        *rule = "too-complex";
        return cru_fail(err, CRU_BAD, "a manual page's macros expand without end");
    }
    if (m->redirect && out->n == m->start) {
        *rule = "redirect";
        return cru_fail(err, CRU_BAD, "a manual page only names another one");
    }
    return CRU_OK;
}
