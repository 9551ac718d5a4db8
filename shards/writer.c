/* SPDX-License-Identifier: Apache-2.0 */
#include "shards/writer.h"

#include <inttypes.h>
#include <math.h>
#include <sys/mman.h>
#include <unistd.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "crucible/base/base.h"
#include "crucible/base/output.h"
#include "shards/laid_tokens.h"
#include "shards/shard_directory.h"
#include "shards/shard_format.h"
#include "shards/shard_manifest.h"
#include "shards/vocab_used.h"

/* A source's total over the set, and its row in the table of the shard being written. */
struct source {
    struct cru_shard_source total;
    uint32_t row;
    size_t shard; /* 1 + number of the shard that `row` belongs to; 0: none yet */
};

struct cru_shard_writer {
    char *dir;
    bool made_directory;
    int lock;    /* on the directory, held until the writer is freed */
    bool failed; /* a write failed: only abandon is left */
    struct cru_shard_params params;
    char tokenizer_name[64];
    uint32_t width;

    /* The shard being written; `out` is NULL between shards. */
    struct cru_output *out;
    struct cru_crs_header header;
    struct cru_buffer index, rows, names, sums;
    uint32_t n_rows;
    size_t block_n; /* bytes in `block`, which takes several checksums' worth: a write has its price */
    unsigned char *block, *other; /* the other may be on its way into the file */
    struct cru_hasher *hasher; /* of the bytes behind the last checksum */

    /* The set. */
    struct cru_arena arena; /* names */
    struct source *sources;
    size_t n_sources, sources_capacity;
    uint32_t *table; /* open addressing over hashes of names: 1 + index into sources, 0 empty */
    struct cru_buffer shards; /* struct cru_manifest_shard[] */
    struct cru_shard_totals totals;
    uint64_t *counts;  /* [vocab_size] */
    uint32_t *lengths; /* [vocab_size] or NULL */
};

enum { TABLE_SLOTS = 2 * CRU_SHARD_MAX_SOURCES };
enum { WRITE_BYTES = 4 * CRU_CRS_BLOCK_BYTES, HUGE_PAGE = 1 << 21 };

static void writer_free(struct cru_shard_writer *w) {
    cru_buffer_release(&w->index);
    cru_buffer_release(&w->rows);
    cru_buffer_release(&w->names);
    cru_buffer_release(&w->sums);
    cru_buffer_release(&w->shards);
    cru_arena_release(&w->arena);
    free(w->sources);
    free(w->table);
    free(w->block);
    free(w->other);
    cru_hasher_free(w->hasher);
    free(w->counts);
    free(w->lengths);
    free(w->dir);
    if (w->lock >= 0) (void)close(w->lock);
    free(w);
}

static enum cru_status check_params(const struct cru_shard_params *p, struct cru_error *err) {
    const char *why = NULL;
    const char *name = p->tokenizer_name ? p->tokenizer_name : "";
    if (p->vocab_size == 0 || p->vocab_size > CRU_SHARD_MAX_VOCABULARY)
        why = "the vocabulary has no ids, or more than 2^24";
    else if (p->bag > CRU_SHARD_MAX_BAG)
        why = "a bag has more than 4096 tokens";
    else if (p->pad_id == CRU_SHARD_NO_ID ? p->bag > 1 : p->pad_id >= p->vocab_size)
        why = "bags need a padding id that is in the vocabulary";
    else if (p->end_id != CRU_SHARD_NO_ID && p->end_id >= p->vocab_size)
        why = "the end id is not in the vocabulary";
    else if (strlen(name) > 63 || !cru_crs_utf8(cru_span_of(name)))
        why = "the tokenizer's name is longer than 63 bytes or not UTF-8";
    return why ? cru_fail(err, CRU_USAGE, "unable to write shards: '%s': %s", name, why) : CRU_OK;
}

static unsigned char *new_block(void) {
    unsigned char *block = aligned_alloc(HUGE_PAGE, WRITE_BYTES);
#ifdef MADV_HUGEPAGE
    if (block) (void)madvise(block, WRITE_BYTES, MADV_HUGEPAGE); /* the device wants few pages */
#endif
    return block;
}

