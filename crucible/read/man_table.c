/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of tbl(1) as rows of text: cells are separated by " | ", formats and rules go. */
#include "crucible/base/base.h"
#include "crucible/read/man_private.h"

static bool is_end(struct cru_span line, const char *request) {
    size_t n = strlen(request);
    return line.n >= n && memcmp(line.p, request, n) == 0;
}

/* Format lines end with the first that ends in a point. */
static void skip_format(struct cru_man *m) {
    struct cru_span line;
    while (man_next_line(m, &line)) {
        line = cru_span_trim(line);
        if (line.n && line.p[line.n - 1] == '.') return;
        if (is_end(line, ".TE")) return;
    }
}

/* One line of a text block: requests for fonts have their arguments as text. */
static void block_line(struct cru_man *m, struct cru_span line, struct cru_buffer *cell) {
    struct cru_span args[MAN_ARGS];
    bool joined;
    if (line.n && cell->n) cru_buffer_add_char(cell, ' ');
    if (line.n == 0 || line.p[0] != '.') {
        man_expand(m, line);
        man_resolve(cru_buffer_span(&m->expanded), cell, &joined);
        return;
    }
    man_expand(m, cru_span_make(line.p + 1, line.n - 1));
    size_t n = man_args(cru_buffer_span(&m->expanded), args, NULL);
    static const char *const fonts[] = {"B", "I", "R", "BR", "RB", "BI", "IB", "IR", "RI", "SM", "SB",
                                        "Fl", "Ar", "Cm", "Dv", "Xr", "Sy", "Em", "Va", "Li", "Pa"};
    for (size_t i = 0; n && i < sizeof fonts / sizeof fonts[0]; i++)
        if (cru_span_is(args[0], fonts[i])) {
            bool together = args[0].n == 2 && args[0].p[1] < 'a' && fonts[i][0] != 'S';
            cru_buffer_add_span(cell, man_join(m, args + 1, n - 1, together ? "" : " "));
        }
}

static void end_cell(struct cru_buffer *row, struct cru_buffer *cell, size_t *cells) {
    struct cru_span text = cru_span_trim(cru_buffer_span(cell));
    bool rule = text.n == 1 && (*text.p == '_' || *text.p == '=');
    if (text.n && !rule) {
        if (row->n) cru_buffer_add_string(row, " | ");
        cru_buffer_add_span(row, text);
    }
    ++*cells;
    cru_buffer_clear(cell);
}

static void data_line(struct cru_man *m, struct cru_span line, char tab, struct cru_buffer *row,
                      struct cru_buffer *cell) {
    struct cru_span own = cru_arena_copy(&m->arena, line), rest = own, part;
    size_t cells = 0;
    if (!own.p) {
        m->failed = true;
        return;
    }
    cru_buffer_clear(row);
    cru_buffer_clear(cell);
    while (cru_span_split(&rest, tab, &part)) {
        struct cru_span text = cru_span_trim(part);
        if (text.n != 2 || memcmp(text.p, "T{", 2) != 0) {
            block_line(m, part.n && part.p[0] == '.' ? cru_span_make("", 0) : part, cell);
            end_cell(row, cell, &cells);
            continue;
        }
        struct cru_span inner;
        rest.p = NULL;
        rest.n = 0;
        while (man_next_line(m, &inner)) {
            if (inner.n >= 2 && memcmp(inner.p, "T}", 2) == 0) { /* more cells may follow */
                rest = cru_arena_copy(&m->arena, cru_span_make(inner.p + 2, inner.n - 2));
                if (rest.n == 0) rest.p = NULL;
                else if (*rest.p == tab) rest.p++, rest.n--;
                break;
            }
            if (is_end(inner, ".TE")) break;
            block_line(m, inner, cell);
        }
        end_cell(row, cell, &cells);
    }
    bool fill = m->fill;
    m->fill = true; /* blanks in cells are one space */
    man_put(m, cru_buffer_span(row));
    m->fill = fill;
    man_gap(m, GAP_BREAK);
}

void man_table(struct cru_man *m) {
    struct cru_buffer row, cell;
    cru_buffer_init(&row);
    cru_buffer_init(&cell);
    struct cru_span line;
    char tab = '\t';
    man_gap(m, GAP_PARAGRAPH);
    if (man_next_line(m, &line)) {
        struct cru_span first = cru_span_trim(line);
        if (first.n && first.p[first.n - 1] == ';') {
            const char *option = memmem(first.p, first.n, "tab", 3);
            const char *open = option ? memchr(option, '(', (size_t)(first.p + first.n - option)) : NULL;
            if (open && open + 1 < first.p + first.n) tab = open[1];
            skip_format(m);
        } else if (first.n && first.p[first.n - 1] != '.') {
            skip_format(m);
        }
        while (!m->failed && man_next_line(m, &line)) {
            if (is_end(line, ".TE")) break;
            if (is_end(line, ".T&"))
                skip_format(m);
            else if (line.n && line.p[0] == '.' && !(line.n > 1 && line.p[1] >= '0' && line.p[1] <= '9'))
                continue;
            else
                data_line(m, line, tab, &row, &cell);
        }
    }
    if (row.failed || cell.failed) m->failed = true;
    cru_buffer_release(&row);
    cru_buffer_release(&cell);
    man_gap(m, GAP_PARAGRAPH);
}
