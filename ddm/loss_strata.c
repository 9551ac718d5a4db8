/* SPDX-License-Identifier: Apache-2.0 */
#include "ddm/loss_strata.h"
#include "crucible/base/base.h"

enum { DIGITS = 3, LARGEST_DIGIT = 1 << 12 };

/* The length at `place` (from 0) of the sorted lengths, digit by digit from the top: 12, 10, 10
 * bits. */
static uint32_t length_at(const struct cru_loss_record *records, size_t n, uint64_t place) {
    static const unsigned bits[DIGITS] = {12, 10, 10};
    uint64_t found = 0; /* 64 bits, so that no shift is by the width */
    unsigned shift = 32;
    for (size_t d = 0; d < DIGITS; d++) {
        uint64_t count[LARGEST_DIGIT] = {0};
        uint64_t mask = (1u << bits[d]) - 1, digit = 0;
        unsigned above = shift;
        shift -= bits[d];
        for (size_t i = 0; i < n; i++) {
            uint64_t words = records[i].words;
            if (words >> above == found) count[words >> shift & mask]++;
        }
        while (place >= count[digit]) place -= count[digit++];
        found = found << bits[d] | digit;
    }
    return (uint32_t)found;
}

/* The edge below stratum b is the ceil(b n / 8)-th shortest length; edges that fall together are
 * one. */
static void find_edges(struct cru_loss_strata *s, const struct cru_loss_record *records, size_t n) {
    for (uint64_t b = 1; b <= CRU_LOSS_STRATA; b++) {
        uint64_t place = (b * n + CRU_LOSS_STRATA - 1) / CRU_LOSS_STRATA - 1;
        uint32_t edge = length_at(records, n, place);
        if (s->n == 0 || edge > s->edge[s->n - 1]) s->edge[s->n++] = edge;
    }
}

size_t cru_loss_stratum(const struct cru_loss_strata *s, uint32_t words) {
    size_t k = 0;
    while (k + 1 < s->n && words > s->edge[k]) k++;
    return k;
}

/* Sums of one stratum over records of weight > 0. */
struct sums {
    uint64_t words, capped;     /* words of all, and of those at the cap */
    unsigned __int128 weighted; /* words times weight of the others */
};

void cru_loss_strata_fit(struct cru_loss_strata *s, const struct cru_loss_record *records, size_t n,
                         double cap) {
    memset(s, 0, sizeof *s);
    s->cap = cap;
    for (size_t k = 0; k < CRU_LOSS_STRATA; k++) s->factor[k] = 1;
    if (n == 0) return;
    find_edges(s, records, n);
    for (size_t i = 0; i < n; i++) {
        size_t k = cru_loss_stratum(s, records[i].words);
        s->documents[k]++;
        s->words[k] += records[i].words;
    }
    /* Each round caps at least one more weight of some stratum or is the last; in practice two. */
    uint64_t capped_before[CRU_LOSS_STRATA] = {0};
    for (size_t round = 0; round < 64; round++) {
        struct sums sums[CRU_LOSS_STRATA] = {{0}};
        bool same = true;
        for (size_t i = 0; i < n; i++) {
            if (records[i].weight == 0) continue;
            size_t k = cru_loss_stratum(s, records[i].words);
            bool over = round > 0 && s->factor[k] * records[i].weight >= cap * CRU_LOSS_ONE;
            sums[k].words += records[i].words;
            if (over)
                sums[k].capped += records[i].words;
            else
                sums[k].weighted += (unsigned __int128)records[i].words * records[i].weight;
        }
        for (size_t k = 0; k < s->n; k++) {
            if (sums[k].weighted == 0) continue;
            same = same && sums[k].capped == capped_before[k] && round > 0;
            capped_before[k] = sums[k].capped;
            s->factor[k] = ((double)sums[k].words - cap * (double)sums[k].capped) * CRU_LOSS_ONE /
                           (double)sums[k].weighted;
        }
        if (same) break;
    }
}

double cru_loss_weight(const struct cru_loss_strata *s, struct cru_loss_record record) {
    double w = s->factor[cru_loss_stratum(s, record.words)] * record.weight / CRU_LOSS_ONE;
    return w < s->cap ? w : s->cap;
}
