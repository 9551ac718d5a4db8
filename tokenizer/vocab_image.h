/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A compiled vocabulary: everything encoding needs, laid out so that a file can be mapped and used as
 * it is. Numbers are in the byte order of the machine that compiled it; another order is refused.
 *
 *   +----------------+ 0
 *   | header         |   magic, version, constants, counts, checksum, where the sections are
 *   +----------------+ each section at a multiple of 64
 *   | OFFSETS  u32   |   [n_ids + 1] id -> its bytes in TEXT
 *   | TEXT     bytes |   the bytes of every id, one after the other
 *   | BYTE_IDS u32   |   [256] byte -> id
 *   | MERGED   u32   |   [n_merges] rank -> the id that the merge makes
 *   | BYTE_PAIR u32  |   [65536] first * 256 + second byte -> rank, or NONE
 *   | PAIRS    u64   |   [2^pair_bits] merges by the tokens they join (pair_table.h)
 *   | WORDS    u32   |   [2^word_bits] open addressing on cru_piece_hash: tag 12 | id 20 of every
 *   |                |   token, all ones: free; only with CRU_VOCAB_IGNORE_MERGES
 *   | ADDED          |   [n_added] id, flags; content is the id's text
 *   | JOINS    bits  |   which neighbouring characters occur inside one token (join_rules.h);
 *   |                |   only without CRU_VOCAB_IGNORE_MERGES
 *   | STEPS          |   the pre-tokeniser's steps (split_steps.h), for CRU_PATTERN_STEPS
 *   | NODES          |   [n_ids] how each token is made, and its next shorter beginning
 *   | CHARS    u32   |   [65536] code point of a character of three bytes -> token 20 | its row
 *   |                |   of HALVES 12; all ones: merges of it begin with its bytes (bpe_chars.h)
 *   | HALVES         |   [CRU_CHAR_HALVES] where a token may begin or end within a character
 *   | ROOTS    u64   |   [65536] first * 256 + second byte -> unit: the trie's first two levels
 *   | UNITS    u64   |   [n_units] the rest of the trie, a double array
 *   +----------------+ file_bytes
 *
 * The checksum is XXH3-64 of the whole file with the checksum field zero. Loading checks it, and then
 * every number that could lead out of the file, so that a hostile file is an error and no more.
 */
#ifndef CRU_TOKENIZER_VOCAB_IMAGE_H
#define CRU_TOKENIZER_VOCAB_IMAGE_H

#include "crucible/base/hash.h"
#include "crucible/base/span.h"
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define CRU_VOCAB_MAGIC "CRUVOCAB"
#define CRU_NONE UINT32_MAX

enum {
    CRU_VOCAB_VERSION = 8,
    CRU_VOCAB_ORDER = 0x01020304,
    CRU_ID_BITS = 20,
    CRU_RANK_BITS = 24,
    CRU_MAX_IDS = (1 << CRU_ID_BITS) - 1,      /* one less than fit: all ones is a free slot */
    CRU_MAX_MERGES = (1 << CRU_RANK_BITS) - 2, /* rank + 1 of all ones is for irregular tokens */
    CRU_MAX_ADDED = 16384,
    CRU_VOCAB_NAME = 32,
    CRU_MAX_TOKEN = 4096, /* bytes of what merges make */
};

enum cru_pattern {
    CRU_PATTERN_QWEN2 = 1, /* Qwen2, Qwen3 (digits 1), Llama 3 and cl100k (digits 3) */
    CRU_PATTERN_GPT2 = 2,
    CRU_PATTERN_O200K = 3,  /* GPT-4o, gpt-oss, Llama 4 (digits 3) */
    CRU_PATTERN_TEKKEN = 4, /* Mistral's: O200K without contractions (digits 1) */
    CRU_PATTERN_STEPS = 5,  /* any other, as section STEPS says */
};

enum { CRU_VOCAB_NFC = 1, CRU_VOCAB_IGNORE_MERGES = 2 };

enum cru_vocab_section_name {
    CRU_SECTION_OFFSETS,
    CRU_SECTION_TEXT,
    CRU_SECTION_BYTE_IDS,
    CRU_SECTION_MERGED,
    CRU_SECTION_BYTE_PAIR,
    CRU_SECTION_PAIRS,
    CRU_SECTION_WORDS,
    CRU_SECTION_ADDED,
    CRU_SECTION_JOINS,
    CRU_SECTION_STEPS,
    CRU_SECTION_NODES,
    CRU_SECTION_CHARS,
    CRU_SECTION_HALVES,
    CRU_SECTION_ROOTS,
    CRU_SECTION_UNITS, /* stays last: how long it is, is known last */
    CRU_SECTIONS
};

