#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares the rule sets with datatrove's filters, document for document.

usage: filter_parity.py FILE.jsonl [MAX_DOCUMENTS] [--show]
needs: pip install datatrove spacy nltk regex tldextract; run from the root of the source tree.

Two comparisons: with datatrove's own words (spaCy, English), and with Crucible's tokens and sentences put
in their place, which leaves only the rules themselves to differ. A verdict agrees when both keep the
document or both drop it for the same rule; "kept/dropped" counts agreement on that alone.
"""
import collections
import json
import os
import subprocess
import sys
import tempfile

ROOMS = ["crucible/base", "crucible/doc", "crucible/filter"]
# Crucible's rule name -> datatrove's reason
RULES = {
    "gopher-quality.word-count": ("gopher_short_doc", "gopher_long_doc"),
    "gopher-quality.word-length": ("gopher_below_avg_threshold", "gopher_above_avg_threshold"),
    "gopher-quality.hash-ratio": ("gopher_too_many_hashes",),
    "gopher-quality.ellipsis-ratio": ("gopher_too_many_ellipsis",),
    "gopher-quality.bullet-lines": ("gopher_too_many_bullets",),
    "gopher-quality.ellipsis-lines": ("gopher_too_many_end_ellipsis",),
    "gopher-quality.alpha-words": ("gopher_below_alpha_threshold",),
    "gopher-quality.stop-words": ("gopher_enough_stop_words",),
    "gopher-repetition.duplicate-paragraphs": ("dup_para_frac",),
    "gopher-repetition.duplicate-paragraph-chars": ("dup_para_char_frac",),
    "gopher-repetition.duplicate-lines": ("dup_line_frac",),
    "gopher-repetition.duplicate-line-chars": ("dup_line_char_frac",),
    **{f"gopher-repetition.top-{n}-gram": (f"top_{n}_gram",) for n in (2, 3, 4)},
    **{f"gopher-repetition.duplicate-{n}-grams": (f"duplicated_{n}_n_grams",) for n in range(5, 11)},
    **{f"{s}.lorem-ipsum": ("lorem_ipsum",) for s in ("c4", "c4-noterm")},
    **{f"{s}.curly-bracket": ("curly_bracket",) for s in ("c4", "c4-noterm")},
    **{f"{s}.sentences": ("too_few_sentences",) for s in ("c4", "c4-noterm")},
    "fineweb.lines": ("empty",),
    "fineweb.line-punctuation": ("line_punct_ratio",),
    "fineweb.short-lines": ("short_line_ratio",),
    "fineweb.duplicate-line-chars": ("char_dup_ratio",),
    "fineweb.list-ratio": ("list_ratio",),
}


def build_probe(directory):
    sources = [os.path.join(r, f) for r in ROOMS for f in os.listdir(r)]
    objects = []
    for source in sources + ["tests/bench/filter_probe.c"]:
        cc = {".c": ["gcc", "-std=c11"], ".cc": ["g++", "-std=c++17"]}.get(os.path.splitext(source)[1])
        if cc:
            objects.append(os.path.join(directory, source.replace("/", "_") + ".o"))
            subprocess.run(cc + ["-O2", "-fopenmp", "-I.", "-D_GNU_SOURCE", '-DCRU_VERSION="0"', "-c", source,
                                 "-o", objects[-1]], check=True)
    probe = os.path.join(directory, "probe")
    libraries = "-larchive -lxxhash -lutf8proc -lcld2 -lsimdjson -lzstd -lm -lpthread"
    subprocess.run(["g++", "-fopenmp", *objects, "-o", probe, *libraries.split()], check=True)
    return probe


def main():
    import datatrove.pipeline.filters as filters
    from datatrove.data import Document
    import datatrove.pipeline.filters.c4_filters as c4
    import datatrove.pipeline.filters.fineweb_quality_filter as fineweb
    import datatrove.pipeline.filters.gopher_quality_filter as quality
    import datatrove.pipeline.filters.gopher_repetition_filter as repetition

    path = sys.argv[1]
    limit = int(sys.argv[2]) if len(sys.argv) > 2 else 10**9
    lines = open(path, "rb").read().splitlines(keepends=True)[:limit]
    with tempfile.TemporaryDirectory() as directory:
        out = subprocess.run([build_probe(directory)], input=b"".join(lines), stdout=subprocess.PIPE, check=True)
    ours = [json.loads(line) for line in out.stdout.decode().split("\n")[:-1]]
    texts = [json.loads(line)["text"] for line in lines]
    assert len(ours) == len(texts)

    peers = {
        "gopher-quality": filters.GopherQualityFilter(),
        "gopher-repetition": filters.GopherRepetitionFilter(),
        "c4": filters.C4QualityFilter(),
        "c4-noterm": filters.C4QualityFilter(filter_no_terminal_punct=False),
        "fineweb": filters.FineWebQualityFilter(),
    }
    words = {text: o["tokens"] for text, o in zip(texts, ours)}
    original = quality.split_into_words
    for source in ("datatrove's own words", "Crucible's tokens"):
        given = source.startswith("Crucible")
        for module in (quality, repetition, fineweb):
            module.split_into_words = (lambda text, language: words[text]) if given else original
        for name, peer in peers.items():
            if given and name.startswith("c4"):
                continue  # C4 looks at no words but those of str.split()
            same = kept_same = text_same = kept = 0
            differences = collections.Counter()
            for text, o in zip(texts, ours):
                doc = Document(text=text, id="")
                try:
                    answer = peer.filter(doc)
                except ZeroDivisionError:
                    answer = (False, "empty")
                reason = "" if answer is True else answer[1]
                rule = o["sets"][name]["rule"]
                agree = reason in RULES[rule] if rule else not reason
                same += agree
                kept_same += (not rule) == (not reason)
                kept += not reason
                text_same += not rule and not reason and o["sets"][name]["text"] == doc.text
                if not agree:
                    differences[(rule or "keep", reason or "keep")] += 1
                    if "--show" in sys.argv:
                        print(repr(text[:80]), rule, o["sets"][name]["value"], reason)
            both = sum(1 for _ in ours)
            print(f"{source:22} {name:18} {both} documents, datatrove keeps {kept}: same verdict {same / both:.4f}, "
                  f"same kept/dropped {kept_same / both:.4f}, same text of kept {text_same}", dict(differences))


if __name__ == "__main__":
    main()
