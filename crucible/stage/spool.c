/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "crucible/base/base.h"
#include "crucible/base/spill.h"
#include "crucible/stage/spool.h"

enum { FRAME_MAGIC = 0x4d524643, END_MAGIC = 0x444e4543 }; /* "CFRM", "CEND" */

struct frame {
    uint32_t magic, documents;
    uint64_t bytes;
};
struct entry {
    uint64_t length, hash;
};
struct place { /* of one document in the file */
    uint64_t offset, length, hash;
};

struct cru_spool {
    char *path, *temporary; /* NULL for an unlinked one */
    const char *tmpdir;
    int fd;
    uint64_t at;         /* bytes written */
    uint64_t documents;
    struct cru_budget budget;
    struct cru_spill_array places; /* struct place a document */
    struct cru_buffer frame;       /* the frame being built */
    struct cru_buffer table;
};

static enum cru_status write_at(struct cru_spool *spool, const void *p, size_t n,
                                struct cru_error *err) {
    const char *from = p;
    while (n > 0) {
        ssize_t got = pwrite(spool->fd, from, n, (off_t)spool->at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0)
            return cru_fail_errno(err, "unable to write spool",
                                  spool->path ? spool->path : spool->tmpdir);
        from += got;
        n -= (size_t)got;
        spool->at += (uint64_t)got;
    }
    return CRU_OK;
}

