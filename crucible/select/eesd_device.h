/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where EESD runs. The answer is the same everywhere, so this is a matter of time alone. A build
 * without CRU_CUDA (no nvcc, or CUDA=0) knows the processor only, and says so when asked for a
 * card.
 */
#ifndef CRU_SELECT_EESD_DEVICE_H
#define CRU_SELECT_EESD_DEVICE_H

#include "crucible/select/eesd.h"

enum cru_device {
    CRU_DEVICE_AUTO, /* a card where there is one and the work is worth waking it, else the
                        processor */
    CRU_DEVICE_CPU,
    CRU_DEVICE_CUDA,
};

/* The device of that name: auto, cpu, cuda. CRU_FATAL when cuda is asked for and this build or this
 * machine has none; CRU_USAGE for any other name. */
enum cru_status cru_device_parse(const char *name, enum cru_device *device, struct cru_error *err);

/* cru_eesd_run on that device. CUDA computes the method lazy alone (CRU_USAGE for others); AUTO
 * turns to the processor for them, and also when the card fails. */
enum cru_status cru_eesd_run_on(enum cru_device device, const struct cru_eesd_pool *pool,
                                const uint32_t *members, size_t n, const struct cru_eesd_plan *plan,
                                int threads, struct cru_eesd_result *result, struct cru_error *err);

#endif
