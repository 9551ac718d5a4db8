/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The blocks of a page, between the walk (html_blocks.c) and the judgement (html_main.c). Inside
 * crucible/read only. One thread at a time; cru_blocks_release frees.
 */
#ifndef CRU_READ_HTML_BLOCKS_H
#define CRU_READ_HTML_BLOCKS_H

#include <gumbo.h>

#include "crucible/base/buffer.h"
#include "crucible/base/error.h"
#include <stdint.h>

enum cru_block_kind {
    CRU_BLOCK_PARAGRAPH,
    CRU_BLOCK_HEADING,
    CRU_BLOCK_ITEM,
    CRU_BLOCK_TERM,
    CRU_BLOCK_DEFINITION,
    CRU_BLOCK_PRE,
};

/* Lengths are in half words: a word counts two, an ideograph (or a Thai letter) one. */
struct cru_block {
    size_t at, n; /* bytes in text */
    uint32_t units, link_units;
    uint32_t row, cell; /* of a table, 0: none */
    uint32_t number;    /* of an item in an ordered list, 0: none */
    uint8_t kind;
    bool first; /* the first block of its list item */
    bool keep;
};

/* A run of blocks inside one telling element. */
enum cru_region_kind {
    CRU_REGION_HARD, /* nav, footer, aside and the like */
    CRU_REGION_FORM,
    CRU_REGION_HEAD, /* header: its headings may stay */
    CRU_REGION_SOFT, /* a class or id that hints at furniture */
    CRU_REGION_MAIN,
    CRU_REGION_ARTICLE,
};

struct cru_region {
    size_t first, end; /* blocks */
    enum cru_region_kind kind;
};

struct cru_blocks {
    struct cru_buffer text;
    struct cru_block *blocks;
    size_t n, capacity;
    struct cru_region *regions;
    size_t n_regions, cap_regions;
    struct cru_open *open; /* the walk's stack */
    size_t n_open, cap_open;
    int64_t *work; /* html_main's, n + 1 places */
    size_t cap_work;
};

void cru_blocks_release(struct cru_blocks *b);

/* Fills `b` from the tree; with `all`, regions are not looked for. CRU_FATAL: memory. */
enum cru_status cru_blocks_walk(struct cru_blocks *b, const GumboNode *root, bool all,
                                struct cru_error *err);
/* Decides which blocks stay. */
enum cru_status cru_blocks_judge(struct cru_blocks *b, struct cru_error *err);
/* Appends the blocks that stay. */
void cru_blocks_join(const struct cru_blocks *b, struct cru_buffer *out);

/* What an element's class, id and role say; false when nothing. */
bool cru_region_hint(const GumboElement *element, enum cru_region_kind *kind);

#endif
