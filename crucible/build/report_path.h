/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Draws the path of one document through the DDM analyzer as inline SVG: the mean with a band of
 * one deviation, its boundaries, where it crosses them, how long it stayed low, and below it the
 * segments with their signals. Between the ends of segments the path is the exact one of
 * ddm/drift.h.
 *
 *   A ┄┄┄┄┄┄┄┄o────────o┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄   boundaries; o: a crossing
 *     ────────          ╲
 *   B ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄o▒▒▒▒▒▒▒▒▒▒▒▒▒   shaded: at or below B
 *   ▇ ▇▇▇ ▇ ▇▇ ▇ ▁ ▁ ▁ ▁ ▁ ▁ ▁             a bar a segment: width its words, height its signal
 *
 * Appends to a buffer, whose `failed` the caller checks. Pure; any thread.
 */
#ifndef CRU_BUILD_REPORT_PATH_H
#define CRU_BUILD_REPORT_PATH_H

#include "crucible/base/buffer.h"
#include "crucible/build/report_data.h"

void cru_report_draw_path(struct cru_buffer *out, const struct cru_report_process *process,
                          const struct cru_report_path *path);

#endif
