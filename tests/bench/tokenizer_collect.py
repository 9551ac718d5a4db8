#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sorts the files of Debian packages by language, for tokenizer_corpus.sh.

Usage: tokenizer_collect.py DIR      reads DIR/debs/*.deb, writes DIR/natural-LL.{bin,idx} and DIR/code-NAME.{bin,idx}

Of each package at most LIMIT bytes go to a language, taken as every k-th file in sorted order, and of all at most
MOST. Help that nobody translated is English in every language.
"""
import glob
import gzip
import io
import os
import re
import struct
import subprocess
import sys
import tarfile
import zipfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tokenizer_texts  # noqa: E402

LIMIT = 3_000_000
MOST = 6_000_000
LEAST = 200_000  # a language with less than this is left out

CODE = {".c": "C", ".h": "C", ".hpp": "C++", ".ipp": "C++", ".cpp": "C++", ".py": "Python", ".pm": "Perl", ".pl": "Perl",
        ".js": "JavaScript", ".ts": "TypeScript", ".java": "Java", ".go": "Go", ".rs": "Rust", ".rb": "Ruby", ".lua": "Lua",
        ".php": "PHP", ".sh": "Shell", ".sql": "SQL", ".el": "Emacs Lisp", ".tcl": "Tcl", ".erl": "Erlang", ".scm": "Scheme",
        ".m": "Octave", ".lisp": "Common Lisp", ".pas": "Pascal", ".pp": "Pascal", ".vim": "Vim script", ".ex": "Elixir",
        ".ml": "OCaml", ".css": "CSS", ".s": "assembly"}
# What a path says of its natural language; the first group is the language.
NATURAL = [re.compile(p) for p in (
    r"usr/share/libreoffice/help/([^/]+)/.*\.html$", r"usr/share/help/([^/]+)/.*\.(?:page|docbook|xml)$",
    r"usr/share/doc/installation-guide-amd64/([^/]+)/.*\.html$", r"usr/share/man/([a-z]{2}(?:_[A-Z]{2})?)/man.*\.gz$",
    r"usr/share/(man)/man.*\.gz$", r"usr/share/locale/([^/]+)/LC_MESSAGES/.*\.mo$", r"usr/share/hunspell/([^/]+)\.dic$")]


def language(path):
    """("natural" or "code", its name), or None."""
    for pattern in NATURAL:
        found = pattern.search(path)
        if found:
            name = found.group(1).replace("-", "_").split("@")[0].split(".")[0]
            if name in ("man", "C") or name.startswith("en"):
                name = "en"
            if not name.startswith("zh") and name != "pt_BR":
                name = name.split("_")[0]
            return "natural", name
    if "usr/share/bash-completion/" in path:
        return "code", "Shell"
    name = CODE.get(os.path.splitext(path.removesuffix(".gz"))[1].lower())
    return ("code", name) if name else None


def catalog(data):
    """The translations of a compiled message catalog: little-endian, from the format's description in gettext's manual."""
    magic, _, n, _, at = struct.unpack_from("<5I", data)
    if magic != 0x950412DE:
        return b""
    rows = (struct.unpack_from("<2I", data, at + 8 * i) for i in range(n))
    return b"\n".join(data[start:start + size] for size, start in rows)


def members(deb):
    """(path, bytes) of the files of a package, those in a zip of sources too."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as reader:
        with tarfile.open(fileobj=reader.stdout, mode="r|") as tar:
            for entry in tar:
                if not entry.isfile():
                    continue
                if entry.name.endswith("src.zip"):
                    with zipfile.ZipFile(io.BytesIO(tar.extractfile(entry).read())) as inner:
                        for name in inner.namelist():
                            if language(name):
                                yield name, inner.read(name)
                elif language(entry.name):
                    yield entry.name, tar.extractfile(entry).read()


def text(path, data):
    if path.endswith(".gz"):
        data = gzip.decompress(data)
    return catalog(data) if path.endswith(".mo") else data


def main():
    folder = sys.argv[1]
    found = {}
    for deb in sorted(glob.glob(os.path.join(folder, "debs", "*.deb"))):
        here = {}
        for path, data in members(deb):
            here.setdefault(language(path), []).append((path, data))
        for key, files in here.items():
            files.sort()
            step = max(1, sum(len(text(*f)) for f in files) // LIMIT)
            texts = found.setdefault(key, [])
            room = min(LIMIT, MOST - sum(map(len, texts)))
            for path, data in files[::step]:
                data = text(path, data)[:max(room, 0)].decode("utf-8", "ignore").encode()
                room -= len(data)
                if data:
                    texts.append(data)
    for (kind, name), texts in sorted(found.items()):
        size = sum(map(len, texts))
        if size >= LEAST:
            tokenizer_texts.write(folder, f"{kind}-{name.replace(' ', '_')}", texts)
            print(f"{kind:8} {name:14} {len(texts):6} documents {size / 1e6:6.1f} MB")


if __name__ == "__main__":
    sys.exit(main())
