# SPDX-License-Identifier: Apache-2.0
"""The whole of `crucible tokenize` against the bare encoder, and two threads against one.

    tokenize_stage.py --tokenize PROGRAM --speed PROGRAM --vocab FILE --work DIR DOCUMENTS.jsonl

Bare encoder: tokenizer_speed's first pass over the texts of the same documents. Whole command: from JSONL to shards on
the same file system, its start and the loading of the vocabulary in it. MB are 10^6 bytes of text; speeds are a CPU
second's, on one core; the ratio of threads is of wall time, on all cores, beside what the machine gives: twice one
thread's time by that of two processes of one thread at once. Medians of five, interleaved, after one
reading of the input.
"""
import argparse, json, os, resource, shutil, statistics, struct, subprocess, time

p = argparse.ArgumentParser()
for name in ("--tokenize", "--speed", "--vocab", "--work"):
    p.add_argument(name, required=True)
p.add_argument("--runs", type=int, default=5)
p.add_argument("documents")
a = p.parse_args()
texts, shards = os.path.join(a.work, "stage.texts"), os.path.join(a.work, "stage.shards")
size = 0
with open(texts, "wb") as out, open(a.documents, encoding="utf-8") as docs:
    for line in docs:
        text = json.loads(line)["text"].encode()
        size += len(text)
        out.write(struct.pack("<I", len(text)) + text)


def warm(path):
    with open(path, "rb") as file:
        while file.read(1 << 20):
            pass


def bare():
    warm(texts)
    command = ["taskset", "-c", "0", a.speed, a.vocab, "text", texts, "-", "1"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)["cold_s"]


def whole(threads, pin):
    shutil.rmtree(shards, ignore_errors=True)
    warm(a.documents)
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(pin + [a.tokenize, "-q", "-j%d" % threads, "--vocab", a.vocab, "-o", shards, a.documents], check=True)
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def side_by_side():
    for d in (shards, shards + ".b"):
        shutil.rmtree(d, ignore_errors=True)
    warm(a.documents)
    start = time.monotonic()
    both = [subprocess.Popen([a.tokenize, "-q", "-j1", "--vocab", a.vocab, "-o", d, a.documents]) for d in (shards, shards + ".b")]
    assert not any([p.wait() for p in both])
    return time.monotonic() - start


figures = {"bare": [], "whole": [], "one": [], "two": [], "both": []}
for _ in range(a.runs):
    figures["bare"].append(bare())
    figures["whole"].append(whole(1, ["taskset", "-c", "0"])[0])
    figures["one"].append(whole(1, [])[1])
    figures["two"].append(whole(2, [])[1])
    figures["both"].append(side_by_side())
shutil.rmtree(shards)
shutil.rmtree(shards + ".b")
os.remove(texts)
m = {k: statistics.median(v) for k, v in figures.items()}
print("%.1f MB of text: encoder alone %.1f MB/s, tokenize -j1 %.1f MB/s: %.2f of it (CPU)"
      % (size / 1e6, size / 1e6 / m["bare"], size / 1e6 / m["whole"], m["bare"] / m["whole"]))
print("tokenize -j1 %.2f s, -j2 %.2f s wall: %.2f times; two processes at once: %.2f times"
      % (m["one"], m["two"], m["one"] / m["two"], 2 * m["one"] / m["both"]))
