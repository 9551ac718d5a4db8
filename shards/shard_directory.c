/* SPDX-License-Identifier: Apache-2.0 */
#include "shards/shard_directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crucible/base/base.h"
#include "crucible/base/output.h"
#include "shards/shard_format.h"
#include "shards/shard_manifest.h"

enum owner { HIDDEN, MANIFEST, OURS, FOREIGN };

static enum owner owner_of(const char *name) {
    if (name[0] == '.') return HIDDEN;
    if (strcmp(name, CRU_MANIFEST_NAME) == 0) return MANIFEST;
    /* cru_output's temporary name is the final one and ".tmp-PID". */
    const char *tmp = strstr(name, ".tmp-");
    size_t n = tmp ? (size_t)(tmp - name) : strlen(name);
    if (tmp && tmp[5 + strspn(tmp + 5, "0123456789")] != 0) return FOREIGN;
    struct cru_span base = cru_span_make(name, n);
    if (cru_span_is(base, CRU_VOCAB_USED_NAME) || cru_span_is(base, CRU_MANIFEST_NAME)) return OURS;
    size_t digits = strspn(name, "0123456789");
    if (digits >= 5 && n == digits + 4 && memcmp(name + digits, ".crs", 4) == 0) return OURS;
    return FOREIGN;
}

/* Looks first and removes nothing: a refusal leaves the directory as it was. */
static enum cru_status look(DIR *d, const char *dir, bool replace, bool *finished,
                            struct cru_error *err) {
    *finished = false;
    errno = 0;
    for (struct dirent *e; (e = readdir(d)) != NULL; errno = 0) {
        enum owner owner = owner_of(e->d_name);
        if (owner == MANIFEST) *finished = true;
        if (owner == FOREIGN && !replace)
            return cru_fail(
                err, CRU_USAGE,
                "unable to write shards: '%s': it holds '%s', which is no part of a set", dir,
                e->d_name);
    }
    if (errno) return cru_fail_errno(err, "unable to read directory", dir);
    if (*finished && !replace)
        return cru_fail(err, CRU_USAGE, "unable to write shards: '%s': it holds a finished set",
                        dir);
    return CRU_OK;
}

static enum cru_status remove_one(const char *dir, const char *name, struct cru_error *err) {
    char *path = cru_crs_path(dir, name);
    if (!path) return cru_fail_memory(err, dir);
    enum cru_status s = CRU_OK;
    if (unlink(path) && errno != ENOENT) s = cru_fail_errno(err, "unable to remove", path);
    free(path);
    return s;
}

static enum cru_status clear(const char *dir, bool replace, struct cru_error *err) {
    DIR *d = opendir(dir);
    if (!d) return cru_fail_errno(err, "unable to read directory", dir);
    bool finished;
    enum cru_status s = look(d, dir, replace, &finished, err);
    /* Without its manifest a set is unfinished, so a crash below leaves nothing half replaced. */
    if (s == CRU_OK && finished) s = remove_one(dir, CRU_MANIFEST_NAME, err);
    rewinddir(d);
    for (struct dirent *e; s == CRU_OK && (e = readdir(d)) != NULL;)
        if (owner_of(e->d_name) == OURS) s = remove_one(dir, e->d_name, err);
    (void)closedir(d);
    return s;
}

/* What an unfinished run left is removed, so a run that is not finished yet must be told from one
 * that died. File systems without such locks are taken as they are. */
static enum cru_status take_lock(const char *dir, int *lock, struct cru_error *err) {
    *lock = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*lock < 0) return cru_fail_errno(err, "unable to read directory", dir);
    if (flock(*lock, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return CRU_OK;
    (void)close(*lock);
    *lock = -1;
    return cru_fail(err, CRU_FATAL, "unable to write shards: '%s': another run is writing there",
                    dir);
}

enum cru_status cru_shard_directory_prepare(const char *dir, bool replace, bool *made, int *lock,
                                            struct cru_error *err) {
    struct stat info;
    *lock = -1;
    *made = stat(dir, &info) != 0 && errno == ENOENT;
    enum cru_status s = cru_make_directory(dir, err);
    if (s == CRU_OK) s = take_lock(dir, lock, err);
    if (s) return s;
    s = clear(dir, replace, err);
    if (s) {
        (void)close(*lock);
        *lock = -1;
    }
    return s;
}
