/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/base/base.h"
#include "crucible/filter/rule_sets.h"

const struct cru_rule_set *const cru_rule_sets[] = {
    &cru_gopher_quality, &cru_gopher_repetition, &cru_c4,         &cru_c4_noterm,
    &cru_fineweb,        &cru_code_rules,        NULL,
};

const struct cru_rule_set *cru_rule_set_find(struct cru_span name) {
    for (size_t i = 0; cru_rule_sets[i]; i++)
        if (cru_span_is(name, cru_rule_sets[i]->name))
            return cru_rule_sets[i];
    return NULL;
}

enum cru_status cru_filter_scratch_init(struct cru_filter_scratch *scratch, struct cru_error *err) {
    memset(scratch, 0, sizeof *scratch);
    cru_ngram_repeats_init(&scratch->repeats);
    cru_repeated_lines_init(&scratch->lines);
    cru_buffer_init(&scratch->cleaned[0]);
    cru_buffer_init(&scratch->cleaned[1]);
    return cru_text_stats_init(&scratch->stats, err);
}

void cru_filter_scratch_release(struct cru_filter_scratch *scratch) {
    cru_text_stats_release(&scratch->stats);
    cru_ngram_repeats_release(&scratch->repeats);
    cru_repeated_lines_release(&scratch->lines);
    cru_buffer_release(&scratch->cleaned[0]);
    cru_buffer_release(&scratch->cleaned[1]);
}

enum cru_status cru_rule_sets_apply(const struct cru_rule_set *const *sets, size_t n,
                                    struct cru_filter_scratch *scratch, struct cru_span text,
                                    const struct cru_filter_facts *facts, struct cru_span *out,
                                    struct cru_verdict *verdict, struct cru_error *err) {
    verdict->rule = NULL;
    verdict->value = 0;
    cru_text_stats_set(&scratch->stats, text);
    for (size_t i = 0; i < n && !verdict->rule; i++) {
        enum cru_status status = sets[i]->apply(scratch, facts, verdict, err);
        if (status != CRU_OK)
            return status;
    }
    *out = scratch->stats.text;
    return CRU_OK;
}

static const char *const direction_words[] = {
    [CRU_AT_LEAST] = "at least",
    [CRU_AT_MOST] = "at most",
    [CRU_REMOVES] = "takes out",
};

void cru_rule_sets_list(struct cru_buffer *out) {
    for (size_t i = 0; cru_rule_sets[i]; i++) {
        const struct cru_rule_set *set = cru_rule_sets[i];
        cru_buffer_printf(out, "%s%s: %s\n", i ? "\n" : "", set->name, set->summary);
        for (size_t k = 0; k < set->n_rules; k++) {
            const struct cru_rule *rule = &set->rules[k];
            if (!rule->name) /* a row the set leaves out */
                continue;
            cru_buffer_printf(out, "  %-45s %-9s %-7g %s\n", rule->name,
                              direction_words[rule->direction], rule->limit, rule->source);
        }
    }
}
