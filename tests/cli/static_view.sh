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
