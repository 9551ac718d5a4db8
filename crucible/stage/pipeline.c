/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <time.h>

#include "crucible/base/base.h"
#include "crucible/base/output.h"
#include "crucible/base/parallel.h"
#include "crucible/stage/pipeline.h"

/* A piece of the chain between two spools. */
struct segment {
    struct cru_source source;
    struct cru_counts *source_counts; /* of the reader; NULL behind a spool */
    struct cru_stage **stages;
    size_t n_stages;
    bool replay_first; /* stages[0] sees its documents for the second time */
    bool spools_last;  /* the last stage's documents go to target.spool and come back */
    struct cru_target target;
    struct cru_pipeline *pipeline;
};

/* What the threads of one segment share. `turn[k]` is the batch whose turn it is at stage k's commit;
 * turn[n_stages] is the writer's. */
struct running {
    struct segment *segment;
    pthread_mutex_t fill_lock; /* the source */
    pthread_mutex_t lock;      /* all below */
    pthread_cond_t turned;
    uint64_t *turn;
    uint64_t filled; /* under fill_lock */
    bool ended;      /* under fill_lock */
    bool stop;
    enum cru_status status;
    struct cru_error *err;
    uint64_t documents, bytes; /* for progress */
};

struct worker {
    struct running *run;
    struct cru_batch batch;
    struct cru_doc *dead; /* dropped and wrong documents of the batch, in order of leaving */
    size_t n_dead, dead_capacity;
    struct cru_counts source_counts, *counts; /* a stage each; merged at the end */
    struct cru_buffer rendered, rejected;
};

