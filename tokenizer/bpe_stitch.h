/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A long piece from parts of it that are encoded at once (bpe_batch.h), where the search for it alone would wait for
 * memory at each step:
 *
 *   parts     [ enc(p[0..31)) ]              overlapping; each encoded as if it were all there is
 *                     [ enc(p[20..51)) ]
 *                              [ .. ]
 *   tokens    ab|cde|fg|hi|j                 near an end of a part they may be wrong, but where two parts
 *                   g|hi|jkl|..              have the same token at the same place, one goes over into
 *   together  ab|cde|fg|hi|jkl|..            the other
 *
 * Why that is exact: neighbours in either part's tokens are neighbourly, so they are in what is put together, and a
 * sequence all of whose neighbours are neighbourly is what its bytes encode to (bpe_backtrack.h, 2). Where
 * two parts have no token in common, a stretch from an earlier token on is searched as a whole; the
 * longer each time, in the end from the beginning of the piece. A piece that repeats itself, of which the search
 * need not see all, is left to it, and so is one of which most parts have none in common.
 */
#ifndef CRU_TOKENIZER_BPE_STITCH_H
#define CRU_TOKENIZER_BPE_STITCH_H

#include "tokenizer/bpe_batch.h"

enum { CRU_STITCH_LEAST = 192 }; /* bytes from which it is quicker */

/* As cru_bpe_piece; by `batch`. */
size_t cru_bpe_stitch(const struct cru_bpe *bpe, struct cru_bpe_scratch *scratch,
                      cru_bpe_batch_fn batch, const unsigned char *p, size_t n, uint32_t *out);

#endif
