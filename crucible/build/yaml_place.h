/* SPDX-License-Identifier: Apache-2.0 */
/* Where a key stands in a YAML text. libcyaml names a wrong key, but the place of the value before it. */
#ifndef CRU_BUILD_YAML_PLACE_H
#define CRU_BUILD_YAML_PLACE_H

#include "crucible/base/span.h"

/* The line, from 1, of the first `key` behind `line`:`column` (both from 1) in the mapping that holds that
 * place, or in the one that opens there; `line` when there is none. Any thread. */
int cru_yaml_key_line(struct cru_span text, int line, int column, const char *key);

#endif
