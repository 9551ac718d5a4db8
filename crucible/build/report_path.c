/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "crucible/base/base.h"
#include "crucible/build/report_path.h"
#include "crucible/build/report_svg.h"
#include "ddm/drift.h"

/* User units; the page scales the drawing to its width. */
enum {
    WIDTH = 800,
    LEFT = 58,
    RIGHT = 26,
    TOP = 26,
    PATH = 190,
    GAP = 16,
    BARS = 90,
    BOTTOM = 36,
    HEIGHT = TOP + PATH + GAP + BARS + BOTTOM
};
static const double step_width = 3; /* between two points of the curve */

struct canvas {
    struct cru_buffer *out;
    const struct cru_report_process *p;
    const struct cru_report_path *path;
    double words, low, high; /* ranges of x and of the upper part's y */
};

/* Where the path stands: at the end of so many words. */
struct stand {
    double word, mean, variance;
};

static double across(const struct canvas *c, double word) {
    return LEFT + (WIDTH - LEFT - RIGHT) * word / c->words;
}
static double up(const struct canvas *c, double y) {
    return TOP + PATH * (c->high - y) / (c->high - c->low);
}
static double bar_up(double signal) {
    return TOP + PATH + GAP + BARS * (1 - signal) / 2;
}

/* `words` further under the signal s. */
static struct stand further(const struct canvas *c, struct stand at, double s, double words) {
    const struct cru_report_process *p = c->p;
    double time = words / p->words_per_time, k = p->theta * (p->mu - at.mean) + p->v * s;
    return (struct stand){at.word + words, at.mean + k * cru_drift_g(p->theta, time),
                          at.variance * exp(-2 * p->theta * time) +
                              p->sigma * p->sigma * cru_drift_g(2 * p->theta, time)};
}

/* Words until the mean meets `level`, which lies between here and `next`. */
static double until(const struct canvas *c, struct stand at, double s, double level, double words) {
    const struct cru_report_process *p = c->p;
    double k = p->theta * (p->mu - at.mean) + p->v * s, x = p->theta * (level - at.mean) / k;
    if (!(x < 1)) return words;
    double time = p->theta > 0 ? -log1p(-x) / p->theta : (level - at.mean) / k;
    return fmin(words, fmax(0, time * p->words_per_time));
}

typedef void visitor(struct canvas *c, struct stand at, struct stand next, double signal,
                     const struct cru_report_segment *segment);

static void each_segment(struct canvas *c, visitor *visit) {
    struct stand at = {0, c->p->x0, 0};
    for (size_t i = 0; i < c->path->n; i++) {
        const struct cru_report_segment *s = &c->path->segments[i];
        struct stand next = further(c, at, s->signal, s->words);
        visit(c, at, next, s->signal, s);
        at = next;
    }
}

static void find_range(struct canvas *c, struct stand at, struct stand next, double signal,
                       const struct cru_report_segment *segment) {
    (void)signal, (void)segment, (void)at;
    double sd = sqrt(next.variance);
    c->low = fmin(c->low, next.mean - sd);
    c->high = fmax(c->high, next.mean + sd);
}

/* The time at or below the lower boundary. */
static void shade_low(struct canvas *c, struct stand at, struct stand next, double signal,
                      const struct cru_report_segment *segment) {
    double level = c->p->lower, from = 0, to = segment->words;
    if (at.mean > level && next.mean > level) return;
    if (at.mean > level)
        from = until(c, at, signal, level, to);
    else if (next.mean > level)
        to = until(c, at, signal, level, to);
    double x = across(c, at.word + from), width = across(c, at.word + to) - x;
    if (width > 0)
        cru_buffer_printf(c->out,
                          "<rect class=\"low\" x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"%d\"/>",
                          x, TOP, width, PATH);
}

static void dot(struct canvas *c, double word, double level) {
    cru_buffer_printf(
        c->out,
        "<circle class=\"dot l3\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\"><title>word %.0f</title>"
        "</circle>",
        across(c, word), up(c, level), word);
}

static void mark_crossings(struct canvas *c, struct stand at, struct stand next, double signal,
                           const struct cru_report_segment *segment) {
    const double levels[] = {c->p->upper, c->p->lower};
    for (int i = 0; i < 2; i++)
        if ((at.mean < levels[i]) != (next.mean < levels[i]))
            dot(c, at.word + until(c, at, signal, levels[i], segment->words), levels[i]);
}

