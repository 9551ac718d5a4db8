#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How well crucible-score tells things apart, on labelled public files.

usage: ddm_traces.py CRUCIBLE_SCORE TRACES_DIR [WEB_DIR]

TRACES_DIR holds gsm8k-model-solutions.jsonl (openai/grade-school-math, four solutions a question with
is_correct) and r1-math500*.jsonl, qwen7b-math500-pilot.jsonl (markyx316/LLM-Reasoning-Trace-Topology).
WEB_DIR, if given, holds dclm-majority.jsonl (mlfoundations/dclm: text, label 0 or 1) and c4-demo.jsonl.

Prints, for each set, quantiles of signal_score, the bins and areas under the ROC curve (AUC; .5 is a coin):
right against wrong answers, loops against their originals, cut traces against whole ones. A loop is made
of a text by keeping its first third and repeating the last two paragraphs of that 25 times; a cut keeps
the first half. Standard library only.
"""
import collections
import json
import os
import subprocess
import sys


def score(program, texts, *options):
    """The crucible object of each text."""
    lines = "".join(json.dumps({"text": t}) + "\n" for t in texts)
    done = subprocess.run([program, "-q", *options], input=lines, capture_output=True, text=True, check=True)
    found = [json.loads(line)["crucible"] for line in done.stdout.splitlines()]
    assert len(found) == len(texts)
    return found


def auc(high, low):
    """Probability that one of `high` is above one of `low`, ties counting half (Mann-Whitney)."""
    if not high or not low:
        return float("nan")
    values = sorted([(x, 1) for x in high] + [(x, 0) for x in low])
    ranks, i = 0.0, 0
    while i < len(values):
        j = i
        while j < len(values) and values[j][0] == values[i][0]:
            j += 1
        ranks += (i + j + 1) / 2 * sum(y for _, y in values[i:j])
        i = j
    return (ranks - len(high) * (len(high) + 1) / 2) / (len(high) * len(low))


def get(found, key):
    return [f["ddm"][key] for f in found]


def describe(name, found):
    q = sorted(get(found, "signal_score"))
    at = [q[int(p * (len(q) - 1))] for p in (0, 0.05, 0.25, 0.5, 0.75, 0.95, 1)]
    bins = collections.Counter(get(found, "bin"))
    print(f"{name:32} n={len(found):5} Q", " ".join(f"{x:6.3f}" for x in at),
          " ".join(f"{b}={bins[b]}" for b in ("reject", "warmup", "core", "anneal")))


def by_label(found, labels, key="signal_score"):
    values = get(found, key)
    return auc([v for v, y in zip(values, labels) if y], [v for v, y in zip(values, labels) if not y])


def loop(text, separator):
    parts = [p for p in text.replace("</think>", "").split(separator) if p.strip()]
    keep = max(1, len(parts) // 3)
    return separator.join(parts[:keep] + parts[max(0, keep - 2):keep] * 25)


def perturb(program, texts, separator, *options):
    whole = score(program, texts, *options)
    looped = score(program, [loop(t, separator) for t in texts], *options)
    cut = score(program, [t[:len(t) // 2] for t in texts], *options)
    describe("  the same, looped", looped)
    q, l = get(whole, "signal_score"), get(whole, "low_time")
    flagged = sum(get(looped, "degenerate"))
    print(f"  loops: AUC of signal_score {auc(q, get(looped, 'signal_score')):.3f},"
          f" of low_time {auc(get(looped, 'low_time'), l):.3f};"
          f" flagged {flagged} of {len(texts)}, originals flagged {sum(get(whole, 'degenerate'))}")
    print(f"  cut at half: AUC of signal_score {auc(q, get(cut, 'signal_score')):.3f}")


def load(directory, name):
    with open(os.path.join(directory, name), encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def traces(program, directory):
    options = ("--profile", "traces")
    texts = []
    for name in ("r1-math500", "r1-math500-pilot", "qwen7b-math500-pilot"):
        rows = load(directory, name + ".jsonl")
        found = score(program, [r["full_response"] for r in rows], *options)
        describe(name, found)
        print(f"  right against wrong: AUC {by_label(found, [r['is_correct'] for r in rows]):.3f}")
        texts += [r["full_response"] for r in rows]
    perturb(program, texts, "\n\n", *options)
    rows = load(directory, "gsm8k-model-solutions.jsonl")
    for name in ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification"):
        found = score(program, [r[name]["solution"] for r in rows], *options)
        describe("gsm8k " + name, found)
        print(f"  right against wrong: AUC {by_label(found, [r[name]['is_correct'] for r in rows]):.3f},"
              f" shortness alone {1 - by_label(found, [r[name]['is_correct'] for r in rows], 'thinking_words'):.3f}")


def web(program, directory):
    rows = load(directory, "dclm-majority.jsonl")
    labels = [int(r["label"]) for r in rows]
    found = score(program, [r["text"] for r in rows])
    describe("dclm, good", [f for f, y in zip(found, labels) if y])
    describe("dclm, bad", [f for f, y in zip(found, labels) if not y])
    for key in ("signal_score", "engaged", "thinking_words"):
        print(f"  good against bad: AUC of {key} {by_label(found, labels, key):.3f}")
    for key in found[0]["quality"]:
        values = [f["quality"][key] for f in found]
        area = auc([v for v, y in zip(values, labels) if y], [v for v, y in zip(values, labels) if not y])
        print(f"  good against bad: AUC of {key} {area:.3f}")
    pages = [r["text"] for r in load(directory, "c4-demo.jsonl")]
    describe("c4", score(program, pages))
    perturb(program, pages, "\n")


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    traces(sys.argv[1], sys.argv[2])
    if len(sys.argv) == 4:
        web(sys.argv[1], sys.argv[3])
