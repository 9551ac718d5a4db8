#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares our ids with Hugging Face tokenizers 0.23.3's, and what ours decode to with its NFC of the text.

Usage: tokenizer_agree.py --ranks qwen.tiktoken --speed build/bench/tokenizer_speed --vocab qwen3.vocab
                          [--corpus DIR] [--megabytes N] [--strings N] [--no-code-points] [--seed N] [--cache DIR] [--jobs N]

Groups: every language in DIR (tests/bench/tokenizer_corpus.sh) and in $CRUCIBLE_BENCH_CORPUS, or without either
this machine's own files, N MB of a group; random strings, added tokens recognised and taken as text; every code
point in three contexts. Prints a line a group and the code points that differ; exit status 1 when anything does.
The reference's answers are kept in the cache directory by what they were asked, so that a second run takes seconds.

Needs: pip install tokenizers==0.23.3.
"""
import argparse
import hashlib
import itertools
import json
import multiprocessing
import os
import re
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tokenizer_json  # noqa: E402
import tokenizer_texts  # noqa: E402
from tokenizer_texts import POOLS, random_strings  # noqa: E402,F401

os.environ.update(TOKENIZERS_PARALLELISM="false", RUST_BACKTRACE="0")
VERSION = "0.23.3"
CHUNK = 2_000_000  # bytes of text a unit of the reference's work
NO_ANSWER = 0xFFFFFFFF  # in place of a count of ids
SHOWN = 5  # differing documents shown of a group

MACHINE = [
    ("installation guide, HTML, all languages", "/usr/share/doc/installation-guide-amd64", (".html", ".txt.gz", ".en.txt.gz")),
    ("manual pages, all languages", "/usr/share/man", (".gz",)),
    ("Python sources", "/usr/lib/python3.11", (".py",)),
    ("C headers", "/usr/include", (".h",)),
    ("documentation", "/usr/share/doc", (".html", ".md", ".txt", ".gz", ".rst")),
]

ADDED = re.compile("(" + "|".join(re.escape(t) for t in tokenizer_json.ADDED) + ")")
reference = {}


def start_worker(models):
    import tokenizers
    os.nice(19)
    for special, model in models.items():
        reference[special] = tokenizers.Tokenizer.from_file(model)
    reference["nfc"] = tokenizers.normalizers.NFC().normalize_str


def normal(special, text):
    """NFC of a text, of each stretch between added tokens where those are recognised."""
    if special == "text":
        return reference["nfc"](text)
    return "".join(part if i % 2 else reference["nfc"](part) for i, part in enumerate(ADDED.split(text)))


def encode(special, texts):
    """Records of ids; the reference's own pattern matcher gives up on some pieces of 10 MB, with a panic."""
    try:
        found = reference[special].encode_batch_fast(texts, add_special_tokens=False)
        return [struct.pack(f"={len(e.ids) + 1}I", len(e.ids), *e.ids) for e in found]
    except BaseException as failure:
        if type(failure).__name__ != "PanicException":
            raise
        return [r for t in texts for r in encode(special, [t])] if len(texts) > 1 else [struct.pack("=I", NO_ANSWER)]


def answer(job):
    """(ids as tokenizer_speed writes them, NFC as it writes decoded texts) of a chunk of documents."""
    special, documents = job
    ids, texts = [], []
    decoded = [b.decode() for b in documents]
    for at in range(0, len(decoded), 256):
        ids += encode(special, decoded[at:at + 256])
    for text, b in zip(decoded, documents):
        n = b if text.isascii() else normal(special, text).encode()
        texts.append(struct.pack("=I", len(n)) + n)
    return b"".join(ids), b"".join(texts)


def chunks(special, documents):
    part, size = [], 0
    for b in documents:
        part.append(b)
        size += len(b) + 16
        if size >= CHUNK:
            yield special, part
            part, size = [], 0
    if part:
        yield special, part


class Oracle:
    """The reference's answers, cached by text, model and version."""

    def __init__(self, args, folder):
        self.cache, self.jobs, self.pool = args.cache, args.jobs, None
        self.models, self.keys = {}, {}
        os.makedirs(self.cache, exist_ok=True)
        for special in ("recognise", "text"):
            built = json.dumps(tokenizer_json.build(args.ranks, added=special == "recognise"), ensure_ascii=False)
            self.models[special] = os.path.join(folder, special + ".json")
            with open(self.models[special], "w", encoding="utf-8") as f:
                f.write(built)
            self.keys[special] = VERSION + hashlib.sha256(built.encode()).hexdigest()

    def ask(self, special, path):
        """Paths of the ids and of the normalised texts of the texts at `path`."""
        digest = hashlib.sha256(self.keys[special].encode())
        with open(path, "rb") as f:
            digest.update(f.read())
        base = os.path.join(self.cache, digest.hexdigest()[:32])
        if not os.path.exists(base + ".nfc"):
            if not self.pool:
                self.pool = multiprocessing.Pool(self.jobs, start_worker, (self.models,))
            with open(base + ".ids", "wb") as ids, open(base + ".tmp", "wb") as nfc:
                for a, b in self.pool.imap(answer, chunks(special, tokenizer_texts.read_texts(path))):
                    ids.write(a)
                    nfc.write(b)
            os.rename(base + ".tmp", base + ".nfc")
        return base + ".ids", base + ".nfc"


def records(path, unit):
    """What write_texts and tokenizer_speed wrote, `unit` bytes for each that is counted; None for no answer."""
    with open(path, "rb") as f:
        while head := f.read(4):
            n = struct.unpack("=I", head)[0]
            yield None if n == NO_ANSWER else f.read(unit * n)


