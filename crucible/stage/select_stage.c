/* SPDX-License-Identifier: Apache-2.0 */
/*
 * select: RUPS fusion, length strata, EESD.
 *
 *   run     row of the ensemble, length, axes of each document   (parallel, into its scratch)
 *   commit  scratch -> columns                                    (in order)
 *   finish  columns -> percentiles -> ranks -> weights            (crucible/select/rups.h)
 *                   -> strata, quotas -> picks                    (select_pick.c)
 *   replay  crucible.rups, crucible.select; what was not picked is dropped, or marked
 */
#include <math.h>

#include "crucible/base/base.h"
#include "crucible/stage/select_state.h"

/* The composite axis: the mean percentile of how often a text turns, how much it explores and how
 * rich its words are. A share is `path` over `per`. */
static const struct factor complexity[FACTORS] = {
    {"crucible.ddm.segments", NULL},
    {"crucible.ddm.explorations", "crucible.ddm.thinking_words"},
    {"crucible.quality.lexical_diversity", NULL},
};

#define DEFAULT_AXES "crucible.ddm.signal_score,complexity"

/* What run() leaves for commit(). */
struct found {
    uint64_t bytes, tokens; /* tokens: NO_TOKENS when unknown */
    uint32_t place;         /* row in --embeddings */
    uint32_t before;        /* its order in an earlier choice; 0: none */
    double field, values[VALUES];
    int8_t row[];
};

#define NO_TOKENS UINT64_MAX

#define AT(field) offsetof(struct cru_select, field)

static const struct cru_option options[] = {
    {.type = CRU_OPTION_INT,
     .name = "budget",
     .offset = AT(budget),
     .argument = "K",
     .min = 0,
     .max = 4e9,
     .help = "keep this many documents"},
    {.type = CRU_OPTION_INT,
     .name = "budget-tokens",
     .offset = AT(budget_tokens),
     .argument = "N",
     .min = 0,
     .max = 9e15,
     .help = "keep documents of at most this many tokens together"},
    {.type = CRU_OPTION_INT,
     .name = "add",
     .offset = AT(add),
     .argument = "K",
     .min = 0,
     .max = 4e9,
     .help = "keep what an earlier select chose (crucible.select.order) and choose this many more"},
    {.type = CRU_OPTION_STRING,
     .name = "embeddings",
     .offset = AT(embeddings),
     .argument = "FILE.npy|.npz",
     .help =
         "take vectors from a float16, float32, float64 or int8 matrix; rows in document order, "
         "or by the .npz's ids"},
    {.type = CRU_OPTION_STRING,
     .name = "views",
     .offset = AT(views),
     .argument = "A,B",
     .fallback = CRU_EMBED_VIEWS,
     .help = "views of the built-in vectors: hash, static, structure"},
    {.type = CRU_OPTION_STRING,
     .name = "static",
     .offset = AT(model),
     .argument = "MODEL",
     .help = "word vectors of the static view: a directory with model.safetensors and "
             "tokenizer.json, or a .safetensors or .npy beside a tokenizer.json"},
    {.type = CRU_OPTION_INT,
     .name = "dim",
     .offset = AT(dim),
     .argument = "D",
     .fallback = CRU_EMBED_DIM,
     .min = 64,
     .max = CRU_EMBED_DIM_MOST,
     .help = "numbers in a built-in vector, a multiple of 64"},
    {.type = CRU_OPTION_STRING,
     .name = "axes",
     .offset = AT(axes),
     .argument = "A,B[,C]",
     .fallback = DEFAULT_AXES,
     .help = "scores to fuse, one to three: paths of numbers, or complexity, a composite of what "
             "score writes"},
    {.type = CRU_OPTION_STRING,
     .name = "weights",
     .offset = AT(weights),
     .argument = "rups|none|FIELD",
     .fallback = "rups",
     .help = "how much each document wants to be stood for: the fused score, equally, or a field"},
    {.type = CRU_OPTION_INT,
     .name = "strata",
     .offset = AT(strata),
     .argument = "Q",
     .fallback = "8",
     .min = 1,
     .max = CRU_STRATA_MAX,
     .help = "quantile bins of length to select within"},
    {.type = CRU_OPTION_REAL,
     .name = "quota",
     .offset = AT(quota),
     .argument = "RHO",
     .fallback = "0",
     .min = 0,
     .max = 1,
     .help = "share of a stratum: 0 in proportion to its size, 1 the same for all"},
    {.type = CRU_OPTION_REAL,
     .name = "lambda",
     .offset = AT(lambda),
     .argument = "X",
     .fallback = "0.1",
     .min = 0,
     .max = 10,
     .help = "how much a document's own weight counts beside what it stands for"},
    {.type = CRU_OPTION_CHOICE,
     .name = "method",
     .offset = AT(method),
     .argument = "lazy|stochastic|threshold|sieve|randgreedi",
     .fallback = "lazy",
     .help = "how to maximise: exact lazy greedy, or a weaker way that computes less or in one "
             "pass"},
    {.type = CRU_OPTION_REAL,
     .name = "epsilon",
     .offset = AT(epsilon),
     .argument = "X",
     .fallback = "0.1",
     .min = 0.01,
     .max = 0.9,
     .help = "what stochastic, threshold and sieve give away of their guarantee"},
    {.type = CRU_OPTION_INT,
     .name = "parts",
     .offset = AT(parts),
     .argument = "M",
     .fallback = "4",
     .min = 1,
     .max = 65536,
     .help = "parts that randgreedi deals the documents of a stratum out to"},
    {.type = CRU_OPTION_CHOICE,
     .name = "device",
     .offset = AT(device),
     .argument = "auto|cpu|cuda",
     .fallback = "auto",
     .help = "where to compute; auto takes a card where there is one and the work is worth it"},
    {.type = CRU_OPTION_STRING,
     .name = "vocab",
     .offset = AT(vocab),
     .argument = "NAME|PATH",
     .fallback = "qwen3",
     .help = "vocabulary that --budget-tokens counts in, for documents without crucible.tokens"},
    {.type = CRU_OPTION_REAL,
     .name = "checkpoint",
     .offset = AT(checkpoint),
     .argument = "SECONDS",
     .fallback = "5",
     .min = 0,
     .max = 1e6,
     .help = "save the picks so far this often in --tmpdir, where a run that was killed is taken "
             "up by the same command; 0: after every pick"},
    {.type = CRU_OPTION_FLAG,
     .name = "mark",
     .offset = AT(mark),
     .help = "keep all documents and only mark the choice"},
    {.type = CRU_OPTION_END},
};

