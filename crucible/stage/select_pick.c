/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "crucible/base/base.h"
#include "crucible/base/hash.h"
#include "crucible/stage/select_state.h"

/* lambda * R_j * n_b / k_b, in units of the objective; with tokens, of a document's share of them.
 */
static enum cru_status add_bonus(struct cru_select *s, struct cru_error *err) {
    const uint16_t *fixed = s->fixed.p, *stratum = s->stratum.p;
    const uint64_t *cost = s->tokens.p;
    int64_t *bonus;
    enum cru_status status;
    if (s->lambda <= 0) return CRU_OK;
    if ((status = cru_spill_resize(&s->bonus, s->n, err))) return status;
    bonus = s->bonus.p;
    for (size_t i = 0; i < s->n; i++) {
        size_t b = stratum[i];
        double each = (double)s->table.documents[b] / (double)(s->quotas[b] ? s->quotas[b] : 1);
        if (s->budget_tokens > 0) each *= (double)cost[i];
        if (each > (double)s->table.documents[b]) each = (double)s->table.documents[b];
        bonus[i] = llrint(s->lambda * ((double)fixed[i] / UINT16_MAX) * each / s->unit);
    }
    return CRU_OK;
}

/* The positions of a stratum's documents, rising, in members[]. */
static size_t members_of(const struct cru_select *s, size_t b, uint32_t *members) {
    const uint16_t *stratum = s->stratum.p;
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        if (stratum[i] == b) members[n++] = (uint32_t)i;
    return n;
}

/* A hash of all that the choice depends on. */
static enum cru_status key_of(const struct cru_select *s, uint64_t *key, struct cru_error *err) {
    const struct cru_spill_array *columns[] = {&s->rows, &s->stratum, &s->fixed, &s->bonus,
                                               &s->before};
    int64_t whole[] = {s->budget, s->budget_tokens, s->add,        s->base.common->seed,
                       s->parts,  s->way,           (int64_t)s->d, (int64_t)s->n};
    double reals[] = {s->quota, s->lambda, s->epsilon};
    struct cru_hasher *h = cru_hasher_new();
    if (!h) return cru_fail_memory(err, "key of a selection");
    cru_hasher_add(h, whole, sizeof whole);
    cru_hasher_add(h, reals, sizeof reals);
    for (size_t c = 0; c < sizeof columns / sizeof *columns; c++)
        if (columns[c]->p) cru_hasher_add(h, columns[c]->p, columns[c]->n * columns[c]->element);
    if (s->budget_tokens > 0) cru_hasher_add(h, s->tokens.p, s->tokens.n * s->tokens.element);
    *key = cru_hasher_digest(h);
    cru_hasher_free(h);
    return CRU_OK;
}

/* Chooses `budget` (documents, or tokens) of stratum b. `rows` has room for 2 n numbers. */
static enum cru_status pick_stratum(struct cru_select *s, size_t b, uint64_t budget, uint32_t *rows,
                                    struct cru_eesd_result *result, struct cru_error *err) {
    const uint32_t *before = s->before.p;
    struct cru_eesd_pool pool = {.rows = s->rows.p,
                                 .d = s->d,
                                 .weight = s->fixed.p,
                                 .bonus = s->lambda > 0 ? s->bonus.p : NULL,
                                 .cost = s->budget_tokens > 0 ? s->tokens.p : NULL};
    struct cru_eesd_plan plan = {.method = s->way,
                                 .budget = budget,
                                 .epsilon = s->epsilon,
                                 .seed = (uint64_t)s->base.common->seed + b,
                                 .parts = (uint32_t)s->parts,
                                 .given = rows + s->n};
    bool ended;
    enum cru_status status =
        cru_select_journal_begin(&s->journal, s->n, &plan, result, &ended, err);
    size_t n = members_of(s, b, rows);
    if (status || ended) return status;
    for (size_t i = 0; s->add > 0 && i < n; i++)
        if (before[rows[i]]) rows[s->n + plan.n_given++] = rows[i];
    status =
        cru_eesd_run_on(s->where, &pool, rows, n, &plan, (int)s->base.common->threads, result, err);
    if (!status) cru_select_journal_end(&s->journal, result);
    return status;
}

