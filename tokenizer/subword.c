/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crucible/base/base.h"
#include "crucible/base/utf8_repair.h"
#include "tokenizer/subword_parts.h"
#include "tokenizer/vocab_compile.h"

enum { KEEP_BYTES = 16 << 20, TEXT_MOST = 1 << 30 };

struct cru_subword_encoder {
    const struct cru_subword *subword;
    struct cru_norm_scratch normaliser;
    struct cru_cut_scratch cuts;
    struct cru_model_scratch model;
    struct cru_buffer repaired;
};

/* ---- loading ---- */

enum cru_status cru_subword_add_extra(struct cru_subword *s, struct cru_span content, uint32_t id,
                                      unsigned flags, bool normalized, struct cru_error *err) {
    struct cru_norm_scratch scratch;
    enum cru_status status;
    if (!normalized) return cru_extra_add(&s->raw, content, id, flags, err);
    status = cru_norm_scratch_init(&scratch, err);
    if (!status) status = cru_norm_run(&s->normaliser, &scratch, content, &content, err);
    if (!status) status = cru_extra_add(&s->normalized, content, id, flags, err);
    cru_norm_scratch_release(&scratch);
    return status;
}

enum cru_status cru_subword_from_json(struct cru_span json, struct cru_subword **subword,
                                      struct cru_error *err) {
    struct cru_subword *s = calloc(1, sizeof *s);
    bool byte_level = false;
    enum cru_status status;
    *subword = NULL;
    if (!s) return cru_fail_memory(err, "vocabulary");
    status = cru_subword_json_read(json, s, &byte_level, err);
    if (status || byte_level)
        cru_subword_free(s);
    else
        *subword = s;
    return status;
}

static bool looks_like_json(struct cru_span s) {
    size_t i = 0;
    while (i < s.n && (s.p[i] == ' ' || s.p[i] == '\n' || s.p[i] == '\r' || s.p[i] == '\t')) i++;
    return i < s.n && s.p[i] == '{';
}

enum cru_status cru_subword_load(const char *path, struct cru_subword **subword,
                                 struct cru_error *err) {
    struct cru_error inner = {CRU_OK, ""};
    enum cru_status status = CRU_OK;
    struct stat about;
    void *map = MAP_FAILED;
    int file = open(path, O_RDONLY | O_CLOEXEC), why;
    *subword = NULL;
    if (file < 0) return cru_fail_errno(err, "cannot open vocabulary", path);
    if (fstat(file, &about) == 0) {
        if (!S_ISREG(about.st_mode) || about.st_size <= 0) {
            (void)close(file);
            return cru_fail(err, CRU_FATAL, "cannot load vocabulary: '%s': not a file with content",
                            path);
        }
        map = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    }
    why = errno;
    (void)close(file);
    errno = why;
    if (map == MAP_FAILED) return cru_fail_errno(err, "cannot map vocabulary", path);
    struct cru_span json = cru_span_make(map, (size_t)about.st_size);
    if (looks_like_json(json)) status = cru_subword_from_json(json, subword, &inner);
    (void)munmap(map, (size_t)about.st_size);
    if (status)
        return cru_fail(err, status, "cannot load vocabulary: '%s': %s", path, inner.message);
    return CRU_OK;
}

void cru_subword_free(struct cru_subword *s) {
    if (!s) return;
    cru_norm_plan_release(&s->normaliser);
    cru_cut_plan_release(&s->cuts);
    cru_subword_model_release(&s->model);
    cru_extra_release(&s->raw);
    cru_extra_release(&s->normalized);
    free(s);
}

uint32_t cru_subword_unknown(const struct cru_subword *s) {
    return s->unknown;
}

/* ---- encoding ---- */

struct cru_subword_encoder *cru_subword_encoder_new(const struct cru_subword *subword) {
    struct cru_subword_encoder *e = calloc(1, sizeof *e);
    if (!e) return NULL;
    e->subword = subword;
    cru_buffer_init(&e->repaired);
    if (cru_norm_scratch_init(&e->normaliser, NULL) ||
        cru_cut_scratch_init(&e->cuts, &subword->cuts, NULL)) {
        cru_subword_encoder_free(e);
        return NULL;
    }
    return e;
}

