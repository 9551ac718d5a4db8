/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/select/safetensors.h"
#include "crucible/base/base.h"

/* Names of the matrix of word vectors, most telling first: model2vec, sentence-transformers'
 * StaticEmbedding, and the input embeddings of Hugging Face models. */
static const char *const usual_names[] = {
    "embeddings",
    "embedding.weight",
    "embeddings.weight",
    "model.embed_tokens.weight",
    "embed_tokens.weight",
    "transformer.wte.weight",
    "wte.weight",
    "embeddings.word_embeddings.weight",
    "bert.embeddings.word_embeddings.weight",
};

static const struct {
    const char *name;
    unsigned width;
} dtypes[CRU_DTYPE_OTHER] = {
    [CRU_F32] = {"F32", 4}, [CRU_F16] = {"F16", 2}, [CRU_BF16] = {"BF16", 2},
    [CRU_F64] = {"F64", 8}, [CRU_I8] = {"I8", 1},   [CRU_I32] = {"I32", 4},
    [CRU_I64] = {"I64", 8},
};

unsigned cru_dtype_width(enum cru_dtype dtype) {
    return dtype < CRU_DTYPE_OTHER ? dtypes[dtype].width : 0;
}

/* Just that much JSON: objects of objects, strings and whole numbers. */
struct reading {
    const char *p, *end;
};

static bool take(struct reading *r, char c) {
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\t' || *r->p == '\r'))
        r->p++;
    if (r->p == r->end || *r->p != c) return false;
    r->p++;
    return true;
}

static bool take_text(struct reading *r, struct cru_span *text) {
    const char *begin;
    if (!take(r, '"')) return false;
    for (begin = r->p; r->p < r->end && *r->p != '"'; r->p++)
        if (*r->p == '\\' && ++r->p == r->end) return false;
    if (r->p == r->end) return false;
    *text = cru_span_make(begin, (size_t)(r->p++ - begin));
    return true;
}

static bool take_whole(struct reading *r, uint64_t *value) {
    const char *begin;
    (void)take(r, ' ');
    *value = 0;
    for (begin = r->p; r->p < r->end && *r->p >= '0' && *r->p <= '9'; r->p++) {
        unsigned digit = (unsigned)(*r->p - '0');
        if (*value > (UINT64_MAX - digit) / 10) return false;
        *value = *value * 10 + digit;
    }
    return r->p > begin;
}

/* [a, b, ...]: the first two, and how many. */
static bool take_list(struct reading *r, uint64_t first[2], size_t *n) {
    *n = 0;
    if (!take(r, '[')) return false;
    if (take(r, ']')) return true;
    do {
        uint64_t value;
        while (r->p < r->end && *r->p == ' ') r->p++;
        if (!take_whole(r, &value)) return false;
        if (*n < 2) first[*n] = value;
        ++*n;
    } while (take(r, ','));
    return take(r, ']');
}

static bool take_metadata(struct reading *r) {
    struct cru_span key, value;
    if (!take(r, '{')) return false;
    if (take(r, '}')) return true;
    do
        if (!take_text(r, &key) || !take(r, ':') || !take_text(r, &value)) return false;
    while (take(r, ','));
    return take(r, '}');
}

static bool take_tensor(struct reading *r, struct cru_tensor *t) {
    struct cru_span key, type;
    uint64_t offset[2];
    size_t offsets = 0;
    unsigned seen = 0;
    if (!take(r, '{')) return false;
    do {
        bool ok = take_text(r, &key) && take(r, ':');
        if (ok && cru_span_is(key, "dtype")) {
            ok = take_text(r, &type);
            t->dtype = CRU_F32;
            while (ok && t->dtype < CRU_DTYPE_OTHER && !cru_span_is(type, dtypes[t->dtype].name))
                t->dtype++;
            seen |= 1;
        } else if (ok && cru_span_is(key, "shape")) {
            ok = take_list(r, t->shape, &t->dimensions);
            seen |= 2;
        } else if (ok && cru_span_is(key, "data_offsets")) {
            ok = take_list(r, offset, &offsets);
            seen |= 4;
        } else
            ok = false;
        if (!ok) return false;
    } while (take(r, ','));
    if (seen != 7 || offsets != 2) return false;
    t->begin = offset[0];
    t->end = offset[1];
    return take(r, '}');
}

static size_t rank_of(struct cru_span name) {
    size_t n = sizeof usual_names / sizeof *usual_names, i = 0;
    while (i < n && !cru_span_is(name, usual_names[i])) i++;
    return i;
}

static enum cru_status place(struct cru_tensor *t, uint64_t start, uint64_t size, const char *path,
                             struct cru_error *err) {
    if (t->end > size - start)
        return cru_fail(err, CRU_END, "word vectors: '%s': the file is cut", path);
    t->begin += start;
    t->end += start;
    return CRU_OK;
}

