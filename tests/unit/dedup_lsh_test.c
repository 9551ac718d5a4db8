/* SPDX-License-Identifier: Apache-2.0 */
/* Clusters against all pairs, in any order of documents, in memory and spilled; real pages. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crucible/base/base.h"
#include "crucible/base/input.h"
#include "crucible/dedup/lsh.h"
#include "crucible/dedup/minhash.h"

enum { N = 700, BANDS = 4, PERMUTATIONS = 24 };

struct toy {
    uint64_t keys[N][BANDS];
    uint8_t sketch[N][PERMUTATIONS];
    bool signed_[N];
};

/* Few key values, so that there are runs and chains across bands; each band's keys differ in other
 * bits; sketches of a family agree in most bytes. */
static void make_toy(struct toy *toy, uint64_t seed, uint64_t values) {
    struct cru_random random = {seed};
    for (size_t i = 0; i < N; i++) {
        toy->signed_[i] = cru_random_next(&random) % 10 != 0;
        uint64_t family = cru_random_next(&random) % 6;
        for (size_t b = 0; b < BANDS; b++)
            toy->keys[i][b] = 1 + (cru_random_next(&random) % values << (16 * b));
        for (size_t k = 0; k < PERMUTATIONS; k++)
            toy->sketch[i][k] =
                (uint8_t)(cru_random_next(&random) % 3 ? family : cru_random_next(&random));
    }
}

/* cluster[i] = smallest member, by repeated relabelling over all pairs. */
static void naive_clusters(const struct toy *toy, size_t matches, size_t *cluster) {
    static bool joined[N][N];
    for (size_t i = 0; i < N; i++) {
        cluster[i] = i;
        for (size_t j = 0; j < i; j++) {
            bool shared = false;
            size_t equal = 0;
            for (size_t b = 0; b < BANDS; b++) shared |= toy->keys[i][b] == toy->keys[j][b];
            for (size_t k = 0; k < PERMUTATIONS; k++)
                equal += toy->sketch[i][k] == toy->sketch[j][k];
            joined[i][j] = shared && equal >= matches && toy->signed_[i] && toy->signed_[j];
        }
    }
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t i = 0; i < N; i++)
            for (size_t j = 0; j < i; j++)
                if (joined[i][j] && cluster[i] != cluster[j]) {
                    size_t low = cluster[i] < cluster[j] ? cluster[i] : cluster[j];
                    cluster[i] = cluster[j] = low;
                    changed = true;
                }
    }
}

static void check_clusters(uint64_t seed, size_t matches, uint64_t limit, bool shuffle) {
    static struct toy toy;
    static size_t expected[N];
    size_t order[N], place[N];
    make_toy(&toy, seed, matches ? 250 : 900);
    naive_clusters(&toy, matches, expected);
    struct cru_random random = {seed + 99};
    for (size_t i = 0; i < N; i++) order[i] = i;
    for (size_t i = N - 1; shuffle && i > 0; i--) {
        size_t j = cru_random_next(&random) % (i + 1), swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
    struct cru_budget budget = {.limit = limit, .tmpdir = "/tmp"};
    struct cru_error err = {0};
    struct cru_lsh lsh;
    struct cru_components c;
    assert_int_equal(cru_lsh_init(&lsh, BANDS, PERMUTATIONS, matches, &budget, &err), CRU_OK);
    for (size_t i = 0; i < N; i++) {
        size_t doc = order[i];
        place[doc] = i;
        assert_int_equal(
            cru_lsh_add(&lsh, toy.signed_[doc] ? toy.keys[doc] : NULL, toy.sketch[doc], &err),
            CRU_OK);
    }
    assert_int_equal(cru_lsh_finish(&lsh, &c, &err), CRU_OK);
    size_t clusters = 0;
    for (size_t i = 0; i < N; i++) {
        uint64_t root = cru_components_root(&c, place[i]);
        assert_true(root <= place[i]);
        if (!shuffle) assert_int_equal(root, expected[i]);
        clusters += root == place[i];
        for (size_t j = 0; j < i; j++)
            if ((root == cru_components_root(&c, place[j])) != (expected[i] == expected[j]))
                fail_msg("documents %zu and %zu", i, j);
    }
    assert_true(clusters > 20 && clusters < N - 20); /* neither all alone nor all one */
    cru_components_release(&c);
    cru_lsh_release(&lsh);
    assert_int_equal(budget.used + budget.spilled, 0);
}

static void clusters_equal_all_pairs(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) check_clusters(seed, 0, 0, false);
}

static void clusters_do_not_depend_on_order(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) check_clusters(seed, 0, 0, true);
}

static void verified_clusters(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        check_clusters(seed, 12, 0, false);
        check_clusters(seed, 2, 0, true);
    }
}

static void spilled_clusters(void **state) {
    (void)state;
    check_clusters(1, 0, 4096, false);
    check_clusters(1, 2, 4096, true);
}

