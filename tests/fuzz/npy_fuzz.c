/* SPDX-License-Identifier: Apache-2.0 */
/* A header of embeddings as anyone may send it: parsed or refused, never read past its end. */
#include "crucible/base/base.h"
#include "crucible/select/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct cru_error err;
    struct cru_npy npy;
    char *exact = malloc(size ? size : 1); /* so that the sanitizer sees the end */
    if (!exact) return 0;
    memcpy(exact, data, size);
    if (cru_npy_parse(cru_span_make(exact, size), "fuzz", &npy, &err) == CRU_OK)
        if (npy.columns == 0 || npy.offset > size ||
            (npy.width != 2 && npy.width != 4 && npy.width != 8))
            abort();
    free(exact);
    return 0;
}
