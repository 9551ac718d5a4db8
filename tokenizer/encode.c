/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text to ids. Nearly every piece is short and seen before, so the loop is: find where the piece ends,
 * make a key of its bytes, look it up, copy its ids.
 *
 *   set of the cache, one cache line:   [ low high | id id id id ][ low high | id id id id ]
 *                                         bytes of the piece, zeros; high's last byte is
 *                                         (number of ids) << 4 | (number of bytes)
 *
 * A piece of more than 4 ids keeps them in `pool`; when that is full, all is forgotten. A miss asks the
 * vocabulary's own table of tokens, then merges. Longer pieces, the words of most alphabets but
 * ours, have a plainer cache of their own. Memory is fixed whatever the text.
 */
#include "crucible/base/base.h"
#include "tokenizer/normalise.h"
#include "tokenizer/pretoken.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocab.h"
#include "tokenizer/vocab_compile.h"

enum {
    CACHED_BYTES = 15,
    INLINE_IDS = 4,
    IN_POOL = 15, /* in place of a count: ids[0] is a place in the pool, ids[1] the count */
    SET_BITS = 15,
    LONG_BITS = 14,
    LONG_BYTES = 46,
    LONG_IDS = 20,
    POOL_IDS = 1 << 17,
    KEEP_BYTES = 16 << 20, /* scratch larger than this is freed after the call that needed it */
};

struct entry {
    uint64_t low, high;
    uint32_t ids[INLINE_IDS];
};

struct set {
    struct entry way[2];
};

/* Two cache lines: a piece of up to LONG_BYTES bytes and LONG_IDS ids. */
struct long_entry {
    unsigned char n, count, bytes[LONG_BYTES];
    uint32_t ids[LONG_IDS];
};

struct cru_encoder {
    const struct cru_tokenizer *tokenizer;
    struct long_entry *longs; /* [2^LONG_BITS] */
    struct set *sets; /* [2^SET_BITS] */
    uint32_t *pool;
    size_t pooled;
    struct cru_merge_scratch merging;
    struct cru_normaliser normaliser;
    struct cru_buffer repaired;
    struct cru_ids counted;
};

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

struct cru_encoder *cru_encoder_new(const struct cru_tokenizer *tokenizer) {
    struct cru_encoder *e = calloc(1, sizeof *e);
    if (!e) return NULL;
    e->tokenizer = tokenizer;
    cru_normaliser_init(&e->normaliser);
    cru_buffer_init(&e->repaired);
    e->sets = aligned_alloc(64, sizeof *e->sets << SET_BITS);
    e->pool = malloc(POOL_IDS * sizeof *e->pool);
    e->longs = aligned_alloc(64, sizeof *e->longs << LONG_BITS);
    if (!e->sets || !e->pool || !e->longs) {
        cru_encoder_free(e);
        return NULL;
    }
    memset(e->sets, 0, sizeof *e->sets << SET_BITS);
    memset(e->longs, 0, sizeof *e->longs << LONG_BITS);
    return e;
}

void cru_encoder_free(struct cru_encoder *e) {
    if (!e) return;
    free(e->sets);
    free(e->pool);
    free(e->longs);
    cru_merge_scratch_release(&e->merging);
    cru_normaliser_release(&e->normaliser);
    cru_buffer_release(&e->repaired);
    cru_ids_release(&e->counted);
    free(e);
}

/* The bytes of a piece of n, in the first and the second word of a key; tables, because n cannot be
 * predicted and a branch on it would cost more than the look-up. */
#define BYTES(n) (((uint64_t)1 << (8 * (n))) - 1)
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
static const uint64_t low_mask[16] = {
    0,          BYTES(1),   BYTES(2),   BYTES(3),   BYTES(4),   BYTES(5),   BYTES(6),   BYTES(7),
    UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX,
};
static const uint64_t high_mask[16] = {
    0, 0,        0,        0,        0,        0,        0,        0,
    0, BYTES(1), BYTES(2), BYTES(3), BYTES(4), BYTES(5), BYTES(6), BYTES(7),
};
#endif

/* As cru_piece_key, faster where 16 bytes can be read at p. */
static inline struct cru_piece_key key_of(const unsigned char *p, size_t n,
                                          const unsigned char *readable) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (readable - p >= 16) {
        struct cru_piece_key key;
        memcpy(&key, p, 16);
        key.low &= low_mask[n];
        key.high = (key.high & high_mask[n]) | (uint64_t)n << 56;
        return key;
    }
#else
    (void)readable;
#endif
    return cru_piece_key(p, n);
}

