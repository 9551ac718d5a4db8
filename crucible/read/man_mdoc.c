/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The macros of mdoc(7). A macro line is a list of words; words that are callable macros change how the
 * words behind them are shown. The line's text is built in man->tag, then put as ordinary text.
 */
#include "crucible/base/base.h"
#include "crucible/read/man_private.h"

enum kind {
    PLAIN,   /* its words */
    FLAG,    /* "-" in front of each */
    NAME,    /* the page's name, when no words follow */
    AROUND,  /* marks around the rest of the line */
    OPEN,    /* an opening mark; the closing one is a macro of a later word or line */
    CLOSE,
    FIXED,   /* a fixed text in front of its words */
    XREF,    /* name(section) */
    FUNCTION, /* name(arguments) */
    ARGUMENTS, /* .Fa: with commas inside .Fo */
    FUNCTION_OPEN,
    FUNCTION_CLOSE,
    NO_SPACE,
    PREFIX,
    APOSTROPHE,
    SPACING,
    LINK,
    MAIL,
    CELL,    /* Ta: the next column */
    NOTHING, /* its words are dropped */
};

/* Sorted by name, bytewise. */
static const struct macro {
    const char *name;
    enum kind kind;
    const char *before, *after; /* marks; for PLAIN, FIXED: before = what stands for no words */
} macros[] = {
    {"Ac", CLOSE, NULL, "\xE2\x9F\xA9"}, {"Ad", PLAIN, NULL, NULL},
    {"An", PLAIN, NULL, NULL},           {"Ao", OPEN, "\xE2\x9F\xA8", NULL},
    {"Ap", APOSTROPHE, NULL, NULL},      {"Aq", AROUND, "<", ">"},
    {"Ar", PLAIN, "file ...", NULL},     {"At", FIXED, "AT&T UNIX", NULL},
    {"Bc", CLOSE, NULL, "]"},            {"Bo", OPEN, "[", NULL},
    {"Bq", AROUND, "[", "]"},            {"Brc", CLOSE, NULL, "}"},
    {"Bro", OPEN, "{", NULL},            {"Brq", AROUND, "{", "}"},
    {"Bsx", FIXED, "BSD/OS", NULL},      {"Bx", FIXED, "BSD", NULL},
    {"Cd", PLAIN, NULL, NULL},           {"Cm", PLAIN, NULL, NULL},
    {"Dc", CLOSE, NULL, "\xE2\x80\x9D"}, {"Do", OPEN, "\xE2\x80\x9C", NULL},
    {"Dq", AROUND, "\xE2\x80\x9C", "\xE2\x80\x9D"}, {"Dv", PLAIN, NULL, NULL},
    {"Dx", FIXED, "DragonFly", NULL},    {"Ec", NOTHING, NULL, NULL},
    {"Em", PLAIN, NULL, NULL},           {"Eo", NOTHING, NULL, NULL},
    {"Er", PLAIN, NULL, NULL},           {"Es", NOTHING, NULL, NULL},
    {"Ev", PLAIN, NULL, NULL},           {"Fa", ARGUMENTS, NULL, NULL},
    {"Fc", FUNCTION_CLOSE, NULL, NULL},  {"Fd", PLAIN, NULL, NULL},
    {"Fl", FLAG, "-", NULL},             {"Fn", FUNCTION, NULL, NULL},
    {"Fo", FUNCTION_OPEN, NULL, NULL},   {"Ft", PLAIN, NULL, NULL},
    {"Fx", FIXED, "FreeBSD", NULL},      {"Ic", PLAIN, NULL, NULL},
    {"In", AROUND, "#include <", ">"},   {"Lb", PLAIN, NULL, NULL},
    {"Li", PLAIN, NULL, NULL},           {"Lk", LINK, NULL, NULL},
    {"Ms", PLAIN, NULL, NULL},           {"Mt", MAIL, NULL, NULL},
    {"Nd", FIXED, "\xE2\x80\x93", NULL}, {"Nm", NAME, NULL, NULL},
    {"No", PLAIN, NULL, NULL},           {"Ns", NO_SPACE, NULL, NULL},
    {"Nx", FIXED, "NetBSD", NULL},       {"Oc", CLOSE, NULL, "]"},
    {"Oo", OPEN, "[", NULL},             {"Op", AROUND, "[", "]"},
    {"Ox", FIXED, "OpenBSD", NULL},      {"Pa", PLAIN, "~", NULL},
    {"Pc", CLOSE, NULL, ")"},            {"Pf", PREFIX, NULL, NULL},
    {"Po", OPEN, "(", NULL},             {"Pq", AROUND, "(", ")"},
    {"Qc", CLOSE, NULL, "\""},           {"Ql", AROUND, "\xE2\x80\x98", "\xE2\x80\x99"},
    {"Qo", OPEN, "\"", NULL},            {"Qq", AROUND, "\"", "\""},
    {"Sc", CLOSE, NULL, "\xE2\x80\x99"}, {"Sm", SPACING, NULL, NULL},
    {"So", OPEN, "\xE2\x80\x98", NULL},  {"Sq", AROUND, "\xE2\x80\x98", "\xE2\x80\x99"},
    {"St", PLAIN, NULL, NULL},           {"Sx", PLAIN, NULL, NULL},
    {"Sy", PLAIN, NULL, NULL},           {"Ta", CELL, NULL, NULL},
    {"Tn", PLAIN, NULL, NULL},           {"Ux", FIXED, "UNIX", NULL},
    {"Va", PLAIN, NULL, NULL},           {"Vt", PLAIN, NULL, NULL},
    {"Xc", NOTHING, NULL, NULL},         {"Xo", NOTHING, NULL, NULL},
    {"Xr", XREF, NULL, NULL},
};

