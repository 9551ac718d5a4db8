/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoders for stages, whose run() is called from threads the stage does not know: each call takes one
 * and gives it back, so there are as many as calls at the same time, and their caches stay warm.
 * Taking and giving are for any thread; init and release for one.
 */
#ifndef CRU_STAGE_ENCODER_POOL_H
#define CRU_STAGE_ENCODER_POOL_H

#include <pthread.h>

#include "crucible/doc/json.h"
#include "tokenizer/tokenizer.h"

/* One thread's tools while it has them. */
struct cru_encoder_slot {
    struct cru_encoder *encoder;
    struct cru_json_parser *parser;
    struct cru_ids ids;
    struct cru_buffer line;
    struct cru_encoder_slot *next;
};

struct cru_encoder_pool {
    const struct cru_tokenizer *tokenizer;
    pthread_mutex_t lock;
    struct cru_encoder_slot *free;
};

void cru_encoder_pool_init(struct cru_encoder_pool *pool, const struct cru_tokenizer *tokenizer);
struct cru_encoder_slot *cru_encoder_pool_take(struct cru_encoder_pool *pool); /* NULL: no memory */
void cru_encoder_pool_give(struct cru_encoder_pool *pool, struct cru_encoder_slot *slot);
void cru_encoder_pool_release(struct cru_encoder_pool *pool); /* all must have been given back */

#endif
