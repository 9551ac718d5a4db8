#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""CPU seconds against the fastest published tokenizers, on the same bytes, in the same run.

Usage: tokenizer_bench.py --ranks qwen.tiktoken --speed build/bench/tokenizer_speed --vocab qwen3.vocab [options]

Needs: pip install gigatoken fastokens quicktok-v1 splintr-rs tokenizers==0.23.3, and g++ for quicktok's own library.
One pinned core, one thread each, fresh processes taken in turn. Measures of each class of text:
  first     the first pass of a process
  repeat    a second pass over the same texts, which flatters caches
  steady    every other text first, then the others, unseen, timed
and of six pathological single documents, of 1 MB, the first pass; of ours also with 10 MB, as a multiple of it.
MB are 1e6 bytes of UTF-8 per CPU second: median [least, most] of the runs, and our median over each peer's.
Texts: this machine's own files, or those of $CRUCIBLE_BENCH_CORPUS (tokenizer_texts.py). A JSON file keeps all.
"""
import argparse
import importlib.metadata
import json
import os
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tokenizer_json  # noqa: E402
import tokenizer_peers  # noqa: E402
import tokenizer_texts  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
OURS = "crucible"
PACKAGES = {"gigatoken": "gigatoken", "fastokens": "fastokens", "quicktok": "quicktok-v1", "splintr": "splintr-rs", "hf": "tokenizers"}


def commands(args, model, quicktok, path, steady=False, native=()):
    """{tool: command} that prints a line of JSON about the texts at `path`."""
    mode = "steady" if steady else "first"
    out = {OURS: [args.speed, args.vocab, "recognise", path, "-", "steady" if steady else "2"]}
    for name in args.peers.split(","):
        out[name] = [sys.executable, os.path.join(HERE, "tokenizer_peers.py"), name, model, path, mode]
    if quicktok:
        out["quicktok-c++"] = [quicktok[0], quicktok[1], path, mode]
    for extra in native:
        name, _, command = extra.partition("=")
        out[name] = command.split() + [path, mode]
    return out


def measure(table, runs):
    """{tool: [its answers]} of `runs` turns through all tools; a tool that fails is left out."""
    answers = {tool: [] for tool in table}
    for _ in range(runs):
        for tool in list(answers):
            done = subprocess.run(table[tool], capture_output=True, text=True)
            if done.returncode:
                print(f"{tool} is left out: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
                del answers[tool]
            else:
                answers[tool].append(json.loads(done.stdout))
    return answers


def summary(answers, key):
    """{tool: its least, median and most MB a CPU second, and how many ids it made}."""
    out = {}
    for tool, runs in answers.items():
        speeds = sorted(r["bytes"] / 1e6 / r[key] for r in runs)
        out[tool] = {"min": round(speeds[0], 2), "median": round(statistics.median(speeds), 2),
                     "max": round(speeds[-1], 2), "ids": runs[0]["ids"]}
    return out


def show(name, what, cells):
    us = cells[OURS]
    peers = sorted((t for t in cells if t != OURS), key=lambda t: -cells[t]["median"])
    fastest = next((t for t in peers if cells[t]["ids"] == us["ids"]), None)  # of those that do the same work
    for tool in [OURS] + peers:
        c = cells[tool]
        ratio = f"{us['median'] / c['median']:8.2f}" if tool != OURS else f"{'':8}"
        note = "" if c["ids"] == us["ids"] else f"  {c['ids'] - us['ids']:+d} ids"
        speed = f"{c['median']:9.1f} [{c['min']:.1f}, {c['max']:.1f}]"
        print(f"{name:9} {what:7} {tool:13} {speed:32} {ratio}{note}{'  <- fastest peer' if tool == fastest else ''}")
    sys.stdout.flush()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--ranks", required=True)
    p.add_argument("--speed", required=True)
    p.add_argument("--vocab", required=True)
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--core", type=int, default=0)
    p.add_argument("--megabytes", type=float, default=25, help="at most so much of a class")
    p.add_argument("--classes", default="english,code,chinese,multi,pathological")
    p.add_argument("--measures", default="first,steady")
    p.add_argument("--peers", default="gigatoken,fastokens,quicktok,splintr")
    p.add_argument("--native", action="append", default=[], metavar="NAME=PROGRAM", help="for the pathological ones: PROGRAM TEXTS first prints what tokenizer_speed does")
    p.add_argument("--work", default=tempfile.gettempdir(), help="where quicktok is built and the JSON written")
    args = p.parse_args()
    os.makedirs(args.work, exist_ok=True)
    quicktok = tokenizer_peers.build_quicktok(args.work)
    os.sched_setaffinity(0, {args.core})
    kept = {"commit": subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=HERE).stdout.strip(),
            "runs": args.runs, "corpus": os.environ.get("CRUCIBLE_BENCH_CORPUS", "machine"), "cells": {}}
    kept["peers"] = {n: importlib.metadata.version(PACKAGES[n]) for n in args.peers.split(",") if n}
    print("peers: " + ", ".join(f"{n} {v}" for n, v in kept["peers"].items()))
    print(f"{'class':9} {'pass':7} {'tool':13} {'MB a CPU second [least, most]':>32} {'ours to':>8}")
    wanted = args.classes.split(",")
    with tempfile.TemporaryDirectory() as folder:
        model, path = os.path.join(folder, "tokenizer.json"), os.path.join(folder, "texts")
        with open(model, "w", encoding="utf-8") as f:
            json.dump(tokenizer_json.build(args.ranks), f, ensure_ascii=False)
        for name, documents in tokenizer_texts.classes(args.megabytes).items():
            if name not in wanted or not documents:
                continue
            tokenizer_texts.write_texts(path, documents)
            print(f"-- {name}: {sum(map(len, documents)) / 1e6:.1f} MB, {len(documents)} documents")
            kept["cells"][name] = {}
            for measured in args.measures.split(","):
                answers = measure(commands(args, model, quicktok, path, measured == "steady"), args.runs)
                keys = [("steady", "warm_s")] if measured == "steady" else [("first", "cold_s"), ("repeat", "warm_s")]
                for what, key in keys:
                    kept["cells"][name][what] = summary(answers, key)
                    show(name, what, kept["cells"][name][what])
        if "pathological" in wanted:
            large = tokenizer_texts.pathological(10_000_000)
            for name, document in tokenizer_texts.pathological(1_000_000).items():
                tokenizer_texts.write_texts(path, [document])
                tokenizer_texts.write_texts(path + "10", [large[name]])
                table = commands(args, model, quicktok, path, native=args.native)
                answers = measure({**table, "ten": commands(args, model, None, path + "10")[OURS]}, args.runs)
                ten = answers.pop("ten")
                cells = summary(answers, "cold_s")
                show(name, "first", cells)
                times = [statistics.median(r["cold_s"] for r in runs) for runs in (ten, answers[OURS])]
                print(f"{name:9} {'10 MB':7} {OURS:13} {ten[0]['bytes'] / 1e6 / times[0]:9.1f} MB a CPU second: {times[0] / times[1]:.2f} times the time of 1 MB")
                kept["cells"][name] = {"first": cells, "ten_over_one": round(times[0] / times[1], 3)}
    out = os.path.join(args.work, "tokenizer_bench.json")
    with open(out, "w") as f:
        json.dump(kept, f, indent=1)
    print("written: " + out)


if __name__ == "__main__":
    sys.exit(main())
