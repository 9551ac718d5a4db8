/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of roff(7) and macros of man(7), groff_man(7) included. */
#include "crucible/base/base.h"
#include "crucible/read/man_private.h"

enum action {
    IGNORE, BREAK, PARAGRAPH, SPACE, SECTION, TAGGED, TAGGED_MORE, INDENTED, WORDS, ALTERNATE,
    FILL, NO_FILL, URL, URL_END, SYNOPSIS, OPTION, DEFINE, DEFINE_STRING, APPEND_STRING, REGISTER,
    SKIP_BODY, TABLE, EQUATION, PICTURE, SOURCE, MDOC, RENAME,
};

/* Sorted by name, bytewise. */
static const struct {
    const char *name;
    enum action action;
} requests[] = {
    {"AT", IGNORE},       {"B", WORDS},         {"BI", ALTERNATE},  {"BR", ALTERNATE},
    {"DT", IGNORE},       {"Dd", MDOC},         {"EE", FILL},       {"EQ", EQUATION},
    {"EX", NO_FILL},      {"HP", PARAGRAPH},    {"I", WORDS},       {"IB", ALTERNATE},
    {"IP", INDENTED},     {"IR", ALTERNATE},    {"LP", PARAGRAPH},  {"ME", URL_END},
    {"MT", URL},          {"OP", OPTION},       {"P", PARAGRAPH},   {"PD", IGNORE},
    {"PP", PARAGRAPH},    {"PS", PICTURE},      {"R", WORDS},       {"RB", ALTERNATE},
    {"RE", BREAK},        {"RI", ALTERNATE},    {"RS", BREAK},      {"SB", WORDS},
    {"SH", SECTION},      {"SM", WORDS},        {"SS", SECTION},    {"SY", SYNOPSIS},
    {"TE", IGNORE},       {"TH", IGNORE},       {"TP", TAGGED},     {"TQ", TAGGED_MORE},
    {"TS", TABLE},        {"UC", IGNORE},       {"UE", URL_END},    {"UR", URL},
    {"YS", BREAK},        {"am", SKIP_BODY},    {"as", APPEND_STRING}, {"br", BREAK},
    {"ce", BREAK},        {"de", DEFINE},       {"de1", DEFINE},    {"ds", DEFINE_STRING},
    {"fi", FILL},         {"ig", SKIP_BODY},    {"in", BREAK},      {"nf", NO_FILL},
    {"nr", REGISTER},     {"rn", RENAME},       {"so", SOURCE},     {"sp", SPACE},
    {"ti", BREAK},
};

