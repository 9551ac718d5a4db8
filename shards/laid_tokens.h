/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parallel half of writing shards does, so that the writer, which takes documents one at a
 * time and in order, has little left to do: ids are brought into the form they have in a shard and
 * counted.
 *
 *   ids of one document   -> cru_shard_lay:    ids, end id, padding to a multiple of the bag
 *   of a batch of them    -> cru_shard_narrow: u32 to u16 in place, for a vocabulary of up to
 * 65,536 cru_id_tally:     how often each id stands there
 *
 * and then cru_shard_writer_add_laid for each document, cru_shard_writer_add_tally at the end for
 * each tally. Pure but for the tally, which is one thread's.
 */
#ifndef CRU_SHARDS_LAID_TOKENS_H
#define CRU_SHARDS_LAID_TOKENS_H

#include "shards/writer.h"

/* Puts what stands behind a document's n ids there: the end id, if the set has one, and padding.
 * Answers the positions taken by all, at most n + 1 + params->bag: ids must have that room. */
size_t cru_shard_lay(const struct cru_shard_params *params, uint32_t *ids, size_t n);

/* Whether tokens of this set are u16. */
bool cru_shard_is_narrow(const struct cru_shard_params *params);

/* n u32 below 65,536 become n u16, in the first half of the same memory. */
void cru_shard_narrow(uint32_t *tokens, size_t n);

/*
 * Counts of ids: 8 bits each, so that the counts of what text mostly consists of stay near the core, and
 * 64 bits for those that ran over. A byte an id of the vocabulary, and 8 for those seen 256 times.
 */
struct cru_id_tally;
struct cru_id_tally *cru_id_tally_new(uint32_t vocab_size); /* NULL when memory is short */
void cru_id_tally_free(struct cru_id_tally *tally);         /* NULL is fine */
/* False, and nothing is counted, when one is not below vocab_size. */
bool cru_id_tally_add(struct cru_id_tally *tally, const uint32_t *ids, size_t n);
uint64_t cru_id_tally_of(const struct cru_id_tally *tally, uint32_t id);

#endif
