#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What crucible-score tells and what it does not, on labelled public files.

usage: ddm_traces.py BIN_DIR TRACES_DIR [WEB_DIR LABELS_DIR]

TRACES_DIR holds gsm8k-model-solutions.jsonl and gsm8k-train.jsonl (openai/grade-school-math) and
r1-math500*.jsonl, qwen7b-math500-pilot.jsonl (markyx316/LLM-Reasoning-Trace-Topology). WEB_DIR holds
c4-demo.jsonl, LABELS_DIR dclm-majority.jsonl (mlfoundations/dclm: text, label 0 or 1).

Areas under the ROC curve (AUC; .5 is a coin) for: right against wrong answers, loops of 200, 500 and
1,000 words against the traces they were made from, cut traces against whole ones. The law of copies: of 1,000
traces, in how many signal_score falls at every step when 0, 1/4, 2/4, 3/4 and all of the segments become
copies of one. On labelled pages: the calibrated quality score on 5 held-out folds, beside length, the
Gopher rules and, where the module is installed, a fastText classifier trained on the same folds.
Standard library only, but for fastText.
"""
import collections
import json
import math
import os
import random
import re
import subprocess
import sys
import tempfile


def score(program, texts, *options):
    """The crucible object of each text."""
    lines = "".join(json.dumps({"text": t}) + "\n" for t in texts)
    done = subprocess.run([program, "-q", *options], input=lines, capture_output=True, text=True, check=True)
    found = [json.loads(line)["crucible"] for line in done.stdout.split("\n") if line]
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


def loop(text, words, unit):
    """The first third of a text, then the last sentence or two paragraphs of that, for `words` words or more."""
    text = text.replace("</think>", "")
    if unit == "paragraph":
        parts = [p for p in text.split("\n\n") if p.strip()]
        keep = max(1, len(parts) // 3)
        start, again = "\n\n".join(parts[:keep]), "\n\n".join(parts[max(0, keep - 2):keep])
    else:
        start = text[:len(text) // 3]
        parts = re.split(r"(?<=[.!?])\s+", start)
        again = parts[-2] if len(parts) > 1 else parts[0]
    times = words // max(1, len(again.split())) + 1
    return start + ("\n\n" if unit == "paragraph" else " ") + \
        ("\n\n" if unit == "paragraph" else " ").join([again] * times)


def loops(program, texts, *options):
    whole = score(program, texts, *options)
    flagged = sum(get(whole, "degenerate"))
    print(f"  whole: flagged {flagged} of {len(texts)}; if these loop, an AUC is at most about {1 - flagged / len(texts):.3f}")
    for unit in ("sentence", "paragraph"):
        for words in (200, 500, 1000):
            looped = score(program, [loop(t, words, unit) for t in texts], *options)
            print(f"  loop of {words:4} words of one {unit:9}: flagged {sum(get(looped, 'degenerate'))} of {len(texts)},"
                  f" AUC of low_time {auc(get(looped, 'low_time'), get(whole, 'low_time')):.3f},"
                  f" of signal_score {auc(get(whole, 'signal_score'), get(looped, 'signal_score')):.3f}")
    for share in (0.25, 0.5, 0.75):
        cut = score(program, [t[:int(len(t) * share)] for t in texts], *options)
        print(f"  cut at {share}: AUC of signal_score {auc(get(whole, 'signal_score'), get(cut, 'signal_score')):.3f},"
              f" of thinking_words {auc(get(whole, 'thinking_words'), get(cut, 'thinking_words')):.3f}")


def law(program, texts, source):
    """Of texts with 3 segments and more, the share whose score falls at every step as segments become copies; of
    those that do not, in how many a copy stands before its original, or the copies are fewer words than what they
    replace, and how many rise by less than .001.

    Copies of the first segment; of one drawn at random, put anywhere; of one drawn at random but the last, put
    behind it alone, where a reader has read the original."""
    draw = random.Random(2)
    options = ("--profile", "traces", "--region", "text")
    variants, sizes, fronts = [], [], []
    for text, found in zip(texts, score(program, texts, "--explain", *options)):
        path, raw = found["ddm"]["path"], text.encode()
        if len(path) < 3:
            continue
        part = [raw[s["begin"]:s["end"]].decode() for s in path]
        gap = [raw[(path[i - 1]["end"] if i else 0):s["begin"]].decode() for i, s in enumerate(path)]
        copied = {"first": lambda: 0, "random": lambda: draw.randrange(len(path)),
                  "earlier": lambda: draw.randrange(len(path) - 1)}[source]()
        order = [i for i in range(len(path)) if i > copied or (i < copied and source == "random")]
        draw.shuffle(order)
        steps = sorted({round(len(order) * k / 4) for k in range(5)})
        for k in steps:
            replaced = set(order[:k])
            variants.append("".join(g + (part[copied] if i in replaced else p) for i, (g, p) in enumerate(zip(gap, part))))
        sizes.append(len(steps))
        fronts += [any(i < copied for i in order[:k]) for k in steps]
        if len(sizes) == 1000:
            break
    found = score(program, variants, *options)
    q, words = get(found, "signal_score"), get(found, "thinking_words")
    at, holds, front, fewer, little = 0, 0, 0, 0, 0
    for n in sizes:
        rises = [i for i in range(at, at + n - 1) if q[i + 1] >= q[i]]
        holds += not rises
        if rises:
            i = rises[0]
            front += fronts[i + 1]
            fewer += not fronts[i + 1] and words[i + 1] < words[i]
            little += max(q[i + 1] - q[i] for i in rises) < 0.001
        at += n
    what = {"first": "the first", "random": "a random", "earlier": "a random earlier"}[source]
    print(f"  copies of {what} segment: signal_score falls at every step in {holds} of {len(sizes)} traces"
          f" ({100 * holds / len(sizes):.1f} %); of the others {front} have a copy before its original, {fewer} copies of fewer"
          f" words, {little} rise by less than .001")


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
        right = [r["is_correct"] for r in rows]
        print(f"  right against wrong ({sum(right)} of {len(right)} right): AUC {by_label(found, right):.3f},"
              f" shortness alone {1 - by_label(found, right, 'thinking_words'):.3f}")
        texts += [r["full_response"] for r in rows]
    print(f"{len(texts)} long traces")
    loops(program, texts, *options)
    rows = load(directory, "gsm8k-model-solutions.jsonl")
    solutions = []
    for name in ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification"):
        found = score(program, [r[name]["solution"] for r in rows], *options)
        describe("gsm8k " + name, found)
        right = [r[name]["is_correct"] for r in rows]
        print(f"  right against wrong: AUC {by_label(found, right):.3f},"
              f" shortness alone {1 - by_label(found, right, 'thinking_words'):.3f}")
        solutions += [r["question"] + "\n\n" + r[name]["solution"] for r in rows]
    solutions += [r["question"] + "\n\n" + r["answer"] for r in load(directory, "gsm8k-train.jsonl")]
    print("law of copies, 50 long traces and 950 worked answers")
    for source in ("first", "random", "earlier"):
        law(program, texts + solutions, source)
    print("law of copies, 1,000 drawn from all")
    drawn = texts + solutions
    random.Random(11).shuffle(drawn)
    for source in ("first", "random", "earlier"):
        law(program, drawn, source)


# ---- labelled pages ----

def folds(labels, count=5):
    """Each class dealt over the folds in shuffled order."""
    order, fold, seen = list(range(len(labels))), [0] * len(labels), [0, 0]
    random.Random(1).shuffle(order)
    for i in order:
        fold[i] = seen[labels[i]] % count
        seen[labels[i]] += 1
    return fold


def held_out(labels, fold, fit):
    """fit(training rows, test rows) gives the values of the test rows; the AUC of all."""
    values = [0.0] * len(labels)
    for k in sorted(set(fold)):
        test = [i for i, f in enumerate(fold) if f == k]
        for i, v in zip(test, fit([i for i, f in enumerate(fold) if f != k], test)):
            values[i] = v
    return values


def by_class(values, labels):
    return auc([v for v, y in zip(values, labels) if y], [v for v, y in zip(values, labels) if not y])


def calibrated(program, texts, labels):
    def fit(training, test):
        with tempfile.TemporaryDirectory() as work:
            path = os.path.join(work, "labels.jsonl")
            with open(path, "w", encoding="utf-8") as out:
                for i in training:
                    out.write(json.dumps({"text": texts[i], "label": labels[i]}) + "\n")
            profile = os.path.join(work, "fitted.profile")
            subprocess.run([program, "-q", "--calibrate", path, "--label-field", "label", "-o", profile], check=True)
            return [f["quality"].get("score", 0) for f in score(program, [texts[i] for i in test], "--profile", profile)]
    return fit


def fasttext_fit(texts, labels):
    import fasttext
    fasttext.FastText.eprint = lambda *_: None
    clean = [re.sub(r"\s+", " ", t) for t in texts]

    def fit(training, test):
        with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as out:
            for i in training:
                out.write(f"__label__{labels[i]} {clean[i]}\n")
            out.flush()
            # DCLM's setting: word unigrams and bigrams; more epochs, for 400 documents
            model = fasttext.train_supervised(out.name, wordNgrams=2, epoch=25, lr=0.5, dim=50, thread=1, verbose=0)
        found = [model.f.predict(clean[i] + "\n", 2, 0.0, "strict") for i in test]
        return [dict((label, p) for p, label in f).get("__label__1", 0.0) for f in found]
    return fit


def web(directory, web_dir, labels_dir):
    program = os.path.join(directory, "crucible-score")
    rows = load(labels_dir, "dclm-majority.jsonl")
    labels, texts = [int(r["label"]) for r in rows], [r["text"] for r in rows]
    found = score(program, texts)
    describe("dclm, good", [f for f, y in zip(found, labels) if y])
    describe("dclm, bad", [f for f, y in zip(found, labels) if not y])
    print("good against bad, one number a page")
    for key in ("signal_score", "engaged", "thinking_words"):
        print(f"  AUC of {key} {by_label(found, labels, key):.3f}")
    for key in found[0]["quality"]:
        pairs = [(f["quality"][key], y) for f, y in zip(found, labels) if key in f["quality"]]
        print(f"  AUC of {key} {by_class([v for v, _ in pairs], [y for _, y in pairs]):.3f} ({len(pairs)} pages)")
    lines = "".join(json.dumps({"text": t}) + "\n" for t in texts)
    marked = subprocess.run([os.path.join(directory, "crucible-filter"), "-q", "--mark", "--rules",
                             "gopher-quality,gopher-repetition"], input=lines, capture_output=True, text=True, check=True)
    kept = [int("filter" not in json.loads(line).get("crucible", {})) for line in marked.stdout.split("\n") if line]
    print("good against bad, 5 folds, held out")
    fold = folds(labels)
    quality = held_out(labels, fold, calibrated(program, texts, labels))
    size = get(found, "thinking_words")
    print(f"  AUC of document length {by_class(size, labels):.3f}")
    print(f"  AUC of passing the Gopher rules (quality and repetition) {by_class(kept, labels):.3f}")
    print(f"  AUC of the calibrated quality score {by_class(quality, labels):.3f}")
    try:
        fast = held_out(labels, fold, fasttext_fit(texts, labels))
        print(f"  AUC of fastText on the same folds {by_class(fast, labels):.3f}")
        both = [math.log(max(1e-9, q) / max(1e-9, 1 - q)) + math.log(max(1e-9, f) / max(1e-9, 1 - f)) for q, f in zip(quality, fast)]
        print(f"  AUC of both, log odds summed {by_class(both, labels):.3f}")
    except ImportError:
        print("  fastText is not installed here")
    third = sorted(size)
    edges = [third[len(third) // 3], third[2 * len(third) // 3]]
    for k, name in enumerate(("shortest", "middle", "longest")):
        mine = [i for i, n in enumerate(size) if sum(n > e for e in edges) == k]
        print(f"  within the {name} third: quality {by_class([quality[i] for i in mine], [labels[i] for i in mine]):.3f},"
              f" length {by_class([size[i] for i in mine], [labels[i] for i in mine]):.3f} ({len(mine)} pages)")
    pages = [r["text"] for r in load(web_dir, "c4-demo.jsonl")]
    describe("c4", score(program, pages))
    print(f"{len(pages)} pages of C4")
    loops(program, pages)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 5):
        sys.exit(__doc__)
    traces(os.path.join(sys.argv[1], "crucible-score"), sys.argv[2])
    if len(sys.argv) == 5:
        web(sys.argv[1], sys.argv[3], sys.argv[4])
