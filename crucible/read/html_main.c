/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which blocks of a page are its main text. Three linear passes, in integers:
 *
 *   1. Regions. Blocks in nav, footer, aside and the like go; in elements whose class or id hints at
 *      furniture they go when the region is small or made of links; when the page has a main element
 *      (or articles) with a fair share of the words, what is outside goes.
 *   2. Blocks. A block, or the row of a table, is good (long enough, few words in links), bad (most
 *      words in links, or gone in pass 1) or near (too short to tell).
 *   3. Neighbours. A near block shares the fate of the good or bad block nearest to it; a heading
 *      stays when something behind it stays. Judging short blocks by their neighbours is the idea of
 *      jusText (Pomikalek 2011), the share of words in links that of Kohlschuetter et al. 2010; the rules
 *      and numbers here are our own.
 */
#include <gumbo.h>

#include "crucible/base/base.h"
#include "crucible/read/html_blocks.h"

/* In half words, or as fractions 1/N. */
enum {
    GOOD_UNITS = 20,      /* a good block has ten words */
    GOOD_PRE_UNITS = 6,   /* preformatted text, three */
    GOOD_LINK_PARTS = 3,  /* and at most a third of them in links */
    BAD_LINK_PARTS = 2,   /* a bad one more than a half */
    NEAR_BLOCKS = 3,      /* between good and bad, a good block reaches this far */
    HEADING_REACH = 3,    /* a heading stays when one of so many blocks behind it does */
    SMALL_REGION_PARTS = 4, /* a hinted region is believed when it holds less than this part */
    LINK_REGION_PARTS = 3,  /* or more than this part of its words is in links */
    FORM_PARTS = 3,         /* a form with more than this part of the page is the page */
    MAIN_PARTS = 4,         /* main and article are believed when they hold this part */
    RESCUE_UNITS = 50,      /* less left than this, and */
    RESCUE_PARTS = 10,      /* less than this part of the page: the regions were wrong */
};

struct hint {
    const char *word; /* lower case; a "*" at the end: as a prefix */
    enum cru_region_kind kind;
};

/* Words of class and id names that mark furniture: common usage on the web, our own selection. */
static const struct hint class_hints[] = {
    {"ad", CRU_REGION_SOFT},          {"ads", CRU_REGION_SOFT},
    {"advert*", CRU_REGION_SOFT},     {"banner*", CRU_REGION_SOFT},
    {"breadcrumb*", CRU_REGION_SOFT}, {"byline", CRU_REGION_SOFT},
    {"comments", CRU_REGION_SOFT},    {"consent*", CRU_REGION_SOFT},
    {"cookie*", CRU_REGION_SOFT},     {"copyright", CRU_REGION_SOFT},
    {"disqus*", CRU_REGION_SOFT},     {"foot", CRU_REGION_SOFT},
    {"footer*", CRU_REGION_SOFT},     {"header*", CRU_REGION_HEAD},
    {"login*", CRU_REGION_SOFT},      {"masthead", CRU_REGION_HEAD},
    {"menu*", CRU_REGION_SOFT},       {"modal", CRU_REGION_SOFT},
    {"nav*", CRU_REGION_SOFT},        {"newsletter*", CRU_REGION_SOFT},
    {"pager", CRU_REGION_SOFT},       {"pagination", CRU_REGION_SOFT},
    {"popup*", CRU_REGION_SOFT},      {"promo*", CRU_REGION_SOFT},
    {"recommend*", CRU_REGION_SOFT},  {"related*", CRU_REGION_SOFT},
    {"search*", CRU_REGION_SOFT},     {"share*", CRU_REGION_SOFT},
    {"sharing", CRU_REGION_SOFT},     {"sidebar*", CRU_REGION_SOFT},
    {"signup*", CRU_REGION_SOFT},     {"sitemap", CRU_REGION_SOFT},
    {"skip*", CRU_REGION_SOFT},       {"social*", CRU_REGION_SOFT},
    {"sponsor*", CRU_REGION_SOFT},    {"subscribe*", CRU_REGION_SOFT},
    {"tags", CRU_REGION_SOFT},        {"toolbar*", CRU_REGION_SOFT},
    {"topbar*", CRU_REGION_SOFT},     {"widget*", CRU_REGION_SOFT},
};

