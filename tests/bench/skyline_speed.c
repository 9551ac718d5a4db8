/* SPDX-License-Identifier: Apache-2.0 */
/* Non-dominated ranks of a million documents: CPU seconds of one core, independent and opposed
 * axes.
 *
 *   skyline_speed [N]
 */
#include <stdio.h>
#include <time.h>

#include "crucible/base/base.h"
#include "crucible/select/rups.h"

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int main(int argc, char **argv) {
    size_t n = argc > 1 ? (size_t)strtoull(argv[1], NULL, 10) : 1000000;
    uint32_t *q[3], *rank = malloc(n * sizeof *rank), fronts;
    for (int k = 0; k < 3; k++) q[k] = malloc(n * sizeof *q[k]);
    if (!rank || !q[0] || !q[1] || !q[2]) return 2;
    for (int opposed = 0; opposed < 2; opposed++)
        for (size_t axes = 2; axes <= 3; axes++) {
            struct cru_random r = {axes};
            const uint32_t *columns[3] = {q[0], q[1], q[2]};
            double start;
            for (size_t i = 0; i < n; i++) {
                uint32_t sum = 0;
                for (size_t k = 0; k < axes; k++) {
                    q[k][i] = (uint32_t)(cru_random_next(&r) % CRU_RUPS_ONE);
                    sum += q[k][i];
                }
                /* Opposed: what one axis has the last one lacks, but for a tenth of the range. */
                if (opposed)
                    q[axes - 1][i] = (uint32_t)(CRU_RUPS_ONE * axes - (sum - q[axes - 1][i]) +
                                                q[axes - 1][i] / 10) /
                                     (uint32_t)axes;
            }
            start = seconds();
            if (cru_rups_ranks(columns, axes, n, rank, &fronts, NULL)) return 2;
            printf("%zu documents, %zu axes, %s: %.2f s, %u fronts\n", n, axes,
                   opposed ? "opposed" : "independent", seconds() - start, fronts);
        }
    for (int k = 0; k < 3; k++) free(q[k]);
    free(rank);
    return 0;
}
