/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "crucible/base/base.h"
#include "crucible/base/output.h"
#include "crucible/base/parallel.h"
#include "cmd/train/adamw.h"
#include "cmd/train/checkpoint.h"
#include "cmd/train/gemm.h"
#include "cmd/train/loader.h"
#include "cmd/train/model.h"
#include "cmd/train/trainer.h"

/* One shard set with what the loader needs of its vocabulary. */
struct train_data {
    struct cru_shard_set set;
    struct cru_vocab_used used;
    uint32_t *row_of_id; /* NULL: row = id */
    uint32_t *bytes;     /* NULL: not known */
};

struct cru_trainer {
    const struct cru_train_options *options;
    struct cru_option_store store;
    struct cru_model_config config;
    struct cru_model model;
    struct cru_adamw adamw;
    struct train_data data, eval;
    struct cru_loader loader;
    bool have_data, have_eval, slice, muon;
    int threads;
    size_t micro_batches; /* a step */
    uint64_t tst_steps;
    double learning_rate, muon_learning_rate;
    struct cru_batch *batches; /* [micro_batches] */
    double *nll;               /* [rows of a micro-batch] */
    struct cru_checkpoint checkpoint;
    struct cru_buffer text; /* what a checkpoint must agree with */
    char *path;             /* of the checkpoint; NULL: none is kept */
    int lock;               /* the output directory, locked; -1: there is none */
    FILE *log;
    uint64_t started_step; /* 0, or where it was resumed */
    struct timespec step_start;
};

const char *cru_phase_name(enum cru_phase phase) {
    static const char *const names[] = {"tst", "ntp", "eval"};
    return names[phase];
}

static void data_close(struct train_data *d) {
    cru_vocab_used_close(&d->used);
    cru_shard_set_close(&d->set);
    free(d->row_of_id);
    free(d->bytes);
    memset(d, 0, sizeof *d);
}

static enum cru_status data_open(struct train_data *d, const char *dir, struct cru_error *err) {
    enum cru_status status = cru_shard_set_open(dir, &d->set, err);
    if (status != CRU_OK) return status;
    status = cru_shard_set_vocab(&d->set, &d->used, err);
    if (status != CRU_OK || !d->used.bytes_known) return status;
    d->bytes = calloc(d->set.vocab_size, sizeof *d->bytes);
    if (!d->bytes) return cru_fail_memory(err, "byte lengths of tokens");
    for (uint32_t i = 0; i < d->used.n; i++)
        d->bytes[d->used.tokens[i].id] = d->used.tokens[i].bytes;
    return CRU_OK;
}

/* Rows of the model's slice for the ids of `d`. */
static enum cru_status data_slice(struct train_data *d, const struct cru_vocab_used *slice,
                                  struct cru_error *err) {
    d->row_of_id = malloc((size_t)d->set.vocab_size * sizeof *d->row_of_id);
    if (!d->row_of_id) return cru_fail_memory(err, "vocabulary slice");
    cru_vocab_used_rows(slice, d->row_of_id);
    return CRU_OK;
}

static enum cru_status trainer_open_data(struct cru_trainer *t, size_t *vocabulary,
                                         struct cru_error *err) {
    const struct cru_train_options *o = t->options;
    t->slice = strcmp(t->config.vocab, "slice") == 0;
    *vocabulary = t->slice ? 0 : (size_t)strtoull(t->config.vocab, NULL, 10);
    if (o->data) {
        enum cru_status status = data_open(&t->data, o->data, err);
        if (status == CRU_OK && t->slice) status = data_slice(&t->data, &t->data.used, err);
        if (status != CRU_OK) return status;
        t->have_data = true;
        if (t->slice) *vocabulary = t->data.used.n;
        if (*vocabulary < t->data.set.vocab_size && !t->slice)
            return cru_fail(
                err, CRU_USAGE,
                "model and shards disagree: '%s': vocab is %zu, but the shards have ids up to "
                "%u; use vocab: slice or a larger number",
                o->model, *vocabulary, t->data.set.vocab_size);
    }
    if (o->eval_data && t->have_data) {
        enum cru_status status = data_open(&t->eval, o->eval_data, err);
        if (status != CRU_OK) return status;
        t->have_eval = true;
        if (t->eval.set.tokenizer_hash != t->data.set.tokenizer_hash ||
            t->eval.set.vocab_size != t->data.set.vocab_size)
            return cru_fail(
                err, CRU_USAGE,
                "evaluation shards do not fit: '%s': their tokenizer is not that of '%s'",
                o->eval_data, o->data);
        if (t->slice) return data_slice(&t->eval, &t->data.used, err);
    }
    return CRU_OK;
}

