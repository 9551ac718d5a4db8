/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/dedup/minhash.h"
#include "crucible/base/base.h"

/* Bands, rows and shingle length as published; the words are Crucible's (crucible/dedup/fold.h). */
const struct cru_minhash_profile cru_minhash_profiles[] = {
    {"fineweb", 14, 8, 5, "huggingface/datatrove examples/fineweb.py; arXiv 2406.17557"},
    {"refinedweb", 450, 20, 5, "arXiv 2306.01116"},
    {"stack", 25, 10, 5, "bigcode-project/bigcode-dataset near_deduplication, 250 of 256 hashes"},
    {NULL, 0, 0, 0, NULL},
};

const struct cru_minhash_profile *cru_minhash_profile_find(const char *name) {
    for (const struct cru_minhash_profile *p = cru_minhash_profiles; p->name; p++)
        if (cru_span_is(cru_span_of(name), p->name)) return p;
    return NULL;
}

enum cru_status cru_minhash_init(struct cru_minhash *m, const struct cru_fold *fold, size_t bands,
                                 size_t rows, size_t ngram, uint64_t seed, struct cru_error *err) {
    memset(m, 0, sizeof *m);
    m->bands = bands;
    m->rows = rows;
    m->ngram = ngram;
    m->power = cru_gram_power(ngram);
    m->fold = fold;
    if (!cru_minima_init(&m->minima, bands * rows, seed))
        return cru_fail_memory(err, "permutations");
    return CRU_OK;
}

void cru_minhash_release(struct cru_minhash *m) {
    cru_minima_release(&m->minima);
}

struct cru_minhash_work *cru_minhash_work_new(const struct cru_minhash *m,
                                              struct cru_arena *arena) {
    struct cru_minhash_work *work = cru_arena_alloc(arena, sizeof *work);
    if (!work) return NULL;
    work->minima = cru_arena_alloc(arena, m->minima.padded * sizeof *work->minima);
    return work->minima ? work : NULL;
}

uint64_t cru_minhash_sign(const struct cru_minhash *m, struct cru_minhash_work *work,
                          struct cru_span text) {
    size_t n = m->ngram;
    uint64_t seen = 0, shingles = 0;
    /* prefix[n-1] is the sum before the chunk's first word; the n before it are older ones. */
    uint64_t *prefix = work->prefix;
    struct cru_word_scan scan;
    cru_word_scan_init(&scan, m->fold, text);
    memset(prefix, 0, n * sizeof *prefix);
    memset(work->minima, 0xFF, m->minima.padded * sizeof *work->minima);
    for (;;) {
        size_t got = cru_word_scan_next(&scan, work->words, NULL, CRU_MINHASH_CHUNK);
        if (!got) break;
        for (size_t i = 0; i < got; i++)
            prefix[n + i] = prefix[n + i - 1] * CRU_GRAM_BASE + work->words[i];
        size_t first = seen >= n - 1 ? 0 : n - 1 - (size_t)seen, count = 0;
        for (size_t i = first; i < got; i++)
            work->shingles[count++] = cru_mix64(prefix[n + i] - prefix[i] * m->power);
        cru_minima_update(&m->minima, work->shingles, count, work->minima);
        seen += got;
        shingles += count;
        memmove(prefix, prefix + got, n * sizeof *prefix);
    }
    return shingles;
}

void cru_minhash_keys(const struct cru_minhash *m, const uint64_t *minima, uint64_t *keys) {
    for (size_t band = 0; band < m->bands; band++) {
        uint64_t key =
            cru_hash64(minima + band * m->rows, m->rows * sizeof *minima, (uint64_t)band);
        keys[band] = key ? key : 1;
    }
}
