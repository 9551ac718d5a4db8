/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of a .crs file and of vocab.used, as FORMAT.md specifies them; private to this room.
 * Files are little endian and so are the machines we run on, so these structs are the layout.
 *
 *     0        4096                                                            file_bytes
 *     | header | tokens ... 0 | index: 64 bytes a document | sources 0 | block sums |
 *              |<------------ body: one XXH3-64 a MiB -------------->|
 *     header.checksum covers the header, which holds the sum of the sums: it names every byte.
 */
#ifndef CRU_SHARDS_SHARD_FORMAT_H
#define CRU_SHARDS_SHARD_FORMAT_H

#include "crucible/base/error.h"
#include "crucible/base/span.h"
#include <stdbool.h>
#include <stdint.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "shards are mapped as they are, which needs a little-endian machine"
#endif

#define CRU_CRS_MAGIC                                                                              \
    "\x89"                                                                                         \
    "CRS\r\n\x1a\n" /* as PNG's: breaks visibly when sent as text */
#define CRU_CRS_UNFINISHED "CRS-PART"
#define CRU_CRS_VERSION 1u
#define CRU_CRS_HEADER_BYTES 4096u
#define CRU_CRS_BLOCK_BYTES (UINT64_C(1) << 20)
#define CRU_CRS_SANITY_INT UINT64_C(0x0102030405060708)
#define CRU_CRS_SANITY_REAL (-118.625) /* exact in both float formats */

struct cru_crs_header {
    unsigned char magic[8];
    uint32_t version;
    uint32_t header_bytes;
    uint64_t sanity_int;
    double sanity_double;
    float sanity_float;
    uint32_t token_width;
    uint64_t tokenizer_hash;
    char tokenizer_name[64];
    uint32_t vocab_size, bag, pad_id, end_id;
    uint64_t n_tokens, n_padding, n_docs, text_bytes;
    uint64_t tokens_offset, index_offset, source_offset, source_bytes;
    uint32_t n_sources, entry_bytes;
    uint64_t sums_offset, n_blocks, block_bytes;
    uint64_t sums_checksum;
    uint64_t file_bytes;
    unsigned char zero[3848];
    uint64_t checksum; /* XXH3-64, seed 0, of the 4,088 bytes before it */
};

struct cru_crs_entry {
    uint64_t offset, length, text_bytes;
    uint64_t id_low, id_high;
    uint32_t source;
    float weight;
    uint8_t bin;
    uint8_t zero[15];
};

struct cru_crs_source {
    uint32_t start, length; /* in the name bytes behind the table */
};

#define CRU_USED_MAGIC                                                                             \
    "\x89"                                                                                         \
    "CVU\r\n\x1a\n"
#define CRU_USED_VERSION 1u
#define CRU_USED_BYTES_KNOWN 1u /* flag: lengths were given */

struct cru_used_header {
    unsigned char magic[8];
    uint32_t version, flags;
    uint64_t tokenizer_hash;
    uint32_t vocab_size, pad_id, end_id, n;
    uint64_t total;
    unsigned char zero[16];
};

_Static_assert(sizeof(struct cru_crs_header) == CRU_CRS_HEADER_BYTES, "header layout");
_Static_assert(sizeof(struct cru_crs_entry) == 64, "index layout");
_Static_assert(sizeof(struct cru_crs_source) == 8, "source layout");
_Static_assert(sizeof(struct cru_used_header) == 64, "vocabulary slice layout");

/* Sets the fields that follow from the others: widths, offsets, counts of blocks and bytes. False
 * when the file would not fit 2^60 bytes. Needs n_tokens, n_docs, n_sources, source_bytes and
 * token_width. */
bool cru_crs_layout(struct cru_crs_header *header);

/* Whether the bytes are valid UTF-8 (no surrogates, no overlong forms, up to U+10FFFF). */
bool cru_crs_utf8(struct cru_span s);

static inline uint64_t cru_crs_round_up(uint64_t x, uint64_t multiple) {
    uint64_t rest = x % multiple;
    return rest ? x + (multiple - rest) : x;
}

/* "DIR/NAME", to be freed; NULL when memory is short. */
char *cru_crs_path(const char *dir, const char *name);

#endif
