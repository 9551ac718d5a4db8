# The static view: word vectors and their tokenizer from a directory or a file, averaged as a script does; the
# same choice in one step and in two, at any -j.
. "$CRUCIBLE_TOP/tests/cli/lib.sh"
mkdir model
python3 - <<'PY'
import json, random, struct
r = random.Random(3)
# GPT-2's letters for bytes, one token each.
keep = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
letters, extra = {}, 0
for b in range(256):
    if b in keep: letters[b] = chr(b)
    else: letters[b], extra = chr(256 + extra), extra + 1
json.dump({"version": "1.0", "added_tokens": [], "normalizer": None, "post_processor": None, "truncation": None, "padding": None,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
    "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
    "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
        "fuse_unk": False, "byte_fallback": False, "vocab": {letters[b]: b for b in range(256)}, "merges": []}},
    open("model/tokenizer.json", "w"))
rows = [[r.gauss(0, 1) for _ in range(100)] for _ in range(256)]
data = b"".join(struct.pack("<100f", *row) for row in rows)
head = json.dumps({"embeddings": {"dtype": "F32", "shape": [256, 100], "data_offsets": [0, len(data)]}}).encode()
open("model/model.safetensors", "wb").write(struct.pack("<Q", len(head)) + head + data)
head = b"{'descr': '<f4', 'fortran_order': False, 'shape': (256, 100), }\n"
open("model/other.npy", "wb").write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + data)
texts = ["".join(r.choice("abcdefghij klmno\u00e9") for _ in range(r.randint(1, 300))) for _ in range(60)] + [""]
with open("in.jsonl", "w") as f:
    for t in texts: f.write(json.dumps({"text": t}) + "\n")
with open("expected", "wb") as f:
    rows = [struct.unpack("<100f", struct.pack("<100f", *row)) for row in rows]
    for t in texts:
        sums = [0.0] * 100
        for b in t.encode():
            for k in range(100): sums[k] += rows[b][k]
        length = sum(x * x for x in sums) ** .5
        f.write(struct.pack("<128f", *([x / length if length else 0 for x in sums] + [0] * 28)))
PY
crucible embed -q --views static --static model --dim 128 in.jsonl -o x.npy
python3 - <<'PY'
import struct
got, expected = open("x.npy", "rb").read()[128:], open("expected", "rb").read()
assert len(got) == len(expected) == 61 * 512
n = len(got) // 4
worst = max(abs(a - b) for a, b in zip(struct.unpack("<%df" % n, got), struct.unpack("<%df" % n, expected)))
assert worst < 1e-6, worst
PY
crucible embed -q --views static --static model/other.npy --dim 128 -j1 in.jsonl -o y.npy
same x.npy y.npy
views="--views hash,static,structure --static model --dim 320"
crucible embed -q $views in.jsonl -o all.npy
crucible select -q --budget 12 $views -j1 in.jsonl >one
crucible select -q --budget 12 $views -j2 in.jsonl >two
crucible select -q --budget 12 --embeddings all.npy in.jsonl >three
same one two
same one three
expect_exit 64 crucible embed -q --views static in.jsonl -o z.npy
has stderr "go together"
expect_exit 64 crucible embed -q --static model in.jsonl -o z.npy
expect_exit 64 crucible embed -q --views hash,static --static model --dim 128 in.jsonl -o z.npy
has stderr "at least 192"
head -c 5000 model/model.safetensors >cut.safetensors
expect_exit 2 crucible embed -q --views static --static cut.safetensors in.jsonl -o z.npy
has stderr "cut"
mv model/tokenizer.json t.json
expect_exit 2 crucible embed -q --views static --static model in.jsonl -o z.npy
has stderr "tokenizer.json"
# The other kinds of tokenizer.json, with the numbers checked by a script that knows each text's ids: WordPiece and model2vec's
# lists (unknown tokens left out), Unigram, and BPE with bytes for what is unknown.
python3 - <<'PY'
import json, os, random, struct
r = random.Random(4)
DIM = 64
def model(folder, tokenizer, tensor, n, lists=None):
    os.makedirs(folder, exist_ok=True)
    json.dump(tokenizer, open(folder + "/tokenizer.json", "w"))
    rows = [[struct.unpack("<f", struct.pack("<f", r.gauss(0, 1)))[0] for _ in range(DIM)] for _ in range(n)]
    parts = [(tensor, "F32", [n, DIM], b"".join(struct.pack("<64f", *row) for row in rows))]
    if lists:
        mapping, weights = lists
        parts += [("mapping", "I64", [len(mapping)], struct.pack("<%dq" % len(mapping), *mapping)),
                  ("weights", "F32", [len(weights)], struct.pack("<%df" % len(weights), *weights))]
    head, data = {}, b""
    for name, kind, shape, raw in parts:
        head[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    head = json.dumps(head).encode()
    open(folder + "/model.safetensors", "wb").write(struct.pack("<Q", len(head)) + head + data)
    return rows
def expect(folder, rows, texts, lists=None):
    mapping, weights = lists or (range(len(rows)), [1.0] * len(rows))
    with open(folder + ".jsonl", "w") as f, open(folder + ".want", "wb") as g:
        for text, ids in texts:
            f.write(json.dumps({"text": text}) + "\n")
            sums = [sum(weights[i] * rows[mapping[i]][k] for i in ids) for k in range(DIM)]
            length = sum(x * x for x in sums) ** .5
            g.write(struct.pack("<64f", *(x / length if length else 0 for x in sums)))
vocab = ["[UNK]", "cafe", "run", "##ning", "\u4e2d", ".", "[X]"]
lists = ([1, 0, 2, 2, 1, 0, 2], [1.0, 2.0, 0.5, 0.25, 3.0, 1.0, 1.5])
bert = {"normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"}, "added_tokens": [{"id": 6, "content": "[X]", "normalized": False, "special": True}],
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
                  "vocab": {t: i for i, t in enumerate(vocab)}}}
