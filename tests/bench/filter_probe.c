/* SPDX-License-Identifier: Apache-2.0 */
/* For filter_parity.py: reads JSONL on standard input and prints, for each document, its tokens and what
 * every rule set says of it on its own: {"tokens":[..],"sentences":[..],"sets":{"c4":{"rule":..,"text":..}}} */
#include "crucible/base/base.h"
#include "crucible/base/input.h"
#include "crucible/doc/json.h"
#include "crucible/filter/rule_sets.h"

static void probe(struct cru_filter_scratch *scratch, struct cru_span text, struct cru_buffer *out,
                  struct cru_error *err) {
    struct cru_filter_facts facts = {{"en", 2}, {"", 0}};
    struct cru_text_stats *stats = &scratch->stats;
    cru_buffer_clear(out);
    cru_text_stats_set(stats, text);
    if (cru_text_stats_tokens(stats, err) != CRU_OK)
        return;
    cru_buffer_add_string(out, "{\"tokens\":[");
    for (size_t i = 0; i < stats->n_tokens; i++) {
        cru_buffer_add_string(out, i ? "," : "");
        cru_buffer_add_json_string(out, cru_span_make(text.p + stats->tokens[i].at,
                                                      stats->tokens[i].bytes));
    }
    cru_buffer_add_string(out, "],\"sets\":{");
    for (size_t i = 0; cru_rule_sets[i]; i++) {
        struct cru_verdict verdict;
        struct cru_span cleaned;
        if (cru_rule_sets_apply(&cru_rule_sets[i], 1, scratch, text, &facts, &cleaned, &verdict, err))
            return;
        cru_buffer_printf(out, "%s\"%s\":{\"rule\":\"%s\",\"value\":", i ? "," : "",
                          cru_rule_sets[i]->name, verdict.rule ? verdict.rule->name : "");
        cru_buffer_add_json_number(out, verdict.value);
        cru_buffer_add_string(out, ",\"text\":");
        cru_buffer_add_json_string(out, verdict.rule ? CRU_SPAN("") : cleaned);
        cru_buffer_add_char(out, '}');
    }
    cru_buffer_add_string(out, "}}\n");
}

int main(void) {
    struct cru_error err;
    struct cru_input *input;
    struct cru_span line;
    struct cru_filter_scratch scratch;
    struct cru_buffer out;
    struct cru_batch batch;
    bool newline;
    struct cru_json_parser *parser = cru_json_parser_new();
    cru_buffer_init(&out);
    cru_batch_init(&batch);
    if (!parser || cru_filter_scratch_init(&scratch, &err) || cru_input_open("-", &input, &err))
        return 2;
    for (uint64_t n = 0; cru_input_line(input, &line, &newline, &err) == CRU_OK; n++) {
        cru_batch_clear(&batch);
        struct cru_doc *doc = cru_batch_add(&batch);
        if (!doc || cru_json_document(parser, line, "text", "probe", n, &batch, doc, &err)) {
            (void)fprintf(stderr, "%s\n", err.message);
            return 1;
        }
        probe(&scratch, doc->text, &out, &err);
        (void)fwrite(out.p, 1, out.n, stdout);
    }
    cru_input_close(input);
    cru_filter_scratch_release(&scratch);
    cru_json_parser_free(parser);
    cru_batch_release(&batch);
    cru_buffer_release(&out);
    return 0;
}
