/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "crucible/base/base.h"
#include "crucible/base/spill.h"

void cru_spill_init(struct cru_spill_array *a, size_t element, struct cru_budget *budget) {
    memset(a, 0, sizeof *a);
    a->element = element;
    a->file = -1;
    a->budget = budget;
}

/* An unlinked file in the temporary directory: gone when the process is, however it ends. */
static enum cru_status open_unlinked(const char *tmpdir, int *file, struct cru_error *err) {
    *file = open(tmpdir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (*file >= 0) return CRU_OK;
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/crucible-XXXXXX", tmpdir);
    if (n < 0 || (size_t)n >= sizeof path)
        return cru_fail(err, CRU_FATAL, "unable to create temporary file: '%s': path too long",
                        tmpdir);
    *file = mkostemp(path, O_CLOEXEC);
    if (*file < 0) return cru_fail_errno(err, "unable to create temporary file in", tmpdir);
    (void)unlink(path);
    return CRU_OK;
}

/* With its blocks: on a full disk a write to a page of a sparse file is a SIGBUS, not an error. */
static int extend(int file, size_t from, size_t to) {
    if (fallocate(file, 0, (off_t)from, (off_t)(to - from)) == 0) return 0;
    if (errno != EOPNOTSUPP && errno != ENOSYS) return -1;
    return ftruncate(file, (off_t)to);
}

static enum cru_status move_to_file(struct cru_spill_array *a, size_t bytes, struct cru_error *err) {
    size_t old = a->capacity * a->element;
    if (a->file < 0) {
        int file = -1;
        enum cru_status s = open_unlinked(a->budget->tmpdir, &file, err);
        if (s) return s;
        void *map = MAP_FAILED;
        const char *what = "unable to grow temporary file in";
        if (extend(file, 0, bytes) == 0) {
            what = "unable to map temporary file in";
            map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        }
        if (map == MAP_FAILED) {
            s = cru_fail_errno(err, what, a->budget->tmpdir);
            (void)close(file);
            return s;
        }
        if (a->n) memcpy(map, a->p, a->n * a->element);
        free(a->p);
        a->p = map;
        a->file = file;
        a->budget->used -= old;
        a->budget->spilled += bytes;
        return CRU_OK;
    }
    if (extend(a->file, old, bytes))
        return cru_fail_errno(err, "unable to grow temporary file in", a->budget->tmpdir);
    void *map = mremap(a->p, old, bytes, MREMAP_MAYMOVE);
    if (map == MAP_FAILED)
        return cru_fail_errno(err, "unable to map temporary file in", a->budget->tmpdir);
    a->p = map;
    a->budget->spilled += bytes - old;
    return CRU_OK;
}

static enum cru_status grow(struct cru_spill_array *a, size_t n, struct cru_error *err) {
    size_t capacity = a->capacity + a->capacity / 2;
    if (capacity < n) capacity = n;
    if (capacity < 64) capacity = 64;
    if (capacity > SIZE_MAX / 2 / a->element) return cru_fail_memory(err, "index");
    size_t old = a->capacity * a->element, bytes = capacity * a->element;
    struct cru_budget *budget = a->budget;
    bool over = budget && budget->limit && budget->used - (a->file < 0 ? old : 0) + bytes > budget->limit;
    if (a->file >= 0 || over) {
        enum cru_status s = move_to_file(a, bytes, err);
        if (s) return s;
    } else {
        char *p = realloc(a->p, bytes);
        if (!p) return cru_fail_memory(err, "index");
        memset(p + old, 0, bytes - old);
        a->p = p;
        if (budget) budget->used += bytes - old;
    }
    a->capacity = capacity;
    return CRU_OK;
}

enum cru_status cru_spill_resize(struct cru_spill_array *a, size_t n, struct cru_error *err) {
    if (n > a->capacity) {
        enum cru_status s = grow(a, n, err);
        if (s) return s;
    } else if (n < a->n) {
        memset((char *)a->p + n * a->element, 0, (a->n - n) * a->element);
    }
    a->n = n;
    return CRU_OK;
}

void cru_spill_release(struct cru_spill_array *a) {
    size_t bytes = a->capacity * a->element;
    if (a->file >= 0) {
        if (a->p) (void)munmap(a->p, bytes);
        (void)close(a->file);
        if (a->budget) a->budget->spilled -= bytes;
    } else {
        free(a->p);
        if (a->budget) a->budget->used -= bytes;
    }
    struct cru_budget *budget = a->budget;
    cru_spill_init(a, a->element, budget);
}
