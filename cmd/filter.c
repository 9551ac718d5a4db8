/* SPDX-License-Identifier: Apache-2.0 */
/* crucible filter: the filter stage on its own, and the table of its rules. */
#include <signal.h>

#include "cmd/command.h"
#include "cmd/stage_main.h"
#include "crucible/base/base.h"
#include "crucible/filter/rule_sets.h"

/* --list-rules needs no input, so it is answered before the options that do are looked at. */
static int list_rules(void) {
    struct cru_buffer table;
    cru_buffer_init(&table);
    (void)signal(SIGPIPE, SIG_IGN);
    cru_rule_sets_list(&table);
    int status = table.failed ? CRU_EXIT_FATAL : CRU_EXIT_OK;
    if (!table.failed) (void)fwrite(table.p, 1, table.n, stdout); /* cru_command_end sees a failure */
    cru_buffer_release(&table);
    return cru_command_end("filter", status);
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--list-rules") == 0)
            return list_rules();
    return cru_stage_main(argc, argv, &cru_filter_stage);
}