enum cru_status cru_shard_writer_open(const char *dir, const struct cru_shard_params *params,
                                      struct cru_shard_writer **writer, struct cru_error *err) {
    *writer = NULL;
    enum cru_status s = check_params(params, err);
    if (s) return s;
    struct cru_shard_writer *w = calloc(1, sizeof *w);
    if (!w) return cru_fail_memory(err, dir);
    w->lock = -1;
    w->params = *params;
    if (w->params.bag == 0) w->params.bag = 1;
    if (w->params.shard_tokens == 0) w->params.shard_tokens = CRU_SHARD_DEFAULT_TOKENS;
    (void)snprintf(w->tokenizer_name, sizeof w->tokenizer_name, "%s",
                   params->tokenizer_name ? params->tokenizer_name : "");
    w->params.tokenizer_name = w->tokenizer_name;
    w->width = cru_shard_is_narrow(params) ? 2 : 4;
    w->dir = strdup(dir);
    w->block = new_block();
    w->other = new_block();
    w->hasher = cru_hasher_new();
    w->counts = calloc(params->vocab_size, sizeof *w->counts);
    w->table = calloc(TABLE_SLOTS, sizeof *w->table);
    if (!w->dir || !w->block || !w->other || !w->hasher || !w->counts || !w->table)
        s = cru_fail_memory(err, dir);
    else
        s = cru_shard_directory_prepare(dir, params->replace, &w->made_directory, &w->lock, err);
    if (s) {
        writer_free(w);
        return s;
    }
    *writer = w;
    return CRU_OK;
}

/* ---- Bytes of the body, a block at a time ---- */

/* Whole blocks go past the page cache, while the next ones are filled; what is left behind the last does not. */
static enum cru_status flush_blocks(struct cru_shard_writer *w, struct cru_error *err) {
    size_t whole = w->block_n - w->block_n % CRU_CRS_BLOCK_BYTES, rest = w->block_n - whole;
    unsigned char *block = w->block;
    w->block_n = 0;
    w->block = w->other;
    w->other = block;
    enum cru_status s = CRU_OK;
    if (whole) s = cru_output_send_block(w->out, block, whole, err);
    if (rest && s == CRU_OK) s = cru_output_write(w->out, block + whole, rest, err);
    return s;
}

static void add_sum(struct cru_shard_writer *w) {
    uint64_t sum = cru_hasher_take(w->hasher);
    cru_buffer_add(&w->sums, &sum, sizeof sum);
}

/* What fits into the block that has been begun, of n bytes or tokens of `width`. */
static size_t room_in_block(const struct cru_shard_writer *w, size_t n, size_t width) {
    size_t room = (CRU_CRS_BLOCK_BYTES - w->block_n % CRU_CRS_BLOCK_BYTES) / width;
    return n < room ? n : room;
}

/* The bytes from block_n on are there, and have been hashed. */
static enum cru_status filled(struct cru_shard_writer *w, size_t n, struct cru_error *err) {
    w->block_n += n;
    if (w->block_n % CRU_CRS_BLOCK_BYTES == 0) add_sum(w);
    return w->block_n == WRITE_BYTES ? flush_blocks(w, err) : CRU_OK;
}

/* What comes to stand in the block is read again by the device only: it goes past the caches, which have
 * better things to keep. */
static void copy_past_caches(unsigned char *to, const unsigned char *p, size_t n) {
#if defined(__SSE2__)
    size_t head = -(uintptr_t)to & 15;
    if (head > n) head = n;
    memcpy(to, p, head);
    to += head;
    p += head;
    n -= head;
    for (; n >= 64; to += 64, p += 64, n -= 64)
        for (int i = 0; i < 64; i += 16)
            _mm_stream_si128((__m128i *)(void *)(to + i),
                             _mm_loadu_si128((const __m128i *)(const void *)(p + i)));
    _mm_sfence();
#endif
    memcpy(to, p, n);
}

static enum cru_status put(struct cru_shard_writer *w, const void *bytes, size_t n,
                           struct cru_error *err) {
    const unsigned char *p = bytes;
    while (n > 0) {
        size_t take = room_in_block(w, n, 1);
        cru_hasher_add(w->hasher, p, take);
        copy_past_caches(w->block + w->block_n, p, take);
        p += take;
        n -= take;
        enum cru_status s = filled(w, take, err);
        if (s) return s;
    }
    return CRU_OK;
}

static enum cru_status put_zeros(struct cru_shard_writer *w, uint64_t n, struct cru_error *err) {
    static const unsigned char zeros[64];
    return put(w, zeros, (size_t)n, err); /* n < 64: alignment only */
}