static void draw_bar(struct canvas *c, struct stand at, struct stand next, double signal,
                     const struct cru_report_segment *segment) {
    static const char *const classes[] = {"s0", "s1", "s2"};
    double x = across(c, at.word), width = across(c, next.word) - x, zero = bar_up(0),
           y = bar_up(signal);
    cru_buffer_printf(
        c->out,
        "<rect class=\"%s\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"><title>%u words,"
        " signal %.3f</title></rect>",
        classes[segment->kind % 3], x, fmin(y, zero), width > 2 ? width - 0.8 : width,
        fmax(0.6, fabs(y - zero)), segment->words, signal);
}

/* Points of mean + side * deviation from the start to the end, or back when `back`. */
static void trace(struct canvas *c, double side, bool back, char first) {
    struct stand at = {0, c->p->x0, 0};
    double word_step = c->words * step_width / (WIDTH - LEFT - RIGHT);
    size_t n = 0, most = (size_t)((WIDTH - LEFT - RIGHT) / step_width) + c->path->n + 2;
    struct stand *points = malloc(most * sizeof *points);
    if (!points) {
        c->out->failed = true;
        return;
    }
    points[n++] = at;
    for (size_t i = 0; i < c->path->n; i++) {
        const struct cru_report_segment *s = &c->path->segments[i];
        double pieces = fmax(1, floor(s->words / word_step));
        for (double k = 1; k <= pieces && n < most; k++)
            points[n++] = further(c, at, s->signal, s->words * k / pieces);
        at = further(c, at, s->signal, s->words);
    }
    for (size_t i = 0; i < n; i++) {
        const struct stand *now = &points[back ? n - 1 - i : i];
        cru_buffer_printf(c->out, "%c%.1f %.1f", i ? 'L' : first, across(c, now->word),
                          up(c, now->mean + side * sqrt(now->variance)));
    }
    free(points);
}

static void level(struct canvas *c, double y, const char *class, const char *label) {
    cru_buffer_printf(c->out,
                      "<path class=\"%s\" d=\"M%d %.1fH%d\"/><text class=\"v\" x=\"%d\" y=\"%.1f\""
                      " text-anchor=\"end\">%s%.2f</text>",
                      class, LEFT, up(c, y), WIDTH - RIGHT, LEFT - 6, up(c, y) + 4, label, y);
}

void cru_report_draw_path(struct cru_buffer *out, const struct cru_report_process *p,
                          const struct cru_report_path *path) {
    struct canvas c = {.out = out,
                       .p = p,
                       .path = path,
                       .low = fmin(p->lower, p->x0) - 0.05,
                       .high = fmax(p->upper, p->x0) + 0.05};
    for (size_t i = 0; i < path->n; i++) c.words += path->segments[i].words;
    if (!(c.words > 0) || !(p->words_per_time > 0)) return;
    each_segment(&c, find_range);
    cru_buffer_printf(
        out, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"Path of one document\">", WIDTH,
        HEIGHT);
    each_segment(&c, shade_low);
    level(&c, p->mu, "grid", "");
    level(&c, p->upper, "mark", "A ");
    level(&c, p->lower, "mark", "B ");
    cru_buffer_add_string(out, "<path class=\"band\" d=\"");
    trace(&c, 1, false, 'M');
    trace(&c, -1, true, 'L');
    cru_buffer_add_string(out, "Z\"/><path class=\"line l0\" d=\"");
    trace(&c, 0, false, 'M');
    cru_buffer_add_string(out, "\"/>");
    each_segment(&c, mark_crossings);
    each_segment(&c, draw_bar);
    for (int i = -1; i <= 1; i++)
        cru_buffer_printf(out,
                          "<text class=\"v\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%d</text>",
                          LEFT - 6, bar_up(i) + 4, i);
    cru_buffer_printf(out, "<path class=\"grid\" d=\"M%d %.1fH%d\"/>", LEFT, bar_up(0),
                      WIDTH - RIGHT);
    double step = fmax(1, cru_report_round_up(c.words / 8));
    for (double x = 0; x <= c.words; x += step) {
        char text[CRU_REPORT_NUMBER];
        cru_buffer_printf(out,
                          "<text class=\"v\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>",
                          across(&c, x), HEIGHT - BOTTOM + 16, cru_report_short_number(x, text));
    }
    cru_buffer_printf(
        out,
        "<text class=\"v\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">words</text>"
        "<text class=\"v\" x=\"4\" y=\"13\">mean of the accumulator; below: signal of each segment"
        "</text></svg>\n",
        (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 4);
}
