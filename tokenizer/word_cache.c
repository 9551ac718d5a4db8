/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/mman.h>

#include "crucible/base/base.h"
#include "tokenizer/word_cache.h"

/* Zeroed memory at a multiple of 2 MiB, of huge pages where the system has them: a table that is read at
 * random costs a page walk a look otherwise. Not touched here: what is never used costs nothing. */
static void *table_new(size_t bytes) {
    const size_t huge = (size_t)2 << 20;
    size_t all = bytes + huge;
    char *p = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return NULL;
    size_t skip = (huge - (uintptr_t)p % huge) % huge;
    if (skip) (void)munmap(p, skip);
    if (huge > skip) (void)munmap(p + skip + bytes, huge - skip);
#if defined MADV_HUGEPAGE
    (void)madvise(p + skip, bytes, MADV_HUGEPAGE);
#endif
    return p + skip;
}

static void table_free(void *p, size_t bytes) {
    if (p) (void)munmap(p, bytes);
}

enum {
    FIRST_BYTES = sizeof(struct cru_word_entry) << CRU_FIRST_BITS,
    SECOND_BYTES = 2 * sizeof(struct cru_word_entry) << CRU_SECOND_BITS,
    LONGS_BYTES = sizeof(struct cru_long_entry) << CRU_LONG_BITS,
};

bool cru_word_cache_init(struct cru_word_cache *cache) {
    cache->pooled = 0;
    cache->first = table_new(FIRST_BYTES);
    cache->second = table_new(SECOND_BYTES);
    cache->longs = table_new(LONGS_BYTES);
    cache->pool = malloc(CRU_POOL_IDS * sizeof *cache->pool);
    if (cache->first && cache->second && cache->longs && cache->pool) return true;
    cru_word_cache_release(cache);
    return false;
}

void cru_word_cache_release(struct cru_word_cache *cache) {
    table_free(cache->first, FIRST_BYTES);
    table_free(cache->second, SECOND_BYTES);
    table_free(cache->longs, LONGS_BYTES);
    free(cache->pool);
    memset(cache, 0, sizeof *cache);
}

/* The set of a piece in `second`: other bits of the hash than its place in `first`. */
static struct cru_word_entry *second_of(struct cru_word_cache *cache, struct cru_piece_key key) {
    return cache->second[cru_word_hash(key) >> 16 & (((size_t)1 << CRU_SECOND_BITS) - 1)];
}

/* Puts the entry at its place; what was there goes to `second`, in place of the older of two. */
static void place(struct cru_word_cache *cache, const struct cru_word_entry *entry) {
    struct cru_piece_key key = {entry->low, entry->high};
    struct cru_word_entry *first = &cache->first[cru_word_hash(key) >> (64 - CRU_FIRST_BITS)];
    if (first->high) {
        struct cru_word_entry *set = second_of(cache, (struct cru_piece_key){first->low, first->high});
        set[1] = set[0];
        set[0] = *first;
    }
    *first = *entry;
}

bool cru_word_cache_find(struct cru_word_cache *cache, struct cru_piece_key key) {
    struct cru_word_entry *set = second_of(cache, key);
    for (int i = 0; i < 2; i++) {
        if (set[i].low != key.low || set[i].high != key.high) continue;
        struct cru_word_entry found = set[i];
        memset(&set[i], 0, sizeof set[i]);
        place(cache, &found);
        return true;
    }
    return false;
}

void cru_word_cache_put(struct cru_word_cache *cache, struct cru_piece_key key,
                        const uint32_t *ids, size_t n) {
    struct cru_word_entry fresh = {key.low, key.high, {0}, (uint32_t)n};
    if (n <= CRU_INLINE_IDS) {
        memcpy(fresh.ids, ids, n * sizeof *ids);
    } else {
        if (cache->pooled + n > CRU_POOL_IDS) {
            memset(cache->first, 0, FIRST_BYTES);
            memset(cache->second, 0, SECOND_BYTES);
            cache->pooled = 0;
        }
        memcpy(cache->pool + cache->pooled, ids, n * sizeof *ids);
        fresh.ids[0] = (uint32_t)cache->pooled;
        cache->pooled += n;
    }
    place(cache, &fresh);
}
