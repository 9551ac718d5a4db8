/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of any character set to UTF-8. Which set: a byte order mark; then, if the bytes are UTF-8, UTF-8
 * whatever is declared (text of another set is hardly ever valid UTF-8 by chance); then what was declared
 * (HTTP header before meta element); then, for HTML alone, windows-1252 when the bytes look like it.
 * Names are those of the WHATWG Encoding standard, conversion is glibc's iconv.
 *
 * A page that declares its set may hold up to one undecodable sequence in CRU_CHARSET_LOSS bytes; each
 * becomes U+FFFD. More, and the page is refused. One cru_charset a thread.
 */
#ifndef CRU_READ_CHARSET_H
#define CRU_READ_CHARSET_H

#include "crucible/base/buffer.h"
#include "crucible/base/error.h"

enum { CRU_CHARSET_LOSS = 1000 };

struct cru_charset {
    char name[32]; /* of the open converter */
    void *converter; /* iconv_t, NULL when none is open */
    struct cru_buffer out;
};

void cru_charset_init(struct cru_charset *c);
void cru_charset_release(struct cru_charset *c);

/*
 * Decodes `bytes`. `declared` is the HTTP charset or empty; `html` allows a meta element and the
 * windows-1252 guess. *text is in `bytes` or in c->out, valid UTF-8 without byte order mark.
 * CRU_BAD, with a message, when it cannot be decoded; CRU_FATAL when memory is short.
 */
enum cru_status cru_charset_decode(struct cru_charset *c, struct cru_span bytes,
                                   struct cru_span declared, bool html, struct cru_span *text,
                                   struct cru_error *err);

/* The charset a page declares in its first bytes (meta or XML declaration); empty when none. */
struct cru_span cru_charset_meta(struct cru_span page);

#endif
