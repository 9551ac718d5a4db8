/* SPDX-License-Identifier: Apache-2.0 */
/* All stages. Apart from stage.c, so that a program of one stage holds that one only. */
#include "crucible/base/base.h"
#include "crucible/stage/stage.h"

const struct cru_stage_class *const cru_stage_classes[] = {
    &cru_filter_stage, &cru_dedup_stage,  &cru_decontaminate_stage, &cru_score_stage, &cru_embed_stage,
    &cru_select_stage, &cru_mix_stage,    &cru_tokenize_stage,      NULL};

const struct cru_stage_class *cru_stage_class_find(const char *name) {
    for (size_t i = 0; cru_stage_classes[i]; i++)
        if (strcmp(cru_stage_classes[i]->name, name) == 0) return cru_stage_classes[i];
    return NULL;
}
