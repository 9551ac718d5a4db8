/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manual pages to text: the man(7) and mdoc(7) macros and the roff requests that pages use, as described
 * in groff_man(7), groff_char(7), roff(7) and mdoc(7). Filled text becomes one line a paragraph, paragraphs
 * and headings are separated by a blank line, unfilled text (.nf, .EX, .Bd -literal) keeps its lines.
 * Fonts, sizes, positions and conditions for typesetters go; tables (tbl) become rows with cells
 * separated by " | "; equations (eqn) and pictures go. One worker serves one thread. Linear time: strings
 * and user macros are expanded at most MAN_DEPTH deep and CRU_MAN_GROWTH times the page's size.
 */
#ifndef CRU_READ_MAN_TEXT_H
#define CRU_READ_MAN_TEXT_H

#include "crucible/base/buffer.h"
#include "crucible/base/error.h"

struct cru_man;
struct cru_man *cru_man_new(void); /* NULL when memory is short */
void cru_man_free(struct cru_man *man);

/* Appends the text of `page` (valid UTF-8) to `out`. CRU_BAD with *rule "redirect" when the page only names
 * another one (.so); CRU_FATAL when memory is short. */
enum cru_status cru_man_text(struct cru_man *man, struct cru_span page, struct cru_buffer *out,
                             const char **rule, struct cru_error *err);

#endif
