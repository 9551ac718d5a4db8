/* SPDX-License-Identifier: Apache-2.0 */
/* What a file is, by its name and, where that does not tell, by its first bytes. Pure tables. */
#ifndef CRU_READ_FILE_FORMAT_H
#define CRU_READ_FILE_FORMAT_H

#include "crucible/base/span.h"

enum cru_format {
    CRU_FORMAT_AUTO,
    CRU_FORMAT_JSONL,
    CRU_FORMAT_WARC,
    CRU_FORMAT_HTML,
    CRU_FORMAT_ARCHIVE,
    CRU_FORMAT_TEXT,
    CRU_FORMAT_MAN,
    CRU_FORMAT_CODE,
};

/* "warc" -> CRU_FORMAT_WARC; CRU_FORMAT_AUTO for "auto" and for what is unknown. */
enum cru_format cru_format_by_name(const char *name);

/* Never CRU_FORMAT_AUTO. `head`: the first bytes, decompressed (512 are enough, more help). */
enum cru_format cru_format_detect(const char *path, struct cru_span head);

/* The programming language of a source file ("C", "Python", ...: the names of GitHub's Linguist), by its
 * extension, its name, or its "#!" line; NULL when unknown. */
const char *cru_code_language(const char *path, struct cru_span head);

/* True when the bytes cannot be text: they hold NUL and no UTF-16 byte order mark. */
bool cru_looks_binary(struct cru_span bytes);

#endif
