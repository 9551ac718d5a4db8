/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions of roff(7): .if, .ie, .el, with \{ ... \}. We answer as nroff on a terminal does. */
#include "crucible/base/base.h"
#include "crucible/read/man_private.h"

/* An integer expression: + - * / % < > <= >= = == & : and brackets, from left to right without precedence,
 * as roff has it; scale units behind a number are skipped. */
static long expression(const char **at, const char *end, int depth);

static long operand(const char **at, const char *end, int depth) {
    const char *p = *at;
    bool minus = false, not = false;
    while (p < end && (*p == '-' || *p == '+' || *p == '!')) {
        if (*p == '-') minus = !minus;
        if (*p == '!') not = !not;
        p++;
    }
    long value = 0;
    if (p < end && *p == '(' && depth < MAN_DEPTH) {
        p++;
        value = expression(&p, end, depth + 1);
        if (p < end && *p == ')') p++;
    } else if (p + 1 < end && *p == '\\' && p[1] == 'w') { /* the width of something: anything */
        const char *close = p + 3 < end ? memchr(p + 3, p[2], (size_t)(end - p - 3)) : NULL;
        p = close ? close + 1 : end;
        value = 24;
    } else {
        while (p < end && *p >= '0' && *p <= '9') {
            if (value < 100000000) value = 10 * value + (*p - '0');
            p++;
        }
        if (p < end && *p == '.')
            for (p++; p < end && *p >= '0' && *p <= '9';) p++;
        if (p < end && strchr("uicPpmnvsMf", *p)) p++;
    }
    *at = p;
    if (minus) value = -value;
    return not ? value <= 0 : value;
}

static long expression(const char **at, const char *end, int depth) {
    long value = operand(at, end, depth);
    for (;;) {
        const char *p = *at;
        if (p == end || !strchr("+-*/%<>=&:", *p)) return value;
        char op = *p++;
        bool equal = p < end && *p == '=';
        if (equal) p++;
        const char *before = p;
        long right = operand(&p, end, depth);
        if (p == before) return value;
        *at = p;
        long limit = 1000000000;
        switch (op) {
        case '+': value += right; break;
        case '-': value -= right; break;
        case '*': value *= right; break;
        case '/': value = right ? value / right : 0; break;
        case '%': value = right ? value % right : 0; break;
        case '<': value = equal ? value <= right : value < right; break;
        case '>': value = equal ? value >= right : value > right; break;
        case '=': value = value == right; break;
        case '&': value = value > 0 && right > 0; break;
        default: value = value > 0 || right > 0; break;
        }
        if (value > limit || value < -limit) value = 0;
    }
}

/* 'a'b': equal? */
static bool equal_strings(const char **at, const char *end) {
    char mark = **at;
    const char *a = *at + 1;
    const char *middle = memchr(a, mark, (size_t)(end - a));
    if (!middle) {
        *at = end;
        return false;
    }
    const char *b = middle + 1;
    const char *close = memchr(b, mark, (size_t)(end - b));
    if (!close) close = end;
    *at = close < end ? close + 1 : end;
    return cru_span_eq(cru_span_make(a, (size_t)(middle - a)), cru_span_make(b, (size_t)(close - b)));
}

static struct cru_span word_at(const char **at, const char *end) {
    const char *p = *at;
    while (p < end && *p == ' ') p++;
    const char *from = p;
    while (p < end && *p != ' ') p++;
    *at = p;
    return cru_span_make(from, (size_t)(p - from));
}

static bool holds(struct cru_man *m, const char **at, const char *end) {
    const char *p = *at;
    while (p < end && (*p == ' ' || *p == '\t')) p++;
    bool not = false, value = false;
    while (p < end && *p == '!') {
        not = !not;
        p++;
    }
    char c = p < end ? *p : ' ';
    if (c == 'n' || c == 'o') {
        value = true;
        p++;
    } else if (c == 't' || c == 'e' || c == 'v') {
        p++;
    } else if (c == 'd' || c == 'r') {
        p++;
        struct cru_span name = word_at(&p, end);
        value = c == 'r' ? man_find(m, 'r', name) != NULL
                         : man_find(m, 's', name) || man_find(m, 'm', name);
    } else if (c == 'c' || c == 'm' || c == 'F' || c == 'S') {
        p++;
        (void)word_at(&p, end);
        value = c == 'c';
    } else if (c == '\\' && p + 1 < end && p[1] == 'n') {
        p += 2;
    } else if ((c >= '0' && c <= '9') || c == '(' || c == '-' || c == '+' || c == '\\') {
        const char *before = p;
        value = expression(&p, end, 0) > 0;
        if (p == before) p++;
    } else if (c != ' ') {
        value = equal_strings(&p, end);
    }
    *at = p;
    return value != not;
}

/* \{ less \} in a line. */
static long braces(struct cru_span line) {
    long n = 0;
    for (size_t i = 0; i + 1 < line.n; i++) {
        if (line.p[i] != '\\') continue;
        if (line.p[i + 1] == '{') n++;
        if (line.p[i + 1] == '}') n--;
        i++;
    }
    return n;
}

void man_condition(struct cru_man *m, struct cru_span name, struct cru_span rest) {
    long open = braces(rest); /* before expansion: strings hold no braces of ours */
    bool value;
    const char *p, *end;
    man_expand(m, rest);
    struct cru_span own = cru_arena_copy(&m->arena, cru_buffer_span(&m->expanded));
    if (!own.p) {
        m->failed = true;
        return;
    }
    p = own.p;
    end = own.p + own.n;
    if (cru_span_is(name, "el")) {
        value = m->n_otherwise && m->otherwise[--m->n_otherwise];
    } else {
        value = holds(m, &p, end);
        if (cru_span_is(name, "while")) value = false; /* loops draw things */
        if (cru_span_is(name, "ie") && m->n_otherwise < MAN_DEPTH)
            m->otherwise[m->n_otherwise++] = !value;
    }
    if (!value) {
        struct cru_span line;
        while (open > 0 && man_next_line(m, &line)) open += braces(line);
        return;
    }
    while (p < end && (*p == ' ' || *p == '\t')) p++;
    while (end - p >= 2 && p[0] == '\\' && p[1] == '{') {
        p += 2;
        while (p < end && (*p == ' ' || *p == '\t')) p++;
    }
    if (p == end) return;
    if (m->depth == MAN_DEPTH) {
        m->exceeded = true;
        return;
    }
    /* the rest of the line is read again as a line; in this order, for it may be a condition, too */
    struct man_input *in = &m->inputs[m->depth];
    *in = m->inputs[m->depth - 1];
    in->rest = cru_span_make(p, (size_t)(end - p));
    m->depth++;
}
