/* SPDX-License-Identifier: Apache-2.0 */
/* The whole model over double: every public name of the sources below is renamed by real.h. */
#define CRU_REAL_DOUBLE 1

#include "cmd/train/gemm.c"
#include "cmd/train/rmsnorm.c"
#include "cmd/train/embedding.c"
#include "cmd/train/ffn.c"
#include "cmd/train/delta.c"
#include "cmd/train/conv.c"
#include "cmd/train/gdn.c"
#include "cmd/train/attention.c"
#include "cmd/train/loss.c"
#include "cmd/train/model.c"

#include "cmd/train/gradient_check.h"

/* A micro-batch of documents of uneven lengths (shorter than the convolution, longer than a chunk
 * when there is room), with rows without a target and uneven weights. */
struct check_batch {
    struct cru_rows rows;
    uint32_t *start, *position;
    int32_t *input, *target;
    float *weight;
    double *nll;
    double total;
};

static void check_batch_release(struct check_batch *b) {
    free(b->start);
    free(b->position);
    free(b->input);
    free(b->target);
    free(b->weight);
    free(b->nll);
}

static enum cru_status check_batch_make(struct check_batch *b, struct cru_gradient_check check,
                                        struct cru_error *err) {
    size_t n = check.rows, bag = check.bag, segments = 0, at = 0;
    struct cru_random random = {check.seed};
    memset(b, 0, sizeof *b);
    b->start = calloc(n + 1, sizeof *b->start);
    b->position = calloc(n, sizeof *b->position);
    b->input = calloc(n * bag, sizeof *b->input);
    b->target = calloc(n * bag, sizeof *b->target);
    b->weight = calloc(n, sizeof *b->weight);
    b->nll = calloc(n, sizeof *b->nll);
    if (!b->start || !b->position || !b->input || !b->target || !b->weight || !b->nll) {
        check_batch_release(b);
        return cru_fail_memory(err, "gradient check");
    }
    static const size_t lengths[] = {3, 1, 9, 70, 2, 130};
    while (at < n) {
        size_t length = lengths[segments % 6] < n - at ? lengths[segments % 6] : n - at;
        for (size_t r = at; r < at + length; r++) {
            b->position[r] = (uint32_t)(r - at);
            b->weight[r] = segments % 2 ? 0.5f : 1.25f;
            for (size_t i = 0; i < bag; i++) {
                int32_t id = (int32_t)(cru_random_next(&random) % check.vocabulary);
                b->input[r * bag + i] = id;
                /* Now and then the same target twice; the last of a document has none. */
                id = (int32_t)(cru_random_next(&random) % check.vocabulary);
                if (i && cru_random_next(&random) % 4 == 0) id = b->target[r * bag];
                if (i + 1 == bag && bag > 1 && r % 5 == 0) id = -1;
                b->target[r * bag + i] = length > 1 && r + 1 == at + length ? -1 : id;
                if (b->target[r * bag + i] >= 0) b->total += (double)b->weight[r];
            }
        }
        b->start[segments++] = (uint32_t)at;
        at += length;
    }
    b->start[segments] = (uint32_t)n;
    b->rows = (struct cru_rows){.n = n,
                                .n_segments = segments,
                                .bag = bag,
                                .start = b->start,
                                .position = b->position,
                                .input = b->input,
                                .target = b->target,
                                .weight = b->weight};
    return CRU_OK;
}

static double check_loss(struct cru_model *m, struct check_batch *b, bool backward) {
    double sum = 0;
    cru_model_loss(m, &b->rows, 1 / b->total, backward, b->nll);
    for (size_t r = 0; r < b->rows.n; r++) sum += (double)b->weight[r] * b->nll[r];
    return sum / b->total;
}

/* Moves one parameter by k h. */
static double check_moved(struct cru_model *m, struct check_batch *b, size_t at, double by) {
    double kept = m->params[at];
    m->params[at] = kept + by;
    double loss = check_loss(m, b, false);
    m->params[at] = kept;
    return loss;
}

static void check_tensor(struct cru_model *m, struct check_batch *b, const struct cru_tensor *t,
                         size_t samples, struct cru_random *random,
                         struct cru_gradient_result *result) {
    size_t n = t->rows * t->columns, largest = 0;
    const double h = 1e-4; /* truncation falls as h^4, rounding grows as 1e-16 / h */
    for (size_t i = 0; i < n; i++)
        if (fabs(m->grads[t->offset + i]) > fabs(m->grads[t->offset + largest])) largest = i;
    double scale = fabs(m->grads[t->offset + largest]);
    for (size_t s = 0; s < samples; s++) {
        size_t at = t->offset + (s == 0 ? largest : cru_random_next(random) % n);
        double one = check_moved(m, b, at, h) - check_moved(m, b, at, -h);
        double two = check_moved(m, b, at, 2 * h) - check_moved(m, b, at, -2 * h);
        double numeric = (8 * one - two) / (12 * h), by_hand = m->grads[at];
        double floor = 1e-3 * scale + 1e-9; /* 1e-9: what rounding of the loss leaves of nothing */
        double error = fabs(numeric - by_hand) / (fabs(numeric) + fabs(by_hand) + floor);
        result->checked++;
        if (!(error <= result->worst)) {
            result->worst = error;
            memcpy(result->worst_tensor, t->name, sizeof t->name);
        }
    }
}

enum cru_status cru_check_gradients(const struct cru_model_config *config,
                                    struct cru_gradient_check check,
                                    struct cru_gradient_result *result, struct cru_error *err) {
    struct cru_model m;
    struct check_batch b;
    struct cru_random random = {cru_mix64(check.seed)};
    memset(result, 0, sizeof *result);
    enum cru_status status = cru_model_layout(&m, config, check.vocabulary, check.rows, err);
    if (status != CRU_OK) return status;
    status = cru_model_reserve(&m, check.rows, check.threads, err);
    if (status == CRU_OK) status = check_batch_make(&b, check, err);
    if (status != CRU_OK) {
        cru_model_release(&m);
        return status;
    }
    /* Away from the start's zeros and ones, where a wrong term could hide. */
    cru_model_initialise(&m, check.seed);
    for (size_t i = 0; i < m.n_tensors; i++) {
        const struct cru_tensor *t = &m.tensors[i];
        double by = t->kind == CRU_TENSOR_MATRIX || t->kind == CRU_TENSOR_OUT
                        ? 1 / sqrt((double)t->columns)
                        : 0.3;
        for (size_t j = 0; j < t->rows * t->columns; j++)
            m.params[t->offset + j] += by * model_normal(&random);
    }
    check_loss(&m, &b, true);
    for (size_t i = 0; i < m.n_tensors; i++)
        check_tensor(&m, &b, &m.tensors[i], check.samples, &random, result);
    check_batch_release(&b);
    cru_model_release(&m);
    return CRU_OK;
}