/* WAI-ARIA 1.2 roles. */
static const struct hint role_hints[] = {
    {"alertdialog", CRU_REGION_HARD},   {"banner", CRU_REGION_HEAD},
    {"complementary", CRU_REGION_HARD}, {"contentinfo", CRU_REGION_HARD},
    {"dialog", CRU_REGION_HARD},        {"main", CRU_REGION_MAIN},
    {"menu", CRU_REGION_HARD},          {"menubar", CRU_REGION_HARD},
    {"navigation", CRU_REGION_HARD},    {"search", CRU_REGION_HARD},
    {"toolbar", CRU_REGION_HARD},       {"tablist", CRU_REGION_HARD},
};

/* An aside with one of these in its class is a note of the text, not furniture. */
static const char *const note_words[] = {"note", "warning", "tip", "important", "caution",
                                         "admonition", "callout", "example", "footnote"};

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/* "mainNav site-footer" -> main, Nav, site, footer: words end at non-letters and before capitals. */
static size_t next_word(const char **p) {
    while (**p && !is_letter(**p)) ++*p;
    const char *from = *p;
    while (is_letter(**p)) {
        char c = **p;
        if (*p > from && c <= 'Z' && (*p)[-1] > 'Z') break;
        ++*p;
    }
    return (size_t)(*p - from);
}

static bool matches(const char *word, size_t n, const char *pattern) {
    size_t m = strlen(pattern);
    if (pattern[m - 1] == '*') return n >= m - 1 && strncasecmp(word, pattern, m - 1) == 0;
    return n == m && strncasecmp(word, pattern, n) == 0;
}

static bool class_hint(const char *value, enum cru_region_kind *kind) {
    const char *p = value;
    size_t n;
    while ((n = next_word(&p)) > 0) {
        const char *word = p - n;
        for (size_t i = 0; i < sizeof class_hints / sizeof class_hints[0]; i++)
            if (((class_hints[i].word[0] ^ word[0]) & 31) == 0 &&
                matches(word, n, class_hints[i].word)) {
                *kind = class_hints[i].kind;
                return true;
            }
    }
    return false;
}

static bool is_note(const char *value) {
    const char *p = value;
    size_t n;
    while ((n = next_word(&p)) > 0)
        for (size_t i = 0; i < sizeof note_words / sizeof note_words[0]; i++)
            if (matches(p - n, n, note_words[i])) return true;
    return false;
}

bool cru_region_hint(const GumboElement *e, enum cru_region_kind *kind) {
    bool note = false;
    bool hinted = false;
    for (unsigned i = 0; i < e->attributes.length; i++) {
        const GumboAttribute *a = e->attributes.data[i];
        if (strcmp(a->name, "role") == 0) {
            for (size_t r = 0; r < sizeof role_hints / sizeof role_hints[0]; r++)
                if (strcasecmp(a->value, role_hints[r].word) == 0) {
                    *kind = role_hints[r].kind;
                    return true;
                }
        } else if (strcmp(a->name, "class") == 0 || strcmp(a->name, "id") == 0) {
            note = note || is_note(a->value);
            hinted = hinted || class_hint(a->value, kind);
        }
    }
    switch (e->tag) {
    case GUMBO_TAG_ASIDE:
        if (note) return false;
        *kind = CRU_REGION_HARD;
        return true;
    case GUMBO_TAG_NAV:
    case GUMBO_TAG_MENU:
    case GUMBO_TAG_FOOTER: *kind = CRU_REGION_HARD; return true;
    case GUMBO_TAG_FORM: *kind = CRU_REGION_FORM; return true;
    case GUMBO_TAG_HEADER: *kind = CRU_REGION_HEAD; return true;
    case GUMBO_TAG_MAIN: *kind = CRU_REGION_MAIN; return true;
    case GUMBO_TAG_ARTICLE: *kind = CRU_REGION_ARTICLE; return true;
    default: return hinted;
    }
}

