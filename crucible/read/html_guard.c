/* SPDX-License-Identifier: Apache-2.0 */
#include <gumbo.h>

#include "crucible/base/base.h"
#include "crucible/read/html_guard.h"

/* What the tree construction of the HTML standard (13.2.6) makes of an element, in outline. */
enum {
    VOID = 1,       /* never open */
    SPECIAL = 2,    /* an end tag of an ordinary element does not reach through it */
    BARRIER = 4,    /* "has an element in scope" stops here */
    CLOSES_P = 8,   /* its start tag closes an open p */
    FORMAT = 16,    /* its end tag takes out that element alone */
    TABLE = 32,     /* its end tag reaches through everything but a table */
    RAW = 64,       /* what follows is text up to its end tag */
    IGNORED = 128,  /* opens and closes nothing */
    ITEM = 256,     /* li, dd, dt: closes its own kind */
    BLOCK = SPECIAL | CLOSES_P,
};

static const uint16_t traits[GUMBO_TAG_LAST + 1] = {
    [GUMBO_TAG_HTML] = IGNORED,
    [GUMBO_TAG_HEAD] = IGNORED,
    [GUMBO_TAG_BODY] = IGNORED,
    [GUMBO_TAG_FRAMESET] = SPECIAL,
    [GUMBO_TAG_TITLE] = RAW | SPECIAL,
    [GUMBO_TAG_STYLE] = RAW | SPECIAL,
    [GUMBO_TAG_SCRIPT] = RAW | SPECIAL,
    [GUMBO_TAG_TEXTAREA] = RAW | SPECIAL,
    [GUMBO_TAG_XMP] = RAW | BLOCK,
    [GUMBO_TAG_IFRAME] = RAW | SPECIAL,
    [GUMBO_TAG_NOEMBED] = RAW | SPECIAL,
    [GUMBO_TAG_NOFRAMES] = RAW | SPECIAL,
    [GUMBO_TAG_PLAINTEXT] = BLOCK,
    [GUMBO_TAG_BASE] = VOID,
    [GUMBO_TAG_LINK] = VOID,
    [GUMBO_TAG_META] = VOID,
    [GUMBO_TAG_HR] = VOID | CLOSES_P,
    [GUMBO_TAG_BR] = VOID,
    [GUMBO_TAG_WBR] = VOID,
    [GUMBO_TAG_IMAGE] = VOID,
    [GUMBO_TAG_IMG] = VOID,
    [GUMBO_TAG_EMBED] = VOID,
    [GUMBO_TAG_PARAM] = VOID,
    [GUMBO_TAG_SOURCE] = VOID,
    [GUMBO_TAG_TRACK] = VOID,
    [GUMBO_TAG_AREA] = VOID,
    [GUMBO_TAG_INPUT] = VOID,
    [GUMBO_TAG_KEYGEN] = VOID,
    [GUMBO_TAG_FRAME] = VOID,
    [GUMBO_TAG_BASEFONT] = VOID,
    [GUMBO_TAG_BGSOUND] = VOID,
    [GUMBO_TAG_ISINDEX] = VOID,
    [GUMBO_TAG_COL] = VOID,
    [GUMBO_TAG_ADDRESS] = BLOCK,
    [GUMBO_TAG_ARTICLE] = BLOCK,
    [GUMBO_TAG_ASIDE] = BLOCK,
    [GUMBO_TAG_BLOCKQUOTE] = BLOCK,
    [GUMBO_TAG_CENTER] = BLOCK,
    [GUMBO_TAG_DETAILS] = BLOCK,
    [GUMBO_TAG_DIR] = BLOCK,
    [GUMBO_TAG_DIV] = BLOCK,
    [GUMBO_TAG_DL] = BLOCK,
    [GUMBO_TAG_FIELDSET] = BLOCK,
    [GUMBO_TAG_FIGCAPTION] = BLOCK,
    [GUMBO_TAG_FIGURE] = BLOCK,
    [GUMBO_TAG_FOOTER] = BLOCK,
    [GUMBO_TAG_FORM] = BLOCK,
    [GUMBO_TAG_H1] = BLOCK,
    [GUMBO_TAG_H2] = BLOCK,
    [GUMBO_TAG_H3] = BLOCK,
    [GUMBO_TAG_H4] = BLOCK,
    [GUMBO_TAG_H5] = BLOCK,
    [GUMBO_TAG_H6] = BLOCK,
    [GUMBO_TAG_HEADER] = BLOCK,
    [GUMBO_TAG_HGROUP] = BLOCK,
    [GUMBO_TAG_LISTING] = BLOCK,
    [GUMBO_TAG_MAIN] = BLOCK,
    [GUMBO_TAG_MENU] = BLOCK,
    [GUMBO_TAG_NAV] = BLOCK,
    [GUMBO_TAG_OL] = BLOCK,
    [GUMBO_TAG_P] = BLOCK,
    [GUMBO_TAG_PRE] = BLOCK,
    [GUMBO_TAG_SECTION] = BLOCK,
    [GUMBO_TAG_SUMMARY] = BLOCK,
    [GUMBO_TAG_UL] = BLOCK,
    [GUMBO_TAG_LI] = BLOCK | ITEM,
    [GUMBO_TAG_DD] = BLOCK | ITEM,
    [GUMBO_TAG_DT] = BLOCK | ITEM,
    [GUMBO_TAG_BUTTON] = SPECIAL,
    [GUMBO_TAG_SELECT] = SPECIAL | TABLE,
    [GUMBO_TAG_NOSCRIPT] = SPECIAL,
    [GUMBO_TAG_TEMPLATE] = SPECIAL | BARRIER | TABLE,
    [GUMBO_TAG_APPLET] = SPECIAL | BARRIER,
    [GUMBO_TAG_MARQUEE] = SPECIAL | BARRIER,
    [GUMBO_TAG_OBJECT] = SPECIAL | BARRIER,
    [GUMBO_TAG_TABLE] = SPECIAL | BARRIER | TABLE | CLOSES_P,
    [GUMBO_TAG_CAPTION] = SPECIAL | BARRIER | TABLE,
    [GUMBO_TAG_COLGROUP] = SPECIAL | TABLE,
    [GUMBO_TAG_TBODY] = SPECIAL | TABLE,
    [GUMBO_TAG_THEAD] = SPECIAL | TABLE,
    [GUMBO_TAG_TFOOT] = SPECIAL | TABLE,
    [GUMBO_TAG_TR] = SPECIAL | TABLE,
    [GUMBO_TAG_TD] = SPECIAL | BARRIER | TABLE,
    [GUMBO_TAG_TH] = SPECIAL | BARRIER | TABLE,
    [GUMBO_TAG_A] = FORMAT,
    [GUMBO_TAG_B] = FORMAT,
    [GUMBO_TAG_BIG] = FORMAT,
    [GUMBO_TAG_CODE] = FORMAT,
    [GUMBO_TAG_EM] = FORMAT,
    [GUMBO_TAG_FONT] = FORMAT,
    [GUMBO_TAG_I] = FORMAT,
    [GUMBO_TAG_NOBR] = FORMAT,
    [GUMBO_TAG_S] = FORMAT,
    [GUMBO_TAG_SMALL] = FORMAT,
    [GUMBO_TAG_STRIKE] = FORMAT,
    [GUMBO_TAG_STRONG] = FORMAT,
    [GUMBO_TAG_TT] = FORMAT,
    [GUMBO_TAG_U] = FORMAT,
};

