/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/bpe_batch.h"
#include "crucible/base/base.h"

enum stage { WALK, TRY, PAIRS, DONE, STAGES };

/* What a turn works on. */
struct batch {
    const struct cru_bpe *bpe;
    struct cru_bpe_scratch *scratch;
};

#define TURN static inline __attribute__((always_inline)) void

static inline uint32_t before(const struct cru_bpe_task *t) {
    return t->out[t->made - 1];
}

/* Will try the token, if its bytes are fewer than `bound`. */
TURN aim(const struct batch *b, struct cru_bpe_task *t, uint32_t token, uint32_t bound) {
    t->token = token;
    t->bound = bound;
    t->stage = TRY;
    __builtin_prefetch(&b->bpe->nodes[token]);
    if (t->made) __builtin_prefetch(cru_bpe_memo(b->scratch, cru_pair(before(t), token)));
}

/* From a node which `depth` bytes lead to: to a child, or when it has none, to the longest token. */
TURN descend(const struct batch *b, struct cru_bpe_task *t, uint64_t unit, uint32_t depth) {
    uint32_t here = cru_unit_token(unit), at = t->at + depth;
    if (here != CRU_UNIT_NO_TOKEN) {
        t->token = here;
        t->bound = depth + 1;
    }
    if (at < t->n && cru_unit_may_have(unit, t->p[at])) {
        t->unit = cru_unit_base(unit) ^ t->p[at];
        t->depth = depth;
        t->stage = WALK;
        __builtin_prefetch(&b->bpe->units[t->unit]);
    } else {
        aim(b, t, t->token, t->bound);
    }
}

TURN walk(const struct batch *b, struct cru_bpe_task *t) {
    uint64_t unit = b->bpe->units[t->unit];
    if (cru_unit_label(unit) == t->p[t->at + t->depth])
        descend(b, t, unit, t->depth + 1);
    else
        aim(b, t, t->token, t->bound);
}

/* Looks for the longest token at the end of the path. */
TURN begin(const struct batch *b, struct cru_bpe_task *t) {
    const unsigned char *p = t->p + t->at;
    t->token = b->bpe->merges.byte_ids[p[0]];
    t->bound = 2;
    if (t->n - t->at > 1)
        descend(b, t, b->bpe->roots[(uint32_t)p[0] << 8 | p[1]], 2);
    else
        aim(b, t, t->token, t->bound);
}

TURN take(const struct batch *b, struct cru_bpe_task *t, uint32_t bytes) {
    t->out[t->made++] = t->token;
    t->at += bytes;
    if (t->at == t->n)
        t->stage = DONE;
    else
        begin(b, t);
}

/* Will try `token`, or when it is none, a shorter one in the place of the one before. */
TURN try_next(const struct batch *b, struct cru_bpe_task *t, uint32_t token, uint32_t bound) {
    while (token == CRU_NONE) {
        if (t->made == 0) { /* only where the image is damaged */
            for (; t->made < t->n; t->made++)
                t->out[t->made] = b->bpe->merges.byte_ids[t->p[t->made]];
            t->stage = DONE;
            return;
        }
        t->dead |= (uint64_t)1 << t->at;
        const struct cru_bpe_node *last = &b->bpe->nodes[t->out[--t->made]];
        bound = last->bytes;
        t->at -= bound;
        token = last->shorter;
    }
    aim(b, t, token, bound);
}

TURN conclude(const struct batch *b, struct cru_bpe_task *t, bool yes) {
    const struct cru_bpe_node *node = &b->bpe->nodes[t->token];
    if (yes)
        take(b, t, node->bytes);
    else
        try_next(b, t, node->shorter, node->bytes);
}

TURN try_token(const struct batch *b, struct cru_bpe_task *t) {
    uint32_t bytes = b->bpe->nodes[t->token].bytes, rest = t->n - t->at;
    if (bytes - 1 >= t->bound - 1) { /* only where the image is damaged: might go in circles */
        try_next(b, t, CRU_NONE, 0);
        return;
    }
    bool yes = bytes <= rest && (bytes == rest || !(t->dead >> (t->at + bytes) & 1));
    if (yes && t->made) {
        uint64_t pair = cru_pair(before(t), t->token), *memo = cru_bpe_memo(b->scratch, pair);
        if (*memo >> 1 == pair) {
            yes = *memo & 1;
        } else {
            t->pairs.n = 0;
            yes = cru_bpe_border(b->bpe, b->scratch, before(t), t->token, CRU_NONE, &t->pairs) !=
                  CRU_BORDER_NO;
            if (yes && t->pairs.n) {
                t->stage = PAIRS;
                return;
            }
            *memo = pair << 1 | yes;
        }
    }
    conclude(b, t, yes);
}

TURN look_up_pairs(const struct batch *b, struct cru_bpe_task *t) {
    bool yes = true;
    for (uint32_t i = 0; i < t->pairs.n && yes; i++)
        yes = cru_pair_rank(b->bpe->merges.pairs, b->bpe->merges.pair_bits, t->pairs.pair[i]) >=
              t->pairs.limit[i];
    uint64_t pair = cru_pair(before(t), t->token);
    *cru_bpe_memo(b->scratch, pair) = pair << 1 | yes;
    conclude(b, t, yes);
}

/* Tasks by stage: those of one stage do the same, where a branch for each could not be predicted. */
struct queue {
    uint8_t tasks[CRU_BATCH_TASKS];
    size_t n;
};

static inline void enqueue(struct queue queues[STAGES], const struct cru_bpe_task *tasks,
                           uint8_t i) {
    struct queue *queue = &queues[tasks[i].stage];
    queue->tasks[queue->n++] = i;
}

/* Takes all of a queue out. */
static inline struct queue drain(struct queue *queue) {
    struct queue all = *queue;
    queue->n = 0;
    return all;
}

void cru_bpe_batch(const struct cru_bpe *bpe, struct cru_bpe_scratch *scratch,
                   struct cru_bpe_task *tasks, size_t n) {
    const struct batch b = {bpe, scratch};
    struct queue queues[STAGES], now;
    for (size_t i = 0; i < STAGES; i++) queues[i].n = 0;
    for (size_t i = 0; i < n; i++) {
        tasks[i].at = tasks[i].made = 0;
        tasks[i].dead = 0;
        begin(&b, &tasks[i]);
        enqueue(queues, tasks, (uint8_t)i);
    }
    while (queues[DONE].n < n) {
        now = drain(&queues[WALK]);
        for (size_t i = 0; i < now.n; i++) {
            walk(&b, &tasks[now.tasks[i]]);
            enqueue(queues, tasks, now.tasks[i]);
        }
        now = drain(&queues[TRY]);
        for (size_t i = 0; i < now.n; i++) {
            try_token(&b, &tasks[now.tasks[i]]);
            enqueue(queues, tasks, now.tasks[i]);
        }
        now = drain(&queues[PAIRS]);
        for (size_t i = 0; i < now.n; i++) {
            look_up_pairs(&b, &tasks[now.tasks[i]]);
            enqueue(queues, tasks, now.tasks[i]);
        }
    }
}
