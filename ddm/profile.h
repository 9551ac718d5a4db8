/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Profiles: every constant of the score, by the names of struct cru_ddm_config, and a calibrated
 * quality score. Two are compiled in (ddm/profiles.c): traces and web. A file holds what differs
 * from one of them:
 *
 *   # all behind a # that begins a line
 *   base web
 *   q_core 0.41                                    any number of struct cru_ddm_config
 *   cues mine.cues                                 a lexicon or a directory, as --cues
 *   quality function_words 0.142 0.049 0.71        FACTOR CENTER SCALE WEIGHT
 *   quality_bias 0.2
 *   quality_cut 0.52
 *
 * The quality score of a document is 1 / (1 + exp(-(bias + sum of weight * z))), where z is
 * (factor - center) / scale, held to [-3, 3] so that no single factor decides; 0 for a factor that
 * could not be measured. `crucible score --calibrate` fits these numbers (ddm/calibrate.h).
 *
 * Values only, no files: the caller reads the bytes. Errors: CRU_USAGE with the file's line.
 */
#ifndef CRU_DDM_PROFILE_H
#define CRU_DDM_PROFILE_H

#include "crucible/base/buffer.h"
#include "ddm/quality.h"

struct cru_quality_model {
    bool set; /* false: there is no quality score */
    double bias, cut, center[CRU_FACTORS], scale[CRU_FACTORS], weight[CRU_FACTORS];
};

struct cru_profile {
    struct cru_ddm_config config; /* config.name is `name` */
    struct cru_quality_model model;
    char name[64];
    char cues[512]; /* "" when the file names none */
};

enum { CRU_QUALITY_CLIP = 3 };

/* The compiled-in profile of that name; false when there is none. */
bool cru_profile_builtin(const char *name, struct cru_profile *profile);
/* Reads a profile from the bytes of a file; `name` is for messages and the profile's own name. */
enum cru_status cru_profile_parse(struct cru_span file, const char *name,
                                  struct cru_profile *profile, struct cru_error *err);
/* Appends what differs from the compiled-in profile `base`; read again it is the same profile. */
void cru_profile_render(const struct cru_profile *profile, const char *base,
                        struct cru_buffer *out);

/* In [0, 1]. model->set must be true. */
double cru_quality_score(const struct cru_quality_model *model, const struct cru_quality *quality);

#endif
