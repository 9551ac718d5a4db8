/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/stat.h>
#include <unistd.h>

#include "crucible/base/base.h"
#include "crucible/select/embed.h"
#include "crucible/stage/encoder_pool.h"
#include "crucible/stage/static_view.h"

struct cru_static_view {
    struct cru_word_vectors *vectors;
    struct cru_tokenizer *tokenizer;
    struct cru_encoder_pool pool;
    bool pooled;
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
    struct cru_buffer path;
    bool directory = is_directory(model);
    enum cru_status status = CRU_OK;
    *view = NULL;
    if (!v) return cru_fail_memory(err, "static view");
    cru_buffer_init(&path);
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
                             : cru_tokenizer_load(path.p, &v->tokenizer, err);
    }
    cru_buffer_release(&path);
    if (status) {
        cru_static_view_free(v);
        return status;
    }
    cru_encoder_pool_init(&v->pool, v->tokenizer);
    v->pooled = true;
    *view = v;
    return CRU_OK;
}

void cru_static_view_free(struct cru_static_view *v) {
    if (!v) return;
    if (v->pooled) cru_encoder_pool_release(&v->pool);
    cru_tokenizer_free(v->tokenizer);
    cru_word_vectors_free(v->vectors);
    free(v);
}

const struct cru_word_vectors *cru_static_view_vectors(const struct cru_static_view *view) {
    return view->vectors;
}

enum cru_status cru_static_view_ids(struct cru_static_view *view, struct cru_span text,
                                    struct cru_ids *ids, struct cru_error *err) {
    struct cru_encoder_slot *slot = cru_encoder_pool_take(&view->pool);
    enum cru_status status;
    if (!slot) return cru_fail_memory(err, "encoder");
    if (text.n > CRU_EMBED_TEXT) text.n = CRU_EMBED_TEXT;
    cru_ids_clear(ids);
    status = cru_encode(slot->encoder, text, CRU_SPECIAL_TEXT, ids, err);
    cru_encoder_pool_give(&view->pool, slot);
    return status;
}
