/* SPDX-License-Identifier: Apache-2.0 */
/* Merging, short and long, against the definition written down plainly, with random vocabularies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "crucible/base/base.h"
#include "tokenizer/bpe_merge.h"

enum { MERGES = 700, LETTERS = 6, LONGEST = 400 };

/* A vocabulary over the letters a..f: each merge joins two random earlier tokens. */
struct toy {
    uint32_t left[MERGES], right[MERGES], made[MERGES];
    uint32_t byte_ids[256], byte_pair[65536];
    uint64_t pairs[2048];
    struct cru_merges m;
};

static void toy_make(struct toy *t, struct cru_random *r) {
    memset(t->byte_pair, 0xFF, sizeof t->byte_pair);
    memset(t->pairs, 0xFF, sizeof t->pairs);
    for (uint32_t b = 0; b < 256; b++) t->byte_ids[b] = b;
    t->m = (struct cru_merges){t->byte_ids, t->byte_pair, t->made, t->pairs, 11, 0};
    for (uint32_t n = 0; n < MERGES;) {
        uint32_t part[2];
        for (int k = 0; k < 2; k++) { /* early tokens more often, so that merges meet in texts */
            uint32_t among = LETTERS + (uint32_t)(cru_random_unit(r) * cru_random_unit(r) * n);
            uint32_t pick = (uint32_t)(cru_random_next(r) % among);
            part[k] = pick < LETTERS ? 'a' + pick : 256 + pick - LETTERS;
        }
        if (cru_pair_find(t->pairs, 11, part[0], part[1]) != CRU_NONE) continue;
        cru_pairs_add(t->pairs, 11, cru_pair(part[0], part[1]), n);
        if (part[0] < 256 && part[1] < 256) t->byte_pair[part[0] << 8 | part[1]] = n;
        t->left[n] = part[0];
        t->right[n] = part[1];
        /* Now and then two merges make the same token, as a tokenizer.json may have it. */
        t->made[n] = n > 0 && cru_random_next(r) % 16 == 0 ? t->made[n - 1] : 256 + n;
        n++;
    }
}

/* The definition: find the lowest rank anywhere, leftmost first, merge it, begin again. */
static size_t merge_plainly(const struct toy *t, const unsigned char *p, size_t n, uint32_t *ids) {
    for (size_t i = 0; i < n; i++) ids[i] = p[i];
    for (;;) {
        size_t best = SIZE_MAX;
        uint32_t best_rank = MERGES;
        for (size_t i = 0; i + 1 < n; i++)
            for (uint32_t k = 0; k < best_rank; k++)
                if (t->left[k] == ids[i] && t->right[k] == ids[i + 1]) {
                    best = i;
                    best_rank = k;
                }
        if (best == SIZE_MAX) return n;
        ids[best] = t->made[best_rank];
        for (size_t i = best + 1; i + 1 < n; i++) ids[i] = ids[i + 1];
        n--;
    }
}

static void equals_the_definition(void **state) {
    (void)state;
    struct cru_random r = {42};
    static struct toy t;
    struct cru_merge_scratch scratch = {0};
    size_t merged = 0;
    for (int vocabulary = 0; vocabulary < 12; vocabulary++) {
        toy_make(&t, &r);
        for (int text = 0; text < 120; text++) {
            unsigned char p[LONGEST];
            uint32_t want[LONGEST], got[LONGEST];
            size_t n = 1 + cru_random_next(&r) % (text < 100 ? CRU_SHORT_PIECE : LONGEST), made;
            unsigned letters = 1 + (unsigned)(cru_random_next(&r) % LETTERS);
            for (size_t i = 0; i < n; i++)
                p[i] = (unsigned char)('a' + cru_random_next(&r) % letters);
            size_t wanted = merge_plainly(&t, p, n, want);
            assert_true(cru_merge_long(&t.m, &scratch, p, n, got, &made));
            assert_int_equal(made, wanted);
            assert_memory_equal(got, want, made * sizeof *got);
            merged += n - made;
            if (n > CRU_SHORT_PIECE) continue;
            assert_int_equal(cru_merge_short(&t.m, p, n, got), wanted);
            assert_memory_equal(got, want, wanted * sizeof *got);
        }
    }
    assert_true(merged > 10000); /* the vocabularies do meet the texts */
    cru_merge_scratch_release(&scratch);
}

/* Time must not be quadratic: twice the length may take 2 to 3 times as long, never 4. At this size a
 * quadratic way would need hours. */
static void long_pieces_are_quick(void **state) {
    (void)state;
    enum { N = 1 << 21 };
    struct cru_random r = {7};
    static struct toy t;
    struct cru_merge_scratch scratch = {0};
    unsigned char *p = malloc(N);
    uint32_t *ids = malloc(N * sizeof *ids);
    assert_non_null(p);
    assert_non_null(ids);
    toy_make(&t, &r);
    for (int random = 0; random < 2; random++) {
        for (size_t i = 0; i < N; i++)
            p[i] = (unsigned char)('a' + (random ? cru_random_next(&r) % LETTERS : 0));
        size_t made;
        clock_t start = clock();
        assert_true(cru_merge_long(&t.m, &scratch, p, N, ids, &made));
        assert_true((double)(clock() - start) / CLOCKS_PER_SEC < 30);
        assert_true(made >= 1 && made <= N);
    }
    free(p);
    free(ids);
    cru_merge_scratch_release(&scratch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_definition),
        cmocka_unit_test(long_pieces_are_quick),
    };
    return cmocka_run_group_tests_name("tokenizer merge", tests, NULL, NULL);
}