/* ---- open ---- */

static enum cru_status parse_axes(struct cru_select *s, struct cru_error *err) {
    struct cru_span rest = cru_span_of(s->axes), name;
    while (cru_span_split(&rest, ',', &name)) {
        struct axis *axis = &s->axis[s->n_axes];
        struct cru_span copy;
        name = cru_span_trim(name);
        if (s->n_axes == CRU_RUPS_AXES || name.n == 0)
            return cru_fail(err, CRU_USAGE, "axes: '%s': one to three names are needed", s->axes);
        copy = cru_arena_copy(&s->base.store.arena, name);
        if (!copy.p) return cru_fail_memory(err, "axes");
        axis->name = copy.p;
        axis->first = s->n_values;
        axis->n = 1;
        axis->factor[0] = (struct factor){axis->name, NULL};
        if (cru_span_is(name, "complexity")) {
            axis->n = FACTORS;
            memcpy(axis->factor, complexity, sizeof complexity);
        }
        s->n_values += axis->n;
        s->n_axes++;
    }
    if (s->n_axes == 0)
        return cru_fail(err, CRU_USAGE, "axes: '%s': one to three names are needed", s->axes);
    return CRU_OK;
}

/* Every column and the bytes of an element; a column that is not used stays empty. */
static void init_columns(struct cru_select *s) {
    struct cru_budget *m = &s->memory;
    m->limit = s->base.common->memory;
    m->tmpdir = s->base.common->tmpdir;
    cru_spill_init(&s->rows, s->spec.dim ? s->spec.dim : 1, m);
    cru_spill_init(&s->bytes, sizeof(uint64_t), m);
    cru_spill_init(&s->tokens, sizeof(uint64_t), m);
    cru_spill_init(&s->field, sizeof(double), m);
    for (size_t v = 0; v < VALUES; v++) cru_spill_init(&s->values[v], sizeof(double), m);
    cru_spill_init(&s->stratum, sizeof(uint16_t), m);
    for (size_t k = 0; k < CRU_RUPS_AXES; k++) cru_spill_init(&s->q[k], sizeof(uint32_t), m);
    cru_spill_init(&s->rank, sizeof(uint32_t), m);
    cru_spill_init(&s->fixed, sizeof(uint16_t), m);
    cru_spill_init(&s->bonus, sizeof(int64_t), m);
    cru_spill_init(&s->order, sizeof(uint32_t), m);
    cru_spill_init(&s->gain, sizeof(int64_t), m);
    cru_spill_init(&s->before, sizeof(uint32_t), m);
    cru_spill_init(&s->place, sizeof(uint32_t), m);
}

