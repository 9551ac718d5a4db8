/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>

#include "crucible/base/base.h"
#include "ddm/profile.h"

/* The constants that a file may set, and what keeps the analyzer sound. */
static const struct {
    const char *name;
    size_t offset;
    bool whole; /* uint32_t, else double */
    double min, max;
} constants[] = {
#define REAL(field, min, max) {#field, offsetof(struct cru_ddm_config, field), false, min, max},
#define WHOLE(field, min, max) {#field, offsetof(struct cru_ddm_config, field), true, min, max},
    REAL(theta, 0, 1e3) REAL(mu, -1, 1) REAL(v, 1e-9, 1e3) REAL(sigma, 0, 1e3) REAL(x0, -1, 1)
        REAL(words_per_time, 1e-3, 1e9) WHOLE(min_words, 1, 1e9) WHOLE(max_words, 1, 1e9)
            REAL(w_novelty, -10, 10) REAL(w_lexical, -10, 10) REAL(w_correction, -10, 10)
                REAL(w_verification, -10, 10) REAL(w_exploration, -10, 10)
                    REAL(w_repetition, -10, 10) REAL(cue_scale, 1e-9, 1e9) REAL(upper, -1, 1)
                        REAL(lower, -1, 1) REAL(sustained_time, 0, 1e9) REAL(sustained_share, 0, 1)
                            REAL(q_core, -1, 1) REAL(q_anneal, -1, 1) REAL(engaged_anneal, 0, 1)
                                WHOLE(cues_anneal, 0, 4e9) REAL(weight_floor, 0, 1e2)
                                    REAL(weight_range, 0, 1e2) REAL(weight_middle, -10, 10)
                                        REAL(weight_slope, 1e-9, 1e9) REAL(weight_cap, 1e-6, 1e3)
#undef REAL
#undef WHOLE
};
enum { CONSTANTS = sizeof constants / sizeof constants[0] };

static double get(const struct cru_ddm_config *config, size_t k) {
    const char *p = (const char *)config + constants[k].offset;
    uint32_t whole;
    double real;
    if (constants[k].whole) {
        memcpy(&whole, p, sizeof whole);
        return whole;
    }
    memcpy(&real, p, sizeof real);
    return real;
}

static void set(struct cru_ddm_config *config, size_t k, double value) {
    char *p = (char *)config + constants[k].offset;
    uint32_t whole = (uint32_t)(constants[k].whole ? value : 0);
    if (constants[k].whole)
        memcpy(p, &whole, sizeof whole);
    else
        memcpy(p, &value, sizeof value);
}

static void take_name(struct cru_profile *p, const char *name) {
    (void)snprintf(p->name, sizeof p->name, "%s", name);
    p->config.name = p->name;
}

bool cru_profile_builtin(const char *name, struct cru_profile *p) {
    const struct cru_ddm_config *config = cru_ddm_profile(name);
    if (!config) return false;
    memset(p, 0, sizeof *p);
    p->config = *config;
    take_name(p, config->name);
    return true;
}

/* ---- reading ---- */

struct parse {
    struct cru_profile *profile;
    const char *name;
    size_t line;
    bool based;
    uint64_t seen; /* constants, then the factors, bias, cut and cues */
};

static enum cru_status wrong(const struct parse *p, struct cru_error *err, const char *what,
                             struct cru_span word) {
    return cru_fail(err, CRU_USAGE, "cannot read score profile: '%s': line %zu: %s: '%.*s'",
                    p->name, p->line, what, (int)(word.n < 60 ? word.n : 60), word.p ? word.p : "");
}

static struct cru_span next_word(struct cru_span *rest) {
    *rest = cru_span_trim(*rest);
    size_t n = 0;
    while (n < rest->n && rest->p[n] != ' ' && rest->p[n] != '\t') n++;
    struct cru_span word = cru_span_make(rest->p, n);
    *rest = cru_span_trim(cru_span_make(rest->p + n, rest->n - n));
    return word;
}

