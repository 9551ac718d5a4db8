# select: vectors from .npy and .npz in every form give one choice; rows go by ids where there are any, and a
# document without one is bad input. A choice extended by --add, and the methods by name.
. "$CRUCIBLE_TOP/tests/cli/lib.sh"
python3 - <<'PY' >in.jsonl
import json, random
r = random.Random(5)
words = ["w%d" % i for i in range(400)]
for i in range(120):
    topic = words[i % 6 * 60:i % 6 * 60 + 80]
    print(json.dumps({"id": "doc-%d\u00e9" % i, "text": " ".join(r.choice(topic) for _ in range(r.randint(5, 90)))}, ensure_ascii=False))
PY
crucible embed -q --dim 128 in.jsonl -o x.npy
python3 - <<'PY'
import json, random, struct, zipfile
raw = open("x.npy", "rb").read()
n, d = 120, 128
rows = [struct.unpack("<%df" % d, raw[128 + i * 4 * d:128 + (i + 1) * 4 * d]) for i in range(n)]
ids = [json.loads(line)["id"] for line in open("in.jsonl")]
def npy(descr, shape, data, version=1):
    head = ("{'descr': '%s', 'fortran_order': False, 'shape': %s, }" % (descr, shape)).encode()
    head += b" " * ((-len(head) - 11) % 64) + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(head)) + head + data
def matrix(code, order, version=1):
    return npy({"f": "<f4", "d": "<f8", "e": "<f2"}[code], (len(order), d), b"".join(struct.pack("<%d%s" % (d, code), *rows[i]) for i in order), version)
def text(names):
    width = max(map(len, names))
    return npy("<U%d" % width, (len(names),), b"".join(s.encode("utf-32-le").ljust(4 * width, b"\0") for s in names))
def save(name, members, kind):
    with zipfile.ZipFile(name, "w", kind) as z:
        for member, data in members: z.writestr(member, data)
order = list(range(n)) + [3]            # a row too many, under a name of its own
random.Random(1).shuffle(order)
names = [ids[i] for i in order]
names[order.index(3)] = "nobody's"
open("double.npy", "wb").write(matrix("d", range(n), 2))
save("plain.npz", [("a.npy", matrix("f", range(n)))], zipfile.ZIP_STORED)
save("ids.npz", [("embeddings.npy", matrix("f", order)), ("other.npy", matrix("f", [0])), ("ids.npy", text(names))], zipfile.ZIP_STORED)
save("small.npz", [("ids.npy", text(names)), ("m.npy", matrix("d", order, 3))], zipfile.ZIP_DEFLATED)
save("bytes.npz", [("ids.npy", npy("|S20", (len(names),), b"".join(s.encode().ljust(20, b"\0") for s in names))), ("m.npy", matrix("f", order))], zipfile.ZIP_DEFLATED)
save("numbers.npz", [("ids.npy", npy("<i4", (n,), struct.pack("<%di" % n, *range(-5, n - 5)))), ("m.npy", matrix("f", range(n)))], zipfile.ZIP_STORED)
save("two.npz", [("a.npy", matrix("f", range(n))), ("b.npy", matrix("f", range(n)))], zipfile.ZIP_STORED)
save("none.npz", [("ids.npy", text(ids))], zipfile.ZIP_STORED)
save("twice.npz", [("ids.npy", text(ids[:-1] + ids[:1])), ("m.npy", matrix("f", range(n)))], zipfile.ZIP_STORED)
save("short.npz", [("ids.npy", text(ids[:-1])), ("m.npy", matrix("f", range(n)))], zipfile.ZIP_STORED)
save("objects.npz", [("ids.npy", npy("|O", (n,), b"pickle" * n)), ("m.npy", matrix("f", range(n)))], zipfile.ZIP_STORED)
save("gap.npz", [("ids.npy", text(ids[:7] + ["x"] + ids[8:])), ("m.npy", matrix("f", range(n)))], zipfile.ZIP_STORED)
whole = open("plain.npz", "rb").read()
open("cut.npz", "wb").write(whole[:len(whole) // 2])
quantised = [[round(127 * v / max(map(abs, row))) for v in row] for row in rows]
open("byte.npy", "wb").write(npy("|i1", (n, d), b"".join(struct.pack("%db" % d, *row) for row in quantised)))
open("byte4.npy", "wb").write(npy("<f4", (n, d), b"".join(struct.pack("<%df" % d, *row) for row in quantised)))
with open("numbered.jsonl", "w") as f:
    for i, line in enumerate(open("in.jsonl")):
        f.write(json.dumps(dict(json.loads(line), id=str(i - 5))) + "\n")
PY
# The text of a choice and of its summary.
choose() { crucible select -q --budget 30 --dim 128 --stats s.json "$@" >out.jsonl; }
choose in.jsonl; mv out.jsonl expected.jsonl
for file in x.npy double.npy plain.npz ids.npz small.npz bytes.npz; do
    choose --embeddings $file in.jsonl
    same expected.jsonl out.jsonl
done
choose --embeddings numbers.npz numbered.jsonl
sed 's/,"crucible":/\n/; s/.*"text"/"text"/' expected.jsonl | grep '^"text"' >a
sed 's/,"crucible":/\n/; s/.*"text"/"text"/' out.jsonl | grep '^"text"' >b
[ "$(lines a)" -eq 30 ] && [ "$(lines b)" -eq 30 ] || fail "not 30 texts"
choose --embeddings byte4.npy in.jsonl; mv out.jsonl a
choose --embeddings byte.npy in.jsonl
same a out.jsonl

expect_exit 1 crucible select -q --budget 30 --embeddings gap.npz --rejects r.jsonl --stats s.json in.jsonl -o out.jsonl
has r.jsonl '"id": *"doc-7é"'
has r.jsonl 'no-embedding'
[ "$(lines r.jsonl)" -eq 90 ] || fail "$(lines r.jsonl) rejects, not 89 and 1"
expect_exit 2 crucible select -q --budget 30 --embeddings twice.npz in.jsonl
has stderr "there twice"
expect_exit 2 crucible select -q --budget 30 --embeddings two.npz in.jsonl
has stderr "several matrices"
expect_exit 2 crucible select -q --budget 30 --embeddings none.npz in.jsonl
has stderr "no matrix"
expect_exit 2 crucible select -q --budget 30 --embeddings short.npz in.jsonl
has stderr "119 ids for 120 rows"
expect_exit 2 crucible select -q --budget 30 --embeddings objects.npz in.jsonl
has stderr "ids must be"
expect_exit 2 crucible select -q --budget 30 --embeddings cut.npz in.jsonl

# In two goes what is in one; the earlier choice stays to the byte.
options="-q --dim 128 --strata 1 --lambda 0"
crucible select $options --budget 25 in.jsonl >one.jsonl
crucible select $options --budget 10 --mark in.jsonl | crucible select $options --add 15 --stats s.json >two.jsonl
same one.jsonl two.jsonl
has s.json '"selected_before":10'
expect_exit 2 crucible select -q --add 3 in.jsonl
has stderr "no document has crucible.select.order"
expect_exit 64 crucible select -q --add 3 --budget 4 in.jsonl
expect_exit 64 crucible select -q --add 3 --method sieve in.jsonl
for method in stochastic threshold sieve randgreedi; do
    crucible select -q --dim 128 --budget 20 --method $method --seed 4 -j1 --stats s.json in.jsonl >a
    crucible select -q --dim 128 --budget 20 --method $method --seed 4 -j2 in.jsonl >b
    same a b
    [ "$(lines a)" -eq 20 ] || fail "$method chose $(lines a)"
    has s.json "\"method\":\"$method\""
done
