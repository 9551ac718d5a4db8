/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pattern of a tokenizer.json, which the reference gives to Oniguruma (Ruby syntax), rewritten so
 * that PCRE2 finds the same matches. What would differ is spelled out or refused:
 *
 *   \s \S       Oniguruma's 25 characters; PCRE2's also has U+180E
 *   \w \b       spelled out: letters, marks, decimal digits, connectors, and other word characters
 *               (in a class without superscripts and fractions of Latin-1, as there)
 *   \d \p{..}   what Unicode assigned after 14 is added, as the reference's Unicode 16 has it
 *   \p{Han}     the script's own ranges; PCRE2 would take the script extensions
 *   X{n,m}+     a repeated group, not a possessive quantifier; X{n}? is an optional group
 *   ^ $         ends of lines; . is all but \n; \h a hexadecimal digit; \v U+000B
 *   (?i:...)    for ASCII alone, and for none of ss st ff fi fl, which are folded from one
 * character too
 *
 * Refused by name: back references, recursion, conditions, negated classes in a class, && in a
 * class, negative sets but \S in a class, and other escapes and options. Any thread; `out` is the
 * caller's. Errors: CRU_USAGE with the reason.
 */
#ifndef CRU_TOKENIZER_PATTERN_TRANSLATE_H
#define CRU_TOKENIZER_PATTERN_TRANSLATE_H

#include "crucible/base/buffer.h"
#include "crucible/base/error.h"
#include "crucible/base/span.h"

/* Appends the PCRE2 pattern (PCRE2_UTF, newline LF) for `source`, which is valid UTF-8. */
enum cru_status cru_pattern_translate(struct cru_span source, struct cru_buffer *out,
                                      struct cru_error *err);

#endif
