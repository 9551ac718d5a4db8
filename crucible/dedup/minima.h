/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The MinHash kernel: for each permutation i the minimum over all x of a[i] x + b[i] modulo 2^64.
 *
 * Multiply-shift hashing (Dietzfelbinger et al. 1997) kept at full width: a is odd, so each
 * function permutes the 64-bit words, and comparing whole words compares their top bits first. The
 * x must be well mixed (cru_mix64). One kernel is chosen at run time (AVX-512DQ, AVX2, plain C);
 * all give the same words. Immutable after init; any thread may call cru_minima_update on its own
 * minima.
 */
#ifndef CRU_DEDUP_MINIMA_H
#define CRU_DEDUP_MINIMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CRU_MINIMA_LANES = 16 }; /* arrays are padded to a multiple of this */

typedef void cru_minima_kernel(const uint64_t *a, const uint64_t *b, size_t padded,
                               const uint64_t *x, size_t n, uint64_t *minima);

struct cru_minima {
    size_t n, padded; /* permutations; rounded up to CRU_MINIMA_LANES */
    uint64_t *a, *b;  /* owned, `padded` each */
    cru_minima_kernel *kernel;
};

/* False when memory is short. Equal seeds give equal permutations everywhere. */
bool cru_minima_init(struct cru_minima *minima, size_t permutations, uint64_t seed);
void cru_minima_release(struct cru_minima *minima);

/* values[padded] starts as all UINT64_MAX. */
static inline void cru_minima_update(const struct cru_minima *m, const uint64_t *x, size_t n,
                                     uint64_t *values) {
    m->kernel(m->a, m->b, m->padded, x, n, values);
}

/* The reference, and the others where this machine has them (NULL where not). */
void cru_minima_plain(const uint64_t *a, const uint64_t *b, size_t padded, const uint64_t *x,
                      size_t n, uint64_t *minima);
cru_minima_kernel *cru_minima_avx2(void);
cru_minima_kernel *cru_minima_avx512(void);

#endif
