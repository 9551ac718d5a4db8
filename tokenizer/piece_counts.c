/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/piece_counts.h"
#include "crucible/base/base.h"
#include "crucible/base/spill.h"
#include "tokenizer/normalise.h"
#include "tokenizer/pretoken.h"
#include "tokenizer/vocab_image.h"

enum {
    FIRST_BITS = 15,   /* of a new table */
    SLACK = 1024,      /* slots behind the last place that a hash names */
    INLINE_BYTES = 15, /* a piece that its slot holds */
    LONG = 0xFF,       /* in place of its length */
    AHEAD = 32, /* pieces cut off before the first of them is counted, while memory answers */
};

/* key: as cru_piece_key; or of a long piece its place in `longs` and its length. count 0: free. */
struct slot {
    struct cru_piece_key key;
    uint64_t hash, count;
};

struct cru_piece_counter {
    struct cru_classes classes;
    struct cru_normaliser normaliser;
    struct slot *slots; /* [n_slots]; the last one is always free */
    size_t n_slots, used;
    unsigned bits;
    struct cru_buffer longs;
    uint64_t max_bytes;
    struct cru_piece_totals totals;
    struct cru_budget budget; /* of `runs`: none, they live in a file from the beginning */
    struct cru_spill_array runs;
    size_t *run_ends; /* [n_runs] */
    size_t n_runs, cap_runs;
};

/* A piece as it lies in a table, in a run, or in the text. */
struct piece {
    uint64_t hash, count;
    struct cru_span bytes;
};

static bool slots_new(struct cru_piece_counter *c, unsigned bits, size_t slack) {
    size_t n = ((size_t)1 << bits) + slack;
    struct slot *slots = calloc(n, sizeof *slots);
    if (!slots) return false;
    c->slots = slots;
    c->n_slots = n;
    c->bits = bits;
    return true;
}

struct cru_piece_counter *cru_piece_counter_new(uint64_t max_bytes, const char *tmpdir) {
    struct cru_piece_counter *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    cru_normaliser_init(&c->normaliser);
    cru_buffer_init(&c->longs);
    c->max_bytes = max_bytes;
    c->budget = (struct cru_budget){.limit = 1, .tmpdir = tmpdir};
    cru_spill_init(&c->runs, 1, &c->budget);
    if (!cru_classes_init(&c->classes) || !slots_new(c, FIRST_BITS, SLACK)) {
        cru_piece_counter_free(c);
        return NULL;
    }
    return c;
}

void cru_piece_counter_free(struct cru_piece_counter *c) {
    if (!c) return;
    cru_classes_release(&c->classes);
    cru_normaliser_release(&c->normaliser);
    cru_buffer_release(&c->longs);
    cru_spill_release(&c->runs);
    free(c->slots);
    free(c->run_ends);
    free(c);
}

struct cru_piece_totals cru_piece_counter_totals(const struct cru_piece_counter *c) {
    struct cru_piece_totals totals = c->totals;
    totals.spilled += c->budget.spilled;
    return totals;
}

/* ------------------------------------------------------------------ slots and their pieces */

/* The key of a long piece; its last byte is LONG, which no length is. */
static struct cru_piece_key long_key(size_t place, size_t n) {
    unsigned char bytes[8] = {0};
    struct cru_piece_key key = {place, 0};
    uint32_t length = (uint32_t)n;
    memcpy(bytes, &length, 4);
    bytes[7] = LONG;
    memcpy(&key.high, bytes, 8);
    return key;
}

static bool is_long(const struct slot *slot) {
    unsigned char bytes[8];
    memcpy(bytes, &slot->key.high, 8);
    return bytes[7] == LONG;
}

/* Lives as long as the slot and `longs` stay as they are. */
static struct piece piece_of(const struct cru_piece_counter *c, const struct slot *slot) {
    struct piece p = {slot->hash, slot->count, {NULL, 0}};
    if (is_long(slot)) {
        uint32_t n;
        memcpy(&n, &slot->key.high, 4);
        p.bytes = cru_span_make(c->longs.p + slot->key.low, n);
    } else {
        const char *bytes = (const char *)&slot->key;
        p.bytes = cru_span_make(bytes, (unsigned char)bytes[15]);
    }
    return p;
}