def same(one, other):
    if os.path.getsize(one) != os.path.getsize(other):
        return False
    with open(one, "rb") as f, open(other, "rb") as g:
        return all(a == b for a, b in zip(iter(lambda: f.read(1 << 20), b""), iter(lambda: g.read(1 << 20), b"")))


def differing(mine, theirs, unit):
    """Numbers of the documents whose records differ, and how many the reference has no answer for."""
    if same(mine, theirs):
        return [], 0
    missing = object()
    pairs = enumerate(itertools.zip_longest(records(mine, unit), records(theirs, unit), fillvalue=missing))
    wrong = [(i, b) for i, (a, b) in pairs if a != b]
    return [i for i, b in wrong if b is not None], sum(b is None for _, b in wrong)


def groups(args):
    """(name, kind, special, documents) in the order of the report; kind: natural, code or other."""
    folders = [f for f in (args.corpus, os.environ.get("CRUCIBLE_BENCH_CORPUS")) if f]
    for folder in folders:
        for name in tokenizer_texts.names(folder):
            kind = name.split("-")[0] if name.startswith(("natural-", "code-")) else "other"
            documents = tokenizer_texts.read(folder, name)
            yield name, kind, "recognise", documents
            added = [b for b in documents if ADDED.search(b.decode())]
            if added:
                yield name + " with added tokens", "other", "text", added
    if not folders:
        for name, root, ends in MACHINE:
            documents = list(tokenizer_texts.files(root, ends, args.megabytes * 1e6))
            for special in ("recognise", "text"):
                yield name, "other", special, documents
    for first in range(0, args.strings, 100_000):
        documents = [t.encode() for t in random_strings(min(100_000, args.strings - first), args.seed + first)]
        for special in ("recognise", "text"):
            yield f"random strings {first}...", "random", special, documents
    if args.code_points:
        for context in tokenizer_texts.CONTEXTS:
            yield "code points in " + ascii(context), "points", "recognise", list(tokenizer_texts.code_points(context))


def ours(args, special, texts):
    """Our ids of each text, as tuples."""
    with tempfile.TemporaryDirectory() as folder:
        path, ids = os.path.join(folder, "texts"), os.path.join(folder, "ids")
        tokenizer_texts.write_texts(path, [t.encode() for t in texts])
        subprocess.run([args.speed, args.vocab, special, path, ids, "0"], check=True, stdout=subprocess.DEVNULL)
        return [struct.unpack(f"={len(r) // 4}I", r) for r in records(ids, 4)]


def compare(args, oracle, folder, special, documents):
    """(documents whose ids differ, documents whose decoded text is not the NFC, those without an answer)."""
    path, ids, decoded = (os.path.join(folder, n) for n in ("texts", "ids", "decoded"))
    tokenizer_texts.write_texts(path, documents)
    subprocess.run([args.speed, args.vocab, special, path, ids, "0", decoded], check=True, stdout=subprocess.DEVNULL)
    their_ids, nfc = oracle.ask(special, path)
    wrong, unanswered = differing(ids, their_ids, 4)
    return wrong, differing(decoded, nfc, 1)[0], unanswered


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--ranks", required=True)
    p.add_argument("--speed", required=True)
    p.add_argument("--vocab", required=True)
    p.add_argument("--corpus", help="what tokenizer_corpus.sh wrote")
    p.add_argument("--megabytes", type=float, default=8)
    p.add_argument("--strings", type=int, default=30000)
    p.add_argument("--no-code-points", dest="code_points", action="store_false")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--cache", default=os.path.join(tempfile.gettempdir(), "tokenizer-reference"))
    p.add_argument("--jobs", type=int, default=2)
    args = p.parse_args()
    import tokenizers
    if tokenizers.__version__ != VERSION:
        sys.exit(f"tokenizer_agree: this is tokenizers {tokenizers.__version__}, the claim is about {VERSION}")
    bad = comparisons = 0
    megabytes, languages = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        oracle = Oracle(args, folder)
        for name, kind, special, documents in groups(args):
            size = sum(map(len, documents)) / 1e6
            wrong, lost, unanswered = compare(args, oracle, folder, special, documents)
            print(f"{name:42} {special:10} {len(documents):8} documents {size:7.1f} MB {len(wrong):6} differ {len(lost):6} decode to another text"
                  + (f", {unanswered} that the reference fails on" if unanswered else ""), flush=True)
            if kind == "points":
                for what, numbers in (("ids", wrong), ("decoded", lost)):
                    if numbers:
                        print(f"  {what}: " + " ".join(f"U+{tokenizer_texts.code_point(i):04X}" for i in numbers))
            else:
                for i in sorted({*wrong, *lost})[:SHOWN]:
                    print(f"  differs: #{i}: {ascii(documents[i][:120].decode('utf-8', 'replace'))}")
            bad += len({*wrong, *lost})
            comparisons += len(documents)
            megabytes[kind] = megabytes.get(kind, 0) + size
            languages.setdefault(kind, set()).add(name)
    for kind, what in (("natural", "natural languages"), ("code", "programming languages"), ("other", "other groups"), ("random", "groups of random strings"), ("points", "contexts")):
        if kind in languages:
            print(f"{len(languages[kind]):4} {what:26} {megabytes[kind]:7.1f} MB")
    if args.strings:
        print(f"     scripts in random strings: {tokenizer_texts.scripts()}")
    print(f"agree: {comparisons} comparisons, {sum(megabytes.values()):.1f} MB, {bad} differ")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
