/* SPDX-License-Identifier: Apache-2.0 */
/* crucible train: the command line of the trainer in cmd/train/. */
#include <math.h>
#include <unistd.h>

#include "cmd/command.h"
#include "cmd/train/trainer.h"
#include "crucible/base/base.h"

struct table {
    bool quiet, wants_header;
    uint64_t every; /* steps between lines */
};

static void print_number(FILE *to, double x, int width, int places) {
    if (isnan(x))
        (void)fprintf(to, " %*s", width, "-");
    else
        (void)fprintf(to, " %*.*f", width, places, x);
}

static void print_step(void *context, const struct cru_train_step *s) {
    struct table *table = context;
    if (table->quiet) return;
    if (s->phase == CRU_PHASE_EVAL) {
        (void)fprintf(stderr, "eval after step %llu: loss %.4f", (unsigned long long)s->step,
                      s->loss);
        if (!isnan(s->bpb)) (void)fprintf(stderr, ", %.4f bits per byte", s->bpb);
        (void)fprintf(
            stderr,
            ", over %llu tokens of %llu documents (%llu skipped: ids that the model lacks)\n",
            (unsigned long long)s->tokens, (unsigned long long)s->documents,
            (unsigned long long)s->skipped);
        return;
    }
    if (s->step % table->every && s->step != 1 && !s->last_of_phase && !table->wants_header) return;
    if (table->wants_header)
        (void)fprintf(stderr, "%8s %-5s %9s %8s %9s %9s %10s\n", "step", "phase", "loss", "bpb",
                      "lr", "grad", "tokens/s");
    table->wants_header = false;
    (void)fprintf(stderr, "%8llu %-5s", (unsigned long long)s->step, cru_phase_name(s->phase));
    print_number(stderr, s->loss, 9, 4);
    print_number(stderr, s->bpb, 8, 4);
    (void)fprintf(stderr, " %9.2e", s->learning_rate);
    print_number(stderr, s->gradient_norm, 9, 3);
    print_number(stderr, s->tokens_per_second, 10, 0);
    (void)fprintf(stderr, "\n");
}

static void print_facts(const struct cru_trainer_facts *f) {
    (void)fprintf(stderr,
                  "%s: %llu parameters, %llu of them embedding (%llu rows); %llu positions a step; "
                  "%s, %d threads\n",
                  f->name, (unsigned long long)f->parameters, (unsigned long long)f->embedding,
                  (unsigned long long)f->vocabulary, (unsigned long long)f->rows_a_step, f->backend,
                  f->threads);
    (void)fprintf(stderr,
                  "shards: %llu tokens in %llu documents; the first %llu steps are superposed\n",
                  (unsigned long long)f->tokens_in_set, (unsigned long long)f->documents_in_set,
                  (unsigned long long)f->tst_steps);
}

static void print_summary(const struct cru_train_summary *s) {
    static const char *const names[] = {"superposed", "ordinary"};
    for (int i = 0; i < 2; i++) {
        if (s->steps[i] == 0) continue;
        (void)fprintf(stderr, "%s: loss %.4f -> %.4f", names[i], s->first_loss[i], s->last_loss[i]);
        if (!isnan(s->first_bpb[i]))
            (void)fprintf(stderr, ", bits per byte %.4f -> %.4f", s->first_bpb[i], s->last_bpb[i]);
        (void)fprintf(stderr, ", in %llu steps\n", (unsigned long long)s->steps[i]);
    }
}

/* Bytes with a binary unit. */
static void print_bytes(uint64_t bytes) {
    static const char units[] = " KMGTPE";
    double x = (double)bytes;
    int unit = 0;
    while (x >= 1024) x /= 1024, unit++;
    if (unit)
        printf("%10.1f %ciB", x, units[unit]);
    else
        printf("%10.0f   B", x);
}

