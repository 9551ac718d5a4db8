/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/base/base.h"
#include "crucible/stage/pipeline.h"
#include "crucible/stage/stage.h"

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
