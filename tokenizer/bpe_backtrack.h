/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The merges of one piece without merging: from left to right, the longest token that may follow the one
 * before it, and a step back where none may. Linear, in fixed memory.
 *
 * Why it is exact. Let enc(s) be the definition: merge the pair of the lowest rank, the leftmost first,
 * until none is left. Call tokens a, b neighbourly when enc(ab) = [a, b].
 *   (1) Neighbours in enc(s) are neighbourly: what happens within ab is what enc(ab) would do, as the
 *       lowest, leftmost pair of s, when it lies in ab, is the lowest, leftmost of ab.
 *   (2) A sequence of tokens whose neighbours all are neighbourly is enc of its bytes: take the first
 *       merge that crosses a border of the sequence. Up to then every pair ab went as enc(ab) goes,
 *       so enc(ab) would make that merge too, which cannot be undone.
 * So every s has exactly one such sequence, and a search that finds any has found enc(s); and each
 * prefix of s has exactly one last token, so a place once left need never be entered again. This holds
 * for every list of merges, whatever its order. (The search: van Antwerpen and Neubeck, "So many
 * tokens, so little time", github.blog 2024; the proof above needs none of their conditions.)
 *
 * Whether a, b are neighbourly is read off how the two were made, latest merge undone first:
 *
 *   a = [.. x']   x' = [.. x]       at each moment one token x ends a and one token y begins b; the
 *   b = [y' ..]   y' = [y ..]       merge of x, y happens if its rank is below that of the merge which
 *                                   takes x away, and not above that of the one which takes y away
 *
 * That needs ranks that rise from a part to the whole; tokens where they do not ("irregular": a list of
 * merges may have them) are compared by merging their bytes. Answers are kept in a table of fixed size.
 *
 * Work: each place is entered once, and tries the tokens that begin there. Depends on nothing but
 * the vocabulary and the bytes. A struct cru_bpe is read-only; a scratch is one thread's.
 */
#ifndef CRU_TOKENIZER_BPE_BACKTRACK_H
#define CRU_TOKENIZER_BPE_BACKTRACK_H

#include "tokenizer/bpe_merge.h"
#include "tokenizer/vocab_image.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the search reads; borrowed (the sections of an image). */
struct cru_bpe {
    struct cru_merges merges;
    const struct cru_bpe_node *nodes;
    const uint32_t *chars;                /* for bpe_chars.h, as is */
    const struct cru_char_halves *halves; /* this */
    const uint64_t *roots, *units;
    const uint32_t *offsets; /* the bytes of a token, for irregular ones */
    const char *text;
    uint32_t longest; /* bytes of the longest token that is what its bytes encode to */
    bool irregular;   /* there are irregular tokens */
};

enum {
    CRU_BPE_MEMO_BITS = 14, /* 128 KiB: stays in the second cache */
    CRU_BPE_DEAD = 1 << 18, /* places back to which the search knows where it has been */
};

struct cru_bpe_scratch {
    uint64_t *memo;                   /* [2^CRU_BPE_MEMO_BITS] pair << 1 | neighbourly */
    uint64_t *dead;                   /* [CRU_BPE_DEAD / 64] a ring of bits */
    struct cru_merge_scratch merging; /* for irregular tokens; never grows after init */
};

/* About 160 KiB; false when memory is short. A scratch serves one vocabulary. */
bool cru_bpe_scratch_init(struct cru_bpe_scratch *scratch, const struct cru_bpe *bpe);
void cru_bpe_scratch_release(struct cru_bpe_scratch *scratch); /* zeroed is fine */

/* Writes the ids of the n >= 1 bytes at p, at most n, and returns how many. Faster for many short
 * pieces: bpe_batch.h; for long ones: bpe_stitch.h. */
size_t cru_bpe_piece(const struct cru_bpe *bpe, struct cru_bpe_scratch *scratch,
                     const unsigned char *p, size_t n, uint32_t *out);

/*
 * The same for bytes that more may follow: goes on as long as the choice at a place cannot depend on what
 * follows, and says in *stopped where that ends. `before` is the token in front of p, or CRU_NONE.
 * What it has written can still change: see bpe_stream.h. With `last` it is all there is.
 */
size_t cru_bpe_search(const struct cru_bpe *bpe, struct cru_bpe_scratch *scratch, uint32_t before,
                      const unsigned char *p, size_t n, bool last, uint32_t *out, size_t *stopped);

/*
 * Whether enc(ab) = [a, b], for tokens that are what their own bytes encode to. With a `whole` that is
 * not CRU_NONE, the result of the merge of a and b: by ranks, whether enc(ab) = [whole] and the last
 * merge is theirs; by merging, only the former. Keeps no answer.
 */
enum cru_border { CRU_BORDER_NO, CRU_BORDER_BY_RANKS, CRU_BORDER_BY_MERGING };
enum cru_border cru_bpe_border(const struct cru_bpe *bpe, struct cru_bpe_scratch *scratch,
                               uint32_t a, uint32_t b, uint32_t whole);

/* cru_bpe_border for two, from the memo if it is there. */
static inline bool cru_bpe_neighbourly(const struct cru_bpe *bpe, struct cru_bpe_scratch *scratch,
                                       uint32_t a, uint32_t b) {
    uint64_t pair = cru_pair(a, b);
    uint64_t *slot = &scratch->memo[pair * 0x9E3779B97F4A7C15u >> (64 - CRU_BPE_MEMO_BITS)];
    if (*slot >> 1 == pair) return *slot & 1;
    bool yes = cru_bpe_border(bpe, scratch, a, b, CRU_NONE) != CRU_BORDER_NO;
    *slot = pair << 1 | yes;
    return yes;
}

/* The longest token that some bytes begin with, its bytes, and how many bytes were looked at. (In a damaged
 * image `length` may differ from the node's.) */
struct cru_bpe_match {
    uint32_t token;
    size_t length, seen;
};

/* n >= 1. */
static inline struct cru_bpe_match cru_bpe_longest(const struct cru_bpe *bpe,
                                                   const unsigned char *p, size_t n) {
    struct cru_bpe_match match = {bpe->merges.byte_ids[p[0]], 1, n};
    if (n < 2) return match;
    uint64_t unit = bpe->roots[(uint32_t)p[0] << 8 | p[1]];
    size_t i = 2;
    for (;; i++) {
        uint32_t here = cru_unit_token(unit);
        match.length = here == CRU_UNIT_NO_TOKEN ? match.length : i;
        match.token = here == CRU_UNIT_NO_TOKEN ? match.token : here;
        if (i == n) return match;
        if (!cru_unit_may_have(unit, p[i])) break;
        unit = bpe->units[cru_unit_base(unit) ^ p[i]];
        if (cru_unit_label(unit) != p[i]) break;
    }
    match.seen = i + 1;
    return match;
}

/* The next shorter token that this one begins with, or CRU_NONE. (A damaged image might go in circles.) */
static inline uint32_t cru_bpe_shorter(const struct cru_bpe *bpe, uint32_t token) {
    uint32_t next = bpe->nodes[token].shorter;
    return next != CRU_NONE && bpe->nodes[next].bytes < bpe->nodes[token].bytes ? next : CRU_NONE;
}

#endif
