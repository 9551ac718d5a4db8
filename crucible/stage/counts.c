/* SPDX-License-Identifier: Apache-2.0 */
/* Conservation: in + added = out + dropped + wrong, kept by rule. */
#include "crucible/base/base.h"
#include "crucible/stage/pipeline.h"

static enum cru_status add_reason(struct cru_counts *counts, const char *rule, uint64_t documents,
                                  uint64_t bytes, struct cru_error *err) {
    size_t low = 0, high = counts->n_reasons;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(counts->reasons[middle].rule, rule) < 0) low = middle + 1;
        else high = middle;
    }
    if (low == counts->n_reasons || strcmp(counts->reasons[low].rule, rule) != 0) {
        struct cru_reason *more = realloc(counts->reasons, (counts->n_reasons + 1) * sizeof *more);
        char *name = strdup(rule);
        if (more) counts->reasons = more;
        if (!more || !name) {
            free(name);
            return cru_fail_memory(err, "counts");
        }
        memmove(more + low + 1, more + low, (counts->n_reasons - low) * sizeof *more);
        more[low] = (struct cru_reason){name, 0, 0};
        counts->n_reasons++;
    }
    counts->reasons[low].documents += documents;
    counts->reasons[low].bytes += bytes;
    return CRU_OK;
}

enum cru_status cru_counts_add(struct cru_counts *counts, const struct cru_doc *doc,
                               struct cru_error *err) {
    if (doc->fate == CRU_KEEP) {
        counts->out++;
        counts->bytes_out += doc->text.n;
        return CRU_OK;
    }
    if (doc->fate == CRU_DROP) counts->dropped++;
    else counts->wrong++;
    return add_reason(counts, doc->drop_rule ? doc->drop_rule : "unknown", 1, doc->text.n, err);
}

enum cru_status cru_counts_merge(struct cru_counts *a, const struct cru_counts *b,
                                 struct cru_error *err) {
    a->in += b->in;
    a->out += b->out;
    a->dropped += b->dropped;
    a->wrong += b->wrong;
    a->added += b->added;
    a->bytes_in += b->bytes_in;
    a->bytes_out += b->bytes_out;
    a->seconds += b->seconds;
    for (size_t i = 0; i < b->n_reasons; i++) {
        enum cru_status s = add_reason(a, b->reasons[i].rule, b->reasons[i].documents,
                                       b->reasons[i].bytes, err);
        if (s) return s;
    }
    return CRU_OK;
}

void cru_counts_release(struct cru_counts *counts) {
    for (size_t i = 0; i < counts->n_reasons; i++) free((char *)(uintptr_t)counts->reasons[i].rule);
    free(counts->reasons);
    memset(counts, 0, sizeof *counts);
}

void cru_counts_json(const struct cru_counts *c, struct cru_buffer *json) {
    cru_buffer_printf(json,
                      "\"in\":%llu,\"added\":%llu,\"out\":%llu,\"dropped\":%llu,\"bad\":%llu,"
                      "\"bytes_in\":%llu,\"bytes_out\":%llu,\"cpu_seconds\":%.3f,\"mb_per_s\":%.1f,"
                      "\"reasons\":{",
                      (unsigned long long)c->in, (unsigned long long)c->added,
                      (unsigned long long)c->out, (unsigned long long)c->dropped,
                      (unsigned long long)c->wrong, (unsigned long long)c->bytes_in,
                      (unsigned long long)c->bytes_out, c->seconds,
                      c->seconds > 0 ? (double)c->bytes_in / 1e6 / c->seconds : 0.0);
    for (size_t i = 0; i < c->n_reasons; i++) {
        if (i) cru_buffer_add_char(json, ',');
        cru_buffer_add_json_string(json, cru_span_of(c->reasons[i].rule));
        cru_buffer_printf(json, ":{\"documents\":%llu,\"bytes\":%llu}",
                          (unsigned long long)c->reasons[i].documents,
                          (unsigned long long)c->reasons[i].bytes);
    }
    cru_buffer_add_char(json, '}');
}
