#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Dedup on this machine's own documentation: the signature kernels on one core, then the stage whole.
#   tests/bench/dedup_bench.sh [BUILD [BYTES]]        BUILD has bin/crucible-dedup (default build)
set -eu
build=${1:-build}
bytes=${2:-100000000}
work=$(mktemp -d "${TMPDIR:-/tmp}/dedup-bench-XXXXXX")
trap 'rm -rf "$work"' EXIT

# Readable files below /usr/share, in path order, every fourth once more with a word changed in each
# hundred.
python3 - "$work/docs.jsonl" "$bytes" <<'PY'
import gzip, json, os, sys
limit, size, n = int(sys.argv[2]), 0, 0
with open(sys.argv[1], "w", encoding="utf-8") as out:
    for top, dirs, names in os.walk("/usr/share"):
        dirs.sort()
        for name in sorted(names):
            path = os.path.join(top, name)
            if os.path.islink(path) or os.path.getsize(path) > 3_000_000:
                continue
            try:
                data = gzip.open(path).read() if name.endswith(".gz") else open(path, "rb").read()
                text = data.decode("utf-8")
            except (OSError, EOFError, UnicodeDecodeError):
                continue
            if "\0" in text:
                continue
            texts = [text]
            if n % 4 == 0:
                words = text.split(" ")
                words[::100] = ["altered"] * len(words[::100])
                texts.append(" ".join(words))
            for copy, t in enumerate(texts):
                line = json.dumps({"id": f"{path}#{copy}", "text": t}, ensure_ascii=False)
                size += out.write(line + "\n")
            n += 1
            if size > limit:
                sys.exit()
PY
if [ -x "$build/bench/minhash_bench" ]; then
    taskset -c 0 "$build/bench/minhash_bench" "$work/docs.jsonl"
fi
mb=$(($(stat -c %s "$work/docs.jsonl") / 1000000))
for options in "--exact" "--minhash" "--exact --minhash" "--minhash --verify"; do
    # shellcheck disable=SC2086
    /usr/bin/env TIMEFORMAT=%U+%S bash -c 'time "$@"' - taskset -c 0 "$build/bin/crucible-dedup" -q -j1 \
        $options --stats "$work/stats.json" "$work/docs.jsonl" -o "$work/out.jsonl" 2> "$work/time"
    awk -v mb="$mb" -v what="$options" -F+ \
        'END { printf "%-20s %7.1f MB/s of JSONL on one core\n", what, mb / ($1 + $2) }' "$work/time"
    python3 -c 'import json, sys; print("   ", json.dumps(json.load(open(sys.argv[1]))))' "$work/stats.json"
done
