/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoders for stages, whose run() is called from threads the stage does not know: each call takes one
 * and gives it back, so there are as many as calls at the same time, and their caches stay warm. A stage
 * may keep a slot from a batch's run() to its commit(), whatever becomes of the batch: release frees all.
 * Taking and giving are for any thread; init and release for one.
 */
#ifndef CRU_STAGE_ENCODER_POOL_H
#define CRU_STAGE_ENCODER_POOL_H

#include <pthread.h>

#include "crucible/base/kept.h"
#include "crucible/doc/json.h"
#include "tokenizer/tokenizer.h"

/* One thread's tools while it has them. */
struct cru_encoder_slot {
    struct cru_kept kept; /* of the free ones; the first member */
    struct cru_encoder *encoder;
    struct cru_json_parser *parser;
    struct cru_ids ids;
    struct cru_buffer line;
    void *attached;                /* what the pool's user keeps with it; see on_free */
    struct cru_encoder_slot *other; /* of all */
};

struct cru_encoder_pool {
    const struct cru_tokenizer *tokenizer;
    pthread_mutex_t lock;
    struct cru_kept *free;
    struct cru_encoder_slot *all;
    void (*on_free)(void *attached); /* called for what is attached to a slot; NULL: nothing to do */
};

void cru_encoder_pool_init(struct cru_encoder_pool *pool, const struct cru_tokenizer *tokenizer);
struct cru_encoder_slot *cru_encoder_pool_take(struct cru_encoder_pool *pool); /* NULL: no memory */
void cru_encoder_pool_give(struct cru_encoder_pool *pool, struct cru_encoder_slot *slot);
void cru_encoder_pool_release(struct cru_encoder_pool *pool); /* slots not given back too */

#endif
