# shard cat --text: the texts again, in NFC, without the end ids, whatever they hold; only with the vocabulary that
# the ids are of. And what tokenize says of its sources and languages.
. "$CRUCIBLE_TOP/tests/cli/lib.sh"
python3 - <<'Q'
import json, random
random.seed(3)
texts = ["", "plain text\n", "e\u0301 A\u030a \u1100\u1161\u11a8 \u212b", "a\u0000b\u0000", "\U0001f468\u200d\U0001f469\ufeff \u00a0\u3000",
         "not an <|im_end|> and <|endoftext|>, e<|im_end|>\u0301", "x" * 70000, "\u0301" * 300, "tab\t\"quote\" \\back\\ \u2028 \x7f\x01",
         "ﬁ ½ ẛ̣ 中文 한국어 العربية हिन्दी"]
for i in range(400):
    texts.append("".join(chr(random.choice([random.randrange(32, 127), random.randrange(0xa0, 0x250), random.randrange(0x300, 0x370),
                                            random.randrange(0x1100, 0x1200), random.randrange(0x4e00, 0x9fff), random.randrange(0x1f300, 0x1f700)]))
                         for _ in range(random.randrange(90))))
with open("in.jsonl", "w") as plain, open("escaped.jsonl", "w") as escaped:
    for i, t in enumerate(texts):
        d = {"id": "d%d" % i, "text": t, "crucible": {"source": "ab"[i % 2], "lang": ["en", "ko", "zh"][i % 3]}}
        if i % 4 == 0: del d["crucible"]["lang"]
        plain.write(json.dumps(d, ensure_ascii=False) + "\n")
        escaped.write(json.dumps(d) + "\n")
Q
crucible tokenize -q --bag 4 --shard-tokens 5000 -o shards --stats stats.json in.jsonl
crucible tokenize -q --bag 4 --shard-tokens 5000 -o again escaped.jsonl
for f in shards/*; do same "$f" "again/${f#shards/}"; done
crucible shard cat --text --ids shards >cat.jsonl
python3 - <<'Q'
import json, unicodedata
docs = [json.loads(l) for l in open("in.jsonl")]
rows = [json.loads(l) for l in open("cat.jsonl")]
assert len(docs) == len(rows), (len(docs), len(rows))
for d, r in zip(docs, rows):
    assert r["text"] == unicodedata.normalize("NFC", d["text"]), (d["id"], d["text"][:80], r["text"][:80])
    assert r["ids"][-1] == 151643 and r["length"] == len(r["ids"]) and r["text_bytes"] == len(d["text"].encode())
s = json.load(open("stats.json"))
for key, of in (("by_source", lambda d: d["crucible"]["source"]), ("by_language", lambda d: d["crucible"].get("lang", ""))):
    want = {}
    for d, r in zip(docs, rows):
        w = want.setdefault(of(d), [0, 0, 0])
        w[0] += 1; w[1] += r["length"] - 1; w[2] += r["text_bytes"]
    got = {k: [v["documents"], v["tokens"], v["bytes"]] for k, v in s[key].items()}
    assert got == want, (key, got, want)
    for v in s[key].values(): assert abs(v["bytes_per_token"] - v["bytes"] / v["tokens"]) < 1e-4
    assert list(s[key]) == list(dict.fromkeys(of(d) for d in docs)) # in order of first appearance
Q
# a part of it; no text when none is asked for; text that is one document's
crucible shard cat --text --start 1 --count 1 shards | grep -q '"text":"plain text\\n"}$' || fail "document 1"
crucible shard cat shards >bare.jsonl
if grep -q '"text":' bare.jsonl; then fail "text that nobody asked for"; fi
# recognised added tokens are told by their content
echo '{"id":"a","text":"x<|im_end|>y"}' | crucible tokenize -q --special recognise -o special
crucible shard cat --text --ids special | grep -q '"ids":\[87,151645,88,151643\],"text":"x<|im_end|>y"}$' || fail "added token"
# what people are told
crucible tokenize -o told in.jsonl 2>told.txt
has told.txt "bytes a token"
has told.txt "^  source   a "
has told.txt "^  language ko "
# another vocabulary than the set's, none of that name, and the right one by its path
crucible tokenize -q --train-vocab 300 -o small.json in.jsonl
expect_exit 2 crucible shard cat --text --vocab ./small.json shards
has stderr "vocabulary is not that of 'shards'"
crucible tokenize -q --vocab ./small.json -o narrow in.jsonl
crucible shard cat --text --vocab ./small.json narrow >narrow.jsonl
python3 - <<'Q'
import json, unicodedata
for d, r in zip(map(json.loads, open("in.jsonl")), map(json.loads, open("narrow.jsonl"))):
    assert r["text"] == unicodedata.normalize("NFC", d["text"]), d["id"]
Q
CRUCIBLE_VOCAB_DIR=/nonexistent expect_exit 2 crucible shard cat --text narrow
