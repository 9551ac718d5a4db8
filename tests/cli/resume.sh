# Killed at many points and resumed: the shards are byte-identical, and nothing unfinished opens as whole.
. "$CRUCIBLE_TOP/tests/cli/lib.sh"
. "$CRUCIBLE_TOP/tests/cli/lib_real_input.sh"
crucible build -q recipe.yaml --work whole
killed=0
for delay in 0.05 0.2 0.4 0.6 0.8 1.0 1.3 1.7; do
    crucible build -q recipe.yaml --work cut >/dev/null 2>&1 &
    pid=$!
    sleep $delay
    if kill -9 $pid 2>/dev/null; then killed=$((killed + 1)); fi
    wait $pid 2>/dev/null || true
    # Either there is no manifest, or the set is whole.
    if [ -e cut/shards/manifest.json ]; then crucible shard verify cut/shards || fail "half a shard set"; fi
done
[ $killed -gt 0 ] || fail "nothing was killed"
crucible build -q recipe.yaml --work cut
diff -r whole/shards cut/shards || fail "resumed and uninterrupted differ"
find cut/steps -name '*.tmp-*' | grep . && fail "unfinished files stay behind"
# A lost step is made again; a damaged spool is noticed.
rm cut/steps/*.spool
rm -r cut/shards
crucible build -q recipe.yaml --work cut
diff -r whole/shards cut/shards || fail "rebuilt and uninterrupted differ"
# A spool that was cut is made again instead of failing the build.
spool=$(ls cut/steps/*.spool | head -n 1)
head -c 1000 "$spool" >cut.spool
cp cut.spool "$spool"
rm -r cut/shards
crucible build -q recipe.yaml --work cut
diff -r whole/shards cut/shards || fail "a cut spool changed the shards"
# The catalog has a row a run, and the killed ones say so.
python3 - <<'P'
import sqlite3
runs = sqlite3.connect("cut/catalog.db").execute("SELECT status, steps_run FROM run ORDER BY id").fetchall()
assert len(runs) >= 4 and runs[-1] == ("done", runs[-1][1]) and any(r[0] == "unfinished" for r in runs), runs
P
