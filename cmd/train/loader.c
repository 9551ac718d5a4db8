/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/base/base.h"
#include "cmd/train/loader.h"

enum cru_status cru_loader_init(struct cru_loader *loader, const struct cru_shard_set *set,
                                const uint32_t *row_of_id, const uint32_t *bytes, uint64_t seed,
                                size_t n_lanes, struct cru_error *err) {
    memset(loader, 0, sizeof *loader);
    loader->lanes = malloc(n_lanes * sizeof *loader->lanes);
    if (!loader->lanes) return cru_fail_memory(err, "lanes of the loader");
    for (size_t i = 0; i < n_lanes; i++)
        loader->lanes[i] = (struct cru_loader_lane){CRU_LANE_EMPTY, 0};
    loader->set = set, loader->row_of_id = row_of_id, loader->bytes = bytes, loader->seed = seed;
    loader->n_lanes = n_lanes;
    return CRU_OK;
}
void cru_loader_release(struct cru_loader *loader) {
    free(loader->ids);
    free(loader->lanes);
    memset(loader, 0, sizeof *loader);
}

/* The region twice: counted, then placed. */
static size_t batch_lay_out(struct cru_batch *b, size_t n, size_t bag, char *base) {
    struct cru_region region = {base, 0};
    b->start = cru_region_take(&region, n + 1, sizeof *b->start);
    b->position = cru_region_take(&region, n, sizeof *b->position);
    b->input = cru_region_take(&region, n * bag, sizeof *b->input);
    b->target = cru_region_take(&region, n * bag, sizeof *b->target);
    b->weight = cru_region_take(&region, n, sizeof *b->weight);
    b->target_bytes = cru_region_take(&region, n, sizeof *b->target_bytes);
    return region.used;
}
size_t cru_batch_plan(size_t max_rows, size_t max_bag) {
    struct cru_batch unused;
    return batch_lay_out(&unused, max_rows, max_bag, NULL);
}
enum cru_status cru_batch_init(struct cru_batch *b, size_t max_rows, size_t max_bag,
                               struct cru_error *err) {
    memset(b, 0, sizeof *b);
    b->memory = aligned_alloc(64, cru_batch_plan(max_rows, max_bag));
    if (!b->memory) return cru_fail_memory(err, "batch");
    batch_lay_out(b, max_rows, max_bag, b->memory);
    return CRU_OK;
}
void cru_batch_release(struct cru_batch *b) {
    free(b->memory);
    memset(b, 0, sizeof *b);
}

/*
 * A Feistel network of four rounds over the smallest even number of bits that holds n, walked until
 * it lands below n (Black, Rogaway 2002): at most four times n values, so four steps on average.
 */
uint64_t cru_loader_permute(uint64_t i, uint64_t n, uint64_t seed, uint64_t epoch) {
    unsigned half = 1;
    while (half < 32 && (n - 1) >> (2 * half)) half++;
    uint64_t mask = ((uint64_t)1 << half) - 1, key = cru_mix64(seed ^ cru_mix64(epoch + 1));
    do {
        uint64_t left = i >> half, right = i & mask;
        for (uint64_t round = 0; round < 4; round++) {
            uint64_t next = left ^ (cru_mix64(right ^ key ^ (round << 56)) & mask);
            left = right, right = next;
        }
        i = left << half | right;
    } while (i >= n);
    return i;
}

static enum cru_status loader_room(struct cru_loader *l, size_t n, struct cru_error *err) {
    if (n <= l->capacity) return CRU_OK;
    uint32_t *ids = realloc(l->ids, n * sizeof *ids);
    if (!ids) return cru_fail_memory(err, "tokens of a sequence");
    l->ids = ids, l->capacity = n;
    return CRU_OK;
}

static bool loader_known(const struct cru_loader *l, uint32_t id) {
    return !l->row_of_id || l->row_of_id[id] != UINT32_MAX;
}

/* Whether every id of a document has a row in the model. */
static enum cru_status loader_check(struct cru_loader *l, const struct cru_shard_entry *entry,
                                    bool *known, struct cru_error *err) {
    *known = true;
    for (uint64_t at = 0; l->row_of_id && *known && at < entry->length; at += 4096) {
        size_t n = entry->length - at < 4096 ? (size_t)(entry->length - at) : 4096;
        enum cru_status status = loader_room(l, 4096, err);
        if (status == CRU_OK)
            status = cru_shard_set_read(l->set, entry->offset + at, n, l->ids, err);
        if (status != CRU_OK) return status;
        for (size_t i = 0; i < n; i++)
            if (l->ids[i] >= l->set->vocab_size || !loader_known(l, l->ids[i])) *known = false;
    }
    return CRU_OK;
}

/* Whether a document has a row from `token` on. */
static bool loader_has_rows(const struct cru_loader *l, const struct cru_shard_entry *entry,
                            uint64_t token, size_t bag) {
    return token + bag < entry->length && (l->once || entry->weight > 0);
}

