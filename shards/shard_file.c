/* SPDX-License-Identifier: Apache-2.0 */
#include "shards/shard_file.h"

#include <inttypes.h>
#include <math.h>

#include "crucible/base/base.h"
#include "shards/shard_format.h"
#include "shards/shard_map.h"
#include "shards/writer.h"

static enum cru_status damaged(const char *path, const char *why, struct cru_error *err) {
    return cru_fail(err, CRU_FATAL, "unable to read shard: '%s': %s", path, why);
}

static enum cru_status cut_short(const char *path, uint64_t there, uint64_t all, const char *whose,
                                 struct cru_error *err) {
    return cru_fail(err, CRU_FATAL,
                    "unable to read shard: '%s': cut short: %" PRIu64 " of %s %" PRIu64
                    " bytes are there",
                    path, there, whose, all);
}

static bool all_zero(const unsigned char *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (p[i]) return false;
    return true;
}

/* What a header says about itself; the sizes come after. */
static const char *header_fault(const struct cru_crs_header *h) {
    if (memcmp(h->magic, CRU_CRS_UNFINISHED, sizeof h->magic) == 0)
        return "not finished: its writer did not come to the end";
    if (memcmp(h->magic, CRU_CRS_MAGIC, sizeof h->magic) != 0) return "not a shard";
    if (cru_hash64(h, offsetof(struct cru_crs_header, checksum), 0) != h->checksum)
        return "the checksum of its header does not match";
    if (h->version != CRU_CRS_VERSION) return "written by a newer version of the format";
    if (h->sanity_int != CRU_CRS_SANITY_INT || h->sanity_double < CRU_CRS_SANITY_REAL ||
        h->sanity_double > CRU_CRS_SANITY_REAL || h->sanity_float < (float)CRU_CRS_SANITY_REAL ||
        h->sanity_float > (float)CRU_CRS_SANITY_REAL)
        return "written on a machine with other numbers";
    if (h->vocab_size == 0 || h->vocab_size > CRU_SHARD_MAX_VOCABULARY ||
        h->token_width != (h->vocab_size <= 65536 ? 2 : 4))
        return "its token width does not go with its vocabulary";
    if (h->bag == 0 || h->bag > CRU_SHARD_MAX_BAG || h->n_tokens % h->bag != 0)
        return "its bag size does not go with its tokens";
    if ((h->pad_id >= h->vocab_size && h->pad_id != CRU_SHARD_NO_ID) ||
        (h->end_id >= h->vocab_size && h->end_id != CRU_SHARD_NO_ID))
        return "its named ids are not in its vocabulary";
    if (h->n_padding > h->n_tokens || (h->n_padding && h->pad_id == CRU_SHARD_NO_ID))
        return "its padding does not go with its tokens";
    if (memchr(h->tokenizer_name, 0, sizeof h->tokenizer_name) == NULL ||
        !cru_crs_utf8(cru_span_of(h->tokenizer_name)))
        return "its tokenizer's name is no text";
    if (h->n_sources > CRU_SHARD_MAX_SOURCES ||
        h->source_bytes < h->n_sources * sizeof(struct cru_crs_source) ||
        !all_zero(h->zero, sizeof h->zero))
        return "its header makes no sense";
    return NULL;
}

static const char *layout_fault(const struct cru_crs_header *h, uint64_t bytes) {
    struct cru_crs_header expected = *h;
    if (!cru_crs_layout(&expected) || memcmp(&expected, h, sizeof *h) != 0)
        return "its header's offsets make no sense";
    if (bytes > h->file_bytes) return "something follows its end";
    return NULL;
}

/* Name k of the source table; false when its entry points outside. */
static bool source_name(const struct cru_shard_file *f, uint32_t k, struct cru_span *name) {
    struct cru_crs_source s;
    uint64_t table = (uint64_t)f->n_sources * sizeof s;
    memcpy(&s, f->map + f->source_offset + (uint64_t)k * sizeof s, sizeof s);
    if ((uint64_t)s.start + s.length > f->source_bytes - table) return false;
    name->p = (const char *)f->map + f->source_offset + table + s.start;
    name->n = s.length;
    return true;
}

