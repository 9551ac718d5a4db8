/* SPDX-License-Identifier: Apache-2.0 */
/* crucible shard: looks at shards, checks them, and hands them to other trainers. */
#include <inttypes.h>
#include <unistd.h>

#include "cmd/command.h"
#include "crucible/base/base.h"
#include "crucible/base/output.h"
#include "crucible/base/parallel.h"
#include "crucible/base/utf8_repair.h"
#include "shards/shard_export.h"
#include "shards/shard_file.h"
#include "shards/shard_show.h"
#include "tokenizer/tokenizer.h"

struct shard_options {
    const char *output, *format, *vocab;
    bool json, ids, text, quiet, verbose;
    int64_t start, count, threads;
};

#define AT(field) offsetof(struct shard_options, field)
static const struct cru_option table[] = {
    {CRU_OPTION_STRING, 'o', "output", AT(output), "PATH", "-", NULL, 0, 0,
     "where to write: a file for info and cat, a directory for export"},
    {CRU_OPTION_FLAG, 0, "json", AT(json), NULL, NULL, NULL, 0, 0, "info: a JSON object a set"},
    {CRU_OPTION_FLAG, 0, "ids", AT(ids), NULL, NULL, NULL, 0, 0,
     "cat: token ids with each document"},
    {CRU_OPTION_FLAG, 0, "text", AT(text), NULL, NULL, NULL, 0, 0,
     "cat: the text that each document's ids stand for"},
    {CRU_OPTION_STRING, 0, "vocab", AT(vocab), "NAME|PATH", NULL, NULL, 0, 0,
     "cat --text: the vocabulary; default: the one that the set names"},
    {CRU_OPTION_INT, 0, "start", AT(start), "N", "0", NULL, 0, 9e15,
     "cat: begin at document N, counted from 0"},
    {CRU_OPTION_INT, 0, "count", AT(count), "N", "-1", NULL, -1, 9e15,
     "cat: at most N documents of each set (-1: all)"},
    {CRU_OPTION_CHOICE, 0, "format", AT(format), CRU_SHARD_EXPORT_FORMATS, NULL, NULL, 0, 0,
     "export: the format to write"},
    {CRU_OPTION_INT, 'j', "threads", AT(threads), "N", "0", NULL, 0, 4096,
     "verify: threads (0: all)"},
    {CRU_OPTION_FLAG, 'q', "quiet", AT(quiet), NULL, NULL, NULL, 0, 0,
     "verify: say nothing, only the exit status"},
    {CRU_OPTION_FLAG, 'v', "verbose", AT(verbose), NULL, NULL, NULL, 0, 0,
     "verify, export: say what was done"},
    {.type = CRU_OPTION_END},
};

/* A verb's work on one opened set; CRU_END: nobody reads any more. */
typedef enum cru_status (*verb)(const struct cru_shard_set *set, const struct shard_options *o,
                                struct cru_output *out, struct cru_error *err);

static enum cru_status give(struct cru_buffer *text, struct cru_output *out,
                            struct cru_error *err) {
    enum cru_status s = text->failed ? cru_fail_memory(err, "output")
                                     : cru_output_write(out, text->p, text->n, err);
    cru_buffer_clear(text);
    return s;
}

static enum cru_status info(const struct cru_shard_set *set, const struct shard_options *o,
                            struct cru_output *out, struct cru_error *err) {
    struct cru_buffer text;
    cru_buffer_init(&text);
    if (o->json)
        cru_shard_show_json(set, &text);
    else
        cru_shard_show_text(set, &text);
    enum cru_status s = give(&text, out, err);
    cru_buffer_release(&text);
    return s;
}

/* The vocabulary that the set's ids are of: found by its name, known by its hash. */
static enum cru_status open_vocab(const struct cru_shard_set *set, const char *name,
                                  struct cru_tokenizer **tokenizer, struct cru_error *err) {
    *tokenizer = NULL;
    if (!name) name = set->tokenizer_name;
    if (!*name)
        return cru_fail(err, CRU_FATAL, "unable to find the vocabulary of '%s': the set names none; "
                        "give --vocab", set->dir);
    enum cru_status s = cru_tokenizer_open(name, tokenizer, err);
    if (s) return s;
    uint64_t hash = cru_tokenizer_hash(*tokenizer);
    if (hash == set->tokenizer_hash) return CRU_OK;
    cru_tokenizer_free(*tokenizer);
    *tokenizer = NULL;
    return cru_fail(err, CRU_FATAL, "vocabulary is not that of '%s': '%s': its hash is %016" PRIx64
                    ", the set was written with %016" PRIx64, set->dir, name, hash,
                    set->tokenizer_hash);
}

