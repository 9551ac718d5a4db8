/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/mman.h>

#include "crucible/base/base.h"
#include "tokenizer/word_cache.h"

/* Zeroed memory at a multiple of 2 MiB, of huge pages where the system has them: a table that is read at
 * random costs a page walk a look otherwise. Asked for before the first touch, or it is too late. */
static void *table(size_t bytes) {
    const size_t huge = (size_t)2 << 20;
    size_t all = (bytes + huge - 1) / huge * huge;
    void *p = aligned_alloc(huge, all);
    if (!p) return NULL;
#if defined MADV_HUGEPAGE
    (void)madvise(p, all, MADV_HUGEPAGE);
#endif
    memset(p, 0, bytes);
    return p;
}

bool cru_word_cache_init(struct cru_word_cache *cache) {
    cache->pooled = 0;
    cache->sets = table(sizeof *cache->sets << CRU_SET_BITS);
    cache->longs = table(sizeof *cache->longs << CRU_LONG_BITS);
    cache->pool = malloc(CRU_POOL_IDS * sizeof *cache->pool);
    if (cache->sets && cache->longs && cache->pool) return true;
    cru_word_cache_release(cache);
    return false;
}

void cru_word_cache_release(struct cru_word_cache *cache) {
    free(cache->sets);
    free(cache->longs);
    free(cache->pool);
    memset(cache, 0, sizeof *cache);
}

void cru_word_cache_put(struct cru_word_cache *cache, struct cru_piece_key key, uint64_t hash,
                        const uint32_t *ids, size_t n) {
    struct cru_word_entry fresh = {key.low, key.high, {0}};
    if (n <= CRU_INLINE_IDS) {
        memcpy(fresh.ids, ids, n * sizeof *ids);
        fresh.high |= (uint64_t)n << CRU_COUNT_SHIFT;
    } else {
        if (cache->pooled + n > CRU_POOL_IDS) {
            memset(cache->sets, 0, sizeof *cache->sets << CRU_SET_BITS);
            cache->pooled = 0;
        }
        memcpy(cache->pool + cache->pooled, ids, n * sizeof *ids);
        fresh.ids[0] = (uint32_t)cache->pooled;
        fresh.ids[1] = (uint32_t)n;
        fresh.high |= (uint64_t)CRU_IN_POOL << CRU_COUNT_SHIFT;
        cache->pooled += n;
    }
    struct cru_word_set *set = &cache->sets[hash >> (64 - CRU_SET_BITS)];
    set->way[1] = set->way[0];
    set->way[0] = fresh;
}
