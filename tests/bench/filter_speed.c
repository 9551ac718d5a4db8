/* SPDX-License-Identifier: Apache-2.0 */
/* Speed of the rule sets on texts in memory, one thread: filter_speed FILE.jsonl [ROUNDS]. CPU seconds, the
 * median of the rounds; MB are of text. JSON is parsed before the clock starts. */
#include <time.h>

#include "crucible/base/base.h"
#include "crucible/base/input.h"
#include "crucible/doc/json.h"
#include "crucible/filter/language.h"
#include "crucible/filter/pii.h"
#include "crucible/filter/rule_sets.h"

static double cpu_seconds(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

enum { MAX_ROUNDS = 99 };

struct bench {
    struct cru_batch batch;
    struct cru_filter_scratch scratch;
    struct cru_buffer masked;
    size_t bytes;
    int rounds;
};

static void report(const struct bench *b, const char *name, double *seconds, size_t kept) {
    qsort(seconds, (size_t)b->rounds, sizeof *seconds, by_value);
    double median = seconds[b->rounds / 2];
    (void)printf("%-42s %8.1f MB/s %9.0f docs/s   kept %zu of %zu\n", name,
                 (double)b->bytes / 1e6 / median, (double)b->batch.n / median, kept, b->batch.n);
}

static int bench_sets(struct bench *b, const char *name, const struct cru_rule_set *const *sets, size_t n) {
    double seconds[MAX_ROUNDS];
    size_t kept = 0;
    struct cru_filter_facts facts = {{"en", 2}, {"", 0}};
    for (int r = 0; r < b->rounds; r++) {
        double start = cpu_seconds();
        kept = 0;
        for (size_t i = 0; i < b->batch.n; i++) {
            struct cru_verdict v;
            struct cru_span out;
            struct cru_error err;
            if (cru_rule_sets_apply(sets, n, &b->scratch, b->batch.docs[i].text, &facts, &out, &v, &err))
                return 2;
            kept += !v.rule;
        }
        seconds[r] = cpu_seconds() - start;
    }
    report(b, name, seconds, kept);
    return 0;
}

static void bench_other(struct bench *b, const char *name, bool language) {
    double seconds[MAX_ROUNDS];
    size_t kept = 0;
    for (int r = 0; r < b->rounds; r++) {
        double start = cpu_seconds();
        kept = 0;
        for (size_t i = 0; i < b->batch.n; i++) {
            if (language)
                kept += strcmp(cru_language_detect(b->batch.docs[i].text).code, "en") == 0;
            else
                kept += cru_pii_replace(b->batch.docs[i].text, &b->masked).emails == 0;
        }
        seconds[r] = cpu_seconds() - start;
    }
    report(b, name, seconds, kept);
}

int main(int argc, char **argv) {
    struct bench b = {.rounds = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 5};
    struct cru_error err;
    struct cru_input *input;
    struct cru_span line;
    bool newline;
    struct cru_json_parser *parser = cru_json_parser_new();
    if (argc < 2 || b.rounds < 1 || b.rounds > MAX_ROUNDS || !parser)
        return 64;
    cru_batch_init(&b.batch);
    cru_buffer_init(&b.masked);
    if (cru_filter_scratch_init(&b.scratch, &err) || cru_input_open(argv[1], &input, &err))
        return 2;
    while (cru_input_line(input, &line, &newline, &err) == CRU_OK) {
        struct cru_doc *doc = cru_batch_add(&b.batch);
        if (!doc || cru_json_document(parser, line, "text", "bench", b.batch.n, &b.batch, doc, &err))
            return 1;
        b.bytes += doc->text.n;
    }
    cru_input_close(input);
    (void)printf("%zu documents, %.1f MB of text\n", b.batch.n, (double)b.bytes / 1e6);
    for (size_t i = 0; cru_rule_sets[i]; i++)
        if (bench_sets(&b, cru_rule_sets[i]->name, &cru_rule_sets[i], 1))
            return 2;
    const struct cru_rule_set *gopher[] = {&cru_gopher_quality, &cru_gopher_repetition};
    const struct cru_rule_set *fineweb[] = {&cru_gopher_repetition, &cru_gopher_quality, &cru_c4_noterm,
                                            &cru_fineweb};
    if (bench_sets(&b, "gopher-quality,gopher-repetition", gopher, 2) ||
        bench_sets(&b, "fineweb profile without language", fineweb, 4))
        return 2;
    bench_other(&b, "language (CLD2); kept: en", true);
    bench_other(&b, "pii mask; kept: no e-mail", false);
    cru_filter_scratch_release(&b.scratch);
    cru_batch_release(&b.batch);
    cru_buffer_release(&b.masked);
    cru_json_parser_free(parser);
    return 0;
}
