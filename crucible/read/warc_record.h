/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WARC framing (ISO 28500): "WARC/1.0", header lines, an empty line, Content-Length bytes, two empty
 * lines. Compression a record is seen through below (cru_input). One thread; the head owns a buffer.
 */
#ifndef CRU_READ_WARC_RECORD_H
#define CRU_READ_WARC_RECORD_H

#include "crucible/read/byte_stream.h"

struct cru_warc {
    struct cru_buffer lines; /* what the spans below point into */
    struct cru_span type, uri, content_type;
    uint64_t length;  /* of the block that follows */
    bool lost;        /* bytes before the record were no record: something is damaged */
};

void cru_warc_init(struct cru_warc *w);
void cru_warc_release(struct cru_warc *w);

/*
 * Reads the head of the next record and stops at its block, which the caller must take or skip.
 * CRU_END at the end (w->lost may be set: the tail was no record); CRU_BAD when the head is damaged (no
 * Content-Length); the next call looks for the next head.
 */
enum cru_status cru_warc_next(struct cru_warc *w, struct cru_stream *in, struct cru_error *err);

/* Records of these types are documents: response, resource (not a crawler's own metadata:), conversion. */
bool cru_warc_is_document(const struct cru_warc *w);

#endif
