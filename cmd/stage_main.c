/* SPDX-License-Identifier: Apache-2.0 */
#include <time.h>
#include <unistd.h>

#include "cmd/command.h"
#include "cmd/stage_main.h"
#include "crucible/base/base.h"
#include "crucible/base/output.h"
#include "crucible/base/parallel.h"

#define AT(field) offsetof(struct cru_stage_run, field)

const struct cru_option cru_stage_run_options[] = {
    {CRU_OPTION_STRING, 'o', "output", AT(common.output), "PATH", "-", NULL, 0, 0,
     "write to PATH instead of standard output"},
    {CRU_OPTION_INT, 'j', "threads", AT(common.threads), "N", "0", NULL, 0, 4096,
     "threads; 0 means all"},
    {CRU_OPTION_INT, 0, "seed", AT(common.seed), "N", "0", NULL, 0, 0,
     "seed of everything that is drawn"},
    {CRU_OPTION_STRING, 0, "text-field", AT(common.text_field), "NAME", "text", NULL, 0, 0,
     "the field that holds the text"},
    {CRU_OPTION_STRING, 0, "stats", AT(stats), "FILE", NULL, NULL, 0, 0,
     "write counts as JSON to FILE"},
    {CRU_OPTION_STRING, 0, "rejects", AT(rejects), "FILE", NULL, NULL, 0, 0,
     "write what was dropped or bad to FILE, each with its reason"},
    {CRU_OPTION_FLAG, 0, "strict", AT(common.strict), NULL, NULL, NULL, 0, 0,
     "stop at the first bad record"},
    {CRU_OPTION_SIZE, 0, "memory", AT(common.memory), "SIZE", "2G", NULL, 0, 0,
     "memory that indexes may use before they move to files in the temporary directory"},
    {CRU_OPTION_STRING, 0, "tmpdir", AT(common.tmpdir), "DIR", NULL, NULL, 0, 0,
     "directory for temporary files, default $TMPDIR or /tmp"},
    {CRU_OPTION_FLAG, 'q', "quiet", AT(common.quiet), NULL, NULL, NULL, 0, 0, "print no summary"},
    {CRU_OPTION_FLAG, 'v', "verbose", AT(common.verbose), NULL, NULL, NULL, 0, 0,
     "print every reason, not only the most frequent ones"},
    {CRU_OPTION_CHOICE, 0, "progress", AT(progress), "auto|always|never", "auto", NULL, 0, 0,
     "show progress; auto means on a terminal only"},
    {CRU_OPTION_END, 0, NULL, 0, NULL, NULL, NULL, 0, 0, NULL}};

void cru_stage_run_complete(struct cru_stage_run *run) {
    if (run->common.threads == 0) run->common.threads = cru_threads_available();
    if (!run->common.tmpdir) run->common.tmpdir = getenv("TMPDIR");
    if (!run->common.tmpdir || !run->common.tmpdir[0]) run->common.tmpdir = "/tmp";
}

struct progress {
    double next;
};

