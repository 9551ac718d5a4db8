/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/split_steps.h"
#include "crucible/base/base.h"
#include "tokenizer/piece_end.h"
#include "tokenizer/vocab_compile.h"

void cru_split_step_add(struct cru_buffer *out, uint32_t kind, uint32_t behavior, uint32_t digits,
                        struct cru_span pattern) {
    struct cru_split_step step = {kind, behavior, digits, (uint32_t)pattern.n};
    cru_buffer_add(out, &step, sizeof step);
    cru_buffer_add_span(out, pattern);
    cru_buffer_add(out, "\0\0\0", (4 - pattern.n % 4) % 4);
}

static bool step_agrees(const struct cru_split_step *s) {
    bool scanner = s->kind >= CRU_STEP_QWEN2 && s->kind <= CRU_STEP_TEKKEN;
    bool digits = scanner && s->kind != CRU_STEP_GPT2;
    bool known = scanner || (s->kind >= CRU_STEP_REGEX && s->kind <= CRU_STEP_PUNCTUATION);
    return known && s->behavior < CRU_SPLIT_BEHAVIORS &&
           (s->kind == CRU_STEP_REGEX) == (s->bytes > 0) &&
           (digits ? s->digits >= 1 && s->digits <= 16 : s->digits == 0);
}

static enum cru_status damaged(struct cru_error *err) {
    return cru_fail(err, CRU_FATAL, "vocabulary is damaged: its pre-tokeniser's steps");
}

enum cru_status cru_split_plan_init(struct cru_split_plan *plan, const void *steps, size_t bytes,
                                    struct cru_error *err) {
    enum cru_status status = CRU_OK;
    const unsigned char *p = steps;
    memset(plan, 0, sizeof *plan);
    while (!status && bytes) {
        struct cru_split_step *s = &plan->step[plan->n];
        if (plan->n == CRU_MAX_STEPS || bytes < sizeof *s) status = damaged(err);
        if (status) break;
        memcpy(s, p, sizeof *s);
        p += sizeof *s;
        bytes -= sizeof *s;
        size_t padded = ((size_t)s->bytes + 3) / 4 * 4;
        if (padded > bytes || !step_agrees(s) || !cru_text_is_utf8((const char *)p, s->bytes)) {
            status = damaged(err);
            break;
        }
        if (s->kind == CRU_STEP_REGEX)
            status = cru_regex_init(&plan->regex[plan->n], cru_span_make((const char *)p, s->bytes),
                                    err);
        p += padded;
        bytes -= padded;
        plan->n++;
    }
    if (status) cru_split_plan_release(plan);
    return status;
}

void cru_split_plan_release(struct cru_split_plan *plan) {
    for (size_t i = 0; i < plan->n; i++) cru_regex_release(&plan->regex[i]);
    plan->n = 0;
}

enum cru_status cru_splitter_init(struct cru_splitter *s, const struct cru_split_plan *plan,
                                  const struct cru_classes *classes, struct cru_error *err) {
    memset(s, 0, sizeof *s);
    s->plan = plan;
    s->classes = classes;
    return cru_regex_scratch_init(&s->scratch, err);
}

void cru_splitter_release(struct cru_splitter *s) {
    cru_regex_scratch_release(&s->scratch);
}

void cru_splitter_begin(struct cru_splitter *s, const unsigned char *p, const unsigned char *end) {
    memset(s->level, 0, s->plan->n * sizeof *s->level);
    s->begin = p;
    s->end = end;
    s->waiting = p < end;
}

/* A run of characters without the bit, or one character with it. */
static struct cru_split_entry next_by_bit(struct cru_split_level *l, unsigned bit) {
    const unsigned char *p = l->at;
    unsigned length;
    bool match = cru_category_at(p, &length) & bit;
    p += length;
    while (!match && p < l->end && !(cru_category_at(p, &length) & bit)) p += length;
    return (struct cru_split_entry){l->at, p, match};
}

