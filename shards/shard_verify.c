/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "crucible/base/base.h"
#include "shards/shard_file.h"
#include "shards/shard_format.h"
#include "shards/shard_manifest.h"
#include "shards/vocab_used.h"
#include "shards/writer.h"

static enum cru_status damaged(const struct cru_shard_file *f, const char *why,
                               struct cru_error *err) {
    return cru_fail(err, CRU_FATAL, "unable to verify shard: '%s': %s", f->path, why);
}

static enum cru_status check_sums(const struct cru_shard_file *f, struct cru_error *err) {
    struct cru_crs_header h;
    memcpy(&h, f->map, sizeof h);
    if (cru_hash64(&h, offsetof(struct cru_crs_header, checksum), 0) != h.checksum ||
        h.checksum != f->checksum)
        return damaged(f, "the checksum of its header does not match", err);
    const unsigned char *sums = f->map + f->sums_offset;
    if (cru_hash64(sums, f->n_blocks * 8, 0) != h.sums_checksum)
        return damaged(f, "the checksum of its table of block checksums does not match", err);
    for (uint64_t k = 0; k < f->n_blocks; k++) {
        uint64_t start = h.tokens_offset + k * CRU_CRS_BLOCK_BYTES;
        uint64_t n = f->sums_offset - start, sum;
        if (n > CRU_CRS_BLOCK_BYTES) n = CRU_CRS_BLOCK_BYTES;
        memcpy(&sum, sums + k * 8, sizeof sum);
        if (cru_hash64(f->map + start, n, 0) != sum)
            return cru_fail(err, CRU_FATAL,
                            "unable to verify shard: '%s': checksum of block %" PRIu64
                            " (bytes %" PRIu64 " to %" PRIu64 ") does not match",
                            f->path, k, start, start + n - 1);
    }
    return CRU_OK;
}

static uint32_t largest_id(const struct cru_shard_file *f) {
    uint32_t largest = 0;
    if (f->token_width == 2) {
        const uint16_t *ids = f->tokens;
        uint16_t most = 0;
        for (uint64_t i = 0; i < f->n_tokens; i++) most = ids[i] > most ? ids[i] : most;
        largest = most;
    } else {
        const uint32_t *ids = f->tokens;
        for (uint64_t i = 0; i < f->n_tokens; i++) largest = ids[i] > largest ? ids[i] : largest;
    }
    return largest;
}

static bool is_padding(const struct cru_shard_file *f, uint64_t from, uint64_t to) {
    for (uint64_t at = from; at < to; at++)
        if (cru_shard_token(f, at) != f->pad_id) return false;
    return true;
}

static bool gap_is_zero(const struct cru_shard_file *f, uint64_t from, uint64_t to) {
    for (uint64_t at = from; at < to; at++)
        if (f->map[at]) return false;
    return true;
}

/* Checksums say that the bytes are those that were written; this says that they were right. */
static enum cru_status check_documents(const struct cru_shard_file *f, struct cru_error *err) {
    uint64_t at = 0, padding = 0, text = 0;
    for (uint64_t i = 0; i < f->n_docs; i++) {
        struct cru_shard_entry e;
        enum cru_status s = cru_shard_document(f, i, &e, err);
        if (s) return s;
        uint64_t next = e.offset + cru_crs_round_up(e.length, f->bag);
        if (e.offset != at || next > f->n_tokens)
            return damaged(f, "its documents do not lie one behind the other", err);
        if (!is_padding(f, e.offset + e.length, next))
            return damaged(f, "the padding behind a document holds another id", err);
        if (f->end_id != CRU_SHARD_NO_ID &&
            (e.length == 0 || cru_shard_token(f, e.offset + e.length - 1) != f->end_id))
            return damaged(f, "a document does not end with the end id", err);
        padding += next - e.offset - e.length;
        text += e.text_bytes;
        at = next;
    }
    if (at != f->n_tokens || padding != f->n_padding || text != f->text_bytes)
        return damaged(f, "its counts are not those of its documents", err);
    return CRU_OK;
}

enum cru_status cru_shard_verify(const struct cru_shard_file *f, struct cru_error *err) {
    enum cru_status s = check_sums(f, err);
    if (s) return s;
    if (f->n_tokens && largest_id(f) >= f->vocab_size)
        return damaged(f, "an id is not in its vocabulary", err);
    if (!gap_is_zero(f, CRU_CRS_HEADER_BYTES + f->n_tokens * f->token_width, f->index_offset) ||
        !gap_is_zero(f, f->source_offset + f->source_bytes, f->sums_offset))
        return damaged(f, "the bytes between its parts are not zero", err);
    return check_documents(f, err);
}

enum cru_status cru_shard_set_verify(const struct cru_shard_set *set, struct cru_error *err) {
    for (size_t i = 0; i < set->n_shards; i++) {
        enum cru_status s = cru_shard_verify(&set->shards[i], err);
        if (s) return s;
    }
    return cru_shard_set_verify_vocab(set, err);
}

enum cru_status cru_shard_set_verify_vocab(const struct cru_shard_set *set, struct cru_error *err) {
    if (set->vocab_used_checksum == 0) return CRU_OK; /* one shard: it has none */
    struct cru_vocab_used used;
    enum cru_status s = cru_shard_set_vocab(set, &used, err);
    cru_vocab_used_close(&used);
    return s;
}
