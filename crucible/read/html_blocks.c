/* SPDX-License-Identifier: Apache-2.0 */
#include <gumbo.h>

#include "crucible/base/base.h"
#include "crucible/read/html_blocks.h"

/* How the elements of HTML are shown; absent ones are inline. */
enum { SKIP = 1, BLOCK = 2, HEADING = 4, CELL = 8, FORM_PART = 16, HINTED = 32 };

static const uint8_t shown[GUMBO_TAG_LAST + 1] = {
    [GUMBO_TAG_HEAD] = SKIP,
    [GUMBO_TAG_TITLE] = SKIP,
    [GUMBO_TAG_SCRIPT] = SKIP,
    [GUMBO_TAG_STYLE] = SKIP,
    [GUMBO_TAG_NOSCRIPT] = SKIP,
    [GUMBO_TAG_TEMPLATE] = SKIP,
    [GUMBO_TAG_IFRAME] = SKIP,
    [GUMBO_TAG_NOEMBED] = SKIP,
    [GUMBO_TAG_NOFRAMES] = SKIP,
    [GUMBO_TAG_OBJECT] = SKIP,
    [GUMBO_TAG_APPLET] = SKIP,
    [GUMBO_TAG_VIDEO] = SKIP,
    [GUMBO_TAG_AUDIO] = SKIP,
    [GUMBO_TAG_CANVAS] = SKIP,
    [GUMBO_TAG_SVG] = SKIP,
    [GUMBO_TAG_DATALIST] = SKIP,
    [GUMBO_TAG_SELECT] = SKIP,
    [GUMBO_TAG_TEXTAREA] = SKIP,
    [GUMBO_TAG_RP] = SKIP,
    [GUMBO_TAG_RT] = SKIP, /* a reading beside the word; would double it */
    [GUMBO_TAG_BUTTON] = FORM_PART,
    [GUMBO_TAG_LABEL] = FORM_PART,
    [GUMBO_TAG_LEGEND] = BLOCK | FORM_PART,
    [GUMBO_TAG_HTML] = BLOCK,
    [GUMBO_TAG_BODY] = BLOCK,
    [GUMBO_TAG_ADDRESS] = BLOCK | HINTED,
    [GUMBO_TAG_ARTICLE] = BLOCK | HINTED,
    [GUMBO_TAG_ASIDE] = BLOCK | HINTED,
    [GUMBO_TAG_BLOCKQUOTE] = BLOCK,
    [GUMBO_TAG_CENTER] = BLOCK,
    [GUMBO_TAG_DD] = BLOCK,
    [GUMBO_TAG_DETAILS] = BLOCK | HINTED,
    [GUMBO_TAG_DIR] = BLOCK | HINTED,
    [GUMBO_TAG_DIV] = BLOCK | HINTED,
    [GUMBO_TAG_DL] = BLOCK | HINTED,
    [GUMBO_TAG_DT] = BLOCK,
    [GUMBO_TAG_FIELDSET] = BLOCK,
    [GUMBO_TAG_FIGCAPTION] = BLOCK,
    [GUMBO_TAG_FIGURE] = BLOCK,
    [GUMBO_TAG_FOOTER] = BLOCK | HINTED,
    [GUMBO_TAG_FORM] = BLOCK | HINTED,
    [GUMBO_TAG_H1] = BLOCK | HEADING,
    [GUMBO_TAG_H2] = BLOCK | HEADING,
    [GUMBO_TAG_H3] = BLOCK | HEADING,
    [GUMBO_TAG_H4] = BLOCK | HEADING,
    [GUMBO_TAG_H5] = BLOCK | HEADING,
    [GUMBO_TAG_H6] = BLOCK | HEADING,
    [GUMBO_TAG_HEADER] = BLOCK | HINTED,
    [GUMBO_TAG_HGROUP] = BLOCK,
    [GUMBO_TAG_HR] = BLOCK,
    [GUMBO_TAG_LI] = BLOCK,
    [GUMBO_TAG_LISTING] = BLOCK,
    [GUMBO_TAG_MAIN] = BLOCK | HINTED,
    [GUMBO_TAG_MENU] = BLOCK | HINTED,
    [GUMBO_TAG_NAV] = BLOCK | HINTED,
    [GUMBO_TAG_OL] = BLOCK | HINTED,
    [GUMBO_TAG_OPTION] = BLOCK,
    [GUMBO_TAG_P] = BLOCK | HINTED,
    [GUMBO_TAG_PLAINTEXT] = BLOCK,
    [GUMBO_TAG_PRE] = BLOCK,
    [GUMBO_TAG_SECTION] = BLOCK | HINTED,
    [GUMBO_TAG_SUMMARY] = BLOCK,
    [GUMBO_TAG_UL] = BLOCK | HINTED,
    [GUMBO_TAG_XMP] = BLOCK,
    [GUMBO_TAG_TABLE] = BLOCK | HINTED,
    [GUMBO_TAG_CAPTION] = BLOCK,
    [GUMBO_TAG_TBODY] = BLOCK,
    [GUMBO_TAG_THEAD] = BLOCK,
    [GUMBO_TAG_TFOOT] = BLOCK,
    [GUMBO_TAG_TR] = BLOCK,
    [GUMBO_TAG_TD] = BLOCK | CELL | HINTED,
    [GUMBO_TAG_TH] = BLOCK | CELL,
};

