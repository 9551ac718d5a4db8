/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/stage/encoder_pool.h"
#include "crucible/base/base.h"

void cru_encoder_pool_init(struct cru_encoder_pool *pool, const struct cru_tokenizer *tokenizer) {
    pool->tokenizer = tokenizer;
    pool->free = NULL;
    pool->all = NULL;
    pool->on_free = NULL;
    (void)pthread_mutex_init(&pool->lock, NULL);
}

static void slot_free(struct cru_encoder_slot *slot) {
    cru_encoder_free(slot->encoder);
    cru_json_parser_free(slot->parser);
    cru_ids_release(&slot->ids);
    cru_buffer_release(&slot->line);
    free(slot);
}

struct cru_encoder_slot *cru_encoder_pool_take(struct cru_encoder_pool *pool) {
    (void)pthread_mutex_lock(&pool->lock);
    struct cru_encoder_slot *slot = (struct cru_encoder_slot *)cru_kept_take(&pool->free);
    (void)pthread_mutex_unlock(&pool->lock);
    if (slot) return slot;
    slot = calloc(1, sizeof *slot);
    if (!slot) return NULL;
    slot->kept.taker = cru_thread_mark();
    slot->encoder = cru_encoder_new(pool->tokenizer);
    slot->parser = cru_json_parser_new();
    cru_buffer_init(&slot->line);
    if (!slot->encoder || !slot->parser) {
        slot_free(slot);
        return NULL;
    }
    (void)pthread_mutex_lock(&pool->lock);
    slot->other = pool->all;
    pool->all = slot;
    (void)pthread_mutex_unlock(&pool->lock);
    return slot;
}

void cru_encoder_pool_give(struct cru_encoder_pool *pool, struct cru_encoder_slot *slot) {
    enum { KEPT = 16 << 20 }; /* what a huge document needed is not kept */
    if (slot->ids.capacity > KEPT / sizeof *slot->ids.p) cru_ids_release(&slot->ids);
    if (slot->line.capacity > KEPT) cru_buffer_release(&slot->line);
    (void)pthread_mutex_lock(&pool->lock);
    cru_kept_give(&pool->free, &slot->kept);
    (void)pthread_mutex_unlock(&pool->lock);
}

void cru_encoder_pool_release(struct cru_encoder_pool *pool) {
    while (pool->all) {
        struct cru_encoder_slot *other = pool->all->other;
        if (pool->on_free && pool->all->attached) pool->on_free(pool->all->attached);
        slot_free(pool->all);
        pool->all = other;
    }
    pool->free = NULL;
    (void)pthread_mutex_destroy(&pool->lock);
}