struct cru_vocab_section {
    uint64_t offset, bytes;
};

struct cru_vocab_header {
    char magic[8];
    uint32_t version, order;
    uint64_t file_bytes, checksum, content_hash;
    uint32_t n_ids, n_merges, n_added, pattern, digits, flags;
    uint32_t pair_bits, word_bits, n_units, irregular; /* irregular: 1 if there are such NODES */
    char name[CRU_VOCAB_NAME];                         /* NUL-terminated */
    struct cru_vocab_section section[CRU_SECTIONS];
};

enum {
    CRU_ADDED_SPECIAL = 1,
    CRU_ADDED_NORMALIZED = 2, /* found in the normal form of the text between the others */
    CRU_ADDED_LSTRIP = 4,     /* takes the white space before it along */
    CRU_ADDED_RSTRIP = 8,     /* and what is behind it */
};
struct cru_vocab_added {
    uint32_t id, flags;
};

/*
 * How a token is made by its last merge. Only tokens that are what their own bytes encode to have a
 * node; bytes is 0 in the others.
 *   split     left 20 | right 20 | rank + 1, 24; of a single byte: the byte, 0, 0. In an irregular token,
 *             one with a part made by a later merge than itself, all ones
 *   as_left   bit cru_partner_bit(y) for every merge (this, y); as_right: of every merge (y, this)
 *   shorter   the longest token that this one properly begins with, or CRU_NONE
 */
struct cru_bpe_node {
    uint64_t split, as_left, as_right;
    uint32_t shorter, bytes;
};

/*
 * Which neighbours of a character of three bytes a token may reach over to without having both whole:
 *   before   bit b: those before it whose last byte is 0x80 + b
 *   after    bit b: those behind it whose second byte is 0x80 + b
 */
enum { CRU_CHAR_HALVES = 1 << 12 }; /* the first: none at all, as nearly all characters have it */
struct cru_char_halves {
    uint64_t before, after;
};

#define CRU_SPLIT_KEY_MASK ((1u << CRU_RANK_BITS) - 1)
#define CRU_ID_MASK ((1u << CRU_ID_BITS) - 1)

static inline uint64_t cru_partner_bit(uint32_t id) {
    return (uint64_t)1 << (id * 0x9E3779B1u >> 26);
}

/*
 * A node of the trie: where it stands says its last byte, given its parent:
 *   unit    children 11 | token 20 or all ones | base 24 | label 9
 *   child of u by byte c:  v = units[base(u) ^ c], if label(v) = c; an unused place has label 256
 * No two nodes with children have one base, so a label that fits is a child. Base 0 is for nodes
 * without children: the first 256 units are unused. `children` has bit c % 11 set for every child: most
 * walks end at a node without the child they look for, and need not read a place far away to know.
 */
enum { CRU_UNIT_NO_TOKEN = (1 << CRU_ID_BITS) - 1, CRU_UNIT_UNUSED = 256, CRU_UNIT_BITS = 24 };
static inline uint32_t cru_unit_label(uint64_t unit) {
    return unit & 511;
}
static inline uint32_t cru_unit_base(uint64_t unit) {
    return unit >> 9 & ((1u << CRU_UNIT_BITS) - 1);
}
static inline uint64_t cru_unit_child(unsigned char c) {
    return (uint64_t)1 << (53 + c % 11);
}
/* False when the node has no child by c. */
static inline bool cru_unit_may_have(uint64_t unit, unsigned char c) {
    return unit & cru_unit_child(c);
}
static inline uint32_t cru_unit_token(uint64_t unit) {
    return unit >> 33 & CRU_ID_MASK;
}
static inline uint64_t cru_unit(uint32_t label, uint32_t base, uint32_t token) {
    return (uint64_t)token << 33 | (uint64_t)base << 9 | label;
}

/* A piece of up to 15 bytes as two words: its bytes, zeros, and its length in the last byte. */
struct cru_piece_key {
    uint64_t low, high;
};

static inline struct cru_piece_key cru_piece_key(const unsigned char *p, size_t n) {
    unsigned char bytes[16] = {0};
    struct cru_piece_key key;
    memcpy(bytes, p, n);
    bytes[15] = (unsigned char)n;
    memcpy(&key, bytes, 16);
    return key;
}

static inline uint64_t cru_key_hash(struct cru_piece_key key) {
    __extension__ typedef unsigned __int128 wide;
    wide m = (wide)(key.low ^ 0x9E3779B97F4A7C15u) * (key.high ^ 0xD1B54A32D192ED03u);
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static inline uint64_t cru_piece_hash(const unsigned char *p, size_t n) {
    return n <= 15 ? cru_key_hash(cru_piece_key(p, n)) : cru_hash64(p, n, 0);
}

#endif