/* A finite decimal number; programs run with the locale C. */
static bool read_number(struct cru_span word, double *x) {
    char copy[64], *end;
    if (word.n == 0 || word.n >= sizeof copy) return false;
    for (size_t i = 0; i < word.n; i++)
        if (!strchr("0123456789+-.eE", word.p[i])) return false; /* no hex, no nan, no inf */
    memcpy(copy, word.p, word.n);
    copy[word.n] = 0;
    *x = strtod(copy, &end) + 0.0; /* -0 is 0 */
    return *end == 0 && isfinite(*x);
}

static enum cru_status once(struct parse *p, unsigned bit, struct cru_span key,
                            struct cru_error *err) {
    if (p->seen >> bit & 1) return wrong(p, err, "this was set before", key);
    p->seen |= UINT64_C(1) << bit;
    return CRU_OK;
}

static enum cru_status number(struct parse *p, struct cru_span *rest, double min, double max,
                              double *x, struct cru_error *err) {
    struct cru_span word = next_word(rest);
    if (!read_number(word, x)) return wrong(p, err, "not a number", word);
    if (*x < min || *x > max) return wrong(p, err, "out of range", word);
    return CRU_OK;
}

static enum cru_status read_factor(struct parse *p, struct cru_span *rest, struct cru_error *err) {
    struct cru_quality_model *m = &p->profile->model;
    struct cru_span word = next_word(rest);
    int f = 0;
    while (f < CRU_FACTORS && !cru_span_is(word, cru_factor_name((enum cru_factor)f))) f++;
    if (f == CRU_FACTORS) return wrong(p, err, "not a quality factor", word);
    enum cru_status status = once(p, CONSTANTS + (unsigned)f, word, err);
    if (status == CRU_OK) status = number(p, rest, -1e9, 1e9, &m->center[f], err);
    if (status == CRU_OK) status = number(p, rest, 1e-9, 1e9, &m->scale[f], err);
    if (status == CRU_OK) status = number(p, rest, -1e6, 1e6, &m->weight[f], err);
    m->set = true;
    return status;
}

static enum cru_status read_base(struct parse *p, struct cru_span word, struct cru_error *err) {
    char name[16] = "";
    if (p->based || p->seen) return wrong(p, err, "base must come first", word);
    if (word.n < sizeof name) memcpy(name, word.p, word.n);
    if (!cru_profile_builtin(name, p->profile))
        return wrong(p, err, "not a profile to start from (traces or web)", word);
    take_name(p->profile, p->name);
    p->based = true;
    return CRU_OK;
}

static enum cru_status read_line(struct parse *p, struct cru_span line, struct cru_error *err) {
    enum { BIAS = CONSTANTS + CRU_FACTORS, CUT, CUES };
    struct cru_quality_model *m = &p->profile->model;
    struct cru_span rest = cru_span_trim(line), key;
    enum cru_status status;
    if (rest.n == 0 || rest.p[0] == '#') return CRU_OK;
    key = next_word(&rest);
    if (cru_span_is(key, "base")) return read_base(p, rest, err);
    if (!p->based) return wrong(p, err, "the first line must be base traces or base web", key);
    if (cru_span_is(key, "cues")) {
        if (rest.n == 0 || rest.n >= sizeof p->profile->cues || memchr(rest.p, 0, rest.n))
            return wrong(p, err, "not a path", rest);
        memcpy(p->profile->cues, rest.p, rest.n);
        return once(p, CUES, key, err);
    }
    if (cru_span_is(key, "quality")) {
        status = read_factor(p, &rest, err);
    } else if (cru_span_is(key, "quality_bias")) {
        status = once(p, BIAS, key, err);
        if (status == CRU_OK) status = number(p, &rest, -1e6, 1e6, &m->bias, err);
        m->set = true;
    } else if (cru_span_is(key, "quality_cut")) {
        status = once(p, CUT, key, err);
        if (status == CRU_OK) status = number(p, &rest, 0, 1, &m->cut, err);
        m->set = true;
    } else {
        unsigned k = 0;
        double x = 0;
        while (k < CONSTANTS && !cru_span_is(key, constants[k].name)) k++;
        if (k == CONSTANTS) return wrong(p, err, "no such setting", key);
        status = once(p, k, key, err);
        if (status == CRU_OK)
            status = number(p, &rest, constants[k].min, constants[k].max, &x, err);
        if (status == CRU_OK && constants[k].whole && x != floor(x))
            status = wrong(p, err, "not a whole number", key);
        if (status == CRU_OK) set(&p->profile->config, k, x);
    }
    if (status == CRU_OK && rest.n > 0) status = wrong(p, err, "too much on the line", rest);
    return status;
}

