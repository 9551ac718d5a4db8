/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <pthread.h>

#include "crucible/base/base.h"
#include "crucible/base/output.h"
#include "crucible/stage/train_vocab.h"
#include "tokenizer/bpe_train.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocab_compile.h"
#include "tokenizer/vocab_image.h"
#include "tokenizer/vocab_json_write.h"

/* The first added token: what cru_tokenizer_end_id looks for first. */
static const char end_of_text[] = "<|endoftext|>";

/* A pair seen once is no pattern; GPT-2's vocabulary was made with the same limit. */
enum { MIN_COUNT = 2 };

/* A counter with its place in the list of those that no thread has. */
struct counter {
    struct cru_piece_counter *counter;
    struct counter *next;
};

struct cru_vocab_training {
    const struct cru_common *common;
    struct cru_output *output;
    struct cru_span *added;  /* [n_added] */
    struct cru_span *barred; /* [n_barred] what added tokens would be as tokens of the model */
    size_t n_added, n_barred;
    struct cru_buffer barred_text;
    uint32_t n_merges;
    pthread_mutex_t lock;     /* of the two below */
    struct counter *counters; /* [threads] */
    struct counter *free;
    struct cru_bpe_vocab vocab;
    bool trained;
};

/* ------------------------------------------------------------------ the added tokens */

/* The bytes that a token of the model would have whose characters are this text; false when one of
 * them stands for no byte. Such a token would take the added token's place: no merge may make it.
 */
static bool bytes_of_characters(struct cru_span text, struct cru_buffer *out) {
    for (size_t i = 0; i < text.n;) {
        unsigned c = (unsigned char)text.p[i++];
        if (c >= 0xE0) return false;
        if (c >= 0x80) c = (c & 31) << 6 | ((unsigned char)text.p[i++] & 63);
        int byte = cru_character_byte(c);
        if (byte < 0) return false;
        cru_buffer_add_char(out, (char)byte);
    }
    return true;
}

static enum cru_status check_added(const struct cru_vocab_training *t, size_t i,
                                   struct cru_error *err) {
    struct cru_span text = t->added[i];
    const char *why = NULL;
    if (text.n == 0)
        why = "it is empty";
    else if (!cru_text_is_utf8(text.p, text.n))
        why = "it is not UTF-8";
    for (size_t k = 0; k < i && !why; k++)
        if (cru_span_eq(t->added[k], text)) why = "it is there already";
    if (!why) return CRU_OK;
    return cru_fail(err, CRU_USAGE, "cannot add token: '%.*s': %s", (int)text.n, text.p, why);
}

static enum cru_status take_added(struct cru_vocab_training *t, const struct cru_string_list *added,
                                  struct cru_error *err) {
    t->n_added = 1 + added->n;
    t->added = calloc(t->n_added, sizeof *t->added);
    t->barred = calloc(t->n_added, sizeof *t->barred);
    size_t *ends = calloc(t->n_added, sizeof *ends);
    enum cru_status status = CRU_OK;
    if (!t->added || !t->barred || !ends) status = cru_fail_memory(err, "added tokens");
    for (size_t i = 0; i < t->n_added && !status; i++) {
        t->added[i] = cru_span_of(i ? added->items[i - 1] : end_of_text);
        status = check_added(t, i, err);
        size_t before = t->barred_text.n;
        if (!status && bytes_of_characters(t->added[i], &t->barred_text)) {
            if (t->barred_text.n == before + 1)
                status = cru_fail(err, CRU_USAGE,
                                  "cannot add token: '%s': one character is a byte already",
                                  t->added[i].p);
            ends[t->n_barred++] = t->barred_text.n;
        } else {
            t->barred_text.n = before;
        }
    }
    if (!status && t->barred_text.failed) status = cru_fail_memory(err, "added tokens");
    for (size_t i = 0, at = 0; i < t->n_barred && !status; at = ends[i++])
        t->barred[i] = cru_span_make(t->barred_text.p + at, ends[i] - at);
    free(ends);
    return status;
}

