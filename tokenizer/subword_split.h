/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pre-tokenisers in front of WordPiece, Unigram and BPE over characters: each cuts every piece of the
 * one before.
 *
 *   text         "it's 3 €"                            one stretch between added tokens, in normal form
 *   Bert         [it]['][s] [3] [€]                    white space is dropped
 *   Metaspace    [▁it]['..                             writes a new text: the others only move borders
 *
 * A plan is made by one thread and read by any; struct cru_cut_scratch is one thread's. Pieces are never
 * empty. Errors: CRU_USAGE for a step that is not supported, CRU_BAD for a text beyond the limits of a
 * pattern, CRU_FATAL for memory.
 */
#ifndef CRU_TOKENIZER_SUBWORD_SPLIT_H
#define CRU_TOKENIZER_SUBWORD_SPLIT_H

#include "crucible/base/buffer.h"
#include "tokenizer/split_steps.h"
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum cru_cut_kind {
    CRU_CUT_BERT,      /* white space dropped, punctuation alone */
    CRU_CUT_WORDS,     /* \w+|[^\w\s]+ */
    CRU_CUT_BLANKS,    /* white space dropped */
    CRU_CUT_METASPACE, /* spaces become a mark, which begins a piece */
    CRU_CUT_STEPS,     /* Digits, Punctuation and Split, as split_steps.h does them */
};
enum cru_cut_prepend { CRU_PREPEND_ALWAYS, CRU_PREPEND_FIRST, CRU_PREPEND_NEVER };

struct cru_cut {
    enum cru_cut_kind kind;
    char mark[5]; /* METASPACE: what stands for a space */
    enum cru_cut_prepend prepend;
    bool split;
    struct cru_split_plan steps;
};
enum { CRU_CUTS_MOST = 16 };
struct cru_cut_plan { /* zeroed: none, and a stretch is one piece */
    struct cru_cut *cuts;
    size_t n;
    struct cru_classes classes;
};
/* The next cut, to be filled in by the caller; NULL with the reason when there is no room for it. */
struct cru_cut *cru_cut_plan_add(struct cru_cut_plan *plan, enum cru_cut_kind kind,
                                 struct cru_error *err);
void cru_cut_plan_release(struct cru_cut_plan *plan);

struct cru_piece_border {
    uint32_t begin, end;
};
struct cru_borders {
    struct cru_piece_border *p;
    size_t n, capacity;
};
struct cru_cut_scratch {
    struct cru_borders pieces, others; /* pieces: the result */
    struct cru_buffer text;            /* what Metaspace wrote */
    struct cru_splitter *splitters;    /* one a cut; those of STEPS are in use */
    size_t n_splitters;
};
enum cru_status cru_cut_scratch_init(struct cru_cut_scratch *scratch,
                                     const struct cru_cut_plan *plan, struct cru_error *err);
void cru_cut_scratch_release(struct cru_cut_scratch *scratch);
void cru_cut_scratch_trim(struct cru_cut_scratch *scratch);

/* Cuts a stretch (valid UTF-8) into scratch->pieces, borders in *text, which is the stretch or what
 * was made of it. `first`: it begins the whole text. */
enum cru_status cru_cut_run(const struct cru_cut_plan *plan, struct cru_cut_scratch *scratch,
                            struct cru_span stretch, bool first, struct cru_span *text,
                            struct cru_error *err);

#ifdef __cplusplus
}
#endif
#endif
