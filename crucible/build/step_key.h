/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of steps: a running 64-bit hash over everything that a step's output depends on. */
#ifndef CRU_BUILD_STEP_KEY_H
#define CRU_BUILD_STEP_KEY_H

#include "crucible/build/recipe.h"

struct cru_step_key {
    uint64_t value;
};

void cru_step_key_init(struct cru_step_key *key); /* with Crucible's version in it */
void cru_step_key_text(struct cru_step_key *key, const char *text);
void cru_step_key_number(struct cru_step_key *key, uint64_t number);
/* Names, sizes and modification times of a file, or of all files below a directory in sorted order. A
 * path that is not there adds its name alone. */
void cru_step_key_path(struct cru_step_key *key, const char *path);
/* Names and values; a value that names a file or directory adds that, and a list of files those. */
void cru_step_key_options(struct cru_step_key *key, const struct cru_recipe_option *options, size_t n);
void cru_step_key_stages(struct cru_step_key *key, const struct cru_recipe_stage *stages, size_t n);

#endif
