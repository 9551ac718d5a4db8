/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/stat.h>

#include "crucible/base/base.h"
#include "crucible/select/npy.h"

static const char MAGIC[6] = {'\x93', 'N', 'U', 'M', 'P', 'Y'};

struct cru_npy_reader {
    FILE *file;
    char *name;
    struct cru_npy shape;
    uint64_t next; /* row */
    char *bytes;   /* one row as it is in the file */
};

/* The header is a Python dict of three keys; this reads just that much Python. */
struct scan {
    const char *p, *end;
};

static void skip_space(struct scan *s) {
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
        s->p++;
}

static bool take(struct scan *s, char c) {
    skip_space(s);
    if (s->p == s->end || *s->p != c) return false;
    s->p++;
    return true;
}

static bool take_string(struct scan *s, struct cru_span *value) {
    char quote;
    const char *begin;
    skip_space(s);
    if (s->p == s->end || (*s->p != '\'' && *s->p != '"')) return false;
    quote = *s->p++;
    for (begin = s->p; s->p < s->end && *s->p != quote; s->p++)
        if (*s->p == '\\') return false;
    if (s->p == s->end) return false;
    *value = cru_span_make(begin, (size_t)(s->p++ - begin));
    return true;
}

static bool take_word(struct scan *s, struct cru_span *value) {
    const char *begin;
    skip_space(s);
    for (begin = s->p;
         s->p < s->end && ((*s->p >= 'A' && *s->p <= 'Z') || (*s->p >= 'a' && *s->p <= 'z'));)
        s->p++;
    *value = cru_span_make(begin, (size_t)(s->p - begin));
    return value->n > 0;
}

static bool take_number(struct scan *s, uint64_t *value) {
    const char *begin;
    skip_space(s);
    *value = 0;
    for (begin = s->p; s->p < s->end && *s->p >= '0' && *s->p <= '9'; s->p++) {
        unsigned digit = (unsigned)(*s->p - '0');
        if (*value > (UINT64_MAX - digit) / 10) return false;
        *value = *value * 10 + digit;
    }
    if (s->p > begin && s->p < s->end && *s->p == 'L') /* Python 2 wrote long integers so */
        s->p++;
    return s->p > begin;
}

/* (n,), (n, d), (n, d, ...): the first two numbers, and how many there are. */
static bool take_shape(struct scan *s, uint64_t shape[2], size_t *dimensions) {
    *dimensions = 0;
    if (!take(s, '(')) return false;
    while (!take(s, ')')) {
        uint64_t value;
        if (!take_number(s, &value)) return false;
        if (*dimensions < 2) shape[*dimensions] = value;
        ++*dimensions;
        if (!take(s, ',')) {
            if (!take(s, ')')) return false;
            break;
        }
    }
    return true;
}

struct header {
    struct cru_span type, order;
    uint64_t shape[2];
    size_t dimensions;
    unsigned seen;
};

static bool parse_dict(struct cru_span text, struct header *h) {
    struct scan s = {text.p, text.p + text.n};
    if (!take(&s, '{')) return false;
    while (!take(&s, '}')) {
        struct cru_span key;
        bool ok = take_string(&s, &key) && take(&s, ':');
        if (ok && cru_span_is(key, "descr"))
            ok = take_string(&s, &h->type), h->seen |= 1;
        else if (ok && cru_span_is(key, "fortran_order"))
            ok = take_word(&s, &h->order), h->seen |= 2;
        else if (ok && cru_span_is(key, "shape"))
            ok = take_shape(&s, h->shape, &h->dimensions), h->seen |= 4;
        else
            ok = false;
        if (!ok) return false;
        if (!take(&s, ',')) {
            if (!take(&s, '}')) return false;
            break;
        }
    }
    skip_space(&s);
    return h->seen == 7 && s.p == s.end;
}

