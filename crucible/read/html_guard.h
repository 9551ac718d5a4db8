/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A look at a page before it is parsed. The HTML tree builder is quadratic in the depth of the open
 * elements and in the attributes of a tag, so a page of a megabyte can keep it busy for hours. The
 * guard walks the tags once, keeps the stack of open elements the way the tree builder would (in
 * outline: implied end tags, scopes, formatting elements), and refuses pages past a limit. Linear
 * time, a few KiB on the stack, no allocation; any thread.
 */
#ifndef CRU_READ_HTML_GUARD_H
#define CRU_READ_HTML_GUARD_H

#include "crucible/base/span.h"

enum {
    CRU_HTML_MAX_DEPTH = 512,       /* open elements; where Blink stops nesting, too */
    CRU_HTML_MAX_ATTRIBUTES = 1024, /* of one tag */
};

/* NULL when the page may be parsed, else the rule that it breaks: "too-deep" or "too-complex". */
const char *cru_html_guard(struct cru_span page);

#endif
