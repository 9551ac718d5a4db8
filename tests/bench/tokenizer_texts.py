#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Where tokenizer_bench.py and tokenizer_agree.py get their texts.

A corpus is a directory of NAME.bin, documents one after another in UTF-8, and NAME.idx, where each begins and the
last ends, as u64. Programs read .texts files: for each text a u32 length and its bytes.
"""
import glob
import gzip
import os
import random
import struct
import sys
import unicodedata
from array import array

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tokenizer_json  # noqa: E402

LONGEST = 256 << 10  # bytes of a document


def write(folder, name, documents):
    """Documents, cut where they are longer than LONGEST, as folder/NAME.bin and .idx."""
    index, at = array("Q", [0]), 0
    with open(os.path.join(folder, name + ".bin"), "wb") as out:
        for data in documents:
            while data:
                end = min(len(data), LONGEST)
                while end < len(data) and data[end] & 0xC0 == 0x80:
                    end -= 1
                at += out.write(data[:end])
                index.append(at)
                data = data[end:]
    with open(os.path.join(folder, name + ".idx"), "wb") as out:
        index.tofile(out)


def read(folder, name):
    """The documents of folder/NAME.bin, as bytes."""
    with open(os.path.join(folder, name + ".bin"), "rb") as f:
        data = f.read()
    with open(os.path.join(folder, name + ".idx"), "rb") as f:
        index = array("Q", f.read())
    return [data[a:b] for a, b in zip(index, index[1:])]


def names(folder):
    return sorted(os.path.basename(p)[:-4] for p in glob.glob(os.path.join(folder, "*.bin")))


def write_texts(path, documents):
    with open(path, "wb") as out:
        for b in documents:
            out.write(struct.pack("=I", len(b)) + b)


def read_texts(path):
    with open(path, "rb") as f:
        data = f.read()
    at = 0
    while at < len(data):
        n = struct.unpack_from("=I", data, at)[0]
        yield data[at + 4:at + 4 + n]
        at += 4 + n


def files(root, ends, limit):
    """Up to `limit` bytes of the files below root: in sorted order, every k-th, as bytes of well-formed UTF-8."""
    found = []
    for folder, _, names_here in os.walk(root):
        found += [os.path.join(folder, n) for n in names_here if n.endswith(ends)]
    found.sort()
    sizes = sum(os.path.getsize(p) for p in found if os.path.isfile(p)) or 1
    step = max(1, round(sizes * (2.5 if ends[0] == ".gz" else 1) / limit))
    taken = 0
    for path in found[::step]:
        try:
            with (gzip.open if path.endswith(".gz") else open)(path, "rb") as f:
                text = f.read(LONGEST).decode("utf-8", "ignore").encode()
        except OSError:
            continue
        if text and taken < limit:
            taken += len(text)
            yield text


# The four classes of the speed bars, of what Debian installs on a machine.
GUIDE, MAN = "/usr/share/doc/installation-guide-amd64/", "/usr/share/man/"
MACHINE = {
    "english": [(GUIDE + "en", (".html",)), (MAN + "man1", (".gz",)), (MAN + "man3", (".gz",))],
    "code": [("/usr/lib/python3.11", (".py",)), ("/usr/include", (".h",))],
    "chinese": [(GUIDE + "zh", (".html",)), (MAN + "zh_CN", (".gz",)), (MAN + "zh_TW", (".gz",))],
    "multi": [(MAN + x, (".gz",)) for x in ("ru", "de", "fr", "ko", "uk", "pl", "sr", "ja")]
    + [(GUIDE + x, (".html",)) for x in ("ru", "el", "vi", "ko", "cs", "ja")],
}


def classes(megabytes):
    """{class: documents} from $CRUCIBLE_BENCH_CORPUS if set: its english, code, chinese and multi, or the languages
    that tokenizer_corpus.sh wrote; else from this machine's own files."""
    folder = os.environ.get("CRUCIBLE_BENCH_CORPUS")
    limit = int(megabytes * 1e6)
    if not folder:
        return {c: [d for root, ends in roots for d in files(root, ends, limit / len(roots))]
                for c, roots in MACHINE.items()}
    here = names(folder)
    if "english" in here:
        return {c: read(folder, c) for c in MACHINE if c in here}
    wanted = {"english": lambda n: n == "natural-en", "code": lambda n: n.startswith("code-"),
              "chinese": lambda n: n.startswith("natural-zh"),
              "multi": lambda n: n.startswith("natural-") and n[8:10] not in ("en", "zh")}
    return {c: [d for n in here if want(n) for d in read(folder, n)][::step_of(folder, here, want, limit)]
            for c, want in wanted.items()}


