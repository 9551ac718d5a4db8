/* SPDX-License-Identifier: Apache-2.0 */
/* crucible filter: the filter stage on its own, and the table of its rules. */
#include "cmd/command.h"
#include "cmd/stage_main.h"
#include "crucible/base/base.h"
#include "crucible/filter/rule_sets.h"

/* --list-rules needs no input, so it is answered before the options that do are looked at. */
static int list_rules(void) {
    struct cru_buffer table;
    cru_buffer_init(&table);
    cru_rule_sets_list(&table);
    bool ok = !table.failed && fwrite(table.p, 1, table.n, stdout) == table.n;
    cru_buffer_release(&table);
    return cru_command_end("filter", ok ? CRU_EXIT_OK : CRU_EXIT_FATAL);
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--list-rules") == 0)
            return list_rules();
    return cru_stage_main(argc, argv, &cru_filter_stage);
}