static double wall_seconds(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void show_progress(void *context, uint64_t documents, uint64_t bytes) {
    struct progress *p = context;
    double now = wall_seconds();
    if (now < p->next) return;
    p->next = now + 0.5;
    (void)fprintf(stderr, "\r%llu documents, %.1f MB ", (unsigned long long)documents,
                  (double)bytes / 1e6);
}

/* The counts of the whole chain as the user sees it: what came in, what came out. */
static void total_counts(const struct cru_pipeline *p, struct cru_counts *total) {
    memset(total, 0, sizeof *total);
    const struct cru_counts *last =
        p->n_stages ? &p->stages[p->n_stages - 1]->counts : &p->source_counts;
    total->in = p->source_counts.in;
    total->bytes_in = p->source_counts.bytes_in;
    total->dropped = p->source_counts.dropped;
    total->wrong = p->source_counts.wrong;
    total->seconds = p->source_counts.seconds;
    for (size_t k = 0; k < p->n_stages; k++) {
        total->dropped += p->stages[k]->counts.dropped;
        total->wrong += p->stages[k]->counts.wrong;
        total->added += p->stages[k]->counts.added;
        total->seconds += p->stages[k]->counts.seconds;
    }
    total->out = last->out;
    total->bytes_out = last->bytes_out;
}

static int by_documents(const void *a, const void *b) {
    const struct cru_reason *x = a, *y = b;
    if (x->documents != y->documents) return x->documents < y->documents ? 1 : -1;
    return strcmp(x->rule, y->rule);
}

static void print_reasons(const struct cru_counts *counts, bool all) {
    if (counts->n_reasons == 0) return;
    struct cru_reason *sorted = malloc(counts->n_reasons * sizeof *sorted);
    if (!sorted) return; /* a summary is not worth failing for */
    memcpy(sorted, counts->reasons, counts->n_reasons * sizeof *sorted);
    qsort(sorted, counts->n_reasons, sizeof *sorted, by_documents);
    size_t n = all || counts->n_reasons < 8 ? counts->n_reasons : 8;
    for (size_t i = 0; i < n; i++)
        (void)fprintf(stderr, "  %-40s %10llu  %8.1f MB\n", sorted[i].rule,
                      (unsigned long long)sorted[i].documents, (double)sorted[i].bytes / 1e6);
    free(sorted);
}

static void print_summary(const char *name, const struct cru_stage_run *run,
                          const struct cru_pipeline *p, double wall) {
    struct cru_counts total;
    total_counts(p, &total);
    (void)fprintf(stderr, "crucible %s: %llu in", name, (unsigned long long)total.in);
    if (total.added) (void)fprintf(stderr, " + %llu repeated", (unsigned long long)total.added);
    (void)fprintf(stderr,
                  " = %llu out + %llu dropped + %llu bad; %.1f MB in, %.1f MB of text out, %.2f s, "
                  "%.1f MB/s\n",
                  (unsigned long long)total.out, (unsigned long long)total.dropped,
                  (unsigned long long)total.wrong, (double)total.bytes_in / 1e6,
                  (double)total.bytes_out / 1e6, wall,
                  wall > 0 ? (double)total.bytes_in / 1e6 / wall : 0.0);
    print_reasons(&p->source_counts, run->common.verbose);
    for (size_t k = 0; k < p->n_stages; k++)
        print_reasons(&p->stages[k]->counts, run->common.verbose);
    struct cru_buffer text;
    cru_buffer_init(&text);
    for (size_t k = 0; k < p->n_stages; k++)
        if (p->stages[k]->class->tell) p->stages[k]->class->tell(p->stages[k], &text);
    if (text.n && !text.failed) (void)fwrite(text.p, 1, text.n, stderr);
    cru_buffer_release(&text);
}

static enum cru_status write_stats(const char *name, const struct cru_stage_run *run,
                                   const struct cru_pipeline *p, double wall,
                                   struct cru_error *err) {
    struct cru_buffer json;
    struct cru_counts total;
    total_counts(p, &total);
    cru_buffer_init(&json);
    cru_buffer_printf(&json, "{\"stage\":\"%s\",\"version\":\"%s\",\"threads\":%lld,\"seconds\":%.3f,",
                      name, CRU_VERSION, (long long)run->common.threads, wall);
    /* Reasons of the source and of the stages together. */
    struct cru_counts reasons = {.reasons = p->source_counts.reasons,
                                 .n_reasons = p->source_counts.n_reasons};
    enum cru_status s = cru_counts_merge(&total, &reasons, err);
    for (size_t k = 0; s == CRU_OK && k < p->n_stages; k++) {
        reasons = (struct cru_counts){.reasons = p->stages[k]->counts.reasons,
                                      .n_reasons = p->stages[k]->counts.n_reasons};
        s = cru_counts_merge(&total, &reasons, err);
    }
    cru_counts_json(&total, &json);
    cru_counts_release(&total);
    cru_buffer_printf(&json, ",\"bad_inputs\":%llu", (unsigned long long)p->notes.bad_inputs);
    for (size_t k = 0; k < p->n_stages; k++)
        if (p->stages[k]->class->stats) p->stages[k]->class->stats(p->stages[k], &json);
    cru_buffer_add_string(&json, "}\n");
    if (s == CRU_OK && json.failed) s = cru_fail_memory(err, "stats");
    if (s == CRU_OK) s = cru_write_file(run->stats, json.p, json.n, err);
    cru_buffer_release(&json);
    return s;
}

static int finish_run(const char *name, struct cru_stage_run *run, struct cru_pipeline *p,
                      enum cru_status s, double wall, struct cru_error *err) {
    if (p->notes.input_errors.n) {
        struct cru_span rest = cru_buffer_span(&p->notes.input_errors), line;
        while (cru_span_split(&rest, '\n', &line))
            if (line.n) (void)fprintf(stderr, "crucible %s: %.*s\n", name, (int)line.n, line.p);
    }
    if (s == CRU_OK && run->stats) s = write_stats(name, run, p, wall, err);
    if (s == CRU_END) return CRU_EXIT_OK; /* the reader of our output went away */
    if (s != CRU_OK) return cru_command_fail(name, err);
    if (!run->common.quiet) print_summary(name, run, p, wall);
    struct cru_counts total;
    total_counts(p, &total);
    if (total.wrong && p->notes.first_wrong[0])
        (void)fprintf(stderr, "crucible %s: %llu bad records, the first: %s\n", name,
                      (unsigned long long)total.wrong, p->notes.first_wrong);
    return total.wrong || p->notes.bad_inputs ? CRU_EXIT_BAD : CRU_EXIT_OK;
}

/* -o, --rejects and --stats each need a file of their own: the later would replace the earlier. */
static enum cru_status check_outputs(const struct cru_stage_run *run, struct cru_error *err) {
    const struct {
        const char *option, *path;
    } outputs[] = {{"-o", run->common.output}, {"--rejects", run->rejects}, {"--stats", run->stats}};
    enum { N = sizeof outputs / sizeof outputs[0] };
    for (size_t i = 0; i < N; i++)
        for (size_t k = i + 1; k < N; k++)
            if (outputs[i].path && outputs[k].path &&
                cru_output_same_file(outputs[i].path, outputs[k].path))
                return cru_fail(err, CRU_USAGE, "%s and %s name one file: '%s'", outputs[i].option,
                                outputs[k].option, outputs[k].path);
    return CRU_OK;
}

int cru_stage_run_pipeline(const char *name, struct cru_stage_run *run,
                           struct cru_pipeline *pipeline) {
    struct cru_error err = {CRU_OK, ""};
    struct progress progress = {0};
    struct cru_output *output = NULL, *rejects = NULL;
    bool sink = pipeline->n_stages && pipeline->stages[pipeline->n_stages - 1]->class->sink;
    enum cru_status s = check_outputs(run, &err);
    if (s == CRU_OK && !sink) s = cru_output_open(run->common.output, &output, &err);
    if (s == CRU_OK && run->rejects) s = cru_output_open(run->rejects, &rejects, &err);
    pipeline->common = &run->common;
    pipeline->target.output = output;
    pipeline->rejects = rejects;
    bool show = strcmp(run->progress, "always") == 0 ||
                (strcmp(run->progress, "auto") == 0 && isatty(STDERR_FILENO));
    if (show) {
        pipeline->progress = show_progress;
        pipeline->progress_context = &progress;
    }
    double start = wall_seconds();
    if (s == CRU_OK) s = cru_pipeline_run(pipeline, &err);
    if (show) (void)fputc('\r', stderr);
    if (s == CRU_OK && output) {
        s = cru_output_commit(output, &err);
        output = NULL;
    }
    if (s == CRU_OK && rejects) {
        s = cru_output_commit(rejects, &err);
        rejects = NULL;
    }
    cru_output_abandon(output);
    cru_output_abandon(rejects);
    int status = finish_run(name, run, pipeline, s, wall_seconds() - start, &err);
    cru_counts_release(&pipeline->source_counts);
    cru_run_notes_release(&pipeline->notes);
    return status;
}

int cru_stage_main(int argc, char **argv, const struct cru_stage_class *class) {
    struct cru_stage_run run = {.stats = NULL};
    struct cru_option_store store;
    struct cru_error err = {CRU_OK, ""};
    cru_option_store_init(&store);
    struct cru_stage *stage = cru_stage_new(class, &run.common);
    if (!stage) {
        (void)cru_fail_memory(&err, "options");
        return cru_command_fail(class->name, &err);
    }
    struct cru_command command = {class->name, class->summary, class->synopsis,
                                  {class->options, cru_stage_run_options},
                                  {stage, &run}, 2};
    int operands, status = cru_command_begin(&command, &store, argc, argv, &operands);
    if (status < 0) {
        static const char *const standard[] = {"-"};
        cru_stage_run_complete(&run);
        struct cru_read_options options = {.format = "jsonl", .text_field = run.common.text_field};
        struct cru_reader *reader = NULL;
        const char *const *paths = operands ? (const char *const *)argv + 1 : standard;
        if (cru_reader_open(&options, paths, operands ? (size_t)operands : 1, &reader, &err)) {
            status = cru_command_fail(class->name, &err);
        } else {
            struct cru_pipeline pipeline = {.source = cru_source_reader(reader),
                                            .stages = &stage,
                                            .n_stages = 1};
            status = cru_stage_run_pipeline(class->name, &run, &pipeline);
        }
        cru_reader_free(reader);
    }
    cru_stage_free(stage);
    cru_option_store_release(&store);
    return status;
}