/* Order of pieces: by hash, then by length, then by bytes. */
static int compare(const struct piece *a, const struct piece *b) {
    if (a->hash != b->hash) return a->hash < b->hash ? -1 : 1;
    if (a->bytes.n != b->bytes.n) return a->bytes.n < b->bytes.n ? -1 : 1;
    return a->bytes.n ? memcmp(a->bytes.p, b->bytes.p, a->bytes.n) : 0;
}

/* Moves the used slots to the front, in order. They nearly are: each is moved past a few others. */
static void sort_slots(struct cru_piece_counter *c) {
    size_t n = 0;
    for (size_t i = 0; i < c->n_slots; i++) {
        if (!c->slots[i].count) continue;
        struct slot slot = c->slots[i];
        size_t k = n++;
        for (; k > 0 && c->slots[k - 1].hash >= slot.hash; k--) {
            if (c->slots[k - 1].hash == slot.hash) {
                struct piece before = piece_of(c, &c->slots[k - 1]), this = piece_of(c, &slot);
                if (compare(&before, &this) < 0) break;
            }
            c->slots[k] = c->slots[k - 1];
        }
        c->slots[k] = slot;
    }
}

/* The free slot where a piece that is not in the table goes. */
static struct slot *free_slot(struct cru_piece_counter *c, uint64_t hash) {
    struct slot *slot = &c->slots[hash >> (64 - c->bits)];
    while (slot->count) slot++;
    return slot;
}

/* ------------------------------------------------------------------ growing and spilling */

static enum cru_status spill(struct cru_piece_counter *c, struct cru_error *err) {
    enum { HEAD = 20 };
    if (c->n_runs == c->cap_runs) {
        size_t capacity = c->cap_runs ? c->cap_runs * 2 : 16;
        size_t *ends = realloc(c->run_ends, capacity * sizeof *ends);
        if (!ends) return cru_fail_memory(err, "runs of counted pieces");
        c->run_ends = ends;
        c->cap_runs = capacity;
    }
    sort_slots(c);
    size_t at = c->runs.n, bytes = 0;
    for (size_t i = 0; i < c->used; i++) bytes += HEAD + piece_of(c, &c->slots[i]).bytes.n;
    enum cru_status status = cru_spill_resize(&c->runs, at + bytes, err);
    if (status) return status;
    for (size_t i = 0; i < c->used; i++) {
        struct piece p = piece_of(c, &c->slots[i]);
        char *to = (char *)c->runs.p + at;
        uint32_t n = (uint32_t)p.bytes.n;
        memcpy(to, &p.hash, 8);
        memcpy(to + 8, &p.count, 8);
        memcpy(to + 16, &n, 4);
        memcpy(to + HEAD, p.bytes.p, n);
        at += HEAD + n;
    }
    c->run_ends[c->n_runs++] = at;
    memset(c->slots, 0, c->n_slots * sizeof *c->slots);
    c->used = 0;
    cru_buffer_clear(&c->longs);
    return CRU_OK;
}

static enum cru_status grow(struct cru_piece_counter *c, struct cru_error *err) {
    struct slot *old = c->slots;
    size_t n_old = c->n_slots;
    /* Twice as far apart, no more of them than before run over the last place: that slack is
     * enough. */
    if (!slots_new(c, c->bits + 1, n_old - ((size_t)1 << c->bits)))
        return cru_fail_memory(err, "counted pieces");
    for (size_t i = 0; i < n_old; i++)
        if (old[i].count) *free_slot(c, old[i].hash) = old[i];
    free(old);
    return CRU_OK;
}

/* Room for AHEAD more pieces and `more` bytes of long ones. */
static enum cru_status make_room(struct cru_piece_counter *c, size_t more, struct cru_error *err) {
    bool full = c->used + AHEAD > ((size_t)5 << c->bits) / 8;
    uint64_t table = c->n_slots * sizeof *c->slots;
    /* While a table grows its old half is still there. */
    uint64_t want = (full ? 3 * table : table) + c->longs.n + more;
    if (c->max_bytes && c->used && want > c->max_bytes && (full || c->longs.n > 1 << 20))
        return spill(c, err);
    return full ? grow(c, err) : CRU_OK;
}

