#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes subword_unicode.c: what Hugging Face tokenizers 0.23.3 knows of characters in its normalisers and
pre-tokenisers for WordPiece and Unigram, asked of itself.

Usage: subword_unicode.py > tokenizer/subword_unicode.c      (needs: pip install tokenizers==0.23.3)

Why not the tables that are there: BertNormalizer, StripAccents, NFD and Lowercase come from four crates with tables of
four Unicode versions, and none is that of unicode_classes.h or of the system's utf8proc.
"""
import struct
import unicodedata

from tokenizers import normalizers as N, pre_tokenizers as P

from reference_unicode import CPS, wrapped

BLOCK = 128


def charsmap(pairs):
    """A charsmap as sentencepiece writes it: a Darts double array of the keys, and what they become."""
    blob, at = b"", {}
    for new in sorted({v for _, v in pairs}):
        at[new] = len(blob)
        blob += new.encode() + b"\0"
    trie = {}
    for key, new in pairs:
        node = trie
        for b in key.encode():
            node = node.setdefault(b, {})
        node[-1] = at[new]
    units, used = {0: 0}, {0}

    def place(node, pos):
        labels = [0 if b < 0 else b for b in node]
        base = 1
        while any((pos ^ base ^ b) in used for b in labels) or (base >= 1 << 21 and base & 255):
            base += 1
        assert base < 1 << 29
        units[pos] |= base << 10 if base < 1 << 21 else base >> 8 << 10 | 1 << 9
        for b in labels:
            used.add(pos ^ base ^ b)
        for b, child in node.items():
            here = pos ^ base ^ max(b, 0)
            if b < 0:
                units[pos] |= 1 << 8
                units[here] = child | 1 << 31
            else:
                units[here] = b
        for b, child in node.items():
            if b >= 0:
                place(child, pos ^ base ^ b)
    place(trie, 0)
    array = [units.get(i, 0) for i in range(max(units) + 256)]
    return struct.pack("<I", 4 * len(array)) + struct.pack(f"<{len(array)}I", *array) + blob


def each(normalizer, before="", behind="", chars=CPS):
    """What becomes of every character alone between two others."""
    return {c: normalizer.normalize_str(before + chr(c) + behind) for c in chars}


def main():
    mask = [0] * 0x110000
    names = []

    def bit(name, members):
        names.append((name, len(members)))
        for c in members:
            mask[c] |= 1 << (len(names) - 1)

    def bert(**kw):
        return N.BertNormalizer(**{**dict(clean_text=False, handle_chinese_chars=False, strip_accents=False,
                                          lowercase=False), **kw})
    bit("CONTROL", [c for c, s in each(bert(clean_text=True), "a", "b").items() if s == "ab"])
    bit("BLANK", [c for c in CPS if not P.WhitespaceSplit().pre_tokenize_str(chr(c))])
    spaced = {c for c, s in each(bert(clean_text=True), "a", "b").items() if s == "a b"}
    assert spaced == {c for c in CPS if mask[c] & 3 == 2}, "white space of clean_text"
    nfd, nfkd = each(N.NFD()), each(N.NFKD())
    accents = each(bert(strip_accents=True))
    bit("NONSPACING", [c for c, s in accents.items() if s == "" and nfd[c] == chr(c)])
    bit("COMBINING", [c for c, s in each(N.StripAccents()).items() if s == ""])
    bit("NFD", [c for c, s in nfd.items() if s != chr(c)])
    bit("NFKD", [c for c, s in nfkd.items() if s != chr(c)])
    for form, table in (("NFD", nfd), ("NFKD", nfkd)):
        for c, s in table.items():
            assert s == chr(c) or s == unicodedata.normalize(form, chr(c)), (form, hex(c))
    low, high = chr(0x334), chr(0x345)  # classes 1 and 240
    bit("REORDERS", [c for c in CPS if nfd[c] == chr(c) and (
        N.NFD().normalize_str("a" + chr(c) + low) == "a" + low + chr(c) or
        N.NFD().normalize_str("a" + high + chr(c)) == "a" + chr(c) + high)] + [0x345])
    for c in CPS:
        assert not mask[c] & 64 or unicodedata.combining(chr(c)), hex(c)
    words = [c for c in CPS if [p for p, _ in P.Whitespace().pre_tokenize_str("a" + chr(c))] == ["a" + chr(c)]]
    bit("WORD", words)
    # A charsmap that makes X of a, and of whatever grapheme begins with a: what joins the a vanishes with it.
    joined = N.Precompiled(charsmap([("a", "X")]))
    bit("JOINS", [c for c in CPS if joined.normalize_str("a" + chr(c)) == "X"])
    rest = [c for c in CPS if c not in (0, 97) and len(chr(c).encode()) < 5 and not mask[c] & 256]
    leads = set()
    for i in range(0, len(rest), 64):
        part = rest[i:i + 64]
        whole = N.Precompiled(charsmap([(chr(c), "Y") for c in part]))
        for c in part:
            if whole.normalize_str(chr(c) + "a") == "Y":
                leads.add(c)
    bit("LEADS", sorted(leads))
    # Two marks are a grapheme of their own only behind what they do not join.
    marks = N.Precompiled(charsmap([(chr(0x300), "Y")]))
    bit("ENDS", [c for c in CPS if marks.normalize_str(chr(c) + chr(0x300) + chr(0x301)) == chr(c) + "Y"])
    lower = {c: s for c, s in each(N.Lowercase()).items() if s != chr(c)}
    assert [c for c, s in lower.items() if len(s) != 1] == [0x130] and lower.pop(0x130) == "i\u0307"
    bit("UPPER", sorted(list(lower) + [0x130]))
    runs = []  # first, last, step, delta
    for c in sorted(lower):
        d = ord(lower[c]) - c
        if runs and runs[-1][3] == d and c - runs[-1][1] in (1, 2) and runs[-1][2] in (0, c - runs[-1][1]):
            runs[-1][1], runs[-1][2] = c, c - runs[-1][1]
        else:
            runs.append([c, c, 0, d])

    blocks, index = {}, []
    for i in range(0, 0x110000, BLOCK):
        b = tuple(mask[i:i + BLOCK])
        index.append(blocks.setdefault(b, len(blocks)))
    assert len(blocks) < 1 << 16

    print("/* SPDX-License-Identifier: Apache-2.0 */")
    print("/* Written by subword_unicode.py; see there. Members: " + ", ".join(f"{n} {k}" for n, k in names[:5]))
    print(" * " + ", ".join(f"{n} {k}" for n, k in names[5:]) + ".")
    print(" * Long because it says of every code point what the reference makes of it, in blocks of 128 of which equal ones are stored")
    print(" * once; a table that the compiler sees is mapped with the program and costs no start. */")
    print('#include "tokenizer/subword_unicode.h"\n\n/* clang-format off */')
    print(f"const uint16_t cru_subword_block[{len(index)}] = {{")
    wrapped((f"{i}," for i in index), 110)
    print("};\n")
    print(f"const uint16_t cru_subword_bits[][{BLOCK}] = {{")
    for b in blocks:
        print("   {")
        wrapped((f"{x}," for x in b), 110)
        print("   },")
    print("};\n")
    print("const struct cru_lower_run cru_lower_runs[] = {")
    wrapped((f"{{0x{a:X}, 0x{b:X}, {s or 1}, {d}}}, " for a, b, s, d in runs), 110)
    print("};")
    print("const size_t cru_lower_n_runs = sizeof cru_lower_runs / sizeof *cru_lower_runs;")


if __name__ == "__main__":
    main()
