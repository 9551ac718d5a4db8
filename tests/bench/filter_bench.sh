#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Filters on one core, file to file, against datatrove: filter_bench.sh FILE.jsonl [PYTHON]
# PYTHON is an interpreter with datatrove and spacy; without it only Crucible is timed. BIN and LIB say where
# the built programs and room libraries are (build/bin, build/lib). CPU seconds, median of five.
set -eu
file=$1
python=${2:-}
bin=${BIN:-build/bin}
lib=${LIB:-build/lib}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cc -std=c11 -O2 -I. -D_GNU_SOURCE tests/bench/filter_speed.c "$lib/libcrucible-filter.a" "$lib/libcrucible-doc.a" \
    "$lib/libcrucible-base.a" -o "$work/speed" -larchive -lzstd -lz -lxxhash -lutf8proc -lcld2 -lsimdjson -lstdc++ -lm -lgomp
echo "== kernels, text in memory"
"$work/speed" "$file" 5

echo "== crucible filter, JSONL to JSONL, -j 1"
for rules in gopher-quality,gopher-repetition gopher-repetition,gopher-quality,c4-noterm,fineweb; do
    for round in 1 2 3 4 5; do
        bash -c "TIMEFORMAT='%U %S'; time $bin/crucible-filter -q -j 1 --rules $rules '$file' -o '$work/out'" 2>&1
    done | sort -n | awk -v rules=$rules -v bytes="$(wc -c < "$file")" \
        '{t[NR] = $1 + $2} END {printf "%-60s %.3f CPU s  %.1f MB/s of JSONL\n", rules, t[3], bytes / 1e6 / t[3]}'
done

if [ -n "$python" ]; then
    echo "== datatrove, documents in memory, FineWeb order with early exit"
    "$python" - "$file" <<'EOF'
import json, os, sys, time
from datatrove.data import Document
from datatrove.pipeline.filters import (C4QualityFilter, FineWebQualityFilter, GopherQualityFilter,
                                        GopherRepetitionFilter)
texts = [json.loads(line)["text"] for line in open(sys.argv[1], "rb")]
chain = [GopherRepetitionFilter(), GopherQualityFilter(), C4QualityFilter(filter_no_terminal_punct=False),
         FineWebQualityFilter()]
for f in chain[:2]:
    f.filter(Document(text="Load the tokenizer before the clock starts.", id=""))
start, kept = time.process_time(), 0
for text in texts:
    doc = Document(text=text, id="")
    kept += all(f.filter(doc) is True for f in chain)
seconds = time.process_time() - start
print(f"datatrove {seconds:.2f} CPU s  {os.path.getsize(sys.argv[1]) / 1e6 / seconds:.2f} MB/s of JSONL, kept {kept}")
EOF
fi
