/* SPDX-License-Identifier: Apache-2.0 */
/* Options, arena, spilling arrays, threads, output: the parts everything stands on. */
#include <setjmp.h>
#include <stdarg.h>
#include <signal.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "crucible/base/base.h"
#include "crucible/base/input.h"
#include "crucible/base/output.h"
#include "crucible/base/parallel.h"
#include "crucible/base/spill.h"
#include "tests/unit/scratch_name.h"

struct target {
    bool flag;
    int64_t count;
    uint64_t size;
    double real;
    const char *text, *choice, *maybe;
    struct cru_string_list list;
};
#define AT(f) offsetof(struct target, f)
static const struct cru_option table[] = {
    {CRU_OPTION_FLAG, 'f', "flag", AT(flag), NULL, NULL, NULL, 0, 0, "a flag"},
    {CRU_OPTION_INT, 'n', "count", AT(count), "N", "3", NULL, 0, 10, "a number"},
    {CRU_OPTION_SIZE, 0, "size", AT(size), "SIZE", "4K", NULL, 0, 0, "a size"},
    {CRU_OPTION_REAL, 0, "real", AT(real), "X", "0.5", NULL, 0, 1, "a real"},
    {CRU_OPTION_STRING, 0, "text", AT(text), "T", NULL, NULL, 0, 0, "a text"},
    {CRU_OPTION_CHOICE, 0, "choice", AT(choice), "a|bb", "a", NULL, 0, 0, "a choice"},
    {CRU_OPTION_STRING, 0, "maybe", AT(maybe), "M", NULL, "yes", 0, 0, "an optional argument"},
    {CRU_OPTION_LIST, 0, "list", AT(list), "L", NULL, NULL, 0, 0, "a list"},
    {CRU_OPTION_END, 0, NULL, 0, NULL, NULL, NULL, 0, 0, NULL}};

static enum cru_status parse(struct target *t, struct cru_option_store *store, int argc,
                             char **argv, int *operands, struct cru_error *err) {
    const struct cru_option *tables[] = {table};
    void *targets[] = {t};
    cru_option_store_init(store);
    assert_int_equal(cru_options_defaults(table, t, store, err), CRU_OK);
    return cru_options_parse(tables, targets, 1, store, argc, argv, operands, err);
}

#define PARSE(...)                                                                                 \
    char *argv[] = {(char[]){"p"}, __VA_ARGS__};                                                   \
    struct target t;                                                                               \
    struct cru_option_store store;                                                                 \
    struct cru_error err = {CRU_OK, ""};                                                           \
    int operands = 0;                                                                              \
    enum cru_status s =                                                                            \
        parse(&t, &store, (int)(sizeof argv / sizeof argv[0]), argv, &operands, &err)

static void options_are_parsed(void **state) {
    (void)state;
    PARSE((char[]){"x"}, (char[]){"-fn7"}, (char[]){"--size=2M"}, (char[]){"--maybe"},
          (char[]){"y"}, (char[]){"--list"}, (char[]){"1"}, (char[]){"--list=2"},
          (char[]){"--choice"}, (char[]){"bb"}, (char[]){"--"}, (char[]){"-z"});
    assert_int_equal(s, CRU_OK);
    assert_true(t.flag);
    assert_int_equal(t.count, 7);
    assert_int_equal(t.size, 2 << 20);
    assert_true(t.real == 0.5);
    assert_null(t.text);
    assert_string_equal(t.maybe, "yes");
    assert_string_equal(t.choice, "bb");
    assert_int_equal(t.list.n, 2);
    assert_string_equal(t.list.items[1], "2");
    assert_int_equal(operands, 3);
    assert_string_equal(argv[1], "x");
    assert_string_equal(argv[2], "y");
    assert_string_equal(argv[3], "-z");
    cru_option_store_release(&store);
}

