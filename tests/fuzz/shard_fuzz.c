/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes as a .crs file, a vocabulary slice or a manifest. Headers and tails carry checksums that a
 * fuzzer cannot guess, so each input is tried as it is and again with the checksums put right, as a
 * hostile writer would have them.
 */
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "crucible/base/base.h"
#include "shards/shard_file.h"
#include "shards/shard_format.h"
#include "shards/shard_manifest.h"
#include "shards/shard_show.h"
#include "shards/vocab_used.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use_shard(const unsigned char *bytes, size_t n) {
    struct cru_error err;
    struct cru_shard_file file;
    if (cru_shard_file_borrow(bytes, n, "fuzz", &file, &err)) return;
    (void)cru_shard_verify(&file, &err);
    uint64_t first_token[2] = {0, file.n_tokens}, first_doc[2] = {0, file.n_docs};
    struct cru_shard_set set = {.dir = file.path,
                                .n_shards = 1,
                                .shards = &file,
                                .first_token = first_token,
                                .first_doc = first_doc,
                                .n_tokens = file.n_tokens,
                                .n_docs = file.n_docs,
                                .bag = file.bag};
    struct cru_buffer out;
    cru_buffer_init(&out);
    for (uint64_t i = 0; i < file.n_docs && i < 64; i++)
        (void)cru_shard_show_document(&set, i, true, &out, &err);
    cru_shard_show_json(&set, &out);
    cru_shard_show_text(&set, &out);
    float weights[64];
    for (uint64_t at = 0; at + 64 <= set.n_tokens && at < 4096; at += 61) {
        (void)cru_shard_set_weights(&set, at, 64, weights, &err);
        (void)cru_shard_set_document_at(&set, at);
    }
    cru_buffer_release(&out);
    cru_shard_file_close(&file);
}

/* Recomputes what the header derives from its counts, and every checksum that lies in the file. */
static void seal_shard(unsigned char *bytes, size_t n) {
    struct cru_crs_header h;
    if (n < sizeof h) return;
    memcpy(&h, bytes, sizeof h);
    memcpy(h.magic, CRU_CRS_MAGIC, sizeof h.magic);
    h.version = CRU_CRS_VERSION;
    h.sanity_int = CRU_CRS_SANITY_INT;
    h.sanity_double = CRU_CRS_SANITY_REAL;
    h.sanity_float = (float)CRU_CRS_SANITY_REAL;
    h.vocab_size = h.vocab_size % 70000 + 1;
    h.token_width = h.vocab_size <= 65536 ? 2 : 4;
    h.bag = h.bag % 8 + 1;
    h.pad_id %= h.vocab_size;
    h.end_id %= h.vocab_size;
    h.n_tokens = h.n_tokens % 64 * h.bag;
    h.n_padding %= h.n_tokens + 1;
    h.n_docs %= 8;
    h.n_sources %= 4;
    h.source_bytes = 8 * h.n_sources + h.source_bytes % 32;
    memset(h.tokenizer_name + 8, 0, sizeof h.tokenizer_name - 8);
    memset(h.zero, 0, sizeof h.zero);
    if (!cru_crs_layout(&h) || h.file_bytes > n) return;
    for (uint64_t k = 0; k < h.n_blocks; k++) {
        uint64_t start = h.tokens_offset + k * h.block_bytes, some = h.sums_offset - start;
        if (some > h.block_bytes) some = h.block_bytes;
        uint64_t sum = cru_hash64(bytes + start, (size_t)some, 0);
        memcpy(bytes + h.sums_offset + 8 * k, &sum, 8);
    }
    h.sums_checksum = cru_hash64(bytes + h.sums_offset, (size_t)h.n_blocks * 8, 0);
    h.checksum = cru_hash64(&h, offsetof(struct cru_crs_header, checksum), 0);
    memcpy(bytes, &h, sizeof h);
    use_shard(bytes, (size_t)h.file_bytes);
}

static void use_manifest(const uint8_t *data, size_t size) {
    struct cru_error err;
    struct cru_manifest m;
    struct cru_arena arena;
    struct cru_buffer again;
    cru_arena_init(&arena);
    cru_buffer_init(&again);
    (void)cru_manifest_parse((const char *)data, size, "fuzz", &arena, &m, &err);
    memset(&m, 0, sizeof m);
    if (cru_manifest_parse_json((const char *)data, size, "fuzz", &arena, &m, &err) == CRU_OK)
        cru_manifest_render(&m, &again);
    cru_buffer_release(&again);
    cru_arena_release(&arena);
}

/* The slice is read from a file only; one in memory will do. */
static void use_slice(const uint8_t *data, size_t size) {
    int fd = memfd_create("slice", MFD_CLOEXEC);
    if (fd < 0) return;
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    uint64_t sum = cru_hash64(data, size, 0);
    struct cru_vocab_used used;
    struct cru_error err;
    if (write(fd, data, size) == (ssize_t)size && write(fd, &sum, 8) == 8 &&
        cru_vocab_used_open(path, &used, &err) == CRU_OK) {
        if (used.vocab_size < (1u << 20)) {
            uint32_t *rows = calloc((size_t)used.vocab_size + 1, sizeof *rows);
            if (rows) cru_vocab_used_rows(&used, rows);
            free(rows);
        }
        (void)cru_vocab_used_row(&used, 7);
        cru_vocab_used_close(&used);
    }
    (void)close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    use_manifest(data, size);
    use_slice(data, size);
    unsigned char *bytes =
        malloc(size + 1); /* its own block, aligned, and no byte longer than told */
    if (!bytes) return 0;
    memcpy(bytes, data, size);
    use_shard(bytes, size);
    seal_shard(bytes, size);
    free(bytes);
    return 0;
}
