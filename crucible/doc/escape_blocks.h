/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bulk of unescaping a JSON string, a block of 64 bytes at a time: code has an escaped newline
 * every thirty bytes, and a branch on where each one stands is a branch mispredicted. Pure
 * functions.
 */
#ifndef CRU_DOC_ESCAPE_BLOCKS_H
#define CRU_DOC_ESCAPE_BLOCKS_H

#include <stdbool.h>

/*
 * Decodes from p, where no escape is open, into *to as far as whole blocks and escapes of one
 * letter go; *to is moved behind what was written. Answers where the next byte to be looked at
 * stands: a backslash that is for somebody else (\u, two in a row, a wrong one), or less than a
 * block before `end`. At *to there must be room for end - p bytes.
 */
typedef const char *cru_escape_blocks(const char *p, const char *end, char **to);

/* The fastest that this machine has; NULL: none. */
cru_escape_blocks *cru_escape_blocks_here(void);

/*
 * The same for a string whose end is not known yet: it stops as well at a quote and at a control character
 * that belong to no escape, and sets *high when it has decoded a byte beyond ASCII. It looks at whole
 * blocks only, so 64 bytes behind `end` must be readable, and at *to there must be room for end - p + 128
 * bytes. An answer of `end` or more: it has met nothing to stop at before.
 */
typedef const char *cru_text_blocks(const char *p, const char *end, char **to, bool *high);
/* The fastest that this machine has; NULL: none, and simdjson does it. */
cru_text_blocks *cru_text_blocks_here(void);
/* Where the first quote, backslash or control character stands, with the same reading of whole blocks and
 * the same answers; for where cru_text_blocks_here has something. */
const char *cru_text_plain_end(const char *p, const char *end, bool *high);

#endif