/* What must be the same for a run to go on, a line each. */
static void trainer_describe(struct cru_trainer *t) {
    const struct cru_train_options *o = t->options;
    cru_model_config_shape(&t->config, &t->text);
    cru_buffer_printf(
        &t->text, "steps: %lld\nseq-len: %lld\nmicro-batch: %lld\nmicro-batches: %zu\n",
        (long long)o->steps, (long long)o->seq_len, (long long)o->micro_batch, t->micro_batches);
    cru_buffer_printf(&t->text, "tst-bag: %lld\ntst-steps: %llu\nseed: %lld\noptimizer: %s\n",
                      (long long)o->tst_bag, (unsigned long long)t->tst_steps, (long long)o->seed,
                      t->muon ? "muon" : "adamw");
    const struct {
        const char *name;
        double value;
    } numbers[] = {{"learning-rate", t->learning_rate},
                   {"muon-learning-rate", t->muon_learning_rate},
                   {"weight-decay", t->config.weight_decay},
                   {"clip", t->config.clip},
                   {"warmup-steps", (double)t->config.warmup_steps},
                   {"decay-fraction", t->config.decay_fraction},
                   {"init-std", t->config.init_std}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        cru_buffer_printf(&t->text, "%s: ", numbers[i].name);
        cru_buffer_add_json_number(&t->text, numbers[i].value);
        cru_buffer_add_char(&t->text, '\n');
    }
}

static enum cru_status trainer_open(struct cru_trainer *t, struct cru_error *err) {
    const struct cru_train_options *o = t->options;
    size_t vocabulary, rows = (size_t)(o->seq_len * o->micro_batch);
    if (!o->model) return cru_fail(err, CRU_USAGE, "no model is given: use --model FILE.yaml");
    enum cru_status status = cru_model_config_read(o->model, &t->config, &t->store, err);
    if (status == CRU_OK) status = trainer_open_data(t, &vocabulary, err);
    if (status != CRU_OK) return status;
    if (vocabulary == 0) {
        if (!o->check_gradients)
            return cru_fail(err, CRU_USAGE, "no shards are given: use --data DIR%s",
                            o->memory_plan ? " (the model's vocabulary is a slice of theirs)" : "");
        vocabulary = 2; /* the gradient check brings its own */
    }
    if (rows > INT32_MAX / 4)
        return cru_fail(err, CRU_USAGE, "--seq-len times --micro-batch is too large");
    t->threads = o->threads ? (int)o->threads : cru_threads_available();
    t->micro_batches = (size_t)((o->batch_tokens + rows - 1) / rows);
    if (t->micro_batches == 0) t->micro_batches = 1;
    t->tst_steps = (uint64_t)llround(o->tst_fraction * (double)o->steps);
    if (o->tst_bag == 1) t->tst_steps = 0; /* bags of one are ordinary */
    t->learning_rate = o->learning_rate > 0 ? o->learning_rate : t->config.learning_rate;
    /* --lr scales both rates of a Muon run alike. */
    t->muon_learning_rate = t->config.muon_learning_rate;
    if (o->learning_rate > 0 && t->config.learning_rate > 0)
        t->muon_learning_rate *= o->learning_rate / t->config.learning_rate;
    t->muon =
        strcmp(strcmp(o->optimizer, "model") ? o->optimizer : t->config.optimizer, "muon") == 0;
    trainer_describe(t);
    if (t->text.failed) return cru_fail_memory(err, "trainer");
    cru_gemm_prepare();
    return cru_model_layout(&t->model, &t->config, vocabulary, (size_t)o->seq_len, err);
}

