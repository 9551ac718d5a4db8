/* SPDX-License-Identifier: Apache-2.0 */
/* Where EESD runs: names, what is said where there is no card, and that auto is the processor then.
 * Cards themselves are tested by make test-gpu. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crucible/base/base.h"
#include "crucible/select/eesd_device.h"

enum { N = 600, D = 64 };

static int8_t rows[N * D];
static uint16_t weight[N];
static uint32_t members[N];

static struct cru_eesd_pool pool_make(void) {
    struct cru_random r = {3};
    for (size_t i = 0; i < N; i++) {
        float x[D];
        for (size_t k = 0; k < D; k++) x[k] = (float)(cru_random_unit(&r) - .5);
        assert_true(cru_row_quantise(x, D, rows + i * D, D));
        weight[i] = (uint16_t)(cru_random_next(&r) % 65536);
        members[i] = (uint32_t)i;
    }
    return (struct cru_eesd_pool){.rows = rows, .d = D, .weight = weight};
}

static void test_names(void **state) {
    struct cru_error err = {CRU_OK, ""};
    enum cru_device device = CRU_DEVICE_CUDA;
    (void)state;
    assert_int_equal(cru_device_parse("auto", &device, &err), CRU_OK);
    assert_int_equal(device, CRU_DEVICE_AUTO);
    assert_int_equal(cru_device_parse("cpu", &device, &err), CRU_OK);
    assert_int_equal(device, CRU_DEVICE_CPU);
    assert_int_equal(cru_device_parse("gpu", &device, &err), CRU_USAGE);
    assert_non_null(strstr(err.message, "gpu"));
    if (cru_device_parse("cuda", &device, &err)) {
        assert_int_equal(err.status, CRU_FATAL);
        assert_non_null(strstr(err.message, "CUDA"));
    }
    assert_int_equal(device, CRU_DEVICE_CUDA);
}

static void test_same_everywhere(void **state) {
    struct cru_eesd_pool pool = pool_make();
    struct cru_eesd_plan plan = {.method = CRU_METHOD_LAZY, .budget = 40};
    struct cru_eesd_result on[3];
    struct cru_error err = {CRU_OK, ""};
    (void)state;
    for (int d = 0; d < 3; d++) {
        enum cru_status status;
        cru_eesd_result_init(&on[d]);
        status = cru_eesd_run_on((enum cru_device)d, &pool, members, N, &plan, 1, &on[d], &err);
        if (d == CRU_DEVICE_CUDA && status) {
            /* no card: an error, never another device's answer */
            assert_int_equal(status, CRU_FATAL);
            assert_non_null(strstr(err.message, "CUDA"));
            assert_int_equal(on[d].n, 0);
            continue;
        }
        assert_int_equal(status, CRU_OK);
        assert_int_equal(on[d].n, 40);
        assert_int_equal(on[d].objective, on[0].objective);
        assert_int_equal(on[d].upper, on[0].upper);
        assert_memory_equal(on[d].picks, on[0].picks, 40 * sizeof *on[d].picks);
        assert_memory_equal(on[d].gains, on[0].gains, 40 * sizeof *on[d].gains);
    }
    for (int d = 0; d < 3; d++) cru_eesd_result_release(&on[d]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_same_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
