/* SPDX-License-Identifier: Apache-2.0 */
/* A file of word vectors as anyone may send it: a matrix that lies in the file, or refused. */
#include "crucible/base/base.h"
#include "crucible/select/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct cru_error err;
    struct cru_tensor t;
    char *exact = malloc(size ? size : 1); /* so that the sanitizer sees the end */
    if (!exact) return 0;
    memcpy(exact, data, size);
    if (cru_safetensors_matrix(cru_span_make(exact, size), size, "fuzz", &t, &err) == CRU_OK)
        if (t.begin > t.end || t.end > size ||
            t.end - t.begin != t.shape[0] * t.shape[1] * cru_dtype_width(t.dtype))
            abort();
    free(exact);
    return 0;
}
