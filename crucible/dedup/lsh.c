/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "crucible/base/base.h"
#include "crucible/dedup/lsh.h"

struct entry {
    uint64_t key, document;
};

enum cru_status cru_lsh_init(struct cru_lsh *lsh, size_t bands, size_t permutations, size_t matches,
                             struct cru_budget *budget, struct cru_error *err) {
    memset(lsh, 0, sizeof *lsh);
    lsh->budget = budget;
    lsh->keys = calloc(bands, sizeof *lsh->keys);
    if (!lsh->keys) return cru_fail_memory(err, "bands");
    lsh->bands = bands;
    lsh->matches = matches;
    lsh->sketch_bytes = matches ? permutations : 0;
    for (size_t i = 0; i < bands; i++) cru_spill_init(&lsh->keys[i], sizeof(uint64_t), budget);
    cru_spill_init(&lsh->sketches, 1, budget);
    return CRU_OK;
}

void cru_lsh_release(struct cru_lsh *lsh) {
    if (!lsh->keys) return; /* never initialised */
    for (size_t i = 0; i < lsh->bands; i++) cru_spill_release(&lsh->keys[i]);
    cru_spill_release(&lsh->sketches);
    free(lsh->keys);
    memset(lsh, 0, sizeof *lsh);
}

enum cru_status cru_lsh_add(struct cru_lsh *lsh, const uint64_t *keys, const uint8_t *sketch,
                            struct cru_error *err) {
    size_t n = (size_t)lsh->documents;
    for (size_t i = 0; i < lsh->bands; i++) {
        enum cru_status s = cru_spill_resize(&lsh->keys[i], n + 1, err);
        if (s) return s;
        if (keys) ((uint64_t *)lsh->keys[i].p)[n] = keys[i];
    }
    if (lsh->matches) {
        enum cru_status s = cru_spill_resize(&lsh->sketches, (n + 1) * lsh->sketch_bytes, err);
        if (s) return s;
        if (keys)
            memcpy((uint8_t *)lsh->sketches.p + n * lsh->sketch_bytes, sketch, lsh->sketch_bytes);
    }
    lsh->documents++;
    return CRU_OK;
}

/* Least significant byte first, stable: eight passes between two arrays, ending where it began. */
static void sort_entries(struct entry *a, struct entry *b, size_t n) {
    for (int shift = 0; shift < 64; shift += 8) {
        size_t starts[256] = {0}, sum = 0;
        for (size_t i = 0; i < n; i++) starts[(a[i].key >> shift) & 255]++;
        for (size_t i = 0; i < 256; i++) {
            size_t count = starts[i];
            starts[i] = sum;
            sum += count;
        }
        for (size_t i = 0; i < n; i++) b[starts[(a[i].key >> shift) & 255]++] = a[i];
        struct entry *swap = a;
        a = b;
        b = swap;
    }
}

static bool similar(struct cru_lsh *lsh, uint64_t i, uint64_t j) {
    const uint8_t *a = (const uint8_t *)lsh->sketches.p + i * lsh->sketch_bytes;
    const uint8_t *b = (const uint8_t *)lsh->sketches.p + j * lsh->sketch_bytes;
    size_t equal = 0;
    for (size_t k = 0; k < lsh->sketch_bytes; k++) equal += a[k] == b[k];
    lsh->compared++;
    bool enough = equal >= lsh->matches;
    if (!enough) lsh->rejected++;
    return enough;
}

/*
 * Joins the similar among documents that share a key. `open` starts as all of them; each round
 * takes the first and joins what is similar to it, or to what it was joined with, until nothing
 * more is; what is left goes to the next round. Documents of one cluster so meet each other at most
 * once, and a run that is one cluster of copies costs one comparison a document.
 */
static void join_similar(struct cru_lsh *lsh, struct cru_components *c, struct entry *open,
                         size_t n) {
    while (n > 1) {
        size_t members = 1; /* open[0..members) are the round's cluster; of those.. */
        for (size_t next = 0; next < members; next++) /* ..next is being compared */
            for (size_t i = members; i < n; i++)
                if (cru_components_find(c, open[next].document) ==
                        cru_components_find(c, open[i].document) ||
                    similar(lsh, open[next].document, open[i].document)) {
                    cru_components_union(c, open[next].document, open[i].document);
                    struct entry swap = open[members];
                    open[members++] = open[i];
                    open[i] = swap;
                }
        open += members;
        n -= members;
    }
}

static void join_runs(struct cru_lsh *lsh, struct cru_components *c, struct entry *entries,
                      size_t n) {
    for (size_t i = 0; i < n;) {
        size_t j = i + 1;
        while (j < n && entries[j].key == entries[i].key) j++;
        if (lsh->matches)
            join_similar(lsh, c, entries + i, j - i);
        else
            for (size_t k = i + 1; k < j; k++)
                cru_components_union(c, entries[i].document, entries[k].document);
        i = j;
    }
}

enum cru_status cru_lsh_finish(struct cru_lsh *lsh, struct cru_components *c,
                               struct cru_error *err) {
    struct cru_spill_array entries, other;
    cru_spill_init(&entries, sizeof(struct entry), lsh->budget);
    cru_spill_init(&other, sizeof(struct entry), lsh->budget);
    enum cru_status s = cru_components_init(c, lsh->documents, lsh->budget, err);
    if (!s) s = cru_spill_resize(&entries, (size_t)lsh->documents, err);
    if (!s) s = cru_spill_resize(&other, (size_t)lsh->documents, err);
    for (size_t band = 0; !s && band < lsh->bands; band++) {
        const uint64_t *keys = lsh->keys[band].p;
        struct entry *a = entries.p;
        size_t n = 0;
        for (uint64_t i = 0; i < lsh->documents; i++)
            if (keys[i]) a[n++] = (struct entry){keys[i], i};
        cru_spill_release(&lsh->keys[band]);
        sort_entries(a, other.p, n);
        join_runs(lsh, c, a, n);
    }
    if (!s) cru_components_flatten(c);
    cru_spill_release(&entries);
    cru_spill_release(&other);
    return s;
}

void cru_lsh_sketch(const uint64_t *minima, size_t n, uint8_t *sketch) {
    /* The minima's own top bits are nearly all zero; mixing spreads them. */
    for (size_t i = 0; i < n; i++) sketch[i] = (uint8_t)(cru_mix64(minima[i]) >> 56);
}

size_t cru_lsh_matches(size_t n, double threshold) {
    return (size_t)ceil((double)n * (threshold + (1 - threshold) / 256) - 1e-9);
}
