/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/mman.h>

#include "crucible/base/base.h"
#include "tokenizer/word_cache.h"

enum { HUGE_PAGE = 2 << 20 };

/* Zeroed memory at a multiple of 2 MiB, of huge pages where the system has them and the table fills one: a table that
 * is read at random costs a page walk a look otherwise. Not touched here: what is never used costs nothing. */
static void *table_new(size_t bytes) {
    const size_t huge = HUGE_PAGE;
    size_t all = bytes + huge;
    char *p = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return NULL;
    size_t skip = (huge - (uintptr_t)p % huge) % huge;
    if (skip) (void)munmap(p, skip);
    if (huge > skip) (void)munmap(p + skip + bytes, huge - skip);
#if defined MADV_HUGEPAGE
    if (bytes >= HUGE_PAGE) (void)madvise(p + skip, bytes, MADV_HUGEPAGE);
#endif
    return p + skip;
}

static void table_free(void *p, size_t bytes) {
    if (p) (void)munmap(p, bytes);
}

enum {
    LONGS_BYTES = sizeof(struct cru_long_entry) << CRU_LONG_BITS,
    STORE_BYTES = CRU_STORE_WORDS * sizeof(uint32_t),
    POOL_BYTES = CRU_POOL_IDS * sizeof(uint32_t),
};

static size_t words_bytes(const struct cru_word_cache *cache) {
    return sizeof *cache->words << cache->place_bits;
}

bool cru_word_cache_init(struct cru_word_cache *cache) {
    cache->kept = cache->pooled = cache->stored = 0;
    cache->place_bits = CRU_PLACE_BITS_FIRST;
    cache->words = table_new(words_bytes(cache));
    cache->longs = table_new(LONGS_BYTES);
    cache->pool = table_new(POOL_BYTES);
    cache->store = table_new(STORE_BYTES);
    if (cache->words && cache->longs && cache->pool && cache->store) return true;
    cru_word_cache_release(cache);
    return false;
}

void cru_word_cache_release(struct cru_word_cache *cache) {
    table_free(cache->words, words_bytes(cache));
    table_free(cache->longs, LONGS_BYTES);
    table_free(cache->store, STORE_BYTES);
    table_free(cache->pool, POOL_BYTES);
    memset(cache, 0, sizeof *cache);
}

bool cru_word_cache_fetch(struct cru_word_cache *cache, struct cru_piece_key key) {
    size_t own = cru_word_place(cache, key);
    struct cru_word_entry *beside = &cache->words[own ^ 1], found = *beside;
    if (found.low != key.low || found.high != key.high) return false;
    *beside = cache->words[own];
    cache->words[own] = found;
    return true;
}

/* Into its own place; what stood there, moves to the one beside it. */
static void put_entry(struct cru_word_cache *cache, const struct cru_word_entry *fresh) {
    size_t own = cru_word_place(cache, (struct cru_piece_key){fresh->low, fresh->high});
    if (cache->words[own].high) cache->words[own ^ 1] = cache->words[own];
    cache->words[own] = *fresh;
}

void cru_word_cache_grow(struct cru_word_cache *cache) {
    struct cru_word_cache larger = *cache;
    larger.place_bits = CRU_PLACE_BITS;
    cache->kept = larger.kept = 0;
    larger.words = table_new(words_bytes(&larger));
    if (!larger.words) return;
    for (size_t i = 0; i < (size_t)1 << cache->place_bits; i++)
        if (cache->words[i].high) put_entry(&larger, &cache->words[i]);
    table_free(cache->words, words_bytes(cache));
    *cache = larger;
}

void cru_word_cache_put(struct cru_word_cache *cache, struct cru_piece_key key,
                        const uint32_t *ids, size_t n) {
    struct cru_word_entry fresh = {key.low, key.high, {0}, (uint32_t)n};
    if (n <= CRU_INLINE_IDS) {
        memcpy(fresh.ids, ids, n * sizeof *ids);
    } else {
        if (cache->pooled + n > CRU_POOL_IDS) {
            memset(cache->words, 0, words_bytes(cache));
            cache->pooled = 0;
        }
        memcpy(cache->pool + cache->pooled, ids, n * sizeof *ids);
        fresh.ids[0] = (uint32_t)cache->pooled;
        cache->pooled += n;
    }
    put_entry(cache, &fresh);
    cache->kept += cache->place_bits == CRU_PLACE_BITS_FIRST;
}

/* An entry's number and tag are different parts of the hash. */
static struct cru_long_entry *long_of(const struct cru_word_cache *cache, uint64_t hash) {
    return &cache->longs[hash >> (64 - CRU_LONG_BITS)];
}

uint32_t *cru_word_cache_get_long(const struct cru_word_cache *cache, const unsigned char *p,
                                  size_t n, uint64_t hash, uint32_t *out) {
    const struct cru_long_entry *e = long_of(cache, hash);
    const uint32_t *ids = cache->store + e->at;
    if (e->tag != (uint32_t)hash || e->bytes != n || memcmp(ids + e->ids, p, n) != 0) return NULL;
    memcpy(out, ids, e->ids * sizeof *out);
    return out + e->ids;
}

void cru_word_cache_put_long(struct cru_word_cache *cache, const unsigned char *p, size_t n,
                             uint64_t hash, const uint32_t *ids, size_t n_ids) {
    size_t words = n_ids + (n + 3) / 4;
    if (cache->stored + words > CRU_STORE_WORDS) {
        memset(cache->longs, 0, LONGS_BYTES);
        cache->stored = 0;
    }
    struct cru_long_entry *e = long_of(cache, hash);
    *e = (struct cru_long_entry){(uint32_t)hash, (uint32_t)cache->stored, (uint16_t)n,
                                 (uint16_t)n_ids};
    memcpy(cache->store + cache->stored, ids, n_ids * sizeof *ids);
    memcpy(cache->store + cache->stored + n_ids, p, n);
    cache->stored += words;
}
