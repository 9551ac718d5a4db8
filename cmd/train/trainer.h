/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The training run: shards and a model file in, checkpoints and a log out.
 *
 *     open -> run            (or: open -> memory, or cru_trainer_check_gradients, without data)
 *       step = read micro-batches -> forward, loss, backward for each -> clip -> optimizer -> log
 *     steps 1 .. round(tst_fraction * steps) are superposed (bags of tst_bag tokens), the others
 * ordinary; the switch keeps weights, optimizer and place in the data.
 *
 * Losses are in nats a target token, weighted by the documents' loss weights. Bits per byte are
 * exact: the unweighted sum of the same losses / ln 2 / the bytes of text of the target tokens,
 * where an end-of-document token is predicted but counts 0 bytes. In the superposed phase both are
 * of predicting a bag without its order, so bits per byte are no compression rate there.
 *
 * The trainer owns all it opens; the options are borrowed and must outlive it. One thread calls;
 * `threads` work. Equal options and seed give equal checkpoints whatever `threads` is, on one kind
 * of CPU (a BLAS library picks its kernels by CPU). Errors: CRU_USAGE, CRU_FATAL.
 */
#ifndef CRU_TRAIN_TRAINER_H
#define CRU_TRAIN_TRAINER_H

#include "cmd/train/gradient_check.h"
#include "cmd/train/model_yaml.h"
#include "crucible/base/error.h"
#include "crucible/base/options.h"

struct cru_train_options {
    const char *model, *data, *eval_data, *out, *log, *device, *optimizer;
    int64_t steps, seq_len, micro_batch, tst_bag, save_every, eval_every;
    uint64_t batch_tokens, eval_tokens;
    double tst_fraction, learning_rate;
    bool resume, check_gradients, memory_plan, quiet;
    int64_t threads, seed;
};
extern const struct cru_option cru_train_option_table[];

enum cru_phase { CRU_PHASE_TST, CRU_PHASE_ORDINARY, CRU_PHASE_EVAL };
const char *cru_phase_name(enum cru_phase phase); /* "tst", "ntp", "eval" */

struct cru_train_step {
    uint64_t step, steps;
    enum cru_phase phase;
    double loss, bpb; /* bpb NaN when byte lengths are not known */
    double learning_rate, gradient_norm, tokens_per_second;
    uint64_t tokens;             /* read since the start; of evaluation: targets scored */
    uint64_t documents, skipped; /* evaluation only */
    bool last_of_phase;
};
struct cru_train_report {
    void (*step)(void *context, const struct cru_train_step *step); /* also for evaluations */
    void *context;
};
/* First and last step of a phase. */
struct cru_train_summary {
    uint64_t steps[2];
    double first_loss[2], last_loss[2], first_bpb[2], last_bpb[2];
    uint64_t resumed_from; /* step, 0 when started afresh */
    uint64_t tokens;
};
struct cru_train_purpose {
    const char *name;
    uint64_t bytes;
};
enum { CRU_TRAIN_PURPOSES = 11 };

struct cru_trainer;
/* Reads the model and opens the shards; allocates nothing large. *trainer is NULL on failure. */
enum cru_status cru_trainer_open(const struct cru_train_options *options,
                                 struct cru_trainer **trainer, struct cru_error *err);
/* What run would allocate; rows end with a NULL name or the array. */
void cru_trainer_memory(struct cru_trainer *trainer,
                        struct cru_train_purpose purposes[CRU_TRAIN_PURPOSES]);
struct cru_trainer_facts {
    const char *name, *backend;
    uint64_t parameters, embedding, vocabulary, rows_a_step, tokens_in_set, documents_in_set;
    uint64_t tst_steps;
    int threads;
};
struct cru_trainer_facts cru_trainer_facts(const struct cru_trainer *trainer);
enum cru_status cru_trainer_run(struct cru_trainer *trainer, const struct cru_train_report *report,
                                struct cru_train_summary *summary, struct cru_error *err);
/* Needs no data; see gradient_check.h. results[0]: ordinary, [1]: superposed. */
enum cru_status cru_trainer_check_gradients(struct cru_trainer *trainer,
                                            struct cru_gradient_result results[2],
                                            struct cru_error *err);
void cru_trainer_free(struct cru_trainer *trainer); /* NULL is fine */

#endif