static int memory_plan(struct cru_trainer *trainer) {
    struct cru_train_purpose purposes[CRU_TRAIN_PURPOSES];
    struct cru_trainer_facts f = cru_trainer_facts(trainer);
    uint64_t total = 0;
    cru_trainer_memory(trainer, purposes);
    printf("%-28s%18llu\n", "parameters without embedding",
           (unsigned long long)(f.parameters - f.embedding));
    printf("%-28s%18llu\n", "parameters in all", (unsigned long long)f.parameters);
    printf("%-28s%18llu\n\n", "positions a step", (unsigned long long)f.rows_a_step);
    for (size_t i = 0; i < CRU_TRAIN_PURPOSES; i++) {
        printf("%-28s%18llu  ", purposes[i].name, (unsigned long long)purposes[i].bytes);
        print_bytes(purposes[i].bytes);
        printf("\n");
        total += purposes[i].bytes;
    }
    printf("%-28s%18llu  ", "in all", (unsigned long long)total);
    print_bytes(total);
    printf("\n");
    return CRU_EXIT_OK;
}

static int check_gradients(struct cru_trainer *trainer) {
    struct cru_gradient_result results[2];
    struct cru_error err;
    static const char *const names[] = {"ordinary", "superposed"};
    bool right = true;
    if (cru_trainer_check_gradients(trainer, results, &err) != CRU_OK)
        return cru_command_fail("train", &err);
    for (int i = 0; i < 2; i++) {
        printf("%-10s  %zu derivatives checked, worst relative error %.2e in %s\n", names[i],
               results[i].checked, results[i].worst, results[i].worst_tensor);
        right = right && results[i].worst < CRU_GRADIENT_BAR;
    }
    printf("gradients %s (bar %.0e)\n", right ? "agree" : "DO NOT agree", CRU_GRADIENT_BAR);
    return right ? CRU_EXIT_OK : CRU_EXIT_BAD;
}

static int train(struct cru_trainer *trainer, const struct cru_train_options *options) {
    struct table table = {.quiet = options->quiet, .wants_header = true};
    struct cru_train_report report = {print_step, &table};
    struct cru_train_summary summary;
    struct cru_error err;
    struct cru_trainer_facts facts = cru_trainer_facts(trainer);
    table.every = (uint64_t)(options->steps + 19) / 20;
    if (!options->quiet) print_facts(&facts);
    enum cru_status status = cru_trainer_run(trainer, &report, &summary, &err);
    if (status != CRU_OK) return cru_command_fail("train", &err);
    if (!options->quiet) {
        if (summary.resumed_from)
            (void)fprintf(stderr, "went on from step %llu\n",
                          (unsigned long long)summary.resumed_from);
        print_summary(&summary);
    }
    return CRU_EXIT_OK;
}

int main(int argc, char **argv) {
    struct cru_train_options options;
    struct cru_option_store store;
    struct cru_trainer *trainer = NULL;
    struct cru_error err;
    struct cru_command command = {
        .name = "train",
        .summary =
            "Trains a BOREAL model on token shards: a superposed phase, then an ordinary one.",
        .synopsis = "--model FILE.yaml --data DIR [--out DIR] [options]",
        .tables = {cru_train_option_table},
        .targets = {&options},
        .n_tables = 1,
    };
    int n_operands = 0;
    cru_option_store_init(&store);
    int status = cru_command_begin(&command, &store, argc, argv, &n_operands);
    if (status >= 0) {
        cru_option_store_release(&store);
        return status;
    }
    if (n_operands > 0) {
        (void)cru_fail(&err, CRU_USAGE, "unexpected operand: '%s': shards are given by --data",
                       argv[1]);
        status = cru_command_fail("train", &err);
    }
    if (status < 0 && cru_trainer_open(&options, &trainer, &err) != CRU_OK)
        status = cru_command_fail("train", &err);
    if (status < 0)
        status = options.memory_plan       ? memory_plan(trainer)
                 : options.check_gradients ? check_gradients(trainer)
                                           : train(trainer, &options);
    cru_trainer_free(trainer);
    cru_option_store_release(&store);
    return cru_command_end("train", status);
}
