/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/base/base.h"
#include "crucible/base/hash.h"
#include "crucible/select/npy.h"

static const char MAGIC[6] = {'\x93', 'N', 'U', 'M', 'P', 'Y'};

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

struct dict {
    struct cru_span type, order;
    uint64_t shape[2];
    size_t dimensions;
    unsigned seen;
};

static bool parse_dict(struct cru_span text, struct dict *h) {
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
    if (cru_span_is(type, "|i1")) return 1;
    return cru_span_is(type, "<f8") ? 8 : 0;
}

enum cru_status cru_npy_parse_header(struct cru_span bytes, const char *name,
                                     struct cru_npy_header *header, struct cru_error *err) {
    const unsigned char *b = (const unsigned char *)bytes.p;
    struct dict h = {.dimensions = 0};
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
    *header = (struct cru_npy_header){.type = h.type,
                                      .fortran = !cru_span_is(h.order, "False"),
                                      .shape = {h.shape[0], h.shape[1]},
                                      .dimensions = h.dimensions,
                                      .offset = start + length};
    return CRU_OK;
}

enum cru_status cru_npy_matrix(const struct cru_npy_header *h, const char *name,
                               struct cru_npy *npy, struct cru_error *err) {
    if (!(npy->width = type_width(h->type)))
        return cru_fail(err, CRU_BAD,
                        "embeddings: '%s': numbers are '%.*s', and only <f2, <f4, <f8 and |i1 are "
                        "read",
                        name, (int)(h->type.n < 20 ? h->type.n : 20), h->type.p);
    if (h->fortran)
        return cru_fail(err, CRU_BAD,
                        "embeddings: '%s': rows must be contiguous (fortran_order: False)", name);
    if (h->dimensions != 2)
        return cru_fail(err, CRU_BAD, "embeddings: '%s': %zu dimensions where 2 are needed", name,
                        h->dimensions);
    if (h->shape[1] == 0 || h->shape[1] > CRU_NPY_COLUMNS_MOST || h->shape[0] > UINT32_MAX)
        return cru_fail(err, CRU_BAD, "embeddings: '%s': impossible shape", name);
    npy->rows = h->shape[0];
    npy->columns = h->shape[1];
    npy->offset = h->offset;
    return CRU_OK;
}

