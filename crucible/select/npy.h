/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The .npy format, as far as a matrix of embeddings needs it: two dimensions, C order,
 * little-endian float16, float32 or float64, or int8; versions 1.0 to 3.0. Anything else is refused
 * with a reason. Source: NumPy Enhancement Proposal 1 and numpy.lib.format.
 *
 *   \x93NUMPY  major minor  u16 or u32 header length  {'descr': '<f4', 'fortran_order': False,
 *   'shape': (n, d), }  spaces  \n                    rows ...
 *
 * A .npz is a zip of such files. Its matrix is the member `embeddings`, or the only one of two
 * dimensions; a member `ids` (one dimension, text or whole numbers) names the rows.
 *
 * A reader owns its file and buffer; one thread at a time. Ids are only read once made.
 */
#ifndef CRU_SELECT_NPY_H
#define CRU_SELECT_NPY_H

#include "crucible/base/error.h"
#include "crucible/base/span.h"
#include <stddef.h>
#include <stdint.h>

struct cru_npy {
    uint64_t rows, columns;
    unsigned width;  /* bytes a number: 1, 2, 4 or 8 */
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

/* What any header says. `type` points into the bytes. Errors as above. */
struct cru_npy_header {
    struct cru_span type;
    bool fortran;
    uint64_t shape[2]; /* the first two */
    size_t dimensions;
    uint64_t offset;
};
enum cru_status cru_npy_parse_header(struct cru_span bytes, const char *name,
                                     struct cru_npy_header *header, struct cru_error *err);
/* The matrix that a header describes; CRU_BAD when it is none. */
enum cru_status cru_npy_matrix(const struct cru_npy_header *header, const char *name,
                               struct cru_npy *npy, struct cru_error *err);
/* `columns` numbers of `width` bytes as floats. */
void cru_npy_floats(const char *bytes, unsigned width, size_t columns, float *row);

/* Which row an id has. */
struct cru_npy_ids;
/* Makes them from the elements of an `ids` member, `bytes` being what follows its header: <U, |S
 * (padded with NUL), or whole numbers, which match ids that are their decimal digits. CRU_BAD for
 * other types and when an id is there twice; CRU_END when bytes are missing. */
enum cru_status cru_npy_ids_new(const struct cru_npy_header *header, struct cru_span bytes,
                                const char *name, struct cru_npy_ids **ids, struct cru_error *err);
bool cru_npy_ids_find(const struct cru_npy_ids *ids, struct cru_span id, uint32_t *row);
size_t cru_npy_ids_count(const struct cru_npy_ids *ids);
void cru_npy_ids_free(struct cru_npy_ids *ids); /* NULL is fine */

/* The header of a float32 matrix, NPY 1.0, always CRU_NPY_HEADER bytes, so that it can be patched
 * when the number of rows is known. */
void cru_npy_header(uint64_t rows, uint64_t columns, char header[CRU_NPY_HEADER]);

/* IEEE 754 half precision, exactly. */
float cru_half_to_float(uint16_t half);

struct cru_npy_reader;
/* Opens a .npy or .npz and checks that it is as long as its headers say. CRU_FATAL otherwise. */
enum cru_status cru_npy_open(const char *path, struct cru_npy_reader **reader,
                             struct cru_error *err);
/* The ids of an opened .npz, which go over to the caller; NULL when it has none. */
struct cru_npy_ids *cru_npy_take_ids(struct cru_npy_reader *reader);
const struct cru_npy *cru_npy_shape(const struct cru_npy_reader *reader);
/* The next row as floats into row[0..columns). CRU_END after the last. */
enum cru_status cru_npy_next(struct cru_npy_reader *reader, float *row, struct cru_error *err);
void cru_npy_close(struct cru_npy_reader *reader); /* NULL is fine */

#endif
