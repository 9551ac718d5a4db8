/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One piece that comes bit by bit, of any length, in memory that does not grow with it.
 *
 *   given out | before ][ held bytes ........................ | n
 *                        certain -->|d        (n - longest, n]
 *
 * When the bytes held fill the window, the part that no later byte can change is given out. That part is
 * found so: every prefix of a piece has exactly one encoding (bpe_backtrack.h), and whatever follows, the
 * encoding of the whole passes through one of the last `longest` places, as no token is longer; up to
 * there it is the encoding of that prefix. If from a border d of the path found so far tokens that
 * may follow each other lead to every one of those places, then their encodings all begin with the
 * path up to d, and so does the encoding of the whole, whatever follows: d is certain.
 *
 * With every vocabulary met, d lies within a few tokens of the end. A list of merges can be made, though,
 * that leaves a choice open for as long as its author likes; for that the window grows up to
 * CRU_STREAM_MOST bytes, and then feeding fails. (A piece wholly in memory, cru_bpe_piece, cannot fail.)
 *
 * A stream is one thread's; it borrows the vocabulary and a scratch, which others may use between calls.
 */
#ifndef CRU_TOKENIZER_BPE_STREAM_H
#define CRU_TOKENIZER_BPE_STREAM_H

#include "crucible/base/error.h"
#include "tokenizer/bpe_backtrack.h"
#include "tokenizer/tokenizer.h"

enum {
    CRU_STREAM_WINDOW = 1 << 18, /* bytes; 2.3 MiB of memory with the ids */
    CRU_STREAM_MOST = 1 << 20,
};

struct cru_bpe_stream {
    const struct cru_bpe *bpe;
    struct cru_bpe_scratch *scratch;
    unsigned char *held; /* [window] */
    uint32_t *path;      /* [window] */
    uint32_t *reached;   /* [window + 1] */
    size_t n, window, most;
    uint32_t before; /* the last token given out, or CRU_NONE */
};

/* False when memory is short. */
bool cru_bpe_stream_init(struct cru_bpe_stream *stream, const struct cru_bpe *bpe,
                         struct cru_bpe_scratch *scratch);
void cru_bpe_stream_release(struct cru_bpe_stream *stream); /* zeroed is fine */

/* Takes the next n bytes of the piece and appends the ids that have become certain. CRU_FATAL: memory, or a
 * vocabulary as above. */
enum cru_status cru_bpe_stream_feed(struct cru_bpe_stream *stream, const unsigned char *p, size_t n,
                                    struct cru_ids *ids, struct cru_error *err);
/* The piece is over: appends the rest. The stream is as new, after an error too. */
enum cru_status cru_bpe_stream_end(struct cru_bpe_stream *stream, struct cru_ids *ids,
                                   struct cru_error *err);

#endif