struct open_element {
    uint64_t name; /* the tag's number, or a hash of an unknown name with the top bit set */
    uint16_t traits;
};

struct guard {
    struct open_element stack[CRU_HTML_MAX_DEPTH];
    size_t n;
    size_t foreign; /* svg and math elements open: raw text and void elements do not exist there */
    size_t selects; /* in a select the tree builder ignores raw text elements */
    const char *broken;
};

struct tag {
    uint64_t name;
    uint16_t traits;
    bool end, self_closing;
};

static bool is_foreign(uint64_t name) { return name == GUMBO_TAG_SVG || name == GUMBO_TAG_MATH; }

static void forget(struct guard *g, const struct open_element *e) {
    if (is_foreign(e->name) && g->foreign) g->foreign--;
    if (e->name == GUMBO_TAG_SELECT && g->selects) g->selects--;
}

static void pop_to(struct guard *g, size_t n) {
    while (g->n > n) forget(g, &g->stack[--g->n]);
}

/* The place of the nearest `name` above the first element that has one of the `stop` traits, or -1. */
static ptrdiff_t find(const struct guard *g, uint64_t name, unsigned stop) {
    for (size_t i = g->n; i-- > 0;) {
        if (g->stack[i].name == name) return (ptrdiff_t)i;
        if (g->stack[i].traits & stop) return -1;
    }
    return -1;
}

