/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/base/base.h"
#include "crucible/filter/ngram_repeats.h"

void cru_ngram_repeats_init(struct cru_ngram_repeats *r) {
    memset(r, 0, sizeof *r);
}

/* What is a token's. */
static void free_tokens(struct cru_ngram_repeats *r) {
    free(r->name);
    free(r->survivor);
    free(r->count);
    free(r->first);
    free(r->chars_before);
    free(r->seen);
}

void cru_ngram_repeats_release(struct cru_ngram_repeats *r) {
    free_tokens(r);
    free(r->slots);
    memset(r, 0, sizeof *r);
}

/* Room for n tokens; old contents are not kept. */
static bool make_room(struct cru_ngram_repeats *r, size_t n) {
    size_t slots = 1024;
    while (slots < n * 2)
        slots *= 2;
    if (slots > r->cap_slots) {
        free(r->slots);
        r->slots = malloc(slots * sizeof *r->slots);
        r->cap_slots = r->slots ? slots : 0;
        if (!r->slots)
            return false;
    }
    if (n + 1 <= r->capacity)
        return true;
    size_t capacity = (n + 1) + (n + 1) / 2 + 1024;
    free_tokens(r);
    r->name = malloc(capacity * sizeof *r->name);
    r->survivor = malloc(capacity * sizeof *r->survivor);
    r->count = malloc(capacity * sizeof *r->count);
    r->first = malloc(capacity * sizeof *r->first);
    r->chars_before = malloc(capacity * sizeof *r->chars_before);
    r->seen = malloc(capacity);
    bool ok = r->name && r->survivor && r->count && r->first && r->chars_before && r->seen;
    r->capacity = ok ? capacity : 0;
    return ok;
}

/* The smallest power of two with room for n keys at a load of at most one half; table cleared. */
static size_t clear_slots(struct cru_ngram_repeats *r, size_t n) {
    size_t slots = 64;
    while (slots < n * 2)
        slots *= 2;
    memset(r->slots, 0, slots * sizeof *r->slots);
    return slots - 1;
}

static inline size_t slot_of(uint64_t key, size_t mask) {
    key ^= key >> 32;
    key *= 0x9E3779B97F4A7C15u; /* Fibonacci hashing (Knuth, TAOCP 3, 6.4) */
    return (size_t)(key >> 24 ^ key >> 44) & mask;
}

/* Up to eight bytes as a number, the first byte lowest on every machine. */
static inline uint64_t short_key(const char *p, size_t n, bool room) {
    uint64_t key = 0;
    if (room) {
        memcpy(&key, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        key = __builtin_bswap64(key);
#endif
        return n == 8 ? key : key & (((uint64_t)1 << (8 * n)) - 1);
    }
    for (size_t i = 0; i < n; i++)
        key |= (uint64_t)(unsigned char)p[i] << (8 * i);
    return key;
}

/* Keeps the positions whose name occurs at least twice. */
static void keep_repeated(struct cru_ngram_repeats *r, size_t n) {
    size_t kept = 0;
    for (size_t k = 0; k < n; k++) {
        uint32_t p = r->survivor[k];
        r->survivor[kept] = p;
        kept += r->count[r->name[p]] > 1;
    }
    r->n_survivors = kept;
}

enum cru_status cru_ngram_repeats_begin(struct cru_ngram_repeats *r, struct cru_span text,
                                        const struct cru_token *tokens, size_t n_tokens,
                                        struct cru_error *err) {
    if (!make_room(r, n_tokens))
        return cru_fail_memory(err, "repeated n-grams of a document");
    r->text = text;
    r->tokens = tokens;
    r->n_tokens = n_tokens;
    r->n = 1;
    r->n_names = 0;
    size_t mask = clear_slots(r, n_tokens);
    uint64_t chars = 0;
    for (size_t i = 0; i < n_tokens; i++) {
        const struct cru_token *t = &tokens[i];
        const char *p = text.p + t->at;
        r->chars_before[i] = chars;
        chars += t->chars;
        uint64_t key = t->bytes <= 8 ? short_key(p, t->bytes, t->at + 8 <= text.n)
                                     : cru_hash64(p, t->bytes, 0);
        size_t s = slot_of(key, mask);
        for (;; s = (s + 1) & mask) {
            struct cru_name_slot *slot = &r->slots[s];
            if (slot->name == 0) {
                *slot = (struct cru_name_slot){key, ++r->n_names, t->bytes};
                r->count[slot->name] = 1;
                r->first[slot->name] = (uint32_t)i;
                r->name[i] = slot->name;
                break;
            }
            if (slot->key == key && slot->bytes == t->bytes &&
                (t->bytes <= 8 ||
                 memcmp(text.p + tokens[r->first[slot->name]].at, p, t->bytes) == 0)) {
                r->count[slot->name]++;
                r->name[i] = slot->name;
                break;
            }
        }
        r->survivor[i] = (uint32_t)i;
    }
    r->chars_before[n_tokens] = chars;
    keep_repeated(r, n_tokens);
    return CRU_OK;
}

void cru_ngram_repeats_next(struct cru_ngram_repeats *r) {
    size_t mask = clear_slots(r, r->n_survivors), kept = 0;
    r->n++;
    r->n_names = 0;
    for (size_t k = 0; k + 1 < r->n_survivors; k++) {
        uint32_t p = r->survivor[k];
        if (r->survivor[k + 1] != p + 1)
            continue;
        /* Ascending order: name[p + 1] is still of the level below when p is done. */
        uint64_t key = (uint64_t)r->name[p] << 32 | r->name[p + 1];
        size_t s = slot_of(key, mask);
        while (r->slots[s].name != 0 && r->slots[s].key != key)
            s = (s + 1) & mask;
        struct cru_name_slot *slot = &r->slots[s];
        if (slot->name == 0) {
            slot->key = key;
            slot->name = ++r->n_names;
            r->count[slot->name] = 0;
            r->first[slot->name] = p;
        }
        r->count[slot->name]++;
        r->name[p] = slot->name;
        r->survivor[kept++] = p;
    }
    keep_repeated(r, kept);
}

static uint64_t gram_chars(const struct cru_ngram_repeats *r, uint32_t position) {
    return r->chars_before[position + r->n] - r->chars_before[position];
}

uint64_t cru_ngram_repeats_top_chars(const struct cru_ngram_repeats *r) {
    if (r->n_tokens < r->n)
        return 0;
    uint32_t best = 0, most = 1;
    for (uint32_t name = 1; name <= r->n_names; name++)
        if (r->count[name] > most) {
            most = r->count[name];
            best = name;
        }
    /* Names rise with their first position, so the first maximum is the first seen. When nothing
     * repeats, the first n-gram of the text is the most frequent one. */
    uint32_t position = best ? r->first[best] : 0;
    return (gram_chars(r, position) + r->n - 1) * most;
}

uint64_t cru_ngram_repeats_duplicate_chars(struct cru_ngram_repeats *r) {
    memset(r->seen, 0, (size_t)r->n_names + 1);
    uint64_t chars = 0;
    uint32_t next = 0;
    for (size_t k = 0; k < r->n_survivors; k++) {
        uint32_t p = r->survivor[k];
        if (p < next)
            continue;
        if (r->seen[r->name[p]]) {
            chars += gram_chars(r, p);
            next = p + r->n;
        } else {
            r->seen[r->name[p]] = 1;
        }
    }
    return chars;
}
