/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/select/eesd_device.h"
#include "crucible/base/base.h"

#ifdef CRU_CUDA
#include "crucible/select/eesd_cuda.h"

/* Multiplications of the first pass from which a card is worth its second of waking up: some
 * seconds of one core. */
#define CARD_FROM 0x1p38

static int cards(struct cru_error *err) {
    return cru_cuda_cards(err);
}
#else
static int cards(struct cru_error *err) {
    (void)cru_fail(err, CRU_FATAL, "device: 'cuda': this program was built without CUDA");
    return 0;
}
#endif

enum cru_status cru_device_parse(const char *name, enum cru_device *device, struct cru_error *err) {
    static const char *const names[] = {"auto", "cpu", "cuda"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) {
            *device = (enum cru_device)i;
            return *device == CRU_DEVICE_CUDA && cards(err) == 0 ? CRU_FATAL : CRU_OK;
        }
    return cru_fail(err, CRU_USAGE, "device: '%s': auto, cpu and cuda are known", name);
}

enum cru_status cru_eesd_run_on(enum cru_device device, const struct cru_eesd_pool *pool,
                                const uint32_t *members, size_t n, const struct cru_eesd_plan *plan,
                                int threads, struct cru_eesd_result *result,
                                struct cru_error *err) {
#ifdef CRU_CUDA
    if (device == CRU_DEVICE_CUDA)
        return cru_eesd_run_cuda(pool, members, n, plan, 0, result, NULL, err);
    if (device == CRU_DEVICE_AUTO && plan->method == CRU_METHOD_LAZY &&
        (double)n * (double)n * (double)pool->d >= CARD_FROM && cards(NULL) > 0 &&
        cru_eesd_run_cuda(pool, members, n, plan, 0, result, NULL, NULL) == CRU_OK)
        return CRU_OK;
#else
    if (device == CRU_DEVICE_CUDA) return cards(err) > 0 ? CRU_OK : CRU_FATAL;
#endif
    return cru_eesd_run(pool, members, n, plan, CRU_SIMD_AUTO, threads, result, err);
}
