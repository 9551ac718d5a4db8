/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/subword_split.h"
#include "crucible/base/base.h"
#include "tokenizer/subword_unicode.h"
#include "tokenizer/unicode_categories.h"

enum { KEEP_BYTES = 16 << 20 };

struct cru_cut *cru_cut_plan_add(struct cru_cut_plan *plan, enum cru_cut_kind kind,
                                 struct cru_error *err) {
    if (plan->n == CRU_CUTS_MOST) {
        (void)cru_fail(err, CRU_USAGE, "more than %d steps", CRU_CUTS_MOST);
        return NULL;
    }
    if (!plan->cuts) {
        plan->cuts = calloc(CRU_CUTS_MOST, sizeof *plan->cuts);
        if (!plan->cuts || !cru_classes_init(&plan->classes)) {
            (void)cru_fail_memory(err, "pre-tokeniser");
            return NULL;
        }
    }
    plan->cuts[plan->n].kind = kind;
    return &plan->cuts[plan->n++];
}

void cru_cut_plan_release(struct cru_cut_plan *plan) {
    for (size_t i = 0; i < plan->n; i++) cru_split_plan_release(&plan->cuts[i].steps);
    free(plan->cuts);
    cru_classes_release(&plan->classes);
    memset(plan, 0, sizeof *plan);
}

enum cru_status cru_cut_scratch_init(struct cru_cut_scratch *s, const struct cru_cut_plan *plan,
                                     struct cru_error *err) {
    memset(s, 0, sizeof *s);
    cru_buffer_init(&s->text);
    s->splitters = calloc(plan->n + 1, sizeof *s->splitters);
    if (!s->splitters) return cru_fail_memory(err, "pre-tokeniser");
    for (size_t i = 0; i < plan->n; i++, s->n_splitters++) {
        enum cru_status status =
            cru_splitter_init(&s->splitters[i], &plan->cuts[i].steps, &plan->classes, err);
        if (status) return status;
    }
    return CRU_OK;
}

static void borders_release(struct cru_borders *b) {
    free(b->p);
    memset(b, 0, sizeof *b);
}

void cru_cut_scratch_release(struct cru_cut_scratch *s) {
    for (size_t i = 0; i < s->n_splitters; i++) cru_splitter_release(&s->splitters[i]);
    free(s->splitters);
    borders_release(&s->pieces);
    borders_release(&s->others);
    cru_buffer_release(&s->text);
    memset(s, 0, sizeof *s);
}

void cru_cut_scratch_trim(struct cru_cut_scratch *s) {
    if (s->pieces.capacity > KEEP_BYTES / sizeof *s->pieces.p) borders_release(&s->pieces);
    if (s->others.capacity > KEEP_BYTES / sizeof *s->others.p) borders_release(&s->others);
    if (s->text.capacity > KEEP_BYTES) cru_buffer_release(&s->text);
}

static bool add(struct cru_borders *b, size_t begin, size_t end) {
    if (begin == end) return true;
    if (b->n == b->capacity) {
        size_t capacity = b->capacity ? b->capacity * 2 : 256;
        struct cru_piece_border *p = realloc(b->p, capacity * sizeof *p);
        if (!p) return false;
        b->p = p;
        b->capacity = capacity;
    }
    b->p[b->n++] = (struct cru_piece_border){(uint32_t)begin, (uint32_t)end};
    return true;
}

/* What a character is for the cuts that look at characters. */
enum role { DROPPED, ALONE, WORD, OTHER };

static enum role role_of(enum cru_cut_kind kind, uint32_t c) {
    unsigned class = cru_subword_class(c);
    if (class & CRU_SUB_BLANK) return DROPPED;
    if (kind == CRU_CUT_BERT) return cru_category_of(c) & CRU_CAT_PUNCT ? ALONE : WORD;
    return kind == CRU_CUT_BLANKS || (class & CRU_SUB_WORD) ? WORD : OTHER;
}

/* Runs of one role; those dropped vanish. */
static bool cut_by_roles(enum cru_cut_kind kind, const unsigned char *text,
                         struct cru_piece_border piece, struct cru_borders *out) {
    size_t begin = piece.begin, at = piece.begin;
    enum role last = DROPPED;
    while (at < piece.end) {
        unsigned length;
        enum role role = role_of(kind, cru_code_point(text + at, &length));
        if (role != last || role == ALONE) {
            if (last != DROPPED && !add(out, begin, at)) return false;
            begin = at;
            last = role;
        }
        at += length;
    }
    return last == DROPPED || add(out, begin, at);
}

