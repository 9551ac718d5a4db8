/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crucible/base/base.h"
#include "crucible/select/embed.h"
#include "crucible/stage/encoder_pool.h"
#include "crucible/stage/static_view.h"
#include "tokenizer/subword.h"

/* An encoder that no thread has at the moment, as encoder_pool.h keeps the others. */
struct idle {
    struct cru_subword_encoder *encoder;
    struct idle *next;
};

struct cru_static_view {
    struct cru_word_vectors *vectors;
    struct cru_tokenizer *tokenizer; /* byte-level BPE, or */
    struct cru_encoder_pool pool;
    bool pooled;
    struct cru_subword *subword; /* what is not */
    pthread_mutex_t lock;        /* of idle */
    struct idle *idle;
    uint32_t unknown; /* left out of the mean; CRU_NO_TOKEN: none is */
};

static bool is_directory(const char *path) {
    struct stat about;
    return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

/* DIRECTORY/NAME, where a file's directory is what stands before its last slash. */
static void beside(const char *model, bool directory, const char *name, struct cru_buffer *path) {
    const char *slash = strrchr(model, '/');
    cru_buffer_clear(path);
    if (directory)
        cru_buffer_printf(path, "%s/", model);
    else if (slash)
        cru_buffer_add(path, model, (size_t)(slash - model) + 1);
    else
        cru_buffer_add_string(path, "./");
    cru_buffer_add_string(path, name);
    cru_buffer_add_char(path, '\0');
}

enum cru_status cru_static_view_open(const char *model, struct cru_static_view **view,
                                     struct cru_error *err) {
    struct cru_static_view *v = calloc(1, sizeof *v);
    struct cru_buffer path, inner;
    bool directory = is_directory(model);
    enum cru_status status = CRU_OK;
    *view = NULL;
    if (!v) return cru_fail_memory(err, "static view");
    (void)pthread_mutex_init(&v->lock, NULL);
    v->unknown = CRU_NO_TOKEN;
    cru_buffer_init(&path);
    cru_buffer_init(&inner);
    if (directory) { /* where sentence-transformers keeps it */
        beside(model, true, "0_StaticEmbedding", &inner);
        if (!inner.failed && is_directory(inner.p)) model = inner.p;
    }
    if (directory) {
        beside(model, true, "model.safetensors", &path);
        if (!path.failed && access(path.p, F_OK)) beside(model, true, "embeddings.npy", &path);
    } else {
        cru_buffer_add_string(&path, model);
        cru_buffer_add_char(&path, '\0');
    }
    if (path.failed) status = cru_fail_memory(err, "static view");
    if (!status) status = cru_word_vectors_open(path.p, &v->vectors, err);
    if (!status) {
        beside(model, directory, "tokenizer.json", &path);
        status = path.failed ? cru_fail_memory(err, "static view")
                             : cru_subword_load(path.p, &v->subword, err);
    }
    if (!status && !v->subword) status = cru_tokenizer_load(path.p, &v->tokenizer, err);
    cru_buffer_release(&path);
    cru_buffer_release(&inner);
    if (status) {
        cru_static_view_free(v);
        return status;
    }
    if (v->tokenizer) {
        cru_encoder_pool_init(&v->pool, v->tokenizer);
        v->pooled = true;
    } else if (cru_word_vectors_drop_unknown(v->vectors)) {
        v->unknown = cru_subword_unknown(v->subword);
    }
    *view = v;
    return CRU_OK;
}

void cru_static_view_free(struct cru_static_view *v) {
    if (!v) return;
    if (v->pooled) cru_encoder_pool_release(&v->pool);
    while (v->idle) {
        struct idle *gone = v->idle;
        v->idle = gone->next;
        cru_subword_encoder_free(gone->encoder);
        free(gone);
    }
    (void)pthread_mutex_destroy(&v->lock);
    cru_tokenizer_free(v->tokenizer);
    cru_subword_free(v->subword);
    cru_word_vectors_free(v->vectors);
    free(v);
}

const struct cru_word_vectors *cru_static_view_vectors(const struct cru_static_view *view) {
    return view->vectors;
}

static struct idle *take(struct cru_static_view *view) {
    (void)pthread_mutex_lock(&view->lock);
    struct idle *one = view->idle;
    if (one) view->idle = one->next;
    (void)pthread_mutex_unlock(&view->lock);
    if (one) return one;
    one = calloc(1, sizeof *one);
    if (one && !(one->encoder = cru_subword_encoder_new(view->subword))) {
        free(one);
        one = NULL;
    }
    return one;
}

static void give(struct cru_static_view *view, struct idle *one) {
    (void)pthread_mutex_lock(&view->lock);
    one->next = view->idle;
    view->idle = one;
    (void)pthread_mutex_unlock(&view->lock);
}

static enum cru_status subword_ids(struct cru_static_view *view, struct cru_span text,
                                   struct cru_ids *ids, struct cru_error *err) {
    struct idle *one = take(view);
    enum cru_status status;
    size_t kept = 0;
    if (!one) return cru_fail_memory(err, "encoder");
    status = cru_subword_encode(one->encoder, text, CRU_SPECIAL_RECOGNISE, ids, err);
    give(view, one);
    for (size_t i = 0; i < ids->n && view->unknown != CRU_NO_TOKEN; i++)
        if (ids->p[i] != view->unknown) ids->p[kept++] = ids->p[i];
    if (view->unknown != CRU_NO_TOKEN) ids->n = kept;
    return status;
}

enum cru_status cru_static_view_ids(struct cru_static_view *view, struct cru_span text,
                                    struct cru_ids *ids, struct cru_error *err) {
    struct cru_encoder_slot *slot;
    enum cru_status status;
    if (text.n > CRU_EMBED_TEXT) text.n = CRU_EMBED_TEXT;
    cru_ids_clear(ids);
    if (view->subword) return subword_ids(view, text, ids, err);
    slot = cru_encoder_pool_take(&view->pool);
    if (!slot) return cru_fail_memory(err, "encoder");
    status = cru_encode(slot->encoder, text, CRU_SPECIAL_RECOGNISE, ids, err);
    cru_encoder_pool_give(&view->pool, slot);
    return status;
}
