# Whatever instructions are used, ids are the same: real pages in several scripts, real code, and rows of what windows cut.
. "$CRUCIBLE_TOP/tests/cli/lib.sh"
guide=/usr/share/doc/installation-guide-amd64
for language in en de fr ja ko ru zh_CN; do
    [ -d $guide/$language ] || continue
    find $guide/$language -name '*.html' | LC_ALL=C sort | head -n 12 | xargs crucible read -q --format html --extract all >>in.jsonl
done
find /usr/include -name '*.h' | LC_ALL=C sort | head -n 60 | xargs crucible read -q --format code >>in.jsonl
row() { printf '{"text":"'; i=0; while [ $i -lt 3000 ]; do printf '%s' "$1"; i=$((i + 1)); done; printf 'x"}\n'; }
for what in '\n' ' ' ' \n' "'ll " '!\r\n' '7' '中' '　' 'é' '" \u0000'; do row "$(printf '%s' "$what" | sed 's/^"/\\"/')" >>in.jsonl; done
[ "$(lines in.jsonl)" -ge 100 ] || fail "only $(lines in.jsonl) documents"
crucible tokenize -q --ids in.jsonl >best.jsonl
[ "$(lines best.jsonl)" -eq "$(lines in.jsonl)" ] || fail "a document has no ids"
for simd in plain sse2 avx2 avx512 neon none-such; do
    CRUCIBLE_SIMD=$simd crucible tokenize -q --ids in.jsonl >ids.jsonl
    same best.jsonl ids.jsonl
done
