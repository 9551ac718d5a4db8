/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/base/base.h"
#include "crucible/base/output.h"
#include "cmd/train/checkpoint.h"

static const char magic[8] = {'C', 'R', 'U', 'T', 'R', 'A', 'I', 'N'};
enum { CHECKPOINT_VERSION = 1, CHECKPOINT_PAGE = 4096, CHECKPOINT_MAX_TEXT = 1 << 20 };

_Static_assert(sizeof(struct cru_checkpoint_numbers) == 22 * 8, "the header has no gaps");
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "checkpoints are little endian; this machine needs byte swaps here"
#endif

static size_t header_bytes(size_t text) {
    size_t all = sizeof magic + 8 + sizeof(struct cru_checkpoint_numbers) + text;
    return (all + CHECKPOINT_PAGE - 1) / CHECKPOINT_PAGE * CHECKPOINT_PAGE;
}

static enum cru_status put(struct cru_output *out, struct cru_hasher *hasher, const void *p,
                           size_t n, struct cru_error *err) {
    /* In pieces, so that a large array is hashed while it is warm. */
    for (size_t at = 0; at < n; at += (size_t)1 << 22) {
        size_t part = n - at < (size_t)1 << 22 ? n - at : (size_t)1 << 22;
        cru_hasher_add(hasher, (const char *)p + at, part);
        enum cru_status status = cru_output_write(out, (const char *)p + at, part, err);
        if (status != CRU_OK)
            return status == CRU_END ? cru_fail(err, CRU_FATAL, "checkpoint: the reader is gone")
                                     : status;
    }
    return CRU_OK;
}

static enum cru_status write_all(struct cru_output *out, struct cru_hasher *hasher,
                                 const struct cru_checkpoint *c, struct cru_span text,
                                 struct cru_error *err) {
    size_t bytes = header_bytes(text.n), array = c->numbers.n_params * sizeof(float);
    uint32_t versions[2] = {CHECKPOINT_VERSION, (uint32_t)bytes};
    struct cru_checkpoint_numbers numbers = c->numbers;
    numbers.text_bytes = text.n;
    char *header = calloc(1, bytes);
    if (!header) return cru_fail_memory(err, "checkpoint header");
    memcpy(header, magic, sizeof magic);
    memcpy(header + 8, versions, sizeof versions);
    memcpy(header + 16, &numbers, sizeof numbers);
    memcpy(header + 16 + sizeof numbers, text.p, text.n);
    enum cru_status status = put(out, hasher, header, bytes, err);
    free(header);
    if (status == CRU_OK)
        status = put(out, hasher, c->lanes, numbers.n_lanes * sizeof *c->lanes, err);
    if (status == CRU_OK) status = put(out, hasher, c->params, array, err);
    if (status == CRU_OK) status = put(out, hasher, c->first, array, err);
    if (status == CRU_OK) status = put(out, hasher, c->second, array, err);
    if (status != CRU_OK) return status;
    uint64_t digest = cru_hasher_digest(hasher);
    return cru_output_write(out, &digest, sizeof digest, err);
}

enum cru_status cru_checkpoint_write(const char *path, const struct cru_checkpoint *checkpoint,
                                     struct cru_span text, struct cru_error *err) {
    struct cru_output *out = NULL;
    struct cru_hasher *hasher = cru_hasher_new();
    if (!hasher) return cru_fail_memory(err, "checkpoint");
    enum cru_status status = cru_output_open(path, &out, err);
    if (status == CRU_OK) status = write_all(out, hasher, checkpoint, text, err);
    cru_hasher_free(hasher);
    if (status == CRU_OK) return cru_output_commit(out, err);
    cru_output_abandon(out);
    return status;
}

static enum cru_status damaged(const char *path, const char *why, struct cru_error *err) {
    return cru_fail(err, CRU_FATAL, "checkpoint is damaged: '%s': %s", path, why);
}

static enum cru_status take(FILE *file, const char *path, struct cru_hasher *hasher, void *p,
                            size_t n, struct cru_error *err) {
    for (size_t at = 0; at < n; at += (size_t)1 << 22) {
        size_t part = n - at < (size_t)1 << 22 ? n - at : (size_t)1 << 22;
        if (fread((char *)p + at, 1, part, file) != part)
            return ferror(file) ? cru_fail_errno(err, "cannot read checkpoint", path)
                                : damaged(path, "cut short", err);
        cru_hasher_add(hasher, (const char *)p + at, part);
    }
    return CRU_OK;
}