static enum cru_status check_matrix(const struct cru_tensor *t, const char *path,
                                    struct cru_error *err) {
    uint64_t width = cru_dtype_width(t->dtype);
    if (t->dtype > CRU_I8)
        return cru_fail(err, CRU_BAD,
                        "word vectors: '%s': '%.*s' is not of F32, F16, BF16, F64 or I8", path,
                        (int)(t->name.n < 80 ? t->name.n : 80), t->name.p);
    if (t->shape[0] == 0 || t->shape[1] == 0 || t->shape[1] > 1 << 16 || t->shape[0] > UINT32_MAX ||
        t->begin > t->end || t->end - t->begin != t->shape[0] * t->shape[1] * width)
        return cru_fail(err, CRU_BAD, "word vectors: '%s': impossible shape", path);
    return CRU_OK;
}

static enum cru_status check_list(const struct cru_tensor *t, const char *path,
                                  struct cru_error *err) {
    uint64_t width = cru_dtype_width(t->dtype);
    if (width == 0 || t->shape[0] > UINT32_MAX || t->begin > t->end ||
        t->end - t->begin != t->shape[0] * width)
        return cru_fail(err, CRU_BAD, "word vectors: '%s': '%.*s' has an impossible shape or type",
                        path, (int)(t->name.n < 80 ? t->name.n : 80), t->name.p);
    return CRU_OK;
}

/* What is done with each tensor of a header. */
typedef void on_tensor(void *context, const struct cru_tensor *t);

/* Reads the header; *start is where the data begin. */
static enum cru_status each_tensor(struct cru_span bytes, uint64_t size, const char *path,
                                   uint64_t *start, on_tensor *call, void *context,
                                   struct cru_error *err) {
    struct reading r;
    uint64_t length = 0;
    bool ok;
    if (bytes.n < 8 || size < bytes.n)
        return cru_fail(err, CRU_END, "word vectors: '%s': the file ends in its header", path);
    for (int i = 8; i-- > 0;) length = length << 8 | (unsigned char)bytes.p[i];
    if (length > CRU_SAFETENSORS_HEADER_MOST)
        return cru_fail(err, CRU_BAD, "word vectors: '%s': not a .safetensors file", path);
    if (length > bytes.n - 8)
        return cru_fail(err, CRU_END, "word vectors: '%s': the file ends in its header", path);
    *start = 8 + length;
    r = (struct reading){bytes.p + 8, bytes.p + 8 + length};
    ok = take(&r, '{');
    if (ok && !take(&r, '}')) {
        do {
            struct cru_tensor t = {.dimensions = 0};
            if (!(ok = take_text(&r, &t.name) && take(&r, ':'))) break;
            if (cru_span_is(t.name, "__metadata__")) {
                ok = take_metadata(&r);
                continue;
            }
            if (!(ok = take_tensor(&r, &t))) break;
            call(context, &t);
        } while (ok && take(&r, ','));
        ok = ok && take(&r, '}');
    }
    return ok ? CRU_OK
              : cru_fail(err, CRU_BAD, "word vectors: '%s': not a .safetensors header", path);
}

struct matrices {
    struct cru_tensor best;
    size_t n, rank;
};

static void see_matrix(void *context, const struct cru_tensor *t) {
    struct matrices *m = context;
    if (t->dimensions != 2) return;
    if (m->n++ > 0 && rank_of(t->name) >= m->rank) return;
    m->rank = rank_of(t->name);
    m->best = *t;
}

enum cru_status cru_safetensors_matrix(struct cru_span bytes, uint64_t size, const char *path,
                                       struct cru_tensor *matrix, struct cru_error *err) {
    struct matrices m = {.n = 0};
    uint64_t start;
    enum cru_status status = each_tensor(bytes, size, path, &start, see_matrix, &m, err);
    if (status) return status;
    if (m.n == 0 || (m.n > 1 && m.rank == sizeof usual_names / sizeof *usual_names))
        return cru_fail(err, CRU_BAD, "word vectors: '%s': %s", path,
                        m.n ? "several matrices, and none is called embeddings"
                            : "no tensor of two dimensions");
    *matrix = m.best;
    status = check_matrix(matrix, path, err);
    return status ? status : place(matrix, start, size, path, err);
}

struct wanted {
    const char *name;
    struct cru_tensor *list;
    bool found;
};

static void see_list(void *context, const struct cru_tensor *t) {
    struct wanted *w = context;
    if (t->dimensions != 1 || !cru_span_is(t->name, w->name)) return;
    *w->list = *t;
    w->found = true;
}

enum cru_status cru_safetensors_list(struct cru_span bytes, uint64_t size, const char *path,
                                     const char *name, struct cru_tensor *list, bool *found,
                                     struct cru_error *err) {
    struct wanted w = {name, list, false};
    uint64_t start;
    enum cru_status status = each_tensor(bytes, size, path, &start, see_list, &w, err);
    *found = !status && w.found;
    if (!*found) return status;
    status = check_list(list, path, err);
    return status ? status : place(list, start, size, path, err);
}
