#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Training a vocabulary against the reference trainer: seconds, merges, and bytes a token on text held out.

Usage: train_vocab_bench.py --crucible build/bin/crucible-tokenize [--megabytes N] [--vocab N] [--root DIR ...]
                            [--one-thread-only]

Needs: pip install tokenizers==0.23.3. Takes distinct UTF-8 files of this machine (or of --root; *.bin beside *.idx
there are documents with their offsets) up to N MB (1e6 bytes), in equal shares of each kind; every tenth document is
held out. The peer gets its texts as a list in memory and only training is timed; ours is the whole command, reading
JSONL and writing the file included. One thread: CPU seconds of each, ours the median of three. All threads: wall
seconds. Both vocabularies are then loaded by the peer, which judges the text held out.
"""
import argparse
import gzip
import hashlib
import json
import os
import resource
import statistics
import struct
import subprocess
import sys
import tempfile
import time

ROOTS = ["/usr/share/man", "/usr/include", "/usr/lib/python3.11", "/usr/lib/python3", "/usr/share/doc", "/usr/share/perl",
         "/usr/share/perl5", "/usr/lib/gcc", "/usr/share/common-licenses", "/usr/src"]
ENDS = (".py", ".h", ".c", ".cc", ".hpp", ".pl", ".pm", ".md", ".rst", ".txt", ".html", ".xml", ".js", ".rs", ".go", ".json",
        ".yaml", ".yml", ".toml", ".sh", ".tex", ".po", ".css", ".ts", ".java", ".rb", ".svg", ".gz")
PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
           r"|\s*[\r\n]+|\s+(?!\S)|\s+")
LONGEST = 256 << 10


def files(root):
    """Texts below a directory, in order of name."""
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(folder, name)
            if name.endswith(".idx") or os.path.islink(path) or not os.path.isfile(path):
                continue
            if name.endswith(".bin") and os.path.exists(path[:-4] + ".idx"):
                data, index = open(path, "rb").read(), open(path[:-4] + ".idx", "rb").read()
                ends = struct.unpack(f"={len(index) // 8}Q", index)
                yield from (data[a:b] for a, b in zip(ends, ends[1:]))
            elif name.endswith(ENDS) and os.path.getsize(path) < 8 << 20:
                try:
                    with (gzip.open if name.endswith(".gz") else open)(path, "rb") as f:
                        yield f.read(LONGEST)
                except (OSError, EOFError):
                    continue


def documents(roots, limit):
    """Distinct texts, in turns from each root, up to `limit` bytes."""
    seen, size = set(), 0
    readers = [files(r) for r in roots]
    shares = [0] * len(readers)
    while readers and size < limit:
        i = shares.index(min(shares))
        data = next(readers[i], None)
        if data is None:
            del readers[i], shares[i]
            continue
        try:
            text = data.decode()
        except UnicodeDecodeError as e:
            if e.start < len(data) - 4 or e.start == 0:
                continue
            text = data[:e.start].decode() # a character cut at LONGEST
        key = hashlib.blake2b(data, digest_size=16).digest()
        if not text or "\0" in text or key in seen:
            continue
        seen.add(key)
        shares[i] += len(data)
        size += len(data)
        yield text


def peer(source, out, n):
    """Runs in its own process."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    with open(source, encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    t = Tokenizer(models.BPE())
    t.normalizer = normalizers.NFC()
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(PATTERN), "isolated"),
                                               pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=int(n) - 1, min_frequency=2, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    cpu, wall = time.process_time(), time.perf_counter()
    t.train_from_iterator(texts, trainer)
    print(json.dumps({"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall,
                      "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
    t.add_special_tokens(["<|endoftext|>"])
    t.save(out)


def judge(source, *models):
    """Bytes a token of each model on a file of texts, and whether their ids are those that --ids printed."""
    from tokenizers import Tokenizer
    with open(source, encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    size, result = sum(len(t.encode()) for t in texts), []
    for model in models:
        t = Tokenizer.from_file(model)
        ids = [e.ids for e in t.encode_batch_fast(texts, add_special_tokens=False)]
        wrong = None
        if os.path.exists(model + ".ids"):
            with open(model + ".ids", encoding="utf-8") as lines:
                wrong = sum(json.loads(line)["ids"] != want for line, want in zip(lines, ids, strict=True))
        result.append({"bytes_per_token": size / sum(map(len, ids)), "wrong": wrong})
    print(json.dumps(result))


def run(command, threads):
    """CPU and wall seconds and peak memory of a process and what it prints."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "RAYON_NUM_THREADS": str(threads)}
    start = time.perf_counter()
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(command, stdout=out, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{command[0]}: exit status {process.returncode}")
        out.seek(0)
        return {"cpu": usage.ru_utime + usage.ru_stime, "wall": wall, "peak": usage.ru_maxrss / 1024}, out.read()


def main():
    if sys.argv[1:2] == ["--peer"]:
        return peer(*sys.argv[2:])
    if sys.argv[1:2] == ["--judge"]:
        return judge(*sys.argv[2:])
    p = argparse.ArgumentParser()
    p.add_argument("--crucible", required=True)
    p.add_argument("--megabytes", type=float, default=200)
    p.add_argument("--vocab", type=int, default=8192)
    p.add_argument("--root", action="append")
    p.add_argument("--one-thread-only", action="store_true")
    args = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        at = lambda name: os.path.join(folder, name)
        sizes = [0, 0]
        with open(at("train.jsonl"), "w", encoding="utf-8") as train, open(at("held.jsonl"), "w", encoding="utf-8") as held:
            for n, text in enumerate(documents(args.root or ROOTS, args.megabytes * 1e6 / 0.9)):
                out = n % 10 == 9
                sizes[out] += len(text.encode())
                (held if out else train).write(json.dumps({"id": str(n), "text": text}, ensure_ascii=False) + "\n")
        print(f"{args.vocab} ids; trained on {sizes[0] / 1e6:.1f} MB, {sizes[1] / 1e6:.1f} MB held out", flush=True)
        ours = [args.crucible, "--train-vocab", str(args.vocab), "-q", "-o", at("ours.json"), at("train.jsonl")]
        theirs = [sys.executable, __file__, "--peer", at("train.jsonl"), at("theirs.json"), str(args.vocab)]
        for threads, what in [(1, "cpu")] + [(os.cpu_count(), "wall")] * (not args.one_thread_only):
            pin = ["taskset", "-c", "0"] if threads == 1 else []
            mine = [run(pin + ours + ["-j", str(threads)], threads)[0] for _ in range(3)]
            peers = json.loads(run(pin + theirs, threads)[1])
            took = statistics.median(m[what] for m in mine)
            print(f"{threads} thread{'s' * (threads > 1)}, {what} seconds: crucible {took:.2f} "
                  f"({sizes[0] / 1e6 / took:.1f} MB/s), tokenizers {peers[what]:.2f} "
                  f"({sizes[0] / 1e6 / peers[what]:.1f} MB/s), ratio {peers[what] / took:.1f}; "
                  f"peak {max(m['peak'] for m in mine):.0f} and {peers['peak']:.0f} MiB", flush=True)
        with open(at("ours.json.ids"), "wb") as f:
            f.write(run([args.crucible, "-q", "--vocab", at("ours.json"), "--special", "recognise", "--ids",
                         at("held.jsonl")], 1)[1])
        a, b = (json.load(open(at(f), encoding="utf-8"))["model"] for f in ("ours.json", "theirs.json"))
        same = sum(x == y for x, y in zip(a["merges"], b["merges"]))
        verdict = json.loads(run([sys.executable, __file__, "--judge", at("held.jsonl"), at("ours.json"), at("theirs.json")],
                                 os.cpu_count())[1])
        print(f"merges: {same} of {len(b['merges'])} are the peer's, vocabularies {'equal' if a['vocab'] == b['vocab'] else 'DIFFER'}")
        print(f"bytes a token on text held out: {verdict[0]['bytes_per_token']:.4f} and {verdict[1]['bytes_per_token']:.4f}; "
              f"documents whose ids differ between the peer and tokenize --ids: {verdict[0]['wrong']}")


if __name__ == "__main__":
    sys.exit(main())