void cru_subword_encoder_free(struct cru_subword_encoder *e) {
    if (!e) return;
    cru_norm_scratch_release(&e->normaliser);
    cru_cut_scratch_release(&e->cuts);
    cru_model_scratch_release(&e->model);
    cru_buffer_release(&e->repaired);
    free(e);
}

/* What is done with the text between two added tokens. `first`: it begins the whole text. */
typedef enum cru_status encode_between(struct cru_subword_encoder *e, struct cru_span text,
                                       bool first, enum cru_special special, struct cru_ids *ids,
                                       struct cru_error *err);

static enum cru_status encode_added(struct cru_subword_encoder *e, const struct cru_extra_set *set,
                                    encode_between *between, struct cru_span text, bool first,
                                    enum cru_special special, struct cru_ids *ids,
                                    struct cru_error *err) {
    struct cru_extra_match match;
    size_t from = 0, at = 0;
    enum cru_status status = CRU_OK;
    while (special == CRU_SPECIAL_RECOGNISE && cru_extra_next(set, text, from, &at, &match)) {
        if (match.begin > from)
            status = between(e, cru_span_make(text.p + from, match.begin - from),
                             first && from == 0, special, ids, err);
        if (status) return status;
        if (!cru_ids_room(ids, 1)) return cru_fail_memory(err, "token ids");
        ids->p[ids->n++] = match.id;
        from = match.end;
    }
    if (from == text.n) return CRU_OK;
    return between(e, cru_span_make(text.p + from, text.n - from), first && from == 0, special, ids,
                   err);
}

static enum cru_status encode_normal(struct cru_subword_encoder *e, struct cru_span text,
                                     bool first, enum cru_special special, struct cru_ids *ids,
                                     struct cru_error *err) {
    enum cru_status status = cru_cut_run(&e->subword->cuts, &e->cuts, text, first, &text, err);
    (void)special;
    for (size_t i = 0; i < e->cuts.pieces.n && !status; i++) {
        struct cru_piece_border piece = e->cuts.pieces.p[i];
        status = cru_subword_model_encode(
            &e->subword->model, &e->model,
            cru_span_make(text.p + piece.begin, piece.end - piece.begin), ids, err);
    }
    return status;
}

static enum cru_status encode_stretch(struct cru_subword_encoder *e, struct cru_span text,
                                      bool first, enum cru_special special, struct cru_ids *ids,
                                      struct cru_error *err) {
    enum cru_status status =
        cru_norm_run(&e->subword->normaliser, &e->normaliser, text, &text, err);
    if (!status && text.n > TEXT_MOST)
        status = cru_fail(err, CRU_BAD, "cannot encode a text: its normal form has over 1 GiB");
    if (status || text.n == 0) return status;
    return encode_added(e, &e->subword->normalized, encode_normal, text, first, special, ids, err);
}

enum cru_status cru_subword_encode(struct cru_subword_encoder *e, struct cru_span text,
                                   enum cru_special special, struct cru_ids *ids,
                                   struct cru_error *err) {
    size_t before = ids->n;
    enum cru_status status;
    if (text.n == 0) return CRU_OK;
    if (text.n > TEXT_MOST)
        return cru_fail(err, CRU_BAD, "cannot encode a text of %zu bytes: 1 GiB is the most",
                        text.n);
    if (!cru_text_is_utf8(text.p, text.n)) {
        cru_buffer_clear(&e->repaired);
        (void)cru_utf8_repair(text, &e->repaired);
        if (e->repaired.failed) {
            cru_buffer_release(&e->repaired);
            return cru_fail_memory(err, "text");
        }
        text = cru_buffer_span(&e->repaired);
    }
    status = encode_added(e, &e->subword->raw, encode_stretch, text, true, special, ids, err);
    if (status) ids->n = before;
    if (e->repaired.capacity > KEEP_BYTES) cru_buffer_release(&e->repaired);
    cru_norm_scratch_trim(&e->normaliser);
    cru_cut_scratch_trim(&e->cuts);
    cru_model_scratch_trim(&e->model);
    return status;
}
