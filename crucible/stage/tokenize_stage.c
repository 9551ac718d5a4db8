/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `tokenize`: documents to shards; or to lines of ids, or to counts.
 *
 *   run      text -> ids, source, bin and weight, all in the batch's arena (scratch)
 *   commit   appends them to the shard set (or the output) in order, and counts by source
 *   close    completes the set
 *
 * With --train-vocab all of it is train_vocab.c's.
 */
#include <math.h>

#include "crucible/base/base.h"
#include "crucible/base/output.h"
#include "crucible/stage/encoder_pool.h"
#include "crucible/stage/stage.h"
#include "crucible/stage/train_vocab.h"
#include "ddm/ddm.h"
#include "shards/writer.h"
#include "tokenizer/vocab_image.h"

/* Totals of one source, in order of first appearance. */
struct source_row {
    char *name;
    size_t name_n;
    uint64_t documents, tokens, bytes;
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
    bool pooled;
    enum cru_special special_rule;
    uint32_t end_id;
    struct cru_shard_writer *writer;
    struct cru_output *output; /* for --ids and --count */
    struct source_row *sources;
    size_t n_sources, cap_sources;
    uint32_t *places; /* open addressing over hashes of names: 1 + index into sources, 0 empty */
    struct cru_shard_totals totals;
};

enum { PLACES = 2 * CRU_SHARD_MAX_SOURCES };

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
    const uint32_t *ids; /* NULL with --count and --ids */
    size_t n;
    struct cru_span line; /* with --ids */
    struct cru_span source;
    uint8_t bin;
    double weight;
};

static enum cru_status open_output(struct tokenize *t, struct cru_error *err) {
    const char *path = t->base.common->output;
    if (t->ids || t->count) return cru_output_open(path, &t->output, err);
    if (strcmp(path, "-") == 0)
        return cru_fail(err, CRU_USAGE,
                        "shards need a directory: give -o DIR, or --ids or --count");
    struct cru_shard_params params = {
        .tokenizer_hash = cru_tokenizer_hash(t->tokenizer),
        .tokenizer_name = cru_tokenizer_name(t->tokenizer),
        .vocab_size = cru_tokenizer_size(t->tokenizer),
        .bag = (uint32_t)t->bag,
        .pad_id = t->end_id, /* what Qwen3's own configuration names as pad_token */
        .end_id = t->end_id,
        .shard_tokens = t->shard_tokens,
    };
    return cru_shard_writer_open(path, &params, &t->writer, err);
}

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
    t->pooled = true;
    return open_output(t, err);
}

/* The document's place in the curriculum: from crucible.ddm, when `score` has been there. */
static void read_meta(struct cru_json_parser *parser, struct cru_batch *batch,
                      const struct cru_doc *doc, struct encoded *e) {
    struct cru_span source = cru_doc_meta(doc, "source"), ddm = cru_doc_meta(doc, "ddm"), name;
    if (!source.p || !cru_json_string(parser, source, "", &batch->arena, &e->source))
        e->source = cru_span_make("", 0);
    e->bin = CRU_SHARD_NO_BIN;
    e->weight = 1;
    if (!ddm.p) return;
    if (cru_json_string(parser, ddm, "bin", &batch->arena, &name))
        for (int b = 0; b < CRU_DDM_BINS; b++)
            if (cru_span_is(name, cru_ddm_bin_name((enum cru_ddm_bin)b))) e->bin = (uint8_t)b;
    double weight;
    if (cru_json_number(parser, ddm, "weight", &weight)) e->weight = weight;
}

static void render_ids(const struct cru_doc *doc, const struct cru_ids *ids,
                       struct cru_buffer *line) {
    cru_buffer_clear(line);
    cru_buffer_add_string(line, "{\"id\":");
    cru_buffer_add_json_string(line, doc->id);
    cru_buffer_add_string(line, ",\"ids\":[");
    for (size_t i = 0; i < ids->n; i++) {
        char digits[12], *p = digits + sizeof digits;
        uint32_t v = ids->p[i];
        do *--p = (char)('0' + v % 10);
        while (v /= 10);
        if (i) *--p = ',';
        cru_buffer_add(line, p, (size_t)(digits + sizeof digits - p));
    }
    cru_buffer_add_string(line, "]}\n");
}

