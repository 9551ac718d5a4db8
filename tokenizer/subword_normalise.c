/* SPDX-License-Identifier: Apache-2.0 */
#include <utf8proc.h>

#include "crucible/base/base.h"
#include "tokenizer/subword_normalise.h"
#include "tokenizer/subword_unicode.h"

enum {
    POINTS_MOST = 32, /* of a decomposition; the longest is U+FDFA with 18 */
    GONE = 255,
    KEEP_BYTES = 16 << 20,
};

/* ---- single characters ---- */

static uint32_t lower(uint32_t c) {
    size_t low = 0, high = cru_lower_n_runs;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct cru_lower_run *r = &cru_lower_runs[middle];
        if (c > r->last)
            low = middle + 1;
        else if (c < r->first)
            high = middle;
        else
            return (c - r->first) % r->step ? c : (uint32_t)((int32_t)c + r->delta);
    }
    return c;
}

/* The ranges of BertNormalizer, whose 0x2B920 for 0x2B820 is its own. */
static bool is_chinese(uint32_t c) {
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
           (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
           (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

/* What the normaliser Nmt makes of a character; CRU_NO_POINT: nothing. */
#define CRU_NO_POINT UINT32_MAX
static uint32_t nmt(uint32_t c) {
    if ((c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F ||
        c == 0x9F)
        return CRU_NO_POINT;
    if (c == 9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 || (c >= 0x200B && c <= 0x200F) ||
        c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD)
        return ' ';
    return c;
}

static uint32_t clean(uint32_t c) {
    unsigned class = cru_subword_class(c);
    if (class & CRU_SUB_CONTROL) return CRU_NO_POINT;
    return class & CRU_SUB_BLANK ? ' ' : c;
}

/* One CHARS step at work. */
struct chars {
    unsigned flags;
    struct cru_norm_scratch *scratch;
    struct cru_buffer *out;
};

static void append(struct chars *w, uint32_t c) {
    unsigned char utf8[4];
    cru_buffer_add(w->out, utf8, (size_t)utf8proc_encode_char((utf8proc_int32_t)c, utf8));
}

/* Behind decomposition and order: what is dropped, and lower case. */
static void put(struct chars *w, uint32_t c) {
    unsigned class = cru_subword_class(c);
    if (((w->flags & CRU_CHARS_DROP_NONSPACING) && (class & CRU_SUB_NONSPACING)) ||
        ((w->flags & CRU_CHARS_DROP_COMBINING) && (class & CRU_SUB_COMBINING)))
        return;
    if (!(w->flags & CRU_CHARS_LOWER) || !(class & CRU_SUB_UPPER)) {
        append(w, c);
    } else if (c == 0x130) { /* the only one that becomes two */
        append(w, 'i');
        append(w, 0x307);
    } else {
        append(w, lower(c));
    }
}

static void flush_marks(struct chars *w) {
    struct cru_norm_scratch *s = w->scratch;
    if (s->n_marks > 1) cru_order_marks(s->marks, s->n_marks, s->sorting);
    for (size_t i = 0; i < s->n_marks; i++) put(w, (uint32_t)s->marks[i]);
    s->n_marks = 0;
}

static void put_in_order(struct chars *w, uint32_t c) {
    struct cru_norm_scratch *s = w->scratch;
    if (!(cru_subword_class(c) & CRU_SUB_REORDERS)) {
        if (s->n_marks) flush_marks(w);
        put(w, c);
        return;
    }
    if (s->n_marks == s->capacity) {
        size_t capacity = s->capacity ? s->capacity * 2 : 64;
        int32_t *marks = realloc(s->marks, capacity * sizeof *marks), *sorting = NULL;
        if (marks) s->marks = marks;
        if (marks) sorting = realloc(s->sorting, capacity * sizeof *sorting);
        if (!sorting) {
            w->out->failed = true;
            return;
        }
        s->sorting = sorting;
        s->capacity = capacity;
    }
    s->marks[s->n_marks++] = (int32_t)c;
}

static void decompose(struct chars *w, uint32_t c) {
    bool compat = w->flags & CRU_CHARS_NFKD;
    utf8proc_int32_t points[POINTS_MOST];
    utf8proc_ssize_t n;
    int boundary = 0;
    if (!(w->flags & (CRU_CHARS_NFD | CRU_CHARS_NFKD))) {
        put(w, c);
        return;
    }
    if (!(cru_subword_class(c) & (compat ? CRU_SUB_NFKD : CRU_SUB_NFD))) {
        put_in_order(w, c);
        return;
    }
    n = utf8proc_decompose_char((utf8proc_int32_t)c, points, POINTS_MOST,
                                compat ? UTF8PROC_DECOMPOSE | UTF8PROC_STABLE | UTF8PROC_COMPAT
                                       : UTF8PROC_DECOMPOSE | UTF8PROC_STABLE,
                                &boundary);
    if (n > POINTS_MOST) n = 0;
    for (utf8proc_ssize_t i = 0; i < n; i++) put_in_order(w, (uint32_t)points[i]);
    if (n <= 0) put_in_order(w, c);
}

static void take(struct chars *w, uint32_t c) {
    if (w->flags & CRU_CHARS_CLEAN) c = clean(c);
    if ((w->flags & CRU_CHARS_NMT) && c != CRU_NO_POINT) c = nmt(c);
    if (c == CRU_NO_POINT) return;
    bool spaced = (w->flags & CRU_CHARS_HAN) && is_chinese(c);
    if (spaced) decompose(w, ' ');
    decompose(w, c);
    if (spaced) decompose(w, ' ');
}

/* No ASCII character decomposes, is a mark or becomes several. */
static void fill_ascii(struct cru_norm_step *step) {
    for (uint32_t b = 0; b < 128; b++) {
        uint32_t c = b;
        if (step->flags & CRU_CHARS_CLEAN) c = clean(c);
        if ((step->flags & CRU_CHARS_NMT) && c != CRU_NO_POINT) c = nmt(c);
        if (c != CRU_NO_POINT && (step->flags & CRU_CHARS_LOWER)) c = lower(c);
        step->ascii[b] = c == CRU_NO_POINT ? GONE : (unsigned char)c;
    }
}

static void run_chars(const struct cru_norm_step *step, struct cru_norm_scratch *scratch,
                      struct cru_span text, struct cru_buffer *out) {
    struct chars w = {step->flags, scratch, out};
    const unsigned char *p = (const unsigned char *)text.p, *end = p + text.n;
    scratch->n_marks = 0;
    while (p < end && !out->failed) {
        const unsigned char *ascii = p;
        while (ascii < end && *ascii < 0x80) ascii++;
        if (p < ascii) {
            char *to = cru_buffer_room(out, (size_t)(ascii - p));
            if (!to) return;
            for (; p < ascii; p++) {
                unsigned char b = step->ascii[*p];
                if (b == GONE) continue; /* marks on both sides of it are one run */
                if (scratch->n_marks) {
                    flush_marks(&w);
                    to = cru_buffer_room(out, (size_t)(ascii - p));
                    if (!to) return;
                }
                *to++ = (char)b;
                out->n++;
            }
            out->p[out->n] = 0;
            continue;
        }
        unsigned length;
        take(&w, cru_code_point(p, &length));
        p += length;
    }
    flush_marks(&w);
}

/* ---- strings ---- */

static void run_replace(const struct cru_norm_step *step, struct cru_span text,
                        struct cru_buffer *out) {
    const char *p = text.p, *end = text.p + text.n, *at;
    while (p < end && (at = memmem(p, (size_t)(end - p), step->pattern.p, step->pattern.n))) {
        cru_buffer_add(out, p, (size_t)(at - p));
        cru_buffer_add_span(out, cru_buffer_span(&step->content));
        p = at + step->pattern.n;
    }
    cru_buffer_add(out, p, (size_t)(end - p));
}

static enum cru_status run_regex(const struct cru_norm_step *step, struct cru_norm_scratch *scratch,
                                 struct cru_span text, struct cru_buffer *out,
                                 struct cru_error *err) {
    const unsigned char *p = (const unsigned char *)text.p;
    size_t from = 0, begin, end;
    while (from < text.n) {
        enum cru_status status =
            cru_regex_find(&step->regex, &scratch->regex, p, text.n, from, &begin, &end, err);
        if (status == CRU_END) break;
        if (status) return status;
        cru_buffer_add(out, p + from, begin - from);
        cru_buffer_add_span(out, cru_buffer_span(&step->content));
        from = end;
    }
    cru_buffer_add(out, p + from, text.n - from);
    return CRU_OK;
}

static struct cru_span strip(struct cru_span text, unsigned sides) {
    const unsigned char *p = (const unsigned char *)text.p, *end = p + text.n, *last;
    unsigned length;
    while ((sides & CRU_STRIP_LEFT) && p < end &&
           (cru_subword_class(cru_code_point(p, &length)) & CRU_SUB_BLANK))
        p += length;
    while ((sides & CRU_STRIP_RIGHT) && p < end) {
        for (last = end - 1; (*last & 0xC0) == 0x80;) last--;
        if (!(cru_subword_class(cru_code_point(last, &length)) & CRU_SUB_BLANK)) break;
        end = last;
    }
    return cru_span_make((const char *)p, (size_t)(end - p));
}

/* ---- plans ---- */

static enum cru_status fill(struct cru_norm_step *s, struct cru_span pattern,
                            struct cru_span content, struct cru_error *err) {
    bool replaces = s->kind == CRU_NORM_REPLACE || s->kind == CRU_NORM_REGEX;
    cru_buffer_init(&s->pattern);
    cru_buffer_init(&s->content);
    if (replaces && pattern.n == 0) return cru_fail(err, CRU_USAGE, "Replace of nothing");
    if (content.n > CRU_NORM_TEXT_MOST)
        return cru_fail(err, CRU_USAGE, "more than %d bytes to put in", CRU_NORM_TEXT_MOST);
    if (s->kind == CRU_NORM_CHARS) fill_ascii(s);
    if (s->kind == CRU_NORM_CHARSMAP) return cru_charsmap_init(&s->map, pattern, err);
    if (s->kind == CRU_NORM_REGEX) {
        enum cru_status status = cru_regex_init(&s->regex, pattern, err);
        if (status) return status;
    }
    cru_buffer_add_span(&s->pattern, pattern);
    cru_buffer_add_span(&s->content, content);
    return s->pattern.failed || s->content.failed ? cru_fail_memory(err, "normaliser") : CRU_OK;
}

enum cru_status cru_norm_plan_add(struct cru_norm_plan *plan, enum cru_norm_kind kind,
                                  unsigned flags, struct cru_span pattern, struct cru_span content,
                                  struct cru_error *err) {
    struct cru_norm_step *s;
    if (plan->n == CRU_NORM_STEPS_MOST)
        return cru_fail(err, CRU_USAGE, "more than %d steps", CRU_NORM_STEPS_MOST);
    if (!plan->steps) {
        plan->steps = calloc(CRU_NORM_STEPS_MOST, sizeof *plan->steps);
        if (!plan->steps || !cru_classes_init(&plan->classes))
            return cru_fail_memory(err, "normaliser");
    }
    s = &plan->steps[plan->n++];
    s->kind = kind;
    s->flags = flags;
    return fill(s, pattern, content, err);
}

void cru_norm_plan_release(struct cru_norm_plan *plan) {
    for (size_t i = 0; i < plan->n; i++) {
        cru_buffer_release(&plan->steps[i].pattern);
        cru_buffer_release(&plan->steps[i].content);
        cru_regex_release(&plan->steps[i].regex);
        cru_charsmap_release(&plan->steps[i].map);
    }
    free(plan->steps);
    cru_classes_release(&plan->classes);
    memset(plan, 0, sizeof *plan);
}

bool cru_norm_plan_keeps_first(const struct cru_norm_plan *plan) {
    for (size_t i = 0; i < plan->n; i++) {
        const struct cru_norm_step *s = &plan->steps[i];
        unsigned length = 0, keeping = CRU_CHARS_NFD | CRU_CHARS_NFKD | CRU_CHARS_LOWER;
        switch (s->kind) {
        case CRU_NORM_CHARS:
            if (s->flags & ~keeping) return false;
            break;
        case CRU_NORM_REPLACE: /* one character */
            (void)cru_code_point((const unsigned char *)s->pattern.p, &length);
            if (length != s->pattern.n || s->content.n == 0) return false;
            break;
        case CRU_NORM_NFC:
        case CRU_NORM_PREPEND:
            break;
        default:
            return false;
        }
    }
    return true;
}

enum cru_status cru_norm_scratch_init(struct cru_norm_scratch *s, struct cru_error *err) {
    memset(s, 0, sizeof *s);
    cru_buffer_init(&s->out[0]);
    cru_buffer_init(&s->out[1]);
    cru_normaliser_init(&s->nfc);
    return cru_regex_scratch_init(&s->regex, err);
}

void cru_norm_scratch_release(struct cru_norm_scratch *s) {
    cru_buffer_release(&s->out[0]);
    cru_buffer_release(&s->out[1]);
    cru_normaliser_release(&s->nfc);
    cru_regex_scratch_release(&s->regex);
    free(s->marks);
    free(s->sorting);
    s->marks = s->sorting = NULL;
    s->n_marks = s->capacity = 0;
}

void cru_norm_scratch_trim(struct cru_norm_scratch *s) {
    for (int i = 0; i < 2; i++)
        if (s->out[i].capacity > KEEP_BYTES) cru_buffer_release(&s->out[i]);
    if (s->nfc.out.capacity > KEEP_BYTES) cru_normaliser_release(&s->nfc);
    if (s->capacity > KEEP_BYTES / sizeof *s->marks) {
        free(s->marks);
        free(s->sorting);
        s->marks = s->sorting = NULL;
        s->capacity = 0;
    }
}

enum cru_status cru_norm_run(const struct cru_norm_plan *plan, struct cru_norm_scratch *scratch,
                             struct cru_span text, struct cru_span *result, struct cru_error *err) {
    for (size_t i = 0; i < plan->n && text.n; i++) {
        const struct cru_norm_step *step = &plan->steps[i];
        /* The other buffer than the one that the text may be in. */
        struct cru_buffer *out = &scratch->out[i % 2];
        enum cru_status status = CRU_OK;
        cru_buffer_clear(out);
        switch (step->kind) {
        case CRU_NORM_CHARS:
            run_chars(step, scratch, text, out);
            break;
        case CRU_NORM_NFC:
            status = cru_normalise(&scratch->nfc, &plan->classes, text, &text, err);
            if (!status) cru_buffer_add_span(out, text);
            break;
        case CRU_NORM_REPLACE:
            run_replace(step, text, out);
            break;
        case CRU_NORM_REGEX:
            status = run_regex(step, scratch, text, out, err);
            break;
        case CRU_NORM_PREPEND:
            cru_buffer_add_span(out, cru_buffer_span(&step->content));
            cru_buffer_add_span(out, text);
            break;
        case CRU_NORM_STRIP:
            cru_buffer_add_span(out, strip(text, step->flags));
            break;
        case CRU_NORM_CHARSMAP:
            cru_charsmap_apply(&step->map, text, out);
            break;
        }
        if (status) return status;
        if (out->failed) {
            cru_buffer_release(out);
            return cru_fail_memory(err, "normal form");
        }
        text = cru_buffer_span(out);
    }
    *result = text;
    return CRU_OK;
}
