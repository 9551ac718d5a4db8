/* SPDX-License-Identifier: Apache-2.0 */
/* A header of embeddings, and ids, as anyone may send them: parsed or refused, never read past its
 * end. */
#include "crucible/base/base.h"
#include "crucible/select/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct cru_error err;
    struct cru_npy npy;
    struct cru_npy_header header;
    char *exact = malloc(size ? size : 1); /* so that the sanitizer sees the end */
    if (!exact) return 0;
    memcpy(exact, data, size);
    if (cru_npy_parse(cru_span_make(exact, size), "fuzz", &npy, &err) == CRU_OK)
        if (npy.columns == 0 || npy.offset > size ||
            (npy.width != 1 && npy.width != 2 && npy.width != 4 && npy.width != 8))
            abort();
    if (cru_npy_parse_header(cru_span_make(exact, size), "fuzz", &header, &err) == CRU_OK) {
        struct cru_span rest = cru_span_make(exact + header.offset, size - header.offset);
        struct cru_npy_ids *ids;
        if (cru_npy_ids_new(&header, rest, "fuzz", &ids, &err) == CRU_OK) {
            if (cru_npy_ids_count(ids) != header.shape[0]) abort();
            cru_npy_ids_free(ids);
        }
    }
    free(exact);
    return 0;
}
