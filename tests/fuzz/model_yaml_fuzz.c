/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/base/base.h"
#include "cmd/train/model_yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* Any bytes are a model file or an error with a message; what passes prints its shape. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    struct cru_option_store store;
    struct cru_model_config config;
    struct cru_error err = {0};
    cru_option_store_init(&store);
    if (cru_model_config_parse("fuzz", cru_span_make((const char *)bytes, n), &config, &store,
                               &err) == CRU_OK) {
        struct cru_buffer text;
        cru_buffer_init(&text);
        cru_model_config_shape(&config, &text);
        if (text.n == 0) abort();
        cru_buffer_release(&text);
    } else if (err.message[0] == 0) {
        abort();
    }
    cru_option_store_release(&store);
    return 0;
}
