/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "crucible/base/base.h"
#include "crucible/base/output.h"
#include "crucible/build/catalog.h"
#include "crucible/build/document_rows.h"
#include "crucible/build/runner.h"
#include "crucible/build/spool_chain.h"
#include "crucible/build/step_key.h"
#include "crucible/stage/pipeline.h"

enum { PATH_SIZE = 4096 };

enum step_kind { STEP_READ, STEP_STAGES, STEP_SHARDS, STEP_TRAIN };
static const char *const kind_names[] = {"read", "stages", "shards", "train"};

struct step {
    enum step_kind kind;
    char key[17], name[80];
    const struct cru_recipe_source *source; /* STEP_READ */
    const struct cru_recipe_stage *stages;
    size_t n_stages;
};

struct plan {
    struct step *steps;
    size_t n, n_sources; /* the first n_sources steps read */
};

struct runner {
    struct cru_build *build;
    struct cru_catalog *catalog;
    struct plan plan;
    int lock;
    char shards[PATH_SIZE];
};

static void say(const struct cru_build *build, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void say(const struct cru_build *build, const char *format, ...) {
    if (!build->say) return;
    char line[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    build->say(build->say_context, line);
}

static enum cru_status join(char *path, struct cru_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static enum cru_status join(char *path, struct cru_error *err, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(path, PATH_SIZE, format, args);
    va_end(args);
    if (n < 0 || n >= PATH_SIZE) return cru_fail(err, CRU_FATAL, "path too long: '%.80s...'", path);
    return CRU_OK;
}

static double wall_seconds(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void set_key(struct step *step, const struct cru_step_key *key) {
    (void)snprintf(step->key, sizeof step->key, "%016llx", (unsigned long long)key->value);
}

static void key_common(struct cru_step_key *key, const struct cru_build *build) {
    cru_step_key_number(key, (uint64_t)build->recipe->seed);
    cru_step_key_text(key, build->common.text_field);
}

/* Step names tell what the step does: "read:man", "dedup", "filter+score". */
static void name_stages(struct step *step) {
    size_t at = strlen(step->name);
    for (size_t i = 0; i < step->n_stages && at < sizeof step->name - 1; i++)
        at += (size_t)snprintf(step->name + at, sizeof step->name - at, "%s%s", i ? "+" : "",
                               step->stages[i].class->name);
}

static enum cru_status make_plan(struct runner *r, struct cru_error *err) {
    const struct cru_recipe *recipe = r->build->recipe;
    size_t most = recipe->n_sources + recipe->n_stages + 2;
    r->plan.steps = calloc(most, sizeof *r->plan.steps);
    if (!r->plan.steps) return cru_fail_memory(err, "plan");
    struct cru_step_key all;
    cru_step_key_init(&all);
    for (size_t i = 0; i < recipe->n_sources; i++) {
        const struct cru_recipe_source *source = &recipe->sources[i];
        struct step *step = &r->plan.steps[r->plan.n++];
        struct cru_step_key key;
        cru_step_key_init(&key);
        key_common(&key, r->build);
        cru_step_key_text(&key, source->name);
        for (size_t k = 0; k < source->n_paths; k++) cru_step_key_path(&key, source->paths[k]);
        cru_step_key_options(&key, source->options, source->n_options);
        cru_step_key_stages(&key, source->stages, source->n_stages);
        *step = (struct step){.kind = STEP_READ, .source = source, .stages = source->stages, .n_stages = source->n_stages};
        (void)snprintf(step->name, sizeof step->name, "read:%.60s", source->name);
        set_key(step, &key);
        cru_step_key_number(&all, key.value);
    }
    r->plan.n_sources = r->plan.n;
    key_common(&all, r->build);
    for (size_t from = 0; from < recipe->n_stages;) {
        size_t to = from + 1;
        while (to < recipe->n_stages && !recipe->stages[to - 1].class->finish) to++;
        struct step *step = &r->plan.steps[r->plan.n++];
        *step = (struct step){.kind = to == recipe->n_stages ? STEP_SHARDS : STEP_STAGES,
                              .stages = recipe->stages + from, .n_stages = to - from};
        name_stages(step);
        cru_step_key_stages(&all, step->stages, step->n_stages);
        set_key(step, &all);
        from = to;
    }
    if (recipe->n_train && !r->build->skip_training) {
        struct step *step = &r->plan.steps[r->plan.n++];
        *step = (struct step){.kind = STEP_TRAIN, .name = "train"};
        cru_step_key_text(&all, "train");
        cru_step_key_options(&all, recipe->train, recipe->n_train);
        set_key(step, &all);
    }
    return CRU_OK;
}

/* Is the step recorded, and its output still there? Looked for where this run would write it, and not
 * where the catalog says: a work directory may have been moved, or copied beside the first. */
static bool is_finished(struct runner *r, const struct step *step) {
    char path[PATH_SIZE];
    struct cru_error unused;
    struct stat info;
    if (!r->catalog || !cru_catalog_finished(r->catalog, step->key)) return false;
    enum cru_status s =
        step->kind == STEP_SHARDS  ? join(path, &unused, "%s/manifest.json", r->shards)
        : step->kind == STEP_TRAIN ? join(path, &unused, "%s/train/%s/log.jsonl", r->build->work, step->key)
                                   : join(path, &unused, "%s/steps/%s.spool", r->build->work, step->key);
    if (s != CRU_OK || stat(path, &info) != 0) return false;
    if (step->kind != STEP_READ && step->kind != STEP_STAGES) return true;
    /* A spool that is cut or whose tables are damaged is made again. */
    struct cru_spool *spool = NULL;
    s = cru_spool_open(path, &r->build->common, &spool, &unused);
    cru_spool_free(spool);
    return s == CRU_OK;
}

/* Removes what a killed run left under temporary names. */
static void sweep_directory(const char *directory) {
    DIR *d = opendir(directory);
    char path[PATH_SIZE];
    for (struct dirent *e; d && (e = readdir(d));)
        if (strstr(e->d_name, ".tmp-") &&
            snprintf(path, sizeof path, "%s/%s", directory, e->d_name) < PATH_SIZE)
            (void)unlink(path);
    if (d) (void)closedir(d);
}

/* The old shards go when others are to take their place: the manifest first, so that a set is never
 * half of one and half of another. There is one shards directory for all keys, so the catalog has
 * forgotten by then that another key's shards were finished. */
static void remove_shards(const char *directory) {
    char path[PATH_SIZE];
    if (snprintf(path, sizeof path, "%s/manifest.json", directory) < PATH_SIZE) (void)unlink(path);
    DIR *d = opendir(directory);
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.' && snprintf(path, sizeof path, "%s/%s", directory, e->d_name) < PATH_SIZE)
            (void)unlink(path);
    if (d) (void)closedir(d);
}

static enum cru_status record_counts(struct runner *r, const struct step *step, const struct cru_pipeline *p,
                                     size_t n_stages, struct cru_error *err) {
    enum cru_status s = CRU_OK;
    int ordinal = 0;
    if (step->kind == STEP_READ)
        s = cru_catalog_stage(r->catalog, step->key, ordinal++, "read", &p->source_counts, "{}", err);
    for (size_t k = 0; s == CRU_OK && k < n_stages; k++) {
        struct cru_buffer json;
        cru_buffer_init(&json);
        cru_buffer_add_string(&json, "{\"stage\":");
        cru_buffer_add_json_string(&json, cru_span_of(p->stages[k]->class->name));
        if (p->stages[k]->class->stats) p->stages[k]->class->stats(p->stages[k], &json);
        cru_buffer_add_char(&json, '}');
        if (json.failed) s = cru_fail_memory(err, "stats");
        else
            s = cru_catalog_stage(r->catalog, step->key, ordinal++, p->stages[k]->class->name,
                                  &p->stages[k]->counts, json.p, err);
        cru_buffer_release(&json);
    }
    return s;
}

static void tell_counts(struct runner *r, const struct step *step, const struct cru_pipeline *p, size_t n_stages,
                        double seconds) {
    const struct cru_counts *c = &p->source_counts;
    if (step->kind == STEP_READ)
        say(r->build, "  %-14s %9llu in = %llu out + %llu dropped + %llu bad, %.1f MB, %.1f MB/s a core", "read",
            (unsigned long long)c->in, (unsigned long long)c->out, (unsigned long long)c->dropped,
            (unsigned long long)c->wrong, (double)c->bytes_in / 1e6,
            c->seconds > 0 ? (double)c->bytes_in / 1e6 / c->seconds : 0.0);
    for (size_t k = 0; k < n_stages; k++) {
        c = &p->stages[k]->counts;
        say(r->build, "  %-14s %9llu in%s = %llu out + %llu dropped + %llu bad, %.1f MB, %.1f MB/s a core",
            p->stages[k]->class->name, (unsigned long long)c->in, c->added ? " + repeats" : "",
            (unsigned long long)c->out, (unsigned long long)c->dropped, (unsigned long long)c->wrong,
            (double)c->bytes_in / 1e6, c->seconds > 0 ? (double)c->bytes_in / 1e6 / c->seconds : 0.0);
    }
    say(r->build, "  %.2f s", seconds);
}

/* What a step of documents needs while it runs. */
struct step_run {
    struct cru_pipeline pipeline;
    struct cru_common common;
    struct cru_stage **stages;
    size_t n_stages; /* of the recipe; one more when document rows are written */
    struct cru_read_options read;
    struct cru_option_store read_store;
    struct cru_reader *reader;
    struct cru_spool_chain *chain;
    struct cru_spool *spool;
    struct cru_output *rejects;
    char output[PATH_SIZE];
};

static void step_run_release(struct step_run *run) {
    for (size_t k = 0; run->stages && k <= run->n_stages; k++) cru_stage_free(run->stages[k]);
    free(run->stages);
    cru_counts_release(&run->pipeline.source_counts);
    cru_run_notes_release(&run->pipeline.notes);
    cru_reader_free(run->reader);
    cru_spool_chain_free(run->chain);
    cru_spool_free(run->spool);
    cru_output_abandon(run->rejects);
    cru_option_store_release(&run->read_store);
}

static enum cru_status open_source(struct runner *r, size_t at, struct step_run *run, struct cru_error *err) {
    const struct step *step = &r->plan.steps[at];
    enum cru_status s = CRU_OK;
    if (step->kind == STEP_READ) {
        const struct cru_recipe_source *source = step->source;
        s = cru_options_defaults(cru_read_option_table, &run->read, &run->read_store, err);
        for (size_t i = 0; s == CRU_OK && i < source->n_options; i++)
            s = cru_options_set(cru_read_option_table, &run->read, &run->read_store,
                                source->options[i].row->name, source->options[i].value, err);
        run->read.text_field = run->common.text_field;
        if (!run->read.source) run->read.source = source->name;
        if (s == CRU_OK) s = cru_reader_open(&run->read, source->paths, source->n_paths, &run->reader, err);
        if (s == CRU_OK) run->pipeline.source = cru_source_reader(run->reader);
        return s;
    }
    /* The first step of stages reads all sources, each later one the step before it. */
    size_t first = at == r->plan.n_sources ? 0 : at - 1, n = at - first;
    char path[PATH_SIZE];
    s = cru_spool_chain_new(&run->chain, err);
    for (size_t i = 0; s == CRU_OK && i < n; i++) {
        s = join(path, err, "%s/steps/%s.spool", r->build->work, r->plan.steps[first + i].key);
        if (s == CRU_OK) s = cru_spool_chain_add(run->chain, path, &run->common, err);
    }
    if (s == CRU_OK) run->pipeline.source = cru_spool_chain_source(run->chain);
    return s;
}

static enum cru_status open_stages(struct runner *r, const struct step *step, struct step_run *run,
                                   struct cru_error *err) {
    run->n_stages = step->n_stages;
    run->stages = calloc(step->n_stages + 2, sizeof *run->stages);
    if (!run->stages) return cru_fail_memory(err, "stages");
    for (size_t k = 0; k < step->n_stages; k++)
        if (!(run->stages[k] = cru_recipe_stage_new(&step->stages[k], &run->common, err))) return err->status;
    run->pipeline.n_stages = step->n_stages;
    if (step->kind == STEP_SHARDS) {
        run->stages[step->n_stages] = cru_document_rows_new(r->catalog, &run->common);
        if (!run->stages[step->n_stages]) return cru_fail_memory(err, "stages");
        run->pipeline.n_stages++;
    }
    run->pipeline.stages = run->stages;
    return CRU_OK;
}

static enum cru_status open_target(struct runner *r, size_t at, struct step_run *run, struct cru_error *err) {
    const struct step *step = &r->plan.steps[at];
    enum cru_status s;
    if (step->kind == STEP_SHARDS) {
        s = join(run->output, err, "%s", r->shards);
        if (s == CRU_OK) s = cru_catalog_forget(r->catalog, kind_names[STEP_SHARDS], err);
        if (s == CRU_OK) remove_shards(r->shards);
    } else {
        s = join(run->output, err, "%s/steps/%s.spool", r->build->work, step->key);
        if (s == CRU_OK) s = cru_spool_create(run->output, &run->common, &run->spool, err);
        run->pipeline.target.spool = run->spool;
    }
    if (s == CRU_OK && r->build->rejects) {
        char path[PATH_SIZE], name[80];
        (void)snprintf(name, sizeof name, "%s", step->name);
        for (char *c = name; *c; c++)
            if (*c == ':') *c = '-';
        s = join(path, err, "%s/rejects/%02zu-%s.jsonl", r->build->work, at, name);
        if (s == CRU_OK) s = cru_output_open(path, &run->rejects, err);
        run->pipeline.rejects = run->rejects;
    }
    return s;
}

static enum cru_status finish_step(struct runner *r, const struct step *step, struct step_run *run, double start,
                                   struct cru_error *err) {
    enum cru_status s = CRU_OK;
    if (run->spool) s = cru_spool_seal(run->spool, err);
    if (s == CRU_OK && run->rejects) {
        s = cru_output_commit(run->rejects, err);
        run->rejects = NULL;
    }
    if (s == CRU_OK && step->kind != STEP_SHARDS) s = cru_catalog_begin(r->catalog, err);
    struct cru_step_record record = {step->key, step->name, kind_names[step->kind],
                                     step->source ? step->source->name : NULL, run->output, wall_seconds() - start};
    if (s == CRU_OK) s = cru_catalog_step(r->catalog, &record, err);
    if (s == CRU_OK) s = record_counts(r, step, &run->pipeline, run->n_stages, err);
    if (s == CRU_OK) s = cru_catalog_commit(r->catalog, err);
    if (s == CRU_OK) tell_counts(r, step, &run->pipeline, run->n_stages, record.seconds);
    return s;
}

static enum cru_status run_documents(struct runner *r, size_t at, struct cru_error *err) {
    const struct step *step = &r->plan.steps[at];
    struct step_run *run = calloc(1, sizeof *run);
    if (!run) return cru_fail_memory(err, "step");
    double start = wall_seconds();
    cru_option_store_init(&run->read_store);
    run->common = r->build->common;
    run->common.seed = r->build->recipe->seed;
    run->common.output = r->shards;
    run->pipeline.common = &run->common;
    enum cru_status s = open_stages(r, step, run, err);
    if (s == CRU_OK) s = open_source(r, at, run, err);
    if (s == CRU_OK) s = open_target(r, at, run, err);
    if (s == CRU_OK && step->kind == STEP_SHARDS) {
        s = cru_catalog_begin(r->catalog, err);
        if (s == CRU_OK) s = cru_catalog_clear_documents(r->catalog, err);
    }
    if (s == CRU_OK) s = cru_pipeline_run(&run->pipeline, err);
    if (run->pipeline.notes.input_errors.n) {
        struct cru_span rest = cru_buffer_span(&run->pipeline.notes.input_errors), line;
        while (cru_span_split(&rest, '\n', &line))
            if (line.n) say(r->build, "  %.*s", (int)line.n, line.p);
    }
    r->build->bad_inputs += run->pipeline.notes.bad_inputs;
    r->build->wrong += run->pipeline.source_counts.wrong;
    for (size_t k = 0; k < run->n_stages && run->stages && run->stages[k]; k++)
        r->build->wrong += run->stages[k]->counts.wrong;
    if (s == CRU_OK) s = finish_step(r, step, run, start, err);
    step_run_release(run);
    free(run);
    return s;
}

static enum cru_status run_trainer(struct runner *r, const struct step *step, struct cru_error *err) {
    const struct cru_recipe *recipe = r->build->recipe;
    struct cru_arena arena;
    char out[PATH_SIZE], log[PATH_SIZE];
    double start = wall_seconds();
    cru_arena_init(&arena);
    enum cru_status s = join(out, err, "%s/train/%s", r->build->work, step->key);
    if (s == CRU_OK) s = join(log, err, "%s/log.jsonl", out);
    size_t n = 0;
    const char **argv = cru_arena_calloc(&arena, recipe->n_train + 17, sizeof *argv);
    if (s == CRU_OK && !argv) s = cru_fail_memory(err, "training");
    if (s == CRU_OK) s = cru_make_directory(out, err);
    for (size_t i = 0; s == CRU_OK && i < recipe->n_train; i++) {
        argv[1 + i] = cru_arena_printf(&arena, "--%s=%s", recipe->train[i].row->name, recipe->train[i].value).p;
        if (!argv[1 + i]) s = cru_fail_memory(err, "training");
    }
    if (s == CRU_OK) {
        n = 1 + recipe->n_train;
        argv[0] = r->build->trainer;
        argv[n++] = "--data";
        argv[n++] = r->shards;
        argv[n++] = "--out";
        argv[n++] = out;
        argv[n++] = "--log";
        argv[n++] = log;
        argv[n++] = cru_arena_printf(&arena, "--seed=%lld", (long long)recipe->seed).p;
        argv[n++] = cru_arena_printf(&arena, "-j%lld", (long long)r->build->common.threads).p;
        argv[n++] = "--resume";
        if (r->build->common.quiet) argv[n++] = "--quiet";
        pid_t parent = getpid(), child = fork();
        if (child == 0) {
            /* A trainer that outlived a killed build would write beside the one that goes on. */
            if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent) _exit(127);
            (void)execv(r->build->trainer, (char *const *)(uintptr_t)argv);
            _exit(127);
        }
        int status = 0;
        while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {}
        if (child < 0) s = cru_fail_errno(err, "unable to run", r->build->trainer);
        else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            s = cru_fail(err, CRU_FATAL, "training failed: '%s': exit status %d", r->build->trainer,
                         WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    }
    struct cru_step_record record = {step->key, "train", "train", NULL, log, wall_seconds() - start};
    if (s == CRU_OK) s = cru_catalog_begin(r->catalog, err);
    if (s == CRU_OK) s = cru_catalog_step(r->catalog, &record, err);
    if (s == CRU_OK) s = cru_catalog_commit(r->catalog, err);
    cru_arena_release(&arena);
    return s;
}

/* A dry run reads the catalog, if there is one, and leaves everything as it is. */
static enum cru_status look_at_work(struct runner *r, struct cru_error *err) {
    char path[PATH_SIZE];
    enum cru_status s = join(path, err, "%s/catalog.db", r->build->work);
    if (s || access(path, F_OK)) return s;
    return cru_catalog_open(path, false, &r->catalog, err);
}

static enum cru_status open_work(struct runner *r, struct cru_error *err) {
    static const char *const directories[] = {"", "/steps", "/rejects"};
    char path[PATH_SIZE];
    enum cru_status s = CRU_OK;
    for (size_t i = 0; s == CRU_OK && i < 3; i++) {
        if (i == 2 && !r->build->rejects) continue;
        s = join(path, err, "%s%s", r->build->work, directories[i]);
        if (s == CRU_OK) s = cru_make_directory(path, err);
    }
    if (s == CRU_OK) s = join(path, err, "%s/lock", r->build->work);
    if (s) return s;
    r->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (r->lock < 0) return cru_fail_errno(err, "unable to open", path);
    if (flock(r->lock, LOCK_EX | LOCK_NB))
        return cru_fail(err, CRU_FATAL, "work directory in use: '%s': another build runs in it", r->build->work);
    s = join(path, err, "%s/steps", r->build->work);
    if (s == CRU_OK) sweep_directory(path);
    if (s == CRU_OK) s = join(path, err, "%s/rejects", r->build->work);
    if (s == CRU_OK) sweep_directory(path);
    if (s == CRU_OK) s = join(path, err, "%s/catalog.db", r->build->work);
    if (s == CRU_OK) s = cru_catalog_open(path, true, &r->catalog, err);
    if (s == CRU_OK) s = cru_catalog_info(r->catalog, "name", r->build->recipe->name, err);
    if (s == CRU_OK) s = cru_catalog_info(r->catalog, "recipe", r->build->recipe->path, err);
    if (s == CRU_OK) s = cru_catalog_info(r->catalog, "version", CRU_VERSION, err);
    return s;
}

static enum cru_status run_plan(struct runner *r, struct cru_error *err) {
    const struct plan *plan = &r->plan;
    enum cru_status s = CRU_OK;
    for (size_t i = 0; s == CRU_OK && i < plan->n; i++) {
        const struct step *step = &plan->steps[i];
        bool done = is_finished(r, step);
        say(r->build, "%zu/%zu %s%s", i + 1, plan->n, step->name, done ? ": done before" : "");
        if (done) {
            r->build->steps_kept++;
            continue;
        }
        r->build->steps_run++;
        if (r->build->dry_run) continue;
        s = step->kind == STEP_TRAIN ? run_trainer(r, step, err) : run_documents(r, i, err);
    }
    return s;
}

static enum cru_status set_current(struct runner *r, struct cru_error *err) {
    const char **keys = calloc(r->plan.n + 1, sizeof *keys);
    if (!keys) return cru_fail_memory(err, "plan");
    for (size_t i = 0; i < r->plan.n; i++) keys[i] = r->plan.steps[i].key;
    enum cru_status s = cru_catalog_current(r->catalog, keys, r->plan.n, err);
    free(keys);
    return s;
}

/* Runs the plan with a row of its own in the catalog, which says how it ended. */
static enum cru_status run_recorded(struct runner *r, struct cru_error *err) {
    int64_t id;
    struct cru_error late = {CRU_OK, ""};
    enum cru_status s = cru_catalog_run_begin(r->catalog, r->build->recipe->path, r->build->recipe->seed,
                                              r->build->common.threads, &id, err);
    if (s) return s;
    s = run_plan(r, err);
    if (s == CRU_OK) s = set_current(r, err);
    cru_catalog_abort(r->catalog);
    enum cru_status end = cru_catalog_run_end(r->catalog, id, s == CRU_OK ? "done" : err->message,
                                              r->build->steps_run, r->build->steps_kept, &late);
    if (s == CRU_OK && end) {
        *err = late;
        s = end;
    }
    return s;
}

enum cru_status cru_build_run(struct cru_build *build, struct cru_error *err) {
    struct runner r = {.build = build, .lock = -1};
    enum cru_status s = join(r.shards, err, "%s/shards", build->work);
    if (s == CRU_OK) s = build->dry_run ? look_at_work(&r, err) : open_work(&r, err);
    if (s == CRU_OK) s = make_plan(&r, err);
    if (s == CRU_OK && !build->dry_run) s = run_recorded(&r, err);
    else if (s == CRU_OK) s = run_plan(&r, err);
    cru_catalog_close(r.catalog);
    free(r.plan.steps);
    if (r.lock >= 0) (void)close(r.lock);
    return s;
}
