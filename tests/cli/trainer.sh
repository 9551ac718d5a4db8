# The trainer on hostile shards and model files; one run a directory; a killed run goes on to the same bits.
. "$CRUCIBLE_TOP/tests/cli/lib.sh"
model=$CRUCIBLE_TOP/recipes/models/boreal-tiny.yaml
crucible read -q --format code "$CRUCIBLE_TOP"/crucible/base/*.c | crucible tokenize -q -o set
train() { crucible train -q --model "$model" --seq-len 16 --micro-batch 2 "$@"; }
started() { # in the background, as a process of its own; sets pid
    crucible train -q --model "$model" --seq-len 16 --micro-batch 2 "$@" &
    pid=$!
}

train --data set --steps 6 --save-every 2 -o whole --log whole.jsonl
python3 -c "
import json
rows = [json.loads(l) for l in open('whole.jsonl')]
assert [r['step'] for r in rows] == [1, 2, 3, 4, 5, 6], rows
assert list(rows[0]) == 'step phase loss bpb lr grad_norm tokens tokens_per_s mfu'.split(), rows[0]"
train --data set --steps 2 --log - >log.txt
[ "$(lines log.txt)" -eq 2 ] || fail "--log - is not standard output"
[ -e ./- ] && fail "--log - made a file"

# Killed at any moment, with what it left: the checkpoint comes out the same.
train --data set --steps 400 --save-every 2 -o long --log long.jsonl
killed=0
for delay in 0.1 0.3 0.5 0.7; do
    started --data set --steps 400 --save-every 2 -o cut --log cut.jsonl --resume
    sleep $delay
    if kill -9 $pid 2>/dev/null; then killed=$((killed + 1)); fi
    wait $pid 2>/dev/null || true
done
[ $killed -gt 0 ] || fail "nothing was killed"
: >cut/checkpoint.crk.tmp-1
train --data set --steps 400 --save-every 2 -o cut --log cut.jsonl --resume
[ -e cut/checkpoint.crk.tmp-1 ] && fail "unfinished checkpoints stay behind"
# The header counts bytes of log, whose tokens a second differ; parameters and moments do not.
python3 - <<'P'
import json
a, b = open('long/checkpoint.crk', 'rb').read(), open('cut/checkpoint.crk', 'rb').read()
assert len(a) == len(b) and a[4096:-8] == b[4096:-8], 'weights differ'
keep = lambda path: [{k: v for k, v in json.loads(l).items() if k != 'tokens_per_s'} for l in open(path)]
assert keep('long.jsonl') == keep('cut.jsonl'), 'logs differ'
P

started --data set --steps 100000 -o busy
while [ ! -e busy ]; do sleep 0.05; done
sleep 0.3
expect_exit 2 train --data set --steps 2 -o busy
has stderr "directory in use"
kill -9 $pid
wait $pid 2>/dev/null || true

# One byte of the tokens flipped.
cp -r set flipped
printf Q | dd of=flipped/00000.crs bs=1 seek=9000 conv=notrunc 2>/dev/null
expect_exit 2 train --data flipped --steps 1
has stderr "checksum of block"
: | crucible tokenize -q -o short
expect_exit 2 train --data short --steps 1
expect_exit 2 train --data nowhere --steps 1
expect_exit 64 train --steps 1

model=m.yaml
wrong() { # model file, what the message says
    printf "$1" >m.yaml
    expect_exit 64 train --data set --steps 1
    has stderr "$2"
}
wrong 'widht: 64\n' "m.yaml:1: unknown key 'widht'; did you mean 'width'"
wrong 'width: 64\n# again\nwidth: 32\n' "m.yaml:3: key 'width' was given on line 1"
wrong 'width: [64]\n' "m.yaml:1: the value of 'width' is not a plain scalar"
wrong '\twidth: 64\n' "m.yaml:1: expected"
wrong 'vocab: 1000\n' "model and shards disagree"
printf '\357\273\277width: 64\r\n' >m.yaml
train --data set --steps 1
