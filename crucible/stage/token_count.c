/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/stage/token_count.h"
#include "crucible/base/base.h"
#include "crucible/stage/encoder_pool.h"

struct cru_token_counter {
    struct cru_tokenizer *tokenizer;
    struct cru_encoder_pool pool;
};

enum cru_status cru_token_counter_open(const char *vocab, struct cru_token_counter **counter,
                                       struct cru_error *err) {
    *counter = NULL;
    struct cru_token_counter *c = calloc(1, sizeof *c);
    if (!c) return cru_fail_memory(err, "token counter");
    enum cru_status status = cru_tokenizer_open(vocab, &c->tokenizer, err);
    if (status) {
        free(c);
        return status;
    }
    cru_encoder_pool_init(&c->pool, c->tokenizer);
    *counter = c;
    return CRU_OK;
}

/* A count written by an earlier stage: a plain number of digits. */
static bool known_count(struct cru_span json, uint64_t *n) {
    uint64_t v = 0;
    if (json.n == 0 || json.n > 18) return false;
    for (size_t i = 0; i < json.n; i++) {
        if (json.p[i] < '0' || json.p[i] > '9') return false;
        v = v * 10 + (uint64_t)(json.p[i] - '0');
    }
    *n = v;
    return true;
}

enum cru_status cru_doc_tokens(struct cru_token_counter *counter, struct cru_batch *batch,
                               struct cru_doc *doc, uint64_t *n, struct cru_error *err) {
    if (known_count(cru_doc_meta(doc, "tokens"), n)) return CRU_OK;
    struct cru_encoder_slot *slot = cru_encoder_pool_take(&counter->pool);
    if (!slot) return cru_fail_memory(err, "encoder");
    enum cru_status status =
        cru_encode_count(slot->encoder, doc->text, CRU_SPECIAL_TEXT, n, err);
    cru_encoder_pool_give(&counter->pool, slot);
    if (status) return status;
    return cru_doc_set_meta_number(batch, doc, "tokens", (double)*n);
}

void cru_token_counter_free(struct cru_token_counter *counter) {
    if (!counter) return;
    cru_encoder_pool_release(&counter->pool);
    cru_tokenizer_free(counter->tokenizer);
    free(counter);
}
