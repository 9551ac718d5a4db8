/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `tokenize`: documents to shards; or to lines of ids, or to counts.
 *
 *   run      text -> ids as the shard will hold them, in a tray that the batch keeps until its commit;
 *            source, language, bin and weight, in the batch's arena (scratch)
 *   commit   appends them to the shard set (or the output) in order, and counts by source and language
 *   close    completes the set
 *
 * With --train-vocab all of it is train_vocab.c's.
 */
#include "crucible/base/base.h"
#include "crucible/base/output.h"
#include "crucible/stage/encoder_pool.h"
#include "crucible/stage/stage.h"
#include "crucible/stage/token_totals.h"
#include "crucible/stage/train_vocab.h"
#include "ddm/ddm.h"
#include "shards/laid_tokens.h"
#include "tokenizer/vocab_image.h"

/* What run() leaves of a whole batch for commit(): a shard's tokens, or the lines of --ids. Trays are used
 * again: their pages would be faulted in for every batch. */
struct tray {
    struct cru_kept kept; /* of the empty ones; the first member */
    struct cru_ids ids;
    struct cru_buffer line;
    struct tray *other; /* of all */
};

struct tokenize {
    struct cru_stage base;
    const char *vocab, *special;
    int64_t bag;
    uint64_t shard_tokens;
    bool ids, count;
    int64_t train_vocab;
    struct cru_string_list added_tokens;

    struct cru_vocab_training *training; /* with --train-vocab, in place of all that follows */
    struct cru_tokenizer *tokenizer;
    struct cru_encoder_pool pool;
    struct cru_kept *empty; /* under the lock, and */
    struct tray *trays;     /* all of them, too */
    pthread_mutex_t lock;
    bool pooled;
    enum cru_special special_rule;
    uint32_t end_id;
    struct cru_shard_writer *writer;
    struct cru_output *output; /* for --ids and --count */
    struct cru_shard_params params; /* of the shards */
    struct cru_token_totals sources, languages;
    struct cru_shard_totals totals;
};

static const struct cru_option options[] = {
    {CRU_OPTION_STRING, 0, "vocab", offsetof(struct tokenize, vocab), "NAME|PATH", "qwen3", NULL,
     0, 0, "an installed vocabulary, a compiled one, or a tokenizer.json with a byte-level BPE"},
    {CRU_OPTION_INT, 0, "bag", offsetof(struct tokenize, bag), "S", "4", NULL, 1,
     CRU_SHARD_MAX_BAG, "documents start at multiples of S tokens"},
    {CRU_OPTION_SIZE, 0, "shard-tokens", offsetof(struct tokenize, shard_tokens), "N", "64M", NULL,
     0, 0, "tokens a shard at most"},
    {CRU_OPTION_FLAG, 0, "ids", offsetof(struct tokenize, ids), NULL, NULL, NULL, 0, 0,
     "write {\"id\":...,\"ids\":[...]} for each document instead of shards"},
    {CRU_OPTION_FLAG, 0, "count", offsetof(struct tokenize, count), NULL, NULL, NULL, 0, 0,
     "write a table of documents, tokens and bytes by source instead of shards"},
    {CRU_OPTION_CHOICE, 0, "special", offsetof(struct tokenize, special), "recognise|text", "text",
     NULL, 0, 0,
     "whether the text of an added token, such as <|im_end|>, in a document becomes its id or is "
     "text as any other"},
    {CRU_OPTION_INT, 0, "train-vocab", offsetof(struct tokenize, train_vocab), "N", NULL, NULL, 257,
     CRU_MAX_IDS, "write a tokenizer.json of N ids trained on the documents instead of shards"},
    {CRU_OPTION_LIST, 0, "added-token", offsetof(struct tokenize, added_tokens), "TEXT", NULL, NULL,
     0, 0, "with --train-vocab: one more added token, behind <|endoftext|>"},
    {.type = CRU_OPTION_END},
};

/* What run() leaves for commit(). */
struct encoded {
    struct tray *tray; /* the batch's */
    size_t at, n;      /* its ids there: the first's place, and how many without the end */
    struct cru_span source, language;
    uint8_t bin;
    float weight;
    struct cru_hash128 id_hash;
};

