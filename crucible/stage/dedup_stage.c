/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `dedup`: exact copies are found as documents pass, near copies when all have been seen.
 *
 *   run      hash of the text or field; signature -> scratch
 *   commit   exact set: a copy is dropped (or marked); else its band keys join the LSH index
 *   finish   clusters, and the document each of them keeps
 *   replay   drops (or marks) the others
 *
 * With --exact alone nothing needs a second look, so the stage streams.
 */
#include <math.h>

#include "crucible/base/base.h"
#include "crucible/dedup/exact.h"
#include "crucible/dedup/lsh.h"
#include "crucible/dedup/minhash.h"
#include "crucible/stage/stage.h"

struct dedup {
    struct cru_stage base;
    const char *exact; /* NULL: off; "text", or a field's name */
    const char *minhash;
    int64_t bands, rows, ngram; /* 0: the profile's */
    const char *keep;
    double verify; /* 0: off */
    bool mark;

    struct cru_budget budget;
    struct cru_exact seen;
    struct cru_fold *fold;
    struct cru_minhash signer;
    struct cru_lsh lsh;
    struct cru_components components;
    struct cru_spill_array worth; /* double a document: what --keep compares; empty for "first" */
    struct cru_spill_array kept;  /* uint64_t a document, at a cluster's root: the one that stays */
    struct cru_spill_array sizes; /* uint64_t a document, at a cluster's root */
    struct cru_json_parser *parser; /* for --keep FIELD */
    uint64_t index_bytes;
    uint64_t exact_copies, without_field, short_texts, clusters, near_copies, largest;
};

static const struct cru_option options[] = {
    {CRU_OPTION_STRING, 0, "exact", offsetof(struct dedup, exact), "FIELD", NULL, "text", 0, 0,
     "drop documents whose text, or whose FIELD, is byte for byte that of an earlier one"},
    {CRU_OPTION_STRING, 0, "minhash", offsetof(struct dedup, minhash), "PROFILE", NULL, "fineweb",
     0, 0,
     "drop near copies by MinHash with the bands, rows and n-grams of PROFILE: fineweb, refinedweb "
     "or stack"},
    {CRU_OPTION_INT, 0, "bands", offsetof(struct dedup, bands), "B", NULL, NULL, 0,
     CRU_MINHASH_BANDS_MAX, "bands of a signature, in place of the profile's"},
    {CRU_OPTION_INT, 0, "rows", offsetof(struct dedup, rows), "R", NULL, NULL, 0,
     CRU_MINHASH_ROWS_MAX, "minima in a band, in place of the profile's"},
    {CRU_OPTION_INT, 0, "ngram", offsetof(struct dedup, ngram), "N", NULL, NULL, 0,
     CRU_MINHASH_NGRAM_MAX, "words in a shingle, in place of the profile's"},
    {CRU_OPTION_REAL, 0, "verify", offsetof(struct dedup, verify), "J", NULL, "0.7", 0, 1,
     "join near copies only if their signatures put their Jaccard similarity at J (0.7) or more"},
    {CRU_OPTION_STRING, 0, "keep", offsetof(struct dedup, keep), "first|longest|FIELD", "first",
     NULL, 0, 0,
     "which of a cluster of near copies stays: the first, the longest, or that with the largest "
     "number in FIELD, such as crucible.quality.score"},
    {CRU_OPTION_FLAG, 0, "mark", offsetof(struct dedup, mark), NULL, NULL, NULL, 0, 0,
     "keep all documents and write what was found to crucible.dedup"},
    {.type = CRU_OPTION_END},
};

/* What run() leaves for commit(); in the batch's arena. */
struct found {
    struct cru_hash128 hash;
    bool hashed;
    uint64_t *keys;  /* NULL: no signature */
    uint8_t *sketch; /* with --verify */
};

