/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole analyzer against a second one, written from its definition with quadratic loops over
 * strings and long double, on generated texts; and what the score must do to loops and copies.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crucible/base/base.h"
#include "ddm/cues.h"
#include "ddm/ddm.h"
#include "ddm/quality.h"

/* ---- the naive analyzer: ASCII texts only ---- */

enum { MAX_WORDS = 6000, MAX_SEGMENTS = 2000 };

struct naive_word {
    const char *p;
    size_t n;
    bool line, blank, code, fence;
};

struct naive {
    struct naive_word w[MAX_WORDS];
    size_t words, segments;
    size_t first[MAX_SEGMENTS], size[MAX_SEGMENTS], hits[MAX_SEGMENTS][4];
    long double signal[MAX_SEGMENTS];
    long double q, u, l, t, p_low, first_low, coherence;
};

static bool naive_same(const struct naive_word *a, const struct naive_word *b) {
    return a->n == b->n && memcmp(a->p, b->p, a->n) == 0;
}

static void naive_read(struct naive *x, const char *text) {
    const char *p = text;
    bool fenced = false;
    x->words = 0;
    while (*p) {
        int lines = x->words == 0 ? 2 : 0;
        while (*p == ' ' || *p == '\n' || *p == '\t') lines += *p++ == '\n';
        if (!*p) break;
        struct naive_word *w = &x->w[x->words++];
        memset(w, 0, sizeof *w);
        w->p = p;
        while (*p && *p != ' ' && *p != '\n' && *p != '\t') p++;
        w->n = (size_t)(p - w->p);
        w->line = lines > 0;
        w->blank = lines > 1;
        bool mark = w->line && w->n >= 3 && memcmp(w->p, "```", 3) == 0;
        w->fence = mark && !fenced;
        w->code = mark || fenced;
        if (mark) fenced = !fenced; /* the generator closes every fence */
    }
}

