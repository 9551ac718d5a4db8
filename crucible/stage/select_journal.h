/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The picks of a selection as they are made, in a file, so that a run that was killed goes on from
 * them. Greedy's next pick depends on the picks before and on nothing else: a selection that goes
 * on is to the byte the one that was not stopped.
 *
 *   DIR/crucible-select-KEY.picks    KEY: hash of everything that the choice depends on
 *   record  [ call u32 | row u32 | gain i64 | check u64 ]      check: hash of the record, seeded by
 *                                                               the check before (the first: KEY)
 *
 * A call is one run of EESD, on one stratum. Its picks come one a record, as they are made; rows
 * from 2^32-6 on say what became of it. What follows the first record whose check is wrong (a write
 * cut off) does not count and is overwritten. There is no file until the first `every` seconds are
 * over, and records are written when so many seconds have passed since the last time, and synced.
 *
 * The file is locked while in use: a second run of the same selection works without one. A file
 * that cannot be made, read or written is no error: the selection is made without. The caller's
 * thread alone; the caller owns what it passes. CRU_FATAL only when memory is short.
 */
#ifndef CRU_STAGE_SELECT_JOURNAL_H
#define CRU_STAGE_SELECT_JOURNAL_H

#include "crucible/base/buffer.h"
#include "crucible/select/eesd.h"

struct cru_select_journal {
    char path[4096];
    int file;                /* -1: none, or not yet */
    bool off;                /* locked by another run, or a write failed */
    struct cru_buffer old;   /* records found */
    struct cru_buffer fresh; /* records to be written */
    size_t at;               /* in old: the first record of the call to come */
    uint64_t check;          /* of the last record */
    double every, last;      /* seconds */
    uint32_t call;           /* the present one */
    size_t known;            /* picks found or noted of it */
    uint32_t *rows;          /* picks found of it */
    int64_t *gains;
    uint64_t restored; /* picks taken over, of all calls */
};

void cru_select_journal_init(struct cru_select_journal *j);
/* Finds the records of an earlier run of the selection `key`. */
enum cru_status cru_select_journal_open(struct cru_select_journal *j, const char *tmpdir,
                                        uint64_t key, double every, struct cru_error *err);
/* Begins the next call. *result must be initialised; when the earlier run ended the call, *ended is
 * true and it holds what came of it. Otherwise plan says how far it came, if it did, and notes its
 * picks from now on; what plan borrows holds until the next call. Rows of picks are below n_rows.
 */
enum cru_status cru_select_journal_begin(struct cru_select_journal *j, size_t n_rows,
                                         struct cru_eesd_plan *plan, struct cru_eesd_result *result,
                                         bool *ended, struct cru_error *err);
/* Ends a call that came to *result. */
void cru_select_journal_end(struct cru_select_journal *j, const struct cru_eesd_result *result);
/* Releases all; with `done` the file is removed, else it stays for the next run. */
void cru_select_journal_close(struct cru_select_journal *j, bool done);

#endif
