/* SPDX-License-Identifier: Apache-2.0 */
/* crucible report: what a build did, from its catalog. */
#include "cmd/command.h"
#include "crucible/base/base.h"
#include "crucible/build/report.h"

struct report_options {
    char unused;
};

static const struct cru_option options[] = {{CRU_OPTION_END, 0, NULL, 0, NULL, NULL, NULL, 0, 0, NULL}};

static enum cru_status run(const char *work, struct cru_error *err) {
    struct cru_buffer out;
    cru_buffer_init(&out);
    enum cru_status s = cru_report_text(work, &out, err);
    if (s == CRU_OK) (void)fwrite(out.p, 1, out.n, stdout); /* cru_command_end sees a failure */
    cru_buffer_release(&out);
    return s;
}

int main(int argc, char **argv) {
    struct report_options o;
    struct cru_option_store store;
    struct cru_error err = {CRU_OK, ""};
    cru_option_store_init(&store);
    struct cru_command command = {"report", "Reports a build: funnel, mixing, scores, strata.",
                                  "[options] DIR", {options}, {&o}, 1};
    int operands, status = cru_command_begin(&command, &store, argc, argv, &operands);
    if (status < 0) {
        enum cru_status s = operands == 1 ? run(argv[1], &err)
                                          : cru_fail(&err, CRU_USAGE, "one work directory is needed");
        status = s ? cru_command_fail("report", &err) : cru_command_end("report", CRU_EXIT_OK);
    }
    cru_option_store_release(&store);
    return status;
}
