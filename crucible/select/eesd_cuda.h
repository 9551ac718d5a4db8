/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EESD on NVIDIA cards of compute capability 9.0 (H100, H200). There is no heap here: all gains are
 * kept exact. The first pass computes them; a pick raises the cover of some rows, and every gain
 * loses what those rows gave it (eesd_kernels.cuh). On vectors without a special structure the t-th
 * pick raises about n / t rows, so that k picks cost as much as 1 + ln k first passes, whatever the
 * data; a lazy heap would save little on a card and cost a round trip each time.
 *
 * The whole loop runs on the card: the best candidate, the rows it raises and what the gains lose
 * are three kernels a pick, and the host only queues them.
 *
 * Several cards: each has all rows, keeps the cover of all, and the gains of its own share of the
 * candidates. Once a pick they exchange the best of each share, 24 bytes.
 *
 * Memory of a card: 2 * n * d' + 49 n bytes at most, d' = d rounded up to 128, and 32 MiB. One call
 * at a time a result; calls use the calling thread's current device and restore it. CRU_FATAL when
 * there is no such card, when its memory is short, or when it fails.
 */
#ifndef CRU_SELECT_EESD_CUDA_H
#define CRU_SELECT_EESD_CUDA_H

#include "crucible/select/eesd.h"

/* Seconds, for whoever wants to know; on the first card's clock but `setup`. */
struct cru_eesd_cuda_times {
    double setup;      /* context, memory and rows on the card; host clock */
    double first_pass; /* all gains */
    double picks;
    double total; /* of the call; host clock */
    char card[256];
};

/* How many cards can be used here; 0 with the reason in err. */
int cru_cuda_cards(struct cru_error *err);

/* As cru_eesd_run for the method lazy (CRU_USAGE for others), with the same picks, order, gains,
 * objective and upper. `evaluations` counts what was computed in units of n dots. shares: parts to
 * cut the candidates into, one for each card in turn; 0: one for each card. times may be NULL. */
enum cru_status cru_eesd_run_cuda(const struct cru_eesd_pool *pool, const uint32_t *members,
                                  size_t n, const struct cru_eesd_plan *plan, int shares,
                                  struct cru_eesd_result *result, struct cru_eesd_cuda_times *times,
                                  struct cru_error *err);

#endif
