/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rank file has no merges, but when every token is one merge of two earlier ones they follow from it:
 * the two parts of the token of rank r are what its bytes encode to with the merges below r only. (By
 * induction: that encoding runs the merges in the order in which training made them.)
 */
#include "crucible/base/base.h"
#include "tokenizer/bpe_merge.h"
#include "tokenizer/vocab_compile.h"
#include "tokenizer/vocab_image.h"

struct added_row {
    const char *content;
    bool special;
};

/* Qwen3's added tokens, ids from 151643 on in this order. Source: "added_tokens" of the tokenizer.json
 * of Qwen/Qwen3-8B (Apache-2.0); also quicktok-v1 0.4.0, quicktok/data/qwen3.special. */
static const struct added_row qwen3_added[] = {
    {"<|endoftext|>", true},
    {"<|im_start|>", true},
    {"<|im_end|>", true},
    {"<|object_ref_start|>", true},
    {"<|object_ref_end|>", true},
    {"<|box_start|>", true},
    {"<|box_end|>", true},
    {"<|quad_start|>", true},
    {"<|quad_end|>", true},
    {"<|vision_start|>", true},
    {"<|vision_end|>", true},
    {"<|vision_pad|>", true},
    {"<|image_pad|>", true},
    {"<|video_pad|>", true},
    {"<tool_call>", false},
    {"</tool_call>", false},
    {"<|fim_prefix|>", false},
    {"<|fim_middle|>", false},
    {"<|fim_suffix|>", false},
    {"<|fim_pad|>", false},
    {"<|repo_name|>", false},
    {"<|file_sep|>", false},
    {"<tool_response>", false},
    {"</tool_response>", false},
    {"<think>", false},
    {"</think>", false},
    {NULL, false},
};

static const struct added_table {
    const char *name;
    const struct added_row *rows;
    uint32_t pattern, digits, flags;
} added_tables[] = {
    {"qwen3", qwen3_added, CRU_PATTERN_QWEN2, 1, CRU_VOCAB_NFC},
};

static int base64_digit(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Decodes into `out` (at least 3/4 of text.n bytes). False when it is not base64. */
static bool base64_decode(struct cru_span text, unsigned char *out, size_t *n) {
    uint32_t bits = 0;
    int have = 0;
    *n = 0;
    while (text.n > 0 && text.p[text.n - 1] == '=') text.n--;
    for (size_t i = 0; i < text.n; i++) {
        int digit = base64_digit(text.p[i]);
        if (digit < 0) return false;
        bits = (bits << 6 | (uint32_t)digit) & 0xFFFFFFu;
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[(*n)++] = (unsigned char)(bits >> have);
        }
    }
    return *n > 0;
}

/* The merges found so far, in the form that merging reads. */
struct deriving {
    uint32_t byte_ids[256], byte_pair[65536];
    uint32_t *merged;
    uint64_t *pairs;
    uint32_t pair_bits;
    size_t n_merges;
    struct cru_merge_scratch scratch;
};

enum { LONGEST = 4096 }; /* bytes of a token; the longest of Qwen3 has 128 */

static enum cru_status read_tokens(struct cru_span ranks, struct cru_vocab_draft *d,
                                   struct cru_arena *arena, struct cru_span *tokens, size_t *n,
                                   struct cru_error *err) {
    struct cru_span line;
    *n = 0;
    while (cru_span_split(&ranks, '\n', &line)) {
        line = cru_span_trim(line);
        if (line.n == 0) continue;
        struct cru_span text;
        cru_span_split(&line, ' ', &text);
        uint64_t rank = 0;
        bool good = line.n > 0 && line.n < 10 && text.n <= LONGEST;
        for (size_t i = 0; good && i < line.n; i++) {
            good = line.p[i] >= '0' && line.p[i] <= '9';
            rank = rank * 10 + (uint64_t)(line.p[i] - '0');
        }
        unsigned char bytes[LONGEST];
        size_t length;
        if (!good || rank != *n || !base64_decode(text, bytes, &length))
            return cru_fail(err, CRU_USAGE, "rank file: line %zu: expected 'BASE64 %zu'", *n + 1,
                            *n);
        tokens[*n] = cru_arena_copy(arena, cru_span_make((const char *)bytes, length));
        if (!tokens[*n].p) return cru_fail_memory(err, "rank file");
        enum cru_status status = cru_vocab_draft_token(d, (uint32_t)*n, tokens[*n], err);
        if (status) return status;
        ++*n;
    }
    return CRU_OK;
}

