/* SPDX-License-Identifier: Apache-2.0 */
/* A line of JSONL: whatever is accepted must be written as JSON that is accepted again, unchanged; and simdjson alone
 * must give the same as the quick way in front of it. */
#include "crucible/base/base.h"
#include "crucible/doc/json.h"
#include "crucible/doc/json_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct cru_json_parser *parser, *alone;
    struct cru_batch batch;
    struct cru_error err;
    struct cru_buffer once, twice;
    if (!parser) parser = cru_json_parser_new();
    if (!alone && (alone = cru_json_parser_new())) cru_json_parser_library_only(alone);
    cru_batch_init(&batch);
    cru_buffer_init(&once);
    cru_buffer_init(&twice);
    struct cru_span input = cru_span_make((const char *)data, size);
    struct cru_doc *doc = cru_batch_add(&batch);
    enum cru_status s = CRU_FATAL;
    if (parser && doc) s = cru_json_document(parser, input, "text", "f", 1, &batch, doc, &err);
    if (s == CRU_OK) cru_json_render(doc, "text", &once);
    if (alone && doc && (doc = cru_batch_add(&batch))) {
        if (cru_json_document(alone, input, "text", "f", 1, &batch, doc, &err) != s) __builtin_trap();
        if (s == CRU_OK) cru_json_render(doc, "text", &twice);
        if (once.n != twice.n || (once.n && memcmp(once.p, twice.p, once.n) != 0)) __builtin_trap();
        cru_buffer_clear(&once);
        cru_buffer_clear(&twice);
    }
    if (s == CRU_OK && doc) {
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