/* The lane's document, or the permutation's next that has rows. CRU_END: none is left (once). */
static enum cru_status loader_find(struct cru_loader *l, struct cru_loader_lane *lane, size_t bag,
                                   struct cru_shard_entry *entry, struct cru_error *err) {
    enum cru_status status;
    if (lane->document != CRU_LANE_EMPTY) {
        status = cru_shard_set_document(l->set, lane->document, entry, err);
        if (status != CRU_OK || loader_has_rows(l, entry, lane->token, bag)) return status;
    }
    for (uint64_t tried = 0; tried <= l->set->n_docs; tried++) {
        if (l->place.next >= l->set->n_docs) {
            if (l->once || l->set->n_docs == 0) break;
            l->place.next = 0;
            l->place.epoch++;
        }
        uint64_t i = l->place.next++;
        lane->document =
            l->once ? i : cru_loader_permute(i, l->set->n_docs, l->seed, l->place.epoch);
        lane->token = 0;
        status = cru_shard_set_document(l->set, lane->document, entry, err);
        if (status != CRU_OK) return status;
        if (!loader_has_rows(l, entry, 0, bag)) continue;
        bool known;
        status = loader_check(l, entry, &known, err);
        l->visited++, l->skipped += !known;
        if (status != CRU_OK || known) return status;
    }
    lane->document = CRU_LANE_EMPTY;
    if (l->once) return CRU_END;
    return cru_fail(err, CRU_FATAL,
                    "cannot train on shards: '%s': no document has a loss weight, more than %zu "
                    "tokens and only tokens of the model",
                    l->set->dir, bag);
}

static int32_t loader_row(const struct cru_loader *l, uint32_t id) {
    return (int32_t)(l->row_of_id ? l->row_of_id[id] : id);
}

/* Rows [from, from + n) of the batch from the ids of a document, of which `have` were read. */
static void loader_rows(struct cru_loader *l, struct cru_batch *b, size_t from, size_t n,
                        size_t bag, size_t have, float weight) {
    for (size_t r = 0; r < n; r++) {
        size_t at = (from + r) * bag, first = (r + 1) * bag;
        uint32_t bytes = 0;
        for (size_t i = 0; i < bag; i++) {
            b->input[at + i] = loader_row(l, l->ids[r * bag + i]);
            b->target[at + i] = -1;
            if (first + i >= have) continue;
            uint32_t id = l->ids[first + i];
            b->target[at + i] = loader_row(l, id);
            if (l->bytes) bytes += l->bytes[id];
            b->targets++;
            b->total_weight += (double)weight;
        }
        b->position[from + r] = (uint32_t)r;
        b->weight[from + r] = weight;
        b->target_bytes[from + r] = bytes;
        b->bytes += bytes;
    }
    b->tokens += n * bag;
}

/* One segment: as many rows of the lane's document as fit into `room`. */
static enum cru_status loader_segment(struct cru_loader *l, struct cru_loader_lane *lane,
                                      struct cru_batch *b, size_t room, size_t bag,
                                      struct cru_error *err) {
    struct cru_shard_entry entry;
    enum cru_status status = loader_find(l, lane, bag, &entry, err);
    if (status != CRU_OK) return status;
    uint64_t left = entry.length - lane->token, rows = (left - 1) / bag;
    size_t n = rows < room ? (size_t)rows : room;
    size_t have = left < (n + 1) * bag ? (size_t)left : (n + 1) * bag;
    status = loader_room(l, have, err);
    if (status == CRU_OK)
        status = cru_shard_set_read(l->set, entry.offset + lane->token, have, l->ids, err);
    if (status != CRU_OK) return status;
    for (size_t i = 0; i < have; i++)
        if (l->ids[i] >= l->set->vocab_size || !loader_known(l, l->ids[i]))
            return cru_fail(err, CRU_FATAL,
                            "shards are damaged: '%s': token %u is not in the vocabulary",
                            l->set->dir, l->ids[i]);
    b->start[b->rows.n_segments++] = (uint32_t)b->rows.n;
    loader_rows(l, b, b->rows.n, n, bag, have, l->once ? 1.0f : entry.weight);
    b->rows.n += n;
    lane->token += n * bag;
    return CRU_OK;
}

enum cru_status cru_loader_fill(struct cru_loader *loader, struct cru_batch *b, size_t first_lane,
                                size_t sequences, size_t seq_len, size_t bag,
                                struct cru_error *err) {
    enum cru_status status = CRU_OK;
    size_t ended = 0;
    b->rows = (struct cru_rows){.bag = bag,
                                .start = b->start,
                                .position = b->position,
                                .input = b->input,
                                .target = b->target,
                                .weight = b->weight};
    b->total_weight = 0, b->targets = b->bytes = b->tokens = 0;
    for (size_t s = 0; s < sequences; s++) {
        size_t room = seq_len;
        while (room > 0 && status == CRU_OK) {
            size_t before = b->rows.n;
            status = loader_segment(loader, &loader->lanes[first_lane + s], b, room, bag, err);
            room -= b->rows.n - before;
        }
        if (status == CRU_END) ended++, status = CRU_OK; /* other lanes may have a document left */
        if (status != CRU_OK) return status;
    }
    b->start[b->rows.n_segments] = (uint32_t)b->rows.n;
    return ended == sequences ? CRU_END : CRU_OK;
}
