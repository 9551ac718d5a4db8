/* SPDX-License-Identifier: Apache-2.0 */
#include <aio.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crucible/base/base.h"
#include "crucible/base/output.h"

enum { BLOCK = 1 << 18 };

struct cru_output {
    char *path, *temporary; /* temporary is NULL for standard output */
    int fd;
    bool closed_pipe;
    bool cached; /* the file system cannot write past its page cache */
    bool sending;
    struct aiocb sent; /* the block on its way, while `sending`, */
    const char *block; /* which is this */
    uint64_t bytes; /* given to write, buffered ones included */
    size_t n;       /* bytes in the buffer */
    char buffer[BLOCK];
};

/* Paths of unfinished files, for the signal that ends the process. More than these are left behind. */
static _Atomic(char *) unfinished[16];

static void remember(char *temporary) {
    for (size_t i = 0; i < sizeof unfinished / sizeof unfinished[0]; i++) {
        char *none = NULL;
        if (atomic_compare_exchange_strong(&unfinished[i], &none, temporary)) return;
    }
}

static void forget(char *temporary) {
    for (size_t i = 0; temporary && i < sizeof unfinished / sizeof unfinished[0]; i++) {
        char *this = temporary;
        if (atomic_compare_exchange_strong(&unfinished[i], &this, NULL)) return;
    }
}

static void remove_unfinished(int number) {
    for (size_t i = 0; i < sizeof unfinished / sizeof unfinished[0]; i++) {
        char *path = atomic_load(&unfinished[i]);
        if (path) (void)unlink(path);
    }
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

void cru_output_catch_signals(void) {
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (signal(ends[i], remove_unfinished) == SIG_IGN) (void)signal(ends[i], SIG_IGN); /* nohup */
}

/* The descriptor that a name such as /dev/stdout or /dev/fd/63 stands for, or -1. To open the name would
 * write over a log's beginning, and to rename to it would put a file in the place of the device. */
static int named_descriptor(const char *path) {
    static const char *const folders[] = {"/dev/fd/", "/proc/self/fd/"};
    if (strcmp(path, "/dev/stdout") == 0) return STDOUT_FILENO;
    if (strcmp(path, "/dev/stderr") == 0) return STDERR_FILENO;
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        size_t n = strlen(folders[i]);
        if (strncmp(path, folders[i], n) != 0) continue;
        char *end;
        long number = strtol(path + n, &end, 10);
        if (end > path + n && *end == 0 && number >= 0 && number < 1 << 20) return (int)number;
    }
    return -1;
}

/* What a path names without following its last part: directory and entry. */
static bool same_entry(const char *a, const char *b) {
    const char *paths[] = {a, b}, *names[2];
    struct stat folders[2];
    for (size_t i = 0; i < 2; i++) {
        const char *slash = strrchr(paths[i], '/');
        names[i] = slash ? slash + 1 : paths[i];
        char *folder = slash ? strndup(paths[i], (size_t)(slash + 1 - paths[i])) : strdup(".");
        bool found = folder && stat(folder, &folders[i]) == 0;
        free(folder);
        if (!found) return false;
    }
    return strcmp(names[0], names[1]) == 0 && folders[0].st_dev == folders[1].st_dev &&
           folders[0].st_ino == folders[1].st_ino;
}

