/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "crucible/base/base.h"
#include "crucible/base/hash.h"
#include "crucible/stage/select_journal.h"

struct record {
    uint32_t call, row;
    int64_t gain;
    uint64_t check;
};

/* Rows that are none, in the order in which they end a call: first, where its picks are not those
 * noted so far (another method, a card, the best single document), that these do not count and the
 * picks follow; then the result. */
enum { END_EVALUATIONS, END_SINGLE, END_SPENT, END_UPPER, END_OBJECTIVE, AFRESH };
#define ROW_OF(what) (UINT32_MAX - (uint32_t)(what))

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint64_t check_of(const struct record *r, uint64_t before) {
    return cru_hash64(r, offsetof(struct record, check), before);
}

void cru_select_journal_init(struct cru_select_journal *j) {
    memset(j, 0, sizeof *j);
    j->file = -1;
    j->off = true;
    cru_buffer_init(&j->old);
    cru_buffer_init(&j->fresh);
}

/* The directory may be one that all may write to: no links are followed, and a file of somebody
 * else's is not read. */
static int open_own(const char *path, int flags) {
    struct stat s;
    int file = open(path, flags | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0) return -1;
    if (fstat(file, &s) || !S_ISREG(s.st_mode) || s.st_uid != geteuid() ||
        flock(file, LOCK_EX | LOCK_NB)) {
        close(file);
        errno = EBUSY;
        return -1;
    }
    return file;
}

static bool read_all(int file, struct cru_buffer *to) {
    for (;;) {
        char *room = cru_buffer_room(to, 1 << 16);
        ssize_t got;
        if (!room) return false;
        got = read(file, room, 1 << 16);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return got == 0;
        to->n += (size_t)got;
    }
}

enum cru_status cru_select_journal_open(struct cru_select_journal *j, const char *tmpdir,
                                        uint64_t key, double every, struct cru_error *err) {
    int length = snprintf(j->path, sizeof j->path, "%s/crucible-select-%016llx.picks", tmpdir,
                          (unsigned long long)key);
    size_t good = 0;
    j->every = every;
    j->last = seconds();
    j->check = key;
    j->off = length < 0 || (size_t)length >= sizeof j->path;
    if (j->off) return CRU_OK;
    if ((j->file = open_own(j->path, 0)) < 0) {
        j->off = errno != ENOENT;
        return CRU_OK;
    }
    if (!read_all(j->file, &j->old)) {
        if (j->old.failed) return cru_fail_memory(err, "picks of an earlier run");
        j->old.n = 0;
    }
    for (struct record r; good + sizeof r <= j->old.n; good += sizeof r) {
        memcpy(&r, j->old.p + good, sizeof r);
        if (r.check != check_of(&r, j->check)) break;
        j->check = r.check;
    }
    j->old.n = good;
    /* Two of these cannot fail on a file that was just read, short of a failing disk. */
    if (ftruncate(j->file, (off_t)good) || lseek(j->file, (off_t)good, SEEK_SET) < 0) j->off = true;
    return CRU_OK;
}

static bool write_all(int file, const char *p, size_t n) {
    while (n > 0) {
        ssize_t put = write(file, p, n);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return false;
        p += put;
        n -= (size_t)put;
    }
    return true;
}

static void flush(struct cru_select_journal *j) {
    double now = seconds();
    if (j->off || now - j->last < j->every) return;
    if (j->file < 0) j->file = open_own(j->path, O_CREAT | O_EXCL);
    j->off = j->file < 0 || j->fresh.failed || !write_all(j->file, j->fresh.p, j->fresh.n) ||
             fdatasync(j->file);
    cru_buffer_clear(&j->fresh);
    j->last = now;
}

static void add(struct cru_select_journal *j, uint32_t row, int64_t gain) {
    struct record r = {.call = j->call, .row = row, .gain = gain};
    if (j->off) return;
    j->check = r.check = check_of(&r, j->check);
    cru_buffer_add(&j->fresh, &r, sizeof r);
}

static void note_pick(void *context, uint32_t row, int64_t gain) {
    struct cru_select_journal *j = context;
    add(j, row, gain);
    j->known++;
    flush(j);
}

/* What the records of the present call say; ended: the result is whole. */
static bool take_records(struct cru_select_journal *j, size_t n_rows, size_t *n,
                         struct cru_eesd_result *result) {
    bool ended = false, afresh = false;
    *n = 0;
    for (struct record r; !ended && j->at < j->old.n; j->at += sizeof r) {
        memcpy(&r, j->old.p + j->at, sizeof r);
        if (r.call != j->call) break;
        if (r.row < n_rows) {
            j->rows[*n] = r.row;
            j->gains[(*n)++] = r.gain;
        } else if (r.row == ROW_OF(AFRESH))
            *n = 0, afresh = true;
        else if (r.row == ROW_OF(END_OBJECTIVE))
            result->objective = r.gain;
        else if (r.row == ROW_OF(END_UPPER))
            result->upper = r.gain;
        else if (r.row == ROW_OF(END_SPENT))
            result->spent = (uint64_t)r.gain;
        else if (r.row == ROW_OF(END_SINGLE))
            result->single = r.gain != 0;
        else if (r.row == ROW_OF(END_EVALUATIONS)) {
            result->evaluations = (uint64_t)r.gain;
            ended = true;
        }
    }
    if (afresh && !ended) *n = 0; /* not picks of lazy greedy */
    return ended;
}

enum cru_status cru_select_journal_begin(struct cru_select_journal *j, size_t n_rows,
                                         struct cru_eesd_plan *plan, struct cru_eesd_result *result,
                                         bool *ended, struct cru_error *err) {
    size_t n, room = (j->old.n - j->at) / sizeof(struct record) + 1;
    *ended = false;
    j->call++;
    plan->picked = note_pick;
    plan->context = j;
    free(j->rows);
    free(j->gains);
    j->rows = malloc(room * sizeof *j->rows);
    j->gains = malloc(room * sizeof *j->gains);
    if (!j->rows || !j->gains) return cru_fail_memory(err, "picks of an earlier run");
    cru_eesd_result_release(result);
    *ended = take_records(j, n_rows, &n, result);
    j->restored += n;
    j->known = n;
    if (*ended) {
        result->picks = j->rows;
        result->gains = j->gains;
        result->n = n;
        result->capacity = room;
        j->rows = NULL;
        j->gains = NULL;
        return CRU_OK;
    }
    cru_eesd_result_init(result);
    plan->resumed = j->rows;
    plan->resumed_gains = j->gains;
    plan->n_resumed = n;
    return CRU_OK;
}

void cru_select_journal_end(struct cru_select_journal *j, const struct cru_eesd_result *result) {
    if (j->known != result->n || result->single) {
        add(j, ROW_OF(AFRESH), 0);
        for (size_t i = 0; i < result->n; i++) add(j, result->picks[i], result->gains[i]);
    }
    add(j, ROW_OF(END_OBJECTIVE), result->objective);
    add(j, ROW_OF(END_UPPER), result->upper);
    add(j, ROW_OF(END_SPENT), (int64_t)result->spent);
    add(j, ROW_OF(END_SINGLE), result->single);
    add(j, ROW_OF(END_EVALUATIONS), (int64_t)result->evaluations);
    flush(j);
}

void cru_select_journal_close(struct cru_select_journal *j, bool done) {
    if (j->file >= 0) {
        if (done) (void)unlink(j->path);
        close(j->file);
    }
    cru_buffer_release(&j->old);
    cru_buffer_release(&j->fresh);
    free(j->rows);
    free(j->gains);
    cru_select_journal_init(j);
}