/* The two numbers that share the last byte of a key, wherever that byte is in the word. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
enum { COUNT_SHIFT = 60 };
#else
enum { COUNT_SHIFT = 4 };
#endif
static const uint64_t count_bits = (uint64_t)15 << COUNT_SHIFT;

/* Puts the n ids of a piece into the cache, in the place of the older of the set. */
static void remember(struct cru_encoder *e, struct cru_piece_key key, uint64_t hash,
                     const uint32_t *ids, size_t n) {
    struct entry fresh = {key.low, key.high, {0}};
    if (n <= INLINE_IDS) {
        memcpy(fresh.ids, ids, n * sizeof *ids);
        fresh.high |= (uint64_t)n << COUNT_SHIFT;
    } else {
        if (e->pooled + n > POOL_IDS) {
            memset(e->sets, 0, sizeof *e->sets << SET_BITS);
            e->pooled = 0;
        }
        memcpy(e->pool + e->pooled, ids, n * sizeof *ids);
        fresh.ids[0] = (uint32_t)e->pooled;
        fresh.ids[1] = (uint32_t)n;
        fresh.high |= (uint64_t)IN_POOL << COUNT_SHIFT;
        e->pooled += n;
    }
    struct set *set = &e->sets[hash >> (64 - SET_BITS)];
    set->way[1] = set->way[0];
    set->way[0] = fresh;
}

/* Writes the ids of a piece of 2 to CACHED_BYTES bytes; `out` has room for n + INLINE_IDS. */
static inline uint32_t *encode_cached(struct cru_encoder *e, const unsigned char *p, size_t n,
                                      const unsigned char *readable, uint32_t *out) {
    struct cru_piece_key key = key_of(p, n, readable);
    uint64_t hash = cru_key_hash(key);
    const struct set *set = &e->sets[hash >> (64 - SET_BITS)];
    for (int w = 0; w < 2; w++) {
        const struct entry *way = &set->way[w];
        if (way->low != key.low || (way->high & ~count_bits) != key.high) continue;
        size_t count = (way->high >> COUNT_SHIFT) & 15;
        if (count != IN_POOL) {
            memcpy(out, way->ids, sizeof way->ids);
            return out + count;
        }
        memcpy(out, e->pool + way->ids[0], way->ids[1] * sizeof *out);
        return out + way->ids[1];
    }
    size_t made = 1;
    uint32_t id = cru_vocab_word(e->tokenizer, p, n, hash);
    if (id != CRU_NO_TOKEN)
        *out = id;
    else
        made = cru_merge_short(&e->tokenizer->merges, p, n, out);
    remember(e, key, hash, out, made);
    return out + made;
}

/* The same for a longer piece or part of one. NULL when memory is short. */
static uint32_t *encode_whole(struct cru_encoder *e, const unsigned char *p, size_t n,
                              uint32_t *out) {
    uint64_t hash = cru_piece_hash(p, n);
    struct long_entry *known = n <= LONG_BYTES ? &e->longs[hash & (((size_t)1 << LONG_BITS) - 1)] : NULL;
    if (known && known->n == n && memcmp(known->bytes, p, n) == 0) {
        memcpy(out, known->ids, known->count * sizeof *out);
        return out + known->count;
    }
    uint32_t id = cru_vocab_word(e->tokenizer, p, n, hash);
    size_t made = 1;
    if (id != CRU_NO_TOKEN) {
        *out = id;
        return out + 1;
    }
    if (n <= CRU_SHORT_PIECE) {
        made = cru_merge_short(&e->tokenizer->merges, p, n, out);
        if (known && made <= LONG_IDS) {
            known->n = (unsigned char)n;
            known->count = (unsigned char)made;
            memcpy(known->bytes, p, n);
            memcpy(known->ids, out, made * sizeof *out);
        }
        return out + made;
    }
    if (!cru_merge_long(&e->tokenizer->merges, &e->merging, p, n, out, &made)) return NULL;
    return out + made;
}

static inline uint32_t *encode_part(struct cru_encoder *e, const unsigned char *p, size_t n,
                                    const unsigned char *readable, uint32_t *out) {
    if (n == 1) {
        *out = e->tokenizer->merges.byte_ids[*p];
        return out + 1;
    }
    return n <= CACHED_BYTES ? encode_cached(e, p, n, readable, out) : encode_whole(e, p, n, out);
}

/* A piece longer than CACHED_BYTES: cut where that is safe (join_rules.h), then part by part. */
static uint32_t *encode_long(struct cru_encoder *e, const unsigned char *p, size_t n,
                             const unsigned char *readable, uint32_t *out) {
    const struct cru_joins *joins = e->tokenizer->joins;
    if (!joins) return encode_whole(e, p, n, out);
    const unsigned char *end = p + n, *start = p;
    uint32_t before = 0;
    while (p < end) {
        uint32_t here = *p;
        unsigned length = here < 0x80 ? 1 : here < 0xE0 ? 2 : here < 0xF0 ? 3 : 4;
        for (unsigned i = 1; i < length; i++) here = here << 8 | p[i];
        if ((before | here) >= 0x80 && p > start &&
            !cru_joins_may(joins, before, here, p[-1], *p)) {
            out = encode_part(e, start, (size_t)(p - start), readable, out);
            if (!out) return NULL;
            start = p;
        }
        before = here;
        p += length;
    }
    return encode_part(e, start, (size_t)(end - start), readable, out);
}

