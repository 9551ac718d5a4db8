/* SPDX-License-Identifier: Apache-2.0 */
#include "shards/laid_tokens.h"

#include "crucible/base/base.h"
#include "shards/shard_format.h"

size_t cru_shard_lay(const struct cru_shard_params *params, uint32_t *ids, size_t n) {
    if (params->end_id != CRU_SHARD_NO_ID) ids[n++] = params->end_id;
    size_t positions = (size_t)cru_crs_round_up(n, params->bag ? params->bag : 1);
    while (n < positions) ids[n++] = params->pad_id;
    return n;
}

bool cru_shard_is_narrow(const struct cru_shard_params *params) {
    return params->vocab_size <= 65536;
}

void cru_shard_narrow(uint32_t *tokens, size_t n) {
    enum { PIECE = 64 };
    unsigned char *to = (unsigned char *)tokens;
    /* Never ahead of what is still to be read, so pieces may go through a small array of their own.
     */
    for (size_t at = 0; at < n; at += PIECE) {
        uint16_t piece[PIECE];
        size_t m = n - at < PIECE ? n - at : PIECE;
        for (size_t i = 0; i < m; i++) piece[i] = (uint16_t)tokens[at + i];
        memcpy(to + 2 * at, piece, 2 * m); /* cppcheck-suppress uninitvar */
    }
}

struct cru_id_tally {
    uint32_t vocab_size;
    uint8_t *low;
    uint64_t *over; /* what left the 8 bits */
};

struct cru_id_tally *cru_id_tally_new(uint32_t vocab_size) {
    struct cru_id_tally *t = calloc(1, sizeof *t);
    if (!t) return NULL;
    t->vocab_size = vocab_size;
    t->low = calloc((size_t)vocab_size + 1, sizeof *t->low);
    t->over = calloc((size_t)vocab_size + 1, sizeof *t->over);
    if (t->low && t->over) return t;
    cru_id_tally_free(t);
    return NULL;
}

void cru_id_tally_free(struct cru_id_tally *tally) {
    if (!tally) return;
    free(tally->low);
    free(tally->over);
    free(tally);
}

/* Whether all are below `limit`, four at a time: this looks at every token that is written. */
static bool all_below(const uint32_t *ids, size_t n, uint32_t limit) {
    typedef int32_t four __attribute__((vector_size(16)));
    int32_t last = (int32_t)(limit - 1);
    four lasts = {last, last, last, last}, zeros = {0, 0, 0, 0}, wrong = zeros;
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        four v;
        memcpy(&v, ids + i, sizeof v);
        wrong |= (v > lasts) | (v < zeros);
    }
    bool below = (wrong[0] | wrong[1] | wrong[2] | wrong[3]) == 0;
    for (; i < n; i++) below = below && ids[i] < limit;
    return below;
}

bool cru_id_tally_add(struct cru_id_tally *tally, const uint32_t *ids, size_t n) {
    enum {
        PIECE = 2048
    }; /* ids that have been looked at are still in the first cache when counted */
    uint8_t *low = tally->low;
    for (size_t at = 0; at < n; at += PIECE) {
        size_t end = n - at < PIECE ? n : at + PIECE;
        if (!all_below(ids + at, end - at, tally->vocab_size)) {
            for (size_t i = 0; i < at; i++)
                if (low[ids[i]]-- == 0) tally->over[ids[i]] -= 256;
            return false;
        }
        for (size_t i = at; i < end; i++)
            if (__builtin_expect(++low[ids[i]] == 0, 0)) tally->over[ids[i]] += 256;
    }
    return true;
}

uint64_t cru_id_tally_of(const struct cru_id_tally *tally, uint32_t id) {
    return tally->over[id] + tally->low[id];
}