static unsigned type_width(struct cru_span type) {
    if (cru_span_is(type, "<f2")) return 2;
    if (cru_span_is(type, "<f4")) return 4;
    return cru_span_is(type, "<f8") ? 8 : 0;
}

enum cru_status cru_npy_parse(struct cru_span bytes, const char *name, struct cru_npy *npy,
                              struct cru_error *err) {
    const unsigned char *b = (const unsigned char *)bytes.p;
    struct header h = {.dimensions = 0};
    size_t length, start;
    size_t known = bytes.n < sizeof MAGIC ? bytes.n : sizeof MAGIC;
    if (known && memcmp(bytes.p, MAGIC, known) != 0)
        return cru_fail(err, CRU_BAD, "embeddings: '%s': not a .npy file", name);
    if (bytes.n < 12)
        return cru_fail(err, CRU_END, "embeddings: '%s': the file ends in its header", name);
    if (b[6] < 1 || b[6] > 3)
        return cru_fail(err, CRU_BAD, "embeddings: '%s': unknown .npy version %d.%d", name, b[6],
                        b[7]);
    start = b[6] == 1 ? 10 : 12;
    length = (size_t)b[8] | (size_t)b[9] << 8;
    if (b[6] > 1) length |= (size_t)b[10] << 16 | (size_t)b[11] << 24;
    if (length > CRU_NPY_HEADER_MOST)
        return cru_fail(err, CRU_BAD, "embeddings: '%s': a header of %zu bytes", name, length);
    if (bytes.n - start < length)
        return cru_fail(err, CRU_END, "embeddings: '%s': the file ends in its header", name);
    if (!parse_dict(cru_span_make(bytes.p + start, length), &h))
        return cru_fail(err, CRU_BAD,
                        "embeddings: '%s': header is not {'descr', 'fortran_order', 'shape'}",
                        name);
    if (!(npy->width = type_width(h.type)))
        return cru_fail(err, CRU_BAD,
                        "embeddings: '%s': numbers are '%.*s', and only <f2, <f4 and <f8 are read",
                        name, (int)(h.type.n < 20 ? h.type.n : 20), h.type.p);
    if (!cru_span_is(h.order, "False"))
        return cru_fail(err, CRU_BAD,
                        "embeddings: '%s': rows must be contiguous (fortran_order: False)", name);
    if (h.dimensions != 2)
        return cru_fail(err, CRU_BAD, "embeddings: '%s': %zu dimensions where 2 are needed", name,
                        h.dimensions);
    if (h.shape[1] == 0 || h.shape[1] > CRU_NPY_COLUMNS_MOST || h.shape[0] > UINT32_MAX)
        return cru_fail(err, CRU_BAD, "embeddings: '%s': impossible shape", name);
    npy->rows = h.shape[0];
    npy->columns = h.shape[1];
    npy->offset = start + length;
    return CRU_OK;
}

void cru_npy_header(uint64_t rows, uint64_t columns, char header[CRU_NPY_HEADER]) {
    int n;
    memset(header, ' ', CRU_NPY_HEADER);
    memcpy(header, MAGIC, sizeof MAGIC);
    header[6] = 1;
    header[7] = 0;
    header[8] = CRU_NPY_HEADER - 10;
    header[9] = 0;
    n = snprintf(header + 10, CRU_NPY_HEADER - 10,
                 "{'descr': '<f4', 'fortran_order': False, 'shape': (%llu, %llu), }",
                 (unsigned long long)rows, (unsigned long long)columns);
    header[10 + n] = ' '; /* where snprintf put its NUL */
    header[CRU_NPY_HEADER - 1] = '\n';
}

float cru_half_to_float(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16, exponent = half >> 10 & 31u,
             rest = half & 1023u, bits;
    float x;
    if (exponent == 31)
        bits = sign | 0x7F800000u | rest << 13;
    else if (exponent)
        bits = sign | (exponent + 112) << 23 | rest << 13;
    else { /* zero or subnormal: rest * 2^-24, which float32 holds exactly */
        x = (float)rest * 0x1p-24f;
        return sign ? -x : x;
    }
    memcpy(&x, &bits, sizeof x);
    return x;
}

