/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/stage/token_totals.h"

#include <math.h>

#include "crucible/base/base.h"

enum { PLACES = 2 * CRU_TOKEN_TOTALS_MAX };

static struct cru_span name_of(const struct cru_token_row *row) {
    return cru_span_make(row->name, row->name_n);
}

static enum cru_status add_row(struct cru_token_totals *t, const char *what, struct cru_span name,
                               size_t place, struct cru_error *err) {
    if (t->n == CRU_TOKEN_TOTALS_MAX)
        return cru_fail(err, CRU_FATAL, "more than %u %s: '%.*s'", CRU_TOKEN_TOTALS_MAX, what,
                        (int)(name.n < 80 ? name.n : 80), name.p);
    if (t->n == t->capacity) {
        size_t capacity = t->n ? t->n * 2 : 16;
        struct cru_token_row *rows = realloc(t->rows, capacity * sizeof *rows);
        if (!rows) return cru_fail_memory(err, what);
        t->rows = rows;
        t->capacity = capacity;
    }
    char *copy = malloc(name.n + 1);
    if (!copy) return cru_fail_memory(err, what);
    if (name.n) memcpy(copy, name.p, name.n);
    copy[name.n] = 0;
    struct cru_token_row *row = &t->rows[t->n++];
    memset(row, 0, sizeof *row);
    row->name = copy;
    row->name_n = name.n;
    t->places[place] = (uint32_t)t->n;
    return CRU_OK;
}

enum cru_status cru_token_totals_add(struct cru_token_totals *t, const char *what,
                                     struct cru_span name, uint64_t tokens, uint64_t bytes,
                                     struct cru_error *err) {
    if (!t->places && !(t->places = calloc(PLACES, sizeof *t->places)))
        return cru_fail_memory(err, what);
    size_t i = t->last;
    if (i >= t->n || !cru_span_eq(name_of(&t->rows[i]), name)) {
        size_t place = cru_hash64(name.p, name.n, 0) % PLACES;
        while (t->places[place] && !cru_span_eq(name_of(&t->rows[t->places[place] - 1]), name))
            place = (place + 1) % PLACES;
        if (!t->places[place]) {
            enum cru_status s = add_row(t, what, name, place, err);
            if (s) return s;
        }
        i = t->places[place] - 1;
        t->last = i;
    }
    t->rows[i].documents++;
    t->rows[i].tokens += tokens;
    t->rows[i].bytes += bytes;
    return CRU_OK;
}

struct cru_token_row cru_token_totals_sum(const struct cru_token_totals *t) {
    struct cru_token_row all = {NULL, 0, 0, 0, 0};
    for (size_t i = 0; i < t->n; i++) {
        all.documents += t->rows[i].documents;
        all.tokens += t->rows[i].tokens;
        all.bytes += t->rows[i].bytes;
    }
    return all;
}

static double bytes_per_token(const struct cru_token_row *r) {
    return r->tokens ? (double)r->bytes / (double)r->tokens : 0;
}

/* A name with a tab or a newline in it would be more than one field: it is written as JSON. */
static void add_name(struct cru_buffer *out, struct cru_span name) {
    bool plain = name.n > 0;
    for (size_t i = 0; i < name.n; i++)
        plain = plain && (unsigned char)name.p[i] >= 0x20 && name.p[i] != 0x7F;
    if (plain)
        cru_buffer_add_span(out, name);
    else if (name.n)
        cru_buffer_add_json_string(out, name);
    else
        cru_buffer_add_char(out, '-');
}

static void add_table_row(const struct cru_token_row *r, struct cru_buffer *out) {
    cru_buffer_printf(out, "\t%llu\t%llu\t%llu\t%.3f\n", (unsigned long long)r->documents,
                      (unsigned long long)r->tokens, (unsigned long long)r->bytes,
                      bytes_per_token(r));
}

void cru_token_totals_table(const struct cru_token_totals *t, struct cru_buffer *out) {
    cru_buffer_add_string(out, "source\tdocuments\ttokens\tbytes\tbytes_per_token\n");
    for (size_t i = 0; i < t->n; i++) {
        add_name(out, name_of(&t->rows[i]));
        add_table_row(&t->rows[i], out);
    }
    struct cru_token_row all = cru_token_totals_sum(t);
    cru_buffer_add_string(out, "total");
    add_table_row(&all, out);
}

void cru_token_totals_json(const struct cru_token_totals *t, struct cru_buffer *json) {
    cru_buffer_add_char(json, '{');
    for (size_t i = 0; i < t->n; i++) {
        const struct cru_token_row *r = &t->rows[i];
        if (i) cru_buffer_add_char(json, ',');
        cru_buffer_add_json_string(json, name_of(r));
        cru_buffer_printf(json, ":{\"documents\":%llu,\"tokens\":%llu,\"bytes\":%llu,",
                          (unsigned long long)r->documents, (unsigned long long)r->tokens,
                          (unsigned long long)r->bytes);
        cru_buffer_add_string(json, "\"bytes_per_token\":");
        cru_buffer_add_json_number(json, round(bytes_per_token(r) * 1e4) / 1e4);
        cru_buffer_add_char(json, '}');
    }
    cru_buffer_add_char(json, '}');
}

static int by_tokens(const void *a, const void *b) {
    const struct cru_token_row *x = a, *y = b;
    if (x->tokens != y->tokens) return x->tokens < y->tokens ? 1 : -1;
    size_t n = x->name_n < y->name_n ? x->name_n : y->name_n;
    int order = memcmp(x->name, y->name, n);
    return order ? order : (x->name_n > y->name_n) - (x->name_n < y->name_n);
}

void cru_token_totals_lines(const struct cru_token_totals *t, const char *what, size_t most,
                            struct cru_buffer *text) {
    if (t->n == 0 || (t->n == 1 && t->rows[0].name_n == 0)) return;
    struct cru_token_row *sorted = malloc(t->n * sizeof *sorted);
    if (!sorted) return; /* a summary is not worth failing for */
    memcpy(sorted, t->rows, t->n * sizeof *sorted);
    qsort(sorted, t->n, sizeof *sorted, by_tokens);
    for (size_t i = 0; i < t->n && i < most; i++) {
        struct cru_buffer name;
        cru_buffer_init(&name);
        add_name(&name, name_of(&sorted[i]));
        cru_buffer_printf(text, "  %s %-*.*s %10llu documents %14llu tokens %7.3f bytes a token\n",
                          what, 30, (int)(name.n < 100 ? name.n : 100), name.p ? name.p : "",
                          (unsigned long long)sorted[i].documents,
                          (unsigned long long)sorted[i].tokens, bytes_per_token(&sorted[i]));
        cru_buffer_release(&name);
    }
    free(sorted);
}

void cru_token_totals_release(struct cru_token_totals *t) {
    for (size_t i = 0; i < t->n; i++) free(t->rows[i].name);
    free(t->rows);
    free(t->places);
    memset(t, 0, sizeof *t);
}
