/* SPDX-License-Identifier: Apache-2.0 */
/* What follows from a report's counts, and how numbers are written. */
#include <math.h>

#include "crucible/base/base.h"
#include "crucible/build/report_data.h"

int64_t cru_report_lost(const struct cru_report_stage *k) {
    return (int64_t)(k->in + k->added) - (int64_t)(k->out + k->dropped + k->bad);
}

static bool is_read(const struct cru_report_step *step) { return step->kind && strcmp(step->kind, "read") == 0; }

bool cru_report_before(const struct cru_report *r, size_t at, size_t k, uint64_t *documents) {
    if (k > 0) {
        *documents = r->steps[at].stages[k - 1].out;
        return true;
    }
    if (is_read(&r->steps[at]) || at == 0 || !r->complete) return false;
    *documents = 0;
    /* The first common step reads all sources, each later one the step before it. */
    for (size_t i = at; i-- > 0;) {
        const struct cru_report_step *before = &r->steps[i];
        if (before->n_stages == 0) return false;
        *documents += before->stages[before->n_stages - 1].out;
        if (!is_read(before) || !is_read(&r->steps[at - 1])) break;
    }
    return true;
}

bool cru_report_conserved(const struct cru_report *r) {
    for (size_t i = 0; i < r->n_steps; i++)
        for (size_t k = 0; k < r->steps[i].n_stages; k++) {
            uint64_t before;
            if (cru_report_lost(&r->steps[i].stages[k])) return false;
            if (cru_report_before(r, i, k, &before) && before != r->steps[i].stages[k].in) return false;
        }
    return true;
}

double cru_report_round_up(double x) {
    double power = pow(10, floor(log10(x))), times = x / power;
    return power * (times <= 1 ? 1 : times <= 2 ? 2 : times <= 5 ? 5 : 10);
}

double cru_report_speed(const struct cru_report_stage *k) {
    return k->seconds > 0 ? (double)k->bytes_in / 1e6 / k->seconds : 0;
}

const char *cru_report_number(uint64_t n, char text[CRU_REPORT_NUMBER]) {
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n), at = 0;
    for (int i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0) text[at++] = ',';
        text[at++] = digits[i];
    }
    text[at] = 0;
    return text;
}

const char *cru_report_short_number(double n, char text[CRU_REPORT_NUMBER]) {
    static const char units[] = "kMGTPE";
    if (fabs(n) < 1e4) {
        (void)snprintf(text, CRU_REPORT_NUMBER, "%.0f", n);
        return text;
    }
    size_t unit = 0;
    for (n /= 1000; fabs(n) >= 999.5 && unit < sizeof units - 2; unit++) n /= 1000;
    (void)snprintf(text, CRU_REPORT_NUMBER, "%.*f %c", fabs(n) < 9.995 ? 2 : fabs(n) < 99.95 ? 1 : 0, n, units[unit]);
    return text;
}
