# Sourced by tests that need real documents: makes ./in with a few hundred real files of this machine.
# HTML of the installation guide in three languages, manual pages in two, C headers, Python sources.
take() { # directory, glob, how many, into
    mkdir -p "in/$4"
    find "$1" -name "$2" -type f 2>/dev/null | LC_ALL=C sort | head -n "$3" | while read -r f; do
        cp "$f" "in/$4/$(echo "$f" | tr '/' '_')"
    done
}
for language in en de fr; do take /usr/share/doc/installation-guide-amd64/$language '*.html' 40 guide; done
take /usr/share/man/man3 '*.gz' 120 man
take /usr/share/man/de '*.gz' 60 man
take /usr/include/linux '*.h' 150 headers
take /usr/lib/python3.11 '*.py' 100 python
[ "$(find in -type f | wc -l)" -ge 300 ] || fail "fewer than 300 real files on this machine"

cat >eval.jsonl <<'Q'
{"id":"q","question":"If the file descriptor refers to a file that is not a regular file, which call answers with an error and which one blocks until there is something to be read by the process?"}
Q
cat >recipe.yaml <<'R'
name: test
seed: 7
sources:
  - name: guide
    paths: [in/guide]
    format: html
    stages:
      - filter: {rules: [gopher-quality], detect-lang: true}
  - name: man
    paths: [in/man]
    format: man
    stages:
      - filter: {rules: [gopher-repetition], detect-lang: true}
  - name: code
    paths: [in/headers, in/python]
    format: code
    stages:
      - filter: {rules: [code]}
stages:
  - dedup: {exact: true, minhash: true}
  - decontaminate: {against: [eval.jsonl]}
  - score: {profile: web}
  - select: {budget: 250, dim: 128}
  - mix: {weights: "guide=0.5,man=0.2,code=0.3", total: 300000}
  - tokenize: {vocab: qwen3, bag: 4, shard-tokens: 100000}
R
piped() { # threads, out directory
    {
        crucible read -q -j"$1" --seed 7 --source guide --format html in/guide | crucible filter -q -j"$1" --seed 7 --rules gopher-quality --detect-lang
        crucible read -q -j"$1" --seed 7 --source man --format man in/man | crucible filter -q -j"$1" --seed 7 --rules gopher-repetition --detect-lang
        crucible read -q -j"$1" --seed 7 --source code --format code in/headers in/python | crucible filter -q -j"$1" --seed 7 --rules code
    } | crucible dedup -q -j"$1" --seed 7 --exact --minhash | crucible decontaminate -q -j"$1" --seed 7 --against eval.jsonl |
        crucible score -q -j"$1" --seed 7 --profile web | crucible select -q -j"$1" --seed 7 --budget 250 --dim 128 |
        crucible mix -q -j"$1" --seed 7 --weights guide=0.5,man=0.2,code=0.3 --total 300000 |
        crucible tokenize -q -j"$1" --seed 7 --vocab qwen3 --bag 4 --shard-tokens 100000 -o "$2"
}