enum cru_status cru_npy_parse(struct cru_span bytes, const char *name, struct cru_npy *npy,
                              struct cru_error *err) {
    struct cru_npy_header header;
    enum cru_status status = cru_npy_parse_header(bytes, name, &header, err);
    return status ? status : cru_npy_matrix(&header, name, npy, err);
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

static uint64_t little(const char *p, unsigned width) {
    uint64_t value = 0;
    for (unsigned i = width; i-- > 0;) value = value << 8 | (unsigned char)p[i];
    return value;
}

void cru_npy_floats(const char *bytes, unsigned width, size_t columns, float *row) {
    for (size_t k = 0; k < columns; k++) {
        uint64_t bits = little(bytes + k * width, width);
        if (width == 1)
            row[k] = (float)(int8_t)bits;
        else if (width == 2)
            row[k] = cru_half_to_float((uint16_t)bits);
        else if (width == 4) {
            uint32_t word = (uint32_t)bits;
            memcpy(&row[k], &word, sizeof row[k]);
        } else {
            double x;
            memcpy(&x, &bits, sizeof x);
            row[k] = (float)x;
        }
    }
}

/* ---- ids ---- */

struct named {
    struct cru_hash128 id;
    uint32_t row;
};

struct cru_npy_ids {
    struct named *named; /* rising */
    size_t n;
};

static int compare_named(const void *a, const void *b) {
    const struct named *x = a, *y = b;
    if (x->id.high != y->id.high) return x->id.high < y->id.high ? -1 : 1;
    return (x->id.low > y->id.low) - (x->id.low < y->id.low);
}

/* UTF-32 to UTF-8; 0 for what is no character. */
static size_t put_utf8(uint32_t c, char *to) {
    if (c < 0x80) return to[0] = (char)c, 1;
    if (c < 0x800) return to[0] = (char)(0xC0 | c >> 6), to[1] = (char)(0x80 | (c & 63)), 2;
    if (c < 0x10000) {
        to[0] = (char)(0xE0 | c >> 12), to[1] = (char)(0x80 | (c >> 6 & 63));
        return to[2] = (char)(0x80 | (c & 63)), 3;
    }
    if (c > 0x10FFFF) return 0;
    to[0] = (char)(0xF0 | c >> 18), to[1] = (char)(0x80 | (c >> 12 & 63));
    return to[2] = (char)(0x80 | (c >> 6 & 63)), to[3] = (char)(0x80 | (c & 63)), 4;
}

/* One element as the text that an id would be, into text[0..4 * length] or 24 bytes. */
static size_t element_text(char kind, uint64_t length, const char *p, char *text) {
    size_t n = 0, kept = 0;
    if (kind == 'i') {
        uint64_t bits = little(p, (unsigned)length);
        unsigned spare = 64 - 8 * (unsigned)length;
        return (size_t)snprintf(text, 24, "%lld", (long long)((int64_t)(bits << spare) >> spare));
    }
    if (kind == 'u')
        return (size_t)snprintf(text, 24, "%llu", (unsigned long long)little(p, (unsigned)length));
    for (uint64_t k = 0; k < length; k++) {
        uint32_t c = kind == 'U' ? (uint32_t)little(p + 4 * k, 4) : (unsigned char)p[k];
        if (kind == 'U')
            n += put_utf8(c, text + n);
        else
            text[n++] = p[k];
        if (c) kept = n; /* NULs at the end are padding */
    }
    return kept;
}

/* '<U12', '|S7', '<i8', '|u1' ...: the kind, and the length in characters or bytes. */
static bool id_type(struct cru_span type, char *kind, uint64_t *length) {
    struct scan s = {type.p + 2, type.p + type.n};
    if (type.n < 3 || (type.p[0] != '<' && type.p[0] != '|')) return false;
    *kind = type.p[1];
    if (!take_number(&s, length) || s.p != s.end || *length == 0) return false;
    if (*kind == 'i' || *kind == 'u') return *length <= 8 && (*length & (*length - 1)) == 0;
    return (*kind == 'U' || *kind == 'S') && *length <= 1 << 16;
}

enum cru_status cru_npy_ids_new(const struct cru_npy_header *h, struct cru_span bytes,
                                const char *name, struct cru_npy_ids **out, struct cru_error *err) {
    struct cru_npy_ids *ids;
    char kind, *text;
    uint64_t length, width;
    *out = NULL;
    if (h->dimensions != 1 || h->shape[0] > UINT32_MAX || !id_type(h->type, &kind, &length))
        return cru_fail(err, CRU_BAD,
                        "embeddings: '%s': ids must be one row of text or of whole numbers", name);
    width = kind == 'U' ? 4 * length : length;
    if (bytes.n / width < h->shape[0])
        return cru_fail(err, CRU_END, "embeddings: '%s': ids are cut", name);
    ids = calloc(1, sizeof *ids);
    text = malloc(4 * length + 24);
    if (ids) ids->named = malloc((h->shape[0] + 1) * sizeof *ids->named);
    if (!ids || !text || !ids->named) {
        free(text);
        cru_npy_ids_free(ids);
        return cru_fail_memory(err, "ids of embeddings");
    }
    for (ids->n = 0; ids->n < h->shape[0]; ids->n++) {
        size_t n = element_text(kind, length, bytes.p + ids->n * width, text);
        ids->named[ids->n] = (struct named){cru_hash128(text, n, 0), (uint32_t)ids->n};
    }
    qsort(ids->named, ids->n, sizeof *ids->named, compare_named);
    for (size_t i = 1; i < ids->n; i++)
        if (compare_named(&ids->named[i - 1], &ids->named[i]) == 0) {
            uint64_t row = ids->named[i].row;
            size_t n = element_text(kind, length, bytes.p + row * width, text);
            (void)cru_fail(err, CRU_BAD, "embeddings: '%s': the id '%.*s' is there twice", name,
                           (int)(n < 80 ? n : 80), text);
            free(text);
            cru_npy_ids_free(ids);
            return CRU_BAD;
        }
    free(text);
    *out = ids;
    return CRU_OK;
}

bool cru_npy_ids_find(const struct cru_npy_ids *ids, struct cru_span id, uint32_t *row) {
    struct named key = {cru_hash128(id.p, id.n, 0), 0}, *found;
    found = bsearch(&key, ids->named, ids->n, sizeof key, compare_named);
    if (found) *row = found->row;
    return found != NULL;
}

size_t cru_npy_ids_count(const struct cru_npy_ids *ids) {
    return ids->n;
}

void cru_npy_ids_free(struct cru_npy_ids *ids) {
    if (ids) free(ids->named);
    free(ids);
}