static enum cru_status encode_doc(struct tokenize *t, struct cru_encoder_slot *slot,
                                  struct cru_batch *batch, struct cru_doc *doc,
                                  struct cru_error *err) {
    struct encoded *e = cru_arena_calloc(&batch->arena, 1, sizeof *e);
    if (!e) return cru_fail_memory(err, "tokens");
    doc->scratch = e;
    cru_ids_clear(&slot->ids);
    enum cru_status status = cru_encode(slot->encoder, doc->text, t->special_rule, &slot->ids, err);
    if (status) return status;
    e->n = slot->ids.n;
    read_meta(slot->parser, batch, doc, e);
    if (t->count) return CRU_OK;
    if (t->ids) {
        render_ids(doc, &slot->ids, &slot->line);
        if (slot->line.failed) return cru_fail_memory(err, "line of ids");
        e->line = cru_arena_copy(&batch->arena, cru_buffer_span(&slot->line));
        return e->line.p ? CRU_OK : cru_fail_memory(err, "line of ids");
    }
    uint32_t *ids = cru_arena_alloc(&batch->arena, (e->n + 1) * sizeof *ids);
    if (!ids) return cru_fail_memory(err, "tokens");
    if (e->n) memcpy(ids, slot->ids.p, e->n * sizeof *ids);
    e->ids = ids;
    /* For the catalog of a build, where no stage before has counted. */
    if (cru_doc_meta(doc, "tokens").p) return CRU_OK;
    return cru_doc_set_meta_number(batch, doc, "tokens", (double)e->n);
}

static enum cru_status tokenize_run(struct cru_stage *stage, struct cru_batch *batch,
                                    struct cru_error *err) {
    struct tokenize *t = (struct tokenize *)stage;
    if (t->training) return cru_vocab_training_run(t->training, batch, err);
    struct cru_encoder_slot *slot = cru_encoder_pool_take(&t->pool);
    if (!slot) return cru_fail_memory(err, "encoder");
    enum cru_status status = CRU_OK;
    for (size_t i = 0; i < batch->n && !status; i++)
        status = encode_doc(t, slot, batch, &batch->docs[i], err);
    cru_encoder_pool_give(&t->pool, slot);
    return status;
}

static enum cru_status count_source(struct tokenize *t, const struct encoded *e,
                                    const struct cru_doc *doc, struct cru_error *err) {
    if (!t->places && !(t->places = calloc(PLACES, sizeof *t->places)))
        return cru_fail_memory(err, "sources");
    size_t place = cru_hash64(e->source.p, e->source.n, 0) % PLACES, i = t->n_sources;
    for (; t->places[place]; place = (place + 1) % PLACES) {
        const struct source_row *row = &t->sources[t->places[place] - 1];
        if (!cru_span_eq(cru_span_make(row->name, row->name_n), e->source)) continue;
        i = t->places[place] - 1;
        break;
    }
    if (i == t->n_sources) {
        if (i == CRU_SHARD_MAX_SOURCES)
            return cru_fail(err, CRU_FATAL, "more than %u sources: '%.*s'", CRU_SHARD_MAX_SOURCES,
                            (int)e->source.n, e->source.p);
        if (i == t->cap_sources) {
            size_t capacity = i ? i * 2 : 16;
            struct source_row *rows = realloc(t->sources, capacity * sizeof *rows);
            if (!rows) return cru_fail_memory(err, "sources");
            t->sources = rows;
            t->cap_sources = capacity;
        }
        char *name = malloc(e->source.n + 1);
        if (!name) return cru_fail_memory(err, "sources");
        if (e->source.n) memcpy(name, e->source.p, e->source.n);
        name[e->source.n] = 0;
        t->sources[t->n_sources++] = (struct source_row){name, e->source.n, 0, 0, 0};
        t->places[place] = (uint32_t)t->n_sources;
    }
    t->sources[i].documents++;
    t->sources[i].tokens += e->n;
    t->sources[i].bytes += doc->text.n;
    return CRU_OK;
}

static enum cru_status commit_doc(struct tokenize *t, struct cru_batch *batch, struct cru_doc *doc,
                                  struct cru_error *err) {
    const struct encoded *e = doc->scratch;
    enum cru_status status = CRU_OK;
    if (t->ids) status = cru_output_write(t->output, e->line.p, e->line.n, err);
    if (t->writer) {
        struct cru_shard_doc row = {
            .source = e->source,
            .bin = e->bin,
            .weight = (float)e->weight,
            .id_hash = cru_hash128(doc->id.p, doc->id.n, 0),
            .text_bytes = doc->text.n,
        };
        status = cru_shard_writer_add(t->writer, e->ids, e->n, &row, err);
        if (status == CRU_BAD)
            return cru_doc_wrong(batch, doc, "tokenize", "shard", err->message);
    }
    return status ? status : count_source(t, e, doc, err);
}