enum cru_status cru_npy_open(const char *path, struct cru_npy_reader **reader,
                             struct cru_error *err) {
    enum cru_status status = CRU_FATAL;
    struct cru_npy_reader *r = calloc(1, sizeof *r);
    char *head = malloc(CRU_NPY_HEADER_MOST + 12);
    struct stat about;
    uint64_t need, there;
    *reader = NULL;
    if (!r || !head || !(r->name = strdup(path))) {
        cru_fail_memory(err, "embeddings");
        goto out;
    }
    if (!(r->file = fopen(path, "rb")) || fstat(fileno(r->file), &about)) {
        cru_fail_errno(err, "unable to open embeddings", path);
        goto out;
    }
    if (!S_ISREG(about.st_mode)) { /* its size says how many rows there are */
        cru_fail(err, CRU_FATAL, "unable to open embeddings: '%s': not a regular file", path);
        goto out;
    }
    status = cru_npy_parse(cru_span_make(head, fread(head, 1, CRU_NPY_HEADER_MOST + 12, r->file)),
                           path, &r->shape, err);
    if (status) {
        status = CRU_FATAL;
        if (err) err->status = CRU_FATAL;
        goto out;
    }
    status = CRU_FATAL;
    /* rows * need may pass 64 bits, so compare by division. */
    need = r->shape.columns * r->shape.width;
    there = (uint64_t)about.st_size < r->shape.offset
                ? 0
                : ((uint64_t)about.st_size - r->shape.offset) / need;
    if (there < r->shape.rows) {
        cru_fail(err, CRU_FATAL, "embeddings: '%s': the file is cut: %llu of %llu rows are there",
                 path, (unsigned long long)there, (unsigned long long)r->shape.rows);
        goto out;
    }
    if (!(r->bytes = malloc(need))) {
        cru_fail_memory(err, "a row of embeddings");
        goto out;
    }
    if (fseeko(r->file, (off_t)r->shape.offset, SEEK_SET)) {
        cru_fail_errno(err, "unable to read embeddings", path);
        goto out;
    }
    status = CRU_OK;
out:
    free(head);
    if (status)
        cru_npy_close(r);
    else
        *reader = r;
    return status;
}

const struct cru_npy *cru_npy_shape(const struct cru_npy_reader *reader) {
    return &reader->shape;
}

static uint64_t little(const char *p, unsigned width) {
    uint64_t value = 0;
    for (unsigned i = width; i-- > 0;) value = value << 8 | (unsigned char)p[i];
    return value;
}

enum cru_status cru_npy_next(struct cru_npy_reader *reader, float *row, struct cru_error *err) {
    const struct cru_npy *shape = &reader->shape;
    if (reader->next == shape->rows) return CRU_END;
    if (fread(reader->bytes, shape->width, shape->columns, reader->file) != shape->columns)
        return cru_fail_errno(err, "unable to read embeddings", reader->name);
    for (uint64_t k = 0; k < shape->columns; k++) {
        uint64_t bits = little(reader->bytes + k * shape->width, shape->width);
        if (shape->width == 2)
            row[k] = cru_half_to_float((uint16_t)bits);
        else if (shape->width == 4) {
            uint32_t word = (uint32_t)bits;
            memcpy(&row[k], &word, sizeof row[k]);
        } else {
            double x;
            memcpy(&x, &bits, sizeof x);
            row[k] = (float)x;
        }
    }
    reader->next++;
    return CRU_OK;
}

void cru_npy_close(struct cru_npy_reader *reader) {
    if (!reader) return;
    if (reader->file) (void)fclose(reader->file);
    free(reader->name);
    free(reader->bytes);
    free(reader);
}
