/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small charts as inline SVG, in the colours of the page's CSS classes (s0, s1, ... fill; l0, l1, ...
 * stroke), so that they follow light and dark. Appends to a buffer, whose `failed` the caller checks. All text is
 * escaped here. Pure; any thread.
 */
#ifndef CRU_BUILD_REPORT_SVG_H
#define CRU_BUILD_REPORT_SVG_H

#include "crucible/base/buffer.h"

/* Text for HTML, in elements and in quoted attributes; control characters become spaces. */
void cru_report_escape(struct cru_buffer *out, const char *text);

enum { CRU_SVG_PARTS = 3 };
struct cru_svg_bar {
    const char *label;
    double parts[CRU_SVG_PARTS]; /* stacked from the left, coloured by `classes`; not negative */
    char text[80];               /* behind the bar */
    bool joined;                 /* belongs to the bar above: no gap, no label */
};
/* Horizontal bars, one a row; `most` is the length of a full row. */
void cru_svg_bars(struct cru_buffer *out, const char *what, const struct cru_svg_bar *bars, size_t n, double most,
                  const char *const classes[CRU_SVG_PARTS]);

/* Columns: count i between ticks i and i+1; `tick` writes the label at an edge, or "" for none. */
void cru_svg_columns(struct cru_buffer *out, const char *what, const uint64_t *counts, size_t n,
                     void (*tick)(const void *context, size_t edge, char *text, size_t size), const void *context,
                     const char *axis);

struct cru_svg_line {
    const double *x, *y; /* y that is not finite breaks the line */
    size_t n;
    const char *class;   /* "l0" */
    bool dots;           /* points instead of a line */
};
/* Lines over a common scale, with a mark (NaN: none) at an x. */
void cru_svg_lines(struct cru_buffer *out, const char *what, const struct cru_svg_line *lines, size_t n, double mark,
                   const char *mark_label, const char *x_axis, const char *y_axis);

#endif
