/* SPDX-License-Identifier: Apache-2.0 */
/* Planted n-grams are found and shorter overlaps are not; against a naive search; files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "crucible/base/base.h"
#include "crucible/base/output.h"
#include "crucible/dedup/evaluation.h"
#include "crucible/dedup/json_texts.h"
#include "tests/unit/scratch_name.h"

static struct cru_fold *fold;
static struct cru_budget budget = {.tmpdir = "/tmp"};
static struct cru_arena arena;

static int setup(void **state) {
    (void)state;
    fold = cru_fold_new();
    cru_arena_init(&arena);
    return fold ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    cru_fold_free(fold);
    cru_arena_release(&arena);
    return 0;
}

static const char evaluation[] = "Natalia sold clips to 48 of her friends in April, and then she "
                                 "sold half as many clips in May.";

static void index_of(struct cru_decontaminate *d, size_t ngram, const char *const *texts,
                     size_t n) {
    cru_decontaminate_init(d, fold, ngram, &budget);
    assert_int_equal(cru_decontaminate_file(d, "eval", NULL), CRU_OK);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(cru_decontaminate_text(d, cru_span_of(texts[i]), i + 1, NULL), CRU_OK);
    assert_int_equal(cru_decontaminate_build(d, NULL), CRU_OK);
}

static struct cru_overlap look(const struct cru_decontaminate *d, const char *text) {
    struct cru_overlap o;
    struct cru_overlap_work *work = cru_overlap_work_new(&arena);
    assert_non_null(work);
    assert_int_equal(cru_decontaminate_match(d, work, cru_span_of(text), &arena, &o, NULL), CRU_OK);
    return o;
}

static void thirteen_words_are_found_twelve_are_not(void **state) {
    (void)state;
    const char *texts[] = {
        "An unrelated question about the boiling point of water at the top of a mountain range",
        evaluation};
    struct cru_decontaminate d;
    index_of(&d, 13, texts, 2);
    /* 13 words, other case, punctuation and digits. */
    struct cru_overlap o = look(&d, "Filler before. NATALIA sold -- clips; to 72 of her "
                                    "\"friends\" in april (and then she) ran away");
    assert_int_equal(o.hits, 1);
    assert_int_equal(o.covered, 13);
    assert_int_equal(o.words, 17);
    assert_int_equal(o.record, 2);
    assert_string_equal(o.file, "eval");
    assert_int_equal(o.n_runs, 1);
    /* 12 words in a row, twice, with a word between. */
    o = look(&d, "Natalia sold clips to 48 of her friends in April, and then STOP "
                 "sold clips to 48 of her friends in April, and then she STOP");
    assert_int_equal(o.hits, 0);
    assert_null(o.file);
    /* All of it: 20 words have 8 grams of 13. */
    o = look(&d, evaluation);
    assert_int_equal(o.hits, 8);
    assert_int_equal(o.covered, 20);
    assert_int_equal(o.words, 20);
    cru_decontaminate_release(&d);
}

static void short_texts_match_as_a_whole(void **state) {
    (void)state;
    const char *texts[] = {"one two three four five six seven",             /* 7 words: too short */
                           "what is the capital city of northern france",   /* 8: as a whole */
                           "which gas do plants take in from air at noon"}; /* 10 */
    struct cru_decontaminate d;
    index_of(&d, 13, texts, 3);
    assert_int_equal(d.files[0].texts, 3);
    assert_int_equal(d.files[0].too_short, 1);
    assert_int_equal(look(&d, "say one two three four five six seven eight").hits, 0);
    struct cru_overlap o = look(&d, "Quiz: What is the capital city of Northern France?");
    assert_int_equal(o.hits, 1);
    assert_int_equal(o.record, 2);
    assert_int_equal(look(&d, "what is the capital city of northern").hits, 0);
    o = look(&d, "Which gas do plants take in from air at noon? What is the capital city of "
                 "northern France");
    assert_int_equal(o.hits, 2);
    assert_int_equal(o.record, 3);
    assert_int_equal(o.covered, 18);
    assert_int_equal(o.n_runs, 1); /* they touch */
    cru_decontaminate_release(&d);
}

