/* SPDX-License-Identifier: Apache-2.0 */
/* crucible read: the source of every chain, here with nothing behind it. */
#include "cmd/command.h"
#include "cmd/stage_main.h"
#include "crucible/base/base.h"

int main(int argc, char **argv) {
    struct cru_stage_run run = {.stats = NULL};
    struct cru_read_options options = {.format = NULL};
    struct cru_option_store store;
    struct cru_error err = {CRU_OK, ""};
    cru_option_store_init(&store);
    struct cru_command command = {
        "read", "Turns dumps into documents.", "[options] [FILE|DIR...]",
        {cru_read_option_table, cru_stage_run_options}, {&options, &run}, 2};
    int operands, status = cru_command_begin(&command, &store, argc, argv, &operands);
    if (status < 0) {
        static const char *const standard[] = {"-"};
        cru_stage_run_complete(&run);
        options.text_field = run.common.text_field;
        struct cru_reader *reader = NULL;
        bool from_standard = operands == 0 && !options.files_from;
        const char *const *paths = from_standard ? standard : (const char *const *)argv + 1;
        size_t n_paths = from_standard ? 1 : (size_t)operands;
        if (cru_reader_open(&options, paths, n_paths, &reader, &err)) {
            status = cru_command_fail("read", &err);
        } else {
            struct cru_pipeline pipeline = {.source = cru_source_reader(reader)};
            status = cru_stage_run_pipeline("read", &run, &pipeline);
        }
        cru_reader_free(reader);
    }
    cru_option_store_release(&store);
    return status;
}