static void take_out(struct guard *g, size_t at) {
    forget(g, &g->stack[at]);
    memmove(&g->stack[at], &g->stack[at + 1], (g->n - at - 1) * sizeof g->stack[0]);
    g->n--;
}

static bool is_table_part(const struct tag *t) {
    return (t->traits & TABLE) && t->name != GUMBO_TAG_SELECT && t->name != GUMBO_TAG_TEMPLATE;
}

/* The adoption agency in outline: without a block above it, a formatting element is closed with all that
 * is open in it; else it is taken out from under the block. */
static void close_format(struct guard *g, size_t at) {
    for (size_t i = at + 1; i < g->n; i++)
        if (g->stack[i].traits & SPECIAL) {
            take_out(g, at);
            return;
        }
    pop_to(g, at);
}

/* In a select most tags are ignored. False: this one is; true: it is read, perhaps after closing it. */
static bool passes_select(struct guard *g, const struct tag *t) {
    if (!g->selects || g->foreign) return true;
    if (t->name == GUMBO_TAG_OPTION || t->name == GUMBO_TAG_OPTGROUP ||
        t->name == GUMBO_TAG_SCRIPT || t->name == GUMBO_TAG_TEMPLATE)
        return true;
    bool closes = t->name == GUMBO_TAG_SELECT || is_table_part(t) ||
                  (!t->end && (t->name == GUMBO_TAG_INPUT || t->name == GUMBO_TAG_KEYGEN ||
                               t->name == GUMBO_TAG_TEXTAREA));
    if (!closes) return false;
    ptrdiff_t at = find(g, GUMBO_TAG_SELECT, 0);
    if (at >= 0) pop_to(g, (size_t)at);
    return t->name != GUMBO_TAG_SELECT;
}

static void end_tag(struct guard *g, const struct tag *t) {
    if (t->traits & (VOID | IGNORED)) return;
    if (!passes_select(g, t)) return;
    ptrdiff_t at;
    if (g->foreign) {
        at = find(g, t->name, 0);
    } else if (t->traits & TABLE) {
        at = -1;
        for (size_t i = g->n; i-- > 0;) {
            if (g->stack[i].name == t->name) at = (ptrdiff_t)i;
            if (at >= 0 || g->stack[i].name == GUMBO_TAG_TABLE) break;
        }
    } else if (t->name == GUMBO_TAG_FORM) {
        at = find(g, t->name, BARRIER);
        if (at >= 0) take_out(g, (size_t)at);
        return;
    } else if (t->traits & FORMAT) {
        at = find(g, t->name, BARRIER);
        if (at >= 0) close_format(g, (size_t)at);
        return;
    } else {
        at = find(g, t->name, t->traits & SPECIAL ? BARRIER : SPECIAL);
    }
    if (at >= 0) pop_to(g, (size_t)at);
}