static double cpu_seconds(clockid_t clock) {
    struct timespec t;
    (void)clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The first failure stays; everybody stops. */
static void fail_run(struct running *run, enum cru_status status, const struct cru_error *err) {
    (void)pthread_mutex_lock(&run->lock);
    if (!run->stop) {
        run->status = status;
        if (err && run->err) *run->err = *err;
        run->stop = true;
    }
    (void)pthread_cond_broadcast(&run->turned);
    (void)pthread_mutex_unlock(&run->lock);
}

/* False when the run has been stopped. */
static bool wait_turn(struct running *run, size_t place, uint64_t number) {
    (void)pthread_mutex_lock(&run->lock);
    while (run->turn[place] != number && !run->stop)
        (void)pthread_cond_wait(&run->turned, &run->lock);
    bool go = !run->stop;
    (void)pthread_mutex_unlock(&run->lock);
    return go;
}

static void pass_turn(struct running *run, size_t place) {
    (void)pthread_mutex_lock(&run->lock);
    run->turn[place]++;
    (void)pthread_cond_broadcast(&run->turned);
    (void)pthread_mutex_unlock(&run->lock);
}

/* Moves documents that are no longer living out of the batch, counting all of them. */
static enum cru_status sweep(struct worker *w, struct cru_counts *counts, bool count_living,
                             struct cru_error *err) {
    struct cru_batch *batch = &w->batch;
    size_t kept = 0;
    for (size_t i = 0; i < batch->n; i++) {
        struct cru_doc *doc = &batch->docs[i];
        if (counts && (doc->fate != CRU_KEEP || count_living)) {
            enum cru_status s = cru_counts_add(counts, doc, err);
            if (s) return s;
        }
        if (doc->fate == CRU_KEEP) {
            if (kept != i) batch->docs[kept] = *doc;
            kept++;
            continue;
        }
        if (w->n_dead == w->dead_capacity) {
            size_t capacity = w->dead_capacity ? 2 * w->dead_capacity : 64;
            struct cru_doc *dead = realloc(w->dead, capacity * sizeof *dead);
            if (!dead) return cru_fail_memory(err, "batch");
            w->dead = dead;
            w->dead_capacity = capacity;
        }
        w->dead[w->n_dead++] = *doc;
    }
    batch->n = kept;
    return CRU_OK;
}

static void count_in(struct cru_counts *counts, const struct cru_batch *batch, bool replay) {
    for (size_t i = 0; i < batch->n; i++) {
        if (replay) {
            counts->added += batch->docs[i].copy > 0;
            continue;
        }
        counts->in++;
        counts->bytes_in += batch->docs[i].text.n;
    }
}

static enum cru_status run_stage(struct worker *w, size_t k, struct cru_error *err) {
    struct segment *segment = w->run->segment;
    struct cru_stage *stage = segment->stages[k];
    struct cru_counts *counts = &w->counts[k];
    const struct cru_stage_class *class = stage->class;
    bool replay = segment->replay_first && k == 0;
    bool spooled = segment->spools_last && k + 1 == segment->n_stages;
    count_in(counts, &w->batch, replay);
    double start = cpu_seconds(CLOCK_THREAD_CPUTIME_ID);
    enum cru_status s = CRU_OK;
    enum cru_status (*work)(struct cru_stage *, struct cru_batch *, struct cru_error *) =
        replay ? class->replay : class->run;
    if (work) s = work(stage, &w->batch, err);
    counts->seconds += cpu_seconds(CLOCK_THREAD_CPUTIME_ID) - start;
    if (s) return s;
    bool commits = class->commit && !replay;
    s = sweep(w, counts, !commits && !spooled, err);
    if (s || !commits) return s;
    if (!wait_turn(w->run, k, w->batch.number)) return CRU_END;
    start = cpu_seconds(CLOCK_THREAD_CPUTIME_ID);
    s = class->commit(stage, &w->batch, err);
    counts->seconds += cpu_seconds(CLOCK_THREAD_CPUTIME_ID) - start;
    if (s) return s;
    pass_turn(w->run, k);
    return sweep(w, counts, !spooled, err);
}

/* Remembers what was wrong with the first wrong document; in batch order, so always the same one. */
static void note_wrong(struct cru_run_notes *notes, const struct cru_doc *doc) {
    if (notes->first_wrong[0]) return;
    struct cru_span why = cru_doc_meta(doc, "drop");
    (void)snprintf(notes->first_wrong, sizeof notes->first_wrong, "'%.*s': %.*s",
                   (int)(doc->id.n > 120 ? 120 : doc->id.n), doc->id.p ? doc->id.p : "",
                   (int)(why.n > 240 ? 240 : why.n), why.p ? why.p : "");
}

static enum cru_status write_batch(struct worker *w, struct cru_error *err) {
    struct running *run = w->run;
    struct segment *segment = run->segment;
    struct cru_pipeline *pipeline = segment->pipeline;
    for (size_t i = 0; i < w->n_dead; i++)
        if (w->dead[i].fate == CRU_WRONG) {
            note_wrong(&pipeline->notes, &w->dead[i]);
            if (pipeline->common->strict)
                return cru_fail(err, CRU_BAD, "stopped at a bad record: %s",
                                pipeline->notes.first_wrong);
        }
    enum cru_status s = CRU_OK;
    if (pipeline->rejects)
        s = cru_output_write(pipeline->rejects, w->rejected.p, w->rejected.n, err);
    if (s && s != CRU_END) return s; /* nobody reads the rejects any more: go on */
    s = CRU_OK;
    if (segment->target.spool) s = cru_spool_write(segment->target.spool, &w->batch, err);
    else if (segment->target.output)
        s = cru_output_write(segment->target.output, w->rendered.p, w->rendered.n, err);
    run->documents += w->batch.n + w->n_dead;
    run->bytes += w->batch.bytes;
    if (pipeline->progress)
        pipeline->progress(pipeline->progress_context, run->documents, run->bytes);
    return s;
}

static enum cru_status carry_batch(struct worker *w, struct cru_error *err) {
    struct running *run = w->run;
    struct segment *segment = run->segment;
    const char *text_field = segment->pipeline->common->text_field;
    double start = cpu_seconds(CLOCK_THREAD_CPUTIME_ID);
    enum cru_status s = segment->source.parse(segment->source.context, &w->batch, err);
    w->n_dead = 0;
    if (s == CRU_OK && segment->source_counts) {
        w->source_counts.in += w->batch.n;
        for (size_t i = 0; i < w->batch.n; i++) w->source_counts.bytes_in += w->batch.docs[i].raw.n;
        s = sweep(w, &w->source_counts, true, err);
    }
    w->source_counts.seconds += cpu_seconds(CLOCK_THREAD_CPUTIME_ID) - start;
    for (size_t k = 0; s == CRU_OK && k < segment->n_stages; k++) s = run_stage(w, k, err);
    if (s) return s;
    cru_buffer_clear(&w->rendered);
    cru_buffer_clear(&w->rejected);
    if (segment->target.output)
        for (size_t i = 0; i < w->batch.n; i++)
            cru_json_render(&w->batch.docs[i], text_field, &w->rendered);
    if (segment->pipeline->rejects)
        for (size_t i = 0; i < w->n_dead; i++)
            cru_json_render(&w->dead[i], text_field, &w->rejected);
    if (w->rendered.failed || w->rejected.failed) return cru_fail_memory(err, "batch");
    if (!wait_turn(run, segment->n_stages, w->batch.number)) return CRU_END;
    s = write_batch(w, err);
    if (s == CRU_OK) pass_turn(run, segment->n_stages);
    return s;
}

/* Takes the next batch from the source. CRU_END when there is none. */
static enum cru_status take_batch(struct worker *w, struct cru_error *err) {
    struct running *run = w->run;
    struct cru_pipeline *pipeline = run->segment->pipeline;
    struct cru_source *source = &run->segment->source;
    cru_batch_clear(&w->batch);
    enum cru_status s = CRU_END;
    double start = cpu_seconds(CLOCK_THREAD_CPUTIME_ID);
    (void)pthread_mutex_lock(&run->fill_lock);
    while (!run->ended) {
        s = source->fill(source->context, &w->batch, err);
        if (s == CRU_END) run->ended = true;
        if (s != CRU_BAD) break;
        /* An input was cut or is damaged: what was good has been delivered; say so and go on. */
        pipeline->notes.bad_inputs++;
        cru_buffer_printf(&pipeline->notes.input_errors, "%s\n", err->message);
        if (pipeline->common->strict) break;
    }
    if (w->batch.n > 0 && (s == CRU_OK || s == CRU_END)) {
        w->batch.number = run->filled++;
        s = CRU_OK;
    } else if (s == CRU_OK) {
        s = cru_fail(err, CRU_FATAL, "the source gave an empty batch");
    }
    (void)pthread_mutex_unlock(&run->fill_lock);
    w->source_counts.seconds += cpu_seconds(CLOCK_THREAD_CPUTIME_ID) - start;
    return s;
}

static bool stopped(struct running *run) {
    (void)pthread_mutex_lock(&run->lock);
    bool stop = run->stop;
    (void)pthread_mutex_unlock(&run->lock);
    return stop;
}

static void merge_counts(struct worker *w) {
    struct running *run = w->run;
    struct segment *segment = run->segment;
    struct cru_error err;
    enum cru_status s = CRU_OK;
    (void)pthread_mutex_lock(&run->lock);
    if (segment->source_counts) s = cru_counts_merge(segment->source_counts, &w->source_counts, &err);
    for (size_t k = 0; s == CRU_OK && k < segment->n_stages; k++)
        s = cru_counts_merge(&segment->stages[k]->counts, &w->counts[k], &err);
    (void)pthread_mutex_unlock(&run->lock);
    if (s) fail_run(run, s, &err);
}

static void worker_body(void *context, int thread) {
    (void)thread;
    struct running *run = context;
    struct worker w = {.run = run};
    struct cru_error err = {CRU_OK, ""};
    cru_batch_init(&w.batch);
    w.counts = calloc(run->segment->n_stages + 1, sizeof *w.counts);
    if (!w.counts) {
        (void)cru_fail_memory(&err, "batch");
        fail_run(run, CRU_FATAL, &err);
        return;
    }
    while (!stopped(run)) {
        enum cru_status s = take_batch(&w, &err);
        if (s == CRU_END) break;
        if (s == CRU_OK) s = carry_batch(&w, &err);
        if (s == CRU_OK) continue;
        fail_run(run, s, &err);
        break;
    }
    merge_counts(&w);
    cru_counts_release(&w.source_counts);
    for (size_t k = 0; k < run->segment->n_stages; k++) cru_counts_release(&w.counts[k]);
    free(w.counts);
    free(w.dead);
    cru_buffer_release(&w.rendered);
    cru_buffer_release(&w.rejected);
    cru_batch_release(&w.batch);
}

static enum cru_status run_segment(struct segment *segment, struct cru_error *err) {
    struct running run = {.segment = segment, .err = err, .status = CRU_OK};
    run.turn = calloc(segment->n_stages + 1, sizeof *run.turn);
    if (!run.turn) return cru_fail_memory(err, "pipeline");
    (void)pthread_mutex_init(&run.fill_lock, NULL);
    (void)pthread_mutex_init(&run.lock, NULL);
    (void)pthread_cond_init(&run.turned, NULL);
    cru_parallel_threads((int)segment->pipeline->common->threads, worker_body, &run);
    (void)pthread_cond_destroy(&run.turned);
    (void)pthread_mutex_destroy(&run.lock);
    (void)pthread_mutex_destroy(&run.fill_lock);
    free(run.turn);
    return run.status;
}

static enum cru_status call_finish(struct cru_stage *stage, struct cru_error *err) {
    double start = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID);
    enum cru_status s = stage->class->finish(stage, err);
    stage->counts.seconds += cpu_seconds(CLOCK_PROCESS_CPUTIME_ID) - start;
    return s;
}