/* Writes the ids of a stretch without added tokens, in normal form; NULL when memory is short. */
static uint32_t *encode_pieces(struct cru_encoder *e, struct cru_span text, uint32_t *out) {
    const struct cru_tokenizer *t = e->tokenizer;
    const struct cru_classes *classes = &t->classes;
    const unsigned char *p = (const unsigned char *)text.p, *end = p + text.n;
    bool qwen2 = t->header->pattern == CRU_PATTERN_QWEN2;
    uint32_t digits = t->header->digits;
    while (p < end) {
        const unsigned char *q = qwen2 ? cru_piece_end_qwen2(classes, p, end, digits)
                                       : cru_piece_end_gpt2(classes, p, end);
        size_t n = (size_t)(q - p);
        if (n <= CACHED_BYTES) {
            out = encode_part(e, p, n, end, out);
        } else {
            out = encode_long(e, p, n, end, out);
            if (!out) return NULL;
        }
        p = q;
    }
    return out;
}

static bool ids_room(struct cru_ids *ids, size_t more) {
    if (more <= ids->capacity - ids->n) return true;
    size_t capacity = ids->capacity + ids->capacity / 2;
    if (capacity < ids->n + more) capacity = ids->n + more;
    uint32_t *p = realloc(ids->p, capacity * sizeof *p);
    if (!p) return false;
    ids->p = p;
    ids->capacity = capacity;
    return true;
}

static enum cru_status encode_stretch(struct cru_encoder *e, struct cru_span text,
                                      struct cru_ids *ids, struct cru_error *err) {
    if (text.n == 0) return CRU_OK;
    if (e->tokenizer->header->flags & CRU_VOCAB_NFC) {
        enum cru_status status =
            cru_normalise(&e->normaliser, &e->tokenizer->classes, text, &text, err);
        if (status) return status;
    }
    /* At most an id a byte; a copied cache entry may write INLINE_IDS - 1 beyond. */
    if (!ids_room(ids, text.n + INLINE_IDS)) return cru_fail_memory(err, "token ids");
    uint32_t *out = encode_pieces(e, text, ids->p + ids->n);
    if (!out) return cru_fail_memory(err, "merging a long piece");
    ids->n = (size_t)(out - ids->p);
    return CRU_OK;
}

static enum cru_status encode_valid(struct cru_encoder *e, struct cru_span text,
                                    enum cru_special special, struct cru_ids *ids,
                                    struct cru_error *err) {
    size_t from = 0, at;
    uint32_t id;
    while (special == CRU_SPECIAL_RECOGNISE &&
           cru_vocab_find_added(e->tokenizer, text, from, &at, &id)) {
        enum cru_status status =
            encode_stretch(e, cru_span_make(text.p + from, at - from), ids, err);
        if (status) return status;
        if (!ids_room(ids, 1)) return cru_fail_memory(err, "token ids");
        ids->p[ids->n++] = id;
        from = at + cru_vocab_token(e->tokenizer, id).n;
    }
    return encode_stretch(e, cru_span_make(text.p + from, text.n - from), ids, err);
}

enum cru_status cru_encode(struct cru_encoder *e, struct cru_span text, enum cru_special special,
                           struct cru_ids *ids, struct cru_error *err) {
    if (text.n == 0) return CRU_OK;
    if (text.n > INT32_MAX)
        return cru_fail(err, CRU_FATAL, "cannot encode a text of %zu bytes: more than 2 GiB",
                        text.n);
    if (!cru_text_is_utf8(text.p, text.n)) {
        cru_buffer_clear(&e->repaired);
        cru_utf8_repair(text, &e->repaired);
        if (e->repaired.failed) {
            cru_buffer_release(&e->repaired);
            return cru_fail_memory(err, "text");
        }
        text = cru_buffer_span(&e->repaired);
    }
    enum cru_status status = encode_valid(e, text, special, ids, err);
    if (e->repaired.capacity > KEEP_BYTES) cru_buffer_release(&e->repaired);
    if (e->normaliser.out.capacity > KEEP_BYTES) cru_normaliser_release(&e->normaliser);
    if (e->merging.capacity > KEEP_BYTES / 32) cru_merge_scratch_release(&e->merging);
    return status;
}

enum cru_status cru_encode_count(struct cru_encoder *e, struct cru_span text,
                                 enum cru_special special, uint64_t *count,
                                 struct cru_error *err) {
    cru_ids_clear(&e->counted);
    enum cru_status status = cru_encode(e, text, special, &e->counted, err);
    *count = e->counted.n;
    if (e->counted.capacity > KEEP_BYTES / sizeof(uint32_t)) cru_ids_release(&e->counted);
    return status;
}
