#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes unicode_categories.c: what Hugging Face tokenizers 0.23.3 knows of general categories, asked of itself.

Usage: unicode_categories.py > tokenizer/unicode_categories.c      (needs: pip install tokenizers==0.23.3)

Run with a Python whose unicodedata is Unicode 14 (3.11): the oldest that a supported PCRE2 has, so that what was
assigned later can be added to its classes by name (pattern_translate.c).
"""
import unicodedata

from tokenizers import pre_tokenizers

from reference_unicode import CPS, matched, ranges, wrapped

assert unicodedata.unidata_version == "14.0.0"
CATEGORIES = "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co Cn".split()
SCRIPTS = "Arabic Cyrillic Greek Han Hangul Hebrew Hiragana Katakana Latin Thai".split()
BLOCK = 128


def stands_alone(step):
    return {c for c in CPS if len(step.pre_tokenize_str("a" + chr(c) + "a")) == 3}


sets = {k: matched(r"\p{%s}" % k) for k in CATEGORIES}
category = {c: k for k, s in sets.items() for c in s}
assert len(category) == len(CPS)
space, word = matched(r"\s"), matched(r"\w")
numeric, punctuation = stands_alone(pre_tokenizers.Digits(True)), stands_alone(pre_tokenizers.Punctuation("isolated"))
bits = bytearray(0x110000)
for c in CPS:
    k = category[c]
    bits[c] = ((k in ("Lu", "Lt", "Lm", "Lo") or k[0] == "M") * 1 + (k in ("Ll", "Lm", "Lo") or k[0] == "M") * 2
               + (k[0] == "L") * 4 + (k[0] == "N") * 8 + (c in space) * 16 + (c in numeric) * 32
               + (c in punctuation) * 64)
blocks, index = {}, []
for i in range(0, 0x110000, BLOCK):
    b = bytes(bits[i:i + BLOCK])
    index.append(blocks.setdefault(b, len(blocks)))

print("""/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Generated, not to be edited:
 *   unicode_categories.py > tokenizer/unicode_categories.c
 * Long because it says of every code point what it is, in blocks of 128 of which equal ones are stored once. A
 * table that the compiler sees is mapped with the program, costs no start and is shared by all processes.
 */
#include "tokenizer/unicode_categories.h"

/* clang-format off */""")
print(f"const uint16_t cru_category_block[{len(index)}] = {{")
wrapped(f"{i}," for i in index)
print("};\n")
print(f"const uint8_t cru_category_bits[][{BLOCK}] = {{")
for b in blocks:
    print("   {")
    wrapped(f"{x}," for x in b)
    print("   },")
print("};\n")

later = [(c, category[c]) for c in CPS
         if category[c] != unicodedata.category(chr(c)) and category[c] != "Cn"]
rows = []
for c, k in later:
    if rows and rows[-1][1] == c - 1 and rows[-1][2] == k:
        rows[-1][1] = c
    else:
        rows.append([c, c, k])
print(f"/* {len(later)} code points that Unicode 14 does not have, or has in another category. */")
print("const struct cru_category_range cru_category_later[] = {")
wrapped(f'{{0x{a:X}, 0x{b:X}, "{k}"}}, ' for a, b, k in rows)
print("};")
print("const size_t cru_category_n_later = sizeof cru_category_later / sizeof *cru_category_later;\n")
plain = {c for c in CPS if category[c][0] in "LM" or category[c] in ("Nd", "Pc")}
assert plain <= word
named = [("w", word - plain)] + [(s, matched(r"\p{%s}" % s)) for s in SCRIPTS]
print("/* Whole sets: a script by name; \"w\" is \\w beyond \\p{L}, \\p{M}, \\p{Nd} and \\p{Pc}. */")
print("const struct cru_category_range cru_category_named[] = {")
for name, points in named:
    wrapped(f'{{0x{a:X}, 0x{b:X}, "{name}"}}, ' for a, b in ranges(points))
print("};")
print("const size_t cru_category_n_named = sizeof cru_category_named / sizeof *cru_category_named;")