enum cru_status cru_trainer_open(const struct cru_train_options *options,
                                 struct cru_trainer **trainer, struct cru_error *err) {
    struct cru_trainer *t = calloc(1, sizeof *t);
    *trainer = NULL;
    if (!t) return cru_fail_memory(err, "trainer");
    t->options = options;
    t->lock = -1;
    cru_option_store_init(&t->store);
    cru_buffer_init(&t->text);
    enum cru_status status = trainer_open(t, err);
    if (status == CRU_OK)
        *trainer = t;
    else
        cru_trainer_free(t);
    return status;
}

static size_t rows_a_batch(const struct cru_trainer *t) {
    return (size_t)(t->options->seq_len * t->options->micro_batch);
}
static size_t largest_bag(const struct cru_trainer *t) {
    return t->tst_steps ? (size_t)t->options->tst_bag : 1;
}

void cru_trainer_free(struct cru_trainer *t) {
    if (!t) return;
    for (size_t i = 0; t->batches && i < t->micro_batches; i++) cru_batch_release(&t->batches[i]);
    free(t->batches);
    free(t->nll);
    cru_adamw_release(&t->adamw);
    cru_model_release(&t->model);
    cru_loader_release(&t->loader);
    data_close(&t->data);
    data_close(&t->eval);
    cru_buffer_release(&t->text);
    cru_option_store_release(&t->store);
    if (t->log && t->log != stdout) (void)fclose(t->log);
    if (t->lock >= 0) (void)close(t->lock);
    free(t->path);
    free(t);
}

void cru_trainer_memory(struct cru_trainer *t, struct cru_train_purpose p[CRU_TRAIN_PURPOSES]) {
    size_t rows = rows_a_batch(t);
    struct cru_model_bytes bytes = cru_model_plan(&t->model, rows, t->threads);
    uint64_t moments, work;
    cru_adamw_plan(&t->model, t->muon, &moments, &work);
    uint64_t batches =
        t->micro_batches * cru_batch_plan(rows, largest_bag(t)) + rows * sizeof(double);
    const struct cru_train_purpose all[CRU_TRAIN_PURPOSES] = {
        {"parameters (fp32)", bytes.parameters},   {"gradients (fp32)", bytes.gradients},
        {"optimizer moments (fp32)", moments},     {"residual stream and norms", bytes.residual},
        {"Gated DeltaNet activations", bytes.gdn}, {"attention activations", bytes.attention},
        {"feed-forward activations", bytes.ffn},   {"logits (a chunk of rows)", bytes.logits},
        {"work of the backward pass", bytes.work}, {"optimizer work", work},
        {"micro-batches of a step", batches}};
    memcpy(p, all, sizeof all);
}

struct cru_trainer_facts cru_trainer_facts(const struct cru_trainer *t) {
    return (struct cru_trainer_facts){.name = t->config.name,
                                      .backend = cru_gemm_backend(),
                                      .parameters = t->model.n_params,
                                      .embedding = t->model.n_embedding,
                                      .vocabulary = t->model.vocabulary,
                                      .rows_a_step = rows_a_batch(t) * t->micro_batches,
                                      .tokens_in_set = t->data.set.n_tokens,
                                      .documents_in_set = t->data.set.n_docs,
                                      .tst_steps = t->tst_steps,
                                      .threads = t->threads};
}

enum cru_status cru_trainer_check_gradients(struct cru_trainer *t,
                                            struct cru_gradient_result results[2],
                                            struct cru_error *err) {
    struct cru_gradient_check check = {.vocabulary = 97,
                                       .rows = 96,
                                       .bag = 1,
                                       .samples = 4,
                                       .seed = (uint64_t)t->options->seed,
                                       .threads = t->threads};
    enum cru_status status = cru_check_gradients(&t->config, check, &results[0], err);
    check.bag = t->options->tst_bag > 1 ? (size_t)t->options->tst_bag : 4;
    check.rows = 48;
    return status == CRU_OK ? cru_check_gradients(&t->config, check, &results[1], err) : status;
}