static const struct macro *find_macro(struct cru_span name) {
    size_t low = 0, high = sizeof macros / sizeof macros[0];
    if (name.n < 2 || name.n > 3) return NULL;
    while (low < high) {
        size_t middle = (low + high) / 2, n = strlen(macros[middle].name);
        int order = memcmp(name.p, macros[middle].name, name.n < n ? name.n : n);
        if (order == 0) order = (name.n > n) - (name.n < n);
        if (order == 0) return &macros[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

struct words {
    struct cru_span *p;
    bool *quoted;
    size_t n;
};

static bool is_closing(struct cru_span w) { return w.n == 1 && strchr(".,:;)]?!", *w.p) != NULL; }
static bool is_opening(struct cru_span w) { return w.n == 1 && (*w.p == '(' || *w.p == '['); }

/* A word into the line, with a blank in front unless something forbids it. */
static void add_word(struct cru_man *m, struct cru_span word, bool resolve) {
    struct cru_buffer *line = &m->tag;
    if (line->n && !m->no_space && !m->spaced_off && !is_closing(word))
        cru_buffer_add_char(line, ' ');
    bool joined;
    if (resolve)
        man_resolve(word, line, &joined);
    else
        cru_buffer_add_span(line, word);
    m->no_space = is_opening(word);
}

static void add_mark(struct cru_man *m, const char *mark, bool opening) {
    if (!opening) m->no_space = true;
    add_word(m, cru_span_of(mark), false);
    m->no_space = opening;
}

static size_t words_of(struct cru_man *m, struct words w, size_t at);

/* Ordinary words up to the next callable macro; closing marks are attached. Returns how many were words. */
static size_t plain(struct cru_man *m, struct words w, size_t *at, const char *each) {
    size_t n = 0;
    for (; *at < w.n; ++*at) {
        struct cru_span word = w.p[*at];
        if (!w.quoted[*at] && find_macro(word)) break;
        bool mark = !w.quoted[*at] && (is_closing(word) || is_opening(word) ||
                                       cru_span_is(word, "|"));
        if (!mark) n++;
        if (each && !mark) {
            add_word(m, cru_span_of(each), false);
            m->no_space = true;
        }
        add_word(m, word, true);
    }
    return n;
}

/* The words that closing marks at the end of the line stand behind. */
static size_t before_closing(struct words w) {
    size_t n = w.n;
    while (n && !w.quoted[n - 1] && is_closing(w.p[n - 1])) n--;
    return n;
}

static void closing_rest(struct cru_man *m, struct words w, size_t from) {
    for (; from < w.n; from++) add_word(m, w.p[from], true);
}

static void function_call(struct cru_man *m, struct words w, size_t at) {
    size_t end = before_closing(w), n = 0;
    if (at < end) add_word(m, w.p[at++], true);
    m->no_space = true;
    add_word(m, CRU_SPAN("("), false);
    for (; at < end && (w.quoted[at] || !find_macro(w.p[at])); at++) {
        if (n++) {
            m->no_space = true;
            add_word(m, CRU_SPAN(","), false);
        } else {
            m->no_space = true;
        }
        add_word(m, w.p[at], true);
    }
    add_mark(m, ")", false);
    (void)words_of(m, w, at);
}

static void cross_reference(struct cru_man *m, struct words w, size_t *at) {
    if (*at < w.n) add_word(m, w.p[(*at)++], true);
    if (*at < w.n && w.p[*at].n && ((*w.p[*at].p >= '0' && *w.p[*at].p <= '9') || *w.p[*at].p == 'n')) {
        m->no_space = true;
        add_word(m, CRU_SPAN("("), false);
        m->no_space = true;
        add_word(m, w.p[(*at)++], true);
        add_mark(m, ")", false);
    }
}

static void link_words(struct cru_man *m, struct words w, size_t at) {
    size_t end = before_closing(w);
    if (at >= end) return;
    struct cru_span url = w.p[at++];
    bool named = at < end;
    for (; at < end; at++) add_word(m, w.p[at], true);
    if (named) {
        add_word(m, CRU_SPAN("<"), false);
        m->no_space = true;
    }
    add_word(m, url, true);
    if (named) add_mark(m, ">", false);
    closing_rest(m, w, end);
}

/* One macro; *at is behind its name. */
static void one_macro(struct cru_man *m, const struct macro *macro, struct words w, size_t *at) {
    switch (macro->kind) {
    case PLAIN:
        if (plain(m, w, at, NULL) == 0 && macro->before) add_word(m, cru_span_of(macro->before), false);
        break;
    case FLAG:
        if (*at < w.n && cru_span_is(w.p[*at], "?")) w.quoted[*at] = true; /* -? is an option */
        if (*at == w.n || (!w.quoted[*at] && (find_macro(w.p[*at]) || is_closing(w.p[*at]) ||
                                              cru_span_is(w.p[*at], "|")))) {
            add_word(m, CRU_SPAN("-"), false);
            m->no_space = *at < w.n && find_macro(w.p[*at]); /* .Fl Ar x is -x */
        }
        (void)plain(m, w, at, "-");
        break;
    case NAME:
        if (*at < w.n && !is_closing(w.p[*at]) && !(find_macro(w.p[*at]) && !w.quoted[*at])) {
            if (m->mdoc_name.n == 0) {
                m->mdoc_name = cru_arena_copy(&m->arena, w.p[*at]);
                if (!m->mdoc_name.p) m->failed = true, m->mdoc_name = CRU_SPAN("");
            }
        } else {
            add_word(m, m->mdoc_name, true);
        }
        (void)plain(m, w, at, NULL);
        break;
    case AROUND: {
        struct words inner = {w.p, w.quoted, before_closing(w)};
        add_mark(m, macro->before, true);
        if (*at < inner.n) (void)words_of(m, inner, *at);
        add_mark(m, macro->after, false);
        bool attached = inner.n > *at && cru_span_is(inner.p[inner.n - 1], "Ns");
        *at = inner.n > *at ? inner.n : *at;
        closing_rest(m, w, *at);
        *at = w.n;
        if (attached) m->no_space = true;
        break;
    }
    case OPEN: add_mark(m, macro->before, true); break;
    case CLOSE: add_mark(m, macro->after, false); break;
    case FIXED:
        add_word(m, cru_span_of(macro->before), false);
        (void)plain(m, w, at, NULL);
        break;
    case XREF: cross_reference(m, w, at); break;
    case FUNCTION:
        function_call(m, w, *at);
        *at = w.n;
        break;
    case ARGUMENTS:
        if (m->in_function) {
            if (m->function_args++) {
                m->no_space = true;
                add_word(m, CRU_SPAN(","), false);
            } else {
                m->no_space = true;
            }
        }
        (void)plain(m, w, at, NULL);
        break;
    case FUNCTION_OPEN:
        (void)plain(m, w, at, NULL);
        m->no_space = true;
        add_word(m, CRU_SPAN("("), false);
        m->in_function = true;
        m->function_args = 0;
        m->no_space = true;
        break;
    case FUNCTION_CLOSE:
        add_mark(m, ")", false);
        m->in_function = false;
        break;
    case NO_SPACE: m->no_space = true; break;
    case PREFIX:
        if (*at < w.n) add_word(m, w.p[(*at)++], true);
        m->no_space = true;
        break;
    case APOSTROPHE:
        m->no_space = true;
        add_word(m, CRU_SPAN("'"), false);
        m->no_space = true;
        break;
    case SPACING:
        m->spaced_off = *at < w.n ? cru_span_is(w.p[*at], "off") : !m->spaced_off;
        *at = w.n;
        break;
    case LINK:
        link_words(m, w, *at);
        *at = w.n;
        break;
    case MAIL: (void)plain(m, w, at, NULL); break;
    case CELL:
        m->no_space = false;
        add_word(m, CRU_SPAN("|"), false);
        break;
    case NOTHING: break;
    }
}

static size_t words_of(struct cru_man *m, struct words w, size_t at) {
    while (at < w.n) {
        const struct macro *macro = w.quoted[at] ? NULL : find_macro(w.p[at]);
        if (macro) {
            at++;
            one_macro(m, macro, w, &at);
        } else {
            (void)plain(m, w, &at, NULL);
        }
    }
    return at;
}

/* Begins a line; a macro line continues the one before, so a pending "no space" carries over. */
static void begin_line(struct cru_man *m) {
    cru_buffer_clear(&m->tag);
    m->joined = m->joined || (m->no_space && m->gap == GAP_SPACE);
}

static void end_line(struct cru_man *m) {
    struct cru_span text = cru_span_trim(cru_buffer_span(&m->tag));
    /* a line of nothing but a closing mark belongs to the word before it */
    if (text.n && (m->gap == GAP_SPACE) && strchr(".,;:)]", *text.p) && text.n <= 2) m->joined = true;
    if (m->tag.failed) m->failed = true;
    bool open = m->no_space;
    man_put(m, text);
    if (open && text.n) m->joined = true;
}

static void begin_list(struct cru_man *m, struct words w) {
    static const struct {
        const char *name;
        enum man_list kind;
    } kinds[] = {{"-bullet", LIST_BULLET}, {"-dash", LIST_BULLET}, {"-hyphen", LIST_BULLET},
                 {"-enum", LIST_ENUM},     {"-item", LIST_ITEM},   {"-column", LIST_COLUMN}};
    enum man_list kind = LIST_TAG;
    bool compact = false;
    for (size_t i = 0; i < w.n; i++) {
        for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
            if (cru_span_is(w.p[i], kinds[k].name)) kind = kinds[k].kind;
        if (cru_span_is(w.p[i], "-compact")) compact = true;
    }
    if (m->n_lists < MAN_LISTS) {
        m->lists[m->n_lists].kind = kind;
        m->lists[m->n_lists].number = 0;
        m->lists[m->n_lists].compact = compact;
    }
    m->n_lists++;
    man_gap(m, GAP_PARAGRAPH);
}

static void list_item(struct cru_man *m, struct words w) {
    enum man_list kind = LIST_TAG;
    unsigned number = 0;
    bool compact = false;
    if (m->n_lists && m->n_lists <= MAN_LISTS) {
        kind = m->lists[m->n_lists - 1].kind;
        number = ++m->lists[m->n_lists - 1].number;
        compact = m->lists[m->n_lists - 1].compact;
    }
    m->no_space = false;
    bool tight = compact || kind == LIST_COLUMN;
    man_gap(m, tight ? GAP_BREAK : GAP_PARAGRAPH);
    begin_line(m);
    if (kind == LIST_BULLET) add_word(m, CRU_SPAN("-"), false);
    if (kind == LIST_ENUM) cru_buffer_printf(&m->tag, "%u.", number);
    if (kind == LIST_TAG || kind == LIST_COLUMN) (void)words_of(m, w, 0);
    bool fill = m->fill;
    m->fill = true;
    end_line(m);
    m->fill = fill;
    if (kind == LIST_TAG) man_gap(m, GAP_BREAK);
}

/* Macros that are whole lines. False when it is none of them. */
static bool line_macro(struct cru_man *m, struct cru_span name, struct words w) {
    static const char *const ignored[] = {"Dd", "Dt", "Os", "Bk", "Ek", "Bf", "Ef", "Rs",
                                          "Tg", "Hf", "Db", "Re"};
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        if (cru_span_is(name, ignored[i])) {
            if (ignored[i][0] == 'R') man_gap(m, GAP_PARAGRAPH);
            return true;
        }
    if (cru_span_is(name, "Sh") || cru_span_is(name, "Ss")) {
        m->no_space = m->spaced_off = false;
        m->n_lists = 0;
        m->fill = true;
        begin_line(m);
        (void)words_of(m, w, 0);
        man_heading(m, cru_buffer_span(&m->tag));
        m->no_space = false;
    } else if (cru_span_is(name, "Pp") || cru_span_is(name, "Lp")) {
        m->no_space = false;
        man_gap(m, GAP_PARAGRAPH);
    } else if (cru_span_is(name, "Bl")) {
        begin_list(m, w);
    } else if (cru_span_is(name, "El")) {
        if (m->n_lists) m->n_lists--;
        m->no_space = false;
        man_gap(m, GAP_PARAGRAPH);
    } else if (cru_span_is(name, "It")) {
        list_item(m, w);
    } else if (cru_span_is(name, "Bd")) {
        man_gap(m, GAP_PARAGRAPH);
        m->no_space = false;
        m->fill = true;
        for (size_t i = 0; i < w.n; i++)
            if (cru_span_is(w.p[i], "-literal") || cru_span_is(w.p[i], "-unfilled")) m->fill = false;
    } else if (cru_span_is(name, "Ed")) {
        m->no_space = false;
        m->fill = true;
        man_gap(m, GAP_PARAGRAPH);
    } else if (cru_span_is(name, "D1") || cru_span_is(name, "Dl")) {
        man_gap(m, GAP_BREAK);
        m->no_space = false;
        begin_line(m);
        (void)words_of(m, w, 0);
        end_line(m);
        man_gap(m, GAP_BREAK);
    } else if (cru_span_is(name, "Ex") || cru_span_is(name, "Rv")) {
        begin_line(m);
        size_t at = w.n && cru_span_is(w.p[0], "-std") ? 1 : 0;
        struct cru_span what = at < w.n ? w.p[at] : m->mdoc_name;
        add_word(m, CRU_SPAN("The"), false);
        add_word(m, what, true);
        add_word(m, *name.p == 'E' ? CRU_SPAN("utility exits 0 on success, and >0 if an error occurs.")
                                   : CRU_SPAN("function returns the value 0 if successful; otherwise "
                                              "the value -1 is returned and errno is set to indicate "
                                              "the error."), false);
        end_line(m);
    } else if (name.n == 2 && *name.p == '%') { /* a part of a reference */
        begin_line(m);
        (void)words_of(m, w, 0);
        if (m->tag.n && strchr(".,", m->tag.p[m->tag.n - 1]) == NULL) cru_buffer_add_char(&m->tag, ',');
        end_line(m);
    } else {
        return false;
    }
    return true;
}

bool man_mdoc(struct cru_man *m, struct cru_span name, struct cru_span rest) {
    struct cru_span args[MAN_ARGS];
    bool quoted[MAN_ARGS];
    struct words w = {args, quoted, man_args(rest, args, quoted)};
    if (line_macro(m, name, w)) return true;
    const struct macro *macro = find_macro(name);
    if (!macro) return false;
    begin_line(m);
    bool carry = m->no_space;
    m->no_space = false;
    size_t at = 0;
    if (macro->kind == CLOSE || macro->kind == FUNCTION_CLOSE || macro->kind == ARGUMENTS)
        carry = carry || macro->kind != ARGUMENTS || m->in_function;
    /* inside .Fo, the comma belongs to the argument before */
    if (macro->kind == ARGUMENTS && m->in_function && m->function_args) {
        m->joined = true;
    } else if (carry && m->gap == GAP_SPACE) {
        m->joined = true;
    }
    one_macro(m, macro, w, &at);
    (void)words_of(m, w, at);
    bool ns = macro->kind == NO_SPACE && m->tag.n == 0;
    end_line(m);
    if (ns) m->joined = true;
    return true;
}
