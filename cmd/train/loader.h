/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Micro-batches from a shard set, in an order that depends on the seed and nothing else.
 *
 * Each epoch visits the documents in its own permutation. A step has a fixed number of sequences,
 * each with a lane of its own: a lane lays documents end to end into its sequences, one after
 * another, and takes the permutation's next document whenever it has used one up. So a step mixes
 * many documents, and each is still seen once an epoch. With bag s, row i of a document stands for
 * its tokens [i s, i s + s) and has the next bag as its targets (s = 1: the next token), so neither
 * a bag nor a target crosses documents, and a document's last bag, which would have no target, is
 * no row. A document that does not fit goes on in its lane's next sequence, as a new segment.
 * Padding is never read. Documents of weight zero are passed over.
 *
 *     tokens of a document   t0 t1 t2 t3 | t4 t5 t6 t7 | t8 END .
 *     s = 4: rows                 0             1                    targets of row 1: t8 END
 *     s = 1: rows             0  1  2 ...                  8         targets of row 8: END
 *
 * Place and lanes are all there is to save: a loader set to them goes on exactly. The loader
 * borrows set and vocabulary. One thread at a time. Errors: CRU_FATAL from the shards.
 */
#ifndef CRU_TRAIN_LOADER_H
#define CRU_TRAIN_LOADER_H

#include "cmd/train/rows.h"
#include "crucible/base/error.h"
#include "shards/shard_file.h"
#include "shards/vocab_used.h"

#define CRU_LANE_EMPTY UINT64_MAX

struct cru_loader_place {
    uint64_t epoch;
    uint64_t next; /* of the epoch's permutation: the next document to hand out */
};
struct cru_loader_lane {
    uint64_t document; /* of the set, or CRU_LANE_EMPTY */
    uint64_t token;    /* of the document, where its next row starts */
};

struct cru_loader {
    const struct cru_shard_set *set;
    const uint32_t *row_of_id; /* [set->vocab_size], UINT32_MAX: not in the model; NULL: row = id */
    const uint32_t *bytes;     /* [set->vocab_size] of text; NULL when not known */
    uint64_t seed;
    bool once; /* evaluation: documents in order, one epoch, all weights 1 */
    struct cru_loader_place place;
    struct cru_loader_lane *lanes; /* [n_lanes] */
    size_t n_lanes;
    uint64_t skipped; /* documents with ids that the model does not have */
    uint64_t visited; /* documents opened */
    uint32_t *ids;    /* scratch, grows */
    size_t capacity;
};

/* Rows of one micro-batch and what to count of them. Owns its arrays. */
struct cru_batch {
    struct cru_rows rows;
    uint32_t *start, *position;
    int32_t *input, *target;
    float *weight;
    uint32_t *target_bytes; /* [n] bytes of text of the row's targets */
    void *memory;
    double total_weight;             /* sum over targets of the row's weight */
    uint64_t targets, bytes, tokens; /* tokens: read as inputs */
};

enum cru_status cru_loader_init(struct cru_loader *loader, const struct cru_shard_set *set,
                                const uint32_t *row_of_id, const uint32_t *bytes, uint64_t seed,
                                size_t n_lanes, struct cru_error *err);
void cru_loader_release(struct cru_loader *loader); /* zeroed is fine */

/* Bytes of a batch of max_rows rows of up to max_bag tokens. */
size_t cru_batch_plan(size_t max_rows, size_t max_bag);
enum cru_status cru_batch_init(struct cru_batch *batch, size_t max_rows, size_t max_bag,
                               struct cru_error *err);
void cru_batch_release(struct cru_batch *batch); /* zeroed is fine */

/* Fills `sequences` sequences of seq_len rows, from the lanes first_lane, first_lane + 1, ...
 * CRU_FATAL when no document is long enough to have a row. With `once`, CRU_END and what was left
 * (perhaps no row) when the documents are used up. */
enum cru_status cru_loader_fill(struct cru_loader *loader, struct cru_batch *batch,
                                size_t first_lane, size_t sequences, size_t seq_len, size_t bag,
                                struct cru_error *err);

/* The i-th of n in epoch `epoch`: a permutation of [0, n) that needs no memory. i < n. */
uint64_t cru_loader_permute(uint64_t i, uint64_t n, uint64_t seed, uint64_t epoch);

#endif