/* A block is a multiple of both widths and the body starts with tokens, so none straddles blocks.
 */
static enum cru_status put_ids(struct cru_shard_writer *w, const uint32_t *ids, size_t n,
                               struct cru_error *err) {
    while (n > 0) {
        size_t take = room_in_block(w, n, w->width);
        unsigned char *to = w->block + w->block_n;
        if (w->width == 4) {
            memcpy(to, ids, take * 4);
        } else {
            for (size_t i = 0; i < take; i++) {
                uint16_t id = (uint16_t)ids[i];
                memcpy(to + 2 * i, &id, 2);
            }
        }
        for (size_t i = 0; i < take; i++) w->counts[ids[i]]++;
        cru_hasher_add(w->hasher, to, take * w->width);
        ids += take;
        n -= take;
        enum cru_status s = filled(w, take * w->width, err);
        if (s) return s;
    }
    return CRU_OK;
}

/* ---- One shard ---- */

static enum cru_status begin_shard(struct cru_shard_writer *w, struct cru_error *err) {
    char name[32];
    (void)snprintf(name, sizeof name, "%05" PRIu64 ".crs", w->totals.shards);
    char *path = cru_crs_path(w->dir, name);
    if (!path) return cru_fail_memory(err, w->dir);
    enum cru_status s = cru_output_open(path, &w->out, err);
    free(path);
    if (s) return s;
    struct cru_crs_header *h = &w->header;
    memset(h, 0, sizeof *h);
    memcpy(h->magic, CRU_CRS_UNFINISHED, sizeof h->magic);
    h->version = CRU_CRS_VERSION;
    h->header_bytes = CRU_CRS_HEADER_BYTES;
    h->sanity_int = CRU_CRS_SANITY_INT;
    h->sanity_double = CRU_CRS_SANITY_REAL;
    h->sanity_float = (float)CRU_CRS_SANITY_REAL;
    h->token_width = w->width;
    h->tokenizer_hash = w->params.tokenizer_hash;
    memcpy(h->tokenizer_name, w->tokenizer_name, sizeof h->tokenizer_name);
    h->vocab_size = w->params.vocab_size;
    h->bag = w->params.bag;
    h->pad_id = w->params.pad_id;
    h->end_id = w->params.end_id;
    cru_buffer_clear(&w->index);
    cru_buffer_clear(&w->rows);
    cru_buffer_clear(&w->names);
    cru_buffer_clear(&w->sums);
    w->n_rows = 0;
    w->block_n = 0;
    return cru_output_write(w->out, h, sizeof *h, err);
}

static enum cru_status write_rest(struct cru_shard_writer *w, struct cru_error *err) {
    struct cru_crs_header *h = &w->header;
    h->n_sources = w->n_rows;
    h->source_bytes = w->rows.n + w->names.n;
    if (w->index.failed || w->rows.failed || w->names.failed) return cru_fail_memory(err, w->dir);
    if (!cru_crs_layout(h))
        return cru_fail(err, CRU_FATAL, "unable to write shards: '%s': too large", w->dir);
    enum cru_status s =
        put_zeros(w, h->index_offset - h->tokens_offset - h->n_tokens * w->width, err);
    if (s == CRU_OK) s = put(w, w->index.p, w->index.n, err);
    if (s == CRU_OK) s = put(w, w->rows.p, w->rows.n, err);
    if (s == CRU_OK) s = put(w, w->names.p, w->names.n, err);
    if (s == CRU_OK) s = put_zeros(w, h->sums_offset - h->source_offset - h->source_bytes, err);
    if (s == CRU_OK && w->block_n % CRU_CRS_BLOCK_BYTES) add_sum(w);
    if (s == CRU_OK) s = flush_blocks(w, err);
    if (s == CRU_OK && w->sums.failed) s = cru_fail_memory(err, w->dir);
    if (s == CRU_OK) s = cru_output_write(w->out, w->sums.p, w->sums.n, err);
    if (s) return s;
    memcpy(h->magic, CRU_CRS_MAGIC, sizeof h->magic);
    h->sums_checksum = cru_hash64(w->sums.p, w->sums.n, 0);
    h->checksum = cru_hash64(h, offsetof(struct cru_crs_header, checksum), 0);
    return cru_output_patch(w->out, 0, h, sizeof *h, err);
}

