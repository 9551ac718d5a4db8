/* SPDX-License-Identifier: Apache-2.0 */
/* The options of `score`, for the stage and its calibration; the table is in score_stage.c. */
#ifndef CRU_STAGE_SCORE_OPTIONS_H
#define CRU_STAGE_SCORE_OPTIONS_H

#include <stdbool.h>

struct cru_score_options {
    const char *profile, *region, *cues, *calibrate, *label_field;
    bool explain, drop_rejects;
};

struct cru_stage;
const struct cru_score_options *cru_score_options_of(const struct cru_stage *stage);

#endif
