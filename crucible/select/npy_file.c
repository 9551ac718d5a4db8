/* SPDX-License-Identifier: Apache-2.0 */
/* Matrices of embeddings out of files: a .npy as it is, a .npz member by member (libarchive). */
#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>

#include "crucible/base/base.h"
#include "crucible/select/npy.h"

struct cru_npy_reader {
    FILE *file;          /* of a .npy */
    struct archive *zip; /* of a .npz, inside the member that is the matrix */
    struct cru_npy_ids *ids;
    char *name;
    struct cru_npy shape;
    uint64_t next; /* row */
    char *bytes;   /* one row as it is in the file */
};

enum { HEAD = CRU_NPY_HEADER_MOST + 12, IDS_MOST = 1 << 30 }; /* bytes of an ids member */

/* ---- .npy ---- */

static enum cru_status open_npy(struct cru_npy_reader *r, char *head, struct cru_error *err) {
    struct stat about;
    uint64_t need, there;
    enum cru_status status;
    if (fstat(fileno(r->file), &about))
        return cru_fail_errno(err, "unable to open embeddings", r->name);
    if (!S_ISREG(about.st_mode)) /* its size says how many rows there are */
        return cru_fail(err, CRU_FATAL, "unable to open embeddings: '%s': not a regular file",
                        r->name);
    status =
        cru_npy_parse(cru_span_make(head, fread(head, 1, HEAD, r->file)), r->name, &r->shape, err);
    if (status) return status;
    /* rows * need may pass 64 bits, so compare by division. */
    need = r->shape.columns * r->shape.width;
    there = (uint64_t)about.st_size < r->shape.offset
                ? 0
                : ((uint64_t)about.st_size - r->shape.offset) / need;
    if (there < r->shape.rows)
        return cru_fail(err, CRU_FATAL,
                        "embeddings: '%s': the file is cut: %llu of %llu rows are there", r->name,
                        (unsigned long long)there, (unsigned long long)r->shape.rows);
    if (fseeko(r->file, (off_t)r->shape.offset, SEEK_SET))
        return cru_fail_errno(err, "unable to read embeddings", r->name);
    return CRU_OK;
}

/* ---- .npz ---- */

static enum cru_status zip_error(struct cru_npy_reader *r, struct cru_error *err) {
    const char *why = archive_error_string(r->zip);
    return cru_fail(err, CRU_FATAL, "unable to read embeddings: '%s': %s", r->name,
                    why ? why : "the file is cut");
}

static enum cru_status zip_open(struct cru_npy_reader *r, struct cru_error *err) {
    if (r->zip) (void)archive_read_free(r->zip);
    if (!(r->zip = archive_read_new())) return cru_fail_memory(err, "embeddings");
    (void)archive_read_support_format_zip(r->zip);
    if (archive_read_open_filename(r->zip, r->name, 1 << 16) != ARCHIVE_OK)
        return zip_error(r, err);
    return CRU_OK;
}

/* Up to n bytes of the member; *got says how many there were. */
static enum cru_status zip_read(struct cru_npy_reader *r, char *to, size_t n, size_t *got,
                                struct cru_error *err) {
    for (*got = 0; *got < n;) {
        la_ssize_t some = archive_read_data(r->zip, to + *got, n - *got);
        if (some < 0) return zip_error(r, err);
        if (some == 0) break;
        *got += (size_t)some;
    }
    return CRU_OK;
}

/* The header of the member at hand, and what was read behind it: head[header.offset .. *n). */
static enum cru_status zip_header(struct cru_npy_reader *r, char *head,
                                  struct cru_npy_header *header, size_t *n, struct cru_error *err) {
    size_t length, more;
    enum cru_status status = zip_read(r, head, 12, n, err);
    if (status) return status;
    if (*n == 12) { /* not a byte more than the header, so that rows can be read from there */
        length = (unsigned char)head[6] == 1
                     ? (size_t)(unsigned char)head[8] + ((size_t)(unsigned char)head[9] << 8)
                     : (size_t)(unsigned char)head[8] + ((size_t)(unsigned char)head[9] << 8) +
                           ((size_t)(unsigned char)head[10] << 16) + 2;
        length = length < 2 ? 0 : length - 2;
        if (length > HEAD - 12) length = HEAD - 12;
        if ((status = zip_read(r, head + 12, length, &more, err))) return status;
        *n += more;
    }
    return cru_npy_parse_header(cru_span_make(head, *n), r->name, header, err);
}

static enum cru_status zip_ids(struct cru_npy_reader *r, const struct cru_npy_header *header,
                               uint64_t size, struct cru_error *err) {
    char *bytes;
    size_t n;
    enum cru_status status;
    if (r->ids || size > IDS_MOST)
        return cru_fail(err, CRU_FATAL, "embeddings: '%s': %s", r->name,
                        r->ids ? "ids are there twice" : "ids of more than a GiB");
    if (!(bytes = malloc(size + 1))) return cru_fail_memory(err, "ids of embeddings");
    status = zip_read(r, bytes, size, &n, err);
    if (!status) status = cru_npy_ids_new(header, cru_span_make(bytes, n), r->name, &r->ids, err);
    free(bytes);
    return status;
}

