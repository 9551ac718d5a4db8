/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `tokenize --train-vocab N`: what the tokenize stage hands its calls to when a vocabulary is asked
 * for in place of shards. Owns its memory; run is for any thread, the rest for one at a time.
 *
 *   run      counts the pieces of a batch's texts, in a counter that no other thread has
 *   close    merges, and writes the tokenizer.json whole or not at all
 */
#ifndef CRU_STAGE_TRAIN_VOCAB_H
#define CRU_STAGE_TRAIN_VOCAB_H

#include "crucible/stage/stage.h"

struct cru_vocab_training;

/* size: ids in all: 256 bytes, merges, <|endoftext|>, and `added`. CRU_USAGE when that cannot be.
 * Writes to common->output. `added` must outlive it. */
enum cru_status cru_vocab_training_open(const struct cru_common *common, int64_t size,
                                        const struct cru_string_list *added,
                                        struct cru_vocab_training **training,
                                        struct cru_error *err);
enum cru_status cru_vocab_training_run(struct cru_vocab_training *training, struct cru_batch *batch,
                                       struct cru_error *err);
enum cru_status cru_vocab_training_close(struct cru_vocab_training *training,
                                         struct cru_error *err);
void cru_vocab_training_stats(const struct cru_vocab_training *training, struct cru_buffer *json);
/* Lines for people: how well the vocabulary does on what it was trained on. */
void cru_vocab_training_tell(const struct cru_vocab_training *training, struct cru_buffer *text);
void cru_vocab_training_free(struct cru_vocab_training *training); /* NULL is fine */

#endif