/* Puts the text of document i into the JSON object at the end of `json`. */
static enum cru_status add_text(const struct cru_shard_set *set, uint64_t i,
                                const struct cru_tokenizer *tokenizer, struct cru_buffer *json,
                                struct cru_error *err) {
    struct cru_shard_entry e;
    struct cru_buffer text, whole;
    cru_buffer_init(&text);
    cru_buffer_init(&whole);
    enum cru_status s = cru_shard_set_document(set, i, &e, err);
    uint64_t at = 0;
    while (s == CRU_OK && at < e.length) {
        uint32_t some[512];
        size_t n = e.length - at < 512 ? (size_t)(e.length - at) : 512;
        s = cru_shard_set_read(set, e.offset + at, n, some, err);
        at += n;
        if (at == e.length && some[n - 1] == set->end_id) n--;
        if (s == CRU_OK) cru_tokenizer_decode(tokenizer, some, n, &text);
    }
    /* Ids that no text has been encoded to may end within a character. */
    (void)cru_utf8_repair(cru_buffer_span(&text), &whole);
    if (s == CRU_OK && !json->failed && !text.failed && !whole.failed) {
        json->n -= 2; /* the brace and newline, put behind again */
        cru_buffer_add_string(json, ",\"text\":");
        cru_buffer_add_json_string(json, cru_span_make(whole.n ? whole.p : "", whole.n));
        cru_buffer_add_string(json, "}\n");
    } else if (s == CRU_OK) {
        s = cru_fail_memory(err, "text");
    }
    cru_buffer_release(&text);
    cru_buffer_release(&whole);
    return s;
}

static enum cru_status cat(const struct cru_shard_set *set, const struct shard_options *o,
                           struct cru_output *out, struct cru_error *err) {
    struct cru_buffer json;
    struct cru_tokenizer *tokenizer = NULL;
    cru_buffer_init(&json);
    enum cru_status s = o->text ? open_vocab(set, o->vocab, &tokenizer, err) : CRU_OK;
    uint64_t i = (uint64_t)o->start, left = o->count < 0 ? UINT64_MAX : (uint64_t)o->count;
    for (; s == CRU_OK && i < set->n_docs && left > 0; i++, left--) {
        s = cru_shard_show_document(set, i, o->ids, &json, err);
        if (s == CRU_OK && o->text) s = add_text(set, i, tokenizer, &json, err);
        if (s == CRU_OK) s = give(&json, out, err);
    }
    cru_tokenizer_free(tokenizer);
    cru_buffer_release(&json);
    return s;
}

static enum cru_status export_set(const struct cru_shard_set *set, const struct shard_options *o,
                                  struct cru_output *out, struct cru_error *err) {
    (void)out;
    struct cru_shard_export_totals t;
    enum cru_status s = cru_shard_export(set, o->format, o->output, &t, err);
    if (s == CRU_OK && o->verbose)
        (void)fprintf(stderr, "crucible shard: %llu documents, %llu tokens in %llu files\n",
                      (unsigned long long)t.documents, (unsigned long long)t.tokens,
                      (unsigned long long)t.files);
    return s;
}

/* Shards are checked side by side and reported in order; `faults` has one more for the vocabulary
 * slice. */
struct check {
    const struct cru_shard_set *set;
    struct cru_error *faults;
};

static void check_one(void *context, size_t i, int thread) {
    (void)thread;
    struct check *c = context;
    c->faults[i].status = cru_shard_verify(&c->set->shards[i], &c->faults[i]);
}

static bool report(const struct shard_options *o, const struct cru_error *fault, const char *path) {
    if (fault->status && !o->quiet) (void)cru_command_fail("shard", fault);
    if (!fault->status && o->verbose) (void)fprintf(stderr, "crucible shard: whole: '%s'\n", path);
    return fault->status == CRU_OK;
}

