#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Vectors of `crucible embed --views static` beside those of the packages that the models are for.

Usage: static_view_agree.py BUILD [--texts N]

Needs: pip install tokenizers==0.23.3 model2vec wordllama tokenlearn-static-model. Models: wordllama's own, which its package
ships (Llama 2's BPE, 32,000 x 256, float16); that of tokenlearn-static-model (Unigram with a charsmap, mapping, weights, int8) and
random matrices for the vocabularies of subword_golden.xz, some with mapping and weights, through model2vec. Texts are those of
tokenizer_corpus.xz and random ones. Prints the worst cosine a model and ends with 1 when one is below 1 - 1e-5.
"""
import argparse
import importlib.util
import json
import lzma
import os
import random
import subprocess
import sys
import tempfile

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
os.environ["TOKENIZERS_PARALLELISM"] = "false"
from subword_agree import text  # noqa: E402
from tokenizer_golden import read  # noqa: E402

GOLDEN = os.path.join(HERE, "..", "golden")


def ours(build, model, texts, dim, scratch):
    source, out = os.path.join(scratch, "texts.jsonl"), os.path.join(scratch, "x.npy")
    with open(source, "w", encoding="utf-8") as f:
        for t in texts:
            f.write(json.dumps({"text": t}) + "\n")
    wide = (dim + 63) // 64 * 64
    subprocess.run([os.path.join(build, "bin/crucible-embed"), "-q", "--views", "static", "--static", model, "--dim", str(wide),
                    source, "-o", out], check=True)
    x = np.load(out)
    assert not x[:, dim:].any()
    return x[:, :dim].astype(np.float64)


def compare(name, got, want):
    want = want.astype(np.float64)
    length = np.linalg.norm(want, axis=1)
    empty = length < 1e-7
    assert (np.linalg.norm(got, axis=1)[empty] < 1e-6).all(), f"{name}: an empty text has a vector"
    cosine = (got * want).sum(1)[~empty] / length[~empty] / np.linalg.norm(got, axis=1)[~empty]
    print(f"{name}: {len(cosine)} texts, {int(empty.sum())} empty, worst cosine 1 - {1 - cosine.min():.1e}", flush=True)
    return cosine.min() > 1 - 1e-5


def golden_models(scratch):
    lines = lzma.open(os.path.join(GOLDEN, "subword_golden.xz"), "rt", encoding="utf-8", newline="\n").read().split("\n")
    from model2vec import StaticModel
    from tokenizers import Tokenizer
    numbers = np.random.default_rng(5)
    for k, i in enumerate(i for i, line in enumerate(lines) if line.startswith("model ")):
        tokenizer, name = Tokenizer.from_str(lines[i + 1]), lines[i][6:]
        n, more = tokenizer.get_vocab_size(), {}
        if k % 2:
            more = {"token_mapping": numbers.integers(0, 300, n), "weights": numbers.random(n).astype(np.float32)}
        vectors = numbers.standard_normal((300 if more else n, 64)).astype(np.float32)
        model = StaticModel(vectors, tokenizer, max_length=None, **more)
        folder = os.path.join(scratch, name)
        model.save_pretrained(folder)
        yield name + (", mapping and weights" if more else ""), folder, model


def main():
    p = argparse.ArgumentParser()
    p.add_argument("build")
    p.add_argument("--texts", type=int, default=1000)
    args = p.parse_args()
    r = random.Random(7)
    texts = read(lzma.open(os.path.join(GOLDEN, "tokenizer_corpus.xz")).read())[:args.texts]
    words = sorted({w for t in texts for w in t.split()})
    texts += [text(r, words) for _ in range(args.texts)]
    good = True
    with tempfile.TemporaryDirectory() as scratch:
        from model2vec import StaticModel
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer
        from wordllama.inference import WordLlamaInference
        place = os.path.dirname(importlib.util.find_spec("wordllama").origin)
        folder = os.path.join(scratch, "wordllama")
        os.mkdir(folder)
        os.symlink(os.path.join(place, "weights/l2_supercat_256.safetensors"), os.path.join(folder, "model.safetensors"))
        os.symlink(os.path.join(place, "tokenizers/l2_supercat_tokenizer_config.json"), os.path.join(folder, "tokenizer.json"))
        # (Its load() looks for the tokenizer where its own wheel does not have it.)
        want = WordLlamaInference(load_file(os.path.join(folder, "model.safetensors"))["embedding.weight"],
                                  Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))).embed(texts)
        good &= compare("wordllama", ours(args.build, folder, texts, 256, scratch), want)
        folder = os.path.join(os.path.dirname(importlib.util.find_spec("static_model").origin), "model")
        model = StaticModel.from_pretrained(folder, max_length=None)
        want = model.encode(texts, max_length=None)
        good &= compare("tokenlearn-static-model", ours(args.build, folder, texts, 64, scratch), want)
        for name, folder, model in golden_models(scratch):
            want = model.encode(texts, max_length=None)
            good &= compare(name, ours(args.build, folder, texts, 64, scratch), want)
    sys.exit(not good)


if __name__ == "__main__":
    main()
