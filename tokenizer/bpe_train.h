/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Training a byte-level BPE: from how often pieces occur to merges (Gage 1994; Sennrich, Haddow,
 * Birch 2016). Again and again the most frequent pair of neighbours becomes a token; of equally
 * frequent pairs the one whose ids are smallest, left before right. That is the order of Hugging
 * Face tokenizers' BpeTrainer, and so are the ids, so that on the same texts the merges are the
 * same.
 *
 * The result depends on the counts alone. A vocabulary owns its memory; one thread at a time.
 */
#ifndef CRU_TOKENIZER_BPE_TRAIN_H
#define CRU_TOKENIZER_BPE_TRAIN_H

#include "crucible/base/buffer.h"
#include "crucible/base/error.h"
#include "crucible/base/spill.h"
#include "tokenizer/piece_counts.h"

struct cru_bpe_merge {
    uint32_t left, right; /* merge k makes id 256 + k */
};

/* Ids 0..255 are the bytes, in the order of the characters that stand for them in a tokenizer.json
 * (GPT-2's: 33-126, 161-172, 174-255, then the others); behind them, what each merge makes. */
struct cru_bpe_vocab {
    struct cru_bpe_merge *merges;
    uint32_t n_merges;
    struct cru_buffer text; /* the bytes of id i: text.p[offsets[i]] .. text.p[offsets[i + 1]] */
    size_t *offsets;        /* [257 + n_merges] */
    /* What it was trained on, and how many tokens it makes of that. */
    uint64_t pieces, distinct, bytes, tokens;
    uint64_t last_count; /* of the last merge's pair when it was made; 0 without merges */
};

struct cru_bpe_train_params {
    uint32_t n_merges;             /* as many as there are, at most this */
    uint64_t min_count;            /* a pair seen less often is never merged; at least 1 */
    uint32_t max_bytes;            /* no merge makes a longer token */
    size_t threads;                /* at least 1; the result does not depend on it */
    const struct cru_span *barred; /* [n_barred] byte strings that no merge may make */
    size_t n_barred;
    struct cru_budget *budget; /* of the index; pairs of tokens are in ordinary memory besides */
};

/* Takes what the counters hold; they are then only good for _totals and _free. CRU_FATAL for memory
 * and temporary files. Release the vocabulary whatever the answer. */
enum cru_status cru_bpe_train(struct cru_piece_counter *const *counters, size_t n_counters,
                              const struct cru_bpe_train_params *params,
                              struct cru_bpe_vocab *vocab, struct cru_error *err);
void cru_bpe_vocab_release(struct cru_bpe_vocab *vocab);

struct cru_span cru_bpe_vocab_token(const struct cru_bpe_vocab *vocab, uint32_t id);

/* GPT-2's characters: the code point that stands for a byte in a tokenizer.json, and back; -1 when
 * it stands for none. */
uint32_t cru_byte_character(uint8_t byte);
int cru_character_byte(uint32_t character);

#endif