static void naive_form(const struct naive_word *w, char *out, size_t size) {
    size_t a = 0, b = w->n, n = 0;
    const char *letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    while (a < b && !strchr(letters, w->p[a])) a++;
    while (b > a && !strchr(letters, w->p[b - 1])) b--;
    while (a < b && n + 1 < size) {
        char c = w->p[a++];
        out[n++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    out[n] = 0;
}

static char naive_end(const struct naive_word *w) {
    size_t n = w->n;
    while (n > 1 && strchr("\"')]}*_`", w->p[n - 1])) n--;
    return w->p[n - 1];
}

static bool naive_sentence(const struct naive *x, size_t i) {
    return i == 0 || x->w[i].line || strchr(".!?", naive_end(&x->w[i - 1]));
}

static struct cru_lexicon *english;

/* Longest phrase of the lexicon spelled at i; the place rules are known by the cue's class and
 * word. */
static enum cru_cue naive_cue(const struct naive *x, size_t i, size_t *used) {
    enum cru_cue best = CRU_CUE_NONE, cue;
    size_t length = 0;
    char form[64];
    *used = 1;
    for (size_t k = 0; k < cru_lexicon_count(english); k++) {
        struct cru_span span = cru_lexicon_phrase(english, k, &cue);
        char phrase[200];
        if (english->entries[k].number) continue; /* step k, case k: below */
        memcpy(phrase, span.p, span.n);
        phrase[span.n] = 0;
        size_t j = i, n = strlen(phrase), at = 0, words = 0;
        while (at < n && j < x->words && (j == i || !(x->w[j].blank || x->w[j].code))) {
            size_t m = 0;
            while (phrase[at + m] && phrase[at + m] != ' ') m++;
            naive_form(&x->w[j], form, sizeof form);
            if (strlen(form) != m || memcmp(form, phrase + at, m) != 0) break;
            at += m + (phrase[at + m] == ' ');
            j++;
            words++;
        }
        if (at < n || n <= length) continue;
        static const char *const clause[] = {
            "wait",          "hold on",    "actually",   "correction",       "reconsider",
            "reconsidering", "rethinking", "going back", "verify",           "verifying",
            "verification",  "check",      "checking",   "that makes sense", "alternatively",
            "what about",    "how about",  "suppose",    "consider",         "assume",
            "maybe",         "perhaps",    "possibly"};
        bool clause_only = false;
        for (size_t c = 0; c < sizeof clause / sizeof clause[0]; c++)
            clause_only = clause_only || strcmp(clause[c], phrase) == 0;
        bool sentence = naive_sentence(x, i);
        if (cue == CRU_CUE_CONCLUSION && !sentence) continue;
        if (clause_only && !sentence && !strchr(",;:-(", naive_end(&x->w[i - 1]))) continue;
        best = cue;
        length = n;
        *used = words;
    }
    if (best != CRU_CUE_NONE || !naive_sentence(x, i)) return best;
    /* enumeration: "12." on its own, or step or case with a number or a letter */
    size_t digits = strspn(x->w[i].p, "0123456789");
    if (digits > 0 && digits < 4 && x->w[i].n == digits + 1 && x->w[i].p[digits] == '.')
        return CRU_CUE_ENUMERATION;
    naive_form(&x->w[i], form, sizeof form);
    if ((strcmp(form, "step") == 0 || strcmp(form, "case") == 0) && i + 1 < x->words) {
        naive_form(&x->w[i + 1], form, sizeof form);
        if (form[0] && (strlen(form) == 1 || strspn(form, "0123456789") == strlen(form))) {
            *used = 2;
            return CRU_CUE_ENUMERATION;
        }
    }
    return CRU_CUE_NONE;
}

static void naive_cut(struct naive *x) {
    size_t free_at = 0;
    x->segments = 0;
    memset(x->hits, 0, sizeof x->hits);
    for (size_t i = 0; i < x->words; i++) {
        enum cru_cue cue = CRU_CUE_NONE;
        size_t used;
        if (i >= free_at && !x->w[i].code && (cue = naive_cue(x, i, &used)) != CRU_CUE_NONE)
            free_at = i + used;
        size_t k = x->segments;
        bool cut = k == 0;
        if (!cut) {
            size_t n = x->size[k - 1];
            if (x->w[i].code != x->w[i - 1].code || x->w[i].fence)
                cut = true;
            else if (!x->w[i].code)
                cut = n >= 160 ||
                      (n >= 8 && (x->w[i].blank || (cue != CRU_CUE_NONE && naive_sentence(x, i))));
        }
        if (cut) {
            x->first[k] = i;
            x->size[k] = 0;
            x->segments++;
        }
        x->size[x->segments - 1]++;
        if (cue >= CRU_CUE_CORRECTION && cue <= CRU_CUE_EXPLORATION)
            x->hits[x->segments - 1][cue]++;
    }
}

static bool naive_same_gram(const struct naive *x, size_t a, size_t b, size_t n) {
    for (size_t k = 0; k < n; k++)
        if (!naive_same(&x->w[a + k], &x->w[b + k])) return false;
    return true;
}

/* Whether the gram of `n` words at word `at` occurs in segment k before word `before`. */
static bool naive_occurs(const struct naive *x, size_t k, size_t at, size_t n, size_t before) {
    size_t size = x->size[k] < 4 ? x->size[k] : 4;
    if (size != n) return false;
    for (size_t b = x->first[k]; b + n <= x->first[k] + x->size[k] && b < before; b++)
        if (naive_same_gram(x, at, b, n)) return true;
    return false;
}

static long double naive_diversity(const struct naive *x, size_t first, size_t n) {
    size_t width = n < 50 ? n : 50;
    long double sum = 0;
    for (size_t a = 0; a + width <= n; a++)
        for (size_t j = a; j < a + width; j++) {
            bool seen = false;
            for (size_t b = a; b < j && !seen; b++)
                seen = naive_same(&x->w[first + b], &x->w[first + j]);
            sum += !seen;
        }
    return sum / (long double)((n - width + 1) * width);
}

static void naive_signal(struct naive *x, size_t k) {
    size_t size = x->size[k] < 4 ? x->size[k] : 4, total = x->size[k] - size + 1;
    size_t distinct = 0, fresh = 0;
    for (size_t a = x->first[k]; a < x->first[k] + total; a++) {
        if (naive_occurs(x, k, a, size, a)) continue;
        distinct++;
        bool old = false;
        for (size_t before = 0; before < k && !old; before++)
            old = naive_occurs(x, before, a, size, x->words);
        fresh += !old;
    }
    long double n = (long double)fresh / (long double)distinct;
    long double r = 1 - (long double)distinct / (long double)total;
    long double s = 0.40L * (2 * n - 1) - 0.60L * r;
    if (!x->w[x->first[k]].code) {
        static const long double gain[4] = {0, 0.25L, 0.25L, 0.15L};
        s += 0.15L * (2 * naive_diversity(x, x->first[k], x->size[k]) - 1);
        for (int cue = 1; cue <= 3; cue++)
            s += n * gain[cue] *
                 (1 - expl(-100.0L * (long double)x->hits[k][cue] / (long double)x->size[k] / 2));
    }
    x->signal[k] = s > 1 ? 1 : s < -1 ? -1 : s;
}

static void naive_path(struct naive *x) {
    const long double th = 0.5L, A = 0.35L, B = -0.10L, sg = 0.212L;
    long double m = 0, var = 0, integral = 0, above = 0, under = 0, low = 0;
    x->l = x->t = x->p_low = 0;
    x->first_low = -1;
    for (size_t k = 0; k < x->segments; k++) {
        long double D = (long double)x->size[k] / 50, s = x->signal[k], a = expl(-th * D);
        long double next = s + (m - s) * a;
#define HIT(level) (logl((m - s) / ((level)-s)) / th)
        above += m >= A && next >= A ? D : m >= A ? HIT(A) : next >= A ? D - HIT(A) : 0;
        under += m < 0 && next < 0 ? D : m < 0 ? HIT(0) : next < 0 ? D - HIT(0) : 0;
        if (next <= B && m > B && x->first_low < 0) x->first_low = 50 * (x->t + HIT(B));
        low = m <= B && next <= B ? low + D : m <= B ? low + HIT(B) : next <= B ? D - HIT(B) : low;
        if (low > x->l) x->l = low;
        if (next > B) low = 0;
        integral += s * D + (m - s) * (1 - a) / th;
        var = var * a * a + sg * sg * (1 - a * a) / (2 * th);
        long double p = 0.5L * erfcl((next - B) / sqrtl(2 * var));
        if (p > x->p_low) x->p_low = p;
        m = next;
        x->t += D;
    }
    x->q = integral / (x->t - (1 - expl(-th * x->t)) / th);
    x->u = above / x->t;
    x->coherence = 1 - under / x->t;
}

/* ---- texts ---- */

static const char *const vocabulary[] = {
    "the",     "a",      "of",    "sum",     "number",  "triangle", "root",   "prime",  "we",
    "have",    "equals", "12",    "x",       "integer", "so",       "value",  "then",   "and",
    "angle",   "point",  "line",  "area",    "side",    "3",        "square", "circle", "degree",
    "let",     "me",     "see",   "that",    "is",      "right",    "term",   "series", "limit",
    "product", "case",   "which", "matches", "factor",  "graph",    "node",   "edge",   "matrix"};
static const char *const openings[] = {
    "Wait, ", "Let me check ", "Alternatively, ", "Thus ",      "So the ",   "Step 2 ",
    "3. ",    "Hmm, ",         "Let me try ",     "No, wait, ", "Actually ", "Suppose "};

static void write_sentence(struct cru_buffer *b, struct cru_random *g) {
    size_t n = 1 + cru_random_next(g) % 14;
    if (cru_random_next(g) % 4 == 0) cru_buffer_add_string(b, openings[cru_random_next(g) % 12]);
    for (size_t i = 0; i < n; i++) {
        cru_buffer_add_string(b, vocabulary[cru_random_next(g) % 45]);
        if (i + 1 < n && cru_random_next(g) % 9 == 0) cru_buffer_add_char(b, ',');
        cru_buffer_add_string(b, i + 1 < n ? " " : ". ");
    }
}

static void write_text(struct cru_buffer *b, uint64_t seed) {
    struct cru_random g = {seed};
    size_t paragraphs = 1 + cru_random_next(&g) % 20;
    for (size_t i = 0; i < paragraphs; i++) {
        size_t start = b->n, kind = cru_random_next(&g) % 12;
        if (kind == 0) {
            cru_buffer_add_string(b, "```c\n");
            for (int k = 0; k < 9; k++) write_sentence(b, &g);
            cru_buffer_add_string(b, "\n```\n");
            continue;
        }
        for (size_t n = cru_random_next(&g) % 8; n-- > 0;) write_sentence(b, &g);
        if (kind == 1) /* a long one without a cut */
            for (int k = 0; k < 400; k++)
                cru_buffer_add_string(b, vocabulary[k * 7 % 14 + 18]), cru_buffer_add_char(b, ' ');
        cru_buffer_add_string(b, kind == 2 ? "\n" : "\n\n");
        if (kind == 3) { /* a loop */
            size_t n = b->n - start;
            for (int k = 0; k < 12 && b->n < 24000; k++) {
                char *room = cru_buffer_room(b, n);
                assert_non_null(room);
                cru_buffer_add(b, b->p + start, n);
            }
        }
    }
}

static void assert_near(double a, long double b, const char *what, uint64_t seed) {
    if (!(fabsl((long double)a - b) <= 1e-9L))
        fail_msg("text %llu: %s: %.12g is not %.12Lg", (unsigned long long)seed, what, a, b);
}

static void equals_the_naive_analyzer(void **state) {
    struct cru_ddm_analyzer *analyzer = *state;
    struct naive *x = malloc(sizeof *x);
    assert_non_null(x);
    size_t bins[CRU_DDM_BINS] = {0}, seen_low = 0;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        struct cru_buffer text;
        struct cru_ddm_result r;
        struct cru_quality q;
        cru_buffer_init(&text);
        write_text(&text, seed);
        naive_read(x, text.p);
        assert_true(x->words < MAX_WORDS);
        assert_int_equal(cru_ddm_score(analyzer, cru_buffer_span(&text), CRU_DDM_AUTO,
                                       cru_ddm_profile("traces"), &r, NULL),
                         CRU_OK);
        assert_int_equal(r.thinking_words, x->words);
        naive_cut(x);
        size_t n, hits[4] = {0};
        const struct cru_ddm_segment *s = cru_ddm_segments(analyzer, &n);
        assert_int_equal(n, x->segments);
        if (n == 0) {
            cru_buffer_release(&text);
            continue;
        }
        for (size_t k = 0; k < n; k++) {
            naive_signal(x, k);
            assert_int_equal(s[k].words, x->size[k]);
            assert_ptr_equal(text.p + s[k].begin, x->w[x->first[k]].p);
            assert_near(s[k].signal, x->signal[k], "signal", seed);
            for (int c = 1; c <= 3; c++) hits[c] += x->hits[k][c];
        }
        assert_int_equal(r.self_corrections, hits[1]);
        assert_int_equal(r.verifications, hits[2]);
        assert_int_equal(r.explorations, hits[3]);
        naive_path(x);
        assert_near(r.signal_score, x->q, "Q", seed);
        assert_near(r.time, x->t, "T", seed);
        assert_near(r.engaged, x->u, "U", seed);
        assert_near(r.low_time, x->l, "L", seed);
        assert_near(r.p_low, x->p_low, "p_low", seed);
        assert_near(r.first_low, x->first_low, "first_low", seed);
        assert_near(r.coherence, x->coherence, "coherence", seed);
        assert_int_equal(cru_quality_measure(analyzer, cru_buffer_span(&text), &q, NULL), CRU_OK);
        assert_near(q.factor[CRU_LEXICAL_DIVERSITY], naive_diversity(x, 0, x->words), "diversity",
                    seed);
        bins[r.bin]++;
        seen_low += r.first_low >= 0;
        cru_buffer_release(&text);
    }
    free(x);
    for (int b = 0; b < CRU_DDM_BINS; b++) assert_true(bins[b] > 5); /* the texts reach every bin */
    assert_true(seen_low > 20);
}

/* ---- laws ---- */

/* A paragraph of `words` words that no other number shares. */
static void unique_paragraph(struct cru_buffer *b, unsigned number, unsigned words) {
    for (unsigned i = 0; i < words; i++) cru_buffer_printf(b, "w%ux%u ", number, i);
    cru_buffer_add_string(b, "end.\n\n");
}

static struct cru_ddm_result score_text(struct cru_ddm_analyzer *analyzer, struct cru_buffer *text,
                                        const char *profile) {
    struct cru_ddm_result r;
    assert_false(text->failed);
    assert_int_equal(cru_ddm_score(analyzer, cru_buffer_span(text), CRU_DDM_AUTO,
                                   cru_ddm_profile(profile), &r, NULL),
                     CRU_OK);
    return r;
}

static void falls_as_segments_become_copies(void **state) {
    double last = 2;
    for (unsigned copies = 0; copies < 20; copies++) {
        struct cru_buffer text;
        cru_buffer_init(&text);
        for (unsigned i = 0; i < 20; i++) unique_paragraph(&text, i < 20 - copies ? i : 0, 40);
        struct cru_ddm_result r = score_text(*state, &text, "web");
        assert_true(r.signal_score < last);
        last = r.signal_score;
        cru_buffer_release(&text);
    }
    assert_true(last < -0.1);
}

static void loops_are_flagged(void **state) {
    struct cru_buffer text;
    cru_buffer_init(&text);
    for (unsigned i = 0; i < 8; i++) unique_paragraph(&text, i, 40);
    struct cru_ddm_result good = score_text(*state, &text, "web");
    assert_false(good.degenerate);
    assert_int_equal(good.low_time, 0);
    for (int i = 0; i < 60; i++)
        cru_buffer_add_string(&text, "Wait, let me check that again, it must be right.\n\n");
    struct cru_ddm_result loop = score_text(*state, &text, "web");
    assert_true(loop.degenerate);
    assert_int_equal(loop.bin, CRU_DDM_REJECT);
    assert_true(loop.weight == 0);
    /* cues in a loop earn nothing, and the path says where it began: behind the good part */
    assert_true(loop.signal_score < good.signal_score - 0.2);
    assert_true(loop.first_low > 8 * 41);
    cru_buffer_release(&text);
}

static void reversal_changes_low_but_not_time(void **state) {
    struct cru_buffer ahead, back;
    cru_buffer_init(&ahead);
    cru_buffer_init(&back);
    for (unsigned i = 0; i < 10; i++) unique_paragraph(&ahead, i, 40);
    for (unsigned i = 0; i < 20; i++) unique_paragraph(&ahead, 99, 40);
    for (unsigned i = 0; i < 20; i++) unique_paragraph(&back, 99, 40);
    for (unsigned i = 0; i < 10; i++) unique_paragraph(&back, i, 40);
    struct cru_ddm_result a = score_text(*state, &ahead, "web");
    struct cru_ddm_result b = score_text(*state, &back, "web");
    assert_true(a.time == b.time);
    assert_true(fabs(a.low_time - b.low_time) > 0.1);
    cru_buffer_release(&ahead);
    cru_buffer_release(&back);
}

static void few_copies_are_not_flagged(void **state) {
    struct cru_buffer text;
    cru_buffer_init(&text);
    for (unsigned i = 0; i < 12; i++) unique_paragraph(&text, i, 40);
    for (unsigned i = 0; i < 3; i++) unique_paragraph(&text, 11, 40);
    assert_false(score_text(*state, &text, "web").degenerate);
    cru_buffer_release(&text);
}

static void no_words_no_numbers(void **state) {
    const char *texts[] = {"", " \n\t ", "<think></think>", "<think> </think> answer"};
    for (size_t i = 0; i < 4; i++) {
        struct cru_ddm_result r;
        struct cru_quality q, zero = {0};
        struct cru_span text = cru_span_of(texts[i]);
        assert_int_equal(
            cru_ddm_score(*state, text, CRU_DDM_THINK, cru_ddm_profile("traces"), &r, NULL),
            CRU_OK);
        assert_int_equal(r.bin, CRU_DDM_REJECT);
        assert_int_equal(r.thinking_words, 0);
        assert_true(r.signal_score == 0 && r.weight == 0 && r.time == 0 && r.engaged == 0);
        assert_int_equal(cru_quality_measure(*state, text, &q, NULL), CRU_OK);
        assert_memory_equal(&q, &zero, sizeof q);
    }
}

/* A dirty analyzer answers as a fresh one: nothing of an older text is left. */
static void texts_do_not_influence_each_other(void **state) {
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct cru_buffer text;
        cru_buffer_init(&text);
        write_text(&text, seed * 13);
        struct cru_ddm_analyzer *fresh = cru_ddm_analyzer_new();
        assert_non_null(fresh);
        struct cru_ddm_result a = score_text(*state, &text, "web");
        struct cru_ddm_result b = score_text(fresh, &text, "web");
        assert_true(a.signal_score == b.signal_score && a.novelty == b.novelty && a.bin == b.bin &&
                    a.repetition == b.repetition && a.low_time == b.low_time);
        cru_ddm_analyzer_free(fresh);
        cru_buffer_release(&text);
    }
}

static int set_up(void **state) {
    if (cru_lexicon_builtin("en", &english, NULL) != CRU_OK || !english) return -1;
    return (*state = cru_ddm_analyzer_new()) ? 0 : -1;
}
static int tear_down(void **state) {
    cru_ddm_analyzer_free(*state);
    cru_lexicon_free(english);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_naive_analyzer),
        cmocka_unit_test(falls_as_segments_become_copies),
        cmocka_unit_test(loops_are_flagged),
        cmocka_unit_test(reversal_changes_low_but_not_time),
        cmocka_unit_test(few_copies_are_not_flagged),
        cmocka_unit_test(no_words_no_numbers),
        cmocka_unit_test(texts_do_not_influence_each_other),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