/* Which member is the matrix: its place, from 1; 0: none. Reads the ids on the way. */
static enum cru_status zip_look(struct cru_npy_reader *r, char *head, size_t *matrix,
                                struct cru_error *err) {
    struct archive_entry *entry;
    size_t n, place = 0, matrices = 0;
    bool named = false;
    int code;
    enum cru_status status = zip_open(r, err);
    *matrix = 0;
    while (!status && (code = archive_read_next_header(r->zip, &entry)) != ARCHIVE_EOF) {
        struct cru_npy_header header;
        const char *name;
        if (code != ARCHIVE_OK && code != ARCHIVE_WARN) return zip_error(r, err);
        name = archive_entry_pathname(entry);
        place++;
        if ((status = zip_header(r, head, &header, &n, err))) break;
        if (name && strcmp(name, "ids.npy") == 0)
            status = zip_ids(r, &header, (uint64_t)archive_entry_size(entry), err);
        else if (name && strcmp(name, "embeddings.npy") == 0) {
            *matrix = place;
            named = true;
        } else if (header.dimensions == 2 && !named) {
            *matrix = place;
            matrices++;
        }
    }
    if (status) return status;
    if (*matrix == 0 || (!named && matrices > 1))
        return cru_fail(err, CRU_FATAL,
                        "embeddings: '%s': %s: the matrix must be its only one of two dimensions, "
                        "or be called embeddings",
                        r->name, matrices ? "several matrices" : "no matrix");
    return CRU_OK;
}

static enum cru_status open_npz(struct cru_npy_reader *r, char *head, struct cru_error *err) {
    struct cru_npy_header header;
    struct archive_entry *entry;
    size_t matrix, n;
    enum cru_status status = zip_look(r, head, &matrix, err);
    if (status || (status = zip_open(r, err))) return status;
    while (matrix-- > 0)
        if (archive_read_next_header(r->zip, &entry) != ARCHIVE_OK) return zip_error(r, err);
    if ((status = zip_header(r, head, &header, &n, err)) ||
        (status = cru_npy_matrix(&header, r->name, &r->shape, err)))
        return status;
    if (r->ids && cru_npy_ids_count(r->ids) != r->shape.rows)
        return cru_fail(err, CRU_FATAL, "embeddings: '%s': %zu ids for %llu rows", r->name,
                        cru_npy_ids_count(r->ids), (unsigned long long)r->shape.rows);
    return CRU_OK;
}

/* ---- both ---- */

enum cru_status cru_npy_open(const char *path, struct cru_npy_reader **reader,
                             struct cru_error *err) {
    enum cru_status status = CRU_FATAL;
    struct cru_npy_reader *r = calloc(1, sizeof *r);
    char *head = malloc(HEAD), magic[2];
    *reader = NULL;
    if (!r || !head || !(r->name = strdup(path)))
        cru_fail_memory(err, "embeddings");
    else if (!(r->file = fopen(path, "rb")))
        cru_fail_errno(err, "unable to open embeddings", path);
    else if (fread(magic, 1, 2, r->file) == 2 && memcmp(magic, "PK", 2) == 0)
        status = open_npz(r, head, err);
    else {
        rewind(r->file);
        status = open_npy(r, head, err);
    }
    if (!status && !(r->bytes = malloc(r->shape.columns * r->shape.width)))
        status = cru_fail_memory(err, "a row of embeddings");
    free(head);
    if (status) {
        cru_npy_close(r);
        if (err) err->status = CRU_FATAL;
        return CRU_FATAL;
    }
    *reader = r;
    return CRU_OK;
}

struct cru_npy_ids *cru_npy_take_ids(struct cru_npy_reader *reader) {
    struct cru_npy_ids *ids = reader->ids;
    reader->ids = NULL;
    return ids;
}

const struct cru_npy *cru_npy_shape(const struct cru_npy_reader *reader) {
    return &reader->shape;
}

enum cru_status cru_npy_next(struct cru_npy_reader *r, float *row, struct cru_error *err) {
    const struct cru_npy *shape = &r->shape;
    size_t want = shape->columns * shape->width, got;
    enum cru_status status;
    if (r->next == shape->rows) return CRU_END;
    if (!r->zip) {
        if (fread(r->bytes, 1, want, r->file) != want)
            return cru_fail_errno(err, "unable to read embeddings", r->name);
    } else {
        if ((status = zip_read(r, r->bytes, want, &got, err))) return status;
        if (got < want)
            return cru_fail(err, CRU_FATAL,
                            "embeddings: '%s': the matrix is cut: %llu of %llu rows are there",
                            r->name, (unsigned long long)r->next, (unsigned long long)shape->rows);
    }
    cru_npy_floats(r->bytes, shape->width, shape->columns, row);
    r->next++;
    return CRU_OK;
}

void cru_npy_close(struct cru_npy_reader *reader) {
    if (!reader) return;
    if (reader->file) (void)fclose(reader->file);
    if (reader->zip) (void)archive_read_free(reader->zip);
    cru_npy_ids_free(reader->ids);
    free(reader->name);
    free(reader->bytes);
    free(reader);
}
