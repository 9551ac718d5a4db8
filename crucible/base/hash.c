/* SPDX-License-Identifier: Apache-2.0 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "crucible/base/base.h"

uint64_t cru_hash64(const void *p, size_t n, uint64_t seed) {
    return XXH3_64bits_withSeed(p, n, seed);
}

struct cru_hash128 cru_hash128(const void *p, size_t n, uint64_t seed) {
    XXH128_hash_t h = XXH3_128bits_withSeed(p, n, seed);
    return (struct cru_hash128){h.low64, h.high64};
}

struct cru_hasher {
    XXH3_state_t *state;
};

struct cru_hasher *cru_hasher_new(void) {
    struct cru_hasher *h = malloc(sizeof *h);
    if (!h) return NULL;
    h->state = XXH3_createState();
    if (!h->state) {
        free(h);
        return NULL;
    }
    (void)XXH3_64bits_reset(h->state);
    return h;
}

void cru_hasher_add(struct cru_hasher *h, const void *p, size_t n) {
    (void)XXH3_64bits_update(h->state, p, n);
}

uint64_t cru_hasher_digest(const struct cru_hasher *h) { return XXH3_64bits_digest(h->state); }

uint64_t cru_hasher_take(struct cru_hasher *h) {
    uint64_t digest = XXH3_64bits_digest(h->state);
    (void)XXH3_64bits_reset(h->state);
    return digest;
}

void cru_hasher_free(struct cru_hasher *h) {
    if (!h) return;
    (void)XXH3_freeState(h->state);
    free(h);
}