bool cru_output_same_file(const char *a, const char *b) {
    struct stat x, y;
    if (strcmp(a, "-") == 0 || strcmp(b, "-") == 0) return false;
    bool exists = stat(a, &x) == 0, other = stat(b, &y) == 0;
    if (exists != other) return false;
    if (!exists) return same_entry(a, b);
    return S_ISREG(x.st_mode) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static void set_direct(const struct cru_output *out, bool direct) {
#ifdef O_DIRECT
    int flags = fcntl(out->fd, F_GETFL);
    if (flags >= 0) (void)fcntl(out->fd, F_SETFL, direct ? flags | O_DIRECT : flags & ~O_DIRECT);
#else
    (void)out, (void)direct;
#endif
}

/* Waits for the block on its way, if there is one; answers how much of it the device took. */
static size_t finish_block(struct cru_output *out) {
    if (!out->sending) return 0;
    const struct aiocb *const sent[] = {&out->sent};
    while (aio_error(&out->sent) == EINPROGRESS) (void)aio_suspend(sent, 1, NULL);
    ssize_t got = aio_return(&out->sent);
    out->sending = false;
    set_direct(out, false);
    return got > 0 ? (size_t)got : 0;
}

static void output_free(struct cru_output *out) {
    if (!out) return;
    (void)finish_block(out);
    forget(out->temporary);
    if (out->fd > STDOUT_FILENO) (void)close(out->fd);
    free(out->path);
    free(out->temporary);
    free(out);
}

enum cru_status cru_output_open(const char *path, struct cru_output **output,
                                struct cru_error *err) {
    *output = NULL;
    struct cru_output *out = calloc(1, sizeof *out);
    if (!out) return cru_fail_memory(err, path);
    out->fd = -1;
    out->path = strdup(path);
    if (!out->path) {
        output_free(out);
        return cru_fail_memory(err, path);
    }
    struct stat info;
    bool standard = strcmp(path, "-") == 0;
    /* A device or a named pipe cannot be renamed over; it is written as it is. */
    bool direct = !standard && stat(path, &info) == 0 && !S_ISREG(info.st_mode);
    int number = standard ? -1 : named_descriptor(path);
    if (standard) {
        out->fd = STDOUT_FILENO;
    } else if (number >= 0) {
        out->fd = fcntl(number, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    } else if (direct) {
        out->fd = open(path, O_WRONLY | O_CLOEXEC);
    } else {
        bool link = lstat(path, &info) == 0 && S_ISLNK(info.st_mode);
        char *target = link ? realpath(path, NULL) : NULL;
        if (target) { /* a link stays a link: what it names is replaced */
            free(out->path);
            path = out->path = target;
        }
        size_t n = strlen(path) + 32;
        out->temporary = malloc(n);
        if (!out->temporary) {
            output_free(out);
            return cru_fail_memory(err, path);
        }
        (void)snprintf(out->temporary, n, "%s.tmp-%ld", path, (long)getpid());
        remember(out->temporary);
        out->fd = open(out->temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    }
    if (out->fd < 0) {
        enum cru_status s = cru_fail_errno(err, "unable to create", path);
        output_free(out);
        return s;
    }
    *output = out;
    return CRU_OK;
}

static enum cru_status write_all(struct cru_output *out, const char *p, size_t n,
                                 struct cru_error *err) {
    while (n > 0) {
        ssize_t got = write(out->fd, p, n);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno == EPIPE) {
            out->closed_pipe = true;
            return CRU_END;
        }
        if (got < 0) return cru_fail_errno(err, "unable to write", out->path);
        p += got;
        n -= (size_t)got;
    }
    return CRU_OK;
}

/* What the device did not take of a block on its way is written as everything else is; what is wrong, if anything,
 * that will meet again. */
static enum cru_status wait_for_block(struct cru_output *out, struct cru_error *err) {
    if (!out->sending) return CRU_OK;
    size_t done = finish_block(out), n = out->sent.aio_nbytes;
    out->cached = done == 0;
    if (lseek(out->fd, out->sent.aio_offset + (off_t)done, SEEK_SET) < 0)
        return cru_fail_errno(err, "unable to write", out->path);
    return write_all(out, out->block + done, n - done, err);
}

/* Until all given to write so far is in the file. */
static enum cru_status flush(struct cru_output *out, struct cru_error *err) {
    size_t n = out->n;
    enum cru_status s = wait_for_block(out, err);
    if (s) return s;
    out->n = 0;
    return write_all(out, out->buffer, n, err);
}

enum cru_status cru_output_write(struct cru_output *out, const void *p, size_t n,
                                 struct cru_error *err) {
    if (out->closed_pipe) return CRU_END;
    enum cru_status s = n >= BLOCK - out->n ? flush(out, err) : wait_for_block(out, err);
    if (s) return s;
    out->bytes += n;
    if (n >= BLOCK) return write_all(out, p, n, err);
    if (n) memcpy(out->buffer + out->n, p, n);
    out->n += n;
    return CRU_OK;
}

enum cru_status cru_output_send_block(struct cru_output *out, void *p, size_t n,
                                      struct cru_error *err) {
    bool aligned = (uintptr_t)p % CRU_OUTPUT_ALIGNMENT == 0 && n % CRU_OUTPUT_ALIGNMENT == 0 &&
                   out->bytes % CRU_OUTPUT_ALIGNMENT == 0 && n > 0;
    enum cru_status s = flush(out, err);
    if (s) return s;
    /* Only in a file of our own: others share the descriptor's flags of standard output. */
    if (!aligned || !out->temporary || out->cached) return cru_output_write(out, p, n, err);
    out->sent = (struct aiocb){.aio_fildes = out->fd,
                               .aio_offset = (off_t)out->bytes,
                               .aio_buf = p,
                               .aio_nbytes = n,
                               .aio_sigevent = {.sigev_notify = SIGEV_NONE}};
    out->block = p;
    set_direct(out, true);
    out->sending = aio_write(&out->sent) == 0;
    if (out->sending) {
        out->bytes += n;
        return CRU_OK;
    }
    set_direct(out, false); /* no thread is to be had for it */
    return cru_output_write(out, p, n, err);
}

enum cru_status cru_output_patch(struct cru_output *out, uint64_t offset, const void *p, size_t n,
                                 struct cru_error *err) {
    enum cru_status s = flush(out, err);
    if (s) return s;
    const char *from = p;
    while (n > 0) {
        ssize_t got = pwrite(out->fd, from, n, (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return cru_fail_errno(err, "unable to write", out->path);
        from += got;
        offset += (uint64_t)got;
        n -= (size_t)got;
    }
    return CRU_OK;
}

uint64_t cru_output_bytes(const struct cru_output *out) { return out->bytes; }

/* A rename is durable only when its directory is synced; a failure to do so is not worth an error. */
static void sync_directory_of(const char *path) {
    char directory[4096];
    const char *slash = strrchr(path, '/');
    int n = slash ? snprintf(directory, sizeof directory, "%.*s", (int)(slash - path + 1), path)
                  : snprintf(directory, sizeof directory, ".");
    if (n < 0 || (size_t)n >= sizeof directory) return;
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    (void)fsync(fd);
    (void)close(fd);
}

enum cru_status cru_output_commit(struct cru_output *out, struct cru_error *err) {
    enum cru_status s = out->closed_pipe ? CRU_END : flush(out, err);
    if (s == CRU_OK && out->temporary) {
        if (fsync(out->fd)) s = cru_fail_errno(err, "unable to sync", out->path);
        if (s == CRU_OK && rename(out->temporary, out->path))
            s = cru_fail_errno(err, "unable to rename to", out->path);
        if (s == CRU_OK) sync_directory_of(out->path);
    }
    if (s != CRU_OK && out->temporary) (void)unlink(out->temporary);
    output_free(out);
    return s;
}

void cru_output_abandon(struct cru_output *out) {
    if (!out) return;
    if (out->temporary) (void)unlink(out->temporary);
    output_free(out);
}

enum cru_status cru_write_file(const char *path, const void *p, size_t n, struct cru_error *err) {
    struct cru_output *out;
    enum cru_status s = cru_output_open(path, &out, err);
    if (s) return s;
    s = cru_output_write(out, p, n, err);
    if (s) {
        cru_output_abandon(out);
        return s;
    }
    return cru_output_commit(out, err);
}

enum cru_status cru_make_directory(const char *path, struct cru_error *err) {
    char part[4096];
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof part)
        return cru_fail(err, CRU_FATAL, "unable to create directory: '%s': bad path", path);
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != 0) continue;
        memcpy(part, path, i);
        part[i] = 0;
        if (mkdir(part, 0777) && errno != EEXIST)
            return cru_fail_errno(err, "unable to create directory", part);
    }
    struct stat info;
    if (stat(path, &info) || !S_ISDIR(info.st_mode))
        return cru_fail(err, CRU_FATAL, "unable to create directory: '%s': not a directory", path);
    return CRU_OK;
}