/* td in tr in tbody in table: what a table part's start tag closes. False: there is no table. */
static bool table_part(struct guard *g, uint64_t name) {
    for (size_t i = g->n; i-- > 0;) {
        uint64_t open = g->stack[i].name;
        bool stop = open == GUMBO_TAG_TABLE || open == GUMBO_TAG_TEMPLATE;
        if (name == GUMBO_TAG_TD || name == GUMBO_TAG_TH) stop = stop || open == GUMBO_TAG_TR;
        if (name == GUMBO_TAG_TD || name == GUMBO_TAG_TH || name == GUMBO_TAG_TR)
            stop = stop || open == GUMBO_TAG_TBODY || open == GUMBO_TAG_THEAD ||
                   open == GUMBO_TAG_TFOOT;
        if (stop) {
            pop_to(g, i + 1);
            return true;
        }
    }
    return false;
}

/* A table that begins in another, outside its cells, ends that one. */
static void table_in_table(struct guard *g) {
    for (size_t i = g->n; i-- > 0;) {
        if (g->stack[i].name == GUMBO_TAG_TABLE) {
            pop_to(g, i);
            return;
        }
        if (g->stack[i].traits & BARRIER) return;
    }
}

static void implied_ends(struct guard *g, const struct tag *t) {
    if (t->name == GUMBO_TAG_TABLE) table_in_table(g);
    if (t->traits & CLOSES_P) {
        ptrdiff_t p = -1;
        for (size_t i = g->n; i-- > 0 && p < 0;) {
            if (g->stack[i].name == GUMBO_TAG_P) p = (ptrdiff_t)i;
            if ((g->stack[i].traits & BARRIER) || g->stack[i].name == GUMBO_TAG_BUTTON) break;
        }
        if (p >= 0) pop_to(g, (size_t)p);
    }
    if (t->traits & ITEM) {
        for (size_t i = g->n; i-- > 0;) {
            uint64_t open = g->stack[i].name;
            bool same = t->name == GUMBO_TAG_LI
                            ? open == GUMBO_TAG_LI
                            : open == GUMBO_TAG_DD || open == GUMBO_TAG_DT;
            if (same) {
                pop_to(g, i);
                break;
            }
            if ((g->stack[i].traits & SPECIAL) && open != GUMBO_TAG_ADDRESS &&
                open != GUMBO_TAG_DIV && open != GUMBO_TAG_P)
                break;
        }
    }
    if (t->name == GUMBO_TAG_A || t->name == GUMBO_TAG_NOBR || t->name == GUMBO_TAG_BUTTON) {
        ptrdiff_t at = find(g, t->name, BARRIER);
        if (at >= 0) close_format(g, (size_t)at);
    }
    if (g->n) {
        uint64_t top = g->stack[g->n - 1].name;
        if (t->name == GUMBO_TAG_OPTION && top == GUMBO_TAG_OPTION) pop_to(g, g->n - 1);
        if ((t->name == GUMBO_TAG_RT || t->name == GUMBO_TAG_RP) &&
            (top == GUMBO_TAG_RT || top == GUMBO_TAG_RP))
            pop_to(g, g->n - 1);
        if (t->name >= GUMBO_TAG_H1 && t->name <= GUMBO_TAG_H6 && top >= GUMBO_TAG_H1 &&
            top <= GUMBO_TAG_H6)
            pop_to(g, g->n - 1);
    }
}

