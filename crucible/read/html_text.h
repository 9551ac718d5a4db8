/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTML to text. A page is parsed by gumbo-parser into a tree that lives in the worker's own memory, the
 * tree is walked (iteratively) into blocks, and the blocks that are kept are joined:
 *
 *   tree -> block | block | block ...          a block: a paragraph, heading, list item, table cell, pre
 *           nav     text    text               judged by its words, the share of them in links, its
 *           drop    keep    keep               neighbours, and the element (nav, footer, class) it is in
 *
 * White space of the result: inside a block, runs of white space (no-break and ideographic space
 * included) are one space, br is a newline, pre keeps its lines; blocks are separated by one blank line, items of a list
 * and rows of a table by one newline, cells of a row by " | ". List items begin with "- " or "N. ".
 * No line ends in white space and the text has no white space at either end. Zero-width space,
 * soft hyphen and byte order mark are removed; NUL bytes are, too (the parser drops them).
 *
 * A worker serves one thread; its memory is reused from page to page. A page takes linear time: pages
 * nested deeper than CRU_HTML_MAX_DEPTH are refused ("too-deep"), as are pages whose tree needs more
 * than CRU_HTML_TREE_BASE + CRU_HTML_TREE_FACTOR bytes a byte ("too-complex"),
 * and the few that the parser itself fails on ("unparsable").
 */
#ifndef CRU_READ_HTML_TEXT_H
#define CRU_READ_HTML_TEXT_H

#include "crucible/base/buffer.h"
#include "crucible/base/error.h"

enum cru_extract { CRU_EXTRACT_MAIN, CRU_EXTRACT_ALL };

/* Bounds of a parse tree: gumbo takes 10-20 bytes a byte on ordinary pages, up to 70 on tags alone.
 * Past the cap a page is refused whatever its size. */
enum { CRU_HTML_TREE_BASE = 32 << 20, CRU_HTML_TREE_FACTOR = 96, CRU_HTML_TREE_CAP = 768 << 20 };

struct cru_html;
struct cru_html *cru_html_new(void); /* NULL when memory is short */
void cru_html_free(struct cru_html *html);

/*
 * Appends the text of `page`, which must be valid UTF-8, to `out`. CRU_BAD with *rule set when the page is
 * refused; CRU_FATAL when memory is short.
 */
enum cru_status cru_html_text(struct cru_html *html, struct cru_span page,
                              enum cru_extract extract, struct cru_buffer *out,
                              const char **rule, struct cru_error *err);

#endif
