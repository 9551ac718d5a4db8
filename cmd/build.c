/* SPDX-License-Identifier: Apache-2.0 */
/* crucible build: a recipe, from sources to shards and a trained model, in one process. */
#include <unistd.h>

#include "cmd/command.h"
#include "crucible/base/base.h"
#include "crucible/base/parallel.h"
#include "crucible/build/report.h"
#include "crucible/build/runner.h"

struct build_options {
    const char *work, *tmpdir, *text_field;
    struct cru_string_list set;
    int64_t threads;
    uint64_t memory;
    bool check, dry_run, rejects, no_train, strict, quiet;
};

#define AT(field) offsetof(struct build_options, field)
static const struct cru_option options[] = {
    {CRU_OPTION_STRING, 0, "work", AT(work), "DIR", NULL, NULL, 0, 0,
     "work directory: catalog, steps, shards, checkpoints; default build-NAME"},
    {CRU_OPTION_FLAG, 0, "check", AT(check), NULL, NULL, NULL, 0, 0, "check the recipe, not what it reads, and stop"},
    {CRU_OPTION_FLAG, 0, "dry-run", AT(dry_run), NULL, NULL, NULL, 0, 0,
     "say which steps would run and which are done"},
    {CRU_OPTION_LIST, 0, "set", AT(set), "KEY=VALUE", NULL, NULL, 0, 0,
     "override one value: seed, name, STAGE.option, SOURCE.option or train.option"},
    {CRU_OPTION_FLAG, 0, "rejects", AT(rejects), NULL, NULL, NULL, 0, 0,
     "write what each step dropped to DIR/rejects"},
    {CRU_OPTION_FLAG, 0, "no-train", AT(no_train), NULL, NULL, NULL, 0, 0, "stop behind the shards"},
    {CRU_OPTION_INT, 'j', "threads", AT(threads), "N", "0", NULL, 0, 4096, "threads; 0 means all"},
    {CRU_OPTION_STRING, 0, "text-field", AT(text_field), "NAME", "text", NULL, 0, 0,
     "the field that holds the text in JSONL sources"},
    {CRU_OPTION_FLAG, 0, "strict", AT(strict), NULL, NULL, NULL, 0, 0, "stop at the first bad record"},
    {CRU_OPTION_SIZE, 0, "memory", AT(memory), "SIZE", "2G", NULL, 0, 0,
     "memory that indexes may use before they move to files in the temporary directory"},
    {CRU_OPTION_STRING, 0, "tmpdir", AT(tmpdir), "DIR", NULL, NULL, 0, 0,
     "directory for temporary files, default $TMPDIR or /tmp"},
    {CRU_OPTION_FLAG, 'q', "quiet", AT(quiet), NULL, NULL, NULL, 0, 0, "print nothing but errors"},
    {CRU_OPTION_END, 0, NULL, 0, NULL, NULL, NULL, 0, 0, NULL}};

static void say(void *context, const char *line) {
    (void)context;
    (void)fprintf(stderr, "%s\n", line);
}

/* crucible-train lies beside this program. */
static bool find_trainer(char *path, size_t capacity) {
    ssize_t n = readlink("/proc/self/exe", path, capacity - 1);
    if (n <= 0) return false;
    path[n] = 0;
    char *slash = strrchr(path, '/');
    static const char name[] = "crucible-train";
    if (!slash || (size_t)(slash + 1 - path) + sizeof name > capacity) return false;
    memcpy(slash + 1, name, sizeof name);
    return true;
}

static enum cru_status print_report(const char *work, struct cru_error *err) {
    struct cru_buffer text;
    cru_buffer_init(&text);
    enum cru_status s = cru_report_text(work, &text, err);
    if (s == CRU_OK && text.n && fwrite(text.p, 1, text.n, stdout) != text.n)
        s = cru_fail_errno(err, "unable to write", "standard output");
    cru_buffer_release(&text);
    return s;
}

static enum cru_status run(const struct build_options *o, const char *path, struct cru_build *build,
                           struct cru_error *err) {
    struct cru_recipe recipe;
    char work[4096], trainer[4096];
    enum cru_status s = cru_recipe_load(path, &recipe, err);
    if (s) return s;
    for (size_t i = 0; s == CRU_OK && i < o->set.n; i++) s = cru_recipe_set(&recipe, o->set.items[i], err);
    int n = o->work ? snprintf(work, sizeof work, "%s", o->work)
                    : snprintf(work, sizeof work, "build-%s", recipe.name);
    if (s == CRU_OK && (n < 0 || (size_t)n >= sizeof work))
        s = cru_fail(err, CRU_USAGE, "option '--work': path too long");
    if (s == CRU_OK && !find_trainer(trainer, sizeof trainer))
        s = cru_fail(err, CRU_FATAL, "unable to find: 'crucible-train'");
    if (s == CRU_OK && !o->dry_run) s = cru_recipe_try(&recipe, !o->check, err);
    build->recipe = &recipe;
    build->work = work;
    build->trainer = trainer;
    if (s == CRU_OK && !o->check) s = cru_build_run(build, err);
    if (s == CRU_OK && !o->check && !o->dry_run && !o->quiet) s = print_report(work, err);
    if (s == CRU_OK && o->check && !o->quiet)
        (void)printf("recipe '%s' is fine: %zu sources, %zu stages%s\n", path, recipe.n_sources,
                     recipe.n_stages, recipe.n_train ? ", training" : "");
    cru_recipe_release(&recipe);
    return s;
}

int main(int argc, char **argv) {
    struct build_options o;
    struct cru_option_store store;
    struct cru_error err = {CRU_OK, ""};
    cru_option_store_init(&store);
    struct cru_command command = {"build", "Runs a recipe in one process, and resumes it.",
                                  "[options] RECIPE", {options}, {&o}, 1};
    int operands, status = cru_command_begin(&command, &store, argc, argv, &operands);
    if (status < 0) {
        const char *tmpdir = o.tmpdir ? o.tmpdir : getenv("TMPDIR");
        struct cru_build build = {
            .common = {.threads = o.threads ? o.threads : cru_threads_available(), .memory = o.memory,
                       .tmpdir = tmpdir && tmpdir[0] ? tmpdir : "/tmp", .text_field = o.text_field,
                       .strict = o.strict, .quiet = o.quiet},
            .rejects = o.rejects, .dry_run = o.dry_run, .skip_training = o.no_train,
            .say = o.quiet ? NULL : say};
        enum cru_status s = operands == 1 ? run(&o, argv[1], &build, &err)
                                          : cru_fail(&err, CRU_USAGE, "one recipe is needed");
        status = s ? cru_command_fail("build", &err)
                   : cru_command_end("build", build.wrong || build.bad_inputs ? CRU_EXIT_BAD : CRU_EXIT_OK);
    }
    cru_option_store_release(&store);
    return status;
}