static bool needs_spool(const struct cru_stage *stage) {
    return stage->class->finish && !stage->streaming;
}

/* Segment by segment; the spool in front of a segment is freed when the segment has been run. */
static enum cru_status run_segments(struct cru_pipeline *p, struct cru_error *err) {
    struct cru_spool *before = NULL;
    struct cru_spool_reader *reader = NULL;
    enum cru_status s = CRU_OK;
    for (size_t from = 0, last = 0; s == CRU_OK && !last;) {
        struct segment segment = {.pipeline = p, .stages = p->stages + from};
        struct cru_spool *after = NULL;
        segment.replay_first = before != NULL;
        size_t to = from + (before != NULL);
        while (to < p->n_stages && !needs_spool(p->stages[to])) to++;
        last = to == p->n_stages;
        segment.n_stages = to - from + !last;
        segment.spools_last = !last;
        if (before) {
            segment.source = cru_source_spool(reader);
        } else {
            segment.source = p->source;
            segment.source_counts = &p->source_counts;
        }
        if (last) {
            segment.target = p->target;
        } else {
            s = cru_spool_create(NULL, p->common, &after, err);
            segment.target.spool = after;
        }
        if (s == CRU_OK) s = run_segment(&segment, err);
        if (s == CRU_OK && after) s = cru_spool_seal(after, err);
        cru_spool_reader_free(reader);
        cru_spool_free(before);
        reader = NULL;
        before = after;
        if (s == CRU_OK && after) {
            s = call_finish(p->stages[to], err);
            if (s == CRU_OK) s = cru_spool_reader_new(after, p->stages[to], &reader, err);
        }
        from = to;
    }
    cru_spool_reader_free(reader);
    cru_spool_free(before);
    return s;
}