def step_of(folder, here, want, limit):
    size = sum(os.path.getsize(os.path.join(folder, n + ".bin")) for n in here if want(n))
    return max(1, round(size / limit))


def pathological(size):
    """Six single documents that word caches and merge loops dislike; `size` is bytes, or nearly."""
    draw = random.Random(7)
    return {
        "a1M": b"a" * size,
        "latin1": bytes(draw.randrange(256) for _ in range(size)).decode("latin-1").encode(),
        "randaz": bytes(draw.randrange(97, 123) for _ in range(size)),
        "spaces": b" " * size,
        "hanrun": "".join(chr(draw.randrange(0x4E00, 0x9FA6)) for _ in range(size // 3)).encode(),
        "zwj": ("\U0001F468\u200D\U0001F469\u0301" * (size * 6 // 100)).encode(),
    }


# Ranges that the pre-tokeniser and the normaliser care about; one string draws from a few of them.
POOLS = [
    range(0x20, 0x7F), [9, 10, 13, 32, 32, 0xA0, 0x2003, 0x3000, 0x85, 0x2028], range(0x30, 0x3A),
    [0x27, 0x53, 0x73, 0x74, 0x6C, 0x4C, 0x17F, 0x212A, 0x52, 0x65, 0x76], range(0x300, 0x370), range(0xA0, 0x250),
    range(0x370, 0x400), range(0x400, 0x500), range(0x590, 0x600), range(0x600, 0x700), range(0x900, 0x980),
    range(0xE00, 0xE80), range(0x1100, 0x1200), range(0xAC00, 0xAC80), range(0x3040, 0x3100), range(0x4E00, 0x4F00),
    range(0xF900, 0xFB00), range(0xFB00, 0xFE00), range(0x1F300, 0x1F400), range(0x660, 0x66A), range(0x1DC0, 0x1E00),
    range(0x1AB0, 0x1B00), range(0x8A0, 0x900), range(0x11300, 0x11400), range(0x105C0, 0x105F0), range(0x11930, 0x11945),
    range(0x16110, 0x16130), range(0x16D60, 0x16D70), range(0x1D150, 0x1D180), range(0x2F800, 0x2FA20),
    [0xE000, 0xFFFF, 0x10FFFF, 0, 1, 0x7F, 0xFEFF, 0x1C89, 0xA7DA, 0x88F], range(0xE0100, 0xE0110), range(0x200B, 0x2010),
    range(0xB40, 0xB80), range(0xDC0, 0xE00), range(0x1000, 0x1050), range(0xF00, 0xFC0),
]


def random_strings(n, seed):
    draw = random.Random(seed)
    for _ in range(n):
        pools = draw.sample(POOLS, draw.randrange(1, 5))
        out = []
        for _ in range(draw.randrange(1, 60)):
            if draw.random() < 0.04:
                out.append(draw.choice(tokenizer_json.ADDED))
            c = draw.choice(draw.choice(pools))
            out.append(chr(c) * (draw.randrange(1, 40) if draw.random() < 0.03 else 1))
        yield "".join(out)


def scripts():
    """How many scripts the random strings draw from, by the first word of their letters' names."""
    found = {unicodedata.name(chr(c), "").split(" ")[0] for p in POOLS for c in p if unicodedata.category(chr(c)) in ("Lo", "Lu", "Ll")}
    return len(found - {"", "MODIFIER", "FEMININE", "MASCULINE", "COMBINING"})


# Contexts that show a code point's class in ids of other characters, for an unlisted one becomes the same bytes
# whatever it is. Two spaces before it stay one token only before white space, and 's is one token only behind what
# is no punctuation; the line ends belong to punctuation before them; marks around it show its combining class,
# what it composes with and what it decomposes to.
CONTEXTS = ["  {0}{0}'s", "a{0}\n \nthe", "a\u0315{0}\u0316\u0301"]


def code_points(context):
    """Every scalar value in the context, in order."""
    for c in range(0x110000):
        if not 0xD800 <= c < 0xE000:
            yield context.format(chr(c)).encode()


def code_point(i):
    """The code point of the i-th of code_points()."""
    return i if i < 0xD800 else i + 0x800
