# SPDX-License-Identifier: Apache-2.0
"""Hugging Face tokenizers 0.23.3, the reference, asked about code points; for unicode_tables.py,
unicode_categories.py and subword_unicode.py. Needs: pip install tokenizers==0.23.3"""
import tokenizers
from tokenizers import Regex, normalizers

assert tokenizers.__version__ == "0.23.3"
CPS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def matched(pattern):
    """The set of code points that its regex engine has in a class."""
    cut = normalizers.Replace(Regex(pattern), "")
    out = set()
    for i in range(0, len(CPS), 4096):
        part = CPS[i:i + 4096]
        out |= set(part) - set(map(ord, cut.normalize_str("".join(map(chr, part)))))
    return out


def ranges(points):
    """[first, last] of each run of neighbours, in order."""
    out = []
    for c in sorted(points):
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def wrapped(items, width=100):
    """Prints them in lines of a table in C."""
    line = indent = "    "
    for item in items:
        if len(line) + len(item) > width:
            print(line.rstrip())
            line = indent
        line += item
    print(line.rstrip())
