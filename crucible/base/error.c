/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>

#include "crucible/base/base.h"

enum cru_status cru_fail(struct cru_error *err, enum cru_status status, const char *format, ...) {
    if (err) {
        va_list args;
        va_start(args, format);
        err->status = status;
        (void)vsnprintf(err->message, sizeof err->message, format, args);
        va_end(args);
    }
    return status;
}

enum cru_status cru_fail_errno(struct cru_error *err, const char *what, const char *subject) {
    char reason[128];
    int code = errno;
    /* GNU strerror_r: the answer may or may not be in the buffer. */
    const char *text = strerror_r(code, reason, sizeof reason);
    return cru_fail(err, CRU_FATAL, "%s: '%s': %s", what, subject, text);
}

enum cru_status cru_fail_memory(struct cru_error *err, const char *what) {
    return cru_fail(err, CRU_FATAL, "out of memory: %s", what);
}

const char *cru_status_name(enum cru_status status) {
    switch (status) {
    case CRU_OK: return "ok";
    case CRU_END: return "end";
    case CRU_BAD: return "bad record";
    case CRU_FATAL: return "fatal";
    case CRU_USAGE: return "usage";
    }
    return "unknown";
}
