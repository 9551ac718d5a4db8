/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/base/base.h"
#include "cmd/train/model_yaml.h"

#define ROW(field) offsetof(struct cru_model_config, field)
#define COUNT(key, field, fallback, low, high, help)                                               \
    { CRU_OPTION_INT, 0, key, ROW(field), "N", fallback, NULL, low, high, help }
#define NUMBER(key, field, fallback, low, high, help)                                              \
    { CRU_OPTION_REAL, 0, key, ROW(field), "X", fallback, NULL, low, high, help }

/* The first SHAPE_KEYS rows are the shape. Shape defaults are Qwen3-Next's forms at a small size.
 */
enum { SHAPE_KEYS = 15 };
const struct cru_option cru_model_options[] = {
    {CRU_OPTION_STRING, 0, "vocab", ROW(vocab), "N|slice", "slice", NULL, 0, 0,
     "rows of the embedding: a number, or slice for the ids that the shards use"},
    COUNT("width", width, "64", 8, 65536, "width of the residual stream"),
    COUNT("layers", layers, "4", 1, 1024, "number of blocks"),
    COUNT("ffn-width", ffn_width, "192", 8, 262144, "inner width of the feed-forward layers"),
    COUNT("full-attention-every", full_attention_every, "4", 0, 1024,
          "the last of every N blocks is full attention, the others Gated DeltaNet; 0: none is"),
    COUNT("gdn-key-heads", gdn_key_heads, "2", 1, 1024, "query and key heads of Gated DeltaNet"),
    COUNT("gdn-value-heads", gdn_value_heads, "4", 1, 1024, "value heads of Gated DeltaNet"),
    COUNT("gdn-key-dim", gdn_key_dim, "16", 4, 1024, "dimension of a query or key head"),
    COUNT("gdn-value-dim", gdn_value_dim, "16", 4, 1024, "dimension of a value head"),
    COUNT("heads", heads, "4", 1, 1024, "query heads of full attention"),
    COUNT("kv-heads", kv_heads, "1", 1, 1024, "key and value heads of full attention"),
    COUNT("head-dim", head_dim, "16", 4, 1024, "dimension of an attention head"),
    NUMBER("rotary-fraction", rotary_fraction, "0.25", 0, 1, "part of a head that is rotated"),
    NUMBER("rope-theta", rope_theta, "10000000", 1, 1e12, "base of the rotary angles"),
    {CRU_OPTION_CHOICE, 0, "attention-gate", ROW(attention_gate), "sigmoid|silu", "sigmoid", NULL,
     0, 0, "gate on the output of full attention"},
    {CRU_OPTION_STRING, 0, "name", ROW(name), "NAME", "boreal", NULL, 0, 0, "name of the model"},
    NUMBER("init-std", init_std, "0.02", 0, 10, "standard deviation of fresh weights"),
    {CRU_OPTION_CHOICE, 0, "optimizer", ROW(optimizer), "adamw|muon", "adamw", NULL, 0, 0,
     "muon: for the matrices inside blocks, AdamW for all else"},
    NUMBER("learning-rate", learning_rate, "0.001", 0, 10, "highest learning rate of AdamW"),
    NUMBER("muon-learning-rate", muon_learning_rate, "0.02", 0, 10,
           "highest learning rate of Muon"),
    NUMBER("weight-decay", weight_decay, "0.1", 0, 10, "decoupled weight decay on matrices"),
    NUMBER("clip", clip, "1", 0, 1e9, "largest norm of the gradient; 0: no limit"),
    COUNT("warmup-steps", warmup_steps, "100", 0, 1000000000, "steps of linear warm-up"),
    NUMBER("decay-fraction", decay_fraction, "0.2", 0, 1, "last part of all steps, decaying to 0"),
    {.type = CRU_OPTION_END},
};

static enum cru_status config_check(const char *name, const struct cru_model_config *c,
                                    struct cru_error *err) {
    if (c->gdn_value_heads % c->gdn_key_heads)
        return cru_fail(
            err, CRU_USAGE,
            "model: '%s': gdn-value-heads (%lld) is not a multiple of gdn-key-heads (%lld)", name,
            (long long)c->gdn_value_heads, (long long)c->gdn_key_heads);
    if (c->heads % c->kv_heads)
        return cru_fail(err, CRU_USAGE,
                        "model: '%s': heads (%lld) is not a multiple of kv-heads (%lld)", name,
                        (long long)c->heads, (long long)c->kv_heads);
    if (strcmp(c->vocab, "slice") != 0) {
        char *end;
        long long rows = strtoll(c->vocab, &end, 10);
        if (end == c->vocab || *end || rows < 2 || rows > 1 << 24)
            return cru_fail(
                err, CRU_USAGE,
                "model: '%s': vocab must be slice or a number from 2 to 16777216, not '%s'", name,
                c->vocab);
    }
    return CRU_OK;
}

/* The value without quotes and comment; false when it is not a plain scalar. */
static bool config_scalar(struct cru_span *value) {
    struct cru_span v = cru_span_trim(*value);
    if (v.n && (v.p[0] == '"' || v.p[0] == '\'')) {
        const char *end = memchr(v.p + 1, v.p[0], v.n - 1);
        if (!end) return false;
        struct cru_span rest = cru_span_make(end + 1, v.n - (size_t)(end + 1 - v.p));
        *value = cru_span_make(v.p + 1, (size_t)(end - v.p - 1));
        if (memchr(value->p, '\\', value->n)) return false;
        rest = cru_span_trim(rest);
        return rest.n == 0 || rest.p[0] == '#';
    }
    for (size_t i = 0; i < v.n; i++)
        if (v.p[i] == '#' && (i == 0 || v.p[i - 1] == ' ' || v.p[i - 1] == '\t')) v.n = i;
    v = cru_span_trim(v);
    *value = v;
    return v.n > 0 && !memchr("[]{}&*!|>%@`,", v.p[0], 13);
}