enum cru_status cru_pipeline_run(struct cru_pipeline *p, struct cru_error *err) {
    enum cru_status s = CRU_OK;
    for (size_t k = 0; s == CRU_OK && k < p->n_stages; k++) {
        p->stages[k]->opened = true;
        if (p->stages[k]->class->open) s = p->stages[k]->class->open(p->stages[k], err);
    }
    if (s == CRU_OK) s = run_segments(p, err);
    for (size_t k = 0; s == CRU_OK && k < p->n_stages; k++) {
        struct cru_stage *stage = p->stages[k];
        if (stage->streaming && stage->class->finish) s = call_finish(stage, err);
        if (s == CRU_OK && stage->class->close) s = stage->class->close(stage, err);
    }
    return s;
}

void cru_run_notes_release(struct cru_run_notes *notes) { cru_buffer_release(&notes->input_errors); }

struct cru_source cru_source_spool(struct cru_spool_reader *reader) {
    return (struct cru_source){reader, cru_spool_fill, cru_spool_parse};
}

static enum cru_status reader_fill(void *context, struct cru_batch *batch, struct cru_error *err) {
    return cru_reader_fill(context, batch, err);
}

static enum cru_status reader_parse(void *context, struct cru_batch *batch, struct cru_error *err) {
    return cru_reader_parse(context, batch, err);
}

struct cru_source cru_source_reader(struct cru_reader *reader) {
    return (struct cru_source){reader, reader_fill, reader_parse};
}
