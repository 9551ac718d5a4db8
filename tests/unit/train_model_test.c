/* SPDX-License-Identifier: Apache-2.0 */
/* Model files: the parser, its errors, the shipped models and their parameter counts. The loader:
 * its permutation, and its rows against a naive reading of the documents. The learning-rate
 * schedule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crucible/base/base.h"
#include "cmd/train/adamw.h"
#include "cmd/train/loader.h"
#include "cmd/train/model.h"
#include "cmd/train/trainer.h"
#include "shards/writer.h"
#include "tests/unit/scratch_name.h"

static void refuse(const char *text, const char *part) {
    struct cru_option_store store;
    struct cru_model_config config;
    struct cru_error err = {0};
    cru_option_store_init(&store);
    assert_int_equal(cru_model_config_parse("m.yaml", cru_span_of(text), &config, &store, &err),
                     CRU_USAGE);
    if (!strstr(err.message, part)) fail_msg("'%s' lacks '%s'", err.message, part);
    cru_option_store_release(&store);
}

static void files_are_parsed(void **state) {
    (void)state;
    struct cru_option_store store;
    struct cru_model_config c;
    struct cru_error err = {0};
    static const char text[] = "---\n# a comment\nname: \"two # words\"  # after\nwidth: 96\r\n\n"
                               "attention-gate: 'silu'\nlearning-rate: 3e-3 # fast";
    cru_option_store_init(&store);
    assert_int_equal(cru_model_config_parse("m", cru_span_of(text), &c, &store, &err), CRU_OK);
    assert_string_equal(c.name, "two # words");
    assert_int_equal(c.width, 96);
    assert_string_equal(c.attention_gate, "silu");
    assert_true(c.learning_rate > 0.00299 && c.learning_rate < 0.00301);
    assert_int_equal(c.layers, 4); /* default */
    cru_option_store_release(&store);
    refuse("width: 64\nlayer: 3\n", "m.yaml:2: unknown key 'layer'; did you mean 'layers'?");
    refuse("width: many\n", "m.yaml:1");
    refuse("width: 1\n", "m.yaml:1");
    refuse("width:64\n", "key: value");
    refuse("model:\n  width: 64\n", "m.yaml:1");
    refuse("  width: 64\n", "first column");
    refuse("width: [64]\n", "plain scalar");
    refuse("name: \"x\n", "plain scalar");
    refuse("width: 64\n---\nwidth: 32\n", "m.yaml:2");
    refuse("gdn-value-heads: 3\n", "multiple");
    refuse("kv-heads: 3\n", "multiple");
    refuse("vocab: lots\n", "slice");
    refuse("attention-gate: tanh\n", "m.yaml:1");
}

static void read_model(const char *name, struct cru_model_config *config,
                       struct cru_option_store *store) {
    struct cru_error err = {0};
    char path[200];
    /* Tests run from the source's root. */
    snprintf(path, sizeof path, "recipes/models/%s.yaml", name);
    cru_option_store_init(store);
    if (cru_model_config_read(path, config, store, &err) != CRU_OK) fail_msg("%s", err.message);
}

static void shipped_models_have_their_sizes(void **state) {
    (void)state;
    struct cru_option_store store;
    struct cru_model_config c;
    struct cru_model m;
    struct cru_error err = {0};
    read_model("boreal-250m", &c, &store);
    assert_int_equal(cru_model_layout(&m, &c, (size_t)strtoul(c.vocab, NULL, 10), 4096, &err),
                     CRU_OK);
    assert_int_equal(m.n_params - m.n_embedding, 211234720);
    assert_int_equal(m.n_params, 366817184);
    size_t attention = 0;
    for (int64_t i = 0; i < c.layers; i++) attention += m.blocks[i].attention;
    assert_int_equal(attention, 3);
    assert_true(m.blocks[3].attention && m.blocks[7].attention && m.blocks[11].attention);
    struct cru_model_bytes one = cru_model_plan(&m, 4096, 1), two = cru_model_plan(&m, 8192, 1);
    assert_int_equal(one.parameters, (366817184 * 4ull + 63) / 64 * 64);
    assert_int_equal(two.ffn, 2 * one.ffn);
    assert_int_equal(two.logits, one.logits); /* does not grow with the batch */
    cru_model_release(&m);
    cru_option_store_release(&store);

    read_model("boreal-tiny", &c, &store);
    assert_int_equal(cru_model_layout(&m, &c, 30000, 256, &err), CRU_OK);
    assert_true(m.n_params > 500000 && m.n_params < 3000000);
    /* What is planned is what is allocated. */
    struct cru_model_bytes plan = cru_model_plan(&m, 512, 2);
    assert_int_equal(cru_model_reserve(&m, 512, 2, &err), CRU_OK);
    assert_memory_equal(&plan, &m.bytes, sizeof plan);
    cru_model_release(&m);
    cru_option_store_release(&store);
}

static void permutation_is_one(void **state) {
    (void)state;
    static const uint64_t sizes[] = {1, 2, 3, 4, 5, 64, 100, 1000};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (uint64_t epoch = 0; epoch < 3; epoch++) {
            bool seen[1000] = {false};
            for (uint64_t i = 0; i < sizes[s]; i++) {
                uint64_t to = cru_loader_permute(i, sizes[s], 9, epoch);
                assert_true(to < sizes[s] && !seen[to]);
                seen[to] = true;
            }
        }
    uint64_t same = 0;
    for (uint64_t i = 0; i < 1000; i++)
        same += cru_loader_permute(i, 1000, 9, 0) == cru_loader_permute(i, 1000, 9, 1);
    assert_true(same < 20); /* epochs differ */
}

