/* SPDX-License-Identifier: Apache-2.0 */
/* A manual page of any UTF-8. The text must be valid UTF-8 and within the limit on expansion. */
#include "crucible/base/base.h"
#include "crucible/doc/document.h"
#include "crucible/read/man_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct cru_man *man;
    if (!man) man = cru_man_new();
    struct cru_span page = cru_span_make((const char *)data, size);
    if (!cru_utf8_valid(page)) return 0;
    struct cru_buffer out;
    struct cru_error err;
    const char *rule;
    cru_buffer_init(&out);
    enum cru_status s = cru_man_text(man, page, &out, &rule, &err);
    if (s == CRU_OK && !cru_utf8_valid(cru_buffer_span(&out))) abort();
    if (out.n > 64 * size + (1 << 20)) abort();
    cru_buffer_release(&out);
    return 0;
}