static double seconds_since(const struct timespec *start) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - start->tv_sec) + 1e-9 * (double)(now.tv_nsec - start->tv_nsec);
}

static double bits_per_byte(double nll, uint64_t bytes, bool known) {
    return known && bytes ? nll / 0.69314718055994530942 / (double)bytes : NAN;
}

/* The log is cut back to what it was at the checkpoint, so that a resumed log is that of one run.
 */
static enum cru_status trainer_open_log(struct cru_trainer *t, struct cru_error *err) {
    const char *path = t->options->log;
    if (!path) return CRU_OK;
    if (strcmp(path, "-") == 0) {
        t->log = stdout;
        return CRU_OK;
    }
    bool append = t->started_step > 0;
    t->log = fopen(path, append ? "ab" : "wb");
    if (!t->log) return cru_fail_errno(err, "cannot open log", path);
    struct stat info;
    if (append && fstat(fileno(t->log), &info) == 0 && S_ISREG(info.st_mode) &&
        (uint64_t)info.st_size > t->checkpoint.numbers.log_bytes &&
        ftruncate(fileno(t->log), (off_t)t->checkpoint.numbers.log_bytes) != 0)
        return cru_fail_errno(err, "cannot cut log", path);
    return CRU_OK;
}

static void add_number(struct cru_buffer *line, const char *key, double value) {
    cru_buffer_printf(line, ",\"%s\":", key);
    cru_buffer_add_json_number(line, value);
}

static enum cru_status trainer_log(struct cru_trainer *t, const struct cru_train_step *s,
                                   struct cru_error *err) {
    if (!t->log) return CRU_OK;
    struct cru_buffer line;
    cru_buffer_init(&line);
    cru_buffer_printf(&line, "{\"step\":%llu,\"phase\":\"%s\"", (unsigned long long)s->step,
                      cru_phase_name(s->phase));
    add_number(&line, "loss", s->loss);
    add_number(&line, "bpb", s->bpb);
    if (s->phase != CRU_PHASE_EVAL) {
        add_number(&line, "lr", s->learning_rate);
        add_number(&line, "grad_norm", s->gradient_norm);
    }
    cru_buffer_printf(&line, ",\"tokens\":%llu", (unsigned long long)s->tokens);
    if (s->phase == CRU_PHASE_EVAL)
        cru_buffer_printf(&line, ",\"documents\":%llu,\"skipped\":%llu",
                          (unsigned long long)s->documents, (unsigned long long)s->skipped);
    add_number(&line, "tokens_per_s", s->tokens_per_second);
    if (s->phase != CRU_PHASE_EVAL) cru_buffer_add_string(&line, ",\"mfu\":null");
    cru_buffer_add_string(&line, "}\n");
    enum cru_status status = CRU_OK;
    if (line.failed)
        status = cru_fail_memory(err, "log line");
    else if (fwrite(line.p, 1, line.n, t->log) != line.n || fflush(t->log) != 0) {
        if (t->log == stdout && errno == EPIPE)
            t->log = NULL; /* who read the log has seen enough; training goes on */
        else
            status = cru_fail_errno(err, "cannot write log", t->options->log);
    }
    cru_buffer_release(&line);
    return status;
}

static enum cru_status trainer_save(struct cru_trainer *t, struct cru_error *err) {
    if (!t->path) return CRU_OK;
    t->checkpoint.numbers.place = t->loader.place;
    t->checkpoint.numbers.log_bytes = 0;
    if (t->log) {
        long at = ftell(t->log);
        t->checkpoint.numbers.log_bytes = at > 0 ? (uint64_t)at : 0;
    }
    return cru_checkpoint_write(t->path, &t->checkpoint, cru_buffer_span(&t->text), err);
}

