/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scores one document as `score` does: the part of it that --region and the profile ask for, with
 * the lexicon of its language. Shared by the stage and by its calibration.
 *
 * A setup is read-only once open and may be shared by threads; a scorer is for one thread at a
 * time.
 */
#ifndef CRU_STAGE_SCORE_ONE_H
#define CRU_STAGE_SCORE_ONE_H

#include "crucible/doc/document.h"
#include "crucible/doc/json.h"
#include "ddm/lexicon.h"
#include "ddm/profile.h"

struct cru_score_setup {
    struct cru_profile profile; /* do not copy: config.name points into it */
    enum cru_ddm_region part;
    struct cru_lexicons lexicons;
};

/* `profile` is traces, web or a file; `region` is auto, think, response or text; `cues` is a
 * lexicon, a directory of them, or NULL. Release it in any case. CRU_USAGE, CRU_FATAL. */
enum cru_status cru_score_setup_open(struct cru_score_setup *setup, const char *profile,
                                     const char *region, const char *cues, struct cru_error *err);
void cru_score_setup_release(struct cru_score_setup *setup);

struct cru_scorer {
    struct cru_scorer *next; /* the owner's */
    struct cru_ddm_analyzer *analyzer;
    struct cru_json_parser *parser;
    struct cru_buffer json; /* the owner's */
};

struct cru_scorer *cru_scorer_new(void); /* NULL when memory is short */
void cru_scorer_free(struct cru_scorer *scorer);

struct cru_scored {
    struct cru_ddm_result ddm;
    struct cru_quality quality;
    double quality_score; /* NaN when the profile has no model, or there is no word */
    struct cru_span text; /* what was scored */
    size_t lexicon;       /* its place in setup->lexicons; their number when there is none */
};

/* CRU_BAD when the text is too long. What is made lives in the batch's arena. */
enum cru_status cru_score_one(const struct cru_score_setup *setup, struct cru_scorer *scorer,
                              struct cru_batch *batch, const struct cru_doc *doc,
                              struct cru_scored *scored, struct cru_error *err);

#endif
