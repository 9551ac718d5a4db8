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
    SETS_BYTES = sizeof(struct cru_word_set) << CRU_SET_BITS,
    LONGS_BYTES = sizeof(struct cru_long_entry) << CRU_LONG_BITS,
};

bool cru_word_cache_init(struct cru_word_cache *cache) {
    cache->pooled = 0;
    cache->sets = table_new(SETS_BYTES);
    cache->longs = table_new(LONGS_BYTES);
    cache->pool = malloc(CRU_POOL_IDS * sizeof *cache->pool);
    if (cache->sets && cache->longs && cache->pool) return true;
    cru_word_cache_release(cache);
    return false;
}

void cru_word_cache_release(struct cru_word_cache *cache) {
    table_free(cache->sets, SETS_BYTES);
    table_free(cache->longs, LONGS_BYTES);
    free(cache->pool);
    memset(cache, 0, sizeof *cache);
}

void cru_word_cache_put(struct cru_word_cache *cache, struct cru_piece_key key, uint64_t hash,
                        const uint32_t *ids, size_t n) {
    struct cru_word_entry fresh = {key.low, key.high, {0}};
    if (n <= CRU_INLINE_IDS) {
        memcpy(fresh.ids, ids, n * sizeof *ids);
        fresh.ids[3] |= (uint32_t)n << CRU_COUNT_SHIFT;
    } else {
        if (cache->pooled + n > CRU_POOL_IDS) {
            memset(cache->sets, 0, SETS_BYTES);
            cache->pooled = 0;
        }
        memcpy(cache->pool + cache->pooled, ids, n * sizeof *ids);
        fresh.ids[0] = (uint32_t)cache->pooled;
        fresh.ids[1] = (uint32_t)n;
        fresh.ids[3] = (uint32_t)CRU_IN_POOL << CRU_COUNT_SHIFT;
        cache->pooled += n;
    }
    struct cru_word_set *set = &cache->sets[hash >> (64 - CRU_SET_BITS)];
    set->way[1] = set->way[0];
    set->way[0] = fresh;
}