static enum cru_status read_at(struct cru_spool *spool, uint64_t offset, void *p, size_t n,
                               struct cru_error *err) {
    char *to = p;
    while (n > 0) {
        ssize_t got = pread(spool->fd, to, n, (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0)
            return cru_fail_errno(err, "unable to read spool",
                                  spool->path ? spool->path : spool->tmpdir);
        if (got == 0)
            return cru_fail(err, CRU_FATAL, "unable to read spool: '%s': it is cut short",
                            spool->path ? spool->path : spool->tmpdir);
        to += got;
        n -= (size_t)got;
        offset += (uint64_t)got;
    }
    return CRU_OK;
}

static struct cru_spool *spool_new(const struct cru_common *common) {
    struct cru_spool *spool = calloc(1, sizeof *spool);
    if (!spool) return NULL;
    spool->fd = -1;
    spool->tmpdir = common->tmpdir;
    spool->budget.limit = common->memory;
    spool->budget.tmpdir = common->tmpdir;
    cru_spill_init(&spool->places, sizeof(struct place), &spool->budget);
    cru_buffer_init(&spool->frame);
    cru_buffer_init(&spool->table);
    return spool;
}

enum cru_status cru_spool_create(const char *path, const struct cru_common *common,
                                 struct cru_spool **out, struct cru_error *err) {
    *out = NULL;
    struct cru_spool *spool = spool_new(common);
    if (!spool) return cru_fail_memory(err, "spool");
    char name[4096];
    int n = path ? snprintf(name, sizeof name, "%s.tmp-%ld", path, (long)getpid())
                 : snprintf(name, sizeof name, "%s/crucible-spool-XXXXXX", common->tmpdir);
    if (n < 0 || (size_t)n >= sizeof name) {
        cru_spool_free(spool);
        return cru_fail(err, CRU_FATAL, "unable to create spool: '%s': path too long",
                        path ? path : common->tmpdir);
    }
    if (path) {
        spool->path = strdup(path);
        spool->temporary = strdup(name);
        spool->fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    } else {
        spool->fd = mkostemp(name, O_CLOEXEC);
        if (spool->fd >= 0) (void)unlink(name);
    }
    if (spool->fd < 0 || (path && (!spool->path || !spool->temporary))) {
        enum cru_status s = cru_fail_errno(err, "unable to create spool", name);
        cru_spool_free(spool);
        return s;
    }
    *out = spool;
    return CRU_OK;
}

static void put_u64(struct cru_buffer *b, uint64_t v) { cru_buffer_add(b, &v, sizeof v); }
static void put_span(struct cru_buffer *b, struct cru_span s) {
    put_u64(b, s.p ? s.n : UINT64_MAX);
    if (s.p) cru_buffer_add_span(b, s);
}

static void encode(struct cru_buffer *b, const struct cru_doc *doc) {
    put_u64(b, doc->number);
    put_span(b, doc->id);
    put_span(b, doc->path);
    put_span(b, doc->text);
    put_u64(b, doc->n_fields);
    for (size_t i = 0; i < doc->n_fields; i++) {
        const struct cru_field *f = &doc->fields[i];
        put_u64(b, f->kind);
        put_span(b, f->key);
        put_span(b, f->kind == CRU_FIELD_TEXT ? cru_span_make(NULL, 0) : f->value);
    }
    put_u64(b, doc->n_meta);
    for (size_t i = 0; i < doc->n_meta; i++) {
        put_span(b, doc->meta[i].key);
        put_span(b, doc->meta[i].value);
    }
}

struct decoder {
    const char *p, *end;
    bool bad;
};

static uint64_t get_u64(struct decoder *d) {
    uint64_t v = 0;
    if (d->end - d->p < (ptrdiff_t)sizeof v) {
        d->bad = true;
        return 0;
    }
    memcpy(&v, d->p, sizeof v);
    d->p += sizeof v;
    return v;
}

static struct cru_span get_span(struct decoder *d) {
    uint64_t n = get_u64(d);
    if (n == UINT64_MAX) return cru_span_make(NULL, 0);
    if (d->bad || n > (uint64_t)(d->end - d->p)) {
        d->bad = true;
        return cru_span_make(NULL, 0);
    }
    struct cru_span s = cru_span_make(d->p, n);
    d->p += n;
    return s;
}

static bool decode(struct cru_batch *batch, struct cru_doc *doc, struct cru_span bytes) {
    struct decoder d = {bytes.p, bytes.p + bytes.n, false};
    doc->number = get_u64(&d);
    doc->id = get_span(&d);
    doc->path = get_span(&d);
    doc->text = get_span(&d);
    uint64_t n = get_u64(&d);
    if (d.bad || n > bytes.n) return false;
    doc->fields = cru_arena_alloc(&batch->arena, (n + 1) * sizeof *doc->fields);
    if (!doc->fields) return false;
    doc->n_fields = doc->cap_fields = n;
    for (uint64_t i = 0; i < n; i++) {
        doc->fields[i].kind = (enum cru_field_kind)get_u64(&d);
        doc->fields[i].key = get_span(&d);
        doc->fields[i].value = get_span(&d);
    }
    n = get_u64(&d);
    if (d.bad || n > bytes.n) return false;
    doc->cap_meta = n + 4; /* stages behind this one will add some */
    doc->meta = cru_arena_alloc(&batch->arena, doc->cap_meta * sizeof *doc->meta);
    if (!doc->meta) return false;
    doc->n_meta = n;
    for (uint64_t i = 0; i < n; i++) {
        doc->meta[i].key = get_span(&d);
        doc->meta[i].value = get_span(&d);
    }
    return !d.bad && d.p == d.end;
}

enum cru_status cru_spool_write(struct cru_spool *spool, const struct cru_batch *batch,
                                struct cru_error *err) {
    struct frame frame = {FRAME_MAGIC, 0, 0};
    cru_buffer_clear(&spool->frame);
    cru_buffer_clear(&spool->table);
    for (size_t i = 0; i < batch->n; i++) {
        if (batch->docs[i].fate != CRU_KEEP) continue;
        size_t from = spool->frame.n;
        encode(&spool->frame, &batch->docs[i]);
        if (spool->frame.failed) return cru_fail_memory(err, "spool");
        struct entry e = {spool->frame.n - from, 0};
        e.hash = cru_hash64(spool->frame.p + from, e.length, 0);
        cru_buffer_add(&spool->table, &e, sizeof e);
        frame.documents++;
    }
    if (frame.documents == 0) return CRU_OK;
    frame.bytes = spool->frame.n;
    if (spool->table.failed) return cru_fail_memory(err, "spool");
    enum cru_status s = cru_spill_resize(&spool->places, spool->documents + frame.documents, err);
    if (s) return s;
    uint64_t offset = spool->at + sizeof frame + spool->table.n;
    for (uint32_t i = 0; i < frame.documents; i++) {
        struct entry e;
        memcpy(&e, spool->table.p + i * sizeof e, sizeof e);
        ((struct place *)spool->places.p)[spool->documents++] = (struct place){offset, e.length, e.hash};
        offset += e.length;
    }
    s = write_at(spool, &frame, sizeof frame, err);
    if (s == CRU_OK) s = write_at(spool, spool->table.p, spool->table.n, err);
    if (s == CRU_OK) s = write_at(spool, spool->frame.p, spool->frame.n, err);
    return s;
}

enum cru_status cru_spool_seal(struct cru_spool *spool, struct cru_error *err) {
    struct frame end = {END_MAGIC, 0, spool->documents};
    uint64_t hash = cru_hash64(&end, sizeof end, 0);
    enum cru_status s = write_at(spool, &end, sizeof end, err);
    if (s == CRU_OK) s = write_at(spool, &hash, sizeof hash, err);
    cru_buffer_release(&spool->frame);
    cru_buffer_release(&spool->table);
    if (s == CRU_OK && spool->temporary) {
        if (fsync(spool->fd) || rename(spool->temporary, spool->path))
            return cru_fail_errno(err, "unable to finish spool", spool->path);
        free(spool->temporary);
        spool->temporary = NULL;
    }
    return s;
}

/* Walks the frames of a finished file and fills places. */
static enum cru_status index_file(struct cru_spool *spool, struct cru_error *err) {
    for (;;) {
        struct frame frame;
        enum cru_status s = read_at(spool, spool->at, &frame, sizeof frame, err);
        if (s) return s;
        if (frame.magic == END_MAGIC) {
            uint64_t hash;
            s = read_at(spool, spool->at + sizeof frame, &hash, sizeof hash, err);
            if (s) return s;
            if (hash != cru_hash64(&frame, sizeof frame, 0) || frame.bytes != spool->documents) break;
            return CRU_OK;
        }
        if (frame.magic != FRAME_MAGIC || frame.documents == 0) break;
        size_t table = frame.documents * sizeof(struct entry);
        char *to = NULL;
        cru_buffer_clear(&spool->table);
        if (!(to = cru_buffer_room(&spool->table, table))) return cru_fail_memory(err, "spool");
        s = read_at(spool, spool->at + sizeof frame, to, table, err);
        if (s == CRU_OK)
            s = cru_spill_resize(&spool->places, spool->documents + frame.documents, err);
        if (s) return s;
        uint64_t offset = spool->at + sizeof frame + table;
        for (uint32_t i = 0; i < frame.documents; i++) {
            struct entry e;
            memcpy(&e, to + i * sizeof e, sizeof e);
            ((struct place *)spool->places.p)[spool->documents++] =
                (struct place){offset, e.length, e.hash};
            offset += e.length;
        }
        if (offset - spool->at - sizeof frame - table != frame.bytes) break;
        spool->at = offset;
    }
    return cru_fail(err, CRU_FATAL, "unable to read spool: '%s': damaged or unfinished", spool->path);
}

enum cru_status cru_spool_open(const char *path, const struct cru_common *common,
                               struct cru_spool **out, struct cru_error *err) {
    *out = NULL;
    struct cru_spool *spool = spool_new(common);
    if (!spool || !(spool->path = strdup(path))) {
        cru_spool_free(spool);
        return cru_fail_memory(err, "spool");
    }
    spool->fd = open(path, O_RDONLY | O_CLOEXEC);
    enum cru_status s = spool->fd < 0 ? cru_fail_errno(err, "unable to open spool", path)
                                      : index_file(spool, err);
    if (s) {
        cru_spool_free(spool);
        return s;
    }
    *out = spool;
    return CRU_OK;
}

uint64_t cru_spool_documents(const struct cru_spool *spool) { return spool->documents; }

void cru_spool_free(struct cru_spool *spool) {
    if (!spool) return;
    if (spool->temporary) (void)unlink(spool->temporary);
    if (spool->fd >= 0) (void)close(spool->fd);
    cru_spill_release(&spool->places);
    cru_buffer_release(&spool->frame);
    cru_buffer_release(&spool->table);
    free(spool->temporary);
    free(spool->path);
    free(spool);
}

struct cru_spool_reader {
    struct cru_spool *spool;
    struct cru_stage *stage; /* NULL, or it gives the order */
    uint64_t next;           /* for reading in order */
    uint64_t batches;
};

enum cru_status cru_spool_reader_new(struct cru_spool *spool, struct cru_stage *stage,
                                     struct cru_spool_reader **out, struct cru_error *err) {
    struct cru_spool_reader *r = calloc(1, sizeof *r);
    if (!r) return cru_fail_memory(err, "spool");
    r->spool = spool;
    r->stage = stage && stage->class->next ? stage : NULL;
    *out = r;
    return CRU_OK;
}

static enum cru_status next_pick(struct cru_spool_reader *r, struct cru_pick *pick) {
    if (r->stage) return r->stage->class->next(r->stage, pick);
    if (r->next >= r->spool->documents) return CRU_END;
    *pick = (struct cru_pick){r->next++, 0};
    return CRU_OK;
}

/* Only the picks are taken here; the bytes are read in parse(), in parallel. */
enum cru_status cru_spool_fill(void *context, struct cru_batch *batch, struct cru_error *err) {
    struct cru_spool_reader *r = context;
    const struct place *places = r->spool->places.p;
    batch->number = r->batches++;
    while (batch->bytes < CRU_BATCH_BYTES && batch->n < CRU_BATCH_DOCS) {
        struct cru_pick pick;
        enum cru_status s = next_pick(r, &pick);
        if (s != CRU_OK) return s;
        if (pick.index >= r->spool->documents)
            return cru_fail(err, CRU_FATAL, "a stage picked a document that is not there");
        struct cru_doc *doc = cru_batch_add(batch);
        if (!doc) return cru_fail_memory(err, "batch");
        doc->index = pick.index;
        doc->copy = pick.copy;
        batch->bytes += places[pick.index].length;
    }
    return CRU_OK;
}

enum cru_status cru_spool_parse(void *context, struct cru_batch *batch, struct cru_error *err) {
    struct cru_spool_reader *r = context;
    const struct place *places = r->spool->places.p;
    for (size_t i = 0; i < batch->n;) {
        /* Neighbours in the file, tables of frames between them left out, are read at once. */
        size_t j = i + 1;
        while (j < batch->n && batch->docs[j].index == batch->docs[j - 1].index + 1 &&
               places[batch->docs[j].index].offset ==
                   places[batch->docs[j - 1].index].offset + places[batch->docs[j - 1].index].length)
            j++;
        const struct place *first = &places[batch->docs[i].index], *last = &places[batch->docs[j - 1].index];
        size_t bytes = (size_t)(last->offset + last->length - first->offset);
        char *p = cru_arena_alloc(&batch->arena, bytes + 1);
        if (!p) return cru_fail_memory(err, "batch");
        enum cru_status s = read_at(r->spool, first->offset, p, bytes, err);
        if (s) return s;
        for (; i < j; i++) {
            struct cru_doc *doc = &batch->docs[i];
            const struct place *place = &places[doc->index];
            struct cru_span encoded = cru_span_make(p + (place->offset - first->offset), place->length);
            if (cru_hash64(encoded.p, encoded.n, 0) != place->hash || !decode(batch, doc, encoded))
                return cru_fail(err, CRU_FATAL, "unable to read spool: '%s': damaged document",
                                r->spool->path ? r->spool->path : r->spool->tmpdir);
        }
    }
    return CRU_OK;
}

void cru_spool_reader_free(struct cru_spool_reader *r) { free(r); }