static enum cru_status open_output(struct tokenize *t, struct cru_error *err) {
    const char *path = t->base.common->output;
    if (t->ids || t->count) return cru_output_open(path, &t->output, err);
    if (strcmp(path, "-") == 0)
        return cru_fail(err, CRU_USAGE,
                        "shards need a directory: give -o DIR, or --ids or --count");
    t->params = (struct cru_shard_params){
        .tokenizer_hash = cru_tokenizer_hash(t->tokenizer),
        .tokenizer_name = cru_tokenizer_name(t->tokenizer),
        .vocab_size = cru_tokenizer_size(t->tokenizer),
        .bag = (uint32_t)t->bag,
        .pad_id = t->end_id, /* what Qwen3's own configuration names as pad_token */
        .end_id = t->end_id,
        .shard_tokens = t->shard_tokens,
    };
    return cru_shard_writer_open(path, &t->params, &t->writer, err);
}

static void free_tally(void *tally) { cru_id_tally_free(tally); }

static enum cru_status tokenize_open(struct cru_stage *stage, struct cru_error *err) {
    struct tokenize *t = (struct tokenize *)stage;
    if (t->ids && t->count) return cru_fail(err, CRU_USAGE, "--ids and --count exclude each other");
    if (t->train_vocab && (t->ids || t->count))
        return cru_fail(err, CRU_USAGE, "--train-vocab excludes --ids and --count");
    if (!t->train_vocab && t->added_tokens.n)
        return cru_fail(err, CRU_USAGE, "--added-token needs --train-vocab");
    if (t->train_vocab)
        return cru_vocab_training_open(t->base.common, t->train_vocab, &t->added_tokens,
                                       &t->training, err);
    t->special_rule =
        strcmp(t->special, "text") == 0 ? CRU_SPECIAL_TEXT : CRU_SPECIAL_RECOGNISE;
    enum cru_status status = cru_tokenizer_open(t->vocab, &t->tokenizer, err);
    if (status) return status;
    t->end_id = cru_tokenizer_end_id(t->tokenizer);
    if (t->end_id == CRU_NO_TOKEN && !t->ids && !t->count)
        return cru_fail(err, CRU_USAGE,
                        "vocabulary has no end-of-document token that is known: '%s'", t->vocab);
    cru_encoder_pool_init(&t->pool, t->tokenizer);
    t->pool.on_free = free_tally;
    (void)pthread_mutex_init(&t->lock, NULL);
    t->pooled = true;
    return open_output(t, err);
}

/* A string of the crucible object, or "". */
static struct cru_span string_meta(struct cru_json_parser *parser, struct cru_batch *batch,
                                   const struct cru_doc *doc, const char *key) {
    struct cru_span json = cru_doc_meta(doc, key), value;
    return json.p && cru_json_string(parser, json, "", &batch->arena, &value) ? value
                                                                              : cru_span_make("", 0);
}

/* The document's place in the curriculum: from crucible.ddm, when `score` has been there. */
static void read_meta(struct cru_json_parser *parser, struct cru_batch *batch,
                      const struct cru_doc *doc, struct encoded *e) {
    struct cru_span ddm = cru_doc_meta(doc, "ddm"), name;
    e->source = string_meta(parser, batch, doc, "source");
    e->language = string_meta(parser, batch, doc, "lang");
    e->bin = CRU_SHARD_NO_BIN;
    e->weight = 1;
    if (!ddm.p) return;
    if (cru_json_string(parser, ddm, "bin", &batch->arena, &name))
        for (int b = 0; b < CRU_DDM_BINS; b++)
            if (cru_span_is(name, cru_ddm_bin_name((enum cru_ddm_bin)b))) e->bin = (uint8_t)b;
    double weight;
    if (cru_json_number(parser, ddm, "weight", &weight)) e->weight = (float)weight;
}

static size_t put_digits(char *to, uint64_t v) {
    char digits[20], *p = digits + sizeof digits;
    do *--p = (char)('0' + v % 10);
    while (v /= 10);
    size_t n = (size_t)(digits + sizeof digits - p);
    memcpy(to, p, n);
    return n;
}