static enum cru_status check_options(struct dedup *d, const struct cru_minhash_profile **profile,
                                     struct cru_error *err) {
    *profile = NULL;
    if (!d->exact && !d->minhash)
        return cru_fail(err, CRU_USAGE, "nothing to do: give --exact, --minhash or both");
    if (!d->minhash) {
        const char *only = d->bands                   ? "bands"
                           : d->rows                  ? "rows"
                           : d->ngram                 ? "ngram"
                           : d->verify > 0            ? "verify"
                           : strcmp(d->keep, "first") ? "keep"
                                                      : NULL;
        if (only)
            return cru_fail(err, CRU_USAGE, "--%s is for --minhash, which was not given", only);
        return CRU_OK;
    }
    *profile = cru_minhash_profile_find(d->minhash);
    if (!*profile)
        return cru_fail(err, CRU_USAGE, "no such MinHash profile: '%s': %s", d->minhash,
                        "fineweb, refinedweb or stack");
    return CRU_OK;
}

static enum cru_status dedup_open(struct cru_stage *stage, struct cru_error *err) {
    struct dedup *d = (struct dedup *)stage;
    d->budget =
        (struct cru_budget){.limit = stage->common->memory, .tmpdir = stage->common->tmpdir};
    cru_exact_init(&d->seen, &d->budget);
    cru_spill_init(&d->components.parent, sizeof(uint64_t), &d->budget);
    cru_spill_init(&d->worth, sizeof(double), &d->budget);
    cru_spill_init(&d->kept, sizeof(uint64_t), &d->budget);
    cru_spill_init(&d->sizes, sizeof(uint64_t), &d->budget);
    const struct cru_minhash_profile *profile;
    enum cru_status s = check_options(d, &profile, err);
    stage->streaming = !d->minhash;
    if (s || !d->minhash) return s;
    if (!d->bands) d->bands = profile->bands;
    if (!d->rows) d->rows = profile->rows;
    if (!d->ngram) d->ngram = profile->ngram;
    d->fold = cru_fold_new();
    d->parser = cru_json_parser_new();
    if (!d->fold || !d->parser) return cru_fail_memory(err, "dedup");
    size_t permutations = (size_t)(d->bands * d->rows);
    size_t matches = d->verify > 0 ? cru_lsh_matches(permutations, d->verify) : 0;
    s = cru_minhash_init(&d->signer, d->fold, (size_t)d->bands, (size_t)d->rows, (size_t)d->ngram,
                         (uint64_t)stage->common->seed, err);
    if (!s) s = cru_lsh_init(&d->lsh, (size_t)d->bands, permutations, matches, &d->budget, err);
    return s;
}

/* The bytes that --exact compares; .p is NULL when the document has no such field. */
static struct cru_span exact_subject(const struct dedup *d, const struct cru_doc *doc) {
    bool text = strcmp(d->exact, "text") == 0 || strcmp(d->exact, d->base.common->text_field) == 0;
    if (strcmp(d->exact, "id") == 0) return doc->id; /* its own place in a document */
    if (!text) return cru_doc_field(doc, d->exact);
    return doc->text.p ? doc->text : CRU_SPAN("");
}

static enum cru_status dedup_run(struct cru_stage *stage, struct cru_batch *batch,
                                 struct cru_error *err) {
    const struct dedup *d = (const struct dedup *)stage;
    size_t permutations = d->signer.bands * d->signer.rows;
    struct found *found = cru_arena_calloc(&batch->arena, batch->n + 1, sizeof *found);
    struct cru_minhash_work *work = NULL;
    if (found && d->minhash) work = cru_minhash_work_new(&d->signer, &batch->arena);
    if (!found || (d->minhash && !work)) return cru_fail_memory(err, "signatures");
    for (size_t i = 0; i < batch->n; i++) {
        struct cru_doc *doc = &batch->docs[i];
        doc->scratch = &found[i];
        if (d->exact) {
            struct cru_span subject = exact_subject(d, doc);
            found[i].hashed = subject.p != NULL;
            if (subject.p) found[i].hash = cru_hash128(subject.p, subject.n, 0);
        }
        if (!d->minhash || !cru_minhash_sign(&d->signer, work, doc->text)) continue;
        found[i].keys = cru_arena_alloc(&batch->arena, d->signer.bands * sizeof(uint64_t));
        if (!found[i].keys) return cru_fail_memory(err, "signatures");
        cru_minhash_keys(&d->signer, work->minima, found[i].keys);
        if (!d->lsh.matches) continue;
        found[i].sketch = cru_arena_alloc(&batch->arena, permutations);
        if (!found[i].sketch) return cru_fail_memory(err, "signatures");
        cru_lsh_sketch(work->minima, permutations, found[i].sketch);
    }
    return CRU_OK;
}