static enum cru_status end_shard(struct cru_shard_writer *w, struct cru_error *err) {
    if (!w->out) return CRU_OK;
    enum cru_status s = write_rest(w, err);
    if (s) return s;
    struct cru_output *out = w->out;
    w->out = NULL;
    s = cru_output_commit(out, err);
    if (s) return s;
    char name[32];
    int n = snprintf(name, sizeof name, "%05" PRIu64 ".crs", w->totals.shards);
    const struct cru_crs_header *h = &w->header;
    struct cru_manifest_shard shard = {
        .file = cru_arena_copy(&w->arena, cru_span_make(name, (size_t)n)).p,
        .bytes = h->file_bytes,
        .documents = h->n_docs,
        .tokens = h->n_tokens,
        .padding = h->n_padding,
        .checksum = h->checksum,
    };
    w->totals.shards++; /* the file is there: abandon must remove it */
    cru_buffer_add(&w->shards, &shard, sizeof shard);
    return shard.file && !w->shards.failed ? CRU_OK : cru_fail_memory(err, w->dir);
}

/* ---- Sources ---- */

/* Finds or adds; NULL when memory is short. The caller has checked the limit. */
static struct source *source_get(struct cru_shard_writer *w, struct cru_span name) {
    size_t slot = cru_hash64(name.p, name.n, 0) % TABLE_SLOTS;
    while (w->table[slot]) {
        struct source *s = &w->sources[w->table[slot] - 1];
        if (cru_span_eq(s->total.name, name)) return s;
        slot = (slot + 1) % TABLE_SLOTS;
    }
    if (w->n_sources == w->sources_capacity) {
        size_t capacity = w->sources_capacity ? 2 * w->sources_capacity : 16;
        struct source *grown = realloc(w->sources, capacity * sizeof *grown);
        if (!grown) return NULL;
        w->sources = grown;
        w->sources_capacity = capacity;
    }
    struct source *s = &w->sources[w->n_sources];
    memset(s, 0, sizeof *s);
    s->total.name = cru_arena_copy(&w->arena, name);
    if (!s->total.name.p) return NULL;
    w->table[slot] = (uint32_t)++w->n_sources;
    return s;
}

/* The source's row in this shard's table. */
static uint32_t source_row(struct cru_shard_writer *w, struct source *s) {
    if (s->shard != w->totals.shards + 1) {
        struct cru_crs_source row = {(uint32_t)w->names.n, (uint32_t)s->total.name.n};
        cru_buffer_add(&w->rows, &row, sizeof row);
        cru_buffer_add_span(&w->names, s->total.name);
        s->row = w->n_rows++;
        s->shard = w->totals.shards + 1;
    }
    return s->row;
}

/* ---- Documents ---- */

static enum cru_status check_document(const struct cru_shard_writer *w,
                                      const struct cru_shard_doc *doc, struct cru_error *err) {
    int shown = doc->source.n < 80 ? (int)doc->source.n : 80;
    const char *source = doc->source.n ? doc->source.p : "";
    if (doc->source.n > CRU_SHARD_MAX_NAME || !cru_crs_utf8(doc->source))
        return cru_fail(err, CRU_BAD,
                        "document refused: a source's name is longer than %d bytes or "
                        "not UTF-8",
                        CRU_SHARD_MAX_NAME);
    if (!isfinite(doc->weight) || doc->weight < 0)
        return cru_fail(err, CRU_BAD,
                        "document refused: '%.*s': its weight is negative or not finite", shown,
                        source);
    /* At the limit every name must be an old one; looking that up is the rare path. */
    if (w->n_sources < CRU_SHARD_MAX_SOURCES) return CRU_OK;
    for (size_t i = 0; i < w->n_sources; i++)
        if (cru_span_eq(w->sources[i].total.name, doc->source)) return CRU_OK;
    return cru_fail(err, CRU_BAD, "document refused: '%s': the set has %d sources already", w->dir,
                    (int)CRU_SHARD_MAX_SOURCES);
}

static enum cru_status check_ids(const struct cru_shard_writer *w, const uint32_t *ids, size_t n,
                                 const struct cru_shard_doc *doc, struct cru_error *err) {
    int shown = doc->source.n < 80 ? (int)doc->source.n : 80;
    for (size_t i = 0; i < n; i++)
        if (ids[i] >= w->params.vocab_size)
            return cru_fail(err, CRU_BAD,
                            "document refused: '%.*s': id %" PRIu32 " is not below %" PRIu32, shown,
                            doc->source.n ? doc->source.p : "", ids[i], w->params.vocab_size);
    return CRU_OK;
}