/* A piece seen for the first time has taken the last slot: there must be a free one behind it. */
static enum cru_status extend(struct cru_piece_counter *c, struct cru_error *err) {
    size_t n = c->n_slots + SLACK;
    struct slot *slots = realloc(c->slots, n * sizeof *slots);
    if (!slots) return cru_fail_memory(err, "counted pieces");
    memset(slots + c->n_slots, 0, SLACK * sizeof *slots);
    c->slots = slots;
    c->n_slots = n;
    return CRU_OK;
}

/* ------------------------------------------------------------------ counting */

static inline enum cru_status fresh(struct cru_piece_counter *c, struct slot *slot,
                                    struct cru_piece_key key, uint64_t hash,
                                    struct cru_error *err) {
    *slot = (struct slot){key, hash, 1};
    c->used++;
    return slot == c->slots + c->n_slots - 1 ? extend(c, err) : CRU_OK;
}

/* There is room for it. */
static enum cru_status count_short(struct cru_piece_counter *c, struct cru_piece_key key,
                                   uint64_t hash, struct cru_error *err) {
    struct slot *slot = &c->slots[hash >> (64 - c->bits)];
    for (; slot->count; slot++)
        if (slot->key.low == key.low && slot->key.high == key.high) {
            slot->count++;
            return CRU_OK;
        }
    return fresh(c, slot, key, hash, err);
}

static enum cru_status count_long(struct cru_piece_counter *c, const unsigned char *p, size_t n,
                                  struct cru_error *err) {
    enum cru_status status = make_room(c, n, err);
    if (status) return status;
    uint64_t hash = cru_hash64(p, n, 0);
    struct cru_span bytes = cru_span_make((const char *)p, n);
    struct slot *slot = &c->slots[hash >> (64 - c->bits)];
    for (; slot->count; slot++) {
        if (slot->hash != hash || !is_long(slot)) continue;
        if (!cru_span_eq(piece_of(c, slot).bytes, bytes)) continue;
        slot->count++;
        return CRU_OK;
    }
    size_t place = c->longs.n;
    cru_buffer_add(&c->longs, p, n);
    if (c->longs.failed) return cru_fail_memory(err, "counted pieces");
    return fresh(c, slot, long_key(place, n), hash, err);
}

/* As cru_piece_key; faster where 16 bytes can be read at p: no length has to be predicted. */
static inline struct cru_piece_key key_at(const unsigned char *p, size_t n,
                                          const unsigned char *end) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (end - p >= 16) {
        struct cru_piece_key key;
        memcpy(&key, p, 16);
        unsigned cut = 8 * (unsigned)n;
        uint64_t low = cut < 64 ? ((uint64_t)1 << (cut & 63)) - 1 : UINT64_MAX;
        uint64_t high = cut < 64 ? 0 : ((uint64_t)1 << (cut & 63)) - 1;
        key.low &= low;
        key.high = (key.high & high) | (uint64_t)n << 56;
        return key;
    }
#else
    (void)end;
#endif
    return cru_piece_key(p, n);
}

static enum cru_status count_pieces(struct cru_piece_counter *c, struct cru_span text,
                                    struct cru_error *err) {
    const unsigned char *p = (const unsigned char *)text.p, *end = p + text.n;
    struct cru_piece_key keys[AHEAD];
    uint64_t hashes[AHEAD];
    enum cru_status status = CRU_OK;
    while (p < end && !status) {
        size_t n_keys = 0;
        status = make_room(c, 0, err);
        while (p < end && n_keys < AHEAD && !status) {
            const unsigned char *q = cru_piece_end_qwen2(&c->classes, p, end, 1);
            size_t n = (size_t)(q - p);
            c->totals.pieces++;
            if (n > INLINE_BYTES) {
                /* What is waiting has its room already, and may not wait through a spill. */
                for (size_t i = 0; i < n_keys && !status; i++)
                    status = count_short(c, keys[i], hashes[i], err);
                n_keys = 0;
                if (!status) status = count_long(c, p, n, err);
                if (!status) status = make_room(c, 0, err);
            } else if (n > 1) { /* a single byte has nothing to merge */
                keys[n_keys] = key_at(p, n, end);
                hashes[n_keys] = cru_key_hash(keys[n_keys]);
                __builtin_prefetch(&c->slots[hashes[n_keys] >> (64 - c->bits)], 1);
                n_keys++;
            }
            p = q;
        }
        for (size_t i = 0; i < n_keys && !status; i++)
            status = count_short(c, keys[i], hashes[i], err);
    }
    return status;
}