static int verify(const char *path, const struct shard_options *o) {
    struct cru_shard_set set;
    struct cru_error err;
    if (access(path, R_OK)) {
        (void)cru_fail_errno(&err, "unable to open", path);
        return cru_command_fail("shard", &err);
    }
    err.status = cru_shard_set_open(path, &set, &err);
    if (err.status) {
        (void)report(o, &err, path);
        return CRU_EXIT_BAD;
    }
    struct check c = {&set, calloc(set.n_shards + 1, sizeof *c.faults)};
    int status = CRU_EXIT_OK;
    if (!c.faults) {
        (void)cru_fail_memory(&err, path);
        status = cru_command_fail("shard", &err);
    } else {
        cru_parallel_for(set.n_shards, 1, o->threads ? (int)o->threads : cru_threads_available(),
                         check_one, &c);
        for (size_t i = 0; i < set.n_shards; i++)
            if (!report(o, &c.faults[i], set.shards[i].path)) status = CRU_EXIT_BAD;
        err.status = cru_shard_set_verify_vocab(&set, &err);
        if (!report(o, &err, path)) status = CRU_EXIT_BAD;
    }
    free(c.faults);
    cru_shard_set_close(&set);
    return status;
}

static int usage(const char *what, const char *subject) {
    struct cru_error err;
    (void)cru_fail(&err, CRU_USAGE, "%s: '%s'", what, subject);
    return cru_command_fail("shard", &err);
}

static int run_verb(verb run, const struct shard_options *o, int n, char **paths) {
    struct cru_error err;
    struct cru_output *out = NULL;
    enum cru_status s = CRU_OK;
    if (run != export_set) s = cru_output_open(o->output, &out, &err);
    for (int i = 0; s == CRU_OK && i < n; i++) {
        struct cru_shard_set set;
        s = cru_shard_set_open(paths[i], &set, &err);
        if (s) break;
        s = run(&set, o, out, &err);
        cru_shard_set_close(&set);
    }
    if (out && (s == CRU_OK || s == CRU_END))
        s = cru_output_commit(out, &err);
    else
        cru_output_abandon(out);
    return s == CRU_OK || s == CRU_END ? CRU_EXIT_OK : cru_command_fail("shard", &err);
}

static int run(const struct shard_options *o, int n, char **operands) {
    if (n == 0) return usage("missing operand", "info, verify, cat or export");
    const char *name = operands[0];
    if (n == 1) return usage("missing operand", "a directory of shards, or a .crs file");
    n--;
    operands++;
    if (strcmp(name, "info") == 0) return run_verb(info, o, n, operands);
    if (strcmp(name, "cat") == 0) return run_verb(cat, o, n, operands);
    if (strcmp(name, "verify") == 0) {
        int worst = CRU_EXIT_OK;
        for (int i = 0; i < n; i++) {
            int status = verify(operands[i], o);
            if (status > worst) worst = status;
        }
        return worst;
    }
    if (strcmp(name, "export") != 0) return usage("no such verb", name);
    if (!o->format) return usage("missing option", "--format");
    if (strcmp(o->output, "-") == 0) return usage("missing option", "-o DIR");
    if (n > 1) return usage("one set at a time", operands[1]);
    return run_verb(export_set, o, n, operands);
}

int main(int argc, char **argv) {
    struct shard_options options;
    memset(&options, 0, sizeof options);
    struct cru_option_store store;
    cru_option_store_init(&store);
    const struct cru_command command = {
        .name = "shard",
        .summary = "Looks at shards, checks them, and exports them for other trainers.",
        .synopsis = "info [--json] PATH... | verify PATH... | cat [--ids] [--text] PATH... |\n"
                    "       crucible shard export --format F -o DIR PATH",
        .tables = {table},
        .targets = {&options},
        .n_tables = 1,
    };
    int n = 0;
    int status = cru_command_begin(&command, &store, argc, argv, &n);
    if (status < 0) status = cru_command_end("shard", run(&options, n, argv + 1));
    cru_option_store_release(&store);
    return status;
}
