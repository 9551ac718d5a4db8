# Damage that must be seen, and outputs that must not hurt each other or what is there already.
. "$CRUCIBLE_TOP/tests/cli/lib.sh"
i=0
while [ $i -lt 300 ]; do
    echo "{\"id\":\"d$i\",\"n\":$i,\"text\":\"Document number $i says the same as all the others, more or less.\"}"
    i=$((i + 1))
done >good.jsonl
pass() { crucible filter -q --where 'n >= 0' "$@"; }

# Nothing behind compressed data is skipped without a word: a damaged second member, foreign bytes.
for c in "gzip -k" "zstd -qk" "xz -k" "bzip2 -k" "lz4 -qm"; do
    rm -f good.jsonl.*
    $c good.jsonl
    file=$(ls good.jsonl.*)
    cat "$file" "$file" >two
    pass two -o two.out || fail "$c: two members"
    cat good.jsonl good.jsonl | cmp -s - two.out || fail "$c: two members give other bytes"
    { cat "$file"; printf 'X'; tail -c +2 "$file"; } >damaged
    expect_exit 1 pass damaged -o damaged.out
    has stderr "good"
done
# gzip's own checksum is looked at, and its padding with zeros is not foreign.
gzip -kf good.jsonl
{ cat good.jsonl.gz; head -c 512 /dev/zero; } >padded
pass padded -o padded.out || fail "zeros behind gzip"
same good.jsonl padded.out
size=$(wc -c <good.jsonl.gz)
printf 'ABCD' | dd of=good.jsonl.gz bs=1 seek=$((size - 8)) conv=notrunc 2>/dev/null
expect_exit 1 pass good.jsonl.gz -o crc.out
has stderr "incorrect data check"
mkdir tree && cp good.jsonl tree/a.jsonl
tar czf tree.tar.gz tree
size=$(wc -c <tree.tar.gz)
expect_exit 0 crucible read tree.tar.gz -o tree.out
printf 'ABCD' | dd of=tree.tar.gz bs=1 seek=$((size - 8)) conv=notrunc 2>/dev/null
expect_exit 1 crucible read tree.tar.gz -o tree.out
has stderr "incorrect data check"

# Two outputs of one run are two files.
expect_exit 64 pass good.jsonl -o one --rejects ./one
expect_exit 64 pass good.jsonl -o one --stats "$PWD/one"
cp good.jsonl there
expect_exit 64 pass good.jsonl --rejects there --stats there
same good.jsonl there
[ ! -e one ] || fail "an output was made"
# In place, and to one device, is fine.
pass there -o there && pass good.jsonl -o /dev/null --rejects /dev/null || fail "in place or to /dev/null"
same good.jsonl there

# A link stays a link.
ln -s there link
pass good.jsonl -o link && [ -L link ] || fail "-o replaced a link"
same good.jsonl there
# What is printed rather than written meets a closed reader and a full disk in the same way.
(crucible filter --list-rules; echo $? >code) | true
[ "$(cat code)" = 0 ] || fail "--list-rules into a closed pipe gives $(cat code)"
if [ -c /dev/full ]; then
    expect_exit 2 sh -c 'crucible filter --list-rules >/dev/full'
    has stderr "No space left"
fi

# Names of descriptors are written as they are: /dev/stdout stays what it is, a log keeps its beginning.
if [ -L /dev/stdout ]; then
    echo begin >log
    pass good.jsonl -o /dev/fd/3 3>>log || fail "/dev/fd/3"
    { echo begin; cat good.jsonl; } | cmp -s - log || fail "/dev/fd/3 overwrote"
    pass good.jsonl -o /dev/fd/1 | cmp -s - good.jsonl || fail "/dev/fd/1"
fi
# A closed standard output is an error, and no other file takes its place.
expect_exit 2 sh -c 'crucible filter -q --where "n < 0" good.jsonl --where "n >= 0" --rejects closed.rejects >&-'
[ ! -s closed.rejects ] || fail "documents went to the rejects"

# A signal leaves no unfinished file.
mkfifo pipe
crucible-filter -q --where 'n >= 0' pipe -o killed.out --rejects killed.rejects &
process=$!
exec 4>pipe
cat good.jsonl >&4
for _ in 1 2 3 4 5 6 7 8 9 10; do ls killed.out.tmp-* >/dev/null 2>&1 && break; sleep 0.1; done
kill -TERM $process
set +e; wait $process; got=$?; set -e
exec 4>&-
[ $got = 143 ] || fail "exit $got after SIGTERM"
ls killed* >/dev/null 2>&1 && fail "unfinished files were left"

# A full temporary directory is an error, not a crash.
mkdir small
if mount -t tmpfs -o size=256k tmpfs small 2>/dev/null; then
    awk 'BEGIN {for (i = 0; i < 40000; i++) printf "{\"text\":\"t%d\"}\n", i}' >many.jsonl
    set +e; crucible dedup -q --exact --memory 1K --tmpdir small many.jsonl -o full.out 2>stderr; got=$?; set -e
    umount small
    [ $got = 2 ] || fail "exit $got with a full temporary directory"
    has stderr "No space left"
fi

# Keys: a bad escape is bad input; an escaped one is the key it spells, and keeps its bytes.
printf '{"a\\qb":1,"text":"x","n":1}\n' >bad-key.jsonl
expect_exit 1 pass bad-key.jsonl -o bad-key.out
printf '{"te\\u0078t":"x","i\\u0064":7,"n":1}\n' >key.jsonl
pass key.jsonl | cmp -s - key.jsonl || fail "escaped keys"

# dedup by id; an older mark does not outlive its reason.
printf '{"id":"a","text":"x"}\n{"id":"a","text":"y"}\n' | crucible dedup -q --exact=id >by-id
[ "$(lines by-id)" = 1 ] || fail "dedup --exact=id"
printf '{"id":"b","text":"x","crucible":{"lang":"en","dedup":{"exact":true,"keep":false}}}\n' |
    crucible dedup -q --exact --mark >mark
[ "$(cat mark)" = '{"id":"b","text":"x","crucible":{"lang":"en"}}' ] || fail "an old mark: $(cat mark)"

# Blanks belong to a name in --files-from.
mkdir names && echo "some text" >"names/ a.txt "
echo "names/ a.txt " | crucible read -q --files-from - >names.out
has names.out '"id":"names/ a.txt "'