/* A line of --ids; every id is at most ten digits and a comma. */
static enum cru_status render_ids(const struct cru_doc *doc, const struct cru_ids *ids,
                                  struct cru_buffer *line, struct cru_error *err) {
    cru_buffer_add_string(line, "{\"id\":");
    cru_buffer_add_json_string(line, doc->id);
    cru_buffer_add_string(line, ",\"ids\":[");
    char *room = cru_buffer_room(line, ids->n * 11), *to = room;
    if (!room) return cru_fail_memory(err, "line of ids");
    for (size_t i = 0; i < ids->n; i++) {
        if (i) *to++ = ',';
        to += put_digits(to, ids->p[i]);
    }
    line->n += (size_t)(to - room);
    cru_buffer_add_string(line, "]}\n");
    return line->failed ? cru_fail_memory(err, "line of ids") : CRU_OK;
}

/* Room for more ids behind those there are. */
static bool ids_room(struct cru_ids *ids, size_t more) {
    if (ids->capacity - ids->n >= more) return true;
    size_t capacity = ids->n + more + ids->n / 2;
    uint32_t *p = realloc(ids->p, capacity * sizeof *p);
    if (!p) return false;
    ids->p = p;
    ids->capacity = capacity;
    return true;
}

static struct tray *tray_take(struct tokenize *t) {
    (void)pthread_mutex_lock(&t->lock);
    struct tray *tray = (struct tray *)cru_kept_take(&t->empty);
    if (!tray && (tray = calloc(1, sizeof *tray))) {
        tray->kept.taker = cru_thread_mark();
        cru_buffer_init(&tray->line);
        tray->other = t->trays;
        t->trays = tray;
    }
    (void)pthread_mutex_unlock(&t->lock);
    return tray;
}

static void tray_give(struct tokenize *t, struct tray *tray) {
    enum { KEPT = 16 << 20 }; /* what a huge document needed is not kept */
    if (tray->ids.capacity > KEPT / sizeof *tray->ids.p) cru_ids_release(&tray->ids);
    if (tray->line.capacity > KEPT) cru_buffer_release(&tray->line);
    cru_ids_clear(&tray->ids);
    cru_buffer_clear(&tray->line);
    (void)pthread_mutex_lock(&t->lock);
    cru_kept_give(&t->empty, &tray->kept);
    (void)pthread_mutex_unlock(&t->lock);
}

static void trays_free(struct tray *tray) {
    while (tray) {
        struct tray *other = tray->other;
        cru_ids_release(&tray->ids);
        cru_buffer_release(&tray->line);
        free(tray);
        tray = other;
    }
}

/* The end id and padding behind the document's ids. */
static enum cru_status lay(const struct tokenize *t, struct cru_ids *ids, size_t at,
                           struct cru_error *err) {
    if (!ids_room(ids, 1 + t->params.bag)) return cru_fail_memory(err, "tokens");
    ids->n = at + cru_shard_lay(&t->params, ids->p + at, ids->n - at);
    return CRU_OK;
}

/* Counts a batch's ids, all at once: between documents the encoder's tables would push the counts out of
 * the cache. Then brings them to the width they have in a shard. */
static enum cru_status count_ids(const struct tokenize *t, struct cru_encoder_slot *slot,
                                 struct cru_ids *ids, struct cru_error *err) {
    if (!slot->attached) slot->attached = cru_id_tally_new(t->params.vocab_size);
    if (!slot->attached) return cru_fail_memory(err, "tokens");
    if (!cru_id_tally_add(slot->attached, ids->p, ids->n))
        return cru_fail(err, CRU_FATAL, "vocabulary gave an id that it does not have: '%s'", t->vocab);
    if (cru_shard_is_narrow(&t->params)) cru_shard_narrow(ids->p, ids->n);
    return CRU_OK;
}

static enum cru_status encode_doc(struct tokenize *t, struct cru_encoder_slot *slot,
                                  struct tray *tray, struct cru_batch *batch, struct cru_doc *doc,
                                  struct cru_error *err) {
    struct encoded *e = cru_arena_calloc(&batch->arena, 1, sizeof *e);
    if (!e) return cru_fail_memory(err, "tokens");
    doc->scratch = e;
    e->tray = tray;
    if (!t->writer) cru_ids_clear(&tray->ids);
    e->at = tray->ids.n;
    enum cru_status status = cru_encode(slot->encoder, doc->text, t->special_rule, &tray->ids, err);
    if (status == CRU_BAD) return cru_doc_wrong(batch, doc, "tokenize", "text", err->message);
    if (status) return status;
    e->n = tray->ids.n - e->at;
    read_meta(slot->parser, batch, doc, e);
    if (t->count) return CRU_OK;
    if (t->ids) return render_ids(doc, &tray->ids, &tray->line, err);
    e->id_hash = cru_hash128(doc->id.p, doc->id.n, 0);
    status = lay(t, &tray->ids, e->at, err);
    if (status) return status;
    /* For the catalog of a build, where no stage before has counted. */
    if (cru_doc_meta(doc, "tokens").p) return CRU_OK;
    char *digits = cru_arena_alloc(&batch->arena, 20);
    if (!digits) return cru_fail_memory(err, "tokens");
    struct cru_span count = cru_span_make(digits, put_digits(digits, e->n));
    return cru_doc_set_meta(batch, doc, "tokens", count) ? cru_fail_memory(err, "tokens") : CRU_OK;
}

