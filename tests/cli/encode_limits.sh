# A text on which a vocabulary's pattern needs more than its limits is a bad document, and no more than that.
. "$CRUCIBLE_TOP/tests/cli/lib.sh"
echo '{"id":"a","text":"some text to train on"}' >train.jsonl
crucible tokenize --train-vocab 258 -q -o plain.json train.jsonl
sed 's/"Regex":"[^"]*"/"Regex":"(?:a+)+b|a"/' plain.json >slow.json
{
    echo '{"id":"good","text":"aab"}'
    printf '{"id":"slow","text":"'
    head -c 5000 /dev/zero | tr '\0' 'a'
    echo '"}'
    echo '{"id":"also","text":"ab"}'
} >docs.jsonl
expect_exit 1 crucible tokenize -q --vocab ./slow.json --ids --rejects bad.jsonl -o ids.jsonl docs.jsonl
has stderr "'slow': .*limit"
[ "$(lines ids.jsonl)" -eq 2 ] || fail "the good documents have no ids"
[ "$(lines bad.jsonl)" -eq 1 ] || fail "the bad document is not among the rejects"
has bad.jsonl '"drop":{"stage":"tokenize","rule":"text"'
expect_exit 1 crucible tokenize -q --vocab ./slow.json -o shards docs.jsonl
expect_exit 0 crucible shard verify shards
# A batch with nothing else in it.
grep slow docs.jsonl >only.jsonl
expect_exit 1 crucible tokenize -q --vocab ./slow.json --count only.jsonl >/dev/null
expect_exit 1 crucible mix -q --weights unnamed=1 --by tokens --vocab ./slow.json --total 2 docs.jsonl >mixed.jsonl
has mixed.jsonl '"good"'