/* An element on the way down, with what must be restored on the way up. */
struct cru_open {
    const GumboNode *node;
    size_t child;
    ptrdiff_t region; /* opened here, -1: none */
    uint32_t row, cell, number;
    uint8_t kind;
    bool item_first;
};

struct walk {
    struct cru_blocks *b;
    bool all;
    bool failed;
    size_t links, pres;
    uint32_t row, cell, rows;
    uint32_t number; /* of the item being read */
    uint8_t kind;
    bool item_first;
    /* the block being filled */
    size_t at;
    uint32_t units, link_units;
    bool space, in_word;
};

void cru_blocks_release(struct cru_blocks *b) {
    cru_buffer_release(&b->text);
    free(b->blocks);
    free(b->regions);
    free(b->open);
    free(b->work);
    memset(b, 0, sizeof *b);
}

/* The array with room for one more; NULL when memory is short (the old one stays). */
static void *grow(void *array, size_t n, size_t *capacity, size_t size) {
    if (n < *capacity) return array;
    size_t more = *capacity ? 2 * *capacity : 64;
    void *p = realloc(array, more * size);
    if (p) *capacity = more;
    return p;
}

/* Ends the block being filled, if there is anything in it. */
static void flush(struct walk *w) {
    struct cru_blocks *b = w->b;
    while (b->text.n > w->at &&
           (b->text.p[b->text.n - 1] == '\n' || b->text.p[b->text.n - 1] == ' ' ||
            b->text.p[b->text.n - 1] == '\t'))
        b->text.n--;
    w->space = w->in_word = false;
    if (b->text.n > w->at) {
        void *p = grow(b->blocks, b->n, &b->capacity, sizeof *b->blocks);
        if (!p) {
            w->failed = true;
            return;
        }
        b->blocks = p;
        b->blocks[b->n++] = (struct cru_block){.at = w->at,
                                               .n = b->text.n - w->at,
                                               .units = w->units,
                                               .link_units = w->link_units,
                                               .row = w->row,
                                               .cell = w->cell,
                                               .number = w->number,
                                               .kind = w->kind,
                                               .first = w->item_first,
                                               .keep = true};
        w->item_first = false;
    }
    w->at = b->text.n;
    w->units = w->link_units = 0;
}

static void count(struct walk *w, uint32_t units) {
    w->units += units;
    if (w->links) w->link_units += units;
}

static void emit(struct walk *w, const char *p, size_t n) {
    if (w->space) {
        size_t end = w->b->text.n;
        if (end > w->at && w->b->text.p[end - 1] != '\n') cru_buffer_add_char(&w->b->text, ' ');
        w->space = false;
    }
    cru_buffer_add(&w->b->text, p, n);
}