static void matches_round_up(void **state) {
    (void)state;
    assert_int_equal(cru_lsh_matches(112, 1), 112);
    assert_int_equal(cru_lsh_matches(256, 0), 1);
    assert_int_equal(cru_lsh_matches(112, 0.7), 79); /* 112 (.7 + .3 / 256) = 78.53 */
}

static void components_keep_the_smallest_root(void **state) {
    (void)state;
    struct cru_budget budget = {0};
    struct cru_components c;
    assert_int_equal(cru_components_init(&c, 8, &budget, NULL), CRU_OK);
    cru_components_union(&c, 7, 6);
    cru_components_union(&c, 6, 5);
    cru_components_union(&c, 2, 3);
    cru_components_union(&c, 3, 7);
    cru_components_flatten(&c);
    static const uint64_t roots[8] = {0, 1, 2, 2, 4, 2, 2, 2};
    for (uint64_t i = 0; i < 8; i++) assert_int_equal(cru_components_root(&c, i), roots[i]);
    cru_components_release(&c);
}

/* Real pages, each followed by a copy with a word changed in every 200: every copy must meet its
 * original, and pages that differ must stay apart. */
enum { PAGES = 60 };

/* Real text that is always there: the sources of tests, which run in the top directory. */
static size_t load_pages(struct cru_buffer *pages) {
    static const char *const dir = "tests/unit";
    struct dirent **names = NULL;
    int n = scandir(dir, &names, NULL, alphasort);
    size_t count = 0;
    for (int i = 0; i < n; i++) {
        char path[600];
        struct cru_input *input = NULL;
        (void)snprintf(path, sizeof path, "%s/%s", dir, names[i]->d_name);
        bool source = strstr(names[i]->d_name, ".c") != NULL;
        free(names[i]);
        if (!source || count == PAGES || cru_input_open(path, &input, NULL) != CRU_OK) continue;
        struct cru_buffer *page = &pages[count];
        cru_buffer_init(page);
        for (size_t got = 1; got;) {
            char *room = cru_buffer_room(page, 65536);
            if (!room || cru_input_read(input, room, 65536, &got, NULL) != CRU_OK) got = 0;
            page->n += got;
        }
        cru_input_close(input);
        if (page->n > 6000)
            count++;
        else
            cru_buffer_release(page);
    }
    free(names);
    return count;
}

static void edit(const struct cru_buffer *page, struct cru_buffer *copy) {
    cru_buffer_init(copy);
    size_t word = 0;
    for (size_t i = 0; i < page->n; i++) {
        cru_buffer_add_char(copy, page->p[i]);
        if (page->p[i] == ' ' && ++word % 200 == 0) cru_buffer_add_string(copy, "altered ");
    }
}

static void real_near_copies_are_found(void **state) {
    (void)state;
    static struct cru_buffer pages[PAGES];
    size_t n = load_pages(pages);
    assert_true(n >= 10);
    struct cru_fold *fold = cru_fold_new();
    struct cru_budget budget = {0};
    struct cru_error err = {0};
    struct cru_minhash m;
    struct cru_lsh lsh;
    struct cru_components c;
    struct cru_arena arena;
    cru_arena_init(&arena);
    assert_int_equal(cru_minhash_init(&m, fold, 14, 8, 5, 0, &err), CRU_OK);
    struct cru_minhash_work *work = cru_minhash_work_new(&m, &arena);
    size_t matches = cru_lsh_matches(112, 0.7);
    assert_int_equal(cru_lsh_init(&lsh, 14, 112, matches, &budget, &err), CRU_OK);
    for (size_t i = 0; i < 2 * n; i++) {
        struct cru_buffer copy;
        edit(&pages[i / 2], &copy);
        uint64_t keys[14];
        uint8_t sketch[112];
        struct cru_span text = cru_buffer_span(i % 2 ? &copy : &pages[i / 2]);
        assert_true(cru_minhash_sign(&m, work, text) > 0);
        cru_minhash_keys(&m, work->minima, keys);
        cru_lsh_sketch(work->minima, 112, sketch);
        assert_int_equal(cru_lsh_add(&lsh, keys, sketch, &err), CRU_OK);
        cru_buffer_release(&copy);
    }
    assert_int_equal(cru_lsh_finish(&lsh, &c, &err), CRU_OK);
    size_t own = 0;
    for (uint64_t i = 0; i < n; i++) {
        assert_int_equal(cru_components_root(&c, 2 * i), cru_components_root(&c, 2 * i + 1));
        own += cru_components_root(&c, 2 * i) == 2 * i;
    }
    assert_true(own > n / 2);
    cru_components_release(&c);
    cru_lsh_release(&lsh);
    cru_minhash_release(&m);
    cru_arena_release(&arena);
    cru_fold_free(fold);
    for (size_t i = 0; i < n; i++) cru_buffer_release(&pages[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clusters_equal_all_pairs),
        cmocka_unit_test(clusters_do_not_depend_on_order),
        cmocka_unit_test(verified_clusters),
        cmocka_unit_test(spilled_clusters),
        cmocka_unit_test(matches_round_up),
        cmocka_unit_test(components_keep_the_smallest_root),
        cmocka_unit_test(real_near_copies_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
