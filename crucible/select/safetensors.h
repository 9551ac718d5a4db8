/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header of a .safetensors file, as far as a matrix of word vectors and lists beside it need it.
 * Source: the format section of the safetensors README (Hugging Face).
 *
 *   u64 n | {"name": {"dtype": "F32", "shape": [r, c], "data_offsets": [b, e]}, ...} n bytes | data
 *
 * Pure; names point into the header. CRU_BAD when it is not such a header, CRU_END when it ends
 * early.
 */
#ifndef CRU_SELECT_SAFETENSORS_H
#define CRU_SELECT_SAFETENSORS_H

#include "crucible/base/error.h"
#include "crucible/base/span.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A matrix of word vectors may be of those up to CRU_I8. */
enum cru_dtype { CRU_F32, CRU_F16, CRU_BF16, CRU_F64, CRU_I8, CRU_I32, CRU_I64, CRU_DTYPE_OTHER };

struct cru_tensor {
    struct cru_span name; /* raw JSON, without quotes */
    enum cru_dtype dtype;
    uint64_t shape[2]; /* the first two */
    size_t dimensions;
    uint64_t begin, end; /* from the start of the file */
};

enum { CRU_SAFETENSORS_HEADER_MOST = 64 << 20 };

unsigned cru_dtype_width(enum cru_dtype dtype); /* bytes; 0 for OTHER */

/* The matrix in it: the only tensor of two dimensions, or of several the one with a usual name of
 * word vectors. `bytes` is the file (at least its header), `size` the whole file's size. Offsets
 * are checked against both size and shape. */
enum cru_status cru_safetensors_matrix(struct cru_span bytes, uint64_t size, const char *path,
                                       struct cru_tensor *matrix, struct cru_error *err);
/* The tensor of one dimension with this name, checked in the same way; *found is false when there is
 * none. */
enum cru_status cru_safetensors_list(struct cru_span bytes, uint64_t size, const char *path,
                                     const char *name, struct cru_tensor *list, bool *found,
                                     struct cru_error *err);

#endif
