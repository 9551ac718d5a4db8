/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `decontaminate`: documents that share an n-gram with an evaluation set are dropped, marked, or
 * cut. Where it was found goes to crucible.decontaminate in all three cases.
 */
#include <math.h>

#include "crucible/base/base.h"
#include "crucible/dedup/evaluation.h"
#include "crucible/stage/stage.h"

struct decontaminate {
    struct cru_stage base;
    struct cru_string_list against;
    int64_t ngram;
    const char *action;

    struct cru_budget budget;
    struct cru_fold *fold;
    struct cru_decontaminate index;
    uint64_t kept_overlapping; /* marked or cut, and still there */
};

static const struct cru_option options[] = {
    {CRU_OPTION_LIST, 0, "against", offsetof(struct decontaminate, against), "FILE|DIR", NULL, NULL,
     0, 0, "evaluation set: a .jsonl, .json or text file, or a directory of them"},
    {CRU_OPTION_INT, 0, "ngram", offsetof(struct decontaminate, ngram), "N", "13", NULL, 1,
     CRU_DECONTAMINATE_NGRAM_MAX, "words in a row that make an overlap"},
    {CRU_OPTION_CHOICE, 0, "action", offsetof(struct decontaminate, action), "drop|mark|cut",
     "drop", NULL, 0, 0,
     "drop the document, keep it with a mark, or take the lines with overlaps out of it"},
    {.type = CRU_OPTION_END},
};

static enum cru_status decontaminate_open(struct cru_stage *stage, struct cru_error *err) {
    struct decontaminate *d = (struct decontaminate *)stage;
    d->budget =
        (struct cru_budget){.limit = stage->common->memory, .tmpdir = stage->common->tmpdir};
    d->fold = cru_fold_new();
    cru_decontaminate_init(&d->index, d->fold, (size_t)d->ngram, &d->budget);
    if (!d->fold) return cru_fail_memory(err, "decontaminate");
    if (!d->against.n)
        return cru_fail(err, CRU_USAGE, "no evaluation set: give --against FILE or DIR");
    enum cru_status s = CRU_OK;
    for (size_t i = 0; !s && i < d->against.n; i++)
        s = cru_evaluation_add(&d->index, d->against.items[i], err);
    return s ? s : cru_decontaminate_build(&d->index, err);
}

/* {"hits":2,"share":0.31,"file":"mmlu.jsonl","record":17} into the document. */
static enum cru_status note_overlap(struct cru_batch *batch, struct cru_doc *doc,
                                    const struct cru_overlap *o) {
    struct cru_buffer json;
    cru_buffer_init(&json);
    cru_buffer_printf(&json, "{\"hits\":%llu,\"share\":", (unsigned long long)o->hits);
    cru_buffer_add_json_number(&json, (double)o->covered / (double)o->words);
    cru_buffer_add_string(&json, ",\"file\":");
    struct cru_span name = cru_span_of(o->file);
    cru_buffer_add_json_string(&json, cru_utf8_valid(name) ? name : CRU_SPAN("?"));
    cru_buffer_printf(&json, ",\"record\":%llu}", (unsigned long long)o->record);
    struct cru_span span = {NULL, 0};
    if (!json.failed) span = cru_arena_copy(&batch->arena, cru_buffer_span(&json));
    cru_buffer_release(&json);
    return cru_doc_set_meta(batch, doc, "decontaminate", span);
}

static enum cru_status act(const struct decontaminate *d, struct cru_batch *batch,
                           struct cru_doc *doc, const struct cru_overlap *o) {
    enum cru_status s = note_overlap(batch, doc, o);
    if (s || strcmp(d->action, "mark") == 0) return s;
    if (strcmp(d->action, "cut") == 0) {
        struct cru_span rest = cru_decontaminate_cut(doc->text, o, &batch->arena);
        if (!rest.p) return CRU_FATAL;
        if (cru_span_trim(rest).n) {
            cru_doc_set_text(doc, rest);
            return CRU_OK;
        }
    }
    return cru_doc_drop(batch, doc, "decontaminate", "overlap", (double)o->hits, 0);
}

static enum cru_status decontaminate_run(struct cru_stage *stage, struct cru_batch *batch,
                                         struct cru_error *err) {
    const struct decontaminate *d = (const struct decontaminate *)stage;
    struct cru_overlap *overlaps = cru_arena_calloc(&batch->arena, batch->n + 1, sizeof *overlaps);
    struct cru_overlap_work *work = cru_overlap_work_new(&batch->arena);
    if (!overlaps || !work) return cru_fail_memory(err, "overlaps");
    for (size_t i = 0; i < batch->n; i++) {
        struct cru_doc *doc = &batch->docs[i];
        doc->scratch = &overlaps[i];
        enum cru_status s =
            cru_decontaminate_match(&d->index, work, doc->text, &batch->arena, &overlaps[i], err);
        if (s) return s;
        if (overlaps[i].hits && act(d, batch, doc, &overlaps[i]))
            return cru_fail_memory(err, "overlaps");
    }
    return CRU_OK;
}

static enum cru_status decontaminate_commit(struct cru_stage *stage, struct cru_batch *batch,
                                            struct cru_error *err) {
    struct decontaminate *d = (struct decontaminate *)stage;
    (void)err;
    for (size_t i = 0; i < batch->n; i++) {
        const struct cru_overlap *o = batch->docs[i].scratch;
        if (o->hits && batch->docs[i].fate == CRU_KEEP) d->kept_overlapping++;
    }
    return CRU_OK;
}

static void decontaminate_stats(struct cru_stage *stage, struct cru_buffer *json) {
    const struct decontaminate *d = (const struct decontaminate *)stage;
    cru_buffer_printf(json,
                      ",\"ngram\":%llu,\"kept_overlapping\":%llu,\"evaluation_words\":%llu"
                      ",\"evaluation\":[",
                      (unsigned long long)d->ngram, (unsigned long long)d->kept_overlapping,
                      (unsigned long long)d->index.words.n);
    for (size_t i = 0; i < d->index.n_files; i++) {
        const struct cru_evaluation_file *file = &d->index.files[i];
        struct cru_span name = cru_span_of(file->name);
        cru_buffer_add_string(json, i ? ",{\"file\":" : "{\"file\":");
        cru_buffer_add_json_string(json, cru_utf8_valid(name) ? name : CRU_SPAN("?"));
        cru_buffer_printf(json, ",\"texts\":%llu,\"too_short\":%llu}",
                          (unsigned long long)file->texts, (unsigned long long)file->too_short);
    }
    cru_buffer_add_string(json, "]");
}

static void decontaminate_release(struct cru_stage *stage) {
    struct decontaminate *d = (struct decontaminate *)stage;
    cru_decontaminate_release(&d->index);
    cru_fold_free(d->fold);
}

const struct cru_stage_class cru_decontaminate_stage = {
    .name = "decontaminate",
    .summary = "Drops, marks or cuts documents that overlap with evaluation sets.",
    .synopsis = "--against FILE|DIR [options] [FILE...]",
    .options = options,
    .size = sizeof(struct decontaminate),
    .open = decontaminate_open,
    .run = decontaminate_run,
    .commit = decontaminate_commit,
    .stats = decontaminate_stats,
    .release = decontaminate_release,
};