static enum cru_status pick_documents(struct cru_select *s, uint32_t *rows, struct cru_error *err) {
    enum cru_status status = CRU_OK;
    for (size_t b = 0; !status && b < s->table.n; b++)
        status = pick_stratum(s, b, s->quotas[b] - s->have[b], rows, &s->result[b], err);
    return status;
}

/* The cheapest document of stratum b that is not chosen; UINT64_MAX when there is none. */
static uint64_t cheapest_left(const struct cru_select *s, size_t b, bool *chosen) {
    const uint16_t *stratum = s->stratum.p;
    const uint64_t *cost = s->tokens.p;
    uint64_t least = UINT64_MAX;
    memset(chosen, 0, s->n * sizeof *chosen);
    for (size_t i = 0; i < s->result[b].n; i++) chosen[s->result[b].picks[i]] = true;
    for (size_t i = 0; i < s->n; i++)
        if (stratum[i] == b && !chosen[i] && cost[i] < least) least = cost[i];
    return least;
}

/* Chooses stratum b anew with `more` tokens beyond what it spent, if that buys a document and makes
 * a better choice; `left` is what nobody has spent. */
static enum cru_status respend(struct cru_select *s, size_t b, uint64_t more, uint32_t *rows,
                               bool *chosen, uint64_t *left, struct cru_error *err) {
    struct cru_eesd_result again, *now = &s->result[b];
    enum cru_status status;
    if (more == 0 || more < cheapest_left(s, b, chosen)) return CRU_OK;
    cru_eesd_result_init(&again);
    status = pick_stratum(s, b, now->spent + more, rows, &again, err);
    if (!status && again.objective > now->objective) {
        struct cru_eesd_result old = *now;
        s->quotas[b] = old.spent + more;
        *left = *left + old.spent - again.spent;
        again.evaluations += old.evaluations;
        *now = again;
        again = old;
    } else
        now->evaluations += again.evaluations;
    cru_eesd_result_release(&again);
    return status;
}

/*
 * Tokens: from the longest stratum to the shortest, each with its share of what is left, so that
 * what a stratum of long documents cannot spend goes to shorter ones. If the short ones are used up
 * and something is left, it is shared out once more among all by the room they have; and what then
 * still buys a document somewhere, buys it, again from long to short.
 */
static enum cru_status pick_tokens(struct cru_select *s, uint32_t *rows, struct cru_error *err) {
    uint64_t left = (uint64_t)s->budget_tokens, quota[CRU_STRATA_MAX], room[CRU_STRATA_MAX];
    bool *chosen = malloc(s->n * sizeof *chosen);
    enum cru_status status = chosen ? CRU_OK : cru_fail_memory(err, "choice of tokens");
    for (size_t b = s->table.n; !status && b-- > 0;) {
        cru_strata_quotas(s->size, b + 1, left, s->quota, quota);
        s->quotas[b] = quota[b];
        if ((status = pick_stratum(s, b, quota[b], rows, &s->result[b], err))) break;
        left -= s->result[b].spent;
    }
    for (size_t b = 0; b < s->table.n; b++) room[b] = s->size[b] - s->result[b].spent;
    for (size_t b = s->table.n; !status && b-- > 0;) {
        cru_strata_quotas(room, b + 1, left, s->quota, quota);
        status = respend(s, b, quota[b], rows, chosen, &left, err);
    }
    for (size_t b = s->table.n; !status && b-- > 0;)
        status = respend(s, b, left, rows, chosen, &left, err);
    free(chosen);
    return status;
}

/* Quotas of the whole, earlier choice and addition together; a stratum that has more already keeps
 * it, and the others share the rest. */
