# select: killed at any moment, the same command goes on from the picks that were made and comes to the same
# choice to the byte, for every kind of budget; a damaged file counts as far as it is sound; none is left behind.
. "$CRUCIBLE_TOP/tests/cli/lib.sh"
python3 - <<'PY' >in.jsonl
import json, random
r = random.Random(9)
words = ["w%d" % i for i in range(400)]
for i in range(240):
    topic = words[i % 6 * 60:i % 6 * 60 + 80]
    print(json.dumps({"id": "d%d" % i, "text": " ".join(r.choice(topic) for _ in range(r.randint(500, 6000))),
                      "crucible": {"tokens": r.randint(5, 900)}}))
PY
mkdir tmp kept
picks() { ls tmp/crucible-select-*.picks 2>/dev/null || true; }
run() { crucible select -q -j1 --tmpdir tmp --dim 128 --strata 3 --checkpoint 0 "$@" in.jsonl; }
size() { wc -c <"$1" | tr -d ' '; }

# Nobody reads the pipe, so that the run stops where it writes documents, with all picks made; there it is killed.
mkfifo pipe
exec 3<>pipe
killed() {
    # exec: the process that is killed is the program itself.
    (exec crucible select -q -j1 --tmpdir tmp --dim 128 --strata 3 --checkpoint 0 "$@" in.jsonl >pipe 2>killed.log 3>&-) &
    pid=$! before=-1 i=0
    while [ $i -lt 300 ]; do
        sleep 0.1
        now=$(cat $(picks) /dev/null | wc -c)
        # Nothing new in a while: it waits at the pipe.
        [ "$now" -gt 0 ] && [ "$now" -eq "$before" ] && break
        before=$now i=$((i + 1))
    done
    kill -9 $pid
    wait $pid 2>/dev/null || true
    [ "$(picks | wc -l)" -eq 1 ] || { cat killed.log >&2; fail "no picks in tmp: $*"; }
}
for budget in "--budget 90" "--budget-tokens 20000" "--budget 60 --method threshold"; do
    run $budget >expected.jsonl
    [ -z "$(picks)" ] || fail "picks are left behind"
    killed $budget
    file=$(picks) whole=$(size "$(picks)")
    cp "$file" kept/all
    [ $((whole % 24)) -eq 0 ] || fail "$whole bytes"
    # As if it had been killed earlier: after some picks, within a record, at the end of a stratum's picks.
    for cut in $whole 24 1003 $((whole - 24 * 4)); do
        head -c $cut kept/all >"$file"
        run $budget --stats s.json >out.jsonl
        same expected.jsonl out.jsonl
        [ -z "$(picks)" ] || fail "picks are left behind"
    done
    head -c $whole kept/all >"$file"
    printf '\377' | dd of="$file" bs=1 seek=$((whole / 3)) conv=notrunc 2>/dev/null
    run $budget >out.jsonl
    same expected.jsonl out.jsonl
done

# What was made is taken over, not made again; another selection has nothing to do with it.
killed --budget 90
cp "$(picks)" kept/all
file=$(picks)
run --budget 91 --stats s.json >/dev/null
grep -q resumed s.json && fail "picks of another selection were taken"
[ "$(picks)" = "$file" ] || fail "picks of another selection are gone"
run --budget 90 --stats s.json >out.jsonl
has s.json '"resumed":90'
head -c 480 kept/all >"$file"
run --budget 90 --stats s.json >out.jsonl
has s.json '"resumed":20'

# A link in its place is not followed, and --add resumes like the rest.
: >elsewhere
ln -s ../elsewhere "$file"
run --budget 90 >a
[ "$(size elsewhere)" -eq 0 ] || fail "a link was followed"
rm "$file"
same a out.jsonl
run --budget 40 --mark >marked.jsonl
mv marked.jsonl in.jsonl
run --add 30 >expected.jsonl
killed --add 30
cp "$(picks)" kept/all
head -c 216 kept/all >"$(picks)"
run --add 30 --stats s.json >out.jsonl
same expected.jsonl out.jsonl
has s.json '"resumed":9'
