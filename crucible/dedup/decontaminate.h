/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Overlap with evaluation texts, by n-grams of normalised words (crucible/dedup/fold.h).
 *
 * A document overlaps when it holds n consecutive words (13 by default) that stand in an evaluation
 * text. An evaluation text shorter than n words but of at least CRU_DECONTAMINATE_WHOLE (or n, if
 * less) is looked for as a whole; a shorter one is not looked for, and counted. 13 and 8 are the
 * bounds of Brown et al. 2020 (arXiv 2005.14165), appendix C.
 *
 *   words   [w w w w | w w w w w w | w w ...]      64-bit hashes of all evaluation texts, in order
 *   texts   [first 0, 4 words, file, record] ...   who owns which words
 *   slots   hash of n words -> where they start    open addressing, 75 % full at most
 *   filter  one bit in 16 a gram                   most words of a clean document end here
 *
 * A found hash is checked word by word against the text it came from. Memory: 8 bytes an evaluation
 * word, 21 to 43 bytes a gram in slots, 2 to 4 bytes in the filter; words, texts and slots spill
 * past the budget. Built by one thread; after cru_decontaminate_build any thread may match.
 */
#ifndef CRU_DEDUP_DECONTAMINATE_H
#define CRU_DEDUP_DECONTAMINATE_H

#include "crucible/base/spill.h"
#include "crucible/dedup/fold.h"
#include "crucible/doc/document.h"

enum { CRU_DECONTAMINATE_NGRAM_MAX = 64, CRU_DECONTAMINATE_WHOLE = 8 };

struct cru_evaluation_file {
    char *name; /* owned */
    uint64_t texts, too_short;
};

struct cru_decontaminate {
    const struct cru_fold *fold;
    size_t ngram, whole; /* words; texts below `whole` words are not looked for */
    struct cru_spill_array words, texts, slots;
    uint64_t *filter;
    uint64_t filter_mask;                            /* bits - 1 */
    size_t lengths[CRU_DECONTAMINATE_NGRAM_MAX + 1]; /* gram lengths in use, longest first */
    uint64_t powers[CRU_DECONTAMINATE_NGRAM_MAX + 1];
    size_t n_lengths;
    struct cru_evaluation_file *files;
    size_t n_files;
};

void cru_decontaminate_init(struct cru_decontaminate *d, const struct cru_fold *fold, size_t ngram,
                            struct cru_budget *budget);
void cru_decontaminate_release(struct cru_decontaminate *d);
/* Names the file that the following texts come from. */
enum cru_status cru_decontaminate_file(struct cru_decontaminate *d, const char *name,
                                       struct cru_error *err);
/* Adds one text of the latest file; `record` is its line or place in it, from 1. */
enum cru_status cru_decontaminate_text(struct cru_decontaminate *d, struct cru_span text,
                                       uint64_t record, struct cru_error *err);
/* Ends adding. CRU_FATAL when there is nothing to look for. */
enum cru_status cru_decontaminate_build(struct cru_decontaminate *d, struct cru_error *err);

struct cru_overlap_run { /* words and bytes of a document, merged where they touch */
    uint64_t first_word, end_word;
    size_t begin, end;
};

struct cru_overlap {
    uint64_t hits;           /* places of the document where a gram was found */
    uint64_t words, covered; /* of the document; in runs */
    const char *file;        /* where the first one comes from; NULL without hits */
    uint64_t record;
    struct cru_overlap_run *runs; /* in order */
    size_t n_runs, cap_runs;
};

/* Room for matching; in the batch's arena. NULL when memory is short. */
struct cru_overlap_work;
struct cru_overlap_work *cru_overlap_work_new(struct cru_arena *arena);
/* Finds all overlaps of a text; runs go into the arena. CRU_FATAL only when memory is short. */
enum cru_status cru_decontaminate_match(const struct cru_decontaminate *d,
                                        struct cru_overlap_work *work, struct cru_span text,
                                        struct cru_arena *arena, struct cru_overlap *overlap,
                                        struct cru_error *err);
/* The text without each line that a run touches; .p is NULL when memory is short. */
struct cru_span cru_decontaminate_cut(struct cru_span text, const struct cru_overlap *overlap,
                                      struct cru_arena *arena);

#endif
