/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/command.h"
#include "cmd/stage_main.h"
#include "crucible/base/base.h"
#include "crucible/base/output.h"
#include "crucible/stage/score_calibrate.h"

/* True when --calibrate stands before --. */
static bool calibrates(int argc, char **argv) {
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strncmp(argv[i], "--calibrate", 11) == 0 && (argv[i][11] == 0 || argv[i][11] == '='))
            return true;
    return false;
}

static enum cru_status write_all(const struct cru_stage_run *run, struct cru_score_fit *fit,
                                 struct cru_error *err) {
    struct cru_output *output;
    enum cru_status status = cru_output_open(run->common.output, &output, err);
    if (status != CRU_OK) return status;
    status = cru_output_write(output, fit->profile.p, fit->profile.n, err);
    if (status == CRU_OK)
        status = cru_output_commit(output, err);
    else
        cru_output_abandon(output);
    if (status != CRU_OK || !run->stats) return status;
    struct cru_buffer json;
    cru_buffer_init(&json);
    cru_buffer_printf(&json, "{\"stage\":\"score\",\"version\":\"%s\",\"in\":%llu,\"bad\":%llu",
                      CRU_VERSION, (unsigned long long)fit->documents,
                      (unsigned long long)fit->bad);
    cru_buffer_add_span(&json, cru_buffer_span(&fit->json));
    cru_buffer_add_string(&json, "}\n");
    status = json.failed ? cru_fail_memory(err, "stats")
                         : cru_write_file(run->stats, json.p, json.n, err);
    cru_buffer_release(&json);
    return status;
}

static int calibrate(struct cru_stage *stage, struct cru_stage_run *run, int operands) {
    struct cru_error err = {CRU_OK, ""};
    struct cru_score_fit fit = {.bad = 0};
    enum cru_status status = CRU_OK;
    cru_stage_run_complete(run);
    if (operands > 0)
        status = cru_fail(&err, CRU_USAGE, "--calibrate takes no FILE beside its own");
    if (status == CRU_OK && run->stats && cru_output_same_file(run->stats, run->common.output))
        status = cru_fail(&err, CRU_USAGE, "-o and --stats name one file: '%s'", run->stats);
    if (status == CRU_OK) status = cru_score_calibrate(stage, &fit, &err);
    if (status == CRU_OK) status = write_all(run, &fit, &err);
    if (status == CRU_OK && !run->common.quiet) {
        struct cru_span rest = cru_buffer_span(&fit.text), line;
        (void)fprintf(stderr, "crucible score: %llu in = %llu used + %llu bad\n",
                      (unsigned long long)fit.documents,
                      (unsigned long long)(fit.documents - fit.bad), (unsigned long long)fit.bad);
        while (cru_span_split(&rest, '\n', &line))
            if (line.n > 0) (void)fprintf(stderr, "  %.*s\n", (int)line.n, line.p);
    }
    if (status == CRU_OK && fit.bad > 0)
        (void)fprintf(stderr, "crucible score: %llu bad records, the first: %s\n",
                      (unsigned long long)fit.bad, fit.first_bad);
    int code = fit.bad > 0 ? CRU_EXIT_BAD : CRU_EXIT_OK;
    if (status != CRU_OK && status != CRU_END) code = cru_command_fail("score", &err);
    cru_score_fit_release(&fit);
    return code;
}

int main(int argc, char **argv) {
    if (!calibrates(argc, argv)) return cru_stage_main(argc, argv, &cru_score_stage);
    struct cru_stage_run run = {.stats = NULL};
    struct cru_option_store store;
    struct cru_error err = {CRU_OK, ""};
    cru_option_store_init(&store);
    struct cru_stage *stage = cru_stage_new(&cru_score_stage, &run.common);
    if (!stage) {
        (void)cru_fail_memory(&err, "options");
        return cru_command_fail("score", &err);
    }
    struct cru_command command = {"score",
                                  cru_score_stage.summary,
                                  cru_score_stage.synopsis,
                                  {cru_score_stage.options, cru_stage_run_options},
                                  {stage, &run},
                                  2};
    int operands, status = cru_command_begin(&command, &store, argc, argv, &operands);
    if (status < 0) status = calibrate(stage, &run, operands);
    cru_stage_free(stage);
    cru_option_store_release(&store);
    return status;
}
