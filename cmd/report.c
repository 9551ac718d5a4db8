/* SPDX-License-Identifier: Apache-2.0 */
/* crucible report: what a build did, from its catalog. */
#include <errno.h>

#include "cmd/command.h"
#include "crucible/base/base.h"
#include "crucible/base/output.h"
#include "crucible/build/report.h"

struct report_options {
    const char *html;
    bool json;
};

#define AT(field) offsetof(struct report_options, field)
static const struct cru_option options[] = {
    {CRU_OPTION_STRING, 0, "html", AT(html), "FILE", NULL, NULL, 0, 0,
     "write one self-contained HTML page to FILE (-: standard output) and no text"},
    {CRU_OPTION_FLAG, 0, "json", AT(json), NULL, NULL, NULL, 0, 0, "write one JSON object instead of text"},
    {CRU_OPTION_END, 0, NULL, 0, NULL, NULL, NULL, 0, 0, NULL}};

static enum cru_status run(const struct report_options *o, const char *work, struct cru_error *err) {
    struct cru_buffer out;
    if (o->html && o->json) return cru_fail(err, CRU_USAGE, "options '--html' and '--json' exclude each other");
    cru_buffer_init(&out);
    enum cru_status s = o->html   ? cru_report_html(work, &out, err)
                        : o->json ? cru_report_json(work, &out, err)
                                  : cru_report_text(work, &out, err);
    if (s == CRU_OK && o->html && strcmp(o->html, "-") != 0)
        s = cru_write_file(o->html, out.p, out.n, err);
    else if (s == CRU_OK && fwrite(out.p, 1, out.n, stdout) != out.n && errno != EPIPE)
        s = cru_fail_errno(err, "unable to write", "standard output");
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
        enum cru_status s = operands == 1 ? run(&o, argv[1], &err)
                                          : cru_fail(&err, CRU_USAGE, "one work directory is needed");
        status = s ? cru_command_fail("report", &err) : cru_command_end("report", CRU_EXIT_OK);
    }
    cru_option_store_release(&store);
    return status;
}