/* Units and link units of all blocks before a place, by differences. */
struct sums {
    const int64_t *units, *links;
};

static bool region_goes(const struct cru_region *r, struct sums s, int64_t total) {
    int64_t units = s.units[r->end] - s.units[r->first];
    int64_t links = s.links[r->end] - s.links[r->first];
    bool small = units * SMALL_REGION_PARTS < total;
    bool linked = links * LINK_REGION_PARTS > units;
    switch (r->kind) {
    case CRU_REGION_HARD: return true;
    case CRU_REGION_FORM: return units * FORM_PARTS <= total;
    case CRU_REGION_HEAD:
    case CRU_REGION_SOFT: return linked || small;
    case CRU_REGION_MAIN:
    case CRU_REGION_ARTICLE: break;
    }
    return false;
}

/* Blocks covered by regions of the kind, or (for a furniture pass) by all that go: keep = false. */
static void cover(struct cru_blocks *b, struct sums s, int64_t total, int64_t *depth, int pass) {
    enum { FURNITURE, MAINS, ARTICLES };
    memset(depth, 0, (b->n + 1) * sizeof *depth);
    for (size_t i = 0; i < b->n_regions; i++) {
        const struct cru_region *r = &b->regions[i];
        bool in = pass == FURNITURE ? region_goes(r, s, total) && r->kind != CRU_REGION_HEAD
                  : pass == MAINS   ? r->kind == CRU_REGION_MAIN
                                    : r->kind == CRU_REGION_ARTICLE;
        if (!in) continue;
        depth[r->first]++;
        depth[r->end]--;
    }
    int64_t open = 0, inside = 0;
    for (size_t i = 0; i < b->n; i++) {
        open += depth[i];
        depth[i] = open;
        if (open && b->blocks[i].keep) inside += b->blocks[i].units;
    }
    if (pass != FURNITURE && inside * MAIN_PARTS < total) return; /* not believed */
    if (pass != FURNITURE && inside == 0) return;
    for (size_t i = 0; i < b->n; i++)
        if ((depth[i] > 0) == (pass == FURNITURE)) b->blocks[i].keep = false;
}

/* A page's header goes but for its headings. */
static void cover_heads(struct cru_blocks *b, struct sums s, int64_t total) {
    size_t done = 0; /* regions open in order: a nested one has been done with its outer one */
    for (size_t i = 0; i < b->n_regions; i++) {
        const struct cru_region *r = &b->regions[i];
        if (r->kind != CRU_REGION_HEAD || !region_goes(r, s, total)) continue;
        for (size_t k = r->first > done ? r->first : done; k < r->end; k++)
            if (b->blocks[k].kind != CRU_BLOCK_HEADING) b->blocks[k].keep = false;
        if (r->end > done) done = r->end;
    }
}

static void regions(struct cru_blocks *b, struct sums s, int64_t *depth) {
    int64_t total = s.units[b->n], links = s.links[b->n];
    cover(b, s, total, depth, 0);
    cover_heads(b, s, total);
    bool has_main = false;
    for (size_t i = 0; i < b->n_regions; i++)
        has_main = has_main || b->regions[i].kind == CRU_REGION_MAIN;
    cover(b, s, total, depth, has_main ? 1 : 2);
    int64_t left = 0;
    for (size_t i = 0; i < b->n; i++)
        if (b->blocks[i].keep) left += b->blocks[i].units - b->blocks[i].link_units;
    if (left < RESCUE_UNITS && left * RESCUE_PARTS < total - links)
        for (size_t i = 0; i < b->n; i++) b->blocks[i].keep = true;
}

