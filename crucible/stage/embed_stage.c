/* SPDX-License-Identifier: Apache-2.0 */
/*
 * embed: the vectors that select uses, as a NumPy file: float32, one row a document, in order. A
 * sink: run() computes a batch's rows into its arena, commit() appends them, close() patches the
 * number of rows into the header and gives the file its name.
 */
#include <math.h>

#include "crucible/base/base.h"
#include "crucible/base/output.h"
#include "crucible/select/embed.h"
#include "crucible/select/npy.h"
#include "crucible/stage/stage.h"
#include "crucible/stage/static_view.h"

struct embed_stage {
    struct cru_stage base;
    const char *views, *model;
    int64_t dim;
    struct cru_embed_spec spec;
    struct cru_static_view *view; /* NULL without --static */
    struct cru_output *output;
    uint64_t rows;
};

static const struct cru_option options[] = {
    {.type = CRU_OPTION_STRING,
     .name = "views",
     .offset = offsetof(struct embed_stage, views),
     .argument = "A,B",
     .fallback = CRU_EMBED_VIEWS,
     .help = "views to join: hash, static, structure"},
    {.type = CRU_OPTION_STRING,
     .name = "static",
     .offset = offsetof(struct embed_stage, model),
     .argument = "MODEL",
     .help = "word vectors of the static view: a directory with model.safetensors and "
             "tokenizer.json, or a .safetensors or .npy beside a tokenizer.json"},
    {.type = CRU_OPTION_INT,
     .name = "dim",
     .offset = offsetof(struct embed_stage, dim),
     .argument = "D",
     .fallback = CRU_EMBED_DIM,
     .min = 64,
     .max = CRU_EMBED_DIM_MOST,
     .help = "numbers in a vector, all views together, a multiple of 64"},
    {.type = CRU_OPTION_END},
};

static enum cru_status write_header(struct embed_stage *e, struct cru_error *err) {
    char header[CRU_NPY_HEADER];
    cru_npy_header(e->rows, e->spec.dim, header);
    return e->rows ? cru_output_patch(e->output, 0, header, sizeof header, err)
                   : cru_output_write(e->output, header, sizeof header, err);
}

static enum cru_status embed_open(struct cru_stage *stage, struct cru_error *err) {
    struct embed_stage *e = (struct embed_stage *)stage;
    enum cru_status status = e->model ? cru_static_view_open(e->model, &e->view, err) : CRU_OK;
    if (!status)
        status = cru_embed_spec_parse(
            e->views, e->dim, e->view ? cru_static_view_vectors(e->view) : NULL, &e->spec, err);
    if (status) return status;
    if (strcmp(stage->common->output, "-") == 0)
        return cru_fail(err, CRU_USAGE, "output: '-': vectors need a file: -o FILE.npy");
    status = cru_output_open(stage->common->output, &e->output, err);
    return status ? status : write_header(e, err);
}

static enum cru_status embed_run(struct cru_stage *stage, struct cru_batch *batch,
                                 struct cru_error *err) {
    struct embed_stage *e = (struct embed_stage *)stage;
    struct cru_embedder *embedder = cru_embedder_new(&e->spec);
    struct cru_ids ids = {0};
    enum cru_status status = embedder ? CRU_OK : cru_fail_memory(err, "embedding of a batch");
    for (size_t i = 0; !status && i < batch->n; i++) {
        float *x = cru_arena_calloc(&batch->arena, e->spec.dim, sizeof *x);
        batch->docs[i].scratch = x;
        if (!x) status = cru_fail_memory(err, "a document's row");
        if (!status && e->view)
            status = cru_static_view_ids(e->view, batch->docs[i].text, &ids, err);
        if (status == CRU_BAD) {
            status = cru_doc_wrong(batch, &batch->docs[i], "embed", "text", err->message);
            continue;
        }
        if (!status) status = cru_embed_document(embedder, &batch->docs[i], ids.p, ids.n, x, err);
    }
    cru_ids_release(&ids);
    cru_embedder_free(embedder);
    return status;
}

/* Little-endian whatever the machine. */
static void store_float(float x, unsigned char *p) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    for (int i = 0; i < 4; i++) p[i] = (unsigned char)(bits >> 8 * i);
}

static enum cru_status embed_commit(struct cru_stage *stage, struct cru_batch *batch,
                                    struct cru_error *err) {
    struct embed_stage *e = (struct embed_stage *)stage;
    unsigned char *bytes = cru_arena_alloc(&batch->arena, e->spec.dim * 4);
    if (!bytes) return cru_fail_memory(err, "a document's row");
    for (size_t i = 0; i < batch->n; i++) {
        const float *x = batch->docs[i].scratch;
        enum cru_status status;
        for (size_t k = 0; k < e->spec.dim; k++) store_float(x[k], bytes + 4 * k);
        if ((status = cru_output_write(e->output, bytes, e->spec.dim * 4, err))) return status;
        e->rows++;
    }
    return CRU_OK;
}

static enum cru_status embed_close(struct cru_stage *stage, struct cru_error *err) {
    struct embed_stage *e = (struct embed_stage *)stage;
    enum cru_status status = e->rows ? write_header(e, err) : CRU_OK;
    struct cru_output *output = e->output;
    if (status) return status;
    e->output = NULL;
    return cru_output_commit(output, err);
}

static void embed_stats(struct cru_stage *stage, struct cru_buffer *json) {
    const struct embed_stage *e = (const struct embed_stage *)stage;
    cru_buffer_printf(json, ",\"rows\":%llu,\"dim\":%zu", (unsigned long long)e->rows, e->spec.dim);
}

static void embed_release(struct cru_stage *stage) {
    struct embed_stage *e = (struct embed_stage *)stage;
    cru_output_abandon(e->output);
    cru_static_view_free(e->view);
    e->output = NULL;
    e->view = NULL;
}

const struct cru_stage_class cru_embed_stage = {
    .name = "embed",
    .summary = "Turns documents into the vectors that select uses.",
    .synopsis = "-o FILE.npy [options] [FILE...]",
    .options = options,
    .size = sizeof(struct embed_stage),
    .sink = true,
    .open = embed_open,
    .run = embed_run,
    .commit = embed_commit,
    .close = embed_close,
    .stats = embed_stats,
    .release = embed_release,
};
