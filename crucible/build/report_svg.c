/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "crucible/base/base.h"
#include "crucible/build/report_data.h"
#include "crucible/build/report_svg.h"

/* User units; the page scales a chart to its width. A letter is about 6.5 wide. */
enum { WIDTH = 800, LABEL = 180, ROW = 22, BAR = 14, TEXT = 210, HEIGHT = 240, LEFT = 58, BOTTOM = 40, TOP = 26,
       RIGHT = 26, LETTERS = 26 };

void cru_report_escape(struct cru_buffer *out, const char *text) {
    for (const char *c = text; *c; c++) {
        if (*c == '&') cru_buffer_add_string(out, "&amp;");
        else if (*c == '<') cru_buffer_add_string(out, "&lt;");
        else if (*c == '>') cru_buffer_add_string(out, "&gt;");
        else if (*c == '"') cru_buffer_add_string(out, "&quot;");
        else if (*c == '\'') cru_buffer_add_string(out, "&#39;");
        else cru_buffer_add_char(out, (unsigned char)*c < 0x20 || *c == 0x7f ? ' ' : *c);
    }
}

/* At most `most` code points, the last an ellipsis when there are more. */
static void add_short(struct cru_buffer *out, const char *text, size_t most) {
    char cut[4 * LETTERS + 4];
    size_t points = 0, at = 0, fits = 0;
    for (; text[at]; at++) {
        if (((unsigned char)text[at] & 0xc0) == 0x80) continue;
        if (points == most - 1) fits = at;
        points++;
    }
    if (points <= most) fits = at;
    if (fits >= sizeof cut) fits = 0;
    memcpy(cut, text, fits);
    cut[fits] = 0;
    cru_report_escape(out, cut);
    if (points > most) cru_buffer_add_string(out, "\xe2\x80\xa6");
}

static void begin(struct cru_buffer *out, const char *what, int height) {
    cru_buffer_printf(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", WIDTH, height);
    cru_report_escape(out, what);
    cru_buffer_add_string(out, "\">");
}

void cru_svg_bars(struct cru_buffer *out, const char *what, const struct cru_svg_bar *bars, size_t n, double most,
                  const char *const classes[CRU_SVG_PARTS]) {
    double scale = most > 0 ? (WIDTH - LABEL - TEXT) / most : 0;
    int height = 4, y = 2;
    for (size_t i = 0; i < n; i++) height += bars[i].joined ? BAR + 2 : ROW;
    begin(out, what, height);
    for (size_t i = 0; i < n; i++) {
        const struct cru_svg_bar *bar = &bars[i];
        double x = LABEL;
        bool pair = i + 1 < n && bars[i + 1].joined;
        if (i) y += bar->joined ? BAR : ROW;
        if (!bar->joined) {
            cru_buffer_printf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">", LABEL - 10,
                              y + (pair ? BAR + 4 : BAR - 3));
            cru_buffer_add_string(out, "<title>");
            cru_report_escape(out, bar->label);
            cru_buffer_add_string(out, "</title>");
            add_short(out, bar->label, LETTERS);
            cru_buffer_add_string(out, "</text>");
        }
        for (int k = 0; k < CRU_SVG_PARTS; k++) {
            double width = bar->parts[k] * scale;
            if (!(width > 0)) continue;
            if (width < 1.5) width = 1.5; /* one bad document in a million must be seen */
            cru_buffer_printf(out, "<rect class=\"%s\" x=\"%.1f\" y=\"%d\" width=\"%.2f\" height=\"%d\"/>", classes[k], x,
                              y, width, pair || bar->joined ? BAR - 2 : BAR);
            x += width;
        }
        cru_buffer_printf(out, "<text class=\"v\" x=\"%.1f\" y=\"%d\">", x + 6, y + BAR - 3);
        cru_report_escape(out, bar->text);
        cru_buffer_add_string(out, "</text>");
    }
    cru_buffer_add_string(out, "</svg>\n");
}

static void y_tick(struct cru_buffer *out, double y, double value, double step) {
    char text[CRU_REPORT_NUMBER];
    int digits = step >= 1 ? 0 : (int)ceil(-log10(step) - 1e-9);
    if (fabs(value) >= 1e4) (void)cru_report_short_number(value, text);
    else (void)snprintf(text, sizeof text, "%.*f", digits, value);
    cru_buffer_printf(out, "<path class=\"grid\" d=\"M%d %.1fH%d\"/><text class=\"v\" x=\"%d\" y=\"%.1f\""
                           " text-anchor=\"end\">%s</text>", LEFT, y, WIDTH - RIGHT, LEFT - 6, y + 4, text);
}

static void x_title(struct cru_buffer *out, const char *axis) {
    cru_buffer_printf(out, "<text class=\"v\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">", (LEFT + WIDTH - RIGHT) / 2,
                      HEIGHT - 5);
    cru_report_escape(out, axis);
    cru_buffer_add_string(out, "</text>");
}