static enum cru_status quotas_to_add(struct cru_select *s, struct cru_error *err) {
    const uint16_t *stratum = s->stratum.p;
    const uint32_t *before = s->before.p;
    uint64_t size[CRU_STRATA_MAX];
    bool full[CRU_STRATA_MAX] = {false}, again = true;
    if (s->n_before == 0)
        return cru_fail(err, CRU_FATAL,
                        "add: '%lld': no document has crucible.select.order, which says that an "
                        "earlier select chose it",
                        (long long)s->add);
    for (size_t i = 0; i < s->n; i++) s->have[stratum[i]] += before[i] > 0;
    while (again) {
        uint64_t total = s->n_before + (uint64_t)s->add;
        again = false;
        for (size_t b = 0; b < s->table.n; b++) {
            size[b] = full[b] ? 0 : s->size[b];
            total -= full[b] ? s->have[b] : 0;
        }
        cru_strata_quotas(size, s->table.n, total, s->quota, s->quotas);
        for (size_t b = 0; b < s->table.n; b++) {
            if (full[b]) s->quotas[b] = s->have[b];
            if (s->quotas[b] < s->have[b]) full[b] = again = true;
        }
    }
    return CRU_OK;
}

/* One order for all strata: the best next pick of any stratum comes first, by gain (per token). */
static enum cru_status order_picks(struct cru_select *s, struct cru_error *err) {
    const uint64_t *cost = s->budget_tokens > 0 ? s->tokens.p : NULL;
    size_t next[CRU_STRATA_MAX] = {0};
    uint32_t *order, last = 0;
    int64_t *gain;
    enum cru_status status = cru_spill_resize(&s->order, s->n, err);
    if (!status) status = cru_spill_resize(&s->gain, s->n, err);
    if (status) return status;
    order = s->order.p;
    gain = s->gain.p;
    for (size_t i = 0; s->add > 0 && i < s->n; i++)
        if (((const uint32_t *)s->before.p)[i] > last) last = ((const uint32_t *)s->before.p)[i];
    for (uint32_t place = last + 1;; place++) {
        size_t best = s->table.n;
        for (size_t b = 0; b < s->table.n; b++) {
            const struct cru_eesd_result *r = &s->result[b],
                                         *t = best < s->table.n ? &s->result[best] : NULL;
            __int128 mine, theirs;
            if (next[b] == r->n) continue;
            if (!t) {
                best = b;
                continue;
            }
            mine = r->gains[next[b]];
            theirs = t->gains[next[best]];
            if (cost) {
                mine *= (__int128)cost[t->picks[next[best]]];
                theirs *= (__int128)cost[r->picks[next[b]]];
            }
            if (mine > theirs || (mine == theirs && r->picks[next[b]] < t->picks[next[best]]))
                best = b;
        }
        if (best == s->table.n) return CRU_OK;
        order[s->result[best].picks[next[best]]] = place;
        gain[s->result[best].picks[next[best]]] = s->result[best].gains[next[best]];
        next[best]++;
    }
}

enum cru_status cru_select_pick(struct cru_select *s, struct cru_error *err) {
    uint32_t *rows;
    uint64_t key = 0;
    enum cru_status status = CRU_OK;
    if (s->budget_tokens > 0) {
        uint64_t *cost = s->tokens.p;
        for (size_t i = 0; i < s->n; i++) {
            cost[i] += cost[i] == 0; /* so that an empty document has a gain per token */
            s->size[((uint16_t *)s->stratum.p)[i]] += cost[i];
        }
    } else
        memcpy(s->size, s->table.documents, sizeof s->size);
    if (s->add > 0)
        status = quotas_to_add(s, err);
    else
        cru_strata_quotas(s->size, s->table.n,
                          (uint64_t)(s->budget_tokens > 0 ? s->budget_tokens : s->budget), s->quota,
                          s->quotas);
    if (status || (status = add_bonus(s, err)) || (status = key_of(s, &key, err))) return status;
    status = cru_select_journal_open(&s->journal, s->base.common->tmpdir, key, s->checkpoint, err);
    if (status) return status;
    if (!(rows = malloc(2 * s->n * sizeof *rows)))
        return cru_fail_memory(err, "members of a stratum");
    status = s->budget_tokens > 0 ? pick_tokens(s, rows, err) : pick_documents(s, rows, err);
    free(rows);
    return status ? status : order_picks(s, err);
}
