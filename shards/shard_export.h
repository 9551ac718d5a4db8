/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shards into the files that other trainers read. Documents keep their order and their end ids;
 * padding is dropped, except by npy, which writes the token arrays as they are. Memory does not
 * grow with the set. One thread; errors: CRU_USAGE (no such format), CRU_FATAL (I/O, a damaged set,
 * or something the format cannot hold); files that were finished by then stay, and an export into the same
 * directory writes them anew. A directory with files of a larger export is refused (CRU_USAGE):
 * who reads all of them would read both.
 *
 *     llmc       tokens_NNNNNN.bin: 256 x i32 {magic, version, tokens}, u16 or u32 tokens
 *                (karpathy/llm.c dev/data/data_common.py); a file holds less than 2^31 tokens
 *     megatron   tokens.bin, tokens.idx (NVIDIA/Megatron-LM
 * megatron/core/datasets/indexed_dataset.py); u16 below 65,500 ids, else i32 datatrove
 * NNNNN_unshuffled.ds, .ds.index, .ds.metadata (huggingface/datatrove
 * src/datatrove/pipeline/tokens/tokenizer.py) npy        NNNNN.npy: <u2 or <u4, one dimension
 * (NumPy's NEP 1, version 1.0)
 */
#ifndef CRU_SHARDS_SHARD_EXPORT_H
#define CRU_SHARDS_SHARD_EXPORT_H

#include "crucible/base/error.h"
#include "shards/shard_file.h"
#include <stdint.h>

#define CRU_SHARD_EXPORT_FORMATS "megatron|llmc|datatrove|npy"

struct cru_shard_export_totals {
    uint64_t files, documents, tokens; /* written */
};

/* Makes `out` when missing. */
enum cru_status cru_shard_export(const struct cru_shard_set *set, const char *format,
                                 const char *out, struct cru_shard_export_totals *totals,
                                 struct cru_error *err);

#endif