/* Evaluates on ordinary tokens, every document in order. */
static enum cru_status trainer_evaluate(struct cru_trainer *t,
                                        const struct cru_train_report *report,
                                        struct cru_error *err) {
    struct cru_loader loader;
    struct cru_batch *b = &t->batches[0];
    double sum = 0;
    uint64_t targets = 0, bytes = 0, limit = t->options->eval_tokens;
    struct timespec start;
    enum cru_status status = CRU_OK;
    clock_gettime(CLOCK_MONOTONIC, &start);
    status = cru_loader_init(&loader, &t->eval.set, t->eval.row_of_id, t->eval.bytes, 0,
                             (size_t)t->options->micro_batch, err);
    if (status != CRU_OK) return status;
    loader.once = true;
    while (status == CRU_OK && (limit == 0 || targets < limit)) {
        status = cru_loader_fill(&loader, b, 0, (size_t)t->options->micro_batch,
                                 (size_t)t->options->seq_len, 1, err);
        if (status == CRU_FATAL || b->rows.n == 0) break;
        cru_model_loss(&t->model, &b->rows, 0, false, t->nll);
        for (size_t r = 0; r < b->rows.n; r++) sum += t->nll[r];
        targets += b->targets, bytes += b->bytes;
    }
    uint64_t documents = loader.visited, skipped = loader.skipped;
    cru_loader_release(&loader);
    if (status != CRU_OK && status != CRU_END) return status;
    if (targets == 0)
        return cru_fail(
            err, CRU_FATAL,
            "cannot evaluate: '%s': no document has only tokens of the model (%llu skipped)",
            t->options->eval_data, (unsigned long long)skipped);
    struct cru_train_step s = {.step = t->checkpoint.numbers.step,
                               .steps = (uint64_t)t->options->steps,
                               .phase = CRU_PHASE_EVAL,
                               .loss = sum / (double)targets,
                               .bpb = bits_per_byte(sum, bytes, t->eval.bytes != NULL),
                               .tokens = targets,
                               .tokens_per_second = (double)targets / seconds_since(&start),
                               .documents = documents,
                               .skipped = skipped};
    report->step(report->context, &s);
    return trainer_log(t, &s, err);
}

/* Forward and backward over the step's micro-batches: the loss as reported. */
static enum cru_status trainer_gradients(struct cru_trainer *t, size_t bag,
                                         struct cru_train_step *s, struct cru_error *err) {
    double total = 0, weighted = 0, plain = 0;
    size_t sequences = (size_t)t->options->micro_batch;
    uint64_t bytes = 0, tokens = 0;
    for (size_t i = 0; i < t->micro_batches; i++) {
        struct cru_batch *b = &t->batches[i];
        enum cru_status status = cru_loader_fill(&t->loader, b, i * sequences, sequences,
                                                 (size_t)t->options->seq_len, bag, err);
        if (status != CRU_OK) return status;
        total += b->total_weight, bytes += b->bytes, tokens += b->tokens;
    }
    for (size_t i = 0; i < t->micro_batches; i++) {
        struct cru_batch *b = &t->batches[i];
        cru_model_loss(&t->model, &b->rows, 1 / total, true, t->nll);
        for (size_t r = 0; r < b->rows.n; r++) {
            weighted += (double)b->weight[r] * t->nll[r];
            plain += t->nll[r];
        }
    }
    s->loss = weighted / total;
    s->bpb = bits_per_byte(plain, bytes, t->data.bytes != NULL);
    t->checkpoint.numbers.tokens += tokens;
    s->tokens = t->checkpoint.numbers.tokens;
    s->tokens_per_second = (double)tokens;
    return CRU_OK;
}

