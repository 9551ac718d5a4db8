# What is wrong with a recipe is said before anything runs, with its place; --set overrides; a build does
# again what depends on a change and nothing else, and never takes another recipe's shards for its own.
. "$CRUCIBLE_TOP/tests/cli/lib.sh"
mkdir in && cp "$CRUCIBLE_TOP"/crucible/base/*.h in
echo '{"id":"q","question":"which of these words would ever stand in a header of some C program and in which order"}' >evals.jsonl
model=$CRUCIBLE_TOP/recipes/models/boreal-tiny.yaml
cat >r.yaml <<R
name: small
sources:
  - name: base
    paths: [in]
    format: code
stages:
  - dedup: {exact: true}
  - decontaminate: {against: [evals.jsonl]}
  - select: {budget: 10, dim: 128}
  - tokenize: {vocab: qwen3, bag: 4}
train: {model: $model, steps: 2, seq-len: 16, micro-batch: 1}
R

wrong() { # exit status, what the message says, sed expression on r.yaml
    sed "$3" r.yaml >wrong.yaml
    expect_exit "$1" crucible build --check wrong.yaml
    has stderr "$2"
}
wrong 64 "line 1: unknown key 'nam'; did you mean 'name'" 's/^name/nam/'
wrong 64 "line 5: unknown key 'fromat'; did you mean 'format'" 's/format/fromat/'
wrong 64 "line 7: unknown key 'dedupp'; did you mean 'dedup'" 's/dedup/dedupp/'
wrong 64 "line 9: unknown key 'bugdet'; did you mean 'budget'" 's/budget/bugdet/'
wrong 64 "line 11: unknown key 'stepps'; did you mean 'steps'" 's/steps/stepps/'
wrong 64 "line 9: unknown key 'seed'$" 's/dim: 128/seed: 4/'
wrong 64 "line 2: Mapping field already seen: name" '1p'
wrong 64 "line 12: Mapping field already seen: name" '$aname: again'
wrong 64 "'wrong.yaml': it is empty" d
wrong 64 "'wrong.yaml': it is empty" '1!d; s/.*/# nothing/'
wrong 64 "more than one YAML document" '$a---\nname: other'
wrong 64 "source 'base'.*'codee' is not one of" 's/format: code/format: codee/'
wrong 64 "stage 'select'.*'ten' is not a whole number" 's/budget: 10/budget: ten/'
wrong 64 "stage 'decontaminate': no evaluation set" 's/against: .*]//'
wrong 64 "stage 'select'" 's/budget: 10, //'
wrong 64 "section 'train'.*'two' is not a whole number" 's/steps: 2/steps: two/'
wrong 64 "section 'train'.*no model" 's/model: [^,]*, //'
wrong 64 "'ids' is for the command line" 's/bag: 4/ids: true/'
wrong 64 "'train-vocab' is for the command line" 's/bag: 4/train-vocab: 1024/'
wrong 64 "seed '99999999999999999999'" '$aseed: 99999999999999999999'
wrong 64 "holds a slash" 's/small/..\/small/'
missing() { # what the message says, sed expression: the recipe is right, but cannot be built here
    sed "$2" r.yaml >missing.yaml
    crucible build --check missing.yaml >/dev/null
    expect_exit 2 crucible build missing.yaml --work never
    has stderr "$1"
    [ -e never ] && fail "a build that cannot end was begun"
    return 0
}
missing "nosuch.yaml" 's/model: [^,]*,/model: nosuch.yaml,/'
missing "nosuch.jsonl" 's/evals.jsonl/nosuch.jsonl/'
missing "'nowhere'" 's/paths: .in./paths: [nowhere]/'
missing "cannot find vocabulary" 's/qwen3/nosuchvocab/'
expect_exit 2 crucible build --check in
has stderr "Is a directory"
sed 's/exact: true/exact: True/' r.yaml >yes.yaml
crucible build --check yes.yaml >check.txt
has check.txt "is fine: 1 sources, 4 stages, training"

# Every key that a recipe may have under train is an option of the trainer.
sed "s/^train.*/train: {model: $(echo "$model" | sed 's/\//\\\//g'), steps: 2, seq-len: 16, micro-batch: 1, batch-tokens: 16, tst-bag: 2, tst-fraction: 0.5, lr: 0.001, optimizer: adamw, eval-every: 1, eval-tokens: 64, save-every: 1, device: cpu}/" r.yaml >all.yaml
crucible build -q all.yaml --work all 2>quiet.txt
[ -s quiet.txt ] && fail "-q, but there is output: $(cat quiet.txt)"

steps() { crucible build r.yaml --work w --dry-run "$@" 2>&1 | grep '^[0-9]' | sed 's/^[^ ]* //' | tr '\n' ' '; }
expect() { [ "$got" = "$1" ] || fail "'$got' is not '$1'"; }
got=$(steps)
expect "read:base dedup decontaminate+select tokenize train "
[ -e w ] && fail "a dry run makes a work directory"
crucible build -q r.yaml --work w
cp -r w/shards ten
got=$(steps)
expect "read:base: done before dedup: done before decontaminate+select: done before tokenize: done before train: done before "
got=$(steps --set train.steps=3)
expect "read:base: done before dedup: done before decontaminate+select: done before tokenize: done before train "
got=$(steps --set tokenize.bag=2)
expect "read:base: done before dedup: done before decontaminate+select: done before tokenize train "
got=$(steps --set base.max-bytes=1M)
expect "read:base dedup decontaminate+select tokenize train "
for assignment in select.budget=none select.bugdet=3 nosuch.key=1 seed=x seed name= train.steps=0 train.warmup=3 =; do
    expect_exit 64 crucible build r.yaml --work w --dry-run --set "$assignment"
done
# There and back: one directory of shards serves all keys.
crucible build -q --no-train r.yaml --work w --set select.budget=5
cmp -s ten/manifest.json w/shards/manifest.json && fail "the budget changes nothing"
crucible build -q --no-train r.yaml --work w
diff -r ten w/shards || fail "another recipe's shards were taken"
# A copy of the work directory stands for itself.
cp -r w copy
rm -r copy/shards
crucible build -q --no-train r.yaml --work copy
diff -r ten copy/shards || fail "a copied work directory is not complete"
rm w/shards/manifest.json
crucible build -q --no-train r.yaml --work w
diff -r ten w/shards || fail "shards without a manifest were taken for finished"
# A file that an option names, without a slash in its name.
echo '{"id":"r","question":"and here is one more line of words that makes the whole evaluation set longer than it was"}' >>evals.jsonl
got=$(steps)
expect "read:base: done before dedup: done before decontaminate+select tokenize train "
touch -d '2001-01-01' in/arena.h
got=$(steps)
expect "read:base dedup decontaminate+select tokenize train "
# The catalog knows the tokens of each document although no stage before counted them.
crucible build -q --no-train r.yaml --work w
crucible report w >report.txt
grep -q '^10 documents, 0 tokens' report.txt && fail "the catalog counts no tokens"
expect_exit 2 crucible build -q r.yaml --work r.yaml
