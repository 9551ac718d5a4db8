/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "crucible/base/base.h"
#include "crucible/select/strata.h"

static int compare_lengths(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t first_place(const uint64_t *sorted, size_t n, uint64_t value) {
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (sorted[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

enum cru_status cru_strata_cut(const uint64_t *length, size_t n, size_t bins, uint16_t *stratum,
                               struct cru_strata *strata, struct cru_error *err) {
    uint64_t *sorted;
    uint16_t renumbered[CRU_STRATA_MAX] = {0};
    uint64_t count[CRU_STRATA_MAX] = {0};
    memset(strata, 0, sizeof *strata);
    if (n == 0) return CRU_OK;
    if (bins < 1) bins = 1;
    if (bins > CRU_STRATA_MAX) bins = CRU_STRATA_MAX;
    if (!(sorted = malloc(n * sizeof *sorted)))
        return cru_fail_memory(err, "lengths for the strata");
    memcpy(sorted, length, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, compare_lengths);
    for (size_t i = 0; i < n; i++) {
        stratum[i] = (uint16_t)(first_place(sorted, n, length[i]) * bins / n);
        count[stratum[i]]++;
    }
    free(sorted);
    for (size_t b = 0; b < bins; b++)
        if (count[b]) {
            renumbered[b] = (uint16_t)strata->n;
            strata->low[strata->n] = UINT64_MAX;
            strata->documents[strata->n++] = count[b];
        }
    for (size_t i = 0; i < n; i++) {
        uint16_t b = stratum[i] = renumbered[stratum[i]];
        if (length[i] < strata->low[b]) strata->low[b] = length[i];
        if (length[i] > strata->high[b]) strata->high[b] = length[i];
    }
    return CRU_OK;
}

/* One round of largest remainders over the open strata; none takes more than it has room for. */
static uint64_t share_out(const uint64_t *share, const bool *open, const uint64_t *room, size_t m,
                          uint64_t budget, uint64_t *given) {
    unsigned __int128 rest[CRU_STRATA_MAX];
    uint64_t total = 0, left = budget;
    for (size_t b = 0; b < m; b++) total += open[b] ? share[b] : 0;
    for (size_t b = 0; b < m; b++) {
        unsigned __int128 exact = (unsigned __int128)budget * share[b];
        given[b] = open[b] ? (uint64_t)(exact / total) : 0;
        rest[b] = open[b] ? exact % total : 0;
        left -= given[b];
    }
    while (left > 0) { /* fewer than m are left */
        size_t best = m;
        for (size_t b = 0; b < m; b++)
            if (rest[b] > 0 && (best == m || rest[b] > rest[best])) best = b;
        if (best == m) break;
        given[best]++;
        rest[best] = 0;
        left--;
    }
    left = 0;
    for (size_t b = 0; b < m; b++)
        if (given[b] > room[b]) {
            left += given[b] - room[b];
            given[b] = room[b];
        }
    return left;
}

void cru_strata_quotas(const uint64_t *size, size_t m, uint64_t budget, double rho,
                       uint64_t *quota) {
    uint64_t share[CRU_STRATA_MAX], room[CRU_STRATA_MAX], given[CRU_STRATA_MAX], total = 0;
    bool open[CRU_STRATA_MAX];
    for (size_t b = 0; b < m; b++) total += size[b];
    if (budget > total) budget = total;
    for (size_t b = 0; b < m; b++) {
        quota[b] = 0;
        room[b] = size[b];
        open[b] = size[b] > 0;
        /* rho 0 and 1 are exact; between them 32 bits of the share decide. */
        if (rho <= 0)
            share[b] = size[b];
        else if (rho >= 1)
            share[b] = 1;
        else
            share[b] =
                1 + (uint64_t)llround(pow((double)size[b] / (double)(total ? total : 1), 1 - rho) *
                                      0x1p32);
    }
    while (budget > 0) {
        budget = share_out(share, open, room, m, budget, given);
        for (size_t b = 0; b < m; b++) {
            quota[b] += given[b];
            room[b] -= given[b];
            open[b] = room[b] > 0;
        }
    }
}
