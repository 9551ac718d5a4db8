/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/piece_encoder.h"
#include "crucible/base/base.h"
#include "tokenizer/bpe_stitch.h"
#include "tokenizer/piece_end.h"

enum { READABLE = 16 }; /* bytes a key may be read from beyond the start of its piece */

#define S CRU_SPACE
#define L CRU_LETTER
#define N CRU_NUMBER
const uint8_t cru_ascii_class[128] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, S, S, S, S, S, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    S, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, N, N, N, N, N, N, N, N, N, N, 0, 0, 0, 0, 0, 0,
    0, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, 0, 0, 0, 0, 0,
    0, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, 0, 0, 0, 0, 0,
};
#undef S
#undef L
#undef N

bool cru_piece_encoder_init(struct cru_piece_encoder *e, const struct cru_tokenizer *tokenizer) {
    memset(e, 0, sizeof *e);
    e->tokenizer = tokenizer;
    e->rules = (struct cru_piece_rules){&tokenizer->classes, tokenizer->joins,
                                        tokenizer->header->digits, cru_mask_kernels_best(), false};
    e->rules.bmi2 = e->rules.kernels->avx2;
    e->batch = cru_bpe_batch_for(e->rules.kernels->avx2);
    if (cru_word_cache_init(&e->words) && cru_bpe_scratch_init(&e->merging, &tokenizer->bpe))
        return true;
    cru_piece_encoder_release(e);
    return false;
}

void cru_piece_encoder_release(struct cru_piece_encoder *e) {
    cru_word_cache_release(&e->words);
    cru_bpe_scratch_release(&e->merging);
}

/* The bytes of a piece of n, in the first and the second word of a key; tables, because n cannot be
 * predicted and a branch on it would cost more than the look-up. What is longer has the key of no
 * piece. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define BYTES(n) (((uint64_t)1 << (8 * (n))) - 1)
#define ALL UINT64_MAX
#define LENGTH(n) ((uint64_t)(n) << 56)
static const uint64_t low_bytes[17] = {0,        BYTES(1), BYTES(2), BYTES(3), BYTES(4), BYTES(5),
                                       BYTES(6), BYTES(7), ALL,      ALL,      ALL,      ALL,
                                       ALL,      ALL,      ALL,      ALL,      0};
static const uint64_t high_bytes[17] = {0,        0,        0,        0,        0,        0,
                                        0,        0,        0,        BYTES(1), BYTES(2), BYTES(3),
                                        BYTES(4), BYTES(5), BYTES(6), BYTES(7), 0};
static const uint64_t high_length[17] = {
    LENGTH(0), LENGTH(1),  LENGTH(2),  LENGTH(3),  LENGTH(4),  LENGTH(5),  LENGTH(6),  LENGTH(7),  LENGTH(8),
    LENGTH(9), LENGTH(10), LENGTH(11), LENGTH(12), LENGTH(13), LENGTH(14), LENGTH(15), LENGTH(255),
};
#endif

/* As cru_piece_key, where READABLE bytes can be read at p. */
static inline struct cru_piece_key key_of(const unsigned char *p, size_t n) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    struct cru_piece_key key;
    n = n < 16 ? n : 16;
    memcpy(&key, p, 16);
    key.low &= low_bytes[n];
    key.high = (key.high & high_bytes[n]) | high_length[n];
    return key;
#else
    return n < 16 ? cru_piece_key(p, n) : (struct cru_piece_key){0, 255};
#endif
}

/* ------------------------------------------------------------------------------- new pieces */

/* The piece among the first n that has the same bytes, or n. Its number is left in a table by its hash,
 * which is often overwritten: two searches are no harm. */
static size_t twin_of(const struct cru_new_piece *pieces, size_t n, uint8_t *table, size_t places) {
    const struct cru_new_piece *piece = &pieces[n];
    uint8_t *place = &table[piece->hash >> 32 & (places - 1)];
    if (*place < n) {
        const struct cru_new_piece *other = &pieces[*place];
        if (other->hash == piece->hash && other->n == piece->n &&
            memcmp(other->p, piece->p, piece->n) == 0)
            return *place;
    }
    *place = (uint8_t)n;
    return n;
}

