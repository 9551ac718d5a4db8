/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/base/base.h"
#include "tokenizer/bpe_chars.h"
#include "tokenizer/bpe_tables.h"
#include "tokenizer/join_rules.h"
#include "tokenizer/split_steps.h"
#include "tokenizer/vocab_compile.h"
#include "tokenizer/vocab_image.h"

struct cru_vocab_draft {
    struct cru_arena arena;
    struct cru_span *tokens; /* [n_ids]; p == NULL: no such id */
    size_t n_ids, cap_ids;
    uint32_t *by_bytes; /* [2^bytes_bits] id + 1, by cru_piece_hash; tokens of the model only */
    uint32_t bytes_bits;
    size_t n_by_bytes;
    struct cru_merge_row *merges;
    size_t n_merges, cap_merges;
    struct cru_vocab_added *added;
    size_t n_added, cap_added;
    uint32_t pattern, digits, flags;
    struct cru_span steps;
};

struct cru_vocab_draft *cru_vocab_draft_new(void) {
    struct cru_vocab_draft *d = calloc(1, sizeof *d);
    if (!d) return NULL;
    cru_arena_init(&d->arena);
    d->bytes_bits = 12;
    d->by_bytes = calloc((size_t)1 << d->bytes_bits, sizeof *d->by_bytes);
    if (d->by_bytes) return d;
    free(d);
    return NULL;
}

void cru_vocab_draft_free(struct cru_vocab_draft *d) {
    if (!d) return;
    cru_arena_release(&d->arena);
    free(d->tokens);
    free(d->by_bytes);
    free(d->merges);
    free(d->added);
    free(d);
}

/* Makes room for one more in an array of n. */
static bool one_more(void **array, size_t n, size_t *capacity, size_t element) {
    if (n < *capacity) return true;
    size_t more = *capacity ? *capacity * 2 : 1024;
    void *p = realloc(*array, more * element);
    if (!p) return false;
    *array = p;
    *capacity = more;
    return true;
}

/* The slot of these bytes, or the free one where they would go. */
static size_t bytes_slot(const struct cru_vocab_draft *d, struct cru_span bytes) {
    size_t mask = ((size_t)1 << d->bytes_bits) - 1;
    size_t i = (size_t)cru_piece_hash((const unsigned char *)bytes.p, bytes.n) & mask;
    while (d->by_bytes[i] && !cru_span_eq(d->tokens[d->by_bytes[i] - 1], bytes)) i = (i + 1) & mask;
    return i;
}

static uint32_t find_bytes(const struct cru_vocab_draft *d, struct cru_span bytes) {
    uint32_t found = d->by_bytes[bytes_slot(d, bytes)];
    return found ? found - 1 : CRU_NONE;
}

static bool grow_by_bytes(struct cru_vocab_draft *d) {
    size_t old = (size_t)1 << d->bytes_bits;
    if ((d->n_by_bytes + 1) * 2 <= old) return true;
    uint32_t *from = d->by_bytes, *to = calloc(old * 2, sizeof *to);
    if (!to) return false;
    d->by_bytes = to;
    d->bytes_bits++;
    for (size_t i = 0; i < old; i++)
        if (from[i]) to[bytes_slot(d, d->tokens[from[i] - 1])] = from[i];
    free(from);
    return true;
}

/* Copies the bytes to tokens[id]. */
static enum cru_status set_token(struct cru_vocab_draft *d, uint32_t id, struct cru_span bytes,
                                 struct cru_error *err) {
    if (id >= CRU_MAX_IDS)
        return cru_fail(err, CRU_USAGE, "vocabulary: id %u: ids are below %u", id, CRU_MAX_IDS);
    while (d->n_ids <= id) {
        if (!one_more((void **)&d->tokens, d->n_ids, &d->cap_ids, sizeof *d->tokens))
            return cru_fail_memory(err, "vocabulary");
        d->tokens[d->n_ids++] = cru_span_make(NULL, 0);
    }
    d->tokens[id] = cru_arena_copy(&d->arena, bytes);
    return d->tokens[id].p ? CRU_OK : cru_fail_memory(err, "vocabulary");
}

