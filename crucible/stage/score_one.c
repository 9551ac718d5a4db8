/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "crucible/base/base.h"
#include "crucible/base/input.h"
#include "crucible/stage/score_one.h"

/* User's fields that hold reasoning or a response where the text does not. */
static const char *const think_fields[] = {"thinking", "reasoning_content", "reasoning", NULL};
static const char *const response_fields[] = {"response", "completion", NULL};

static enum cru_status load_profile(struct cru_profile *profile, const char *path,
                                    struct cru_error *err) {
    enum { MOST = 1 << 20 };
    struct cru_input *input;
    struct cru_buffer bytes;
    size_t got = 0;
    enum cru_status status = cru_input_open(path, &input, err);
    cru_buffer_init(&bytes);
    while (status == CRU_OK) {
        char *room = cru_buffer_room(&bytes, 1 << 16);
        if (!room)
            status = cru_fail_memory(err, "score profile");
        else if (bytes.n > MOST)
            status = cru_fail(err, CRU_USAGE, "cannot read score profile: '%s': over 1 MiB", path);
        else if ((status = cru_input_read(input, room, 1 << 16, &got, err)) == CRU_OK)
            bytes.n += got;
    }
    cru_input_close(input);
    if (status == CRU_END) status = cru_profile_parse(cru_buffer_span(&bytes), path, profile, err);
    cru_buffer_release(&bytes);
    return status;
}

enum cru_status cru_score_setup_open(struct cru_score_setup *s, const char *profile,
                                     const char *region, const char *cues, struct cru_error *err) {
    static const char *const names[] = {"auto", "think", "response", "text"};
    static const enum cru_ddm_region parts[] = {CRU_DDM_AUTO, CRU_DDM_THINK, CRU_DDM_RESPONSE,
                                                CRU_DDM_TEXT};
    enum cru_status status = CRU_OK;
    memset(s, 0, sizeof *s);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], region) == 0) s->part = parts[i];
    if (!cru_profile_builtin(profile, &s->profile)) {
        status = load_profile(&s->profile, profile, err);
        if (status == CRU_FATAL && !strchr(profile, '/') && !strchr(profile, '.'))
            status = cru_fail(err, CRU_USAGE,
                              "no such profile: '%s': neither traces nor web nor a file", profile);
    }
    if (status == CRU_OK) status = cru_lexicons_builtin(&s->lexicons, err);
    if (status == CRU_OK && s->profile.cues[0])
        status = cru_lexicons_load(&s->lexicons, s->profile.cues, err);
    if (status == CRU_OK && cues) status = cru_lexicons_load(&s->lexicons, cues, err);
    return status;
}

void cru_score_setup_release(struct cru_score_setup *s) {
    cru_lexicons_release(&s->lexicons);
}

struct cru_scorer *cru_scorer_new(void) {
    struct cru_scorer *w = calloc(1, sizeof *w);
    if (!w) return NULL;
    cru_buffer_init(&w->json);
    w->analyzer = cru_ddm_analyzer_new();
    w->parser = cru_json_parser_new();
    if (w->analyzer && w->parser) return w;
    cru_scorer_free(w);
    return NULL;
}

void cru_scorer_free(struct cru_scorer *w) {
    if (!w) return;
    cru_ddm_analyzer_free(w->analyzer);
    if (w->parser) cru_json_parser_free(w->parser);
    cru_buffer_release(&w->json);
    free(w);
}

static bool find_string(struct cru_scorer *w, struct cru_batch *batch, const struct cru_doc *doc,
                        const char *const *names, struct cru_span *text) {
    for (; *names; names++) {
        struct cru_span field = cru_doc_field(doc, *names);
        if (field.p && cru_json_string(w->parser, field, "", &batch->arena, text) && text->n > 0)
            return true;
    }
    return false;
}

/* The place of the lexicon for crucible.lang in the set; `n` of the set when it has none. A
 * document of unknown language is taken for English. */
static size_t lexicon_of(const struct cru_score_setup *s, const struct cru_doc *doc) {
    struct cru_span lang = cru_doc_meta(doc, "lang");
    if (lang.n >= 2 && lang.p[0] == '"') lang = cru_span_make(lang.p + 1, lang.n - 2);
    if (!lang.p || lang.n == 0 || cru_span_is(lang, "und") || cru_span_is(lang, "null"))
        lang = CRU_SPAN("en");
    const struct cru_lexicon *lexicon = cru_lexicons_find(&s->lexicons, lang);
    size_t i = 0;
    while (i < s->lexicons.n && s->lexicons.list[i] != lexicon) i++;
    return i;
}

/* Scores the part that --region and the profile ask for; *text is what it was found in. */
static enum cru_status score_part(const struct cru_score_setup *s, struct cru_scorer *w,
                                  struct cru_batch *batch, const struct cru_doc *doc,
                                  struct cru_span *text, struct cru_ddm_result *r,
                                  struct cru_error *err) {
    const struct cru_ddm_config *config = &s->profile.config;
    struct cru_span field;
    enum cru_ddm_region part = s->part;
    *text = doc->text;
    if (part == CRU_DDM_RESPONSE && find_string(w, batch, doc, response_fields, &field))
        *text = field;
    enum cru_status status = cru_ddm_score(w->analyzer, *text, part, config, r, err);
    bool look = part == CRU_DDM_THINK || (part == CRU_DDM_AUTO && config->seeks_reasoning);
    if (status != CRU_OK || r->tagged || !look) return status;
    if (find_string(w, batch, doc, think_fields, &field))
        part = CRU_DDM_TEXT;
    else if (part != CRU_DDM_AUTO || !find_string(w, batch, doc, response_fields, &field))
        return CRU_OK;
    *text = field;
    return cru_ddm_score(w->analyzer, field, part, config, r, err);
}

enum cru_status cru_score_one(const struct cru_score_setup *s, struct cru_scorer *w,
                              struct cru_batch *batch, const struct cru_doc *doc,
                              struct cru_scored *d, struct cru_error *err) {
    const struct cru_quality_model *model = &s->profile.model;
    d->lexicon = lexicon_of(s, doc);
    cru_ddm_analyzer_speak(w->analyzer,
                           d->lexicon < s->lexicons.n ? s->lexicons.list[d->lexicon] : NULL);
    enum cru_status status = score_part(s, w, batch, doc, &d->text, &d->ddm, err);
    if (status == CRU_OK) status = cru_quality_measure(w->analyzer, d->text, &d->quality, err);
    if (status != CRU_OK) return status;
    d->quality_score = (double)NAN;
    if (!model->set || d->ddm.thinking_words == 0) return CRU_OK;
    d->quality_score = cru_quality_score(model, &d->quality);
    if (d->quality_score < model->cut && d->ddm.bin > CRU_DDM_WARMUP) d->ddm.bin = CRU_DDM_WARMUP;
    return CRU_OK;
}
