/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stage is one struct, written once: a command line drives a chain of one (cmd/), a recipe a
 * chain of many in one process (crucible/build).
 *
 *   run(batch)      in parallel, any order of batches; works on the batch's documents in place
 *   commit(batch)   optional; called for the same batches one at a time, in batch order
 *   finish()        optional; for a stage that must see everything first: once, after the last commit.
 *                   The pipeline has then kept all living documents in a spool (crucible/stage/spool.h)
 *   next(&pick)     optional, with finish: which spooled document comes next (default: all, in order)
 *   replay(batch)   with finish; in parallel, on the documents read back from the spool: doc->index is
 *                   its place in the spool, doc->copy the pick's copy
 *   close()         optional; once, after the last document: completes what the stage itself writes
 *   stats(json)     optional; appends members to the stage's object in --stats: ,"key":value
 *   tell(text)      optional; appends lines for people behind the counts that a run ends with
 *   release()       frees what open allocated; always called once if open was called, even if it failed
 *
 * Rules. A document is dropped with cru_doc_drop; the pipeline moves it out of the batch after the
 * call, so a stage sees only living documents (fate == CRU_KEEP) and never compacts. CRU_BAD is not
 * an answer of a stage: a wrong document is marked with cru_doc_wrong. The results must not depend on
 * thread count: run() may write only its batch, and sums over documents belong in commit().
 * scratch is free for a stage from run() to commit() of the same batch. A stage with finish() indexes
 * what it stores by counting the documents it sees in commit(): that count is doc->index at replay.
 */
#ifndef CRU_STAGE_STAGE_H
#define CRU_STAGE_STAGE_H

#include "crucible/base/options.h"
#include "crucible/doc/document.h"
#include "crucible/doc/json.h"

/* What is the same for every stage of a run. Owned by the driver; read-only for stages. */
struct cru_common {
    int64_t threads; /* at least 1 */
    int64_t seed;
    uint64_t memory;        /* bytes an index may use before it spills; 0 = no limit */
    const char *tmpdir;     /* never NULL */
    const char *text_field; /* never NULL */
    const char *output;     /* -o, or "-" */
    bool strict, quiet, verbose;
};

struct cru_pick {
    uint64_t index; /* of a spooled document */
    uint32_t copy;  /* 0 for the first time, 1.. for repetitions */
};

struct cru_reason { /* documents dropped, by rule */
    const char *rule;
    uint64_t documents, bytes;
};

struct cru_counts {
    uint64_t in, out, dropped, wrong;    /* documents; copies count in `added` */
    uint64_t added;                      /* documents that a stage made (repetitions) */
    uint64_t bytes_in, bytes_out;        /* text bytes */
    double seconds;                      /* CPU seconds in this stage, all threads */
    struct cru_reason *reasons;          /* sorted by rule */
    size_t n_reasons;
};

struct cru_stage;

struct cru_stage_class {
    const char *name;                 /* "filter": the command, and the key in a recipe */
    const char *summary;              /* one line for `crucible help` */
    const char *synopsis;             /* "[FILE...]" for the usage line */
    const struct cru_option *options; /* offsets into the stage's own struct */
    size_t size;                      /* of that struct, whose first member is struct cru_stage */
    bool sink;                        /* documents end here; none are written to the output */
    enum cru_status (*open)(struct cru_stage *, struct cru_error *);
    enum cru_status (*run)(struct cru_stage *, struct cru_batch *, struct cru_error *);
    enum cru_status (*commit)(struct cru_stage *, struct cru_batch *, struct cru_error *);
    enum cru_status (*finish)(struct cru_stage *, struct cru_error *);
    enum cru_status (*next)(struct cru_stage *, struct cru_pick *); /* CRU_OK or CRU_END */
    enum cru_status (*replay)(struct cru_stage *, struct cru_batch *, struct cru_error *);
    enum cru_status (*close)(struct cru_stage *, struct cru_error *);
    void (*stats)(struct cru_stage *, struct cru_buffer *json);
    void (*tell)(struct cru_stage *, struct cru_buffer *text);
    void (*release)(struct cru_stage *);
};

/* The first member of every stage's struct. */
struct cru_stage {
    const struct cru_stage_class *class;
    const struct cru_common *common;
    struct cru_option_store store; /* owns the strings of its options */
    struct cru_counts counts;      /* kept by the pipeline */
    bool opened;
    bool streaming; /* set in open(): with these options finish() needs no second look at the documents,
                       so they are not spooled; replay() is not called, finish() is, before close() */
};

/* A stage with its options at their defaults. NULL when memory is short. */
struct cru_stage *cru_stage_new(const struct cru_stage_class *class,
                                const struct cru_common *common);
void cru_stage_free(struct cru_stage *stage); /* calls release if it was opened */

/* All stages that take documents, in the order documents meet them; ends with NULL. */
extern const struct cru_stage_class *const cru_stage_classes[];
const struct cru_stage_class *cru_stage_class_find(const char *name);

extern const struct cru_stage_class cru_filter_stage, cru_dedup_stage, cru_decontaminate_stage,
    cru_score_stage, cru_embed_stage, cru_select_stage, cru_mix_stage, cru_tokenize_stage;

#endif
