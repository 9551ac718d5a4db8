#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pre-tokenisers of published vocabularies, and others, against Hugging Face tokenizers 0.23.3.

Usage: tokenizer_patterns.py --golden STRINGS                       writes tests/golden/tokenizer_patterns.tsv
       tokenizer_patterns.py --speed build/bench/tokenizer_speed [--strings N] [--seed N]    compares, exit status 1
                                                                                             when any string differs

Needs: pip install tokenizers==0.23.3. STRINGS is what `tokenizer_patterns_test --write FILE` wrote. The vocabulary is
the 256 bytes and a merge for each pair of them (a quarter of the pairs for --golden, which a test must load), in an
order that mixes them up: nearly every piece that ends elsewhere gives other ids.
"""
import argparse
import json
import os
import random
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tokenizer_json  # noqa: E402

import tokenizers  # noqa: E402

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "tokenizer_patterns.tsv")
EACH, GOLDEN_MERGES = 100, 16384
TAIL = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SLASH = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
HEAD = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
FRONT = r"[^\r\n\p{L}\p{N}]?"
O200K = (FRONT + UPPER + "*" + LOWER + "+" + CONTRACTIONS + "?|" + FRONT + UPPER + "+" + LOWER + "*" + CONTRACTIONS
         + r"?|\p{N}{1,3}" + SLASH)
TEKKEN = FRONT + UPPER + "*" + LOWER + "+|" + FRONT + UPPER + "+" + LOWER + r"*|\p{N}" + SLASH
DEEPSEEK = (r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"""
            r"""| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+""")
POSSESSIVE = (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$"
              r"|\s*[\r\n]|\s+(?!\S)|\s")
BLOOM = r" ?[^(\s|[.,!?…。，、।۔،])]+"
MARKS = (CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+"
         r"|\s+(?!\S)|\s+")


def split(regex, behavior="Isolated", invert=False, kind="Regex"):
    return {"type": "Split", "pattern": {kind: regex}, "behavior": behavior, "invert": invert}


def level(regex=False):
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": regex}


def steps(*parts, regex=False):
    return {"type": "Sequence", "pretokenizers": [*parts, level(regex)]}


def digits(each):
    return {"type": "Digits", "individual_digits": each}


BEHAVIORS = ["Isolated", "Removed", "Contiguous", "MergedWithPrevious", "MergedWithNext"]
CASES = {
    "gpt2": level(True), "none": level(False), "qwen2": steps(split(HEAD + r"\p{N}" + TAIL)),
    "cl100k": steps(split(HEAD + r"\p{N}{1,3}" + TAIL)),
    "cl100k-kept": steps(split(HEAD + r"\p{N}{1,3}" + TAIL, "Removed", True)),
    "o200k": steps(split(O200K)), "o200k-kept": steps(split(O200K, "Removed", True)), "tekken": steps(split(TEKKEN)),
    "starcoder": steps(digits(True), regex=True), "digits": steps(digits(False)),
    "deepseek-v3": steps(split(r"\p{N}{1,3}"), split("[一-龥぀-ゟ゠-ヿ]+"), split(DEEPSEEK)),
    "deepseek-coder": steps(split(r"[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?\p{P}+"),
                            split("[一-龥ࠀ-一가-퟿]+"), digits(True)),
    "cl100k-possessive": steps(split(POSSESSIVE)), "bloom": steps(split(BLOOM)), "marks": steps(split(MARKS)),
    "o200k-digits": steps(digits(True), split(O200K)), "o200k-contiguous": steps(split(O200K, "Contiguous")),
    "thousands": steps(split(r"\d{1,3}(?=(?:\d{3})*\b)"), split(TEKKEN)),
    "words": steps(split(r"\w+|[^\w\s]+", "Removed", True)), "lines": steps(split(r"^.+$|\S\s|\s\S")),
    "scripts": steps(split(r"\p{Han}+|\p{Hiragana}+|\p{Katakana}+|\p{Hangul}+|\p{Thai}+|\p{Latin}+|\p{Greek}+"
                           r"|\p{Cyrillic}+|\p{Arabic}+|\p{Hebrew}+")),
    "lookbehind": steps(split(r"(?<=\p{L})\p{N}+|(?<!\s)['\u2019](?=\p{Ll})|\P{M}\p{M}+|\S{3}?x|[\x{41}-\x5A]{2}+")),
    "literal": steps(split(" |.*", kind="String"), split("e", "MergedWithNext", kind="String"), split("\n", kind="String")),
    **{f"spaces-{b}": steps(split(r"\s{1,2}", b)) for b in BEHAVIORS},
    **{f"letters-{b}-inverted": steps(split(r"\p{L}\p{M}*", b, True)) for b in BEHAVIORS[:3]},
    **{f"punctuation-{b}": steps({"type": "Punctuation", "behavior": b}) for b in BEHAVIORS},
    "punctuation-gpt2": steps({"type": "Punctuation"}, regex=True),
}


