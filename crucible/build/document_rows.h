/* SPDX-License-Identifier: Apache-2.0 */
/* A stage behind tokenize that changes nothing and writes each document's row into the catalog. */
#ifndef CRU_BUILD_DOCUMENT_ROWS_H
#define CRU_BUILD_DOCUMENT_ROWS_H

#include "crucible/build/catalog.h"

struct cru_stage *cru_document_rows_new(struct cru_catalog *catalog, const struct cru_common *common);

#endif