static void add_entry(struct cru_shard_writer *w, uint64_t length, uint32_t source,
                      const struct cru_shard_doc *doc) {
    struct cru_crs_entry e;
    memset(&e, 0, sizeof e);
    e.offset = w->header.n_tokens;
    e.length = length;
    e.text_bytes = doc->text_bytes;
    e.id_low = doc->id_hash.low;
    e.id_high = doc->id_hash.high;
    e.source = source;
    e.weight = doc->weight + 0.0f; /* -0 becomes 0: one value, one byte pattern */
    e.bin = doc->bin;
    cru_buffer_add(&w->index, &e, sizeof e);
}

static enum cru_status put_document(struct cru_shard_writer *w, const uint32_t *ids, size_t n,
                                    uint64_t padding, struct cru_error *err) {
    enum cru_status s = put_ids(w, ids, n, err);
    if (s == CRU_OK && w->params.end_id != CRU_SHARD_NO_ID)
        s = put_ids(w, &w->params.end_id, 1, err);
    for (uint64_t i = 0; s == CRU_OK && i < padding; i++) s = put_ids(w, &w->params.pad_id, 1, err);
    return s;
}

/* Everything about a document but its tokens, which the caller puts right behind. */
static enum cru_status begin_document(struct cru_shard_writer *w, uint64_t length,
                                      uint64_t positions, const struct cru_shard_doc *doc,
                                      struct cru_error *err) {
    struct cru_crs_header *h = &w->header;
    enum cru_status s = CRU_OK;
    if (w->out &&
        (h->n_tokens + positions > w->params.shard_tokens || h->n_docs >= CRU_SHARD_MAX_DOCUMENTS))
        s = end_shard(w, err);
    if (s == CRU_OK && !w->out) s = begin_shard(w, err);
    if (s) return s;
    struct source *source = source_get(w, doc->source);
    if (!source) return cru_fail_memory(err, w->dir);
    add_entry(w, length, source_row(w, source), doc);
    h->n_docs++;
    h->n_tokens += positions;
    h->n_padding += positions - length;
    h->text_bytes += doc->text_bytes;
    source->total.documents++;
    source->total.tokens += length;
    source->total.text_bytes += doc->text_bytes;
    w->totals.documents++;
    w->totals.tokens += positions;
    w->totals.padding += positions - length;
    w->totals.text_bytes += doc->text_bytes;
    return CRU_OK;
}

static enum cru_status failed_before(const struct cru_shard_writer *w, struct cru_error *err) {
    return cru_fail(err, CRU_FATAL, "unable to write shards: '%s': it failed before", w->dir);
}

enum cru_status cru_shard_writer_add(struct cru_shard_writer *w, const uint32_t *ids, size_t n,
                                     const struct cru_shard_doc *doc, struct cru_error *err) {
    if (w->failed) return failed_before(w, err);
    enum cru_status s = check_document(w, doc, err);
    if (s == CRU_OK) s = check_ids(w, ids, n, doc, err);
    if (s) return s;
    uint64_t length = (uint64_t)n + (w->params.end_id != CRU_SHARD_NO_ID);
    uint64_t positions = cru_crs_round_up(length, w->params.bag);
    s = begin_document(w, length, positions, doc, err);
    if (s == CRU_OK) s = put_document(w, ids, n, positions - length, err);
    w->failed = s != CRU_OK;
    return s;
}

enum cru_status cru_shard_writer_add_laid(struct cru_shard_writer *w, const void *tokens,
                                          size_t length, const struct cru_shard_doc *doc,
                                          struct cru_error *err) {
    if (w->failed) return failed_before(w, err);
    uint64_t positions = cru_crs_round_up(length, w->params.bag);
    enum cru_status s = check_document(w, doc, err);
    if (s == CRU_BAD) { /* counts are modulo 2^64 until the tally that holds these is added */
        for (uint64_t i = 0; i < positions; i++)
            w->counts[w->width == 2 ? ((const uint16_t *)tokens)[i]
                                    : ((const uint32_t *)tokens)[i]]--;
    }
    if (s) return s;
    s = begin_document(w, length, positions, doc, err);
    if (s == CRU_OK) s = put(w, tokens, (size_t)positions * w->width, err);
    w->failed = s != CRU_OK;
    return s;
}