/* Writes the ids of a piece with no twin before it, if it needs no search among others; else makes a task. */
static void encode_new(struct cru_piece_encoder *e, struct cru_new_piece *piece,
                       struct cru_bpe_task *tasks, size_t *n_tasks) {
    const struct cru_tokenizer *t = e->tokenizer;
    uint32_t id = CRU_NO_TOKEN;
    if (t->header->flags & CRU_VOCAB_IGNORE_MERGES)
        id = cru_vocab_word(t, piece->p, piece->n, cru_piece_hash(piece->p, piece->n));
    if (id != CRU_NO_TOKEN) {
        piece->ids = 1;
        *piece->out = id;
    } else if (piece->n >= CRU_STITCH_LEAST) {
        piece->ids = cru_bpe_stitch(&t->bpe, &e->merging, e->batch, piece->p, piece->n, piece->out);
    } else {
        struct cru_bpe_task *task = &tasks[(*n_tasks)++];
        task->p = piece->p;
        task->n = piece->n;
        task->out = piece->out;
    }
}

static void remember(struct cru_piece_encoder *e, const struct cru_new_piece *piece) {
    if (piece->n <= CRU_CACHED_BYTES)
        cru_word_cache_put(&e->words, cru_piece_key(piece->p, piece->n), piece->out, piece->ids);
    else if (piece->n <= CRU_LONG_BYTES)
        cru_word_cache_put_long(&e->words, piece->p, piece->n, piece->hash, piece->out, piece->ids);
}

/*
 * Encodes the new pieces, and closes the gaps that were left for them:
 *
 *   out   [ids][gap, n places][ids of known pieces][gap][ids]      end
 *   ->    [ids][new][ids of known pieces][new][ids]                the end returned
 */
static uint32_t *settle(struct cru_piece_encoder *e, uint32_t *end) {
    struct cru_new_piece *pieces = e->fresh;
    size_t n = e->n_fresh, n_tasks = 0, next_task = 0;
    struct cru_bpe_task tasks[CRU_BATCH_TASKS];
    uint8_t table[2 * CRU_BATCH_TASKS];
    if (n == 0) return end;
    memset(table, 0xFF, sizeof table);
    for (size_t i = 0; i < n; i++) {
        size_t before = n_tasks;
        pieces[i].twin = (uint32_t)twin_of(pieces, i, table, sizeof table);
        if (pieces[i].twin == i) encode_new(e, &pieces[i], tasks, &n_tasks);
        pieces[i].is_task = n_tasks > before;
    }
    e->batch(&e->tokenizer->bpe, &e->merging, tasks, n_tasks);
    uint32_t *out = pieces[0].out;
    for (size_t i = 0; i < n; i++) {
        struct cru_new_piece *piece = &pieces[i];
        uint32_t *known = piece->out + piece->n, *behind = i + 1 < n ? pieces[i + 1].out : end;
        if (piece->is_task) piece->ids = tasks[next_task++].made;
        if (piece->twin == i) {
            remember(e, piece);
            memmove(out, piece->out, piece->ids * sizeof *out);
        } else {
            piece->ids = pieces[piece->twin].ids;
            memcpy(out, pieces[piece->twin].out, piece->ids * sizeof *out);
        }
        piece->out = out;
        out += piece->ids;
        memmove(out, known, (size_t)(behind - known) * sizeof *out);
        out += behind - known;
    }
    e->n_fresh = 0;
    return out;
}

/* ------------------------------------------------------------------------------- all pieces */

/* Of a piece that is in no cache: leaves a gap for its ids, and returns where it ends. */
static uint32_t *leave_gap(struct cru_piece_encoder *e, const unsigned char *p, size_t n,
                           uint64_t hash, uint32_t *out) {
    if (e->n_fresh == CRU_BATCH_TASKS) out = settle(e, out);
    e->fresh[e->n_fresh++] = (struct cru_new_piece){.p = p, .n = n, .hash = hash, .out = out};
    return out + n;
}

/* Of a piece of 1 to CRU_CACHED_BYTES bytes that is not at its place in the cache. */
static __attribute__((noinline)) uint32_t *encode_unseen(struct cru_piece_encoder *e,
                                                         const unsigned char *p, size_t n,
                                                         struct cru_piece_key key, uint32_t *out) {
    if (cru_word_cache_fetch(&e->words, key))
        return cru_word_cache_get(&e->words, cru_word_cache_place(&e->words, key), key, out);
    return leave_gap(e, p, n, cru_key_hash(key), out);
}

/* The same for a longer piece or part of one. */
static uint32_t *encode_longer(struct cru_piece_encoder *e, const unsigned char *p, size_t n,
                               uint32_t *out) {
    if (n > CRU_LONG_BYTES) return leave_gap(e, p, n, n, out);
    uint64_t hash = cru_piece_hash(p, n);
    uint32_t *behind = cru_word_cache_get_long(&e->words, p, n, hash, out);
    return behind ? behind : leave_gap(e, p, n, hash, out);
}

