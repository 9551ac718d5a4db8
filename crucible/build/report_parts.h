/* SPDX-License-Identifier: Apache-2.0 */
/* The parts that cru_report_load puts a report together from; all add to the report what they find. */
#ifndef CRU_BUILD_REPORT_PARTS_H
#define CRU_BUILD_REPORT_PARTS_H

#include "crucible/build/catalog_rows.h"
#include "crucible/build/report_data.h"

/* The stages of a step, with the reasons for what they dropped and their own statistics. */
enum cru_status cru_report_load_stages(struct cru_rows *rows, struct cru_report_step *step);
/* Of the rows of the shards' documents: sums, groups, histograms. */
enum cru_status cru_report_load_documents(struct cru_rows *rows, struct cru_report *report);
/* The log of the step that trains, if there is one. Trouble with the log is told in the report. */
enum cru_status cru_report_load_training(struct cru_rows *rows, struct cru_report *report);

#endif
