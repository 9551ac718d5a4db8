/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/stat.h>

#include "crucible/base/base.h"
#include "shards/shard_file.h"
#include "shards/shard_format.h"
#include "shards/shard_manifest.h"
#include "shards/shard_map.h"
#include "shards/writer.h"

static enum cru_status allocate(struct cru_shard_set *set, size_t n, struct cru_error *err) {
    set->shards = calloc(n + 1, sizeof *set->shards);
    set->first_token = calloc(n + 1, sizeof *set->first_token);
    set->first_doc = calloc(n + 1, sizeof *set->first_doc);
    return set->shards && set->first_token && set->first_doc ? CRU_OK
                                                             : cru_fail_memory(err, set->dir);
}

static void count_in(struct cru_shard_set *set, const struct cru_shard_file *f) {
    set->n_tokens += f->n_tokens;
    set->n_padding += f->n_padding;
    set->n_docs += f->n_docs;
    set->text_bytes += f->text_bytes;
    set->n_shards++;
    set->first_token[set->n_shards] = set->n_tokens;
    set->first_doc[set->n_shards] = set->n_docs;
}

/* One .crs file as a set. */
static enum cru_status open_single(const char *path, struct cru_shard_set *set,
                                   struct cru_error *err) {
    enum cru_status s = allocate(set, 1, err);
    if (s == CRU_OK) s = cru_shard_file_open(path, &set->shards[0], err);
    if (s) return s;
    const struct cru_shard_file *f = &set->shards[0];
    set->tokenizer_hash = f->tokenizer_hash;
    memcpy(set->tokenizer_name, f->tokenizer_name, sizeof set->tokenizer_name);
    set->vocab_size = f->vocab_size;
    set->bag = f->bag;
    set->pad_id = f->pad_id;
    set->end_id = f->end_id;
    set->token_width = f->token_width;
    set->checksum = f->checksum;
    count_in(set, f);
    return CRU_OK;
}

static enum cru_status read_manifest(struct cru_shard_set *set, struct cru_manifest *m,
                                     struct cru_error *err) {
    char *path = cru_crs_path(set->dir, CRU_MANIFEST_NAME);
    if (!path) return cru_fail_memory(err, set->dir);
    struct stat info;
    const unsigned char *map = NULL;
    size_t n = 0;
    enum cru_status s;
    if (stat(path, &info) && errno == ENOENT)
        s = cru_fail(err, CRU_FATAL, "unable to open shards: '%s': %s", set->dir,
                     stat(set->dir, &info) ? "no such directory"
                                           : "not finished: it has no manifest.json");
    else
        s = cru_shard_map(path, &map, &n, err);
    if (s == CRU_OK) s = cru_manifest_parse((const char *)map, n, path, &set->arena, m, err);
    cru_shard_unmap(map, n);
    free(path);
    return s;
}

static enum cru_status take_manifest(struct cru_shard_set *set, const struct cru_manifest *m,
                                     struct cru_error *err) {
    if (m->tokenizer_name.n >= sizeof set->tokenizer_name || m->vocab_size == 0 ||
        m->vocab_size > CRU_SHARD_MAX_VOCABULARY || m->bag == 0 || m->bag > CRU_SHARD_MAX_BAG ||
        m->token_width != (m->vocab_size <= 65536 ? 2 : 4) || m->vocab_used_checksum == 0)
        return cru_fail(err, CRU_FATAL, "unable to open shards: '%s': its manifest makes no sense",
                        set->dir);
    set->tokenizer_hash = m->tokenizer_hash;
    memcpy(set->tokenizer_name, m->tokenizer_name.p, m->tokenizer_name.n);
    set->vocab_size = m->vocab_size;
    set->bag = m->bag;
    set->pad_id = m->pad_id;
    set->end_id = m->end_id;
    set->token_width = m->token_width;
    set->vocab_used_checksum = m->vocab_used_checksum;
    set->n_sources = m->n_sources;
    set->sources = m->sources;
    set->checksum = m->checksum;
    return allocate(set, m->n_shards, err);
}

static bool same_kind(const struct cru_shard_set *set, const struct cru_shard_file *f) {
    return f->tokenizer_hash == set->tokenizer_hash && f->vocab_size == set->vocab_size &&
           f->bag == set->bag && f->pad_id == set->pad_id && f->end_id == set->end_id &&
           strcmp(f->tokenizer_name, set->tokenizer_name) == 0;
}

static enum cru_status open_shards(struct cru_shard_set *set, const struct cru_manifest *m,
                                   struct cru_error *err) {
    for (size_t i = 0; i < m->n_shards; i++) {
        const struct cru_manifest_shard *named = &m->shards[i];
        struct cru_shard_file *f = &set->shards[i];
        char *path = cru_crs_path(set->dir, named->file);
        if (!path) return cru_fail_memory(err, set->dir);
        enum cru_status s = cru_shard_file_open(path, f, err);
        free(path);
        if (s) return s;
        count_in(set, f);
        if (f->file_bytes != named->bytes || f->checksum != named->checksum ||
            f->n_docs != named->documents || f->n_tokens != named->tokens ||
            f->n_padding != named->padding || !same_kind(set, f))
            return cru_fail(err, CRU_FATAL,
                            "unable to open shard: '%s': not the one that the manifest names",
                            f->path);
    }
    if (set->text_bytes != m->text_bytes)
        return cru_fail(err, CRU_FATAL,
                        "unable to open shards: '%s': the manifest's totals are not its shards'",
                        set->dir);
    return CRU_OK;
}

