/* SPDX-License-Identifier: Apache-2.0 */
/* Whole runs on synthetic shards: the loss falls in both phases, a resumed run equals an
 * uninterrupted one to the bit, one thread equals two, damage and misfits are found, bits per byte
 * are exact. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "crucible/base/base.h"
#include "crucible/base/output.h"
#include "cmd/train/trainer.h"
#include "shards/shard_file.h"
#include "shards/writer.h"
#include "tests/unit/scratch_name.h"

static char root[SCRATCH_NAME], data[SCRATCH_PATH], other[SCRATCH_PATH], model[SCRATCH_PATH];

static void must(enum cru_status status, const struct cru_error *err) {
    if (status != CRU_OK) fail_msg("%s", err->message);
}

/* Documents in which a token is followed by one of two, so that there is much to learn. Every
 * seventh id is never used. */
static void write_shards(const char *dir, uint32_t vocabulary, size_t documents, uint64_t seed) {
    struct cru_error err = {0};
    struct cru_shard_params params = {.tokenizer_hash = 77,
                                      .tokenizer_name = "synthetic",
                                      .vocab_size = vocabulary,
                                      .bag = 4,
                                      .pad_id = 0,
                                      .end_id = 1,
                                      .shard_tokens = 3000};
    struct cru_shard_writer *writer;
    struct cru_random random = {seed};
    uint32_t ids[300], *lengths = malloc(vocabulary * sizeof *lengths);
    assert_non_null(lengths);
    for (uint32_t i = 0; i < vocabulary; i++) lengths[i] = i < 2 ? 0 : 1 + i % 5;
    must(cru_shard_writer_open(dir, &params, &writer, &err), &err);
    for (size_t d = 0; d < documents; d++) {
        size_t n = d % 11 == 0 ? 1 : 3 + (size_t)(cru_random_next(&random) % 290);
        uint64_t bytes = 0;
        uint32_t id = 2 + (uint32_t)(cru_random_next(&random) % (vocabulary - 2));
        for (size_t i = 0; i < n; i++) {
            if (id % 7 == 6) id = 2;
            ids[i] = id, bytes += lengths[id];
            id = 2 + (id * 5 + (uint32_t)(cru_random_next(&random) % 2)) % (vocabulary - 2);
        }
        struct cru_shard_doc doc = {.source = CRU_SPAN("synthetic"),
                                    .bin = CRU_SHARD_NO_BIN,
                                    .weight = d % 5 == 0    ? 0.5f
                                              : d % 13 == 0 ? 0
                                                            : 1,
                                    .text_bytes = bytes};
        must(cru_shard_writer_add(writer, ids, n, &doc, &err), &err);
    }
    must(cru_shard_writer_token_bytes(writer, lengths, &err), &err);
    must(cru_shard_writer_close(writer, &err), &err);
    free(lengths);
}

