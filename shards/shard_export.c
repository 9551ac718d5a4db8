/* SPDX-License-Identifier: Apache-2.0 */
#include "shards/shard_export.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>

#include "crucible/base/base.h"
#include "crucible/base/output.h"
#include "shards/shard_format.h"

struct exporter {
    const struct cru_shard_set *set;
    const char *dir;
    struct cru_shard_export_totals *totals;
};

static enum cru_status open_file(const struct exporter *x, const char *name,
                                 struct cru_output **out, struct cru_error *err) {
    *out = NULL;
    char *path = cru_crs_path(x->dir, name);
    if (!path) return cru_fail_memory(err, name);
    enum cru_status s = cru_output_open(path, out, err);
    free(path);
    return s;
}

/* Commits when s is CRU_OK, else throws the file away; NULL is fine. */
static enum cru_status close_file(const struct exporter *x, struct cru_output *out,
                                  enum cru_status s, struct cru_error *err) {
    if (!out) return s;
    if (s) {
        cru_output_abandon(out);
        return s;
    }
    s = cru_output_commit(out, err);
    if (s == CRU_OK) x->totals->files++;
    return s;
}

static enum cru_status write_small(const struct exporter *x, const char *name, const void *p,
                                   size_t n, struct cru_error *err) {
    struct cru_output *out;
    enum cru_status s = open_file(x, name, &out, err);
    if (s == CRU_OK) s = cru_output_write(out, p, n, err);
    return close_file(x, out, s, err);
}

/* n tokens of a shard from `at`, in `width` bytes each: the shard's own, or 4. */
static enum cru_status write_tokens(struct cru_output *out, const struct cru_shard_file *f,
                                    uint64_t at, uint64_t n, uint32_t width,
                                    struct cru_error *err) {
    if (width == f->token_width)
        return cru_output_write(out, (const unsigned char *)f->tokens + at * width,
                                (size_t)(n * width), err);
    uint32_t wide[1024];
    while (n > 0) {
        size_t take = n < 1024 ? (size_t)n : 1024;
        for (size_t i = 0; i < take; i++) wide[i] = cru_shard_token(f, at + i);
        enum cru_status s = cru_output_write(out, wide, take * sizeof wide[0], err);
        if (s) return s;
        at += take;
        n -= take;
    }
    return CRU_OK;
}

/* ---- llm.c ---- */

struct llmc {
    const struct exporter *x;
    struct cru_output *out;
    uint64_t tokens; /* in the open file */
};

static enum cru_status llmc_end(struct llmc *l, enum cru_status s, struct cru_error *err) {
    bool wide = l->x->set->token_width == 4;
    int32_t header[256] = {wide ? 20240801 : 20240520, wide ? 7 : 1, (int32_t)l->tokens};
    if (s == CRU_OK && l->out) s = cru_output_patch(l->out, 0, header, sizeof header, err);
    s = close_file(l->x, l->out, s, err);
    l->out = NULL;
    l->tokens = 0;
    return s;
}

static enum cru_status llmc_begin(struct llmc *l, struct cru_error *err) {
    static const int32_t blank[256];
    char name[48];
    (void)snprintf(name, sizeof name, "tokens_%06" PRIu64 ".bin", l->x->totals->files);
    enum cru_status s = open_file(l->x, name, &l->out, err);
    return s ? s : cru_output_write(l->out, blank, sizeof blank, err);
}

static enum cru_status export_llmc(const struct exporter *x, struct cru_error *err) {
    const uint64_t most = INT32_MAX; /* its count is an i32 */
    struct llmc l = {.x = x};
    enum cru_status s = CRU_OK;
    for (size_t k = 0; s == CRU_OK && k < x->set->n_shards; k++) {
        const struct cru_shard_file *f = &x->set->shards[k];
        for (uint64_t i = 0; s == CRU_OK && i < f->n_docs; i++) {
            struct cru_shard_entry e;
            s = cru_shard_document(f, i, &e, err);
            while (s == CRU_OK && e.length > 0) {
                if (l.tokens == most) s = llmc_end(&l, s, err);
                if (s == CRU_OK && !l.out) s = llmc_begin(&l, err);
                if (s) break;
                uint64_t take = e.length < most - l.tokens ? e.length : most - l.tokens;
                s = write_tokens(l.out, f, e.offset, take, f->token_width, err);
                e.offset += take;
                e.length -= take;
                l.tokens += take;
                x->totals->tokens += take;
            }
            x->totals->documents++;
        }
        s = llmc_end(&l, s, err);
    }
    return s;
}

/* ---- Megatron ---- */