static enum cru_status parse_budget(struct cru_select *s, struct cru_error *err) {
    int given = (s->budget > 0) + (s->budget_tokens > 0) + (s->add > 0);
    if (given != 1)
        return cru_fail(err, CRU_USAGE,
                        "budget: '%s': exactly one of --budget K, --budget-tokens N and --add K "
                        "is needed, and above 0",
                        given ? "several" : "none");
    for (s->way = CRU_METHOD_LAZY; strcmp(s->method, cru_method_name(s->way)) != 0;) s->way++;
    if (s->way != CRU_METHOD_LAZY && s->budget == 0)
        return cru_fail(err, CRU_USAGE, "method: '%s': --budget-tokens and --add need lazy",
                        s->method);
    return CRU_OK;
}

static enum cru_status parse_device(struct cru_select *s, struct cru_error *err) {
    enum cru_status status = cru_device_parse(s->device, &s->where, err);
    if (!status && s->where == CRU_DEVICE_CUDA && s->way != CRU_METHOD_LAZY)
        status =
            cru_fail(err, CRU_USAGE, "method: '%s': --device cuda computes lazy alone", s->method);
    return status;
}

static enum cru_status select_open(struct cru_stage *stage, struct cru_error *err) {
    struct cru_select *s = (struct cru_select *)stage;
    enum cru_status status;
    init_columns(s);
    cru_select_journal_init(&s->journal);
    if ((status = parse_budget(s, err)) || (status = parse_device(s, err))) return status;
    if (!s->embeddings) {
        if (s->model && (status = cru_static_view_open(s->model, &s->view, err))) return status;
        status = cru_embed_spec_parse(
            s->views, s->dim, s->view ? cru_static_view_vectors(s->view) : NULL, &s->spec, err);
        if (status) return status;
        s->d = s->spec.dim;
        s->rows.element = s->d;
    }
    if (s->embeddings && (status = cru_select_open_vectors(s, err))) return status;
    if ((status = parse_axes(s, err))) return status;
    s->weights_kind = WEIGHTS_FIELD;
    if (cru_span_is(cru_span_of(s->weights), "rups"))
        s->weights_kind = WEIGHTS_RUPS;
    else if (cru_span_is(cru_span_of(s->weights), "none"))
        s->weights_kind = WEIGHTS_NONE;
    /* Where all documents carry crucible.tokens no vocabulary is needed, so a missing one can wait.
     */
    if (s->budget_tokens > 0) (void)cru_token_counter_open(s->vocab, &s->counter, &s->no_counter);
    return CRU_OK;
}

/* ---- run and commit ---- */

static double factor_value(struct cru_json_parser *parser, const struct cru_doc *doc,
                           const struct factor *f) {
    double value, per;
    if (!cru_doc_number(parser, doc, f->path, &value)) return (double)NAN;
    if (!f->per) return value;
    if (!cru_doc_number(parser, doc, f->per, &per)) return (double)NAN;
    return per > 0 ? value / per : 0;
}

