#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes what tests/unit/tokenizer_golden_test.c expects: hashes of the reference's ids.

Usage: tokenizer_golden.py --ranks qwen.tiktoken --strings FILE [--tldr REPO --course REPO --python DIR]

Needs: pip install tokenizers==0.23.3 xxhash. FILE is what `tokenizer_golden_test --write FILE` wrote. With the three
sources (git directories of tldr-pages/tldr and huggingface/course, a CPython 3.11 Lib) the corpus is chosen and
packed again; without them tests/golden/tokenizer_corpus.xz is taken as it is.
"""
import argparse
import json
import lzma
import os
import struct
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tokenizer_json  # noqa: E402

os.environ["TOKENIZERS_PARALLELISM"] = "false"
GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden")
MODULES = """json/decoder.py textwrap.py heapq.py bisect.py colorsys.py csv.py html/entities.py string.py statistics.py
sched.py secrets.py stringprep.py this.py types.py unicodedata.py wave.py encodings/cp1252.py encodings/punycode.py
test/cjkencodings/big5-utf8.txt test/cjkencodings/euc_jp-utf8.txt test/cjkencodings/euc_kr-utf8.txt
test/cjkencodings/gb18030-utf8.txt""".split()


def from_git(repo, wanted):
    git = ["git", "--git-dir", repo]
    names = subprocess.run(git + ["ls-tree", "-r", "--name-only", "HEAD"], check=True, capture_output=True,
                           text=True).stdout.split("\n")
    for name in wanted([n for n in names if n.endswith((".md", ".mdx"))]):
        blob = subprocess.run(git + ["show", f"HEAD:{name}"], check=True, capture_output=True).stdout
        yield blob[:6000].decode("utf-8", "ignore")


def spread(names, each, folder):
    """`each` names of every folder, evenly spaced."""
    folders = {}
    for n in names:
        folders.setdefault(n.split("/")[folder], []).append(n)
    return [n for f in sorted(folders) for n in folders[f][::max(1, len(folders[f]) // each)][:each]]


def pack(args):
    texts = list(from_git(args.tldr, lambda n: spread([x for x in n if x.startswith("pages")], 60, 0)))
    texts += from_git(args.course, lambda n: spread([x for x in n if x.startswith("chapters/")], 2, 1))
    for m in MODULES:
        path = os.path.join(args.python, m)
        if os.path.exists(path):
            texts.append(open(path, "rb").read()[:8000].decode("utf-8", "ignore"))
    texts = [t for t in texts if t]
    raw = b"".join(struct.pack("<I", len(b)) + b for b in (t.encode() for t in texts))
    with open(os.path.join(GOLDEN, "tokenizer_corpus.xz"), "wb") as f:
        f.write(lzma.compress(raw, preset=9 | lzma.PRESET_EXTREME))
    print(len(texts), "texts", len(raw), "bytes")


def read(raw):
    out, at = [], 0
    while at < len(raw):
        n = struct.unpack_from("<I", raw, at)[0]
        out.append(raw[at + 4:at + 4 + n].decode())
        at += 4 + n
    return out


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--ranks", required=True)
    p.add_argument("--strings", required=True)
    p.add_argument("--tldr")
    p.add_argument("--course")
    p.add_argument("--python")
    args = p.parse_args()
    import tokenizers
    import xxhash
    assert tokenizers.__version__ == "0.23.3"
    if args.tldr:
        pack(args)
    groups = {"corpus": read(lzma.open(os.path.join(GOLDEN, "tokenizer_corpus.xz")).read()),
              "strings": read(open(args.strings, "rb").read())}
    rows = []
    for special in ("recognise", "text"):
        built = tokenizer_json.build(args.ranks, added=special == "recognise")
        reference = tokenizers.Tokenizer.from_str(json.dumps(built, ensure_ascii=False))
        for group, texts in groups.items():
            for i in range(0, len(texts), 100):
                part = reference.encode_batch_fast(texts[i:i + 100], add_special_tokens=False)
                ids = b"".join(struct.pack(f"<I{len(e.ids)}I", len(e.ids), *e.ids) for e in part)
                rows.append(f"{group} {special} {i // 100} {xxhash.xxh3_64_hexdigest(ids)}\n")
    with open(os.path.join(GOLDEN, "tokenizer_hashes.txt"), "w") as f:
        f.writelines(rows)
    print(len(rows), "hashes")


if __name__ == "__main__":
    main()