enum cru_status cru_piece_counter_add(struct cru_piece_counter *c, struct cru_span text,
                                      struct cru_error *err) {
    enum { KEEP_BYTES = 16 << 20 }; /* scratch larger than this is freed after the call */
    if (text.n == 0) return CRU_OK;
    enum cru_status status = cru_normalise(&c->normaliser, &c->classes, text, &text, err);
    if (status) return status;
    c->totals.bytes += text.n;
    status = count_pieces(c, text, err);
    if (c->normaliser.out.capacity > KEEP_BYTES) cru_normaliser_release(&c->normaliser);
    return status;
}

/* ------------------------------------------------------------------ all together */

/* A table or a run being read from front to back. */
struct source {
    const struct cru_piece_counter *counter;
    size_t at, end; /* numbers of slots; or places in the runs */
    bool run;
    struct piece now;
};

/* False at the end. */
static bool source_next(struct source *s) {
    if (s->at >= s->end) return false;
    if (!s->run) {
        s->now = piece_of(s->counter, &s->counter->slots[s->at++]);
        return true;
    }
    const char *p = (const char *)s->counter->runs.p + s->at;
    uint32_t n;
    memcpy(&s->now.hash, p, 8);
    memcpy(&s->now.count, p + 8, 8);
    memcpy(&n, p + 16, 4);
    s->now.bytes = cru_span_make(p + 20, n);
    s->at += 20 + n;
    return true;
}

/* The smallest piece of all is at heap[0]. */
static void sift_down(struct source *heap, size_t n, size_t i) {
    for (;;) {
        size_t least = 2 * i + 1;
        if (least >= n) return;
        if (least + 1 < n && compare(&heap[least + 1].now, &heap[least].now) < 0) least++;
        if (compare(&heap[i].now, &heap[least].now) <= 0) return;
        struct source moved = heap[i];
        heap[i] = heap[least];
        heap[least] = moved;
        i = least;
    }
}

static size_t open_sources(struct cru_piece_counter *const *counters, size_t n,
                           struct source *sources) {
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        struct cru_piece_counter *c = counters[i];
        sort_slots(c);
        sources[k] = (struct source){.counter = c, .end = c->used};
        k += source_next(&sources[k]);
        for (size_t r = 0; r < c->n_runs; r++) {
            size_t from = r ? c->run_ends[r - 1] : 0;
            sources[k] =
                (struct source){.counter = c, .at = from, .end = c->run_ends[r], .run = true};
            k += source_next(&sources[k]);
        }
    }
    for (size_t i = k / 2; i-- > 0;) sift_down(sources, k, i);
    return k;
}

static void empty(struct cru_piece_counter *c) {
    c->totals = cru_piece_counter_totals(c);
    cru_spill_release(&c->runs);
    cru_buffer_release(&c->longs);
    free(c->slots);
    c->slots = NULL;
    c->used = c->n_slots = c->n_runs = 0;
}

enum cru_status cru_piece_counters_merge(struct cru_piece_counter *const *counters, size_t n,
                                         cru_piece_take take, void *context,
                                         struct cru_error *err) {
    size_t capacity = 1;
    for (size_t i = 0; i < n; i++) capacity += 1 + counters[i]->n_runs;
    struct source *heap = calloc(capacity, sizeof *heap);
    if (!heap) return cru_fail_memory(err, "runs of counted pieces");
    enum cru_status status = CRU_OK;
    size_t left = open_sources(counters, n, heap);
    while (left && !status) {
        struct piece sum = heap[0].now;
        for (sum.count = 0; left && compare(&heap[0].now, &sum) == 0;) {
            sum.count += heap[0].now.count;
            if (!source_next(&heap[0])) heap[0] = heap[--left];
            sift_down(heap, left, 0);
        }
        status = take(context, sum.bytes, sum.count, err);
    }
    free(heap);
    for (size_t i = 0; i < n; i++) empty(counters[i]);
    return status;
}