static enum cru_status find(struct cru_select *s, struct cru_batch *batch, struct cru_doc *doc,
                            struct cru_json_parser *parser, struct cru_embedder *embedder,
                            struct cru_ids *ids, float *x, struct cru_error *err) {
    size_t d = s->embeddings ? 0 : s->d;
    struct found *found = cru_arena_alloc(&batch->arena, sizeof *found + d);
    enum cru_status status = CRU_OK;
    double tokens, order;
    if (!found) return cru_fail_memory(err, "a document's row");
    doc->scratch = found;
    found->bytes = doc->text.n;
    found->tokens = NO_TOKENS;
    found->before = found->place = 0;
    if (s->ids && !cru_npy_ids_find(s->ids, doc->id, &found->place))
        return cru_doc_wrong(batch, doc, "select", "no-embedding",
                             "its id is not among those of --embeddings");
    if (s->add > 0 && cru_doc_number(parser, doc, "crucible.select.order", &order) && order >= 1 &&
        order < UINT32_MAX)
        found->before = (uint32_t)order;
    if (cru_doc_number(parser, doc, "crucible.tokens", &tokens) && tokens >= 0 && tokens < 0x1p53)
        found->tokens = (uint64_t)tokens;
    else if (s->counter)
        status = cru_doc_tokens(s->counter, batch, doc, &found->tokens, err);
    else if (s->budget_tokens > 0)
        status = cru_fail(err, CRU_FATAL, "%s", s->no_counter.message);
    if (status == CRU_BAD) return cru_doc_wrong(batch, doc, "select", "text", err->message);
    if (status) return status;
    found->field = (double)NAN;
    if (s->weights_kind == WEIGHTS_FIELD && !cru_doc_number(parser, doc, s->weights, &found->field))
        found->field = (double)NAN;
    for (size_t k = 0; k < s->n_axes; k++)
        for (size_t f = 0; f < s->axis[k].n; f++)
            found->values[s->axis[k].first + f] = factor_value(parser, doc, &s->axis[k].factor[f]);
    if (s->embeddings) return CRU_OK;
    if (s->view) status = cru_static_view_ids(s->view, doc->text, ids, err);
    if (status == CRU_BAD) return cru_doc_wrong(batch, doc, "select", "text", err->message);
    if (status) return status;
    if ((status = cru_embed_document(embedder, doc, ids->p, ids->n, x, err))) return status;
    (void)cru_row_quantise(x, d, found->row, d);
    return CRU_OK;
}

static enum cru_status select_run(struct cru_stage *stage, struct cru_batch *batch,
                                  struct cru_error *err) {
    struct cru_select *s = (struct cru_select *)stage;
    struct cru_json_parser *parser = cru_json_parser_new();
    struct cru_embedder *embedder = s->embeddings ? NULL : cru_embedder_new(&s->spec);
    float *x = s->embeddings ? NULL : malloc(s->d * sizeof *x);
    struct cru_ids ids = {0};
    enum cru_status status = CRU_OK;
    if (!parser || (!s->embeddings && (!embedder || !x)))
        status = cru_fail_memory(err, "embedding of a batch");
    for (size_t i = 0; !status && i < batch->n; i++)
        status = find(s, batch, &batch->docs[i], parser, embedder, &ids, x, err);
    cru_ids_release(&ids);
    free(x);
    cru_embedder_free(embedder);
    cru_json_parser_free(parser);
    return status;
}

static enum cru_status columns_grow(struct cru_select *s, size_t n, struct cru_error *err) {
    enum cru_status status = cru_spill_resize(&s->bytes, n, err);
    if (!status) status = cru_spill_resize(&s->tokens, n, err);
    if (!status && !s->embeddings) status = cru_spill_resize(&s->rows, n, err);
    if (!status && s->weights_kind == WEIGHTS_FIELD) status = cru_spill_resize(&s->field, n, err);
    if (!status && s->add > 0) status = cru_spill_resize(&s->before, n, err);
    if (!status && s->ids) status = cru_spill_resize(&s->place, n, err);
    for (size_t v = 0; !status && v < s->n_values; v++)
        status = cru_spill_resize(&s->values[v], n, err);
    return status;
}

static enum cru_status select_commit(struct cru_stage *stage, struct cru_batch *batch,
                                     struct cru_error *err) {
    struct cru_select *s = (struct cru_select *)stage;
    enum cru_status status;
    if (s->n + batch->n >= UINT32_MAX)
        return cru_fail(err, CRU_FATAL,
                        "too many documents: more than 4294967294 for one selection");
    if ((status = columns_grow(s, s->n + batch->n, err))) return status;
    for (size_t b = 0; b < batch->n; b++, s->n++) {
        const struct found *found = batch->docs[b].scratch;
        ((uint64_t *)s->bytes.p)[s->n] = found->bytes;
        ((uint64_t *)s->tokens.p)[s->n] = found->tokens;
        s->without_tokens += found->tokens == NO_TOKENS;
        if (s->ids) ((uint32_t *)s->place.p)[s->n] = found->place;
        if (s->add > 0) {
            ((uint32_t *)s->before.p)[s->n] = found->before;
            s->n_before += found->before > 0;
        }
        if (!s->embeddings) memcpy((char *)s->rows.p + s->n * s->d, found->row, s->d);
        if (s->weights_kind == WEIGHTS_FIELD) ((double *)s->field.p)[s->n] = found->field;
        for (size_t v = 0; v < s->n_values; v++)
            ((double *)s->values[v].p)[s->n] = found->values[v];
        for (size_t k = 0; k < s->n_axes; k++) {
            bool any = false;
            for (size_t f = 0; f < s->axis[k].n; f++)
                any = any || !isnan(found->values[s->axis[k].first + f]);
            s->axis[k].missing += !any;
        }
    }
    return CRU_OK;
}

