/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crucible/base/base.h"
#include "shards/shard_map.h"

enum cru_status cru_shard_map(const char *path, const unsigned char **map, size_t *n,
                              struct cru_error *err) {
    *map = NULL;
    *n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not hang us */
    if (fd < 0) return cru_fail_errno(err, "unable to open", path);
    struct stat info;
    enum cru_status s = CRU_OK;
    if (fstat(fd, &info))
        s = cru_fail_errno(err, "unable to open", path);
    else if (!S_ISREG(info.st_mode))
        s = cru_fail(err, CRU_FATAL, "unable to open: '%s': not an ordinary file", path);
    else if (info.st_size == 0)
        s = cru_fail(err, CRU_FATAL, "unable to read: '%s': cut short: it is empty", path);
    if (s == CRU_OK) {
        void *p = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (p == MAP_FAILED) {
            s = cru_fail_errno(err, "unable to map", path);
        } else {
            *map = p;
            *n = (size_t)info.st_size;
        }
    }
    (void)close(fd);
    return s;
}

void cru_shard_unmap(const unsigned char *map, size_t n) {
    if (map) (void)munmap((void *)(uintptr_t)map, n);
}