enum cru_status cru_profile_parse(struct cru_span file, const char *name,
                                  struct cru_profile *profile, struct cru_error *err) {
    struct parse p = {.profile = profile, .name = name};
    struct cru_span rest = file, line;
    enum cru_status status = CRU_OK;
    memset(profile, 0, sizeof *profile);
    while (status == CRU_OK && cru_span_split(&rest, '\n', &line)) {
        p.line++;
        status = read_line(&p, line, err);
    }
    if (status != CRU_OK) return status;
    if (!p.based)
        return cru_fail(err, CRU_USAGE, "cannot read score profile: '%s': no line 'base'", name);
    const struct cru_ddm_config *c = &profile->config;
    if (c->max_words < c->min_words || c->lower > c->upper || c->q_core > c->q_anneal)
        return cru_fail(err, CRU_USAGE,
                        "cannot read score profile: '%s': max_words, upper and q_anneal must not "
                        "be below min_words, lower and q_core",
                        name);
    if (profile->model.set)
        for (int f = 0; f < CRU_FACTORS; f++)
            if (profile->model.scale[f] == 0) profile->model.scale[f] = 1; /* not in the file */
    return CRU_OK;
}

/* ---- writing ---- */

static void add(struct cru_buffer *out, const char *key, double x) {
    cru_buffer_printf(out, "%s ", key);
    cru_buffer_add_json_number(out, x);
    cru_buffer_add_char(out, '\n');
}

void cru_profile_render(const struct cru_profile *p, const char *base, struct cru_buffer *out) {
    const struct cru_ddm_config *old = cru_ddm_profile(base);
    const struct cru_quality_model *m = &p->model;
    cru_buffer_printf(out, "base %s\n", base);
    if (p->cues[0]) cru_buffer_printf(out, "cues %s\n", p->cues);
    for (size_t k = 0; k < CONSTANTS; k++)
        if (!old || get(&p->config, k) != get(old, k))
            add(out, constants[k].name, get(&p->config, k));
    if (!m->set) return;
    for (int f = 0; f < CRU_FACTORS; f++) {
        const double x[] = {m->center[f], m->scale[f], m->weight[f]};
        cru_buffer_printf(out, "quality %s", cru_factor_name((enum cru_factor)f));
        for (int i = 0; i < 3; i++) {
            cru_buffer_add_char(out, ' ');
            cru_buffer_add_json_number(out, x[i]);
        }
        cru_buffer_add_char(out, '\n');
    }
    add(out, "quality_bias", m->bias);
    add(out, "quality_cut", m->cut);
}

double cru_quality_score(const struct cru_quality_model *m, const struct cru_quality *q) {
    double sum = m->bias;
    for (int f = 0; f < CRU_FACTORS; f++) {
        double z = (q->factor[f] - m->center[f]) / m->scale[f];
        if (isnan(z)) continue;
        sum += m->weight[f] * fmax(-CRU_QUALITY_CLIP, fmin(CRU_QUALITY_CLIP, z));
    }
    return 1 / (1 + exp(-sum));
}
