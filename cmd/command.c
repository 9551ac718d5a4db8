/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "cmd/command.h"
#include "crucible/base/base.h"
#include "crucible/base/output.h"

/* -h and --version are in every program; the two hidden ones feed the man pages and completion. */
static const char *asked_for(int argc, char **argv) {
    static const char *const asks[] = {"-h", "--help", "--version", "--man-options", "--words"};
    for (int i = 1; i < argc && strcmp(argv[i], "--"); i++)
        for (size_t k = 0; k < sizeof asks / sizeof asks[0]; k++)
            if (strcmp(argv[i], asks[k]) == 0) return asks[k];
    return NULL;
}

static int answer(const struct cru_command *command, const char *ask) {
    struct cru_buffer out;
    cru_buffer_init(&out);
    bool help = strcmp(ask, "-h") == 0 || strcmp(ask, "--help") == 0;
    if (strcmp(ask, "--version") == 0) {
        cru_buffer_printf(&out, "crucible-%s %s\n", command->name, CRU_VERSION);
    } else if (help) {
        cru_buffer_printf(&out, "Usage: crucible %s %s\n\n%s\n\nOptions:\n", command->name,
                          command->synopsis, command->summary);
    }
    for (size_t t = 0; t < command->n_tables; t++) {
        if (help) cru_options_help(command->tables[t], &out);
        else if (strcmp(ask, "--man-options") == 0) cru_options_man(command->tables[t], &out);
        else if (strcmp(ask, "--words") == 0) cru_options_words(command->tables[t], &out);
    }
    if (help)
        cru_buffer_printf(&out, "  %-32sthis page\n  %-32sversion\n\nMore: crucible help %s\n",
                          "-h, --help", "    --version", command->name);
    int status = out.failed ? CRU_EXIT_FATAL : CRU_EXIT_OK;
    if (!out.failed) (void)fwrite(out.p, 1, out.n, stdout); /* cru_command_end sees a failure */
    cru_buffer_release(&out);
    return cru_command_end(command->name, status);
}

/*
 * Between parallel loops libgomp's threads spin for milliseconds by default: two thirds of the CPU time of
 * `select`, and a training step two to three times slower on a machine with other work. It reads its
 * settings when it is loaded, so the program starts itself once more; a user's own setting wins.
 */
static void sleep_between_loops(char **argv) {
    if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT")) return;
    if (setenv("GOMP_SPINCOUNT", "2000", 1) == 0) (void)execv("/proc/self/exe", argv);
}

/* A standard stream that is closed would be the number of the next file opened, which would then be
 * written as if it were that stream. Opened the wrong way round, its use is still an error. */
static void hold_standard_streams(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) == -1) (void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

int cru_command_begin(const struct cru_command *command, struct cru_option_store *store, int argc,
                      char **argv, int *n_operands) {
    struct cru_error err;
    hold_standard_streams();
    sleep_between_loops(argv);
    /* A closed reader is an answer of write(2), not a signal. */
    (void)signal(SIGPIPE, SIG_IGN);
    cru_output_catch_signals();
    const char *ask = asked_for(argc, argv);
    if (ask) return answer(command, ask);
    for (size_t t = 0; t < command->n_tables; t++)
        if (cru_options_defaults(command->tables[t], command->targets[t], store, &err))
            return cru_command_fail(command->name, &err);
    if (cru_options_parse(command->tables, command->targets, command->n_tables, store, argc, argv,
                          n_operands, &err))
        return cru_command_fail(command->name, &err);
    return -1;
}

int cru_command_fail(const char *name, const struct cru_error *err) {
    (void)fflush(stdout);
    (void)fprintf(stderr, "crucible %s: %s\n", name, err->message);
    switch (err->status) {
    case CRU_OK:
    case CRU_END: return CRU_EXIT_OK;
    case CRU_BAD: return CRU_EXIT_BAD;
    case CRU_USAGE:
        (void)fprintf(stderr, "try 'crucible %s -h'\n", name);
        return CRU_EXIT_USAGE;
    case CRU_FATAL: break;
    }
    return CRU_EXIT_FATAL;
}

int cru_command_end(const char *name, int status) {
    int why = ferror(stdout) ? errno : 0; /* of a write just before */
    errno = 0;
    bool flushed = fflush(stdout) == 0, closed = fclose(stdout) == 0;
    if (!why && flushed && closed) return status;
    if (!why) why = errno;
    if (why == EPIPE) return status;
    (void)fprintf(stderr, "crucible %s: unable to write: 'standard output': %s\n", name,
                  strerror(why));
    return CRU_EXIT_FATAL;
}