enum { BAD = -1, NEAR = 0, GOOD = 1 };

static int64_t judge_one(const struct cru_block *block, int64_t units, int64_t links) {
    if (!block->keep || links * BAD_LINK_PARTS > units) return BAD;
    if (block->kind == CRU_BLOCK_HEADING || links * GOOD_LINK_PARTS > units) return NEAR;
    return units >= (block->kind == CRU_BLOCK_PRE ? GOOD_PRE_UNITS : GOOD_UNITS) ? GOOD : NEAR;
}

/* Verdicts block by block; the cells of a row are judged together. */
static bool judge_blocks(const struct cru_blocks *b, int64_t *verdict) {
    bool any = false;
    for (size_t i = 0; i < b->n;) {
        size_t end = i + 1;
        int64_t units = b->blocks[i].units, links = b->blocks[i].link_units;
        while (b->blocks[i].row && end < b->n && b->blocks[end].row == b->blocks[i].row) {
            units += b->blocks[end].units;
            links += b->blocks[end].link_units;
            end++;
        }
        for (; i < end; i++) {
            verdict[i] = judge_one(&b->blocks[i], units, links);
            any = any || verdict[i] == GOOD;
        }
    }
    return any;
}

/* Short blocks by their neighbours. `behind[i]`: the first judged block at or behind i. */
static void judge_near(struct cru_blocks *b, const int64_t *verdict, int64_t *behind) {
    behind[b->n] = (int64_t)b->n;
    for (size_t i = b->n; i-- > 0;)
        behind[i] = verdict[i] == NEAR ? behind[i + 1] : (int64_t)i;
    int64_t before = -1; /* the last judged block */
    for (size_t i = 0; i < b->n; i++) {
        if (verdict[i] != NEAR) {
            before = (int64_t)i;
            b->blocks[i].keep = verdict[i] == GOOD;
            continue;
        }
        int64_t after = behind[i];
        bool good_before = before >= 0 && verdict[before] == GOOD;
        bool good_after = after < (int64_t)b->n && verdict[after] == GOOD;
        int64_t to_before = (int64_t)i - before, to_after = after - (int64_t)i;
        b->blocks[i].keep = (good_before && good_after) ||
                            (good_before && to_before <= NEAR_BLOCKS) ||
                            (good_after && to_after <= NEAR_BLOCKS);
    }
    /* a heading stays for what it heads */
    size_t last_kept = SIZE_MAX;
    for (size_t i = b->n; i-- > 0;) {
        struct cru_block *block = &b->blocks[i];
        if (block->kind == CRU_BLOCK_HEADING && verdict[i] == NEAR)
            block->keep = last_kept != SIZE_MAX && last_kept - i <= HEADING_REACH;
        if (block->keep) last_kept = i;
    }
}

enum cru_status cru_blocks_judge(struct cru_blocks *b, struct cru_error *err) {
    if (b->n == 0) return CRU_OK;
    size_t need = 4 * (b->n + 1);
    if (need > b->cap_work) {
        int64_t *p = realloc(b->work, 2 * need * sizeof *p);
        if (!p) return cru_fail_memory(err, "the blocks of an HTML page");
        b->work = p;
        b->cap_work = 2 * need;
    }
    int64_t *units = b->work, *links = units + b->n + 1, *depth = links + b->n + 1,
            *verdict = depth + b->n + 1;
    units[0] = links[0] = 0;
    for (size_t i = 0; i < b->n; i++) {
        units[i + 1] = units[i] + b->blocks[i].units;
        links[i + 1] = links[i] + b->blocks[i].link_units;
    }
    regions(b, (struct sums){units, links}, depth);
    if (judge_blocks(b, verdict)) {
        judge_near(b, verdict, depth);
    } else { /* a page of short blocks: what is not links stays */
        for (size_t i = 0; i < b->n; i++) b->blocks[i].keep = verdict[i] == NEAR;
    }
    return CRU_OK;
}