enum cru_status cru_vocab_draft_token(struct cru_vocab_draft *d, uint32_t id, struct cru_span bytes,
                                      struct cru_error *err) {
    if (bytes.n == 0) return cru_fail(err, CRU_USAGE, "vocabulary: token %u is empty", id);
    if (id < d->n_ids && d->tokens[id].p)
        return cru_fail(err, CRU_USAGE, "vocabulary: id %u is given twice", id);
    if (find_bytes(d, bytes) != CRU_NONE)
        return cru_fail(err, CRU_USAGE, "vocabulary: token '%.*s' is given twice", (int)bytes.n,
                        bytes.p);
    enum cru_status status = set_token(d, id, bytes, err);
    if (status) return status;
    if (!grow_by_bytes(d)) return cru_fail_memory(err, "vocabulary");
    d->by_bytes[bytes_slot(d, bytes)] = id + 1;
    d->n_by_bytes++;
    return CRU_OK;
}

static enum cru_status add_merge(struct cru_vocab_draft *d, struct cru_merge_row row,
                                 struct cru_error *err) {
    if (d->n_merges >= CRU_MAX_MERGES)
        return cru_fail(err, CRU_USAGE, "vocabulary: more than %u merges", CRU_MAX_MERGES);
    if (!one_more((void **)&d->merges, d->n_merges, &d->cap_merges, sizeof *d->merges))
        return cru_fail_memory(err, "vocabulary");
    d->merges[d->n_merges++] = row;
    return CRU_OK;
}

enum cru_status cru_vocab_draft_merge(struct cru_vocab_draft *d, struct cru_span left,
                                      struct cru_span right, struct cru_error *err) {
    char joined[CRU_MAX_TOKEN];
    if (left.n + right.n > sizeof joined)
        return cru_fail(err, CRU_USAGE, "vocabulary: a merge of more than %zu bytes",
                        sizeof joined);
    memcpy(joined, left.p, left.n);
    memcpy(joined + left.n, right.p, right.n);
    struct cru_merge_row row = {find_bytes(d, left), find_bytes(d, right),
                                find_bytes(d, cru_span_make(joined, left.n + right.n))};
    if (row.left == CRU_NONE || row.right == CRU_NONE || row.made == CRU_NONE)
        return cru_fail(err, CRU_USAGE,
                        "vocabulary: merge %zu: its parts or its result are no tokens",
                        d->n_merges);
    return add_merge(d, row, err);
}

enum cru_status cru_vocab_draft_added(struct cru_vocab_draft *d, uint32_t id,
                                      struct cru_span content, uint32_t flags,
                                      struct cru_error *err) {
    if (content.n == 0) return cru_fail(err, CRU_USAGE, "vocabulary: added token %u is empty", id);
    if (d->n_added >= CRU_MAX_ADDED)
        return cru_fail(err, CRU_USAGE, "vocabulary: more than %d added tokens", CRU_MAX_ADDED);
    for (size_t i = 0; i < d->n_added; i++)
        if (d->added[i].id == id || cru_span_eq(d->tokens[d->added[i].id], content))
            return cru_fail(err, CRU_USAGE, "vocabulary: added token %u is given twice", id);
    if (id < d->n_ids && d->tokens[id].p) {
        if (!cru_span_eq(d->tokens[id], content))
            return cru_fail(err, CRU_USAGE,
                            "vocabulary: added token %u is another token of the model", id);
    } else {
        enum cru_status status = set_token(d, id, content, err);
        if (status) return status;
    }
    if (!one_more((void **)&d->added, d->n_added, &d->cap_added, sizeof *d->added))
        return cru_fail_memory(err, "vocabulary");
    d->added[d->n_added++] = (struct cru_vocab_added){id, flags};
    return CRU_OK;
}

void cru_vocab_draft_rules(struct cru_vocab_draft *d, uint32_t pattern, uint32_t digits,
                           uint32_t flags) {
    d->pattern = pattern;
    d->digits = digits;
    d->flags = flags;
}

enum cru_status cru_vocab_draft_steps(struct cru_vocab_draft *d, struct cru_span steps,
                                      struct cru_error *err) {
    d->steps = steps.n ? cru_arena_copy(&d->arena, steps) : steps;
    return steps.n && !d->steps.p ? cru_fail_memory(err, "vocabulary") : CRU_OK;
}

/* ------------------------------------------------------------------------------ the image */

static void hash_u32(struct cru_hasher *h, uint32_t v) {
    unsigned char b[4] = {(unsigned char)v, (unsigned char)(v >> 8), (unsigned char)(v >> 16),
                          (unsigned char)(v >> 24)};
    cru_hasher_add(h, b, 4);
}

