/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <time.h>

#include "crucible/base/base.h"
#include "crucible/base/kept.h"
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

/* A batch on its way: in a worker's hands, parked where its turn has not come, or idle. */
struct carriage {
    struct cru_kept kept; /* of the idle ones; the first member */
    struct cru_batch batch;
    struct cru_doc *dead; /* dropped and wrong documents of the batch, in order of leaving */
    size_t n_dead, dead_capacity;
    struct cru_buffer rendered, rejected;
    size_t place; /* the stage it has come to; n_stages: the writer */
    bool waited;  /* it has been parked there: that stage's run() is done, and its turn has come */
    struct carriage *other; /* of all */
};

/*
 * What the threads of one segment share. `turn[k]` is the batch whose turn it is at stage k's
 * commit; turn[n_stages] is the writer's. A worker whose batch comes too early parks it and goes on
 * with another, so that one slow batch, or one slow write, holds up nobody:
 *
 *   place            turn   parked, by number modulo most
 *   0 commit          17    [  ][  ][18][19]      a worker is at the commit of 17
 *   1 commit          16    [16][  ][  ][  ]      ready: whoever is free next takes it
 *   2 writer          15    [  ][  ][  ][  ]      a worker writes 15
 */
struct running {
    struct segment *segment;
    pthread_mutex_t fill_lock; /* the source */
    pthread_mutex_t lock;      /* all below but `filled` */
    pthread_cond_t turned;
    uint64_t *turn;
    struct carriage **parked; /* [n_stages + 1][most] */
    struct cru_kept *idle;
    struct carriage *all;
    size_t most;           /* batches on their way at the same time */
    size_t on_way;         /* how many there are */
    uint64_t on_way_bytes; /* of raw input, in those of them that have been filled */
    uint64_t filled;       /* under fill_lock */
    bool source_ended;     /* under fill_lock */
    bool ended;            /* a worker has met the source's end */
    bool stop;
    enum cru_status status;
    struct cru_error *err;
    uint64_t documents, bytes; /* for progress */
};

struct worker {
    struct running *run;
    double clock; /* its CPU time when it was last asked for: that costs as much as a short document */
    struct cru_counts source_counts, *counts; /* a stage each; merged at the end */
};

