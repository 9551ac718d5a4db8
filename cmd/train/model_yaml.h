/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model's shape and its training defaults, from a file of `key: value` lines.
 *
 * The file is YAML, of which this much is read: one mapping of plain keys to plain scalars, one a
 * line from the first column, values bare or in single or double quotes (no escapes), comments from
 * # at a line's start or after a blank. Nesting, lists, anchors and several documents are refused.
 * Keys are the rows of one options table (cru_model_options), so defaults, limits and spelling help
 * come from there.
 *
 * Errors: CRU_USAGE "PATH:LINE: ..." (an unknown key names the nearest), CRU_FATAL when the file
 * cannot be read. Strings live in the store. One thread at a time.
 */
#ifndef CRU_TRAIN_MODEL_YAML_H
#define CRU_TRAIN_MODEL_YAML_H

#include "crucible/base/buffer.h"
#include "crucible/base/error.h"
#include "crucible/base/options.h"

struct cru_model_config {
    const char *name;
    const char *vocab; /* a number of rows, or "slice": those of the shard set's vocab.used */
    int64_t width, layers, ffn_width, full_attention_every;
    int64_t gdn_key_heads, gdn_value_heads, gdn_key_dim, gdn_value_dim;
    int64_t heads, kv_heads, head_dim;
    double rotary_fraction, rope_theta;
    const char *attention_gate; /* "sigmoid" or "silu" */
    double init_std;
    const char *optimizer; /* "adamw" or "muon" */
    double learning_rate, muon_learning_rate, weight_decay, clip;
    int64_t warmup_steps;
    double decay_fraction;
};

extern const struct cru_option cru_model_options[];

/* Reads and checks. */
enum cru_status cru_model_config_read(const char *path, struct cru_model_config *config,
                                      struct cru_option_store *store, struct cru_error *err);
/* The same from memory; `name` is for messages. */
enum cru_status cru_model_config_parse(const char *name, struct cru_span text,
                                       struct cru_model_config *config,
                                       struct cru_option_store *store, struct cru_error *err);
/* Appends what makes a checkpoint fit: one `key: value` line a key of the shape (not of training).
 */
void cru_model_config_shape(const struct cru_model_config *config, struct cru_buffer *out);

/* True when layer i is full attention: the last of every full_attention_every. */
static inline bool cru_model_is_attention(const struct cru_model_config *config, int64_t layer) {
    return config->full_attention_every > 0 && (layer + 1) % config->full_attention_every == 0;
}
/* Rotated dimensions a head: an even number. */
static inline int64_t cru_model_rotary(const struct cru_model_config *config) {
    return (int64_t)((double)config->head_dim * config->rotary_fraction / 2 + 1e-9) * 2;
}

#endif
