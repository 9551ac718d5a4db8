# tokenize --train-vocab: a vocabulary of this project's own text, the same at any -j and any --memory, which
# tokenize then reads; its ids give the text back; no half-written file; refusals that say why.
. "$CRUCIBLE_TOP/tests/cli/lib.sh"
crucible read -q --format text "$CRUCIBLE_TOP"/*.md "$CRUCIBLE_TOP"/tokenizer/*.[ch] "$CRUCIBLE_TOP"/cmd/*.[1c] >docs.jsonl
[ "$(lines docs.jsonl)" -ge 40 ] || fail "fewer than 40 documents"
train() { crucible tokenize --train-vocab "$@"; }

train 1024 -q -j1 --stats stats.json -o one.json docs.jsonl
train 1024 -q -j2 -o two.json docs.jsonl
train 1024 -q -j3 --memory 1K --tmpdir . -o small.json <docs.jsonl
train 1024 -q docs.jsonl >stdout.json
for other in two small stdout; do same one.json $other.json; done
has stats.json '"vocab_size":1024,"merges":767,'
crucible vocab one.json >vocab.tsv
has vocab.tsv "^ids	1024$"
has vocab.tsv "^end	1023	<|endoftext|>$"

# The ids of the trained vocabulary stand for the text, and are as many as training said.
crucible tokenize -q --vocab ./one.json --ids docs.jsonl >ids.jsonl
python3 - docs.jsonl ids.jsonl one.json stats.json <<'PY' || fail "the ids do not stand for the text"
import json, sys, unicodedata
docs, ids = ([json.loads(x) for x in open(f, encoding="utf-8")] for f in sys.argv[1:3])
model = json.load(open(sys.argv[3], encoding="utf-8"))
plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
rest = [b for b in range(256) if b not in plain]
byte = {**{chr(b): b for b in plain}, **{chr(256 + i): b for i, b in enumerate(rest)}}
token = {i: bytes(byte[c] for c in t) for t, i in model["model"]["vocab"].items()}
assert sorted(token) == list(range(1023)) and len(model["model"]["merges"]) == 767
n = size = 0
for d, e in zip(docs, ids, strict=True):
    text = b"".join(token[i] for i in e["ids"])
    assert d["id"] == e["id"] and text.decode() == unicodedata.normalize("NFC", d["text"]), d["id"]
    n, size = n + len(e["ids"]), size + len(text)
stats = json.load(open(sys.argv[4]))
assert stats["tokens"] == n and abs(stats["bytes_per_token"] - size / n) < 1e-4, (stats, n, size)
assert size / n > 1.5
PY

# Shards with it end documents with its own token.
crucible tokenize -q --vocab ./one.json -o shards docs.jsonl
crucible shard verify shards >verify.txt

# Added tokens lie behind <|endoftext|> in the order given, and no merge takes their place.
train 600 -q --added-token '<|im_start|>' --added-token the -o added.json docs.jsonl
python3 - added.json <<'PY' || fail "added tokens"
import json, sys
m = json.load(open(sys.argv[1]))
assert [(t["id"], t["content"]) for t in m["added_tokens"]] == [(597, "<|endoftext|>"), (598, "<|im_start|>"), (599, "the")]
assert "the" not in m["model"]["vocab"] and len(m["model"]["vocab"]) == 597
PY
echo '{"id":"a","text":"on the<|endoftext|>"}' | crucible tokenize --vocab ./added.json --special recognise --ids -q >special.txt
has special.txt ',599,597\]}$'

# Bad records go to --rejects, and what is good is trained on.
{ head -n 30 docs.jsonl; echo '{"text":'; tail -n +31 docs.jsonl; } >bad.jsonl
expect_exit 1 crucible tokenize --train-vocab 1024 -q --rejects bad.out -o bad.json bad.jsonl
[ "$(lines bad.out)" -eq 1 ] || fail "not one reject"
same one.json bad.json

# Refusals leave nothing behind.
expect_exit 2 crucible tokenize --train-vocab 5000 -q -o none.json <<'Q'
{"text":"the other the other the other"}
Q
has stderr "too little text for 5000 ids: no pair occurs twice after 26[0-9]; --train-vocab 26[0-9] would do"
enough=$(sed 's/.*--train-vocab \([0-9]*\) would do.*/\1/' stderr)
echo '{"text":"the other the other the other"}' | train "$enough" -q -o enough.json
echo '{"text":"nothing"}' | train 257 -q -o bytes.json
expect_exit 2 crucible tokenize --train-vocab 300 -q -o none.json /dev/null
expect_exit 64 crucible tokenize --train-vocab 256 -o none.json docs.jsonl
expect_exit 64 crucible tokenize --train-vocab 257 --added-token x1 -o none.json docs.jsonl
expect_exit 64 crucible tokenize --train-vocab 300 --added-token x -o none.json docs.jsonl
expect_exit 64 crucible tokenize --train-vocab 300 --added-token '<|endoftext|>' -o none.json docs.jsonl
has stderr "it is there already"
expect_exit 64 crucible tokenize --train-vocab 300 --ids docs.jsonl
expect_exit 64 crucible tokenize --added-token xy --ids docs.jsonl
[ -z "$(find . -name 'none.json*')" ] || fail "a refused run left a file"

# A killed run leaves no tokenizer.json.
mkfifo pipe
crucible tokenize --train-vocab 1024 -q -o killed.json <pipe 2>/dev/null &
job=$!
exec 3>pipe
cat docs.jsonl >&3
kill -TERM "$job"
exec 3>&-
wait "$job" && fail "a killed run says it is done"
[ -z "$(find . -name 'killed.json*')" ] || fail "a killed run left a file"