static enum cru_status tokenize_run(struct cru_stage *stage, struct cru_batch *batch,
                                    struct cru_error *err) {
    struct tokenize *t = (struct tokenize *)stage;
    if (t->training) return cru_vocab_training_run(t->training, batch, err);
    if (batch->n == 0) return CRU_OK;
    struct tray *tray = tray_take(t); /* commit() gives it back; release() frees those of lost batches */
    struct cru_encoder_slot *slot = tray ? cru_encoder_pool_take(&t->pool) : NULL;
    if (!slot) return cru_fail_memory(err, "encoder");
    enum cru_status status = CRU_OK;
    size_t living = 0; /* a batch without any has no commit() */
    for (size_t i = 0; i < batch->n && !status; i++) {
        status = encode_doc(t, slot, tray, batch, &batch->docs[i], err);
        living += batch->docs[i].fate == CRU_KEEP;
    }
    if (t->writer && !status) status = count_ids(t, slot, &tray->ids, err);
    cru_encoder_pool_give(&t->pool, slot);
    if (!status && living == 0) tray_give(t, tray);
    return status;
}

static enum cru_status commit_doc(struct tokenize *t, struct cru_batch *batch, struct cru_doc *doc,
                                  struct cru_error *err) {
    const struct encoded *e = doc->scratch;
    if (t->writer) {
        struct cru_shard_doc row = {
            .source = e->source,
            .bin = e->bin,
            .weight = e->weight,
            .id_hash = e->id_hash,
            .text_bytes = doc->text.n,
        };
        size_t width = cru_shard_is_narrow(&t->params) ? 2 : 4;
        const char *tokens = (const char *)e->tray->ids.p + e->at * width;
        enum cru_status status = cru_shard_writer_add_laid(t->writer, tokens, e->n + 1, &row, err);
        if (status == CRU_BAD)
            return cru_doc_wrong(batch, doc, "tokenize", "shard", err->message);
        if (status) return status;
    }
    enum cru_status status =
        cru_token_totals_add(&t->sources, "sources", e->source, e->n, doc->text.n, err);
    if (status) return status;
    return cru_token_totals_add(&t->languages, "languages", e->language, e->n, doc->text.n, err);
}

static enum cru_status tokenize_commit(struct cru_stage *stage, struct cru_batch *batch,
                                       struct cru_error *err) {
    struct tokenize *t = (struct tokenize *)stage;
    if (t->training || batch->n == 0) return CRU_OK;
    struct tray *tray = ((struct encoded *)batch->docs[0].scratch)->tray;
    enum cru_status status = CRU_OK;
    if (t->ids) status = cru_output_write(t->output, tray->line.p, tray->line.n, err);
    for (size_t i = 0; i < batch->n && !status; i++)
        status = commit_doc(t, batch, &batch->docs[i], err);
    tray_give(t, tray);
    return status;
}

static enum cru_status write_counts(struct tokenize *t, struct cru_error *err) {
    struct cru_buffer out;
    cru_buffer_init(&out);
    cru_token_totals_table(&t->sources, &out);
    enum cru_status status = out.failed ? cru_fail_memory(err, "counts")
                                        : cru_output_write(t->output, out.p, out.n, err);
    cru_buffer_release(&out);
    return status;
}

/* Bytes of text an id stands for: 0 for added tokens, which are no text. */
static enum cru_status give_token_bytes(struct tokenize *t, struct cru_error *err) {
    uint32_t size = cru_tokenizer_size(t->tokenizer);
    uint32_t *lengths = malloc((size + 1) * sizeof *lengths);
    if (!lengths) return cru_fail_memory(err, "token lengths");
    for (uint32_t id = 0; id < size; id++)
        lengths[id] = (uint32_t)cru_tokenizer_token(t->tokenizer, id).n;
    for (uint32_t i = 0, id; (id = cru_tokenizer_nth_added(t->tokenizer, i)) != CRU_NO_TOKEN; i++)
        if (id < size) lengths[id] = 0;
    enum cru_status status = cru_shard_writer_token_bytes(t->writer, lengths, err);
    free(lengths);
    return status;
}