static size_t length_of(unsigned char lead) {
    return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

/* Bytes of a character that is white space or nothing: *space says which. 0: an ordinary one. */
static size_t blank(const unsigned char *p, bool *space) {
    *space = true;
    if (p[0] == ' ' || p[0] == '\n' || p[0] == '\t' || p[0] == '\r' || p[0] == '\f') return 1;
    if (p[0] == 0xC2 && p[1] == 0xA0) return 2;                 /* no-break space */
    if (p[0] == 0xE3 && p[1] == 0x80 && p[2] == 0x80) return 3; /* ideographic space */
    *space = false;
    if (p[0] == 0xC2 && p[1] == 0xAD) return 2;                                /* soft hyphen */
    if (p[0] == 0xE2 && p[1] == 0x80 && p[2] == 0x8B) return 3;                /* zero-width space */
    if (p[0] == 0xEF && p[1] == 0xBB && p[2] == 0xBF) return 3;                /* byte order mark */
    if (p[0] < 0x20 || p[0] == 0x7F) return 1;                                 /* control */
    return 0;
}

static bool is_ideograph(const unsigned char *p) {
    return (p[0] >= 0xE3 && p[0] <= 0xE9) ||                 /* U+3000..U+9FFF */
           (p[0] == 0xE0 && (p[1] == 0xB8 || p[1] == 0xB9)); /* Thai */
}

static void add_text(struct walk *w, const char *text) {
    const unsigned char *p = (const unsigned char *)text;
    while (*p) {
        /* a run of ordinary ASCII, the usual case */
        const unsigned char *from = p;
        while (*p > ' ' && *p < 0x7F) {
            if (!w->in_word && ((*p | 32u) - 'a' < 26u || *p - 48u < 10u)) {
                w->in_word = true;
                count(w, 2);
            }
            p++;
        }
        if (p > from) {
            emit(w, (const char *)from, (size_t)(p - from));
            continue;
        }
        bool space;
        size_t n = blank(p, &space);
        if (n && w->pres && (*p == '\n' || *p == ' ' || *p == '\t')) {
            if (*p == '\n')
                while (w->b->text.n > w->at && (w->b->text.p[w->b->text.n - 1] == ' ' ||
                                                w->b->text.p[w->b->text.n - 1] == '\t'))
                    w->b->text.n--;
            bool lead = *p == '\n' && w->b->text.n == w->at; /* blank lines at the start */
            w->in_word = false;
            if (!lead) emit(w, (const char *)p, 1);
        } else if (n) {
            if (space) {
                w->space = true;
                w->in_word = false;
            }
        } else {
            n = length_of(*p);
            if (is_ideograph(p)) {
                count(w, 1);
                w->in_word = false;
            } else if (!w->in_word) {
                w->in_word = true;
                count(w, 2);
            }
            emit(w, (const char *)p, n);
        }
        p += n;
    }
}

static const char *attribute(const GumboElement *e, const char *name) {
    for (unsigned i = 0; i < e->attributes.length; i++) {
        const GumboAttribute *a = e->attributes.data[i];
        if (strcmp(a->name, name) == 0) return a->value;
    }
    return NULL;
}

/* hidden, aria-hidden="true", style="display:none". */
static bool is_hidden(const GumboElement *e) {
    for (unsigned i = 0; i < e->attributes.length; i++) {
        const GumboAttribute *a = e->attributes.data[i];
        if (a->name[0] == 'h' && strcmp(a->name, "hidden") == 0) return true;
        if (a->name[0] == 'a' && strcmp(a->name, "aria-hidden") == 0)
            return strcasecmp(a->value, "true") == 0;
        if (a->name[0] == 's' && strcmp(a->name, "style") == 0) {
            const char *d = strcasestr(a->value, "display");
            if (d) {
                d += 7;
                while (*d == ' ' || *d == ':') d++;
                if (strncasecmp(d, "none", 4) == 0) return true;
            }
        }
    }
    return false;
}

static void open_region(struct walk *w, struct cru_open *o, const GumboElement *e) {
    enum cru_region_kind kind;
    if (!cru_region_hint(e, &kind)) return;
    struct cru_blocks *b = w->b;
    void *p = grow(b->regions, b->n_regions, &b->cap_regions, sizeof *b->regions);
    if (!p) {
        w->failed = true;
        return;
    }
    b->regions = p;
    o->region = (ptrdiff_t)b->n_regions;
    b->regions[b->n_regions++] = (struct cru_region){b->n, b->n, kind};
}

static void list_item(struct walk *w, const GumboNode *node) {
    w->kind = CRU_BLOCK_ITEM;
    w->item_first = true;
    w->number = 0;
    const GumboNode *list = node->parent;
    if (!list || list->type != GUMBO_NODE_ELEMENT || list->v.element.tag != GUMBO_TAG_OL) return;
    /* the number is kept by the open list */
    struct cru_open *o = &w->b->open[w->b->n_open - 1];
    const char *start = attribute(&list->v.element, "start");
    if (o->number == 0 && start) {
        long first = strtol(start, NULL, 10);
        if (first > 0 && first < 1000000) o->number = (uint32_t)first - 1;
    }
    w->number = ++o->number;
}

/* An element is entered; false: it is not shown. */
static bool enter(struct walk *w, const GumboNode *node) {
    const GumboElement *e = &node->v.element;
    uint8_t how = e->tag <= GUMBO_TAG_LAST ? shown[e->tag] : 0;
    if (how & SKIP) return false;
    if ((how & FORM_PART) && !w->all) return false;
    if (e->attributes.length && is_hidden(e)) return false;
    if (e->tag == GUMBO_TAG_BR) {
        w->space = w->in_word = false;
        if (w->b->text.n > w->at) {
            while (w->b->text.n > w->at && w->b->text.p[w->b->text.n - 1] == ' ') w->b->text.n--;
            size_t end = w->b->text.n; /* two in a row are a paragraph's end, more are no more */
            if (end - w->at < 2 || w->b->text.p[end - 2] != '\n' || w->b->text.p[end - 1] != '\n')
                cru_buffer_add_char(&w->b->text, '\n');
        }
        return false;
    }
    struct cru_blocks *b = w->b;
    if (how & BLOCK) flush(w);
    struct cru_open o = {node, 0, -1, w->row, w->cell, 0, w->kind, w->item_first};
    switch (e->tag) {
    case GUMBO_TAG_A: w->links += attribute(e, "href") != NULL; break;
    case GUMBO_TAG_PRE:
    case GUMBO_TAG_XMP:
    case GUMBO_TAG_LISTING:
    case GUMBO_TAG_PLAINTEXT:
        w->pres++;
        w->kind = CRU_BLOCK_PRE;
        break;
    case GUMBO_TAG_LI: list_item(w, node); break;
    case GUMBO_TAG_DT: w->kind = CRU_BLOCK_TERM; break;
    case GUMBO_TAG_DD:
        w->kind = CRU_BLOCK_DEFINITION;
        w->item_first = true;
        break;
    case GUMBO_TAG_TABLE: w->row = w->cell = 0; break;
    case GUMBO_TAG_TR:
        w->row = ++w->rows;
        w->cell = 0;
        break;
    case GUMBO_TAG_TD:
    case GUMBO_TAG_TH:
        w->cell = ++b->open[b->n_open - 1].cell; /* its parent is a tr */
        w->row = b->open[b->n_open - 1].number;
        w->kind = CRU_BLOCK_PARAGRAPH;
        break;
    default:
        if (how & HEADING) w->kind = CRU_BLOCK_HEADING;
        break;
    }
    if ((how & HINTED) && !w->all) open_region(w, &o, e);
    if (e->tag == GUMBO_TAG_TR) { /* kept for its cells */
        o.number = w->row;
        o.cell = 0;
    }
    void *p = grow(b->open, b->n_open, &b->cap_open, sizeof *b->open);
    if (!p) {
        w->failed = true;
        return false;
    }
    b->open = p;
    b->open[b->n_open++] = o;
    return true;
}

static void leave(struct walk *w) {
    struct cru_open o = w->b->open[--w->b->n_open];
    const GumboElement *e = &o.node->v.element;
    uint8_t how = e->tag <= GUMBO_TAG_LAST ? shown[e->tag] : 0;
    if (how & BLOCK) flush(w);
    if (o.region >= 0) w->b->regions[o.region].end = w->b->n;
    switch (e->tag) {
    case GUMBO_TAG_A: w->links -= attribute(e, "href") != NULL; break;
    case GUMBO_TAG_PRE:
    case GUMBO_TAG_XMP:
    case GUMBO_TAG_LISTING:
    case GUMBO_TAG_PLAINTEXT: w->pres--; break;
    case GUMBO_TAG_TR: w->row = w->cell = 0; break;
    case GUMBO_TAG_TABLE: /* back in the outer table's cell, if any */
        w->row = o.row;
        w->cell = o.cell;
        break;
    case GUMBO_TAG_LI: w->number = 0; break;
    default: break;
    }
    if (how & BLOCK) {
        w->kind = o.kind;
        /* an item's first block may have been inside the element that ends here */
        if (e->tag == GUMBO_TAG_LI || e->tag == GUMBO_TAG_DD) w->item_first = false;
    }
}

enum cru_status cru_blocks_walk(struct cru_blocks *b, const GumboNode *root, bool all,
                                struct cru_error *err) {
    cru_buffer_clear(&b->text);
    b->n = b->n_regions = b->n_open = 0;
    struct walk w = {.b = b, .all = all, .kind = CRU_BLOCK_PARAGRAPH};
    if (root->type == GUMBO_NODE_ELEMENT) (void)enter(&w, root);
    while (b->n_open && !w.failed) {
        struct cru_open *o = &b->open[b->n_open - 1];
        const GumboVector *children = &o->node->v.element.children;
        if (o->child == children->length) {
            leave(&w);
            continue;
        }
        const GumboNode *child = children->data[o->child++];
        if (child->type == GUMBO_NODE_ELEMENT)
            (void)enter(&w, child);
        else if (child->type == GUMBO_NODE_TEXT || child->type == GUMBO_NODE_WHITESPACE ||
                 child->type == GUMBO_NODE_CDATA)
            add_text(&w, child->v.text.text);
    }
    flush(&w);
    if (w.failed || b->text.failed) return cru_fail_memory(err, "the blocks of an HTML page");
    return CRU_OK;
}

enum { CELL_BYTES = 400 }; /* a longer cell is layout, not data: a paragraph of its own */

/* What stands between two kept blocks. */
static const char *separator(const struct cru_block *before, const struct cru_block *after) {
    if (before->n > CELL_BYTES || after->n > CELL_BYTES) {
        if (after->kind != CRU_BLOCK_ITEM || before->kind != CRU_BLOCK_ITEM) return "\n\n";
    }
    if (after->row && after->row == before->row)
        return after->cell == before->cell ? "\n" : " | ";
    if (after->row && before->row) return "\n";
    if (after->kind == CRU_BLOCK_ITEM && before->kind == CRU_BLOCK_ITEM) return "\n";
    if (after->kind == CRU_BLOCK_DEFINITION && before->kind == CRU_BLOCK_TERM) return "\n";
    return "\n\n";
}

void cru_blocks_join(const struct cru_blocks *b, struct cru_buffer *out) {
    const struct cru_block *before = NULL;
    for (size_t i = 0; i < b->n; i++) {
        const struct cru_block *block = &b->blocks[i];
        if (!block->keep) continue;
        if (before) cru_buffer_add_string(out, separator(before, block));
        if (block->kind == CRU_BLOCK_ITEM && block->first) {
            if (block->number)
                cru_buffer_printf(out, "%u. ", block->number);
            else
                cru_buffer_add_string(out, "- ");
        }
        cru_buffer_add(out, b->text.p + block->at, block->n);
        before = block;
    }
}