static enum cru_status megatron_bin(const struct exporter *x, uint32_t width,
                                    struct cru_error *err) {
    struct cru_output *out;
    enum cru_status s = open_file(x, "tokens.bin", &out, err);
    for (size_t k = 0; s == CRU_OK && k < x->set->n_shards; k++) {
        const struct cru_shard_file *f = &x->set->shards[k];
        for (uint64_t i = 0; s == CRU_OK && i < f->n_docs; i++) {
            struct cru_shard_entry e;
            s = cru_shard_document(f, i, &e, err);
            if (s == CRU_OK && e.length > INT32_MAX)
                s = cru_fail(err, CRU_FATAL,
                             "unable to export: '%s': a document of %" PRIu64
                             " tokens does not fit Megatron's index",
                             f->path, e.length);
            if (s == CRU_OK) s = write_tokens(out, f, e.offset, e.length, width, err);
            x->totals->documents++;
            x->totals->tokens += e.length;
        }
    }
    return close_file(x, out, s, err);
}

/* One of the index's two columns a document, read from the set again rather than kept. */
static enum cru_status megatron_column(const struct exporter *x, struct cru_output *out,
                                       bool lengths, uint32_t width, struct cru_error *err) {
    int64_t start = 0;
    for (uint64_t i = 0; i < x->set->n_docs; i++) {
        struct cru_shard_entry e;
        enum cru_status s = cru_shard_set_document(x->set, i, &e, err);
        if (s) return s;
        int32_t length = (int32_t)e.length;
        s = lengths ? cru_output_write(out, &length, sizeof length, err)
                    : cru_output_write(out, &start, sizeof start, err);
        if (s) return s;
        start += (int64_t)e.length * width;
    }
    return CRU_OK;
}

static enum cru_status export_megatron(const struct exporter *x, struct cru_error *err) {
    const uint64_t version = 1, sequences = x->set->n_docs, boundaries = sequences + 1;
    const bool narrow = x->set->vocab_size < 65500;
    const uint8_t dtype = narrow ? 8 : 4;
    const uint32_t width = narrow ? 2 : 4;
    enum cru_status s = megatron_bin(x, width, err);
    if (s) return s;
    struct cru_output *out;
    s = open_file(x, "tokens.idx", &out, err);
    if (s == CRU_OK) s = cru_output_write(out, "MMIDIDX\0", 9, err); /* and the literal's own NUL */
    if (s == CRU_OK) s = cru_output_write(out, &version, 8, err);
    if (s == CRU_OK) s = cru_output_write(out, &dtype, 1, err);
    if (s == CRU_OK) s = cru_output_write(out, &sequences, 8, err);
    if (s == CRU_OK) s = cru_output_write(out, &boundaries, 8, err);
    if (s == CRU_OK) s = megatron_column(x, out, true, width, err);
    if (s == CRU_OK) s = megatron_column(x, out, false, width, err);
    for (uint64_t i = 0; s == CRU_OK && i < boundaries; i++) s = cru_output_write(out, &i, 8, err);
    return close_file(x, out, s, err);
}

/* ---- datatrove ---- */

/* As Python's humanize.metric(n, unit="T"): three significant digits and an SI prefix. A number
 * that rounds up to the next power of ten takes that power's form: 9,999 is 10.0 k. */
static void human_tokens(uint64_t n, char *text, size_t capacity) {
    static const char *const prefixes[] = {"", "k", "M", "G", "T", "P", "E"};
    int exponent = 0;
    for (uint64_t rest = n; rest >= 10; rest /= 10) exponent++;
    for (int rounding = 0; rounding < 2; rounding++) {
        double value = (double)n, next = 10;
        for (int i = 0; i < exponent / 3; i++) value /= 1000;
        for (int i = 0; i < exponent % 3; i++) next *= 10;
        (void)snprintf(text, capacity, "%.*f %sT", 2 - exponent % 3, value, prefixes[exponent / 3]);
        if (strtod(text, NULL) < next) return;
        exponent++;
    }
}

static enum cru_status datatrove_shard(const struct exporter *x, size_t k, struct cru_error *err) {
    const struct cru_shard_file *f = &x->set->shards[k];
    struct cru_output *tokens = NULL, *index = NULL;
    char name[48], human[48];
    (void)snprintf(name, sizeof name, "%05zu_unshuffled.ds", k);
    enum cru_status s = open_file(x, name, &tokens, err);
    (void)snprintf(name, sizeof name, "%05zu_unshuffled.ds.index", k);
    if (s == CRU_OK) s = open_file(x, name, &index, err);
    uint64_t end = 0;
    for (uint64_t i = 0; s == CRU_OK && i < f->n_docs; i++) {
        struct cru_shard_entry e;
        s = cru_shard_document(f, i, &e, err);
        end += e.length;
        if (s == CRU_OK) s = write_tokens(tokens, f, e.offset, e.length, f->token_width, err);
        if (s == CRU_OK) s = cru_output_write(index, &end, sizeof end, err);
        x->totals->documents++;
    }
    x->totals->tokens += end;
    s = close_file(x, tokens, s, err);
    s = close_file(x, index, s, err);
    if (s) return s;
    human_tokens(end, human, sizeof human);
    char text[192];
    int n = snprintf(text, sizeof text, "%s|%" PRIu32 "\n%" PRIu64 "\n%s", f->tokenizer_name,
                     f->token_width, end, human);
    (void)snprintf(name, sizeof name, "%05zu_unshuffled.ds.metadata", k);
    return write_small(x, name, text, (size_t)n, err);
}

