#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes unicode_blocks.c, the table of unicode_classes.h, from the ranges in unicode_ranges.h.

Usage: unicode_blocks.py tokenizer/unicode_ranges.h > tokenizer/unicode_blocks.c
"""
import re
import sys

BITS = {"letter": 1, "number": 2, "space": 4, "mark": 8, "compose": 16, "later": 32}
BLOCK = 128
flat = bytearray(0x110000)
text = open(sys.argv[1]).read()
for name, rows in re.findall(r"cru_unicode_(\w+)\[\]\[2\] = \{(.*?)\};", text, re.S):
    for first, last in re.findall(r"\{0x([0-9A-F]+), 0x([0-9A-F]+)\}", rows):
        for c in range(int(first, 16), int(last, 16) + 1):
            flat[c] |= BITS[name]
blocks = {}
numbers = [blocks.setdefault(bytes(flat[i:i + BLOCK]), len(blocks)) for i in range(0, len(flat), BLOCK)]
assert len(blocks) <= 256


def rows(values):
    line = "   "
    for v in values:
        if len(line) + len(f" {v},") > 100:
            yield line
            line = "   "
        line += f" {v},"
    yield line


print("""/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Generated, not to be edited:
 *   unicode_blocks.py tokenizer/unicode_ranges.h > tokenizer/unicode_blocks.c
 * Long because it says of every code point what it is, in blocks of 128 of which equal ones are stored once. A
 * table that the compiler sees is mapped with the program, costs no start and is shared by all processes.
 */
/* clang-format off */
#include "tokenizer/unicode_classes.h"
""")
print("const uint8_t cru_class_block[CRU_CLASS_BLOCKS] = {")
print("\n".join(rows(numbers)))
print("};\n")
print(f"const uint8_t cru_class_bits[{len(blocks)} * CRU_CLASS_BLOCK] = {{")
for block in blocks:
    print("\n".join(rows(block)))
print("};")