static enum cru_status fill(struct cru_shard_file *f, size_t n, struct cru_error *err) {
    struct cru_crs_header h;
    if (n < sizeof h) return cut_short(f->path, n, sizeof h, "the header's", err);
    memcpy(&h, f->map, sizeof h);
    const char *fault = header_fault(&h);
    if (!fault) fault = layout_fault(&h, n);
    if (!fault && n < h.file_bytes) return cut_short(f->path, n, h.file_bytes, "its", err);
    if (fault) return damaged(f->path, fault, err);
    f->tokenizer_hash = h.tokenizer_hash;
    memcpy(f->tokenizer_name, h.tokenizer_name, sizeof f->tokenizer_name);
    f->vocab_size = h.vocab_size;
    f->bag = h.bag;
    f->pad_id = h.pad_id;
    f->end_id = h.end_id;
    f->token_width = h.token_width;
    f->n_sources = h.n_sources;
    f->n_tokens = h.n_tokens;
    f->n_padding = h.n_padding;
    f->n_docs = h.n_docs;
    f->text_bytes = h.text_bytes;
    f->tokens = f->map + h.tokens_offset;
    f->checksum = h.checksum;
    f->index_offset = h.index_offset;
    f->source_offset = h.source_offset;
    f->source_bytes = h.source_bytes;
    f->sums_offset = h.sums_offset;
    f->n_blocks = h.n_blocks;
    /* Names are few; checked here, every document's source is text from then on. */
    for (uint32_t k = 0; k < f->n_sources; k++) {
        struct cru_span name;
        if (!source_name(f, k, &name) || name.n > CRU_SHARD_MAX_NAME || !cru_crs_utf8(name))
            return damaged(f->path, "its table of sources is damaged", err);
    }
    return CRU_OK;
}

enum cru_status cru_shard_file_borrow(const void *bytes, size_t n, const char *name,
                                      struct cru_shard_file *file, struct cru_error *err) {
    memset(file, 0, sizeof *file);
    file->borrowed = true;
    file->map = bytes;
    file->file_bytes = n;
    file->path = strdup(name);
    enum cru_status s = file->path ? fill(file, n, err) : cru_fail_memory(err, name);
    if (s) cru_shard_file_close(file);
    return s;
}

enum cru_status cru_shard_file_open(const char *path, struct cru_shard_file *file,
                                    struct cru_error *err) {
    const unsigned char *map;
    size_t n;
    memset(file, 0, sizeof *file);
    enum cru_status s = cru_shard_map(path, &map, &n, err);
    if (s) return s;
    s = cru_shard_file_borrow(map, n, path, file, err);
    if (s)
        cru_shard_unmap(map, n);
    else
        file->borrowed = false;
    return s;
}

void cru_shard_file_close(struct cru_shard_file *file) {
    if (!file->borrowed) cru_shard_unmap(file->map, (size_t)file->file_bytes);
    free(file->path);
    memset(file, 0, sizeof *file);
}

static struct cru_crs_entry entry_at(const struct cru_shard_file *f, uint64_t i) {
    struct cru_crs_entry e;
    memcpy(&e, f->map + f->index_offset + i * sizeof e, sizeof e);
    return e;
}

enum cru_status cru_shard_document(const struct cru_shard_file *f, uint64_t i,
                                   struct cru_shard_entry *entry, struct cru_error *err) {
    memset(entry, 0, sizeof *entry);
    if (i >= f->n_docs)
        return cru_fail(err, CRU_FATAL, "no such document: '%s': %llu of %llu", f->path,
                        (unsigned long long)i, (unsigned long long)f->n_docs);
    struct cru_crs_entry e = entry_at(f, i);
    if (e.offset > f->n_tokens || e.length > f->n_tokens - e.offset || e.offset % f->bag != 0 ||
        e.source >= f->n_sources || !isfinite(e.weight) || e.weight < 0 ||
        !all_zero(e.zero, sizeof e.zero) || !source_name(f, e.source, &entry->source))
        return cru_fail(err, CRU_FATAL, "unable to read shard: '%s': index entry %llu is damaged",
                        f->path, (unsigned long long)i);
    entry->offset = e.offset;
    entry->length = e.length;
    entry->text_bytes = e.text_bytes;
    entry->id_hash = (struct cru_hash128){e.id_low, e.id_high};
    entry->weight = e.weight;
    entry->bin = e.bin;
    return CRU_OK;
}

uint64_t cru_shard_document_at(const struct cru_shard_file *f, uint64_t at) {
    uint64_t low = 0, high = f->n_docs; /* the first document that starts behind `at` */
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (entry_at(f, middle).offset <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? low - 1 : 0;
}
