/* SPDX-License-Identifier: Apache-2.0 */
/* A whole file mapped read-only; private to this room. Errors: CRU_FATAL. */
#ifndef CRU_SHARDS_SHARD_MAP_H
#define CRU_SHARDS_SHARD_MAP_H

#include "crucible/base/error.h"
#include <stddef.h>

/* *map is page-aligned, n bytes; an empty or special file is an error. */
enum cru_status cru_shard_map(const char *path, const unsigned char **map, size_t *n,
                              struct cru_error *err);
void cru_shard_unmap(const unsigned char *map, size_t n); /* NULL is fine */

#endif
