/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often each piece of the pre-tokeniser (pretoken.h, QWEN2 with one digit a piece) occurs in
 * texts brought to NFC. What training a vocabulary (bpe_train.h) looks at.
 *
 *   slots   [ .. | bytes 16 | hash | count | .. ]   open addressing by the hash's high bits, not
 *                                                   wrapping round: a walk from front to back is
 *                                                   in order of hash but for neighbours
 *   longs   the bytes of pieces over 15 bytes; such a slot holds place and length instead
 *   runs    spilled tables in a file: [ hash | count | n | bytes ] in order, one behind the other
 *
 * A table that would outgrow its memory is sorted and written behind the runs, and begins anew:
 * counts stay exact. One thread at a time uses a counter, and each thread has its own; the sums
 * over all counters do not depend on which counted what. Errors: CRU_FATAL for memory and temporary
 * files.
 */
#ifndef CRU_TOKENIZER_PIECE_COUNTS_H
#define CRU_TOKENIZER_PIECE_COUNTS_H

#include "crucible/base/error.h"
#include "crucible/base/span.h"
#include <stddef.h>
#include <stdint.h>

struct cru_piece_counter;

/* max_bytes: of its table, before it spills to tmpdir (borrowed); 0: no limit. A table never
 * shrinks below some 2 MiB. NULL when memory is short. */
struct cru_piece_counter *cru_piece_counter_new(uint64_t max_bytes, const char *tmpdir);
void cru_piece_counter_free(struct cru_piece_counter *counter); /* NULL is fine */

/* Counts the pieces of one text, which must be valid UTF-8 and below 2 GiB. */
enum cru_status cru_piece_counter_add(struct cru_piece_counter *counter, struct cru_span text,
                                      struct cru_error *err);

/* What has been counted: bytes after NFC, pieces, and bytes that were put into temporary files. */
struct cru_piece_totals {
    uint64_t bytes, pieces, spilled;
};
struct cru_piece_totals cru_piece_counter_totals(const struct cru_piece_counter *counter);

/* All counters together: calls `take` once for every distinct piece of two bytes or more, with how
 * often it occurs in all, in an order that depends only on what the pieces are. The bytes live
 * until `take` returns. Stops when `take` does not answer CRU_OK. Gives the memory and files of the
 * counters back: they are then only good for _totals and _free. */
typedef enum cru_status (*cru_piece_take)(void *context, struct cru_span piece, uint64_t count,
                                          struct cru_error *err);
enum cru_status cru_piece_counters_merge(struct cru_piece_counter *const *counters, size_t n,
                                         cru_piece_take take, void *context, struct cru_error *err);

#endif