/* Against a search that compares words, over random texts of few words, longer than a chunk. */
static void equals_a_naive_search(void **state) {
    (void)state;
    enum { EVAL = 400, DOC = 5000, NGRAM = 6 };
    struct cru_random random = {5};
    for (int round = 0; round < 6; round++) {
        uint64_t eval[EVAL], doc[DOC];
        struct cru_buffer eval_text, doc_text;
        cru_buffer_init(&eval_text);
        cru_buffer_init(&doc_text);
        for (size_t i = 0; i < EVAL; i++) {
            eval[i] = cru_random_next(&random) % 4;
            cru_buffer_printf(&eval_text, "w%c ", (char)('a' + eval[i]));
        }
        for (size_t i = 0; i < DOC; i++) {
            doc[i] = cru_random_next(&random) % 5;
            cru_buffer_printf(&doc_text, "W%c, ", (char)('A' + doc[i]));
        }
        bool covered[DOC] = {false};
        uint64_t hits = 0, words = 0;
        for (size_t i = 0; i + NGRAM <= DOC; i++)
            for (size_t j = 0; j + NGRAM <= EVAL; j++)
                if (memcmp(doc + i, eval + j, NGRAM * sizeof *doc) == 0) {
                    hits++;
                    for (size_t k = i; k < i + NGRAM; k++) covered[k] = true;
                    break;
                }
        for (size_t i = 0; i < DOC; i++) words += covered[i];
        struct cru_decontaminate d;
        const char *texts[] = {eval_text.p};
        index_of(&d, NGRAM, texts, 1);
        struct cru_overlap o = look(&d, doc_text.p);
        assert_int_equal(o.words, DOC);
        assert_int_equal(o.hits, hits);
        assert_int_equal(o.covered, words);
        assert_true(hits > 10 && words < DOC);
        for (size_t r = 0; r < o.n_runs; r++)
            for (uint64_t w = o.runs[r].first_word; w < o.runs[r].end_word; w++)
                assert_true(covered[w]);
        for (size_t r = 0; r < o.n_runs; r++) {
            assert_int_equal(o.runs[r].begin, o.runs[r].first_word * 4); /* "WA, " */
            assert_int_equal(o.runs[r].end, o.runs[r].end_word * 4 - 2);
        }
        cru_decontaminate_release(&d);
        cru_buffer_release(&eval_text);
        cru_buffer_release(&doc_text);
    }
}