static void hash_steps(struct cru_hasher *h, struct cru_span steps) {
    for (struct cru_split_step s; steps.n >= sizeof s;) {
        memcpy(&s, steps.p, sizeof s);
        size_t bytes = sizeof s + ((size_t)s.bytes + 3) / 4 * 4;
        hash_u32(h, s.kind);
        hash_u32(h, s.behavior);
        hash_u32(h, s.digits);
        hash_u32(h, s.bytes);
        if (s.bytes) cru_hasher_add(h, steps.p + sizeof s, s.bytes);
        steps = cru_span_make(steps.p + bytes, steps.n - bytes);
    }
}

/* XXH3-64 of: counts and rules, every id's length and bytes, every merge's parts, every added token, the
 * steps, all numbers as little-endian u32. */
static bool content_hash(const struct cru_vocab_draft *d, uint64_t *hash) {
    struct cru_hasher *h = cru_hasher_new();
    if (!h) return false;
    const uint32_t head[] = {(uint32_t)d->n_ids,
                             (uint32_t)d->n_merges,
                             (uint32_t)d->n_added,
                             d->pattern,
                             d->digits,
                             d->flags};
    for (size_t i = 0; i < sizeof head / sizeof *head; i++) hash_u32(h, head[i]);
    for (size_t i = 0; i < d->n_ids; i++) {
        hash_u32(h, (uint32_t)d->tokens[i].n);
        if (d->tokens[i].n) cru_hasher_add(h, d->tokens[i].p, d->tokens[i].n);
    }
    for (size_t i = 0; i < d->n_merges; i++) {
        hash_u32(h, d->merges[i].left);
        hash_u32(h, d->merges[i].right);
    }
    for (size_t i = 0; i < d->n_added; i++) {
        hash_u32(h, d->added[i].id);
        hash_u32(h, d->added[i].flags);
    }
    hash_steps(h, d->steps);
    *hash = cru_hasher_digest(h);
    cru_hasher_free(h);
    return true;
}

/* The smallest power of two of at least twice n: searches that find nothing stay short. */
static uint32_t table_bits(size_t n) {
    uint32_t bits = 4;
    while (((size_t)1 << bits) < n * 2) bits++;
    return bits;
}

static struct cru_vocab_header layout(const struct cru_vocab_draft *d, size_t text_bytes) {
    struct cru_vocab_header h = {.version = CRU_VOCAB_VERSION, .order = CRU_VOCAB_ORDER};
    memcpy(h.magic, CRU_VOCAB_MAGIC, 8);
    h.n_ids = (uint32_t)d->n_ids;
    h.n_merges = (uint32_t)d->n_merges;
    h.n_added = (uint32_t)d->n_added;
    h.pattern = d->pattern;
    h.digits = d->digits;
    h.flags = d->flags;
    /* Nearly all that is looked for is there (as_left), and a table that fits the cache is quicker. */
    h.pair_bits = cru_pair_bits(d->n_merges);
    bool whole_words = d->flags & CRU_VOCAB_IGNORE_MERGES;
    h.word_bits = whole_words ? table_bits(d->n_ids) : 0;
    const uint64_t bytes[CRU_SECTIONS] = {
        [CRU_SECTION_OFFSETS] = (d->n_ids + 1) * 4,
        [CRU_SECTION_TEXT] = text_bytes,
        [CRU_SECTION_BYTE_IDS] = 256 * 4,
        [CRU_SECTION_MERGED] = d->n_merges * 4,
        [CRU_SECTION_BYTE_PAIR] = 65536 * 4,
        [CRU_SECTION_PAIRS] = (uint64_t)8 << h.pair_bits,
        [CRU_SECTION_WORDS] = whole_words ? (uint64_t)4 << h.word_bits : 0,
        [CRU_SECTION_ADDED] = d->n_added * sizeof(struct cru_vocab_added),
        [CRU_SECTION_JOINS] = whole_words ? 0 : sizeof(struct cru_joins),
        [CRU_SECTION_STEPS] = d->steps.n,
        [CRU_SECTION_NODES] = d->n_ids * sizeof(struct cru_bpe_node),
        [CRU_SECTION_CHARS] = 65536 * 4,
        [CRU_SECTION_HALVES] = CRU_CHAR_HALVES * sizeof(struct cru_char_halves),
        [CRU_SECTION_ROOTS] = 65536 * 8,
        [CRU_SECTION_UNITS] = 0, /* known last, see append_trie */
    };
    uint64_t at = sizeof h;
    for (size_t i = 0; i < CRU_SECTIONS; i++) {
        at = (at + 63) & ~(uint64_t)63;
        h.section[i] = (struct cru_vocab_section){at, bytes[i]};
        at += bytes[i];
    }
    h.file_bytes = at;
    return h;
}