static enum cru_status tokenize_commit(struct cru_stage *stage, struct cru_batch *batch,
                                       struct cru_error *err) {
    struct tokenize *t = (struct tokenize *)stage;
    enum cru_status status = CRU_OK;
    for (size_t i = 0; i < batch->n && !status && !t->training; i++)
        status = commit_doc(t, batch, &batch->docs[i], err);
    return status;
}

/* A name with a tab or a newline in it would be more than one field: it is written as JSON. */
static void add_name(struct cru_buffer *out, struct cru_span name) {
    bool plain = name.n > 0;
    for (size_t i = 0; i < name.n; i++)
        plain = plain && (unsigned char)name.p[i] >= 0x20 && name.p[i] != 0x7F;
    if (plain)
        cru_buffer_add_span(out, name);
    else if (name.n)
        cru_buffer_add_json_string(out, name);
    else
        cru_buffer_add_char(out, '-');
}

static enum cru_status write_counts(struct tokenize *t, struct cru_error *err) {
    struct cru_buffer out;
    struct source_row all = {NULL, 0, 0, 0, 0};
    cru_buffer_init(&out);
    cru_buffer_add_string(&out, "source\tdocuments\ttokens\tbytes\tbytes_per_token\n");
    for (size_t i = 0; i <= t->n_sources; i++) {
        const struct source_row *r = i < t->n_sources ? &t->sources[i] : &all;
        add_name(&out, r == &all ? CRU_SPAN("total") : cru_span_make(r->name, r->name_n));
        cru_buffer_printf(&out, "\t%llu\t%llu\t%llu\t%.3f\n",
                          (unsigned long long)r->documents, (unsigned long long)r->tokens,
                          (unsigned long long)r->bytes,
                          r->tokens ? (double)r->bytes / (double)r->tokens : 0.0);
        all.documents += r->documents;
        all.tokens += r->tokens;
        all.bytes += r->bytes;
    }
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
        lengths[id] = cru_tokenizer_is_added(t->tokenizer, id)
                          ? 0
                          : (uint32_t)cru_tokenizer_token(t->tokenizer, id).n;
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
        t->totals = cru_shard_writer_totals(t->writer);
        struct cru_shard_writer *writer = t->writer;
        t->writer = NULL;
        status = cru_shard_writer_close(writer, err);
    }
    return status;
}

static void tokenize_stats(struct cru_stage *stage, struct cru_buffer *json) {
    struct tokenize *t = (struct tokenize *)stage;
    uint64_t tokens = 0;
    if (t->training) {
        cru_vocab_training_stats(t->training, json);
        return;
    }
    for (size_t i = 0; i < t->n_sources; i++) tokens += t->sources[i].tokens;
    cru_buffer_add_string(json, ",\"vocab\":");
    cru_buffer_add_json_string(json, cru_span_of(cru_tokenizer_name(t->tokenizer)));
    cru_buffer_printf(json, ",\"vocab_hash\":\"%016llx\",\"tokens\":%llu",
                      (unsigned long long)cru_tokenizer_hash(t->tokenizer),
                      (unsigned long long)tokens);
    if (!t->ids && !t->count)
        cru_buffer_printf(json, ",\"shards\":%llu,\"shard_tokens\":%llu,\"padding\":%llu",
                          (unsigned long long)t->totals.shards,
                          (unsigned long long)t->totals.tokens,
                          (unsigned long long)t->totals.padding);
    cru_buffer_add_string(json, ",\"by_source\":{");
    for (size_t i = 0; i < t->n_sources; i++) {
        const struct source_row *r = &t->sources[i];
        if (i) cru_buffer_add_char(json, ',');
        cru_buffer_add_json_string(json, cru_span_make(r->name, r->name_n));
        cru_buffer_printf(json, ":{\"documents\":%llu,\"tokens\":%llu,\"bytes\":%llu,",
                          (unsigned long long)r->documents, (unsigned long long)r->tokens,
                          (unsigned long long)r->bytes);
        cru_buffer_add_string(json, "\"bytes_per_token\":");
        cru_buffer_add_json_number(
            json, r->tokens ? round((double)r->bytes / (double)r->tokens * 1e4) / 1e4 : 0);
        cru_buffer_add_char(json, '}');
    }
    cru_buffer_add_char(json, '}');
}

static void tokenize_release(struct cru_stage *stage) {
    struct tokenize *t = (struct tokenize *)stage;
    cru_vocab_training_free(t->training);
    cru_shard_writer_abandon(t->writer);
    cru_output_abandon(t->output);
    if (t->pooled) cru_encoder_pool_release(&t->pool);
    cru_tokenizer_free(t->tokenizer);
    for (size_t i = 0; i < t->n_sources; i++) free(t->sources[i].name);
    free(t->sources);
    free(t->places);
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
    .release = tokenize_release,
};