static bool find_action(struct cru_span name, enum action *action) {
    size_t low = 0, high = sizeof requests / sizeof requests[0];
    while (low < high) {
        size_t middle = (low + high) / 2, n = strlen(requests[middle].name);
        int order = memcmp(name.p, requests[middle].name, name.n < n ? name.n : n);
        if (order == 0) order = (name.n > n) - (name.n < n);
        if (order == 0) {
            *action = requests[middle].action;
            return true;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

static void put_words(struct cru_man *m, const struct cru_span *args, size_t n,
                      const char *between) {
    if (n == 0) return;
    struct cru_span last = args[n - 1];
    bool joined = last.n >= 2 && memcmp(last.p + last.n - 2, "\\c", 2) == 0;
    int tag = m->tag_next;
    man_put(m, man_join(m, args, n, between));
    if (joined) {
        m->joined = true;
        m->gap = GAP_SPACE;
        m->tag_next = tag;
    }
}

/* A mark in front of a list's paragraph stays on the line: a bullet, a number. */
static bool is_mark(struct cru_span tag, bool *bullet) {
    static const char *const bullets[] = {"\xE2\x80\xA2", "\xC2\xB7", "*", "-", "o", "+",
                                          "\xE2\x80\x94", "\xE2\x88\x97", "\xE2\x96\xA1"};
    *bullet = false;
    for (size_t i = 0; i < sizeof bullets / sizeof bullets[0]; i++)
        if (cru_span_is(tag, bullets[i])) *bullet = true;
    if (*bullet) return true;
    size_t digits = 0;
    for (size_t i = 0; i < tag.n; i++) digits += tag.p[i] >= '0' && tag.p[i] <= '9';
    return digits && tag.n <= digits + 2 && tag.n <= 5;
}

static void indented(struct cru_man *m, const struct cru_span *args, size_t n) {
    man_gap(m, GAP_PARAGRAPH);
    m->tag_next = 0;
    if (n == 0) return;
    struct cru_span tag = cru_span_trim(man_join(m, args, 1, ""));
    if (tag.n == 0) return;
    bool bullet;
    bool mark = is_mark(tag, &bullet);
    bool fill = m->fill;
    m->fill = true;
    man_put(m, bullet ? CRU_SPAN("-") : tag);
    m->fill = fill;
    if (!mark) man_gap(m, GAP_BREAK);
    else m->gap = GAP_SPACE;
}

static void url_end(struct cru_man *m, const struct cru_span *args, size_t n) {
    if (!m->in_url) return;
    m->in_url = false;
    cru_buffer_clear(&m->piece);
    bool bare = !m->url_text, joined;
    if (!bare) cru_buffer_add_char(&m->piece, '<');
    cru_buffer_add_span(&m->piece, cru_buffer_span(&m->url));
    if (!bare) cru_buffer_add_char(&m->piece, '>');
    if (n) man_resolve(args[0], &m->piece, &joined);
    man_put(m, cru_buffer_span(&m->piece));
}

static void define(struct cru_man *m, const struct cru_span *args, size_t n, bool keep) {
    struct cru_buffer body;
    cru_buffer_init(&body);
    struct cru_span name = n ? cru_arena_copy(&m->arena, args[0]) : CRU_SPAN("");
    struct cru_span end = n > 1 ? cru_arena_copy(&m->arena, args[1]) : CRU_SPAN(".");
    if (!keep) end = n ? name : CRU_SPAN(".");
    if (!name.p || !end.p)
        m->failed = true;
    else
        man_skip_to(m, end, keep ? &body : NULL);
    if (keep && name.n && !m->failed)
        man_set(m, 'm', name, cru_span_make(body.p ? body.p : "", body.n), 0);
    if (body.failed) m->failed = true;
    cru_buffer_release(&body);
}

/* .ds NAME text: a quote in front keeps leading blanks; copy mode makes \\ of \. */
static void define_string(struct cru_man *m, struct cru_span rest, bool append) {
    const char *p = rest.p, *end = rest.p + rest.n;
    while (p < end && *p == ' ') p++;
    const char *name = p;
    while (p < end && *p != ' ' && *p != '\t') p++;
    struct cru_span called = cru_span_make(name, (size_t)(p - name));
    while (p < end && (*p == ' ' || *p == '\t')) p++;
    if (p < end && *p == '"') p++;
    cru_buffer_clear(&m->piece);
    const struct man_name *old = append ? man_find(m, 's', called) : NULL;
    if (old) cru_buffer_add_span(&m->piece, old->value);
    for (; p < end; p++) {
        cru_buffer_add_char(&m->piece, *p);
        if (*p == '\\' && p + 1 < end && p[1] == '\\') p++;
    }
    if (m->piece.n > m->budget) {
        m->exceeded = true;
        return;
    }
    m->budget -= m->piece.n;
    if (called.n) man_set(m, 's', called, cru_span_make(m->piece.p ? m->piece.p : "", m->piece.n), 0);
}

static void set_register(struct cru_man *m, const struct cru_span *args, size_t n) {
    if (n < 2) return;
    const char *p = args[1].p;
    bool relative = *p == '+' || (*p == '-' && args[1].n > 1);
    long value = strtol(p, NULL, 10);
    const struct man_name *old = man_find(m, 'r', args[0]);
    if (relative && old) value += old->number;
    if (value > 1000000000 || value < -1000000000) value = 0;
    man_set(m, 'r', args[0], CRU_SPAN(""), value);
}

static void synopsis_option(struct cru_man *m, const struct cru_span *args, size_t n) {
    if (n == 0) return;
    struct cru_buffer text;
    cru_buffer_init(&text);
    cru_buffer_add_char(&text, '[');
    cru_buffer_add_span(&text, man_join(m, args, n, " "));
    cru_buffer_add_char(&text, ']');
    man_put(m, cru_buffer_span(&text));
    if (text.failed) m->failed = true;
    cru_buffer_release(&text);
}

static void section(struct cru_man *m, const struct cru_span *args, size_t n) {
    m->fill = true;
    m->tag_next = 0;
    if (n) {
        man_heading(m, man_join(m, args, n, " "));
    } else {
        man_gap(m, GAP_PARAGRAPH);
        m->heading_next = true;
    }
}

static void skip_pair(struct cru_man *m, const char *end) {
    man_skip_to(m, cru_span_of(end), NULL);
}

bool man_request(struct cru_man *m, struct cru_span name, struct cru_span rest) {
    enum action action;
    if (!find_action(name, &action)) return false;
    struct cru_span args[MAN_ARGS];
    size_t n = man_args(rest, args, NULL);
    switch (action) {
    case IGNORE:
    case RENAME: break;
    case BREAK: man_gap(m, GAP_BREAK); break;
    case PARAGRAPH:
        m->tag_next = 0;
        man_gap(m, GAP_PARAGRAPH);
        break;
    case SPACE:
        man_gap(m, n && (*args[0].p == '-' || *args[0].p == '0') ? GAP_BREAK : GAP_PARAGRAPH);
        break;
    case SECTION: section(m, args, n); break;
    case TAGGED:
    case TAGGED_MORE:
        man_gap(m, action == TAGGED ? GAP_PARAGRAPH : GAP_BREAK);
        m->tag_next = 1;
        break;
    case INDENTED: indented(m, args, n); break;
    case WORDS: put_words(m, args, n, " "); break;
    case ALTERNATE: put_words(m, args, n, ""); break;
    case FILL:
    case NO_FILL:
        man_gap(m, GAP_BREAK);
        m->fill = action == FILL;
        break;
    case URL:
        cru_buffer_clear(&m->url);
        cru_buffer_add_span(&m->url, man_join(m, args, n ? 1 : 0, ""));
        m->in_url = true;
        m->url_text = false;
        break;
    case URL_END: url_end(m, args, n); break;
    case SYNOPSIS:
        man_gap(m, GAP_BREAK);
        put_words(m, args, n, " ");
        break;
    case OPTION: synopsis_option(m, args, n); break;
    case DEFINE: define(m, args, n, true); break;
    case SKIP_BODY:
        if (name.p[0] == 'a' && n) args[0] = n > 1 ? args[1] : CRU_SPAN("."), n = 1;
        define(m, args, n, false);
        break;
    case DEFINE_STRING: define_string(m, rest, false); break;
    case APPEND_STRING: define_string(m, rest, true); break;
    case REGISTER: set_register(m, args, n); break;
    case TABLE: man_table(m); break;
    case EQUATION: skip_pair(m, "EN"); break;
    case PICTURE: skip_pair(m, "PE"); break;
    case SOURCE: m->redirect = true; break;
    case MDOC: m->mdoc = true; break;
    }
    return true;
}