/* Tags that end svg and math when they stand in them (HTML standard, 13.2.6.5). */
static bool breaks_out(uint64_t name) {
    switch (name) {
    case GUMBO_TAG_B: case GUMBO_TAG_BIG: case GUMBO_TAG_BLOCKQUOTE: case GUMBO_TAG_BR:
    case GUMBO_TAG_CENTER: case GUMBO_TAG_CODE: case GUMBO_TAG_DD: case GUMBO_TAG_DIV:
    case GUMBO_TAG_DL: case GUMBO_TAG_DT: case GUMBO_TAG_EM: case GUMBO_TAG_EMBED:
    case GUMBO_TAG_H1: case GUMBO_TAG_H2: case GUMBO_TAG_H3: case GUMBO_TAG_H4:
    case GUMBO_TAG_H5: case GUMBO_TAG_H6: case GUMBO_TAG_HR: case GUMBO_TAG_I:
    case GUMBO_TAG_IMG: case GUMBO_TAG_LI: case GUMBO_TAG_LISTING: case GUMBO_TAG_MENU:
    case GUMBO_TAG_META: case GUMBO_TAG_NOBR: case GUMBO_TAG_OL: case GUMBO_TAG_P:
    case GUMBO_TAG_PRE: case GUMBO_TAG_RUBY: case GUMBO_TAG_S: case GUMBO_TAG_SMALL:
    case GUMBO_TAG_SPAN: case GUMBO_TAG_STRONG: case GUMBO_TAG_STRIKE: case GUMBO_TAG_SUB:
    case GUMBO_TAG_SUP: case GUMBO_TAG_TABLE: case GUMBO_TAG_TT: case GUMBO_TAG_U:
    case GUMBO_TAG_UL: case GUMBO_TAG_VAR: return true;
    default: return false;
    }
}

/* Inside these, svg and math hold HTML again: their contents neither break out nor nest less. */
static bool is_integration(uint64_t name) {
    return name == GUMBO_TAG_FOREIGNOBJECT || name == GUMBO_TAG_DESC || name == GUMBO_TAG_TITLE ||
           name == GUMBO_TAG_ANNOTATION_XML || (name >= GUMBO_TAG_MI && name <= GUMBO_TAG_MTEXT);
}

static void break_out(struct guard *g) {
    while (g->foreign) {
        size_t root = g->n;
        while (root && !is_foreign(g->stack[root - 1].name)) {
            if (is_integration(g->stack[root - 1].name)) return;
            root--;
        }
        if (root == 0) return;
        pop_to(g, root - 1);
    }
}

