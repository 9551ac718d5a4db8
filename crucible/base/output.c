/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crucible/base/base.h"
#include "crucible/base/output.h"

enum { BLOCK = 1 << 18 };

struct cru_output {
    char *path, *temporary; /* temporary is NULL for standard output */
    int fd;
    bool closed_pipe;
    uint64_t bytes; /* given to write, buffered ones included */
    size_t n;       /* bytes in the buffer */
    char buffer[BLOCK];
};

static void output_free(struct cru_output *out) {
    if (!out) return;
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
    if (standard) {
        out->fd = STDOUT_FILENO;
    } else if (direct) {
        out->fd = open(path, O_WRONLY | O_CLOEXEC);
    } else {
        size_t n = strlen(path) + 32;
        out->temporary = malloc(n);
        if (!out->temporary) {
            output_free(out);
            return cru_fail_memory(err, path);
        }
        (void)snprintf(out->temporary, n, "%s.tmp-%ld", path, (long)getpid());
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

static enum cru_status flush(struct cru_output *out, struct cru_error *err) {
    size_t n = out->n;
    out->n = 0;
    return write_all(out, out->buffer, n, err);
}

enum cru_status cru_output_write(struct cru_output *out, const void *p, size_t n,
                                 struct cru_error *err) {
    if (out->closed_pipe) return CRU_END;
    out->bytes += n;
    if (n >= BLOCK - out->n) {
        enum cru_status s = flush(out, err);
        if (s) return s;
    }
    if (n >= BLOCK) return write_all(out, p, n, err);
    if (n) memcpy(out->buffer + out->n, p, n);
    out->n += n;
    return CRU_OK;
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
        if (s != CRU_OK) (void)unlink(out->temporary);
    }
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
