/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crucible: finds and runs crucible-STAGE, the way git does. To add a stage: write its adapter in
 * crucible/stage/NAME_stage.c, cmd/NAME.c, cmd/NAME.1, a row in the table below and in
 * cru_stage_classes[]; tests/cli/usage.sh then checks that -h, the man page and this table agree.
 */
#include <archive.h>
#include <cblas.h>
#include <errno.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utf8proc.h>
#include <xxhash.h>
#include <zstd.h>

#include "crucible/base/base.h"

static const struct program {
    const char *group, *name, *summary;
} programs[] = {
    {"Documents in", "read", "Turns dumps into documents."},
    {"Choose documents", "filter", "Drops or cleans documents by rule sets, language and conditions."},
    {"Choose documents", "dedup", "Drops or marks exact and near copies of documents."},
    {"Choose documents", "decontaminate", "Drops, marks or cuts documents that overlap with evaluation sets."},
    {"Choose documents", "score", "Scores documents with the DDM analyzer and the quality factors."},
    {"Choose documents", "select", "Selects documents that are good and stand for all the others."},
    {"Choose documents", "mix", "Mixes sources by ratio, sampling down or repeating."},
    {"Look and measure", "embed", "Turns documents into the vectors that select uses."},
    {"Look and measure", "report", "Reports a build: funnel, mixing, scores, strata."},
    {"Tokens out", "tokenize", "Turns documents into shards of token ids."},
    {"Tokens out", "shard", "Looks at shards, checks them, and exports them for other trainers."},
    {"Tokens out", "vocab", "Compiles a vocabulary for tokenize, or says what one is."},
    {"The whole way", "build", "Runs a recipe in one process, and resumes it."},
    {"The whole way", "train", "Trains a BOREAL model on token shards: a superposed phase, then an ordinary one."},
};
enum { N_PROGRAMS = sizeof programs / sizeof programs[0] };

static void usage(FILE *to) {
    (void)fprintf(to, "Usage: crucible STAGE [options] [FILE...]\n"
                      "       crucible help [STAGE] | crucible --version\n");
    const char *group = "";
    for (size_t i = 0; i < N_PROGRAMS; i++) {
        if (strcmp(group, programs[i].group) != 0) {
            group = programs[i].group;
            (void)fprintf(to, "\n%s\n", group);
        }
        (void)fprintf(to, "  %-15s%s\n", programs[i].name, programs[i].summary);
    }
    (void)fprintf(to, "\nOne screen of options: crucible STAGE -h. The man page: crucible help STAGE.\n");
}

static void version(void) {
#ifdef CRU_CUDA
    const char *cuda = "yes";
#else
    const char *cuda = "no";
#endif
#if defined(__x86_64__)
    const char *simd = __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vnni")
                           ? "AVX-512 VNNI"
                       : __builtin_cpu_supports("avx2") ? "AVX2"
                                                        : "baseline";
#else
    const char *simd = "baseline";
#endif
    (void)printf("crucible %s\ncommit: %s\ncompiler: %s\n", CRU_VERSION, CRU_COMMIT, __VERSION__);
    (void)printf("libraries: %s, sqlite %s, zstd %s, xxhash %u, utf8proc %s, pcre2 %d.%d, %s\n",
                 archive_version_string(), sqlite3_libversion(), ZSTD_versionString(),
                 XXH_versionNumber(), utf8proc_version(), PCRE2_MAJOR, PCRE2_MINOR,
                 openblas_get_config());
    (void)printf("CUDA: %s\nSIMD in use: %s\n", cuda, simd);
}

/* The directory this program lies in, with a slash behind. */
static bool own_directory(char *path, size_t capacity) {
    ssize_t n = readlink("/proc/self/exe", path, capacity - 1);
    if (n <= 0) return false;
    path[n] = 0;
    char *slash = strrchr(path, '/');
    if (!slash) return false;
    slash[1] = 0;
    return true;
}

static const char *nearest(const char *name) {
    struct cru_option names[N_PROGRAMS + 1] = {{CRU_OPTION_END, 0, NULL, 0, NULL, NULL, NULL, 0, 0, NULL}};
    for (size_t i = 0; i < N_PROGRAMS; i++) {
        names[i].type = CRU_OPTION_FLAG;
        names[i].name = programs[i].name;
    }
    return cru_options_nearest(names, name);
}

static bool is_program(const char *name) {
    for (size_t i = 0; i < N_PROGRAMS; i++)
        if (strcmp(programs[i].name, name) == 0) return true;
    return false;
}

static int run(const char *name, char **argv) {
    char path[4096];
    if (!is_program(name)) {
        const char *near = nearest(name);
        (void)fprintf(stderr, "crucible: unknown stage: '%s'", name);
        if (near) (void)fprintf(stderr, "; did you mean '%s'?", near);
        (void)fprintf(stderr, "\ntry 'crucible help'\n");
        return 64;
    }
    if (own_directory(path, sizeof path - 64)) {
        size_t n = strlen(path);
        (void)snprintf(path + n, sizeof path - n, "crucible-%s", name);
        argv[0] = path;
        (void)execv(path, argv);
    }
    (void)fprintf(stderr, "crucible: unable to run: 'crucible-%s': %s\n", name, strerror(errno));
    return 2;
}

/* The man page when man(1) and the page are there, else one screen of help. */
static int help(const char *name) {
    char page[4096];
    if (is_program(name) && own_directory(page, sizeof page - 128)) {
        size_t n = strlen(page);
        (void)snprintf(page + n, sizeof page - n, "../share/man/man1/crucible-%s.1", name);
        pid_t child = access(page, R_OK) == 0 ? fork() : -1;
        if (child == 0) {
            (void)execlp("man", "man", "-l", page, (char *)NULL);
            _exit(127);
        }
        int status;
        if (child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
            WEXITSTATUS(status) == 0)
            return 0;
    }
    char dash_h[] = "-h";
    char *arguments[] = {NULL, dash_h, NULL};
    return run(name, arguments);
}

int main(int argc, char **argv) {
    if (argc < 2) {
        usage(stderr);
        return 64;
    }
    const char *first = argv[1];
    int status = 0;
    if (strcmp(first, "--version") == 0) version();
    else if (strcmp(first, "-h") == 0 || strcmp(first, "--help") == 0 || (strcmp(first, "help") == 0 && argc == 2))
        usage(stdout);
    else if (strcmp(first, "help") == 0) return help(argv[2]);
    else return run(first, argv + 1);
    if (fflush(stdout) || fclose(stdout)) status = errno == EPIPE ? 0 : 2;
    return status;
}
