/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as JSON: no text may be longer than the input, nor may one be given of damaged input.
 */
#include "crucible/base/base.h"
#include "crucible/dedup/json_texts.h"
#include "crucible/doc/document.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    size_t bytes, texts;
};

static enum cru_status take(void *context, struct cru_span text, struct cru_error *err) {
    struct seen *seen = context;
    (void)err;
    if (!cru_utf8_valid(text)) abort();
    seen->bytes += text.n;
    seen->texts++;
    return CRU_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct seen seen = {0, 0};
    struct cru_error err = {0};
    enum cru_status s = cru_json_texts(cru_span_make((const char *)data, size), take, &seen, &err);
    if (seen.bytes > size || (s != CRU_OK && seen.texts)) abort();
    return 0;
}