static enum cru_status derive_merge(struct deriving *v, struct cru_vocab_draft *d,
                                    const struct cru_span *tokens, uint32_t id,
                                    struct cru_error *err) {
    struct cru_merges m = {v->byte_ids, v->byte_pair, v->merged, v->pairs, v->pair_bits, 0};
    const unsigned char *p = (const unsigned char *)tokens[id].p;
    uint32_t parts[LONGEST];
    size_t n;
    if (!cru_merge_long(&m, &v->scratch, p, tokens[id].n, parts, &n))
        return cru_fail_memory(err, "rank file");
    if (n != 2)
        return cru_fail(err, CRU_USAGE, "rank file: token %u is no merge of two earlier tokens",
                        id);
    uint32_t rank = (uint32_t)v->n_merges++;
    cru_pairs_add(v->pairs, v->pair_bits, cru_pair(parts[0], parts[1]), rank);
    v->merged[rank] = id;
    if (tokens[id].n == 2) v->byte_pair[p[0] << 8 | p[1]] = rank;
    return cru_vocab_draft_merge(d, tokens[parts[0]], tokens[parts[1]], err);
}

static enum cru_status derive_all(struct deriving *v, struct cru_vocab_draft *d,
                                  const struct cru_span *tokens, size_t n, struct cru_error *err) {
    memset(v->byte_ids, 0xFF, sizeof v->byte_ids);
    memset(v->byte_pair, 0xFF, sizeof v->byte_pair);
    cru_pairs_clear(v->pairs, v->pair_bits);
    size_t single = 0;
    for (size_t i = 0; i < n; i++)
        if (tokens[i].n == 1) {
            v->byte_ids[(unsigned char)tokens[i].p[0]] = (uint32_t)i;
            single++;
        }
    if (single != 256)
        return cru_fail(err, CRU_USAGE, "rank file: %zu of the 256 bytes have a token", single);
    for (size_t i = 0; i < n; i++) {
        if (tokens[i].n == 1) continue;
        enum cru_status status = derive_merge(v, d, tokens, (uint32_t)i, err);
        if (status) return status;
    }
    return CRU_OK;
}

static enum cru_status derive_merges(struct cru_vocab_draft *d, const struct cru_span *tokens,
                                     size_t n, struct cru_error *err) {
    struct deriving *v = calloc(1, sizeof *v);
    if (!v) return cru_fail_memory(err, "rank file");
    v->pair_bits = cru_pair_bits(n);
    v->pairs = malloc((size_t)8 << v->pair_bits);
    v->merged = malloc((n + 1) * sizeof *v->merged);
    enum cru_status status = v->pairs && v->merged ? derive_all(v, d, tokens, n, err)
                                                   : cru_fail_memory(err, "rank file");
    cru_merge_scratch_release(&v->scratch);
    free(v->pairs);
    free(v->merged);
    free(v);
    return status;
}

static enum cru_status fill_draft(struct cru_span ranks, const struct added_table *table,
                                  struct cru_vocab_draft *d, struct cru_arena *arena,
                                  struct cru_error *err) {
    size_t lines = 1, n;
    for (size_t i = 0; i < ranks.n; i++) lines += ranks.p[i] == '\n';
    struct cru_span *tokens = cru_arena_alloc(arena, lines * sizeof *tokens);
    if (!tokens) return cru_fail_memory(err, "rank file");
    enum cru_status status = read_tokens(ranks, d, arena, tokens, &n, err);
    if (!status) status = derive_merges(d, tokens, n, err);
    for (size_t i = 0; !status && table->rows[i].content; i++)
        status = cru_vocab_draft_added(d, (uint32_t)(n + i), cru_span_of(table->rows[i].content),
                                       table->rows[i].special ? CRU_ADDED_SPECIAL : 0, err);
    cru_vocab_draft_rules(d, table->pattern, table->digits, table->flags);
    return status;
}

enum cru_status cru_vocab_compile_ranks(struct cru_span ranks, const char *added, const char *name,
                                        struct cru_vocab_bytes *out, struct cru_error *err) {
    *out = (struct cru_vocab_bytes){NULL, 0};
    const struct added_table *table = NULL;
    for (size_t i = 0; i < sizeof added_tables / sizeof *added_tables; i++)
        if (!strcmp(added_tables[i].name, added)) table = &added_tables[i];
    if (!table)
        return cru_fail(err, CRU_USAGE, "rank file: no added tokens are known for '%s'", added);
    struct cru_vocab_draft *d = cru_vocab_draft_new();
    if (!d) return cru_fail_memory(err, "rank file");
    struct cru_arena arena;
    cru_arena_init(&arena);
    enum cru_status status = fill_draft(ranks, table, d, &arena, err);
    if (!status) status = cru_vocab_draft_compile(d, name, out, err);
    cru_arena_release(&arena);
    cru_vocab_draft_free(d);
    return status;
}
