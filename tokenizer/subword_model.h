/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a piece to ids, by a vocabulary that is no byte-level BPE:
 *
 *   WordLevel   the piece is a token, or unknown
 *   WordPiece   the longest token that the rest of the piece begins with, again and again; the whole piece
 *               is unknown when that fails once (Wu et al. 2016, section 4.1; Devlin et al. 2019)
 *   Unigram     the tokens with the highest sum of scores (Kudo 2018; sentencepiece's EncodeOptimized):
 *               Viterbi's path, the first found among equals; characters without a token cost 10 more than
 *               the worst token
 *   BPE         merges by rank over characters, not bytes (Sennrich, Haddow, Birch 2016)
 *
 * All agree with Hugging Face tokenizers 0.23.3 id for id. A model is built by one thread and then read by
 * any; scratch is one thread's. Time a piece: WordPiece and Unigram its bytes times the longest token's (at
 * most CRU_TOKEN_BYTES_MOST), BPE n log n. Errors: CRU_BAD for a character that the vocabulary neither has
 * nor has an unknown token for, CRU_FATAL for memory, CRU_USAGE while building.
 */
#ifndef CRU_TOKENIZER_SUBWORD_MODEL_H
#define CRU_TOKENIZER_SUBWORD_MODEL_H

#include "crucible/base/error.h"
#include "tokenizer/token_trie.h"
#include "tokenizer/tokenizer.h"
#include <stdbool.h>
#include <stdint.h>

enum cru_model_kind { CRU_MODEL_WORDLEVEL, CRU_MODEL_WORDPIECE, CRU_MODEL_UNIGRAM, CRU_MODEL_BPE };

enum { CRU_TOKEN_BYTES_MOST = 4096 };

struct cru_merge_rule {
    uint64_t pair; /* left << 32 | right */
    uint32_t rank, made;
};
struct cru_subword_model { /* zeroed: WordLevel without tokens and CRU_NO_TOKEN not set */
    enum cru_model_kind kind;
    struct cru_token_trie trie;
    uint32_t unknown; /* CRU_NO_TOKEN: none */
    uint32_t n_ids;   /* one more than the largest id */
    /* WordPiece */
    uint32_t inner; /* where tokens for the inside of a word begin in the trie, or CRU_TRIE_NONE */
    uint64_t longest_word; /* characters; a longer one is unknown */
    /* Unigram and BPE */
    bool byte_fallback;
    uint32_t byte_ids[256]; /* of "<0x00>" and so on; CRU_NO_TOKEN: not there */
    /* Unigram */
    double *scores, unknown_score; /* by id */
    /* BPE */
    struct cru_merge_rule *merges; /* 2^merge_bits, by hash; made CRU_NO_TOKEN: empty */
    unsigned merge_bits;
    size_t n_merges;
    bool fuse_unknown, ignore_merges;
    bool
        marks_begin; /* no token has U+2581 behind another character, so that no merge goes across */
};

/* Prepares what the tokens imply; behind the last token and merge. `prefix`: of WordPiece tokens inside
 * a word. */
enum cru_status cru_subword_model_finish(struct cru_subword_model *model, struct cru_span prefix,
                                         struct cru_error *err);
/* The next merge; its parts and what they make must be tokens. */
enum cru_status cru_subword_model_merge(struct cru_subword_model *model, uint32_t rank,
                                        struct cru_span left, struct cru_span right,
                                        struct cru_error *err);
void cru_subword_model_release(struct cru_subword_model *model);

/*
 *   best   [ - ][ 1: score, from 0 ][ - ][ 3: from 1 ]    Unigram: by byte position, the best path to it
 *   nodes  id, prev, next by symbol; merged away: id CRU_NO_TOKEN     BPE, with a heap of rank << 32 | symbol
 */
struct cru_best_path {
    double score;
    uint32_t from, id; /* from: UINT32_MAX when no path ends here */
};
struct cru_symbol {
    uint32_t id, prev, next;
};
struct cru_queued {
    uint64_t key;
    uint32_t made;
};
struct cru_model_scratch { /* zeroed: empty */
    struct cru_best_path *best;
    size_t best_capacity;
    struct cru_symbol *symbols;
    struct cru_queued *heap;
    size_t symbols_capacity;
};
void cru_model_scratch_release(struct cru_model_scratch *scratch);
void cru_model_scratch_trim(struct cru_model_scratch *scratch);

/* Appends the ids of a piece: valid UTF-8, not empty, under 2^31 bytes. */
enum cru_status cru_subword_model_encode(const struct cru_subword_model *model,
                                         struct cru_model_scratch *scratch, struct cru_span piece,
                                         struct cru_ids *ids, struct cru_error *err);

/* One kind each, for cru_subword_model_encode. */
enum cru_status cru_unigram_encode(const struct cru_subword_model *model,
                                   struct cru_model_scratch *scratch, struct cru_span piece,
                                   struct cru_ids *ids, struct cru_error *err);
enum cru_status cru_char_bpe_encode(const struct cru_subword_model *model,
                                    struct cru_model_scratch *scratch, struct cru_span piece,
                                    struct cru_ids *ids, struct cru_error *err);
/* The status for a character without a token. */
enum cru_status cru_subword_no_unknown(struct cru_error *err);

#endif
