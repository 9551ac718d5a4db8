/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bulk of unescaping a JSON string, a block of 64 bytes at a time: code has an escaped newline
 * every thirty bytes, and a branch on where each one stands is a branch mispredicted. Pure
 * functions.
 */
#ifndef CRU_DOC_ESCAPE_BLOCKS_H
#define CRU_DOC_ESCAPE_BLOCKS_H

/*
 * Decodes from p, where no escape is open, into *to as far as whole blocks and escapes of one
 * letter go; *to is moved behind what was written. Answers where the next byte to be looked at
 * stands: a backslash that is for somebody else (\u, two in a row, a wrong one), or less than a
 * block before `end`. At *to there must be room for end - p bytes.
 */
typedef const char *cru_escape_blocks(const char *p, const char *end, char **to);

/* The fastest that this machine has; NULL: none. */
cru_escape_blocks *cru_escape_blocks_here(void);

#endif