static int setup(void **state) {
    (void)state;
    static const char yaml[] = "name: test\nwidth: 24\nlayers: 4\nffn-width: 40\ngdn-key-dim: 8\n"
                               "gdn-value-dim: 8\nhead-dim: 8\nheads: 4\nkv-heads: 2\n"
                               "learning-rate: 0.01\nwarmup-steps: 3\n";
    struct cru_error err = {0};
    if (!mkdtemp(scratch_name(root, "crucible-train-XXXXXX"))) return -1;
    snprintf(data, sizeof data, "%s/data", root);
    snprintf(other, sizeof other, "%s/other", root);
    snprintf(model, sizeof model, "%s/model.yaml", root);
    write_shards(data, 120, 150, 1);
    write_shards(other, 120, 12, 2);
    return cru_write_file(model, yaml, sizeof yaml - 1, &err) == CRU_OK ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    char command[SCRATCH_PATH];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

struct seen {
    double loss[200], bpb[200];
    size_t n;
    struct cru_train_step eval;
};
static void remember(void *context, const struct cru_train_step *step) {
    struct seen *seen = context;
    if (step->phase == CRU_PHASE_EVAL) {
        seen->eval = *step;
        return;
    }
    if (seen->n >= 200) return;
    seen->bpb[seen->n] = step->bpb;
    seen->loss[seen->n++] = step->loss;
}

static enum cru_status run(struct cru_train_options options, struct seen *seen,
                           struct cru_train_summary *summary, struct cru_error *err) {
    struct cru_train_options all;
    struct cru_option_store store;
    struct cru_trainer *trainer;
    struct cru_train_report report = {remember, seen};
    memset(seen, 0, sizeof *seen);
    cru_option_store_init(&store);
    must(cru_options_defaults(cru_train_option_table, &all, &store, err), err);
    options.device = all.device;
    if (!options.optimizer) options.optimizer = all.optimizer;
    if (!options.model) options.model = model;
    if (!options.data) options.data = data;
    enum cru_status status = cru_trainer_open(&options, &trainer, err);
    if (status == CRU_OK) status = cru_trainer_run(trainer, &report, summary, err);
    cru_trainer_free(trainer);
    cru_option_store_release(&store);
    return status;
}
static struct cru_train_options small(void) {
    return (struct cru_train_options){.steps = 30,
                                      .seq_len = 48,
                                      .micro_batch = 3,
                                      .batch_tokens = 200,
                                      .tst_bag = 4,
                                      .tst_fraction = 0.5,
                                      .threads = 1,
                                      .seed = 5};
}

static void losses_fall(void **state) {
    (void)state;
    struct seen seen;
    struct cru_train_summary summary;
    struct cru_error err = {0};
    struct cru_train_options options = small();
    options.steps = 80;
    options.eval_data = data;
    must(run(options, &seen, &summary, &err), &err);
    assert_int_equal(summary.steps[0], 40);
    assert_int_equal(summary.steps[1], 40);
    assert_true(fabs(seen.loss[0] - log(102)) < 0.3); /* about as many ids are in use */
    assert_true(summary.last_loss[0] < summary.first_loss[0] - 0.2);
    assert_true(summary.last_loss[1] < summary.first_loss[1] - 0.5);
    assert_true(seen.eval.loss < summary.first_loss[1] && seen.eval.loss > 0);
    assert_int_equal(seen.eval.skipped, 0);
    options.optimizer = "muon";
    must(run(options, &seen, &summary, &err), &err);
    assert_true(summary.last_loss[0] < summary.first_loss[0] - 0.2);
    assert_true(summary.last_loss[1] < summary.first_loss[1] - 0.5);
}

static char *slurp(const char *path, size_t *n) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *p = malloc(1 << 22);
    assert_non_null(p);
    *n = fread(p, 1, 1 << 22, file);
    assert_true(*n > 1000 && *n < 1 << 22);
    (void)fclose(file);
    return p;
}

/* A run that is killed at step 22. */
static void die(void *context, const struct cru_train_step *step) {
    (void)context;
    if (step->step == 22) _exit(42);
}

static void resumed_is_uninterrupted(void **state) {
    (void)state;
    struct seen seen, part;
    struct cru_train_summary summary, again;
    struct cru_error err = {0};
    char whole[SCRATCH_PATH], cut[SCRATCH_PATH], path[SCRATCH_PATH + 64];
    size_t n, m;
    snprintf(whole, sizeof whole, "%s/whole", root);
    snprintf(cut, sizeof cut, "%s/cut", root);
    struct cru_train_options options = small();
    options.out = whole;
    must(run(options, &seen, &summary, &err), &err);
    /* The same in a process that dies at step 22: the checkpoint of step 20 stays. */
    options.out = cut, options.save_every = 4;
    (void)fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        struct cru_train_options doomed = options;
        struct cru_trainer *trainer;
        struct cru_train_report report = {die, NULL};
        doomed.model = model, doomed.data = data, doomed.optimizer = "model", doomed.device = "cpu";
        if (cru_trainer_open(&doomed, &trainer, &err) == CRU_OK)
            (void)cru_trainer_run(trainer, &report, &again, &err);
        _exit(1);
    }
    int status = 0;
    assert_true(waitpid(child, &status, 0) == child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 42);
    options.resume = true, options.threads = 2;
    must(run(options, &part, &again, &err), &err);
    assert_int_equal(again.resumed_from, 20);
    assert_int_equal(part.n, 10);
    for (size_t i = 0; i < 10; i++) assert_true(part.loss[i] == seen.loss[20 + i]);
    assert_true(again.first_loss[0] == summary.first_loss[0]);
    snprintf(path, sizeof path, "%s/checkpoint.crk", whole);
    char *a = slurp(path, &n);
    snprintf(path, sizeof path, "%s/checkpoint.crk", cut);
    char *b = slurp(path, &m);
    assert_int_equal(n, m);
    assert_memory_equal(a, b, n);

    /* A flipped bit, a cut file, other options, other shards. */
    b[n / 2] ^= 4;
    must(cru_write_file(path, b, n, &err), &err);
    assert_int_equal(run(options, &part, &again, &err), CRU_FATAL);
    assert_non_null(strstr(err.message, "checksum"));
    must(cru_write_file(path, a, n - 9, &err), &err);
    assert_int_equal(run(options, &part, &again, &err), CRU_FATAL);
    assert_non_null(strstr(err.message, "cut short"));
    must(cru_write_file(path, a, n, &err), &err);
    must(run(options, &part, &again, &err), &err);
    assert_int_equal(part.n, 0); /* finished: nothing to do */
    options.seed = 6;
    assert_int_equal(run(options, &part, &again, &err), CRU_USAGE);
    assert_non_null(strstr(err.message, "seed: 5"));
    options.seed = 5, options.data = other;
    assert_int_equal(run(options, &part, &again, &err), CRU_USAGE);
    assert_non_null(strstr(err.message, "does not fit"));
    options.data = NULL, options.resume = false;
    assert_int_equal(run(options, &part, &again, &err), CRU_USAGE);
    assert_non_null(strstr(err.message, "--resume"));
    free(a), free(b);
}