void cru_svg_columns(struct cru_buffer *out, const char *what, const uint64_t *counts, size_t n,
                     void (*tick)(const void *context, size_t edge, char *text, size_t size), const void *context,
                     const char *axis) {
    uint64_t most = 1;
    for (size_t i = 0; i < n; i++) most = counts[i] > most ? counts[i] : most;
    double step = cru_report_round_up((double)most / 4);
    if (step < 1) step = 1;
    double top = ceil((double)most / step) * step, tall = HEIGHT - TOP - BOTTOM;
    double wide = (double)(WIDTH - RIGHT - LEFT) / (double)(n ? n : 1);
    begin(out, what, HEIGHT);
    for (double value = 0; value <= top + step / 2; value += step)
        y_tick(out, HEIGHT - BOTTOM - tall * value / top, value, step);
    for (size_t i = 0; i < n; i++) {
        double height = tall * (double)counts[i] / top;
        if (counts[i])
            cru_buffer_printf(out, "<rect class=\"s0\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"><title>%llu"
                                   "</title></rect>", LEFT + wide * (double)i + 1, HEIGHT - BOTTOM - height,
                              wide > 3 ? wide - 2 : wide, height, (unsigned long long)counts[i]);
    }
    for (size_t edge = 0; edge <= n; edge++) {
        char text[CRU_REPORT_NUMBER] = "";
        tick(context, edge, text, sizeof text);
        if (!text[0]) continue;
        cru_buffer_printf(out, "<text class=\"v\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">",
                          LEFT + wide * (double)edge, HEIGHT - BOTTOM + 16);
        cru_report_escape(out, text);
        cru_buffer_add_string(out, "</text>");
    }
    x_title(out, axis);
    cru_buffer_add_string(out, "</svg>\n");
}

struct frame {
    double x0, x1, y0, y1;
};

static double across(const struct frame *f, double x) {
    return LEFT + (WIDTH - RIGHT - LEFT) * (f->x1 > f->x0 ? (x - f->x0) / (f->x1 - f->x0) : 0.5);
}

static double up(const struct frame *f, double y) {
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (y - f->y0) / (f->y1 - f->y0);
}

static bool find_frame(const struct cru_svg_line *lines, size_t n, struct frame *f) {
    bool any = false;
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < lines[k].n; i++) {
            double x = lines[k].x[i], y = lines[k].y[i];
            if (!isfinite(x) || !isfinite(y)) continue;
            if (!any) *f = (struct frame){x, x, y, y};
            f->x0 = fmin(f->x0, x), f->x1 = fmax(f->x1, x);
            f->y0 = fmin(f->y0, y), f->y1 = fmax(f->y1, y);
            any = true;
        }
    return any;
}

static void draw_line(struct cru_buffer *out, const struct frame *f, const struct cru_svg_line *line) {
    bool pen = false;
    if (!line->dots) cru_buffer_printf(out, "<path class=\"line %s\" d=\"", line->class);
    for (size_t i = 0; i < line->n; i++) {
        bool there = isfinite(line->x[i]) && isfinite(line->y[i]);
        if (there && line->dots)
            cru_buffer_printf(out, "<circle class=\"dot %s\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\"/>", line->class,
                              across(f, line->x[i]), up(f, line->y[i]));
        else if (there)
            cru_buffer_printf(out, "%c%.1f %.1f", pen ? 'L' : 'M', across(f, line->x[i]), up(f, line->y[i]));
        pen = there;
    }
    if (!line->dots) cru_buffer_add_string(out, "\"/>");
}

void cru_svg_lines(struct cru_buffer *out, const char *what, const struct cru_svg_line *lines, size_t n, double mark,
                   const char *mark_label, const char *x_axis, const char *y_axis) {
    struct frame f = {0, 0, 0, 0};
    if (!find_frame(lines, n, &f)) return;
    double span = f.y1 > f.y0 ? f.y1 - f.y0 : 1, step = cru_report_round_up(span / 5);
    f.y0 = floor(f.y0 / step) * step;
    f.y1 = f.y1 > f.y0 ? ceil(f.y1 / step) * step : f.y0 + step;
    begin(out, what, HEIGHT);
    for (int i = 0; f.y0 + i * step <= f.y1 + step / 2; i++)
        y_tick(out, up(&f, f.y0 + i * step), f.y0 + i * step, step);
    double across_step = f.x1 > f.x0 ? cru_report_round_up((f.x1 - f.x0) / 8) : 1;
    if (across_step < 1) across_step = 1;
    for (double x = ceil(f.x0 / across_step) * across_step; x <= f.x1; x += across_step) {
        char text[CRU_REPORT_NUMBER];
        cru_buffer_printf(out, "<text class=\"v\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>", across(&f, x),
                          HEIGHT - BOTTOM + 16, cru_report_short_number(x, text));
    }
    if (isfinite(mark)) {
        double x = across(&f, mark);
        bool right = x > WIDTH - 200;
        cru_buffer_printf(out, "<path class=\"mark\" d=\"M%.1f %dV%d\"/><text class=\"v\" x=\"%.1f\" y=\"%d\""
                               " text-anchor=\"%s\">", x, TOP, HEIGHT - BOTTOM, right ? x - 6 : x + 6, TOP + 11,
                          right ? "end" : "start");
        cru_report_escape(out, mark_label);
        cru_buffer_add_string(out, "</text>");
    }
    for (size_t k = 0; k < n; k++) draw_line(out, &f, &lines[k]);
    x_title(out, x_axis);
    cru_buffer_printf(out, "<text class=\"v\" x=\"%d\" y=\"11\">", 4);
    cru_report_escape(out, y_axis);
    cru_buffer_add_string(out, "</text></svg>\n");
}