/* ---- finish ---- */

static enum cru_status cut_strata(struct cru_select *s, struct cru_error *err) {
    const struct cru_spill_array *length = s->without_tokens ? &s->bytes : &s->tokens;
    enum cru_status status = cru_spill_resize(&s->stratum, s->n, err);
    return status
               ? status
               : cru_strata_cut(length->p, s->n, (size_t)s->strata, s->stratum.p, &s->table, err);
}

/* An axis' percentiles; those of a composite are the mean of its factors', ranked no further. */
static enum cru_status axis_percentiles(struct cru_select *s, size_t k, struct cru_error *err) {
    const struct axis *axis = &s->axis[k];
    struct cru_spill_array one;
    uint32_t *q;
    enum cru_status status = cru_spill_resize(&s->q[k], s->n, err);
    if (status) return status;
    q = s->q[k].p;
    if (axis->n == 1)
        return cru_rups_percentiles(s->values[axis->first].p, s->stratum.p, s->n, s->table.n, q,
                                    err);
    cru_spill_init(&one, sizeof *q, &s->memory);
    status = cru_spill_resize(&one, s->n, err);
    for (size_t f = 0; !status && f < axis->n; f++) {
        const uint32_t *p = one.p;
        status = cru_rups_percentiles(s->values[axis->first + f].p, s->stratum.p, s->n, s->table.n,
                                      one.p, err);
        for (size_t i = 0; !status && i < s->n; i++) q[i] += p[i];
    }
    for (size_t i = 0; !status && i < s->n; i++)
        q[i] = (q[i] + (uint32_t)axis->n / 2) / (uint32_t)axis->n;
    cru_spill_release(&one);
    return status;
}

static double score_of(const struct cru_select *s, size_t i) {
    uint32_t q[CRU_RUPS_AXES];
    for (size_t k = 0; k < s->n_axes; k++) q[k] = ((const uint32_t *)s->q[k].p)[i];
    return cru_rups_score(q, s->n_axes, ((const uint32_t *)s->rank.p)[i], s->fronts);
}

static enum cru_status fuse(struct cru_select *s, struct cru_error *err) {
    const uint32_t *q[CRU_RUPS_AXES];
    enum cru_status status = CRU_OK;
    bool asked = strcmp(s->axes, DEFAULT_AXES) != 0;
    for (size_t k = 0; k < s->n_axes; k++) {
        if (s->axis[k].missing < s->n)
            s->fused = true;
        else if (asked && s->weights_kind == WEIGHTS_RUPS)
            return cru_fail(err, CRU_FATAL, "axis: '%s': no document has this number",
                            s->axis[k].name);
    }
    if (!s->fused) return CRU_OK;
    for (size_t k = 0; !status && k < s->n_axes; k++) {
        status = axis_percentiles(s, k, err);
        q[k] = s->q[k].p;
    }
    if (!status) status = cru_spill_resize(&s->rank, s->n, err);
    return status ? status : cru_rups_ranks(q, s->n_axes, s->n, s->rank.p, &s->fronts, err);
}

static enum cru_status fix_weights(struct cru_select *s, struct cru_error *err) {
    const double *field = s->field.p;
    uint16_t *fixed;
    uint64_t total = 0;
    double most = 0;
    enum cru_status status = cru_spill_resize(&s->fixed, s->n, err);
    if (status) return status;
    fixed = s->fixed.p;
    if (s->weights_kind == WEIGHTS_FIELD)
        for (size_t i = 0; i < s->n; i++)
            if (isfinite(field[i]) && field[i] > most) most = field[i];
    for (size_t i = 0; i < s->n; i++) {
        double w = 1;
        if (s->weights_kind == WEIGHTS_FIELD)
            w = isfinite(field[i]) && most > 0 ? field[i] / most : 0;
        else if (s->weights_kind == WEIGHTS_RUPS && s->fused)
            w = score_of(s, i);
        fixed[i] = cru_rups_weight(w);
        total += fixed[i];
    }
    if (total == 0)
        return cru_fail(err, CRU_FATAL, "weights: '%s': no document has a positive number",
                        s->weights);
    s->unit = (double)s->n / ((double)total * CRU_EESD_UNIT);
    return CRU_OK;
}

