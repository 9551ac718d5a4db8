#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""CPU seconds against the fastest published tokenizer and against the reference, on this machine's documents.

Usage: tokenizer_bench.py --ranks qwen.tiktoken --speed build/bin/tokenizer_speed --vocab qwen3.vocab [--megabytes N]

Needs: pip install gigatoken tokenizers==0.23.3 numpy. One thread each, fresh processes taken in turn, medians of
three. "cold" is the first pass of a process, "warm" a later one over the same texts, which flatters caches. The
peers answer in their cheapest form. Prints MB (1e6 bytes of UTF-8) per CPU second and our ratio to each.
"""
import argparse
import json
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tokenizer_agree  # noqa: E402
import tokenizer_json  # noqa: E402

CLASSES = [
    ("English", [("/usr/share/doc/installation-guide-amd64/en", (".html",)), ("/usr/share/man/man1", (".gz",)),
                 ("/usr/share/man/man3", (".gz",))]),
    ("code", [("/usr/lib/python3.11", (".py",)), ("/usr/include", (".h",))]),
    ("Chinese, Japanese", [("/usr/share/doc/installation-guide-amd64/zh", (".html",)), ("/usr/share/doc/installation-guide-amd64/ja", (".html",)),
                 ("/usr/share/man/zh_CN", (".gz",)), ("/usr/share/man/zh_TW", (".gz",)), ("/usr/share/man/ja", (".gz",))]),
    ("other languages", [("/usr/share/man/" + x, (".gz",)) for x in ("ru", "de", "fr", "ko", "uk", "pl", "sr")]
     + [("/usr/share/doc/installation-guide-amd64/" + x, (".html",)) for x in ("ru", "el", "vi", "ko", "cs")]),
]


def peer(name, model, path):
    """Runs in its own process: cold and warm CPU seconds of a peer over a file of texts."""
    data = open(path, "rb").read()
    texts, at = [], 0
    while at < len(data):
        n = struct.unpack_from("=I", data, at)[0]
        texts.append(data[at + 4:at + 4 + n].decode())
        at += 4 + n
    if name == "gigatoken":
        import gigatoken
        encode = gigatoken.Tokenizer(model).encode
    else:
        import tokenizers
        reference = tokenizers.Tokenizer.from_file(model)
        encode = lambda s: reference.encode_batch_fast([s], add_special_tokens=False)
    took = []
    for _ in range(1 if name == "tokenizers" else 3):
        start = time.process_time()
        for t in texts:
            encode(t)
        took.append(time.process_time() - start)
    print(json.dumps({"cold_s": took[0], "warm_s": min(took[1:] or took)}))


def main():
    if len(sys.argv) == 5 and sys.argv[1] == "--peer":
        return peer(*sys.argv[2:])
    p = argparse.ArgumentParser()
    p.add_argument("--ranks", required=True)
    p.add_argument("--speed", required=True)
    p.add_argument("--vocab", required=True)
    p.add_argument("--megabytes", type=float, default=8)
    args = p.parse_args()
    os.environ.update(RAYON_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false", OMP_NUM_THREADS="1")
    print(f"{'class':18} {'MB':>6} " + " ".join(f"{n + ' cold/warm':>22}" for n in ("crucible", "gigatoken", "tokenizers"))
          + f" {'to gigatoken':>15} {'to tokenizers':>14}")
    with tempfile.TemporaryDirectory() as folder:
        model, source = os.path.join(folder, "tokenizer.json"), os.path.join(folder, "texts")
        with open(model, "w", encoding="utf-8") as f:
            json.dump(tokenizer_json.build(args.ranks), f, ensure_ascii=False)
        for name, roots in CLASSES:
            texts = [t for root, ends in roots
                     for t in tokenizer_agree.files(root, ends, args.megabytes * 1e6 / len(roots))]
            if not texts:
                print(f"{name:18} no such documents on this machine")
                continue
            with open(source, "wb") as f:
                for t in texts:
                    b = t.encode()
                    f.write(struct.pack("=I", len(b)) + b)
            size = sum(len(t.encode()) for t in texts) / 1e6
            commands = {"crucible": [args.speed, args.vocab, "recognise", source, "-", "3"],
                        "gigatoken": [sys.executable, __file__, "--peer", "gigatoken", model, source],
                        "tokenizers": [sys.executable, __file__, "--peer", "tokenizers", model, source]}
            runs = {c: [] for c in commands}
            for turn in range(3):
                for c, command in commands.items():
                    if c != "tokenizers" or turn == 0: # the slow one once
                        runs[c].append(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))
            speed = {c: [size / statistics.median(r[k] for r in rs) for k in ("cold_s", "warm_s")] for c, rs in runs.items()}
            us, giga, hf = speed["crucible"], speed["gigatoken"], speed["tokenizers"]
            print(f"{name:18} {size:6.1f} " + " ".join(f"{f'{s[0]:.1f} / {s[1]:.1f}':>22}" for s in (us, giga, hf))
                  + f" {f'{us[0] / giga[0]:.2f} / {us[1] / giga[1]:.2f}':>15} {us[0] / hf[0]:14.0f}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
