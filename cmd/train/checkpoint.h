/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A checkpoint: all that a run needs to go on to the bit. Little endian:
 *
 *     0      "CRUTRAIN"                  8 bytes
 *     8      version (1), header bytes   2 x u32
 *     16     struct cru_checkpoint_numbers
 *     ...    text of `text_bytes` bytes: "key: value" lines of the model's shape and the run's
 * options
 *     ...    zeros up to header bytes, a multiple of 4,096
 *     then   the loader's lanes: n_lanes pairs of u64
 *     then   parameters, first moments, second moments: n_params f32 each
 *     then   XXH3-64 of all before       8 bytes
 *
 * Written under a temporary name, synced and renamed: a killed run leaves the one before. Errors:
 * CRU_FATAL (cannot read or write; damaged), CRU_USAGE (a good checkpoint, but of another run: the
 * first line that differs is named).
 */
#ifndef CRU_TRAIN_CHECKPOINT_H
#define CRU_TRAIN_CHECKPOINT_H

#include "cmd/train/loader.h"
#include "crucible/base/error.h"
#include "crucible/base/span.h"

struct cru_checkpoint_numbers {
    uint64_t n_params, n_lanes, step;
    struct cru_loader_place place;
    uint64_t vocabulary;          /* rows of the embedding */
    uint64_t vocabulary_checksum; /* of vocab.used; 0 when the vocabulary is not a slice */
    uint64_t tokenizer_hash;
    uint64_t data_checksum;  /* of the shard set */
    uint64_t tokens;         /* read so far */
    uint64_t log_bytes;      /* length of the log when this was written */
    uint64_t phase_steps[2]; /* superposed, ordinary */
    double first_loss[2], first_bpb[2], last_loss[2], last_bpb[2];
    uint64_t text_bytes;
};

struct cru_checkpoint {
    struct cru_checkpoint_numbers numbers;
    struct cru_loader_lane *lanes;  /* [n_lanes], borrowed */
    float *params, *first, *second; /* [n_params], borrowed */
};

enum cru_status cru_checkpoint_write(const char *path, const struct cru_checkpoint *checkpoint,
                                     struct cru_span text, struct cru_error *err);
/* Fills the numbers and the four arrays, after checking that the sizes, the vocabulary, the data
 * and the text are those given in. When it fails, the arrays may be partly written. */
enum cru_status cru_checkpoint_read(const char *path, struct cru_checkpoint *checkpoint,
                                    struct cru_span text, struct cru_error *err);

#endif