/* What --keep compares; without the field, less than any number. */
static double worth_of(const struct dedup *d, const struct cru_doc *doc) {
    double worth = -INFINITY;
    if (strcmp(d->keep, "longest") == 0) return (double)doc->text.n;
    if (!cru_doc_number(d->parser, doc, d->keep, &worth) || isnan(worth)) return -INFINITY;
    return worth;
}

#define EXACT_MARK "{\"exact\":true,\"keep\":false}"

/* An earlier run, over other documents, may have marked one that is no copy here. */
static void drop_old_mark(struct cru_doc *doc) {
    for (size_t i = 0; i < doc->n_meta; i++)
        if (cru_span_is(doc->meta[i].key, "dedup") && cru_span_is(doc->meta[i].value, EXACT_MARK)) {
            memmove(doc->meta + i, doc->meta + i + 1, (--doc->n_meta - i) * sizeof *doc->meta);
            return;
        }
}

static enum cru_status exact_copy(struct dedup *d, struct cru_batch *batch, struct cru_doc *doc) {
    d->exact_copies++;
    if (d->mark)
        return cru_doc_set_meta(batch, doc, "dedup", CRU_SPAN(EXACT_MARK));
    return cru_doc_drop(batch, doc, "dedup", "exact-duplicate", NAN, NAN);
}

static enum cru_status index_document(struct dedup *d, const struct cru_doc *doc,
                                      const struct found *found, bool copy, struct cru_error *err) {
    if (!found->keys) d->short_texts++;
    enum cru_status s = cru_lsh_add(&d->lsh, copy ? NULL : found->keys, found->sketch, err);
    if (s || strcmp(d->keep, "first") == 0) return s;
    s = cru_spill_resize(&d->worth, d->worth.n + 1, err);
    if (!s) ((double *)d->worth.p)[d->worth.n - 1] = worth_of(d, doc);
    return s;
}

static enum cru_status dedup_commit(struct cru_stage *stage, struct cru_batch *batch,
                                    struct cru_error *err) {
    struct dedup *d = (struct dedup *)stage;
    for (size_t i = 0; i < batch->n; i++) {
        struct cru_doc *doc = &batch->docs[i];
        const struct found *found = doc->scratch;
        bool fresh = true;
        if (d->exact && !found->hashed) d->without_field++;
        if (found->hashed) {
            enum cru_status s = cru_exact_add(&d->seen, found->hash, &fresh, err);
            if (!s && !fresh && exact_copy(d, batch, doc)) s = cru_fail_memory(err, "dedup");
            if (s) return s;
        }
        if (d->exact && d->mark && fresh) drop_old_mark(doc);
        if (!d->minhash || doc->fate != CRU_KEEP) continue;
        enum cru_status s = index_document(d, doc, found, !fresh, err);
        if (s) return s;
    }
    return CRU_OK;
}

/* The document each cluster keeps, and the clusters' sizes; ties go to the first. */
static enum cru_status choose(struct dedup *d, struct cru_error *err) {
    size_t n = (size_t)d->lsh.documents;
    enum cru_status s = cru_spill_resize(&d->kept, n, err);
    if (!s) s = cru_spill_resize(&d->sizes, n, err);
    if (s) return s;
    uint64_t *kept = d->kept.p, *sizes = d->sizes.p;
    const double *worth = d->worth.n ? d->worth.p : NULL;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t root = cru_components_root(&d->components, i); /* the smallest, so met first */
        if (i == root || (worth && worth[i] > worth[kept[root]])) kept[root] = i;
        uint64_t size = ++sizes[root];
        d->clusters += size == 2;
        d->near_copies += size > 1;
        if (size > d->largest) d->largest = size;
    }
    return CRU_OK;
}

