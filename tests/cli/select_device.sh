# select --device: auto and cpu give the same bytes; cuda gives them too, or says why it cannot, and is not silently
# something else. It computes lazy greedy alone.
. "$CRUCIBLE_TOP/tests/cli/lib.sh"
i=0
while [ $i -lt 60 ]; do
    i=$((i + 1))
    echo "{\"text\":\"document $i about $((i % 7)) and $((i % 5)), $((i * i))\",\"worth\":$((i % 9))}"
done >in.jsonl
crucible select -q --budget 12 --weights worth --device cpu in.jsonl >cpu.jsonl
[ "$(lines cpu.jsonl)" -eq 12 ] || fail "--budget 12 gave $(lines cpu.jsonl)"
crucible select -q --budget 12 --weights worth in.jsonl >auto.jsonl
same auto.jsonl cpu.jsonl
if crucible select -q --budget 12 --weights worth --device cuda in.jsonl >cuda.jsonl 2>stderr; then
    same cuda.jsonl cpu.jsonl
    expect_exit 64 crucible select -q --budget 12 --method sieve --device cuda in.jsonl
    has stderr "lazy"
else
    expect_exit 2 crucible select -q --budget 12 --weights worth --device cuda in.jsonl
    has stderr "CUDA"
    [ ! -s cuda.jsonl ] || fail "documents in spite of the error"
fi
expect_exit 64 crucible select -q --budget 12 --device gpu in.jsonl