static void cutting_takes_whole_lines(void **state) {
    (void)state;
    const char *texts[] = {"alpha beta gamma delta epsilon zeta eta theta"};
    struct cru_decontaminate d;
    index_of(&d, 8, texts, 1);
    static const struct {
        const char *text, *rest;
    } cases[] = {
        {"first line\nQ: Alpha, beta gamma delta epsilon zeta eta theta!\nlast\n",
         "first line\nlast\n"},
        {"first\nalpha beta gamma delta\nepsilon zeta eta theta and more\nlast", "first\nlast"},
        {"alpha beta gamma delta epsilon zeta eta theta", ""},
        {"a\n\nalpha beta gamma delta epsilon zeta eta theta\n\nb", "a\n\n\nb"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cru_overlap o = look(&d, cases[i].text);
        assert_int_equal(o.hits, 1);
        struct cru_span rest = cru_decontaminate_cut(cru_span_of(cases[i].text), &o, &arena);
        assert_true(cru_span_is(rest, cases[i].rest));
    }
    cru_decontaminate_release(&d);
}

static void write_text(const char *dir, const char *name, const char *text) {
    char path[300];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(cru_write_file(path, text, strlen(text), NULL), CRU_OK);
}

static void files_and_directories(void **state) {
    (void)state;
    char dir[SCRATCH_NAME], sub[SCRATCH_NAME + 8], path[SCRATCH_PATH];
    assert_non_null(mkdtemp(scratch_name(dir, "crucible-eval-XXXXXX")));
    (void)snprintf(sub, sizeof sub, "%s/sub", dir);
    assert_int_equal(mkdir(sub, 0700), 0);
    write_text(dir, "b.jsonl",
               "{\"question\":\"which of these eight words are in the question\",\"n\":3}\n\n"
               "{\"deep\":[{\"choices\":[\"short\",\"a\\u0062c two three four five six seven "
               "nine\"]}]}\n");
    write_text(sub, "plain.txt", "a plain text file of more than eight words is one text");
    write_text(dir, "c.json", "{\"a\":\n [\"values of a whole json document are texts as well\"]}");
    write_text(dir, "d.json",
               "{\"a\":\"one two three four five six seven ten\"}\n"
               "{\"a\":\"one two three four five six seven eleven\"}\n");
    write_text(dir, ".hidden", "\xFF\xFE");
    struct cru_decontaminate d;
    struct cru_error err = {0};
    cru_decontaminate_init(&d, fold, 13, &budget);
    assert_int_equal(cru_evaluation_add(&d, dir, &err), CRU_OK);
    assert_int_equal(cru_decontaminate_build(&d, &err), CRU_OK);
    assert_int_equal(d.n_files, 4);
    assert_int_equal(d.files[0].texts, 3); /* b.jsonl */
    assert_int_equal(d.files[0].too_short, 1);
    struct cru_overlap o = look(&d, "abc two three four five six seven nine");
    assert_int_equal(o.hits, 1);
    assert_int_equal(o.record, 3); /* its line, blank ones counted */
    assert_int_equal(look(&d, "values of a whole JSON document are texts as well").hits, 1);
    assert_int_equal(look(&d, "one two three four five six seven eleven").hits, 1);
    assert_int_equal(look(&d, "which of these eight words are in the question").hits, 1);
    assert_int_equal(look(&d, "question").hits, 0);
    o = look(&d, "A plain text file of more than eight words is one text!");
    assert_int_equal(o.hits, 1);
    (void)snprintf(path, sizeof path, "%s/sub/plain.txt", dir);
    assert_string_equal(o.file, path);
    cru_decontaminate_release(&d);
    char command[SCRATCH_PATH];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", dir);
    assert_int_equal(system(command), 0);
}

static void empty_and_damaged_sets_are_errors(void **state) {
    (void)state;
    static const struct {
        const char *name, *content, *message;
    } cases[] = {
        {"empty.txt", "", "evaluation set is empty"},
        {"short.jsonl", "{\"a\":\"too short\"}\n", "evaluation set is empty"},
        {"keys.jsonl", "{\"keys are not texts even if they are long enough\":1}\n",
         "evaluation set is empty"},
        {"bad.jsonl", "{\"a\":\"one two three four five six seven eight\"}\n{\"a\":\n", "line 2"},
        {"latin.txt", "caf\xE9 caf\xE9 caf\xE9", "not UTF-8"},
    };
    char dir[SCRATCH_NAME], path[SCRATCH_PATH];
    assert_non_null(mkdtemp(scratch_name(dir, "crucible-eval-XXXXXX")));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_text(dir, cases[i].name, cases[i].content);
        (void)snprintf(path, sizeof path, "%s/%s", dir, cases[i].name);
        struct cru_decontaminate d;
        struct cru_error err = {0};
        cru_decontaminate_init(&d, fold, 13, &budget);
        assert_int_equal(cru_evaluation_add(&d, path, &err), CRU_FATAL);
        if (!strstr(err.message, cases[i].message) || !strstr(err.message, path))
            fail_msg("%s: %s", cases[i].name, err.message);
        cru_decontaminate_release(&d);
        assert_int_equal(unlink(path), 0);
    }
    struct cru_decontaminate d;
    struct cru_error err = {0};
    cru_decontaminate_init(&d, fold, 13, &budget);
    assert_int_equal(cru_evaluation_add(&d, path, &err), CRU_FATAL); /* gone */
    assert_int_equal(cru_decontaminate_build(&d, &err), CRU_FATAL);
    assert_non_null(strstr(err.message, "evaluation set is empty"));
    cru_decontaminate_release(&d);
    assert_int_equal(rmdir(dir), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thirteen_words_are_found_twelve_are_not),
        cmocka_unit_test(short_texts_match_as_a_whole),
        cmocka_unit_test(equals_a_naive_search),
        cmocka_unit_test(cutting_takes_whole_lines),
        cmocka_unit_test(files_and_directories),
        cmocka_unit_test(empty_and_damaged_sets_are_errors),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