static enum cru_status trainer_step(struct cru_trainer *t, const struct cru_train_report *report,
                                    struct cru_error *err) {
    struct cru_checkpoint_numbers *n = &t->checkpoint.numbers;
    uint64_t steps = (uint64_t)t->options->steps;
    struct cru_train_step s = {.step = n->step + 1, .steps = steps};
    s.phase = n->step < t->tst_steps ? CRU_PHASE_TST : CRU_PHASE_ORDINARY;
    s.last_of_phase = s.step == t->tst_steps || s.step == steps;
    clock_gettime(CLOCK_MONOTONIC, &t->step_start);
    size_t bag = s.phase == CRU_PHASE_TST ? (size_t)t->options->tst_bag : 1;
    enum cru_status status = trainer_gradients(t, bag, &s, err);
    if (status != CRU_OK) return status;
    s.gradient_norm = cru_gradient_norm(&t->model);
    if (!isfinite(s.loss) || !isfinite(s.gradient_norm))
        return cru_fail(err, CRU_FATAL,
                        "training diverged: step %llu: the loss or its gradient is not finite; try "
                        "a lower --lr",
                        (unsigned long long)s.step);
    double factor =
        cru_schedule(s.step, steps, (uint64_t)t->config.warmup_steps, t->config.decay_fraction);
    double clip = t->config.clip;
    s.learning_rate = t->learning_rate * factor;
    struct cru_step update = {.number = s.step,
                              .learning_rate = s.learning_rate,
                              .muon_learning_rate = t->muon_learning_rate * factor,
                              .weight_decay = t->config.weight_decay,
                              .gradient_scale =
                                  clip > 0 && s.gradient_norm > clip ? clip / s.gradient_norm : 1};
    cru_adamw_step(&t->adamw, update);
    s.tokens_per_second /= seconds_since(&t->step_start);
    n->step = s.step;
    if (n->phase_steps[s.phase]++ == 0)
        n->first_loss[s.phase] = s.loss, n->first_bpb[s.phase] = s.bpb;
    n->last_loss[s.phase] = s.loss, n->last_bpb[s.phase] = s.bpb;
    report->step(report->context, &s);
    status = trainer_log(t, &s, err);
    int64_t every = t->options->eval_every;
    if (status == CRU_OK && t->have_eval &&
        (s.step == steps || (every && s.step % (uint64_t)every == 0)))
        status = trainer_evaluate(t, report, err);
    every = t->options->save_every;
    if (status == CRU_OK && (s.last_of_phase || (every && s.step % (uint64_t)every == 0)))
        status = trainer_save(t, err);
    return status;
}

static enum cru_status trainer_allocate(struct cru_trainer *t, struct cru_error *err) {
    size_t rows = rows_a_batch(t);
    enum cru_status status = cru_model_reserve(&t->model, rows, t->threads, err);
    if (status == CRU_OK) status = cru_adamw_init(&t->adamw, &t->model, t->muon, err);
    if (status != CRU_OK) return status;
    t->batches = calloc(t->micro_batches, sizeof *t->batches);
    t->nll = calloc(rows, sizeof *t->nll);
    if (!t->batches || !t->nll) return cru_fail_memory(err, "micro-batches");
    for (size_t i = 0; i < t->micro_batches && status == CRU_OK; i++)
        status = cru_batch_init(&t->batches[i], rows, largest_bag(t), err);
    if (status == CRU_OK)
        status = cru_loader_init(&t->loader, &t->data.set, t->data.row_of_id, t->data.bytes,
                                 (uint64_t)t->options->seed,
                                 t->micro_batches * (size_t)t->options->micro_batch, err);
    if (status != CRU_OK) return status;
    t->checkpoint.lanes = t->loader.lanes;
    t->checkpoint.numbers.n_lanes = t->loader.n_lanes;
    t->checkpoint.params = t->model.params;
    t->checkpoint.first = t->adamw.first;
    t->checkpoint.second = t->adamw.second;
    t->checkpoint.numbers.n_params = t->model.n_params;
    t->checkpoint.numbers.vocabulary = t->model.vocabulary;
    t->checkpoint.numbers.vocabulary_checksum = t->slice ? t->data.used.checksum : 0;
    t->checkpoint.numbers.tokenizer_hash = t->data.set.tokenizer_hash;
    t->checkpoint.numbers.data_checksum = t->data.set.checksum;
    return status;
}