enum { DOCUMENTS = 40, BAG = 4, T = 16, SEQUENCES = 3 };

static size_t length_of(size_t document) {
    return document % 9 == 0 ? 1 : 2 + document * 7 % 61;
}

/* Every row says where it is: token j of document d is 2 + d * 100 + j. */
static void write_documents(const char *dir) {
    struct cru_error err = {0};
    struct cru_shard_params params = {.tokenizer_hash = 1,
                                      .tokenizer_name = "count",
                                      .vocab_size = 5000,
                                      .bag = BAG,
                                      .pad_id = 0,
                                      .end_id = 1,
                                      .shard_tokens = 400};
    struct cru_shard_writer *writer;
    assert_int_equal(cru_shard_writer_open(dir, &params, &writer, &err), CRU_OK);
    for (size_t d = 0; d < DOCUMENTS; d++) {
        uint32_t ids[100];
        for (size_t j = 0; j < length_of(d); j++) ids[j] = (uint32_t)(2 + d * 100 + j);
        struct cru_shard_doc doc = {.bin = CRU_SHARD_NO_BIN,
                                    .weight = d % 4 == 3 ? 0 : 1 + (float)(d % 3)};
        assert_int_equal(cru_shard_writer_add(writer, ids, length_of(d), &doc, &err), CRU_OK);
    }
    assert_int_equal(cru_shard_writer_close(writer, &err), CRU_OK);
}

/* Checks one batch; marks each input token as seen. */
static void check_rows(const struct cru_batch *b, size_t bag, unsigned (*seen)[100]) {
    const struct cru_rows *rows = &b->rows;
    uint64_t targets = 0;
    for (size_t s = 0; s < rows->n_segments; s++)
        for (size_t r = rows->start[s]; r < rows->start[s + 1]; r++) {
            size_t d = (size_t)(rows->input[r * bag] - 2) / 100;
            size_t at = (size_t)(rows->input[r * bag] - 2) % 100,
                   n = length_of(d) + 1; /* with END */
            assert_int_equal(rows->position[r], r - rows->start[s]);
            assert_true((double)rows->weight[r] == 1 + (double)(d % 3) && d % 4 != 3);
            assert_int_equal(at % bag, 0);
            assert_true(r / T == rows->start[s] / T); /* a segment stays in its sequence */
            if (r > rows->start[s])
                assert_int_equal(rows->input[r * bag], rows->input[(r - 1) * bag] + (int)bag);
            for (size_t i = 0; i < bag; i++) {
                size_t next = at + bag + i;
                int32_t want = next + 1 < n    ? (int32_t)(2 + d * 100 + next)
                               : next + 1 == n ? 1
                                               : -1;
                assert_int_equal(rows->input[r * bag + i], 2 + d * 100 + at + i);
                assert_int_equal(rows->target[r * bag + i], want);
                targets += want >= 0;
                seen[d][at + i]++;
            }
        }
    assert_int_equal(targets, b->targets);
    assert_true(rows->n == T * SEQUENCES);
}

static void loader_reads_every_document(void **state) {
    (void)state;
    char dir[SCRATCH_NAME], shards[SCRATCH_PATH], command[SCRATCH_PATH];
    struct cru_error err = {0};
    struct cru_shard_set set;
    struct cru_batch b;
    assert_non_null(mkdtemp(scratch_name(dir, "crucible-loader-XXXXXX")));
    snprintf(shards, sizeof shards, "%s/set", dir);
    write_documents(shards);
    assert_int_equal(cru_shard_set_open(shards, &set, &err), CRU_OK);
    assert_int_equal(cru_batch_init(&b, T * SEQUENCES, BAG, &err), CRU_OK);
    for (size_t bag = 1; bag <= BAG; bag += BAG - 1) {
        struct cru_loader loader;
        unsigned seen[DOCUMENTS][100] = {{0}};
        assert_int_equal(cru_loader_init(&loader, &set, NULL, NULL, 3, SEQUENCES, &err), CRU_OK);
        /* Until all three lanes are in the third epoch, each token of the first was read. */
        while (loader.place.epoch < 2) {
            assert_int_equal(cru_loader_fill(&loader, &b, 0, SEQUENCES, T, bag, &err), CRU_OK);
            check_rows(&b, bag, seen);
        }
        for (size_t d = 0; d < DOCUMENTS; d++)
            for (size_t j = 0; j < length_of(d); j++) {
                bool is_row = j / bag * bag + bag < length_of(d) + 1 && d % 4 != 3;
                if (is_row ? seen[d][j] < 1 || seen[d][j] > 3 : seen[d][j] != 0)
                    fail_msg("bag %zu: token %zu of document %zu was read %u times", bag, j, d,
                             seen[d][j]);
            }
        cru_loader_release(&loader);
    }
    cru_batch_release(&b);
    cru_shard_set_close(&set);
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    assert_int_equal(system(command), 0);
}

static void schedule_warms_and_decays(void **state) {
    (void)state;
    assert_true(cru_schedule(1, 100, 10, 0.2) == 0.1);
    assert_true(cru_schedule(10, 100, 10, 0.2) == 1 && cru_schedule(79, 100, 10, 0.2) == 1);
    double last = 2;
    for (uint64_t i = 81; i <= 100; i++) {
        double now = cru_schedule(i, 100, 10, 0.2);
        assert_true(now < last && now > 0);
        last = now;
    }
    assert_true(last < 0.05);
    assert_true(cru_schedule(100, 100, 0, 0) == 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_parsed),
        cmocka_unit_test(shipped_models_have_their_sizes),
        cmocka_unit_test(permutation_is_one),
        cmocka_unit_test(loader_reads_every_document),
        cmocka_unit_test(schedule_warms_and_decays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