static void start_tag(struct guard *g, const struct tag *t) {
    if (t->traits & IGNORED) return;
    if (g->foreign && breaks_out(t->name)) break_out(g);
    if (!passes_select(g, t)) return;
    if (!g->foreign) {
        if (is_table_part(t) && t->name != GUMBO_TAG_TABLE && !table_part(g, t->name)) return;
        implied_ends(g, t);
    }
    if ((t->traits & VOID) && !g->foreign) return;
    if (t->self_closing && (g->foreign || is_foreign(t->name))) return;
    if (g->n == CRU_HTML_MAX_DEPTH) {
        g->broken = "too-deep";
        return;
    }
    g->stack[g->n++] = (struct open_element){t->name, t->traits};
    if (is_foreign(t->name)) g->foreign++;
    if (t->name == GUMBO_TAG_SELECT && !g->foreign) g->selects++;
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

/* Reads a tag behind "<" or "</"; `p` is at its name. Returns what is behind its ">". */
static const char *scan_tag(struct guard *g, const char *p, const char *end, struct tag *t) {
    const char *name = p;
    while (p < end && !is_space(*p) && *p != '/' && *p != '>') p++;
    size_t n = (size_t)(p - name);
    t->self_closing = false;
    GumboTag known = n < 20 ? gumbo_tagn_enum(name, (unsigned)n) : GUMBO_TAG_UNKNOWN;
    t->traits = known < GUMBO_TAG_LAST ? traits[known] : 0;
    t->name = (uint64_t)known;
    if (known >= GUMBO_TAG_UNKNOWN) {
        uint64_t h = n;
        for (size_t i = 0; i < n; i++) {
            unsigned char c = (unsigned char)name[i];
            h = (h ^ (c >= 'A' && c <= 'Z' ? c + 32u : c)) * 0x9E3779B97F4A7C15u;
            h ^= h >> 29;
        }
        t->name = h | (uint64_t)1 << 63;
    }
    size_t attributes = 0;
    while (p < end && *p != '>') {
        if (is_space(*p) || *p == '/') {
            t->self_closing = *p == '/';
            p++;
            continue;
        }
        t->self_closing = false;
        attributes++;
        p++; /* a name may begin with "=" */
        while (p < end && !is_space(*p) && *p != '/' && *p != '>' && *p != '=') p++;
        while (p < end && is_space(*p)) p++;
        if (p == end || *p != '=') continue;
        p++;
        while (p < end && is_space(*p)) p++;
        if (p < end && (*p == '"' || *p == '\'')) {
            const char *close = memchr(p + 1, *p, (size_t)(end - p - 1));
            p = close ? close + 1 : end;
        } else {
            while (p < end && !is_space(*p) && *p != '>') p++;
        }
    }
    if (attributes > CRU_HTML_MAX_ATTRIBUTES && !t->end) g->broken = "too-complex";
    return p < end ? p + 1 : end;
}

/* Behind "<!": a comment ends at "-->" or "--!>", a doctype or bogus comment at ">". */
static const char *skip_declaration(const char *p, const char *end) {
    if (end - p >= 2 && p[0] == '-' && p[1] == '-') {
        const char *from = p + 2;
        if (from < end && *from == '>') return from + 1;
        if (end - from >= 2 && from[0] == '-' && from[1] == '>') return from + 2;
        while ((p = memchr(from, '>', (size_t)(end - from))) != NULL) {
            if (p - from >= 2 && p[-1] == '-' && p[-2] == '-') return p + 1;
            if (p - from >= 3 && p[-1] == '!' && p[-2] == '-' && p[-3] == '-') return p + 1;
            /* keep two bytes before the next search so that "-->" is seen whole */
            const char *next = p + 1;
            while (next < end && *next != '-') {
                const char *dash = memchr(next, '-', (size_t)(end - next));
                next = dash ? dash : end;
            }
            from = next;
        }
        return end;
    }
    p = memchr(p, '>', (size_t)(end - p));
    return p ? p + 1 : end;
}

/* To the "</name" that ends raw text. */
static const char *skip_raw(const char *p, const char *end, GumboTag tag) {
    const char *name = gumbo_normalized_tagname(tag);
    size_t n = strlen(name);
    while ((p = memchr(p, '<', (size_t)(end - p))) != NULL) {
        if ((size_t)(end - p) >= n + 2 && p[1] == '/' && strncasecmp(p + 2, name, n) == 0 &&
            ((size_t)(end - p) == n + 2 || is_space(p[n + 2]) || p[n + 2] == '/' ||
             p[n + 2] == '>'))
            return p;
        p++;
    }
    return end;
}

const char *cru_html_guard(struct cru_span page) {
    struct guard g;
    g.n = g.foreign = g.selects = 0;
    g.broken = NULL;
    const char *p = page.p, *end = page.p + page.n;
    while (p < end && (p = memchr(p, '<', (size_t)(end - p))) != NULL && ++p < end) {
        if (*p == '!') {
            p = skip_declaration(p + 1, end);
            continue;
        }
        struct tag t = {.end = *p == '/'};
        if (t.end) p++;
        if (p == end || !((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z'))) continue;
        p = scan_tag(&g, p, end, &t);
        if (t.end) {
            end_tag(&g, &t);
        } else {
            start_tag(&g, &t);
            bool opened = g.n && !g.broken && g.stack[g.n - 1].name == t.name && !g.foreign;
            if (t.name == GUMBO_TAG_PLAINTEXT && opened) break;
            if ((t.traits & RAW) && opened && (!g.selects || t.name == GUMBO_TAG_SCRIPT)) {
                pop_to(&g, g.n - 1);
                p = skip_raw(p, end, (GumboTag)t.name);
            }
        }
        if (g.broken) return g.broken;
    }
    return NULL;
}
