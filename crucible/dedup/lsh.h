/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locality-sensitive hashing: documents that share a band's key are candidates, and candidates are
 * joined into clusters.
 *
 *   add      keys[band][document]      8 bytes a band and document, one spilled array a band
 *   finish   band by band: (key, document) sorted by key, stably -> equal runs -> union
 *            32 bytes a document while one band is sorted; a band's keys are freed after it
 *   then     cluster of a document = the smallest document index it is connected to
 *
 * With --verify (matches > 0) a union is made only for pairs whose signatures agree in at least
 * that many minima, by one byte of each: a further `permutations` bytes a document. A pair that is
 * connected already is not compared, which changes no cluster; documents of a run are compared with
 * all others of the run that are not yet in their cluster. So clusters are a property of the set of
 * documents, not of their order.
 *
 * One thread at a time.
 */
#ifndef CRU_DEDUP_LSH_H
#define CRU_DEDUP_LSH_H

#include "crucible/base/spill.h"
#include "crucible/dedup/components.h"

struct cru_lsh {
    size_t bands;
    uint64_t documents;
    struct cru_spill_array *keys; /* one a band; uint64_t; 0: matches nothing */
    size_t sketch_bytes, matches; /* both 0 without verification */
    struct cru_spill_array sketches;
    struct cru_budget *budget;
    uint64_t compared, rejected; /* pairs, by verification */
};

/* `matches` of `permutations` minima must agree for a union; 0: no verification. */
enum cru_status cru_lsh_init(struct cru_lsh *lsh, size_t bands, size_t permutations, size_t matches,
                             struct cru_budget *budget, struct cru_error *err);
void cru_lsh_release(struct cru_lsh *lsh);
/* The next document's keys[bands] and, with verification, sketch[permutations]; NULL keys: it
 * matches nothing. */
enum cru_status cru_lsh_add(struct cru_lsh *lsh, const uint64_t *keys, const uint8_t *sketch,
                            struct cru_error *err);
/* Clusters of all documents added; the keys are gone after it. `components` is initialised here,
 * also on failure. */
enum cru_status cru_lsh_finish(struct cru_lsh *lsh, struct cru_components *components,
                               struct cru_error *err);
/* One byte a minimum, sketch[n]. Equal minima give equal bytes, others by chance 1 in 256. */
void cru_lsh_sketch(const uint64_t *minima, size_t n, uint8_t *sketch);
/*
 * Minima of n that agree byte for byte when the Jaccard similarity is `threshold`, rounded up:
 * n (t + (1 - t) / 256) (b-bit minwise hashing, Li and König 2010).
 */
size_t cru_lsh_matches(size_t n, double threshold);

#endif
