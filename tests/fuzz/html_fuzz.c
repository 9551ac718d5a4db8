/* SPDX-License-Identifier: Apache-2.0 */
/* A page of any bytes: decoding, guard, parsing, and both kinds of extraction. */
#include "crucible/base/base.h"
#include "crucible/doc/document.h"
#include "crucible/read/charset.h"
#include "crucible/read/html_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct cru_html *html;
    static struct cru_charset charset;
    if (!html) {
        html = cru_html_new();
        cru_charset_init(&charset);
    }
    struct cru_error err;
    struct cru_span page;
    if (cru_charset_decode(&charset, cru_span_make((const char *)data, size), cru_span_make(NULL, 0),
                           true, &page, &err))
        return 0;
    for (int all = 0; all < 2; all++) {
        struct cru_buffer out;
        const char *rule;
        cru_buffer_init(&out);
        enum cru_status s =
            cru_html_text(html, page, all ? CRU_EXTRACT_ALL : CRU_EXTRACT_MAIN, &out, &rule, &err);
        if (s == CRU_OK && !cru_utf8_valid(cru_buffer_span(&out))) abort();
        if (s == CRU_BAD && !rule) abort();
        cru_buffer_release(&out);
    }
    return 0;
}
