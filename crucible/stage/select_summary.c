/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/base/base.h"
#include "crucible/stage/select_state.h"

static void stats_axes(const struct cru_select *s, struct cru_buffer *json) {
    cru_buffer_add_string(json, ",\"axes\":[");
    for (size_t k = 0; k < s->n_axes; k++) {
        cru_buffer_add_string(json, k ? ",{\"name\":" : "{\"name\":");
        cru_buffer_add_json_string(json, cru_span_of(s->axis[k].name));
        cru_buffer_printf(json, ",\"missing\":%llu}", (unsigned long long)s->axis[k].missing);
    }
    cru_buffer_add_char(json, ']');
    if (!s->fused) return;
    cru_buffer_add_string(json, ",\"axis_correlation\":[");
    for (size_t a = 0, any = 0; a < s->n_axes; a++)
        for (size_t b = a + 1; b < s->n_axes; b++, any = 1) {
            if (any) cru_buffer_add_char(json, ',');
            cru_buffer_add_json_number(json, cru_rups_correlation(s->q[a].p, s->q[b].p, s->n));
        }
    cru_buffer_add_char(json, ']');
}

/* The sizes of the first fronts; `fronts` says how many there are. */
static void stats_fronts(const struct cru_select *s, struct cru_buffer *json) {
    enum { SHOWN = 16 };
    const uint32_t *rank = s->rank.p;
    uint64_t size[SHOWN] = {0};
    if (!s->fused) return;
    for (size_t i = 0; i < s->n; i++)
        if (rank[i] <= SHOWN) size[rank[i] - 1]++;
    cru_buffer_printf(json, ",\"fronts\":%u,\"front_sizes\":[", s->fronts);
    for (size_t f = 0; f < SHOWN && f < s->fronts; f++)
        cru_buffer_printf(json, f ? ",%llu" : "%llu", (unsigned long long)size[f]);
    cru_buffer_add_char(json, ']');
}

static void stats_strata(const struct cru_select *s, struct cru_buffer *json) {
    cru_buffer_printf(json, ",\"length_in\":\"%s\",\"strata\":[",
                      s->without_tokens ? "bytes" : "tokens");
    for (size_t b = 0; b < s->table.n; b++) {
        const struct cru_eesd_result *r = &s->result[b];
        cru_buffer_printf(json,
                          "%s{\"low\":%llu,\"high\":%llu,\"documents\":%llu,\"quota\":%llu,"
                          "\"selected\":%zu,\"spent\":%llu,\"objective\":",
                          b ? "," : "", (unsigned long long)s->table.low[b],
                          (unsigned long long)s->table.high[b],
                          (unsigned long long)s->table.documents[b],
                          (unsigned long long)s->quotas[b], r->n, (unsigned long long)r->spent);
        cru_buffer_add_json_number(json, (double)r->objective * s->unit);
        cru_buffer_add_string(json, ",\"upper\":");
        cru_buffer_add_json_number(json, (double)r->upper * s->unit);
        cru_buffer_add_char(json, '}');
    }
    cru_buffer_add_char(json, ']');
}

/* What the method promises before any document is seen; the certificate is what this run reached.
 */
static void stats_guarantee(const struct cru_select *s, struct cru_buffer *json) {
    static const char *const sure[CRU_METHODS] = {"1-1/e", "1-1/e-", "1-1/e-", "1/2-", "(1-1/e)/2"};
    bool expected = s->way == CRU_METHOD_STOCHASTIC || s->way == CRU_METHOD_RANDGREEDI;
    cru_buffer_add_string(json, s->budget_tokens > 0 ? "(1-1/e)/2" : sure[s->way]);
    if (s->way == CRU_METHOD_STOCHASTIC || s->way == CRU_METHOD_THRESHOLD ||
        s->way == CRU_METHOD_SIEVE)
        cru_buffer_add_json_number(json, s->epsilon);
    cru_buffer_add_string(json, s->add > 0       ? " of the best addition"
                                : s->table.n > 1 ? " of the sum over length strata"
                                                 : " of the best possible");
    if (s->add > 0 && s->table.n > 1) cru_buffer_add_string(json, " over length strata");
    if (expected) cru_buffer_add_string(json, ", in expectation");
    if (s->budget_tokens > 0)
        cru_buffer_add_string(json, " (gain per token, or the best single document)");
}

void cru_select_summary(struct cru_stage *stage, struct cru_buffer *json) {
    struct cru_select *s = (struct cru_select *)stage;
    double objective = 0, upper = 0;
    uint64_t evaluations = 0, selected = 0;
    for (size_t b = 0; b < s->table.n; b++) {
        objective += (double)s->result[b].objective * s->unit;
        upper += (double)s->result[b].upper * s->unit;
        evaluations += s->result[b].evaluations;
        selected += s->result[b].n;
    }
    cru_buffer_printf(json, ",\"selected\":%llu,\"objective\":", (unsigned long long)selected);
    cru_buffer_add_json_number(json, objective);
    cru_buffer_add_string(json, ",\"guarantee\":\"");
    if (selected + s->n_before == s->n)
        cru_buffer_add_string(json, "1 (everything is kept)");
    else
        stats_guarantee(s, json);
    cru_buffer_add_string(json, "\",\"certificate\":");
    cru_buffer_add_json_number(json, upper > 0 ? objective / upper : 1);
    cru_buffer_printf(json, ",\"evaluations\":%llu,\"method\":\"%s\"",
                      (unsigned long long)evaluations, cru_method_name(s->way));
    if (s->journal.restored > 0)
        cru_buffer_printf(json, ",\"resumed\":%llu", (unsigned long long)s->journal.restored);
    if (s->add > 0)
        cru_buffer_printf(json, ",\"selected_before\":%llu", (unsigned long long)s->n_before);
    stats_axes(s, json);
    stats_fronts(s, json);
    stats_strata(s, json);
}