static enum cru_status next_by_regex(struct cru_splitter *s, size_t i, struct cru_split_entry *e,
                                     struct cru_error *err) {
    struct cru_split_level *l = &s->level[i];
    if (!l->match || l->match < l->at) {
        size_t begin, end;
        enum cru_status status =
            cru_regex_find(&s->plan->regex[i], &s->scratch, l->begin, (size_t)(l->end - l->begin),
                           (size_t)(l->at - l->begin), &begin, &end, err);
        if (status > CRU_END) return status;
        l->match = status ? l->end : l->begin + begin;
        l->match_end = status ? l->end : l->begin + end;
    }
    if (l->at < l->match)
        *e = (struct cru_split_entry){l->at, l->match, false};
    else
        *e = (struct cru_split_entry){l->match, l->match_end, true};
    return CRU_OK;
}

/* The next match or gap of step i; CRU_END at the end of its piece. */
static enum cru_status next_entry(struct cru_splitter *s, size_t i, struct cru_split_entry *e,
                                  struct cru_error *err) {
    struct cru_split_level *l = &s->level[i];
    const struct cru_split_step *step = &s->plan->step[i];
    if (l->has_ahead) {
        l->has_ahead = false;
        *e = l->ahead;
        return CRU_OK;
    }
    if (l->at == l->end) return CRU_END;
    *e = (struct cru_split_entry){l->at, l->end, true};
    enum cru_status status = CRU_OK;
    switch (step->kind) {
    case CRU_STEP_DIGITS:
        *e = next_by_bit(l, CRU_CAT_NUMERIC);
        break;
    case CRU_STEP_PUNCTUATION:
        *e = next_by_bit(l, CRU_CAT_PUNCT);
        break;
    case CRU_STEP_REGEX:
        status = next_by_regex(s, i, e, err);
        break;
    default:
        e->end = cru_piece_end(s->classes, step->kind, step->digits, l->at, l->end);
        break;
    }
    if (!status) l->at = e->end;
    return status;
}

/* Whether an entry joins the piece that ends in `last`, of which that is the only one if `single`.
 */
static bool joins(uint32_t behavior, bool single, bool last, bool next) {
    switch (behavior) {
    case CRU_SPLIT_CONTIGUOUS:
        return next == last;
    case CRU_SPLIT_WITH_PREVIOUS:
        return single && next && !last;
    case CRU_SPLIT_WITH_NEXT:
        return single && last && !next;
    default:
        return false;
    }
}

/* The next piece of step i in its piece of the step before; CRU_END when that is used up. */
static enum cru_status next_piece(struct cru_splitter *s, size_t i, const unsigned char **p,
                                  const unsigned char **end, struct cru_error *err) {
    uint32_t behavior = s->plan->step[i].behavior;
    struct cru_split_level *l = &s->level[i];
    struct cru_split_entry e;
    enum cru_status status;
    do {
        status = next_entry(s, i, &e, err);
        if (status) return status;
    } while ((behavior == CRU_SPLIT_REMOVED && e.match) ||
             (behavior == CRU_SPLIT_KEPT && !e.match));
    *p = e.begin;
    *end = e.end;
    if (behavior < CRU_SPLIT_CONTIGUOUS) return CRU_OK;
    for (bool single = true, last = e.match;; single = false, last = e.match) {
        status = next_entry(s, i, &e, err);
        if (status == CRU_END) return CRU_OK;
        if (status) return status;
        if (!joins(behavior, single, last, e.match)) break;
        *end = e.end;
    }
    l->ahead = e;
    l->has_ahead = true;
    return CRU_OK;
}

enum cru_status cru_splitter_next(struct cru_splitter *s, const unsigned char **p,
                                  const unsigned char **end, struct cru_error *err) {
    size_t n = s->plan->n, i;
    enum cru_status status;
    do {
        /* Back from the last step to one that still has a piece, then forward again. */
        for (i = n, status = CRU_END; i > 0 && status == CRU_END; i -= status == CRU_END) {
            status = next_piece(s, i - 1, p, end, err);
            if (status > CRU_END) return status;
        }
        if (i == 0) {
            if (!s->waiting) return CRU_END;
            s->waiting = false;
            *p = s->begin;
            *end = s->end;
        }
        for (status = CRU_OK; i < n && !status; i += !status) {
            s->level[i] = (struct cru_split_level){.begin = *p, .at = *p, .end = *end};
            status = next_piece(s, i, p, end, err);
            if (status > CRU_END) return status;
        }
    } while (i < n); /* a step removed all of its piece */
    return CRU_OK;
}