static enum cru_status cut_by_steps(struct cru_splitter *splitter, const unsigned char *text,
                                    struct cru_piece_border piece, struct cru_borders *out,
                                    struct cru_error *err) {
    const unsigned char *p, *end;
    enum cru_status status;
    cru_splitter_begin(splitter, text + piece.begin, text + piece.end);
    while (!(status = cru_splitter_next(splitter, &p, &end, err)))
        if (!add(out, (size_t)(p - text), (size_t)(end - text)))
            return cru_fail_memory(err, "pieces of a text");
    return status == CRU_END ? CRU_OK : status;
}

/* Appends the piece with marks for spaces to `made`, and where it is cut. */
static bool cut_at_marks(const struct cru_cut *cut, struct cru_span piece, bool first,
                         struct cru_buffer *made, struct cru_borders *out) {
    size_t mark = strlen(cut->mark), begin = made->n;
    bool marked = piece.p[0] == ' ' || (piece.n >= mark && memcmp(piece.p, cut->mark, mark) == 0);
    if (!marked &&
        (cut->prepend == CRU_PREPEND_ALWAYS || (cut->prepend == CRU_PREPEND_FIRST && first)))
        cru_buffer_add(made, cut->mark, mark);
    for (const char *p = piece.p, *end = piece.p + piece.n, *space; p < end; p = space + 1) {
        space = memchr(p, ' ', (size_t)(end - p));
        cru_buffer_add(made, p, (size_t)((space ? space : end) - p));
        if (!space) break;
        cru_buffer_add(made, cut->mark, mark);
    }
    if (made->failed) return false;
    if (!cut->split) return add(out, begin, made->n);
    while (begin < made->n) {
        size_t from = begin + 1;
        const char *next =
            from < made->n ? memmem(made->p + from, made->n - from, cut->mark, mark) : NULL;
        size_t end = next ? (size_t)(next - made->p) : made->n;
        if (!add(out, begin, end)) return false;
        begin = end;
    }
    return true;
}

static enum cru_status run_cut(const struct cru_cut *cut, struct cru_splitter *splitter,
                               struct cru_cut_scratch *s, bool first, struct cru_span *text,
                               struct cru_error *err) {
    const unsigned char *bytes = (const unsigned char *)text->p;
    enum cru_status status = CRU_OK;
    bool room = true;
    s->others.n = 0;
    if (cut->kind == CRU_CUT_METASPACE) cru_buffer_clear(&s->text);
    for (size_t i = 0; i < s->pieces.n && room && !status; i++) {
        struct cru_piece_border piece = s->pieces.p[i];
        switch (cut->kind) {
        case CRU_CUT_METASPACE:
            room = cut_at_marks(cut, cru_span_make(text->p + piece.begin, piece.end - piece.begin),
                                first && piece.begin == 0, &s->text, &s->others);
            break;
        case CRU_CUT_STEPS:
            status = cut_by_steps(splitter, bytes, piece, &s->others, err);
            break;
        default:
            room = cut_by_roles(cut->kind, bytes, piece, &s->others);
            break;
        }
    }
    struct cru_borders swapped = s->pieces;
    s->pieces = s->others;
    s->others = swapped;
    if (cut->kind == CRU_CUT_METASPACE) *text = cru_buffer_span(&s->text);
    if (s->text.failed) cru_buffer_release(&s->text);
    return status ? status : room ? CRU_OK : cru_fail_memory(err, "pieces of a text");
}

enum cru_status cru_cut_run(const struct cru_cut_plan *plan, struct cru_cut_scratch *s,
                            struct cru_span stretch, bool first, struct cru_span *text,
                            struct cru_error *err) {
    enum cru_status status = CRU_OK;
    *text = stretch;
    s->pieces.n = 0;
    if (!add(&s->pieces, 0, stretch.n)) return cru_fail_memory(err, "pieces of a text");
    for (size_t i = 0; i < plan->n && !status; i++)
        status = run_cut(&plan->cuts[i], &s->splitters[i], s, first, text, err);
    return status;
}