static void *section(const struct cru_vocab_header *h, unsigned char *image, size_t i) {
    return image + h->section[i].offset;
}

static enum cru_status fill_tables(const struct cru_vocab_draft *d,
                                   const struct cru_vocab_header *h, unsigned char *image,
                                   struct cru_error *err) {
    uint32_t *offsets = section(h, image, CRU_SECTION_OFFSETS);
    char *text = section(h, image, CRU_SECTION_TEXT);
    uint32_t at = 0;
    for (size_t i = 0; i < d->n_ids; i++) {
        offsets[i] = at;
        if (d->tokens[i].n) memcpy(text + at, d->tokens[i].p, d->tokens[i].n);
        at += (uint32_t)d->tokens[i].n;
    }
    offsets[d->n_ids] = at;
    uint32_t *byte_ids = section(h, image, CRU_SECTION_BYTE_IDS);
    for (unsigned b = 0; b < 256; b++) {
        char c = (char)b;
        byte_ids[b] = find_bytes(d, cru_span_make(&c, 1));
        if (byte_ids[b] == CRU_NONE)
            return cru_fail(err, CRU_USAGE,
                            "vocabulary: no token for byte 0x%02X: not a byte-level vocabulary", b);
    }
    uint32_t *merged = section(h, image, CRU_SECTION_MERGED);
    uint32_t *byte_pair = section(h, image, CRU_SECTION_BYTE_PAIR);
    uint64_t *pairs = section(h, image, CRU_SECTION_PAIRS);
    memset(byte_pair, 0xFF, h->section[CRU_SECTION_BYTE_PAIR].bytes);
    cru_pairs_clear(pairs, h->pair_bits);
    for (size_t i = 0; i < d->n_merges; i++) {
        struct cru_merge_row row = d->merges[i];
        if (cru_pair_find(pairs, h->pair_bits, row.left, row.right) != CRU_NONE)
            return cru_fail(err, CRU_USAGE, "vocabulary: merge %zu is given twice", i);
        cru_pairs_add(pairs, h->pair_bits, cru_pair(row.left, row.right), (uint32_t)i);
        merged[i] = row.made;
        struct cru_span l = d->tokens[row.left], r = d->tokens[row.right];
        if (l.n == 1 && r.n == 1)
            byte_pair[(unsigned char)l.p[0] << 8 | (unsigned char)r.p[0]] = (uint32_t)i;
    }
    /* Only what merges make can join; that leaves out the added tokens. */
    struct cru_joins *joins = section(h, image, CRU_SECTION_JOINS);
    for (size_t i = 0; i < d->n_merges && h->section[CRU_SECTION_JOINS].bytes; i++) {
        struct cru_span t = d->tokens[d->merges[i].made];
        cru_joins_add(joins, (const unsigned char *)t.p, t.n);
    }
    if (d->steps.n) memcpy(section(h, image, CRU_SECTION_STEPS), d->steps.p, d->steps.n);
    if (d->n_added)
        memcpy(section(h, image, CRU_SECTION_ADDED), d->added, d->n_added * sizeof *d->added);
    return CRU_OK;
}

