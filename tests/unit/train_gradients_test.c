/* SPDX-License-Identifier: Apache-2.0 */
/* The hand-written gradients against finite differences in double precision: each kind of block
 * alone, then the whole small model; ordinary tokens and bags; packed documents throughout. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crucible/base/base.h"
#include "cmd/train/gradient_check.h"

static void check(const char *text, size_t vocabulary, size_t rows, size_t bag, size_t samples) {
    struct cru_option_store store;
    struct cru_model_config config;
    struct cru_gradient_result result;
    struct cru_error err = {0};
    cru_option_store_init(&store);
    if (cru_model_config_parse("test", cru_span_of(text), &config, &store, &err) != CRU_OK)
        fail_msg("%s", err.message);
    struct cru_gradient_check what = {vocabulary, rows, bag, samples, 7, 1};
    if (cru_check_gradients(&config, what, &result, &err) != CRU_OK) fail_msg("%s", err.message);
    print_message("  %zu derivatives, worst %.2e (%s)\n", result.checked, result.worst,
                  result.worst_tensor);
    assert_true(result.checked > 0);
    if (!(result.worst < CRU_GRADIENT_BAR))
        fail_msg("worst relative error %g in %s", result.worst, result.worst_tensor);
    cru_option_store_release(&store);
}

#define SMALL                                                                                      \
    "width: 12\nffn-width: 10\ngdn-key-heads: 2\ngdn-value-heads: 4\ngdn-key-dim: 5\n"             \
    "gdn-value-dim: 6\nheads: 4\nkv-heads: 2\nhead-dim: 8\nrotary-fraction: 0.5\n"                 \
    "rope-theta: 100\n"

static void gdn_block(void **state) {
    (void)state;
    check(SMALL "layers: 1\nfull-attention-every: 0\n", 23, 100, 1, 12);
    check(SMALL "layers: 1\nfull-attention-every: 0\n", 23, 40, 4, 6);
}
static void gdn_block_over_chunks(void **state) {
    (void)state; /* segments of 70 and 130 rows: two and three chunks */
    check(SMALL "layers: 1\nfull-attention-every: 0\n", 11, 215, 1, 4);
}
static void attention_block(void **state) {
    (void)state;
    check(SMALL "layers: 1\nfull-attention-every: 1\n", 23, 100, 1, 12);
    check(SMALL "layers: 1\nfull-attention-every: 1\n", 23, 40, 4, 6);
}
static void attention_silu_gate(void **state) {
    (void)state;
    check(SMALL "layers: 1\nfull-attention-every: 1\nattention-gate: silu\n", 23, 50, 1, 6);
}
static void whole_model(void **state) {
    (void)state;
    check(SMALL "layers: 4\n", 37, 96, 1, 6);
}
static void whole_model_superposed(void **state) {
    (void)state;
    check(SMALL "layers: 4\n", 37, 60, 4, 6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gdn_block),       cmocka_unit_test(gdn_block_over_chunks),
        cmocka_unit_test(attention_block), cmocka_unit_test(attention_silu_gate),
        cmocka_unit_test(whole_model),     cmocka_unit_test(whole_model_superposed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
