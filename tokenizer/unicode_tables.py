#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes unicode_ranges.h: what Hugging Face tokenizers 0.23.3 knows about Unicode, asked of itself.

Usage: unicode_tables.py > tokenizer/unicode_ranges.h      (needs: pip install tokenizers==0.23.3 unicodedata2)

Its regex engine's classes are Unicode 16; its normalisation tables are those of about Unicode 9. Both
are probed code point by code point, so that the table holds for exactly that release; unicodedata2
(a later Unicode) only says which code points are worth asking about.
"""
import unicodedata2 as U
from tokenizers import normalizers

from reference_unicode import CPS, matched, ranges

hf = normalizers.NFC().normalize_str


def mark_known(c):
    """Whether a combining mark is reordered as its class asks (tried against classes 240 and 1)."""
    s = "\u25cc\u0345" + chr(c) if U.combining(chr(c)) < 240 else "\u25cc" + chr(c) + "\u0334"
    return hf(s) == U.normalize("NFC", s)


pairs = []
for c in CPS:
    d = U.decomposition(chr(c))
    if d and d[0] != "<" and d.count(" ") == 1 and not 0xAC00 <= c < 0xD7A4:
        pairs.append((c, *[int(x, 16) for x in d.split()]))
composed = [(c, a, b) for c, a, b in pairs if U.normalize("NFC", chr(a) + chr(b)) == chr(c)]
seconds = {b for c, a, b in composed if hf(chr(a) + chr(b)) == chr(c)}
later = set()
for c, a, b in composed:
    if hf(chr(a) + chr(b)) != chr(c):
        later |= {c, a} | ({b} if b not in seconds else set())
changes = {c for c in CPS if hf(chr(c)) != chr(c)}
assert all(hf(chr(c)) == U.normalize("NFC", chr(c)) for c in CPS)
compose = changes | seconds | set(range(0x1161, 0x1176)) | set(range(0x11A8, 0x11C3))
marks = {c for c in CPS if U.combining(chr(c))}
known = {c for c in marks if mark_known(c)}
later |= marks - known
later -= compose

print("""/* SPDX-License-Identifier: Apache-2.0 */
/* Written by unicode_tables.py; see there. Each row is the first and last code point of a range. */
#ifndef CRU_TOKENIZER_UNICODE_RANGES_H
#define CRU_TOKENIZER_UNICODE_RANGES_H

#include <stdint.h>
""")
for name, points, what in [
        ("letter", matched(r"\p{L}"), "\\p{L} of the reference's regex engine (Unicode 16)"),
        ("number", matched(r"\p{N}"), "\\p{N} of the same"),
        ("space", matched(r"\s"), "\\s of the same"),
        ("compose", compose, "NFC quick check is not Yes: changes alone, or may join what is before it"),
        ("mark", known - compose, "combining class is not 0, and nothing above holds"),
        ("later", later, "newer than the reference's normalisation tables: it leaves them alone")]:
    rows = ranges(points)
    print(f"/* {what}: {len(points)} code points */")
    print(f"static const uint32_t cru_unicode_{name}[][2] = {{")
    line = "   "
    for a, b in rows:
        item = f" {{0x{a:X}, 0x{b:X}}},"
        if len(line) + len(item) > 100:
            print(line)
            line = "   "
        line += item
    print(line)
    print("};\n")
print("#endif")
