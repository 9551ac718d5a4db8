/* SPDX-License-Identifier: Apache-2.0 */
/* A line of JSONL: whatever is accepted must be written as JSON that is accepted again, unchanged. */
#include "crucible/base/base.h"
#include "crucible/doc/json.h"
#include "crucible/doc/json_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct cru_json_parser *parser;
    struct cru_batch batch;
    struct cru_error err;
    struct cru_buffer once, twice;
    if (!parser) parser = cru_json_parser_new();
    cru_batch_init(&batch);
    cru_buffer_init(&once);
    cru_buffer_init(&twice);
    struct cru_doc *doc = cru_batch_add(&batch);
    if (parser && doc &&
        cru_json_document(parser, cru_span_make((const char *)data, size), "text", "f", 1, &batch, doc, &err) == CRU_OK) {
        if (!cru_utf8_valid(doc->text)) __builtin_trap();
        cru_json_render(doc, "text", &once);
        struct cru_span line = cru_span_make(once.p, once.n - 1);
        if (!cru_json_valid(line)) __builtin_trap();
        doc = cru_batch_add(&batch);
        if (cru_json_document(parser, line, "text", "f", 1, &batch, doc, &err) != CRU_OK) __builtin_trap();
        cru_json_render(doc, "text", &twice);
        if (once.n != twice.n || memcmp(once.p, twice.p, once.n) != 0) __builtin_trap();
    }
    cru_buffer_release(&once);
    cru_buffer_release(&twice);
    cru_batch_release(&batch);
    return 0;
}
