/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The .npy format, as far as a matrix of embeddings needs it: two dimensions, C order,
 * little-endian float16, float32 or float64; versions 1.0 to 3.0. Anything else is refused with a
 * reason. Source: NumPy Enhancement Proposal 1 and numpy.lib.format.
 *
 *   \x93NUMPY  major minor  u16 or u32 header length  {'descr': '<f4', 'fortran_order': False,
 *   'shape': (n, d), }  spaces  \n                    rows ...
 *
 * A reader owns its file and buffer; one thread at a time.
 */
#ifndef CRU_SELECT_NPY_H
#define CRU_SELECT_NPY_H

#include "crucible/base/error.h"
#include "crucible/base/span.h"
#include <stddef.h>
#include <stdint.h>

struct cru_npy {
    uint64_t rows, columns;
    unsigned width;  /* bytes a number: 2, 4 or 8 */
    uint64_t offset; /* of the first row in the file */
};

enum {
    CRU_NPY_HEADER = 128,           /* bytes of the header we write */
    CRU_NPY_HEADER_MOST = 65536,    /* of one we accept */
    CRU_NPY_COLUMNS_MOST = 1 << 20, /* a wider matrix is no embedding */
};

/* Reads a header out of the first bytes of a file. `name` is for the message. CRU_BAD when it is
 * not such a file, CRU_END when `bytes` end inside the header. */
enum cru_status cru_npy_parse(struct cru_span bytes, const char *name, struct cru_npy *npy,
                              struct cru_error *err);

/* The header of a float32 matrix, NPY 1.0, always CRU_NPY_HEADER bytes, so that it can be patched
 * when the number of rows is known. */
void cru_npy_header(uint64_t rows, uint64_t columns, char header[CRU_NPY_HEADER]);

/* IEEE 754 half precision, exactly. */
float cru_half_to_float(uint16_t half);

struct cru_npy_reader;
/* Opens a file and checks that it is as long as its header says. CRU_FATAL otherwise. */
enum cru_status cru_npy_open(const char *path, struct cru_npy_reader **reader,
                             struct cru_error *err);
const struct cru_npy *cru_npy_shape(const struct cru_npy_reader *reader);
/* The next row as floats into row[0..columns). CRU_END after the last. */
enum cru_status cru_npy_next(struct cru_npy_reader *reader, float *row, struct cru_error *err);
void cru_npy_close(struct cru_npy_reader *reader); /* NULL is fine */

#endif