static void wrong_options_are_named(void **state) {
    (void)state;
    static const struct {
        const char *argument, *message;
    } cases[] = {{"--cuont=1", "did you mean 'count'"}, {"--count=11", "not within 0 to 10"},
                 {"--count=1x", "not a whole number"},  {"--real=nan", "not a number"},
                 {"--choice=c", "not one of a|bb"},     {"--size=1Q", "not a size"},
                 {"--text", "needs a value"},           {"-q", "unknown option '-q'"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char argument[32];
        (void)snprintf(argument, sizeof argument, "%s", cases[i].argument);
        PARSE(argument);
        assert_int_equal(s, CRU_USAGE);
        if (!strstr(err.message, cases[i].message))
            fail_msg("%s: %s", cases[i].argument, err.message);
        cru_option_store_release(&store);
    }
}

static void help_names_every_option(void **state) {
    (void)state;
    struct cru_buffer help, man;
    cru_buffer_init(&help);
    cru_buffer_init(&man);
    cru_options_help(table, &help);
    cru_options_man(table, &man);
    for (const struct cru_option *o = table; o->type; o++) {
        assert_non_null(strstr(help.p, o->name));
        assert_non_null(strstr(man.p, o->name));
    }
    assert_non_null(strstr(help.p, "[4K]"));
    assert_non_null(strstr(help.p, "--maybe[=M]"));
    cru_buffer_release(&help);
    cru_buffer_release(&man);
}

static void arena_keeps_what_it_gave(void **state) {
    (void)state;
    struct cru_arena arena;
    cru_arena_init(&arena);
    char *given[500];
    for (int i = 0; i < 500; i++) {
        size_t n = (size_t)(i * 977 % 90000) + 1;
        given[i] = cru_arena_alloc(&arena, n);
        assert_non_null(given[i]);
        assert_int_equal((uintptr_t)given[i] % 16, 0);
        memset(given[i], i & 255, n);
    }
    for (int i = 0; i < 500; i++)
        for (size_t k = 0; k < (size_t)(i * 977 % 90000) + 1; k += 37)
            assert_int_equal((unsigned char)given[i][k], i & 255);
    assert_null(cru_arena_alloc(&arena, SIZE_MAX));
    assert_null(cru_arena_calloc(&arena, SIZE_MAX / 2, 4));
    cru_arena_clear(&arena);
    assert_non_null(cru_arena_alloc(&arena, 10));
    cru_arena_release(&arena);
}

/* A cleared arena keeps some memory, not all, and gives it out again; what it adopted it frees. */
static void arena_is_cleared_and_used_again(void **state) {
    (void)state;
    struct cru_arena arena;
    cru_arena_init(&arena);
    for (int round = 0; round < 20; round++) {
        char *first = cru_arena_alloc(&arena, 1);
        assert_non_null(first);
        *first = 'f';
        for (int i = 0; i < 60; i++) {
            size_t n = (size_t)(i * (round + 3) * 7919 % 400000) + 1;
            char *p = cru_arena_alloc(&arena, n);
            assert_non_null(p);
            memset(p, i, n);
        }
        char *owned = malloc(100);
        assert_non_null(owned);
        assert_true(cru_arena_adopt(&arena, owned));
        if (round % 3 == 0) assert_non_null(cru_arena_alloc(&arena, 10 << 20));
        memset(owned, 1, 100);
        assert_int_equal(*first, 'f');
        cru_arena_clear(&arena);
        assert_true(arena.total <= 4 << 20);
        assert_true(arena.total > 0);
    }
    void *only = malloc(10); /* adopted by an arena that has nothing else */
    cru_arena_release(&arena);
    assert_true(cru_arena_adopt(&arena, only));
    assert_non_null(cru_arena_alloc(&arena, 10));
    cru_arena_release(&arena);
}

static void arrays_spill_past_the_budget(void **state) {
    (void)state;
    struct cru_error err;
    struct cru_budget budget = {.limit = 1 << 16, .tmpdir = "/tmp"};
    struct cru_spill_array a, b;
    cru_spill_init(&a, sizeof(uint64_t), &budget);
    cru_spill_init(&b, sizeof(uint32_t), &budget);
    for (uint64_t i = 0; i < 100000; i++) {
        assert_int_equal(cru_spill_resize(&a, i + 1, &err), CRU_OK);
        assert_int_equal(((uint64_t *)a.p)[i], 0);
        ((uint64_t *)a.p)[i] = i * i;
        if (i < 1000) {
            assert_int_equal(cru_spill_resize(&b, i + 1, &err), CRU_OK);
            ((uint32_t *)b.p)[i] = (uint32_t)i;
        }
    }
    assert_true(budget.used <= budget.limit);
    assert_true(budget.spilled >= 800000);
    assert_true(a.file >= 0);
    for (uint64_t i = 0; i < 100000; i++) assert_int_equal(((uint64_t *)a.p)[i], i * i);
    for (uint32_t i = 0; i < 1000; i++) assert_int_equal(((uint32_t *)b.p)[i], i);
    assert_int_equal(cru_spill_resize(&a, 10, &err), CRU_OK);
    assert_int_equal(cru_spill_resize(&a, 20, &err), CRU_OK);
    assert_int_equal(((uint64_t *)a.p)[15], 0);
    cru_spill_release(&a);
    cru_spill_release(&b);
    assert_int_equal(budget.used + budget.spilled, 0);
    struct cru_budget nowhere = {.limit = 16, .tmpdir = "/nonexistent"};
    cru_spill_init(&a, 8, &nowhere);
    assert_int_equal(cru_spill_resize(&a, 100, &err), CRU_FATAL);
    cru_spill_release(&a);
}

static void count_item(void *context, size_t i, int thread) {
    (void)thread;
    ((unsigned char *)context)[i]++;
}

static void every_index_is_visited_once(void **state) {
    (void)state;
    unsigned char seen[1000];
    for (int threads = 1; threads <= 4; threads++)
        for (size_t grain = 0; grain < 70; grain += 23) {
            memset(seen, 0, sizeof seen);
            cru_parallel_for(sizeof seen, grain, threads, count_item, seen);
            for (size_t i = 0; i < sizeof seen; i++) assert_int_equal(seen[i], 1);
        }
    cru_parallel_for(0, 1, 4, count_item, NULL);
}

static void output_is_whole_or_absent(void **state) {
    (void)state;
    char directory[SCRATCH_NAME], path[SCRATCH_PATH];
    struct cru_error err;
    struct cru_output *out;
    struct stat info;
    assert_non_null(mkdtemp(scratch_name(directory, "crucible-test-XXXXXX")));
    (void)snprintf(path, sizeof path, "%s/a", directory);
    assert_int_equal(cru_output_open(path, &out, &err), CRU_OK);
    assert_int_equal(cru_output_write(out, "0000abc", 7, &err), CRU_OK);
    assert_int_not_equal(stat(path, &info), 0);
    cru_output_abandon(out);
    assert_int_not_equal(stat(path, &info), 0);
    assert_int_equal(cru_output_open(path, &out, &err), CRU_OK);
    char *big = calloc(1, 1 << 20);
    assert_int_equal(cru_output_write(out, "0000abc", 7, &err), CRU_OK);
    assert_int_equal(cru_output_write(out, big, 1 << 20, &err), CRU_OK);
    assert_int_equal(cru_output_patch(out, 0, "wxyz", 4, &err), CRU_OK);
    assert_int_equal(cru_output_commit(out, &err), CRU_OK);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_size, (1 << 20) + 7);
    struct cru_input *in;
    size_t got;
    assert_int_equal(cru_input_open(path, &in, &err), CRU_OK);
    assert_int_equal(cru_input_read(in, big, 7, &got, &err), CRU_OK);
    assert_memory_equal(big, "wxyzabc", 7);
    cru_input_close(in);
    free(big);
    assert_int_equal(cru_output_open("/nonexistent/x", &out, &err), CRU_FATAL);
    assert_non_null(strstr(err.message, "'/nonexistent/x'"));
    (void)unlink(path);
    (void)rmdir(directory);
}