static enum cru_status select_finish(struct cru_stage *stage, struct cru_error *err) {
    struct cru_select *s = (struct cru_select *)stage;
    enum cru_status status = s->embeddings ? cru_select_load_vectors(s, err) : CRU_OK;
    if (status || s->n == 0) return status;
    if ((status = cut_strata(s, err)) || (status = fuse(s, err)) || (status = fix_weights(s, err)))
        return status;
    return cru_select_pick(s, err);
}

/* ---- replay ---- */

static enum cru_status note(struct cru_select *s, struct cru_batch *batch, struct cru_doc *doc,
                            struct cru_buffer *json) {
    size_t i = doc->index;
    uint32_t place = ((const uint32_t *)s->order.p)[i];
    struct cru_span value;
    if (s->fused) {
        cru_buffer_clear(json);
        cru_buffer_printf(json, "{\"rank\":%u,\"score\":", ((const uint32_t *)s->rank.p)[i]);
        cru_buffer_add_json_number(json, score_of(s, i));
        cru_buffer_add_char(json, '}');
        value = cru_arena_copy(&batch->arena, cru_buffer_span(json));
        if (json->failed || !value.p || cru_doc_set_meta(batch, doc, "rups", value))
            return CRU_FATAL;
    }
    if (s->add > 0 && ((const uint32_t *)s->before.p)[i] > 0) return CRU_OK; /* as it was */
    cru_buffer_clear(json);
    if (place) {
        cru_buffer_add_string(json, "{\"gain\":");
        cru_buffer_add_json_number(json, (double)((const int64_t *)s->gain.p)[i] * s->unit);
        cru_buffer_printf(json, ",\"order\":%u,", place);
    } else
        cru_buffer_add_string(json, "{\"selected\":false,");
    cru_buffer_printf(json, "\"stratum\":%u}", (unsigned)((const uint16_t *)s->stratum.p)[i]);
    value = cru_arena_copy(&batch->arena, cru_buffer_span(json));
    if (json->failed || !value.p || cru_doc_set_meta(batch, doc, "select", value)) return CRU_FATAL;
    if (!place && !s->mark)
        return cru_doc_drop(batch, doc, "select", "not-selected", (double)NAN, (double)NAN);
    return CRU_OK;
}

static enum cru_status select_replay(struct cru_stage *stage, struct cru_batch *batch,
                                     struct cru_error *err) {
    struct cru_select *s = (struct cru_select *)stage;
    struct cru_buffer json;
    enum cru_status status = CRU_OK;
    cru_buffer_init(&json);
    for (size_t i = 0; !status && i < batch->n; i++)
        if ((status = note(s, batch, &batch->docs[i], &json)))
            status = cru_fail_memory(err, "marks of a selection");
    atomic_fetch_add(&s->replayed, status ? 0 : batch->n);
    cru_buffer_release(&json);
    return status;
}

static void select_release(struct cru_stage *stage) {
    struct cru_select *s = (struct cru_select *)stage;
    struct cru_spill_array *columns[] = {&s->rows,    &s->bytes, &s->tokens, &s->field,
                                         &s->stratum, &s->rank,  &s->fixed,  &s->bonus,
                                         &s->order,   &s->gain,  &s->before, &s->place};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) cru_spill_release(columns[i]);
    for (size_t v = 0; v < VALUES; v++) cru_spill_release(&s->values[v]);
    for (size_t k = 0; k < CRU_RUPS_AXES; k++) cru_spill_release(&s->q[k]);
    for (size_t b = 0; b < CRU_STRATA_MAX; b++) cru_eesd_result_release(&s->result[b]);
    cru_select_journal_close(&s->journal, atomic_load(&s->replayed) >= s->n);
    cru_static_view_free(s->view);
    s->view = NULL;
    cru_npy_close(s->vectors);
    cru_npy_ids_free(s->ids);
    s->vectors = NULL;
    s->ids = NULL;
    cru_token_counter_free(s->counter);
    s->counter = NULL;
}

const struct cru_stage_class cru_select_stage = {
    .name = "select",
    .summary = "Selects documents that are good and stand for all the others.",
    .synopsis = "--budget K [options] [FILE...]",
    .options = options,
    .size = sizeof(struct cru_select),
    .open = select_open,
    .run = select_run,
    .commit = select_commit,
    .finish = select_finish,
    .replay = select_replay,
    .stats = cru_select_summary,
    .release = select_release,
};
