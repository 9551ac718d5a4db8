#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""CPU seconds of one published tokenizer over a file of texts, as tokenizer_speed.c gives ours.

Usage: tokenizer_peers.py PEER TOKENIZER.json TEXTS first|steady

Each peer is asked for its cheapest form of ids, and nothing it answers is kept. Prints the same line of JSON as
tokenizer_speed.
"""
import glob
import json
import os
import struct
import subprocess
import sys
import tarfile
import time

os.environ.update(RAYON_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false", OMP_NUM_THREADS="1")
QUICKTOK = "0.4.0"


def gigatoken(model):
    import gigatoken
    return gigatoken.Tokenizer(model).encode


def fastokens(model):
    from fastokens._native import Tokenizer
    encode = Tokenizer.from_file(model).encode
    return lambda text: encode(text).ids


def splintr(_model):  # carries its own copy of the vocabulary; without NFC, which is less work
    import splintr
    encode = splintr.Tokenizer.from_pretrained("qwen3").encode_flat
    return lambda text: memoryview(encode(text)).cast("I")


def quicktok(_model):  # the Python package; its C++ library itself is tokenizer_quicktok.cc
    import quicktok
    tokenizer = quicktok.get_encoding("qwen3")
    return lambda text: tokenizer.encode_batch([text], 1, False)[0]


def hf(model):
    import tokenizers
    reference = tokenizers.Tokenizer.from_file(model)
    return lambda text: reference.encode_batch_fast([text], add_special_tokens=False)[0]


PEERS = {f.__name__: f for f in (gigatoken, fastokens, splintr, quicktok, hf)}


def build_quicktok(folder):
    """Unpacks quicktok's source distribution and compiles our driver with it: (program, its data), or None."""
    program = os.path.join(folder, "tokenizer_quicktok")
    root = os.path.join(folder, "quicktok_v1-" + QUICKTOK)
    driver = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tokenizer_quicktok.cc")
    try:
        if not os.path.isdir(root):
            subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", "quicktok-v1",
                            "-d", folder, "quicktok-v1==" + QUICKTOK], check=True)
            with tarfile.open(root + ".tar.gz") as tar:
                tar.extractall(folder)
        if not os.path.exists(program) or os.path.getmtime(program) < os.path.getmtime(driver):
            subprocess.run(["g++", "-O3", "-std=c++20", "-march=native", "-I" + root + "/include", "-I" + root + "/src",
                            *sorted(glob.glob(root + "/src/*.cpp")), driver, "-o", program], check=True)
    except (OSError, subprocess.CalledProcessError) as failure:
        print(f"quicktok's library is left out: {failure}", file=sys.stderr)
        return None
    return program, root + "/data"


def main():
    name, model, path, mode = sys.argv[1:]
    with open(path, "rb") as f:
        data = f.read()
    texts, at = [], 0
    while at < len(data):
        n = struct.unpack_from("=I", data, at)[0]
        texts.append(data[at + 4:at + 4 + n].decode())
        at += 4 + n
    start = time.process_time()
    encode = PEERS[name](model)
    load = time.process_time() - start
    took = []
    for part in ([texts[0::2], texts[1::2]] if mode == "steady" else [texts, texts]):
        ids = 0
        start = time.process_time()
        for text in part:
            ids += len(encode(text))
        took.append(time.process_time() - start)
    print(json.dumps({"bytes": sum(len(t.encode()) for t in part), "ids": ids, "load_s": load, "cold_s": took[0],
                      "warm_s": took[1]}))


if __name__ == "__main__":
    sys.exit(main())
