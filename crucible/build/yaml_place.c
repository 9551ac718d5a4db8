/* SPDX-License-Identifier: Apache-2.0 */
#include <yaml.h>

#include "crucible/base/base.h"
#include "crucible/build/yaml_place.h"

int cru_yaml_key_line(struct cru_span text, int line, int column, const char *key) {
    yaml_parser_t parser;
    int depth = 0, from = -1, found = line; /* from: the depth of the place, -1 before it */
    if (!yaml_parser_initialize(&parser)) return line;
    yaml_parser_set_input_string(&parser, (const unsigned char *)text.p, text.n);
    for (bool more = true; more;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) break;
        int at = (int)event.start_mark.line + 1, at_column = (int)event.start_mark.column + 1;
        bool opens = event.type == YAML_MAPPING_START_EVENT || event.type == YAML_SEQUENCE_START_EVENT;
        bool closes = event.type == YAML_MAPPING_END_EVENT || event.type == YAML_SEQUENCE_END_EVENT;
        if (closes) depth--;
        if (from >= 0 && event.type == YAML_SCALAR_EVENT && (depth == from || depth == from + 1) &&
            strcmp((const char *)event.data.scalar.value, key) == 0) {
            found = at;
            more = false;
        }
        if ((opens || event.type == YAML_SCALAR_EVENT) && at == line && at_column == column) from = depth;
        if (opens) depth++;
        more = more && event.type != YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return found;
}
