#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/subword_golden.xz: small vocabularies of the kinds that tokenizer/subword.h reads, and what Hugging
Face tokenizers 0.23.3 makes of awkward strings with them. tests/unit/tokenizer_subword_test.c reads it.

Usage: subword_golden.py [--models DIR]     (DIR: the vocabularies as files, too, for subword_agree.py)

Needs: pip install tokenizers==0.23.3. The vocabularies are trained on tests/golden/tokenizer_corpus.xz. Lines of the file:
"model NAME", then its tokenizer.json in one line; then "text HEX ID ID .." a string.
"""
import argparse
import json
import lzma
import os
import random
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "..", "tokenizer")]
os.environ["TOKENIZERS_PARALLELISM"] = "false"
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers as N, pre_tokenizers as P, trainers  # noqa: E402

from subword_agree import SPECIAL, character, text  # noqa: E402
from subword_unicode import charsmap  # noqa: E402

GOLDEN = os.path.join(HERE, "..", "golden")
BYTES = [f"<0x{b:02X}>" for b in range(256)]
ADDED = [AddedToken("<sep>", normalized=False, special=True), AddedToken("[MASK]", lstrip=True, normalized=False, special=True),
         AddedToken("Ünit", single_word=True, normalized=True), AddedToken("<r>", rstrip=True, normalized=True)]
# What becomes of characters: of one, of two, of none; a grapheme whose first character alone is a key loses the rest.
PAIRS = [("\ufb01", "fi"), ("\xa0", " "), ("\t", " "), ("\r", ""), ("\n", " "), ("e\u0301", "é"), ("a", "a"), ("\u3000", " "),
         ("\u2122", "TM"), ("\xa9", "(c)"), ("\uff21", "A"), ("\uff22", "B"), ("\u1100\u1161", "가"), ("\u0600", "#"),
         ("\U0001f100", "0."), ("\u200b", ""), ("\ufe0f", ""), ("\u0344", "\u0308\u0301")] + [(chr(c), chr(c + 32)) for c in range(65, 91)]


def corpus():
    raw, at = lzma.open(os.path.join(GOLDEN, "tokenizer_corpus.xz")).read(), 0
    while at < len(raw):
        n = struct.unpack_from("<I", raw, at)[0]
        yield raw[at + 4:at + 4 + n].decode()[:1500]
        at += 4 + n


def precompiled(pairs):
    return N.Precompiled(charsmap(pairs))


def build():
    """Name -> tokenizer."""
    texts = list(corpus())
    seq, cut = N.Sequence, P.Sequence
    word = trainers.WordPieceTrainer(vocab_size=900, limit_alphabet=220, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]"],
                                     show_progress=False)
    uni = trainers.UnigramTrainer(vocab_size=700, special_tokens=["<unk>", "<s>"], unk_token="<unk>", show_progress=False)
    level = trainers.WordLevelTrainer(vocab_size=500, special_tokens=["<unk>"], show_progress=False)

    def bpe(first, size=800):
        return trainers.BpeTrainer(vocab_size=size, limit_alphabet=180, special_tokens=first, show_progress=False)
    bert, meta = P.BertPreTokenizer(), P.Metaspace("\u2581", "always")
    kinds = {
        "bert-uncased": (models.WordPiece(unk_token="[UNK]"), N.BertNormalizer(), bert, word),
        "bert-cased": (models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=12), N.BertNormalizer(
            clean_text=True, handle_chinese_chars=True, strip_accents=False, lowercase=False), bert, word),
        "bert-accents": (models.WordPiece(unk_token="[UNK]"), N.BertNormalizer(
            clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False), bert, word),
        "wordpiece-words": (models.WordPiece(unk_token="[UNK]"), seq(
            [N.NFD(), N.Lowercase(), N.StripAccents()]), P.Whitespace(), word),
        "wordpiece-nfkd": (models.WordPiece(unk_token="[UNK]"), seq(
            [N.NFKD(), N.StripAccents(), N.Strip(), N.Lowercase()]), cut(
            [P.WhitespaceSplit(), P.Punctuation("merged_with_previous"), P.Digits(True)]), word),
        "wordlevel": (models.WordLevel(unk_token="<unk>"), N.Lowercase(), cut(
            [P.Whitespace(), P.Digits(False), P.CharDelimiterSplit("e")]), level),
        "unigram-nfkc": (models.Unigram(), seq([N.Nmt(), N.NFKC(), N.Replace(Regex(" {2,}"), " ")]), meta, uni),
        "unigram-charsmap": (models.Unigram(), seq([precompiled(PAIRS), N.Strip(False, True)]), cut(
            [P.WhitespaceSplit(), meta]), uni),
        "unigram-whole": (models.Unigram(), N.NFC(), P.Metaspace("\u2581", "first", split=False), uni),
        "bpe-llama": (models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True), seq(
            [N.Prepend("\u2581"), N.Replace(" ", "\u2581")]), None, bpe(["<unk>", "<s>", "</s>"] + BYTES, 1100)),
        "bpe-gemma": (models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True, ignore_merges=True), N.Replace(
            " ", "\u2581"), P.Split(" ", "merged_with_previous"), bpe(["<unk>"] + BYTES, 1100)),
        "bpe-first": (models.BPE(unk_token="<unk>", byte_fallback=True), N.NFC(), P.Metaspace(
            "\u2581", "first", split=False), bpe(["<unk>"] + BYTES[:128], 900)),
        "bpe-fused": (models.BPE(unk_token="<unk>", fuse_unk=True), N.NFD(), P.Metaspace(
            "\u2581", "never"), bpe(["<unk>"])),
        "bpe-dropped": (models.BPE(), None, P.Split(Regex(r"\s+"), "removed"), bpe(["<s>"])),
    }
    out = {}
    for name, (model, normalizer, pre, trainer) in kinds.items():
        t = Tokenizer(model)
        if normalizer:
            t.normalizer = normalizer
        if pre:
            t.pre_tokenizer = pre
        if name.startswith("bpe"):  # trained on words, so that merges are of words
            whole = t.pre_tokenizer
            t.pre_tokenizer = P.Metaspace("\u2581", "never")
            t.train_from_iterator(texts, trainer)
            kept = json.loads(t.to_str())
            kept["pre_tokenizer"] = json.loads(whole.__getstate__()) if whole else None
            t = Tokenizer.from_str(json.dumps(kept))
        else:
            # (Unigram keeps every character it sees.)
            t.train_from_iterator([x for x in texts if name[0] != "u" or max(x) < "\u0500"], trainer)
        if name == "unigram-whole":  # with bytes for what is unknown
            kept = json.loads(t.to_str())
            kept["model"]["vocab"] += [[b, 0.0] for b in BYTES]
            kept["model"]["byte_fallback"] = True
            t = Tokenizer.from_str(json.dumps(kept))
        if name not in ("bert-accents", "bpe-dropped"):
            t.add_tokens(ADDED)
        out[name] = t
    return out


def strings(r, tokens):
    fixed = ["", " ", "a", "  a  b ", "[CLS] text [SEP]", "x<sep>y <sep> z", "a [MASK] b", "Ünit Ünits ünit, Ünit", "<r>  x <r>",
             "Straße ÀÉÎÕÜ naïve İstanbul ΑΣ ΣΑΣ", "中文字符测试 and かな カナ ｶﾅ", "한국어 각 ᄀ", "emoji 👩‍👩‍👧 ❤️‍🔥 🇩🇪 ☺️", "\0\x01\x7f\x85\xad\u200b\ufeff",
             "e\u0301\u0323\u0301 \u0344 \u0345\u0301", "\0\u0344\u1ac9 \U000e0001\u0344\u0323 a\u0344\u0323 \r\n\u0344\u0323", "ﬁ ™ © Å Ⅷ ½ ㌔ ﷺ", "a" * 101, "ü" * 100, "=" * 99, "=" * 250, "supercalifragilistic" * 12,
             "3.14 1,000 2024-05-06 ٣٤", "tab\tnew\nline\r\nend", "don't stop_it a-b c/d e@f.g", "<0x41> <unk> <s>", "\u2581\u2581a\u2581 \u2581",
             "\U0002b820\U0002b920\U00030000\U000e0001", "l'été, l’été", "π≈3", "नमस्ते क्षि", "สวัสดี", "مرحبا", "שָׁלוֹם", "𝒜𝔅 𝟘"] + SPECIAL
    fixed += [text(r, tokens)[:120] for _ in range(70)]
    fixed += ["".join(character(r) for _ in range(12)) for _ in range(40)]
    return fixed


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--models")
    args = p.parse_args()
    lines = []
    for name, t in build().items():
        raw = json.dumps(json.loads(t.to_str()), ensure_ascii=False, separators=(",", ":"))
        t = Tokenizer.from_str(raw)
        if args.models:
            os.makedirs(args.models, exist_ok=True)
            with open(os.path.join(args.models, name + ".json"), "w", encoding="utf-8") as f:
                f.write(raw)
        tokens = [x.removeprefix("##").replace("\u2581", " ") for x in sorted(t.get_vocab())]
        lines += [f"model {name}", raw]
        some = strings(random.Random(name), tokens)
        for s, e in zip(some, t.encode_batch_fast(some, add_special_tokens=False)):
            lines.append(" ".join(["text", s.encode().hex() or "-"] + [str(i) for i in e.ids]))
        print(name, t.get_vocab_size(), "tokens", len(some), "strings")
    raw = ("\n".join(lines) + "\n").encode()
    packed = lzma.compress(raw, preset=9 | lzma.PRESET_EXTREME)
    with open(os.path.join(GOLDEN, "subword_golden.xz"), "wb") as f:
        f.write(packed)
    print(len(raw), "bytes,", len(packed), "packed")


if __name__ == "__main__":
    main()