/* Blocks that may be on their way when the next call comes: two by turns, as the writer of shards has them. */
static void sent_blocks_arrive(void **state) {
    (void)state;
    enum { BLOCK = 3 << 18, BLOCKS = 24 };
    char directory[SCRATCH_NAME], path[SCRATCH_PATH];
    struct cru_output *out;
    struct cru_error err = {0};
    struct cru_random r = {9};
    assert_non_null(mkdtemp(scratch_name(directory, "crucible-test-XXXXXX")));
    (void)snprintf(path, sizeof path, "%s/blocks", directory);
    unsigned char *block[2] = {aligned_alloc(CRU_OUTPUT_ALIGNMENT, BLOCK), aligned_alloc(CRU_OUTPUT_ALIGNMENT, BLOCK)};
    for (int odd = 0; odd < 2; odd++) { /* with an odd number of bytes in front, nothing is aligned */
        struct cru_buffer want = {0};
        assert_int_equal(cru_output_open(path, &out, &err), CRU_OK);
        for (int i = 0; i < BLOCKS; i++) {
            unsigned char *p = block[i % 2];
            size_t n = (1 + (size_t)cru_random_next(&r) % (BLOCK / CRU_OUTPUT_ALIGNMENT)) * CRU_OUTPUT_ALIGNMENT;
            size_t few = odd && i == 2 ? 7 : i % 3 ? 0 : CRU_OUTPUT_ALIGNMENT;
            memset(p, 'a' + i, n);
            p[0] = p[n - 1] = (unsigned char)i;
            cru_buffer_add(&want, p, n);
            assert_int_equal(cru_output_send_block(out, p, n, &err), CRU_OK);
            if (few == 0) continue;
            cru_buffer_add(&want, p, few);
            assert_int_equal(cru_output_write(out, p, few, &err), CRU_OK);
            memset(p, '-', n); /* it has arrived when the next call is done */
        }
        memcpy(want.p + 5, "patch", 5);
        assert_int_equal(cru_output_bytes(out), want.n);
        assert_int_equal(cru_output_patch(out, 5, "patch", 5, &err), CRU_OK);
        assert_int_equal(cru_output_commit(out, &err), CRU_OK);
        unsigned char *got = malloc(want.n + 1);
        FILE *file = fopen(path, "rb");
        assert_non_null(file);
        assert_int_equal(fread(got, 1, want.n + 1, file), want.n);
        assert_memory_equal(got, want.p, want.n);
        (void)fclose(file);
        free(got);
        cru_buffer_release(&want);
        assert_int_equal(unlink(path), 0);
    }
    /* One that does not fit the file fails at a later call, at the latest at the commit. */
    struct rlimit before, least;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    least = (struct rlimit){BLOCK + CRU_OUTPUT_ALIGNMENT, before.rlim_max};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &least), 0);
    assert_int_equal(cru_output_open(path, &out, &err), CRU_OK);
    assert_int_equal(cru_output_send_block(out, block[0], BLOCK, &err), CRU_OK);
    (void)cru_output_send_block(out, block[1], BLOCK, &err);
    assert_int_equal(cru_output_commit(out, &err), CRU_FATAL);
    assert_non_null(strstr(err.message, "unable to write"));
    assert_int_equal(rmdir(directory), 0); /* nothing is left */
    assert_int_equal(mkdir(directory, 0700), 0);
    assert_int_equal(cru_output_open(path, &out, &err), CRU_OK);
    assert_int_equal(cru_output_send_block(out, block[0], BLOCK, &err), CRU_OK);
    cru_output_abandon(out);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, handler);
    assert_int_equal(rmdir(directory), 0);
    free(block[0]);
    free(block[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(options_are_parsed),
                                       cmocka_unit_test(wrong_options_are_named),
                                       cmocka_unit_test(help_names_every_option),
                                       cmocka_unit_test(arena_keeps_what_it_gave),
                                       cmocka_unit_test(arena_is_cleared_and_used_again),
                                       cmocka_unit_test(arrays_spill_past_the_budget),
                                       cmocka_unit_test(every_index_is_visited_once),
                                       cmocka_unit_test(output_is_whole_or_absent),
                                       cmocka_unit_test(sent_blocks_arrive)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
