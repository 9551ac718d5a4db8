#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares our ids with Hugging Face tokenizers' on this machine's own documents, and on random strings.

Usage: tokenizer_agree.py --ranks qwen.tiktoken --speed build/bin/tokenizer_speed --vocab qwen3.vocab
                          [--megabytes N] [--strings N] [--seed N]

Needs: pip install tokenizers==0.23.3. Each group is taken in sorted order, every k-th file, until N MB. Prints a
line a group; exit status 1 when any document differs.
"""
import argparse
import gzip
import json
import os
import random
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tokenizer_json  # noqa: E402

os.environ["TOKENIZERS_PARALLELISM"] = "false"

GROUPS = [
    ("installation guide, HTML, all languages", "/usr/share/doc/installation-guide-amd64", (".html", ".txt.gz", ".en.txt.gz")),
    ("manual pages, all languages", "/usr/share/man", (".gz",)),
    ("Python sources", "/usr/lib/python3.11", (".py",)),
    ("C headers", "/usr/include", (".h",)),
    ("documentation", "/usr/share/doc", (".html", ".md", ".txt", ".gz", ".rst")),
]

# Ranges that the pre-tokeniser and the normaliser care about; one string draws from a few of them.
POOLS = [
    range(0x20, 0x7F), [9, 10, 13, 32, 32, 0xA0, 0x2003, 0x3000, 0x85, 0x2028], range(0x30, 0x3A),
    [0x27, 0x53, 0x73, 0x74, 0x6C, 0x4C, 0x17F, 0x212A, 0x52, 0x65, 0x76], range(0x300, 0x370), range(0xA0, 0x250),
    range(0x370, 0x400), range(0x400, 0x500), range(0x590, 0x600), range(0x600, 0x700), range(0x900, 0x980),
    range(0xE00, 0xE80), range(0x1100, 0x1200), range(0xAC00, 0xAC80), range(0x3040, 0x3100), range(0x4E00, 0x4F00),
    range(0xF900, 0xFB00), range(0xFB00, 0xFE00), range(0x1F300, 0x1F400), range(0x660, 0x66A), range(0x1DC0, 0x1E00),
    range(0x1AB0, 0x1B00), range(0x8A0, 0x900), range(0x11300, 0x11400), range(0x105C0, 0x105F0), range(0x11930, 0x11945),
    range(0x16110, 0x16130), range(0x16D60, 0x16D70), range(0x1D150, 0x1D180), range(0x2F800, 0x2FA20),
    [0xE000, 0xFFFF, 0x10FFFF, 0, 1, 0x7F, 0xFEFF, 0x1C89, 0xA7DA, 0x88F], range(0xE0100, 0xE0110), range(0x200B, 0x2010),
    range(0xB40, 0xB80), range(0xDC0, 0xE00), range(0x1000, 0x1050), range(0xF00, 0xFC0),
]


def random_strings(n, seed):
    draw = random.Random(seed)
    for i in range(n):
        pools = draw.sample(POOLS, draw.randrange(1, 5))
        out = []
        for _ in range(draw.randrange(1, 60)):
            if draw.random() < 0.04:
                out.append(draw.choice(tokenizer_json.ADDED))
            c = draw.choice(draw.choice(pools))
            out.append(chr(c) * (draw.randrange(1, 40) if draw.random() < 0.03 else 1))
        yield "".join(out)


def files(root, ends, limit):
    found = []
    for folder, _, names in os.walk(root):
        found += [os.path.join(folder, n) for n in names if n.endswith(ends)]
    found.sort()
    sizes = sum(os.path.getsize(p) for p in found if os.path.isfile(p)) or 1
    step = max(1, round(sizes * (2.5 if ends[0] == ".gz" else 1) / limit))
    taken = 0
    for path in found[::step]:
        try:
            with (gzip.open if path.endswith(".gz") else open)(path, "rb") as f:
                text = f.read(256 << 10).decode("utf-8", "ignore")
        except OSError:
            continue
        if text and taken < limit:
            taken += len(text.encode())
            yield text


def ours(args, special, texts):
    with tempfile.TemporaryDirectory() as folder:
        source, ids = os.path.join(folder, "t"), os.path.join(folder, "i")
        with open(source, "wb") as f:
            for t in texts:
                b = t.encode()
                f.write(struct.pack("=I", len(b)) + b)
        subprocess.run([args.speed, args.vocab, special, source, ids, "1"], check=True,
                       stdout=subprocess.DEVNULL)
        with open(ids, "rb") as f:
            data = f.read()
    out, at = [], 0
    while at < len(data):
        n = struct.unpack_from("=I", data, at)[0]
        out.append(struct.unpack_from(f"={n}I", data, at + 4))
        at += 4 + 4 * n
    return out


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--ranks", required=True)
    p.add_argument("--speed", required=True)
    p.add_argument("--vocab", required=True)
    p.add_argument("--megabytes", type=float, default=8)
    p.add_argument("--strings", type=int, default=30000)
    p.add_argument("--seed", type=int, default=1)
    args = p.parse_args()
    import tokenizers
    if tokenizers.__version__ != "0.23.3":
        sys.exit(f"tokenizer_agree: this is tokenizers {tokenizers.__version__}, the claim is about 0.23.3")
    peers = {}
    for special in ("recognise", "text"):
        built = tokenizer_json.build(args.ranks, added=special == "recognise")
        peers[special] = tokenizers.Tokenizer.from_str(json.dumps(built, ensure_ascii=False))
    groups = [("random strings", list(random_strings(args.strings, args.seed)))]
    groups += [(name, list(files(root, ends, args.megabytes * 1e6))) for name, root, ends in GROUPS]
    bad = documents = 0
    for name, texts in groups:
        for special in ("recognise", "text"):
            if special == "text" and name != "random strings" and not any("<" in t for t in texts):
                continue
            mine = ours(args, special, texts)
            differ = 0
            for i in range(0, len(texts), 64):
                part = peers[special].encode_batch_fast(texts[i:i + 64], add_special_tokens=False)
                for k, (e, m) in enumerate(zip(part, mine[i:i + 64])):
                    if tuple(e.ids) != m:
                        differ += 1
                        if differ <= 3:
                            print(f"  differs: {name} #{i + k}: {ascii(texts[i + k][:120])}")
            size = sum(len(t.encode()) for t in texts) / 1e6
            print(f"{name:42} {special:10} {len(texts):6} documents {size:7.1f} MB {differ:5} differ", flush=True)
            bad += differ
            documents += len(texts)
    print(f"agree: {documents} comparisons, {bad} differ")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
