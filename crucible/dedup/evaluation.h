/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evaluation sets from files and directories into a cru_decontaminate. Compressed files are seen
 * through (crucible/base/input.h); what a file holds is told by its name, without .gz .zst .xz .bz2
 * .lz4:
 *
 *   .jsonl .ndjson   one JSON value a line; each string value in it, at any depth, is a text
 *   .json            one JSON value, or else one a line
 *   others           the whole file is one text
 *
 * A directory gives its regular files, recursively, in order of their names' bytes; hidden ones are
 * left out. One thread.
 */
#ifndef CRU_DEDUP_EVALUATION_H
#define CRU_DEDUP_EVALUATION_H

#include "crucible/dedup/decontaminate.h"

/*
 * Adds all texts of `path`. CRU_FATAL, naming file and line: it cannot be read, is not UTF-8 or not
 * JSON, or holds no text long enough to be looked for (a set that can find nothing is a mistake).
 */
enum cru_status cru_evaluation_add(struct cru_decontaminate *d, const char *path,
                                   struct cru_error *err);

#endif
