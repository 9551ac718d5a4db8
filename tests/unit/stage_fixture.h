/* SPDX-License-Identifier: Apache-2.0 */
/* A stage with its options set, not opened yet; for the tests of crucible/stage. */
#ifndef CRU_TESTS_STAGE_FIXTURE_H
#define CRU_TESTS_STAGE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crucible/base/base.h"
#include "crucible/stage/stage.h"

struct setting {
    const char *name, *value;
};

/* Settings end with a NULL name; `common` must outlive the stage. */
static inline struct cru_stage *new_stage(const struct cru_stage_class *class,
                                          const struct cru_common *common,
                                          const struct setting *settings) {
    struct cru_stage *stage = calloc(1, class->size);
    struct cru_error err = {0};
    assert_non_null(stage);
    stage->class = class;
    stage->common = common;
    cru_option_store_init(&stage->store);
    assert_int_equal(cru_options_defaults(class->options, stage, &stage->store, &err), CRU_OK);
    for (; settings->name; settings++)
        assert_int_equal(cru_options_set(class->options, stage, &stage->store, settings->name,
                                         settings->value, &err),
                         CRU_OK);
    return stage;
}

static inline void free_stage(struct cru_stage *stage) {
    stage->class->release(stage);
    cru_option_store_release(&stage->store);
    free(stage);
}

#endif
