/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <unistd.h>

#include "crucible/base/base.h"
#include "crucible/base/input.h"
#include "crucible/build/report_parts.h"
#include "crucible/doc/json.h"

static void note_phase(struct cru_report_training *t, const struct cru_report_point *p) {
    if (t->phase[p->phase].points++ == 0) {
        t->phase[p->phase].first_step = p->step;
        t->phase[p->phase].first_loss = p->loss;
        t->phase[p->phase].first_bpb = p->bpb;
    }
    t->phase[p->phase].last_step = p->step;
    t->phase[p->phase].last_loss = p->loss;
    t->phase[p->phase].last_bpb = p->bpb;
}

static enum cru_status read_log(struct cru_rows *rows, struct cru_report_training *t,
                                struct cru_input *input, struct cru_json_parser *parser) {
    struct cru_arena scratch;
    struct cru_span line, phase;
    struct cru_error trouble;
    bool whole;
    enum cru_status s;
    cru_arena_init(&scratch);
    while ((s = cru_input_line(input, &line, &whole, &trouble)) == CRU_OK) {
        struct cru_report_point point = {.phase = CRU_REPORT_ORDINARY};
        double step, tokens = 0;
        cru_arena_clear(&scratch);
        if (!cru_json_number(parser, line, "step", &step) || !(step >= 0 && step < 0x1p53) ||
            !cru_json_number(parser, line, "loss", &point.loss)) {
            t->unreadable++;
            continue;
        }
        point.step = (uint64_t)step;
        if (!cru_json_number(parser, line, "bpb", &point.bpb)) point.bpb = (double)NAN;
        if (cru_json_number(parser, line, "tokens", &tokens) && tokens >= 0 && tokens < 0x1p53)
            point.tokens = (uint64_t)tokens;
        if (cru_json_string(parser, line, "phase", &scratch, &phase)) {
            if (cru_span_is(phase, "tst")) point.phase = CRU_REPORT_TST;
            else if (cru_span_is(phase, "eval")) point.phase = CRU_REPORT_EVAL;
        }
        t->points = cru_rows_grow(rows, t->points, t->n, sizeof *t->points);
        if (!t->points) break;
        t->points[t->n++] = point;
        note_phase(t, &point);
    }
    cru_arena_release(&scratch);
    if (s == CRU_OK) return cru_rows_no_memory(rows);
    if (s != CRU_END && !(t->trouble = cru_rows_copy(rows, trouble.message))) return cru_rows_no_memory(rows);
    return CRU_OK;
}

/* The log lies in the work directory, which may have moved since; else where the catalog says. */
enum cru_status cru_report_load_training(struct cru_rows *rows, struct cru_report *r) {
    const struct cru_report_step *step = NULL;
    for (size_t i = 0; i < r->n_steps; i++)
        if (r->steps[i].kind && strcmp(r->steps[i].kind, "train") == 0) step = &r->steps[i];
    if (!step || !step->output) return CRU_OK;
    struct cru_span here = cru_arena_printf(rows->arena, "%s/train/%s/log.jsonl", r->work, step->key);
    if (!here.p) return cru_rows_no_memory(rows);
    r->training.log = access(here.p, R_OK) == 0 ? cru_rows_copy(rows, here.p) : step->output;
    r->training.seconds = step->seconds;
    struct cru_error trouble;
    struct cru_input *input;
    struct cru_json_parser *parser = cru_json_parser_new();
    if (!parser || !r->training.log) {
        cru_json_parser_free(parser);
        return cru_rows_no_memory(rows);
    }
    enum cru_status s = CRU_OK;
    if (cru_input_open(access(here.p, R_OK) == 0 ? here.p : step->output, &input, &trouble) == CRU_OK) {
        s = read_log(rows, &r->training, input, parser);
        cru_input_close(input);
    } else if (!(r->training.trouble = cru_rows_copy(rows, trouble.message))) s = cru_rows_no_memory(rows);
    cru_json_parser_free(parser);
    return s;
}