rows = model("wordpiece", bert, "embeddings", 3, lists)
expect("wordpiece", rows, [("Caf\u00c9 running.", [1, 2, 3, 5]), ("cafe\u4e2drun zzz [X]", [1, 4, 2, 6]), ("zzz", []), ("", []),
                           ("run" + "ning" * 30, [])], lists)
# As sentence-transformers has it, the unknown token has its row.
rows = model("keeps", bert, "embedding.weight", 7)
expect("keeps", rows, [("zzz run", [0, 2]), ("[X]", [6])])
uni = {"normalizer": {"type": "NFKC"}, "pre_tokenizer": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always"},
       "model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0], ["\u2581a", -1], ["b", -2], ["ab", -2.5], ["\u2581", -3], ["ba", -1.5]]}}
rows = model("unigram", uni, "embeddings", 6)
expect("unigram", rows, [("ab", [1, 2]), ("a bab", [1, 4, 5, 2]), ("\uff41\uff42x", [1, 2])])
llama = {"normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "\u2581"},
             {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]}, "pre_tokenizer": None,
         "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True,
             "vocab": {"<unk>": 0, "\u2581": 1, "a": 2, "b": 3, "\u2581a": 4, "ab": 5, "<0xC3>": 6, "<0xA9>": 7},
             "merges": ["\u2581 a", "a b"]}}
rows = model("llama", llama, "embedding.weight", 8)
expect("llama", rows, [("ab", [4, 3]), ("b ab\u00e9", [1, 3, 4, 3, 6, 7]), ("zz", [1, 0])])
json.dump({"normalizer": {"type": "ByteLevel"}, "model": bert["model"]}, open("refused.json", "w"))
PY
cat >near.py <<'PY'
import struct, sys
got, want = open(sys.argv[1], "rb").read()[128:], open(sys.argv[2], "rb").read()
assert len(got) == len(want) > 0, (len(got), len(want))
n = len(got) // 4
worst = max(abs(a - b) for a, b in zip(struct.unpack("<%df" % n, got), struct.unpack("<%df" % n, want)))
assert worst < 1e-6, (sys.argv[1], worst)
PY
for kind in wordpiece keeps unigram llama; do
    crucible embed -q --views static --static $kind --dim 64 $kind.jsonl -o $kind.npy
    python3 near.py $kind.npy $kind.want
    crucible embed -q --views static --static $kind --dim 64 -j1 $kind.jsonl -o one.npy
    same one.npy $kind.npy
done
crucible select -q --budget 2 --views static --static wordpiece --dim 64 wordpiece.jsonl >one
crucible select -q --budget 2 --embeddings wordpiece.npy wordpiece.jsonl >two
same one two
mkdir -p sentence && cp -r keeps sentence/0_StaticEmbedding
crucible embed -q --views static --static sentence --dim 64 keeps.jsonl -o one.npy
same one.npy keeps.npy
mv refused.json keeps/tokenizer.json
expect_exit 64 crucible embed -q --views static --static keeps --dim 64 keeps.jsonl -o z.npy
has stderr "normalizer: 'ByteLevel' is not supported"
# A text that the vocabulary has no token for is a bad document.
sed -e 's/"unk_id": 0, //' unigram/tokenizer.json >t.json && mv t.json unigram/tokenizer.json
expect_exit 1 crucible embed -q --views static --static unigram --dim 64 unigram.jsonl -o z.npy
