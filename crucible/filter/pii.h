/* SPDX-License-Identifier: Apache-2.0 */
/*
 * E-mail addresses and public IPv4 addresses in a text, found and replaced as FineWeb does
 * (huggingface/datatrove src/datatrove/pipeline/formatters/pii.py): each is replaced by the next of a few
 * fixed addresses, starting over in every document, so that the text still reads like text.
 *
 * An e-mail address is dot-separated runs of the characters RFC 5322 allows in an atom, '@', and at least two
 * host labels; literal addresses in brackets are left alone. An IPv4 address is a whole dotted quad (not part
 * of a longer one, no leading zeros) that is globally routable by IANA's special-purpose registry.
 *
 * Pure: no state, any thread. Text is valid UTF-8 and stays it.
 */
#ifndef CRU_FILTER_PII_H
#define CRU_FILTER_PII_H

#include "crucible/base/buffer.h"

struct cru_pii_counts {
    size_t emails, addresses;
};

/* Counts, and replaces when `out` is not NULL: out (cleared first) becomes the new text when anything was
 * found. Linear time. A memory shortage shows as out->failed. */
struct cru_pii_counts cru_pii_replace(struct cru_span text, struct cru_buffer *out);

#endif
