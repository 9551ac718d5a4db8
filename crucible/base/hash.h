/* SPDX-License-Identifier: Apache-2.0 */
/* XXH3 (xxHash) behind two names, and the seeded generator that all of Crucible uses. Pure. */
#ifndef CRU_BASE_HASH_H
#define CRU_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

struct cru_hash128 {
    uint64_t low, high;
};

uint64_t cru_hash64(const void *p, size_t n, uint64_t seed);
struct cru_hash128 cru_hash128(const void *p, size_t n, uint64_t seed);

/* Streaming XXH3-64, for files that do not fit. NULL when memory is short. */
struct cru_hasher;
struct cru_hasher *cru_hasher_new(void);
void cru_hasher_add(struct cru_hasher *h, const void *p, size_t n);
uint64_t cru_hasher_digest(const struct cru_hasher *h);
uint64_t cru_hasher_take(struct cru_hasher *h); /* the digest; the next byte begins a new one */
void cru_hasher_free(struct cru_hasher *h);

/* SplitMix64 (Steele, Lea, Flood 2014): a bijection of 64-bit words, good as a finaliser and, on a
 * counter, as a generator that needs no state between threads. */
static inline uint64_t cru_mix64(uint64_t x) {
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

/* A generator with one word of state; equal seeds give equal sequences on every machine. */
struct cru_random {
    uint64_t state;
};
static inline uint64_t cru_random_next(struct cru_random *r) {
    uint64_t x = cru_mix64(r->state);
    r->state += 0x9E3779B97F4A7C15u;
    return x;
}
/* Uniform in [0, 1), 53 bits. */
static inline double cru_random_unit(struct cru_random *r) {
    return (double)(cru_random_next(r) >> 11) * 0x1p-53;
}

#endif
