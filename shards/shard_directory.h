/* SPDX-License-Identifier: Apache-2.0 */
/* The directory that a writer fills: what may be there before, and clearing it; private to this
 * room. */
#ifndef CRU_SHARDS_SHARD_DIRECTORY_H
#define CRU_SHARDS_SHARD_DIRECTORY_H

#include "crucible/base/error.h"
#include <stdbool.h>

/* Makes `dir` when missing (*made says so), locks it, and removes a set's files from it: those of an
 * unfinished run always, a finished set only with `replace`, its manifest first. CRU_USAGE when
 * something else is in the way, CRU_FATAL when another writer holds it. *lock is a descriptor to
 * close when the set is finished (-1 on failure); the lock also ends with the process, however that
 * ends. */
enum cru_status cru_shard_directory_prepare(const char *dir, bool replace, bool *made, int *lock,
                                            struct cru_error *err);

#endif
