/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "crucible/base/base.h"
#include "crucible/build/document_rows.h"

struct rows_stage {
    struct cru_stage base;
    struct cru_catalog *catalog;
    struct cru_json_parser *parser;
    int64_t position;
};

static enum cru_status rows_open(struct cru_stage *stage, struct cru_error *err) {
    struct rows_stage *r = (struct rows_stage *)stage;
    r->parser = cru_json_parser_new();
    return r->parser ? CRU_OK : cru_fail_memory(err, "catalog");
}

static double number_at(struct rows_stage *r, const struct cru_doc *doc, const char *path) {
    double x;
    return cru_doc_number(r->parser, doc, path, &x) ? x : NAN;
}

static enum cru_status rows_commit(struct cru_stage *stage, struct cru_batch *batch, struct cru_error *err) {
    struct rows_stage *r = (struct rows_stage *)stage;
    for (size_t i = 0; i < batch->n; i++) {
        const struct cru_doc *doc = &batch->docs[i];
        struct cru_document_record row = {.position = r->position++, .id = doc->id, .bytes = doc->text.n};
        struct cru_span found;
        if (cru_json_string(r->parser, cru_doc_meta(doc, "source"), "", &batch->arena, &found)) row.source = found;
        if (cru_json_string(r->parser, cru_doc_meta(doc, "lang"), "", &batch->arena, &found)) row.lang = found;
        if (cru_json_string(r->parser, cru_doc_meta(doc, "ddm"), "bin", &batch->arena, &found)) row.bin = found;
        double tokens = number_at(r, doc, "crucible.tokens");
        row.tokens = tokens > 0 ? (uint64_t)tokens : 0;
        row.signal_score = number_at(r, doc, "crucible.ddm.signal_score");
        row.weight = number_at(r, doc, "crucible.ddm.weight");
        row.stratum = number_at(r, doc, "crucible.select.stratum");
        row.order = number_at(r, doc, "crucible.select.order");
        enum cru_status s = cru_catalog_document(r->catalog, &row, err);
        if (s) return s;
    }
    return CRU_OK;
}

static void rows_release(struct cru_stage *stage) {
    cru_json_parser_free(((struct rows_stage *)stage)->parser);
}

static const struct cru_option no_options[] = {{CRU_OPTION_END, 0, NULL, 0, NULL, NULL, NULL, 0, 0, NULL}};

static const struct cru_stage_class rows_class = {
    .name = "catalog", .summary = "Writes document rows.", .synopsis = "", .options = no_options,
    .size = sizeof(struct rows_stage), .sink = true, .open = rows_open, .commit = rows_commit,
    .release = rows_release};

struct cru_stage *cru_document_rows_new(struct cru_catalog *catalog, const struct cru_common *common) {
    struct cru_stage *stage = cru_stage_new(&rows_class, common);
    if (stage) ((struct rows_stage *)stage)->catalog = catalog;
    return stage;
}