static double cpu_seconds(clockid_t clock) {
    struct timespec t;
    (void)clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* CPU seconds of this thread since it was asked last. */
static double lap(struct worker *w) {
    double before = w->clock;
    w->clock = cpu_seconds(CLOCK_THREAD_CPUTIME_ID);
    return w->clock - before;
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

/* True when it is the batch's turn at its place. Otherwise it is parked and no longer the caller's.
 */
static bool take_turn(struct running *run, struct carriage *c) {
    if (c->waited) {
        c->waited = false;
        return true;
    }
    (void)pthread_mutex_lock(&run->lock);
    bool go = run->turn[c->place] == c->batch.number && !run->stop;
    if (!go) {
        c->waited = true;
        run->parked[c->place * run->most + c->batch.number % run->most] = c;
    }
    (void)pthread_mutex_unlock(&run->lock);
    return go;
}

static void pass_turn(struct running *run, size_t place) {
    (void)pthread_mutex_lock(&run->lock);
    run->turn[place]++;
    (void)pthread_cond_broadcast(&run->turned);
    (void)pthread_mutex_unlock(&run->lock);
}

/* The parked batch that may go on, nearest to the writer first. Under the lock. */
static struct carriage *next_ready(struct running *run) {
    for (size_t place = run->segment->n_stages + 1; place-- > 0;) {
        struct carriage **at = &run->parked[place * run->most + run->turn[place] % run->most],
                        *c = *at;
        if (!c) continue;
        *at = NULL;
        return c;
    }
    return NULL;
}

/* Whether one more batch may be read: beyond one a thread only while batches are of ordinary size.
 */
static bool may_fill(const struct running *run) {
    size_t threads = (size_t)run->segment->pipeline->common->threads;
    return !run->ended &&
           (run->on_way < threads ||
            (run->on_way < run->most && run->on_way_bytes < 2 * CRU_BATCHES_A_THREAD * threads * CRU_BATCH_BYTES));
}

static void carriage_free(struct carriage *c) {
    free(c->dead);
    cru_buffer_release(&c->rendered);
    cru_buffer_release(&c->rejected);
    cru_batch_release(&c->batch);
    free(c);
}

/* A carriage to fill, an old one or a new one. Under the lock. */
static struct carriage *carriage_take(struct running *run) {
    struct carriage *c = (struct carriage *)cru_kept_take(&run->idle);
    if (!c) {
        c = calloc(1, sizeof *c);
        if (!c) return NULL;
        c->kept.taker = cru_thread_mark();
        cru_batch_init(&c->batch);
        c->other = run->all;
        run->all = c;
    }
    c->n_dead = c->place = 0;
    c->waited = false;
    run->on_way++;
    return c;
}

/* What a free worker does next: go on with a batch that has waited (`waited` is set), or fill an
 * empty one. CRU_END when nothing is left or the run has been stopped. */
static enum cru_status next_work(struct running *run, struct carriage **c, struct cru_error *err) {
    enum cru_status s = CRU_OK;
    *c = NULL;
    (void)pthread_mutex_lock(&run->lock);
    while (!*c && s == CRU_OK) {
        if (run->stop || (run->ended && run->on_way == 0))
            s = CRU_END;
        else if ((*c = next_ready(run)))
            break;
        else if (!may_fill(run))
            (void)pthread_cond_wait(&run->turned, &run->lock);
        else if (!(*c = carriage_take(run)))
            s = cru_fail_memory(err, "batch");
    }
    (void)pthread_mutex_unlock(&run->lock);
    return s;
}

/* The batch has come to its end; or there was none to fill it with. */
static void carriage_give(struct running *run, struct carriage *c, bool ended) {
    (void)pthread_mutex_lock(&run->lock);
    run->ended = run->ended || ended;
    run->on_way--;
    run->on_way_bytes -= c->batch.bytes;
    cru_kept_give(&run->idle, &c->kept);
    (void)pthread_cond_broadcast(&run->turned);
    (void)pthread_mutex_unlock(&run->lock);
}

/* Moves documents that are no longer living out of the batch, counting all of them. */
static enum cru_status sweep(struct carriage *c, struct cru_counts *counts, bool count_living,
                             struct cru_error *err) {
    struct cru_batch *batch = &c->batch;
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
        if (c->n_dead == c->dead_capacity) {
            size_t capacity = c->dead_capacity ? 2 * c->dead_capacity : 64;
            struct cru_doc *dead = realloc(c->dead, capacity * sizeof *dead);
            if (!dead) return cru_fail_memory(err, "batch");
            c->dead = dead;
            c->dead_capacity = capacity;
        }
        c->dead[c->n_dead++] = *doc;
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

static enum cru_status run_stage(struct worker *w, struct carriage *c, size_t k,
                                 struct cru_error *err) {
    struct segment *segment = w->run->segment;
    struct cru_stage *stage = segment->stages[k];
    struct cru_counts *counts = &w->counts[k];
    const struct cru_stage_class *class = stage->class;
    bool replay = segment->replay_first && k == 0;
    count_in(counts, &c->batch, replay);
    enum cru_status s = CRU_OK;
    enum cru_status (*work)(struct cru_stage *, struct cru_batch *, struct cru_error *) =
        replay ? class->replay : class->run;
    if (work) s = work(stage, &c->batch, err);
    counts->seconds += lap(w);
    return s;
}

static enum cru_status commit_stage(struct worker *w, struct carriage *c, size_t k,
                                    struct cru_error *err) {
    struct cru_stage *stage = w->run->segment->stages[k];
    enum cru_status s = stage->class->commit(stage, &c->batch, err);
    w->counts[k].seconds += lap(w);
    if (s == CRU_OK) pass_turn(w->run, k);
    return s;
}

/* From the stage the batch has come to on to the writer; *parked: it had to wait for a turn. */
static enum cru_status through_stages(struct worker *w, struct carriage *c, bool *parked,
                                      struct cru_error *err) {
    struct segment *segment = w->run->segment;
    for (; c->place < segment->n_stages; c->place++) {
        size_t k = c->place;
        bool replay = segment->replay_first && k == 0;
        bool spooled = segment->spools_last && k + 1 == segment->n_stages;
        bool commits = segment->stages[k]->class->commit && !replay;
        enum cru_status s = CRU_OK;
        if (!c->waited) {
            s = run_stage(w, c, k, err);
            if (s == CRU_OK) s = sweep(c, &w->counts[k], !commits && !spooled, err);
        }
        if (s) return s;
        if (!commits) continue;
        *parked = !take_turn(w->run, c);
        if (*parked) return CRU_OK;
        s = commit_stage(w, c, k, err);
        if (s == CRU_OK) s = sweep(c, &w->counts[k], !spooled, err);
        if (s) return s;
    }
    return CRU_OK;
}

/* Remembers what was wrong with the first wrong document; in batch order, so always the same one.
 */
static void note_wrong(struct cru_run_notes *notes, const struct cru_doc *doc) {
    if (notes->first_wrong[0]) return;
    struct cru_span why = cru_doc_meta(doc, "drop");
    (void)snprintf(notes->first_wrong, sizeof notes->first_wrong, "'%.*s': %.*s",
                   (int)(doc->id.n > 120 ? 120 : doc->id.n), doc->id.p ? doc->id.p : "",
                   (int)(why.n > 240 ? 240 : why.n), why.p ? why.p : "");
}

static enum cru_status write_batch(struct running *run, struct carriage *c, struct cru_error *err) {
    struct segment *segment = run->segment;
    struct cru_pipeline *pipeline = segment->pipeline;
    for (size_t i = 0; i < c->n_dead; i++)
        if (c->dead[i].fate == CRU_WRONG) {
            note_wrong(&pipeline->notes, &c->dead[i]);
            if (pipeline->common->strict)
                return cru_fail(err, CRU_BAD, "stopped at a bad record: %s",
                                pipeline->notes.first_wrong);
        }
    enum cru_status s = CRU_OK;
    if (pipeline->rejects)
        s = cru_output_write(pipeline->rejects, c->rejected.p, c->rejected.n, err);
    if (s && s != CRU_END) return s; /* nobody reads the rejects any more: go on */
    s = CRU_OK;
    if (segment->target.spool)
        s = cru_spool_write(segment->target.spool, &c->batch, err);
    else if (segment->target.output)
        s = cru_output_write(segment->target.output, c->rendered.p, c->rendered.n, err);
    run->documents += c->batch.n + c->n_dead;
    run->bytes += c->batch.bytes;
    if (pipeline->progress)
        pipeline->progress(pipeline->progress_context, run->documents, run->bytes);
    return s;
}

static enum cru_status parse_batch(struct worker *w, struct carriage *c, struct cru_error *err) {
    struct segment *segment = w->run->segment;
    enum cru_status s = segment->source.parse(segment->source.context, &c->batch, err);
    if (s == CRU_OK && segment->source_counts) {
        w->source_counts.in += c->batch.n;
        for (size_t i = 0; i < c->batch.n; i++) w->source_counts.bytes_in += c->batch.docs[i].raw.n;
        s = sweep(c, &w->source_counts, true, err);
    }
    w->source_counts.seconds += lap(w);
    return s;
}

static enum cru_status render_batch(const struct segment *segment, struct carriage *c,
                                    struct cru_error *err) {
    const char *text_field = segment->pipeline->common->text_field;
    cru_buffer_clear(&c->rendered);
    cru_buffer_clear(&c->rejected);
    if (segment->target.output)
        for (size_t i = 0; i < c->batch.n; i++)
            cru_json_render(&c->batch.docs[i], text_field, &c->rendered);
    if (segment->pipeline->rejects)
        for (size_t i = 0; i < c->n_dead; i++)
            cru_json_render(&c->dead[i], text_field, &c->rejected);
    return c->rendered.failed || c->rejected.failed ? cru_fail_memory(err, "batch") : CRU_OK;
}

/* Carries a batch on, to its end or to where it must wait. */
static enum cru_status carry_batch(struct worker *w, struct carriage *c, struct cru_error *err) {
    struct running *run = w->run;
    struct segment *segment = run->segment;
    bool parked = false, at_writer = c->waited && c->place == segment->n_stages;
    enum cru_status s = c->waited ? CRU_OK : parse_batch(w, c, err);
    if (s == CRU_OK && !at_writer) s = through_stages(w, c, &parked, err);
    if (s || parked) return s;
    if (!at_writer) s = render_batch(segment, c, err);
    if (s || !take_turn(run, c)) return s;
    s = write_batch(run, c, err);
    if (s) return s;
    pass_turn(run, segment->n_stages);
    carriage_give(run, c, false);
    return CRU_OK;
}

/* Fills an empty batch from the source. CRU_END when there is nothing left. */
static enum cru_status fill_batch(struct worker *w, struct carriage *c, struct cru_error *err) {
    struct running *run = w->run;
    struct cru_pipeline *pipeline = run->segment->pipeline;
    struct cru_source *source = &run->segment->source;
    cru_batch_clear(&c->batch);
    (void)pthread_mutex_lock(&run->fill_lock);
    enum cru_status s = run->source_ended ? CRU_END : CRU_OK;
    while (!run->source_ended) {
        s = source->fill(source->context, &c->batch, err);
        if (s == CRU_END) run->source_ended = true;
        if (s != CRU_BAD) break;
        /* An input was cut or is damaged: what was good has been delivered; say so and go on. */
        pipeline->notes.bad_inputs++;
        cru_buffer_printf(&pipeline->notes.input_errors, "%s\n", err->message);
        if (pipeline->common->strict) break;
    }
    if (c->batch.n > 0 && (s == CRU_OK || s == CRU_END)) {
        c->batch.number = run->filled++;
        s = CRU_OK;
    } else if (s == CRU_OK) {
        s = cru_fail(err, CRU_FATAL, "the source gave an empty batch");
    }
    (void)pthread_mutex_unlock(&run->fill_lock);
    if (s) return s;
    (void)pthread_mutex_lock(&run->lock);
    run->on_way_bytes += c->batch.bytes;
    (void)pthread_mutex_unlock(&run->lock);
    return CRU_OK;
}

static void merge_counts(struct worker *w) {
    struct running *run = w->run;
    struct segment *segment = run->segment;
    struct cru_error err;
    enum cru_status s = CRU_OK;
    (void)pthread_mutex_lock(&run->lock);
    if (segment->source_counts)
        s = cru_counts_merge(segment->source_counts, &w->source_counts, &err);
    for (size_t k = 0; s == CRU_OK && k < segment->n_stages; k++)
        s = cru_counts_merge(&segment->stages[k]->counts, &w->counts[k], &err);
    (void)pthread_mutex_unlock(&run->lock);
    if (s) fail_run(run, s, &err);
}

static enum cru_status work(struct worker *w, struct cru_error *err) {
    for (;;) {
        struct carriage *c;
        enum cru_status s = next_work(w->run, &c, err);
        if (s) return s;
        (void)lap(w);
        if (!c->waited) {
            s = fill_batch(w, c, err);
            if (s == CRU_END) {
                cru_batch_clear(&c->batch);
                carriage_give(w->run, c, true);
                continue;
            }
        }
        if (s == CRU_OK) s = carry_batch(w, c, err);
        if (s) {
            fail_run(w->run, s, err);
            return CRU_END;
        }
    }
}

static void worker_body(void *context, int thread) {
    (void)thread;
    struct running *run = context;
    struct worker w = {.run = run};
    struct cru_error err = {CRU_OK, ""};
    w.counts = calloc(run->segment->n_stages + 1, sizeof *w.counts);
    if (!w.counts) {
        (void)cru_fail_memory(&err, "batch");
        fail_run(run, CRU_FATAL, &err);
        return;
    }
    enum cru_status s = work(&w, &err);
    if (s != CRU_END) fail_run(run, s, &err);
    merge_counts(&w);
    cru_counts_release(&w.source_counts);
    for (size_t k = 0; k < run->segment->n_stages; k++) cru_counts_release(&w.counts[k]);
    free(w.counts);
}

static enum cru_status run_segment(struct segment *segment, struct cru_error *err) {
    struct running run = {.segment = segment, .err = err, .status = CRU_OK};
    size_t threads = (size_t)segment->pipeline->common->threads, places = segment->n_stages + 1;
    run.most = threads > 1 ? CRU_BATCHES_A_THREAD * threads : 1;
    run.turn = calloc(places, sizeof *run.turn);
    run.parked = calloc(places * run.most, sizeof *run.parked);
    if (!run.turn || !run.parked) {
        free(run.turn);
        free(run.parked);
        return cru_fail_memory(err, "pipeline");
    }
    (void)pthread_mutex_init(&run.fill_lock, NULL);
    (void)pthread_mutex_init(&run.lock, NULL);
    (void)pthread_cond_init(&run.turned, NULL);
    cru_parallel_threads((int)threads, worker_body, &run);
    (void)pthread_cond_destroy(&run.turned);
    (void)pthread_mutex_destroy(&run.lock);
    (void)pthread_mutex_destroy(&run.fill_lock);
    while (run.all) {
        struct carriage *other = run.all->other;
        carriage_free(run.all);
        run.all = other;
    }
    free(run.parked);
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

void cru_run_notes_release(struct cru_run_notes *notes) {
    cru_buffer_release(&notes->input_errors);
}

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