static enum cru_status export_datatrove(const struct exporter *x, struct cru_error *err) {
    enum cru_status s = CRU_OK;
    for (size_t k = 0; s == CRU_OK && k < x->set->n_shards; k++) s = datatrove_shard(x, k, err);
    return s;
}

/* ---- NumPy ---- */

static enum cru_status export_npy(const struct exporter *x, struct cru_error *err) {
    for (size_t k = 0; k < x->set->n_shards; k++) {
        const struct cru_shard_file *f = &x->set->shards[k];
        char name[48], text[128];
        (void)snprintf(name, sizeof name, "%05zu.npy", k);
        int n = snprintf(text, sizeof text,
                         "{'descr': '<u%" PRIu32 "', 'fortran_order': False, 'shape': (%" PRIu64
                         ",), }",
                         f->token_width, f->n_tokens);
        /* Magic, version and length are 10 bytes; all of it with its newline is 128, a multiple
         * of 64. */
        unsigned char header[128];
        memset(header, ' ', sizeof header);
        memcpy(header, "\x93NUMPY\x01\x00\x76\x00", 10);
        memcpy(header + 10, text, (size_t)n);
        header[127] = '\n';
        struct cru_output *out;
        enum cru_status s = open_file(x, name, &out, err);
        if (s == CRU_OK) s = cru_output_write(out, header, sizeof header, err);
        if (s == CRU_OK) s = write_tokens(out, f, 0, f->n_tokens, f->token_width, err);
        s = close_file(x, out, s, err);
        if (s) return s;
        x->totals->documents += f->n_docs;
        x->totals->tokens += f->n_tokens;
    }
    return CRU_OK;
}

/* Numbered files of a format: prefix, at least five digits, suffix. */
struct numbered {
    const char *prefix, *suffix; /* NULL: the format's files have no numbers */
};

static bool number_in(const struct numbered *kind, const char *name, uint64_t *number) {
    size_t n = strlen(kind->prefix), digits;
    if (strncmp(name, kind->prefix, n) != 0) return false;
    digits = strspn(name + n, "0123456789");
    if (digits < 5 || digits > 18 || strcmp(name + n + digits, kind->suffix) != 0) return false;
    *number = strtoull(name + n, NULL, 10);
    return true;
}

static uint64_t files_of(const struct cru_shard_set *set, const char *format) {
    uint64_t files = 0;
    if (strcmp(format, "llmc") != 0) return set->n_shards;
    for (size_t k = 0; k < set->n_shards; k++)
        files += (set->shards[k].n_tokens - set->shards[k].n_padding + INT32_MAX - 1) / INT32_MAX;
    return files;
}

static enum cru_status refuse_others(const char *out, const struct numbered *kind, uint64_t files,
                                     struct cru_error *err) {
    DIR *d = opendir(out);
    if (!d) return cru_fail_errno(err, "unable to read directory", out);
    enum cru_status s = CRU_OK;
    uint64_t number;
    errno = 0;
    for (struct dirent *e; s == CRU_OK && (e = readdir(d)) != NULL; errno = 0)
        if (number_in(kind, e->d_name, &number) && number >= files)
            s = cru_fail(err, CRU_USAGE,
                         "unable to export: '%s': it holds '%s', which is no part of this set", out,
                         e->d_name);
    if (s == CRU_OK && errno) s = cru_fail_errno(err, "unable to read directory", out);
    (void)closedir(d);
    return s;
}

enum cru_status cru_shard_export(const struct cru_shard_set *set, const char *format,
                                 const char *out, struct cru_shard_export_totals *totals,
                                 struct cru_error *err) {
    static const struct {
        const char *name;
        enum cru_status (*run)(const struct exporter *x, struct cru_error *err);
        struct numbered kind;
    } formats[] = {{"megatron", export_megatron, {NULL, NULL}},
                   {"llmc", export_llmc, {"tokens_", ".bin"}},
                   {"datatrove", export_datatrove, {"", "_unshuffled.ds"}},
                   {"npy", export_npy, {"", ".npy"}}};
    memset(totals, 0, sizeof *totals);
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        if (strcmp(formats[i].name, format) != 0) continue;
        enum cru_status s = cru_make_directory(out, err);
        if (s == CRU_OK && formats[i].kind.prefix)
            s = refuse_others(out, &formats[i].kind, files_of(set, format), err);
        struct exporter x = {set, out, totals};
        return s ? s : formats[i].run(&x, err);
    }
    return cru_fail(err, CRU_USAGE, "no such format: '%s': one of " CRU_SHARD_EXPORT_FORMATS,
                    format);
}
