# mix: shares in whole units that sum to --total, one name a source however it is spelled, names of any length, and
# weights that make no sense refused. select: embeddings that are no file are refused with a reason.
. "$CRUCIBLE_TOP/tests/cli/lib.sh"
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13; do
    for source in a b c; do echo "{\"text\":\"$i\",\"crucible\":{\"source\":\"$source\"}}"; done
done >in.jsonl
crucible mix -q --by documents --total 20 in.jsonl >out.jsonl
[ "$(lines out.jsonl)" -eq 20 ] || fail "--total 20 in thirds gave $(lines out.jsonl) documents"
crucible mix -q --by documents --total 10 --weights a=0.7,b=0.2,c=0.1 --stats s.json in.jsonl >out.jsonl
[ "$(lines out.jsonl)" -eq 10 ] || fail "--total 10 gave $(lines out.jsonl) documents"
[ "$(grep -c '"source":"a"' out.jsonl)" -eq 7 ] || fail "not 7 of a"
# What was asked is told even where --max-epochs stops it.
crucible mix -q --by documents --total 100 --max-epochs 2 --weights a=0.9,b=0.1 --stats s.json in.jsonl >out.jsonl
[ "$(grep -c '"source":"a"' out.jsonl)" -eq 26 ] || fail "not 26 of a"
has s.json '"name":"a","documents":13,"available":13,"asked_share":0.900000,"asked":90,"got":26,'

# crucible.source is decoded.
long=$(printf '%0300d' 7)
printf '%s\n' '{"text":"x","crucible":{"source":"caf\u00e9 \"q\""}}' '{"text":"y","crucible":{"source":"café \"q\""}}' \
    "{\"text\":\"z\",\"crucible\":{\"source\":\"$long\"}}" '{"text":"w","crucible":{"source":7}}' >names.jsonl
crucible mix -q --by documents --weights "café \"q\"=1" --stats s.json names.jsonl >out.jsonl
[ "$(lines out.jsonl)" -eq 2 ] || fail "two spellings of a name are two sources"
has s.json '"name":"café \\"q\\"","documents":2'
has s.json "\"name\":\"$long\",\"documents\":1"
has s.json '"name":"unnamed","documents":1'

expect_exit 64 crucible mix --by documents --weights a=1,a=3 in.jsonl
has stderr "named twice"
expect_exit 64 crucible mix --by documents --weights a=1e308,b=1e308 in.jsonl
has stderr "too large"
expect_exit 2 crucible mix --by documents --weights nowhere=1 in.jsonl
has stderr "nowhere"

expect_exit 2 crucible select --budget 1 --embeddings /dev/null in.jsonl
has stderr "not a regular file"
