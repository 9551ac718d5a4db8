# score on real pages: the laws of copies and loops, languages and lexicons, calibration and profiles.
. "$CRUCIBLE_TOP/tests/cli/lib.sh"
guide=/usr/share/doc/installation-guide-amd64
for language in en de; do
    crucible read -q --source "$language" --format html --include '*.html' $guide/$language >"$language.jsonl"
done
[ "$(lines en.jsonl)" -ge 60 ] || fail "fewer than 60 pages in the installation guide"

cat >laws.py <<'P'
import json, random, subprocess, sys
def score(texts, *options):
    lines = "".join(json.dumps({"text": t}) + "\n" for t in texts)
    out = subprocess.run(["crucible", "score", "-q", *options], input=lines, capture_output=True, text=True, check=True).stdout
    return [json.loads(l)["crucible"]["ddm"] for l in out.split("\n") if l]
texts = [json.loads(l)["text"] for l in open("en.jsonl")]
draw, variants, sizes, loops, whole = random.Random(1), [], [], [], []
for text, found in zip(texts, score(texts, "--explain")):
    path, raw = found["path"], text.encode()
    if len(path) < 4: continue
    part = [raw[s["begin"]:s["end"]].decode() for s in path]
    assert sum(len(p.split()) for p in part) == found["thinking_words"]
    order = list(range(1, len(part)))
    draw.shuffle(order)
    steps = sorted({round(len(order) * k / 4) for k in range(5)})
    for k in steps:
        variants.append("\n\n".join(part[0] if i in order[:k] else p for i, p in enumerate(part)))
    sizes.append(len(steps))
    whole.append(text)
    loops.append("\n\n".join(part + [part[-1]] * (600 // len(part[-1].split()) + 1)))
assert len(sizes) >= 40, len(sizes)
q, at, holds = [d["signal_score"] for d in score(variants)], 0, 0
for n in sizes:
    holds += all(b < a for a, b in zip(q[at:at + n], q[at + 1:at + n]))
    at += n
assert holds >= 0.99 * len(sizes), f"copies: {holds} of {len(sizes)}"
flagged = sum(d["degenerate"] for d in score(loops))
assert flagged >= 0.95 * len(loops), f"loops: {flagged} of {len(loops)}"
flagged = sum(d["degenerate"] for d in score(whole))
assert flagged <= 0.05 * len(whole), f"whole: {flagged} of {len(whole)}"
P
python3 laws.py

# the language chooses the lexicon, and a file may bring one
printf '{"text":"Moment mal. Ich habe mich verrechnet."}\n{"text":"Moment mal. Ich habe mich verrechnet.","crucible":{"lang":"de"}}\n' >two.jsonl
crucible score -q two.jsonl >out.jsonl
has out.jsonl '"self_corrections":0'
has out.jsonl '"self_corrections":2'
printf 'language en\ncorrection anywhere moment mal\n' >own.cues
crucible score -q --cues own.cues two.jsonl >out.jsonl
has out.jsonl '"self_corrections":1'
printf 'language en\ncorrection everywhere wait\n' >wrong.cues
expect_exit 64 crucible score --cues wrong.cues two.jsonl
has stderr "'wrong.cues': line 2: not a place (anywhere, clause or sentence): 'everywhere'"
mkdir empty
expect_exit 64 crucible score --cues empty two.jsonl
expect_exit 2 crucible score --cues absent two.jsonl

# calibration: prose against what is left of it without its short words
python3 - <<'P'
import json
with open("labels.jsonl", "w") as out:
    for line in open("en.jsonl"):
        text = json.loads(line)["text"]
        out.write(json.dumps({"text": text, "good": True}) + "\n")
        out.write(json.dumps({"text": " ".join(w for w in text.split() if len(w) > 4), "good": 0}) + "\n")
P
crucible score -q --calibrate labels.jsonl --label-field good -o one.profile --stats stats.json
crucible score -q --calibrate=labels.jsonl --label-field good >two.profile
same one.profile two.profile
python3 -c 'import json; s = json.load(open("stats.json")); assert s["auc_quality"] > 0.95 and s["bad"] == 0, s'
crucible score -q --profile one.profile labels.jsonl >scored.jsonl
python3 - <<'P'
import json
rows = [json.loads(l) for l in open("scored.jsonl")]
good = [r["crucible"]["quality"]["score"] for r in rows if r["good"]]
bad = [r for r in rows if not r["good"]]
assert sum(good) / len(good) > 0.8
low = [r for r in bad if r["crucible"]["quality"]["score"] < 0.5]
assert len(low) > 0.8 * len(bad) and all(r["crucible"]["ddm"]["bin"] in ("warmup", "reject") for r in low)
P
expect_exit 64 crucible score --calibrate labels.jsonl --label-field text
has stderr "no line is a labelled document: 'labels.jsonl': line 1"
expect_exit 2 crucible score --calibrate absent.jsonl
expect_exit 64 crucible score --calibrate labels.jsonl en.jsonl
printf 'base web\nq_core much\n' >wrong.profile
expect_exit 64 crucible score --profile wrong.profile en.jsonl
has stderr "'wrong.profile': line 2: not a number: 'much'"
printf '{"text":"a b c","good":"perhaps"}\n' >>labels.jsonl
expect_exit 1 crucible score --calibrate labels.jsonl --label-field good -o three.profile
has stderr "1 bad records, the first: 'labels.jsonl': line"
same one.profile three.profile

# a recipe names a profile, and cannot calibrate
printf 'name: t\nsources:\n  - {name: a, paths: [en.jsonl], format: jsonl}\nstages:\n  - score: {profile: one.profile}\n' >good.yaml
sed 's/profile: one.profile/calibrate: labels.jsonl/' good.yaml >bad.yaml
expect_exit 64 crucible build --check bad.yaml
