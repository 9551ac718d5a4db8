/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `crucible score --calibrate LABELS`: a profile from labelled documents (ddm/calibrate.h), instead
 * of scored documents. The label is true, 1, "1" or "good" for a good document, false, 0, "0" or
 * "bad" for a bad one; a line with another is bad input. Not for recipes, which name the profile.
 */
#ifndef CRU_STAGE_SCORE_CALIBRATE_H
#define CRU_STAGE_SCORE_CALIBRATE_H

#include "crucible/stage/stage.h"

/* Fits on the stage's options. Appends the profile, lines for people and the members of a JSON
 * object; *bad counts lines left out, the first with its reason in first_bad. */
struct cru_score_fit {
    struct cru_buffer profile, text, json;
    uint64_t documents, bad;
    char first_bad[300];
};

void cru_score_fit_release(struct cru_score_fit *fit);
enum cru_status cru_score_calibrate(struct cru_stage *stage, struct cru_score_fit *fit,
                                    struct cru_error *err);

#endif