/* `seen` has a line number for each row of cru_model_options, 0: not yet given. */
static enum cru_status config_line(const char *name, size_t number, struct cru_span line,
                                   struct cru_model_config *config, struct cru_option_store *store,
                                   size_t *seen, struct cru_error *err) {
    const char *colon = line.n ? memchr(line.p, ':', line.n) : NULL;
    struct cru_span trimmed = cru_span_trim(line);
    if (trimmed.n == 0 || trimmed.p[0] == '#') return CRU_OK;
    if (number == 1 && cru_span_is(trimmed, "---")) return CRU_OK;
    if (line.p[0] == ' ' || line.p[0] == '\t' || !colon ||
        ((size_t)(colon + 1 - line.p) < line.n && colon[1] != ' ' && colon[1] != '\t'))
        return cru_fail(err, CRU_USAGE, "%s:%zu: expected 'key: value' from the first column", name,
                        number);
    struct cru_span key = cru_span_trim(cru_span_make(line.p, (size_t)(colon - line.p)));
    struct cru_span value = cru_span_make(colon + 1, line.n - (size_t)(colon + 1 - line.p));
    if (!config_scalar(&value) || memchr(value.p, 0, value.n) || memchr(key.p, 0, key.n))
        return cru_fail(err, CRU_USAGE, "%s:%zu: the value of '%.*s' is not a plain scalar", name,
                        number, (int)(key.n > 60 ? 60 : key.n), key.p);
    struct cru_span key_copy = cru_arena_copy(&store->arena, key);
    struct cru_span value_copy = cru_arena_copy(&store->arena, value);
    if (!key_copy.p || !value_copy.p) return cru_fail_memory(err, "model file");
    struct cru_error why = {0};
    enum cru_status status = CRU_USAGE;
    const struct cru_option *row = cru_options_find(cru_model_options, key_copy.p);
    if (!row) {
        const char *near = cru_options_nearest(cru_model_options, key_copy.p);
        return cru_fail(err, CRU_USAGE, "%s:%zu: unknown key '%.60s'%s%s%s", name, number,
                        key_copy.p, near ? "; did you mean '" : "", near ? near : "",
                        near ? "'?" : "");
    }
    size_t *before = &seen[row - cru_model_options];
    if (*before)
        return cru_fail(err, CRU_USAGE, "%s:%zu: key '%s' was given on line %zu already", name, number,
                        row->name, *before);
    *before = number;
    status = cru_options_set(cru_model_options, config, store, key_copy.p, value_copy.p, &why);
    if (status != CRU_OK) return cru_fail(err, status, "%s:%zu: %s", name, number, why.message);
    return CRU_OK;
}

enum cru_status cru_model_config_parse(const char *name, struct cru_span text,
                                       struct cru_model_config *config,
                                       struct cru_option_store *store, struct cru_error *err) {
    struct cru_span line;
    size_t seen[sizeof cru_model_options / sizeof cru_model_options[0]] = {0};
    if (text.n >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0) /* a byte order mark */
        text = cru_span_make(text.p + 3, text.n - 3);
    enum cru_status status = cru_options_defaults(cru_model_options, config, store, err);
    for (size_t number = 1; status == CRU_OK && cru_span_split(&text, '\n', &line); number++)
        status = config_line(name, number, line, config, store, seen, err);
    return status == CRU_OK ? config_check(name, config, err) : status;
}

enum cru_status cru_model_config_read(const char *path, struct cru_model_config *config,
                                      struct cru_option_store *store, struct cru_error *err) {
    struct cru_buffer text;
    FILE *file = fopen(path, "rb");
    if (!file) return cru_fail_errno(err, "cannot open model", path);
    cru_buffer_init(&text);
    for (;;) {
        char *to = cru_buffer_room(&text, 4096);
        size_t got = to ? fread(to, 1, 4096, file) : 0;
        if (got == 0) break;
        text.n += got;
        if (text.n > 1 << 20) break; /* a model file is a page long */
    }
    enum cru_status status = CRU_OK;
    if (ferror(file)) status = cru_fail_errno(err, "cannot read model", path);
    if (text.failed) status = cru_fail_memory(err, "model file");
    if (text.n > 1 << 20) status = cru_fail(err, CRU_USAGE, "model: '%s': longer than 1 MiB", path);
    fclose(file);
    if (status == CRU_OK)
        status = cru_model_config_parse(path, cru_buffer_span(&text), config, store, err);
    cru_buffer_release(&text);
    return status;
}

void cru_model_config_shape(const struct cru_model_config *config, struct cru_buffer *out) {
    for (size_t i = 0; i < SHAPE_KEYS; i++) {
        const struct cru_option *o = &cru_model_options[i];
        const char *field = (const char *)config + o->offset;
        cru_buffer_printf(out, "%s: ", o->name);
        if (o->type == CRU_OPTION_INT) {
            int64_t x;
            memcpy(&x, field, sizeof x);
            cru_buffer_printf(out, "%lld\n", (long long)x);
        } else if (o->type == CRU_OPTION_REAL) {
            double x;
            memcpy(&x, field, sizeof x);
            cru_buffer_add_json_number(out, x);
            cru_buffer_add_char(out, '\n');
        } else {
            const char *x;
            memcpy(&x, field, sizeof x);
            cru_buffer_printf(out, "%s\n", x);
        }
    }
}
