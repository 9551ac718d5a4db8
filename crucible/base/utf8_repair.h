/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that are no UTF-8 made into UTF-8. Pure; any thread. */
#ifndef CRU_BASE_UTF8_REPAIR_H
#define CRU_BASE_UTF8_REPAIR_H

#include "crucible/base/buffer.h"

/* Appends s with U+FFFD in place of each maximal part of a well-formed sequence that is not one
 * (Unicode 15, section 3.9, "substitution of maximal subparts"; what Python's and WHATWG's decoders
 * do), and answers how many there were. Memory: see out->failed. */
uint64_t cru_utf8_repair(struct cru_span s, struct cru_buffer *out);

#endif