static enum cru_status tokenize_close(struct cru_stage *stage, struct cru_error *err) {
    struct tokenize *t = (struct tokenize *)stage;
    enum cru_status status = CRU_OK;
    if (t->training) return cru_vocab_training_close(t->training, err);
    if (t->count) status = write_counts(t, err);
    if (t->output && !status) {
        struct cru_output *output = t->output;
        t->output = NULL; /* freed by commit, whatever it answers */
        status = cru_output_commit(output, err);
    }
    if (t->writer) {
        status = give_token_bytes(t, err);
        if (status) return status;
        for (const struct cru_encoder_slot *s = t->pool.all; s; s = s->other)
            if (s->attached) cru_shard_writer_add_tally(t->writer, s->attached);
        t->totals = cru_shard_writer_totals(t->writer);
        struct cru_shard_writer *writer = t->writer;
        t->writer = NULL;
        status = cru_shard_writer_close(writer, err);
    }
    return status;
}

static void tokenize_stats(struct cru_stage *stage, struct cru_buffer *json) {
    struct tokenize *t = (struct tokenize *)stage;
    if (t->training) {
        cru_vocab_training_stats(t->training, json);
        return;
    }
    cru_buffer_add_string(json, ",\"vocab\":");
    cru_buffer_add_json_string(json, cru_span_of(cru_tokenizer_name(t->tokenizer)));
    cru_buffer_printf(json, ",\"vocab_hash\":\"%016llx\",\"tokens\":%llu",
                      (unsigned long long)cru_tokenizer_hash(t->tokenizer),
                      (unsigned long long)cru_token_totals_sum(&t->sources).tokens);
    if (!t->ids && !t->count)
        cru_buffer_printf(json, ",\"shards\":%llu,\"shard_tokens\":%llu,\"padding\":%llu",
                          (unsigned long long)t->totals.shards,
                          (unsigned long long)t->totals.tokens,
                          (unsigned long long)t->totals.padding);
    cru_buffer_add_string(json, ",\"by_source\":");
    cru_token_totals_json(&t->sources, json);
    cru_buffer_add_string(json, ",\"by_language\":");
    cru_token_totals_json(&t->languages, json);
}

static void tokenize_tell(struct cru_stage *stage, struct cru_buffer *text) {
    const struct tokenize *t = (struct tokenize *)stage;
    if (t->training) {
        cru_vocab_training_tell(t->training, text);
        return;
    }
    struct cru_token_row all = cru_token_totals_sum(&t->sources);
    cru_buffer_printf(text, "  %llu tokens, %.3f bytes a token\n", (unsigned long long)all.tokens,
                      all.tokens ? (double)all.bytes / (double)all.tokens : 0.0);
    size_t most = t->base.common->verbose ? SIZE_MAX : 8;
    cru_token_totals_lines(&t->sources, "source  ", most, text);
    cru_token_totals_lines(&t->languages, "language", most, text);
}

static void tokenize_release(struct cru_stage *stage) {
    struct tokenize *t = (struct tokenize *)stage;
    cru_vocab_training_free(t->training);
    cru_shard_writer_abandon(t->writer);
    cru_output_abandon(t->output);
    if (t->pooled) {
        cru_encoder_pool_release(&t->pool);
        trays_free(t->trays);
        (void)pthread_mutex_destroy(&t->lock);
    }
    cru_tokenizer_free(t->tokenizer);
    cru_token_totals_release(&t->sources);
    cru_token_totals_release(&t->languages);
}

const struct cru_stage_class cru_tokenize_stage = {
    .name = "tokenize",
    .summary = "Turns documents into shards of token ids.",
    .synopsis = "[options] -o DIR [FILE...]",
    .options = options,
    .size = sizeof(struct tokenize),
    .sink = true,
    .open = tokenize_open,
    .run = tokenize_run,
    .commit = tokenize_commit,
    .close = tokenize_close,
    .stats = tokenize_stats,
    .tell = tokenize_tell,
    .release = tokenize_release,
};
