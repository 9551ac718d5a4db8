/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/base/base.h"
#include "crucible/build/spool_chain.h"

struct link {
    struct cru_spool *spool;
    struct cru_spool_reader *reader;
};

struct cru_spool_chain {
    struct link *links;
    size_t n, at;
};

enum cru_status cru_spool_chain_new(struct cru_spool_chain **chain, struct cru_error *err) {
    *chain = calloc(1, sizeof **chain);
    return *chain ? CRU_OK : cru_fail_memory(err, "spools");
}

enum cru_status cru_spool_chain_add(struct cru_spool_chain *chain, const char *path,
                                    const struct cru_common *common, struct cru_error *err) {
    struct link *links = realloc(chain->links, (chain->n + 1) * sizeof *links);
    if (!links) return cru_fail_memory(err, "spools");
    chain->links = links;
    struct link *link = &links[chain->n];
    *link = (struct link){NULL, NULL};
    enum cru_status s = cru_spool_open(path, common, &link->spool, err);
    if (s) return s;
    chain->n++;
    return cru_spool_reader_new(link->spool, NULL, &link->reader, err);
}

/* A batch never holds documents of two spools; raw_kind tells parse() which one they are of. */
static enum cru_status fill(void *context, struct cru_batch *batch, struct cru_error *err) {
    struct cru_spool_chain *chain = context;
    while (chain->at < chain->n) {
        enum cru_status s = cru_spool_fill(chain->links[chain->at].reader, batch, err);
        for (size_t i = 0; i < batch->n; i++) batch->docs[i].raw_kind = (uint32_t)chain->at;
        if (s == CRU_END) {
            chain->at++;
            if (batch->n == 0) continue;
            s = CRU_OK;
        }
        return s;
    }
    return CRU_END;
}

static enum cru_status parse(void *context, struct cru_batch *batch, struct cru_error *err) {
    struct cru_spool_chain *chain = context;
    return cru_spool_parse(chain->links[batch->docs[0].raw_kind].reader, batch, err);
}

struct cru_source cru_spool_chain_source(struct cru_spool_chain *chain) {
    return (struct cru_source){chain, fill, parse};
}

void cru_spool_chain_free(struct cru_spool_chain *chain) {
    if (!chain) return;
    for (size_t i = 0; i < chain->n; i++) {
        cru_spool_reader_free(chain->links[i].reader);
        cru_spool_free(chain->links[i].spool);
    }
    free(chain->links);
    free(chain);
}
