/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text to ids: repair, added tokens, normal form, and what is between them to piece_encoder.h.
 */
#include "crucible/base/base.h"
#include "crucible/base/utf8_repair.h"
#include "tokenizer/encoder.h"
#include "tokenizer/vocab.h"
#include "tokenizer/vocab_compile.h"

enum { KEEP_BYTES = 16 << 20 }; /* scratch larger than this is freed after the call that needed it */

struct cru_encoder *cru_encoder_new(const struct cru_tokenizer *tokenizer) {
    struct cru_encoder *e = calloc(1, sizeof *e);
    if (!e) return NULL;
    e->tokenizer = tokenizer;
    cru_normaliser_init(&e->normaliser);
    cru_buffer_init(&e->repaired);
    if (cru_piece_encoder_init(&e->pieces, tokenizer) &&
        (tokenizer->header->pattern != CRU_PATTERN_STEPS ||
         !cru_splitter_init(&e->splitter, &tokenizer->plan, &tokenizer->classes, NULL)))
        return e;
    cru_encoder_free(e);
    return NULL;
}

void cru_encoder_free(struct cru_encoder *e) {
    if (!e) return;
    cru_piece_encoder_release(&e->pieces);
    cru_normaliser_release(&e->normaliser);
    cru_splitter_release(&e->splitter);
    cru_buffer_release(&e->repaired);
    cru_ids_release(&e->counted);
    cru_encode_stream_free(e->slices);
    free(e);
}

/* Writes the ids of a stretch by a pre-tokeniser in steps, whose patterns may fail on a text. */
static enum cru_status encode_steps(struct cru_encoder *e, struct cru_span text, uint32_t **out,
                                    struct cru_error *err) {
    const unsigned char *p = (const unsigned char *)text.p, *end;
    enum cru_status status;
    cru_splitter_begin(&e->splitter, p, p + text.n);
    while (*out && (status = cru_splitter_next(&e->splitter, &p, &end, err)) != CRU_END) {
        if (status) return status;
        *out = cru_encode_piece(&e->pieces, p, (size_t)(end - p), *out);
    }
    return CRU_OK;
}

/* Appends the ids of a stretch without added tokens, in normal form. */
static enum cru_status encode_plain(struct cru_encoder *e, struct cru_span text,
                                    struct cru_ids *ids, struct cru_error *err) {
    if (text.n == 0) return CRU_OK;
    if (!cru_ids_room(ids, text.n + CRU_IDS_SLACK)) return cru_fail_memory(err, "token ids");
    uint32_t *out = ids->p + ids->n;
    if (e->tokenizer->header->pattern == CRU_PATTERN_STEPS) {
        enum cru_status status = encode_steps(e, text, &out, err);
        if (status) return status;
    } else {
        out = cru_encode_pieces(&e->pieces, text, out);
    }
    ids->n = (size_t)(out - ids->p);
    return CRU_OK;
}

/* From one added token to the next, or between those that are not normalized. */
typedef enum cru_status encode_between(struct cru_encoder *e, struct cru_span text,
                                       enum cru_special special, struct cru_ids *ids,
                                       struct cru_error *err);

static enum cru_status encode_added(struct cru_encoder *e, struct cru_span text,
                                    const struct cru_added_index *index, encode_between *between,
                                    enum cru_special special, struct cru_ids *ids,
                                    struct cru_error *err) {
    struct cru_added_scan scan = {0, 0};
    struct cru_added_match match;
    size_t from = 0;
    while (special == CRU_SPECIAL_RECOGNISE &&
           cru_added_next(e->tokenizer, index, text, &scan, &match)) {
        size_t n = match.begin > from ? match.begin - from : 0;
        enum cru_status status = between(e, cru_span_make(text.p + from, n), special, ids, err);
        if (status) return status;
        if (!cru_ids_room(ids, 1)) return cru_fail_memory(err, "token ids");
        ids->p[ids->n++] = match.id;
        from = match.end;
    }
    return between(e, cru_span_make(text.p + from, text.n - from), special, ids, err);
}

static enum cru_status encode_normal(struct cru_encoder *e, struct cru_span text,
                                     enum cru_special special, struct cru_ids *ids,
                                     struct cru_error *err) {
    (void)special;
    return encode_plain(e, text, ids, err);
}