static void bits_per_byte_are_exact(void **state) {
    (void)state;
    /* Untrained (learning rate nearly nothing), every token costs about ln(rows) nats, so bits per
     * byte follow from the byte lengths alone; evaluation goes over each document once. */
    struct seen seen;
    struct cru_train_summary summary;
    struct cru_error err = {0};
    struct cru_train_options options = small();
    options.steps = 1, options.learning_rate = 1e-30, options.eval_data = other;
    must(run(options, &seen, &summary, &err), &err);
    assert_int_equal(seen.eval.skipped + seen.eval.documents > 0, 1);
    struct cru_shard_set set = {0};
    uint64_t targets = 0, bytes = 0, documents = 0;
    must(cru_shard_set_open(other, &set, &err), &err);
    for (uint64_t i = 0; i < set.n_docs; i++) {
        struct cru_shard_entry entry;
        uint32_t ids[301];
        must(cru_shard_set_document(&set, i, &entry, &err), &err);
        must(cru_shard_set_read(&set, entry.offset, entry.length, ids, &err), &err);
        documents++;
        targets += entry.length - 1;
        for (uint64_t j = 1; j < entry.length; j++) bytes += ids[j] < 2 ? 0 : 1 + ids[j] % 5;
    }
    assert_int_equal(seen.eval.documents, documents);
    assert_int_equal(seen.eval.tokens, targets);
    double want = seen.eval.loss * (double)targets / log(2) / (double)bytes;
    assert_true(fabs(seen.eval.bpb - want) < 1e-12);
    cru_shard_set_close(&set);
}

static void misuse_is_named(void **state) {
    (void)state;
    struct seen seen;
    struct cru_train_summary summary;
    struct cru_error err = {0};
    char path[SCRATCH_PATH];
    static const char yaml[] = "vocab: 50\n", more[] = "width: 8\nlayerz: 3\n";
    snprintf(path, sizeof path, "%s/bad.yaml", root);
    must(cru_write_file(path, yaml, sizeof yaml - 1, &err), &err);
    struct cru_train_options options = small();
    options.model = path;
    assert_int_equal(run(options, &seen, &summary, &err), CRU_USAGE);
    assert_non_null(strstr(err.message, "disagree"));
    must(cru_write_file(path, more, sizeof more - 1, &err), &err);
    assert_int_equal(run(options, &seen, &summary, &err), CRU_USAGE);
    assert_non_null(strstr(err.message, "bad.yaml:2"));
    assert_non_null(strstr(err.message, "layers"));
    options = small(), options.data = "/nonexistent";
    assert_int_equal(run(options, &seen, &summary, &err), CRU_FATAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(losses_fall),
        cmocka_unit_test(resumed_is_uninterrupted),
        cmocka_unit_test(bits_per_byte_are_exact),
        cmocka_unit_test(misuse_is_named),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