/* One run a directory: two would write the same log and checkpoint. Then what killed runs left under
 * temporary names can go, a whole checkpoint's bytes each. */
static enum cru_status trainer_lock(struct cru_trainer *t, struct cru_error *err) {
    const char *out = t->options->out;
    char path[4096];
    t->lock = open(out, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (t->lock < 0) return cru_fail_errno(err, "cannot open directory", out);
    if (flock(t->lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return cru_fail(err, CRU_FATAL, "directory in use: '%s': another run writes to it", out);
    DIR *d = opendir(out);
    for (struct dirent *e; d && (e = readdir(d));)
        if (strncmp(e->d_name, "checkpoint.crk.tmp-", 19) == 0 &&
            (size_t)snprintf(path, sizeof path, "%s/%s", out, e->d_name) < sizeof path)
            (void)unlink(path);
    if (d) (void)closedir(d);
    return CRU_OK;
}

/* Fresh weights, or the checkpoint's. */
static enum cru_status trainer_start(struct cru_trainer *t, struct cru_error *err) {
    const struct cru_train_options *o = t->options;
    if (o->out) {
        enum cru_status status = cru_make_directory(o->out, err);
        if (status == CRU_OK) status = trainer_lock(t, err);
        if (status != CRU_OK) return status;
        size_t n = strlen(o->out) + sizeof "/checkpoint.crk";
        t->path = malloc(n);
        if (!t->path) return cru_fail_memory(err, "trainer");
        snprintf(t->path, n, "%s/checkpoint.crk", o->out);
        if (access(t->path, F_OK) == 0) {
            if (!o->resume)
                return cru_fail(err, CRU_USAGE,
                                "there is a checkpoint already: '%s': give --resume to go on from "
                                "it, or another --out",
                                t->path);
            status = cru_checkpoint_read(t->path, &t->checkpoint, cru_buffer_span(&t->text), err);
            if (status != CRU_OK) return status;
            t->loader.place = t->checkpoint.numbers.place;
            t->started_step = t->checkpoint.numbers.step;
            return CRU_OK;
        }
    }
    cru_model_initialise(&t->model, (uint64_t)o->seed);
    return CRU_OK;
}

enum cru_status cru_trainer_run(struct cru_trainer *t, const struct cru_train_report *report,
                                struct cru_train_summary *summary, struct cru_error *err) {
    const struct cru_train_options *o = t->options;
    memset(summary, 0, sizeof *summary);
    if (!t->have_data) return cru_fail(err, CRU_USAGE, "no shards are given: use --data DIR");
    if (o->resume && !o->out) return cru_fail(err, CRU_USAGE, "--resume needs --out DIR");
    /* Opening a set reads no tokens; a run on flipped bits would end in a model that looks like one. */
    enum cru_status status = cru_shard_set_verify(&t->data.set, err);
    if (status == CRU_OK && t->have_eval) status = cru_shard_set_verify(&t->eval.set, err);
    if (status == CRU_OK) status = trainer_allocate(t, err);
    if (status == CRU_OK) status = trainer_start(t, err);
    if (status == CRU_OK) status = trainer_open_log(t, err);
    while (status == CRU_OK && t->checkpoint.numbers.step < (uint64_t)o->steps)
        status = trainer_step(t, report, err);
    if (status == CRU_OK && t->log && t->log != stdout && fclose(t->log) != 0)
        status = cru_fail_errno(err, "cannot write log", o->log);
    t->log = NULL;
    const struct cru_checkpoint_numbers *n = &t->checkpoint.numbers;
    for (int i = 0; i < 2; i++) {
        summary->steps[i] = n->phase_steps[i];
        summary->first_loss[i] = n->first_loss[i], summary->last_loss[i] = n->last_loss[i];
        summary->first_bpb[i] = n->first_bpb[i], summary->last_bpb[i] = n->last_bpb[i];
    }
    summary->resumed_from = t->started_step;
    summary->tokens = n->tokens;
    return status;
}