static enum cru_status encode_stretch(struct cru_encoder *e, struct cru_span text,
                                      enum cru_special special, struct cru_ids *ids,
                                      struct cru_error *err) {
    if (text.n == 0) return CRU_OK;
    if ((e->tokenizer->header->flags & CRU_VOCAB_NFC) && !e->clean) {
        enum cru_status status =
            cru_normalise(&e->normaliser, &e->tokenizer->classes, text, &text, err);
        if (status) return status;
    }
    return encode_added(e, text, &e->tokenizer->added_normal, encode_normal, special, ids, err);
}

static enum cru_status encode_valid(struct cru_encoder *e, struct cru_span text,
                                    enum cru_special special, struct cru_ids *ids,
                                    struct cru_error *err) {
    return encode_added(e, text, &e->tokenizer->added_raw, encode_stretch, special, ids, err);
}

/* A large text slice by slice, so that no copy of all of it is made. With a count, ids are only counted. */
static enum cru_status encode_slices(struct cru_encoder *e, struct cru_span text,
                                     enum cru_special special, struct cru_ids *ids,
                                     uint64_t *count, struct cru_error *err) {
    if (!e->slices && !(e->slices = cru_encode_stream_new(e)))
        return cru_fail_memory(err, "text");
    enum cru_status status = cru_encode_stream_begin(e->slices, special, err);
    size_t slice = count ? CRU_ENCODE_WHOLE : text.n;
    while (text.n > 0 && !status) {
        size_t n = text.n < slice ? text.n : slice;
        status = cru_encode_stream_feed(e->slices, cru_span_make(text.p, n), ids, err);
        text = cru_span_make(text.p + n, text.n - n);
        if (!count) continue;
        *count += ids->n;
        cru_ids_clear(ids);
    }
    return status ? status : cru_encode_stream_end(e->slices, ids, err);
}

static bool is_clean(struct cru_encoder *e, struct cru_span text) {
    return cru_text_is_utf8(text.p, text.n) &&
           (!(e->tokenizer->header->flags & CRU_VOCAB_NFC) ||
            cru_is_normal(&e->normaliser, &e->tokenizer->classes, text));
}

/* One whose copies would be large. */
static bool is_large(const struct cru_encoder *e, struct cru_span text) {
    return text.n > CRU_ENCODE_WHOLE && cru_encoder_streams(e);
}

static enum cru_status encode_whole(struct cru_encoder *e, struct cru_span text,
                                    enum cru_special special, struct cru_ids *ids,
                                    struct cru_error *err) {
    if (text.n > INT32_MAX)
        return cru_fail(err, CRU_BAD,
                        "cannot encode a text of %zu bytes: with this vocabulary 2 GiB is the most",
                        text.n);
    if (!e->clean && !cru_text_is_utf8(text.p, text.n)) {
        cru_buffer_clear(&e->repaired);
        e->repairs += cru_utf8_repair(text, &e->repaired);
        if (e->repaired.failed) {
            cru_buffer_release(&e->repaired);
            return cru_fail_memory(err, "text");
        }
        text = cru_buffer_span(&e->repaired);
    }
    enum cru_status status = encode_valid(e, text, special, ids, err);
    if (e->repaired.capacity > KEEP_BYTES) cru_buffer_release(&e->repaired);
    if (e->normaliser.out.capacity > KEEP_BYTES) cru_normaliser_release(&e->normaliser);
    return status;
}

enum cru_status cru_encode(struct cru_encoder *e, struct cru_span text, enum cru_special special,
                           struct cru_ids *ids, struct cru_error *err) {
    if (text.n == 0) return CRU_OK;
    size_t before = ids->n;
    bool large = is_large(e, text);
    e->clean = large && text.n <= CRU_ENCODE_CLEAN && is_clean(e, text);
    enum cru_status status = large && !e->clean ? encode_slices(e, text, special, ids, NULL, err)
                                                : encode_whole(e, text, special, ids, err);
    if (status) ids->n = before;
    return status;
}

enum cru_status cru_encode_count(struct cru_encoder *e, struct cru_span text,
                                 enum cru_special special, uint64_t *count,
                                 struct cru_error *err) {
    *count = 0;
    cru_ids_clear(&e->counted);
    enum cru_status status =
        is_large(e, text) ? encode_slices(e, text, special, &e->counted, count, err)
                          : cru_encode(e, text, special, &e->counted, err);
    *count += e->counted.n;
    if (e->counted.capacity > KEEP_BYTES / sizeof(uint32_t)) cru_ids_release(&e->counted);
    return status;
}

uint64_t cru_encoder_repairs(const struct cru_encoder *e) { return e->repairs; }