void cru_shard_writer_add_tally(struct cru_shard_writer *w, const struct cru_id_tally *tally) {
    for (uint32_t id = 0; id < w->params.vocab_size; id++)
        w->counts[id] += cru_id_tally_of(tally, id);
}

enum cru_status cru_shard_writer_token_bytes(struct cru_shard_writer *w, const uint32_t *lengths,
                                             struct cru_error *err) {
    size_t n = (size_t)w->params.vocab_size * sizeof *w->lengths;
    if (!w->lengths) w->lengths = malloc(n);
    if (!w->lengths) return cru_fail_memory(err, w->dir);
    memcpy(w->lengths, lengths, n);
    return CRU_OK;
}

struct cru_shard_totals cru_shard_writer_totals(const struct cru_shard_writer *w) {
    struct cru_shard_totals totals = w->totals;
    totals.shards += w->out != NULL;
    return totals;
}

/* ---- The end ---- */

static enum cru_status write_manifest(struct cru_shard_writer *w, uint64_t used_checksum,
                                      uint32_t used_ids, struct cru_error *err) {
    struct cru_shard_source *sources = calloc(w->n_sources + 1, sizeof *sources);
    char *path = cru_crs_path(w->dir, CRU_MANIFEST_NAME);
    struct cru_buffer text;
    cru_buffer_init(&text);
    enum cru_status s = CRU_OK;
    if (sources && path) {
        for (size_t i = 0; i < w->n_sources; i++) sources[i] = w->sources[i].total;
        struct cru_manifest m = {
            .tokenizer_name = cru_span_of(w->tokenizer_name),
            .tokenizer_hash = w->params.tokenizer_hash,
            .vocab_size = w->params.vocab_size,
            .token_width = w->width,
            .bag = w->params.bag,
            .pad_id = w->params.pad_id,
            .end_id = w->params.end_id,
            .documents = w->totals.documents,
            .tokens = w->totals.tokens,
            .padding = w->totals.padding,
            .text_bytes = w->totals.text_bytes,
            .vocab_used_checksum = used_checksum,
            .vocab_used_ids = used_ids,
            .n_sources = w->n_sources,
            .n_shards = (size_t)w->totals.shards,
            .sources = sources,
            .shards = (struct cru_manifest_shard *)(void *)w->shards.p,
        };
        cru_manifest_render(&m, &text);
    }
    if (!sources || !path || text.failed)
        s = cru_fail_memory(err, w->dir);
    else
        s = cru_write_file(path, text.p, text.n, err);
    cru_buffer_release(&text);
    free(sources);
    free(path);
    return s;
}

enum cru_status cru_shard_writer_close(struct cru_shard_writer *w, struct cru_error *err) {
    enum cru_status s =
        w->failed ? failed_before(w, err) : end_shard(w, err);
    char *path = cru_crs_path(w->dir, CRU_VOCAB_USED_NAME);
    uint64_t checksum = 0;
    uint32_t n_used = 0;
    if (s == CRU_OK && !path) s = cru_fail_memory(err, w->dir);
    if (s == CRU_OK)
        s = cru_vocab_used_write(path, w->params.tokenizer_hash, w->params.vocab_size,
                                 w->params.pad_id, w->params.end_id, w->counts, w->lengths,
                                 &checksum, &n_used, err);
    free(path);
    if (s == CRU_OK) s = write_manifest(w, checksum, n_used, err);
    if (s)
        cru_shard_writer_abandon(w);
    else
        writer_free(w);
    return s;
}

static void remove_quietly(const char *dir, const char *name) {
    char *path = cru_crs_path(dir, name);
    if (path) (void)unlink(path);
    free(path);
}

void cru_shard_writer_abandon(struct cru_shard_writer *w) {
    if (!w) return;
    cru_output_abandon(w->out);
    for (uint64_t i = 0; i < w->totals.shards; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "%05" PRIu64 ".crs", i);
        remove_quietly(w->dir, name);
    }
    remove_quietly(w->dir, CRU_VOCAB_USED_NAME);
    if (w->made_directory) (void)rmdir(w->dir);
    writer_free(w);
}