/* NODES, CHARS with HALVES, and the trie at the end of the image, which grows by it. */
static enum cru_status append_trie(const struct cru_vocab_draft *d, struct cru_vocab_header *h,
                                   unsigned char **image, struct cru_error *err) {
    struct cru_bpe_node *nodes = section(h, *image, CRU_SECTION_NODES);
    struct cru_bpe bpe = {.merges = {section(h, *image, CRU_SECTION_BYTE_IDS),
                                     section(h, *image, CRU_SECTION_BYTE_PAIR),
                                     section(h, *image, CRU_SECTION_MERGED),
                                     section(h, *image, CRU_SECTION_PAIRS), h->pair_bits, 0},
                          .nodes = nodes,
                          .offsets = section(h, *image, CRU_SECTION_OFFSETS),
                          .text = section(h, *image, CRU_SECTION_TEXT)};
    enum cru_status status = cru_bpe_make_nodes(&bpe, nodes, d->n_ids, d->merges, d->n_merges, err);
    if (status) return status;
    status = cru_bpe_make_chars(&bpe, d->merges, d->n_merges, section(h, *image, CRU_SECTION_CHARS),
                                section(h, *image, CRU_SECTION_HALVES), err);
    if (status) return status;
    uint64_t *roots = section(h, *image, CRU_SECTION_ROOTS), *units;
    size_t n_units;
    status = cru_bpe_make_trie(&bpe, nodes, d->n_ids, roots, &units, &n_units, err);
    if (status) return status;
    uint64_t bytes = h->section[CRU_SECTION_UNITS].offset + n_units * sizeof *units;
    unsigned char *grown = realloc(*image, bytes);
    if (grown) {
        memcpy(grown + h->section[CRU_SECTION_UNITS].offset, units, n_units * sizeof *units);
        *image = grown;
        h->section[CRU_SECTION_UNITS].bytes = n_units * sizeof *units;
        h->file_bytes = bytes;
        h->n_units = (uint32_t)n_units;
        h->irregular = bpe.irregular;
    }
    free(units);
    return grown ? CRU_OK : cru_fail_memory(err, "vocabulary");
}

/* WORDS: every token by its bytes, for CRU_VOCAB_IGNORE_MERGES. */
static void fill_words(const struct cru_vocab_draft *d, const struct cru_vocab_header *h,
                       unsigned char *image) {
    uint32_t *words = section(h, image, CRU_SECTION_WORDS);
    memset(words, 0xFF, h->section[CRU_SECTION_WORDS].bytes);
    uint32_t mask = (1u << h->word_bits) - 1;
    for (uint32_t id = 0; id < h->n_ids; id++) {
        struct cru_span t = d->tokens[id];
        if (t.n == 0 || find_bytes(d, t) != id) continue;
        uint64_t hash = cru_piece_hash((const unsigned char *)t.p, t.n);
        uint32_t slot = (uint32_t)hash & mask;
        while (words[slot] != CRU_NONE) slot = (slot + 1) & mask;
        words[slot] = (uint32_t)(hash >> 52) << CRU_ID_BITS | id;
    }
}

enum cru_status cru_vocab_draft_compile(struct cru_vocab_draft *d, const char *name,
                                        struct cru_vocab_bytes *out, struct cru_error *err) {
    *out = (struct cru_vocab_bytes){NULL, 0};
    size_t text = 0;
    for (size_t i = 0; i < d->n_ids; i++) text += d->tokens[i].n;
    if (text > UINT32_MAX) return cru_fail(err, CRU_USAGE, "vocabulary: tokens of over 4 GiB");
    if (strlen(name) >= CRU_VOCAB_NAME || !cru_text_is_utf8(name, strlen(name)))
        return cru_fail(err, CRU_USAGE,
                        "vocabulary's name: '%s': longer than %d bytes, or not UTF-8", name,
                        CRU_VOCAB_NAME - 1);
    struct cru_vocab_header h = layout(d, text);
    snprintf(h.name, sizeof h.name, "%s", name);
    if (!content_hash(d, &h.content_hash)) return cru_fail_memory(err, "vocabulary");
    unsigned char *image = calloc(1, h.file_bytes);
    if (!image) return cru_fail_memory(err, "vocabulary");
    enum cru_status status = fill_tables(d, &h, image, err);
    if (!status) status = append_trie(d, &h, &image, err);
    if (status) {
        free(image);
        return status;
    }
    if (h.flags & CRU_VOCAB_IGNORE_MERGES) fill_words(d, &h, image);
    memcpy(image, &h, sizeof h);
    h.checksum = cru_hash64(image, h.file_bytes, 0); /* of the file with this field zero */
    memcpy(image, &h, sizeof h);
    *out = (struct cru_vocab_bytes){image, h.file_bytes};
    return CRU_OK;
}

enum cru_status cru_vocab_compile_json(struct cru_span json, const char *name,
                                       struct cru_vocab_bytes *out, struct cru_error *err) {
    *out = (struct cru_vocab_bytes){NULL, 0};
    struct cru_vocab_draft *d = cru_vocab_draft_new();
    if (!d) return cru_fail_memory(err, "vocabulary");
    enum cru_status status = cru_hf_json_read(json, d, err);
    if (!status) status = cru_vocab_draft_compile(d, name, out, err);
    cru_vocab_draft_free(d);
    return status;
}
