/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP response as a crawler stored it (RFC 9112): head and body. Crawls keep the head's
 * Transfer-Encoding and Content-Encoding while the body may already have been decoded; both are
 * undone only where the body really has the form. Pure but for the buffers given.
 */
#ifndef CRU_READ_HTTP_MESSAGE_H
#define CRU_READ_HTTP_MESSAGE_H

#include "crucible/base/buffer.h"
#include "crucible/base/error.h"

struct cru_http {
    int status;
    struct cru_span content_type, charset; /* of the header; charset without quotes, may be empty */
    struct cru_span transfer_encoding, content_encoding;
    struct cru_span body; /* as stored */
};

/* Spans are in `message`. CRU_BAD when it is no HTTP response. */
enum cru_status cru_http_parse(struct cru_span message, struct cru_http *http,
                               struct cru_error *err);

/* Splits a Content-Type value into type and charset. */
void cru_http_content_type(struct cru_span value, struct cru_span *type, struct cru_span *charset);

/*
 * The body without chunks and compression, in the message or in one of the two buffers. CRU_BAD when
 * it is cut, damaged, larger than `limit` (0: none), or in a coding that is not known ("br").
 */
enum cru_status cru_http_body(const struct cru_http *http, uint64_t limit, struct cru_buffer *a,
                              struct cru_buffer *b, struct cru_span *body, struct cru_error *err);

/* Decompresses a whole gzip, zstd, xz, bzip2 or lz4 stream in memory; CRU_BAD when cut or too large. */
enum cru_status cru_unpack(struct cru_span packed, uint64_t limit, struct cru_buffer *out,
                           struct cru_error *err);
/* True when the bytes begin like a stream that cru_unpack knows. */
bool cru_is_packed(struct cru_span bytes);

#endif
