/* SPDX-License-Identifier: Apache-2.0 */
#include "shards/vocab_used.h"

#include "crucible/base/base.h"
#include "crucible/base/output.h"
#include "shards/shard_file.h"
#include "shards/shard_format.h"
#include "shards/shard_manifest.h"
#include "shards/shard_map.h"
#include "shards/writer.h"

/*
 *     0        64               64 + 16 n
 *     | header | id bytes count | ... | XXH3-64 of all before |
 */

static enum cru_status damaged(const char *path, const char *why, struct cru_error *err) {
    return cru_fail(err, CRU_FATAL, "unable to read vocabulary slice: '%s': %s", path, why);
}

static enum cru_status check(struct cru_vocab_used *used, const char *path, struct cru_error *err) {
    struct cru_used_header h;
    if (used->map_bytes < sizeof h + 8) return damaged(path, "cut short", err);
    memcpy(&h, used->map, sizeof h);
    if (memcmp(h.magic, CRU_USED_MAGIC, sizeof h.magic) != 0)
        return damaged(path, "not a vocabulary slice", err);
    if (h.version != CRU_USED_VERSION) return damaged(path, "of another version", err);
    static const unsigned char zero[sizeof h.zero];
    if ((h.flags & ~CRU_USED_BYTES_KNOWN) || memcmp(h.zero, zero, sizeof zero) != 0)
        return damaged(path, "its header makes no sense", err);
    uint64_t bytes = sizeof h + (uint64_t)h.n * sizeof(struct cru_used_token) + 8;
    if (used->map_bytes != bytes) return damaged(path, "not as long as its header says", err);
    memcpy(&used->checksum, used->map + bytes - 8, 8);
    if (cru_hash64(used->map, bytes - 8, 0) != used->checksum)
        return damaged(path, "its checksum does not match", err);
    used->tokens = (const struct cru_used_token *)(const void *)(used->map + sizeof h);
    used->n = h.n;
    used->vocab_size = h.vocab_size;
    used->pad_id = h.pad_id;
    used->end_id = h.end_id;
    used->bytes_known = h.flags & CRU_USED_BYTES_KNOWN;
    used->tokenizer_hash = h.tokenizer_hash;
    used->total = h.total;
    uint64_t total = 0;
    for (uint32_t i = 0; i < h.n; i++) {
        uint32_t id = used->tokens[i].id;
        if (id >= h.vocab_size || (i && id <= used->tokens[i - 1].id))
            return damaged(path, "its ids are not in order", err);
        total += used->tokens[i].count;
    }
    return total == h.total ? CRU_OK : damaged(path, "its counts do not add up", err);
}

enum cru_status cru_vocab_used_open(const char *path, struct cru_vocab_used *used,
                                    struct cru_error *err) {
    memset(used, 0, sizeof *used);
    size_t n = 0;
    enum cru_status s = cru_shard_map(path, &used->map, &n, err);
    if (s) return s;
    used->map_bytes = n;
    s = check(used, path, err);
    if (s) cru_vocab_used_close(used);
    return s;
}

void cru_vocab_used_close(struct cru_vocab_used *used) {
    cru_shard_unmap(used->map, (size_t)used->map_bytes);
    memset(used, 0, sizeof *used);
}

enum cru_status cru_shard_set_vocab(const struct cru_shard_set *set, struct cru_vocab_used *used,
                                    struct cru_error *err) {
    memset(used, 0, sizeof *used);
    if (set->vocab_used_checksum == 0)
        return damaged(set->dir, "a single shard has none; open its directory", err);
    char *path = cru_crs_path(set->dir, CRU_VOCAB_USED_NAME);
    if (!path) return cru_fail_memory(err, CRU_VOCAB_USED_NAME);
    enum cru_status s = cru_vocab_used_open(path, used, err);
    if (s == CRU_OK && used->checksum != set->vocab_used_checksum)
        s = damaged(path, "not the one that the manifest names", err);
    if (s == CRU_OK && (used->vocab_size != set->vocab_size || used->total != set->n_tokens ||
                        used->tokenizer_hash != set->tokenizer_hash))
        s = damaged(path, "does not go with the shards", err);
    if (s) cru_vocab_used_close(used);
    free(path);
    return s;
}

uint32_t cru_vocab_used_row(const struct cru_vocab_used *used, uint32_t id) {
    uint32_t low = 0, high = used->n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (used->tokens[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < used->n && used->tokens[low].id == id ? low : UINT32_MAX;
}

void cru_vocab_used_rows(const struct cru_vocab_used *used, uint32_t *rows) {
    memset(rows, 0xFF, (size_t)used->vocab_size * sizeof *rows);
    for (uint32_t i = 0; i < used->n; i++) rows[used->tokens[i].id] = i;
}

enum cru_status cru_vocab_used_write(const char *path, uint64_t tokenizer_hash, uint32_t vocab_size,
                                     uint32_t pad_id, uint32_t end_id, const uint64_t *counts,
                                     const uint32_t *bytes, uint64_t *checksum, uint32_t *n_used,
                                     struct cru_error *err) {
    struct cru_used_header h = {.version = CRU_USED_VERSION,
                                .flags = bytes ? CRU_USED_BYTES_KNOWN : 0,
                                .tokenizer_hash = tokenizer_hash,
                                .vocab_size = vocab_size,
                                .pad_id = pad_id,
                                .end_id = end_id};
    memcpy(h.magic, CRU_USED_MAGIC, sizeof h.magic);
    struct cru_buffer out;
    cru_buffer_init(&out);
    cru_buffer_add(&out, &h, sizeof h);
    for (uint32_t id = 0; id < vocab_size; id++) {
        if (counts[id] == 0 && id != pad_id && id != end_id) continue;
        struct cru_used_token token = {id, bytes ? bytes[id] : 0, counts[id]};
        cru_buffer_add(&out, &token, sizeof token);
        h.n++;
        h.total += counts[id];
    }
    enum cru_status s = CRU_OK;
    if (!out.failed) memcpy(out.p, &h, sizeof h);
    *checksum = out.failed ? 0 : cru_hash64(out.p, out.n, 0);
    *n_used = h.n;
    cru_buffer_add(&out, checksum, sizeof *checksum);
    s = out.failed ? cru_fail_memory(err, path) : cru_write_file(path, out.p, out.n, err);
    cru_buffer_release(&out);
    return s;
}