/* ------------------------------------------------------------------ open and run */

enum cru_status cru_vocab_training_open(const struct cru_common *common, int64_t size,
                                        const struct cru_string_list *added,
                                        struct cru_vocab_training **training,
                                        struct cru_error *err) {
    struct cru_vocab_training *t = calloc(1, sizeof *t);
    if (!t) return cru_fail_memory(err, "vocabulary");
    *training = t;
    t->common = common;
    pthread_mutex_init(&t->lock, NULL);
    cru_buffer_init(&t->barred_text);
    enum cru_status status = take_added(t, added, err);
    if (status) return status;
    int64_t least = 256 + (int64_t)t->n_added;
    if (size < least || size > CRU_MAX_IDS)
        return cru_fail(
            err, CRU_USAGE,
            "--train-vocab %lld: from %lld (bytes and added tokens) to %d ids can be made",
            (long long)size, (long long)least, CRU_MAX_IDS);
    t->n_merges = (uint32_t)(size - least);
    t->counters = calloc((size_t)common->threads, sizeof *t->counters);
    if (!t->counters) return cru_fail_memory(err, "counted pieces");
    for (int64_t i = 0; i < common->threads; i++) {
        t->counters[i].next = t->free;
        t->free = &t->counters[i];
    }
    return cru_output_open(common->output, &t->output, err);
}

static struct counter *take_counter(struct cru_vocab_training *t) {
    pthread_mutex_lock(&t->lock);
    struct counter *counter = t->free;
    if (counter) t->free = counter->next;
    pthread_mutex_unlock(&t->lock);
    return counter;
}

static void give_counter(struct cru_vocab_training *t, struct counter *counter) {
    pthread_mutex_lock(&t->lock);
    counter->next = t->free;
    t->free = counter;
    pthread_mutex_unlock(&t->lock);
}

enum cru_status cru_vocab_training_run(struct cru_vocab_training *t, struct cru_batch *batch,
                                       struct cru_error *err) {
    struct counter *c = take_counter(t);
    if (!c) return cru_fail(err, CRU_FATAL, "more batches at a time than threads");
    enum cru_status status = CRU_OK;
    if (!c->counter) {
        /* Half of the memory is for counting; the index takes its place when all is counted. */
        uint64_t share = t->common->memory / 2 / (uint64_t)t->common->threads;
        if (t->common->memory && !share) share = 1;
        c->counter = cru_piece_counter_new(share, t->common->tmpdir);
        if (!c->counter) status = cru_fail_memory(err, "counted pieces");
    }
    for (size_t i = 0; i < batch->n && !status; i++) {
        struct cru_doc *doc = &batch->docs[i];
        if (doc->text.n > INT32_MAX)
            status = cru_doc_wrong(batch, doc, "tokenize", "text", "longer than 2 GiB");
        else
            status = cru_piece_counter_add(c->counter, doc->text, err);
    }
    give_counter(t, c);
    return status;
}

/* ------------------------------------------------------------------ close */

static enum cru_status train(struct cru_vocab_training *t, struct cru_error *err) {
    struct cru_piece_counter **counters = calloc((size_t)t->common->threads, sizeof *counters);
    if (!counters) return cru_fail_memory(err, "counted pieces");
    size_t n = 0;
    for (int64_t i = 0; i < t->common->threads; i++)
        if (t->counters[i].counter) counters[n++] = t->counters[i].counter;
    struct cru_budget budget = {.limit = t->common->memory, .tmpdir = t->common->tmpdir};
    struct cru_bpe_train_params params = {.n_merges = t->n_merges,
                                          .min_count = MIN_COUNT,
                                          .max_bytes = CRU_MAX_TOKEN,
                                          .threads = (size_t)t->common->threads,
                                          .barred = t->barred,
                                          .n_barred = t->n_barred,
                                          .budget = &budget};
    enum cru_status status = cru_bpe_train(counters, n, &params, &t->vocab, err);
    t->trained = true;
    free(counters);
    if (status || t->vocab.n_merges == t->n_merges) return status;
    unsigned long long ids = 256 + t->vocab.n_merges + t->n_added;
    return cru_fail(err, CRU_FATAL,
                    "too little text for %llu ids: no pair occurs twice after %llu; "
                    "--train-vocab %llu would do",
                    (unsigned long long)(256 + t->n_merges + t->n_added), ids, ids);
}

