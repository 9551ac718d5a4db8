# What every streaming stage must do: conservation, rejects, stats, bad records, truncation, EPIPE, -o.
. "$CRUCIBLE_TOP/tests/cli/lib.sh"
i=0
while [ $i -lt 1000 ]; do
    echo "{\"id\":\"d$i\",\"n\":$i,\"text\":\"Document number $i says the same as all the others, more or less.\"}"
    i=$((i + 1))
done >good.jsonl
awk 'NR == 501 {printf "{\"id\":\"bad\",\"text\":\"\377\"}\n"; next} {print}' good.jsonl >one-bad.jsonl

# One bad byte costs exactly one record, which is found again in the rejects.
expect_exit 1 crucible filter --where 'n >= 0' one-bad.jsonl -o out.jsonl --rejects rejects.jsonl --stats stats.json
has stderr "1000 in = 999 out + 0 dropped + 1 bad"
[ "$(lines out.jsonl)" = 999 ] || fail "not 999 lines"
[ "$(lines rejects.jsonl)" = 1 ] || fail "not 1 reject"
has rejects.jsonl '"raw_base64"'
has stats.json '"in":1000'
has stats.json '"bad":1'
expect_exit 1 crucible filter --where 'n >= 0' --strict one-bad.jsonl -o strict.jsonl
[ ! -e strict.jsonl ] || fail "a stopped run left an output"
ls ./*.tmp-* 2>/dev/null && fail "temporary files were left"

# Nothing asked for: bytes pass through unchanged, also from standard input and through compression.
crucible filter -q --where 'n >= 0' <good.jsonl >through.jsonl
same good.jsonl through.jsonl
for c in "gzip -k" "zstd -qk" "xz -k" "bzip2 -k" "lz4 -qm"; do
    rm -f good.jsonl.*
    $c good.jsonl
    crucible filter -q --where 'n >= 0' good.jsonl.* >through.jsonl || fail "$c"
    same good.jsonl through.jsonl
    # A cut stream: the good part comes out, the status says so.
    file=$(ls good.jsonl.*)
    size=$(wc -c <"$file")
    head -c $((size * 2 / 3)) "$file" >cut
    expect_exit 1 crucible filter --where 'n >= 0' cut -o cut.out
    has stderr "good"
    head -n "$(lines cut.out)" good.jsonl | cmp -s - cut.out || fail "$c: what came out of the cut stream is not its beginning"
done
head -c 50000 good.jsonl >dead.jsonl
expect_exit 1 crucible filter --where 'n >= 0' dead.jsonl -o dead.out

# A closed reader ends the stage quietly.
i=0
while [ $i -lt 200 ]; do cat good.jsonl; i=$((i + 1)); done >big.jsonl
(crucible filter --where 'n >= 0' big.jsonl; echo $? >code) 2>epipe.err | head -n 1 >/dev/null
[ "$(cat code)" = 0 ] || fail "EPIPE gives $(cat code)"
[ -s epipe.err ] && { cat epipe.err; fail "EPIPE is not quiet"; }

# The same bytes at any -j; field names; missing files.
crucible filter -q -j1 --rules gopher-quality big.jsonl -o j1.jsonl --rejects r1.jsonl
crucible filter -q -j2 --rules gopher-quality big.jsonl -o j2.jsonl --rejects r2.jsonl
same j1.jsonl j2.jsonl
same r1.jsonl r2.jsonl
[ $(($(lines j1.jsonl) + $(lines r1.jsonl))) = 200000 ] || fail "documents vanished"
has r1.jsonl '"drop":{"stage":"filter","rule":"gopher-quality'
echo '{"body":"x y z","id":1,"n":2}' | crucible filter -q --where 'n > 0' --text-field body >body.jsonl
[ "$(cat body.jsonl)" = '{"body":"x y z","id":1,"n":2}' ] || fail "text field"
expect_exit 64 crucible filter -q --text-field id body.jsonl # the id and the text in one field would be written twice
has stderr "text field: 'id'"
expect_exit 64 crucible read --text-field crucible body.jsonl
printf '{"id":true,"text":"a"}\n{"id":7,"text":"b"}\n' >ids.jsonl
expect_exit 1 crucible mix -q ids.jsonl -o ids.out
has stderr "neither a string nor a number"
[ "$(lines ids.out)" = 1 ] || fail "an id that is no id"
awk 'BEGIN { for (d = 256; d < 258; d++) { printf "{\"text\":\"deep\",\"m\":"; for (i = 0; i < d; i++) printf "["; for (i = 0; i < d; i++) printf "]"; print "}" } }' >deep.jsonl
expect_exit 1 crucible mix -q deep.jsonl -o deep.out
has stderr "nested more than 256 deep"
[ "$(lines deep.out)" = 1 ] || fail "nesting of 256"
expect_exit 2 crucible filter --rules code nosuchfile.jsonl
has stderr "'nosuchfile.jsonl'"
expect_exit 64 crucible filter --rules nosuchrule good.jsonl
: >empty.jsonl
crucible filter --rules code empty.jsonl -o empty.out 2>stderr
[ ! -s empty.out ] || fail "something from nothing"
has stderr "0 in = 0 out + 0 dropped + 0 bad"