/* Names the first line of `want` that `have` lacks. */
static enum cru_status compare_text(const char *path, struct cru_span have, struct cru_span want,
                                    struct cru_error *err) {
    struct cru_span line_have, line_want;
    while (cru_span_split(&want, '\n', &line_want)) {
        if (!cru_span_split(&have, '\n', &line_have)) line_have = CRU_SPAN("nothing");
        if (!cru_span_eq(line_have, line_want))
            return cru_fail(err, CRU_USAGE,
                            "checkpoint does not fit this run: '%s': it has '%.*s', not '%.*s'",
                            path, (int)(line_have.n < 100 ? line_have.n : 100), line_have.p,
                            (int)(line_want.n < 100 ? line_want.n : 100), line_want.p);
    }
    return CRU_OK;
}

static enum cru_status compare_numbers(const char *path, const struct cru_checkpoint_numbers *have,
                                       const struct cru_checkpoint_numbers *want,
                                       struct cru_error *err) {
    const char *what = NULL;
    if (have->tokenizer_hash != want->tokenizer_hash)
        what = "the shards are of another tokenizer";
    else if (have->vocabulary_checksum != want->vocabulary_checksum)
        what = "its vocabulary slice is not that of these shards (vocab.used differs)";
    else if (have->vocabulary != want->vocabulary || have->n_params != want->n_params ||
             have->n_lanes != want->n_lanes)
        what = "its model has another size";
    else if (have->data_checksum != want->data_checksum)
        what = "the shards have changed since";
    return what ? cru_fail(err, CRU_USAGE, "checkpoint does not fit this run: '%s': %s", path, what)
                : CRU_OK;
}

static enum cru_status read_all(FILE *file, const char *path, struct cru_hasher *hasher,
                                char *header, struct cru_checkpoint *c, struct cru_span text,
                                struct cru_error *err) {
    uint32_t versions[2];
    struct cru_checkpoint_numbers numbers;
    enum cru_status status = take(file, path, hasher, header, CHECKPOINT_PAGE, err);
    if (status != CRU_OK) return status;
    if (memcmp(header, magic, sizeof magic) != 0)
        return cru_fail(err, CRU_FATAL, "not a checkpoint: '%s'", path);
    memcpy(versions, header + 8, sizeof versions);
    memcpy(&numbers, header + 16, sizeof numbers);
    if (versions[0] != CHECKPOINT_VERSION)
        return cru_fail(err, CRU_FATAL, "checkpoint: '%s': version %u is not %d", path, versions[0],
                        CHECKPOINT_VERSION);
    if (numbers.text_bytes > CHECKPOINT_MAX_TEXT || versions[1] != header_bytes(numbers.text_bytes))
        return damaged(path, "the header is inconsistent", err);
    status = take(file, path, hasher, header + CHECKPOINT_PAGE, versions[1] - CHECKPOINT_PAGE, err);
    if (status != CRU_OK) return status;
    struct cru_span have = cru_span_make(header + 16 + sizeof numbers, numbers.text_bytes);
    status = compare_text(path, have, text, err);
    if (status == CRU_OK) status = compare_numbers(path, &numbers, &c->numbers, err);
    if (status != CRU_OK) return status;
    size_t array = numbers.n_params * sizeof(float);
    status = take(file, path, hasher, c->lanes, numbers.n_lanes * sizeof *c->lanes, err);
    if (status == CRU_OK) status = take(file, path, hasher, c->params, array, err);
    if (status == CRU_OK) status = take(file, path, hasher, c->first, array, err);
    if (status == CRU_OK) status = take(file, path, hasher, c->second, array, err);
    if (status != CRU_OK) return status;
    uint64_t digest = cru_hasher_digest(hasher), kept;
    if (fread(&kept, sizeof kept, 1, file) != 1) return damaged(path, "cut short", err);
    if (kept != digest) return damaged(path, "its checksum does not match", err);
    c->numbers = numbers;
    return CRU_OK;
}

enum cru_status cru_checkpoint_read(const char *path, struct cru_checkpoint *checkpoint,
                                    struct cru_span text, struct cru_error *err) {
    FILE *file = fopen(path, "rb");
    if (!file) return cru_fail_errno(err, "cannot open checkpoint", path);
    struct cru_hasher *hasher = cru_hasher_new();
    char *header = malloc(header_bytes(CHECKPOINT_MAX_TEXT));
    enum cru_status status = hasher && header
                                 ? read_all(file, path, hasher, header, checkpoint, text, err)
                                 : cru_fail_memory(err, "checkpoint");
    free(header);
    cru_hasher_free(hasher);
    fclose(file);
    return status;
}