/* What is written must be what the tokenizer reads. */
static enum cru_status check_json(const struct cru_vocab_training *t, struct cru_span json,
                                  struct cru_error *err) {
    struct cru_vocab_bytes image = {NULL, 0};
    struct cru_tokenizer *tokenizer = NULL;
    enum cru_status status = cru_vocab_compile_json(json, "trained", &image, err);
    if (!status) status = cru_tokenizer_from_image(image.p, image.n, &tokenizer, err);
    if (!status && (cru_tokenizer_size(tokenizer) != 256 + t->n_merges + t->n_added ||
                    cru_tokenizer_end_id(tokenizer) != 256 + t->n_merges))
        status =
            cru_fail(err, CRU_FATAL, "the trained vocabulary does not read back as it was written");
    cru_tokenizer_free(tokenizer);
    free(image.p);
    return status;
}

enum cru_status cru_vocab_training_close(struct cru_vocab_training *t, struct cru_error *err) {
    struct cru_buffer json;
    cru_buffer_init(&json);
    enum cru_status status = train(t, err);
    if (!status) {
        cru_vocab_json_write(&t->vocab, t->added, t->n_added, &json);
        if (json.failed) status = cru_fail_memory(err, "tokenizer.json");
    }
    if (!status) status = check_json(t, cru_buffer_span(&json), err);
    if (!status) status = cru_output_write(t->output, json.p, json.n, err);
    cru_buffer_release(&json);
    if (status) return status;
    struct cru_output *output = t->output;
    t->output = NULL; /* freed by commit, whatever it answers */
    return cru_output_commit(output, err);
}

void cru_vocab_training_stats(const struct cru_vocab_training *t, struct cru_buffer *json) {
    const struct cru_bpe_vocab *v = &t->vocab;
    cru_buffer_printf(
        json,
        ",\"vocab_size\":%llu,\"merges\":%u,\"last_merge_count\":%llu,\"pieces\":%llu,"
        "\"distinct_pieces\":%llu,\"tokens\":%llu,\"bytes_per_token\":",
        (unsigned long long)(256 + v->n_merges + t->n_added), v->n_merges,
        (unsigned long long)v->last_count, (unsigned long long)v->pieces,
        (unsigned long long)v->distinct, (unsigned long long)v->tokens);
    cru_buffer_add_json_number(
        json, v->tokens ? round((double)v->bytes / (double)v->tokens * 1e4) / 1e4 : 0);
}

void cru_vocab_training_tell(const struct cru_vocab_training *t, struct cru_buffer *text) {
    const struct cru_bpe_vocab *v = &t->vocab;
    cru_buffer_printf(
        text,
        "  %llu ids: %llu tokens of this text, %.3f bytes a token; last merge seen %llu times\n",
        (unsigned long long)(256 + v->n_merges + t->n_added), (unsigned long long)v->tokens,
        v->tokens ? (double)v->bytes / (double)v->tokens : 0.0, (unsigned long long)v->last_count);
}

void cru_vocab_training_free(struct cru_vocab_training *t) {
    if (!t) return;
    for (int64_t i = 0; t->counters && i < t->common->threads; i++)
        cru_piece_counter_free(t->counters[i].counter);
    cru_output_abandon(t->output);
    if (t->trained) cru_bpe_vocab_release(&t->vocab);
    cru_buffer_release(&t->barred_text);
    pthread_mutex_destroy(&t->lock);
    free(t->counters);
    free(t->added);
    free(t->barred);
    free(t);
}
