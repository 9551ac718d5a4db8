/* SPDX-License-Identifier: Apache-2.0 */
/* Special characters of roff, as listed in groff_char(7), and strings that man macros predefine. Pure. */
#ifndef CRU_READ_MAN_CHARS_H
#define CRU_READ_MAN_CHARS_H

#include "crucible/base/span.h"

/* "em" -> an em dash in UTF-8; NULL when unknown. Static. */
const char *man_character(struct cru_span name);
/* \*(lq and the like, groff_man(7); roff source. */
const char *man_predefined_string(struct cru_span name);

#endif
