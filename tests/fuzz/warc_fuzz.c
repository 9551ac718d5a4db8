/* SPDX-License-Identifier: Apache-2.0 */
/* WARC framing, HTTP messages and their codings, from any bytes. */
#include "crucible/base/base.h"
#include "crucible/read/http_message.h"
#include "crucible/read/warc_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct source {
    const char *p;
    size_t left;
};

static enum cru_status pull(void *context, char *p, size_t capacity, size_t *got,
                            struct cru_error *err) {
    (void)err;
    struct source *source = context;
    size_t n = source->left < capacity ? source->left : capacity;
    if (n > 7) n = 7; /* small pieces meet every boundary */
    if (n) memcpy(p, source->p, n);
    source->p += n;
    source->left -= n;
    *got = n;
    return n ? CRU_OK : CRU_END;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct cru_stream stream;
    struct source source = {(const char *)data, size};
    struct cru_warc warc;
    struct cru_error err;
    struct cru_buffer block, a, b;
    cru_warc_init(&warc);
    cru_buffer_init(&block);
    cru_buffer_init(&a);
    cru_buffer_init(&b);
    cru_stream_open(&stream, pull, &source);
    uint64_t taken = 0;
    for (;;) {
        enum cru_status s = cru_warc_next(&warc, &stream, &err);
        if (s == CRU_END || s == CRU_FATAL) break;
        if (s == CRU_BAD) continue;
        cru_buffer_clear(&block);
        taken += cru_stream_take(&stream, warc.length, &block);
        if (taken > size) abort();
        struct cru_http http;
        struct cru_span body;
        if (cru_http_parse(cru_buffer_span(&block), &http, &err) == CRU_OK)
            (void)cru_http_body(&http, 1 << 20, &a, &b, &body, &err);
    }
    cru_warc_release(&warc);
    cru_buffer_release(&block);
    cru_buffer_release(&a);
    cru_buffer_release(&b);
    return 0;
}