static uint32_t *encode_part(struct cru_piece_encoder *e, const unsigned char *p, size_t n,
                             uint32_t *out) {
    if (n > CRU_CACHED_BYTES) return encode_longer(e, p, n, out);
    struct cru_piece_key key = cru_piece_key(p, n);
    uint32_t *known =
        cru_word_cache_get(&e->words, cru_word_cache_place(&e->words, key), key, out);
    return known ? known : encode_unseen(e, p, n, key, out);
}

/* Cut where that is safe (join_rules.h), then part by part. */
static uint32_t *encode_piece(struct cru_piece_encoder *e, const unsigned char *p, size_t n,
                              uint32_t *out) {
    const struct cru_joins *joins = e->tokenizer->joins;
    if (!joins || n <= CRU_CACHED_BYTES) return encode_part(e, p, n, out);
    const unsigned char *end = p + n, *start = p;
    uint32_t before = 0; /* the character before, if it has 3 bytes */
    while (p < end) {
        unsigned length;
        uint32_t here = cru_code_point(p, &length);
        if (before && length == 3 && !cru_joins_may(joins, before, here, *p)) {
            out = encode_part(e, start, (size_t)(p - start), out);
            start = p;
        }
        before = length == 3 ? here : 0;
        p += length;
    }
    return encode_part(e, start, (size_t)(end - start), out);
}

uint32_t *cru_encode_piece(struct cru_piece_encoder *e, const unsigned char *p, size_t n,
                           uint32_t *out) {
    cru_word_cache_tend(&e->words);
    return settle(e, encode_piece(e, p, n, out));
}

/* Writes the ids of the parts that a window of text at p was found to have. First the keys of some, and a
 * word to the memory that their entries are wanted; then the look-ups, when the entries are there. */
static uint32_t *encode_parts(struct cru_piece_encoder *e, const unsigned char *p, size_t parts,
                              uint32_t *out) {
    enum { BATCH = 128 };
    struct cru_piece_key keys[BATCH];
    const struct cru_word_entry *places[BATCH];
    for (size_t from = 0; from < parts; from += BATCH) {
        const uint16_t *starts = e->window.starts + from;
        size_t some = parts - from < BATCH ? parts - from : BATCH, start = starts[0];
        cru_word_cache_tend(&e->words);
        for (size_t i = 0; i < some; i++) {
            size_t end = starts[i + 1];
            keys[i] = key_of(p + start, end - start);
            places[i] = cru_word_cache_place(&e->words, keys[i]);
            __builtin_prefetch(places[i]);
            start = end;
        }
        for (size_t i = 0; i < some; i++) {
            uint32_t *behind = cru_word_cache_get(&e->words, places[i], keys[i], out);
            if (__builtin_expect(behind == NULL, 0)) {
                size_t n = (size_t)(starts[i + 1] - starts[i]);
                const unsigned char *q = p + starts[i];
                behind = n <= CRU_CACHED_BYTES ? encode_unseen(e, q, n, keys[i], out)
                                               : encode_longer(e, q, n, out);
            }
            out = behind;
        }
    }
    return out;
}

/* encode_pieces for the patterns that have masks. */
static uint32_t *encode_windows(struct cru_piece_encoder *e, const unsigned char *p,
                                const unsigned char *end, uint32_t *out) {
    while (p < end) {
        size_t left = (size_t)(end - p), n = left, parts;
        const unsigned char *from = p;
        if (left > CRU_WINDOW) { /* not quite a window when a key could be read beyond the text */
            n = left >= CRU_WINDOW + READABLE ? CRU_WINDOW : CRU_WINDOW - 64;
        } else {
            memcpy(e->tail, p, left);
            memset(e->tail + left, ' ', 64);
            from = e->tail;
        }
        parts = cru_piece_masks_find(&e->rules, &e->window, from, n, from == e->tail);
        if (parts) {
            out = encode_parts(e, from, parts, out);
            p += e->window.starts[parts];
        } else { /* a piece longer than the window */
            const unsigned char *q =
                cru_piece_end_qwen2(e->rules.classes, p, end, e->rules.digits);
            out = encode_piece(e, p, (size_t)(q - p), out);
            p = q;
        }
    }
    return out;
}

uint32_t *cru_encode_pieces(struct cru_piece_encoder *e, struct cru_span text, uint32_t *out) {
    const unsigned char *p = (const unsigned char *)text.p, *end = p + text.n;
    uint32_t pattern = e->tokenizer->header->pattern;
    if (pattern == CRU_PATTERN_QWEN2) return settle(e, encode_windows(e, p, end, out));
    while (p < end) {
        const unsigned char *q = cru_piece_end(e->rules.classes, pattern, e->rules.digits, p, end);
        cru_word_cache_tend(&e->words);
        out = encode_piece(e, p, (size_t)(q - p), out);
        p = q;
    }
    return settle(e, out);
}