enum cru_status cru_shard_set_open(const char *dir, struct cru_shard_set *set,
                                   struct cru_error *err) {
    memset(set, 0, sizeof *set);
    cru_arena_init(&set->arena);
    set->dir = strdup(dir);
    if (!set->dir) return cru_fail_memory(err, dir);
    struct stat info;
    struct cru_manifest m;
    enum cru_status s;
    if (stat(dir, &info) == 0 && S_ISREG(info.st_mode)) {
        s = open_single(dir, set, err);
    } else {
        s = read_manifest(set, &m, err);
        if (s == CRU_OK) s = take_manifest(set, &m, err);
        if (s == CRU_OK) s = open_shards(set, &m, err);
    }
    if (s) cru_shard_set_close(set);
    return s;
}

void cru_shard_set_close(struct cru_shard_set *set) {
    for (size_t i = 0; i < set->n_shards; i++) cru_shard_file_close(&set->shards[i]);
    free(set->shards);
    free(set->first_token);
    free(set->first_doc);
    free(set->dir);
    cru_arena_release(&set->arena);
    memset(set, 0, sizeof *set);
}

/* Which shard holds element `at` of a running total first[0 .. n]: the last k with first[k] <= at.
 */
static size_t shard_of(const uint64_t *first, size_t n, uint64_t at) {
    size_t low = 0, high = n;
    while (low + 1 < high) {
        size_t middle = low + (high - low) / 2;
        if (first[middle] <= at)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static enum cru_status check_range(const struct cru_shard_set *set, uint64_t at, size_t n,
                                   struct cru_error *err) {
    if (at <= set->n_tokens && n <= set->n_tokens - at) return CRU_OK;
    return cru_fail(err, CRU_FATAL, "no such tokens: '%s': %zu from %llu of %llu", set->dir, n,
                    (unsigned long long)at, (unsigned long long)set->n_tokens);
}

enum cru_status cru_shard_set_read(const struct cru_shard_set *set, uint64_t at, size_t n,
                                   uint32_t *ids, struct cru_error *err) {
    enum cru_status s = check_range(set, at, n, err);
    if (s || n == 0) return s;
    for (size_t k = shard_of(set->first_token, set->n_shards, at); n > 0; k++) {
        const struct cru_shard_file *f = &set->shards[k];
        uint64_t from = at - set->first_token[k], left = f->n_tokens - from;
        size_t take = left < n ? (size_t)left : n;
        if (f->token_width == 4) {
            memcpy(ids, (const uint32_t *)f->tokens + from, take * sizeof *ids);
        } else {
            const uint16_t *tokens = (const uint16_t *)f->tokens + from;
            for (size_t i = 0; i < take; i++) ids[i] = tokens[i];
        }
        ids += take;
        at += take;
        n -= take;
    }
    return CRU_OK;
}

enum cru_status cru_shard_set_weights(const struct cru_shard_set *set, uint64_t at, size_t n,
                                      float *weights, struct cru_error *err) {
    enum cru_status s = check_range(set, at, n, err);
    if (s || n == 0) return s;
    for (size_t k = 0; k < n; k++) weights[k] = 0;
    uint64_t end = at + n;
    for (uint64_t i = cru_shard_set_document_at(set, at); i < set->n_docs; i++) {
        struct cru_shard_entry e;
        s = cru_shard_set_document(set, i, &e, err);
        if (s) return s;
        if (e.offset >= end) break;
        uint64_t from = e.offset > at ? e.offset : at;
        uint64_t to = e.offset + e.length < end ? e.offset + e.length : end;
        for (uint64_t t = from; t < to; t++) weights[t - at] = e.weight;
    }
    return CRU_OK;
}

enum cru_status cru_shard_set_document(const struct cru_shard_set *set, uint64_t i,
                                       struct cru_shard_entry *entry, struct cru_error *err) {
    memset(entry, 0, sizeof *entry);
    if (i >= set->n_docs)
        return cru_fail(err, CRU_FATAL, "no such document: '%s': %llu of %llu", set->dir,
                        (unsigned long long)i, (unsigned long long)set->n_docs);
    size_t k = shard_of(set->first_doc, set->n_shards, i);
    enum cru_status s = cru_shard_document(&set->shards[k], i - set->first_doc[k], entry, err);
    entry->offset += set->first_token[k];
    return s;
}

uint64_t cru_shard_set_document_at(const struct cru_shard_set *set, uint64_t at) {
    size_t k = shard_of(set->first_token, set->n_shards, at);
    return set->first_doc[k] + cru_shard_document_at(&set->shards[k], at - set->first_token[k]);
}
