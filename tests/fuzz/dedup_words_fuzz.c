/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes through word scan, signature and overlap search. */
#include "crucible/base/base.h"
#include "crucible/dedup/decontaminate.h"
#include "crucible/dedup/minhash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct cru_fold *fold;
    if (!fold && !(fold = cru_fold_new())) return 0;
    size_t half = size / 2;
    struct cru_span first = cru_span_make((const char *)data, half);
    struct cru_span second = cru_span_make((const char *)data + half, size - half);
    struct cru_budget budget = {.tmpdir = "/tmp"};
    struct cru_arena arena;
    struct cru_minhash m;
    cru_arena_init(&arena);
    if (!cru_minhash_init(&m, fold, 2, 3, 2, 0, NULL)) {
        struct cru_minhash_work *work = cru_minhash_work_new(&m, &arena);
        if (work) (void)cru_minhash_sign(&m, work, first);
    }
    cru_minhash_release(&m);
    struct cru_decontaminate d;
    struct cru_overlap o;
    cru_decontaminate_init(&d, fold, 3, &budget);
    struct cru_overlap_work *work = cru_overlap_work_new(&arena);
    if (work && !cru_decontaminate_file(&d, "fuzz", NULL) &&
        !cru_decontaminate_text(&d, first, 1, NULL) && !cru_decontaminate_build(&d, NULL) &&
        !cru_decontaminate_match(&d, work, second, &arena, &o, NULL)) {
        if (o.covered > o.words || (o.hits > 0) != (o.n_runs > 0)) abort();
        struct cru_span rest = cru_decontaminate_cut(second, &o, &arena);
        if (rest.p && (rest.n > second.n || (o.hits && rest.n == second.n))) abort();
    }
    cru_decontaminate_release(&d);
    cru_arena_release(&arena);
    return 0;
}