def pair_merges(n):
    """Merge number r is of the bytes r * 40503 + 7, modulo 65536."""
    for r in range(n):
        pair = (r * 40503 + 7) & 65535
        yield pair >> 8, pair & 255


def build(pre_tokenizer, n_merges=65536, normalizer=None):
    chars = tokenizer_json.byte_characters()
    vocab, merges = {chars[b]: b for b in range(256)}, []
    for a, b in pair_merges(n_merges):
        merges.append([chars[a], chars[b]])
        vocab[chars[a] + chars[b]] = len(vocab)
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": normalizer,
            "pre_tokenizer": pre_tokenizer, "post_processor": None, "decoder": level(),
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                      "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
                      "ignore_merges": False, "vocab": vocab, "merges": merges}}


def reference(case, texts, n_merges=65536):
    t = tokenizers.Tokenizer.from_str(json.dumps(build(case, n_merges), ensure_ascii=False))
    for i in range(0, len(texts), EACH):
        for e in t.encode_batch_fast(texts[i:i + EACH], add_special_tokens=False):
            yield tuple(e.ids)


def fnv(ids, h):
    for b in struct.pack(f"<I{len(ids)}I", len(ids), *ids):
        h = (h ^ b) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return h


def write_golden(path):
    texts = []
    with open(path, "rb") as f:
        while head := f.read(4):
            texts.append(f.read(struct.unpack("=I", head)[0]).decode())
    with open(GOLDEN, "w", encoding="utf-8") as out:
        for name, case in CASES.items():
            all_ids = list(reference(case, texts, GOLDEN_MERGES))
            hashes = []
            for i in range(0, len(texts), EACH):
                h = 0xCBF29CE484222325
                for ids in all_ids[i:i + EACH]:
                    h = fnv(ids, h)
                hashes.append(f"{h:016x}")
            out.write("\t".join([name, json.dumps(case, ensure_ascii=False), " ".join(hashes)]) + "\n")


# Ranges whose characters patterns tell apart; one string draws from a few of them.
POOLS = [range(0x20, 0x7F), [9, 10, 13, 32, 32, 0xA0, 0x2003, 0x3000], range(0x30, 0x3A), range(0x300, 0x370),
         [0x27, 0x53, 0x73, 0x74, 0x6C, 0x4C, 0x17F, 0x212A, 0x52, 0x65, 0x76], range(0xA0, 0x250), range(0x370, 0x500),
         range(0x590, 0x700), range(0x900, 0x980), range(0xE00, 0xE80), range(0x1100, 0x1200), range(0xAC00, 0xAC80),
         range(0x3040, 0x3100), range(0x4E00, 0x4F00), range(0xF900, 0xFE00), range(0x1F300, 0x1F400),
         [0xE000, 0xFFFF, 0x10FFFF, 0, 1, 0x7F, 0xFEFF, 0x1C89, 0xA7DA, 0x88F], range(0x1DC0, 0x1E00),
         range(0x11300, 0x11400), range(0x1D150, 0x1D180), range(0xE0100, 0xE0110), range(0x200B, 0x2010),
         [0x180E, 0x200B, 0x2028, 0x85, 0x1C, 0x0B, 0xFEFF], [0x41, 0x42, 0x61, 0x62, 0x1C5, 0x2B0, 0x4E00, 0x301, 0x2F, 0xA],
         [0xB2, 0xBD, 0x2167, 0x3007, 0x24B6, 0x203F, 0x1F130], range(0x11DE0, 0x11DF0), range(0x10D40, 0x10D70),
         range(0x1CC00, 0x1CD00), [0x31350, 0x323AF, 0x323B0, 0x2EBF0], [0x2C, 0x2E, 0x21, 0x24, 0x2B, 0x7C, 0x28],
         range(0x0, 0x80), [0x1171E, 0x1E4D0, 0x1E5D0, 0x1E5F1]]


WORDS = ["'LL", "'s", "HTTPServer's", "\r\n", "  \n/", "12345", "don't", " , ", "a b"]


def random_string(draw):
    pools, out = draw.sample(POOLS, draw.randrange(1, 5)), []
    for _ in range(draw.randrange(1, 60)):
        if draw.random() < 0.04:
            out.append(draw.choice(WORDS))
        c = draw.choice(draw.choice(pools))
        out.append(chr(c) * (draw.randrange(1, 40) if draw.random() < 0.03 else 1))
    return "".join(out)