static enum cru_status dedup_finish(struct cru_stage *stage, struct cru_error *err) {
    struct dedup *d = (struct dedup *)stage;
    d->index_bytes = cru_exact_bytes(&d->seen);
    cru_exact_release(&d->seen);
    if (!d->minhash) return CRU_OK;
    d->index_bytes += d->lsh.documents * (8 * d->lsh.bands + d->lsh.sketch_bytes);
    enum cru_status s = cru_lsh_finish(&d->lsh, &d->components, err);
    return s ? s : choose(d, err);
}

static enum cru_status dedup_replay(struct cru_stage *stage, struct cru_batch *batch,
                                    struct cru_error *err) {
    const struct dedup *d = (const struct dedup *)stage;
    const uint64_t *kept = d->kept.p, *sizes = d->sizes.p;
    for (size_t i = 0; i < batch->n; i++) {
        struct cru_doc *doc = &batch->docs[i];
        if (doc->index >= d->kept.n)
            return cru_fail(err, CRU_FATAL, "unable to replay document: '%.*s': not indexed",
                            (int)(doc->id.n < 200 ? doc->id.n : 200), doc->id.p);
        uint64_t root = cru_components_root(&d->components, doc->index);
        bool keep = kept[root] == doc->index;
        if (keep && !d->mark) continue;
        struct cru_span old = cru_doc_meta(doc, "dedup");
        if (d->mark && d->exact && cru_span_is(old, EXACT_MARK)) continue;
        struct cru_span found = cru_arena_printf(
            &batch->arena, "{\"cluster\":%llu,\"size\":%llu,\"keep\":%s}", (unsigned long long)root,
            (unsigned long long)sizes[root], keep ? "true" : "false");
        enum cru_status s = cru_doc_set_meta(batch, doc, "dedup", found);
        if (!s && !d->mark)
            s = cru_doc_drop(batch, doc, "dedup", "near-duplicate", (double)root, NAN);
        if (s) return cru_fail_memory(err, "dedup");
    }
    return CRU_OK;
}

static void dedup_stats(struct cru_stage *stage, struct cru_buffer *json) {
    const struct dedup *d = (const struct dedup *)stage;
    cru_buffer_printf(json, ",\"index_bytes\":%llu", (unsigned long long)d->index_bytes);
    if (d->exact)
        cru_buffer_printf(json, ",\"exact_duplicates\":%llu,\"without_field\":%llu",
                          (unsigned long long)d->exact_copies,
                          (unsigned long long)d->without_field);
    if (!d->minhash) return;
    cru_buffer_printf(json,
                      ",\"bands\":%llu,\"rows\":%llu,\"ngram\":%llu,\"too_short\":%llu"
                      ",\"clusters\":%llu,\"near_duplicates\":%llu,\"largest_cluster\":%llu",
                      (unsigned long long)d->bands, (unsigned long long)d->rows,
                      (unsigned long long)d->ngram, (unsigned long long)d->short_texts,
                      (unsigned long long)d->clusters, (unsigned long long)d->near_copies,
                      (unsigned long long)d->largest);
    if (d->lsh.matches)
        cru_buffer_printf(json, ",\"pairs_compared\":%llu,\"pairs_rejected\":%llu",
                          (unsigned long long)d->lsh.compared, (unsigned long long)d->lsh.rejected);
}

static void dedup_release(struct cru_stage *stage) {
    struct dedup *d = (struct dedup *)stage;
    cru_exact_release(&d->seen);
    cru_lsh_release(&d->lsh);
    cru_components_release(&d->components);
    cru_spill_release(&d->worth);
    cru_spill_release(&d->kept);
    cru_spill_release(&d->sizes);
    cru_minhash_release(&d->signer);
    cru_fold_free(d->fold);
    if (d->parser) cru_json_parser_free(d->parser);
}

const struct cru_stage_class cru_dedup_stage = {
    .name = "dedup",
    .summary = "Drops or marks exact and near copies of documents.",
    .synopsis = "--exact[=FIELD] | --minhash[=PROFILE] [options] [FILE...]",
    .options = options,
    .size = sizeof(struct dedup),
    .open = dedup_open,
    .run = dedup_run,
    .commit = dedup_commit,
    .finish = dedup_finish,
    .replay = dedup_replay,
    .stats = dedup_stats,
    .release = dedup_release,
};
