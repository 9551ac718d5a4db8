/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reports on a build, made from its catalog alone (WORK/catalog.db and, for training, the log that the
 * catalog names): the funnel (documents and bytes in and out of each stage, by reason), the mixing table
 * (asked and got), scores, bins, strata, languages and the training curve.
 *
 * Each appends to the buffer. CRU_FATAL when there is no catalog, or it cannot be read. One thread.
 */
#ifndef CRU_BUILD_REPORT_H
#define CRU_BUILD_REPORT_H

#include "crucible/base/buffer.h"
#include "crucible/base/error.h"

enum cru_status cru_report_text(const char *work, struct cru_buffer *out, struct cru_error *err);
enum cru_status cru_report_json(const char *work, struct cru_buffer *out, struct cru_error *err);
/* One self-contained HTML page: inline SVG and CSS, no script, nothing fetched. */
enum cru_status cru_report_html(const char *work, struct cru_buffer *out, struct cru_error *err);

#endif
