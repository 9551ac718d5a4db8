/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/base/base.h"
#include "crucible/stage/pipeline.h"
#include "crucible/stage/stage.h"

const struct cru_stage_class *const cru_stage_classes[] = {
    &cru_filter_stage, &cru_dedup_stage,  &cru_decontaminate_stage, &cru_score_stage, &cru_embed_stage,
    &cru_select_stage, &cru_mix_stage,    &cru_tokenize_stage,      NULL};

const struct cru_stage_class *cru_stage_class_find(const char *name) {
    for (size_t i = 0; cru_stage_classes[i]; i++)
        if (strcmp(cru_stage_classes[i]->name, name) == 0) return cru_stage_classes[i];
    return NULL;
}

struct cru_stage *cru_stage_new(const struct cru_stage_class *class,
                                const struct cru_common *common) {
    struct cru_error err;
    struct cru_stage *stage = calloc(1, class->size);
    if (!stage) return NULL;
    stage->class = class;
    stage->common = common;
    cru_option_store_init(&stage->store);
    if (cru_options_defaults(class->options, stage, &stage->store, &err)) {
        cru_stage_free(stage);
        return NULL;
    }
    return stage;
}

void cru_stage_free(struct cru_stage *stage) {
    if (!stage) return;
    if (stage->opened && stage->class->release) stage->class->release(stage);
    cru_counts_release(&stage->counts);
    cru_option_store_release(&stage->store);
    free(stage);
}
