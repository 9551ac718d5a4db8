/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The select stage's state, shared by select_stage.c (documents in and out), select_pick.c (the
 * choice) and select_summary.c (what --stats says). Nobody else needs it. Everything that grows
 * with the documents is a column: one spill array with an element a document.
 */
#ifndef CRU_STAGE_SELECT_STATE_H
#define CRU_STAGE_SELECT_STATE_H

#include <stdatomic.h>

#include "crucible/base/spill.h"
#include "crucible/select/eesd.h"
#include "crucible/select/eesd_device.h"
#include "crucible/select/embed.h"
#include "crucible/select/npy.h"
#include "crucible/select/rups.h"
#include "crucible/select/strata.h"
#include "crucible/stage/select_journal.h"
#include "crucible/stage/stage.h"
#include "crucible/stage/static_view.h"
#include "crucible/stage/token_count.h"

enum { FACTORS = 3, VALUES = CRU_RUPS_AXES * FACTORS }; /* of a composite axis; of all axes */

/* A number of a document, or with `per` the share of one number in another. */
struct factor {
    const char *path, *per;
};

enum weights { WEIGHTS_RUPS, WEIGHTS_NONE, WEIGHTS_FIELD };

struct axis {
    const char *name;
    struct factor factor[FACTORS];
    size_t first, n;  /* of values[] */
    uint64_t missing; /* documents without any of its numbers */
};

struct cru_select {
    struct cru_stage base;
    /* options */
    int64_t budget, budget_tokens, add, strata, dim, parts;
    const char *embeddings, *axes, *weights, *method, *device, *views, *model, *vocab;
    double quota, lambda, epsilon, checkpoint;
    bool mark;
    /* open */
    struct cru_embed_spec spec;
    struct cru_static_view *view; /* of the static view; NULL without --static */
    struct cru_token_counter *counter;
    struct cru_error no_counter;    /* why there is none; told when a document needs one */
    struct cru_npy_reader *vectors; /* of --embeddings */
    struct cru_npy_ids *ids;        /* of its rows; NULL: rows are in document order */
    enum weights weights_kind;
    enum cru_method way;
    enum cru_device where;
    struct axis axis[CRU_RUPS_AXES];
    size_t n_axes, n_values;
    bool fused; /* some axis has numbers: crucible.rups is written */
    /* commit: columns */
    struct cru_budget memory;
    struct cru_spill_array rows, bytes, tokens, field, values[VALUES];
    size_t n, d;
    struct cru_spill_array place;  /* row in --embeddings, where that has ids */
    struct cru_spill_array before; /* --add: orders of the earlier choice */
    uint64_t without_tokens, n_before;
    /* finish: columns */
    struct cru_spill_array stratum, q[CRU_RUPS_AXES], rank, fixed, bonus, order, gain;
    uint32_t fronts;
    double unit; /* gains are integers times this, for weights of mean 1 */
    struct cru_strata table;
    uint64_t size[CRU_STRATA_MAX], quotas[CRU_STRATA_MAX];
    uint64_t have[CRU_STRATA_MAX]; /* --add: documents of the earlier choice */
    struct cru_eesd_result result[CRU_STRATA_MAX];
    struct cru_select_journal journal;
    atomic_size_t replayed; /* documents that the choice was written to */
};

/* Quotas, picks and their order, from the columns: fills quotas, result, order and gain. */
enum cru_status cru_select_pick(struct cru_select *s, struct cru_error *err);

/* Opens --embeddings. */
enum cru_status cru_select_open_vectors(struct cru_select *s, struct cru_error *err);
/* Reads the documents' rows, quantised, into the column. */
enum cru_status cru_select_load_vectors(struct cru_select *s, struct cru_error *err);

/* Appends the stage's members of --stats: objective, guarantee, certificate, axes, fronts, strata.
 */
void cru_select_summary(struct cru_stage *stage, struct cru_buffer *json);

#endif