def ours(args, vocab, texts, special="text"):
    with tempfile.TemporaryDirectory() as folder:
        source, ids = os.path.join(folder, "t"), os.path.join(folder, "i")
        with open(source, "wb") as f:
            for t in texts:
                b = t.encode()
                f.write(struct.pack("=I", len(b)) + b)
        subprocess.run([args.speed, vocab, special, source, ids, "1"], check=True, stdout=subprocess.DEVNULL)
        with open(ids, "rb") as f:
            data = f.read()
    at = 0
    while at < len(data):
        n = struct.unpack_from("=I", data, at)[0]
        yield struct.unpack_from(f"={n}I", data, at + 4)
        at += 4 + 4 * n


def compare(args):
    draw = random.Random(args.seed)
    texts = [random_string(draw) for _ in range(args.strings)]
    texts += [x + chr(c) + y for c in range(0x110000) if not 0xD800 <= c < 0xE000 and (c < 0x3100 or c % 9 == 0)
              for x, y in [("aB", "c1 ")]]
    bad = 0
    for name, case in CASES.items():
        if args.only and args.only not in name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            vocab = os.path.join(folder, "v.json")
            with open(vocab, "w", encoding="utf-8") as f:
                json.dump(build(case), f, ensure_ascii=False)
            try:
                mine = list(ours(args, vocab, texts))
            except subprocess.CalledProcessError:
                print(f"{name:32} not run")
                bad += 1
                continue
        differ = [i for i, (a, b) in enumerate(zip(mine, reference(case, texts))) if a != b]
        print(f"{name:32} {len(texts):7} strings {len(differ):6} differ", flush=True)
        for i in differ[:3]:
            print("   ", ascii(texts[i][:100]))
        bad += len(differ)
    return bad


# Added tokens (content, normalized, lstrip, rstrip), as GPT-NeoX, RoBERTa and others have them, and worse.
ADDED = [
    [("<|endoftext|>", False, False, False), ("  ", True, False, False), ("   ", True, False, False)],
    [("<mask>", False, True, False), ("<s>", False, False, True), ("<x>", False, True, True)],
    [("<mask>", True, True, False), ("<s>", True, False, True), ("<mask>!", True, True, True)],
    [("e\u0301e", False, False, False), ("\u00e9\u00e9\u00e9", True, False, False), ("<x>", True, True, False)],
]


def compare_added(args):
    draw, bad = random.Random(args.seed), 0
    for rows in ADDED:
        for normalizer in (None, {"type": "NFC"}):
            WORDS[:] = [r[0] for r in rows] * 4 + [" ", "\u3000 ", "\u0301", "<mask", "e", "\n"]
            texts = ["".join(draw.choice(WORDS) if draw.random() < 0.6 else random_string(draw)[:3]
                             for _ in range(draw.randrange(1, 12))) for _ in range(args.strings)]
            whole = build(CASES["o200k"], normalizer=normalizer)
            whole["added_tokens"] = [
                {"id": 65792 + i, "content": c, "single_word": False, "lstrip": l, "rstrip": r, "normalized": n,
                 "special": not n} for i, (c, n, l, r) in enumerate(rows)]
            with tempfile.TemporaryDirectory() as folder:
                vocab = os.path.join(folder, "v.json")
                with open(vocab, "w", encoding="utf-8") as f:
                    json.dump(whole, f, ensure_ascii=False)
                theirs = tokenizers.Tokenizer.from_file(vocab).encode_batch_fast(texts, add_special_tokens=False)
                mine = list(ours(args, vocab, texts, "recognise"))
            differ = [i for i, (a, b) in enumerate(zip(mine, theirs)) if a != tuple(b.ids)]
            print(f"added {rows[0][0]} {normalizer and 'NFC'}: {len(texts)} strings {len(differ)} differ", flush=True)
            for i in differ[:3]:
                print("   ", ascii(texts[i]), theirs[i].ids, mine[i])
            bad += len(differ)
    return bad


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--golden")
    p.add_argument("--speed")
    p.add_argument("--strings", type=int, default=20000)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--only")
    args = p.parse_args()
    if tokenizers.__version__ != "0.23.3":
        sys.exit(f"tokenizer_patterns: this is tokenizers {tokenizers.__version__}, the claim is about 0.23.3")
    if args.golden:
        return write_golden(args.golden)
    return 1 if compare(args) + (0 if args.only else compare_added(args)) else 0


if __name__ == "__main__":
    sys.exit(main())
