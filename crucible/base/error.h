/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors are values.
 *
 * A function that can fail returns an enum cru_status and takes a struct cru_error * as its last
 * argument; on anything but CRU_OK and CRU_END the error holds a message that names the subject:
 * "what failed: 'subject': why". The library never prints and never exits; cmd/ turns a status into
 * an exit code. A struct cru_error is owned by the caller and may be used by one thread at a time.
 */
#ifndef CRU_BASE_ERROR_H
#define CRU_BASE_ERROR_H

enum cru_status {
    CRU_OK = 0,
    CRU_END = 1,   /* the stream ended where it should */
    CRU_BAD = 2,   /* this record is bad, the stream is fine: skip it, count it, go on */
    CRU_FATAL = 3, /* this stream or run cannot go on: I/O, memory, damaged file */
    CRU_USAGE = 4, /* the caller's options or recipe are wrong */
};

struct cru_error {
    enum cru_status status;
    char message[500];
};

/* Sets the message (printf format) and returns `status`, so that `return cru_fail(...)` works.
 * `err` may be NULL. A message longer than the buffer is cut. */
enum cru_status cru_fail(struct cru_error *err, enum cru_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* As cru_fail with CRU_FATAL, message "WHAT: 'SUBJECT': strerror(errno)". */
enum cru_status cru_fail_errno(struct cru_error *err, const char *what, const char *subject);

/* As cru_fail with CRU_FATAL, message "out of memory: WHAT". */
enum cru_status cru_fail_memory(struct cru_error *err, const char *what);

/* The word for a status: "ok", "end", "bad record", "fatal", "usage". */
const char *cru_status_name(enum cru_status status);

#endif
